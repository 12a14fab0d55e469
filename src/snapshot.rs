//! What is known of one person at one moment, ready to go out: the form between `fetch` and every destination.
//! Pure data; destinations turn it into topics or lines, and publish only what differs from last time.

use anyhow::Result;
use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};

use crate::metric::{BESIDE_UNITS, Metric, System, WHOLE};
use crate::reading::{Moment, Person, Reading, Value};

/// A place where values go.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Takes the whole current state of a person; what differs from the last one goes out, what is gone is cleared.
    async fn publish(&self, snapshot: &Snapshot) -> Result<()>;

    /// Takes values of the past that are new or corrected and that no snapshot shows as the newest, oldest first. They
    /// are sent once; a destination that has no use for them leaves this out.
    async fn history(&self, _person: &Person, _past: &[Past]) -> Result<()> {
        Ok(())
    }

    /// Removes everything that was ever published of a person.
    async fn remove(&self, person: &Person) -> Result<()>;
}

/// Everything that is published of one person.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Whose it is.
    pub person: Person,
    /// What lasting identifiers are made of; none before the first consent.
    pub account: Option<String>,
    /// The newest value of each metric, in the catalogue's order and the person's unit system.
    pub values: Vec<Shown>,
    /// False when consent is lost or nothing succeeded for 24 hours.
    pub available: bool,
    /// The state of consent.
    pub auth: Auth,
    /// How the actions fare.
    pub status: Status,
    /// What may still be asked, once an upstream has said so.
    pub quota: Option<Quota>,
    /// Trackers and scales.
    pub devices: Vec<Device>,
    /// What happened of late, told already or not.
    pub events: Vec<Event>,
}

/// Something that happened; told once.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// Which of its kind it is, the same whenever it is looked at.
    pub id: String,
    /// What is told beside `event_type`.
    pub body: Map<String, Json>,
}

impl Event {
    /// The message: `event_type`, then the rest.
    pub fn to_json(&self) -> Json {
        let mut object = Map::new();
        object.insert("event_type".into(), self.kind.word().into());
        object.extend(self.body.clone());
        Json::Object(object)
    }
}

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A night has ended.
    WokeUp,
    /// Somebody stood on a scale, or wrote a weight down.
    WeighedIn,
    /// A workout has ended.
    Workout,
    /// A total of the day has reached what the upstream says is the person's goal.
    GoalReached,
    /// A device has to be charged; it goes on until it was.
    TrackerBatteryLow,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [EventKind; 5] = [
        EventKind::WokeUp,
        EventKind::WeighedIn,
        EventKind::Workout,
        EventKind::GoalReached,
        EventKind::TrackerBatteryLow,
    ];

    /// The word published.
    pub fn word(self) -> &'static str {
        match self {
            EventKind::WokeUp => "woke-up",
            EventKind::WeighedIn => "weighed-in",
            EventKind::Workout => "workout",
            EventKind::GoalReached => "goal-reached",
            EventKind::TrackerBatteryLow => "tracker-battery-low",
        }
    }

    /// Whether it lasts, so that it is news also where nothing was known before.
    pub fn lasts(self) -> bool {
        self == EventKind::TrackerBatteryLow
    }
}

/// A value as it is shown: in the person's unit system, with when it was first received.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// What was measured.
    pub metric: &'static Metric,
    /// The value in `unit`.
    pub value: Value,
    /// The unit sent, in Home Assistant's spelling.
    pub unit: Option<&'static str>,
    /// When it was measured.
    pub at: Moment,
    /// When this value was first received.
    pub fetched: DateTime<Utc>,
    /// The device or application it came from.
    pub source: Option<String>,
    /// What stands beside the value.
    pub beside: Map<String, Json>,
}

impl Shown {
    /// Converts a reading, once, on its way out.
    pub fn new(reading: Reading, fetched: DateTime<Utc>, system: System) -> Shown {
        let Reading { metric, value, at, source, mut beside, .. } = reading;
        beside.remove(WHOLE);
        let value = match value {
            Value::Number(number) => Value::Number(metric.unit.convert(number, system)),
            text => text,
        };
        if let Some(goal) = beside.get("goal").and_then(Json::as_f64) {
            beside.insert("goal".into(), Json::from(&Value::Number(metric.unit.convert(goal, system))));
        }
        for (key, unit) in BESIDE_UNITS {
            if let Some(number) = beside.get(*key).and_then(Json::as_f64) {
                beside.insert((*key).to_owned(), unit.convert(number, system).into());
                beside.insert(format!("{key}Unit"), unit.symbol(system).into());
            }
        }
        Shown { metric, value, unit: metric.unit.symbol(system), at, fetched, source, beside }
    }

    /// The object published under the metric's key: `value`, `unit`, `dateTime`, `fetched`, `source`, and what stands beside.
    pub fn to_json(&self) -> Json {
        let mut object = Map::new();
        object.insert("value".into(), Json::from(&self.value));
        if let Some(unit) = self.unit {
            object.insert("unit".into(), unit.into());
        }
        object.insert("dateTime".into(), self.at.to_string().into());
        object.insert("fetched".into(), utc(self.fetched).into());
        if let Some(source) = &self.source {
            object.insert("source".into(), source.as_str().into());
        }
        for (key, value) in &self.beside {
            object.entry(key.clone()).or_insert_with(|| value.clone());
        }
        Json::Object(object)
    }
}

