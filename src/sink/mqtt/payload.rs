//! What stands in each topic of a person: one snapshot in, a map of topics out. Pure: no input, no output, no clock.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::topic::Topics;
use crate::snapshot::Snapshot;

/// In whose turn a topic is sent again after a reconnect: later ones must not be seen before earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// What Home Assistant is told of devices: it listens to their topics only then.
    Discovery,
    /// Whether a person's values are alive.
    Availability,
    /// What the bridge says about a person or itself.
    State,
    /// Measured values.
    Value,
    /// That the bridge is online: the last word, when all else is true again.
    Status,
}

/// The payload of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// What is sent; never empty, for that would clear the topic.
    pub bytes: Vec<u8>,
    /// When it is sent among others.
    pub turn: Turn,
}

/// Every topic of a person with its payload.
///
/// A person without values has no topic of values; a text value that is empty has none either.
pub fn payloads(topics: &Topics, snapshot: &Snapshot) -> serde_json::Result<BTreeMap<String, Payload>> {
    let person = &snapshot.person;
    let mut payloads = BTreeMap::new();
    let mut put = |topic: String, turn: Turn, text: String| {
        if !text.is_empty() {
            payloads.insert(topic, Payload { bytes: text.into_bytes(), turn });
        }
    };

    let all: Map<String, Json> =
        snapshot.values.iter().map(|shown| (shown.metric.key.to_owned(), shown.to_json())).collect();
    if !all.is_empty() {
        put(topics.values(person), Turn::Value, json(&all)?);
    }
    for shown in &snapshot.values {
        put(topics.value(person, shown.metric), Turn::Value, shown.value.to_string());
    }
    let available = if snapshot.available { ONLINE } else { OFFLINE };
    put(topics.availability(person), Turn::Availability, available.to_owned());
    put(topics.auth(person), Turn::State, json(&snapshot.auth)?);
    put(topics.status(person), Turn::State, json(&snapshot.status)?);
    if let Some(quota) = &snapshot.quota {
        put(topics.quota(person), Turn::State, json(quota)?);
    }
    for device in &snapshot.devices {
        put(topics.device(person, &device.id), Turn::State, json(device)?);
    }
    Ok(payloads)
}

/// What availability and status say when all is well.
pub const ONLINE: &str = "online";
/// What they say when it is not.
pub const OFFLINE: &str = "offline";

fn json(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chrono::DateTime;
    use serde_json::json;

    use super::*;
    use crate::metric::{System, find};
    use crate::reading::{Reading, Value};
    use crate::snapshot::{Auth, AuthState, Device, NextAction, Quota, Shown, Status};

    fn shown(key: &str, value: Value, at: &str) -> Shown {
        let (metric, at) = (find(key).unwrap(), at.parse().unwrap());
        let reading = Reading { metric, value, at, source: None, beside: Map::new(), resolution: None };
        Shown::new(reading, DateTime::UNIX_EPOCH, System::Metric)
    }

    #[test]
    fn a_snapshot_becomes_the_topics_of_the_contract() {
        let snapshot = Snapshot {
            person: "anna".parse().unwrap(),
            account: None,
            values: vec![
                shown("body-weight", Value::Number(72.4), "2026-11-19T07:12:00+01:00"),
                shown("steps", Value::Number(8211.0), "2026-11-19"),
                shown("sleep-start", Value::Text("2026-11-19T23:05:00+01:00".into()), "2026-11-20"),
                shown("ecg-result", Value::Text(String::new()), "2026-11-20"),
            ],
            available: true,
            auth: Auth {
                state: AuthState::Ok,
                since: DateTime::UNIX_EPOCH,
                reason: None,
                url: "http://localhost:9333/plugin/fitbit/page/setup.html?user=anna".into(),
                expires: None,
            },
            status: Status {
                alive: true,
                last_activity: Some(DateTime::UNIX_EPOCH),
                last_success: Some(DateTime::UNIX_EPOCH),
                last_failure: None,
                error: None,
                days_since_weigh_in: Some(1),
                paused: false,
                actions: vec![NextAction { representing: "sensors/fitbit/anna".into(), next: None }],
            },
            quota: Some(Quota { limit: 150, remaining: 148, reset: DateTime::UNIX_EPOCH, calls: Map::new() }),
            devices: vec![Device {
                id: "20/71".into(),
                name: "Charge 6".into(),
                kind: "tracker".into(),
                battery: Some("High".into()),
                battery_level: Some(80.0),
                last_sync: None,
            }],
            events: Vec::new(),
        };
        let topics = Topics::new("sensors/fitbit", "fitbit2mqtt").unwrap();
        let payloads = payloads(&topics, &snapshot).unwrap();
        let text = |topic: &str| String::from_utf8(payloads[topic].bytes.clone()).unwrap();
        let json = |topic: &str| serde_json::from_str::<Json>(&text(topic)).unwrap();

        assert_eq!(text("sensors/fitbit/anna/body-weight"), "72.4");
        assert_eq!(text("sensors/fitbit/anna/steps"), "8211");
        assert_eq!(text("sensors/fitbit/anna/sleep-start"), "2026-11-19T23:05:00+01:00");
        assert!(!payloads.contains_key("sensors/fitbit/anna/ecg-result"), "an empty payload would clear");
        let object = json("sensors/fitbit/anna");
        assert_eq!(
            object.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["body-weight", "steps", "sleep-start", "ecg-result"]
        );
        assert_eq!(
            object["body-weight"],
            json!({"value": 72.4, "unit": "kg", "dateTime": "2026-11-19T07:12:00+01:00", "fetched": "1970-01-01T00:00:00Z"})
        );
        assert_eq!(text("fitbit2mqtt/user/anna/availability"), "online");
        assert_eq!(json("fitbit2mqtt/user/anna/auth")["state"], "ok");
        assert_eq!(json("fitbit2mqtt/user/anna/status")["actions"][0]["representing"], "sensors/fitbit/anna");
        assert_eq!(json("fitbit2mqtt/user/anna/status")["days_since_weigh_in"], 1);
        assert_eq!(json("fitbit2mqtt/user/anna/quota")["remaining"], 148);
        assert_eq!(json("fitbit2mqtt/user/anna/device/20%2F71")["battery-level"], 80.0);
        assert_eq!(payloads.len(), 9);
    }
}
