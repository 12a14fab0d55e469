//! What an Igor is told: a small one stands in here that is as strict as the real one about types, parents and passwords.
//! `tests/interop` has the real one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::TimeDelta;
use fitbit2mqtt::config::Config;
use fitbit2mqtt::simulator::{Change, Effect, Fault};
use fitbit2mqtt::web::server::{self, Handler, Request, Response, Running};
use serde_json::{Value as Json, json};

use crate::world::World;

/// How the Igor is today.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Well,
    /// Takes connections and answers nobody.
    Asleep,
    /// Answers everything so.
    Refusing(u16),
}

/// Igor's database, as paths, and what was asked of it.
struct Igor {
    elements: Mutex<BTreeMap<String, Json>>,
    asked: Mutex<Vec<(String, String, String)>>,
    mood: Mutex<Mood>,
}

#[async_trait]
impl Handler for Igor {
    async fn answer(&self, request: Request) -> Response {
        while self.mood() == Mood::Asleep {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let body = String::from_utf8(request.body.clone()).unwrap();
        self.asked.lock().unwrap().push((request.method.clone(), request.path.clone(), body.clone()));
        let status = match self.mood() {
            Mood::Refusing(status) => status,
            _ => self.judge(&request, &body),
        };
        Response::text(status, "")
    }
}

impl Igor {
    /// One with nothing but what a fresh database has, listening.
    async fn start() -> (Arc<Igor>, String, Running) {
        let igor =
            Arc::new(Igor { elements: Mutex::new(fresh()), asked: Mutex::default(), mood: Mutex::new(Mood::Well) });
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let running = server::serve(listener, igor.clone()).unwrap();
        let settings = format!("igor.url = {url:?}\nigor.username = \"admin\"\nigor.password = \"secret\"\n");
        (igor, settings, running)
    }

    fn judge(&self, request: &Request, body: &str) -> u16 {
        let admin = format!("Basic {}", BASE64_STANDARD.encode("admin:secret"));
        if request.header("authorization") != Some(&admin) || !request.query.is_empty() {
            return 500;
        }
        if !body.is_empty() && request.header("content-type") != Some("application/json") {
            return 500;
        }
        let mut elements = self.elements.lock().unwrap();
        let path = match request.path.strip_prefix("/internal/updateStatus/") {
            Some(path) => format!("/data/status/{path}"),
            None => request.path.clone(),
        };
        let (parent, tag) = path.rsplit_once('/').unwrap();
        match request.method.as_str() {
            "GET" => 404 - 204 * u16::from(elements.contains_key(&path)),
            "DELETE" => {
                elements.retain(|other, _| *other != path && !other.starts_with(&format!("{path}/")));
                200
            }
            _ if !elements.contains_key(parent) => 400,
            "POST" => {
                elements.insert(path, serde_json::from_str(body).unwrap());
                200
            }
            "PUT" => {
                let body: Json = serde_json::from_str(body).unwrap();
                let object = body.as_object().unwrap();
                let inner = if object.len() == 1 { object.get(tag) } else { None };
                elements.insert(path.clone(), inner.unwrap_or(&body).clone());
                200
            }
            method => panic!("{method} {path}"),
        }
    }

    fn element(&self, path: &str) -> Json {
        self.elements.lock().unwrap().get(path).cloned().unwrap_or(Json::Null)
    }

    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap()
    }

    fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// The bodies of these requests.
    fn asked(&self, method: &str, path: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(m, p, _)| m == method && p == path).map(|(_, _, body)| body.clone()).collect()
    }

    fn weight(&self) -> f64 {
        self.element(ANNA)["body-weight"]["value"].as_f64().unwrap_or_default()
    }
}

const ANNA: &str = "/data/sensors/fitbit/anna";
const HEALTH: &str = "/data/status/sensors/fitbit/anna";

/// What a fresh database has.
fn fresh() -> BTreeMap<String, Json> {
    ["/data/sensors", "/data/status", "/data/status/sensors"].map(|path| (path.to_owned(), json!({}))).into()
}

fn weigh_in(world: &World, kilograms: f64) {
    let at = world.clock.now() - TimeDelta::seconds(30);
    world.cloud.change(0, Change::WeighIn { at, kilograms, fat: None }).unwrap();
}

/// A running bridge that tells an Igor, and whose people have been fetched.
async fn household(settings: String) -> World {
    let mut world = World::connected().await;
    world.more = settings;
    world.start().await;
    world.fetched().await;
    world
}

