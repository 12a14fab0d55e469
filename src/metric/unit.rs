//! Units of stored values and the systems they are published in: converted once, on the way out. Pure.

/// Units of stored values. Conversion happens once, on the way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Unit {
    Kilogram,
    KilogramPerSquareMetre,
    Percent,
    Centimetre,
    Steps,
    Floors,
    Kilometre,
    Metre,
    Kilocalorie,
    Minute,
    Millisecond,
    BeatsPerMinute,
    BreathsPerMinute,
    Celsius,
    /// A difference of temperatures: scaled by a conversion, never shifted.
    CelsiusDifference,
    MillilitrePerKilogramMinute,
    Millilitre,
    KilometrePerHour,
    SecondPerKilometre,
    Count,
    Score,
    /// RFC 3339 with offset.
    Timestamp,
    Text,
    /// A unit of a clinic or a laboratory, by its symbol: the same in every system.
    Clinical(&'static str),
}

/// The unit systems of published values, by the names Igor and Fitbit gave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum System {
    /// Everything metric.
    #[default]
    Metric,
    /// `en_US`: lb, mi, ft, in, fl oz, °F.
    UnitedStates,
    /// `en_GB`: stones for weight, the rest metric.
    UnitedKingdom,
}

impl System {
    /// The system a `system` setting names; anything but `en_US` and `en_GB` is metric.
    pub fn named(name: &str) -> System {
        match name.trim() {
            "en_US" => System::UnitedStates,
            "en_GB" => System::UnitedKingdom,
            _ => System::Metric,
        }
    }
}

/// How a stored value becomes a published one: `value * factor + offset`, in the unit `symbol`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Conversion {
    symbol: &'static str,
    factor: f64,
    offset: f64,
}

impl Unit {
    /// The unit's name in `system`, in Home Assistant's spelling; `None` for values without a unit.
    pub fn symbol(self, system: System) -> Option<&'static str> {
        if let Some(conversion) = self.conversion(system) {
            return Some(conversion.symbol);
        }
        Some(match self {
            Unit::Kilogram => "kg",
            Unit::KilogramPerSquareMetre => "kg/m²",
            Unit::Percent => "%",
            Unit::Centimetre => "cm",
            Unit::Steps => "steps",
            Unit::Floors => "floors",
            Unit::Kilometre => "km",
            Unit::Metre => "m",
            Unit::Kilocalorie => "kcal",
            Unit::Minute => "min",
            Unit::Millisecond => "ms",
            Unit::BeatsPerMinute => "bpm",
            Unit::BreathsPerMinute => "br/min",
            Unit::Celsius | Unit::CelsiusDifference => "°C",
            Unit::MillilitrePerKilogramMinute => "mL/kg/min",
            Unit::Millilitre => "mL",
            Unit::KilometrePerHour => "km/h",
            Unit::SecondPerKilometre => "s/km",
            Unit::Clinical(symbol) => symbol,
            Unit::Count | Unit::Score | Unit::Timestamp | Unit::Text => return None,
        })
    }

    /// A stored value in `system`: itself where nothing is converted, else rounded to four decimals.
    pub fn convert(self, value: f64, system: System) -> f64 {
        match self.conversion(system) {
            None => value,
            Some(c) => ((value * c.factor + c.offset) * 10_000.0).round() / 10_000.0,
        }
    }

    /// The values a living person can have, so that an absurd number is reported instead of published.
    pub fn plausible(self) -> std::ops::RangeInclusive<f64> {
        match self {
            Unit::Kilogram => 0.0..=1_000.0,
            Unit::KilogramPerSquareMetre => 0.0..=500.0,
            Unit::Percent => 0.0..=100.0,
            Unit::Centimetre => 0.0..=300.0,
            Unit::Steps => 0.0..=1_000_000.0,
            Unit::Floors | Unit::Count => 0.0..=100_000.0,
            Unit::Kilometre => 0.0..=5_000.0,
            Unit::Metre => 0.0..=100_000.0,
            Unit::Kilocalorie => 0.0..=100_000.0,
            // A day of 25 hours at the end of daylight-saving time.
            Unit::Minute => 0.0..=1_500.0,
            Unit::Millisecond => 0.0..=10_000.0,
            Unit::BeatsPerMinute => 0.0..=400.0,
            Unit::BreathsPerMinute => 0.0..=200.0,
            Unit::Celsius => 20.0..=50.0,
            Unit::CelsiusDifference => -30.0..=30.0,
            Unit::MillilitrePerKilogramMinute => 0.0..=120.0,
            Unit::Millilitre => 0.0..=100_000.0,
            Unit::KilometrePerHour => 0.0..=1_000.0,
            Unit::SecondPerKilometre => 0.0..=1_000_000.0,
            Unit::Score => 0.0..=1_000.0,
            Unit::Clinical(_) => 0.0..=1e9,
            Unit::Timestamp | Unit::Text => f64::NEG_INFINITY..=f64::INFINITY,
        }
    }

    /// The factors are the exact legal definitions (international pound and foot, United States fluid ounce).
    #[rustfmt::skip]
    fn conversion(self, system: System) -> Option<Conversion> {
        let scaled = |symbol, factor| Some(Conversion { symbol, factor, offset: 0.0 });
        match (system, self) {
            (System::UnitedStates, Unit::Kilogram)           => scaled("lb", 1.0 / 0.453_592_37),
            (System::UnitedStates, Unit::Kilometre)          => scaled("mi", 1.0 / 1.609_344),
            (System::UnitedStates, Unit::KilometrePerHour)   => scaled("mph", 1.0 / 1.609_344),
            (System::UnitedStates, Unit::SecondPerKilometre) => scaled("s/mi", 1.609_344),
            (System::UnitedStates, Unit::Metre)              => scaled("ft", 1.0 / 0.304_8),
            (System::UnitedStates, Unit::Centimetre)         => scaled("in", 1.0 / 2.54),
            (System::UnitedStates, Unit::Millilitre)         => scaled("fl. oz.", 1.0 / 29.573_529_562_5),
            (System::UnitedStates, Unit::CelsiusDifference)  => scaled("°F", 1.8),
            (System::UnitedStates, Unit::Celsius) => Some(Conversion { symbol: "°F", factor: 1.8, offset: 32.0 }),
            (System::UnitedKingdom, Unit::Kilogram)          => scaled("st", 1.0 / 6.350_293_18),
            _ => None,
        }
    }
}

/// Fields beside a value (a workout's, mostly) that are converted with it, and the field that names their unit.
pub static BESIDE_UNITS: &[(&str, Unit)] = &[
    ("distance", Unit::Kilometre),
    ("elevationGain", Unit::Metre),
    ("speed", Unit::KilometrePerHour),
    ("pace", Unit::SecondPerKilometre),
];
