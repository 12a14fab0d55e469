//! A real broker that refuses: a password, a topic, a subscription, to keep what is retained.

use super::*;
use crate::mosquitto::Mosquitto;

/// The doctor at this port, as this user.
fn at(world: &mut World, port: u16, user: &str, more: &str) -> Said {
    world.more = format!("mqtt.username = {user:?}\nmqtt.password = \"secret\"\n{more}");
    let mut command = world.program(NOWHERE, &["doctor"]);
    command.env("FITBIT2MQTT_MQTT__URL", format!("mqtt://127.0.0.1:{port}"));
    let said = Said::of(command);
    assert!(!said.all.contains("secret"), "{}", said.all);
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_found() {
    let mut world = connected().await;
    let guarded = world.broker.guarded;
    for protocol in ["3.1.1", "5"] {
        let said = at(&mut world, guarded, "nobody", &format!("mqtt.protocol = {protocol:?}\n"));
        said.assert_finds(
            "trouble",
            "broker",
            "it refused the user name or password",
            "mqtt.username and mqtt.password",
        );
        assert_eq!(said.of_subject("topics").len(), 0, "{}", said.all);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_not_known_is_found() {
    let world = connected().await;
    let secured = || {
        let mut command = world.program(NOWHERE, &["doctor"]);
        command.env("FITBIT2MQTT_MQTT__URL", format!("mqtts://localhost:{}", world.broker.tls));
        command
    };
    Said::of(secured()).assert_finds("trouble", "broker", "TLS failed", "set mqtt.ca_file");
    let mut command = secured();
    command.env("FITBIT2MQTT_MQTT__CA_FILE", world.broker.file("ca.pem"));
    Said::of(command).assert_well("broker");
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_may_not_be_written_are_named_in_either_version() {
    let mut world = connected().await;
    let guarded = world.broker.guarded;
    for protocol in ["3.1.1", "5"] {
        // The user `bridge` may write its own two roots, and not that of Home Assistant.
        let protocol = format!("mqtt.protocol = {protocol:?}\n");
        let said = at(&mut world, guarded, "bridge", &protocol);
        let what = "user bridge may not write homeassistant/device/fitbit2mqtt_trial/config";
        said.assert_finds("trouble", "topics", what, "permit user bridge to write homeassistant/# at the broker");
        for subject in ["broker", "retained messages", "commands"] {
            said.assert_well(subject);
        }
        let said = at(&mut world, guarded, "bridge", &format!("{protocol}homeassistant.discovery = \"off\"\n"));
        said.assert_well("topics");
        assert_eq!((said.status, said.of_subject("Home Assistant").len()), (0, 0), "{}", said.all);
        let said = at(&mut world, guarded, "bridge", &format!("{protocol}mqtt.topic = \"values\"\n"));
        said.assert_finds("trouble", "topics", "values/anna/trial, values/ben/trial", "values/#");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_may_not_be_read_are_named() {
    let mut world = connected().await;
    let guarded = world.broker.guarded;
    for protocol in ["3.1.1", "5"] {
        // The user `mute` may write what `bridge` may, and read nothing.
        let settings = format!("mqtt.protocol = {protocol:?}\nhomeassistant.discovery = \"off\"\n");
        let said = at(&mut world, guarded, "mute", &settings);
        said.assert_well("topics");
        let both = "user mute may not read fitbit2mqtt/bridge/command, fitbit2mqtt/user/+/command";
        said.assert_finds("trouble", "commands", both, "mqtt.commands = false");
        said.assert_finds("warning", "retained messages", "could not be read", "fitbit2mqtt/bridge/trial");
        let said = at(&mut world, guarded, "mute", &format!("{settings}mqtt.commands = false\n"));
        assert_eq!((said.status, said.of_subject("commands").len()), (0, 0), "{}", said.all);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_keeps_nothing_is_found() {
    let mut world = connected().await;
    let forgetful = tokio::task::block_in_place(|| Mosquitto::start_with("retain_available false\n"));
    for protocol in ["3.1.1", "5"] {
        let said = at(&mut world, forgetful.plain, "bridge", &format!("mqtt.protocol = {protocol:?}\n"));
        said.assert_finds("trouble", "retained messages", "ends the connection", "retain_available true");
        for subject in ["broker", "topics", "commands", "Home Assistant"] {
            said.assert_well(subject);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_birth_topic_that_says_something_else_is_found() {
    let mut world = connected().await;
    let plain = world.broker.plain;
    let birth = "homeassistant.status_topic = \"home/birth\"\n";
    world.broker.publish("home/birth", "{\"sunny\":true}", true);
    let said = at(&mut world, plain, "bridge", birth);
    said.assert_finds("warning", "Home Assistant", "home/birth says something else", "homeassistant.status_topic");
    world.broker.publish("home/birth", "online", true);
    let said = at(&mut world, plain, "bridge", birth);
    said.assert_well("Home Assistant");
    assert!(said.of_subject("Home Assistant")[0].what.contains("says online"), "{}", said.all);
}

#[cfg(feature = "embedded")]
#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_broker_is_there_with_the_bridge_only() {
    let world = connected().await;
    let embedded = |address: &str| {
        let mut command = world.program(NOWHERE, &["doctor"]);
        command.env("FITBIT2MQTT_MQTT__URL", format!("embedded://{address}"));
        Said::of(command)
    };
    embedded(NOWHERE).assert_finds("warning", "broker", "as no bridge runs", "start the bridge");
    let broker = fitbit2mqtt::broker::start("127.0.0.1:0".parse().unwrap(), None).unwrap();
    let said = embedded(&broker.to_string());
    for subject in ["broker", "topics", "retained messages", "commands", "Home Assistant"] {
        said.assert_well(subject);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_disturbs_nobody() {
    let world = connected().await;
    let mut reader = tokio::task::block_in_place(|| world.broker.watch());
    assert_eq!(doctor(&world).status, 0);
    tokio::task::block_in_place(|| world.broker.publish("test/end", "", false));
    let seen = tokio::task::block_in_place(|| reader.until("test/end"));
    assert!(!seen.is_empty());
    for message in &seen {
        let own = message.topic == "fitbit2mqtt/bridge/trial";
        assert!(own || (message.payload.is_empty() && !message.retain), "{message:?}");
    }
    // What was retained is taken back.
    assert_eq!(seen.iter().rfind(|message| message.topic == "fitbit2mqtt/bridge/trial").unwrap().payload, "");
    assert_eq!(world.retained().await.len(), 0);
}
