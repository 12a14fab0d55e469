//! The activity log list of the Fitbit Web API → workouts. Pure.

use serde_json::{Map, Value as Json, json};

use crate::metric::WHOLE;
use crate::reading::{Moment, Value, rfc3339};
use crate::upstream::Failure;
use crate::upstream::decode;
use crate::upstream::endpoint::{Context, Decoded};

/// The fields of an entry that stand beside `last-workout`: ours and theirs. Durations are in milliseconds,
/// distances in km, pace in s/km and speed in km/h, as requests carry no `Accept-Language`.
static BESIDE: &[(&str, &str)] = &[
    ("name", "/activityName"),
    ("logId", "/logId"),
    ("duration", "/duration"),
    ("activeDuration", "/activeDuration"),
    ("calories", "/calories"),
    ("distance", "/distance"),
    ("elevationGain", "/elevationGain"),
    ("steps", "/steps"),
    ("averageHeartRate", "/averageHeartRate"),
    ("pace", "/pace"),
    ("speed", "/speed"),
    ("tcx", "/tcxLink"),
];

/// One page of the list; each entry is a workout at its start.
pub fn workouts(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    let mut decoded = Decoded::default();
    let Some(rows) = body.get("activities").and_then(Json::as_array) else {
        return Err(Failure::Malformed("workouts: the answer has no list of activities".into()));
    };
    for row in rows {
        // A workout under way has no totals yet.
        if row.get("inProgress").and_then(Json::as_bool) == Some(true) {
            continue;
        }
        let start = row.get("startTime").or_else(|| row.get("originalStartTime")).unwrap_or(&Json::Null);
        match decode::time(start, context) {
            Ok(Some(start)) => {
                let reading = decode::reading("last-workout", Value::Text(rfc3339(start)), Moment::Time(start));
                decoded.readings.extend(reading.map(|mut reading| {
                    reading.source = decode::pointer(row, "/source/name").and_then(Json::as_str).map(str::to_owned);
                    reading.beside = beside(row);
                    reading.beside.insert(WHOLE.into(), row.clone());
                    reading
                }));
            }
            Ok(None) => decoded.problems.push("workouts: an entry has no start time".into()),
            Err(problem) => decoded.problems.push(format!("workouts: {problem}")),
        }
    }
    Ok(decoded)
}

fn beside(row: &Json) -> Map<String, Json> {
    let mut beside = Map::new();
    for (name, at) in BESIDE {
        if let Some(found) = decode::pointer(row, at).filter(|found| !found.is_null()) {
            beside.insert((*name).to_owned(), found.clone());
        }
    }
    let zones = row.get("heartRateZones").and_then(Json::as_array).into_iter().flatten();
    let minutes: Map<String, Json> = zones
        .filter_map(|zone| Some((zone.get("name")?.as_str()?.to_owned(), json!(zone.get("minutes")?.as_f64()?))))
        .collect();
    if !minutes.is_empty() {
        beside.insert("heartRateZoneMinutes".into(), Json::Object(minutes));
    }
    beside
}
