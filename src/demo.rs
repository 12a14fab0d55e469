//! The demonstration: simulated cloud, embedded broker and bridge in one process and a temporary folder, with two
//! people who have consented and a clock that runs fast.

use std::future::Future;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};

use crate::bridge;
use crate::clock::Clock;
use crate::config::Config;
use crate::plugindata::{Plugindata, Token};
use crate::simulator::{Change, Client, Options, Simulator};
use crate::sink::mqtt::topic::{BRIDGE, VALUES};
use crate::sink::mqtt::{Message, Mqtt, Settings};
use crate::store::Store;
use crate::upstream::Upstream;
use crate::upstream::fitbit::FITBIT;
use crate::upstream::google_health::GOOGLE_HEALTH;
use crate::web::server;

/// Who lives in the demonstration.
const PEOPLE: [&str; 2] = ["anna", "ben"];
/// Of the environment, only a database of time series to show this in is of interest.
const DATABASE: &str = "FITBIT2MQTT_INFLUXDB__";
/// How many columns the name of a topic takes, and how many its message may: a line is to be read at a glance.
const COLUMNS: (usize, usize) = (52, 80);

/// Runs until `shutdown`; `speed` times as fast as real time, with everyone at `provider` or each elsewhere.
pub async fn demo(
    speed: f64,
    seed: u64,
    provider: Option<&'static Upstream>,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("fitbit2mqtt-demo-").tempdir().context("making a temporary folder")?;
    let begin = beginning(Utc::now());
    let clock = Clock::paced(begin, speed);

    let cloud = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listening for the simulated cloud")?;
    let cloud_url = format!("http://{}", cloud.local_addr().context("asking for the cloud's address")?);
    let simulator = Simulator::new(Options { seed, people: PEOPLE.len(), ..Options::default() }, clock.clone());
    wear_trackers(&simulator, begin)?;
    let cloud = server::serve(cloud, simulator.clone())?;

    let broker = start_broker()?;
    let listener = listen(9333)?;
    let address = listener.local_addr().context("asking for the address of the entry points")?;

    let data_dir = folder.path().join("data");
    let text = format!(
        "data_dir = {data_dir:?}\nhttp.listen = \"{address}\"\nmqtt.url = \"mqtt://{broker}\"\n{}",
        simulator.configuration(&cloud_url)
    );
    let environment = std::env::vars().filter(|(name, _)| name.starts_with(DATABASE));
    let config = Config::parse(Some((Path::new("(demo)"), &text)), environment)?;
    settle(&data_dir, &simulator, &clock, provider)?;

    let printer = Printer::new(broker).await?;
    say(&format!(
        "fitbit2mqtt demo: a simulated cloud, an MQTT broker and the bridge between them, in one process.\n\
         Nobody here is real. For {people} it is {begin}; their time passes\n\
         {speed} times as fast as yours (--speed), and every 15 minutes of theirs the bridge asks what is new.\n\n  \
         Setup page   http://localhost:{page}/plugin/fitbit/page/setup.html\n  \
         Values       http://localhost:{page}/plugin/fitbit/page/status.html\n  \
         Watch        mosquitto_sub -h {host} -p {port} -v -t '{VALUES}/#'\n  \
         Stop         Ctrl-C; nothing is left behind\n\n\
         Each topic as it is published, long messages cut, the past left out. Values are under {VALUES}, the\n\
         bridge itself is under {BRIDGE}.\n\n",
        people = PEOPLE.join(" and "),
        begin = begin.format("%A, %-d %B %Y, %H:%M UTC"),
        page = address.port(),
        host = broker.ip(),
        port = broker.port()
    ));
    let run = bridge::run(config, clock, listener, shutdown);
    tokio::select! {
        outcome = run => outcome?,
        () = printer.print() => {}
    }
    cloud.stop().await;
    Ok(())
}

