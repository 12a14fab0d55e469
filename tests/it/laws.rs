//! Laws of decoding that hold for any answer whatever, tried on arbitrary JSON and on damaged fixtures.
//! What a right answer decodes to is in `fixtures.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::LazyLock;

use chrono::{DateTime, NaiveTime};
use fitbit2mqtt::metric::Unit;
use fitbit2mqtt::reading::Value;
use fitbit2mqtt::upstream::UPSTREAMS;
use fitbit2mqtt::upstream::decode::decode;
use fitbit2mqtt::upstream::endpoint::Context;
use fitbit2mqtt::upstream::endpoint::{At, Decode, Endpoint};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value as Json, json};

use crate::fixtures::{self, Fixture};

static FIXTURES: LazyLock<Vec<Fixture>> =
    LazyLock::new(|| UPSTREAMS.iter().flat_map(|upstream| fixtures::all(upstream)).collect());

/// Texts at which a reader of times, numbers, ranges and names may stumble.
static TEXTS: &[&str] = &[
    "",
    "-",
    "-1",
    "0",
    "72.4",
    "42-46",
    "-5-5",
    "1e308-1e309",
    "1e400",
    "NaN",
    "-inf",
    "é",
    "2026-11-1é",
    "2026-11-19",
    "2026-11-19T07:00:00",
    "2026-11-19T07:00:00.000+14:00",
    "2026-10-25T02:30:00.000",
    "2026-03-29T02:30:00.000",
    "2011-12-30T12:00:00",
    "2016-12-31T23:59:60",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999-23:59",
    "-262143-01-01T00:00:00",
    "+262142-12-31T23:59:59",
    "-262143-01-01",
    "24:00:00",
    "23:59:60",
    "TRACKER",
    "Peak",
    "total",
    "pending",
    "STAGES",
    "DEEP",
    "LIGHT",
    "3600s",
    "-18000s",
    "37s",
    "200000s",
    "1e308s",
    "2026-11-19T06:12:31.5Z",
];

/// Keys at which the decoders of the shapes of their own look.
static KEYS: &[&str] = &[
    "activeDuration",
    "activeZoneMinutes",
    "activities-steps-intraday",
    "baselineTemperatureCelsius",
    "batteryLevel",
    "breathsPerMinute",
    "civilStartTime",
    "count",
    "dailySleepTemperatureDerivations",
    "data",
    "dataset",
    "datasetInterval",
    "date",
    "dateTime",
    "day",
    "deep",
    "deepSleepStats",
    "duration",
    "efficiency",
    "electrocardiogram",
    "endTime",
    "endUtcOffset",
    "exercise",
    "heartRateZones",
    "height",
    "id",
    "interval",
    "irregularRhythmNotification",
    "isMainSleep",
    "lastSyncTime",
    "level",
    "levels",
    "mainSleep",
    "metadata",
    "metricsSummary",
    "minute",
    "minutes",
    "minutesAsleep",
    "minutesInSleepPeriod",
    "month",
    "name",
    "nightlyTemperatureCelsius",
    "overall",
    "physicalTime",
    "processed",
    "respiratoryRateSleepSummary",
    "resultClassification",
    "rmssd",
    "sampleTime",
    "seconds",
    "shortAwakenings",
    "shortData",
    "sleep",
    "sleepScore",
    "stages",
    "stagesSummary",
    "startTime",
    "startUtcOffset",
    "sumInFatBurnHeartZone",
    "sumInPeakHeartZone",
    "summary",
    "time",
    "type",
    "utcOffset",
    "value",
    "wake",
    "weight",
    "weightGrams",
    "year",
];

fn leaf() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        (-10.0..2_000.0_f64).prop_map(Json::from),
        select(vec![json!(-1), json!(0), json!(1e308), json!(-1e308), json!(i64::MIN), json!(u64::MAX)]),
        select(TEXTS).prop_map(Json::from),
        ".{0,12}".prop_map(Json::from),
    ]
}

