//! What a real InfluxDB and a real VictoriaMetrics have in the end: every point of the store, none twice, whatever
//! happened meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod grafana; // the dashboard, asked of a real database
mod moving; // people who move to another time zone
pub mod server; // a real database, and points that can be compared

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use chrono::{NaiveDate, TimeDelta};
use fitbit2mqtt::config::Config;
use fitbit2mqtt::metric::{METRICS, find};
use fitbit2mqtt::reading::{Moment, Reading, Resolution, Value};
use fitbit2mqtt::simulator::Change;
use fitbit2mqtt::store::{Batch, Store};
use serde_json::{Map, json};

use self::server::{Points, Server, as_victoriametrics, difference, points_of};
use crate::world::{PEOPLE, Program, World, person};

/// How long a year of two people may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

async fn store(world: &World) -> Store {
    Store::open(&world.data_dir().join("fitbit2mqtt.db")).await.unwrap()
}

async fn record(world: &World, name: &str, readings: &[Reading]) {
    let (asked, store) = (world.clock.now(), store(world).await);
    store.record(&person(name), &Batch { readings, covered: &[], asked }, asked).await.unwrap();
    store.close().await;
}

fn reading(key: &str, value: impl Into<Option<f64>>, at: &str) -> Reading {
    let value = value.into().map_or(Value::Text("deep".into()), Value::Number);
    let (metric, at) = (find(key).unwrap(), at.parse().unwrap());
    Reading { metric, value, at, source: None, beside: Map::new(), resolution: None }
}

/// A stretch of sleep.
fn level(level: &str, at: &str, seconds: i64) -> Reading {
    let beside = json!({ "seconds": seconds }).as_object().unwrap().clone();
    Reading { value: Value::Text(level.into()), beside, ..reading("sleep-level", None, at) }
}

/// A year of every metric, and some days of two metrics by the minute, in Amsterdam.
fn year(of: usize, intraday: i64) -> Vec<Reading> {
    let last: NaiveDate = "2026-11-19".parse().unwrap();
    let mut readings = Vec::new();
    for day in 0..365 {
        let date = last - TimeDelta::days(day);
        for (index, metric) in METRICS.iter().enumerate() {
            let value = Value::Number((day * 7 + (index * 13 + of) as i64) as f64 / 4.0);
            let source = (index % 5 == 0).then(|| "Charge 6, \"old\"".to_owned());
            let at = Moment::Date(date);
            readings.push(Reading { metric, value, at, source, beside: Map::new(), resolution: None });
        }
        for (hour, stage) in ["light", "deep", "rem"].iter().enumerate() {
            readings.push(level(stage, &format!("{date}T0{hour}:30:00+01:00"), 3600));
        }
    }
    for key in ["heart-rate", "steps"] {
        for minute in 0..intraday * 1440 {
            let midnight = (last - TimeDelta::days(intraday - 1)).and_hms_opt(0, 0, 0).unwrap() - TimeDelta::hours(1);
            let at = Moment::Time(
                (midnight + TimeDelta::minutes(minute))
                    .and_utc()
                    .with_timezone(&chrono::FixedOffset::east_opt(3600).unwrap()),
            );
            let (metric, value) = (find(key).unwrap(), Value::Number((60 + of as i64 + minute % 40) as f64));
            let resolution = Some(Resolution::MINUTE);
            readings.push(Reading { metric, value, at, source: None, beside: Map::new(), resolution });
        }
    }
    readings
}

/// A household of whom nobody has consented, so that the store has only what a test writes, before a bridge runs.
async fn household(server: &Server) -> World {
    let mut world = World::new().await;
    world.register();
    world.more = server.configuration();
    for name in PEOPLE {
        world.plugindata().create(&person(name)).unwrap();
        store(&world)
            .await
            .note_zone(&person(name), chrono_tz::Europe::Amsterdam, "2026-11-20".parse().unwrap())
            .await
            .unwrap();
    }
    world
}

