//! Tells what happened, once each: what is new goes out, and is noted as told when the broker has it.

use std::collections::HashMap;

use anyhow::Result;

use super::{Inner, People};
use crate::reading::Person;
use crate::snapshot::{Event, Snapshot};
use crate::store::NotedEvent;

/// The messages under way, by their numbers in the outbox.
pub(super) type Telling = HashMap<u64, (Person, NotedEvent)>;

impl Inner {
    /// Sends the events of a person that were not told yet. What had happened before the first fetch is not told, but
    /// for what lasts.
    pub(super) async fn tell(&self, people: &mut People, snapshot: &Snapshot) -> Result<()> {
        let person = &snapshot.person;
        let noted = match self.store.events(person).await? {
            None if snapshot.status.last_success.is_none() => return Ok(()),
            noted => noted,
        };
        let is = |event: &Event, noted: &NotedEvent| event.kind.word() == noted.kind && event.id == noted.id;
        let known = noted.as_deref().unwrap_or_default();
        let new = snapshot.events.iter().filter(|event| !known.iter().any(|noted| is(event, noted)));
        let new: Vec<_> = new
            .map(|event| NotedEvent {
                kind: event.kind.word().to_owned(),
                id: event.id.clone(),
                untold: (noted.is_some() || event.kind.lasts()).then(|| event.to_json().to_string()),
            })
            .collect();
        let old = known.iter().filter(|noted| !snapshot.events.iter().any(|event| is(event, noted)));
        let old: Vec<_> = old.cloned().collect();
        if noted.is_none() || !new.is_empty() || !old.is_empty() {
            self.store.note_events(person, &new, &old).await?;
        }
        // What the broker was away for is no news any more.
        let stale = |whose: &Person, told: &NotedEvent| whose == person && old.iter().any(|old| same(old, told));
        let numbers = people.telling.iter().filter(|(_, (whose, told))| stale(whose, told)).map(|(number, _)| *number);
        for number in numbers.collect::<Vec<_>>() {
            people.telling.remove(&number);
            self.client.outbox(|outbox| outbox.take_back(number));
        }
        for event in new.iter().chain(known) {
            let Some(message) = &event.untold else { continue };
            let under_way = |(whose, told): &(Person, NotedEvent)| whose == person && same(told, event);
            if old.iter().any(|old| same(old, event)) || people.telling.values().any(under_way) {
                continue;
            }
            let topic = self.topics.event(person);
            let number = self.client.outbox(|outbox| outbox.send(&topic, message.clone().into_bytes()))?;
            people.telling.insert(number, (person.clone(), event.clone()));
        }
        Ok(())
    }

    /// Notes what the broker has by now.
    pub(super) async fn note_told(&self, people: &mut People) {
        for number in self.client.outbox(|outbox| outbox.take_delivered()) {
            let Some((person, event)) = people.telling.remove(&number) else { continue };
            if let Err(error) = self.store.note_told(&person, &event.kind, &event.id).await {
                // It is told once more after a restart.
                log::warn!("{error:#}");
            }
        }
    }
}

fn same(one: &NotedEvent, other: &NotedEvent) -> bool {
    one.kind == other.kind && one.id == other.id
}
