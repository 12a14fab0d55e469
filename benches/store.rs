//! How fast the store is, and how large: each figure beside its floor, measured in the same run, the bare C interface of
//! the same SQLite with the same settings. `cargo bench --bench store`; it fails where a promise is not kept.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used)]

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::ptr;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use fitbit2mqtt::metric::{self, METRICS};
use fitbit2mqtt::reading::{Moment, Person, Reading, Resolution, Value};
use fitbit2mqtt::store::{Batch, Covered, Store};
use libsqlite3_sys as c;
use serde_json::Map;

const MILLION: usize = 1_000_000;
const DAY: usize = 86_400;
const MEGABYTE: f64 = 1e6;
/// The first second of 2025.
const BEGIN: i64 = 1_735_689_600;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let kept = [record(folder.path()).await, newest(folder.path()).await, year(folder.path()).await];
    if kept.contains(&false) {
        std::process::exit(1);
    }
}

/// A million samples of one second, in answers of a day each as they come in; at least 70 % of one prepared insert for
/// each row in one transaction.
async fn record(folder: &Path) -> bool {
    let samples = samples(BEGIN, MILLION, Resolution::SECOND);
    let (mut ours, mut floor) = (Duration::MAX, Duration::MAX);
    // The best of some runs, by turns: other programs disturb some of them.
    for run in 0..5 {
        let path = folder.join(format!("record{run}.db"));
        let store = Store::open(&path).await.unwrap();
        let began = Instant::now();
        let mut recorded = 0;
        for readings in samples.chunks(DAY) {
            recorded += put(&store, readings, &[]).await;
        }
        ours = ours.min(began.elapsed());
        assert_eq!(recorded, MILLION);
        store.close().await;
        floor = floor.min(insert(&folder.join(format!("floor{run}.db")), &samples));
    }
    let share = floor.as_secs_f64() / ours.as_secs_f64();
    println!(
        "a million samples recorded: {:.0} ms, floor {:.0} ms: {:.0} % of the floor's speed (at least 70 %)",
        ours.as_secs_f64() * 1e3,
        floor.as_secs_f64() * 1e3,
        share * 100.0
    );
    share >= 0.7
}

/// The newest value of every metric out of ten million readings: under a millisecond.
async fn newest(folder: &Path) -> bool {
    let path = folder.join("newest.db");
    let store = Store::open(&path).await.unwrap();
    let mut count = 0;
    for day in 0..1800 {
        let date = NaiveDate::from_ymd_opt(2021, 1, 1).unwrap() + TimeDelta::days(day);
        let daily = METRICS.iter().map(|metric| Reading {
            metric,
            value: Value::Number(day as f64),
            at: Moment::Date(date),
            source: Some("Charge 6".into()),
            beside: Map::new(),
            resolution: None,
        });
        count += put(&store, &daily.collect::<Vec<_>>(), &[]).await;
    }
    let mut begin = BEGIN;
    while count < 10 * MILLION {
        let size = (10 * MILLION - count).min(5 * DAY);
        count += put(&store, &samples(begin, size, Resolution::SECOND), &[]).await;
        begin += size as i64;
    }
    let mut times = Vec::new();
    for _ in 0..500 {
        let began = Instant::now();
        let newest = store.newest(&person()).await.unwrap();
        times.push(began.elapsed());
        assert_eq!(newest.len(), METRICS.len());
    }
    store.close().await;
    let database = Sqlite::open(&path);
    let mut statement = database.prepare(
        "SELECT metric, day, instant, place, measured, number, text, source, beside, fetched, revision FROM reading
         WHERE person = 'anna' AND metric = ?1 ORDER BY day DESC, instant DESC LIMIT 1",
    );
    let keys: Vec<_> = METRICS.iter().map(|metric| CString::new(metric.key).unwrap()).collect();
    let mut floors = Vec::new();
    for _ in 0..500 {
        let began = Instant::now();
        for key in &keys {
            statement.bind_text(1, key);
            assert!(statement.step());
            statement.reset();
        }
        floors.push(began.elapsed());
    }
    let (ours, floor) = (median(times), median(floors));
    println!(
        "the newest of {} metrics out of ten million readings: {} µs, floor {} µs (under 1000 µs)",
        METRICS.len(),
        ours.as_micros(),
        floor.as_micros()
    );
    ours < Duration::from_millis(1)
}

/// A year of one person's heart rate, one a minute, recorded the newest day first as a backfill does: at most 15 MB.
async fn year(folder: &Path) -> bool {
    let path = folder.join("year.db");
    let store = Store::open(&path).await.unwrap();
    let samples = samples(BEGIN, 365 * 1440, Resolution::MINUTE);
    for readings in samples.chunks(1440).rev() {
        let day = readings[0].at.date();
        put(&store, readings, &[Covered { provider: "fitbit", endpoint: "heart-intraday", first: day, last: day }])
            .await;
    }
    store.close().await;
    let floor = folder.join("floor.db");
    insert(&floor, &samples);
    let (ours, floor) = (size(&path), size(&floor));
    println!("a year of heart rate by the minute: {ours:.1} MB, floor {floor:.1} MB (at most 15 MB)");
    ours <= 15.0
}

/// So many samples of a heart that beats as hearts do: whole numbers that change little.
fn samples(begin: i64, count: usize, resolution: Resolution) -> Vec<Reading> {
    let metric = metric::find("heart-rate").unwrap();
    let sample = |number: usize| {
        let second = begin + (number as i64) * i64::from(resolution.seconds());
        let wave = (second as f64 / 5000.0).sin() * 20.0 + (second as f64 / 130.0).sin() * 6.0;
        Reading {
            metric,
            value: Value::Number((75.0 + wave).round()),
            at: Moment::Time(DateTime::from_timestamp(second, 0).unwrap().fixed_offset()),
            source: None,
            beside: Map::new(),
            resolution: Some(resolution),
        }
    };
    (0..count).map(sample).collect()
}

