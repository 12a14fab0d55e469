//! What happened of late, worked out of readings and devices. Pure: what was told already is not known here.
//!
//! Only what happened within the last [`RECENT`] hours is an event: what history brings later is none.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Map, Value as Json, json};

use crate::reading::{Moment, Value};
use crate::snapshot::{Device, Event, EventKind, Shown};

/// Older than this, nothing is an event any more.
pub const RECENT: TimeDelta = TimeDelta::hours(24);
/// A clock elsewhere may be ahead of ours by this much.
const AHEAD: TimeDelta = TimeDelta::minutes(15);
/// The charge in percent from which on a tracker asks to be charged.
const LOW_BATTERY: f64 = 20.0;

/// Daily totals that upstreams have goals for.
const TOTALS: [&str; 4] = ["steps", "distance", "floors", "calories"];
/// What is told beside a wake-up.
const OF_A_NIGHT: [&str; 5] =
    ["sleep-start", "sleep-minutes", "time-in-bed-minutes", "sleep-efficiency", "sleep-score"];
/// What is told beside a weight.
const OF_A_WEIGH_IN: [&str; 2] = ["body-fat", "bmi"];

/// Whether this is a total that grows towards its goal.
pub fn is_total(metric: &str) -> bool {
    TOTALS.contains(&metric)
}

/// The metrics that events are made of.
pub fn metrics() -> impl Iterator<Item = &'static str> {
    ["body-weight", "sleep-end", "last-workout"].into_iter().chain(TOTALS).chain(OF_A_NIGHT).chain(OF_A_WEIGH_IN)
}

/// The first day whose readings can still be an event, where today is `today`.
pub fn first_day(today: NaiveDate) -> NaiveDate {
    today - TimeDelta::days(1)
}

/// What happened of late: out of the readings of [`metrics`] since [`first_day`], and the devices as they are now.
pub fn events(readings: &[Shown], devices: &[Device], now: DateTime<Utc>, today: NaiveDate) -> Vec<Event> {
    let mut events = Vec::new();
    for reading in readings {
        let beside = |keys: &[&str]| -> Map<String, Json> {
            let belongs = |other: &&Shown| other.at == reading.at && keys.contains(&other.metric.key);
            let told = |other: &Shown| (other.metric.key.to_owned(), Json::from(&other.value));
            readings.iter().filter(belongs).map(told).collect()
        };
        let event = match (reading.metric.key, &reading.value) {
            ("sleep-end", Value::Text(end)) if is_recent_time(end, now) => {
                // A night that is corrected later is still the same night.
                let mut body = Map::from_iter([("dateTime".to_owned(), json!(end))]);
                body.extend(beside(&OF_A_NIGHT));
                Event { kind: EventKind::WokeUp, id: reading.at.date().to_string(), body }
            }
            ("body-weight", value) if is_recent(reading.at, now, today) => {
                let mut body = Map::from_iter([
                    ("dateTime".to_owned(), json!(reading.at)),
                    ("value".to_owned(), value.into()),
                    ("unit".to_owned(), json!(reading.unit)),
                ]);
                body.extend(beside(&OF_A_WEIGH_IN));
                Event { kind: EventKind::WeighedIn, id: identity(reading.at), body }
            }
            ("last-workout", _) if is_recent(reading.at, now, today) => {
                let mut body = Map::from_iter([("dateTime".to_owned(), json!(reading.at))]);
                body.extend(reading.beside.clone());
                Event { kind: EventKind::Workout, id: identity(reading.at), body }
            }
            (key, Value::Number(reached)) if is_total(key) && first_day(today) <= reading.at.date() => {
                let goal = reading.beside.get("goal").and_then(Json::as_f64).filter(|goal| *goal > 0.0);
                let Some(goal) = goal.filter(|goal| reached >= goal) else { continue };
                let date = reading.at.date();
                let body = [
                    ("dateTime", json!(date)),
                    ("metric", json!(key)),
                    ("value", Json::from(&reading.value)),
                    ("unit", json!(reading.unit)),
                    ("goal", Json::from(&Value::Number(goal))),
                ];
                let body = body.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                Event { kind: EventKind::GoalReached, id: format!("{key} {date}"), body }
            }
            _ => continue,
        };
        events.push(event);
    }
    events.extend(devices.iter().filter(|device| is_low(device)).map(|device| {
        let mut body =
            Map::from_iter([("device".to_owned(), json!(device.id)), ("name".to_owned(), json!(device.name))]);
        body.extend(device.battery.as_ref().map(|word| ("battery".to_owned(), json!(word))));
        body.extend(device.battery_level.map(|level| ("battery-level".to_owned(), json!(level))));
        Event { kind: EventKind::TrackerBatteryLow, id: device.id.clone(), body }
    }));
    events
}

/// The number counts where there is one, for the words differ between models.
fn is_low(device: &Device) -> bool {
    match (device.battery_level, device.battery.as_deref()) {
        (Some(level), _) => level <= LOW_BATTERY,
        (None, word) => matches!(word, Some("Low" | "Empty")),
    }
}

