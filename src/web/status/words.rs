//! Values as people read them: as many decimals as make sense, minutes as hours, times as today and yesterday. Pure.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::Value as Json;

use super::super::chart::Slot;
use super::super::setup::when;
use super::asked::Grain;
use crate::event;
use crate::metric::{Metric, Unit};
use crate::reading::{Moment, Value};
use crate::snapshot::Shown;

/// From so many minutes on they are told in hours.
const HOUR: f64 = 60.0;

/// A value with its unit.
pub fn value(shown: &Shown, now: DateTime<Utc>, zone: Tz) -> String {
    match &shown.value {
        Value::Number(number) => amount(*number, shown.metric, shown.unit),
        Value::Text(text) if shown.metric.unit == Unit::Timestamp => match DateTime::parse_from_rfc3339(text) {
            Ok(time) => when(time.to_utc(), now, zone),
            Err(_) => text.clone(),
        },
        Value::Text(text) => text.clone(),
    }
}

/// What it is to be: of a total, how much of what.
pub fn goal(shown: &Shown) -> Option<String> {
    let goal = shown.beside.get("goal").and_then(Json::as_f64).filter(|goal| *goal > 0.0)?;
    let goal = amount(goal, shown.metric, shown.unit);
    Some(if event::is_total(shown.metric.key) { format!("of {goal}") } else { format!("goal {goal}") })
}

/// A number of a metric with the unit it is in.
pub fn amount(value: f64, metric: &Metric, unit: Option<&str>) -> String {
    if metric.unit == Unit::Minute {
        return minutes(value);
    }
    let decimals = match unit {
        // A tenth of a stone is more than half a kilogram.
        Some("st") => 2,
        _ => usize::from(metric.entity.precision.unwrap_or(0)),
    };
    let number = number(value, decimals);
    match unit {
        Some("steps" | "floors") | None => number,
        // As in print: without a space where the sign is one of the number's own.
        Some("%") => format!("{number}\u{a0}%"),
        Some(unit) => format!("{number}\u{a0}{unit}"),
    }
}

/// A difference between two numbers that are converted already, with its sign; one too small to show has none.
pub fn difference(change: f64, metric: &Metric, unit: Option<&str>) -> String {
    let size = amount(change.abs(), metric, unit);
    let digits = size.split_once('\u{a0}').map_or(size.as_str(), |(digits, _)| digits);
    let sign = match digits.contains(|digit| matches!(digit, '1'..='9')) {
        false => "±",
        true if change < 0.0 => "−",
        true => "+",
    };
    format!("{sign}{size}")
}

/// So many minutes, in hours where they are many.
pub fn minutes(minutes: f64) -> String {
    let whole = minutes.round();
    if whole.abs() < HOUR {
        return format!("{whole}\u{a0}min").replace('-', "−");
    }
    format!("{}\u{a0}h\u{a0}{:02}\u{a0}min", (whole / HOUR).trunc(), (whole % HOUR).abs()).replace('-', "−")
}

/// A number, thousands apart.
pub fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("−", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, part)| (whole, Some(part)));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        // Four digits are read at a glance.
        if index > 0 && whole.len() > 4 && (whole.len() - index).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    let zero = !text.contains(|digit: char| ('1'..='9').contains(&digit));
    let sign = if zero { "" } else { sign };
    fraction.map_or_else(|| format!("{sign}{grouped}"), |part| format!("{sign}{grouped}.{part}"))
}

/// When something was measured.
pub fn measured(at: Moment, now: DateTime<Utc>, zone: Tz) -> String {
    match at {
        Moment::Time(time) => when(time.to_utc(), now, zone),
        Moment::Date(date) => match (now.with_timezone(&zone).date_naive() - date).num_days() {
            0 => "today".into(),
            1 => "yesterday".into(),
            _ => date.to_string(),
        },
    }
}

/// The days that are shown as one.
pub fn slot(slot: Slot, grain: Grain) -> String {
    match grain {
        Grain::Day => slot.first.to_string(),
        Grain::Month => slot.first.format("%Y-%m").to_string(),
        Grain::Week if slot.first == slot.last => slot.first.to_string(),
        Grain::Week => format!("{} to {}", slot.first, slot.last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{System, find};

    #[test]
    fn numbers_are_as_long_as_they_make_sense() {
        let stored = |key: &str, value: f64, system| {
            let metric = find(key).expect("a metric");
            let unit = metric.unit.symbol(system);
            amount(metric.unit.convert(value, system), metric, unit).replace(['\u{a0}', '\u{202f}'], " ")
        };
        let (metric, us, uk) = (System::Metric, System::UnitedStates, System::UnitedKingdom);
        assert_eq!(stored("body-weight", 72.43, metric), "72.4 kg");
        assert_eq!(stored("body-weight", 72.4, us), "159.6 lb");
        assert_eq!(stored("body-weight", 72.4, uk), "11.40 st");
        assert_eq!(stored("steps", 8_211.0, metric), "8211");
        assert_eq!(stored("steps", 12_345.0, metric), "12 345");
        assert_eq!(stored("sleep-minutes", 398.4, metric), "6 h 38 min");
        assert_eq!(stored("deep-sleep-minutes", 59.6, metric), "1 h 00 min");
        assert_eq!(stored("nap-minutes", 45.0, metric), "45 min");
        assert_eq!(stored("skin-temperature-variation", -0.44, metric), "−0.4 °C");
        assert_eq!(stored("skin-temperature-variation", -0.04, metric), "0.0 °C");
        assert_eq!(stored("spo2", 96.5, metric), "96.5 %");
        let floors = |change| difference(change, find("floors").expect("a metric"), None);
        assert_eq!([floors(-0.4), floors(1.0), floors(-2.0)], ["±0", "+1", "−2"]);
        assert_eq!(number(1_234_567.891, 1).replace('\u{202f}', " "), "1 234 567.9");
    }
}
