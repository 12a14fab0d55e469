//! A real InfluxDB 1.x or VictoriaMetrics on free ports, in a folder of its own, killed by its own process id; and points,
//! as lines say them and as each of the two gives them back, so that they can be compared.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

const INSTALL: &str = "install it with: apt-get install influxdb victoria-metrics";
const PATIENCE: Duration = Duration::from_secs(60);

/// The database the tests write to.
pub const DATABASE: &str = "fitbit";

/// Where a point's field is: measurement, tags in their order, nanosecond, field.
pub type Place = (String, String, i64, String);

/// A number, or text.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Number(f64),
    Text(String),
}

/// Every field of every point.
pub type Points = BTreeMap<Place, Value>;

/// A server that can be killed and comes back.
pub struct Server {
    folder: tempfile::TempDir,
    child: Option<Child>,
    /// Keeps the disk that only the server sees.
    disk: Option<Child>,
    pub port: u16,
    kind: Kind,
    http: reqwest::Client,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// InfluxDB with, where it has one, a disk of its own of so many megabytes, and whether it asks for a password.
    Influx {
        disk: Option<u32>,
        guarded: bool,
    },
    Victoria,
}

impl Server {
    pub async fn influxdb() -> Server {
        Server::start(Kind::Influx { disk: None, guarded: false }).await
    }

    /// One that asks who is there (user `bridge`, password `secret`) and takes short requests only.
    pub async fn guarded() -> Server {
        let server = Server::start(Kind::Influx { disk: None, guarded: true }).await;
        server.query("CREATE USER bridge WITH PASSWORD 'secret' WITH ALL PRIVILEGES").await;
        server
    }

    /// One whose disk is this small.
    pub async fn small(megabytes: u32) -> Server {
        Server::start(Kind::Influx { disk: Some(megabytes), guarded: false }).await
    }

    pub async fn victoriametrics() -> Server {
        Server::start(Kind::Victoria).await
    }

    async fn start(kind: Kind) -> Server {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let http = fitbit2mqtt::upstream::client::http().unwrap();
        let mut server = Server { folder, child: None, disk: None, port, kind, http };
        server.restart().await;
        server.create().await;
        server
    }

