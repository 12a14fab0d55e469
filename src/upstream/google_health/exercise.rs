//! The exercises of the Google Health API → workouts, under the names and in the units the Fitbit Web API had. Pure.

use serde_json::{Map, Value as Json};

use super::points::{each, source};
use crate::metric::WHOLE;
use crate::reading::{Moment, Reading, Value, rfc3339};
use crate::upstream::Failure;
use crate::upstream::decode::{self, pointer};
use crate::upstream::endpoint::{Context, Decoded};

/// Numbers of the summary: our name, theirs, and what ours is of theirs. Durations are in milliseconds, distances in
/// km, pace in s/km, speed in km/h.
static NUMBERS: &[(&str, &str, f64)] = &[
    ("calories", "caloriesKcal", 1.0),
    ("distance", "distanceMillimeters", 1e6),
    ("elevationGain", "elevationGainMillimeters", 1e3),
    ("steps", "steps", 1.0),
    ("averageHeartRate", "averageHeartRateBeatsPerMinute", 1.0),
    // s/m → s/km, mm/s → km/h.
    ("pace", "averagePaceSecondsPerMeter", 1e-3),
    ("speed", "averageSpeedMillimetersPerSecond", 1e3 / 3.6),
];

/// The zones under the names Fitbit showed. No official mapping exists; the order is the same.
static ZONES: &[(&str, &str)] =
    &[("Out of Range", "lightTime"), ("Fat Burn", "moderateTime"), ("Cardio", "vigorousTime"), ("Peak", "peakTime")];

/// Each exercise is a workout at its start.
pub fn workouts(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    each(body, "dataPoints", |row, readings, _| {
        let point = row.get("exercise").ok_or("workouts: a point has no exercise")?;
        let time = |end: &str| {
            let at = |key: &str| pointer(point, &format!("/interval/{end}{key}"));
            decode::instant(at("Time"), at("UtcOffset"), context)
        };
        // An exercise under way has no end yet.
        if pointer(point, "/interval/endTime").is_none_or(Json::is_null) {
            return Ok(());
        }
        let (start, end) = (time("start")?, time("end")?);
        let mut beside = Map::new();
        let text = |key: &str| point.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
        beside.extend(text("displayName").or(text("exerciseType")).map(|name| ("name".to_owned(), name.into())));
        let name = row.get("name").or_else(|| row.get("dataPointName")).and_then(Json::as_str);
        beside.extend(name.and_then(|name| name.rsplit('/').next()).map(|id| ("logId".to_owned(), id.into())));
        beside.insert("duration".into(), (end - start).num_milliseconds().into());
        if let Some(active) = point.get("activeDuration").and_then(|found| decode::duration(found).ok().flatten()) {
            beside.insert("activeDuration".into(), Json::from(&Value::Number((active * 1000.0).round())));
        }
        let summary = point.get("metricsSummary").unwrap_or(&Json::Null);
        for (ours, theirs, divisor) in NUMBERS {
            let number = summary.get(theirs).and_then(|found| match found {
                Json::String(text) => text.parse().ok(),
                other => other.as_f64(),
            });
            if let Some(number) = number.filter(|number: &f64| number.is_finite()) {
                beside.insert((*ours).to_owned(), Json::from(&Value::Number(number / divisor)));
            }
        }
        let seconds = |at: &str| decode::duration(pointer(summary, &format!("/heartRateZoneDurations/{at}"))?).ok()?;
        // Whole minutes, as Fitbit sent them.
        let zones: Map<String, Json> = ZONES
            .iter()
            .filter_map(|(name, at)| {
                Some(((*name).to_owned(), Json::from(&Value::Number((seconds(at)? / 60.0).round()))))
            })
            .collect();
        if !zones.is_empty() {
            beside.insert("heartRateZoneMinutes".into(), Json::Object(zones));
        }
        beside.insert(WHOLE.into(), row.clone());
        let reading = decode::reading("last-workout", Value::Text(rfc3339(start)), Moment::Time(start));
        readings.extend(reading.map(|reading| Reading { source: source(row), beside, ..reading }));
        Ok(())
    })
}