/// An hour of today at which both people are awake, in Amsterdam and in New York, so that something happens.
fn beginning(now: DateTime<Utc>) -> DateTime<Utc> {
    // There is an hour of 14.
    now.date_naive().and_time(NaiveTime::from_hms_opt(14, 0, 0).unwrap_or_default()).and_utc()
}

/// One simulated day in nineteen the tracker stays in a drawer; not on those that are watched.
fn wear_trackers(simulator: &Simulator, begin: DateTime<Utc>) -> Result<()> {
    for index in 0..PEOPLE.len() {
        for days in -1..=14 {
            let date = begin.date_naive() + TimeDelta::days(days);
            simulator.change(index, Change::Worn { date, worn: true })?;
        }
    }
    Ok(())
}

/// The files of people who have consented, as consent would have written them.
fn settle(
    data_dir: &Path,
    simulator: &Arc<Simulator>,
    clock: &Clock,
    provider: Option<&'static Upstream>,
) -> Result<()> {
    let plugindata = Plugindata::new(data_dir);
    let applications = [(&GOOGLE_HEALTH, Client::google()), (&FITBIT, Client::confidential())];
    for (upstream, client) in &applications {
        plugindata.save_application(|edit| {
            edit.client_id(upstream.provider, &client.id)?;
            edit.client_secret(upstream.provider, client.secret.as_deref().unwrap_or_default())
        })?;
    }
    for (index, name) in PEOPLE.iter().enumerate() {
        let person = name.parse()?;
        let theirs = provider.map_or(applications[index].0.provider, |upstream| upstream.provider);
        let Some((upstream, client)) = applications.iter().find(|(upstream, _)| upstream.provider == theirs) else {
            anyhow::bail!("the simulated cloud does not serve {theirs}");
        };
        let scopes: Vec<&str> = upstream.scopes.iter().map(|(scope, _)| *scope).collect();
        let grant = simulator.grant(&client.id, index, &scopes)?;
        plugindata.create(&person)?;
        plugindata.save(&person, |edit| edit.set("provider", upstream.provider))?;
        let token = Token {
            access_token: grant.access_token.into(),
            refresh_token: Some(grant.refresh_token.into()),
            token_type: "Bearer".into(),
            expires_at: Some(clock.now() + TimeDelta::seconds(grant.expires_in)),
            refresh_expires_at: None,
            scope: grant.scope,
            user_id: Some(grant.user_id),
        };
        plugindata.save_token(&person, &token)?;
    }
    Ok(())
}

fn start_broker() -> Result<SocketAddr> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, 1883));
    crate::broker::start(wanted, None)
        .or_else(|_| crate::broker::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), None))
        .context("starting the embedded broker")
}

/// The usual port, or else any free one.
fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("listening for the entry points")
}

/// Prints each topic as it is published: an ordinary subscriber.
struct Printer {
    mqtt: Mqtt,
}

impl Printer {
    async fn new(broker: SocketAddr) -> Result<Printer> {
        let memory = Store::in_memory().await?;
        let mqtt = Mqtt::brief(Settings::new(format!("mqtt://{broker}"), "demo"), memory).await?;
        Ok(Printer { mqtt })
    }

    /// Until nobody reads it any more.
    async fn print(&self) {
        let topics = [VALUES, BRIDGE].map(|root| format!("{root}/#"));
        let Ok(mut messages) = self.mqtt.subscribe(&topics.each_ref().map(String::as_str)) else {
            return std::future::pending().await;
        };
        while let Some(message) = messages.recv().await {
            // The days before come by the hundred, and would hide today.
            if message.topic.ends_with("/history") {
                continue;
            }
            if !say(&line(&message)) {
                return;
            }
        }
        std::future::pending().await
    }
}

/// A message on one line, cut where it is long.
fn line(message: &Message) -> String {
    let text = String::from_utf8_lossy(&message.payload);
    let (name, room) = COLUMNS;
    let payload = match text.char_indices().nth(room) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    };
    format!("{:name$} {payload}\n", message.topic)
}

/// Whether there was still someone to read it.
fn say(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}
