//! What a fetch asks: what can have changed, and nothing twice; counted at the cloud, with the figures printed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::Arc;

use chrono::TimeDelta;
use fitbit2mqtt::backfill::Backfill;
use fitbit2mqtt::bridge::{self, Parts};
use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::config::Config;
use fitbit2mqtt::metric;
use fitbit2mqtt::plan::Past;
use fitbit2mqtt::quota::{Lane, Quota};
use fitbit2mqtt::simulator::{Change, Client, Effect, Fault, Options};
use fitbit2mqtt::store::{Selection, Store, Stored};
use fitbit2mqtt::upstream::Upstream;
use fitbit2mqtt::upstream::fitbit::FITBIT;
use fitbit2mqtt::upstream::google_health::GOOGLE_HEALTH;
use fitbit2mqtt::web::entrypoint::read_fetch;
use serde_json::{Value as Json, json};

use crate::world::{World, at, person};

/// Anna at one upstream, on an empty store; fetches are made as the entry point makes them, and no action runs beside.
struct Anna {
    world: World,
    parts: Parts,
}

impl Anna {
    async fn at(upstream: &Upstream, more: &str) -> Anna {
        Anna::with(upstream, more, Options::default()).await
    }

    async fn with(upstream: &Upstream, more: &str, options: Options) -> Anna {
        let speed = if upstream.limits.spacing_milliseconds > 0 { 20.0 } else { 1.0 };
        let mut world = World::with(options, Clock::paced(at("2026-11-20T15:00:00Z"), speed)).await;
        world.more = more.into();
        let client = if upstream.provider == "fitbit" { Client::confidential() } else { Client::google() };
        let application = world.plugindata().save_application(|edit| {
            edit.default_provider(upstream.provider)?;
            edit.client_id(upstream.provider, &client.id)?;
            edit.client_secret(upstream.provider, client.secret.as_deref().unwrap())
        });
        application.unwrap();
        let scopes: Vec<&str> = upstream.scopes.iter().map(|(scope, _)| *scope).collect();
        world.connect_to(&client, 0, &scopes);
        let text = world.configuration("127.0.0.1:0");
        let config = Config::parse(Some((Path::new("test.toml"), &text)), Vec::<(String, String)>::new()).unwrap();
        let store = bridge::store(&config).await.unwrap();
        let parts = Parts::new(&config, world.clock.clone(), store, Vec::new()).unwrap();
        Anna { world, parts }
    }

