//! The programmers' examples, run: each is the file itself, its `main` left out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code)]
#[path = "../../examples/decode.rs"]
mod decode;
#[cfg(feature = "embedded")]
#[allow(dead_code)]
#[path = "../../examples/embed.rs"]
mod embed;

#[test]
fn a_captured_answer_becomes_readings() {
    let answer = include_str!("../fixtures/fitbit/body_log_weight.json");
    let today = "2026-11-20".parse().unwrap();
    let zone = chrono_tz::Europe::Amsterdam;
    let readings = decode::readings("body/log/weight", answer, today, zone).unwrap();
    assert_eq!(readings.len(), 6, "{readings:?}");
    assert!(readings.contains(&"2026-11-19T07:11:31+01:00 body-weight 72.4 kg".to_owned()), "{readings:?}");
    assert!(decode::readings("body/log/weight", "<html>", today, zone).is_err());
    assert!(decode::readings("no/such/row", answer, today, zone).is_err());
}

#[cfg(feature = "embedded")]
#[tokio::test(flavor = "multi_thread")]
async fn the_bridge_runs_inside_another_program() {
    let seen = embed::first_values().await.unwrap();
    let weight = seen.iter().find(|(topic, _)| topic == "sensors/fitbit/anna/body-weight");
    let weight: f64 = weight.unwrap_or_else(|| panic!("no weight in {seen:?}")).1.parse().unwrap();
    assert!((40.0..120.0).contains(&weight), "{weight}");
}
