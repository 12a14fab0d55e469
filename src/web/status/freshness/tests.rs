//! Each way in which values can be old is told apart from the others.

use super::*;
use crate::metric::find;
use crate::reading::{Reading, Value};
use crate::snapshot::{Auth, Quota, Status};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("time")
}

/// Everything is well at three in the afternoon.
fn well() -> Snapshot {
    let device = Device {
        id: "1".into(),
        name: "Sense 2".into(),
        kind: "tracker".into(),
        battery: None,
        battery_level: None,
        last_sync: Some("2026-11-20T15:30:00+01:00".into()),
    };
    let scale = Device { kind: "scale".into(), last_sync: Some("2026-11-20T15:59:00+01:00".into()), ..device.clone() };
    Snapshot {
        person: "anna".parse().expect("a name"),
        account: None,
        values: Vec::new(),
        available: true,
        auth: Auth {
            state: AuthState::Ok,
            since: at("2026-11-01T10:00:00Z"),
            reason: None,
            url: String::new(),
            expires: None,
        },
        status: Status {
            alive: true,
            last_activity: Some(at("2026-11-20T14:45:00Z")),
            last_success: Some(at("2026-11-20T14:45:00Z")),
            last_failure: None,
            error: None,
            days_since_weigh_in: None,
            paused: false,
            actions: Vec::new(),
        },
        quota: Some(Quota { limit: 150, remaining: 148, reset: at("2026-11-20T16:00:00Z"), calls: Default::default() }),
        devices: vec![device, scale],
        events: Vec::new(),
    }
}

fn told(snapshot: &Snapshot) -> Vec<(State, String)> {
    told_with(snapshot, "2026-11-20")
}

/// The same, where this is when something was last measured.
fn told_with(snapshot: &Snapshot, newest: &str) -> Vec<(State, String)> {
    let newest = Some(newest.parse().expect("a moment"));
    let links = links(snapshot, newest, "Fitbit", at("2026-11-20T15:00:00Z"), chrono_tz::Europe::Amsterdam);
    links.into_iter().map(|link| (link.state, link.sentence)).collect()
}

#[test]
fn only_what_a_tracker_measures_tells_how_late_a_provider_is() {
    let stored = |key: &str, at: &str| Stored {
        reading: Reading {
            metric: find(key).expect("a metric"),
            value: Value::Number(1.0),
            at: at.parse().expect("a moment"),
            source: None,
            beside: Default::default(),
            resolution: None,
        },
        fetched: self::at("2026-11-20T14:40:00Z"),
        revision: 1,
    };
    let readings = [
        stored("steps", "2026-11-18"),
        stored("heart-rate", "2026-11-18T14:00:00+01:00"),
        stored("body-weight", "2026-11-20T07:00:00+01:00"),
        stored("tracker-battery", "2026-11-20T07:00:00+01:00"),
    ];
    assert_eq!(newest(&readings), "2026-11-18T14:00:00+01:00".parse().ok());
    assert_eq!(newest(&readings[2..]), None);
}

#[test]
fn nothing_is_wrong_where_nothing_is() {
    let told = told(&well());
    assert!(told.iter().all(|(state, _)| *state == State::Good), "{told:?}");
    assert_eq!(told[3].1, "Sense 2 synced today 15:30.", "a scale is no tracker");
    assert_eq!(told[4].1, "Fitbit has values up to today.");
}

#[test]
fn a_tracker_that_lies_elsewhere_is_not_the_providers_fault() {
    let mut snapshot = well();
    snapshot.devices[0].last_sync = Some("2026-11-18T22:10:00+01:00".into());
    let told = told(&snapshot);
    assert_eq!(told[3].0, State::Wait);
    assert!(told[3].1.starts_with("Sense 2 has not synced since 2026-11-18 22:10"), "{}", told[3].1);
    snapshot.status.last_success = Some(at("2026-11-19T06:00:00Z"));
    assert_eq!(self::told(&snapshot)[3].0, State::Good, "nobody has asked since");
    assert!([0, 1, 2, 4].iter().all(|link| told[*link].0 == State::Good), "{told:?}");
}

#[test]
fn a_provider_is_late_only_after_it_was_asked_since_the_sync() {
    let mut snapshot = well();
    let told = |snapshot: &Snapshot| told_with(snapshot, "2026-11-19");
    let late = told(&snapshot);
    assert_eq!(late[4].0, State::Wait);
    assert_eq!(late[4].1, "The tracker synced today 15:30, but Fitbit has nothing later than yesterday: it is late.");
    snapshot.status.last_success = Some(at("2026-11-20T14:00:00Z"));
    assert_eq!(told(&snapshot)[4].0, State::Good, "it was asked before the tracker synced");
    snapshot = well();
    snapshot.devices[0].last_sync = Some("2026-11-20T00:10:00+01:00".into());
    assert_eq!(told(&snapshot)[4].0, State::Good, "of a day that has just begun there is nothing yet");
}

#[test]
fn a_failing_bridge_says_since_when_and_why() {
    let mut snapshot = well();
    snapshot.status.last_success = Some(at("2026-11-19T09:00:00Z"));
    snapshot.status.error = Some("no connection to 127.0.0.1".into());
    let told = told(&snapshot);
    assert_eq!(told[1], (State::Bad, "Fetches have failed since yesterday 10:00: No connection to 127.0.0.1.".into()));
    assert_eq!(told[0].0, State::Good, "that is no matter of consent");
}

#[test]
fn quota_pause_and_consent_are_matters_of_their_own() {
    let mut snapshot = well();
    snapshot.quota = snapshot.quota.map(|quota| Quota { remaining: 0, ..quota });
    snapshot.status.paused = true;
    let quiet = told(&snapshot);
    assert_eq!(quiet[2], (State::Wait, "Spent until today 17:00; what is due is asked then.".into()));
    assert!(quiet[1].1.starts_with("Paused"));
    snapshot.available = false;
    snapshot.auth.state = AuthState::Reauthorize;
    snapshot.auth.reason = Some("the upstream said invalid_grant".into());
    let lost = &told(&snapshot)[0];
    assert_eq!(lost.0, State::Bad);
    assert!(lost.1.contains("connect again") && lost.1.ends_with("The upstream said invalid_grant."), "{}", lost.1);
}
