//! Interval actions: who runs what and when, across restarts and a clock that jumps; people who come, go and consent
//! while the bridge runs; and a stop that gives up questions but never a renewal.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use fitbit2mqtt::simulator::{Effect, Fault};
use serde_json::{Value as Json, json};

use crate::world::{QUARTER, World, at, person};

/// How often the person of this index was asked for this.
fn asked(world: &World, index: usize, path: &str) -> usize {
    world.cloud.requests().iter().filter(|asked| asked.person == Some(index) && asked.path.contains(path)).count()
}

/// The actions of a person as their status topic shows them.
async fn announced(world: &World, name: &str) -> Vec<(String, String)> {
    let topic = format!("fitbit2mqtt/user/{name}/status");
    let status = world.await_topic(&topic, |status| status.contains("\"representing\"")).await;
    let status: Json = serde_json::from_str(&status).unwrap();
    let text = |action: &Json, key: &str| action[key].as_str().unwrap().to_owned();
    let actions = status["actions"].as_array().unwrap();
    actions.iter().map(|action| (text(action, "representing"), text(action, "next"))).collect()
}

async fn topics_of(world: &World, name: &str) -> Vec<String> {
    let retained = world.retained().await;
    let theirs = [format!("sensors/fitbit/{name}"), format!("fitbit2mqtt/user/{name}/")];
    retained.into_keys().filter(|topic| theirs.iter().any(|start| topic.starts_with(start.as_str()))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_person_runs_their_own_actions_each_at_its_interval_and_a_missed_one_comes_once() {
    let mut world = World::connected().await;
    world.more = "
[[action]]
interval = 600
url = \"/plugin/fitbit?user=anna&methods=get_devices\"
representing = \"sensors/fitbit/anna/tracker-battery\"
[[action]]
interval = 7200
url = \"/plugin/fitbit?user=anna&methods=get_bodyweight&period=7d\"
"
    .into();
    world.start().await;
    world.fetched().await;
    world
        .until("both of anna's ran", async |world| asked(world, 0, "/devices") == 1 && asked(world, 0, "/weight/") == 1)
        .await;
    assert_eq!(asked(&world, 0, "/sleep/"), 0, "only what her actions name");
    assert_eq!(asked(&world, 0, "/weight/date/2026-11-14/2026-11-20"), 1, "with its keywords");
    assert!(asked(&world, 1, "/sleep/") == 1 && asked(&world, 1, "/devices") == 1, "ben keeps the template");

    let anna = announced(&world, "anna").await;
    let next = |at: usize| (self::at(&anna[at].1) - world.clock.now()).num_seconds();
    assert_eq!(anna[0].0, "sensors/fitbit/anna", "in the order of what they call");
    assert_eq!(anna[1].0, "sensors/fitbit/anna/tracker-battery");
    assert!((3500..=10_900).contains(&next(0)) && (200..=1000).contains(&next(1)), "{anna:?}");
    assert_eq!(announced(&world, "ben").await[0].0, "sensors/fitbit/ben");
    let info: Json = serde_json::from_str(&world.retained().await["fitbit2mqtt/bridge/info"]).unwrap();
    assert_eq!(info["actions"].as_array().unwrap().len(), 3, "{info}");
    assert_eq!(info["people"], json!(["anna", "ben"]));

    world.clock.advance(TimeDelta::seconds(1000));
    world.until("the quick one ran again", async |world| asked(world, 0, "/devices") == 2).await;
    assert_eq!(asked(&world, 0, "/weight/"), 1);
    // Asleep for a day: each runs once, not once for every time it missed.
    world.clock.advance(TimeDelta::hours(24));
    world.until("both ran", async |world| asked(world, 0, "/devices") == 3 && asked(world, 0, "/weight/") == 2).await;
    let quick = announced(&world, "anna").await[1].1.clone();
    assert!(self::at(&quick) > world.clock.now(), "the next lies ahead: {quick}");
    world.fetch("anna", "&methods=get_sleep").await;
    assert_eq!((asked(&world, 0, "/devices"), asked(&world, 0, "/weight/")), (3, 2), "a missed one is not made up for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_shows_every_value_without_asking_and_repeats_no_action_that_ran() {
    let mut world = World::acting().await;
    world.quiet().await;
    // What the broker has not taken yet, it is told before the bridge goes.
    world.stop().await;
    let before = world.retained().await;
    tokio::task::block_in_place(|| {
        world.broker.kill();
        world.broker.restart();
    });
    assert!(world.retained().await.is_empty());
    world.cloud.forget_requests();
    world.start().await;
    world.await_topic("fitbit2mqtt/bridge/status", |status| status == "online").await;
    let after = world.retained().await;
    for (topic, value) in before.iter().filter(|(topic, _)| topic.starts_with("sensors/")) {
        assert_eq!(after.get(topic), Some(value), "{topic}");
    }
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (index, name) in ["anna", "ben"].into_iter().enumerate() {
        assert_eq!(world.fetch(name, "&methods=get_devices").await.status, 200);
        let next = at(&announced(&world, name).await[0].1);
        assert!(next - world.clock.now() > TimeDelta::seconds(600), "{name}: {next}");
        assert_eq!(asked(&world, index, "/sleep/"), 0, "what ran within the interval is not repeated");
    }
    // The planned run comes when its interval has passed, also across the restart.
    world.clock.advance(TimeDelta::seconds(901));
    world
        .until("both are asked again", async |world| asked(world, 0, "/sleep/") == 1 && asked(world, 1, "/sleep/") == 1)
        .await;
    world.stop().await;
    world.clock.advance(TimeDelta::hours(5));
    world.start().await;
    world
        .until("what was missed comes once", async |world| {
            asked(world, 0, "/sleep/") == 2 && asked(world, 1, "/sleep/") == 2
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_consents_while_the_bridge_runs_is_fetched_at_once_and_once() {
    let mut world = World::new().await;
    world.interval = QUARTER;
    world.register();
    world.connect(0);
    world.start().await;
    world.await_topic("fitbit2mqtt/user/anna/status", |status| status.contains("last_success\":\"")).await;
    assert_eq!(world.post("/plugin/fitbit/userSettings", &[("user", "ben")]).await.status, 200);
    let auth = world.await_topic("fitbit2mqtt/user/ben/auth", |auth| auth.contains("awaiting-consent")).await;
    // Whoever waits is no failure, and the topic stands still.
    world.clock.advance(TimeDelta::seconds(901));
    world.until("anna's second", async |world| asked(world, 0, "/devices") == 2).await;
    assert_eq!(world.retained().await["fitbit2mqtt/user/ben/auth"], auth);

    let consent = world.get("/plugin/fitbit/auth1?user=ben").await;
    assert_eq!(consent.status, 303, "{}", consent.body);
    let page = consent.header("Location").to_owned();
    let ben = world.cloud.people()[1].user_id.clone();
    let scopes: String =
        ["activity", "sleep", "weight", "profile", "settings"].map(|scope| format!("&grant={scope}")).concat();
    let form = format!("{}&person={ben}{scopes}&decision=allow", page.split_once('?').unwrap().1);
    let address = format!("{}/fitbit/oauth2/authorize", world.cloud_url);
    let allow = world.http.post(address).header("Content-Type", "application/x-www-form-urlencoded").body(form);
    let allowed = world.send(allow).await;
    assert_eq!(allowed.status, 302, "{}", allowed.body);
    let back = url::Url::parse(allowed.header("Location")).unwrap();
    let connected = world.get(&format!("{}?{}", back.path(), back.query().unwrap())).await;
    assert_eq!(connected.status, 200, "{}", connected.body);
    world.await_topic("sensors/fitbit/ben/sleep-minutes", |value| !value.is_empty()).await;
    world.await_topic("fitbit2mqtt/user/ben/status", |status| status.contains("last_success\":\"")).await;
    assert!(!announced(&world, "ben").await.is_empty());
    // A request of ours waits for what is under way, and would show a second fetch.
    world.fetch("ben", "&methods=get_devices").await;
    assert_eq!(asked(&world, 1, "/sleep/"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_made_or_removed_by_hand_is_noticed_at_the_next_request() {
    let mut world = World::new().await;
    world.interval = QUARTER;
    world.register();
    world.connect(0);
    world.start().await;
    world.await_topic("fitbit2mqtt/user/anna/status", |status| status.contains("last_success\":\"")).await;
    assert_eq!(world.fetch("ben", "").await.status, 404);
    world.connect(1);
    assert_eq!(world.fetch("ben", "&methods=get_devices").await.status, 200);
    world.await_topic("sensors/fitbit/ben/sleep-minutes", |value| !value.is_empty()).await;
    assert!(!announced(&world, "ben").await.is_empty(), "ben has an action");

    fs::remove_dir_all(world.data_dir().join("identities/ben")).unwrap();
    assert_eq!(world.fetch("ben", "").await.status, 404);
    world.until("ben's topics are gone", async |world| topics_of(world, "ben").await.is_empty()).await;
    world.cloud.forget_requests();
    world.clock.advance(TimeDelta::seconds(1800));
    world.until("anna's runs on", async |world| asked(world, 0, "/devices") > 0).await;
    world
        .until("the bridge knows one person", async |world| {
            let info: Json = serde_json::from_str(&world.retained().await["fitbit2mqtt/bridge/info"]).unwrap();
            info["people"] == json!(["anna"]) && info["actions"].as_array().unwrap().len() == 1
        })
        .await;
    assert_eq!(asked(&world, 1, ""), 0);
    assert!(topics_of(&world, "ben").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_persons_hang_never_delays_anothers_action_and_a_stop_waits_for_neither() {
    let mut world = World::connected().await;
    world.interval = QUARTER;
    let slow = Effect::Delay { milliseconds: 60_000 };
    world.cloud.fault(Fault { path: "/user/-/".into(), person: Some(0), times: None, effect: slow });
    world.start().await;
    let began = Instant::now();
    world.await_topic("sensors/fitbit/ben/sleep-minutes", |value| !value.is_empty()).await;
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    world.clock.advance(TimeDelta::seconds(1400));
    world.until("ben's second", async |world| asked(world, 1, "/sleep/") == 2).await;
    // Waits for its end.
    assert_eq!(world.fetch("ben", "&methods=get_devices").await.status, 200);
    let stopping = Instant::now();
    world.stop().await;
    assert!(stopping.elapsed() < Duration::from_secs(10), "{:?}", stopping.elapsed());
    // A run that was given up counts as not run, and giving up as no failure.
    world.cloud.clear_faults();
    world.start().await;
    world.await_topic("sensors/fitbit/anna/sleep-minutes", |value| !value.is_empty()).await;
    let status: Json = serde_json::from_str(&world.retained().await["fitbit2mqtt/user/anna/status"]).unwrap();
    assert_eq!((&status["last_failure"], &status["alive"]), (&Json::Null, &json!(true)));
    assert_eq!(asked(&world, 1, "/sleep/"), 2, "ben's ran");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_never_leaves_a_token_that_is_being_renewed() {
    let mut world = World::acting().await;
    // The first fetch takes the lock, too, when its token has worked.
    world.quiet().await;
    let before = fs::read_to_string(world.person_file("anna")).unwrap();
    let slow = Effect::Delay { milliseconds: 4_000 };
    world.cloud.fault(Fault { path: "/oauth2/token".into(), person: None, times: None, effect: slow });
    world.clock.advance(TimeDelta::hours(9));
    let plugindata = world.plugindata();
    world
        .until("a renewal is under way", async |_| {
            plugindata.lock_within(&person("anna"), Duration::ZERO).unwrap().is_none()
        })
        .await;
    let asked_before = asked(&world, 0, "/user/-/");
    world.stop().await;
    let after = fs::read_to_string(world.person_file("anna")).unwrap();
    assert_ne!(before, after, "the new token is on disk");
    assert_eq!(asked(&world, 0, "/user/-/"), asked_before, "and nothing was asked with it any more");
    world.cloud.clear_faults();
    world.start().await;
    assert_eq!(world.fetch("anna", "").await.status, 200, "the token that was kept works");
    assert!(
        world
            .cloud
            .requests()
            .iter()
            .filter(|asked| asked.path.contains("/oauth2/token"))
            .all(|asked| asked.status == 200)
    );
}
