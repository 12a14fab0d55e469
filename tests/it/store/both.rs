//! An empty store on each engine, and short ways to say what goes into it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use fitbit2mqtt::metric;
use fitbit2mqtt::reading::{Moment, Person, Reading, Resolution, Value};
use fitbit2mqtt::store::{Batch, Covered, Recorded, Selection, Store, Stored};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Map;
use sqlx::Connection as _;

use crate::postgres::Postgres;

/// A store of its own, and what it lives on.
pub struct Home {
    pub engine: &'static str,
    pub store: Store,
    url: SecretString,
    _folder: tempfile::TempDir,
    _server: Option<Arc<Postgres>>,
}

impl Home {
    pub async fn sqlite() -> Home {
        let folder = tempfile::tempdir().unwrap();
        let url: SecretString = format!("sqlite:{}", folder.path().join("store.db").display()).into();
        Home { engine: "SQLite", store: Store::at(&url).await.unwrap(), url, _folder: folder, _server: None }
    }

    pub async fn postgres() -> Home {
        let server = tokio::task::spawn_blocking(Postgres::shared).await.unwrap();
        let url = server.database();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(&url).await.unwrap();
        Home { engine: "PostgreSQL", store, url, _folder: folder, _server: Some(server) }
    }

    /// One on each engine.
    pub async fn each() -> [Home; 2] {
        [Home::sqlite().await, Home::postgres().await]
    }

    /// The same database as another process sees it.
    pub async fn again(&self) -> Store {
        self.try_again().await.unwrap()
    }

    pub async fn try_again(&self) -> anyhow::Result<Store> {
        Store::at(&self.url).await
    }

    /// Meddles with the database.
    pub async fn execute(&self, sql: &'static str) {
        sqlx::any::install_default_drivers();
        let mut connection = sqlx::AnyConnection::connect(self.url.expose_secret()).await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

pub fn anna() -> Person {
    "anna".parse().unwrap()
}

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// So many seconds after noon of 20 November 2026.
pub fn noon(seconds: i64) -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(seconds)
}

/// A number, of a day (`2026-11-19`) or an instant (RFC 3339).
pub fn number(key: &str, at: &str, value: f64) -> Reading {
    let (metric, at) = (metric::find(key).unwrap(), at.parse().unwrap());
    Reading { metric, value: Value::Number(value), at, source: None, beside: Map::new(), resolution: None }
}

/// A sample, one a minute.
pub fn sample(key: &str, at: &str, value: f64) -> Reading {
    Reading { resolution: Some(Resolution::MINUTE), ..number(key, at, value) }
}

/// `count` samples of a day (UTC), one a minute.
pub fn minutes(key: &str, day: &str, count: i64, value: impl Fn(i64) -> f64) -> Vec<Reading> {
    let midnight: DateTime<Utc> = format!("{day}T00:00:00Z").parse().unwrap();
    let at = |minute| Moment::Time((midnight + TimeDelta::minutes(minute)).fixed_offset());
    (0..count)
        .map(|minute| Reading { at: at(minute), ..sample(key, &format!("{day}T00:00:00Z"), value(minute)) })
        .collect()
}

/// Records without noting what was covered.
pub async fn record<'a>(store: &Store, readings: &'a [Reading], asked: DateTime<Utc>) -> Vec<Recorded<'a>> {
    store.record(&anna(), &Batch { readings, covered: &[], asked }, asked + TimeDelta::seconds(1)).await.unwrap()
}

/// That `endpoint` was asked about these days.
pub fn covered(endpoint: &'static str, first: &str, last: &str) -> Covered {
    Covered { provider: "fitbit", endpoint, first: day(first), last: day(last) }
}

/// Everything there is of Anna, in pages of so many.
pub async fn all(store: &Store, limit: usize) -> Vec<Stored> {
    let selection = Selection { from: day("2000-01-01"), to: day("2099-12-31"), metrics: &[], intraday: true };
    selected(store, &selection, limit).await
}

/// What is selected, in pages of so many.
pub async fn selected(store: &Store, selection: &Selection<'_>, limit: usize) -> Vec<Stored> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.history(&anna(), selection, after, limit).await.unwrap();
        assert!(page.readings.len() <= limit);
        all.extend(page.readings);
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}
