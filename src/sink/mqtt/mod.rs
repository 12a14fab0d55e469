//! Values and the state of the bridge on an MQTT broker: what is published of whom, what has to be cleared. Topic
//! names come from `topic`, payloads from `payload`; this room speaks no protocol itself.

mod announcer; // tells Home Assistant of devices
mod broken; // why a connection ended, in words
mod client; // a connection that is kept up
mod connection; // one connection; all there is of rumqttc
pub mod discovery; // devices as Home Assistant's discovery messages
pub mod entities; // which devices and entities there are
mod latency; // how long the broker takes
mod outbox; // what is to be sent, what is acknowledged
pub mod payload; // a snapshot as topics and payloads
mod settings; // the `[mqtt]` keys, checked
mod telling; // what happened, told once
pub mod topic; // every topic name
pub mod trial; // what the broker lets us do

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use prometheus::Histogram;
use serde_json::Value as Json;
use tokio::sync::{Notify, mpsc, watch};

use self::client::Client;
use self::connection::Options;
use self::discovery::Wanted;
use self::payload::{Turn, payloads};
use self::telling::Telling;
use self::topic::Topics;
use crate::reading::Person;
use crate::snapshot::{Past, Sink, Snapshot};
use crate::store::Store;

pub use self::client::Refresh;
pub use self::connection::Message;
pub use self::settings::{HomeAssistant, Protocol, Settings};

/// How long a stop may wait for the broker.
const FAREWELL: Duration = Duration::from_secs(5);

/// People's values and the bridge's state on one broker.
///
/// Dropping it without [`Mqtt::stop`] breaks the connection, and the broker sends the will.
pub struct Mqtt {
    inner: Arc<Inner>,
}

struct Inner {
    topics: Topics,
    /// Whether values are retained; what the bridge says about itself always is.
    retain: bool,
    client: Client,
    store: Store,
    homeassistant: Option<HomeAssistant>,
    /// There may be something new to announce.
    announce: Arc<Notify>,
    /// Locked while the store is told of topics, so that noting and un-noting never cross.
    people: tokio::sync::Mutex<People>,
}

/// What is published of whom.
#[derive(Default)]
struct People {
    /// The topics of each person.
    topics: BTreeMap<Person, BTreeSet<String>>,
    /// What Home Assistant is to be told.
    wanted: Wanted,
    /// The events under way.
    telling: Telling,
    /// Topics to be cleared as soon as Home Assistant no longer looks at them.
    leaving: BTreeSet<String>,
}

impl Mqtt {
    /// Checks the settings and reads the certificate files; connects when [`Mqtt::connect`] is called. What is
    /// published before is sent then.
    pub fn new(settings: Settings, store: Store) -> Result<Mqtt> {
        let topics = Topics::new(&settings.topic, &settings.bridge_topic)?;
        let will = Some(topics.bridge_status());
        Mqtt::with(settings, topics, will, store)
    }

    /// A short-lived client beside a running bridge: its own name, no will, no word about the bridge. Connects at
    /// once; end it with [`Mqtt::finish`].
    pub async fn brief(mut settings: Settings, store: Store) -> Result<Mqtt> {
        settings.client_id = format!("fitbit2mqtt-{:08x}", rand::random::<u32>());
        // Home Assistant hears of devices from the bridge they are available through.
        settings.homeassistant = None;
        let topics = Topics::new(&settings.topic, &settings.bridge_topic)?;
        let mqtt = Mqtt::with(settings, topics, None, store)?;
        mqtt.connect(None).await?;
        Ok(mqtt)
    }

    fn with(settings: Settings, topics: Topics, will: Option<String>, store: Store) -> Result<Mqtt> {
        let address = settings.address()?;
        let tls = if address.is_encrypted() { Some(Arc::new(settings.tls()?)) } else { None };
        let retain = settings.retain;
        let homeassistant = settings.homeassistant.clone();
        let client = Client::new(Options { settings, address, tls, will });
        let mut people = People::default();
        let own = homeassistant
            .as_ref()
            .map(|homeassistant| entities::of_bridge(&topics, &homeassistant.page, homeassistant.commands));
        let announce = Arc::default();
        let mut inner = Inner { topics, retain, client, store, homeassistant, announce, people: Default::default() };
        inner.want(&mut people, None, own.as_slice());
        inner.people = people.into();
        Ok(Mqtt { inner: Arc::new(inner) })
    }

