//! A trial of the broker: whether it lets us in, what it lets us write and read, whether it keeps what is retained. A client
//! of its own, without a will; what it writes is empty or taken back.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::broken::{Broken, TIMED_OUT};
use super::connection::{self, Event, Link, Message, Options};
use super::outbox::Publish;
use super::settings::{Protocol, Settings};

/// How long the broker may take to answer what it was asked.
const ANSWER: Duration = Duration::from_secs(4);
/// How long a message may take that comes back, once its sending was acknowledged.
const RETURN: Duration = Duration::from_secs(3);

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is to be tried.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// A topic of ours, where a message is retained and cleared again.
    pub keep: String,
    /// Where an empty message, not retained, is sent; it is seen whether it comes back.
    pub send: Vec<String>,
    /// What is subscribed to beside all these.
    pub read: Vec<String>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    /// The topics that the broker refused to take, where it says so (MQTT 5), and why.
    pub refused: BTreeMap<String, String>,
    /// The topics whose message came back.
    pub returned: BTreeSet<String>,
    /// The filters that may not be read, where it says so.
    pub unreadable: BTreeSet<String>,
    /// What is retained under the topics read.
    pub found: BTreeMap<String, String>,
    /// Whether the message was kept.
    pub kept: bool,
    /// Whether the broker says what it refuses, so that whatever is not among that was taken.
    pub says_refusals: bool,
    /// Why it ended before its time, if it did.
    pub broken: Option<String>,
    /// Whether it ended on the message to be retained; everything else had been tried by then.
    pub broken_by_keeping: bool,
}

/// Why the broker did not accept us, and the cure where it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unaccepted {
    /// What happened.
    pub words: String,
    /// What helps.
    pub cure: Option<String>,
}

/// Tries it.
pub async fn trial(settings: &Settings, asked: &Asked) -> Result<Trial, Unaccepted> {
    let mut conversation = Conversation::open(settings).await?;
    conversation.trial.says_refusals = settings.protocol == Protocol::V5;
    let began = conversation.try_all(asked).await;
    if began.is_ok() && conversation.trial.returned.contains(&asked.keep) {
        let client_id = format!("fitbit2mqtt-{:08x}", rand::random::<u32>());
        let later = Settings { client_id, ..settings.clone() };
        conversation.trial.kept = conversation.is_kept(&later).await;
    }
    let cleared = conversation.clear(&asked.keep).await;
    let mut trial = conversation.close().await;
    if let Err(broken) = began {
        trial.broken = Some(broken.words);
    }
    if cleared.is_err()
        && let Ok(mut again) = Conversation::open(settings).await
    {
        // A broker that ended the connection over the retained message may have kept it.
        let _ = again.clear(&asked.keep).await;
        again.close().await;
    }
    Ok(trial)
}

/// One connection, and what was said on it.
struct Conversation {
    link: Link,
    events: mpsc::UnboundedReceiver<Result<Event, Broken>>,
    session: JoinHandle<()>,
    /// What the retained message says, so that it is told from others'.
    mark: String,
    keep: String,
    subscribing: VecDeque<String>,
    handed: VecDeque<String>,
    awaiting: HashMap<u16, String>,
    trial: Trial,
}

impl Conversation {
    async fn open(settings: &Settings) -> Result<Conversation, Unaccepted> {
        let unprepared = |error: anyhow::Error| Unaccepted { words: format!("{error:#}"), cure: None };
        let address = settings.address().map_err(unprepared)?;
        let tls = match address.is_encrypted() {
            true => Some(Arc::new(settings.tls().map_err(unprepared)?)),
            false => None,
        };
        let options = Options { settings: settings.clone(), address, tls, will: None };
        let (link, mut session) = connection::open(&options);
        let (sender, events) = mpsc::unbounded_channel();
        // A session must not be abandoned half-way and polled again, so nothing here waits for it with a limit.
        let session = tokio::spawn(async move {
            loop {
                let event = session.poll().await;
                let over = event.is_err();
                if sender.send(event).is_err() || over {
                    return;
                }
            }
        });
        let mut conversation = Conversation {
            link,
            events,
            session,
            mark: format!("{:016x}", rand::random::<u64>()),
            keep: String::new(),
            subscribing: VecDeque::new(),
            handed: VecDeque::new(),
            awaiting: HashMap::new(),
            trial: Trial::default(),
        };
        loop {
            match conversation.events.recv().await {
                Some(Ok(Event::Accepted { .. })) => return Ok(conversation),
                Some(Ok(_)) => {}
                Some(Err(broken)) => {
                    let Broken { words, cure, .. } = broken.unless_accepted(false);
                    return Err(Unaccepted { words, cure: cure.map(str::to_owned) });
                }
                None => return Err(Unaccepted { words: "the connection ended".into(), cure: None }),
            }
        }
    }

