//! A household for one test: a simulated cloud, a real mosquitto, and the bridge between them, in a folder of its own;
//! the bridge runs in this process on a clock that the test sets forward, or as the real program.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use fitbit2mqtt::bridge;
use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::config::Config;
use fitbit2mqtt::plugindata::{Plugindata, Token};
use fitbit2mqtt::reading::Person;
use fitbit2mqtt::simulator::{Client, Options, Simulator};
use fitbit2mqtt::upstream::fitbit::FITBIT;
use fitbit2mqtt::web::server::{self, Running};
use serde_json::Value as Json;
use tokio::sync::oneshot;

use crate::mosquitto::Mosquitto;
pub use crate::program::Program;

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The people of a household: the simulated people 0 and 1.
pub const PEOPLE: [&str; 2] = ["anna", "ben"];

/// Thirty days: an action runs at a bridge's first start, and not when a test moves the clock.
const ONCE: u32 = 2_592_000;

/// The interval of the manifest.
pub const QUARTER: u32 = 900;

/// A household.
pub struct World {
    pub folder: tempfile::TempDir,
    pub clock: Clock,
    pub cloud: Arc<Simulator>,
    pub cloud_url: String,
    pub broker: Mosquitto,
    /// Where this is not 0, requests are made in the background.
    pub backfill_days: u16,
    /// Seconds between two runs of everybody's action. A test that moves the clock past it shares its people with the
    /// bridge's own fetches.
    pub interval: u32,
    /// More lines of configuration.
    pub more: String,
    pub http: reqwest::Client,
    bridge: Option<Bridge>,
    _cloud: Running,
}

