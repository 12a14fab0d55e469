//! What the bridge remembers: readings, what was asked, what was published, quota windows, consent under way. The only room that
//! speaks SQL; it knows no upstream and no destination.

mod action;
mod announced;
mod backfill;
mod consent;
mod coverage;
mod event;
mod history;
mod lease;
mod person;
mod published;
mod readings;
mod record;
mod rows;
mod samples;
mod setting;
mod window;
mod wish;

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};

pub use announced::Announced;
pub use backfill::{Order, Stretch};
pub use consent::Consent;
pub use event::NotedEvent;
pub use history::{Cursor, Page, Selection};
pub use person::{StoredAuth, StoredProfile, StoredStatus};
pub use readings::Stored;
pub use record::{Batch, Covered, Recorded};
pub use window::Window;
pub use wish::Wish;

/// A connection on which statements run, usually that of a transaction.
type Connection = SqliteConnection;
/// What a statement gives back.
type Row = SqliteRow;

/// The store; clones share one pool of connections.
#[derive(Clone)]
pub struct Store {
    pool: SqlitePool,
}

impl Store {
    /// A store of this process alone, gone with it.
    pub async fn in_memory() -> Result<Store> {
        // One connection, because each connection to memory is a database of its own.
        let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
        sqlx::migrate!("src/store/migrations").run(&pool).await?;
        Ok(Store { pool })
    }

    /// Opens the SQLite file at `path`, creating and migrating it as needed.
    pub async fn open(path: &Path) -> Result<Store> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(std::time::Duration::from_secs(10));
        let opened = async {
            close_to_others(path)?;
            let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
            sqlx::migrate!("src/store/migrations").run(&pool).await?;
            anyhow::Ok(pool)
        };
        let pool = opened.await.with_context(|| {
            format!("opening the store {}; if the file is damaged, move it away and it is made anew", path.display())
        })?;
        Ok(Store { pool })
    }

    /// A transaction that will write: it has its turn from the start, for one that first reads and then writes would
    /// be refused when another writer came in between.
    async fn write(&self) -> Result<Transaction<'static, Sqlite>> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.context("writing the store")
    }
}

/// Makes the file, or takes it from group and others: it holds health data. SQLite gives the files that it keeps beside
/// it (`-wal`, `-shm`) the same mode when it makes them.
fn close_to_others(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let path = Path::new(&name);
        let Ok(mode) = path.metadata().map(|metadata| metadata.mode()) else { continue };
        if mode & 0o077 != 0
            && let Err(error) = std::fs::set_permissions(path, Permissions::from_mode(mode & 0o700))
        {
            log::warn!("{} is open to other users and cannot be closed: {error}", path.display());
        }
    }
    Ok(())
}

/// A Unix second as a time; one that no calendar has (a damaged row) is the beginning of time.
fn moment(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

/// A Unix millisecond as a time, likewise.
fn instant(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}