    /// Begins to connect and keeps at it. After each connection `refresh`, if given, may publish anew what has
    /// changed elsewhere; only then (or after 30 s) is everything sent again, and `online` last. A `refresh` that
    /// owns this `Mqtt` would keep it alive for ever: give it a [`Weak`].
    pub async fn connect(&self, refresh: Option<Refresh>) -> Result<()> {
        if self.inner.client.outbox(|outbox| outbox.retains(&self.inner.topics.bridge_status())) {
            self.inner.store.note_published(&[self.inner.topics.bridge_status()]).await?;
        }
        tokio::spawn(note_acknowledged(Arc::downgrade(&self.inner), self.inner.client.progress()));
        if let Some(homeassistant) = &self.inner.homeassistant {
            let births = self.subscribe(&[&homeassistant.status_topic])?;
            self.inner.bring_up_to_date().await?;
            tokio::spawn(announcer::welcome(Arc::downgrade(&self.inner), births));
            tokio::spawn(announcer::keep_announcing(Arc::downgrade(&self.inner), self.inner.client.connected()));
        }
        self.inner.client.start(refresh);
        Ok(())
    }

    /// Says that everybody has been published by now, but for `unpublished`, whose topics stay as they are: retained
    /// topics of nobody, left over from people, metrics or roots of former times, are cleared.
    pub async fn settled(&self, unpublished: &[Person]) -> Result<()> {
        let mut people = self.inner.people.lock().await;
        let people = &mut *people;
        let published = self.inner.store.published_topics().await?;
        let announced = self.inner.store.announced().await?;
        let unsure = |topic: &str| unpublished.iter().any(|person| self.inner.topics.belongs_to(person, topic));
        let owner = |topic: &str| announced.iter().find(|entity| entity.topic == topic).map(|entity| &entity.person);
        self.inner.client.outbox(|outbox| {
            for topic in published.iter().filter(|topic| !unsure(topic)) {
                let cleared = match owner(topic) {
                    // What was announced of those who are still there is the announcer's.
                    Some(whose) if people.wanted.contains_key(whose) => Ok(()),
                    Some(Some(person)) if unpublished.contains(person) => Ok(()),
                    Some(_) => outbox.retire(topic),
                    None if outbox.retains(topic) => Ok(()),
                    None if self.inner.homeassistant.is_some() => {
                        people.leaving.insert(topic.clone());
                        Ok(())
                    }
                    None => outbox.clear(topic),
                };
                if let Err(error) = cleared {
                    log::warn!("clearing a topic of former times: {error:#}");
                }
            }
        });
        Ok(())
    }

    /// Publishes what the bridge says about itself.
    pub async fn info(&self, info: &Json) -> Result<()> {
        let topic = self.inner.topics.bridge_info();
        let _people = self.inner.people.lock().await;
        self.inner.store.note_published(std::slice::from_ref(&topic)).await?;
        self.inner.client.outbox(|outbox| outbox.set(&topic, info.to_string().into_bytes(), Turn::State, true))
    }

    /// Sends a message that is not retained, after the topics set before it; kept until the broker has it.
    pub fn send(&self, topic: &str, payload: impl Into<Vec<u8>>) -> Result<()> {
        self.inner.client.outbox(|outbox| outbox.send(topic, payload.into())).map(drop)
    }

    /// Delivers what comes in under these filters, also after reconnects, until the receiver is dropped. A receiver
    /// that leaves 1024 messages unread misses the next.
    pub fn subscribe(&self, filters: &[&str]) -> Result<mpsc::Receiver<Message>> {
        self.inner.client.subscribe(filters.iter().map(|filter| (*filter).to_owned()).collect())
    }

    /// Sends everything of a person once more, or everything there is.
    pub fn repeat(&self, of: Option<&Person>) {
        let topics = &self.inner.topics;
        let theirs = |topic: &str, _| of.is_none_or(|person| topics.belongs_to(person, topic));
        self.inner.client.outbox(|outbox| outbox.repeat(theirs));
    }