/// What tells one from another. An instant stays the same where the person travels on, or another upstream writes it with
/// another offset.
fn identity(at: Moment) -> String {
    match at {
        Moment::Time(time) => Moment::Time(time.to_utc().fixed_offset()).to_string(),
        Moment::Date(date) => date.to_string(),
    }
}

fn is_recent(at: Moment, now: DateTime<Utc>, today: NaiveDate) -> bool {
    match at {
        Moment::Time(time) => (now - RECENT..=now + AHEAD).contains(&time.to_utc()),
        Moment::Date(date) => (first_day(today)..=today).contains(&date),
    }
}

fn is_recent_time(text: &str, now: DateTime<Utc>) -> bool {
    text.parse().is_ok_and(|at| matches!(at, Moment::Time(_)) && is_recent(at, now, NaiveDate::MIN))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::metric::{System, find};
    use crate::reading::Reading;

    fn shown(key: &str, value: Value, at: &str, beside: Json) -> Shown {
        let beside = beside.as_object().cloned().unwrap_or_default();
        let reading = Reading {
            metric: find(key).unwrap(),
            value,
            at: at.parse().unwrap(),
            source: None,
            resolution: None,
            beside,
        };
        Shown::new(reading, DateTime::UNIX_EPOCH, System::UnitedStates)
    }

    fn happened(readings: &[Shown], devices: &[Device]) -> Vec<(&'static str, String)> {
        let now = "2026-11-20T09:00:00Z".parse().unwrap();
        let events = events(readings, devices, now, "2026-11-20".parse().unwrap());
        events.into_iter().map(|event| (event.kind.word(), event.id)).collect()
    }

    fn number(key: &str, value: f64, at: &str) -> Shown {
        shown(key, Value::Number(value), at, Json::Null)
    }

    #[test]
    fn only_what_happened_within_a_day_is_an_event() {
        let weights = ["2026-11-19T09:30:00+01:00", "2026-11-19T10:30:00+01:00", "2026-11-20T08:00:00+01:00"];
        let readings: Vec<_> = weights.map(|at| number("body-weight", 72.4, at)).into();
        let expected = ["2026-11-19T09:30:00+00:00", "2026-11-20T07:00:00+00:00"];
        let expected = expected.map(|at| ("weighed-in", at.to_owned()));
        assert_eq!(happened(&readings, &[]), expected);
        let night = |end: &str| shown("sleep-end", Value::Text(end.into()), "2026-11-20", Json::Null);
        assert_eq!(happened(&[night("2026-11-20T07:00:00+01:00")], &[]), [("woke-up", "2026-11-20".to_owned())]);
        assert_eq!(happened(&[night("2026-11-19T07:00:00+01:00")], &[]), []);
        assert_eq!(happened(&[night("yesterday")], &[]), []);
    }

    #[test]
    fn an_event_stays_the_same_under_another_offset() {
        for key in ["body-weight", "last-workout"] {
            let seen = ["2026-11-20T08:00:00+01:00", "2026-11-20T07:00:00Z", "2026-11-20T02:00:00-05:00"];
            let ids = seen.map(|at| happened(&[number(key, 72.4, at)], &[]));
            assert_eq!(ids[0].len(), 1);
            assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        }
    }

    #[test]
    fn a_goal_is_reached_in_the_units_that_are_shown() {
        let goal = |value, at| shown("distance", Value::Number(value), at, json!({"goal": 8.05}));
        assert_eq!(happened(&[goal(8.05, "2026-11-20")], &[]), [("goal-reached", "distance 2026-11-20".to_owned())]);
        assert_eq!(happened(&[goal(8.04, "2026-11-20")], &[]), []);
        assert_eq!(happened(&[goal(9.0, "2026-11-18")], &[]), []);
        assert_eq!(happened(&[number("steps", 20_000.0, "2026-11-20")], &[]), [], "no goal is known");
    }

    #[test]
    fn an_event_tells_what_belongs_to_it() {
        let at = "2026-11-20T08:00:00+01:00";
        let readings = [
            number("body-weight", 45.359_237, at),
            number("body-fat", 20.0, at),
            number("body-fat", 21.0, "2026-11-20T08:30:00+01:00"),
        ];
        let now = "2026-11-20T09:00:00Z".parse().unwrap();
        let told: Vec<_> =
            events(&readings, &[], now, "2026-11-20".parse().unwrap()).iter().map(Event::to_json).collect();
        let expected = json!({"event_type": "weighed-in", "dateTime": at, "value": 100, "unit": "lb", "body-fat": 20});
        assert_eq!(told, [expected]);
    }

    #[test]
    fn a_battery_is_low_by_its_number_or_else_by_its_word() {
        let device = |battery: Option<&str>, battery_level| Device {
            id: "7".into(),
            name: "Charge 6".into(),
            kind: "tracker".into(),
            battery: battery.map(str::to_owned),
            battery_level,
            last_sync: None,
        };
        for (low, words, level) in [
            (true, Some("Low"), None),
            (true, Some("Empty"), None),
            (true, None, Some(20.0)),
            (false, Some("Medium"), None),
            (false, Some("Low"), Some(55.0)),
            (false, None, None),
        ] {
            assert_eq!(!happened(&[], &[device(words, level)]).is_empty(), low, "{words:?} {level:?}");
        }
    }
}
