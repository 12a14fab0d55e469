//! The examples for homes, as far as that shows without the programs they are for: they name topics and metrics there are,
//! in the right units, and what belongs together fits. `tests/interop` runs them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use fitbit2mqtt::config::Config;
use fitbit2mqtt::metric::{METRICS, System, find};
use serde_json::Value as Json;
use yaml_rust2::{Yaml, YamlLoader};

/// What stands below `fitbit2mqtt/user/<user>`.
const OF_A_PERSON: &[&str] =
    &["availability", "auth", "status", "quota", "device", "event", "history", "command", "result"];

fn example(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands between `before` and the next `after`, everywhere in `text`.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    text.split(before).skip(1).map(|rest| rest.split(after).next().unwrap()).collect()
}

/// Fails unless the bridge has such a topic; `+` stands for anything.
fn exists(topic: &str) {
    let levels: Vec<&str> = topic.split('/').collect();
    let known = match levels.as_slice() {
        ["sensors", "fitbit", _] => true,
        ["sensors", "fitbit", _, metric] => *metric == "+" || find(metric).is_some(),
        ["fitbit2mqtt", "bridge", part] => ["status", "info", "command", "result"].contains(part),
        ["fitbit2mqtt", "user", _, part, ..] => OF_A_PERSON.contains(part),
        _ => false,
    };
    assert!(known, "there is no topic {topic}");
}

#[test]
fn openhab_reads_topics_there_are_in_their_units() {
    let things = example("openhab/things/fitbit.things");
    let topics = between(&things, "Topic=\"", "\"");
    assert!(topics.len() > 12);
    topics.iter().for_each(|topic| exists(topic));

    let mut channels = BTreeSet::new();
    let mut thing = "";
    for line in things.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("Thing topic ") {
            thing = rest.split(' ').next().unwrap();
        }
        let Some(rest) = line.strip_prefix("Type ") else { continue };
        let (kind, rest) = rest.split_once(':').unwrap();
        channels.insert(format!("mqtt:topic:home:{thing}:{}", rest.split_whitespace().next().unwrap()));
        let topic = between(line, "Topic=\"", "\"")[0];
        let Some(metric) = topic.strip_prefix("sensors/fitbit/anna/").and_then(find) else { continue };
        let unit = metric.unit.symbol(System::Metric);
        let written = between(line, "unit=\"", "\"").first().copied();
        // openHAB knows no beats and no steps: they are plain numbers there.
        let expected = unit.filter(|unit| *unit != "bpm" && *unit != "steps");
        assert_eq!(written, expected, "{line}");
        assert_eq!(kind.trim() == "number", unit.is_some() || metric.key == "steps", "{line}");
    }

    let items = example("openhab/items/fitbit.items");
    for channel in between(&items, "channel=\"", "\"") {
        assert!(channels.contains(channel), "items name {channel}, which is no channel of a thing");
    }
    let rules = example("openhab/rules/fitbit.rules");
    for channel in between(&rules, "Channel \"", "\"") {
        assert!(channels.contains(channel), "rules name {channel}");
    }
    for name in ["Anna_Days_Since_Weigh_In", "Anna_Command", "Bedroom_Light"] {
        assert!(rules.contains(name) && items.contains(&format!(" {name} ")), "{name}");
    }
}

#[test]
fn the_node_red_flow_is_whole_and_reads_topics_there_are() {
    let flow: Json = serde_json::from_str(&example("node-red/flow.json")).unwrap();
    let nodes = flow.as_array().unwrap();
    let text = |node: &Json, key: &str| node[key].as_str().unwrap_or_default().to_owned();
    let ids: BTreeSet<String> = nodes.iter().map(|node| text(node, "id")).collect();
    assert_eq!(ids.len(), nodes.len(), "an id is there twice");
    for node in nodes {
        for key in ["z", "broker"] {
            assert!(node[key].is_null() || node["type"] == "mqtt-broker" || ids.contains(&text(node, key)), "{node}");
        }
        for target in node["wires"].as_array().into_iter().flatten().flat_map(|output| output.as_array().unwrap()) {
            assert!(ids.contains(target.as_str().unwrap()), "{node}");
        }
        let topic = text(node, "topic");
        if text(node, "type").starts_with("mqtt ") && !topic.is_empty() {
            exists(&topic);
        }
    }
}

