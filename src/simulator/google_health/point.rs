//! A data point and how Google writes it: times with offsets and civil times, int64 as text, zeros left out.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Offset, SecondsFormat, TimeZone, Timelike, Utc};
use serde_json::{Map, Value as Json, json};

use super::account::health_user_id;
use super::datatype::{DataType, Kind};
use crate::simulator::life::{Known, Person};

/// One data point.
#[derive(Clone)]
pub(super) struct Point {
    pub(super) start: DateTime<Utc>,
    /// The same as `start` for samples and days.
    pub(super) end: DateTime<Utc>,
    /// Numbers that roll-ups work with; what they are is between a type's functions.
    pub(super) figures: [f64; 4],
    pub(super) origin: Origin,
    /// For types whose points have names.
    pub(super) id: Option<u64>,
    pub(super) body: Body,
}

/// What a point says beside its time.
#[derive(Clone)]
pub(super) enum Body {
    /// Nothing: it counts in roll-ups only.
    None,
    Made(Map<String, Json>),
    Of(fn(&[f64; 4]) -> Map<String, Json>),
}

/// Where a point comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Watch,
    /// Computed of what the watch measured.
    Derived,
    Scale,
    /// Their phone, which counts steps as well: the same ones.
    Phone,
    /// Typed in.
    Manual,
    /// Sent by another application.
    Application,
}

impl Point {
    /// A point without a name from `start` to `end`.
    pub(super) fn new(start: DateTime<Utc>, end: DateTime<Utc>, figures: [f64; 4]) -> Point {
        Point { start, end, figures, origin: Origin::Watch, id: None, body: Body::None }
    }

    pub(super) fn sample(at: DateTime<Utc>, body: Json) -> Point {
        Point { body: Body::made(body), ..Point::new(at, at, [0.0; 4]) }
    }

    /// When it is, for filters: sleep is known by its end.
    pub(super) fn at(&self, kind: Kind) -> DateTime<Utc> {
        if kind == Kind::Sleep { self.end } else { self.start }
    }

    /// As `list` and `get` (with where it comes from) or `reconcile` writes it.
    pub(super) fn write(&self, row: &DataType, known: &Known, reconciled: bool) -> Json {
        let person = &known.person;
        let mut value = Map::new();
        let time = match row.kind {
            Kind::Daily => ("date", date(person.local(self.start).date())),
            Kind::Sample => ("sampleTime", sample_time(person, self.start)),
            // Live replies had no civil times for these.
            Kind::Sleep | Kind::Session => ("interval", interval(person, self.start, self.end, false)),
            Kind::Interval | Kind::Electrocardiogram => ("interval", interval(person, self.start, self.end, true)),
        };
        value.insert(time.0.into(), time.1);
        match &self.body {
            Body::None => {}
            Body::Made(more) => value.extend(more.clone()),
            Body::Of(make) => value.extend(make(&self.figures)),
        }
        let mut point = Map::new();
        if let Some(id) = self.id {
            let name = format!("users/{}/dataTypes/{}/dataPoints/{id}", health_user_id(person), row.id);
            point.insert(if reconciled { "dataPointName" } else { "name" }.into(), name.into());
        }
        if !reconciled {
            point.insert("dataSource".into(), self.origin.write(known));
        }
        point.insert(row.key(), value.into());
        point.into()
    }
}

impl Body {
    pub(super) fn made(body: Json) -> Body {
        match body {
            Json::Object(body) => Body::Made(body),
            _ => Body::None,
        }
    }
}

impl Origin {
    /// Whether points from here belong to the data source family.
    pub(super) fn belongs_to(self, family: Family) -> bool {
        match family {
            Family::All | Family::Google => true,
            Family::Wearables => matches!(self, Origin::Watch | Origin::Derived),
            // This client writes nothing.
            Family::OwnClient => false,
        }
    }

