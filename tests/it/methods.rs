//! Every name under which something is asked, over HTTP: values equal to what the cloud knows, keywords that reach
//! whom they should, and refusals that name what is allowed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use chrono::{NaiveDate, SecondsFormat, TimeZone};
use fitbit2mqtt::simulator::Known;
use fitbit2mqtt::simulator::life::CardioFitness;
use serde_json::{Value as Json, json};

use crate::world::World;

/// The month that the ranges ask for; today is the 20th.
const MONTH: &str = "&base_date=2026-11-01&end_date=2026-11-20";

fn days() -> impl Iterator<Item = NaiveDate> {
    let first: NaiveDate = "2026-11-01".parse().unwrap();
    first.iter_days().take(20)
}

/// The answer to one method of Anna's, which must succeed.
async fn asked(world: &World, method: &str, more: &str) -> Json {
    let answer = world.fetch("anna", &format!("&methods={method}{more}")).await;
    assert_eq!(answer.status, 200, "{method}: {}", answer.body);
    let json = answer.json();
    assert_eq!(json["failed"], json!([]), "{method}");
    json
}

/// The series of one metric: times and numbers, in the order of the answer.
fn series(answer: &Json, metric: &str) -> Vec<(String, f64)> {
    let list = answer["series"][metric].as_array().unwrap_or_else(|| panic!("no series of {metric}: {answer:#}"));
    list.iter()
        .map(|entry| (entry["dateTime"].as_str().unwrap().to_owned(), entry["value"].as_f64().unwrap()))
        .collect()
}

/// What the cloud has on record of a daily value.
fn daily(known: &Known, value: impl Fn(NaiveDate) -> Option<f64>) -> Vec<(String, f64)> {
    let on_record: Vec<_> = days().filter_map(|day| Some((day.to_string(), value(day)?))).collect();
    assert!(on_record.len() >= 5, "too little of {} to show anything", known.person.name);
    on_record
}

/// The same numbers at the same times, oldest first; the wire rounds to at least one decimal.
fn assert_same(found: &[(String, f64)], expected: &[(String, f64)]) {
    let times = |list: &[(String, f64)]| list.iter().map(|(time, _)| time.clone()).collect::<Vec<_>>();
    assert_eq!(times(found), times(expected));
    for ((time, found), (_, expected)) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 0.051, "{time}: {found} instead of {expected}");
    }
    assert!(found.is_sorted_by_key(|(time, _)| time.clone()), "oldest first");
}

// Seed 003, "Time series" and "Device", and the daily row of "Intraday".

