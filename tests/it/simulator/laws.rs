//! Any two answers about the same life agree.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta};
use fitbit2mqtt::simulator::{Change, Options};
use serde_json::{Value as Json, json};

use super::{World, noon};

fn texts_summed(rows: &Json) -> f64 {
    rows.as_array().unwrap().iter().map(|row| row["value"].as_str().unwrap().parse::<f64>().unwrap()).sum()
}

fn numbers_summed(rows: &Json) -> f64 {
    rows.as_array().unwrap().iter().map(|row| row["value"].as_f64().unwrap()).sum()
}

#[tokio::test]
async fn the_minutes_of_a_day_add_up_to_its_total() {
    let world = World::new();
    for date in ["2026-11-20", "2026-11-19", "2026-11-18", "2026-11-15"] {
        for (resource, tolerance) in
            [("steps", 0.0), ("floors", 0.0), ("distance", 0.02), ("elevation", 0.01), ("calories", 0.6)]
        {
            for level in ["1min", "15min"] {
                let path = format!("/fitbit/1/user/-/activities/{resource}/date/{date}/1d/{level}.json");
                let body = world.ok(&path).await;
                let total = texts_summed(&body[format!("activities-{resource}")]);
                let minutes = numbers_summed(&body[format!("activities-{resource}-intraday")]["dataset"]);
                assert!((total - minutes).abs() <= tolerance, "{path}: {total} and {minutes}");
            }
        }
    }
}

#[tokio::test]
async fn series_summary_zones_and_minutes_tell_the_same_day() {
    let world = World::new();
    let mut worn = 0;
    for date in NaiveDate::from_ymd_opt(2026, 11, 1).unwrap().iter_days().take(20) {
        let summary = world.ok(&format!("/fitbit/1/user/-/activities/date/{date}.json")).await["summary"].clone();
        let heart = world.ok(&format!("/fitbit/1/user/-/activities/heart/date/{date}/1d.json")).await;
        let heart = &heart["activities-heart"][0]["value"];
        assert_eq!(heart["heartRateZones"], summary["heartRateZones"]);
        assert_eq!(heart.get("restingHeartRate"), summary.get("restingHeartRate"));
        for (resource, field) in [
            ("steps", "steps"),
            ("calories", "caloriesOut"),
            ("minutesSedentary", "sedentaryMinutes"),
            ("minutesVeryActive", "veryActiveMinutes"),
        ] {
            let series = world.ok(&format!("/fitbit/1/user/-/activities/{resource}/date/{date}/1d.json")).await;
            assert_eq!(texts_summed(&series[format!("activities-{resource}")]), summary[field].as_f64().unwrap());
        }
        let zones = world.ok(&format!("/fitbit/1/user/-/activities/active-zone-minutes/date/{date}/1d.json")).await;
        let active = zones["activities-active-zone-minutes"][0]["value"]["activeZoneMinutes"].as_u64().unwrap_or(0);
        let minutes = |at: usize| heart["heartRateZones"][at]["minutes"].as_u64().unwrap_or(0);
        assert_eq!(active, minutes(1) + 2 * minutes(2) + 2 * minutes(3), "{date}");
        worn += usize::from(minutes(0) > 0);
        if date != noon().date_naive() && minutes(0) > 0 {
            let asleep: i64 = world.simulator.known(0).unwrap().totals(date).asleep.into();
            let fields = ["sedentaryMinutes", "lightlyActiveMinutes", "fairlyActiveMinutes", "veryActiveMinutes"];
            let lived: i64 = fields.iter().map(|field| summary[field].as_i64().unwrap()).sum();
            assert_eq!(lived + asleep, 1440, "{date}");
        }
    }
    assert!(worn >= 15, "only {worn} of 20 days were worn");
}