async fn put(store: &Store, readings: &[Reading], covered: &[Covered]) -> usize {
    let asked: DateTime<Utc> = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    store.record(&person(), &Batch { readings, covered, asked }, asked).await.unwrap().len()
}

/// The floor: the store's own table, one prepared insert for each row, one transaction.
fn insert(path: &Path, samples: &[Reading]) -> Duration {
    let database = Sqlite::open(path);
    database.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    database.execute(
        "CREATE TABLE sample (series BIGINT NOT NULL, instant BIGINT NOT NULL, number DOUBLE PRECISION NOT NULL,
             origin BIGINT NOT NULL, asked BIGINT NOT NULL, revision BIGINT NOT NULL, beside TEXT,
             PRIMARY KEY (series, instant)) WITHOUT ROWID",
    );
    let began = Instant::now();
    database.execute("BEGIN IMMEDIATE");
    let mut statement = database.prepare(
        "INSERT INTO sample (series, instant, number, origin, asked, revision) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    );
    for sample in samples {
        statement.bind_integer(1, 1);
        statement.bind_integer(2, sample.at.instant());
        statement.bind_number(3, sample.value.number().unwrap());
        statement.bind_integer(4, 0);
        statement.bind_integer(5, 1_790_000_000);
        statement.bind_integer(6, 1);
        assert!(!statement.step());
        statement.reset();
    }
    drop(statement);
    database.execute("COMMIT");
    began.elapsed()
}

fn person() -> Person {
    "anna".parse().unwrap()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn size(path: &Path) -> f64 {
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
    let bytes = |path: PathBuf| path.metadata().map_or(0, |metadata| metadata.len());
    (bytes(path.to_owned()) + bytes(beside("-wal"))) as f64 / MEGABYTE
}

/// A connection of the C interface; closed at its end.
struct Sqlite(*mut c::sqlite3);

impl Sqlite {
    fn open(path: &Path) -> Sqlite {
        let name = CString::new(path.to_str().unwrap()).unwrap();
        let mut database = ptr::null_mut();
        // SAFETY: the name ends with a zero and outlives the call; what comes back is checked before it is used.
        let code = unsafe { c::sqlite3_open(name.as_ptr(), &mut database) };
        assert_eq!(code, c::SQLITE_OK);
        Sqlite(database)
    }

    fn execute(&self, sql: &str) {
        let text = CString::new(sql).unwrap();
        // SAFETY: the connection is open as long as `self`, the text outlives the call, and no callback is given.
        let code = unsafe { c::sqlite3_exec(self.0, text.as_ptr(), None, ptr::null_mut(), ptr::null_mut()) };
        assert_eq!(code, c::SQLITE_OK, "{sql}: {}", self.message());
    }

    fn prepare(&self, sql: &str) -> Statement<'_> {
        let text = CString::new(sql).unwrap();
        let mut statement = ptr::null_mut();
        // SAFETY: as above; SQLite copies the text.
        let code = unsafe { c::sqlite3_prepare_v2(self.0, text.as_ptr(), -1, &mut statement, ptr::null_mut()) };
        assert_eq!(code, c::SQLITE_OK, "{sql}: {}", self.message());
        Statement { statement, database: self }
    }

    fn message(&self) -> String {
        // SAFETY: the text is the connection's, and copied before anything else happens to it.
        unsafe { CStr::from_ptr(c::sqlite3_errmsg(self.0)) }.to_string_lossy().into_owned()
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // SAFETY: statements borrow the connection, so that none is left; it is used no more.
        unsafe { c::sqlite3_close(self.0) };
    }
}

/// A prepared statement of a connection that is still open.
struct Statement<'a> {
    statement: *mut c::sqlite3_stmt,
    database: &'a Sqlite,
}

impl Statement<'_> {
    fn bind_integer(&mut self, place: i32, value: i64) {
        // SAFETY: the statement lives as long as `self`.
        self.check(unsafe { c::sqlite3_bind_int64(self.statement, place, value) });
    }

    fn bind_number(&mut self, place: i32, value: f64) {
        // SAFETY: as above.
        self.check(unsafe { c::sqlite3_bind_double(self.statement, place, value) });
    }

    fn bind_text(&mut self, place: i32, value: &CStr) {
        // SAFETY: as above; SQLite copies the text, for it is told that it may change.
        let code = unsafe { c::sqlite3_bind_text(self.statement, place, value.as_ptr(), -1, c::SQLITE_TRANSIENT()) };
        self.check(code);
    }

    /// Whether there is a row.
    fn step(&mut self) -> bool {
        // SAFETY: as above.
        match unsafe { c::sqlite3_step(self.statement) } {
            c::SQLITE_ROW => true,
            c::SQLITE_DONE => false,
            code => panic!("{code}: {}", self.database.message()),
        }
    }

    fn reset(&mut self) {
        // SAFETY: as above.
        self.check(unsafe { c::sqlite3_reset(self.statement) });
    }

    fn check(&self, code: i32) {
        assert_eq!(code, c::SQLITE_OK, "{}", self.database.message());
    }
}

impl Drop for Statement<'_> {
    fn drop(&mut self) {
        // SAFETY: it is used no more.
        unsafe { c::sqlite3_finalize(self.statement) };
    }
}
