//! What is to be sent and what the broker has acknowledged: the truth about every topic, kept here because a client
//! library forgets what was under way when a connection breaks. Pure but for a word in the log: no input, no output,
//! no clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use anyhow::{Result, ensure};

use super::payload::Turn;
use super::topic::is_publishable;

/// Publishes under way at once; below what brokers allow (65 535) and what the session is opened for.
pub(super) const WINDOW: usize = 50;

/// The largest packet sent; a broker may take less and says so in MQTT 5.
pub(super) const LARGEST_PACKET: usize = 1024 * 1024;

/// Messages kept for a broker that is away.
const MOST_MESSAGES: usize = 20_000;

/// The state of every topic and the messages that are none.
pub(super) struct Outbox {
    topics: HashMap<String, Entry>,
    dirty: BTreeSet<(Turn, String)>,
    messages: BTreeMap<u64, Message>,
    unsent: BTreeSet<u64>,
    last_message: u64,
    /// Handed to the session, which has not yet said under which packet identifier.
    handed: VecDeque<Sent>,
    /// On the wire, by packet identifier.
    awaiting: HashMap<u16, Sent>,
    cleared: Vec<String>,
    delivered: Vec<u64>,
    refused: BTreeMap<String, String>,
    largest: usize,
}

/// One packet to publish, at QoS 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Publish {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) retain: bool,
}

/// What a topic should say; an empty payload: nothing.
struct Entry {
    payload: Vec<u8>,
    retain: bool,
    turn: Turn,
    /// The broker holds a retained payload of former times under a topic that is no longer retained.
    wipe: bool,
}

struct Message {
    topic: String,
    payload: Vec<u8>,
}

enum Sent {
    Topic { turn: Turn, topic: String, clears: bool },
    Message { number: u64, topic: String },
}

impl Outbox {
    pub(super) fn new() -> Outbox {
        Outbox {
            topics: HashMap::new(),
            dirty: BTreeSet::new(),
            messages: BTreeMap::new(),
            unsent: BTreeSet::new(),
            last_message: 0,
            handed: VecDeque::new(),
            awaiting: HashMap::new(),
            cleared: Vec::new(),
            delivered: Vec::new(),
            refused: BTreeMap::new(),
            largest: LARGEST_PACKET,
        }
    }

    /// Sets what a topic says from now on; nothing is sent where it says so already.
    pub(super) fn set(&mut self, topic: &str, payload: Vec<u8>, turn: Turn, retain: bool) -> Result<()> {
        check(topic, &payload)?;
        match self.topics.get_mut(topic) {
            Some(entry) if entry.payload == payload && entry.retain == retain => return Ok(()),
            Some(entry) => {
                self.dirty.remove(&(entry.turn, topic.to_owned()));
                entry.wipe = !retain && (entry.wipe || entry.retain);
                (entry.payload, entry.retain, entry.turn) = (payload, retain, turn);
            }
            None => drop(self.topics.insert(topic.to_owned(), Entry { payload, retain, turn, wipe: false })),
        }
        self.dirty.insert((turn, topic.to_owned()));
        Ok(())
    }

    /// Clears a topic, known or not. One that is set but not retained keeps its payload; what the broker
    /// may still hold of former times is cleared first.
    pub(super) fn clear(&mut self, topic: &str) -> Result<()> {
        check(topic, &[])?;
        let cleared = Entry { payload: Vec::new(), retain: true, turn: Turn::Value, wipe: false };
        let entry = self.topics.entry(topic.to_owned()).or_insert(cleared);
        if entry.retain {
            entry.payload.clear();
        } else {
            entry.wipe = true;
        }
        self.dirty.insert((entry.turn, topic.to_owned()));
        Ok(())
    }

    /// Says nothing more under a topic: clears it where it was retained, else just sends it no more.
    pub(super) fn withdraw(&mut self, topic: &str) -> Result<()> {
        if self.topics.get(topic).is_some_and(|entry| !entry.retain) {
            let entry = self.topics.remove(topic);
            if let Some(Entry { turn, wipe: false, .. }) = entry {
                self.dirty.remove(&(turn, topic.to_owned()));
                return Ok(());
            }
        }
        self.clear(topic)
    }

