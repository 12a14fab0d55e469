//! Addresses, scopes, ranges, pages: what the service refuses is refused, and nothing makes the cloud fall over.

use fitbit2mqtt::simulator::{Options, Simulator};
use proptest::prelude::*;
use serde_json::json;

use super::{World, noon};

/// Address, scope, and the keys of its answer.
const ENDPOINTS: &[(&str, &str, &[&str])] = &[
    ("1/user/-/profile.json", "profile", &["user"]),
    ("1/user/-/badges.json", "profile", &["badges"]),
    ("1/user/-/devices.json", "settings", &[]),
    ("1/user/-/body/log/weight/date/2026-11-19.json", "weight", &["weight"]),
    ("1/user/-/body/log/weight/date/2026-11-19/30d.json", "weight", &["weight"]),
    ("1/user/-/body/log/fat/date/2026-11-01/2026-11-20.json", "weight", &["fat"]),
    ("1/user/-/body/weight/date/today/1y.json", "weight", &["body-weight"]),
    ("1/user/-/body/bmi/date/2026-11-01/2026-11-20.json", "weight", &["body-bmi"]),
    ("1/user/-/body/log/weight/goal.json", "weight", &["goal"]),
    ("1/user/-/body/log/fat/goal.json", "weight", &["goal"]),
    ("1/user/-/activities/distance/date/today/1m.json", "activity", &["activities-distance"]),
    ("1/user/-/activities/tracker/steps/date/today/1m.json", "activity", &["activities-tracker-steps"]),
    ("1/user/-/activities/heart/date/today/7d.json", "heartrate", &["activities-heart"]),
    (
        "1/user/-/activities/heart/date/2026-11-19/1d/1sec/time/08:00/08:59.json",
        "heartrate",
        &["activities-heart", "activities-heart-intraday"],
    ),
    (
        "1/user/-/activities/steps/date/2026-11-19/2026-11-19/5min.json",
        "activity",
        &["activities-steps", "activities-steps-intraday"],
    ),
    (
        "1/user/-/activities/active-zone-minutes/date/2026-11-19/1d/1min.json",
        "activity",
        &["activities-active-zone-minutes-intraday"],
    ),
    ("1/user/-/activities/active-zone-minutes/date/today/1y.json", "activity", &["activities-active-zone-minutes"]),
    ("1/user/-/activities/date/2026-11-19.json", "activity", &["activities", "goals", "summary"]),
    ("1/user/-/activities/goals/daily.json", "activity", &["goals"]),
    ("1/user/-/activities/goals/weekly.json", "activity", &["goals"]),
    ("1/user/-/activities.json", "activity", &["best", "lifetime"]),
    (
        "1/user/-/activities/list.json?afterDate=2026-11-01&sort=asc&limit=20&offset=0",
        "activity",
        &["activities", "pagination"],
    ),
    ("1/user/-/spo2/date/2026-11-01/2026-11-20.json", "oxygen_saturation", &[]),
    ("1/user/-/spo2/date/2026-11-01/2026-11-20/all.json", "oxygen_saturation", &[]),
    ("1/user/-/br/date/today.json", "respiratory_rate", &["br"]),
    ("1/user/-/br/date/2026-11-01/2026-11-20/all.json", "respiratory_rate", &["br"]),
    ("1/user/-/hrv/date/2026-11-01/2026-11-20.json", "heartrate", &["hrv"]),
    ("1/user/-/hrv/date/2026-11-01/2026-11-20/all.json", "heartrate", &["hrv"]),
    ("1/user/-/temp/skin/date/2026-11-01/2026-11-20.json", "temperature", &["tempSkin"]),
    ("1/user/-/temp/core/date/2026-11-01/2026-11-20.json", "temperature", &["tempCore"]),
    ("1/user/-/cardioscore/date/2026-11-01/2026-11-20.json", "cardio_fitness", &["cardioScore"]),
    ("1.2/user/-/sleep/date/2026-11-19.json", "sleep", &["sleep", "summary"]),
    ("1.2/user/-/sleep/date/2026-11-01/2026-11-20.json", "sleep", &["sleep"]),
    ("1.2/user/-/sleep/list.json?beforeDate=2026-11-20&sort=desc&limit=5&offset=0", "sleep", &["pagination", "sleep"]),
    ("1.2/user/-/sleep/goal.json", "sleep", &["consistency", "goal"]),
    ("1/user/-/foods/log/date/2026-11-18.json", "nutrition", &["foods", "goals", "summary"]),
    ("1/user/-/foods/log/water/date/2026-11-19.json", "nutrition", &["summary", "water"]),
    ("1/user/-/foods/log/water/date/2026-11-19/1m.json", "nutrition", &["foods-log-water"]),
    ("1/user/-/foods/log/caloriesIn/date/2026-11-01/2026-11-20.json", "nutrition", &["foods-log-caloriesIn"]),
    ("1/user/-/foods/log/goal.json", "nutrition", &["goals"]),
    ("1/user/-/foods/log/water/goal.json", "nutrition", &["goal"]),
    (
        "1/user/-/ecg/list.json?afterDate=2026-01-01&sort=asc&limit=10&offset=0",
        "electrocardiogram",
        &["ecgReadings", "pagination"],
    ),
    (
        "1/user/-/irn/alerts/list.json?afterDate=2026-01-01&sort=asc&limit=10&offset=0",
        "irregular_rhythm_notifications",
        &["alerts", "pagination"],
    ),
    ("1/user/-/irn/profile.json", "irregular_rhythm_notifications", &["onboarded", "enrolled", "lastUpdated"]),
];

