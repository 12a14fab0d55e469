//! Values within a day: when they are asked for and in which words, what of them is kept, and what is published.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use fitbit2mqtt::metric::{self, INTRADAY};
use fitbit2mqtt::plan::{Intraday, Known, Plan, past, plan};
use fitbit2mqtt::reading::Resolution;
use fitbit2mqtt::store::{Selection, Store, Stored};
use fitbit2mqtt::upstream::Upstream;
use fitbit2mqtt::upstream::endpoint::Span;
use fitbit2mqtt::upstream::fitbit::FITBIT;
use fitbit2mqtt::upstream::google_health::GOOGLE_HEALTH;
use serde_json::{Value as Json, json};

use crate::planning::{Query, day, fresh, wanted};
use crate::world::{World, person};

/// Where there are values within a day.
const WITH_TRACKERS: [&Upstream; 2] = [&GOOGLE_HEALTH, &FITBIT];

/// Someone of whom these are kept.
fn keeping(metrics: &[&str]) -> Known {
    let metrics = metrics.iter().map(|key| (*key).to_owned()).collect();
    Known { intraday: Intraday { metrics, detail: Resolution::MINUTE }, ..fresh(None) }
}

fn planned(upstream: &'static Upstream, query: Query) -> Plan {
    plan(upstream, &wanted(query), &keeping(&[])).unwrap_or_else(|refusal| panic!("{query:?}: {refusal}"))
}

#[test]
fn a_day_is_asked_for_at_its_level_of_detail_and_for_its_hours() {
    let paths =
        |query: Query| -> Vec<String> { planned(&FITBIT, query).asks.into_iter().map(|ask| ask.path).collect() };
    let activity = "get_intraday_activity_by_date";
    assert_eq!(
        paths(&[("methods", activity), ("date", "2026-11-19"), ("detail_level", "5min")]),
        ["calories", "distance", "steps"]
            .map(|what| format!("/1/user/-/activities/{what}/date/2026-11-19/1d/5min.json"))
    );
    let heart = ("methods", "get_intraday_heart_rate_by_date");
    assert_eq!(paths(&[heart]), ["/1/user/-/activities/heart/date/2026-11-20/1d/1min.json"], "today, by default");
    assert_eq!(
        paths(&[heart, ("base_date", "2026-11-18"), ("end_date", "2026-11-19"), ("detail_level", "15min")]),
        ["19", "18"].map(|day| format!("/1/user/-/activities/heart/date/2026-11-{day}/1d/15min.json"))
    );
    let series = ("methods", "intraday_time_series");
    let hours = [("start_time", "08:00"), ("end_time", "08:30")];
    let query = [&[series, ("resource", "activities/heart"), ("detail_level", "1sec")][..], &hours].concat();
    assert_eq!(paths(&query), ["/1/user/-/activities/heart/date/2026-11-20/1d/1sec/time/08:00/08:30.json"]);
    let finest = [series, ("resource", "activities/steps"), ("detail_level", "1sec")];
    assert_eq!(paths(&finest), ["/1/user/-/activities/steps/date/2026-11-20/1d/1min.json"], "steps have no seconds");
    let minutes = [series, ("resource", "activities/active-zone-minutes"), ("base_date", "2026-11-19")];
    assert_eq!(paths(&minutes), ["/1/user/-/activities/active-zone-minutes/date/2026-11-19/1d/1min.json"]);
}