    /// The commands that come in from now on, until the receiver is dropped: to whom, and what was said. What is
    /// retained was meant for another time, and is none.
    pub fn commands(&self, most_bytes: usize) -> Result<mpsc::Receiver<(Option<Person>, Vec<u8>)>> {
        let mut messages = self.inner.client.subscribe(self.inner.topics.commands().to_vec())?;
        let (sender, commands) = mpsc::channel(1);
        let topics = self.inner.topics.clone();
        tokio::spawn(async move {
            while let Some(Message { topic, payload, retain }) = messages.recv().await {
                let ignored = match topics.addressee(&topic) {
                    // This is how a retained command is cleared.
                    _ if payload.is_empty() => continue,
                    None => "nobody has such a name".to_owned(),
                    Some(_) if retain => "it is retained; publish commands without the retain flag".to_owned(),
                    Some(_) if payload.len() > most_bytes => format!("it has more than {most_bytes} bytes"),
                    Some(to) => match sender.send((to, payload)).await {
                        Ok(()) => continue,
                        Err(_) => return,
                    },
                };
                log::warn!("a command on {topic} is ignored: {ignored}");
            }
        });
        Ok(commands)
    }

    /// Tells what came of a command to a person, or to the bridge.
    pub fn result(&self, of: Option<&Person>, result: &Json) -> Result<()> {
        self.send(&self.inner.topics.result(of), result.to_string())
    }

    /// Whether the broker has accepted us and is there.
    pub fn is_connected(&self) -> bool {
        *self.inner.client.connected().borrow()
    }

    /// The same, to wait for.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.inner.client.connected()
    }

    /// Waits until the broker has everything; no longer than `limit`, and not for a broker that is away.
    pub async fn delivered(&self, limit: Duration) {
        if self.is_connected() {
            // What went wrong is told where it is mended.
            let _ = self.inner.client.flushed(limit).await;
        }
    }

    /// How often the connection was made again.
    pub fn reconnects(&self) -> u64 {
        self.inner.client.reconnects()
    }

    /// How many topics and messages the broker has not acknowledged.
    pub fn waiting(&self) -> usize {
        self.inner.client.outbox(|outbox| outbox.unacknowledged())
    }

    /// How long the broker takes to acknowledge a message.
    pub fn latency(&self) -> Histogram {
        self.inner.client.latency()
    }

    /// What keeps us from the broker, and the cure where it is known; nothing while connected.
    pub fn trouble(&self) -> Option<String> {
        self.inner.client.trouble()
    }

    /// Every topic's name.
    pub fn topics(&self) -> &Topics {
        &self.inner.topics
    }

    /// Sends what is left, then `offline`, and leaves without the will, within about five seconds.
    pub async fn stop(&self) {
        self.inner.client.stop(FAREWELL).await;
        self.inner.note_acknowledged().await;
    }

    /// Ends a short-lived client: waits until the broker has everything. Fails, in words, when it refuses something,
    /// cannot be reached, or takes longer than `limit`.
    pub async fn finish(self, limit: Duration) -> Result<()> {
        let flushed = self.inner.client.flushed(limit).await;
        self.inner.note_acknowledged().await;
        self.inner.client.leave().await;
        flushed
    }
}

