//! Tokens of other programs, taken over by the real program: from files as those programs write them, into a household
//! that a bridge can fetch for at once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::plugindata::Token;
use fitbit2mqtt::simulator::{Client, Options};
use fitbit2mqtt::upstream::fitbit::FITBIT;
use secrecy::ExposeSecret;
use serde_json::{Value as Json, json};

use crate::world::{World, person};

/// What the program said and how it ended.
struct Said {
    status: i32,
    out: String,
    err: String,
}

fn import(world: &World, file: &Path, more: &[&str]) -> Said {
    let mut arguments = vec!["import", file.to_str().unwrap()];
    arguments.extend(more);
    run(world, &arguments)
}

fn run(world: &World, arguments: &[&str]) -> Said {
    let mut program = world.program("127.0.0.1:0", arguments);
    let output = tokio::task::block_in_place(|| program.output()).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn write(world: &World, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = world.folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

fn token(world: &World, name: &str) -> Option<Token> {
    world.plugindata().person(&person(name)).unwrap().and_then(|file| file.token)
}

fn access(world: &World, name: &str) -> String {
    token(world, name).expect("a token").access_token.expose_secret().to_owned()
}

/// A database as Igor saves it: prefixes, attributes, other people's things, and what is awkward in XML.
fn igor(client: &Client, access: &str, refresh: &str, expires_at: i64, user_id: &str) -> String {
    let scopes: String = FITBIT.scopes.iter().map(|(scope, _)| format!("<scope>{scope}</scope>")).collect();
    format!(
        r#"<?xml version="1.0" ?>
<data xmlns:au="http://jackjansen.nl/igor/authentication" xmlns:own="http://jackjansen.nl/igor/owner">
  <!-- <plugindata><fitbit><client_id>WRONG</client_id></fitbit></plugindata> -->
  <plugindata><fitbit own:plugin="fitbit"><client_id>{}</client_id><client_secret>{}</client_secret><system>en_GB</system>
    <action><url>/plugin/fitbit?user=jack</url></action></fitbit>
    <netatmo><client_id>other</client_id></netatmo></plugindata>
  <identities>
    <admin><encryptedPassword>$5$x&amp;y</encryptedPassword><plugindata/></admin>
    <anna><au:capability><cid>1</cid></au:capability>
      <plugindata><fitbit><methods>get_bodyweight,get_sleep</methods><period> 30d </period><base_date/>
        <note><![CDATA[her own]]></note>
        <token><access_token>{access}</access_token><expires_in>28800</expires_in><refresh_token>{refresh}</refresh_token>
          {scopes}<token_type>Bearer</token_type><user_id>{user_id}</user_id><expires_at>{expires_at}</expires_at></token>
      </fitbit></plugindata></anna>
    <ben><plugindata><fitbit/></plugindata></ben>
  </identities>
  <sensors><fitbit><anna><weight><weight>73</weight></weight></anna></fitbit></sensors>
</data>"#,
        client.id,
        client.secret.as_deref().unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_household_of_igors_moves_in_and_is_fetched_for() {
    let world = World::with(Options::default(), Clock::system()).await;
    let client = Client::confidential();
    let scopes: Vec<&str> = FITBIT.scopes.iter().map(|(scope, _)| *scope).collect();
    let grant = world.cloud.grant(&client.id, 0, &scopes).unwrap();
    let ends = world.clock.now() + TimeDelta::seconds(grant.expires_in);
    let database = igor(&client, &grant.access_token, &grant.refresh_token, ends.timestamp(), &grant.user_id);
    let file = write(&world, "database.xml", database);

    let said = import(&world, &file, &[]);
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    for part in [
        "application",
        "anna: methods, period, provider taken from Igor",
        "anna: token taken",
        "ben: Igor has no token",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    assert!(said.out.contains("anna: note was left out"), "{}", said.out);
    for secret in [&grant.access_token, &grant.refresh_token, client.secret.as_ref().unwrap()] {
        assert!(!said.out.contains(secret.as_str()) && !said.err.contains(secret.as_str()));
    }
    let file_of_anna = fs::read_to_string(world.person_file("anna")).unwrap();
    assert!(file_of_anna.contains("account = \""), "{file_of_anna}");
    let anna = world.plugindata().person(&person("anna")).unwrap().unwrap();
    assert_eq!(anna.methods.unwrap(), ["get_bodyweight", "get_sleep"]);
    assert_eq!((anna.provider.as_deref(), anna.keywords["period"].as_str()), (Some("fitbit"), "30d"));
    let kept = anna.token.unwrap();
    assert_eq!(kept.expires_at.map(|time| time.timestamp()), Some(ends.timestamp()));
    assert_eq!(kept.scopes().count(), scopes.len());
    assert_eq!(kept.user_id.as_deref(), Some(grant.user_id.as_str()));
    assert_eq!(world.plugindata().application().unwrap().system.as_deref(), Some("en_GB"));

    let fetched = run(&world, &["fetch", "anna", "--methods", "get_bodyweight"]);
    assert_eq!(fetched.status, 0, "{}", fetched.err);
    let answer: Json = serde_json::from_str(&fetched.out).unwrap();
    assert_eq!(answer["metrics"]["body-weight"]["unit"], "st");

    // Once more, nothing changes; and under another name, one person alone.
    let before = fs::read_to_string(world.person_file("anna")).unwrap();
    assert!(import(&world, &file, &[]).out.contains("anna: the token is here already"));
    assert_eq!(fs::read_to_string(world.person_file("anna")).unwrap(), before);
    let said = import(&world, &file, &["--user", "carla"]);
    assert_eq!((said.status, token(&world, "carla").is_none()), (1, true), "{}", said.err);
    assert!(said.err.contains("anna, ben"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_token_stays_and_an_older_one_gives_way() {
    let world = World::connected().await;
    let client = Client::confidential();
    let now = world.clock.now();
    let here = token(&world, "anna").unwrap();
    let user_id = here.user_id.clone().unwrap();
    let mine = access(&world, "anna");

    let old = write(&world, "old.xml", igor(&client, "old", "older", (now - TimeDelta::days(3)).timestamp(), &user_id));
    let said = import(&world, &old, &["--user", "anna"]);
    assert!(said.out.contains("the token here is newer"), "{}", said.out);
    assert_eq!(access(&world, "anna"), mine);

    let foreign = igor(&client, "foreign", "er", (now + TimeDelta::days(3)).timestamp(), "SOMEONE");
    let foreign = write(&world, "foreign.xml", foreign);
    let said = import(&world, &foreign, &["--user", "anna"]);
    assert!(said.out.contains("another account"), "{}", said.out);
    assert_eq!(access(&world, "anna"), mine);

    let new = write(&world, "new.xml", igor(&client, "new", "newer", (now + TimeDelta::days(3)).timestamp(), &user_id));
    let said = import(&world, &new, &["--user", "anna"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert_eq!(access(&world, "anna"), "new");

    // A file that does not say when its token ends is not believed to be newer.
    let bare = write(&world, "tokens.json", r#"{"access_token": "a", "refresh_token": "b"}"#);
    let said = import(&world, &bare, &["--user", "anna"]);
    assert_eq!((said.status, access(&world, "anna").as_str()), (1, "new"), "{}", said.out);
    assert!(said.out.contains("nothing says which is newer"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_another_application_are_refused_before_anything_is_written() {
    let world = World::new().await;
    world.register();
    let other = Client { id: "22OTHR".into(), ..Client::confidential() };
    let file = write(&world, "database.xml", igor(&other, "a", "b", 2_000_000_000, "U"));
    let said = import(&world, &file, &["--user", "anna"]);
    assert_eq!((said.status, said.out.as_str()), (1, ""), "{}", said.err);
    assert!(said.err.contains("22OTHR") && said.err.contains(&Client::confidential().id), "{}", said.err);
    assert!(!world.data_dir().join("identities/anna").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn home_assistants_entries_are_taken_with_the_applications_beside_them() {
    let world = World::new().await;
    let entry = |domain: &str, title: &str, user: &str| {
        json!({"domain": domain, "title": title, "unique_id": user, "data": {
            "auth_implementation": format!("{domain}_app"),
            "token": {"access_token": format!("access-{user}"), "refresh_token": format!("refresh-{user}"),
                      "token_type": "Bearer", "expires_in": 28800, "expires_at": 1_795_186_800.25, "scope": "sleep weight"}}})
    };
    let entries = json!({"version": 1, "minor_version": 4, "key": "core.config_entries", "data": {"entries": [
        entry("met", "Home", "x"), entry("fitbit", "Anna K.", "4QRS"), entry("google_health", "ben@example.com", "g-1")]}});
    let applications = json!({"version": 1, "key": "application_credentials", "data": {"items": [
        {"id": "fitbit_app", "domain": "fitbit", "client_id": "22E123", "client_secret": "0012", "name": "x"},
        {"id": "google_health_app", "domain": "google_health", "client_id": "9.apps", "client_secret": "GOC", "name": "y"},
        {"id": "spotify_app", "domain": "spotify", "client_id": "no", "client_secret": "no", "name": "z"}]}});
    let storage = write(&world, "ha/.storage/core.config_entries", entries.to_string());
    write(&world, "ha/.storage/application_credentials", applications.to_string());

    let said = import(&world, &storage, &[]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("ben@example.com") && said.err.contains("--user"), "{}", said.err);
    let said = import(&world, &storage, &["--user", "anna"]);
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    let anna = token(&world, "anna").unwrap();
    assert_eq!((anna.access_token.expose_secret(), anna.user_id.as_deref()), ("access-4QRS", Some("4QRS")));
    assert_eq!(anna.expires_at.unwrap().timestamp(), 1_795_186_800);
    let application = world.plugindata().application().unwrap();
    assert_eq!(application.client("fitbit").id.as_deref(), Some("22E123"));
    assert_eq!(application.client("fitbit").secret.unwrap().expose_secret(), "0012");
    assert_eq!(application.client("google-health").id.as_deref(), Some("9.apps"));
    assert!(token(&world, "ben").is_none());
    // The folder will do as well.
    let said = import(&world, storage.parent().unwrap(), &["--user", "anna"]);
    assert!(said.out.contains("the token is here already"), "{}{}", said.out, said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn token_files_with_one_token_need_a_name() {
    let world = World::new().await;
    let grafana = json!({"provider": "google", "access_token": "ya29", "refresh_token": "1//r",
                         "saved_at_utc": "2026-11-20T09:00:00.123456+00:00", "expires_in": 3599});
    let grafana = write(&world, "tokens.json", grafana.to_string());
    let said = import(&world, &grafana, &[]);
    assert!(said.status == 1 && said.err.contains("--user"), "{}", said.err);
    assert_eq!(import(&world, &grafana, &["--user", "anna"]).status, 0);
    let anna = world.plugindata().person(&person("anna")).unwrap().unwrap();
    assert_eq!(anna.provider.as_deref(), Some("google-health"));
    let ends = anna.token.unwrap().expires_at.unwrap();
    assert_eq!(ends.to_rfc3339(), "2026-11-20T09:59:59+00:00");

    let conf = json!({"access_token": "a", "refresh_token": "b", "client_id": "22E123", "client_secret": "s",
                      "last_saved_at": 1_795_158_000});
    let conf = write(&world, "fitbit.conf", conf.to_string());
    assert_eq!(import(&world, &conf, &["--user", "ben"]).status, 0);
    assert_eq!(token(&world, "ben").unwrap().expires_at.unwrap().timestamp(), 1_795_158_000 + 28_800);
    assert_eq!(world.plugindata().application().unwrap().client("fitbit").id.as_deref(), Some("22E123"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_such_file_is_said_to_be_none_and_not_repeated() {
    let world = World::new().await;
    let deep = format!("<data>{}</data>", "<a>".repeat(10_000));
    for (name, text) in [
        ("empty.json", ""),
        ("list.json", "[\"secret-word\"]"),
        ("other.json", "{\"secret\": \"secret-word\"}"),
        ("cut.json", "{\"access_token\": \"secret-word"),
        ("storage.json", "{\"key\": \"core.area_registry\", \"data\": {\"x\": \"secret-word\"}}"),
        ("none.json", "{\"key\": \"core.config_entries\", \"data\": {\"entries\": []}}"),
        ("cut.xml", "<data><plugindata><fitbit><client_secret>secret-word"),
        ("page.xml", "<html><body>secret-word</body></html>"),
        ("entity.xml", "<data><plugindata><fitbit><client_id>&secret-word;</client_id></fitbit></plugindata></data>"),
        ("deep.xml", deep.as_str()),
    ] {
        let file = write(&world, name, text);
        let said = import(&world, &file, &["--user", "anna"]);
        assert_eq!((said.status, said.out.as_str()), (1, ""), "{name}: {}", said.err);
        assert!(said.err.contains(name), "{name}: {}", said.err);
        assert!(!said.err.contains("secret-word"), "{name}: {}", said.err);
    }
    let missing = import(&world, &world.folder.path().join("gone.xml"), &[]);
    assert!(missing.status == 1 && missing.err.contains("gone.xml"), "{}", missing.err);
    assert!(!world.data_dir().join("identities").exists());
}
