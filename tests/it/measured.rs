//! What counts as a measurement: no zero for a day on which nothing was worn, the newest by measuring time, corrections
//! that replace, and a topic that keeps its last value.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use chrono::{NaiveDate, TimeDelta};
use fitbit2mqtt::simulator::{Change, Effect, Fault};
use serde_json::{Value as Json, json};

use crate::world::{Answer, World, at};

const TODAY: &str = "2026-11-20";

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// What is published of Anna.
async fn values(world: &World) -> Json {
    serde_json::from_str(&world.retained().await["sensors/fitbit/anna"]).unwrap()
}

/// A fetch of Anna; where it worked, the broker has what it answered.
async fn fetch(world: &World, more: &str) -> Answer {
    let answer = world.fetch("anna", more).await;
    if answer.status == 200 {
        world.stands("anna", &answer).await;
    }
    answer
}

/// The totals that are reported as zeros on a day on which nothing was worn, and the minutes that are then all idle.
const TOTALS: [&str; 10] = [
    "steps",
    "distance",
    "floors",
    "elevation",
    "sedentary-minutes",
    "lightly-active-minutes",
    "fairly-active-minutes",
    "very-active-minutes",
    "out-of-range-heart-minutes",
    "active-zone-minutes",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_day_on_which_nothing_was_worn_has_no_totals() {
    let mut world = World::connected().await;
    let worn = Change::Worn { date: day(TODAY), worn: false };
    world.cloud.change(0, worn).unwrap();
    world.start().await;
    world.fetched().await;
    let raw = fetch(&world, "&methods=activities").await.json();
    let summary = &raw["data"]["activities"]["summary"];
    assert_eq!((&summary["steps"], &summary["floors"]), (&json!(0), &json!(0)), "the cloud says zero");
    assert!(summary["sedentaryMinutes"].as_i64().unwrap() > 900, "and idle all day: {summary}");
    let values = values(&world).await;
    for total in TOTALS {
        let Some(found) = values.get(total) else { continue };
        assert!(found["dateTime"].as_str().unwrap() < TODAY, "{total}: {found}");
        assert!(found["value"] != 1440, "{total}");
    }
    assert!(values["steps"]["value"].as_f64().unwrap() > 0.0, "the last day worn");
    let series = fetch(&world, "&methods=activity&period=7d").await.json();
    for (key, list) in series["series"].as_object().unwrap().iter().filter(|(key, _)| TOTALS.contains(&key.as_str())) {
        assert!(list.as_array().unwrap().iter().all(|entry| entry["dateTime"] != TODAY), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn today_is_absent_until_something_was_worn_and_topics_keep_their_last_value() {
    let world = World::running().await;
    let before = values(&world).await;
    assert_eq!(before["steps"]["dateTime"], TODAY);
    world.cloud.change(0, Change::StopSync).unwrap();
    world.clock.advance(TimeDelta::hours(13));
    let raw = fetch(&world, "&methods=activities").await.json();
    assert_eq!(raw["data"]["activities"]["summary"]["steps"], 0, "a new day, of which the tracker has told nothing");
    assert_eq!(fetch(&world, "&force=true").await.status, 200);
    let after = values(&world).await;
    for total in TOTALS {
        assert_eq!(after[total]["dateTime"], before[total]["dateTime"], "{total}");
    }
    assert_eq!(after["steps"], before["steps"]);
    // It tells: the day has begun.
    world.cloud.change(0, Change::ResumeSync).unwrap();
    world.clock.advance(TimeDelta::hours(6));
    assert_eq!(fetch(&world, "&force=true").await.status, 200);
    let now = values(&world).await;
    assert_eq!(now["steps"]["dateTime"], "2026-11-21");
    let known = world.cloud.known(0).unwrap();
    assert_eq!(now["steps"]["value"], known.totals(known.today()).steps);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zero_of_a_day_worn_is_published() {
    let world = World::running().await;
    let known = world.cloud.known(0).unwrap();
    let summary = json!({"summary": {
        "steps": 812, "floors": 0, "elevation": 0, "distances": [{"activity": "total", "distance": 0.55}],
        "caloriesOut": 1311, "activityCalories": 91, "caloriesBMR": 901, "sedentaryMinutes": 611,
        "lightlyActiveMinutes": 12, "fairlyActiveMinutes": 0, "veryActiveMinutes": 0,
    }});
    world.cloud.fault(Fault {
        path: format!("/activities/date/{TODAY}"),
        person: Some(0),
        times: None,
        effect: Effect::answer(200, &summary),
    });
    assert_eq!(fetch(&world, "&force=true").await.status, 200);
    let retained = world.retained().await;
    for total in ["floors", "elevation", "fairly-active-minutes", "very-active-minutes"] {
        assert_eq!(retained[&format!("sensors/fitbit/anna/{total}")], "0", "{total}");
    }
    assert_eq!(values(&world).await["floors"]["dateTime"], TODAY);
    world.cloud.clear_faults();
    let month = fetch(&world, "&methods=time_series&resource=activities/minutesVeryActive&period=30d").await.json();
    let idle: Vec<String> = (0..30)
        .rev()
        .map(|back| known.today() - TimeDelta::days(back))
        .filter(|day| known.totals(*day).steps > 0 && known.totals(*day).minutes[3] == 0)
        .map(|day| day.to_string())
        .collect();
    let zeros = month["series"]["very-active-minutes"].as_array().unwrap().iter().filter(|entry| entry["value"] == 0);
    assert_eq!(zeros.map(|entry| entry["dateTime"].as_str().unwrap()).collect::<Vec<_>>(), idle);
    assert!(!idle.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weigh_in_arrives_with_the_persons_own_offset_and_its_source_and_the_newest_of_a_day_wins() {
    let world = World::running().await;
    let weigh = |time: &str, kilograms, fat| Change::WeighIn { at: at(time), kilograms, fat };
    world.cloud.change(0, weigh("2026-11-20T14:30:00Z", 71.3, Some(25.5))).unwrap();
    world.cloud.change(1, weigh("2026-11-20T14:31:00Z", 88.25, None)).unwrap();
    for name in ["anna", "ben"] {
        assert_eq!(world.fetch(name, "&force=true").await.status, 200);
    }
    let anna = values(&world).await;
    assert_eq!(anna["body-weight"]["value"], 71.3);
    assert_eq!(anna["body-weight"]["dateTime"], "2026-11-20T15:30:00+01:00");
    assert_eq!(anna["body-weight"]["source"], "Aria");
    assert_eq!(anna["body-fat"]["value"], 25.5);
    let ben: Json = serde_json::from_str(&world.retained().await["sensors/fitbit/ben"]).unwrap();
    assert_eq!(ben["body-weight"]["dateTime"], "2026-11-20T09:31:00-05:00");
    assert_eq!(ben["body-weight"]["value"], 88.25);

    // A later one wins, an earlier one that comes late does not.
    world.cloud.change(0, weigh("2026-11-20T14:45:00Z", 71.9, None)).unwrap();
    world.cloud.change(0, weigh("2026-11-20T13:05:00Z", 70.1, None)).unwrap();
    let answer = fetch(&world, "&methods=get_bodyweight&period=7d").await.json();
    assert_eq!(answer["metrics"]["body-weight"]["value"], 71.9);
    assert_eq!(world.await_topic("sensors/fitbit/anna/body-weight", |value| value == "71.9").await, "71.9");
    let today: Vec<f64> = answer["series"]["body-weight"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["dateTime"].as_str().unwrap().starts_with(TODAY))
        .map(|entry| entry["value"].as_f64().unwrap())
        .collect();
    assert!(today.ends_with(&[70.1, 71.3, 71.9]), "oldest first: {today:?}");

    // Series of the service carry a value over days without a weigh-in: that is no measurement, and not the newest.
    world.clock.advance(TimeDelta::days(2));
    let carried = fetch(&world, "&methods=time_series&resource=body/weight&period=7d").await.json();
    let newest = carried["series"]["body-weight"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(newest["dateTime"], "2026-11-22", "shown as the service tells it");
    assert!(
        values(&world).await["body-weight"]["dateTime"].as_str().unwrap().contains('T'),
        "published is what was weighed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_day_replaces_its_value_and_counts_as_newly_received() {
    let world = World::running().await;
    let steps = |steps| Change::Steps { date: day(TODAY), steps };
    world.cloud.change(0, steps(4321)).unwrap();
    fetch(&world, "&methods=activity").await;
    let first = values(&world).await["steps"].clone();
    assert_eq!(first["value"], 4321);
    world.clock.advance(TimeDelta::minutes(10));
    fetch(&world, "&methods=activity").await;
    assert_eq!(values(&world).await["steps"], first, "the same value was first received then");
    world.cloud.change(0, steps(5432)).unwrap();
    world.clock.advance(TimeDelta::minutes(10));
    fetch(&world, "&methods=activity").await;
    let second = values(&world).await["steps"].clone();
    assert_eq!(second["value"], 5432);
    assert!(second["fetched"].as_str() > first["fetched"].as_str(), "{second} after {first}");

    // A day that is over is corrected without touching the topic of today.
    let yesterday = day("2026-11-19");
    world.cloud.change(0, Change::Steps { date: yesterday, steps: 777 }).unwrap();
    let answer = fetch(&world, "&methods=time_series&resource=activities/steps&period=7d").await.json();
    let corrected =
        answer["series"]["steps"].as_array().unwrap().iter().find(|entry| entry["dateTime"] == "2026-11-19");
    assert_eq!(corrected.unwrap()["value"], 777);
    assert_eq!(values(&world).await["steps"]["value"], 5432);
    let database = format!("sqlite:{}", world.data_dir().join("fitbit2mqtt.db").display());
    let pool = sqlx::SqlitePool::connect(&database).await.unwrap();
    let rows: Vec<(f64, i64)> = sqlx::query_as(
        "SELECT number, revision FROM reading WHERE person = 'anna' AND metric = 'steps' AND day = '2026-11-19'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(rows, [(777.0, 2)], "one value of a day, and that it was corrected once");
}
