//! The only room that knows everyone: builds the parts, starts them, and stops them in order.

mod broker; // the broker as it is configured
mod commands; // what is asked over MQTT and by forms, and what comes of it
mod destinations; // every destination, as one
mod entrypoints; // what HTTP is given
mod examination; // what the doctor is given to look at
mod numbers; // what stands, for whoever measures the bridge

use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use chrono::TimeDelta;
use serde_json::json;

use self::commands::Commands;
pub use self::destinations::Destinations;
pub use self::examination::case;
use self::numbers::Numbers;
use crate::backfill::Backfill;
use crate::clock::Clock;
use crate::command;
use crate::config::{Action, Config, DueAction, Sleep, Whom};
use crate::fetch::{Fetcher, Refusal, Rules};
use crate::group::Groups;
use crate::household::Household;
use crate::oauth::OAuth;
use crate::plan::Wanted;
use crate::plugindata::{Plugindata, RunLock};
use crate::plus::Reader;
use crate::reading::Person;
use crate::schedule::{Change, Ran, Runner, Schedule};
use crate::sink::mqtt::Mqtt;
use crate::snapshot::{Sink, utc};
use crate::store::{Store, Wish};
use crate::upstream::{UPSTREAMS, client};
use crate::web::entrypoint::read_fetch;
use crate::web::page::SETUP_PATH;
use crate::web::server;

/// An action this long overdue is not on time.
const LATE: TimeDelta = TimeDelta::minutes(5);
/// How often removals by other processes are looked for.
const WATCH: Duration = Duration::from_secs(60);

/// How long a stop waits for a token that is being renewed; all else ends at once.
const FAREWELL: Duration = Duration::from_secs(75);

/// What every command needs: the people, their consent, their fetches.
pub struct Parts {
    /// The people.
    pub household: Arc<Household>,
    /// Their consent.
    pub oauth: Arc<OAuth>,
    /// Their fetches.
    pub fetcher: Arc<Fetcher>,
    /// What an organization has.
    pub reader: Reader,
    /// Its groups.
    pub groups: Arc<Groups>,
}

impl Parts {
    /// Opens files and store, and publishes to `sinks`.
    pub fn new(config: &Config, clock: Clock, store: Store, sinks: Vec<Arc<dyn Sink>>) -> Result<Parts> {
        let plugindata = Plugindata::new(&config.data_dir).overridden_by(config.clients.clone());
        let household = Arc::new(Household::new(plugindata, store, clock, page(config)));
        let http = client::http()?;
        let redirect = config.http.public_url.join("/plugin/fitbit/auth2");
        let oauth = OAuth::new(Arc::clone(&household), http.clone(), config.upstreams.clone(), redirect)?;
        let oauth = Arc::new(oauth);
        let Sleep { night_starts, score } = config.sleep;
        let rules = Rules { history: config.history.clone(), night_starts, sleep_score: score };
        let (clock, telemetry) = (household.clock.clone(), household.telemetry.clone());
        let reader = Reader::with(config, Arc::clone(oauth.organization()), http.clone(), clock, telemetry)?;
        let fetcher = Fetcher::new(Arc::clone(&household), Arc::clone(&oauth), http, rules, sinks);
        let fetcher = Arc::new(fetcher);
        let side_by_side = config.history.parallel;
        let groups = Groups::new(Arc::clone(&household), Arc::clone(&fetcher), reader.clone(), side_by_side);
        Ok(Parts { household, oauth, fetcher, reader, groups: Arc::new(groups) })
    }

    /// Their past.
    pub fn backfill(&self, config: &Config) -> Backfill {
        let (household, fetcher) = (Arc::clone(&self.household), Arc::clone(&self.fetcher));
        Backfill::new(household, fetcher, config.history.backfill_days)
    }
}

/// The store's file in the data folder, where no other is configured.
const DATABASE: &str = "fitbit2mqtt.db";

/// The store that is configured; the data folder is made as needed.
pub async fn store(config: &Config) -> Result<Store> {
    crate::plugindata::create_folder(&config.data_dir)?;
    match &config.store {
        Some(url) => Store::at(url).await,
        None => Store::open(&config.data_dir.join(DATABASE)).await,
    }
}

/// The address of the setup page.
fn page(config: &Config) -> String {
    config.http.public_url.join(SETUP_PATH)
}

