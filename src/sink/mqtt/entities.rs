//! What Home Assistant is told of a person and of the bridge: devices and their components, out of a snapshot and the
//! catalogue. Pure: no input, no output, no clock.

use serde_json::{Map, Value as Json, json};

use super::topic::{Topics, identifier};
use crate::metric::Metric;
use crate::snapshot::{self, AuthState, EventKind, Snapshot};

/// A device in Home Assistant's sense, with all that is shown of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Lasting, and fit for a topic.
    pub id: String,
    /// Name, model and what else stands in its `device`.
    pub description: Json,
    /// The topics that all have to say `online` for its components to be available, but for those with their own.
    pub availability: Vec<String>,
    /// What is shown of it.
    pub components: Vec<Component>,
}

/// One thing that is shown of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    /// Lasting, unique within the device.
    pub key: String,
    /// `sensor`, `binary_sensor`, `event` …
    pub platform: &'static str,
    /// Its configuration.
    pub options: Map<String, Json>,
}

/// The devices of a person, none before the first consent: their own, with buttons where `commands` are taken, and one
/// for each tracker and scale.
pub fn of_person(topics: &Topics, snapshot: &Snapshot, commands: bool) -> Vec<Device> {
    let Some(account) = &snapshot.account else { return Vec::new() };
    let id = format!("fitbit_{}", identifier(account));
    let person = &snapshot.person;
    let object = format!("fitbit_{}", entity_name(person.as_str()));
    let (status, auth) = (topics.status(person), topics.auth(person));
    let availability = vec![topics.bridge_status(), topics.availability(person)];
    // What tells why a person is unavailable has to be available then.
    let alive = topics.bridge_status();
    let always = json!([{"topic": alive}]);

    let mut maker = Maker { device: &id, object: &object, alive: &alive, components: Vec::new() };
    for shown in &snapshot.values {
        maker.metric(topics, snapshot, shown.metric, shown.unit);
    }
    let states = [AuthState::AwaitingConsent, AuthState::Ok, AuthState::Retrying, AuthState::Reauthorize];
    maker.add(
        "sensor",
        "consent",
        "Consent",
        json!({
            "state_topic": auth, "value_template": "{{ value_json.state }}", "json_attributes_topic": auth,
            "device_class": "enum", "options": states.map(AuthState::word), "icon": "mdi:shield-account",
            "entity_category": "diagnostic", "availability": always,
        }),
    );
    maker.add(
        "binary_sensor",
        "consent_problem",
        "Consent needed",
        json!({
            "state_topic": auth, "value_template": "{{ 'OFF' if value_json.state in ['ok', 'retrying'] else 'ON' }}",
            "device_class": "problem", "entity_category": "diagnostic", "availability": always,
        }),
    );
    maker.add("sensor", "last_success", "Last success", json!({
        "state_topic": status, "value_template": "{{ value_json.last_success }}", "json_attributes_topic": status,
        "device_class": "timestamp", "icon": "mdi:cloud-check", "entity_category": "diagnostic", "availability": always,
    }));
    if snapshot.quota.is_some() {
        let quota = topics.quota(person);
        maker.add(
            "sensor",
            "quota_remaining",
            "Requests left",
            json!({
                "state_topic": quota, "value_template": "{{ value_json.remaining }}", "json_attributes_topic": quota,
                "unit_of_measurement": "requests", "state_class": "measurement", "suggested_display_precision": 0,
                "icon": "mdi:gauge", "entity_category": "diagnostic", "availability": always,
            }),
        );
    }
    if snapshot.status.days_since_weigh_in.is_some() {
        maker.add(
            "sensor",
            "days_since_weigh_in",
            "Days since the last weigh-in",
            json!({
                "state_topic": status, "value_template": "{{ value_json.days_since_weigh_in }}",
                "device_class": "duration", "unit_of_measurement": "d", "state_class": "measurement",
                "suggested_display_precision": 0, "icon": "mdi:calendar-clock",
            }),
        );
    }
    for (kind, name, icon) in EVENTS {
        let word = kind.word();
        maker.add(
            "event",
            &component_key(word),
            name,
            json!({
                "state_topic": topics.event(person), "event_types": [word], "icon": icon,
                "value_template": format!("{{{{ value if value_json.event_type == '{word}' else '' }}}}"),
            }),
        );
    }
    if commands {
        maker.buttons(&topics.command(Some(person)), &OF_A_PERSON);
        maker.add(
            "switch",
            "automatic",
            "Fetch by itself",
            json!({
                "state_topic": status, "value_template": "{{ 'OFF' if value_json.paused else 'ON' }}",
                "state_on": "ON", "state_off": "OFF", "command_topic": topics.command(Some(person)),
                "payload_on": "resume", "payload_off": "pause", "icon": "mdi:autorenew",
                "entity_category": "config", "availability": always,
            }),
        );
    }
    let components = maker.components;

    let description = json!({
        "identifiers": [id], "name": format!("Fitbit {person}"), "manufacturer": "Fitbit", "model": "Person",
        "configuration_url": snapshot.auth.url, "via_device": topics.bridge_identifier(),
    });
    let trackers: Vec<_> =
        snapshot.devices.iter().map(|device| tracker(topics, snapshot, device, &id, &object)).collect();
    let mut devices = vec![Device { id, description, availability, components }];
    devices.extend(trackers);
    devices
}

