//! A reading as one line of InfluxDB's line protocol, with measurements and tags of fixed names. Pure: no input, no
//! output, no clock. Values stay metric, whatever system a person has: a line has no place for a unit.

use std::fmt::Write;
use std::ops::Range;

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use crate::metric::{Group, KEPT, METRICS, Metric};
use crate::reading::{Moment, Person, Reading, Value};
use crate::snapshot::Quota;
use crate::zone::Zones;

/// Samples within a day, by metric.
#[rustfmt::skip]
static INTRADAY: &[(&str, &str)] = &[
    ("heart-rate",          "HeartRate_Intraday"),
    ("steps",               "Steps_Intraday"),
    ("calories",            "Calories_Intraday"),
    ("distance",            "Distance_Intraday"),
    ("floors",              "Floors_Intraday"),
    ("elevation",           "Elevation_Intraday"),
    ("active-zone-minutes", "ActiveZoneMinutes_Intraday"),
    ("hrv",                 "HRV_Intraday"),
    ("spo2",                "SPO2_Intraday"),
    ("sleep-level",         "SleepLevels"),
];

/// Values of which each is a measurement of its own, whatever its group.
#[rustfmt::skip]
static ALONE: &[(&str, &str)] = &[
    ("heart-rate",          "HeartRate_Intraday"),
    ("resting-heart-rate",  "RestingHR"),
    ("core-temperature",    "TempCore"),
    ("sleep-level",         "SleepLevels"),
];

/// Minutes per heart-rate zone, and the zone.
#[rustfmt::skip]
static ZONES: &[(&str, &str)] = &[
    ("out-of-range-heart-minutes", "out-of-range"),
    ("fat-burn-heart-minutes",     "fat-burn"),
    ("cardio-heart-minutes",       "cardio"),
    ("peak-heart-minutes",         "peak"),
    ("fat-burn-zone-minutes",      "fat-burn"),
    ("cardio-zone-minutes",        "cardio"),
    ("peak-zone-minutes",          "peak"),
];

/// The measurement a reading belongs to.
pub fn measurement(metric: &Metric, intraday: bool) -> &'static str {
    let named =
        |table: &[(&str, &'static str)]| table.iter().find(|(key, _)| *key == metric.key).map(|(_, name)| *name);
    let alone = if intraday { named(INTRADAY) } else { None };
    alone.or_else(|| named(ALONE)).unwrap_or(match metric.group {
        Group::Body => "Body",
        Group::Activity => "Activity",
        Group::Zones | Group::Heart => "HRZones",
        Group::Hrv => "HRV",
        Group::Breathing => "BreathingRate",
        Group::Oxygen => "SPO2",
        Group::Temperature => "TempSkin",
        Group::Fitness => "CardioScore",
        Group::Sleep => "SleepSummary",
        Group::Nutrition => "Nutrition",
        Group::Workouts => "Workout",
        Group::Devices => "DeviceBatteryLevel",
        Group::Rhythm => "Rhythm",
        Group::Plus => "Plus",
    })
}

/// The metrics whose readings share a point with those of `metric`: same measurement, and where tags and time are the
/// same as well, fields of one point.
pub fn beside(metric: &Metric, intraday: bool) -> Vec<&'static Metric> {
    let name = measurement(metric, intraday);
    METRICS.iter().chain(KEPT).filter(|other| measurement(other, intraday) == name).collect()
}

/// What may still be asked for a person, at the time they were last asked for: a point of the bridge's own, which no
/// store keeps.
pub fn quota_line(person: &Person, quota: &Quota, at: DateTime<Utc>) -> Option<String> {
    let calls: i64 = quota.calls.values().filter_map(Json::as_i64).sum();
    let (limit, remaining, at) = (quota.limit, quota.remaining, at.timestamp_nanos_opt()?);
    Some(format!("Quota,user={person} quota-limit={limit},quota-remaining={remaining},quota-calls={calls} {at}"))
}

/// What a line is of, without its values: measurement and tags, and when.
pub fn named(line: &str) -> String {
    let bare = |place: &usize| !line[..*place].ends_with('\\');
    let head = line.match_indices(' ').map(|(place, _)| place).find(bare).unwrap_or(line.len());
    let at = line.rsplit(' ').next().and_then(|nanoseconds| nanoseconds.parse().ok());
    let at = at.map(|nanoseconds| DateTime::from_timestamp_nanos(nanoseconds).to_rfc3339()).unwrap_or_default();
    format!("{} at {at}", &line[..head])
}

/// Lines one after the other in one text, as they are sent; each ends with a line feed.
#[derive(Debug, Default)]
pub struct Lines {
    text: String,
    ends: Vec<usize>,
}

