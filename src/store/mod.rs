//! What the bridge remembers: readings, what was asked, what was published, quota windows, consent under way. The only room that
//! speaks SQL; it knows no upstream and no destination.

mod action;
mod announced;
mod backfill;
mod changed;
mod consent;
mod coverage;
mod curve;
mod engine;
mod event;
mod examined;
mod history;
mod igor;
mod lease;
mod person;
mod published;
mod readings;
mod record;
mod rows;
mod samples;
mod setting;
mod trouble;
mod window;
mod wish;
mod zone;

use std::path::{Path, PathBuf};

use anyhow::Result;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{Any, AnyConnection, AnyPool, Transaction};

use self::engine::Engine;
use self::trouble::Doing;

pub use announced::Announced;
pub use backfill::{Order, Stretch};
pub use changed::{Changed, Samples};
pub use consent::Consent;
pub use curve::Point;
pub use event::NotedEvent;
pub use history::{Cursor, Page, Selection};
pub use person::{StoredAuth, StoredProfile, StoredStatus};
pub use readings::Stored;
pub use record::{Batch, Covered, Recorded};
pub use window::Window;
pub use wish::Wish;

/// A connection on which statements run, usually that of a transaction.
type Connection = AnyConnection;

/// The store; clones share one pool of connections.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
    pool: AnyPool,
}

impl Store {
    /// A store of this process alone, gone with it.
    pub async fn in_memory() -> Result<Store> {
        let (engine, pool) = engine::in_memory().await?;
        Ok(Store { engine, pool })
    }

    /// Opens the SQLite file at `path`, creating and migrating it as needed.
    ///
    /// # Errors
    /// Names the file, what is wrong with it and what to do.
    pub async fn open(path: &Path) -> Result<Store> {
        let (engine, pool) = engine::file(path).await?;
        Ok(Store { engine, pool })
    }

    /// Opens it as it is, changing nothing, not even its mode; `None`: it is not there yet, or not all its tables.
    ///
    /// # Errors
    /// The same.
    pub async fn file_found(path: &Path) -> Result<Option<Store>> {
        Ok(engine::file_found(path).await?.map(|(engine, pool)| Store { engine, pool }))
    }

    /// The file that `store.url` names, if it names one.
    pub fn file(url: &SecretString) -> Option<PathBuf> {
        engine::path(url.expose_secret())
    }

    /// Opens the database at `store.url`, migrating it as needed: `sqlite:PATH` or `postgres://…`.
    ///
    /// # Errors
    /// Names the address without its password, what is wrong and what to do.
    pub async fn at(url: &SecretString) -> Result<Store> {
        let (engine, pool) = engine::at(url.expose_secret()).await?;
        Ok(Store { engine, pool })
    }

    /// Opens it as it is, changing nothing; `None`: it is not there yet, or not all its tables.
    ///
    /// # Errors
    /// The same.
    pub async fn found(url: &SecretString) -> Result<Option<Store>> {
        Ok(engine::found(url.expose_secret()).await?.map(|(engine, pool)| Store { engine, pool }))
    }

    /// Waits until every statement under way has ended, and closes; SQLite then has all in the one file.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A transaction that will write, and has its turn to do so.
    async fn write(&self) -> Result<Transaction<'static, Any>> {
        self.engine.write(&self.pool).await.context("writing the store")
    }
}

/// A Unix second as a time; one that no calendar has (a damaged row) is the beginning of time.
fn moment(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

/// A Unix millisecond as a time, likewise.
fn instant(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}
