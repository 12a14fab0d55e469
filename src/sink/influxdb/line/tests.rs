//! Lines as InfluxDB would read them.

#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::metric::{KEPT, METRICS, find};
use crate::reading::Resolution;

fn reading(key: &str, value: Value, at: &str, source: Option<&str>, beside: Json) -> Reading {
    let metric = find(key).unwrap();
    let beside = beside.as_object().cloned().unwrap_or_default();
    Reading { metric, value, at: at.parse().unwrap(), resolution: None, source: source.map(str::to_owned), beside }
}

fn said(reading: &Reading) -> String {
    line(&"anna".parse().unwrap(), reading, &chrono_tz::Europe::Amsterdam.into()).unwrap()
}

#[test]
fn a_weigh_in_a_day_a_night_and_a_zone() {
    let weight = reading("body-weight", Value::Number(72.4), "2026-11-19T07:12:00+01:00", Some("Aria Air"), Json::Null);
    assert_eq!(said(&weight), r"Body,device=Aria\ Air,user=anna body-weight=72.4 1795068720000000000");
    let steps = reading("steps", Value::Number(8211.0), "2026-11-19", None, Json::Null);
    assert_eq!(said(&steps), "Activity,user=anna steps=8211 1795042800000000000");
    let deep = reading("deep-sleep-minutes", Value::Number(95.0), "2026-11-19", None, json!({"count": 4}));
    assert_eq!(
        said(&deep),
        "SleepSummary,user=anna deep-sleep-minutes=95,deep-sleep-minutes-count=4 1795042800000000000"
    );
    let start = Value::Text("2026-11-18T23:05:00+01:00".into());
    let start = reading("sleep-start", start, "2026-11-19", None, Json::Null);
    assert_eq!(said(&start), "SleepSummary,user=anna sleep-start=\"2026-11-18T23:05:00+01:00\" 1795042800000000000");
    let zone =
        reading("fat-burn-heart-minutes", Value::Number(41.0), "2026-11-19", None, json!({"min": 91, "max": 127}));
    assert_eq!(
        said(&zone),
        "HRZones,user=anna,zone=fat-burn fat-burn-heart-minutes=41,fat-burn-heart-minutes-min=91,\
         fat-burn-heart-minutes-max=127 1795042800000000000"
    );
}

#[test]
fn a_sample_belongs_to_another_measurement_than_the_day() {
    let mut sample = reading("steps", Value::Number(12.0), "2026-11-19T07:12:00+01:00", None, Json::Null);
    sample.resolution = Some(Resolution::MINUTE);
    assert_eq!(said(&sample), "Steps_Intraday,user=anna steps=12 1795068720000000000");
    let resting = find("resting-heart-rate").unwrap();
    assert_eq!(measurement(resting, false), "RestingHR");
}

#[test]
fn a_line_is_named_without_its_values() {
    let weight = reading("body-weight", Value::Number(72.4), "2026-11-19T07:12:00+01:00", Some("Aria Air"), Json::Null);
    assert_eq!(named(&said(&weight)), r"Body,device=Aria\ Air,user=anna at 2026-11-19T06:12:00+00:00");
}

#[test]
fn an_identifier_is_text_whichever_cloud_it_is_of() {
    for id in [json!(15147398500_i64), json!("15147398500")] {
        let start = Value::Text("2026-11-18T10:48:00+01:00".into());
        let workout = reading("last-workout", start, "2026-11-18T10:48:00+01:00", None, json!({ "logId": id }));
        assert!(said(&workout).contains("last-workout-logId=\"15147398500\""), "{}", said(&workout));
    }
}

#[test]
fn a_stretch_of_sleep_has_its_level_as_a_tag() {
    let deep = Value::Text("deep".into());
    let deep = reading("sleep-level", deep, "2026-11-19T02:12:00+01:00", None, json!({"seconds": 930}));
    let expected = "SleepLevels,level=deep,user=anna sleep-level=\"deep\",sleep-level-seconds=930 1795050720000000000";
    assert_eq!(said(&deep), expected);
}

#[test]
fn only_the_contracts_measurements_are_written() {
    const NAMES: &str = "Body Activity Calories_Intraday Distance_Intraday Steps_Intraday BreathingRate HRZones RestingHR \
                         HeartRate_Intraday HRV HRV_Intraday SPO2 SPO2_Intraday CardioScore SleepSummary SleepLevels \
                         TempSkin TempCore DeviceBatteryLevel Workout Floors_Intraday Elevation_Intraday \
                         ActiveZoneMinutes_Intraday Nutrition Rhythm Plus";
    for metric in METRICS.iter().chain(KEPT) {
        for intraday in [false, true] {
            let name = measurement(metric, intraday);
            assert!(NAMES.split_whitespace().any(|known| known == name), "{name} for {}", metric.key);
        }
    }
}

/// Splits at `at`, but not behind a backslash; among fields, not within quotes either, which mean nothing elsewhere.
fn split(text: &str, at: char, fields: bool) -> Vec<String> {
    let (mut parts, mut escaped, mut quoted) = (vec![String::new()], false, false);
    for letter in text.chars() {
        quoted ^= fields && !escaped && letter == '"';
        if letter == at && !escaped && !quoted {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push(letter);
        }
        escaped = letter == '\\' && !escaped;
    }
    parts
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_name_of_a_device_and_no_text_breaks_a_line(source in "\\PC{0,12}|[,= \"\\\\\n]{0,6}", text in "\\PC{1,12}|[,= \"\\\\\n]{1,6}") {
        let beside = json!({"name": text, "list": [1], "nothing": null});
        let alert = reading("ecg-result", Value::Text(text), "2026-11-19T07:12:00+01:00", Some(&source), beside);
        let line = said(&alert);
        prop_assert!(!line.contains('\n') && !line.contains('\r'));
        let tags = split(&line, ' ', false).swap_remove(0);
        prop_assert_eq!(split(&tags, ',', false).len(), if source.is_empty() { 2 } else { 3 }, "{}", line);
        let rest = split(&line[tags.len() + 1..], ' ', true);
        prop_assert_eq!(rest.len(), 2, "{}", line);
        prop_assert_eq!(split(&rest[0], ',', true).len(), 2, "{}", line);
        prop_assert_eq!(rest[1].parse::<i64>().unwrap(), 1_795_068_720_000_000_000);
    }
}

#[test]
fn nothing_is_written_of_nothing() {
    let empty = reading("ecg-result", Value::Text(String::new()), "2026-11-19", None, Json::Object(Map::new()));
    assert_eq!(line(&"anna".parse().unwrap(), &empty, &chrono_tz::UTC.into()), None);
}
