//! The catalogue: one row per metric that any upstream can deliver, with its unit, what a zero of it means and how Home
//! Assistant shows it. Pure data; it knows no upstream and no destination.

mod entity; // how a home-automation system shows it
mod unit; // units, and their systems

use std::collections::HashMap;
use std::sync::LazyLock;

pub use self::entity::Entity;
use self::entity::{instant, measured, total, words};
pub use self::unit::{BESIDE_UNITS, System, Unit};

/// One thing measured, under the same key whichever upstream it came from.
#[derive(Debug, PartialEq)]
pub struct Metric {
    /// Kebab-case key: topic level, JSON key and name everywhere else.
    pub key: &'static str,
    /// English name for people.
    pub name: &'static str,
    /// Unit of the stored (always metric) value.
    pub unit: Unit,
    /// The group, which is also a method name.
    pub group: Group,
    /// What a value of 0 says.
    pub zero: Zero,
    /// How Home Assistant shows it.
    pub entity: Entity,
}

impl Metric {
    /// Whether a value above zero shows that a device was worn that day.
    pub fn proves_wear(&self) -> bool {
        ["resting-heart-rate", "heart-rate"].contains(&self.key)
            || (self.zero == Zero::WornOnly && !["sedentary-minutes", "activity-calories"].contains(&self.key))
    }
}

/// What a 0 from an upstream means, so that an unknown value is never published as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zero {
    /// A measurement like any other (a night without deep sleep, a skin temperature at its baseline).
    Measured,
    /// A total that upstreams also report as 0 for days on which nothing was worn: kept only on a day worn.
    WornOnly,
    /// Nothing was logged or measured: never kept.
    Nothing,
}

/// The groups of metrics; each is a method name, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Group {
    Body,
    Activity,
    Zones,
    Heart,
    Hrv,
    Breathing,
    Oxygen,
    Temperature,
    Fitness,
    Sleep,
    Nutrition,
    Workouts,
    Devices,
    Rhythm,
    Plus,
}

impl Group {
    /// The method name of the group.
    pub fn name(self) -> &'static str {
        match self {
            Group::Body => "body",
            Group::Activity => "activity",
            Group::Zones => "zones",
            Group::Heart => "heart",
            Group::Hrv => "hrv",
            Group::Breathing => "breathing",
            Group::Oxygen => "oxygen",
            Group::Temperature => "temperature",
            Group::Fitness => "fitness",
            Group::Sleep => "sleep",
            Group::Nutrition => "nutrition",
            Group::Workouts => "workouts",
            Group::Devices => "devices",
            Group::Rhythm => "rhythm",
            Group::Plus => "plus",
        }
    }

    /// The group's name for people.
    pub fn title(self) -> &'static str {
        match self {
            Group::Body => "Body",
            Group::Activity => "Activity",
            Group::Zones => "Active zone minutes",
            Group::Heart => "Heart",
            Group::Hrv => "Heart rate variability",
            Group::Breathing => "Breathing",
            Group::Oxygen => "Blood oxygen",
            Group::Temperature => "Temperature",
            Group::Fitness => "Fitness",
            Group::Sleep => "Sleep",
            Group::Nutrition => "Food and water",
            Group::Workouts => "Workouts",
            Group::Devices => "Devices",
            Group::Rhythm => "Heart rhythm",
            Group::Plus => "Care programme",
        }
    }
}

/// The metric with this key, published or only kept.
pub fn find(key: &str) -> Option<&'static Metric> {
    static BY_KEY: LazyLock<HashMap<&str, &Metric>> =
        LazyLock::new(|| METRICS.iter().chain(KEPT).map(|metric| (metric.key, metric)).collect());
    BY_KEY.get(key).copied()
}

const fn row(key: &'static str, name: &'static str, unit: Unit, group: Group, zero: Zero, entity: Entity) -> Metric {
    Metric { key, name, unit, group, zero, entity }
}

use Group::*;
use Unit::*;
use Zero::*;

