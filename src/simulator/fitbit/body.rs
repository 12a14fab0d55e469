//! Weight, fat and body mass index: logs, series and goals.

use chrono::NaiveDate;
use serde_json::{Value as Json, json};

use super::date::{Allowed, LONG_PERIODS, SHORT_PERIODS};
use super::{Ask, Refusal, number, refusal};
use crate::simulator::life::{ScaleSource, WeighIn};

pub(super) fn weight_log(ask: &Ask, when: &[&str]) -> Result<Json, Refusal> {
    let weight = |weigh_in: &WeighIn| {
        let mut entry = json!({
            "bmi": number(weigh_in.bmi),
            "date": weigh_in.at.date().to_string(),
            "logId": log_id(weigh_in),
            "source": source(weigh_in),
            "time": weigh_in.at.format("%H:%M:%S").to_string(),
            "weight": number(weigh_in.kilograms),
        });
        if let Some(fat) = weigh_in.fat {
            entry["fat"] = number(fat);
        }
        Some(entry)
    };
    log(ask, "weight", when, 31, weight)
}

pub(super) fn fat_log(ask: &Ask, when: &[&str]) -> Result<Json, Refusal> {
    let fat = |weigh_in: &WeighIn| {
        Some(json!({
            "date": weigh_in.at.date().to_string(),
            "fat": number(weigh_in.fat?),
            "logId": log_id(weigh_in),
            "source": source(weigh_in),
            "time": weigh_in.at.format("%H:%M:%S").to_string(),
        }))
    };
    log(ask, "fat", when, 30, fat)
}

fn log(
    ask: &Ask,
    key: &str,
    when: &[&str],
    days: i64,
    entry: impl Fn(&WeighIn) -> Option<Json>,
) -> Result<Json, Refusal> {
    ask.needs("weight")?;
    let allowed = Allowed { today: false, single: true, periods: SHORT_PERIODS, days: Some(days), points: false };
    let dates = ask.dates(ask.span(when, &allowed)?);
    let entries: Vec<Json> =
        dates.flat_map(|date| ask.known.weigh_ins(date)).filter_map(|weigh_in| entry(&weigh_in)).collect();
    Ok(json!({ key: entries }))
}

/// The series carry the last value forward, one row per day from the first weigh-in on; sources disagree about this,
/// and it is the harder case: a row is no proof of a weigh-in.
pub(super) fn series(ask: &Ask, resource: &str, when: &[&str]) -> Result<Json, Refusal> {
    // The page of the family says 1095 days for all; a client that works against the service holds to less.
    let (days, of): (i64, fn(&WeighIn) -> Option<f64>) = match resource {
        "weight" => (31, |weigh_in| Some(weigh_in.kilograms)),
        "fat" => (30, |weigh_in| weigh_in.fat),
        "bmi" => (1095, |weigh_in| Some(weigh_in.bmi)),
        _ => return Err(refusal::not_found()),
    };
    ask.needs("weight")?;
    let allowed = Allowed { today: true, single: false, periods: LONG_PERIODS, days: Some(days), points: false };
    let span = ask.span(when, &allowed)?;
    let newest = |date: NaiveDate| ask.known.weigh_ins(date).iter().rev().find_map(of);
    let mut last = span.0.iter_days().rev().skip(1).take(90).find_map(newest);
    let mut rows = Vec::new();
    for date in ask.dates(span) {
        last = newest(date).or(last);
        if let Some(value) = last {
            rows.push(json!({"dateTime": date.to_string(), "value": value.to_string()}));
        }
    }
    Ok(json!({ format!("body-{resource}"): rows }))
}

pub(super) fn weight_goal(ask: &Ask) -> Result<Json, Refusal> {
    ask.needs("weight")?;
    let joined = ask.known.person.joined;
    let start = joined.iter_days().take(60).find_map(|date| ask.known.weigh_ins(date).pop());
    let start = start.map_or(0.0, |weigh_in| weigh_in.kilograms);
    Ok(json!({"goal": {
        "goalType": "LOSE",
        "startDate": joined.to_string(),
        "startWeight": number(start),
        "weight": number((start * 0.94).round()),
        "weightThreshold": 0.05,
    }}))
}

pub(super) fn fat_goal(ask: &Ask) -> Result<Json, Refusal> {
    ask.needs("weight")?;
    Ok(json!({"goal": {"fat": 18}}))
}

/// Milliseconds of the local time, as if it were UTC: that is what recorded ids are.
fn log_id(weigh_in: &WeighIn) -> i64 {
    weigh_in.at.and_utc().timestamp_millis()
}

fn source(weigh_in: &WeighIn) -> &'static str {
    match weigh_in.source {
        ScaleSource::Scale => "Aria",
        ScaleSource::Application => "API",
    }
}