#[tokio::test]
async fn the_same_seed_tells_the_same_life_and_another_one_another() {
    let (one, same) = (World::new(), World::new());
    let other = World::with(Options { seed: 2, quota: 100_000, ..Options::default() }, noon());
    for path in [
        "/fitbit/1/user/-/activities/steps/date/2026-10-01/2026-11-20.json",
        "/fitbit/1.2/user/-/sleep/date/2026-09-01/2026-11-20.json",
        "/fitbit/1/user/-/body/log/weight/date/2026-11-01/2026-11-20.json",
        "/fitbit/1/user/-/hrv/date/2026-11-01/2026-11-20.json",
    ] {
        let answer = one.ok(path).await;
        assert_eq!(answer, one.ok(path).await);
        assert_eq!(answer, same.ok(path).await);
        assert_ne!(answer, other.ok(path).await, "{path}");
    }
}

#[tokio::test]
async fn a_night_is_the_same_by_date_by_range_and_on_the_list_and_its_levels_fill_it() {
    let world = World::new();
    let range = world.ok("/fitbit/1.2/user/-/sleep/date/2026-08-13/2026-11-20.json").await;
    let nights = range["sleep"].as_array().unwrap();
    assert!(range.get("summary").is_none());
    let list = world.ok("/fitbit/1.2/user/-/sleep/list.json?beforeDate=2026-11-21&sort=desc&limit=100&offset=0").await;
    let kinds = |wanted: &dyn Fn(&&Json) -> bool| nights.iter().filter(wanted).count();
    assert!(kinds(&|night| night["type"] == "stages") > 60);
    assert!(kinds(&|night| night["type"] == "classic" && night["isMainSleep"] == true) >= 5);
    assert!(kinds(&|night| night["type"] == "stages" && night["isMainSleep"] == false) >= 5, "split nights");
    assert!(kinds(&|night| night["type"] == "classic" && night["isMainSleep"] == false) >= 5, "naps");
    for night in nights {
        let seconds = |of: &Json| of.as_array().unwrap().iter().map(|level| level["seconds"].as_i64().unwrap()).sum();
        let filled: i64 = seconds(&night["levels"]["data"]);
        assert_eq!(filled * 1000, night["duration"].as_i64().unwrap(), "{night}");
        let minutes: i64 = night["levels"]["summary"]
            .as_object()
            .unwrap()
            .values()
            .map(|level| level["minutes"].as_i64().unwrap())
            .sum();
        assert_eq!(minutes, night["timeInBed"].as_i64().unwrap(), "{night}");
        let (asleep, awake) = (night["minutesAsleep"].as_i64().unwrap(), night["minutesAwake"].as_i64().unwrap());
        assert_eq!(asleep + awake, minutes);
        let end: NaiveDateTime = night["endTime"].as_str().unwrap().parse().unwrap();
        assert_eq!(night["dateOfSleep"], end.date().to_string());
    }
    for listed in list["sleep"].as_array().unwrap().iter().take(30) {
        let date = listed["dateOfSleep"].as_str().unwrap();
        let day = world.ok(&format!("/fitbit/1.2/user/-/sleep/date/{date}.json")).await;
        assert!(day["sleep"].as_array().unwrap().contains(listed) && nights.contains(listed), "{date}");
        assert_eq!(day["summary"]["totalSleepRecords"], day["sleep"].as_array().unwrap().len());
    }
}

#[tokio::test]
async fn nights_of_clock_changes_have_their_true_length() {
    for (start, before, night, gained) in [
        ("2026-10-26T12:00:00Z", "2026-10-24", "2026-10-25", 60),
        ("2026-03-30T12:00:00Z", "2026-03-28", "2026-03-29", -60),
    ] {
        let world = World::with(Options::default(), start.parse().unwrap());
        for date in [before, night] {
            world.simulator.change(0, Change::Worn { date: date.parse().unwrap(), worn: true }).unwrap();
        }
        let day = world.ok(&format!("/fitbit/1.2/user/-/sleep/date/{night}.json")).await;
        // Of a split night, one part only spans the change.
        let gains = day["sleep"].as_array().unwrap().iter().map(|sleep| {
            let time = |field: &str| sleep[field].as_str().unwrap().parse::<NaiveDateTime>().unwrap();
            sleep["timeInBed"].as_i64().unwrap() - (time("endTime") - time("startTime")).num_minutes()
        });
        assert_eq!(gains.sum::<i64>(), gained, "{day}");
    }
}