/// The bridge's own device, with buttons where `commands` are taken; `page` is the address of the setup page.
pub fn of_bridge(topics: &Topics, page: &str, commands: bool) -> Device {
    let id = topics.bridge_identifier();
    let (status, info) = (topics.bridge_status(), topics.bridge_info());
    let mut maker = Maker { device: &id, object: &id, alive: &status, components: Vec::new() };
    maker.add(
        "binary_sensor",
        "status",
        "Connection",
        json!({
            "state_topic": status, "payload_on": "online", "payload_off": "offline",
            "device_class": "connectivity", "entity_category": "diagnostic",
        }),
    );
    let alive = json!([{"topic": status}]);
    maker.add(
        "sensor",
        "version",
        "Version",
        json!({
            "state_topic": info, "value_template": "{{ value_json.version }}",
            "icon": "mdi:tag", "entity_category": "diagnostic", "availability": alive,
        }),
    );
    maker.add(
        "sensor",
        "started",
        "Started",
        json!({
            "state_topic": info, "value_template": "{{ value_json.started }}",
            "device_class": "timestamp", "entity_category": "diagnostic", "availability": alive,
        }),
    );
    if commands {
        maker.buttons(&topics.command(None), &OF_THE_BRIDGE);
    }
    let components = maker.components;
    let description = json!({
        "identifiers": [id], "name": "fitbit2mqtt", "manufacturer": "fitbit2mqtt", "model": "Bridge",
        "sw_version": env!("CARGO_PKG_VERSION"), "configuration_url": page,
    });
    // The one that says whether the bridge is there must be available when it is not.
    Device { id, description, availability: Vec::new(), components }
}

/// A tracker or scale.
fn tracker(topics: &Topics, snapshot: &Snapshot, device: &snapshot::Device, parent: &str, object: &str) -> Device {
    let person = &snapshot.person;
    let id = format!("{parent}_{}", identifier(&device.id));
    let object = format!("{object}_{}", entity_name(&device.name));
    let topic = topics.device(person, &device.id);
    let alive = topics.bridge_status();
    let mut maker = Maker { device: &id, object: &object, alive: &alive, components: Vec::new() };
    if device.battery_level.is_some() {
        maker.add(
            "sensor",
            "battery",
            "Battery",
            json!({
                "state_topic": topic, "value_template": "{{ value_json['battery-level'] }}",
                "device_class": "battery", "unit_of_measurement": "%", "state_class": "measurement",
                "suggested_display_precision": 0, "entity_category": "diagnostic",
            }),
        );
    }
    if let Some(word) = &device.battery {
        let mut words = vec!["High", "Medium", "Low", "Empty"];
        // A word of a model that nobody has seen yet must not make the entity wrong.
        if !words.contains(&word.as_str()) {
            words.push(word);
        }
        maker.add(
            "sensor",
            "battery_state",
            "Battery state",
            json!({
                "state_topic": topic, "value_template": "{{ value_json.battery }}", "device_class": "enum",
                "options": words, "icon": "mdi:battery-heart-variant", "entity_category": "diagnostic",
            }),
        );
    }
    if device.last_sync.is_some() {
        maker.add(
            "sensor",
            "last_sync",
            "Last sync",
            json!({
                "state_topic": topic, "value_template": "{{ value_json['last-sync'] }}",
                "device_class": "timestamp", "icon": "mdi:sync", "entity_category": "diagnostic",
            }),
        );
    }
    let components = maker.components;
    let description = json!({
        "identifiers": [id], "name": format!("{} ({person})", device.name), "model": device.name, "via_device": parent,
    });
    let availability = vec![alive.clone(), topics.availability(person)];
    Device { id, description, availability, components }
}