    /// The answer to a query, and what was asked for it.
    async fn fetch(&self, query: &[(&str, &str)]) -> (Json, Vec<String>) {
        self.world.cloud.forget_requests();
        let mut parameters = vec![("user".to_owned(), "anna".to_owned())];
        parameters.extend(query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let (whom, wanted) = read_fetch(&parameters).unwrap();
        let person = whom.person().unwrap().clone();
        let outcome = self.parts.fetcher.fetch(&person, &wanted).await.unwrap();
        let asked: Vec<String> = self.asked();
        assert_eq!(outcome.json()["calls"], asked.len(), "{asked:?}");
        (outcome.json().clone(), asked)
    }

    fn asked(&self) -> Vec<String> {
        let requests = self.world.cloud.requests().into_iter().filter(|asked| asked.person == Some(0));
        let data = requests
            .filter(|asked| !asked.path.ends_with("/token"))
            .inspect(|asked| assert!(asked.status < 400, "{asked:?}"));
        data.map(|asked| asked.path).collect()
    }

    /// What is kept of her steps of these days.
    async fn steps(&self, from: &str, to: &str) -> Vec<Stored> {
        let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
        let steps = [metric::find("steps").unwrap()];
        let selection = Selection { from, to, metrics: &steps, intraday: false };
        self.parts.household.store.history(&person("anna"), &selection, None, 1000).await.unwrap().readings
    }

    fn later(&self, minutes: i64) {
        self.world.clock.advance(TimeDelta::minutes(minutes));
    }

    fn stop_sync(&self) {
        self.world.cloud.change(0, Change::StopSync).unwrap();
    }
}

/// The devices of both upstreams.
fn is_devices(path: &str) -> bool {
    path.ends_with("/devices.json") || path.ends_with("/pairedDevices")
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_days_of_the_fifteen_families_are_at_most_fifteen_requests() {
    let anna = Anna::at(&FITBIT, "").await;
    let methods = "heart,get_bodyweight,oxygen,zones,fitness,activities_list,hrv,breathing,\
                   get_temperature_skin_by_interval,sleep,user_profile_get";
    let mut asked = anna.fetch(&[("methods", methods), ("period", "30d")]).await.1;
    for resource in ["steps", "calories", "distance", "floors"] {
        let resource = format!("activities/{resource}");
        asked.extend(anna.fetch(&[("methods", "time_series"), ("resource", &resource), ("period", "30d")]).await.1);
    }
    println!("thirty days of the fifteen families: {} requests", asked.len());
    assert!(asked.len() <= 15, "{asked:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_days_of_every_metric_are_at_most_thirty_requests_and_again_at_once_at_most_three() {
    let anna = Anna::at(&FITBIT, "").await;
    let (first, mut asked) = anna.fetch(&[("period", "30d")]).await;
    asked.extend(anna.fetch(&[("methods", "get_intraday_heart_rate_by_date")]).await.1);
    println!("thirty days of every metric: {} requests", asked.len());
    assert!(asked.len() <= 30, "{asked:#?}");
    let (second, again) = anna.fetch(&[("period", "30d")]).await;
    println!("the same again at once: {} requests", again.len());
    assert!(again.len() <= 3, "{again:#?}");
    // What was not asked again is answered all the same.
    assert!(first["series"]["steps"].as_array().unwrap().len() > 20, "{}", first["series"]["steps"]);
    for key in ["steps", "hrv", "sleep-minutes", "resting-heart-rate", "body-weight"] {
        assert_eq!(second["series"][key], first["series"][key], "{key}");
        assert_eq!(second["metrics"][key], first["metrics"][key], "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_again_at_once_is_at_most_three_requests_and_an_idle_interval_is_one() {
    for upstream in [&FITBIT, &GOOGLE_HEALTH] {
        let anna = Anna::at(upstream, "").await;
        anna.stop_sync();
        // The sync is over an hour and a half old, so that nothing of it can still come late.
        anna.later(100);
        let first = anna.fetch(&[]).await;
        let again = anna.fetch(&[]).await;
        println!("{}: {} requests, again at once {}", upstream.provider, first.1.len(), again.1.len());
        assert!(again.1.len() <= 3, "{:#?}", again.1);
        assert_eq!(again.0["metrics"], first.0["metrics"], "{}", upstream.provider);
        for _ in 0..3 {
            anna.later(15);
            let (answer, idle) = anna.fetch(&[]).await;
            assert_eq!(idle.len(), 1, "{idle:#?}");
            assert!(is_devices(&idle[0]), "{idle:#?}");
            assert_eq!(answer["failed"], json!([]));
        }
        println!("{}: idle within the hour: 1 request", upstream.provider);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_is_asked_after_at_once_and_once_more_when_late_values_are_there() {
    let anna = Anna::at(&FITBIT, "").await;
    anna.fetch(&[]).await;
    anna.stop_sync();
    anna.later(100);
    let hrv = |asked: &[String]| asked.iter().any(|path| path.contains("/hrv/"));
    anna.fetch(&[]).await;
    assert!(!hrv(&anna.fetch(&[]).await.1));
    anna.world.cloud.change(0, Change::ResumeSync).unwrap();
    anna.stop_sync();
    assert!(hrv(&anna.fetch(&[]).await.1), "at once");
    for minutes in [15, 30, 45, 60, 75] {
        anna.later(15);
        assert!(!hrv(&anna.fetch(&[]).await.1), "not {minutes} minutes after the sync");
    }
    anna.later(16);
    assert!(hrv(&anna.fetch(&[]).await.1), "once more");
    anna.later(15);
    assert!(!hrv(&anna.fetch(&[]).await.1), "and then no more");
    // A new civil day, and six hours.
    anna.later(6 * 60);
    assert!(hrv(&anna.fetch(&[]).await.1), "a new day");
    anna.later(5 * 60);
    assert!(!hrv(&anna.fetch(&[]).await.1));
    anna.later(61);
    assert!(hrv(&anna.fetch(&[]).await.1), "everything, though no device has synced");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_no_tracker_is_asked_every_hour_and_what_is_named_or_forced_always() {
    let anna = Anna::at(&FITBIT, "history.full_fetch_every = 86400").await;
    anna.stop_sync();
    anna.later(100);
    anna.fetch(&[]).await;
    for round in 0..2 {
        anna.later(45);
        assert_eq!(anna.fetch(&[]).await.1.len(), 1, "round {round}");
        anna.later(15);
        let asked = anna.fetch(&[]).await.1;
        for part in ["/log/weight/", "/log/fat/", "/caloriesIn/", "/log/water/", "/activities/list"] {
            assert_eq!(asked.iter().filter(|path| path.contains(part)).count(), 1, "{part} in {asked:#?}");
        }
        assert!(!asked.iter().any(|path| path.contains("/hrv/") || path.contains("/sleep/")), "{asked:#?}");
    }
    assert_eq!(anna.fetch(&[("methods", "hrv,get_sleep")]).await.1.len(), 2);
    assert_eq!(anna.fetch(&[("methods", "hrv,get_sleep")]).await.1.len(), 2);
    assert!(anna.fetch(&[("force", "true")]).await.1.len() > 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn days_that_are_final_are_not_asked_again_and_those_a_tracker_had_not_brought_are() {
    let anna = Anna::at(&FITBIT, "").await;
    anna.fetch(&[]).await;
    let asked_for = |asked: &[String]| asked.iter().find(|path| path.contains("/hrv/")).cloned().unwrap_or_default();
    anna.later(24 * 60);
    let (_, asked) = anna.fetch(&[]).await;
    assert_eq!(asked_for(&asked), "/1/user/-/hrv/date/2026-11-14/2026-11-21.json", "older days are final");
    let past = || anna.fetch(&[("date", "2026-11-10")]);
    assert!(!past().await.1.iter().any(|path| path.contains("/hrv/")), "what was not asked yet, and nothing else");
    assert_eq!(past().await.1.len(), 1, "of a final day only the devices");
    // Ten days without a sync: when it comes, everything since is open.
    anna.stop_sync();
    for _ in 0..10 {
        anna.later(24 * 60);
        anna.fetch(&[]).await;
    }
    anna.world.cloud.change(0, Change::ResumeSync).unwrap();
    let (_, asked) = anna.fetch(&[]).await;
    assert_eq!(asked_for(&asked), "/1/user/-/hrv/date/2026-11-21/2026-12-01.json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_failed_is_asked_again_and_one_that_is_not_permitted_with_the_next_sync() {
    let anna = Anna::at(&FITBIT, "").await;
    anna.stop_sync();
    anna.later(100);
    let fault = |path: &str, status| Fault {
        path: path.into(),
        person: Some(0),
        times: None,
        effect: Effect::answer(status, &json!({"errors": [{"errorType": "x", "message": "no"}]})),
    };
    anna.world.cloud.fault(fault("/hrv/", 500));
    anna.world.cloud.fault(fault("/spo2/", 403));
    let fetch = async || {
        anna.world.cloud.forget_requests();
        let (whom, wanted) = read_fetch(&[("user".into(), "anna".into())]).unwrap();
        let person = whom.person().unwrap().clone();
        anna.parts.fetcher.fetch(&person, &wanted).await.unwrap();
        let asked = anna.world.cloud.requests();
        let count = |part: &str| asked.iter().filter(|asked| asked.path.contains(part)).count();
        (count("/hrv/"), count("/spo2/"), count("/sleep/"))
    };
    assert_eq!(fetch().await, (3, 1, 1));
    anna.later(15);
    assert_eq!(fetch().await, (3, 0, 0));
    anna.world.cloud.clear_faults();
    anna.later(15);
    assert_eq!(fetch().await, (1, 0, 0));
    anna.later(15);
    assert_eq!(fetch().await, (0, 0, 0));
    anna.world.cloud.change(0, Change::ResumeSync).unwrap();
    assert_eq!(fetch().await, (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_a_fetch_run_side_by_side_within_the_quota() {
    let late =
        || Fault { path: "/user/-/".into(), person: Some(0), times: None, effect: Effect::Delay { milliseconds: 300 } };
    let mut took = Vec::new();
    for parallel in [1, 8] {
        let anna = Anna::at(&FITBIT, &format!("history.parallel = {parallel}")).await;
        anna.world.cloud.fault(late());
        let started = std::time::Instant::now();
        let asked = anna.fetch(&[]).await.1;
        took.push(started.elapsed().as_secs_f64());
        println!("{parallel} side by side: {} requests of 0.3 s in {:.1} s", asked.len(), took[took.len() - 1]);
    }
    assert!(took[1] < took[0] / 2.0, "{took:?}");
    // However many are under way at once, none is sent that the quota has not.
    let anna = Anna::with(&FITBIT, "history.parallel = 16", Options { quota: 10, ..Options::default() }).await;
    anna.world.cloud.fault(late());
    let (answer, asked) = anna.fetch(&[]).await;
    assert_eq!((asked.len(), &answer["quota"]["remaining"]), (10, &json!(0)), "{answer:#}");
    assert!(answer["failed"].as_array().unwrap().iter().all(|failed| failed["reason"].to_string().contains("quota")));
}

#[tokio::test(flavor = "multi_thread")]
async fn background_work_leaves_twenty_requests_of_each_window_and_uses_all_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let clock = Clock::paced(at("2026-11-20T15:10:00Z"), 1.0);
    let (anna, day) = (person("anna"), "2026-11-20".parse().unwrap());
    let store = Store::open(&path).await.unwrap();
    let mut quota = Quota::new(store, clock.clone());
    let mut windows = Vec::new();
    for _ in 0..2 {
        let mut taken = [0, 0];
        // A live fetch of ten now and then, and history all the time; and in the middle of it a new process.
        for turn in 0..400 {
            if turn % 40 == 0 && taken[0] < 30 {
                for _ in 0..10 {
                    taken[0] += usize::from(quota.take(&anna, &FITBIT, "x", day, Lane::Live).await.unwrap().is_ok());
                }
            }
            if turn == 50 {
                quota = Quota::new(Store::open(&path).await.unwrap(), clock.clone());
            }
            let lane = if turn % 2 == 0 { Lane::History } else { Lane::Corrections };
            taken[1] += usize::from(quota.take(&anna, &FITBIT, "x", day, lane).await.unwrap().is_ok());
        }
        windows.push(taken);
        for _ in 0..20 {
            assert!(quota.take(&anna, &FITBIT, "x", day, Lane::Live).await.unwrap().is_ok(), "the reserve is there");
        }
        assert!(quota.take(&anna, &FITBIT, "x", day, Lane::Live).await.unwrap().is_err());
        clock.advance(TimeDelta::hours(1));
    }
    println!("live and background in each window of 150: {windows:?}");
    assert_eq!(windows, [[30, 100], [30, 100]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_comes_from_both_upstreams_alike_and_once() {
    for upstream in [&FITBIT, &GOOGLE_HEALTH] {
        let anna = Anna::at(upstream, "history.intraday = []").await;
        anna.fetch(&[]).await;
        let backfill = Backfill::new(Arc::clone(&anna.parts.household), Arc::clone(&anna.parts.fetcher), 0);
        let past = Past {
            from: Some("2026-09-01".into()),
            to: Some("2026-10-15".into()),
            metrics: ["steps", "sleep-minutes", "hrv", "body-weight"].map(str::to_owned).to_vec(),
        };
        let mut asked = Vec::new();
        for _ in 0..2 {
            anna.world.cloud.forget_requests();
            backfill.order(&person("anna"), &past).await.unwrap();
            backfill.work(&person("anna")).await.unwrap();
            asked.push(anna.asked().len());
        }
        println!("{}: 45 days of four metrics: {} requests, and again {}", upstream.provider, asked[0], asked[1]);
        assert!(asked[0] > 0 && asked[1] == 0, "{asked:?}");
        assert!(anna.steps("2026-09-01", "2026-10-15").await.len() > 35, "{}", upstream.provider);
        let orders = anna.parts.household.store.orders(&person("anna")).await.unwrap();
        assert!(orders.iter().all(|order| order.problem.is_none() && order.ended.is_some()), "{orders:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_week_what_has_come_to_rest_is_looked_at_again_and_corrected() {
    let anna = Anna::at(&FITBIT, "history.intraday = []").await;
    anna.fetch(&[]).await;
    let backfill = Arc::new(Backfill::new(Arc::clone(&anna.parts.household), Arc::clone(&anna.parts.fetcher), 40));
    let running = tokio::spawn(Arc::clone(&backfill).run());
    let store = &anna.parts.household.store;
    let complete = async |last: &str| {
        let orders = store.orders(&person("anna")).await.unwrap();
        orders.iter().any(|order| order.stretch.last.to_string() == last && order.own && order.ended.is_some())
    };
    anna.world.until("the first forty days", async |_| complete("2026-11-19").await).await;
    let first = anna.steps("2026-11-15", "2026-11-15").await;
    assert_eq!(first[0].revision, 1);
    // A day that was told when it could still change, and is too old for a live fetch by then.
    let change = Change::Steps { date: "2026-11-15".parse().unwrap(), steps: 12_345 };
    anna.world.cloud.change(0, change).unwrap();
    anna.later(8 * 24 * 60);
    anna.fetch(&[]).await;
    backfill.wake();
    anna.world.until("a week later", async |_| complete("2026-11-27").await).await;
    let second = anna.steps("2026-11-15", "2026-11-15").await;
    assert_eq!((&second[0].reading.value.to_string()[..], second[0].revision), ("12345", 2), "{second:?}");
    backfill.stop();
    running.await.unwrap();
}