struct Bridge {
    url: String,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl World {
    /// A cloud and a broker; nobody has consented yet and no bridge runs.
    pub async fn new() -> World {
        World::with(Options::default(), Clock::paced("2026-11-20T15:00:00Z".parse().unwrap(), 1.0)).await
    }

    /// The same with a cloud and a clock of one's own.
    pub async fn with(options: Options, clock: Clock) -> World {
        let _ = env_logger::builder().is_test(true).filter_level(log::LevelFilter::Info).try_init();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let cloud_url = format!("http://{}", listener.local_addr().unwrap());
        let cloud = Simulator::new(options, clock.clone());
        let running = server::serve(listener, cloud.clone()).unwrap();
        let broker = tokio::task::spawn_blocking(Mosquitto::start).await.unwrap();
        let http = fitbit2mqtt::upstream::client::http().unwrap();
        World {
            folder: tempfile::tempdir().unwrap(),
            clock,
            cloud,
            cloud_url,
            broker,
            backfill_days: 0,
            interval: ONCE,
            more: String::new(),
            http,
            bridge: None,
            _cloud: running,
        }
    }

    /// The same, with the application registered and both people connected, without a bridge yet.
    pub async fn connected() -> World {
        let world = World::new().await;
        world.register();
        for index in 0..PEOPLE.len() {
            world.connect(index);
        }
        world
    }

    /// The same, with a bridge that has made the first fetch of everyone.
    pub async fn running() -> World {
        World::running_every(ONCE).await
    }

    /// The same, whose actions run every quarter of an hour, as the manifest has it.
    pub async fn acting() -> World {
        World::running_every(QUARTER).await
    }

    async fn running_every(interval: u32) -> World {
        let mut world = World { interval, ..World::connected().await };
        world.start().await;
        world.fetched().await;
        world
    }

    /// Waits until everyone has been fetched, well or not, since the bridge was started.
    pub async fn fetched(&self) {
        for name in PEOPLE {
            self.await_topic(&format!("fitbit2mqtt/user/{name}/status"), |status| {
                serde_json::from_str(status).is_ok_and(|status: Json| !status["last_activity"].is_null())
            })
            .await;
        }
    }

    /// Writes the application's client id and secret.
    pub fn register(&self) {
        let client = Client::confidential();
        self.plugindata()
            .save_application(|edit| {
                edit.default_provider("fitbit")?;
                edit.client_id("fitbit", &client.id)?;
                edit.client_secret("fitbit", client.secret.as_deref().unwrap())
            })
            .unwrap();
    }

    /// Writes the file of a person as a consent to everything would have.
    pub fn connect(&self, index: usize) {
        let scopes: Vec<&str> = FITBIT.scopes.iter().map(|(scope, _)| *scope).collect();
        self.connect_with(index, &scopes);
    }

    /// The same with some scopes only.
    pub fn connect_with(&self, index: usize, scopes: &[&str]) {
        self.connect_to(&Client::confidential(), index, scopes);
    }

    /// The same as a consent to this application would have.
    pub fn connect_to(&self, client: &Client, index: usize, scopes: &[&str]) {
        let person = person(PEOPLE[index]);
        let grant = self.cloud.grant(&client.id, index, scopes).unwrap();
        self.plugindata().create(&person).unwrap();
        let token = Token {
            access_token: grant.access_token.into(),
            refresh_token: Some(grant.refresh_token.into()),
            token_type: "Bearer".into(),
            expires_at: Some(self.clock.now() + TimeDelta::seconds(grant.expires_in)),
            refresh_expires_at: None,
            scope: grant.scope,
            user_id: Some(grant.user_id),
        };
        self.plugindata().save_token(&person, &token).unwrap();
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn plugindata(&self) -> Plugindata {
        Plugindata::new(self.data_dir())
    }

    /// The file of a person, as text.
    pub fn person_file(&self, name: &str) -> PathBuf {
        self.data_dir().join("identities").join(name).join("plugindata").join("fitbit.toml")
    }

    /// The configuration file's text; `listen` is where the entry points are.
    pub fn configuration(&self, listen: &str) -> String {
        format!(
            "data_dir = {:?}\nhistory.backfill_days = {}\nhttp.listen = {listen:?}\nmqtt.url = \"mqtt://127.0.0.1:{}\"\n{}\n{}\n{}",
            self.data_dir(),
            self.backfill_days,
            self.broker.plain,
            self.more,
            self.cloud.configuration(&self.cloud_url),
            self.action(),
        )
    }

    /// One action for everybody, unless the test has its own.
    fn action(&self) -> String {
        if self.more.contains("[[action]]") {
            return String::new();
        }
        format!("[[action]]\nurl = \"/plugin/fitbit?user={{user}}\"\ninterval = {}\n", self.interval)
    }

    /// Starts the bridge in this process, on this world's clock.
    pub async fn start(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let text = self.configuration(&address);
        let config = Config::parse(Some((Path::new("test.toml"), &text)), Vec::<(String, String)>::new()).unwrap();
        let (stop, stopped) = oneshot::channel();
        let clock = self.clock.clone();
        let task = tokio::spawn(async move {
            bridge::run(config, clock, listener, async {
                let _ = stopped.await;
            })
            .await
        });
        self.bridge = Some(Bridge { url: format!("http://{address}"), stop, task });
        self.until("the bridge answers, or has ended", async |world| {
            world.bridge.as_ref().is_some_and(|bridge| bridge.task.is_finished())
                || world.get("/healthz").await.status == 200
        })
        .await;
        if let Some(ended) = self.bridge.take_if(|bridge| bridge.task.is_finished()) {
            panic!("the bridge ended: {:?}", ended.task.await);
        }
    }

    /// Stops the bridge as SIGTERM would.
    pub async fn stop(&mut self) {
        let bridge = self.bridge.take().expect("a bridge runs");
        let _ = bridge.stop.send(());
        bridge.task.await.unwrap().unwrap();
    }

    /// The base address of the running bridge.
    pub fn url(&self) -> &str {
        &self.bridge.as_ref().expect("a bridge runs").url
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.http.get(format!("{}{path}", self.url()))).await
    }

    /// A form as the setup page sends it, with its token.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.form_token().await;
        let mut fields = fields.to_vec();
        fields.push(("form_token", &token));
        self.send(self.http.post(format!("{}{path}", self.url())).form(&fields)).await
    }

