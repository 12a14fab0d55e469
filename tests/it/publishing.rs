//! What stands at the broker, through the whole bridge: exact after the broker was killed in the middle, cleared when
//! people and metrics go, and undisturbed by other processes beside a running bridge.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use chrono::Utc;
use fitbit2mqtt::bridge::{self, Parts};
use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::config::Config;
use fitbit2mqtt::reading::Person;
use fitbit2mqtt::simulator::{Change, Options};
use fitbit2mqtt::sink::mqtt::payload::payloads;
use fitbit2mqtt::sink::mqtt::topic::Topics;
use fitbit2mqtt::snapshot::{Sink, Snapshot};
use serde_json::Value as Json;
use tokio::sync::Notify;

use crate::world::{PEOPLE, Program, World, person};

/// A destination that only remembers.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, String>>);

#[async_trait]
impl Sink for Memory {
    async fn publish(&self, snapshot: &Snapshot) -> Result<()> {
        let topics = Topics::new("sensors/fitbit", "fitbit2mqtt")?;
        let all = payloads(&topics, snapshot)?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        self.0.lock().unwrap().extend(all.into_iter().map(|(topic, payload)| (topic, text(payload.bytes))));
        Ok(())
    }

    async fn remove(&self, _: &Person) -> Result<()> {
        Ok(())
    }
}

/// A destination that is slow to take the first state it is told.
#[derive(Default)]
struct Slow {
    told: Mutex<Vec<Option<String>>>,
    later: AtomicBool,
    begun: Notify,
    go_on: Notify,
}

#[async_trait]
impl Sink for Slow {
    async fn publish(&self, snapshot: &Snapshot) -> Result<()> {
        if !self.later.swap(true, Ordering::Relaxed) {
            self.begun.notify_one();
            self.go_on.notified().await;
        }
        self.told.lock().unwrap().push(snapshot.status.error.clone());
        Ok(())
    }

