//! Commands over MQTT and by form: what is done, what is told of it, and what is no command.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use chrono::TimeDelta;
use fitbit2mqtt::simulator::{Effect, Fault};
use serde_json::{Value as Json, json};

use crate::mosquitto::Reader;
use crate::world::{PATIENCE, World};

const PATH: &str = "/plugin/fitbit/command";
const STATUS: &str = "fitbit2mqtt/user/anna/status";

/// What is told of commands from now on, to whomever.
pub async fn results(world: &World) -> Reader {
    let port = world.broker.plain;
    tokio::task::block_in_place(|| {
        world.broker.publish("test/results", "yes", true);
        let topics = ["-t", "test/results", "-t", "fitbit2mqtt/+/result", "-t", "fitbit2mqtt/user/+/result"];
        let mut reader = Reader::start(port, &[&["-q", "1"][..], &topics].concat());
        reader.until("test/results");
        reader
    })
}

pub fn result(reader: &mut Reader) -> (String, Json) {
    let seen = tokio::task::block_in_place(|| reader.next(PATIENCE)).expect("a result");
    assert!(!seen.retain, "{seen:?}");
    (seen.topic, serde_json::from_str(&seen.payload).unwrap())
}

pub fn say(world: &World, topic: &str, payload: &str) {
    tokio::task::block_in_place(|| world.broker.publish(&format!("fitbit2mqtt/{topic}/command"), payload, false));
}