#[async_trait]
impl Sink for Mqtt {
    async fn publish(&self, snapshot: &Snapshot) -> Result<()> {
        let inner = &self.inner;
        let person = &snapshot.person;
        let wanted = payloads(&inner.topics, snapshot).with_context(|| format!("describing {person}"))?;
        let retain = |turn: Turn| inner.retain || turn != Turn::Value;

        let mut people = inner.people.lock().await;
        let new: Vec<String> = inner.client.outbox(|outbox| {
            wanted
                .iter()
                .filter(|(topic, payload)| retain(payload.turn) && !outbox.retains(topic))
                .map(|(t, _)| t.clone())
                .collect()
        });
        if !new.is_empty() {
            inner.store.note_published(&new).await?;
        }
        let people = &mut *people;
        let topics = people.topics.entry(person.clone()).or_default();
        let refused = inner.client.outbox(|outbox| {
            let mut refused = Vec::new();
            for gone in topics.iter().filter(|topic| !wanted.contains_key(*topic)).cloned().collect::<Vec<_>>() {
                topics.remove(&gone);
                match inner.homeassistant {
                    Some(_) => drop(people.leaving.insert(gone)),
                    None => refused.extend(outbox.withdraw(&gone).err()),
                }
            }
            for (topic, payload) in wanted {
                let retain = retain(payload.turn);
                people.leaving.remove(&topic);
                match outbox.set(&topic, payload.bytes, payload.turn, retain) {
                    Ok(()) => drop(topics.insert(topic)),
                    Err(error) => refused.push(error),
                }
            }
            refused
        });
        let commands = inner.homeassistant.as_ref().is_some_and(|homeassistant| homeassistant.commands);
        inner.want(people, Some(person), &entities::of_person(&inner.topics, snapshot, commands));
        if !people.leaving.is_empty() {
            inner.announce.notify_one();
        }
        inner.tell(people, snapshot).await?;
        match refused.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    async fn history(&self, person: &Person, past: &[Past]) -> Result<()> {
        let topic = self.inner.topics.history(person);
        self.inner.client.outbox(|outbox| {
            past.iter().try_for_each(|past| outbox.send(&topic, past.to_json().to_string().into_bytes()).map(drop))
        })
    }

    async fn remove(&self, person: &Person) -> Result<()> {
        let inner = &self.inner;
        let mut people = inner.people.lock().await;
        let published = inner.store.published_topics().await?;
        let announced = inner.store.announced().await?;
        let topics = people.topics.remove(person).unwrap_or_default();
        let wanted = people.wanted.remove(&Some(person.clone())).unwrap_or_default();
        people.telling.retain(|_, (whose, _)| whose != person);
        let elsewhere = discovery::messages(&people.wanted);
        let theirs = announced.iter().filter(|entity| entity.person.as_ref() == Some(person));
        let theirs: BTreeSet<_> = theirs.map(|entity| entity.topic.as_str()).collect();
        let retired: Vec<_> = theirs.iter().filter(|topic| !elsewhere.contains_key(**topic)).collect();
        inner.client.outbox(|outbox| {
            // What another process has cleared already, Home Assistant does not want to hear of again.
            let gone = wanted.iter().filter(|message| !theirs.contains(message.topic.as_str()));
            gone.for_each(|message| outbox.forget(&message.topic));
            topics.iter().filter(|topic| !published.contains(topic)).try_for_each(|topic| outbox.withdraw(topic))?;
            retired.iter().try_for_each(|topic| outbox.retire(topic))
        })?;
        let retired: Vec<_> = retired.into_iter().map(|topic| (*topic).to_owned()).collect();
        // Another process may have published more of this person.
        let left = published.into_iter().filter(|topic| inner.topics.belongs_to(person, topic));
        people.leaving.extend(left);
        drop(people);
        if inner.homeassistant.is_none() {
            // Nobody else will.
            return inner.clear_leaving(&retired).await;
        }
        inner.announce.notify_one();
        Ok(())
    }
}

impl Inner {
    /// Tells the store which events the broker has, and which topics it has cleared, except those that were published
    /// again meanwhile.
    async fn note_acknowledged(&self) {
        let mut people = self.people.lock().await;
        self.note_told(&mut people).await;
        let cleared = self.client.outbox(|outbox| {
            let mut cleared = outbox.take_cleared();
            cleared.retain(|topic| !outbox.retains(topic));
            cleared
        });
        for topic in cleared {
            let forgotten = self.store.forget_announced_topic(&topic).await;
            if let Err(error) = forgotten.and(self.store.note_cleared(&topic).await) {
                // It stays noted and is cleared once more at the next start.
                log::warn!("{error:#}");
            }
        }
    }
}

async fn note_acknowledged(inner: Weak<Inner>, mut progress: watch::Receiver<u64>) {
    while progress.changed().await.is_ok() {
        match inner.upgrade() {
            Some(inner) => inner.note_acknowledged().await,
            None => return,
        }
    }
}
