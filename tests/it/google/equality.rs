//! One simulated life, fetched through both upstreams, is one series of readings for every metric that both have.

use std::collections::{BTreeMap, BTreeSet};

use fitbit2mqtt::simulator::{Change, Project};
use fitbit2mqtt::upstream::Upstream;
use fitbit2mqtt::upstream::fitbit::FITBIT;
use fitbit2mqtt::upstream::google_health::GOOGLE_HEALTH;
use serde_json::Value as Json;

use super::household;
use crate::world::World;

/// The two clouds mean different things by these, or one lacks them.
const EXEMPT: &[&str] = &[
    "out-of-range-heart-minutes",
    "fat-burn-heart-minutes",
    "cardio-heart-minutes",
    "peak-heart-minutes",
    "basal-calories",
    "sleep-efficiency",
    "activity-calories",
    "sleep-score",
];

/// The metrics that both can give.
fn both_have() -> BTreeSet<&'static str> {
    let gives = |upstream: &Upstream| -> BTreeSet<&'static str> {
        upstream.endpoints.iter().flat_map(|endpoint| endpoint.gives()).collect()
    };
    let (fitbit, google) = (gives(&FITBIT), gives(&GOOGLE_HEALTH));
    fitbit.intersection(&google).copied().filter(|key| !EXEMPT.contains(key)).collect()
}

/// Readings by metric and moment.
type Series = BTreeMap<String, BTreeMap<String, Json>>;

impl World {
    async fn series_of(&self, user: &str, range: &str) -> (Series, Json) {
        let answer = self.fetch(user, range).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let json = answer.json();
        assert_eq!(json["failed"], serde_json::json!([]), "{user}");
        let mut series = Series::new();
        for (key, list) in json["series"].as_object().unwrap() {
            for reading in list.as_array().unwrap() {
                let at = reading["dateTime"].as_str().unwrap().to_owned();
                series.entry(key.clone()).or_default().insert(at, reading["value"].clone());
            }
        }
        (series, json["metrics"].clone())
    }
}

fn equal(one: &Json, other: &Json) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() <= 1e-6 * one.abs().max(1.0),
        _ => one == other,
    }
}

/// Every difference, in words.
fn differences(fitbit: &Series, google: &Series) -> Vec<String> {
    let mut found = Vec::new();
    for key in both_have() {
        let none = BTreeMap::new();
        let (one, other) = (fitbit.get(key).unwrap_or(&none), google.get(key).unwrap_or(&none));
        let moments: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
        for at in moments {
            let (one, other) = (one.get(at), other.get(at));
            if !one.zip(other).is_some_and(|(one, other)| equal(one, other)) {
                found.push(format!("{key} of {at}: Fitbit {one:?}, Google {other:?}"));
            }
        }
    }
    found
}

/// Amsterdam, New York and Auckland, whose clocks change on different nights of these sixty days; then the spring of
/// two of them.
#[tokio::test(flavor = "multi_thread")]
async fn sixty_days_in_three_zones_are_the_same_through_both() {
    let mut measured: BTreeMap<&str, usize> = BTreeMap::new();
    for (now, range, indexes) in [
        ("2026-11-20T11:40:00Z", "&base_date=2026-09-20&end_date=2026-11-18", &[0, 1, 5][..]),
        ("2026-05-01T22:10:00Z", "&base_date=2026-03-01&end_date=2026-04-29", &[0, 1]),
    ] {
        let mut world = household(Project::default(), now).await;
        for index in indexes {
            world.connect_at(&FITBIT, &format!("old{index}"), *index);
            world.connect_at(&GOOGLE_HEALTH, &format!("new{index}"), *index);
            // Nothing arrives between the two fetches.
            world.cloud.change(*index, Change::StopSync).unwrap();
        }
        world.start().await;
        for index in indexes {
            let (old, new) = (format!("old{index}"), format!("new{index}"));
            world.started(&old).await;
            world.started(&new).await;
            let (fitbit, fitbit_newest) = world.series_of(&old, range).await;
            let (google, google_newest) = world.series_of(&new, range).await;
            let differing = differences(&fitbit, &google);
            let shown = differing.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
            assert!(differing.is_empty(), "person {index}, {} differences:\n{shown}", differing.len());
            for key in both_have() {
                *measured.entry(key).or_default() += google.get(key).map_or(0, BTreeMap::len);
            }
            // One upstream dates a height with the day it was read, the other with the day it was entered.
            let (one, other) = (&fitbit_newest["height"]["value"], &google_newest["height"]["value"]);
            assert!(one.is_number() && equal(one, other), "height of person {index}: Fitbit {one}, Google {other}");
            assert!(EXEMPT.iter().any(|key| fitbit.contains_key(*key) && !google.contains_key(*key)));
        }
        world.stop().await;
    }
    // A comparison of nothing with nothing would prove nothing; a height is not in a series.
    // and samples are asked for by the day.
    let rare = ["height", "heart-rate"];
    let empty: Vec<_> = measured.iter().filter(|(key, count)| **count == 0 && !rare.contains(key)).collect();
    assert!(measured.len() > 35 && empty.is_empty(), "never measured: {empty:?} of {}", measured.len());
}

