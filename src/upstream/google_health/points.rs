//! Data points of the Google Health API whose metric is derived, or chosen among several. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, NaiveDate};
use serde_json::Value as Json;

use crate::metric::{self, Unit};
use crate::reading::{Moment, Reading, Resolution, Value, rfc3339};
use crate::upstream::Failure;
use crate::upstream::decode::{self, pointer};
use crate::upstream::endpoint::{At, Context, Decoded};

/// Each point of a list, under its key; a problem with one costs the others nothing.
pub(super) fn each(
    body: &Json,
    list: &str,
    mut read: impl FnMut(&Json, &mut Vec<Reading>, &mut Vec<String>) -> Result<(), String>,
) -> Result<Decoded, Failure> {
    let rows = match body.get(list) {
        Some(Json::Array(rows)) => rows.as_slice(),
        // proto3 JSON leaves an empty list out.
        None if body.is_object() => &[],
        _ => return Err(Failure::Malformed(format!("the answer has no list {list}"))),
    };
    let mut decoded = Decoded::default();
    for row in rows {
        if let Err(problem) = read(row, &mut decoded.readings, &mut decoded.problems) {
            decoded.problems.push(problem);
        }
    }
    Ok(decoded)
}

/// Weight in grams, and the body mass index derived from it and the height: kg / m², to two decimals as Fitbit sent it.
pub fn weight(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    each(body, "dataPoints", |row, readings, _| {
        let point = row.get("weight").ok_or("weight: a point has no weight")?;
        let at = decode::sample_time(point.get("sampleTime").unwrap_or(&Json::Null), context)?;
        let grams = point.get("weightGrams").unwrap_or(&Json::Null);
        let Some(kilograms) =
            decode::scaled(grams, 1e3, Unit::Kilogram).map_err(|why| format!("body-weight: {why}"))?
        else {
            return Ok(());
        };
        let bmi = context.height.filter(|height| *height > 0.0).map(|height| kilograms / (height / 100.0).powi(2));
        let bmi = bmi.filter(|bmi| Unit::KilogramPerSquareMetre.plausible().contains(bmi));
        let source = source(row);
        let values = [("body-weight", Some(kilograms)), ("bmi", bmi.map(|bmi| (bmi * 100.0).round() / 100.0))];
        for (key, value) in values {
            let reading = value.and_then(|value| decode::reading(key, Value::Number(value), Moment::Time(at)));
            readings.extend(reading.map(|reading| Reading { source: source.clone(), ..reading }));
        }
        Ok(())
    })
}

/// Minutes by zone, and their sum. A zone without minutes is left out, and so it is absent here.
pub fn zone_minutes(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    zones(body, |row| {
        let date = decode::civil_date(pointer(row, "/civilStartTime/date").unwrap_or(&Json::Null), context)?;
        Ok((Moment::Date(date), None))
    })
}

/// The same in windows of a day.
pub fn zone_windows(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    zones(body, |row| decode::moment(row, &At::Window, context))
}

fn zones(body: &Json, at: impl Fn(&Json) -> Result<(Moment, Option<Resolution>), String>) -> Result<Decoded, Failure> {
    const ZONES: &[(&str, &str)] = &[
        ("fat-burn-zone-minutes", "sumInFatBurnHeartZone"),
        ("cardio-zone-minutes", "sumInCardioHeartZone"),
        ("peak-zone-minutes", "sumInPeakHeartZone"),
    ];
    each(body, "rollupDataPoints", |row, readings, problems| {
        let (at, resolution) = at(row)?;
        let mut add = |key: &str, minutes: f64| {
            let reading = decode::reading(key, Value::Number(minutes), at);
            readings.extend(reading.map(|reading| Reading { resolution, ..reading }));
        };
        let mut total = 0.0;
        for (key, zone) in ZONES {
            match decode::number(
                pointer(row, &format!("/activeZoneMinutes/{zone}")).unwrap_or(&Json::Null),
                Unit::Minute,
            ) {
                Ok(Some(minutes)) if minutes > 0.0 => {
                    total += minutes;
                    add(key, minutes);
                }
                Ok(_) => {}
                Err(why) => problems.push(format!("{key} of {at}: {why}")),
            }
        }
        if total > 0.0 {
            add("active-zone-minutes", total);
        }
        Ok(())
    })
}