/// A value of the past that was just learned or corrected.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// The value, as it is shown.
    pub shown: Shown,
    /// 1 where there was none before, one more with each correction.
    pub revision: i64,
}

impl Past {
    /// The reading as it is told: `metric`, `value`, `unit`, `dateTime`, `revision`.
    pub fn to_json(&self) -> Json {
        let Past { shown, revision } = self;
        let mut object = Map::new();
        object.insert("metric".into(), shown.metric.key.into());
        object.insert("value".into(), Json::from(&shown.value));
        if let Some(unit) = shown.unit {
            object.insert("unit".into(), unit.into());
        }
        object.insert("dateTime".into(), shown.at.to_string().into());
        object.insert("revision".into(), (*revision).into());
        Json::Object(object)
    }
}

/// The states of a person's consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthState {
    /// There is no token yet.
    AwaitingConsent,
    /// The token works.
    Ok,
    /// The token could not be renewed for now; it is kept and tried again.
    Retrying,
    /// The upstream no longer accepts the token: the person must consent again.
    Reauthorize,
}

impl AuthState {
    /// Every state there is.
    pub const ALL: [AuthState; 4] =
        [AuthState::AwaitingConsent, AuthState::Ok, AuthState::Retrying, AuthState::Reauthorize];

    /// The state of this word; an unknown one is `awaiting-consent`.
    pub fn named(word: &str) -> AuthState {
        AuthState::ALL.into_iter().find(|state| state.word() == word).unwrap_or(AuthState::AwaitingConsent)
    }

    /// The word published and stored.
    pub fn word(self) -> &'static str {
        match self {
            AuthState::AwaitingConsent => "awaiting-consent",
            AuthState::Ok => "ok",
            AuthState::Retrying => "retrying",
            AuthState::Reauthorize => "reauthorize",
        }
    }
}

/// The `auth` topic.
#[derive(Debug, Clone, Serialize)]
pub struct Auth {
    /// The state.
    pub state: AuthState,
    /// Since when.
    #[serde(serialize_with = "utc_field")]
    pub since: DateTime<Utc>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Our own page for this person.
    pub url: String,
    /// When the refresh token will die, if the upstream says.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "utc_option")]
    pub expires: Option<DateTime<Utc>>,
}

/// The `status` topic.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Whether the last attempt succeeded.
    pub alive: bool,
    /// When an upstream was last asked for this person.
    #[serde(serialize_with = "utc_option")]
    pub last_activity: Option<DateTime<Utc>>,
    /// When that last worked.
    #[serde(serialize_with = "utc_option")]
    pub last_success: Option<DateTime<Utc>>,
    /// When it last failed.
    #[serde(serialize_with = "utc_option")]
    pub last_failure: Option<DateTime<Utc>>,
    /// Why it last failed; absent after a success.
    pub error: Option<String>,
    /// How many days ago, by the person's own calendar, the newest weight was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_since_weigh_in: Option<i64>,
    /// Whether nothing is fetched by itself, because somebody said so.
    pub paused: bool,
    /// The person's interval actions.
    pub actions: Vec<NextAction>,
}

/// One interval action and when it runs next.
#[derive(Debug, Clone, Serialize)]
pub struct NextAction {
    /// The path whose health the action reports.
    pub representing: String,
    /// When it runs next.
    #[serde(serialize_with = "utc_option")]
    pub next: Option<DateTime<Utc>>,
}

/// The `quota` topic and the `quota` of a fetch.
#[derive(Debug, Clone, Serialize)]
pub struct Quota {
    /// Requests in a window.
    pub limit: i64,
    /// Requests left in this window.
    pub remaining: i64,
    /// When the window ends.
    #[serde(serialize_with = "utc_field")]
    pub reset: DateTime<Utc>,
    /// Today's requests, by endpoint.
    pub calls: Map<String, Json>,
}

/// One tracker or scale.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
pub struct Device {
    /// The upstream's own identifier.
    pub id: String,
    /// The model, as the upstream names it.
    pub name: String,
    /// `tracker`, `scale` or whatever the upstream says, in lower case.
    #[serde(rename = "type")]
    pub kind: String,
    /// Charge in words: `High`, `Medium`, `Low`, `Empty`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub battery: Option<String>,
    /// Charge in percent.
    #[serde(rename = "battery-level", skip_serializing_if = "Option::is_none")]
    pub battery_level: Option<f64>,
    /// When the device last sent its data, RFC 3339 with the person's offset.
    #[serde(rename = "last-sync", skip_serializing_if = "Option::is_none")]
    pub last_sync: Option<String>,
}

/// RFC 3339 in UTC, to the second.
pub fn utc(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn utc_field<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&utc(*time))
}

fn utc_option<S: Serializer>(time: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => utc_field(time, serializer),
        None => serializer.serialize_none(),
    }
}
