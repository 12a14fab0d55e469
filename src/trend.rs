//! Where a value is going: its mean over seven and twenty-eight days, and how that differs from the days before. Pure: no
//! input, no output, no clock; a day without a value is no day.

use chrono::{Days, NaiveDate};
use serde_json::{Map, Value as Json};

use crate::metric::{System, Unit};

/// The metrics that have a trend.
pub const METRICS: [&str; 4] = ["body-weight", "resting-heart-rate", "hrv", "sleep-minutes"];

/// The lengths, in days, and their names.
const WINDOWS: [(u64, &str); 2] = [(7, "7d"), (28, "28d")];

/// The first day a trend that ends on `last` has any use for.
pub fn first_day(last: NaiveDate) -> NaiveDate {
    let longest = WINDOWS.iter().map(|(days, _)| 2 * days).max().unwrap_or_default();
    last.checked_sub_days(Days::new(longest.saturating_sub(1))).unwrap_or(last)
}

/// The trend that stands beside the value of the day `last`: of `values`, in any order, several of one day counting as
/// their mean. Each window has `mean`, the number of `days` it rests on, and where the window of the same length before it
/// has values, too, `change` (this mean less that one) and `daysBefore`. Means are in `system`, to four decimals.
pub fn trend(last: NaiveDate, values: &[(NaiveDate, f64)], unit: Unit, system: System) -> Map<String, Json> {
    let mut trend = Map::new();
    for (length, name) in WINDOWS {
        let Some((mean, days)) = mean(values, last, length) else { continue };
        let mut window = Map::new();
        window.insert("mean".into(), round(unit.convert(mean, system)).into());
        window.insert("days".into(), days.into());
        let before = last.checked_sub_days(Days::new(length)).and_then(|before| self::mean(values, before, length));
        if let Some((before, days)) = before {
            // Both converted, so that a unit that is shifted does not shift their difference.
            let change = unit.convert(mean, system) - unit.convert(before, system);
            window.insert("change".into(), round(change).into());
            window.insert("daysBefore".into(), days.into());
        }
        trend.insert(name.into(), window.into());
    }
    trend
}

/// The mean of the days that have a value, of so many that end on `last`, and how many they are.
fn mean(values: &[(NaiveDate, f64)], last: NaiveDate, length: u64) -> Option<(f64, u64)> {
    let mut days: std::collections::BTreeMap<NaiveDate, Vec<f64>> = Default::default();
    let first = last.checked_sub_days(Days::new(length - 1))?;
    for (day, value) in values.iter().filter(|(day, _)| (first..=last).contains(day)) {
        days.entry(*day).or_default().push(*value);
    }
    let means = days.values().map(|day| day.iter().sum::<f64>() / day.len() as f64);
    (!days.is_empty()).then(|| (means.sum::<f64>() / days.len() as f64, days.len() as u64))
}

fn round(number: f64) -> f64 {
    // Adding zero makes a negative zero a plain one.
    (number * 10_000.0).round() / 10_000.0 + 0.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn metric(last: &str, values: &[(&str, f64)]) -> Json {
        let values: Vec<_> = values.iter().map(|(at, value)| (day(at), *value)).collect();
        trend(day(last), &values, Unit::Kilogram, System::Metric).into()
    }

    #[test]
    fn the_mean_rests_on_the_days_there_are_and_says_how_many() {
        let values = [("2026-11-20", 72.0), ("2026-11-18", 73.0), ("2026-11-14", 74.0), ("2026-11-13", 80.0)];
        assert_eq!(
            metric("2026-11-20", &values),
            json!({
                "7d": {"mean": 73.0, "days": 3, "change": -7.0, "daysBefore": 1},
                "28d": {"mean": 74.75, "days": 4},
            })
        );
    }

    #[test]
    fn a_day_on_which_somebody_weighed_in_twice_counts_once() {
        let values = [("2026-11-20", 70.0), ("2026-11-20", 74.0), ("2026-11-19", 71.0)];
        assert_eq!(metric("2026-11-20", &values)["7d"], json!({"mean": 71.5, "days": 2}));
    }

    #[test]
    fn nothing_is_said_of_nothing_and_what_is_to_come_is_not_yet() {
        assert_eq!(metric("2026-11-20", &[]), json!({}));
        assert_eq!(metric("2026-11-20", &[("2026-11-21", 70.0), ("2026-09-01", 70.0)]), json!({}));
    }

    #[test]
    fn a_trend_is_in_the_unit_of_its_value() {
        let values = [(day("2026-11-20"), 72.4), (day("2026-11-10"), 73.4)];
        let pounds = trend(day("2026-11-20"), &values, Unit::Kilogram, System::UnitedStates);
        assert_eq!(pounds["7d"]["mean"], 159.6147);
        assert_eq!(pounds["7d"]["change"], -2.2046);
        let shifted = trend(day("2026-11-20"), &values, Unit::Celsius, System::UnitedStates);
        assert_eq!(shifted["7d"]["change"], -1.8, "a difference is scaled, not shifted");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_mean_lies_among_its_values_and_no_day_before_the_first_matters(
            values in prop::collection::vec((0u64..90, 1.0f64..200.0), 0..60),
        ) {
            let last = day("2026-11-20");
            let values: Vec<_> = values.into_iter().map(|(ago, value)| (last - Days::new(ago), value)).collect();
            let all = trend(last, &values, Unit::Kilogram, System::Metric);
            let needed: Vec<_> = values.iter().filter(|(day, _)| *day >= first_day(last)).copied().collect();
            prop_assert_eq!(&all, &trend(last, &needed, Unit::Kilogram, System::Metric));
            for (length, name) in WINDOWS {
                let within: Vec<_> = values.iter().filter(|(day, _)| *day > last - Days::new(length)).collect();
                prop_assert_eq!(all.contains_key(name), !within.is_empty());
                let Some(mean) = all.get(name).and_then(|window| window["mean"].as_f64()) else { continue };
                let most = within.iter().map(|(_, value)| *value).fold(f64::MIN, f64::max);
                let least = within.iter().map(|(_, value)| *value).fold(f64::MAX, f64::min);
                prop_assert!((least - 0.001..=most + 0.001).contains(&mean));
            }
        }
    }
}