#[tokio::test]
async fn every_endpoint_answers_with_its_scope_and_refuses_without() {
    let mut world = World::new();
    let all = world.token.clone();
    for (path, scope, keys) in ENDPOINTS {
        world.token = all.clone();
        let body = world.ok(&format!("/fitbit/{path}")).await;
        let found: Vec<&str> =
            body.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default();
        assert_eq!(found, *keys, "{path}");
        assert!(body.is_object() || body.as_array().is_some_and(|list| !list.is_empty()), "{path}: {body}");
        for key in *keys {
            assert_ne!(body[key], json!([]), "{path}: there is nothing at all");
        }
        let others: Vec<&str> = Simulator::scopes().iter().copied().filter(|other| other != scope).collect();
        world.token = world.simulator.grant("23OPEN", 0, &others).unwrap().access_token;
        let (status, body) = world.get(&format!("/fitbit/{path}")).await;
        assert_eq!(status, 403, "{path} without {scope}");
        let newer = ["/br/", "/spo2/", "/hrv/", "/temp/", "/cardioscore/"].iter().any(|family| path.contains(family));
        match newer {
            true => assert_eq!(body["error"]["status"], "PERMISSION_DENIED"),
            false => assert_eq!(body["errors"][0]["errorType"], "insufficient_scope"),
        }
    }
}

