//! The settings and the paired devices of the Google Health API. Pure.

use serde_json::Value as Json;

use super::points::each;
use crate::metric::Unit;
use crate::reading::rfc3339;
use crate::snapshot::Device;
use crate::upstream::Failure;
use crate::upstream::decode;
use crate::upstream::endpoint::{Context, Decoded, Profile};

/// The settings carry the time zone; a name is nowhere to be had.
pub fn settings(body: &Json, _: &Context) -> Result<Decoded, Failure> {
    if !body.is_object() {
        return Err(Failure::Malformed("settings: the answer is not an object".into()));
    }
    let zone = body.get("timeZone").and_then(Json::as_str).filter(|zone| !zone.is_empty()).map(str::to_owned);
    Ok(Decoded { profile: Some(Profile { zone, name: None, since: None }), ..Decoded::default() })
}

/// Trackers and scales; of several trackers, the one that synced last speaks for the person.
pub fn devices(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    let mut devices = Vec::new();
    let mut decoded = each(body, "pairedDevices", |row, _, problems| {
        let text = |key: &str| row.get(key).and_then(Json::as_str).map(str::to_owned);
        let name = text("name").ok_or("devices: an entry has no name")?;
        let sync = row.get("lastSyncTime").map(|time| decode::instant(Some(time), None, context));
        let battery = decode::number(row.get("batteryLevel").unwrap_or(&Json::Null), Unit::Percent);
        let mut sure = |key: &str, problem: String| problems.push(format!("{key}: {problem}"));
        devices.push(Device {
            id: name.rsplit('/').next().unwrap_or(&name).to_owned(),
            name: text("deviceVersion").unwrap_or_else(|| "Fitbit".into()),
            kind: text("deviceType").unwrap_or_else(|| "unknown".into()).to_lowercase(),
            // High, Medium, Low, Empty; the case varies.
            battery: text("batteryStatus").map(|words| capitalized(&words)),
            battery_level: battery.unwrap_or_else(|problem| {
                sure("tracker-battery", problem);
                None
            }),
            last_sync: sync
                .and_then(|sync| sync.map_err(|problem| sure("tracker-last-sync", problem)).ok())
                .map(rfc3339),
        });
        Ok(())
    })?;
    decoded.readings.extend(decode::tracker(&devices));
    decoded.devices = Some(devices);
    Ok(decoded)
}

fn capitalized(words: &str) -> String {
    let mut letters = words.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    first + &letters.as_str().to_lowercase()
}