impl Lines {
    /// Adds the line of a reading, if it has one.
    pub fn add(&mut self, person: &Person, reading: &Reading, zones: &Zones) {
        let before = self.text.len();
        match write_line(&mut self.text, person, reading, zones) {
            Some(()) => self.end(),
            None => self.text.truncate(before),
        }
    }

    /// Adds a line of another kind.
    pub fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.end();
    }

    fn end(&mut self) {
        self.text.push('\n');
        self.ends.push(self.text.len());
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Some of them.
    pub fn text(&self, some: &Range<usize>) -> &str {
        let end = |line: usize| line.checked_sub(1).map_or(0, |line| self.ends[line]);
        &self.text[end(some.start)..end(some.end)]
    }
}

/// One line, without the line feed; `None` for a text that is empty. The value is the field named as the metric, what
/// stands beside it `<metric>-<name>`; a number is always a float, so that a field never changes its type. A day stands
/// where it begins in `zones`, the person's own.
pub fn line(person: &Person, reading: &Reading, zones: &Zones) -> Option<String> {
    let mut line = String::new();
    write_line(&mut line, person, reading, zones)?;
    Some(line)
}

/// Writes one, or a beginning of it where there is none.
fn write_line(line: &mut String, person: &Person, reading: &Reading, zones: &Zones) -> Option<()> {
    let key = reading.metric.key;
    line.push_str(measurement(reading.metric, reading.resolution.is_some()));
    let mut tag = |name: &str, value: &str| {
        // InfluxDB refuses a tag without a value.
        if !value.is_empty() {
            line.push(',');
            line.push_str(name);
            line.push('=');
            escape(line, value, &[',', '=', ' ']);
        }
    };
    // In the order of their names, as InfluxDB likes them.
    if let Some(device) = &reading.source {
        tag("device", device);
    }
    if key == "sleep-level" {
        tag("level", &reading.value.to_string());
    }
    tag("user", person.as_str());
    if let Some((_, zone)) = ZONES.iter().find(|(minutes, _)| *minutes == key) {
        tag("zone", zone);
    }
    line.push(' ');
    field(line, key, &reading.value)?;
    for (name, value) in &reading.beside {
        let value = match value {
            // Clouds write it as a number or as text; a field has one type, and no float holds all its digits.
            Json::Number(number) if name == "logId" => Some(Value::Text(number.to_string())),
            Json::Number(number) => number.as_f64().map(Value::Number),
            Json::String(text) => Some(Value::Text(text.clone())),
            Json::Bool(is_so) => Some(Value::Text(is_so.to_string())),
            // Lists and objects within a workout have no place in a point.
            Json::Null | Json::Array(_) | Json::Object(_) => None,
        };
        let before = line.len();
        line.push(',');
        if value.and_then(|value| field(line, &format!("{key}-{name}"), &value)).is_none() {
            line.truncate(before);
        }
    }
    let instant = match reading.at {
        Moment::Time(time) => time.to_utc(),
        Moment::Date(date) => zones.begin(date),
    };
    // Writing to a String cannot fail. Nanoseconds, the protocol's own unit, last until the year 2262.
    let _ = write!(line, " {}", instant.timestamp_nanos_opt()?);
    Some(())
}

fn field(line: &mut String, name: &str, value: &Value) -> Option<()> {
    match value {
        Value::Number(number) if !number.is_finite() => return None,
        Value::Text(text) if text.is_empty() => return None,
        _ => {}
    }
    escape(line, name, &[',', '=', ' ']);
    line.push('=');
    match value {
        Value::Number(number) => {
            let _ = write!(line, "{number}");
        }
        Value::Text(text) => {
            line.push('"');
            escape(line, text, &['"']);
            line.push('"');
        }
    }
    Some(())
}

/// A backslash goes before what would end the word. A line feed would end the line, which nothing can escape in a tag.
fn escape(line: &mut String, text: &str, special: &[char]) {
    if text.bytes().all(|letter| !matches!(letter, b',' | b'=' | b' ' | b'"' | b'\\' | b'\n' | b'\r')) {
        line.push_str(text);
        return;
    }
    let quoted = special.contains(&'"');
    for letter in text.chars() {
        match letter {
            '\n' | '\r' => line.push_str(if quoted { " " } else { "\\ " }),
            '\\' if quoted => line.push_str("\\\\"),
            // Outside quotes there is no way to say a backslash before a word ends.
            '\\' => line.push('/'),
            letter if special.contains(&letter) => {
                line.push('\\');
                line.push(letter);
            }
            letter => line.push(letter),
        }
    }
}

#[cfg(test)]
mod tests;