fn arbitrary(keys: Vec<&'static str>) -> impl Strategy<Value = Json> {
    leaf().prop_recursive(6, 64, 8, move |inner| {
        let key = prop_oneof![8 => select(keys.clone()).prop_map(str::to_owned), 1 => ".{0,6}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec((key, inner), 0..6)
                .prop_map(|entries| Json::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// The keys at which this row's decoder looks, so that arbitrary JSON gets past the first step.
fn keys(row: &Endpoint) -> Vec<&'static str> {
    let Decode::Entries { at, fields: fields @ [_, ..], .. } = &row.decode else { return KEYS.to_vec() };
    let moments = match at {
        At::Date(at) | At::Carried(at) | At::Time(at) => vec![*at],
        At::DateAndTime(date, time) => vec![*date, *time],
        At::CivilDate(at) => vec![*at, "year/month/day"],
        At::Sample(at) | At::Sampled(at, _) => vec![*at, "physicalTime/utcOffset"],
        At::Window => vec!["startTime", "endTime"],
        At::DayAsked => vec![],
    };
    let pointers = moments.into_iter().chain(fields.iter().map(|field| field.value));
    pointers.flat_map(|pointer| pointer.split(['/', '[']).filter(|key| !key.is_empty() && !key.contains('='))).collect()
}

fn rows() -> Vec<&'static Endpoint> {
    UPSTREAMS.iter().flat_map(|upstream| upstream.endpoints).collect()
}

fn contexts() -> impl Strategy<Value = Context> {
    use chrono_tz::{America, Asia, Australia, Europe, Pacific};
    let zones = vec![
        Europe::Amsterdam,
        America::New_York,
        Pacific::Apia,
        Asia::Kathmandu,
        Australia::Lord_Howe,
        chrono_tz::UTC,
        Pacific::Kiritimati,
    ];
    let nights = vec![(18, 0), (0, 0), (23, 59)];
    let heights = vec![None, Some(180.0), Some(0.0), Some(1e-300)];
    (select(zones), select(nights), select(heights)).prop_map(|(zone, (hour, minute), height)| {
        let today = "2026-11-20".parse().unwrap();
        let night_starts = NaiveTime::from_hms_opt(hour, minute, 0).unwrap();
        Context { zone, day: today, last: today, today, detail: None, height, night_starts }
    })
}

/// `answer` where the row's decoder begins to read, so that it is looked into.
fn where_read(row: &Endpoint, answer: Json) -> Json {
    let list = match row.decode {
        Decode::Entries { list: "", .. } => return answer,
        Decode::Entries { list, .. } => list.trim_start_matches('/'),
        _ => "",
    };
    Json::Object(
        [
            list,
            "sleep",
            "activities",
            "user",
            "dataPoints",
            "rollupDataPoints",
            "pairedDevices",
            "hrv",
            "activities-steps-intraday",
        ]
        .iter()
        .map(|key| ((*key).to_owned(), answer.clone()))
        .collect(),
    )
}

/// Every place in `json`, itself first.
fn places(json: &Json) -> usize {
    1 + match json {
        Json::Array(list) => list.iter().map(places).sum(),
        Json::Object(object) => object.values().map(places).sum::<usize>(),
        _ => 0,
    }
}

/// The `index`th place of `json`, counted as `places` counts.
fn place(json: &mut Json, index: usize) -> Option<&mut Json> {
    if index == 0 {
        return Some(json);
    }
    let children: Vec<&mut Json> = match json {
        Json::Array(list) => list.iter_mut().collect(),
        Json::Object(object) => object.values_mut().collect(),
        _ => return None,
    };
    let mut left = index - 1;
    for child in children {
        let size = places(child);
        if left < size {
            return place(child, left);
        }
        left -= size;
    }
    None
}

/// Decodes, and holds what comes out to the laws.
fn obeys(endpoint: &Endpoint, answer: &Json, context: &Context) -> Result<(), TestCaseError> {
    let Ok(decoded) = decode(endpoint, answer, context) else { return Ok(()) };
    let gives = endpoint.gives();
    for reading in &decoded.readings {
        let key = reading.metric.key;
        prop_assert!(gives.contains(&key), "{} gave {key}, which is none of its metrics", endpoint.name);
        match (&reading.value, reading.metric.unit) {
            (Value::Number(number), unit) => {
                prop_assert!(number.is_finite(), "{key} is {number}");
                prop_assert!(unit.plausible().contains(number), "{key} is {number}");
            }
            // That there is none is worth knowing where there was one.
            (Value::Text(text), Unit::Timestamp) if key == "next-appointment" && text.is_empty() => {}
            (Value::Text(text), Unit::Timestamp) => {
                prop_assert!(DateTime::parse_from_rfc3339(text).is_ok(), "{key} is {text:?}, which is not RFC 3339");
            }
            (Value::Text(text), unit) => prop_assert!(unit == Unit::Text && !text.is_empty(), "{key} is {text:?}"),
        }
        // What is stored and published is written as text and read back.
        let at = reading.at.to_string();
        prop_assert_eq!(at.parse().ok(), Some(reading.at), "{} is not the time that was decoded", at);
        prop_assert!(reading.at.date() >= "1990-01-01".parse().unwrap(), "{} was measured at {}", key, reading.at);
        prop_assert!(reading.at.date() <= context.today + chrono::TimeDelta::days(2), "{} at {}", key, reading.at);
    }
    if let Some(devices) = &decoded.devices {
        for level in devices.iter().filter_map(|device| device.battery_level) {
            prop_assert!((0.0..=100.0).contains(&level), "a battery is at {level} %");
        }
    }
    Ok(())
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn any_json_at_all_is_decoded_or_refused(
        (row, answer) in select(rows()).prop_flat_map(|row| (Just(row), arbitrary(keys(row)))),
        context in contexts(),
        in_place in any::<bool>(),
    ) {
        obeys(row, &if in_place { where_read(row, answer) } else { answer }, &context)?;
    }

    #[test]
    fn an_answer_of_another_endpoint_is_decoded_or_refused(
        answer in any::<Index>(),
        row in any::<Index>(),
        context in contexts(),
    ) {
        let rows = rows();
        obeys(rows[row.index(rows.len())], &FIXTURES[answer.index(FIXTURES.len())].answer, &context)?;
    }
}

proptest! {
    #![proptest_config(config(6_000))]

    #[test]
    fn a_damaged_answer_is_decoded_or_refused(
        fixture in any::<Index>(),
        damage in prop::collection::vec((any::<Index>(), prop_oneof![4 => leaf().boxed(), 1 => arbitrary(KEYS.to_vec()).boxed()]), 1..5),
        context in contexts(),
    ) {
        let fixture = &FIXTURES[fixture.index(FIXTURES.len())];
        let mut answer = fixture.answer.clone();
        for (at, damaged) in damage {
            let index = at.index(places(&answer));
            *place(&mut answer, index).expect("counted by the same rule") = damaged;
        }
        obeys(fixture.endpoint, &answer, &context)?;
    }

    /// Whatever happens to one entry of a list, the others say what they said before.
    #[test]
    fn a_damaged_day_leaves_the_other_days_alone(
        fixture in any::<Index>(),
        entry in any::<Index>(),
        damaged in leaf(),
    ) {
        let fixture = &FIXTURES[fixture.index(FIXTURES.len())];
        let Decode::Entries { list, .. } = fixture.endpoint.decode else {
            return Ok(());
        };
        let mut answer = fixture.answer.clone();
        let Some(rows) = answer.pointer_mut(list).and_then(Json::as_array_mut) else { return Ok(()) };
        if rows.is_empty() {
            return Ok(());
        }
        let index = entry.index(rows.len());
        let mut without = fixture.answer.clone();
        without.pointer_mut(list).and_then(Json::as_array_mut).expect("the same list").remove(index);
        rows[index] = damaged;
        let context = fixture.context();
        let (damaged, without) = (decode(fixture.endpoint, &answer, &context), decode(fixture.endpoint, &without, &context));
        prop_assert_eq!(damaged.map(|decoded| decoded.readings), without.map(|decoded| decoded.readings));
    }
}
