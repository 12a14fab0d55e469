//! The doctor, by the real program: each thing that can be wrong is made wrong here and found, with its cure; what is well
//! is called so; and nothing is left behind.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "doctor/broker.rs"]
mod broker; // a broker that refuses
#[path = "doctor/page.rs"]
mod page; // the same on the setup page

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::simulator::Options;
use fitbit2mqtt::store::{Store, Window};
use fitbit2mqtt::web::server::{self, Handler, Request, Response};
use secrecy::ExposeSecret;

use crate::influxdb::server::Server as Influx;
use crate::postgres::{PASSWORD, Postgres};
use crate::world::{World, person};

/// One row, as it was printed.
#[derive(Debug, Clone)]
struct Row {
    state: String,
    subject: String,
    what: String,
    cure: String,
}

/// What the doctor said.
#[derive(Debug)]
struct Said {
    status: i32,
    rows: Vec<Row>,
    summary: String,
    all: String,
}

impl Said {
    fn of(mut command: Command) -> Said {
        let output = tokio::task::block_in_place(|| command.output()).unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        let all = format!("{out}{}", String::from_utf8(output.stderr).unwrap());
        let (table, summary) = out.trim_end().rsplit_once("\n\n").unwrap_or_else(|| panic!("no table: {all}"));
        let mut rows: Vec<Row> = Vec::new();
        for line in table.lines() {
            match line.trim_start().strip_prefix("→ ") {
                Some(cure) => rows.last_mut().unwrap().cure = cure.to_owned(),
                None => {
                    let (state, rest) = line.split_at(10);
                    let (subject, what) = rest.split_at(18);
                    let text = |text: &str| text.trim().to_owned();
                    rows.push(Row {
                        state: text(state),
                        subject: text(subject),
                        what: text(what),
                        cure: String::new(),
                    });
                }
            }
        }
        let status = output.status.code().unwrap();
        Said { status, rows, summary: summary.to_owned(), all }
    }

    fn of_subject(&self, subject: &str) -> Vec<&Row> {
        self.rows.iter().filter(|row| row.subject == subject).collect()
    }

    /// The subject is well, whatever it says.
    #[track_caller]
    fn assert_well(&self, subject: &str) {
        let rows = self.of_subject(subject);
        assert!(!rows.is_empty() && rows.iter().all(|row| row.state == "ok" && row.cure.is_empty()), "{}", self.all);
    }

    /// One row of the subject says this, with a cure that says that.
    #[track_caller]
    fn assert_finds(&self, state: &str, subject: &str, what: &str, cure: &str) {
        let mut rows = self.of_subject(subject).into_iter();
        let found = rows.any(|row| row.state == state && row.what.contains(what) && row.cure.contains(cure));
        assert!(found, "no {state} of {subject} with {what:?} and {cure:?}:\n{}", self.all);
        assert_eq!(self.status, i32::from(self.rows.iter().any(|row| row.state == "trouble")), "{}", self.all);
    }
}

/// A household at the time it really is, as the program has no other clock.
async fn world() -> World {
    World::with(Options::default(), Clock::paced(Utc::now(), 1.0)).await
}

/// The same with both people connected.
async fn connected() -> World {
    let world = world().await;
    world.register();
    (0..2).for_each(|index| world.connect(index));
    world
}

const NOWHERE: &str = "127.0.0.1:1";

