//! Which database the store is in, and how each is opened: SQLite, embedded, or PostgreSQL. The only file that knows;
//! the SQL of the others is what both take.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use log::LevelFilter;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions, Connection, Executor, SqlSafeStr, Transaction};
use url::Url;

use super::trouble;

/// Connections of one process. SQLite has one writer at a time anyhow, and a household few questions.
const CONNECTIONS: u32 = 4;

/// How long a connection is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations");

const OTHER_VERSION: &str = "its tables are of another version of fitbit2mqtt: use that version";

/// A database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// The one that a connection is to.
    pub fn of(connection: &AnyConnection) -> Engine {
        if connection.backend_name() == "PostgreSQL" { Engine::Postgres } else { Engine::Sqlite }
    }

    /// A transaction that has its turn to write from the start. One that first reads and then writes would otherwise
    /// be refused by SQLite when another writer came in between, and overwrite that one's work on PostgreSQL.
    pub async fn write(self, pool: &AnyPool) -> sqlx::Result<Transaction<'static, Any>> {
        match self {
            Engine::Sqlite => pool.begin_with("BEGIN IMMEDIATE").await,
            Engine::Postgres => {
                let mut transaction = pool.begin().await?;
                // The number says “fitbit” to whoever looks into pg_locks; the lock ends with the transaction.
                sqlx::query("SELECT pg_advisory_xact_lock(112559321049460)").execute(&mut *transaction).await?;
                Ok(transaction)
            }
        }
    }

    /// What a connection is told before it is used.
    fn greeting(self) -> &'static str {
        match self {
            Engine::Sqlite => "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL",
            Engine::Postgres => "SET lock_timeout = '10s'",
        }
    }

    /// A number as text from which the very same one can be read again, in SQLite if it lies between 10⁻¹⁸ and 10¹⁸; of
    /// nothing, nothing.
    pub fn digits(self, column: &str) -> String {
        match self {
            // A whole number is written three times as fast.
            Engine::Sqlite => format!(
                "CASE WHEN {column} = CAST({column} AS INTEGER) THEN CAST({column} AS INTEGER)
                 WHEN {column} IS NOT NULL THEN format('%!.17g', {column}) END"
            ),
            Engine::Postgres => format!("{column}::text"),
        }
    }

    /// A text as JSON; `null` where there is none.
    pub fn quoted(self, column: &str) -> String {
        match self {
            Engine::Sqlite => format!("json_quote({column})"),
            Engine::Postgres => format!("COALESCE(to_json({column})::text, 'null')"),
        }
    }

    /// What is said instead where nothing shall change: the journal's mode is kept in the file.
    fn quiet_greeting(self) -> &'static str {
        match self {
            Engine::Sqlite => "PRAGMA busy_timeout = 10000",
            Engine::Postgres => self.greeting(),
        }
    }

    /// The tables, in the words of this database: PostgreSQL has no `WITHOUT ROWID`, and compares text by its bytes,
    /// as SQLite does, only where it is told to.
    fn migrations(self) -> Migrator {
        let mut migrations: Vec<_> = MIGRATIONS.iter().cloned().collect();
        if self == Engine::Postgres {
            for migration in &mut migrations {
                let sql = migration.sql.as_str().replace("WITHOUT ROWID", "").replace(" TEXT", " TEXT COLLATE \"C\"");
                migration.sql = AssertSqlSafe(sql).into_sql_str();
            }
        }
        Migrator::with_migrations(migrations)
    }

    /// A pool of connections to a database, each greeted so.
    async fn pool(self, url: &str, options: AnyPoolOptions, greeting: &'static str) -> Result<AnyPool> {
        sqlx::any::install_default_drivers();
        let connect = url.parse::<AnyConnectOptions>().map_err(trouble::explained)?;
        // A statement that takes a second on a busy machine is nothing that anybody could mend.
        let connect = connect.log_slow_statements(LevelFilter::Debug, Duration::from_secs(1));
        // First by a connection of its own, for a pool would try again and again what can never work.
        let tried = async {
            let mut connection = AnyConnection::connect_with(&connect).await?;
            connection.execute(greeting).await?;
            connection.close().await
        };
        match tokio::time::timeout(PATIENCE, tried).await {
            Ok(tried) => tried.map_err(trouble::explained)?,
            Err(_) => return Err(trouble::silent()),
        }
        let options = options
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .acquire_slow_level(LevelFilter::Debug)
            .after_connect(move |connection, _| {
                Box::pin(async move { connection.execute(greeting).await.map(|_| ()) })
            });
        options.connect_with(connect).await.map_err(trouble::explained)
    }

    /// The same to a database whose tables are as they should be, if need be from now on.
    async fn migrated(self, url: &str, options: AnyPoolOptions) -> Result<AnyPool> {
        let pool = self.pool(url, options, self.greeting()).await?;
        self.migrate(&pool).await?;
        Ok(pool)
    }

    /// The same, changing nothing; `None`: the tables are not there, or not all.
    async fn found(self, url: &str, options: AnyPoolOptions) -> Result<Option<AnyPool>> {
        let pool = self.pool(url, options, self.quiet_greeting()).await?;
        if self.is_migrated(&pool).await? {
            return Ok(Some(pool));
        }
        let may = self.may_create(&pool).await?;
        pool.close().await;
        if may { Ok(None) } else { Err(trouble::forbidden()) }
    }

    /// Whether tables may be made; of a file nobody asks, for that shows in its mode.
    async fn may_create(self, pool: &AnyPool) -> Result<bool> {
        if self == Engine::Sqlite {
            return Ok(true);
        }
        let asked = "SELECT count(*) FROM pg_namespace
                     WHERE nspname = current_schema() AND has_schema_privilege(oid, 'CREATE')";
        let schemas = sqlx::query_scalar::<_, i64>(asked).fetch_one(pool).await.map_err(trouble::explained)?;
        Ok(schemas > 0)
    }

    /// Whether the tables are as they should be.
    async fn is_migrated(self, pool: &AnyPool) -> Result<bool> {
        let table = &MIGRATIONS.table_name;
        let asked = match self {
            Engine::Sqlite => "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1",
            Engine::Postgres => "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1",
        };
        let count = sqlx::query_scalar::<_, i64>(asked).bind(table.as_ref()).fetch_one(pool).await;
        if count.map_err(trouble::explained)? == 0 {
            return Ok(false);
        }
        let mut connection = pool.acquire().await.map_err(trouble::explained)?;
        let applied = connection.list_applied_migrations(table).await?;
        let known = |version, checksum: &[u8]| {
            MIGRATIONS.iter().any(|own| own.version == version && *own.checksum == *checksum)
        };
        if !applied.iter().all(|one| known(one.version, &one.checksum)) {
            bail!(OTHER_VERSION);
        }
        Ok(applied.len() == MIGRATIONS.iter().count())
    }

    async fn migrate(self, pool: &AnyPool) -> Result<()> {
        self.migrations().run(pool).await.map_err(|error| match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => trouble::explained(error),
            MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) | MigrateError::VersionTooNew(..) => {
                anyhow::Error::new(error).context(OTHER_VERSION)
            }
            other => anyhow::Error::new(other),
        })
    }
}