/// The breathing rates of a night's stages; of several summaries of a night, the earliest.
pub fn breathing_stages(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    const STAGES: &[(&str, &str)] = &[
        ("deep-sleep-breathing-rate", "deepSleepStats"),
        ("light-sleep-breathing-rate", "lightSleepStats"),
        ("rem-sleep-breathing-rate", "remSleepStats"),
    ];
    let mut earliest: BTreeMap<NaiveDate, (DateTime<FixedOffset>, Vec<Reading>)> = BTreeMap::new();
    let mut decoded = each(body, "dataPoints", |row, _, problems| {
        let point = row.get("respiratoryRateSleepSummary").ok_or("breathing: a point has no summary")?;
        let at = decode::sample_time(point.get("sampleTime").unwrap_or(&Json::Null), context)?;
        let date = at.date_naive();
        if earliest.get(&date).is_some_and(|(known, _)| *known <= at) {
            return Ok(());
        }
        let mut readings = Vec::new();
        for (key, stage) in STAGES {
            let rate = pointer(point, &format!("/{stage}/breathsPerMinute")).unwrap_or(&Json::Null);
            match decode::number(rate, Unit::BreathsPerMinute) {
                Ok(rate) => {
                    readings.extend(rate.and_then(|rate| decode::reading(key, Value::Number(rate), Moment::Date(date))))
                }
                Err(why) => problems.push(format!("{key} of {date}: {why}")),
            }
        }
        earliest.insert(date, (at, readings));
        Ok(())
    })?;
    decoded.readings = earliest.into_values().flat_map(|(_, readings)| readings).collect();
    Ok(decoded)
}

/// Nightly minus baseline; `"NaN"` in the first weeks of wear is no value.
pub fn skin_temperature(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    each(body, "dataPoints", |row, readings, _| {
        let point = row.get("dailySleepTemperatureDerivations").ok_or("temperature: a point has no derivations")?;
        let date = decode::civil_date(point.get("date").unwrap_or(&Json::Null), context)?;
        let celsius = |key: &str| {
            decode::number(point.get(key).unwrap_or(&Json::Null), Unit::Celsius)
                .map_err(|why| format!("skin-temperature-variation of {date}: {key}: {why}"))
        };
        if let (Some(nightly), Some(baseline)) =
            (celsius("nightlyTemperatureCelsius")?, celsius("baselineTemperatureCelsius")?)
        {
            // To one decimal, as Fitbit sent it.
            // Adding 0 makes 0 of -0.
            let variation = ((nightly - baseline) * 10.0).round() / 10.0 + 0.0;
            let reading = decode::reading("skin-temperature-variation", Value::Number(variation), Moment::Date(date));
            readings.extend(reading);
        }
        Ok(())
    })
}

/// ECG results in the words the Fitbit app shows, so that a rule on them holds for both upstreams.
pub fn electrocardiogram(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    const WORDS: &[(&str, &str)] = &[
        ("NORMAL_SINUS_RHYTHM", "Normal Sinus Rhythm"),
        ("ATRIAL_FIBRILLATION", "Atrial Fibrillation"),
        ("INCONCLUSIVE", "Inconclusive"),
        ("INCONCLUSIVE_HIGH_HEART_RATE", "Inconclusive: High heart rate"),
        ("INCONCLUSIVE_LOW_HEART_RATE", "Inconclusive: Low heart rate"),
    ];
    each(body, "dataPoints", |row, readings, _| {
        let point = row.get("electrocardiogram").ok_or("ecg: a point has no electrocardiogram")?;
        let at = bound(point, "start", context)?;
        let Some(result) = point.get("resultClassification").and_then(Json::as_str).filter(|text| !text.is_empty())
        else {
            return Ok(());
        };
        let words = WORDS.iter().find(|(name, _)| *name == result).map_or(result, |(_, words)| words);
        let reading = decode::reading("ecg-result", Value::Text(words.to_owned()), Moment::Time(at));
        readings.extend(reading.map(|mut reading| {
            reading.source = pointer(point, "/medicalDeviceInfo/deviceModel").and_then(Json::as_str).map(str::to_owned);
            let rate = point.get("beatsPerMinuteAvg").unwrap_or(&Json::Null);
            if let Ok(Some(rate)) = decode::number(rate, Unit::BeatsPerMinute) {
                reading.beside.insert("average-heart-rate".into(), Json::from(&Value::Number(rate)));
            }
            reading
        }));
        Ok(())
    })
}

/// Irregular rhythm alerts, at the time each was detected: the end of what was looked at.
pub fn irregular_rhythm(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    each(body, "dataPoints", |row, readings, _| {
        let point = row.get("irregularRhythmNotification").ok_or("irregular rhythm: a point has no notification")?;
        let at = bound(point, "end", context)?;
        readings.extend(decode::reading("irregular-rhythm-alert", Value::Text(rfc3339(at)), Moment::Time(at)));
        Ok(())
    })
}

fn bound(point: &Json, end: &str, context: &Context) -> Result<DateTime<FixedOffset>, String> {
    let at = |key: &str| pointer(point, &format!("/interval/{end}{key}"));
    decode::instant(at("Time"), at("UtcOffset"), context)
}

/// The device or application a point came from, where it says so.
pub(super) fn source(row: &Json) -> Option<String> {
    let named = ["/dataSource/device/displayName", "/dataSource/application/packageName"];
    named.iter().find_map(|at| pointer(row, at)).and_then(Json::as_str).map(str::to_owned)
}

/// The unit of a metric, by key; for readers of tables.
pub(super) fn unit(key: &str) -> Unit {
    metric::find(key).map_or(Unit::Count, |metric| metric.unit)
}
