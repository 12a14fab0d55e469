//! Why values are as old as they are, told apart: consent, quota, the bridge, the tracker, the provider. Pure.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::Serialize;

use super::super::setup::when;
use super::super::trouble::sentence;
use super::words::measured;
use crate::metric::Group;
use crate::reading::Moment;
use crate::snapshot::{AuthState, Device, Snapshot};
use crate::store::Stored;

/// A tracker that is worn and near its telephone syncs within this time.
const QUIET: TimeDelta = TimeDelta::hours(12);
/// In the first hours of a day there may be nothing of it yet.
const FIRST_HOURS: TimeDelta = TimeDelta::hours(6);
/// What trackers measure; the rest is written down by people or weighed.
const BY_TRACKER: [Group; 8] = [
    Group::Activity,
    Group::Zones,
    Group::Heart,
    Group::Hrv,
    Group::Breathing,
    Group::Oxygen,
    Group::Temperature,
    Group::Sleep,
];

/// How one of the links in the chain is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Which one.
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// In a sentence.
    pub sentence: String,
}

/// Whether something is as it should be; the classes of the stylesheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it should be.
    Good,
    /// It will be, by itself or when somebody does something small.
    Wait,
    /// Somebody has to do something.
    Bad,
    /// Nothing is known.
    Neutral,
}

/// When the newest of these readings was measured by a tracker, whether it is published or not.
pub fn newest(readings: &[Stored]) -> Option<Moment> {
    let by_tracker = readings.iter().filter(|stored| BY_TRACKER.contains(&stored.reading.metric.group));
    by_tracker.map(|stored| stored.reading.at).max()
}

/// Each link in the chain from the tracker to here; `newest` is when something was last measured by a tracker.
pub fn links(snapshot: &Snapshot, newest: Option<Moment>, provider: &str, now: DateTime<Utc>, zone: Tz) -> Vec<Link> {
    let mut links = without_tracker(snapshot, provider, now, zone);
    links.extend([tracker(snapshot, now, zone), arrived(snapshot, newest, provider, now, zone)]);
    links
}

/// The same where no value comes from a tracker.
pub fn without_tracker(snapshot: &Snapshot, provider: &str, now: DateTime<Utc>, zone: Tz) -> Vec<Link> {
    vec![consent(snapshot, provider, now, zone), bridge(snapshot, now, zone), quota(snapshot, now, zone)]
}

fn consent(snapshot: &Snapshot, provider: &str, now: DateTime<Utc>, zone: Tz) -> Link {
    let auth = &snapshot.auth;
    let since = when(auth.since, now, zone);
    let because = auth.reason.as_ref().map(|reason| format!(" {}", sentence(reason))).unwrap_or_default();
    let (state, sentence) = match auth.state {
        AuthState::Ok if auth.expires.is_some() && !because.is_empty() => (State::Wait, because.trim().to_owned()),
        AuthState::Ok => (State::Good, format!("{provider} may be asked.")),
        AuthState::Retrying => {
            (State::Wait, format!("Not renewed since {since}; it is kept, and tried again by itself.{because}"))
        }
        AuthState::Reauthorize if snapshot.available => (State::Wait, format!("To be given anew.{because}")),
        AuthState::Reauthorize => {
            (State::Bad, format!("Lost since {since}: connect again on the setup page.{because}"))
        }
        AuthState::AwaitingConsent => (State::Bad, "Not given: connect on the setup page.".to_owned()),
    };
    Link { name: "Consent", state, sentence }
}

fn bridge(snapshot: &Snapshot, now: DateTime<Utc>, zone: Tz) -> Link {
    let status = &snapshot.status;
    let when = |time: DateTime<Utc>| when(time, now, zone);
    let next = status.actions.iter().filter_map(|action| action.next).min();
    let next = next.map(|next| format!(" The next is due {}.", when(next))).unwrap_or_default();
    let (state, sentence) = match (status.last_success, &status.error) {
        _ if status.paused => (State::Wait, "Paused: nothing is fetched by itself until you resume.".to_owned()),
        (Some(success), Some(error)) => {
            (State::Bad, format!("Fetches have failed since {}: {}{next}", when(success), sentence(error)))
        }
        (None, Some(error)) => (State::Bad, format!("No fetch has worked yet: {}{next}", sentence(error))),
        (Some(success), None) => (State::Good, format!("Last fetched {}.{next}", when(success))),
        (None, None) => (State::Neutral, format!("Nothing was fetched yet.{next}")),
    };
    Link { name: "Bridge", state, sentence }
}

fn quota(snapshot: &Snapshot, now: DateTime<Utc>, zone: Tz) -> Link {
    let (state, sentence) = match &snapshot.quota {
        None => (State::Neutral, "Nothing was asked yet.".to_owned()),
        Some(quota) if quota.remaining <= 0 => {
            (State::Wait, format!("Spent until {}; what is due is asked then.", when(quota.reset, now, zone)))
        }
        Some(quota) => {
            let until = when(quota.reset, now, zone);
            (State::Good, format!("{} of {} requests left until {until}.", quota.remaining, quota.limit))
        }
    };
    Link { name: "Quota", state, sentence }
}

fn tracker(snapshot: &Snapshot, now: DateTime<Utc>, zone: Tz) -> Link {
    // What the tracker did since it was last asked for, nobody knows.
    let asked = snapshot.status.last_success.unwrap_or(now).min(now);
    let (state, sentence) = match synced(&snapshot.devices) {
        None => (State::Neutral, "No tracker is known that says when it synced.".to_owned()),
        Some((device, at)) if asked - at > QUIET => (
            State::Wait,
            format!(
                "{} has not synced since {}: bring it near its telephone, and open the app.",
                device.name,
                when(at, now, zone)
            ),
        ),
        Some((device, at)) => (State::Good, format!("{} synced {}.", device.name, when(at, now, zone))),
    };
    Link { name: "Tracker", state, sentence }
}

fn arrived(snapshot: &Snapshot, newest: Option<Moment>, provider: &str, now: DateTime<Utc>, zone: Tz) -> Link {
    let sync = synced(&snapshot.devices).map(|(_, at)| at);
    let asked_since = |sync: DateTime<Utc>| snapshot.status.last_success.is_some_and(|success| success > sync);
    let day = |time: DateTime<Utc>| -> NaiveDate { time.with_timezone(&zone).date_naive() };
    let (state, sentence) = match (newest, sync) {
        (None, _) => (State::Neutral, format!("{provider} has not given any value of a tracker yet.")),
        (Some(newest), Some(sync)) if newest.date() < day(sync - FIRST_HOURS) && asked_since(sync) => (
            State::Wait,
            format!(
                "The tracker synced {}, but {provider} has nothing later than {}: it is late.",
                when(sync, now, zone),
                measured(newest, now, zone)
            ),
        ),
        (Some(newest), _) => (State::Good, format!("{provider} has values up to {}.", measured(newest, now, zone))),
    };
    Link { name: "Provider", state, sentence }
}

/// The tracker that synced last, and when.
fn synced(devices: &[Device]) -> Option<(&Device, DateTime<Utc>)> {
    let trackers = devices.iter().filter(|device| device.kind != "scale");
    let at = |device: &Device| DateTime::parse_from_rfc3339(device.last_sync.as_ref()?).ok().map(|at| at.to_utc());
    trackers.filter_map(|device| Some((device, at(device)?))).max_by_key(|(_, at)| *at)
}

#[cfg(test)]
#[path = "freshness/tests.rs"]
mod tests;