#[tokio::test]
async fn today_grows_with_each_sync_and_the_night_appears_only_after_waking() {
    let options = Options { quota: 100_000, access_token_life: TimeDelta::days(2), ..Options::default() };
    let world = World::with(options, "2026-11-18T23:30:00Z".parse().unwrap());
    for date in ["2026-11-18", "2026-11-19"] {
        world.simulator.change(0, Change::Worn { date: date.parse().unwrap(), worn: true }).unwrap();
    }
    let (mut before, mut seen) = (0, Vec::new());
    for _ in 0..22 {
        world.clock.advance(TimeDelta::hours(1));
        let steps = world.ok("/fitbit/1/user/-/activities/steps/date/2026-11-19/1d.json").await;
        let steps = texts_summed(&steps["activities-steps"]) as u64;
        assert!(steps >= before);
        before = steps;
        let nights = world.ok("/fitbit/1.2/user/-/sleep/date/2026-11-19.json").await["sleep"].as_array().unwrap().len();
        let variability = world.ok("/fitbit/1/user/-/hrv/date/2026-11-19.json").await["hrv"].as_array().unwrap().len();
        let heart = world.ok("/fitbit/1/user/-/activities/heart/date/2026-11-19/1d.json").await;
        let resting = heart["activities-heart"][0]["value"].get("restingHeartRate").is_some();
        let state = (nights > 0, variability > 0, resting);
        if seen.last() != Some(&state) {
            seen.push(state);
        }
    }
    assert!(before > 2000);
    assert_eq!(seen.first(), Some(&(false, false, false)));
    assert_eq!(seen.last(), Some(&(true, true, true)));
    // Heart-rate variability never before the night itself, the resting heart rate last of all.
    assert!(seen.windows(2).all(|pair| pair[0] <= pair[1]), "{seen:?}");
}

#[tokio::test]
async fn an_unworn_day_looks_as_the_service_shows_it() {
    let world = World::new();
    let date: NaiveDate = "2026-11-18".parse().unwrap();
    world.simulator.change(0, Change::Worn { date, worn: false }).unwrap();
    let of = |resource: &str| format!("/fitbit/1/user/-/activities/{resource}/date/{date}/1d.json");
    for (resource, value) in [("steps", "0"), ("distance", "0"), ("floors", "0"), ("minutesSedentary", "1440")] {
        let body = world.ok(&of(resource)).await;
        assert_eq!(body[format!("activities-{resource}")], json!([{"dateTime": "2026-11-18", "value": value}]));
    }
    let calories = texts_summed(&world.ok(&of("calories")).await["activities-calories"]);
    let basal = texts_summed(&world.ok(&of("caloriesBMR")).await["activities-caloriesBMR"]);
    assert!(calories > 1000.0 && calories == basal, "{calories} {basal}");
    let heart = world.ok(&of("heart")).await["activities-heart"][0]["value"].clone();
    assert!(heart.get("restingHeartRate").is_none());
    assert!(heart["heartRateZones"][0].get("minutes").is_none());
    let zones = world.ok(&of("active-zone-minutes")).await;
    assert_eq!(zones, json!({"activities-active-zone-minutes": [{"dateTime": "2026-11-18"}]}));
    let sleep = world.ok("/fitbit/1.2/user/-/sleep/date/2026-11-18.json").await;
    let summary = json!({"totalMinutesAsleep": 0, "totalSleepRecords": 0, "totalTimeInBed": 0});
    assert_eq!(sleep, json!({"sleep": [], "summary": summary}));
    for (path, empty) in [
        ("hrv", json!({"hrv": []})),
        ("br", json!({"br": []})),
        ("temp/skin", json!({"tempSkin": []})),
        ("cardioscore", json!({"cardioScore": []})),
        ("spo2", json!({})),
    ] {
        assert_eq!(world.ok(&format!("/fitbit/1/user/-/{path}/date/{date}.json")).await, empty);
    }
    assert_eq!(world.ok(&format!("/fitbit/1/user/-/spo2/date/{date}/{date}.json")).await, json!([]));
}