/// What the store has, by the words of `export`.
async fn kept(world: &World) -> Points {
    let arguments = ["export", "--from", "2020-01-01", "--to", "2026-12-31", "--intraday", "--format", "influx"];
    let mut program = world.program("127.0.0.1:0", &arguments);
    let output = tokio::task::spawn_blocking(move || program.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    points_of(&String::from_utf8(output.stdout).unwrap())
}

/// Waits until the server has what the store has, point by point.
async fn agree(world: &World, server: &Server) {
    let began = Instant::now();
    loop {
        let (kept, found) = (kept(world).await, server.points().await);
        assert!(!kept.is_empty());
        let Some(difference) = difference(&found, &kept) else { return };
        assert!(began.elapsed() < PATIENCE, "{difference}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_fetched_is_there_and_what_is_corrected_is_there_once() {
    let server = Server::guarded().await;
    server.query("CREATE DATABASE fitbit").await;
    let mut world = World::connected().await;
    world.more = server.configuration();
    world.start().await;
    world.fetched().await;
    agree(&world, &server).await;
    let names = server.query("SHOW MEASUREMENTS").await.to_string();
    for name in ["Activity", "Body", "HeartRate_Intraday", "SleepLevels", "SleepSummary", "DeviceBatteryLevel", "Quota"]
    {
        assert!(names.contains(&format!("\"{name}\"")), "{name}: {names}");
    }
    let at = world.clock.now() - TimeDelta::seconds(30);
    world.cloud.change(0, Change::WeighIn { at, kilograms: 81.5, fat: None }).unwrap();
    assert_eq!(world.fetch("anna", "&methods=body").await.status, 200);
    agree(&world, &server).await;
    assert!(server.points().await.values().any(|value| *value == server::Value::Number(81.5)));
    world
        .until("nothing waits", async |world| {
            let told = world.get("/metrics").await.body;
            told.contains("fitbit2mqtt_publish_duration_seconds_count{destination=\"influxdb\"}")
                && told.contains("fitbit2mqtt_queue_length{queue=\"influxdb\"} 0\n")
        })
        .await;
    world.stop().await;
}

/// Writes a year of both people into the store, and starts a bridge.
async fn a_year(server: &Server) -> World {
    let mut world = household(server).await;
    for (index, name) in PEOPLE.iter().enumerate() {
        record(&world, name, &year(index, 3)).await;
    }
    world.start().await;
    world
}

/// Kills the server as soon as it has something of the first person, who is written first, and again at the second.
async fn kill_amid(world: &World, server: &mut Server) {
    for name in PEOPLE {
        world.until("something is there", async |_| server.knows(name).await).await;
        server.kill();
        server.restart().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_two_people_survives_a_database_that_is_killed_amid() {
    let mut server = Server::influxdb().await;
    let mut world = a_year(&server).await;
    kill_amid(&world, &mut server).await;
    agree(&world, &server).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn victoriametrics_has_a_year_of_two_people_though_it_forgets_what_it_took_last() {
    let mut server = Server::victoriametrics().await;
    let mut world = a_year(&server).await;
    kill_amid(&world, &mut server).await;
    let (began, kept) = (Instant::now(), as_victoriametrics(kept(&world).await));
    while let Some(difference) = difference(&server.points().await, &kept) {
        assert!(began.elapsed() < PATIENCE, "{difference}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_amid_costs_nothing_once_there_is_room() {
    let mut server = Server::small(24).await;
    let ballast = server.on_disk("ballast");
    // All there is, but for a little.
    let mut file = std::fs::File::create(&ballast).unwrap();
    while file.write_all(&[1; 64 << 10]).is_ok() {}
    file.set_len(file.metadata().unwrap().len() - (256 << 10)).unwrap();
    drop(file);
    let mut world = a_year(&server).await;
    world.until("the disk is full", async |_| server.log().contains("no space left")).await;
    assert!(difference(&server.points().await, &kept(&world).await).is_some(), "all of it was written");
    std::fs::remove_file(&ballast).unwrap();
    // InfluxDB 1.x goes on failing until it is started anew.
    server.kill();
    server.restart().await;
    agree(&world, &server).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_is_killed_amid_goes_on_where_it_was() {
    let server = Server::influxdb().await;
    let world = household(&server).await;
    for (index, name) in PEOPLE.iter().enumerate() {
        record(&world, name, &year(index, 1)).await;
    }
    for _ in 0..3 {
        let _bridge = Program(
            world.program("127.0.0.1:0", &["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap(),
        );
        world.until("something is there", async |_| server.knows("anna").await).await;
    }
    let _bridge =
        Program(world.program("127.0.0.1:0", &["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    agree(&world, &server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_so_is_gone_and_what_stood_beside_it_is_not() {
    let server = Server::influxdb().await;
    let mut world = household(&server).await;
    let from = |source: &str, reading: Reading| Reading { source: Some(source.into()), ..reading };
    let night = [
        level("light", "2026-11-18T23:10:00+01:00", 1800),
        level("deep", "2026-11-18T23:40:00+01:00", 1800),
        level("rem", "2026-11-19T00:10:00+01:00", 600),
    ];
    record(&world, "anna", &night).await;
    record(&world, "ben", &night).await;
    let day = [
        from("Charge 6", reading("steps", 8000.0, "2026-11-18")),
        from("Charge 6", reading("floors", 8.0, "2026-11-18")),
        from("Charge 6", reading("steps", 9000.0, "2026-11-19")),
    ];
    record(&world, "anna", &day).await;
    world.start().await;
    agree(&world, &server).await;

    // The night is scored again as a whole, and the steps are another device's.
    let night = [level("deep", "2026-11-18T23:05:00+01:00", 3300), level("rem", "2026-11-19T00:00:00+01:00", 1200)];
    record(&world, "anna", &night).await;
    record(&world, "anna", &[from("Pixel Watch", reading("steps", 8100.0, "2026-11-18"))]).await;
    world.post("/plugin/fitbit/userSettings", &[("user", "anna"), ("system", "en_US")]).await;
    agree(&world, &server).await;
    let anna = server
        .points()
        .await
        .into_iter()
        .filter(|((name, tags, ..), _)| name == "SleepLevels" && tags.contains("anna"));
    assert_eq!(anna.count(), 4, "two stretches: the level and the seconds of each");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_are_refused_are_left_out_and_nothing_else() {
    let server = Server::influxdb().await;
    let mut world = household(&server).await;
    // Whoever wrote a text there keeps numbers from being written in the same week.
    let odd = "Activity,user=carl steps=\"many\" 1795042800000000000";
    world.http.post(server.url("write?db=fitbit")).body(odd).send().await.unwrap().error_for_status().unwrap();
    let mut readings = year(0, 0);
    readings.retain(|reading| reading.at.date().to_string().as_str() > "2026-10-");
    record(&world, "anna", &readings).await;
    world.start().await;
    let mut kept = kept(&world).await;
    // Which of two types InfluxDB tells of a field depends on the weeks asked about.
    let mut steps = Points::new();
    kept.retain(|place, value| place.3 != "steps" || steps.insert(place.clone(), value.clone()).is_some());
    let all_but_steps = async || {
        let mut found = server.points().await;
        found.retain(|(_, tags, _, field), _| tags != "user=carl" && field != "steps");
        found
    };
    world.until("all but those is there", async |_| difference(&all_but_steps().await, &kept).is_none()).await;
    let answer = server.query("SELECT COUNT(steps::float) FROM Activity WHERE \"user\" = 'anna'").await;
    let count = answer["results"][0]["series"][0]["values"][0][1].as_u64().unwrap();
    let left_out = u64::try_from(steps.len()).unwrap() - count;
    assert!((1..=7).contains(&left_out), "{left_out} of {} left out", steps.len());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_yet_misses_nothing_and_what_it_has_is_not_sent_again() {
    let server = Server::influxdb().await;
    server.query("DROP DATABASE fitbit").await;
    let mut world = household(&server).await;
    record(&world, "anna", &[reading("steps", 8000.0, "2026-11-18"), reading("body-weight", 72.5, "2026-11-18")]).await;
    world.start().await;
    server.create().await;
    agree(&world, &server).await;
    let (store, url) = (store(&world).await, server.url(""));
    let destination = format!("influxdb {} database fitbit", url.trim_end_matches('/'));
    world.until("the position is kept", async |_| store.position(&destination).await.unwrap() == 2).await;
    world.stop().await;

    server.query("DROP DATABASE fitbit").await;
    server.create().await;
    record(&world, "anna", &[reading("steps", 8000.0, "2026-11-18"), reading("floors", 9.0, "2026-11-18")]).await;
    world.start().await;
    world.until("what is new is there", async |_| server.points().await.len() == 1).await;
    assert_eq!(server.points().await.keys().next().unwrap().3, "floors");
    world.stop().await;
}

#[test]
fn settings_that_cannot_be_meant_are_refused_in_words() {
    for (text, said) in [
        ("url = \"pi.lan\"", "http://HOST:PORT"),
        ("url = \"http://pi.lan\"", "set the one you have"),
        ("url = \"http://pi.lan\"\ndatabase = \"a\"\nbucket = \"b\"", "set one of them"),
        ("database = \"a\"", "`influxdb.database` needs `influxdb.url`"),
        ("bucket = \"a\"", "`influxdb.bucket` needs `influxdb.url`"),
        (
            "url = \"http://pi.lan\"\ndatabase = \"a\"\npassword = \"p\"",
            "`influxdb.password` needs `influxdb.username`",
        ),
        ("url = \"http://pi.lan\"\ndatabase = \"a\"\ntoken = \"p\"", "`influxdb.token` needs `influxdb.bucket`"),
        ("url = \"http://pi.lan\"\nbucket = \"a\"\nusername = \"p\"", "`influxdb.username` needs `influxdb.database`"),
        ("url = \"http://pi.lan\"\norg = \"a\"", "`influxdb.org` needs `influxdb.bucket`"),
    ] {
        let text = format!("[influxdb]\n{text}");
        let error = Config::parse(Some((Path::new("test.toml"), &text)), Vec::<(String, String)>::new()).unwrap_err();
        assert!(format!("{error:#}").contains(said), "{error:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_what_nobody_knows_any_more_stop_nothing() {
    let server = Server::influxdb().await;
    let mut world = household(&server).await;
    let last: NaiveDate = "2026-11-19".parse().unwrap();
    let day = |key: &str, day: i64| reading(key, Some(7.0), &(last - TimeDelta::days(day)).to_string());
    record(&world, "anna", &(0..600).map(|number| day("floors", number)).collect::<Vec<_>>()).await;
    record(&world, "anna", &[day("steps", 0)]).await;
    record(&world, "anna", &[day("floors", 700)]).await;
    let database = sqlx::SqlitePool::connect(world.data_dir().join("fitbit2mqtt.db").to_str().unwrap()).await.unwrap();
    for sql in
        ["UPDATE changed SET metric = 'luck' WHERE metric = 'floors'", "DELETE FROM reading WHERE metric = 'floors'"]
    {
        sqlx::query(sql).execute(&database).await.unwrap();
    }
    database.close().await;
    world.start().await;
    agree(&world, &server).await;
    let empty = "fitbit2mqtt_queue_length{queue=\"influxdb\"} 0\n";
    world.until("nothing waits", async |world| world.get("/metrics").await.body.contains(empty)).await;
    world.stop().await;
}
