//! What Home Assistant is told: every message held to Home Assistant's own rules, and what stands at the broker when
//! metrics, people and forms come and go. With the real Home Assistant, `tests/interop/run` does the same.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use chrono::DateTime;
use fitbit2mqtt::metric::{METRICS, System, Unit};
use fitbit2mqtt::reading::{Reading, Value};
use fitbit2mqtt::sink::mqtt::discovery::{Announcement, Form, announcements};
use fitbit2mqtt::sink::mqtt::entities::{of_bridge, of_person};
use fitbit2mqtt::sink::mqtt::topic::Topics;
use fitbit2mqtt::snapshot::{Device, Quota, Shown, Snapshot};
use fitbit2mqtt::store::Store;
use serde_json::{Map, Value as Json};

use crate::mqtt::snapshot;
use crate::world::{PEOPLE, World};

/// The units that go with a device class, and the state classes: Home Assistant's `DEVICE_CLASS_UNITS` and
/// `DEVICE_CLASS_STATE_CLASSES`, as far as they are of use here. With another unit it refuses the entity.
const CLASSES: &[(&str, &[&str], &[&str])] = &[
    ("weight", &["kg", "lb", "st"], &["measurement"]),
    ("distance", &["km", "mi", "m", "ft", "cm", "in"], &["measurement", "total_increasing"]),
    ("energy", &["kcal"], &["total_increasing"]),
    ("duration", &["min", "d"], &["measurement", "total_increasing"]),
    ("temperature", &["°C", "°F"], &["measurement"]),
    ("volume", &["mL", "fl. oz."], &["total_increasing"]),
    ("battery", &["%"], &["measurement"]),
    ("blood_glucose_concentration", &["mg/dL", "mmol/L"], &["measurement"]),
];

/// What may stand at the top of a device's message: anything else makes Home Assistant refuse all of it.
const AT_THE_TOP: &[&str] = &["device", "origin", "components", "availability", "availability_mode", "qos"];
const OF_A_DEVICE: &[&str] =
    &["identifiers", "name", "manufacturer", "model", "sw_version", "configuration_url", "via_device"];

/// What a sensor's configuration may have.
const OF_A_COMPONENT: &[&str] = &[
    "platform",
    "unique_id",
    "default_entity_id",
    "object_id",
    "name",
    "icon",
    "entity_category",
    "enabled_by_default",
    "state_topic",
    "value_template",
    "json_attributes_topic",
    "json_attributes_template",
    "availability",
    "device_class",
];
const OF_OTHERS: &[&str] =
    &["event_types", "command_topic", "payload_press", "payload_on", "payload_off", "state_on", "state_off"];
const OF_A_SENSOR: &[&str] = &["unit_of_measurement", "state_class", "suggested_display_precision", "options"];

/// The largest message that all tested brokers take with room to spare: the embedded one takes 1 MiB, others in the wild
/// 128 KiB.
const LARGEST: usize = 100 * 1024;

fn topics() -> Topics {
    Topics::new("sensors/fitbit", "fitbit2mqtt").unwrap()
}

/// Somebody with a value of every metric.
fn everything(system: System) -> Snapshot {
    let mut snapshot = snapshot("anna", &[]);
    let shown = METRICS.iter().map(|metric| {
        let value = match metric.unit {
            Unit::Timestamp => Value::Text("2026-11-19T23:05:00+01:00".into()),
            Unit::Text => Value::Text("Normal Sinus Rhythm".into()),
            _ => Value::Number(36.6),
        };
        let at = "2026-11-20".parse().unwrap();
        Shown::new(
            Reading { metric, value, at, source: None, resolution: None, beside: Map::new() },
            DateTime::UNIX_EPOCH,
            system,
        )
    });
    snapshot.values = shown.collect();
    snapshot.status.days_since_weigh_in = Some(0);
    snapshot.quota = Some(Quota { limit: 150, remaining: 148, reset: DateTime::UNIX_EPOCH, calls: Map::new() });
    let device = |id: &str, battery: &str| Device {
        id: id.into(),
        name: "Charge 6".into(),
        kind: "tracker".into(),
        battery: Some(battery.into()),
        battery_level: Some(80.0),
        last_sync: Some("2026-11-20T08:00:00+01:00".into()),
    };
    snapshot.devices = vec![device("2071", "High"), device("AA:BB_c", "Charging")];
    snapshot
}