#[tokio::test(flavor = "multi_thread")]
async fn get_body_data_by_interval() {
    let world = World::running().await;
    let answer = asked(&world, "get_body_data_by_interval", MONTH).await;
    let known = world.cloud.known(0).unwrap();
    let weighed: Vec<_> = days().flat_map(|day| known.weigh_ins(day)).collect();
    let at = |at| known.person.zone.from_local_datetime(&at).unwrap().to_rfc3339_opts(SecondsFormat::AutoSi, false);
    let expected: Vec<_> = weighed.iter().map(|weighed| (at(weighed.at), weighed.kilograms)).collect();
    assert_same(&series(&answer, "body-weight"), &expected);
    let fat: Vec<_> = weighed.iter().filter_map(|weighed| Some((at(weighed.at), weighed.fat?))).collect();
    assert_same(&series(&answer, "body-fat"), &fat);
    let last = known.last_weigh_in(known.today()).unwrap();
    assert_eq!(answer["metrics"]["body-weight"]["value"].as_f64(), Some(last.kilograms));
    assert_eq!(answer["metrics"]["body-weight"]["unit"], "kg");
    assert_eq!(answer["calls"], 1);
    assert_eq!(world.cloud.count("/1/user/-/body/log/weight/date/2026-11-01/2026-11-20.json"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn get_vo2max_cardio_score_by_interval() {
    let world = World::running().await;
    let answer = asked(&world, "get_vo2max_cardio_score_by_interval", MONTH).await;
    let known = world.cloud.known(0).unwrap();
    let middle = |day| match known.cardio_fitness(day)? {
        CardioFitness::Range(low, high) => Some(f64::from(low + high) / 2.0),
        CardioFitness::Exactly(value) => Some(f64::from(value)),
    };
    assert_same(&series(&answer, "vo2-max"), &daily(&known, middle));
    assert_eq!(world.cloud.count("/cardioscore/date/2026-11-01/2026-11-20.json"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn get_sleep_log_by_interval() {
    let world = World::running().await;
    let answer = asked(&world, "get_sleep_log_by_interval", MONTH).await;
    let known = world.cloud.known(0).unwrap();
    for (time, minutes) in series(&answer, "sleep-minutes") {
        let slept: i64 = known.sleeps(time.parse().unwrap()).iter().map(|sleep| sleep.minutes_asleep()).sum();
        // Naps are counted apart; a night is never longer than all sleep of its date.
        let naps = series(&answer, "nap-minutes").into_iter().find(|(day, _)| *day == time).map_or(0.0, |(_, nap)| nap);
        assert_eq!(minutes + naps, slept as f64, "{time}");
    }
    assert!(series(&answer, "sleep-minutes").len() >= 15);
    for key in
        ["deep-sleep-minutes", "light-sleep-minutes", "rem-sleep-minutes", "sleep-efficiency", "sleep-awakenings"]
    {
        assert!(series(&answer, key).len() >= 10, "{key}");
    }
    assert_eq!(world.cloud.count("/1.2/user/-/sleep/date/2026-10-31/2026-11-20.json"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn get_temperature_skin_by_interval() {
    let world = World::running().await;
    let answer = asked(&world, "get_temperature_skin_by_interval", MONTH).await;
    let known = world.cloud.known(0).unwrap();
    assert_same(&series(&answer, "skin-temperature-variation"), &daily(&known, |day| known.skin_variation(day)));
    assert_eq!(world.cloud.count("/temp/skin/date/2026-11-01/2026-11-20.json"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn get_spo2_summary_by_interval() {
    let world = World::running().await;
    let answer = asked(&world, "get_spo2_summary_by_interval", MONTH).await;
    let known = world.cloud.known(0).unwrap();
    assert_same(&series(&answer, "spo2"), &daily(&known, |day| Some(known.oxygen(day)?.average)));
    assert_same(&series(&answer, "spo2-min"), &daily(&known, |day| Some(known.oxygen(day)?.low)));
    assert_same(&series(&answer, "spo2-max"), &daily(&known, |day| Some(known.oxygen(day)?.high)));
}

#[tokio::test(flavor = "multi_thread")]
async fn get_breathing_rate_by_interval() {
    let world = World::running().await;
    let answer = asked(&world, "get_breathing_rate_by_interval", MONTH).await;
    let known = world.cloud.known(0).unwrap();
    assert_same(&series(&answer, "breathing-rate"), &daily(&known, |day| Some(known.respiration(day)?.full)));
    let deep = series(&answer, "deep-sleep-breathing-rate");
    assert_same(&deep, &daily(&known, |day| known.respiration(day)?.deep));
    assert_eq!(world.cloud.count("/br/date/2026-11-01/2026-11-20/all.json"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn get_battery_level() {
    let world = World::running().await;
    let answer = asked(&world, "get_battery_level", "").await;
    let tracker = world.cloud.known(0).unwrap().tracker().unwrap();
    let battery = &answer["metrics"]["tracker-battery"];
    assert_eq!((battery["value"].as_f64(), battery["unit"].as_str()), (Some(f64::from(tracker.battery)), Some("%")));
    assert_eq!(battery["source"], tracker.model);
    let synced = answer["metrics"]["tracker-last-sync"]["value"].as_str().unwrap();
    assert!(
        (synced.parse::<chrono::DateTime<chrono::FixedOffset>>().unwrap() - tracker.synced.fixed_offset())
            .num_seconds()
            == 0
    );
    assert!(synced.ends_with("+01:00"), "{synced}: the person's own offset");
    assert!(answer.get("series").is_none());
}

// python-fitbit's names.

#[tokio::test(flavor = "multi_thread")]
async fn the_names_of_python_fitbit_give_metrics() {
    let world = World::running().await;
    let known = world.cloud.known(0).unwrap();
    let last = known.last_weigh_in(known.today()).unwrap();
    for (method, more, metric) in [
        ("get_bodyweight", "", "body-weight"),
        ("get_bodyweight", "&period=7d", "body-weight"),
        ("get_bodyfat", "&base_date=2026-11-20&period=1m", "body-fat"),
        ("get_sleep", "&date=2026-11-19", "sleep-minutes"),
        ("get_devices", "", "tracker-battery"),
        ("activities_list", "&after_date=2026-11-01&sort=asc&offset=0", "last-workout"),
    ] {
        let answer = asked(&world, method, more).await;
        assert!(answer["metrics"][metric]["value"] != Json::Null, "{method}: {answer:#}");
        assert!(answer.get("data").is_none(), "{method}");
    }
    let weight = asked(&world, "get_bodyweight", "").await;
    assert_eq!(weight["metrics"]["body-weight"]["value"].as_f64(), Some(last.kilograms));
    assert!(weight.get("series").is_none(), "one moment only");
    // A named day that is over is not the newest value: it stands in the series.
    let day = days().skip(10).find(|day| known.sleeps(*day).len() == 1).unwrap();
    let night = asked(&world, "get_sleep", &format!("&date={day}")).await;
    let slept = known.sleeps(day)[0].minutes_asleep() as f64;
    assert_eq!(series(&night, "sleep-minutes"), [(day.to_string(), slept)]);
    assert_ne!(night["metrics"]["sleep-minutes"]["dateTime"], day.to_string(), "the newest is another one");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_metric_stands_under_data_in_the_upstreams_own_fields() {
    let world = World::running().await;
    let before = world.retained().await;
    for (method, pointer) in [
        ("activities", "/summary/steps"),
        ("activity_stats", "/lifetime/total/steps"),
        ("user_profile_get", "/user/timezone"),
        ("foods_log", "/summary/calories"),
        ("foods_log_water", "/summary/water"),
        ("get_badges", "/badges"),
        ("activities_daily_goal", "/goals/steps"),
        ("activities_weekly_goal", "/goals/steps"),
        ("body_weight_goal", "/goal/weight"),
        ("body_fat_goal", "/goal/fat"),
        ("food_goal", "/goals/calories"),
        ("water_goal", "/goal/goal"),
        ("sleep_goal", "/goal/minDuration"),
    ] {
        let answer = asked(&world, method, "").await;
        assert!(answer["data"][method].pointer(pointer).is_some(), "{method} has no {pointer}: {answer:#}");
    }
    let known = world.cloud.known(0).unwrap();
    let steps = asked(&world, "activities", "").await;
    assert_eq!(steps["data"]["activities"]["summary"]["steps"], known.totals(known.today()).steps);
    let topics = |retained: &std::collections::BTreeMap<String, String>| retained.keys().cloned().collect::<Vec<_>>();
    assert_eq!(topics(&world.retained().await), topics(&before), "nothing of it is published");
}

#[tokio::test(flavor = "multi_thread")]
async fn time_series_gives_each_resource_day_by_day() {
    let world = World::running().await;
    let known = world.cloud.known(0).unwrap();
    let worn: Vec<NaiveDate> = days().filter(|day| known.totals(*day).steps > 0).collect();
    let steps: Vec<_> = worn.iter().map(|day| (day.to_string(), f64::from(known.totals(*day).steps))).collect();
    let answer = asked(&world, "time_series", &format!("&resource=activities/steps{MONTH}")).await;
    assert_same(&series(&answer, "steps"), &steps);
    assert_eq!(answer["metrics"]["steps"]["value"].as_f64(), steps.last().map(|(_, steps)| *steps));
    for (resource, metric) in [
        ("activities/distance", "distance"),
        ("activities/floors", "floors"),
        ("activities/calories", "calories"),
        ("activities/minutesSedentary", "sedentary-minutes"),
        ("activities/heart", "resting-heart-rate"),
        ("body/weight", "body-weight"),
        ("body/bmi", "bmi"),
        ("foods/log/caloriesIn", "calories-in"),
        ("foods/log/water", "water"),
        ("hrv", "hrv"),
        ("sleep", "sleep-minutes"),
    ] {
        let answer = asked(&world, "time_series", &format!("&resource={resource}&base_date=today&period=7d")).await;
        let series = series(&answer, metric);
        assert!(series.is_sorted_by_key(|(time, _)| time.clone()) && series.len() > 1, "{resource}: {series:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_names_of_the_groups_give_their_metrics() {
    let world = World::running().await;
    for (group, metrics) in [
        ("body", &["body-weight", "bmi", "body-fat", "height"][..]),
        ("activity", &["steps", "distance", "calories", "basal-calories", "sedentary-minutes"]),
        ("zones", &["active-zone-minutes"]),
        ("heart", &["resting-heart-rate", "out-of-range-heart-minutes"]),
        ("hrv", &["hrv", "deep-sleep-hrv"]),
        ("breathing", &["breathing-rate"]),
        ("oxygen", &["spo2", "spo2-min", "spo2-max"]),
        ("temperature", &["skin-temperature-variation", "core-temperature"]),
        ("fitness", &["vo2-max"]),
        ("sleep", &["sleep-minutes", "sleep-start", "sleep-end", "sleep-efficiency"]),
        ("nutrition", &["water", "calories-in"]),
        ("workouts", &["last-workout"]),
        ("devices", &["tracker-battery", "tracker-last-sync"]),
    ] {
        let answer = asked(&world, group, "").await;
        let given = answer["metrics"].as_object().unwrap();
        for metric in metrics {
            assert!(given.contains_key(*metric), "{group} gives no {metric}: {answer:#}");
        }
        assert_eq!(given.get("steps").is_some(), group == "activity", "{group} gives only its own");
    }
    // Rarely is there anything to tell; the names are understood all the same.
    asked(&world, "rhythm", "").await;
}

// Keywords and refusals.

#[tokio::test(flavor = "multi_thread")]
async fn keywords_reach_only_the_methods_that_take_them() {
    let world = World::running().await;
    world.cloud.forget_requests();
    let answer =
        asked(&world, "get_bodyweight,get_devices,foods_log", "&base_date=2026-11-05&end_date=2026-11-08").await;
    assert!(answer["series"]["body-weight"].is_array() || answer["series"] == json!({}), "{answer:#}");
    let paths: Vec<String> =
        world.cloud.requests().into_iter().filter(|a| a.person == Some(0)).map(|a| a.path).collect();
    for path in [
        "/1/user/-/body/log/weight/date/2026-11-05/2026-11-08.json",
        "/1/user/-/devices.json",
        "/1/user/-/foods/log/date/2026-11-20.json",
    ] {
        assert!(paths.iter().any(|asked| asked == path), "{path} in {paths:?}");
    }
    assert_eq!(paths.len(), 3);
    let own = world.cloud.people()[0].user_id.clone();
    assert_eq!(world.fetch("anna", &format!("&methods=get_devices&user_id={own}")).await.status, 200);
    assert_eq!(world.fetch("anna", "&methods=get_devices&user_id=-").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_file_gives_defaults_that_a_request_overrides() {
    let world = World::running().await;
    let file = world.person_file("anna");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("methods = \"get_bodyweight, hrv\"\nperiod = \"7d\"\n{text}")).unwrap();
    let paths = async |more: &str| {
        world.cloud.forget_requests();
        let answer = world.fetch("anna", more).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let asked: Vec<String> = world.cloud.requests().into_iter().map(|asked| asked.path).collect();
        (answer.json(), asked)
    };
    let (answer, asked) = paths("&force=true").await;
    assert!(answer["series"]["hrv"].is_array(), "{answer:#}");
    assert_eq!(
        asked,
        ["/1/user/-/body/log/weight/date/2026-11-14/2026-11-20.json", "/1/user/-/hrv/date/2026-11-14/2026-11-20.json"]
    );
    // What the file names is not named by the request: it is asked when it can have changed, and answered all the same.
    let (again, asked) = paths("").await;
    assert_eq!(asked, ["/1/user/-/devices.json"]);
    assert_eq!(
        (&again["series"]["hrv"], &again["metrics"]["hrv"]),
        (&answer["series"]["hrv"], &answer["metrics"]["hrv"])
    );
    let (_, asked) = paths("&period=30d&force=true").await;
    assert_eq!(asked[1], "/1/user/-/hrv/date/2026-10-22/2026-11-20.json");
    let (_, asked) = paths("&methods=get_devices").await;
    assert_eq!(asked, ["/1/user/-/devices.json"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_400_and_names_what_can() {
    let world = World::running().await;
    world.cloud.forget_requests();
    let foreign = world.cloud.people()[1].user_id.clone();
    for (more, said) in [
        ("&methods=log_activity", &["log_activity", "get_bodyweight", "time_series", "sleep"][..]),
        ("&methods=delete_sleep", &["delete_sleep", "get_sleep"]),
        ("&methods=update_device", &["update_device"]),
        ("&methods=add_favorite_food", &["add_favorite_food"]),
        ("&methods=get_intraday_weight", &["get_intraday_weight", "get_intraday_hrv_by_interval", "allowed"]),
        ("&methods=get_sleep,everything", &["everything"]),
        ("&when=today", &["when", "period", "base_date"]),
        ("&methods=sleep&methods=body", &["methods", "twice"]),
        ("&period=2w", &["period", "30d"]),
        ("&date=yesterday", &["date", "2026-11-19"]),
        ("&date=2026-11-31", &["date"]),
        ("&date=2026-11-21", &["2026-11-21", "not come yet"]),
        ("&base_date=2026-11-10&end_date=2026-11-01", &["reversed"]),
        ("&period=7d&end_date=2026-11-01", &["period", "end_date"]),
        ("&force=yes", &["force", "true"]),
        ("&methods=time_series", &["resource", "activities/steps"]),
        ("&methods=time_series&resource=activities/../../x", &["resource", "activities/steps"]),
        ("&methods=activities_list&limit=0", &["limit", "100"]),
        ("&methods=activities_list&after_date=2026-11-01&before_date=2026-11-02", &["after_date", "before_date"]),
        (&format!("&methods=get_devices&user_id={foreign}"), &["user_id", "-"]),
    ] {
        let answer = world.fetch("anna", more).await;
        assert_eq!(answer.status, 400, "{more}: {}", answer.body);
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        for word in said {
            assert!(error.contains(word), "{more}: {word} is not in {error:?}");
        }
        assert!(answer.json()["cure"].is_string());
    }
    let nobody = world.get("/plugin/fitbit").await;
    assert!(nobody.status == 400 && nobody.body.contains("user is missing"), "{}", nobody.body);
    assert_eq!(world.get("/plugin/fitbit?user=../anna").await.status, 400);
    assert_eq!(world.fetch("nobody", "").await.status, 404);
    assert_eq!(world.cloud.requests(), [], "nothing of it was asked");
}

// What it costs.

#[tokio::test(flavor = "multi_thread")]
async fn a_month_of_everything_costs_no_more_than_thirty_requests() {
    let world = World::running().await;
    world.cloud.forget_requests();
    let usual = world.fetch("anna", "").await.json();
    let month = world.fetch("anna", "&period=30d").await.json();
    let calls = |answer: &Json| answer["calls"].as_u64().unwrap();
    println!("calls: {} by default, {} for thirty days", calls(&usual), calls(&month));
    assert!(calls(&month) <= 30 && calls(&usual) <= 20, "{} and {}", calls(&usual), calls(&month));
    let asked = world.cloud.requests().iter().filter(|asked| asked.person == Some(0)).count();
    assert_eq!(asked as u64, calls(&usual) + calls(&month), "what is said is what was asked");
    assert_eq!((&usual["failed"], &month["failed"]), (&json!([]), &json!([])));
    let known = world.cloud.known(0).unwrap();
    let worn = (0..30).filter(|back| known.totals(known.today() - chrono::TimeDelta::days(*back)).steps > 0).count();
    assert_eq!(series(&month, "steps").len(), worn);
    assert!(usual.get("series").is_none());
}
