//! A score of each night from a server that sends one only in its answer about a single day: asked where that is
//! configured, until it has come, and then never again.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use chrono::{NaiveDate, TimeDelta};
use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::plan::{Known, past, plan};
use fitbit2mqtt::simulator::Options;
use fitbit2mqtt::upstream::UPSTREAMS;
use serde_json::Value as Json;

use crate::planning::{fresh, wanted};
use crate::world::{World, at};

/// The paths on which single days of sleep were asked for, in order.
fn asked(world: &World) -> Vec<String> {
    let paths = world.cloud.requests().into_iter().map(|asked| asked.path);
    let mut paths: Vec<_> = paths.filter(|path| is_single(path)).collect();
    paths.sort();
    paths
}

fn is_single(path: &str) -> bool {
    path.split_once("/sleep/date/").is_some_and(|(_, days)| !days.contains('/'))
}

async fn score(world: &World) -> (NaiveDate, Json) {
    let answer = world.fetch("anna", "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut score = answer.json()["metrics"]["sleep-score"].take();
    (score["dateTime"].as_str().unwrap_or_else(|| panic!("{}", answer.body)).parse().unwrap(), score.take())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_score_is_asked_for_until_it_has_come_and_then_never_again() {
    // Two hours after midnight: yesterday's night has its score, this one is under way.
    let options = Options { sleep_score: true, people: 1, ..Options::default() };
    let mut world = World::with(options, Clock::paced(at("2026-11-20T01:00:00Z"), 1.0)).await;
    world.register();
    world.connect(0);
    world.start().await;
    let (date, first) = score(&world).await;
    assert_eq!(date.to_string(), "2026-11-19", "{first}");
    let parts = ["duration", "composition", "revitalization"].map(|part| first[part].as_i64().unwrap());
    assert_eq!(first["value"].as_i64(), Some(parts.iter().sum()), "its parts stand beside it: {first}");
    let day = |day: u32| format!("/1.2/user/-/sleep/date/2026-11-{day}.json");
    assert!(asked(&world).contains(&day(20)) && asked(&world).contains(&day(19)), "{:?}", asked(&world));

    world.cloud.forget_requests();
    world.clock.advance(TimeDelta::hours(14));
    let (date, second) = score(&world).await;
    assert_eq!(date.to_string(), "2026-11-20", "{second}");
    let shown = second["value"].to_string();
    world.await_topic("sensors/fitbit/anna/sleep-score", |value| value == shown).await;
    // Synced again and again, asked no more.
    world.clock.advance(TimeDelta::hours(3));
    assert_eq!(score(&world).await.0, date);
    world.clock.advance(TimeDelta::hours(3));
    assert_eq!(score(&world).await.0, date);
    assert_eq!(asked(&world), [day(20)]);
    assert!(world.cloud.count("/sleep/date/") > 2, "the nights themselves are asked for as ever");
}

#[test]
fn nobody_is_asked_day_by_day_who_did_not_say_so() {
    let range = (at("2026-10-01T00:00:00Z").date_naive(), at("2026-11-19T00:00:00Z").date_naive());
    for (complete, days) in [(false, 0), (true, 50)] {
        let known = Known { complete, ..fresh(None) };
        for upstream in UPSTREAMS {
            let singles = |paths: Vec<String>| paths.iter().filter(|path| is_single(path)).count();
            let whole = singles(past(upstream, range, &[], &known).into_iter().map(|ask| ask.path).collect());
            let live = plan(upstream, &wanted(&[]), &known).unwrap();
            let live = singles(live.asks.into_iter().map(|ask| ask.path).collect());
            let expected = if upstream.provider == "fitbit" { (days, days.min(2)) } else { (0, 0) };
            assert_eq!((whole, live), expected, "{}", upstream.provider);
        }
    }
}
