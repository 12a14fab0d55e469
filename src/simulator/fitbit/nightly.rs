//! The newer families: breathing, heart-rate variability, oxygen, temperatures, cardio fitness.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value as Json, json};

use super::date::Allowed;
use super::{Ask, Refusal, number};
use crate::simulator::life::CardioFitness;

pub(super) fn oxygen(ask: &Ask, when: &[&str]) -> Result<Json, Refusal> {
    ask.needs("oxygen_saturation")?;
    let (when, detailed) = all(when);
    // No limit is stated for the summaries.
    let span = ask.span(when, &allowed(detailed.then_some(30)))?;
    let summary = |date: NaiveDate| {
        let oxygen = ask.known.oxygen(date)?;
        let value = json!({"avg": number(oxygen.average), "min": number(oxygen.low), "max": number(oxygen.high)});
        Some(json!({"dateTime": date.to_string(), "value": value}))
    };
    let minutes = |date: NaiveDate| {
        let samples = ask.known.oxygen_samples(date);
        let minute = |(at, value): &(DateTime<Utc>, f64)| {
            let at = ask.known.person.local(*at).format("%Y-%m-%dT%H:%M:%S").to_string();
            json!({"value": number(*value), "minute": at})
        };
        let minutes: Vec<Json> = samples.iter().map(minute).collect();
        (!minutes.is_empty()).then(|| json!({"dateTime": date.to_string(), "minutes": minutes}))
    };
    let day = |date: NaiveDate| if detailed { minutes(date) } else { summary(date) };
    // Of a single day the bare object, of several a bare array, both without a name around them.
    if when.len() == 1 {
        return Ok(day(span.0).unwrap_or_else(|| json!({})));
    }
    let since = (span.0.max(ask.known.person.joined), span.1);
    Ok(Json::Array(ask.dates(since).filter_map(day).collect()))
}

pub(super) fn breathing(ask: &Ask, when: &[&str]) -> Result<Json, Refusal> {
    ask.needs("respiratory_rate")?;
    let (when, detailed) = all(when);
    days(ask, "br", when, |date| {
        let breathing = ask.known.respiration(date)?;
        let rate = |rate: Option<f64>| json!({"breathingRate": number(rate.unwrap_or(-1.0))});
        let value = if detailed {
            json!({
                "deepSleepSummary": rate(breathing.deep),
                "remSleepSummary": rate(breathing.rem),
                "fullSleepSummary": rate(Some(breathing.full)),
                "lightSleepSummary": rate(breathing.light),
            })
        } else {
            rate(Some(breathing.full))
        };
        Some(json!({"value": value, "dateTime": date.to_string()}))
    })
}

pub(super) fn variability(ask: &Ask, when: &[&str]) -> Result<Json, Refusal> {
    ask.needs("heartrate")?;
    let (when, detailed) = all(when);
    days(ask, "hrv", when, |date| {
        if !detailed {
            let variability = ask.known.variability(date)?;
            let value = json!({"dailyRmssd": number(variability.daily), "deepRmssd": number(variability.deep)});
            return Some(json!({"value": value, "dateTime": date.to_string()}));
        }
        let samples = ask.known.variability_samples(&ask.known.night(date)?);
        let minutes = samples.into_iter().map(|sample| {
            json!({
                "minute": ask.known.person.local(sample.at).format("%Y-%m-%dT%H:%M:%S%.3f").to_string(),
                "value": {
                    "rmssd": number(sample.rmssd),
                    "coverage": number(sample.coverage),
                    "hf": number(sample.high_frequency),
                    "lf": number(sample.low_frequency),
                },
            })
        });
        Some(json!({"minutes": minutes.collect::<Vec<Json>>(), "dateTime": date.to_string()}))
    })
}

pub(super) fn skin(ask: &Ask, when: &[&str]) -> Result<Json, Refusal> {
    ask.needs("temperature")?;
    // Models with a sensor of their own, and those that estimate.
    let kind = if ask.known.person.index.is_multiple_of(2) { "dedicated_temp_sensor" } else { "other_sensors" };
    days(ask, "tempSkin", when, |date| {
        let value = json!({"nightlyRelative": number(ask.known.skin_variation(date)?)});
        Some(json!({"dateTime": date.to_string(), "value": value, "logType": kind}))
    })
}

pub(super) fn core(ask: &Ask, when: &[&str]) -> Result<Json, Refusal> {
    ask.needs("temperature")?;
    let span = ask.span(when, &allowed(Some(30)))?;
    let entries = ask.dates(span).flat_map(|date| ask.known.core_temperatures(date)).map(|entry| {
        let at = ask.known.person.local(entry.at).format("%Y-%m-%dT%H:%M:%S").to_string();
        json!({"dateTime": at, "value": number(entry.celsius)})
    });
    Ok(json!({"tempCore": entries.collect::<Vec<Json>>()}))
}

pub(super) fn fitness(ask: &Ask, when: &[&str]) -> Result<Json, Refusal> {
    ask.needs("cardio_fitness")?;
    days(ask, "cardioScore", when, |date| {
        let value = match ask.known.cardio_fitness(date)? {
            CardioFitness::Range(low, high) => format!("{low}-{high}"),
            CardioFitness::Exactly(value) => value.to_string(),
        };
        Some(json!({"dateTime": date.to_string(), "value": {"vo2Max": value}}))
    })
}

/// The days of a span that have a value, in a list under `key`.
fn days(ask: &Ask, key: &str, when: &[&str], day: impl Fn(NaiveDate) -> Option<Json>) -> Result<Json, Refusal> {
    let span = ask.span(when, &allowed(Some(30)))?;
    Ok(json!({ key: ask.dates(span).filter_map(day).collect::<Vec<Json>>() }))
}

fn allowed(days: Option<i64>) -> Allowed {
    Allowed { today: true, single: true, periods: &[], days, points: false }
}

/// Splits a trailing `all` off, which asks for the details.
fn all<'a, 'b>(when: &'a [&'b str]) -> (&'a [&'b str], bool) {
    match when {
        [dates @ .., "all"] => (dates, true),
        dates => (dates, false),
    }
}
