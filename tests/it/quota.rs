//! Quota: the upstream's headers and our own count, kept across restarts and processes; a stop before the limit; and a
//! refusal that parks one person until the reset.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::simulator::{Client, Effect, Exhausted, Fault, Options};
use serde_json::{Value as Json, json};

use crate::world::{QUARTER, World, at};

fn start() -> Clock {
    Clock::paced(at("2026-11-20T15:00:00Z"), 1.0)
}

fn fault(path: &str, times: Option<u32>, effect: Effect) -> Fault {
    Fault { path: path.into(), person: Some(0), times, effect }
}

/// How often the person of this index was asked for.
fn asked(world: &World, person: usize) -> usize {
    world.cloud.requests().iter().filter(|asked| asked.person == Some(person)).count()
}

/// The quota topic of a person.
async fn published(world: &World, name: &str) -> Json {
    serde_json::from_str(&world.retained().await[&format!("fitbit2mqtt/user/{name}/quota")]).unwrap()
}

/// A household in which Anna's actions ask for little.
async fn modest(options: Options, clock: Clock) -> World {
    let world = World::with(options, clock).await;
    world.register();
    for index in 0..2 {
        world.connect(index);
    }
    let file = world.person_file("anna");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("methods = \"get_devices\"\n{text}")).unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstreams_word_is_heard_on_every_answer_and_published_with_the_calls_of_today() {
    let world = World::running().await;
    let answer = world.fetch("anna", "&methods=get_devices,get_sleep").await.json();
    let left = 150 - asked(&world, 0);
    assert_eq!((&answer["quota"]["limit"], &answer["quota"]["remaining"]), (&json!(150), &json!(left)));
    let quota = published(&world, "anna").await;
    assert_eq!((&quota["limit"], &quota["remaining"]), (&json!(150), &json!(left)));
    assert!((at(quota["reset"].as_str().unwrap()) - at("2026-11-20T16:00:00Z")).num_seconds().abs() <= 1);
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for (path, name) in [("/devices", "devices"), ("/sleep/date", "sleep"), ("/profile", "profile"), ("/hrv/", "hrv")] {
        let asked = world.cloud.requests();
        counted.insert(name, asked.iter().filter(|a| a.person == Some(0) && a.path.contains(path)).count());
    }
    for (name, count) in counted {
        assert_eq!(quota["calls"][name], count, "{name}");
    }
    let calls: u64 = quota["calls"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(calls as usize, asked(&world, 0));
    // Somebody else uses the same application: their requests count, too.
    let grant = world.cloud.grant(&Client::confidential().id, 0, &["settings"]).unwrap();
    let devices = format!("{}/fitbit/1/user/-/devices.json", world.cloud_url);
    for _ in 0..5 {
        assert_eq!(world.send(world.http.get(&devices).bearer_auth(&grant.access_token)).await.status, 200);
    }
    let after = world.fetch("anna", "&methods=get_sleep").await.json();
    assert_eq!(after["quota"]["remaining"], left - 6);
    // A new day counts anew, and a window that has ended is full again.
    world.clock.advance(TimeDelta::hours(24));
    world.fetch("anna", "&methods=get_devices").await;
    let tomorrow = published(&world, "anna").await;
    assert!(tomorrow["remaining"].as_u64().unwrap() > 100, "{tomorrow}");
    assert_eq!(tomorrow["calls"].get("hrv"), None, "{tomorrow}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_word_from_the_upstream_our_own_count_holds_across_a_restart_and_between_processes() {
    let mut world = modest(Options::default(), Clock::system()).await;
    // These answers carry no quota headers, so that only our own count can stop it.
    world.cloud.fault(fault("/1/", None, Effect::answer(200, &json!([]))));
    world.start().await;
    world.fetched().await;
    for _ in 0..40 {
        assert_eq!(world.fetch("anna", "").await.status, 200);
    }
    let before = asked(&world, 0);
    world.stop().await;
    world.start().await;
    // Other processes beside it, two at a time.
    for _ in 0..3 {
        // Both are made before either starts, for each making writes the configuration.
        let command = || world.program("127.0.0.1:0", &["fetch", "anna", "--methods", "get_devices"]);
        let both = [command(), command()].map(|mut command| command.spawn().unwrap());
        for program in both {
            let output = tokio::task::block_in_place(|| program.wait_with_output()).unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    assert!(asked(&world, 0) >= before + 6);
    let mut spent = None;
    for _ in 0..400 {
        let answer = world.fetch("anna", "").await;
        if answer.status != 200 {
            spent = Some(answer);
            break;
        }
    }
    let answer = spent.expect("it stops");
    assert_eq!(answer.status, 429, "{}", answer.body);
    let mut windows: BTreeMap<DateTime<Utc>, usize> = BTreeMap::new();
    for asked in world.cloud.requests().iter().filter(|asked| asked.person == Some(0)) {
        *windows.entry(asked.at.duration_trunc(TimeDelta::hours(1)).unwrap()).or_default() += 1;
    }
    assert_eq!(windows.values().last(), Some(&150), "all of it, and never one more: {windows:?}");
    assert!(windows.values().all(|count| *count <= 150), "{windows:?}");
    assert_eq!(world.fetch("ben", "&methods=get_devices").await.status, 200, "the other's window is their own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_stops_before_the_limit_tells_what_it_did_not_ask_and_goes_on_after_the_reset() {
    let mut world = World::with(Options { quota: 10, ..Options::default() }, start()).await;
    world.interval = QUARTER;
    world.register();
    world.connect(0);
    world.start().await;
    let quota = "fitbit2mqtt/user/anna/quota";
    world.await_topic(quota, |quota| quota.contains("\"remaining\":0")).await;
    assert_eq!(asked(&world, 0), 10);
    let retained = world.retained().await;
    assert!(retained.contains_key("sensors/fitbit/anna/body-weight"), "what was asked first is there");
    assert!(!retained.contains_key("sensors/fitbit/anna/water"));
    let status: Json = serde_json::from_str(&retained["fitbit2mqtt/user/anna/status"]).unwrap();
    assert_eq!((&status["alive"], &status["error"]), (&json!(true), &Json::Null), "something worked");
    let refused = world.fetch("anna", "").await;
    assert_eq!(refused.status, 429, "{}", refused.body);
    let seconds: i64 = refused.header("Retry-After").parse().unwrap();
    let left = (at("2026-11-20T16:00:00Z") - world.clock.now()).num_seconds();
    assert!((seconds - left).abs() <= 5, "{seconds} instead of {left}");
    assert!(refused.json()["error"].as_str().unwrap().contains("2026-11-20T16:00:0"), "{}", refused.body);
    // The next window goes on, with at most what it allows.
    world.clock.advance(TimeDelta::minutes(61));
    world.until("the action has asked again", async |world| asked(world, 0) > 10).await;
    world.await_topic(quota, |quota| quota.contains("T17:00:0") && quota.contains("\"remaining\":0")).await;
    assert_eq!(asked(&world, 0), 20);
    assert!(world.cloud.requests().iter().all(|asked| asked.status == 200), "the cloud never had to refuse");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_in_any_of_its_bodies_parks_that_person_only_until_the_reset() {
    let mut world = modest(Options::default(), start()).await;
    world.start().await;
    world.fetched().await;
    for body in [Exhausted::System, Exhausted::Request, Exhausted::Google] {
        for retry_after in [None, Some(300)] {
            let case = format!("{body:?}, Retry-After {retry_after:?}");
            world.cloud.fault(fault("/devices", Some(1), Effect::Exhausted { body, retry_after }));
            world.cloud.forget_requests();
            let refused = world.fetch("anna", "").await;
            assert_eq!(refused.status, 429, "{case}: {}", refused.body);
            assert_eq!(asked(&world, 0), 1, "{case}");
            let quota = published(&world, "anna").await;
            assert_eq!(quota["remaining"], 0, "{case}");
            let now = world.clock.now();
            let reset = at(quota["reset"].as_str().unwrap());
            let expected = match retry_after {
                Some(seconds) => now + TimeDelta::seconds(seconds.into()),
                // Without a word about it: some minutes after the full hour.
                None => now.duration_trunc(TimeDelta::hours(1)).unwrap() + TimeDelta::minutes(65),
            };
            assert!((reset - expected).num_seconds().abs() <= 5, "{case}: {reset} instead of {expected}");
            let told: i64 = refused.header("Retry-After").parse().unwrap();
            assert!((told - (reset - now).num_seconds()).abs() <= 5, "{case}: {told}");
            let status: Json = serde_json::from_str(&world.retained().await["fitbit2mqtt/user/anna/status"]).unwrap();
            assert!(status["error"].as_str().unwrap().contains("quota"), "{case}: {status}");

            assert_eq!(world.fetch("anna", "&methods=get_sleep").await.status, 429, "{case}");
            assert_eq!(asked(&world, 0), 1, "{case}: parked, nothing is asked");
            assert_eq!(world.fetch("ben", "&methods=get_devices").await.status, 200, "{case}");
            world.clock.advance(reset - now + TimeDelta::seconds(1));
            assert_eq!(world.fetch("anna", "").await.status, 200, "{case}: resumed");
            assert_eq!(world.fetch("anna", "").await.json()["quota"]["limit"], 150, "{case}");
        }
    }
}