    fn write(self, known: &Known) -> Json {
        let watch = json!({"displayName": known.person.tracker_model(), "manufacturer": "Fitbit"});
        match self {
            Origin::Watch => {
                json!({"recordingMethod": "PASSIVELY_MEASURED", "device": watch, "platform": "FITBIT"})
            }
            Origin::Derived => json!({"recordingMethod": "DERIVED", "device": watch, "platform": "FITBIT"}),
            Origin::Scale => json!({
                "recordingMethod": "ACTIVELY_MEASURED",
                "device": {"displayName": "Aria", "formFactor": "SCALE"},
                "platform": "FITBIT",
            }),
            Origin::Phone => json!({
                "recordingMethod": "PASSIVELY_MEASURED",
                "device": {"formFactor": "PHONE"},
                "platform": "HEALTH_CONNECT",
                "application": {"packageName": "com.google.android.apps.fitness"},
            }),
            Origin::Manual => json!({"recordingMethod": "MANUAL", "device": {}, "platform": "FITBIT"}),
            Origin::Application => json!({
                "recordingMethod": "UNKNOWN",
                "platform": "FITBIT_WEB_API",
                "application": {"webClientId": "23SCALE"},
            }),
        }
    }
}

/// Which sources are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    All,
    Google,
    Wearables,
    OwnClient,
}

pub(super) fn interval(person: &Person, start: DateTime<Utc>, end: DateTime<Utc>, with_civil: bool) -> Json {
    let mut interval = json!({
        "startTime": timestamp(start),
        "startUtcOffset": offset(person, start),
        "endTime": timestamp(end),
        "endUtcOffset": offset(person, end),
    });
    if with_civil {
        interval["civilStartTime"] = civil(person.local(start));
        interval["civilEndTime"] = civil(person.local(end));
    }
    interval
}

fn sample_time(person: &Person, at: DateTime<Utc>) -> Json {
    json!({
        "physicalTime": timestamp(at),
        "utcOffset": offset(person, at),
        "civilTime": civil(person.local(at)),
    })
}

/// RFC 3339, with a fraction where there is one.
pub(super) fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// The distance of their clocks from UTC at a moment, as a duration.
pub(super) fn offset(person: &Person, at: DateTime<Utc>) -> String {
    format!("{}s", person.zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc())
}

/// A time on the wall; members that are zero are left out, so that midnight is `"time":{}`.
pub(super) fn civil(wall: NaiveDateTime) -> Json {
    let mut time = Map::new();
    let members = [("hours", wall.hour()), ("minutes", wall.minute()), ("seconds", wall.second())];
    for (name, value) in members.into_iter().chain([("nanos", wall.nanosecond())]).filter(|(_, value)| *value > 0) {
        time.insert(name.into(), value.into());
    }
    json!({"date": date(wall.date()), "time": time})
}

pub(super) fn date(date: NaiveDate) -> Json {
    json!({"year": date.year(), "month": date.month(), "day": date.day()})
}

/// Members of an object by proto3's rules for JSON.
#[derive(Default)]
pub(super) struct Members(Map<String, Json>);

impl Members {
    /// An int64: text, left out when it is zero.
    pub(super) fn integer(mut self, name: &str, value: f64) -> Members {
        if value != 0.0 {
            self.0.insert(name.into(), (value.round() as i64).to_string().into());
        }
        self
    }

    /// A double, left out when it is zero.
    pub(super) fn double(mut self, name: &str, value: f64) -> Members {
        if value != 0.0 {
            self.0.insert(name.into(), double(value));
        }
        self
    }

    /// Anything, left out when it is empty or false.
    pub(super) fn other(mut self, name: &str, value: impl Into<Json>) -> Members {
        let value = value.into();
        let empty = match &value {
            Json::Null | Json::Bool(false) => true,
            Json::String(text) => text.is_empty(),
            Json::Array(list) => list.is_empty(),
            _ => false,
        };
        if !empty {
            self.0.insert(name.into(), value);
        }
        self
    }

    pub(super) fn map(self) -> Map<String, Json> {
        self.0
    }

    pub(super) fn json(self) -> Json {
        self.0.into()
    }
}

/// A double as Google writes it: whole ones without a fraction.
pub(super) fn double(value: f64) -> Json {
    if value.fract() == 0.0 { Json::from(value as i64) } else { Json::from(value) }
}