/// What is counted in small units here and in large ones there is rounded minute by minute.
fn within(key: &str) -> f64 {
    match key {
        "calories" => 0.006,
        "distance" => 0.000_021,
        _ => 1e-9,
    }
}

/// An ordinary day, one of twenty-five hours and one of twenty-three, at every level of detail.
#[tokio::test(flavor = "multi_thread")]
async fn the_samples_of_a_day_are_the_same_through_both() {
    const METHODS: &str = "&methods=get_intraday_activity_by_date,get_intraday_heart_rate_by_date,\
                           get_intraday_hrv_by_interval,get_spo2_by_interval";
    let mut measured: BTreeMap<&str, usize> = BTreeMap::new();
    for (now, day, level) in [
        ("2026-11-20T11:40:00Z", "2026-11-18", "1sec"),
        ("2026-11-20T11:40:00Z", "2026-10-25", "1min"),
        ("2026-05-01T22:10:00Z", "2026-03-29", "15min"),
    ] {
        let mut world = household(Project::default(), now).await;
        world.connect_at(&FITBIT, "old", 0);
        world.connect_at(&GOOGLE_HEALTH, "new", 0);
        world.cloud.change(0, Change::StopSync).unwrap();
        world.start().await;
        world.started("old").await;
        world.started("new").await;
        let query = format!("{METHODS}&date={day}&detail_level={level}");
        let (fitbit, _) = world.series_of("old", &query).await;
        let (google, _) = world.series_of("new", &query).await;
        for key in ["heart-rate", "steps", "distance", "calories", "hrv", "spo2"] {
            // The hour that clocks skip burns energy that is told of the next one, or not at all.
            if key == "calories" && day == "2026-03-29" {
                continue;
            }
            let none = BTreeMap::new();
            let (one, other) = (fitbit.get(key).unwrap_or(&none), google.get(key).unwrap_or(&none));
            let moments = one.keys().chain(other.keys());
            // What is measured asleep is asked for by nights there and by days here: the morning is in both.
            let in_both = |at: &&String| !["hrv", "spo2"].contains(&key) || (&at[..10] == day && &at[11..13] < "12");
            let moments: BTreeSet<&String> = moments.filter(in_both).collect();
            let number = |series: &BTreeMap<String, Json>, at: &str| series.get(at).and_then(Json::as_f64);
            let differing = |at: &&&String| {
                let (one, other) = (number(one, at), number(other, at));
                // What is smaller than the smaller unit is nothing in the larger.
                let nothing = one.or(other).is_some_and(|only| only <= within(key)) && one.is_some() != other.is_some();
                !nothing && one.zip(other).is_none_or(|(one, other)| (one - other).abs() > within(key))
            };
            let found = moments.iter().find(differing);
            let shown = found.map(|at| (at, number(one, at), number(other, at)));
            assert!(shown.is_none(), "{key} on {day} (Fitbit, Google): {shown:?} of {}", moments.len());
            *measured.entry(key).or_default() += moments.len();
        }
        world.stop().await;
    }
    println!("the same through both, samples in three days: {measured:?}");
    assert!(measured.len() == 6 && measured.values().all(|count| *count > 50), "{measured:?}");
}