    async fn try_all(&mut self, asked: &Asked) -> Result<(), Broken> {
        self.keep.clone_from(&asked.keep);
        let own = [asked.keep.clone()];
        for filter in own.iter().chain(&asked.send).chain(&asked.read) {
            self.subscribe(filter);
        }
        self.answered(|conversation| conversation.subscribing.is_empty()).await?;
        for topic in &asked.send {
            self.publish(topic, String::new(), false);
        }
        self.returned(&asked.send).await?;
        // Last, for a broker that keeps nothing may end the connection over it.
        self.publish(&asked.keep, self.mark.clone(), true);
        let kept = self.returned(&own).await;
        self.trial.broken_by_keeping = kept.is_err();
        kept
    }

    /// Waits until the broker has these, and for a while until they come back.
    async fn returned(&mut self, topics: &[String]) -> Result<(), Broken> {
        self.answered(Conversation::is_acknowledged).await?;
        let back = |conversation: &Conversation| {
            let Trial { refused, returned, .. } = &conversation.trial;
            topics.iter().all(|topic| refused.contains_key(topic) || returned.contains(topic))
        };
        self.until(RETURN, back).await
    }

    /// Whether somebody who comes now is told what was retained.
    async fn is_kept(&self, settings: &Settings) -> bool {
        let Ok(mut later) = Conversation::open(settings).await else { return false };
        (later.keep, later.mark) = (self.keep.clone(), self.mark.clone());
        later.subscribe(&self.keep);
        let _ = later.until(RETURN, |conversation| conversation.trial.kept).await;
        later.close().await.kept
    }

    async fn clear(&mut self, topic: &str) -> Result<(), Broken> {
        self.publish(topic, String::new(), true);
        self.answered(Conversation::is_acknowledged).await
    }

    /// Says farewell, and what came of it all.
    async fn close(self) -> Trial {
        let Conversation { link, events, session, trial, .. } = self;
        let abort = session.abort_handle();
        drop(events);
        if !link.disconnect() || tokio::time::timeout(FAREWELL, session).await.is_err() {
            abort.abort();
        }
        trial
    }

    fn is_acknowledged(&self) -> bool {
        self.handed.is_empty() && self.awaiting.is_empty()
    }

    fn subscribe(&mut self, filter: &str) {
        if self.link.subscribe(&[filter.to_owned()]) {
            self.subscribing.push_back(filter.to_owned());
        }
    }

    fn publish(&mut self, topic: &str, payload: String, retain: bool) {
        if self.link.publish(Publish { topic: topic.to_owned(), payload: payload.into_bytes(), retain }) {
            self.handed.push_back(topic.to_owned());
        }
    }

    /// Waits for what no broker leaves unanswered.
    async fn answered(&mut self, is_so: impl Fn(&Conversation) -> bool) -> Result<(), Broken> {
        self.until(ANSWER, &is_so).await?;
        if is_so(self) { Ok(()) } else { Err(Broken::passing(TIMED_OUT)) }
    }

    /// Listens until it is so, or the limit is over.
    async fn until(&mut self, limit: Duration, is_so: impl Fn(&Conversation) -> bool) -> Result<(), Broken> {
        let end = tokio::time::Instant::now() + limit;
        while !is_so(self) {
            match tokio::time::timeout_at(end, self.events.recv()).await {
                Err(_) => return Ok(()),
                Ok(Some(event)) => self.take(event?),
                Ok(None) => return Err(Broken::passing("the connection ended")),
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Sent(identifier) => {
                if let Some(topic) = self.handed.pop_front() {
                    self.awaiting.insert(identifier, topic);
                }
            }
            Event::Acknowledged { identifier, refused } => {
                if let (Some(topic), Some(reason)) = (self.awaiting.remove(&identifier), refused) {
                    self.trial.refused.insert(topic, reason);
                }
            }
            Event::Subscribed(granted) => {
                if let Some(filter) = self.subscribing.pop_front()
                    && granted.contains(&false)
                {
                    self.trial.unreadable.insert(filter);
                }
            }
            Event::Message(Message { topic, payload, retain }) => {
                let own = topic == self.keep;
                if own && payload != self.mark.as_bytes() {
                    return;
                }
                self.trial.kept |= own && retain;
                if !retain {
                    self.trial.returned.insert(topic);
                } else if !own {
                    self.trial.found.insert(topic, String::from_utf8_lossy(&payload).into_owned());
                }
            }
            Event::Accepted { .. } | Event::Other => {}
        }
    }
}