fn messages(form: Form, system: System) -> Vec<Announcement> {
    let mut devices = of_person(&topics(), &everything(system), true);
    devices.push(of_bridge(&topics(), "http://localhost:9333/plugin/fitbit/page/setup.html", true));
    devices.iter().flat_map(|device| announcements(form, "homeassistant", device)).collect()
}

/// Every component of these messages with what it inherits, by its unique identifier.
fn components<'m>(messages: impl Iterator<Item = (&'m str, &'m Json)>) -> BTreeMap<String, Json> {
    let mut all = BTreeMap::new();
    for (topic, payload) in messages {
        let levels: Vec<_> = topic.split('/').collect();
        let found: Vec<Json> = match &payload["components"] {
            Json::Object(components) => components
                .values()
                .map(|component| {
                    let mut whole = payload.as_object().unwrap().clone();
                    whole.remove("components");
                    whole.extend(component.as_object().unwrap().clone());
                    whole.into()
                })
                .collect(),
            _ => {
                let mut whole = payload.as_object().unwrap().clone();
                whole.insert("platform".into(), levels[1].into());
                vec![whole.into()]
            }
        };
        for component in found {
            let id = component["unique_id"].as_str().unwrap().to_owned();
            assert_eq!(all.insert(id.clone(), component), None, "{id} is there twice");
        }
    }
    all
}

fn keys(object: &Json) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

fn unknown<'k>(object: &'k Json, known: &[&[&str]]) -> Vec<&'k str> {
    keys(object).into_iter().filter(|key| !known.iter().any(|known| known.contains(key))).collect()
}

#[test]
fn a_message_has_nothing_that_home_assistant_refuses() {
    for form in [Form::Device, Form::Component] {
        for message in messages(form, System::Metric) {
            let Announcement { topic, payload, .. } = &message;
            let levels: Vec<_> = topic.split('/').skip(1).collect();
            let plain = |level: &&str| level.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
            assert!(levels.iter().all(plain) && levels.last() == Some(&"config"), "{topic}");
            match form {
                Form::Device => {
                    assert_eq!(unknown(payload, &[AT_THE_TOP]), [""; 0], "{topic}");
                    assert!(levels.len() == 3 && levels[0] == "device", "{topic}");
                }
                Form::Component => {
                    assert_eq!(
                        unknown(payload, &[AT_THE_TOP, OF_A_COMPONENT, OF_A_SENSOR, OF_OTHERS]),
                        [""; 0],
                        "{topic}"
                    );
                    assert!(levels.len() == 4 && payload.get("platform").is_none(), "{topic}");
                }
            }
            assert_eq!(unknown(&payload["device"], &[OF_A_DEVICE]), [""; 0], "{topic}");
            assert_eq!(keys(&payload["origin"]), BTreeSet::from(["name", "sw_version"]), "{topic}");
            let size = payload.to_string().len();
            assert!(size < LARGEST, "{topic}: {size} bytes");
        }
    }
}

#[test]
fn every_metric_has_a_unit_and_classes_that_go_together() {
    for system in [System::Metric, System::UnitedStates, System::UnitedKingdom] {
        let messages = messages(Form::Device, system);
        let all = components(messages.iter().map(|message| (message.topic.as_str(), &message.payload)));
        for metric in METRICS {
            let id = format!("fitbit_7f3a91c2_{}", metric.key.replace('-', "_"));
            assert!(all.contains_key(&id), "{id} is missing");
            assert_eq!(all[&id]["name"], metric.name);
        }
        for (id, component) in &all {
            let platform = component["platform"].as_str().unwrap();
            let special: &[&str] = match platform {
                "sensor" => OF_A_SENSOR,
                "binary_sensor" => &["payload_on", "payload_off"],
                "event" => &["event_types"],
                "button" => &["command_topic", "payload_press"],
                "switch" => &["command_topic", "payload_on", "payload_off", "state_on", "state_off"],
                other => panic!("{id} is a {other}"),
            };
            assert_eq!(unknown(component, &[AT_THE_TOP, OF_A_COMPONENT, special]), [""; 0], "{id}");
            let text = |key: &str| component.get(key).map(|value| value.as_str().unwrap());
            let (class, unit, state) = (text("device_class"), text("unit_of_measurement"), text("state_class"));
            assert!(text("default_entity_id").unwrap().starts_with(&format!("{platform}.")), "{id}");
            assert!(text("icon").is_none_or(|icon| icon.starts_with("mdi:")), "{id}");
            let category = if ["button", "switch"].contains(&platform) { "config" } else { "diagnostic" };
            assert!(text("entity_category").is_none_or(|it| it == category), "{id}");
            if platform != "sensor" {
                continue;
            }
            match class {
                Some("timestamp") => assert!((unit, state) == (None, None), "{id}"),
                Some("enum") => {
                    assert!((unit, state) == (None, None), "{id}");
                    assert!(!component["options"].as_array().unwrap().is_empty(), "{id}");
                }
                Some(class) => {
                    let rule = CLASSES.iter().find(|(name, ..)| *name == class);
                    let (_, units, states) = rule.unwrap_or_else(|| panic!("{id}: {class}"));
                    assert!(units.contains(&unit.unwrap()), "{id}: {class} in {unit:?}");
                    assert!(states.contains(&state.unwrap()), "{id}: {class} as {state:?}");
                }
                // Text, or a number that Home Assistant has no class for.
                None => assert!(state.is_some() || unit.is_none(), "{id}"),
            }
            let number = state.is_some();
            assert_eq!(component.get("suggested_display_precision").is_some(), number, "{id}");
        }
    }
}