    /// The way a power cut does it.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// On the same port and folder.
    pub async fn restart(&mut self) {
        let began = Instant::now();
        let mut command = self.command();
        let log = fs::File::options().append(true).create(true).open(self.path("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap_or_else(|error| panic!("{error}; {INSTALL}")));
        let health = if self.kind == Kind::Victoria { "health" } else { "ping" };
        while !self.http.get(self.url(health)).send().await.is_ok_and(|answer| answer.status().is_success()) {
            assert!(began.elapsed() < PATIENCE, "{}", fs::read_to_string(self.path("log")).unwrap());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn command(&mut self) -> Command {
        let folder = self.path("data");
        let data = &folder;
        fs::create_dir_all(data).unwrap();
        let Kind::Influx { disk, guarded } = self.kind else {
            let mut command = Command::new("victoria-metrics");
            command
                .arg(format!("-storageDataPath={}", data.display()))
                .arg(format!("-httpListenAddr=127.0.0.1:{}", self.port))
                .args(["-retentionPeriod=100y", "-dedup.minScrapeInterval=1ms", "-memory.allowedBytes=256MB"])
                .args(["-storage.minFreeDiskSpaceBytes=1MB", "-loggerLevel=WARN"]);
            return command;
        };
        let data = data.display();
        let configuration = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:{}\"\n[meta]\ndir = \"{data}/meta\"\n\
             [data]\ndir = \"{data}/data\"\nwal-dir = \"{data}/wal\"\nquery-log-enabled = false\n\
             [monitor]\nstore-enabled = false\n\
             [http]\nbind-address = \"127.0.0.1:{}\"\nlog-enabled = false\n{}",
            free_port(),
            self.port,
            if guarded { "auth-enabled = true\nmax-body-size = 2000\n" } else { "" }
        );
        let path = self.path("influxdb.conf");
        fs::write(&path, configuration).unwrap();
        let mut command = match disk {
            None => Command::new("influxd"),
            Some(megabytes) => {
                let keeper = self.disk.get_or_insert_with(|| keeper(&folder, megabytes)).id();
                let mut command = Command::new("nsenter");
                command.args(["--target", &keeper.to_string(), "--mount"]);
                if !is_root() {
                    command.args(["--user", "--preserve-credentials"]);
                }
                command.arg("influxd");
                command
            }
        };
        command.arg("-config").arg(path);
        command
    }

    /// A file on its disk, as it sees it.
    pub fn on_disk(&self, name: &str) -> PathBuf {
        seen_by(self.disk.as_ref().expect("it has one"), &self.path("data")).join(name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// The configuration of a bridge that writes here, to VictoriaMetrics by the second version of the interface.
    pub fn configuration(&self) -> String {
        let place = match self.kind {
            Kind::Influx { guarded: false, .. } => "database = \"fitbit\"",
            Kind::Influx { guarded: true, .. } => "database = \"fitbit\"\nusername = \"bridge\"\npassword = \"secret\"",
            Kind::Victoria => "bucket = \"fitbit\"\norg = \"home\"\ntoken = \"secret\"",
        };
        format!("[influxdb]\nurl = \"http://127.0.0.1:{}\"\n{place}\n", self.port)
    }

    /// Whether it has anything of this person.
    pub async fn knows(&self, name: &str) -> bool {
        match self.kind {
            Kind::Influx { .. } => {
                self.query("SHOW TAG VALUES WITH KEY = \"user\"").await.to_string().contains(&format!("\"{name}\""))
            }
            Kind::Victoria => {
                let url = self.url(&format!("api/v1/series?match[]={{user=\"{name}\"}}&start=1000000000"));
                self.http.get(url).send().await.unwrap().text().await.unwrap().contains(name)
            }
        }
    }

    /// What it has said of itself.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub async fn create(&self) {
        if let Kind::Influx { guarded: false, .. } = self.kind {
            self.query(&format!("CREATE DATABASE {DATABASE}")).await;
        }
    }

    /// Asks in InfluxQL.
    pub async fn query(&self, query: &str) -> Json {
        let request = self.http.post(self.url("query")).query(&[("db", DATABASE), ("epoch", "ns")]);
        let request = if self.kind == (Kind::Influx { disk: None, guarded: true }) {
            request.basic_auth("bridge", Some("secret"))
        } else {
            request
        };
        let answer = request.form(&[("q", query)]).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{query}: {status} {text}");
        let json: Json = serde_json::from_str(&text).unwrap();
        assert!(json["results"][0]["error"].is_null(), "{query}: {text}");
        json
    }

    /// Everything of a person's, but what the bridge says of itself; each series as the server tells it.
    pub async fn points(&self) -> Points {
        let mut points = match self.kind {
            Kind::Influx { .. } => influx_points(&self.query("SELECT * FROM /.*/ GROUP BY *").await),
            Kind::Victoria => victoria_points(&self.http, &self.url("")).await,
        };
        points.retain(|(measurement, ..), _| !measurement.starts_with("Quota"));
        points
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in [&mut self.child, &mut self.disk].into_iter().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            let log = fs::read_to_string(self.path("log")).unwrap_or_default();
            eprintln!("{}", &log[log.len().saturating_sub(4000)..]);
        }
    }
}

/// A process with a disk of its own at `folder`; whoever is not root may have one in a house of their own.
fn keeper(folder: &Path, megabytes: u32) -> Child {
    let mut command = Command::new("unshare");
    if !is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let script =
        format!("mount -t tmpfs -o size={megabytes}m tmpfs \"$0\" && touch \"$0/ready\" && exec sleep infinity");
    let mut child = command.args(["--mount", "sh", "-c", &script]).arg(folder).spawn().unwrap();
    let began = Instant::now();
    while !seen_by(&child, folder).join("ready").exists() {
        assert!(began.elapsed() < PATIENCE && child.try_wait().unwrap().is_none(), "no disk could be mounted");
        thread::sleep(Duration::from_millis(20));
    }
    child
}

/// A path as a process sees it that has disks of its own.
fn seen_by(process: &Child, path: &Path) -> PathBuf {
    Path::new("/proc").join(process.id().to_string()).join("root").join(path.strip_prefix("/").unwrap())
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|itself| itself.uid() == 0)
}

fn influx_points(answer: &Json) -> Points {
    let mut points = Points::new();
    for series in answer["results"][0]["series"].as_array().into_iter().flatten() {
        let tags = series["tags"].as_object().unwrap();
        let tags: Vec<_> = tags.iter().filter(|(_, value)| *value != "").collect();
        let tags = tags.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect::<Vec<_>>();
        let columns = series["columns"].as_array().unwrap();
        for row in series["values"].as_array().unwrap() {
            let at = row[0].as_i64().unwrap();
            for (column, value) in columns.iter().zip(row.as_array().unwrap()).skip(1) {
                let value = match value {
                    Json::Null => continue,
                    Json::String(text) => Value::Text(text.clone()),
                    number => Value::Number(number.as_f64().unwrap()),
                };
                let place = (series["name"].as_str().unwrap(), tags.join(","), at, column.as_str().unwrap());
                let doubled = points.insert((place.0.into(), place.1, place.2, place.3.into()), value);
                assert_eq!(doubled, None);
            }
        }
    }
    points
}

/// VictoriaMetrics has a series for each field, to the millisecond, and no text.
async fn victoria_points(http: &reqwest::Client, url: &str) -> Points {
    let export = http.get(format!("{url}api/v1/export?match[]={{__name__!=\"\"}}&start=1000000000"));
    let text = export.send().await.unwrap().text().await.unwrap();
    let mut points = Points::new();
    for line in text.lines() {
        let json: Json = serde_json::from_str(line).unwrap();
        let labels = json["metric"].as_object().unwrap();
        let mut tags: Vec<_> = labels
            .iter()
            .filter(|(name, _)| !["__name__", "db"].contains(&name.as_str()))
            .map(|(name, value)| format!("{name}={}", value.as_str().unwrap()))
            .collect();
        tags.sort();
        let name = json["metric"]["__name__"].as_str().unwrap();
        for (value, at) in json["values"].as_array().unwrap().iter().zip(json["timestamps"].as_array().unwrap()) {
            let place = (name.to_owned(), tags.join(","), at.as_i64().unwrap() * 1_000_000, String::new());
            let doubled = points.insert(place, Value::Number(value.as_f64().unwrap()));
            assert_eq!(doubled, None, "{name}");
        }
    }
    points
}

/// The points that lines say.
pub fn points_of(lines: &str) -> Points {
    let mut points = Points::new();
    for line in lines.lines() {
        let [head, fields, at] = split(line, ' ').try_into().unwrap_or_else(|_| panic!("{line}"));
        let mut head = split(&head, ',').into_iter().map(|word| bare(&word));
        let (measurement, tags) = (head.next().unwrap(), head.collect::<Vec<_>>().join(","));
        for field in split(&fields, ',') {
            let [name, value] = split(&field, '=').try_into().unwrap_or_else(|_| panic!("{line}"));
            let value = match value.strip_prefix('"') {
                Some(text) => Value::Text(bare(text.strip_suffix('"').unwrap())),
                None => Value::Number(value.parse().unwrap()),
            };
            points.insert((measurement.clone(), tags.clone(), at.parse().unwrap(), bare(&name)), value);
        }
    }
    points
}

/// The same as VictoriaMetrics has them.
pub fn as_victoriametrics(points: Points) -> Points {
    let named = points.into_iter().map(|((measurement, tags, at, field), value)| {
        let number = match value {
            Value::Number(number) => number,
            Value::Text(_) => 0.0,
        };
        ((format!("{measurement}_{field}"), tags, at, String::new()), Value::Number(number))
    });
    named.collect()
}

/// Splits where the protocol does: neither behind a backslash nor within quotes.
fn split(text: &str, at: char) -> Vec<String> {
    let (mut parts, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for letter in text.chars() {
        if letter == at && !quoted && !escaped {
            parts.push(String::new());
            continue;
        }
        quoted ^= letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        parts.last_mut().unwrap().push(letter);
    }
    parts
}

fn bare(word: &str) -> String {
    let (mut text, mut escaped) = (String::new(), false);
    for letter in word.chars() {
        if letter == '\\' && !escaped {
            escaped = true;
            continue;
        }
        escaped = false;
        text.push(letter);
    }
    text
}

/// What differs, briefly, for whoever reads a failure.
pub fn difference(found: &Points, expected: &Points) -> Option<String> {
    let missing: Vec<_> = expected.iter().filter(|(place, value)| found.get(place) != Some(value)).collect();
    let surplus: Vec<_> = found.iter().filter(|(place, _)| !expected.contains_key(place)).collect();
    if missing.is_empty() && surplus.is_empty() {
        return None;
    }
    let shown: Vec<_> = missing.iter().take(3).map(|(place, value)| (place, value, found.get(place))).collect();
    Some(format!(
        "{} of {} missing or other: {shown:?}; {} too many: {:?}",
        missing.len(),
        expected.len(),
        surplus.len(),
        surplus.iter().take(3).collect::<Vec<_>>()
    ))
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