    /// The token of the setup page's forms.
    pub async fn form_token(&self) -> String {
        let page = self.get("/plugin/fitbit/page/setup.html").await.body;
        let at = page.find("name=\"form_token\"").expect("a form token");
        let rest = &page[at..];
        let value = rest.find("value=\"").expect("a value") + 7;
        rest[value..value + rest[value..].find('"').unwrap()].to_owned()
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        match request.send().await {
            Ok(response) => Answer {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                body: response.text().await.unwrap_or_default(),
            },
            Err(error) => Answer { status: 0, headers: Default::default(), body: error.to_string() },
        }
    }

    /// `GET /plugin/fitbit?user=…`.
    pub async fn fetch(&self, user: &str, more: &str) -> Answer {
        self.get(&format!("/plugin/fitbit?user={user}{more}")).await
    }

    /// Waits until no fetch of anyone is under way: a request waits for its turn.
    pub async fn quiet(&self) {
        for name in PEOPLE {
            assert_eq!(self.fetch(name, "&methods=get_devices").await.status, 200, "{name}");
        }
    }

    /// Waits until what an answer to a whole fetch says stands at the broker, and nothing else of this person's values.
    /// What grows while the day goes on may have grown since.
    pub async fn stands(&self, user: &str, answer: &Answer) -> BTreeMap<String, String> {
        let root = format!("sensors/fitbit/{user}");
        let bare = |value: &Json| value.as_str().map_or(value.to_string(), str::to_owned);
        let answer = answer.json();
        let mut retained = BTreeMap::new();
        self.until("what was answered stands at the broker", async |world| {
            retained = world.retained().await;
            let metrics = answer["metrics"].as_object().unwrap();
            let all: Json = retained.get(&root).map_or(Json::Null, |all| serde_json::from_str(all).unwrap());
            let keys = retained.keys().filter_map(|topic| topic.strip_prefix(&format!("{root}/")));
            keys.count() == all.as_object().map_or(0, serde_json::Map::len)
                && metrics.iter().all(|(key, metric)| {
                    ["calories", "sedentary-minutes"].contains(&key.as_str())
                        || retained.get(&format!("{root}/{key}")) == Some(&bare(&metric["value"]))
                })
        })
        .await;
        retained
    }

    /// Everything retained at the broker now, as an independent client sees it, but what Home Assistant is told.
    pub async fn retained(&self) -> BTreeMap<String, String> {
        if self.bridge.is_some() {
            // An answer, also one about nobody, comes when the broker has all that was published before.
            self.fetch("nobody", "").await;
        }
        let mut retained = self.all_retained();
        retained.retain(|topic, _| !topic.starts_with("homeassistant/"));
        retained
    }

    /// What Home Assistant is told: each discovery message by its topic.
    pub async fn announced(&self) -> BTreeMap<String, Json> {
        let mut retained = self.all_retained();
        retained.retain(|topic, _| topic.starts_with("homeassistant/"));
        retained.into_iter().map(|(topic, payload)| (topic, serde_json::from_str(&payload).unwrap())).collect()
    }

    fn all_retained(&self) -> BTreeMap<String, String> {
        let broker = &self.broker;
        tokio::task::block_in_place(|| broker.retained())
    }

    /// Waits until `is_so`, and fails with `what` if it never is.
    pub async fn until(&self, what: &str, mut is_so: impl AsyncFnMut(&World) -> bool) {
        let started = Instant::now();
        while !is_so(self).await {
            assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a retained topic has a value that `fits`, and gives it back.
    pub async fn await_topic(&self, topic: &str, fits: impl Fn(&str) -> bool) -> String {
        let mut found = String::new();
        self.until(&format!("{topic} as expected"), async |world| {
            found = world.retained().await.remove(topic).unwrap_or_default();
            fits(&found)
        })
        .await;
        found
    }

    /// The real program with this world's configuration, on `listen`; standard input closed, output piped.
    pub fn program(&self, listen: &str, arguments: &[&str]) -> Command {
        let path = self.folder.path().join("fitbit2mqtt.toml");
        // Another program may be reading it.
        let fresh = path.with_extension("fresh");
        std::fs::write(&fresh, self.configuration(listen)).unwrap();
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(&fresh, &path).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fitbit2mqtt"));
        command.arg("--config").arg(path).args(arguments);
        command.env_clear().envs(std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// A checked name.
pub fn person(name: &str) -> Person {
    name.parse().unwrap()
}

/// A moment.
pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}
