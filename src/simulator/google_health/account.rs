//! Who someone is to Google, their profile and settings, and their devices.

use serde_json::{Map, Value as Json, json};

use super::Ask;
use super::point::{date, offset, timestamp};
use super::refusal::{Refusal, no_such_resource};
use crate::simulator::life::Person;

/// Default and largest page of devices.
const PAGE_SIZES: (usize, usize) = (5, 100);

/// Google's number for a person: nineteen digits that follow from the identifier the Fitbit half knows them by.
pub(in crate::simulator) fn health_user_id(person: &Person) -> String {
    let hash = person.user_id.bytes().fold(7u64, |hash, byte| hash.wrapping_mul(1_000_003) ^ u64::from(byte));
    format!("{}", 1_000_000_000_000_000_000 + hash % 8_000_000_000_000_000_000)
}

pub(super) fn identity(ask: &Ask) -> Result<Json, Refusal> {
    let person = &ask.known.person;
    Ok(json!({
        "name": "users/me/identity",
        "healthUserId": health_user_id(person),
        "legacyUserId": person.user_id,
    }))
}

pub(super) fn profile(ask: &Ask) -> Result<Json, Refusal> {
    let person = &ask.known.person;
    Ok(json!({
        "name": format!("users/{}/profile", health_user_id(person)),
        "age": person.age(ask.known.today()),
        "membershipStartDate": date(person.joined),
        "autoWalkingStrideLengthMm": (person.height * 4.13).round() as i64,
        "autoRunningStrideLengthMm": (person.height * 6.2).round() as i64,
    }))
}

pub(super) fn settings(ask: &Ask) -> Result<Json, Refusal> {
    let person = &ask.known.person;
    let american = person.locale == "en_US";
    let unit = |metric: &'static str, imperial: &'static str| if american { imperial } else { metric };
    Ok(json!({
        "name": format!("users/{}/settings", health_user_id(person)),
        "autoStrideEnabled": true,
        "distanceUnit": unit("DISTANCE_UNIT_KILOMETERS", "DISTANCE_UNIT_MILES"),
        "glucoseUnit": unit("GLUCOSE_UNIT_MMOL_L", "GLUCOSE_UNIT_MG_DL"),
        "heightUnit": unit("HEIGHT_UNIT_CENTIMETERS", "HEIGHT_UNIT_INCHES"),
        "languageLocale": person.locale,
        "strideLengthRunningType": "STRIDE_LENGTH_TYPE_AUTO",
        "strideLengthWalkingType": "STRIDE_LENGTH_TYPE_AUTO",
        "swimUnit": unit("SWIM_UNIT_METERS", "SWIM_UNIT_YARDS"),
        "temperatureUnit": unit("TEMPERATURE_UNIT_CELSIUS", "TEMPERATURE_UNIT_FAHRENHEIT"),
        "timeZone": person.zone.name(),
        "utcOffset": offset(person, ask.known.now),
        "waterUnit": unit("WATER_UNIT_ML", "WATER_UNIT_FL_OZ"),
        "weightUnit": unit("WEIGHT_UNIT_KILOGRAMS", "WEIGHT_UNIT_POUNDS"),
    }))
}

pub(super) fn irregular_rhythm_profile(ask: &Ask) -> Result<Json, Refusal> {
    let person = &ask.known.person;
    let mut profile = json!({
        "name": format!("users/{}/irnProfile", health_user_id(person)),
        "onboardingStatus": true,
        "enrollmentStatus": true,
    });
    if let Some(synced) = ask.known.synced {
        profile["updateTime"] = timestamp(synced).into();
    }
    Ok(profile)
}

pub(super) fn devices(ask: &Ask) -> Result<Json, Refusal> {
    ask.only_parameters(&["pageSize", "pageToken"])?;
    let size = ask.page_size(ask.parameter("pageSize"), PAGE_SIZES.0, PAGE_SIZES.1)?;
    let question = format!("{} {size}", ask.path);
    let cursor = ask.cursor(&question, ask.parameter("pageToken"))?;
    let all = all_devices(ask);
    let shown: Vec<Json> = all.iter().skip(cursor.skip).take(size).cloned().collect();
    let next = cursor.skip + shown.len();
    let mut answer = Map::new();
    if !shown.is_empty() {
        answer.insert("pairedDevices".into(), shown.into());
    }
    if next < all.len() {
        let cursor = super::page::Cursor { skip: next, ..cursor };
        answer.insert("nextPageToken".into(), ask.next(&question, &cursor).into());
    }
    Ok(answer.into())
}

pub(super) fn device(ask: &Ask, id: &str) -> Result<Json, Refusal> {
    let ending = format!("/pairedDevices/{id}");
    let named = |device: &Json| device["name"].as_str().is_some_and(|name| name.ends_with(&ending));
    all_devices(ask).into_iter().find(named).ok_or_else(|| no_such_resource(&format!("users/me{ending}")))
}

fn all_devices(ask: &Ask) -> Vec<Json> {
    let (known, person) = (&ask.known, &ask.known.person);
    let name = |id: usize| format!("users/{}/pairedDevices/{id}", health_user_id(person));
    let mut devices = Vec::new();
    if let Some(tracker) = known.tracker() {
        let mut device = json!({
            "name": name(771_300 + person.index),
            "macAddress": format!("16ADD56D54{:02X}", person.index),
            "deviceType": "TRACKER",
            "features": ["STEPS", "HEART_RATE", "SLEEP"],
            "lastSyncTime": timestamp(tracker.synced),
            "batteryStatus": match tracker.battery { 60.. => "High", 25..60 => "Medium", 5..25 => "Low", _ => "Empty" },
            "deviceVersion": tracker.model,
        });
        if tracker.battery > 0 {
            device["batteryLevel"] = tracker.battery.into();
        }
        devices.push(device);
    }
    if let Some(sent) = known.scale() {
        devices.push(json!({
            "name": name(664_100 + person.index),
            "macAddress": format!("20F85E1A11{:02X}", person.index),
            "deviceType": "SCALE",
            "lastSyncTime": timestamp(sent),
            "batteryStatus": "High",
            "deviceVersion": "Aria",
        }));
    }
    devices
}