/// The plugin process: entry points on `listener`, interval actions, MQTT; until `shutdown`.
pub async fn run(
    mut config: Config,
    clock: Clock,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let port = listener.local_addr().context("asking for the address of the listener")?.port();
    config.on_port(port);
    let _lock = RunLock::acquire(&config.data_dir)?;
    let store = store(&config).await?;
    broker::start_embedded(&config.mqtt)?;
    let mqtt = Arc::new(broker::client(&config, &store, page(&config)).await?);
    let destinations = Arc::new(Destinations::new(Arc::clone(&mqtt), &config, &store)?);
    let parts = Parts::new(&config, clock.clone(), store.clone(), destinations.sinks())?;
    let backfill = Arc::new(parts.backfill(&config));
    let bridge =
        Bridge { parts, mqtt: Arc::clone(&mqtt), backfill: Arc::clone(&backfill), started: clock.now(), store };
    let bridge = Arc::new(bridge);

    let renewing = Arc::clone(&bridge);
    tokio::spawn(async move { renewing.renew_expired().await });
    if let Some(unpublished) = bridge.publish_everyone().await {
        destinations.settled(&unpublished).await?;
    }
    // Before the broker says that we are here, so that nobody's command comes too early.
    let incoming = config.mqtt.commands.then(|| mqtt.commands(command::MOST_BYTES)).transpose()?;
    // The sink must not keep itself alive through what it calls after each connection.
    let weak = Arc::downgrade(&bridge);
    mqtt.connect(Some(Box::new(move || {
        let weak = weak.clone();
        Box::pin(async move {
            if let Some(bridge) = weak.upgrade() {
                bridge.publish_everyone().await;
            }
        })
    })))
    .await?;

    let template = Action::template()?;
    let runner: Arc<dyn Runner> = bridge.clone();
    let schedule = Schedule::new(Arc::clone(&bridge.parts.household), runner, config.actions.clone(), template).start();
    let past = tokio::spawn(Arc::clone(&backfill).run());
    let stopping = Arc::new(AtomicBool::new(false));
    let commands = Commands::new(Arc::clone(&bridge), schedule.changes());
    let numbers = Numbers::new(&bridge, Arc::clone(&destinations), config.metrics.people);
    let entrypoints = entrypoints::entrypoints(&config, &bridge, &schedule, &commands, numbers, &stopping).await?;
    let server = server::serve(listener, Arc::new(entrypoints))?;
    let listening = incoming.map(|incoming| commands.listen(incoming));
    log::info!("the setup page is at {}", bridge.parts.household.setup_page());

    tokio::select! {
        () = shutdown => {}
        () = bridge.watch(&schedule) => {}
    }
    log::info!("stopping");
    stopping.store(true, Ordering::Relaxed);
    drop(listening);
    backfill.stop();
    // First nothing new comes in, then what runs ends, then the destinations are told.
    let fetches = async {
        if tokio::time::timeout(FAREWELL, bridge.parts.fetcher.stop()).await.is_err() {
            log::warn!("a token is still being renewed after {} s; it is left behind", FAREWELL.as_secs());
        }
    };
    let _ = tokio::join!(server.stop(), schedule.stop(FAREWELL), fetches, commands.stop(), past);
    destinations.stop().await;
    Ok(())
}

/// The parts at work.
struct Bridge {
    parts: Parts,
    mqtt: Arc<Mqtt>,
    backfill: Arc<Backfill>,
    store: Store,
    started: chrono::DateTime<chrono::Utc>,
}

impl Bridge {
    /// Everyone's state as the store has it now, for other processes write there, too; and the bridge's own. Gives
    /// back those who could not be published, or `None` where it is not known who there is.
    async fn publish_everyone(&self) -> Option<Vec<Person>> {
        self.notice_removals().await;
        let people = self.parts.household.plugindata.people();
        let people = people.inspect_err(|error| log::error!("the people could not be listed: {error:#}")).ok()?;
        let mut unpublished = Vec::new();
        for person in people {
            if self.parts.fetcher.publish(&person).await.is_none() {
                unpublished.push(person);
            }
        }
        self.publish_info().await;
        Some(unpublished)
    }

    /// Renews what has expired, without waiting for the first actions: a crash may have cut a renewal short, and the
    /// upstream repeats its answer for two minutes only.
    async fn renew_expired(&self) {
        for person in self.parts.household.plugindata.people().unwrap_or_default() {
            // Whatever is wrong with somebody's file or token is told by their actions.
            if let Ok(Some(member)) = self.parts.household.member(&person).await {
                let _ = self.parts.oauth.access_token(&member).await;
            }
        }
    }