    /// Clears a topic of discovery, and keeps nothing of it: Home Assistant complains of a device that goes twice.
    pub(super) fn retire(&mut self, topic: &str) -> Result<()> {
        if let Some(entry) = self.topics.remove(topic) {
            self.dirty.remove(&(entry.turn, topic.to_owned()));
        }
        self.set(topic, Vec::new(), Turn::Discovery, true)
    }

    /// Keeps nothing of a topic that somebody else has cleared.
    pub(super) fn forget(&mut self, topic: &str) {
        if let Some(entry) = self.topics.remove(topic) {
            self.dirty.remove(&(entry.turn, topic.to_owned()));
        }
    }

    /// Adds a message that is sent once and kept until the broker has it; gives back its number.
    pub(super) fn send(&mut self, topic: &str, payload: Vec<u8>) -> Result<u64> {
        check(topic, &payload)?;
        ensure!(
            self.messages.len() < MOST_MESSAGES,
            "{MOST_MESSAGES} messages wait for the broker already; {topic} was not sent"
        );
        self.last_message += 1;
        self.messages.insert(self.last_message, Message { topic: topic.to_owned(), payload });
        self.unsent.insert(self.last_message);
        Ok(self.last_message)
    }

    /// Takes back a message that has not been handed over yet.
    pub(super) fn take_back(&mut self, number: u64) {
        if self.unsent.remove(&number) {
            self.messages.remove(&number);
        }
    }

    /// Sends what these topics say once more, though they say it already.
    pub(super) fn repeat(&mut self, these: impl Fn(&str, Turn) -> bool) {
        let again = self.topics.iter().filter(|(topic, entry)| these(topic, entry.turn));
        self.dirty.extend(again.map(|(topic, entry)| (entry.turn, topic.clone())));
    }

    /// Whether this topic is to be retained with a payload.
    pub(super) fn retains(&self, topic: &str) -> bool {
        self.topics.get(topic).is_some_and(|entry| entry.retain && !entry.payload.is_empty())
    }

    /// The next packet, while the window is open: topics in their turn, then messages in their order.
    pub(super) fn next(&mut self) -> Option<Publish> {
        while self.handed.len() + self.awaiting.len() < WINDOW {
            let (publish, sent) = match self.dirty.pop_first() {
                Some((turn, topic)) => {
                    let Some(entry) = self.topics.get(&topic) else { continue };
                    let payload = if entry.wipe { Vec::new() } else { entry.payload.clone() };
                    let clears = payload.is_empty();
                    let retain = entry.retain || entry.wipe;
                    (Publish { topic: topic.clone(), payload, retain }, Sent::Topic { turn, topic, clears })
                }
                None => {
                    let number = self.unsent.pop_first()?;
                    let Some(Message { topic, payload }) = self.messages.get(&number) else { continue };
                    let publish = Publish { topic: topic.clone(), payload: payload.clone(), retain: false };
                    (publish, Sent::Message { number, topic: topic.clone() })
                }
            };
            if packet_size(&publish.topic, &publish.payload) > self.largest {
                let reason = format!("larger than the {} bytes this broker takes", self.largest);
                self.settle(sent, Some(reason));
                continue;
            }
            self.handed.push_back(sent);
            return Some(publish);
        }
        None
    }

    /// The session did not take the latest packet.
    pub(super) fn hand_back(&mut self) {
        if let Some(sent) = self.handed.pop_back() {
            self.again(sent);
        }
    }

    /// The session gave the oldest packet handed over this identifier.
    pub(super) fn sent(&mut self, identifier: u16) {
        if let Some(sent) = self.handed.pop_front() {
            self.awaiting.insert(identifier, sent);
        }
    }

    /// The broker acknowledged a packet, or refused it for this reason.
    pub(super) fn acknowledged(&mut self, identifier: u16, refused: Option<String>) {
        if let Some(sent) = self.awaiting.remove(&identifier) {
            self.settle(sent, refused);
        }
    }