    async fn remove(&self, _: &Person) -> Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_older_state_is_told_after_a_newer_one() {
    let world = World::connected().await;
    let text = world.configuration("127.0.0.1:1");
    let config = Config::parse(Some((Path::new("test.toml"), &text)), Vec::<(String, String)>::new()).unwrap();
    let (store, slow, anna) = (bridge::store(&config).await.unwrap(), Arc::new(Slow::default()), person("anna"));
    let parts = Parts::new(&config, world.clock.clone(), store.clone(), vec![slow.clone()]).unwrap();
    let newer = async {
        slow.begun.notified().await;
        store.note_fetch(&anna, world.clock.now(), Some("the cloud is away")).await.unwrap();
        parts.fetcher.publish(&anna).await
    };
    let late = async {
        slow.begun.notified().await;
        slow.begun.notify_one();
        // Whoever comes second has every chance to overtake.
        tokio::time::sleep(Duration::from_millis(300)).await;
        slow.go_on.notify_one();
    };
    tokio::join!(parts.fetcher.publish(&anna), late, newer);
    assert_eq!(*slow.told.lock().unwrap(), [None, Some("the cloud is away".to_owned())]);
}

/// What files and store say that must stand at the broker: everything of everyone.
async fn computed(world: &World) -> BTreeMap<String, String> {
    let text = world.configuration("127.0.0.1:1");
    let config = Config::parse(Some((Path::new("test.toml"), &text)), Vec::<(String, String)>::new()).unwrap();
    let store = bridge::store(&config).await.unwrap();
    let memory = Arc::new(Memory::default());
    let parts = Parts::new(&config, world.clock.clone(), store, vec![memory.clone()]).unwrap();
    for name in PEOPLE {
        parts.fetcher.publish(&person(name)).await;
    }
    drop(parts);
    memory.0.lock().unwrap().clone()
}

/// What stands at the broker of people, without the address of the page, whose port is the running bridge's.
async fn standing(world: &World) -> BTreeMap<String, String> {
    let mut retained = world.retained().await;
    retained.retain(|topic, _| !topic.starts_with("fitbit2mqtt/bridge/"));
    without_address(retained)
}

fn without_address(mut topics: BTreeMap<String, String>) -> BTreeMap<String, String> {
    for (_, payload) in topics.iter_mut().filter(|(topic, _)| topic.ends_with("/auth")) {
        let mut auth: Json = serde_json::from_str(payload).unwrap();
        auth.as_object_mut().unwrap().remove("url");
        *payload = auth.to_string();
    }
    topics
}

/// The real program, to its end.
fn run(world: &World, arguments: &[&str]) -> Output {
    let mut program = world.program("127.0.0.1:0", arguments);
    tokio::task::block_in_place(|| program.output()).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A household on this machine's clock, as other processes have it, too.
async fn by_the_wall_clock() -> World {
    let world = World::with(Options::default(), Clock::system()).await;
    world.register();
    for index in 0..PEOPLE.len() {
        world.connect(index);
    }
    world
}

fn kill_and_restart(world: &mut World) {
    tokio::task::block_in_place(|| {
        world.broker.kill();
        world.broker.restart();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_while_everyone_is_published_ends_with_exactly_what_is_known() {
    let mut world = World::connected().await;
    world.start().await;
    // As soon as the first value stands, while most are on their way.
    world.until("the first values are there", async |world| !world.retained().await.is_empty()).await;
    for round in 0..3 {
        tokio::task::block_in_place(|| world.broker.kill());
        let (anna, ben) =
            tokio::join!(world.fetch("anna", "&methods=activity"), world.fetch("ben", "&methods=activity"));
        assert_eq!((anna.status, ben.status), (200, 200), "a fetch needs no broker");
        world.cloud.change(0, Change::Steps { date: "2026-11-20".parse().unwrap(), steps: 1000 + round }).unwrap();
        tokio::task::block_in_place(|| world.broker.restart());
        let answer = world.fetch("anna", "&force=true").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    world.await_topic("fitbit2mqtt/bridge/status", |status| status == "online").await;
    world.await_topic("sensors/fitbit/anna/steps", |steps| steps == "1002").await;
    // An action that had to wait may still run, and what is known change meanwhile.
    world
        .until("what stands is what is known", async |world| {
            let (expected, stands) = (without_address(computed(world).await), standing(world).await);
            assert!(expected.len() > 100, "{}", expected.len());
            let differs = |(topic, value): &(&String, &String)| stands.get(*topic) != Some(*value);
            let missing: Vec<_> = expected.iter().filter(differs).collect();
            let (known, told) = (expected.len(), stands.len());
            log::info!("{told} topics of {known}; not as known: {missing:?}");
            missing.is_empty() && told == known
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_is_killed_is_said_to_be_offline_and_its_successor_online() {
    let world = by_the_wall_clock().await;
    let mut program = Program(world.program("127.0.0.1:0", &["run"]).spawn().unwrap());
    world.fetched().await;
    world.await_topic("fitbit2mqtt/bridge/status", |status| status == "online").await;
    program.0.kill().unwrap();
    world.await_topic("fitbit2mqtt/bridge/status", |status| status == "offline").await;
    let _next = Program(world.program("127.0.0.1:0", &["run"]).spawn().unwrap());
    world.await_topic("fitbit2mqtt/bridge/status", |status| status == "online").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_bridge_on_the_same_folder_is_refused_and_names_the_first() {
    let world = by_the_wall_clock().await;
    let first = Program(world.program("127.0.0.1:0", &["run"]).spawn().unwrap());
    world.await_topic("fitbit2mqtt/bridge/status", |status| status == "online").await;
    let second = run(&world, &["run"]);
    assert_eq!(second.status.code(), Some(1), "{}", said(&second));
    assert!(said(&second).contains(&first.0.id().to_string()), "{}", said(&second));
    assert_eq!(world.retained().await["fitbit2mqtt/bridge/status"], "online");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_beside_a_running_bridge_publishes_and_disturbs_nothing() {
    let mut world = by_the_wall_clock().await;
    world.start().await;
    world.fetched().await;
    world
        .until("actions are announced", async |world| {
            world
                .retained()
                .await
                .get("fitbit2mqtt/user/anna/status")
                .is_some_and(|status| status.contains("\"next\":\"20"))
        })
        .await;
    let mut watch = tokio::task::block_in_place(|| world.broker.watch());
    world.cloud.change(0, Change::WeighIn { at: Utc::now(), kilograms: 66.6, fat: None }).unwrap();
    let fetched = run(&world, &["fetch", "anna", "--publish", "--methods", "get_bodyweight"]);
    assert!(fetched.status.success(), "{}", said(&fetched));
    let answer: Json = serde_json::from_slice(&fetched.stdout).unwrap();
    assert_eq!(answer["metrics"]["body-weight"]["value"], 66.6);
    assert_eq!(world.retained().await["sensors/fitbit/anna/body-weight"], "66.6");
    tokio::task::block_in_place(|| {
        world.broker.publish("test/enough", "yes", false);
        for seen in watch.until("test/enough") {
            assert!(!seen.topic.starts_with("fitbit2mqtt/bridge/"), "{seen:?}");
            assert!(!seen.topic.ends_with("/availability") || seen.payload == "online", "{seen:?}");
            if seen.topic.ends_with("/anna/status") {
                assert!(seen.payload.contains("\"next\":\"20"), "the running bridge's actions: {seen:?}");
            }
        }
    });
    // After a reconnect the running bridge says what the store knows, not what it last said itself.
    kill_and_restart(&mut world);
    world.await_topic("fitbit2mqtt/bridge/status", |status| status == "online").await;
    assert_eq!(world.retained().await["sensors/fitbit/anna/body-weight"], "66.6");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_forgotten_beside_a_running_bridge_is_gone_for_good() {
    let mut world = by_the_wall_clock().await;
    world.start().await;
    world.fetched().await;
    let theirs = |retained: BTreeMap<String, String>| {
        retained.into_keys().filter(|topic| topic.contains("/ben")).collect::<Vec<_>>()
    };
    assert!(theirs(world.retained().await).len() > 50);
    let forgotten = run(&world, &["forget", "ben"]);
    assert!(forgotten.status.success(), "{}", said(&forgotten));
    assert_eq!(world.cloud.count("/oauth2/revoke"), 1);
    assert!(!world.data_dir().join("identities/ben").exists());
    assert_eq!(theirs(world.retained().await), Vec::<String>::new());
    kill_and_restart(&mut world);
    world.await_topic("fitbit2mqtt/bridge/status", |status| status == "online").await;
    assert_eq!(world.fetch("ben", "").await.status, 404);
    assert_eq!(world.fetch("anna", "&methods=get_devices").await.status, 200);
    assert_eq!(theirs(world.retained().await), Vec::<String>::new());
    let database = format!("sqlite:{}", world.data_dir().join("fitbit2mqtt.db").display());
    let pool = sqlx::SqlitePool::connect(&database).await.unwrap();
    for table in ["reading", "auth", "profile", "status", "device", "quota", "call", "action", "consent", "removed"] {
        let query = format!("SELECT COUNT(*) FROM {table} WHERE person = 'ben'");
        let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&pool).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
    let topics: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM published WHERE topic LIKE '%/ben%'").fetch_one(&pool).await.unwrap();
    assert_eq!(topics, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_metrics_that_go_are_cleared_also_while_the_bridge_was_off() {
    let mut world = World::running().await;
    let set = |world: &World, line: &str| {
        let file = world.person_file("anna");
        let text = fs::read_to_string(&file).unwrap();
        let rest: String =
            text.lines().filter(|old| !old.starts_with("metrics")).map(|old| format!("{old}\n")).collect();
        fs::write(&file, format!("{line}\n{rest}")).unwrap();
    };
    let shown = async |world: &World| {
        let retained = world.retained().await;
        let start = "sensors/fitbit/anna/";
        retained.keys().filter_map(|topic| topic.strip_prefix(start)).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(shown(&world).await.len() > 40);
    set(&world, "metrics = [\"body-weight\", \"steps\"]");
    assert_eq!(world.fetch("anna", "&methods=get_devices").await.status, 200);
    world.until("only what was chosen is left", async |world| shown(world).await == ["body-weight", "steps"]).await;
    let all: Json = serde_json::from_str(&world.retained().await["sensors/fitbit/anna"]).unwrap();
    assert_eq!(all.as_object().unwrap().keys().collect::<Vec<_>>(), ["body-weight", "steps"]);

    world.stop().await;
    set(&world, "metrics = [\"steps\", \"hrv\"]");
    fs::remove_dir_all(world.data_dir().join("identities/ben")).unwrap();
    world.start().await;
    world.until("the other choice is shown", async |world| shown(world).await == ["hrv", "steps"]).await;
    world.until("ben is gone", async |world| !world.retained().await.keys().any(|topic| topic.contains("/ben"))).await;
    // And back: nothing was lost.
    set(&world, "");
    world.fetch("anna", "&methods=get_devices").await;
    world.until("everything is shown again", async |world| shown(world).await.len() > 40).await;
}