    /// People that another process has forgotten, or whose folder was removed, are no longer published.
    async fn notice_removals(&self) -> bool {
        let removed = match self.store.removed().await {
            Ok(removed) => removed,
            Err(error) => {
                log::error!("{error:#}");
                return false;
            }
        };
        for person in &removed {
            if let Err(error) = self.remove(person).await {
                log::error!("{person} was forgotten, but not everything could be cleared: {error:#}");
            }
        }
        !removed.is_empty()
    }

    async fn remove(&self, person: &Person) -> Result<()> {
        if self.parts.household.plugindata.people()?.contains(person) {
            // They are back already; publishing them withdraws what is no longer theirs.
            return self.store.note_removed(person).await;
        }
        if self.parts.fetcher.forget(person).await? {
            log::info!("{person} was forgotten; what was published is cleared");
        }
        Ok(())
    }

    async fn publish_info(&self) {
        let household = &self.parts.household;
        let next: Vec<_> = household
            .next_actions()
            .into_iter()
            .flat_map(|(whom, actions)| actions.into_iter().map(move |action| (whom.parameter(), action)))
            .map(|((kind, name), action)| {
                json!({kind: name, "representing": action.representing, "next": action.next.map(utc)})
            })
            .collect();
        let info = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "started": utc(self.started),
            "people": household.plugindata.people().unwrap_or_default(),
            "upstreams": UPSTREAMS.iter().map(|upstream| upstream.provider).collect::<Vec<_>>(),
            "actions": next,
        });
        if let Err(error) = self.mqtt.info(&info).await {
            log::error!("the state of the bridge could not be published: {error:#}");
        }
    }

    /// Looks for removals for ever.
    async fn watch(&self, schedule: &crate::schedule::Scheduled) {
        loop {
            tokio::time::sleep(WATCH).await;
            if self.notice_removals().await {
                let _ = schedule.changes().send(Change::People);
                self.publish_info().await;
            }
        }
    }

    fn unready(&self) -> Option<String> {
        if !self.mqtt.is_connected() {
            return Some(self.mqtt.trouble().unwrap_or_else(|| "no connection to the MQTT broker yet".into()));
        }
        let household = &self.parts.household;
        let now = household.clock.now();
        let late = |next: Option<chrono::DateTime<chrono::Utc>>| next.is_some_and(|next| next + LATE < now);
        household
            .next_actions()
            .into_iter()
            .find(|(_, actions)| actions.iter().any(|action| late(action.next)))
            .map(|(whom, _)| format!("the action of {whom} is overdue"))
    }
}

#[async_trait]
impl Runner for Bridge {
    async fn run(&self, action: &DueAction) -> Ran {
        self.notice_removals().await;
        let mut parameters = action.parameters.clone();
        parameters.push(action.whom.parameter());
        let ran = match read_fetch(&parameters) {
            Ok((Whom::Person(person), wanted)) => self.run_for(&person, action, &wanted).await,
            Ok((Whom::Group(group), wanted)) => {
                let fetched = |person: &Person| self.backfill.fetched(person);
                self.parts
                    .groups
                    .fetch(&group, &wanted, true, &fetched)
                    .await
                    .map_or_else(|refusal| failed(action, &refusal), |_| Ran::Through)
            }
            Err(bad) => failed(action, &Refusal::Bad(bad)),
        };
        self.publish_info().await;
        self.backfill.wake();
        ran
    }
}

impl Bridge {
    async fn run_for(&self, person: &Person, action: &DueAction, wanted: &Wanted) -> Ran {
        match self.store.wished(person, Wish::Paused).await {
            Ok(None) => {}
            Ok(Some(_)) => return Ran::Through,
            Err(error) => log::error!("{person}: {error:#}"),
        }
        match self.parts.fetcher.fetch(person, wanted).await {
            Ok(_) => {
                self.backfill.fetched(person);
                Ran::Through
            }
            // Whoever has not consented yet is no failure; their page and topic say so.
            Err(Refusal::NoToken(_)) => {
                self.parts.fetcher.publish(person).await;
                Ran::Through
            }
            // The fetch told it, the first time.
            Err(Refusal::Archived(..)) => Ran::Through,
            Err(Refusal::UnknownPerson(_)) => {
                log::info!("{person} is gone; what was published is cleared");
                Ran::Gone
            }
            Err(refusal) => failed(action, &refusal),
        }
    }
}

fn failed(action: &DueAction, refusal: &Refusal) -> Ran {
    if let Refusal::Stopping = refusal {
        return Ran::Interrupted;
    }
    log::warn!("the action {} failed: {refusal}", action.url);
    Ran::Through
}
