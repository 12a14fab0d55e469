//! The devices and the profile of the Fitbit Web API → readings. Pure.

use serde_json::Value as Json;

use crate::metric::Unit;
use crate::reading::{Moment, Value, rfc3339};
use crate::snapshot::Device;
use crate::upstream::Failure;
use crate::upstream::decode;
use crate::upstream::endpoint::{Context, Decoded, Profile};

/// A bare array of devices; of several trackers, the one that synced last speaks for the person.
pub fn devices(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    let mut decoded = Decoded::default();
    let Some(rows) = body.as_array() else {
        return Err(Failure::Malformed("devices: the answer is not a list".into()));
    };
    let mut devices = Vec::new();
    for row in rows {
        let text = |key: &str| row.get(key).and_then(Json::as_str).map(str::to_owned);
        let Some(id) = text("id").or_else(|| row.get("id").and_then(Json::as_u64).map(|id| id.to_string())) else {
            decoded.problems.push("devices: an entry has no id".into());
            continue;
        };
        let sync = match row.get("lastSyncTime").map_or(Ok(None), |found| decode::time(found, context)) {
            Ok(sync) => sync,
            Err(problem) => {
                decoded.problems.push(format!("tracker-last-sync: {problem}"));
                None
            }
        };
        let battery = match row.get("batteryLevel").map_or(Ok(None), |found| decode::number(found, Unit::Percent)) {
            Ok(battery) => battery,
            Err(problem) => {
                decoded.problems.push(format!("tracker-battery: {problem}"));
                None
            }
        };
        let kind = text("type").unwrap_or_else(|| "unknown".into()).to_lowercase();
        let name = text("deviceVersion").unwrap_or_else(|| "Fitbit".into());
        let last_sync = sync.map(rfc3339);
        devices.push(Device { id, name, kind, battery: text("battery"), battery_level: battery, last_sync });
    }
    decoded.readings.extend(decode::tracker(&devices));
    decoded.devices = Some(devices);
    Ok(decoded)
}

/// The profile: time zone, display name and height. Requests carry no `Accept-Language`, so the height is in cm.
pub fn profile(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    let mut decoded = Decoded::default();
    let Some(user) = body.get("user").filter(|user| user.is_object()) else {
        return Err(Failure::Malformed("profile: the answer has no user".into()));
    };
    let text = |key: &str| user.get(key).and_then(Json::as_str).map(str::to_owned);
    let since = text("memberSince").and_then(|date| date.parse().ok());
    decoded.profile = Some(Profile { zone: text("timezone"), name: text("displayName"), since });
    match user.get("height").map_or(Ok(None), |found| decode::number(found, Unit::Centimetre)) {
        Ok(Some(height)) if height > 0.0 => {
            decoded.readings.extend(decode::reading("height", Value::Number(height), Moment::Date(context.today)));
        }
        Ok(_) => {}
        Err(problem) => decoded.problems.push(format!("height: {problem}")),
    }
    Ok(decoded)
}