/// A database in memory, gone with the pool.
pub(super) async fn in_memory() -> Result<(Engine, AnyPool)> {
    sqlx::any::install_default_drivers();
    // One connection that never ends, because each connection to memory is a database of its own.
    let options = AnyPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let pool = options.connect("sqlite::memory:").await?;
    Engine::Sqlite.migrate(&pool).await?;
    Ok((Engine::Sqlite, pool))
}

/// The SQLite file at `path`.
pub(super) async fn file(path: &Path) -> Result<(Engine, AnyPool)> {
    let opened = async {
        close_to_others(path)?;
        Engine::Sqlite.migrated(&file_url(path)?, file_options()).await
    };
    Ok((Engine::Sqlite, opened.await.with_context(|| format!("opening the store {}", path.display()))?))
}

/// The same as it is, if it is there with its tables.
pub(super) async fn file_found(path: &Path) -> Result<Option<(Engine, AnyPool)>> {
    if !path.exists() {
        return Ok(None);
    }
    let found = async { Engine::Sqlite.found(&file_url(path)?, file_options()).await };
    let pool = found.await.with_context(|| format!("opening the store {}", path.display()))?;
    Ok(pool.map(|pool| (Engine::Sqlite, pool)))
}

fn file_options() -> AnyPoolOptions {
    // Asking a file whether it is still there before each statement would cost more than most statements.
    AnyPoolOptions::new().test_before_acquire(false)
}

/// The database at `url`: `sqlite:PATH`, or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
pub(super) async fn at(url: &str) -> Result<(Engine, AnyPool)> {
    if let Some(path) = path(url) {
        return file(&path).await;
    }
    let shown = shown(url)?;
    let pool = Engine::Postgres.migrated(url, AnyPoolOptions::new()).await;
    Ok((Engine::Postgres, pool.with_context(|| format!("opening the store {shown}"))?))
}

/// The same as it is, if it is there with its tables.
pub(super) async fn found(url: &str) -> Result<Option<(Engine, AnyPool)>> {
    if let Some(path) = path(url) {
        return file_found(&path).await;
    }
    let shown = shown(url)?;
    let pool = Engine::Postgres.found(url, AnyPoolOptions::new()).await;
    Ok(pool.with_context(|| format!("opening the store {shown}"))?.map(|pool| (Engine::Postgres, pool)))
}

/// A server's address without what is secret in it.
fn shown(url: &str) -> Result<Url> {
    match Url::parse(url) {
        Ok(mut shown) if matches!(shown.scheme(), "postgres" | "postgresql") => {
            // The query may hold a password, too. Both succeed for an address that has a host.
            shown.set_query(None);
            let _ = shown.set_password(None);
            Ok(shown)
        }
        // The text is not shown: wherever a password stands in it, it cannot be found in what is no address.
        _ => bail!("the store's address is neither sqlite:PATH nor postgres://USER:PASSWORD@HOST:PORT/DATABASE"),
    }
}

/// The file that an address names, if it names one.
pub(super) fn path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    Some(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
}

fn file_url(path: &Path) -> Result<String> {
    let path = std::path::absolute(path).context("asking for the working folder")?;
    let Ok(url) = Url::from_file_path(&path) else { bail!("{} is no path of a file", path.display()) };
    Ok(format!("sqlite://{}", url.path()))
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
