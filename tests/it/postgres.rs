//! A real PostgreSQL on a free port, in a folder of its own, for as long as a test needs it; tests that run at the same
//! time share it, each with a database of its own. Stopped by its own folder's process id.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};

/// What the tests log in with.
pub const PASSWORD: &str = "not-to-be-printed";

const INSTALL: &str = "install it with: apt-get install postgresql-15";
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub struct Postgres {
    folder: tempfile::TempDir,
    child: Child,
    pub port: u16,
    databases: AtomicU32,
}

static RUNNING: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

impl Postgres {
    /// The server that other tests use now, else a new one.
    pub fn shared() -> Arc<Postgres> {
        // A test that failed while it held the lock left nothing half-done.
        let mut running = RUNNING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        running.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Postgres::start());
            *running = Arc::downgrade(&server);
            server
        })
    }

    fn start() -> Postgres {
        let folder = tempfile::tempdir().unwrap();
        // PostgreSQL does not run as root: there it is Debian's user for it.
        if let Some((user, group)) = servant(folder.path()) {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let (data, password) = (folder.path().join("data"), folder.path().join("password"));
        fs::write(&password, PASSWORD).unwrap();
        if let Some((user, group)) = servant(folder.path()) {
            chown(&password, Some(user), Some(group)).unwrap();
        }
        let made = command("initdb", folder.path())
            .args(["--no-sync", "--no-locale", "--encoding=UTF8", "--auth=scram-sha-256", "--username=bridge"])
            .arg(format!("--pwfile={}", password.display()))
            .arg(&data)
            .output()
            .unwrap_or_else(|error| panic!("initdb: {error}; {INSTALL}"));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = command("postgres", folder.path())
            .arg("-D")
            .arg(&data)
            .args(["-h", "127.0.0.1", "-p", &port.to_string()])
            .arg("-k")
            .arg(folder.path())
            .args(["-c", "fsync=off", "-c", "max_connections=60"])
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Postgres { folder, child, port, databases: AtomicU32::new(0) };
        let began = Instant::now();
        while server.psql("postgres", "SELECT 1").is_err() {
            assert!(began.elapsed() < PATIENCE, "{}", server.log());
            thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// The address of a new, empty database.
    pub fn database(&self) -> SecretString {
        let name = format!("store{}", self.databases.fetch_add(1, Ordering::Relaxed));
        // Text in the server's own order would not be that of SQLite: "ä" before "b".
        let sql = format!("CREATE DATABASE {name} TEMPLATE template0 LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'");
        self.psql("postgres", &sql).unwrap();
        self.url(PASSWORD, &name).into()
    }

    /// An address of this server.
    pub fn url(&self, password: &str, database: &str) -> String {
        format!("postgres://bridge:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs a statement in the database of this address.
    pub fn run(&self, database: &SecretString, sql: &str) {
        self.psql(database.expose_secret().rsplit('/').next().unwrap(), sql).unwrap();
    }

    fn psql(&self, database: &str, sql: &str) -> Result<(), String> {
        let output = command("psql", self.folder.path())
            .env("PGPASSWORD", PASSWORD)
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "bridge", "-d", database, "-q", "-c", sql])
            .output()
            .unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let stopped = command("pg_ctl", self.folder.path())
            .args(["stop", "-m", "immediate", "-D"])
            .arg(self.folder.path().join("data"))
            .status();
        if !stopped.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// The newest PostgreSQL's program of this name, run by a user who may; Debian keeps them beside the path.
fn command(name: &str, folder: &Path) -> Command {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().map_while(Result::ok);
    let mut programs: Vec<PathBuf> = versions.map(|version| version.path().join("bin").join(name)).collect();
    programs.retain(|program| program.exists());
    programs.sort();
    let mut command = Command::new(programs.pop().unwrap_or_else(|| name.into()));
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    if let Some((user, group)) = servant(folder) {
        command.uid(user).gid(group);
    }
    command
}

/// Debian's user for PostgreSQL, where the tests run as root.
fn servant(folder: &Path) -> Option<(u32, u32)> {
    let root = fs::metadata("/proc/self").unwrap_or_else(|_| fs::metadata(folder).unwrap()).uid() == 0;
    let passwd = root.then(|| fs::read_to_string("/etc/passwd").unwrap())?;
    let line = passwd.lines().find(|line| line.starts_with("postgres:"));
    let line = line.unwrap_or_else(|| panic!("there is no user postgres; {INSTALL}"));
    let numbers: Vec<u32> = line.split(':').skip(2).take(2).map(|number| number.parse().unwrap()).collect();
    Some((numbers[0], numbers[1]))
}