    /// A connection stands, to a broker that may remember nothing: everything is to be sent again.
    pub(super) fn connected(&mut self, largest: Option<u32>) {
        let broker = largest.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(LARGEST_PACKET);
        self.largest = broker.min(LARGEST_PACKET);
        self.refused.clear();
        self.lost();
        self.dirty = self.topics.iter().map(|(topic, entry)| (entry.turn, topic.clone())).collect();
    }

    /// The connection broke: whatever is not acknowledged is to be sent again.
    pub(super) fn lost(&mut self) {
        let under_way: Vec<_> = self.handed.drain(..).chain(self.awaiting.drain().map(|(_, sent)| sent)).collect();
        under_way.into_iter().for_each(|sent| self.again(sent));
    }

    /// How many topics and messages the broker has not acknowledged.
    pub(super) fn unacknowledged(&self) -> usize {
        self.dirty.len() + self.unsent.len() + self.handed.len() + self.awaiting.len()
    }

    /// Whether any of these topics, or a message under one of them, has not been acknowledged.
    pub(super) fn is_under_way(&self, topics: &[String]) -> bool {
        let topic_of = |sent: &Sent| match sent {
            Sent::Topic { topic, .. } | Sent::Message { topic, .. } => topics.contains(topic),
        };
        self.dirty.iter().any(|(_, topic)| topics.contains(topic))
            || self.messages.values().any(|message| topics.contains(&message.topic))
            || self.handed.iter().chain(self.awaiting.values()).any(topic_of)
    }

    /// The numbers of the messages that were acknowledged since the last call.
    pub(super) fn take_delivered(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.delivered)
    }

    /// The topics whose clearing was acknowledged since the last call.
    pub(super) fn take_cleared(&mut self) -> Vec<String> {
        std::mem::take(&mut self.cleared)
    }

    /// The topics that the broker of this connection refused, and why.
    pub(super) fn refused(&self) -> &BTreeMap<String, String> {
        &self.refused
    }

    fn again(&mut self, sent: Sent) {
        match sent {
            Sent::Topic { topic, .. } => {
                if let Some(entry) = self.topics.get(&topic) {
                    self.dirty.insert((entry.turn, topic));
                }
            }
            Sent::Message { number, .. } => drop(self.unsent.insert(number)),
        }
    }

    fn settle(&mut self, sent: Sent, refused: Option<String>) {
        let (Sent::Topic { topic, .. } | Sent::Message { topic, .. }) = &sent;
        if let Some(reason) = refused {
            if self.refused.insert(topic.clone(), reason.clone()).is_none() {
                log::error!(
                    "the broker did not take {topic}: {reason}; allow this client to write there, or change the topic"
                );
            }
        } else if let Sent::Topic { topic, turn, clears: true } = &sent {
            self.cleared.push(topic.clone());
            if let Some(entry) = self.topics.get_mut(topic)
                && std::mem::take(&mut entry.wipe)
            {
                self.dirty.insert((*turn, topic.clone()));
            }
            let gone = |entry: &Entry| entry.turn == Turn::Discovery && entry.payload.is_empty();
            if self.topics.get(topic).is_some_and(gone) {
                self.topics.remove(topic);
            }
        }
        if let Sent::Message { number, .. } = sent {
            self.messages.remove(&number);
            self.delivered.push(number);
        }
    }
}

/// What kills a connection is refused here, where it harms nothing else.
fn check(topic: &str, payload: &[u8]) -> Result<()> {
    ensure!(is_publishable(topic), "{topic:?} is no topic that can be published");
    let size = packet_size(topic, payload);
    ensure!(
        size <= LARGEST_PACKET,
        "{topic} was not published: {size} bytes are more than the {LARGEST_PACKET} that one message may have"
    );
    Ok(())
}

/// The size of a PUBLISH: fixed header (5), topic length (2), topic, identifier (2), no properties (1), payload.
fn packet_size(topic: &str, payload: &[u8]) -> usize {
    10 + topic.len() + payload.len()
}

#[cfg(test)]
#[path = "outbox/tests.rs"]
mod tests;