#[test]
fn google_is_asked_for_windows_between_the_midnights_of_the_person() {
    let body = |query: Query| planned(&GOOGLE_HEALTH, query).asks[0].body.clone().unwrap();
    let heart = ("methods", "get_intraday_heart_rate_by_date");
    let windows = |from: &str, to: &str, size: &str| json!({"range": {"startTime": from, "endTime": to}, "windowSize": size, "pageSize": 10_000});
    assert_eq!(body(&[heart, ("date", "2026-11-19")]), windows("2026-11-18T23:00:00Z", "2026-11-19T23:00:00Z", "60s"));
    // Twenty-five hours, and twenty-three.
    assert_eq!(
        body(&[heart, ("date", "2026-10-25"), ("detail_level", "1sec")]),
        windows("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "1s")
    );
    assert_eq!(
        body(&[heart, ("date", "2026-03-29"), ("detail_level", "15min")]),
        windows("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "900s")
    );
    let series = ("methods", "intraday_time_series");
    let hours = [series, ("resource", "activities/steps"), ("start_time", "08:00"), ("end_time", "08:29")];
    assert_eq!(body(&hours), windows("2026-11-20T07:00:00Z", "2026-11-20T07:30:00Z", "60s"));
    let path = &planned(&GOOGLE_HEALTH, &hours).asks[0].path;
    assert_eq!(path, "/v4/users/me/dataTypes/steps/dataPoints:rollUp");
    let week = planned(&GOOGLE_HEALTH, &[heart, ("period", "7d")]);
    let lengths: Vec<i64> = week.asks.iter().map(|ask| (ask.end - ask.start).num_days() + 1).collect();
    assert_eq!(lengths, [6, 1], "six days of minutes fit on a page");
}

#[test]
fn what_cannot_be_asked_within_a_day_is_refused_with_what_can() {
    let series = ("methods", "intraday_time_series");
    let steps = ("resource", "activities/steps");
    for (query, said) in [
        (vec![series], &["resource", "activities/steps"][..]),
        (vec![series, ("resource", "sleep")], &["sleep", "activities/heart"]),
        (vec![series, steps, ("detail_level", "2min")], &["detail_level", "1sec", "15min"]),
        (vec![series, steps, ("start_time", "08:00")], &["start_time", "end_time", "both"]),
        (vec![series, steps, ("start_time", "8:00"), ("end_time", "09:00")], &["start_time", "08:30"]),
        (vec![series, steps, ("start_time", "24:00"), ("end_time", "09:00")], &["start_time", "08:30"]),
        (vec![series, steps, ("start_time", "09:00"), ("end_time", "08:00")], &["reversed"]),
        (
            vec![
                ("methods", "get_intraday_heart_rate_by_date"),
                ("period", "7d"),
                ("start_time", "08:00"),
                ("end_time", "09:00"),
            ],
            &["single day"],
        ),
    ] {
        for upstream in WITH_TRACKERS {
            let refusal = plan(upstream, &wanted(&query), &keeping(&[])).expect_err("refused").to_string();
            for word in said {
                assert!(refusal.contains(word), "{query:?} at {}: {refusal}", upstream.provider);
            }
        }
    }
}

#[test]
fn samples_come_along_only_where_they_are_kept() {
    for upstream in WITH_TRACKERS {
        let sampled = |metrics: &[&str], query: Query| -> Vec<&'static str> {
            let plan = plan(upstream, &wanted(query), &keeping(metrics)).unwrap();
            let within = plan.asks.iter().filter(|ask| matches!(ask.endpoint.span, Span::Intraday(_)));
            within.flat_map(|ask| ask.endpoint.gives()).collect()
        };
        assert_eq!(sampled(&[], &[]), [""; 0], "{}", upstream.provider);
        let mut two = sampled(&["heart-rate", "hrv"], &[]);
        two.dedup();
        two.sort_unstable();
        assert_eq!(two, ["heart-rate", "hrv"], "{}", upstream.provider);
        assert_eq!(sampled(&["steps"], &[("period", "30d")]), [""; 0], "a range is of the values of days");
    }
}

#[test]
fn a_year_of_minutes_takes_a_request_a_day_or_for_six() {
    let sampled = |upstream: &'static Upstream| {
        let known = keeping(&["heart-rate", "steps"]);
        let asks = past(upstream, (day("2025-11-20"), day("2026-11-19")), &[], &known);
        asks.iter().filter(|ask| matches!(ask.endpoint.span, Span::Intraday(_))).count()
    };
    let requests = (sampled(&FITBIT), sampled(&GOOGLE_HEALTH));
    println!("a year of one-minute heart rate and steps: {} requests at Fitbit, {} at Google", requests.0, requests.1);
    assert_eq!(requests, (730, 122));
}

#[test]
fn every_metric_with_samples_can_be_chosen_and_every_choice_has_some() {
    for upstream in WITH_TRACKERS {
        let rows = upstream.endpoints.iter().filter(|row| matches!(row.span, Span::Intraday(_)));
        let gives: Vec<&str> = rows
            .flat_map(|row| row.gives())
            .filter(|key| !key.ends_with("-zone-minutes") || *key == "active-zone-minutes")
            .collect();
        let chosen = INTRADAY.iter().filter(|key| !["breathing-rate", "sleep-level"].contains(key));
        let (mut gives, mut chosen): (Vec<&str>, Vec<&str>) = (gives, chosen.copied().collect());
        gives.sort_unstable();
        chosen.sort_unstable();
        assert_eq!(gives, chosen, "{}", upstream.provider);
        let others = upstream.endpoints.iter().flat_map(|row| row.gives());
        let others: Vec<&str> = others.collect();
        assert!(["breathing-rate", "sleep-level"].iter().all(|key| others.contains(key)), "{}", upstream.provider);
    }
}