/// Waits until Igor has what the broker has of these people.
async fn agree(world: &World, igor: &Igor, people: &[&str]) {
    for name in people {
        world
            .until("Igor has what the broker has", async |world| {
                let retained = world.retained().await;
                let Some(told) = retained.get(&format!("sensors/fitbit/{name}")) else { return false };
                // These are no names of elements.
                let elements =
                    [("Out of Range", "Out-of-Range"), ("Fat Burn", "Fat-Burn"), ("7d", "_7d"), ("28d", "_28d")];
                let told = elements.iter().fold(told.clone(), |told, (key, element)| {
                    told.replace(&format!("\"{key}\":"), &format!("\"{element}\":"))
                });
                let told: Json = serde_json::from_str(&told).unwrap();
                told == igor.element(&format!("/data/sensors/fitbit/{name}"))
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_and_health_arrive_whole_and_only_what_differs_is_sent_again() {
    let (igor, settings, _running) = Igor::start().await;
    let mut world = household(settings).await;
    agree(&world, &igor, &["anna", "ben"]).await;
    assert!(igor.element(ANNA).as_object().unwrap().len() > 20);
    world.until("health is told", async |_| igor.element(HEALTH)["alive"] == true).await;
    let first = igor.element(HEALTH);
    assert_eq!(first["lastActivity"], first["lastSuccess"], "{first}");

    let puts = igor.asked("PUT", ANNA);
    world.clock.advance(TimeDelta::seconds(5));
    assert_eq!(world.fetch("anna", "&methods=body").await.status, 200);
    world
        .until("the later success is told", async |_| igor.element(HEALTH)["lastSuccess"] != first["lastSuccess"])
        .await;
    assert_eq!(igor.asked("PUT", ANNA), puts, "nothing new was measured");

    weigh_in(&world, 81.5);
    assert_eq!(world.fetch("anna", "&methods=body").await.status, 200);
    world.until("the new weight is there", async |_| igor.weight() == 81.5).await;
    assert!(igor.asked("PUT", ANNA).len() > puts.len());
    agree(&world, &igor, &["anna"]).await;

    let effect = Effect::Html { status: 503 };
    world.cloud.fault(Fault { path: "/body/log/".into(), person: Some(0), times: None, effect });
    world.fetch("anna", "&methods=get_bodyweight").await;
    world.until("the failure is told", async |_| igor.element(HEALTH)["alive"] == false).await;
    let health = igor.element(HEALTH);
    assert!(health["resultData"].as_str().unwrap().contains("503"), "{health}");
    assert_eq!(igor.weight(), 81.5, "a failure takes nothing away");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_igor_that_answers_nobody_holds_up_nobody_and_is_told_only_the_newest() {
    let (igor, settings, _running) = Igor::start().await;
    igor.becomes(Mood::Asleep);
    let mut world = household(settings).await;
    for kilograms in [80.25, 81.25, 82.25] {
        weigh_in(&world, kilograms);
        assert_eq!(world.fetch("anna", "&methods=body").await.status, 200);
        world.await_topic("sensors/fitbit/anna/body-weight", |weight| weight == kilograms.to_string()).await;
        world.clock.advance(TimeDelta::minutes(1));
    }
    assert_eq!(igor.asked("PUT", ANNA), Vec::<String>::new());
    igor.becomes(Mood::Well);
    world.until("the newest weight is there", async |_| igor.weight() == 82.25).await;
    let asked = igor.asked.lock().unwrap().clone();
    assert!(!asked.iter().any(|(_, _, body)| body.contains("81.25")), "only the newest is told");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_tried_again_and_a_stop_does_not_wait_for_it() {
    let (igor, settings, _running) = Igor::start().await;
    igor.becomes(Mood::Refusing(500));
    let mut world = household(settings).await;
    world.until("it was tried", async |_| !igor.asked("PUT", ANNA).is_empty()).await;
    igor.becomes(Mood::Well);
    agree(&world, &igor, &["anna", "ben"]).await;

    igor.becomes(Mood::Refusing(401));
    weigh_in(&world, 83.5);
    assert_eq!(world.fetch("anna", "&methods=body").await.status, 200);
    world.stop().await;
    assert_ne!(igor.weight(), 83.5);
    igor.becomes(Mood::Well);
    world.start().await;
    world.until("it is told after the next start", async |_| igor.weight() == 83.5).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_igor_that_lost_what_it_knew_is_told_all_again() {
    let (igor, settings, _running) = Igor::start().await;
    let mut world = household(settings).await;
    agree(&world, &igor, &["anna", "ben"]).await;
    *igor.elements.lock().unwrap() = fresh();
    world.clock.advance(TimeDelta::seconds(5));
    assert_eq!(world.fetch("anna", "&methods=body").await.status, 200);
    agree(&world, &igor, &["anna", "ben"]).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_while_the_bridge_is_off_goes_there_too_and_nobody_else() {
    let (igor, settings, _running) = Igor::start().await;
    let mut world = household(settings).await;
    agree(&world, &igor, &["anna", "ben"]).await;
    let health = "/data/status/sensors/fitbit/ben";
    world.until("health is told", async |_| !igor.element(health).is_null()).await;
    world.stop().await;

    let (path, jack) = ("/data/sensors/fitbit/jack".to_owned(), json!({"weight": 70}));
    igor.elements.lock().unwrap().insert(path.clone(), jack.clone());
    std::fs::remove_dir_all(world.data_dir().join("identities/ben")).unwrap();
    world.start().await;
    let ben = "/data/sensors/fitbit/ben";
    world.until("ben is gone", async |_| igor.element(ben).is_null() && igor.element(health).is_null()).await;
    agree(&world, &igor, &["anna"]).await;
    assert_eq!(igor.element(&path), jack, "what is not ours stays");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_by_hand_tells_igor_and_forgetting_deletes_there() {
    let (igor, settings, _running) = Igor::start().await;
    let mut world = World::connected().await;
    world.more = settings;
    let mut program = world.program("127.0.0.1:0", &["fetch", "anna", "--methods", "body", "--publish"]);
    let output = tokio::task::spawn_blocking(move || program.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(igor.weight() > 0.0, "{:?}", igor.asked);
    let mut program = world.program("127.0.0.1:0", &["forget", "anna"]);
    let output = tokio::task::spawn_blocking(move || program.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(igor.element(ANNA), Json::Null);
}

#[test]
fn settings_that_cannot_be_meant_are_refused_in_words() {
    for (text, said) in [
        ("igor.url = \"http://pi.lan:9333/data\"", "of Igor itself, without path"),
        ("igor.url = \"pi.lan\"", "http://HOST:PORT"),
        ("igor.username = \"admin\"", "`igor.username` needs `igor.url`"),
        ("igor.url = \"http://pi.lan\"\nigor.password = \"x\"", "`igor.password` needs `igor.username`"),
    ] {
        let error = Config::parse(Some((Path::new("test.toml"), text)), Vec::<(String, String)>::new()).unwrap_err();
        assert!(format!("{error:#}").contains(said), "{error:#}");
    }
}