#[test]
fn both_forms_tell_of_the_same_entities() {
    let told = |form| {
        let messages = messages(form, System::Metric);
        components(messages.iter().map(|message| (message.topic.as_str(), &message.payload)))
    };
    assert_eq!(told(Form::Device), told(Form::Component));
}

#[test]
fn a_difference_of_temperatures_is_no_temperature() {
    let messages = messages(Form::Device, System::UnitedStates);
    let all = components(messages.iter().map(|message| (message.topic.as_str(), &message.payload)));
    let variation = &all["fitbit_7f3a91c2_skin_temperature_variation"];
    assert_eq!(variation.get("device_class"), None);
    assert_eq!(variation["unit_of_measurement"], "°F");
}

#[test]
fn identifiers_come_of_the_account_and_never_of_a_name() {
    let mut renamed = everything(System::Metric);
    renamed.person = "mother".parse().unwrap();
    let ids = |snapshot: &Snapshot| -> Vec<(String, Vec<String>)> {
        let devices = of_person(&topics(), snapshot, true);
        let keys = |it: &fitbit2mqtt::sink::mqtt::entities::Device| {
            it.components.iter().map(|component| component.options["unique_id"].to_string()).collect()
        };
        devices.iter().map(|device| (device.id.clone(), keys(device))).collect()
    };
    assert_eq!(ids(&renamed), ids(&everything(System::Metric)));
    assert_eq!(ids(&renamed).len(), 3);
    assert_eq!(ids(&snapshot("anna", &[]))[0].0, "fitbit_7f3a91c2");
    renamed.account = None;
    assert_eq!(of_person(&topics(), &renamed, true), [], "nobody is announced before the first consent");
}

/// The account of a person of the household, as identifiers have it.
async fn device_of(world: &World, name: &str) -> String {
    let announced = world.announced().await;
    let named = |payload: &&Json| payload["device"]["name"] == format!("Fitbit {name}");
    let payload = announced.values().find(named).unwrap_or_else(|| panic!("{name} is not announced"));
    payload["device"]["identifiers"][0].as_str().unwrap().to_owned()
}

async fn until_announced(world: &World, what: &str, fits: impl Fn(&BTreeMap<String, Json>) -> bool) {
    world.until(what, async |world| fits(&world.announced().await)).await;
}

fn has(announced: &BTreeMap<String, Json>, device: &str, key: &str) -> bool {
    announced
        .get(&format!("homeassistant/device/{device}/config"))
        .is_some_and(|it| it["components"].get(key).is_some())
}