/// How often the person of this index was asked for this.
fn asked(world: &World, index: usize, path: &str) -> usize {
    world.cloud.requests().iter().filter(|asked| asked.person == Some(index) && asked.path.contains(path)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_is_made_and_its_answer_told_with_its_id() {
    let world = World::running().await;
    let mut results = results(&world).await;
    world.cloud.forget_requests();
    say(&world, "user/anna", r#"{"command":"fetch","id":"42","methods":["get_devices"]}"#);
    let (topic, told) = result(&mut results);
    assert_eq!(topic, "fitbit2mqtt/user/anna/result");
    assert_eq!((&told["id"], &told["command"], &told["ok"]), (&json!("42"), &json!("fetch"), &json!(true)), "{told}");
    assert_eq!((&told["user"], &told["calls"], &told["failed"]), (&json!("anna"), &json!(1), &json!([])), "{told}");
    assert!(told["metrics"]["tracker-battery"]["value"].is_number(), "{told}");
    assert_eq!((asked(&world, 0, "/devices"), asked(&world, 1, "/devices")), (1, 0));
    // Without an id it is told all the same, and the bare word is enough.
    say(&world, "user/ben", "fetch");
    let (topic, told) = result(&mut results);
    assert_eq!((topic.as_str(), &told["ok"]), ("fitbit2mqtt/user/ben/result", &json!(true)), "{told}");
    assert!(told.get("id").is_none() && asked(&world, 1, "") > 0, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_answered_and_what_is_no_command_is_not() {
    let world = World::running().await;
    let mut results = results(&world).await;
    world.cloud.forget_requests();
    for (topic, payload, says) in [
        ("user/anna", r#"{"command":"fetch","id":1,"methods":["explode"]}"#, "\"explode\" is not a method"),
        ("user/anna", r#"{"command":"fetch","id":1,"period":"1y","end_date":"today"}"#, "exclude each other"),
        ("user/anna", r#"{"command":"fetch","id":1,"user":"ben"}"#, "\"user\" is not a field of fetch"),
        ("user/anna", r#"{"command":"explode","id":1}"#, "is not a command; allowed: fetch"),
        ("user/nobody", r#"{"command":"fetch","id":1}"#, "no person nobody"),
        ("user/nobody", r#"{"command":"pause","id":1}"#, "no person nobody"),
        ("bridge", r#"{"command":"fetch","id":1}"#, "allowed: republish, reload"),
        ("user/anna", "{\"command\":", "not valid JSON"),
    ] {
        say(&world, topic, payload);
        let (told_on, told) = result(&mut results);
        assert_eq!(told_on, format!("fitbit2mqtt/{topic}/result"));
        assert!(told["error"].as_str().unwrap().contains(says), "{payload}: {told}");
        assert!(told["ok"] == false && !told["cure"].as_str().unwrap().is_empty(), "{told}");
        assert_eq!(told.get("id"), payload.contains("\"id\"").then_some(&json!(1)), "{told}");
    }
    // None of these is answered; the one after them is the first to be.
    say(&world, "user/a b", r#"{"command":"pause","id":2}"#);
    say(&world, "user/anna", &format!(r#"{{"command":"pause","id":2,"x":"{}"}}"#, "x".repeat(4096)));
    tokio::task::block_in_place(|| {
        world.broker.publish("fitbit2mqtt/user/anna/command", "", false);
    });
    say(&world, "user/anna", r#"{"command":"republish","id":3}"#);
    assert_eq!(result(&mut results).1["id"], 3);
    assert_eq!(asked(&world, 0, ""), 0, "and nobody was asked for any of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retained_command_is_for_nobody() {
    let mut world = World::running().await;
    world.stop().await;
    tokio::task::block_in_place(|| world.broker.publish("fitbit2mqtt/user/anna/command", "pause", true));
    world.start().await;
    world.await_topic("fitbit2mqtt/bridge/status", |status| status == "online").await;
    let mut results = results(&world).await;
    say(&world, "user/anna", r#"{"command":"republish","id":1}"#);
    assert_eq!(result(&mut results).1["id"], 1);
    assert!(world.retained().await[STATUS].contains("\"paused\":false"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_paused_is_asked_nothing_by_itself_also_after_a_restart_until_resumed() {
    let mut world = World::acting().await;
    let mut told = results(&world).await;
    say(&world, "user/anna", r#"{"command":"pause","id":1}"#);
    assert_eq!(result(&mut told).1, json!({"id": 1, "command": "pause", "ok": true}));
    world.await_topic(STATUS, |status| status.contains("\"paused\":true")).await;
    world.stop().await;
    world.cloud.forget_requests();
    world.clock.advance(TimeDelta::hours(2));
    world.start().await;
    world.until("ben's action ran", async |world| asked(world, 1, "/devices") == 1).await;
    assert!(world.retained().await[STATUS].contains("\"paused\":true"));
    assert!(!world.retained().await["fitbit2mqtt/user/ben/status"].contains("\"paused\":true"));
    // What is asked for is done.
    assert_eq!(world.fetch("anna", "&methods=get_bodyweight").await.status, 200);
    assert_eq!(asked(&world, 0, "/devices"), 0);
    let page = world.get("/plugin/fitbit/page/setup.html").await.body;
    assert_eq!(page.matches("Paused: nothing is fetched by itself").count(), 1);

    say(&world, "user/anna", "resume");
    assert_eq!(result(&mut told).1["ok"], true);
    world.await_topic(STATUS, |status| status.contains("\"paused\":false")).await;
    world.until("hers runs at once", async |world| asked(world, 0, "/devices") == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_overwrote_is_published_again() {
    let world = World::running().await;
    let mut told = results(&world).await;
    let topic = "sensors/fitbit/anna/steps";
    let steps = world.await_topic(topic, |steps| !steps.is_empty()).await;
    for to in ["user/anna", "bridge"] {
        tokio::task::block_in_place(|| world.broker.publish(topic, "wrong", true));
        world.await_topic(topic, |value| value == "wrong").await;
        say(&world, to, r#"{"command":"republish","id":"again"}"#);
        assert_eq!(
            result(&mut told),
            (format!("fitbit2mqtt/{to}/result"), json!({"id": "again", "command": "republish", "ok": true}))
        );
        world.await_topic(topic, |value| value == steps).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_consent_is_asked_for_without_losing_the_one_there_is() {
    let world = World::running().await;
    let before = std::fs::read_to_string(world.person_file("anna")).unwrap();
    say(&world, "user/anna", "reauthorize");
    let topic = "fitbit2mqtt/user/anna/auth";
    let auth: Json =
        serde_json::from_str(&world.await_topic(topic, |auth| auth.contains("\"reauthorize\"")).await).unwrap();
    assert!(auth["url"].as_str().unwrap().ends_with("/plugin/fitbit/page/setup.html?user=anna"), "{auth}");
    assert!(auth["reason"].as_str().unwrap().contains("a new consent was asked for"), "{auth}");
    let page = world.get("/plugin/fitbit/page/setup.html").await.body;
    assert!(page.contains("A new consent of anna was asked for.") && !page.contains("is lost"));
    // It still works, and goes on being asked for.
    assert_eq!(world.fetch("anna", "&methods=get_devices").await.status, 200);
    assert_eq!(std::fs::read_to_string(world.person_file("anna")).unwrap(), before);
    let retained = world.retained().await;
    assert_eq!(retained["fitbit2mqtt/user/anna/availability"], "online");
    assert!(retained[topic].contains("\"reauthorize\""));

    let sent = world.get("/plugin/fitbit/auth1?user=anna").await;
    let scopes: Vec<&str> = fitbit2mqtt::upstream::fitbit::FITBIT.scopes.iter().map(|(scope, _)| *scope).collect();
    let back = world.cloud.consent(sent.header("location"), 0, &scopes).unwrap();
    assert_eq!(world.send(world.http.get(back.split('#').next().unwrap())).await.status, 200);
    world.await_topic(topic, |auth| auth.contains("\"state\":\"ok\"")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reload_finds_people_whose_folders_came_and_went() {
    let mut world = World::new().await;
    world.register();
    world.connect(0);
    world.start().await;
    world.await_topic("sensors/fitbit/anna/sleep-minutes", |minutes| !minutes.is_empty()).await;
    world.connect(1);
    std::fs::remove_dir_all(world.data_dir().join("identities/anna")).unwrap();
    let mut told = results(&world).await;
    say(&world, "bridge", r#"{"command":"reload","id":1}"#);
    let (topic, told) = result(&mut told);
    assert_eq!(
        (topic.as_str(), told),
        ("fitbit2mqtt/bridge/result", json!({"id": 1, "command": "reload", "ok": true}))
    );
    world.await_topic("sensors/fitbit/ben/sleep-minutes", |minutes| !minutes.is_empty()).await;
    world
        .until("anna is gone from the broker", async |world| {
            !world.retained().await.keys().any(|topic| topic.contains("/anna"))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_does_the_same() {
    let world = World::running().await;
    let mut told = results(&world).await;
    let answer = world.post(PATH, &[("user", "anna"), ("command", "fetch"), ("methods", "get_devices")]).await;
    assert_eq!((answer.status, answer.json()["command"].as_str()), (202, Some("fetch")), "{answer:?}");
    let (topic, came) = result(&mut told);
    assert_eq!((topic.as_str(), &came["id"]), ("fitbit2mqtt/user/anna/result", &answer.json()["id"]), "{came}");
    assert_eq!(came["ok"], true);
    let fields = [("user", "anna"), ("command", "republish"), ("id", "42")];
    assert_eq!(world.post(PATH, &fields).await.json(), json!({"id": "42", "command": "republish"}));
    assert_eq!(result(&mut told).1["id"], "42");
    // As the page sends it.
    let page = "/plugin/fitbit/page/setup.html?done=asked&user=anna";
    let back = world.post(PATH, &[("user", "anna"), ("command", "pause"), ("returnTo", page)]).await;
    assert_eq!((back.status, back.header("location")), (303, page));
    world.await_topic(STATUS, |status| status.contains("\"paused\":true")).await;
    let page = world.get(page).await.body;
    assert!(page.contains("It is being done.") && page.contains("value=\"resume\""), "{page}");

    for (fields, status, says) in [
        (&[("user", "anna"), ("command", "explode")][..], 400, "is not a command; allowed: fetch"),
        (&[("user", "anna")], 400, "command is missing"),
        (&[("command", "fetch")], 400, "user is missing"),
        (&[("user", "nobody"), ("command", "fetch")], 404, "no person nobody"),
        (&[("user", "anna"), ("command", "pause"), ("colour", "blue")], 400, "\"colour\" is not a field of pause"),
        (&[("user", "anna"), ("command", "fetch"), ("force", "1")], 400, "allowed: true, false"),
        (&[("user", "anna"), ("command", "fetch"), ("returnTo", "//evil.example")], 400, "returnTo"),
    ] {
        let answer = world.post(PATH, fields).await;
        assert!(answer.status == status && answer.json()["error"].as_str().unwrap().contains(says), "{answer:?}");
    }
    let bare = world.http.post(format!("{}{PATH}", world.url())).form(&[("user", "anna"), ("command", "fetch")]);
    assert_eq!(world.send(bare).await.status, 403, "without the token of a page");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_persons_hang_holds_up_nobody_elses_command_and_no_stop() {
    let mut world = World::running().await;
    let slow = Effect::Delay { milliseconds: 60_000 };
    world.cloud.fault(Fault { path: "/user/-/".into(), person: Some(0), times: None, effect: slow });
    let mut told = results(&world).await;
    say(&world, "user/anna", r#"{"command":"fetch","id":"slow","methods":["get_devices"]}"#);
    world.until("she is asked", async |world| world.cloud.requests().iter().any(|_| true)).await;
    say(&world, "user/ben", r#"{"command":"fetch","id":"quick","methods":["get_devices"]}"#);
    assert_eq!(result(&mut told).1["id"], "quick");
    let began = std::time::Instant::now();
    world.stop().await;
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let (_, given_up) = result(&mut told);
    assert_eq!((&given_up["id"], &given_up["ok"]), (&json!("slow"), &json!(false)), "{given_up}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_can_be_switched_off() {
    let mut world = World::connected().await;
    world.more = "mqtt.commands = false\n".into();
    world.start().await;
    world.fetched().await;
    let mut told = results(&world).await;
    say(&world, "user/anna", r#"{"command":"pause","id":1}"#);
    // A form still works; its result is the first that comes.
    assert_eq!(world.post(PATH, &[("user", "anna"), ("command", "republish"), ("id", "2")]).await.status, 202);
    assert_eq!(result(&mut told).1["id"], "2");
    assert!(world.retained().await[STATUS].contains("\"paused\":false"));
}