#[tokio::test]
async fn what_a_test_changes_is_what_is_answered() {
    let world = World::new();
    for (date, steps) in [("2026-11-20", 8211), ("2026-11-13", 0), ("2025-02-03", 31_415)] {
        world.simulator.change(0, Change::Steps { date: date.parse().unwrap(), steps }).unwrap();
        let series = world.ok(&format!("/fitbit/1/user/-/activities/steps/date/{date}/1d.json")).await;
        assert_eq!(series["activities-steps"][0]["value"], steps.to_string());
    }
    let at: DateTime<chrono::Utc> = "2026-11-20T06:12:00Z".parse().unwrap();
    world.simulator.change(0, Change::WeighIn { at, kilograms: 72.4, fat: Some(19.3) }).unwrap();
    let log = world.ok("/fitbit/1/user/-/body/log/weight/date/2026-11-20.json").await;
    let entry = log["weight"].as_array().unwrap().iter().find(|entry| entry["time"] == "07:12:00").unwrap();
    assert_eq!((&entry["weight"], &entry["fat"], &entry["source"]), (&json!(72.4), &json!(19.3), &json!("Aria")));

    let synced = async || world.ok("/fitbit/1/user/-/devices.json").await[0]["lastSyncTime"].clone();
    world.simulator.change(0, Change::StopSync).unwrap();
    let (last, steps) = (synced().await, world.ok("/fitbit/1/user/-/activities/steps/date/2026-11-20/1d.json").await);
    world.clock.advance(TimeDelta::hours(5));
    assert_eq!(synced().await, last);
    assert_eq!(world.ok("/fitbit/1/user/-/activities/steps/date/2026-11-20/1d.json").await, steps);
    world.simulator.change(0, Change::ResumeSync).unwrap();
    assert_eq!(synced().await, "2026-11-20T17:40:00.000");
}

#[tokio::test]
async fn pages_hold_every_entry_exactly_once() {
    let world = World::new();
    let all = world.ok("/fitbit/1/user/-/activities/list.json?afterDate=2026-06-01&sort=asc&limit=100&offset=0").await;
    let all: Vec<Json> = all["activities"].as_array().unwrap().clone();
    assert!(all.len() > 40, "{} workouts", all.len());
    for (first, backwards) in
        [("afterDate=2026-06-01&sort=asc", false), ("beforeDate=2026-11-21T00:00:00&sort=desc", true)]
    {
        let mut path = format!("/fitbit/1/user/-/activities/list.json?{first}&limit=7&offset=0");
        let mut walked = Vec::new();
        while walked.len() < all.len() {
            let page = world.ok(&path).await;
            walked.extend(page["activities"].as_array().unwrap().clone());
            let next = page["pagination"]["next"].as_str().unwrap();
            match next.strip_prefix("http://127.0.0.1:9334") {
                Some(next) => path = next.to_owned(),
                None => break,
            }
        }
        walked.truncate(all.len());
        if backwards {
            walked.reverse();
        }
        assert_eq!(walked, all);
    }
    let starts: Vec<&str> = all.iter().map(|workout| workout["startTime"].as_str().unwrap()).collect();
    assert!(starts.iter().all(|start| DateTime::parse_from_rfc3339(start).is_ok() && start.contains('+')));
}