fn choose(world: &World, metrics: &str) {
    let file = world.person_file("anna");
    let text = fs::read_to_string(&file).unwrap();
    let kept: String =
        text.lines().filter(|line| !line.starts_with("metrics")).map(|line| format!("{line}\n")).collect();
    fs::write(&file, format!("{metrics}\n{kept}")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_announced_stands_at_the_broker() {
    let world = World::running().await;
    let anna = device_of(&world, "anna").await;
    until_announced(&world, "values are announced", |announced| has(announced, &anna, "steps")).await;
    let announced = world.announced().await;
    let retained = world.retained().await;
    let all = components(announced.iter().map(|(topic, payload)| (topic.as_str(), payload)));
    assert!(all.len() > 100, "{}", all.len());
    for (id, component) in &all {
        if ["event", "button"].contains(&component["platform"].as_str().unwrap()) {
            continue;
        }
        let state = component["state_topic"].as_str().unwrap();
        assert!(retained.contains_key(state), "{id}: nothing stands at {state}");
        let attributes = component.get("json_attributes_topic").map(|topic| topic.as_str().unwrap());
        assert!(attributes.is_none_or(|topic| retained.contains_key(topic)), "{id}");
        for topic in component.get("availability").and_then(Json::as_array).into_iter().flatten() {
            assert_eq!(retained[topic["topic"].as_str().unwrap()], "online", "{id}");
        }
    }
    // Every value there is, is announced.
    let states: BTreeSet<_> = all.values().filter_map(|component| component["state_topic"].as_str()).collect();
    for topic in retained.keys().filter(|topic| topic.starts_with("sensors/fitbit/") && topic.split('/').count() == 4) {
        assert!(states.contains(topic.as_str()), "{topic} is not announced");
    }
    for name in PEOPLE {
        let person = device_of(&world, name).await;
        let parent = |payload: &&Json| payload["device"]["via_device"] == person.as_str();
        assert!(announced.values().filter(parent).count() > 0, "{name} has a tracker");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metric_that_goes_is_removed_once_also_when_it_went_while_the_bridge_was_off() {
    let mut world = World::running().await;
    let anna = device_of(&world, "anna").await;
    let topic = format!("homeassistant/device/{anna}/config");
    until_announced(&world, "values are announced", |announced| has(announced, &anna, "steps")).await;
    let mut watch = tokio::task::block_in_place(|| world.broker.watch());
    choose(&world, "metrics = [\"body-weight\", \"hrv\"]");
    assert_eq!(world.fetch("anna", "&methods=get_devices").await.status, 200);
    until_announced(&world, "steps are gone", |announced| {
        !has(announced, &anna, "steps") && has(announced, &anna, "hrv")
    })
    .await;
    let removal = |seen: Vec<crate::mosquitto::Seen>, key: &str| {
        let said = seen.into_iter().filter(|seen| seen.topic == topic && !seen.retain);
        let said = said.map(|seen| serde_json::from_str::<Json>(&seen.payload).unwrap());
        said.filter(|payload| payload["components"][key] == serde_json::json!({"platform": "sensor"})).count()
    };
    let store = Store::open(&world.data_dir().join("fitbit2mqtt.db")).await.unwrap();
    let known =
        async |key: &str| store.announced().await.unwrap().iter().any(|it| it.topic == topic && it.component == key);
    world.until("the removal is acknowledged", async |_| !known("steps").await).await;
    world.broker.publish("test/enough", "yes", false);
    assert_eq!(removal(tokio::task::block_in_place(|| watch.until("test/enough")), "steps"), 1);

    world.stop().await;
    choose(&world, "metrics = [\"body-weight\"]");
    world.start().await;
    world.until("the removal is acknowledged", async |_| !known("hrv").await).await;
    world.broker.publish("test/enough", "yes", false);
    assert_eq!(removal(tokio::task::block_in_place(|| watch.until("test/enough")), "hrv"), 1);
    assert!(!has(&world.announced().await, &anna, "hrv"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_goes_leaves_nothing_also_when_they_went_while_the_bridge_was_off() {
    let mut world = World::running().await;
    let (anna, ben) = (device_of(&world, "anna").await, device_of(&world, "ben").await);
    let left = async |world: &World, device: &str| {
        world.announced().await.keys().filter(|topic| topic.contains(device)).count()
    };
    let all = async |world: &World| left(world, &ben).await > 1 && left(world, &anna).await > 1;
    world.until("people and their trackers are announced", all).await;
    fs::remove_dir_all(world.data_dir().join("identities/ben")).unwrap();
    assert_eq!(world.fetch("ben", "").await.status, 404);
    world.until("ben's devices are gone", async |world| left(world, &ben).await == 0).await;
    assert!(left(&world, &anna).await > 1);

    world.stop().await;
    fs::remove_dir_all(world.data_dir().join("identities/anna")).unwrap();
    world.start().await;
    world.until("anna's devices are gone", async |world| left(world, &anna).await == 0).await;
    let store = Store::open(&world.data_dir().join("fitbit2mqtt.db")).await.unwrap();
    world
        .until("nothing is remembered of them", async |_| {
            store.announced().await.unwrap().iter().all(|entity| entity.person.is_none())
        })
        .await;
    assert_eq!(world.announced().await.len(), 1, "the bridge itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_can_be_changed_and_switched_off() {
    let mut world = World::running().await;
    let anna = device_of(&world, "anna").await;
    until_announced(&world, "values are announced", |announced| has(announced, &anna, "steps")).await;
    let whole = |announced: &BTreeMap<String, Json>| -> BTreeSet<String> {
        components(announced.iter().map(|(topic, payload)| (topic.as_str(), payload))).into_keys().collect()
    };
    let by_device = whole(&world.announced().await);
    let device = format!("homeassistant/device/{anna}/config");
    let component = format!("homeassistant/sensor/{anna}/steps/config");
    for (form, old, new) in [("component", &device, &component), ("device", &component, &device)] {
        world.stop().await;
        let mut watch = tokio::task::block_in_place(|| world.broker.watch());
        world.more = format!("homeassistant.discovery = \"{form}\"");
        world.start().await;
        until_announced(&world, "the new form, without the old", |announced| {
            announced.contains_key(new)
                && announced.keys().all(|topic| (topic.contains("/device/")) == (form == "device"))
        })
        .await;
        world
            .until("everything is as before", async |world| whole(&world.announced().await).is_superset(&by_device))
            .await;
        world.broker.publish("test/enough", "yes", false);
        let seen = tokio::task::block_in_place(|| watch.until("test/enough"));
        let place = |topic: &str, payload: &dyn Fn(&str) -> bool, retain| {
            let found =
                seen.iter().position(|seen| seen.topic == topic && payload(&seen.payload) && seen.retain == retain);
            found.unwrap_or_else(|| panic!("{topic} in {form}"))
        };
        let let_go = place(old, &|payload| payload == "{\"migrate_discovery\":true}", false);
        let cleared = place(old, &str::is_empty, true);
        let announced = seen.iter().rposition(|seen| seen.topic == *new).unwrap();
        assert!(let_go < cleared && cleared < announced, "{form}: {let_go} {cleared} {announced}");
    }
    world.stop().await;
    world.more = "homeassistant.discovery = \"off\"".into();
    world.start().await;
    until_announced(&world, "nothing is announced any more", BTreeMap::is_empty).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn home_assistant_is_told_once_more_when_it_has_started_however_often_it_says_so() {
    let world = World::running().await;
    let anna = device_of(&world, "anna").await;
    until_announced(&world, "values are announced", |announced| has(announced, &anna, "steps")).await;
    let mut watch = tokio::task::block_in_place(|| world.broker.watch());
    let announced = world.announced().await;
    let mut said: BTreeMap<_, _> = announced.into_iter().map(|(topic, it)| (topic, it.to_string())).collect();
    for word in ["offline", "online", "online", "online"] {
        world.broker.publish("homeassistant/status", word, false);
    }
    // All of them, until nothing comes for longer than it waits after a start.
    let mut repeated = BTreeMap::new();
    while let Some(message) = tokio::task::block_in_place(|| watch.next(Duration::from_secs(6))) {
        // A device of which something new is known is announced for that, too.
        let same = said.insert(message.topic.clone(), message.payload.clone()) == Some(message.payload);
        *repeated.entry(message.topic).or_insert(0) += i32::from(same);
    }
    for topic in world.announced().await.keys() {
        assert_eq!(repeated.get(topic), Some(&1), "{topic}");
    }
}

#[test]
fn the_examples_name_entities_and_commands_there_are() {
    let all = messages(Form::Device, System::Metric);
    let all = components(all.iter().map(|message| (message.topic.as_str(), &message.payload)));
    let known: BTreeSet<&str> = all.values().map(|it| it["default_entity_id"].as_str().unwrap()).collect();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/home-assistant/");
    let mut named = BTreeSet::new();
    for file in ["automations.yaml", "dashboard.yaml"] {
        let text = fs::read_to_string(format!("{folder}{file}")).unwrap();
        // Comments speak of entities in general.
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            let words = line.split(|c| !is_of_a_name(c)).filter(|word| word.contains(".fitbit_"));
            named.extend(words.map(str::to_owned));
        }
        let payload = text.lines().find_map(|line| line.trim().strip_prefix("payload: '"));
        if let Some(payload) = payload {
            let anna = "anna".parse().unwrap();
            let payload = payload.trim_end_matches('\'');
            assert!(fitbit2mqtt::command::read(Some(&anna), payload.as_bytes()).is_ok(), "{payload}");
            assert!(text.contains(&format!("topic: {}\n", topics().command(Some(&anna)))));
        }
    }
    assert!(named.len() > 25, "{named:?}");
    let missing: Vec<_> = named.iter().filter(|name| !known.contains(name.as_str())).collect();
    assert_eq!(missing, [""; 0]);
}