#[test]
fn igors_actions_are_about_metrics_there_are() {
    let rules = example("igor/fitbit-rules/database-fragment.xml");
    let metrics = between(&rules, "/data/sensors/fitbit/anna/", "<");
    assert!(metrics.len() >= 4, "{metrics:?}");
    for metric in metrics {
        let key = metric.split('/').next().unwrap();
        assert!(METRICS.iter().any(|known| known.key == key), "{metric}");
    }
}

#[test]
fn igors_fragment_calls_an_entry_point_on_the_port_its_guide_says() {
    let setup = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("setup/igor").join(path));
    let fragment = setup("fitbit2mqtt/database-fragment.xml").unwrap();
    let guide = setup("README.md").unwrap();
    let url = between(&fragment, "<url>", "</url>")[0];
    let path = url.strip_prefix("http://127.0.0.1:9335").expect("the port of the guide");
    let action = format!("action = [{{ url = {path:?} }}]");
    let parse = |text: &str| Config::parse(Some((Path::new("x"), text)), Vec::<(String, String)>::new()).unwrap();
    assert_eq!(
        parse(&action).actions[0].whom().and_then(|whom| whom.person()).map(|person| person.to_string()).as_deref(),
        Some("yournamehere")
    );

    let settings: String = between(&guide, "```toml\n", "```").join("\n");
    let settings: String = settings
        .lines()
        .map(|line| line.trim_start().replace("password_file = \"igor-password\"", "password = \"secret\""))
        .collect::<Vec<_>>()
        .join("\n");
    let config = parse(&settings);
    assert_eq!(config.http.listen.port(), 9335);
    assert_eq!(config.igor.unwrap().url.to_string(), "http://127.0.0.1:9333");
}

#[test]
fn the_compose_file_and_what_it_mounts_fit() {
    let compose = YamlLoader::load_from_str(&example("docker-compose/compose.yaml")).unwrap();
    let services = compose[0]["services"].as_hash().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/docker-compose");
    for (name, service) in services {
        let volumes = service["volumes"].as_vec().unwrap();
        for volume in volumes.iter().filter_map(Yaml::as_str) {
            let source = volume.split(':').next().unwrap();
            let there = match source.strip_prefix("./") {
                Some(file) => folder.join(file).exists(),
                None => compose[0]["volumes"].as_hash().unwrap().contains_key(&Yaml::String(source.to_owned())),
            };
            assert!(there, "{name:?} mounts {source}, which is not there");
        }
    }
    let dockerfile = example("docker-compose/Dockerfile");
    let ours = include_str!("../../Cargo.toml").lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    assert!(dockerfile.contains(&format!("FROM rust:{}-", ours.trim_matches('"'))), "Rust is {ours}");

    // The password is a file of the container's.
    let settings = example("docker-compose/fitbit2mqtt.toml");
    let password = "/run/secrets/setup-password";
    assert!(settings.contains(&format!("password_file = \"{password}\"")));
    assert!(!compose[0]["secrets"][password.rsplit('/').next().unwrap()].is_badvalue());
    let settings = settings.replace(&format!("password_file = \"{password}\""), "password = \"x\"");
    let config = Config::parse(Some((Path::new("x"), &settings)), Vec::<(String, String)>::new()).unwrap();
    assert!(dockerfile.contains(&format!("--home-dir {} ", config.data_dir.display())), "data belongs into the volume");
    let broker = format!("{:?}", config.mqtt.broker);
    assert!(broker.contains("mqtt://mosquitto:1883") && services.contains_key(&Yaml::String("mosquitto".into())));
}

#[test]
fn mosquitto_takes_the_compose_files_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let file = folder.path().join("mosquitto.conf");
    let settings = example("docker-compose/mosquitto.conf")
        .replace("listener 1883", &format!("listener {free} 127.0.0.1"))
        .replace("/mosquitto/data/", &format!("{}/", folder.path().display()));
    fs::write(&file, settings + "user root\n").unwrap();
    let program = if Path::new("/usr/sbin/mosquitto").exists() { "/usr/sbin/mosquitto" } else { "mosquitto" };
    let log = fs::File::create(folder.path().join("log")).unwrap();
    let child = Command::new(program).arg("-c").arg(&file).stderr(log).spawn().unwrap();
    let mut broker = crate::world::Program(child);
    let started = std::time::Instant::now();
    let running = || fs::read_to_string(folder.path().join("log")).unwrap().contains(" running");
    while !running() {
        let said = fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(broker.0.try_wait().unwrap().is_none() && started.elapsed() < crate::world::PATIENCE, "{said}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