fn doctor(world: &World) -> Said {
    Said::of(world.program(NOWHERE, &["doctor"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_running_bridge_all_is_well_and_nothing_is_left_behind() {
    let mut world = connected().await;
    world.start().await;
    world.fetched().await;
    world.quiet().await;
    let listen = world.url().strip_prefix("http://").unwrap().to_owned();
    let retained = world.retained().await;
    let seen = world.cloud.requests().len();
    let said = Said::of(world.program(&listen, &["doctor"]));
    let well = [
        "configuration",
        "registration",
        "passwords",
        "file modes",
        "database",
        "entry points",
        "redirect address",
        "upstream",
        "clock",
        "consent",
        "scopes",
        "quota",
        "broker",
        "topics",
        "retained messages",
        "commands",
        "Home Assistant",
    ];
    well.iter().for_each(|subject| said.assert_well(subject));
    assert_eq!(said.status, 0, "{}", said.all);
    assert!(said.summary.starts_with("Nothing needs doing"), "{}", said.summary);
    assert_eq!(said.of_subject("Igor").len(), 0, "{}", said.all);
    assert!(said.of_subject("entry points")[0].what.ends_with("is ready"), "{}", said.all);
    assert_eq!(world.cloud.requests().len(), seen, "the doctor asked for somebody's data");
    assert_eq!(world.retained().await, retained);
    for secret in ["GOCSPX", "eyJ", "simulated-secret"] {
        assert!(!said.all.contains(secret), "{}", said.all);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_was_set_up_the_next_steps_are_said_and_nothing_is_made() {
    let world = world().await;
    let said = doctor(&world);
    said.assert_finds("trouble", "registration", "no client id for", "register this bridge there");
    said.assert_finds("warning", "consent", "nobody yet", "page/setup.html");
    for subject in ["configuration", "file modes", "database", "entry points", "broker", "topics"] {
        said.assert_well(subject);
    }
    assert!(said.of_subject("database")[0].what.contains("not there yet"), "{}", said.all);
    assert_eq!(said.status, 1);
    assert!(!world.data_dir().exists(), "the doctor made a folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_read_is_a_finding_too() {
    let mut world = world().await;
    world.more = "mqtt.protocol = \"6\"\nmqtt.password = \"geheim\"\n".into();
    let said = doctor(&world);
    said.assert_finds("trouble", "configuration", "`mqtt.protocol` = \"6\" is not allowed", "correct it");
    assert_eq!((said.status, said.rows.len()), (1, 1), "{}", said.all);
    assert!(!said.all.contains("geheim"), "{}", said.all);
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_of_nobody_and_files_that_cannot_be_read_are_named() {
    let mut world = connected().await;
    world.more = "[[action]]\nurl = \"/plugin/fitbit?user=ana\"\n".into();
    fs::write(world.person_file("ben"), "[token]\naccess_token = [\"a secret\"]\n").unwrap();
    let said = doctor(&world);
    said.assert_finds("warning", "configuration", "an [[action]] names ana", "correct the name");
    said.assert_finds("trouble", "consent", "line 2", "by hand");
    assert!(!said.all.contains("a secret"), "{}", said.all);
    fs::write(world.data_dir().join("plugindata/fitbit.toml"), "provider = \"nobody\"\n").unwrap();
    doctor(&world).assert_finds("trouble", "registration", "provider", "by hand");
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_in_the_clear_are_warned_of() {
    let mut world = connected().await;
    // Addresses for documentation: nobody answers there.
    world.more = "http.password = \"geheim\"\nhttp.public_url = \"http://192.0.2.1:9333\"\n\
                  igor.url = \"http://192.0.2.1:1\"\nigor.username = \"admin\"\nigor.password = \"geheim\"\n\
                  influxdb.url = \"http://192.0.2.1:2\"\ninfluxdb.bucket = \"home\"\ninfluxdb.token = \"geheim\"\n"
        .into();
    let said = doctor(&world);
    said.assert_finds("warning", "passwords", "http.password travels unencrypted", "reverse proxy with https");
    said.assert_finds("warning", "passwords", "igor.password travels unencrypted", "https");
    said.assert_finds("warning", "passwords", "what InfluxDB is written with travels unencrypted", "https");
    assert!(!said.all.contains("geheim"), "{}", said.all);
    world.more = "mqtt.username = \"bridge\"\nmqtt.password = \"geheim\"\n".into();
    doctor(&world).assert_well("passwords");
    let mut elsewhere = world.program(NOWHERE, &["doctor"]);
    elsewhere.env("FITBIT2MQTT_MQTT__URL", "mqtt://broker.invalid");
    let said = Said::of(elsewhere);
    said.assert_finds("warning", "passwords", "mqtt.password travels unencrypted", "mqtts://");
    said.assert_finds("trouble", "broker", "the host name is unknown", "correct the host");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_others_may_read_are_named() {
    let mut world = connected().await;
    let open = |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    doctor(&world).assert_well("file modes");
    open(&world.person_file("anna"), 0o640);
    let folder = world.data_dir().join("identities/ben");
    open(&folder, 0o755);
    // Into a folder that is closed, nobody gets.
    open(&world.data_dir(), 0o700);
    doctor(&world).assert_well("file modes");
    open(&world.data_dir(), 0o755);
    // All in one, with one cure for all.
    let everything = format!("chmod -R go= {}", world.data_dir().join("identities").display());
    let said = doctor(&world);
    let first = format!("{} is open to other users of this machine, and 1 more", world.person_file("anna").display());
    said.assert_finds("trouble", "file modes", &first, &everything);
    assert_eq!(said.of_subject("file modes").len(), 1, "{}", said.all);
    open(&world.person_file("anna"), 0o600);
    let cure = format!("chmod go= {}", folder.display());
    doctor(&world).assert_finds("warning", "file modes", &folder.display().to_string(), &cure);
    open(&folder, 0o700);
    doctor(&world).assert_well("file modes");

    // The store, too, is looked at as it is, not closed by looking.
    let database = world.data_dir().join("fitbit2mqtt.db");
    Store::open(&database).await.unwrap().close().await;
    open(&database, 0o644);
    let name = database.display().to_string();
    doctor(&world).assert_finds("trouble", "file modes", &name, &format!("chmod go= {name}*"));
    assert_eq!(database.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    open(&world.person_file("ben"), 0o604);
    let everything = format!("chmod -R go= {}", world.data_dir().display());
    let said = doctor(&world);
    said.assert_finds("trouble", "file modes", "and 1 more", &everything);
    let mut cure = Command::new("sh");
    assert!(cure.args(["-c", &everything]).status().unwrap().success());
    doctor(&world).assert_well("file modes");
    open(&world.data_dir(), 0o755);

    // A configuration without a secret is nobody's secret; one with a secret is.
    let file = world.folder.path().join("fitbit2mqtt.toml");
    open(&file, 0o644);
    let command = world.program(NOWHERE, &["doctor"]);
    open(&file, 0o644);
    Said::of(command).assert_well("file modes");
    let secret = world.folder.path().join("password");
    fs::write(&secret, "geheim\n").unwrap();
    open(&secret, 0o644);
    world.more = format!("http.password = \"geheim\"\nmqtt.username = \"x\"\nmqtt.password_file = {secret:?}\n");
    let command = world.program(NOWHERE, &["doctor"]);
    open(&file, 0o644);
    let said = Said::of(command);
    said.assert_finds("trouble", "file modes", &file.display().to_string(), "chmod o=");
    said.assert_finds("trouble", "file modes", &secret.display().to_string(), "chmod o=");
}

/// A small disk of its own, which only a name space of its own can have.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_is_found() {
    let world = connected().await;
    let program = world.program(NOWHERE, &["doctor"]);
    let on_a_disk_of = |size: &str| {
        let script = format!("mount -t tmpfs -o size={size} tmpfs \"$1\" && shift && exec \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
        command.arg(world.data_dir()).arg(program.get_program()).args(program.get_args());
        Said::of(command)
    };
    on_a_disk_of("4m").assert_finds("trouble", "disk space", " MB are free in ", "make room there");
    on_a_disk_of("300m").assert_finds("warning", "disk space", "300 MB are free in ", "make room there");
    on_a_disk_of("2g").assert_well("disk space");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_none_is_damaged_or_cannot_be_reached_is_found() {
    let mut world = connected().await;
    let path = world.data_dir().join("fitbit2mqtt.db");
    let store = Store::open(&path).await.unwrap();
    store.close().await;
    let before = fs::read(&path).unwrap();
    let beside =
        || fs::read_dir(world.data_dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>();
    let files = beside();
    doctor(&world).assert_well("database");
    assert_eq!(beside(), files);
    assert!(fs::read(&path).unwrap() == before, "the doctor wrote into the store");
    let after = Store::open(&path).await.unwrap();
    assert_eq!(after.setting("mqtt_client_id", || "none".into()).await.unwrap(), "none", "nothing was noted there");
    after.close().await;

    // A page in the middle that belongs to a table.
    let mut damaged = before.clone();
    let middle = damaged.len() / 4096 / 2 * 4096;
    damaged[middle..middle + 4096].fill(0xa5);
    fs::write(&path, &damaged).unwrap();
    let said = doctor(&world);
    said.assert_finds("trouble", "database", "damaged", "");
    fs::write(&path, "no database at all, but long enough to be looked at ".repeat(100)).unwrap();
    doctor(&world).assert_finds("trouble", "database", "damaged", "");

    // An empty file that somebody prepared stays one.
    for empty in [&path, &world.folder.path().join("elsewhere.db")] {
        fs::write(empty, "").unwrap();
        world.more = format!("store.url = {:?}\n", format!("sqlite:{}", empty.display()));
        let said = doctor(&world);
        said.assert_well("database");
        assert!(said.of_subject("database")[0].what.contains("the first start makes them"), "{}", said.all);
        assert_eq!(empty.metadata().unwrap().len(), 0);
    }
    let postgres = Postgres::shared();
    let database = postgres.database();
    world.more = format!("store.url = {:?}\n", database.expose_secret());
    let empty = postgres.database();
    for sql in ["REVOKE CREATE ON SCHEMA public FROM PUBLIC", "CREATE ROLE reader LOGIN PASSWORD 'nothing'"] {
        postgres.run(&empty, sql);
    }
    let of_reader = empty.expose_secret().replace(&format!("bridge:{PASSWORD}"), "reader:nothing");
    world.more = format!("store.url = {of_reader:?}\n");
    doctor(&world).assert_finds("trouble", "database", "make it the owner of the database", "");
    world.more = format!("store.url = {:?}\n", database.expose_secret());
    for _ in 0..2 {
        let said = doctor(&world);
        said.assert_well("database");
        assert!(said.of_subject("database")[0].what.contains("the first start makes them"), "{}", said.all);
    }
    Store::at(&database).await.unwrap().close().await;
    let said = doctor(&world);
    said.assert_well("database");
    assert!(said.of_subject("database")[0].what.contains("can be written"), "{}", said.all);
    postgres.run(&database, "UPDATE _sqlx_migrations SET version = 99");
    doctor(&world).assert_finds("trouble", "database", "of another version of fitbit2mqtt", "");
    world.more = format!("store.url = {:?}\n", postgres.url("wrong-password", "store0"));
    let said = doctor(&world);
    said.assert_finds("trouble", "database", "password", "");
    assert!(!said.all.contains("wrong-password") && !said.all.contains(PASSWORD), "{}", said.all);
}

/// Says the same to everyone.
struct Parrot(&'static str);

#[async_trait]
impl Handler for Parrot {
    async fn answer(&self, _: Request) -> Response {
        Response::text(200, self.0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_in_our_place_is_noticed() {
    let world = connected().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let listen = listener.local_addr().unwrap().to_string();
    let _parrot = server::serve(listener, Arc::new(Parrot("Hello!"))).unwrap();
    let said = Said::of(world.program(&listen, &["doctor"]));
    said.assert_finds("trouble", "entry points", "another program answers", "http.listen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_is_not_ready_says_why() {
    let mut world = connected().await;
    world.start().await;
    world.until("ready", async |world| world.get("/readyz").await.status == 200).await;
    world.broker.kill();
    world.until("not ready", async |world| world.get("/readyz").await.status == 503).await;
    let listen = world.url().strip_prefix("http://").unwrap().to_owned();
    let said = Said::of(world.program(&listen, &["doctor"]));
    said.assert_finds("warning", "entry points", "connection to the MQTT broker", "broker");
    said.assert_finds("trouble", "broker", "nothing listens there", "start the broker");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_address_that_leads_elsewhere_is_found() {
    let mut world = connected().await;
    world.start().await;
    let listen = world.url().strip_prefix("http://").unwrap().to_owned();
    world.more = format!("http.public_url = {:?}\n", "http://localhost:1");
    let said = Said::of(world.program(&listen, &["doctor"]));
    said.assert_finds("warning", "redirect address", "nothing answers at http://localhost:1", "http.public_url");
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let other = format!("http://{}", listener.local_addr().unwrap());
    let _parrot = server::serve(listener, Arc::new(Parrot("Hello!"))).unwrap();
    world.more = format!("http.public_url = {other:?}\n");
    let said = Said::of(world.program(&listen, &["doctor"]));
    said.assert_finds("warning", "redirect address", "leads to another program", "reverse proxy");

    // What Google refuses does not depend on who answers.
    world.plugindata().save_application(|edit| edit.default_provider("google-health")).unwrap();
    world.more = "http.public_url = \"http://pi.lan:9333\"\nhttp.password = \"geheim\"\n".into();
    let said = doctor(&world);
    said.assert_finds("trouble", "redirect address", "does not lead back to", "Set http.public_url");
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_differ_and_upstreams_out_of_reach_are_found() {
    for (ahead, words) in [(TimeDelta::minutes(-10), "ahead of"), (TimeDelta::minutes(10), "behind")] {
        let world = World::with(Options::default(), Clock::paced(Utc::now() + ahead, 1.0)).await;
        world.register();
        world.connect(0);
        doctor(&world).assert_finds("trouble", "clock", words, "timedatectl");
    }
    let world = connected().await;
    let mut command = world.program(NOWHERE, &["doctor"]);
    command.env("FITBIT2MQTT_UPSTREAM__FITBIT__API_URL", "http://127.0.0.1:1");
    let said = Said::of(command);
    said.assert_finds("trouble", "upstream", "Fitbit Web API cannot be reached at http://127.0.0.1:1", "network");
    assert_eq!(said.of_subject("clock").len(), 0, "{}", said.all);
}

#[tokio::test(flavor = "multi_thread")]
async fn consents_that_are_missing_lost_partial_or_ending_are_told_apart() {
    let world = world().await;
    world.register();
    world.connect_with(0, &["activity", "heartrate", "profile", "settings"]);
    world.plugindata().create(&person("ben")).unwrap();
    let said = doctor(&world);
    said.assert_finds("warning", "scopes", "anna did not consent to ", "ask for consent again");
    assert!(said.of_subject("scopes")[0].what.contains("sleep ("), "{}", said.all);
    said.assert_finds("trouble", "consent", "ben has not consented yet", "setup.html?user=ben");
    world.connect(1);
    doctor(&world).assert_finds("warning", "scopes", "anna did not consent to ", "");

    // Lost: the bridge has learned that from the upstream.
    world.cloud.revoke(1);
    let mut fetch = world.program(NOWHERE, &["fetch", "ben"]);
    assert!(!tokio::task::block_in_place(|| fetch.output()).unwrap().status.success());
    doctor(&world).assert_finds("trouble", "consent", "ben must consent again: ", "setup.html?user=ben");

    let store = Store::open(&world.data_dir().join("fitbit2mqtt.db")).await.unwrap();
    store.note_fetch(&person("anna"), Utc::now(), None).await.unwrap();
    store.note_fetch(&person("anna"), Utc::now(), Some("the upstream failed (500)")).await.unwrap();
    doctor(&world).assert_finds(
        "warning",
        "consent",
        "anna: the last fetch failed: the upstream failed (500)",
        "goes on",
    );
    let long_ago = Utc::now() - TimeDelta::days(2);
    store.note_fetch(&person("anna"), long_ago, None).await.unwrap();
    store.note_fetch(&person("anna"), Utc::now(), Some("the upstream failed (500)")).await.unwrap();
    doctor(&world).assert_finds("trouble", "consent", "anna: nothing has worked since ", "goes on trying");

    let mut token = world.plugindata().person(&person("anna")).unwrap().unwrap().token.unwrap();
    token.refresh_expires_at = Some(Utc::now() + TimeDelta::hours(20));
    world.plugindata().save_token(&person("anna"), &token).unwrap();
    doctor(&world).assert_finds("warning", "consent", "anna's consent ends at ", "before");

    token.scope = "https://www.googleapis.com/auth/fitness".into();
    world.plugindata().save_token(&person("anna"), &token).unwrap();
    doctor(&world).assert_finds("trouble", "consent", "the token is of another upstream", "connect at");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_spent_is_found() {
    let world = connected().await;
    let store = Store::open(&world.data_dir().join("fitbit2mqtt.db")).await.unwrap();
    let reset = Utc::now() + TimeDelta::minutes(40);
    store.set_window(&person("anna"), Window { allowed: 150, remaining: 0, reset }).await.unwrap();
    store.set_window(&person("ben"), Window { allowed: 150, remaining: 12, reset }).await.unwrap();
    let said = doctor(&world);
    said.assert_finds("warning", "quota", "anna's is spent until ", "wait");
    said.assert_finds("ok", "quota", "ben: 12 of 150 requests are left until ", "");
}

/// An Igor that answers everything so.
struct Igor(u16);

#[async_trait]
impl Handler for Igor {
    async fn answer(&self, request: Request) -> Response {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/data/sensors"));
        Response::text(self.0, "")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_igor_that_refuses_or_is_away_is_found() {
    let mut world = connected().await;
    let mut settings = |url: &str| {
        world.more = format!("igor.url = {url:?}\nigor.username = \"admin\"\nigor.password = \"geheim\"\n");
        doctor(&world)
    };
    for (status, cure) in [(200, ""), (404, ""), (401, "right to write"), (500, "igor.password")] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let _igor = server::serve(listener, Arc::new(Igor(status))).unwrap();
        let said = settings(&url);
        match cure {
            "" => said.assert_well("Igor"),
            cure => said.assert_finds("trouble", "Igor", &status.to_string(), cure),
        }
        assert!(!said.all.contains("geheim"), "{}", said.all);
    }
    settings("http://127.0.0.1:1").assert_finds("trouble", "Igor", "cannot be reached", "at its address");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_influxdb_that_refuses_or_is_away_is_found() {
    let mut world = connected().await;
    let mut at = |settings: &str| {
        world.more = settings.to_owned();
        doctor(&world)
    };
    let mut guarded = Influx::guarded().await;
    let settings = guarded.configuration();
    let said = at(&settings);
    said.assert_finds("trouble", "InfluxDB", "404", "create the database");
    guarded.query("CREATE DATABASE fitbit").await;
    at(&settings).assert_well("InfluxDB");
    let said = at(&settings.replace("\"secret\"", "\"geheim\""));
    said.assert_finds("trouble", "InfluxDB", "401", "influxdb.username and .password");
    assert!(!said.all.contains("geheim"), "{}", said.all);
    guarded.kill();
    at(&settings).assert_finds("trouble", "InfluxDB", "cannot be reached", "at its address");
    let victoria = Influx::victoriametrics().await;
    at(&victoria.configuration()).assert_well("InfluxDB");
}
