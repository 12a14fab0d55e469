//! Fresh tokens through the front door: renewed in time, once, kept whole through refusals, crashes and bad disks, and
//! shown to nobody.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod crashes; // killed between every two steps of a renewal
mod gate; // holds requests to the cloud at a chosen step
mod obstacles; // broken files, disks that take nothing, an endpoint that hangs
mod refusals; // what the token endpoint may say instead
mod renewal; // in time, once, by whom it may be
mod secrets; // where tokens never appear

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Output};

use chrono::{DateTime, TimeDelta, Utc};
use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::plugindata::Token;
use fitbit2mqtt::simulator::{Asked, Client, Effect, Fault, Options};
use fitbit2mqtt::store::Store;
use fitbit2mqtt::upstream::fitbit::FITBIT;
use secrecy::ExposeSecret;
use serde_json::{Value as Json, json};

use crate::world::{Answer, PEOPLE, Program, World, person};

const TOKEN: &str = "/oauth2/token";

/// Anna's and ben's household with a bridge whose interval actions are all due in a quarter of an hour, so that nobody
/// but the test asks for anything.
async fn calm() -> World {
    let mut world = World::connected().await;
    no_action_is_due(&world).await;
    world.start().await;
    world
}

async fn no_action_is_due(world: &World) {
    let store = Store::open(&world.data_dir().join("fitbit2mqtt.db")).await.unwrap();
    for name in PEOPLE {
        let url = format!("/plugin/fitbit?user={name}");
        store.note_action(&person(name), &url, Some(world.clock.now())).await.unwrap();
    }
}

/// The same household on the machine's own clock, as the real program has it; no bridge runs yet.
async fn at_machine_time() -> World {
    let world = World::with(Options::default(), Clock::system()).await;
    world.register();
    for index in 0..PEOPLE.len() {
        world.connect(index);
    }
    world
}

/// Rewrites a person's file as a person with an editor would.
fn edit(world: &World, name: &str, change: impl FnOnce(String) -> String) {
    let path = world.person_file(name);
    fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
}

/// Puts something in the place of a key's value.
fn set(world: &World, name: &str, key: &str, value: &str) {
    edit(world, name, |text| {
        assert!(text.lines().any(|line| line.starts_with(&format!("{key} = "))), "{key} in {text}");
        let line = |line: &str| match line.split_once(" = ") {
            Some((found, _)) if found == key => format!("{key} = {value}\n"),
            _ => format!("{line}\n"),
        };
        text.lines().map(line).collect()
    });
}

/// Makes the file say that the token ends now; the upstream still takes it.
fn expire(world: &World, name: &str) {
    let soon = world.clock.now() + TimeDelta::seconds(30);
    set(world, name, "expires_at", &soon.format("%Y-%m-%dT%H:%M:%SZ").to_string());
}

fn token(world: &World, name: &str) -> Token {
    world.plugindata().person(&person(name)).unwrap().unwrap().token.unwrap()
}

/// Access and refresh token.
fn pair(world: &World, name: &str) -> (String, String) {
    pair_of(&token(world, name))
}

fn pair_of(token: &Token) -> (String, String) {
    (token.access_token.expose_secret().to_owned(), token.refresh_token.as_ref().unwrap().expose_secret().to_owned())
}

/// The pair of the generation before.
fn previous(world: &World, name: &str) -> Option<(String, String)> {
    world.plugindata().previous(&person(name)).unwrap().map(|token| pair_of(&token))
}

/// The names in a person's folder.
fn names(world: &World, name: &str) -> Vec<String> {
    let entries = fs::read_dir(world.person_file(name).parent().unwrap()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// What is left where a renewal has come to its end: the file alone, with its comment, for its owner only.
fn assert_tidy(world: &World, name: &str) {
    assert_eq!(names(world, name), ["fitbit.lock", "fitbit.toml"]);
    assert_eq!(fs::metadata(world.person_file(name)).unwrap().mode() & 0o7777, 0o600);
}

/// A fresh grant of the cloud as a token, as if another program had it.
fn granted(world: &World, index: usize) -> Token {
    let scopes: Vec<&str> = FITBIT.scopes.iter().map(|(scope, _)| *scope).collect();
    let grant = world.cloud.grant(&Client::confidential().id, index, &scopes).unwrap();
    Token {
        access_token: grant.access_token.into(),
        refresh_token: Some(grant.refresh_token.into()),
        token_type: "Bearer".into(),
        expires_at: Some(world.clock.now() + TimeDelta::seconds(grant.expires_in)),
        refresh_expires_at: None,
        scope: grant.scope,
        user_id: Some(grant.user_id),
    }
}

/// Writes a token into the file by hand: no lock, no second generation.
fn write_by_hand(world: &World, name: &str, token: &Token) {
    let (access, refresh) = pair_of(token);
    let expires = token.expires_at.unwrap().format("%Y-%m-%dT%H:%M:%SZ");
    let text = format!(
        "[token]\naccess_token = {access:?}\nrefresh_token = {refresh:?}\nexpires_at = {expires}\nscope = {:?}\n",
        token.scope
    );
    fs::write(world.person_file(name), text).unwrap();
}

/// The requests to the token endpoint.
fn renewals(world: &World) -> usize {
    world.cloud.count(TOKEN)
}

/// The requests for data with this status.
fn answered(world: &World, status: u16) -> Vec<Asked> {
    world.cloud.requests().into_iter().filter(|asked| asked.path != TOKEN && asked.status == status).collect()
}

/// The token endpoint does this, so many times, or until it is mended.
fn token_fault(world: &World, times: Option<u32>, effect: Effect) {
    world.cloud.fault(Fault { path: TOKEN.into(), person: None, times, effect });
}

/// What the service says where it refuses.
fn classic(status: u16, kind: &str, message: &str) -> Effect {
    Effect::answer(status, &json!({"errors": [{"errorType": kind, "message": message}], "success": false}))
}

async fn await_auth(world: &World, name: &str, state: &str) -> Json {
    let topic = format!("fitbit2mqtt/user/{name}/auth");
    let is_so = |text: &str| serde_json::from_str::<Json>(text).is_ok_and(|auth| auth["state"] == state);
    serde_json::from_str(&world.await_topic(&topic, is_so).await).unwrap()
}

async fn weight(world: &World, name: &str) -> Answer {
    world.fetch(name, "&methods=get_bodyweight").await
}

fn assert_works(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["failed"], json!([]), "{}", answer.body);
    assert!(answer.json()["metrics"]["body-weight"]["value"].is_number(), "{}", answer.body);
}

/// `fetch NAME` by the real program.
fn fetch_command(world: &World, name: &str) -> Command {
    world.program("127.0.0.1:0", &["fetch", name, "--methods", "get_bodyweight"])
}

fn assert_fetched(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let json: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert!(json["metrics"]["body-weight"]["value"].is_number(), "{json:#}");
}

/// `run` by the real program with everything in its log, which is the file `log` in the world's folder; and its address.
async fn run(world: &World) -> (Program, String) {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let log = fs::File::create(world.folder.path().join("log")).unwrap();
    let mut command = world.program(&listen, &["run"]);
    command.env("RUST_LOG", "trace").stdout(log.try_clone().unwrap()).stderr(log);
    let program = Program(command.spawn().unwrap());
    let url = format!("http://{listen}");
    let health = || world.send(world.http.get(format!("{url}/healthz")));
    world.until("the program answers", async |_| health().await.status == 200).await;
    (program, url)
}

fn at(token: &Token) -> DateTime<Utc> {
    token.expires_at.unwrap()
}
