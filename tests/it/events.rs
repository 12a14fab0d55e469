//! What happened: told once, not retained, across restarts and while the broker is away; what had happened before is not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use chrono::TimeDelta;
use fitbit2mqtt::simulator::Change;
use fitbit2mqtt::store::Store;
use serde_json::Value as Json;

use crate::mosquitto::{Reader, Seen};
use crate::world::World;

const TOPIC: &str = "fitbit2mqtt/user/anna/event";

/// What was told so far, as `event_type` and the whole.
fn told(world: &World, watch: &mut Reader) -> Vec<(String, Json)> {
    tokio::task::block_in_place(|| {
        world.broker.publish("test/enough", "yes", false);
        let of_anna = |seen: &Seen| seen.topic == TOPIC;
        let told: Vec<Seen> = watch.until("test/enough").into_iter().filter(of_anna).collect();
        told.into_iter()
            .map(|seen| {
                assert!(!seen.retain && seen.qos == 1, "{seen:?}");
                let event: Json = serde_json::from_str(&seen.payload).unwrap();
                (event["event_type"].as_str().unwrap().to_owned(), event)
            })
            .collect()
    })
}

fn watch(world: &World) -> Reader {
    tokio::task::block_in_place(|| world.broker.watch())
}

fn weigh_in(world: &World, minutes_ago: i64, kilograms: f64) {
    let at = world.clock.now() - TimeDelta::minutes(minutes_ago);
    world.cloud.change(0, Change::WeighIn { at, kilograms, fat: Some(20.0) }).unwrap();
}

/// Waits until the broker has every event, by what the store knows.
async fn all_told(world: &World) {
    let store = Store::open(&world.data_dir().join("fitbit2mqtt.db")).await.unwrap();
    let anna = crate::world::person("anna");
    world
        .until("everything was told", async |_| {
            store.events(&anna).await.unwrap().is_some_and(|events| events.iter().all(|event| event.untold.is_none()))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weigh_in_is_told_once_across_fetches_and_restarts_and_older_ones_never() {
    let mut world = World::connected().await;
    let mut watch = watch(&world);
    weigh_in(&world, 10, 70.0);
    world.start().await;
    world.fetched().await;
    all_told(&world).await;
    assert_eq!(told(&world, &mut watch), [], "what had happened before the first fetch is no news");

    weigh_in(&world, 2, 71.5);
    weigh_in(&world, 60 * 30, 69.0);
    for _ in 0..2 {
        assert_eq!(world.fetch("anna", "&methods=body&period=7d").await.status, 200);
    }
    all_told(&world).await;
    let events = told(&world, &mut watch);
    assert_eq!(events.len(), 1, "{events:?}");
    let (kind, event) = &events[0];
    assert_eq!(kind, "weighed-in");
    assert_eq!(
        (event["value"].as_f64(), event["unit"].as_str(), event["body-fat"].as_f64()),
        (Some(71.5), Some("kg"), Some(20.0))
    );

    world.stop().await;
    world.start().await;
    assert_eq!(world.fetch("anna", "&methods=body&period=7d").await.status, 200);
    all_told(&world).await;
    assert_eq!(told(&world, &mut watch), []);
    assert!(!world.retained().await.contains_key(TOPIC));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_while_the_broker_is_away_is_told_when_it_is_back_also_by_the_next_bridge() {
    let mut world = World::running().await;
    all_told(&world).await;
    tokio::task::block_in_place(|| world.broker.kill());
    weigh_in(&world, 1, 71.0);
    assert_eq!(world.fetch("anna", "&methods=body").await.status, 200);
    world.stop().await;
    tokio::task::block_in_place(|| world.broker.restart());
    let mut watch = watch(&world);
    world.start().await;
    all_told(&world).await;
    let kinds: Vec<_> = told(&world, &mut watch).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["weighed-in"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goal_that_is_reached_is_told_with_what_was_wanted() {
    let world = World::running().await;
    all_told(&world).await;
    let date = world.clock.now().date_naive();
    let mut watch = watch(&world);
    for steps in [11_234, 12_345] {
        world.cloud.change(0, Change::Steps { date, steps }).unwrap();
        assert_eq!(world.fetch("anna", "&methods=activity").await.status, 200);
        world.await_topic("sensors/fitbit/anna/steps", |shown| shown == steps.to_string()).await;
    }
    all_told(&world).await;
    let events = told(&world, &mut watch);
    let steps: Vec<_> = events.iter().filter(|(_, event)| event["metric"] == "steps").collect();
    assert_eq!(steps.len(), 1, "{events:?}");
    assert_eq!((steps[0].1["value"].as_i64(), steps[0].1["goal"].as_i64()), (Some(11_234), Some(10_000)));
    assert_eq!(steps[0].0, "goal-reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn waking_up_is_told_in_the_morning_after_and_a_workout_when_it_is_over() {
    // From the evening on, through the night.
    let world = World::running().await;
    all_told(&world).await;
    let mut watch = watch(&world);
    let mut kinds = Vec::new();
    for _ in 0..6 {
        world.clock.advance(TimeDelta::hours(8));
        let fetched = world.fetch("anna", "&methods=sleep,workouts").await;
        assert_eq!(fetched.status, 200, "{}", fetched.body);
        all_told(&world).await;
        kinds.extend(told(&world, &mut watch).into_iter().map(|(kind, _)| kind));
    }
    // Two nights have passed.
    assert_eq!(kinds.iter().filter(|kind| *kind == "woke-up").count(), 2, "{kinds:?}");
    assert_eq!(told(&world, &mut watch), []);
}
