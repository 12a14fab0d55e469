//! How fast everything goes to a real InfluxDB, beside its floor, measured in the same run: a bare client that has the same
//! lines in memory, packs them with gzip as the bridge does and sends one request after the other.
//! `cargo bench --bench influxdb`; it fails where the promise is not kept. Wants Debian's influxdb.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

#[path = "../tests/it/influxdb/server.rs"]
mod server;

use std::io::Write;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use fitbit2mqtt::metric::{self, METRICS};
use fitbit2mqtt::reading::{Moment, Person, Reading, Resolution, Value};
use fitbit2mqtt::sink::influxdb::line::line;
use fitbit2mqtt::sink::influxdb::{InfluxDb, Place, Settings};
use fitbit2mqtt::store::{Batch, Store};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Map;

use self::server::Server;

/// Lines of one request of the bare client, as many as the bridge sends.
const LINES: usize = 5_000;
const RUNS: usize = 3;

#[tokio::main]
async fn main() {
    let server = Server::influxdb().await;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.db")).await.unwrap();
    let (person, readings) = ("anna".parse::<Person>().unwrap(), year());
    let asked: DateTime<Utc> = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    for readings in readings.chunks(50_000) {
        store.record(&person, &Batch { readings, covered: &[], asked }, asked).await.unwrap();
    }
    let lines: Vec<_> =
        readings.iter().map(|reading| line(&person, reading, &chrono_tz::UTC.into()).unwrap()).collect();
    let bodies: Vec<_> = lines.chunks(LINES).map(|lines| lines.join("\n")).collect();

    let (mut ours, mut floor) = (Duration::MAX, Duration::MAX);
    // The best of some runs, by turns: other programs disturb some of them.
    for run in 0..RUNS {
        let (one, other) = (format!("ours{run}"), format!("floor{run}"));
        for name in [&one, &other] {
            server.query(&format!("CREATE DATABASE {name}")).await;
        }
        ours = ours.min(write(&server, &store, &one).await);
        floor = floor.min(send(&server, &bodies, &other).await);
        for name in [&one, &other] {
            let written = server.query(&format!("SELECT COUNT(\"heart-rate\") FROM {name}..HeartRate_Intraday")).await;
            assert_eq!(written["results"][0]["series"][0]["values"][0][1], 365 * 1441, "{name}");
            server.query(&format!("DROP DATABASE {name}")).await;
        }
    }
    let (share, rate) = (floor.as_secs_f64() / ours.as_secs_f64(), lines.len() as f64 / ours.as_secs_f64());
    println!(
        "{} lines written: {:.1} s, {rate:.0} a second, floor {:.1} s: {:.0} % of the floor's speed (at least 70 %)",
        lines.len(),
        ours.as_secs_f64(),
        floor.as_secs_f64(),
        share * 100.0
    );
    if share < 0.7 {
        // An exit drops nothing, and the server would live on.
        drop(server);
        std::process::exit(1);
    }
}

/// From the store, with everything that the bridge does for it.
async fn write(server: &Server, store: &Store, database: &str) -> Duration {
    let place = Place::Database { name: database.into(), username: None, password: None };
    let settings = Settings { url: server.url("").parse().unwrap(), place };
    let http = fitbit2mqtt::upstream::client::http().unwrap();
    let began = Instant::now();
    let influxdb = InfluxDb::new(settings, http, store.clone());
    influxdb.written(Duration::from_secs(300)).await.unwrap();
    began.elapsed()
}

/// The floor.
async fn send(server: &Server, bodies: &[String], database: &str) -> Duration {
    let http = fitbit2mqtt::upstream::client::http().unwrap();
    let url = server.url(&format!("write?db={database}"));
    let began = Instant::now();
    for body in bodies {
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
        encoder.write_all(body.as_bytes()).unwrap();
        let request = http.post(&url).header("Content-Encoding", "gzip").body(encoder.finish().unwrap());
        request.send().await.unwrap().error_for_status().unwrap();
    }
    began.elapsed()
}

/// A year of every metric, and of heart rate by the minute.
fn year() -> Vec<Reading> {
    let (begin, heart) = (NaiveDate::from_ymd_opt(2025, 1, 1).unwrap(), metric::find("heart-rate").unwrap());
    let midnight = begin.and_hms_opt(0, 0, 0).unwrap().and_utc().fixed_offset();
    let of_day = |day: i64, metric| {
        let (value, at) = (Value::Number(day as f64 / 4.0), Moment::Date(begin + TimeDelta::days(day)));
        Reading { metric, value, at, source: Some("Charge 6".into()), beside: Map::new(), resolution: None }
    };
    let daily = (0..365).flat_map(|day| METRICS.iter().map(move |metric| of_day(day, metric)));
    let samples = (0..365 * 1440).map(|minute| {
        let value = Value::Number((75.0 + (minute as f64 / 83.0).sin() * 20.0).round());
        let at = Moment::Time(midnight + TimeDelta::minutes(minute));
        let resolution = Some(Resolution::MINUTE);
        Reading { metric: heart, value, at, source: None, beside: Map::new(), resolution }
    });
    daily.chain(samples).collect()
}
