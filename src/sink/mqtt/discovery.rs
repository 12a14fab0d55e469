//! Devices as Home Assistant's discovery messages, and what has to be said to come from what was announced before to what
//! is to be announced now. Pure: no input, no output, no clock.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use super::entities::Device;
use super::topic::{component_config, device_config};
use crate::reading::Person;
use crate::store::Announced;

/// The form of the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One for each device: Home Assistant since 2024.12.
    Device,
    /// One for each component: older ones, openHAB, Domoticz.
    Component,
}

/// One discovery message, and the entities it announces.
#[derive(Debug, Clone, PartialEq)]
pub struct Announcement {
    /// Where it is retained.
    pub topic: String,
    /// What it says.
    pub payload: Json,
    /// The device, the component's key and its platform, of each entity.
    pub entities: Vec<(String, String, &'static str)>,
}

/// Everything that is to be announced, by whose it is; of nobody: the bridge's own.
pub type Wanted = BTreeMap<Option<Person>, Vec<Announcement>>;

/// The messages of a device.
pub fn announcements(form: Form, prefix: &str, device: &Device) -> Vec<Announcement> {
    let entity = |key: &str, platform| (device.id.clone(), key.to_owned(), platform);
    let mut shared = Map::new();
    shared.insert("device".into(), device.description.clone());
    shared.insert("origin".into(), origin());
    if !device.availability.is_empty() {
        let topics: Vec<_> = device.availability.iter().map(|topic| json!({"topic": topic})).collect();
        shared.insert("availability".into(), topics.into());
        shared.insert("availability_mode".into(), "all".into());
    }
    shared.insert("qos".into(), 1.into());
    match form {
        Form::Device => {
            let components = device.components.iter().map(|component| {
                let mut options = Map::from_iter([("platform".to_owned(), json!(component.platform))]);
                options.extend(component.options.clone());
                (component.key.clone(), options.into())
            });
            shared.insert("components".into(), Json::Object(components.collect()));
            vec![Announcement {
                topic: device_config(prefix, &device.id),
                payload: shared.into(),
                entities: device.components.iter().map(|it| entity(&it.key, it.platform)).collect(),
            }]
        }
        Form::Component => {
            let messages = device.components.iter().map(|component| {
                let mut payload = shared.clone();
                payload.extend(component.options.clone());
                Announcement {
                    topic: component_config(prefix, component.platform, &device.id, &component.key),
                    payload: payload.into(),
                    entities: vec![entity(&component.key, component.platform)],
                }
            });
            messages.collect()
        }
    }
}

/// What has to be said beside the announcements themselves.
#[derive(Debug, Default, PartialEq)]
pub struct Changes {
    /// Topics whose entities are announced elsewhere from now on: Home Assistant lets go of them first, and keeps what it
    /// knows of them.
    pub moved: Vec<String>,
    /// Topics to be cleared.
    pub cleared: Vec<String>,
    /// Entities that a device no longer has. Leaving them out does not remove them; a message that names nothing but
    /// their platform does, once.
    pub removed: Vec<(Announced, Json)>,
}

/// Every message by its topic, with whose it is. Two people on one account would have the same: the later has them.
pub fn messages(wanted: &Wanted) -> BTreeMap<&str, (&Option<Person>, &Announcement)> {
    let all = wanted.iter().flat_map(|(whose, theirs)| theirs.iter().map(move |message| (whose, message)));
    all.map(|(whose, message)| (message.topic.as_str(), (whose, message))).collect()
}

/// What has changed. What belongs to people who are not in `wanted` is left alone.
pub fn changes(known: &[Announced], wanted: &Wanted) -> Changes {
    let messages = messages(wanted);
    let entities = messages.values().flat_map(|(_, message)| &message.entities);
    let entities: BTreeSet<_> = entities.map(|(device, key, _)| (device.as_str(), key.as_str())).collect();
    let mut changes = Changes::default();
    let (mut moved, mut cleared) = (BTreeSet::new(), BTreeSet::new());
    for entity in known.iter().filter(|entity| wanted.contains_key(&entity.person)) {
        match messages.get(entity.topic.as_str()) {
            None => {
                cleared.insert(entity.topic.clone());
                if entities.contains(&(entity.device.as_str(), entity.component.as_str())) {
                    moved.insert(entity.topic.clone());
                }
            }
            Some((_, message)) if !message.entities.iter().any(|(_, key, _)| *key == entity.component) => {
                let removal = json!({
                    "device": message.payload["device"],
                    "origin": origin(),
                    "components": {&entity.component: {"platform": entity.platform}},
                });
                changes.removed.push((entity.clone(), removal));
            }
            Some(_) => {}
        }
    }
    (changes.moved, changes.cleared) = (moved.into_iter().collect(), cleared.into_iter().collect());
    changes
}

/// What makes Home Assistant let go of a topic's entities without forgetting them.
pub fn migration() -> Json {
    json!({"migrate_discovery": true})
}

fn origin() -> Json {
    json!({"name": "fitbit2mqtt", "sw_version": env!("CARGO_PKG_VERSION")})
}