/// Every metric, in the order in which pages and documents list them.
#[rustfmt::skip]
pub static METRICS: &[Metric] = &[
    row("body-weight",                  "Weight",                        Kilogram,                Body,        Nothing,   measured("weight", 1, "mdi:scale-bathroom")),
    row("bmi",                          "Body mass index",               KilogramPerSquareMetre,  Body,        Nothing,   measured("", 1, "mdi:human-male-height")),
    row("body-fat",                     "Body fat",                      Percent,                 Body,        Nothing,   measured("", 1, "mdi:percent-outline")),
    row("height",                       "Height",                        Centimetre,              Body,        Nothing,   measured("distance", 0, "mdi:human-male-height-variant")),
    row("steps",                        "Steps",                         Steps,                   Activity,    WornOnly,  total("", 0, "mdi:walk")),
    row("distance",                     "Distance",                      Kilometre,               Activity,    WornOnly,  total("distance", 2, "mdi:map-marker-distance")),
    row("floors",                       "Floors",                        Floors,                  Activity,    WornOnly,  total("", 0, "mdi:stairs-up")),
    row("elevation",                    "Elevation gain",                Metre,                   Activity,    WornOnly,  total("distance", 0, "mdi:elevation-rise")),
    row("calories",                     "Calories burned",               Kilocalorie,             Activity,    Nothing,   total("energy", 0, "mdi:fire")),
    row("activity-calories",            "Activity calories",             Kilocalorie,             Activity,    WornOnly,  total("energy", 0, "mdi:fire-circle")),
    row("basal-calories",               "Basal calories",                Kilocalorie,             Activity,    Nothing,   total("energy", 0, "mdi:sofa").hidden()),
    row("sedentary-minutes",            "Sedentary time",                Minute,                  Activity,    WornOnly,  total("duration", 0, "mdi:seat")),
    row("lightly-active-minutes",       "Lightly active time",           Minute,                  Activity,    WornOnly,  total("duration", 0, "mdi:walk")),
    row("fairly-active-minutes",        "Fairly active time",            Minute,                  Activity,    WornOnly,  total("duration", 0, "mdi:run")),
    row("very-active-minutes",          "Very active time",              Minute,                  Activity,    WornOnly,  total("duration", 0, "mdi:run-fast")),
    row("active-zone-minutes",          "Active zone minutes",           Minute,                  Zones,       WornOnly,  total("duration", 0, "mdi:heart-flash")),
    row("fat-burn-zone-minutes",        "Fat burn zone minutes",         Minute,                  Zones,       WornOnly,  total("duration", 0, "mdi:heart-half")),
    row("cardio-zone-minutes",          "Cardio zone minutes",           Minute,                  Zones,       WornOnly,  total("duration", 0, "mdi:heart-plus")),
    row("peak-zone-minutes",            "Peak zone minutes",             Minute,                  Zones,       WornOnly,  total("duration", 0, "mdi:heart")),
    row("resting-heart-rate",           "Resting heart rate",            BeatsPerMinute,          Heart,       Nothing,   measured("", 0, "mdi:heart-pulse")),
    row("heart-rate",                   "Heart rate",                    BeatsPerMinute,          Heart,       Nothing,   measured("", 0, "mdi:heart-pulse")),
    row("out-of-range-heart-minutes",   "Heart rate out of range",       Minute,                  Heart,       WornOnly,  total("duration", 0, "mdi:heart-outline").hidden()),
    row("fat-burn-heart-minutes",       "Heart rate in fat burn zone",   Minute,                  Heart,       WornOnly,  total("duration", 0, "mdi:heart-half").hidden()),
    row("cardio-heart-minutes",         "Heart rate in cardio zone",     Minute,                  Heart,       WornOnly,  total("duration", 0, "mdi:heart-plus").hidden()),
    row("peak-heart-minutes",           "Heart rate in peak zone",       Minute,                  Heart,       WornOnly,  total("duration", 0, "mdi:heart").hidden()),
    row("hrv",                          "Heart rate variability",        Millisecond,             Hrv,         Nothing,   measured("", 0, "mdi:heart-settings")),
    row("deep-sleep-hrv",               "Heart rate variability in deep sleep", Millisecond,      Hrv,         Nothing,   measured("", 0, "mdi:heart-settings").hidden()),
    row("breathing-rate",               "Breathing rate",                BreathsPerMinute,        Breathing,   Nothing,   measured("", 1, "mdi:lungs")),
    row("deep-sleep-breathing-rate",    "Breathing rate in deep sleep",  BreathsPerMinute,        Breathing,   Nothing,   measured("", 1, "mdi:lungs").hidden()),
    row("light-sleep-breathing-rate",   "Breathing rate in light sleep", BreathsPerMinute,        Breathing,   Nothing,   measured("", 1, "mdi:lungs").hidden()),
    row("rem-sleep-breathing-rate",     "Breathing rate in REM sleep",   BreathsPerMinute,        Breathing,   Nothing,   measured("", 1, "mdi:lungs").hidden()),
    row("spo2",                         "Blood oxygen",                  Percent,                 Oxygen,      Nothing,   measured("", 1, "mdi:water-percent")),
    row("spo2-min",                     "Blood oxygen, lowest",          Percent,                 Oxygen,      Nothing,   measured("", 1, "mdi:water-percent")),
    row("spo2-max",                     "Blood oxygen, highest",         Percent,                 Oxygen,      Nothing,   measured("", 1, "mdi:water-percent")),
    row("skin-temperature-variation",   "Skin temperature variation",    CelsiusDifference,       Temperature, Measured,  measured("", 1, "mdi:thermometer-lines")),
    row("core-temperature",             "Core temperature",              Celsius,                 Temperature, Nothing,   measured("temperature", 1, "mdi:thermometer")),
    row("vo2-max",                      "Cardio fitness",                MillilitrePerKilogramMinute, Fitness, Nothing,   measured("", 0, "mdi:run")),
    row("sleep-minutes",                "Asleep",                        Minute,                  Sleep,       Nothing,   measured("duration", 0, "mdi:sleep")),
    row("sleep-awake-minutes",          "Awake during sleep",            Minute,                  Sleep,       Measured,  measured("duration", 0, "mdi:eye-outline")),
    row("deep-sleep-minutes",           "Deep sleep",                    Minute,                  Sleep,       Measured,  measured("duration", 0, "mdi:sleep")),
    row("light-sleep-minutes",          "Light sleep",                   Minute,                  Sleep,       Measured,  measured("duration", 0, "mdi:sleep")),
    row("rem-sleep-minutes",            "REM sleep",                     Minute,                  Sleep,       Measured,  measured("duration", 0, "mdi:sleep")),
    row("time-in-bed-minutes",          "Time in bed",                   Minute,                  Sleep,       Nothing,   measured("duration", 0, "mdi:bed-clock")),
    row("sleep-efficiency",             "Sleep efficiency",              Percent,                 Sleep,       Nothing,   measured("", 0, "mdi:percent-outline")),
    row("sleep-start",                  "Sleep start",                   Timestamp,               Sleep,       Nothing,   instant("mdi:weather-night")),
    row("sleep-end",                    "Sleep end",                     Timestamp,               Sleep,       Nothing,   instant("mdi:weather-sunset-up")),
    row("sleep-awakenings",             "Awakenings",                    Count,                   Sleep,       Measured,  measured("", 0, "mdi:eye-outline")),
    row("minutes-to-fall-asleep",       "Time to fall asleep",           Minute,                  Sleep,       Measured,  measured("duration", 0, "mdi:timer-sand")),
    row("minutes-after-wakeup",         "In bed after waking up",        Minute,                  Sleep,       Measured,  measured("duration", 0, "mdi:bed-outline")),
    row("nap-minutes",                  "Naps",                          Minute,                  Sleep,       Nothing,   measured("duration", 0, "mdi:power-sleep")),
    row("sleep-score",                  "Sleep score",                   Score,                   Sleep,       Nothing,   measured("", 0, "mdi:star-outline")),
    row("water",                        "Water",                         Millilitre,              Nutrition,   Nothing,   total("volume", 0, "mdi:cup-water")),
    row("calories-in",                  "Calories eaten",                Kilocalorie,             Nutrition,   Nothing,   total("energy", 0, "mdi:food-apple")),
    row("last-workout",                 "Last workout",                  Timestamp,               Workouts,    Nothing,   instant("mdi:dumbbell")),
    row("tracker-battery",              "Tracker battery",               Percent,                 Devices,     Measured,  measured("battery", 0, "").diagnostic()),
    row("tracker-last-sync",            "Tracker last sync",             Timestamp,               Devices,     Nothing,   instant("mdi:sync").diagnostic()),
    row("ecg-result",                   "ECG result",                    Text,                    Rhythm,      Nothing,   words("mdi:heart-flash")),
    row("irregular-rhythm-alert",       "Irregular rhythm alert",        Timestamp,               Rhythm,      Nothing,   instant("mdi:heart-broken")),
    row("weight",                       "Weight (care programme)",                 Kilogram,               Plus,        Nothing,   measured("weight", 1, "mdi:scale-bathroom")),
    row("lean-body-mass",               "Lean body mass",                          Kilogram,               Plus,        Nothing,   measured("weight", 1, "mdi:scale-bathroom")),
    row("body-mass-index",              "Body mass index (care programme)",        KilogramPerSquareMetre, Plus,        Nothing,   measured("", 1, "mdi:human-male-height")),
    row("body-fat-percentage",          "Body fat (care programme)",               Percent,                Plus,        Nothing,   measured("", 1, "mdi:percent-outline")),
    row("body-temperature",             "Body temperature",                        Celsius,                Plus,        Nothing,   measured("temperature", 1, "mdi:thermometer")),
    row("blood-pressure-systolic",      "Blood pressure, systolic",                Clinical("mmHg"),       Plus,        Nothing,   measured("", 0, "mdi:heart-pulse")),
    row("blood-pressure-diastolic",     "Blood pressure, diastolic",               Clinical("mmHg"),       Plus,        Nothing,   measured("", 0, "mdi:heart-pulse")),
    row("blood-glucose",                "Blood glucose",                           Clinical("mg/dL"),      Plus,        Nothing,   measured("blood_glucose_concentration", 0, "mdi:diabetes")),
    row("oxygen-saturation",            "Oxygen saturation",                       Percent,                Plus,        Nothing,   measured("", 1, "mdi:water-percent")),
    row("respiratory-rate",             "Respiratory rate",                        BreathsPerMinute,       Plus,        Nothing,   measured("", 0, "mdi:lungs")),
    row("peripheral-perfusion-index",   "Peripheral perfusion index",              Percent,                Plus,        Measured,  measured("", 1, "mdi:water-percent")),
    row("peak-expiratory-flow-rate",    "Peak expiratory flow rate",               Clinical("L/min"),      Plus,        Nothing,   measured("", 0, "mdi:weather-windy")),
    row("forced-expiratory-volume1",    "Forced expiratory volume in one second",  Clinical("L"),          Plus,        Nothing,   measured("", 2, "mdi:weather-windy")),
    row("forced-vital-capacity",        "Forced vital capacity",                   Clinical("L"),          Plus,        Nothing,   measured("", 2, "mdi:weather-windy")),
    row("inhaler-usage",                "Inhaler usage",                           Count,                  Plus,        Measured,  measured("", 0, "mdi:spray")),
    row("nausea-level",                 "Nausea level",                            Score,                  Plus,        Measured,  measured("", 0, "mdi:emoticon-sick-outline")),
    row("pain-level",                   "Pain level",                              Score,                  Plus,        Measured,  measured("", 0, "mdi:emoticon-sad-outline")),
    row("hemoglobin-a1c",               "Hemoglobin A1c",                          Percent,                Plus,        Nothing,   measured("", 1, "mdi:water")),
    row("hdl-cholesterol",              "HDL cholesterol",                         Clinical("mg/dL"),      Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("ldl-cholesterol",              "LDL cholesterol",                         Clinical("mg/dL"),      Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("total-cholesterol",            "Total cholesterol",                       Clinical("mg/dL"),      Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("triglycerides",                "Triglycerides",                           Clinical("mg/dL"),      Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("blood-urea-nitrogen",          "Blood urea nitrogen",                     Clinical("mg/dL"),      Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("creatinine",                   "Creatinine",                              Clinical("mg/dL"),      Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("hemoglobin",                   "Hemoglobin",                              Clinical("g/dL"),       Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("hematocrit",                   "Hematocrit",                              Percent,                Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("total-serum-iron",             "Total serum iron",                        Clinical("µg/dL"),      Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("thyroid-stimulating-hormone",  "Thyroid-stimulating hormone",             Clinical("mIU/L"),      Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("free-thyroxine",               "Free thyroxine",                          Clinical("ng/dL"),      Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("free-triiodothyronine",        "Free triiodothyronine",                   Clinical("pg/mL"),      Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("total-triiodothyronine",       "Total triiodothyronine",                  Clinical("ng/dL"),      Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("cd4-cell-count",               "CD4 cell count",                          Clinical("cells/µL"),   Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("hiv-viral-load",               "HIV viral load",                          Clinical("copies/mL"),  Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("inr",                          "INR",                                     Score,                  Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("free-testosterone",            "Free testosterone",                       Clinical("pg/mL"),      Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("total-testosterone",           "Total testosterone",                      Clinical("ng/dL"),      Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("c-reactive-protein",           "C-reactive protein",                      Clinical("mg/L"),       Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("prostate-specific-antigen",    "Prostate-specific antigen",               Clinical("ng/mL"),      Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("cotinine",                     "Cotinine",                                Clinical("ng/mL"),      Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("c-peptide",                    "C-peptide",                               Clinical("ng/mL"),      Plus,        Measured,  measured("", 1, "mdi:test-tube").hidden()),
    row("adherence-due",                "Adherence: due",                          Count,                  Plus,        Measured,  measured("", 0, "mdi:clipboard-list-outline")),
    row("adherence-complete",           "Adherence: complete",                     Count,                  Plus,        Measured,  measured("", 0, "mdi:clipboard-check-outline")),
    row("adherence-streak",             "Adherence: streak",                       Count,                  Plus,        Measured,  measured("", 0, "mdi:fire")),
    row("next-appointment",             "Next appointment",                        Timestamp,              Plus,        Nothing,   instant("mdi:calendar-clock")),
];

/// What is kept within a day and is nobody's newest value: in the store, and never published.
pub static KEPT: &[Metric] = &[row("sleep-level", "Sleep level", Text, Sleep, Nothing, words("mdi:sleep"))];

/// The metrics that can be kept within a day. The last two come with their night, without a request of their own, and
/// are kept in any case; of the others, samples are asked for only where they are wanted.
#[rustfmt::skip]
pub static INTRADAY: &[&str] = &["heart-rate", "steps", "calories", "distance", "floors", "elevation", "active-zone-minutes", "hrv", "spo2", "breathing-rate", "sleep-level"];

/// The field beside a value under which an upstream's entry is kept with all its fields; it is never published.
pub static WHOLE: &str = "whole";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_kebab_case_and_found() {
        for (index, metric) in METRICS.iter().enumerate() {
            assert!(
                metric.key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{}",
                metric.key
            );
            assert_eq!(find(metric.key), Some(&METRICS[index]));
        }
    }

    #[test]
    fn a_variation_is_scaled_and_a_temperature_shifted() {
        assert_eq!(Unit::CelsiusDifference.convert(-1.0, System::UnitedStates), -1.8);
        assert_eq!(Unit::Celsius.convert(37.0, System::UnitedStates), 98.6);
        assert_eq!(Unit::Kilogram.convert(72.4, System::UnitedStates), 159.6147);
        assert_eq!(Unit::Kilogram.convert(72.4, System::UnitedKingdom), 11.401);
        assert_eq!(Unit::Kilometre.convert(5.0, System::UnitedKingdom), 5.0);
        assert_eq!(Unit::Millilitre.symbol(System::UnitedStates), Some("fl. oz."));
    }

    /// The legal definitions, read backwards: so much of ours is one of theirs.
    #[test]
    fn one_of_theirs_is_what_the_law_says() {
        let (us, uk) = (System::UnitedStates, System::UnitedKingdom);
        for (unit, value, system, symbol) in [
            (Unit::Kilogram, 0.453_592_37, us, "lb"),
            (Unit::Kilogram, 6.350_293_18, uk, "st"),
            (Unit::Kilometre, 1.609_344, us, "mi"),
            (Unit::KilometrePerHour, 1.609_344, us, "mph"),
            (Unit::Metre, 0.304_8, us, "ft"),
            (Unit::Centimetre, 2.54, us, "in"),
            (Unit::Millilitre, 29.573_529_562_5, us, "fl. oz."),
        ] {
            assert_eq!((unit.convert(value, system), unit.symbol(system)), (1.0, Some(symbol)), "{unit:?}");
            assert_eq!(unit.convert(0.0, system), 0.0, "{unit:?}");
        }
        assert_eq!(Unit::SecondPerKilometre.convert(1_000.0, us), 1_609.344, "a longer way takes longer");
        assert_eq!(Unit::Celsius.convert(-40.0, us), -40.0);
        assert_eq!(Unit::Celsius.convert(0.0, us), 32.0);
        assert_eq!(Unit::CelsiusDifference.convert(0.0, us), 0.0);
    }

    #[test]
    fn only_what_a_system_renames_is_changed_by_it() {
        for metric in METRICS {
            let unit = metric.unit;
            for system in [System::Metric, System::UnitedStates, System::UnitedKingdom] {
                let renamed = unit.symbol(system) != unit.symbol(System::Metric);
                assert_eq!(unit.convert(12.345_678_9, system) != 12.345_678_9, renamed, "{} in {system:?}", metric.key);
            }
            let british = unit.symbol(System::UnitedKingdom) != unit.symbol(System::Metric);
            assert_eq!(british, unit == Unit::Kilogram, "{}", metric.key);
        }
    }

    #[test]
    fn anything_but_the_two_names_is_metric() {
        assert_eq!(System::named("en_US"), System::UnitedStates);
        assert_eq!(System::named(" en_GB\n"), System::UnitedKingdom);
        for name in ["nl_NL", "en_UK", "en", "", "EN_us"] {
            assert_eq!(System::named(name), System::Metric, "{name:?}");
        }
    }

    #[test]
    fn minus_one_can_only_be_a_difference() {
        for metric in METRICS.iter().filter(|metric| !matches!(metric.unit, Unit::Timestamp | Unit::Text)) {
            let measured = metric.unit.plausible().contains(&-1.0);
            assert_eq!(measured, metric.unit == Unit::CelsiusDifference, "{}", metric.key);
        }
    }
}
