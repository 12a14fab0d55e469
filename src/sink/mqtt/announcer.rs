//! Tells Home Assistant of devices: what changed since it was told last, again when it has started, and never more than
//! one thing at a time. What is said stands in `discovery`.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::{mpsc, watch};

use super::connection::Message;
use super::discovery::{announcements, changes, messages, migration};
use super::entities::Device;
use super::payload::Turn;
use super::{Inner, People};
use crate::reading::Person;
use crate::store::Announced;

/// Home Assistant skips what comes for a device while it still works on the last message.
const QUIET: Duration = Duration::from_secs(2);
/// How long the broker may take for what has to be there before the next step.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long Home Assistant may take to remove entities, in which nothing else happens to them.
const LEAVE: Duration = Duration::from_secs(1);
/// How long to wait after Home Assistant has started, in milliseconds: all its devices speak up then.
const WELCOME: std::ops::Range<u64> = 1_000..5_000;
/// What it says then.
const BORN: &[u8] = b"online";

impl Inner {
    /// Notes what there is to announce of somebody, or of the bridge itself.
    pub(super) fn want(&self, people: &mut People, whose: Option<&Person>, devices: &[Device]) {
        let Some(homeassistant) = &self.homeassistant else { return };
        let shown = devices.iter().filter(|device| !device.components.is_empty());
        let wanted: Vec<_> =
            shown.flat_map(|device| announcements(homeassistant.form, &homeassistant.prefix, device)).collect();
        if people.wanted.get(&whose.cloned()) != Some(&wanted) {
            people.wanted.insert(whose.cloned(), wanted);
            self.announce.notify_one();
        }
    }

    /// Brings what is announced up to date. Entities that move to other topics wait until there is a connection, for
    /// Home Assistant has to let go of them first.
    pub(super) async fn bring_up_to_date(&self) -> Result<()> {
        let known = self.store.announced().await?;
        let moved = changes(&known, &self.people.lock().await.wanted).moved;
        if !moved.is_empty() {
            let say = |topic: &String| self.client.outbox(|it| it.send(topic, migration().to_string().into_bytes()));
            if !*self.client.connected().borrow() {
                return Ok(());
            }
            moved.iter().try_for_each(|topic| say(topic).map(drop))?;
            if !self.acknowledged(&moved).await {
                return Ok(());
            }
            tokio::time::sleep(QUIET).await;
        }
        let changes = changes(&known, &self.people.lock().await.wanted);
        self.client.outbox(|outbox| changes.cleared.iter().try_for_each(|topic| outbox.retire(topic)))?;
        if !moved.is_empty() {
            self.acknowledged(&changes.cleared).await;
        }
        {
            let people = self.people.lock().await;
            let messages = messages(&people.wanted);
            let entities = messages.values().flat_map(|(whose, message)| {
                message.entities.iter().map(|(device, component, platform)| Announced {
                    person: (*whose).clone(),
                    topic: message.topic.clone(),
                    device: device.clone(),
                    component: component.clone(),
                    platform: (*platform).to_owned(),
                })
            });
            let new: Vec<_> = entities.filter(|entity| !known.contains(entity)).collect();
            if !new.is_empty() {
                self.store.note_announced(&new).await?;
            }
            let topics: Vec<_> = messages.keys().map(|topic| (*topic).to_owned()).collect();
            let unknown = |topic: &String| !self.client.outbox(|outbox| outbox.retains(topic));
            let topics: Vec<_> = topics.into_iter().filter(unknown).collect();
            if !topics.is_empty() {
                self.store.note_published(&topics).await?;
            }
            self.client.outbox(|outbox| {
                messages.values().try_for_each(|(_, message)| {
                    outbox.set(&message.topic, message.payload.to_string().into_bytes(), Turn::Discovery, true)
                })
            })?;
        }
        if !*self.client.connected().borrow() {
            return Ok(());
        }
        for (entity, removal) in &changes.removed {
            self.client.outbox(|outbox| outbox.send(&entity.topic, removal.to_string().into_bytes()))?;
        }
        let topics: Vec<_> = changes.removed.iter().map(|(entity, _)| entity.topic.clone()).collect();
        if self.acknowledged(&topics).await {
            for (entity, _) in &changes.removed {
                self.store.forget_announced(&entity.topic, &entity.component).await?;
            }
        }
        self.clear_leaving(&[topics, changes.cleared].concat()).await
    }

    /// Clears the topics that nobody is to look at any more, when Home Assistant has had the time to take leave of what
    /// was announced under these: it complains of a timestamp that is empty.
    pub(super) async fn clear_leaving(&self, announced: &[String]) -> Result<()> {
        if self.people.lock().await.leaving.is_empty() {
            return Ok(());
        }
        if !announced.is_empty() || self.homeassistant.is_some() {
            self.acknowledged(announced).await;
            tokio::time::sleep(LEAVE).await;
        }
        let mut people = self.people.lock().await;
        let leaving = std::mem::take(&mut people.leaving);
        self.client.outbox(|outbox| leaving.iter().try_for_each(|topic| outbox.withdraw(topic)))
    }

    /// Waits until the broker has these topics and the messages under them; `false`: it took too long.
    async fn acknowledged(&self, topics: &[String]) -> bool {
        let mut progress = self.client.progress();
        let all = async {
            while self.client.outbox(|outbox| outbox.is_under_way(topics)) {
                // The sender lives as long as the client.
                let _ = progress.changed().await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.is_ok()
    }
}

/// Announces whatever is new, for ever, with a pause after each time.
pub(super) async fn keep_announcing(inner: Weak<Inner>, mut connected: watch::Receiver<bool>) {
    let mut last = None;
    loop {
        let Some(announce) = inner.upgrade().map(|inner| Arc::clone(&inner.announce)) else { return };
        tokio::select! {
            () = announce.notified() => {}
            changed = connected.changed() => match changed {
                // On each connection everything is sent again.
                Ok(()) => last = Some(Instant::now()),
                Err(_) => return,
            }
        }
        if let Some(last) = last {
            tokio::time::sleep(QUIET.saturating_sub(last.elapsed())).await;
        }
        let Some(inner) = inner.upgrade() else { return };
        if let Err(error) = inner.bring_up_to_date().await {
            log::error!("Home Assistant could not be told of everything: {error:#}");
        }
        last = Some(Instant::now());
    }
}

/// Repeats everything when Home Assistant has started: it may have missed some, and forgets what is not retained.
pub(super) async fn welcome(inner: Weak<Inner>, mut births: mpsc::Receiver<Message>) {
    while let Some(message) = births.recv().await {
        if message.payload != BORN {
            continue;
        }
        tokio::time::sleep(Duration::from_millis(rand::random_range(WELCOME))).await;
        // Whatever was said meanwhile is answered by this, too.
        while births.try_recv().is_ok() {}
        let Some(inner) = inner.upgrade() else { return };
        log::debug!("Home Assistant has started: everything is announced once more");
        inner.client.outbox(|outbox| outbox.repeat(|_, turn| turn == Turn::Discovery));
        if !inner.retain {
            tokio::time::sleep(QUIET).await;
            inner.client.outbox(|outbox| outbox.repeat(|_, turn| turn == Turn::Value));
        }
    }
}
