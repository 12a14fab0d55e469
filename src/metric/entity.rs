//! How a home-automation system shows a metric: Home Assistant's own words, as columns of the catalogue. Pure data.

/// Home Assistant's description of one entity.
///
/// Which classes go with which units and state classes are Home Assistant's own rules; a class with a unit that is not
/// its own makes it refuse the entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entity {
    /// What kind of thing it is, where Home Assistant has a word for it.
    pub device_class: Option<&'static str>,
    /// How statistics are made of it; none for what is no number.
    pub state_class: Option<&'static str>,
    /// How many decimals are shown.
    pub precision: Option<u8>,
    /// The name of a Material Design icon; empty where the class has one that shows the value.
    pub icon: &'static str,
    /// About the equipment rather than the person.
    pub diagnostic: bool,
    /// Whether it is shown unless somebody asks for it.
    pub enabled: bool,
}

impl Entity {
    /// Whether it is a total, which grows until its day is over.
    pub fn is_total(&self) -> bool {
        self.state_class == Some(TOTAL)
    }

    /// For those who look for it.
    pub const fn hidden(self) -> Entity {
        Entity { enabled: false, ..self }
    }

    /// About the equipment.
    pub const fn diagnostic(self) -> Entity {
        Entity { diagnostic: true, ..self }
    }
}

/// A measurement. An empty class: Home Assistant has none that fits.
pub const fn measured(device_class: &'static str, precision: u8, icon: &'static str) -> Entity {
    number(device_class, "measurement", precision, icon)
}

/// Home Assistant's class of totals.
const TOTAL: &str = "total_increasing";

/// A total of the day, which begins at 0 each midnight.
pub const fn total(device_class: &'static str, precision: u8, icon: &'static str) -> Entity {
    number(device_class, TOTAL, precision, icon)
}

/// A point in time.
pub const fn instant(icon: &'static str) -> Entity {
    Entity { device_class: Some("timestamp"), ..words(icon) }
}

/// Text.
pub const fn words(icon: &'static str) -> Entity {
    Entity { device_class: None, state_class: None, precision: None, icon, diagnostic: false, enabled: true }
}

const fn number(device_class: &'static str, state_class: &'static str, precision: u8, icon: &'static str) -> Entity {
    let device_class = if device_class.is_empty() { None } else { Some(device_class) };
    Entity { device_class, state_class: Some(state_class), precision: Some(precision), ..words(icon) }
}