#[tokio::test]
async fn what_the_service_refuses_is_refused() {
    let world = World::new();
    for (path, status) in [
        ("1/user/-/nothing.json", 404),
        ("1/user/-/profile", 404),
        ("1/user/-/activities/jumps/date/today/7d.json", 404),
        ("1/user/-/activities/tracker/caloriesBMR/date/today/7d.json", 404),
        ("1/user/-/sleep/date/2026-11-19.json", 404),
        ("1/user/ZZZZZZ/profile.json", 403),
        // Ranges at their limit and one day beyond it.
        ("1/user/-/body/log/weight/date/2026-10-01/2026-10-31.json", 200),
        ("1/user/-/body/log/weight/date/2026-10-01/2026-11-01.json", 400),
        ("1/user/-/body/log/fat/date/2026-10-01/2026-10-31.json", 400),
        ("1/user/-/activities/steps/date/2023-11-21/2026-11-19.json", 200),
        ("1/user/-/activities/steps/date/2023-11-20/2026-11-19.json", 422),
        ("1/user/-/activities/activityCalories/date/2026-10-20/2026-11-19.json", 422),
        ("1/user/-/activities/steps/date/today/max.json", 422),
        ("1/user/-/activities/heart/date/2025-11-18/2026-11-19.json", 422),
        ("1/user/-/hrv/date/2026-10-20/2026-11-18.json", 200),
        ("1/user/-/hrv/date/2026-10-20/2026-11-19.json", 400),
        ("1/user/-/br/date/2026-10-20/2026-11-19/all.json", 400),
        ("1/user/-/spo2/date/2024-10-20/2026-11-19.json", 200),
        ("1/user/-/spo2/date/2026-10-20/2026-11-19/all.json", 400),
        ("1.2/user/-/sleep/date/2026-08-12/2026-11-19.json", 200),
        ("1.2/user/-/sleep/date/2026-08-11/2026-11-19.json", 400),
        ("1/user/-/activities/steps/date/2026-11-18/2026-11-19/1min.json", 422),
        // Periods that a family does not have.
        ("1/user/-/body/log/weight/date/2026-11-19/3m.json", 400),
        ("1/user/-/activities/heart/date/today/3m.json", 400),
        ("1/user/-/activities/steps/date/today/2w.json", 400),
        ("1/user/-/activities/steps/date/2026-11-19/1d/10min.json", 400),
        ("1/user/-/activities/steps/date/2026-11-19.json", 404),
        // Dates.
        ("1/user/-/activities/steps/date/2026-11-9/1d.json", 400),
        ("1/user/-/activities/steps/date/2026-02-30/1d.json", 400),
        ("1/user/-/activities/steps/date/20261119/1d.json", 400),
        ("1/user/-/hrv/date/yesterday.json", 400),
        ("1/user/-/hrv/date/2026-11-19/2026-11-18.json", 400),
        ("1/user/-/activities/steps/date/2026-11-19/2026-11-18.json", 400),
        ("1.2/user/-/sleep/date/today.json", 400),
        ("1/user/-/body/log/weight/date/today.json", 400),
        ("1/user/-/activities/date/today.json", 400),
        // Pages.
        ("1/user/-/activities/list.json", 400),
        ("1/user/-/activities/list.json?afterDate=2026-11-01&sort=asc&limit=20", 400),
        ("1/user/-/activities/list.json?afterDate=2026-11-01&sort=asc&limit=20&offset=20", 400),
        ("1/user/-/activities/list.json?afterDate=2026-11-01&sort=desc&limit=20&offset=0", 400),
        ("1/user/-/activities/list.json?afterDate=2026-11-01&sort=asc&limit=101&offset=0", 400),
        ("1/user/-/activities/list.json?afterDate=2026-11-01&beforeDate=2026-11-02&sort=asc&limit=5&offset=0", 400),
        ("1/user/-/ecg/list.json?afterDate=2026-11-01&sort=asc&limit=11&offset=0", 400),
        ("1/user/-/activities/123.tcx", 404),
    ] {
        let (answered, body) = world.get(&format!("/fitbit/{path}")).await;
        assert_eq!(answered, status, "{path}: {}", body.to_string().chars().take(300).collect::<String>());
    }
    assert_eq!(
        world
            .ask("POST", "/fitbit/1/user/-/body/log/weight.json", &format!("Bearer {}", world.token), "a=b")
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn a_workout_can_be_had_as_tcx() {
    let world = World::new();
    let list = world.ok("/fitbit/1/user/-/activities/list.json?beforeDate=2026-11-20&sort=desc&limit=1&offset=0").await;
    let link = list["activities"][0]["tcxLink"].as_str().unwrap().replace("http://127.0.0.1:9334", "");
    let response = world.ask("GET", &link, &format!("Bearer {}", world.token), "").await;
    let document = String::from_utf8(response.body).unwrap();
    let points = document.matches("<Trackpoint>").count() as u64;
    assert_eq!((response.status, points), (200, list["activities"][0]["duration"].as_u64().unwrap() / 60_000));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_address_makes_it_fall_over(
        version in prop::sample::select(vec!["1", "1.2", "1.1", ""]),
        parts in prop::collection::vec(prop::sample::select(vec![
            "activities", "heart", "steps", "calories", "date", "today", "2026-11-19", "0000-01-01", "9999-12-31", "1d",
            "max", "1m", "1min", "1sec", "time", "00:00", "23:59", "all", "spo2", "hrv", "br", "sleep", "body", "log",
            "weight", "foods", "water", "list", "temp", "skin", "tracker", "é", "", "..", "18446744073709551616.tcx",
        ]), 0..9),
        query in "(afterDate|beforeDate)=(0000-01-01|9999-12-31T00:00:00|x)&sort=(asc|desc)&limit=(1|100)&offset=(0|99999999999)",
        ending in prop::sample::select(vec![".json", ".tcx", ""]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let world = World::with(Options { quota: u32::MAX, ..Options::default() }, noon());
        let path = format!("/fitbit/{version}/user/-/{}{ending}?{query}", parts.join("/"));
        let (status, _) = runtime.block_on(world.get(&path));
        prop_assert!([200, 400, 404, 422].contains(&status), "{path}: {status}");
    }
}