/// The kinds of events, with name and icon.
const EVENTS: [(EventKind, &str, &str); 5] = [
    (EventKind::WokeUp, "Woke up", "mdi:weather-sunset-up"),
    (EventKind::WeighedIn, "Weighed in", "mdi:scale-bathroom"),
    (EventKind::Workout, "Workout", "mdi:dumbbell"),
    (EventKind::GoalReached, "Goal reached", "mdi:flag-checkered"),
    (EventKind::TrackerBatteryLow, "Tracker battery low", "mdi:battery-alert"),
];

/// A command as a button: its name, that of the button, icon, and whether it is shown unless somebody asks for it.
type Button = (&'static str, &'static str, &'static str, bool);

const OF_A_PERSON: [Button; 4] = [
    ("fetch", "Fetch now", "mdi:cloud-download", true),
    ("backfill", "Fetch the past", "mdi:history", false),
    ("republish", "Publish again", "mdi:publish", false),
    ("reauthorize", "Ask for a new consent", "mdi:shield-refresh", false),
];
const OF_THE_BRIDGE: [Button; 2] = [
    ("republish", "Publish everything again", "mdi:publish", true),
    ("reload", "Look for people", "mdi:account-search", true),
];

/// Makes the components of one device.
struct Maker<'d> {
    device: &'d str,
    /// What names of entities begin with.
    object: &'d str,
    /// Says whether the bridge is there.
    alive: &'d str,
    components: Vec<Component>,
}

impl Maker<'_> {
    fn metric(&mut self, topics: &Topics, snapshot: &Snapshot, metric: &'static Metric, unit: Option<&str>) {
        let (person, key, entity) = (&snapshot.person, metric.key, &metric.entity);
        // Home Assistant takes no attribute `name`: the workout's is told under another.
        let attributes = match key {
            "last-workout" => {
                "{% set it = value_json.get('last-workout', {}) %}{{ dict(it, workout=it.get('name')) | tojson }}"
                    .into()
            }
            _ => format!("{{{{ value_json.get('{key}', {{}}) | tojson }}}}"),
        };
        self.add(
            "sensor",
            &component_key(key),
            metric.name,
            json!({
                "state_topic": topics.value(person, metric),
                "json_attributes_topic": topics.values(person),
                "json_attributes_template": attributes,
                "device_class": entity.device_class,
                "unit_of_measurement": unit,
                "state_class": entity.state_class,
                "suggested_display_precision": entity.precision,
                "icon": Some(entity.icon).filter(|icon| !icon.is_empty()),
                "entity_category": entity.diagnostic.then_some("diagnostic"),
                "enabled_by_default": (!entity.enabled).then_some(false),
            }),
        );
    }

    fn buttons(&mut self, topic: &str, buttons: &[Button]) {
        for (command, name, icon, shown) in buttons {
            let options = json!({
                "command_topic": topic, "payload_press": command, "icon": icon, "entity_category": "config",
                "enabled_by_default": (!shown).then_some(false),
                "availability": [{"topic": self.alive}],
            });
            self.add("button", command, name, options);
        }
    }

    /// Adds a component; options that are null are left out.
    fn add(&mut self, platform: &'static str, key: &str, name: &str, options: Json) {
        let object = format!("{}_{key}", self.object);
        let mut all = Map::from_iter([
            ("unique_id".to_owned(), json!(format!("{}_{key}", self.device))),
            // The first is read from 2025.10 on, the second before.
            ("default_entity_id".to_owned(), json!(format!("{platform}.{object}"))),
            ("object_id".to_owned(), json!(object)),
            ("name".to_owned(), json!(name)),
        ]);
        if let Json::Object(options) = options {
            all.extend(options.into_iter().filter(|(_, value)| !value.is_null()));
        }
        self.components.push(Component { key: key.to_owned(), platform, options: all });
    }
}

/// The key of a component: Home Assistant's spelling of ours.
fn component_key(key: &str) -> String {
    key.replace('-', "_")
}

/// A name as Home Assistant's entities have them: small letters, digits and single `_`.
fn entity_name(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_")
}