/// What the store holds of a person's metric, samples included.
async fn kept(world: &World, name: &str, key: &str) -> Vec<Stored> {
    let store = Store::open(&world.data_dir().join("fitbit2mqtt.db")).await.unwrap();
    let metrics = [metric::find(key).unwrap()];
    let selection = Selection { from: day("2026-10-01"), to: day("2026-11-20"), metrics: &metrics, intraday: true };
    store.history(&person(name), &selection, None, 100_000).await.unwrap().readings
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_heart_rate_is_published_and_every_minute_is_kept_as_each_person_wants() {
    let mut world = World::connected().await;
    world.more = "history.intraday = [\"heart-rate\", \"calories\"]\n".into();
    // Ben keeps something else, and less closely.
    world.plugindata().save(&person("ben"), |edit| edit.set("intraday", "steps")).unwrap();
    world.plugindata().save(&person("ben"), |edit| edit.set("detail_level", "15min")).unwrap();
    world.start().await;
    world.fetched().await;
    let known = world.cloud.known(0).unwrap();
    let lived = known.person.day(known.today());
    let minutes = 0..known.minutes_synced(known.today());
    let beats: Vec<f64> = minutes.map(|minute| f64::from(lived.heart[minute])).filter(|beats| *beats > 0.0).collect();
    let samples = kept(&world, "anna", "heart-rate").await;
    let today: Vec<&Stored> = samples.iter().filter(|stored| stored.reading.at.date() == known.today()).collect();
    let values: Vec<f64> = today.iter().map(|stored| stored.reading.value.number().unwrap()).collect();
    assert!(beats.len() > 300 && values == beats, "{} minutes lived, {} kept", beats.len(), values.len());
    assert!(samples.iter().all(|stored| stored.reading.resolution == Some(Resolution::MINUTE)));
    let newest = samples.last().unwrap();
    let retained = world.retained().await;
    assert_eq!(retained["sensors/fitbit/anna/heart-rate"], newest.reading.value.to_string());
    let all: Json = serde_json::from_str(&retained["sensors/fitbit/anna"]).unwrap();
    assert_eq!(all["heart-rate"]["dateTime"], json!(newest.reading.at));
    // A sample is no total of a day, and its minute is not the newest value of that.
    let calories = kept(&world, "anna", "calories").await;
    assert!(calories.iter().any(|stored| stored.reading.resolution.is_some()));
    assert!(all["calories"]["value"].as_f64().unwrap() > 500.0, "{}", all["calories"]);
    assert!(!retained.contains_key("sensors/fitbit/anna/sleep-level"), "kept only");

    assert!(
        kept(&world, "ben", "heart-rate").await.is_empty() && !retained.contains_key("sensors/fitbit/ben/heart-rate")
    );
    let steps = kept(&world, "ben", "steps").await;
    let quarters: Vec<&Stored> = steps.iter().filter(|stored| stored.reading.resolution.is_some()).collect();
    assert!(quarters.len() > 10);
    assert!(quarters.iter().all(|stored| stored.reading.resolution == Some(Resolution::QUARTER_HOUR)));
    assert!(quarters.iter().all(|stored| stored.reading.value.number() > Some(0.0)), "no steps are no sample");
}

#[tokio::test(flavor = "multi_thread")]
async fn workouts_are_kept_whole_and_published_by_the_fields_that_are_named() {
    let world = World::running().await;
    let answer = world.fetch("anna", "&methods=workouts&period=30d").await.json();
    let workouts = kept(&world, "anna", "last-workout").await;
    assert!(workouts.len() > 5);
    let known = world.cloud.known(0).unwrap();
    let lived: usize = (0..30).map(|back| known.workouts(known.today() - chrono::TimeDelta::days(back)).len()).sum();
    assert_eq!(workouts.iter().filter(|stored| stored.reading.at.date() >= day("2026-10-22")).count(), lived);
    for stored in &workouts {
        let whole = &stored.reading.beside["whole"];
        for field in ["activityTypeId", "lastModified", "logType", "originalStartTime", "heartRateZones", "source"] {
            assert!(!whole[field].is_null(), "{field} is missing: {whole}");
        }
        assert_eq!(whole["logId"], stored.reading.beside["logId"]);
    }
    let published: Json = serde_json::from_str(&world.retained().await["sensors/fitbit/anna"]).unwrap();
    for shown in [&published["last-workout"], &answer["metrics"]["last-workout"], &answer["series"]["last-workout"][0]]
    {
        let fields: Vec<&String> = shown.as_object().unwrap().keys().collect();
        assert!(shown["logId"].is_u64() && shown["name"].is_string(), "{fields:?}");
        assert!(shown["whole"].is_null() && shown["lastModified"].is_null(), "{fields:?}");
    }
}
