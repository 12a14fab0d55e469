//! One value of one metric of one person at one time, and the checked name of a person.
//! Pure: no input, no output, no clock.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, FixedOffset, NaiveDate, SecondsFormat};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};

use crate::metric::Metric;

/// One value of one metric of one person at one time, in metric units.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What was measured.
    pub metric: &'static Metric,
    /// The value, in the metric's own unit.
    pub value: Value,
    /// When it was measured.
    pub at: Moment,
    /// The device or application it came from, where the upstream says so.
    pub source: Option<String>,
    /// What stands beside the value: stage counts, zone bounds, a workout's fields.
    pub beside: Map<String, Json>,
    /// How far apart the samples are of which this is one; `None`: the value of a day, a night or an event.
    pub resolution: Option<Resolution>,
}

/// How far apart samples are: whole seconds, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resolution(u32);

impl Resolution {
    /// One sample a second.
    pub const SECOND: Resolution = Resolution(1);
    /// One sample a minute.
    pub const MINUTE: Resolution = Resolution(60);
    /// One sample in five minutes.
    pub const FIVE_MINUTES: Resolution = Resolution(300);
    /// One sample in fifteen minutes.
    pub const QUARTER_HOUR: Resolution = Resolution(900);

    /// Samples that are `seconds` apart; `None` for 0.
    pub const fn of_seconds(seconds: u32) -> Option<Resolution> {
        match seconds {
            0 => None,
            _ => Some(Resolution(seconds)),
        }
    }

    /// How many seconds apart the samples are.
    pub const fn seconds(self) -> u32 {
        self.0
    }
}

/// As the Fitbit Web API names its detail levels: `1s`, `1min`, `5min`, `15min`.
impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds if seconds % 60 == 0 => write!(f, "{}min", seconds / 60),
            seconds => write!(f, "{seconds}s"),
        }
    }
}

impl Serialize for Resolution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads what [`Resolution`]'s `Display` wrote.
impl FromStr for Resolution {
    type Err = String;

    fn from_str(text: &str) -> Result<Resolution, String> {
        let (number, length) = match (text.strip_suffix("min"), text.strip_suffix('s')) {
            (Some(number), _) => (number, 60),
            (None, Some(number)) => (number, 1),
            (None, None) => (text, 0),
        };
        let seconds = number.parse::<u32>().ok().and_then(|number| number.checked_mul(length));
        seconds
            .and_then(Resolution::of_seconds)
            .ok_or_else(|| format!("{text:?} is no resolution: write it as 1s, 1min, 5min or 15min"))
    }
}

/// A value: a finite number, or text (timestamps are RFC 3339 text with offset).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A finite number.
    Number(f64),
    /// Anything that is not a number.
    Text(String),
}

impl Value {
    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Text(_) => None,
        }
    }
}

/// A bare value as it stands in a topic: `72.4`, `8211`, `2026-11-19T23:05:00+01:00`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Rust prints the shortest digits that read back as the same number, and 8211.0 as `8211`.
            Value::Number(number) => write!(f, "{number}"),
            Value::Text(text) => f.write_str(text),
        }
    }
}

impl From<&Value> for Json {
    /// Whole numbers without a fraction, as people and counters expect them.
    fn from(value: &Value) -> Json {
        match value {
            Value::Number(n) if n.fract() == 0.0 && n.abs() < 9e15 => Json::from(*n as i64),
            Value::Number(number) => Json::from(*number),
            Value::Text(text) => Json::from(text.as_str()),
        }
    }
}

/// When something was measured: a civil date (daily metrics) or an instant with the person's own offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// A day as the person lived it.
    Date(NaiveDate),
    /// An instant, with the offset the person had.
    Time(DateTime<FixedOffset>),
}

impl Moment {
    /// The civil date, in the person's own time zone.
    pub fn date(self) -> NaiveDate {
        match self {
            Moment::Date(date) => date,
            Moment::Time(time) => time.date_naive(),
        }
    }

    /// Seconds since 1970 of an instant; a bare date sorts before every instant of its day.
    pub fn instant(self) -> i64 {
        match self {
            Moment::Date(_) => i64::MIN,
            Moment::Time(time) => time.timestamp(),
        }
    }
}

/// By measuring time: the day first, then the instant within it.
impl Ord for Moment {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.date(), self.instant()).cmp(&(other.date(), other.instant()))
    }
}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::Date(date) => write!(f, "{date}"),
            Moment::Time(time) => f.write_str(&rfc3339(*time)),
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads what [`Moment`]'s `Display` wrote.
impl FromStr for Moment {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Moment, chrono::ParseError> {
        match text.parse::<NaiveDate>() {
            Ok(date) => Ok(Moment::Date(date)),
            Err(_) => DateTime::parse_from_rfc3339(text).map(Moment::Time),
        }
    }
}

/// RFC 3339 with offset; fractions of a second only where there are some.
pub fn rfc3339(time: DateTime<FixedOffset>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true).replace('Z', "+00:00")
}

/// The name of a person: a file name, a topic level and an XML name at once, checked once and for all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Person(String);

impl Person {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Person {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A name that is not `[A-Za-z_][A-Za-z0-9_.-]{0,63}`.
#[derive(Debug, PartialEq, Eq)]
pub struct BadName(String);

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} cannot be a person's name: begin with a letter or `_`, then letters, digits, `_`, `.` or `-`, at most 64 characters",
            self.0
        )
    }
}

impl std::error::Error for BadName {}

impl FromStr for Person {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Person, BadName> {
        let first = |b: u8| b.is_ascii_alphabetic() || b == b'_';
        let later = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        match name.as_bytes() {
            [head, tail @ ..] if first(*head) && tail.len() < 64 && tail.iter().all(|b| later(*b)) => {
                Ok(Person(name.to_owned()))
            }
            _ => Err(BadName(name.chars().take(80).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_a_file_name_a_topic_level_and_an_xml_name_at_once() {
        for good in ["anna", "_", "A.b-c_9", &"x".repeat(64)] {
            assert!(good.parse::<Person>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "9a", "-a", "a/b", "a+b", "a#", "ä", "a b", "a\n", &"x".repeat(65)] {
            assert!(bad.parse::<Person>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_resolution_is_written_as_a_detail_level_and_read_back() {
        for (seconds, text) in [(1, "1s"), (30, "30s"), (60, "1min"), (300, "5min"), (900, "15min")] {
            let resolution = Resolution::of_seconds(seconds).expect("above zero");
            assert_eq!(resolution.to_string(), text);
            assert_eq!(text.parse(), Ok(resolution));
        }
        for bad in ["", "0s", "0min", "1", "min", "-1s", "1h", "99999999min"] {
            assert!(bad.parse::<Resolution>().is_err(), "{bad}");
        }
    }

    #[test]
    fn values_print_as_topics_want_them() {
        assert_eq!(Value::Number(8211.0).to_string(), "8211");
        assert_eq!(Value::Number(72.4).to_string(), "72.4");
        assert_eq!(Json::from(&Value::Number(8211.0)).to_string(), "8211");
    }

    #[test]
    fn a_date_sorts_before_the_instants_of_its_day() {
        let date: Moment = "2026-11-19".parse().expect("date");
        let early: Moment = "2026-11-19T00:30:00+13:00".parse().expect("time");
        let next: Moment = "2026-11-20".parse().expect("date");
        assert!(date < early && early < next);
        assert_eq!(early.to_string(), "2026-11-19T00:30:00+13:00");
        assert_eq!("2026-11-19T00:30:00Z".parse::<Moment>().expect("time").to_string(), "2026-11-19T00:30:00+00:00");
    }
}
