//! The embedded broker: values go round, strangers stay out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::TcpListener;
use std::time::Duration;

use fitbit2mqtt::broker;
use fitbit2mqtt::sink::mqtt::{Mqtt, Settings};
use fitbit2mqtt::snapshot::Sink;

use crate::mosquitto::Reader;
use crate::mqtt::{snapshot, store};

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn values_go_round_and_stay_for_later_clients() {
    let address = broker::start("127.0.0.1:0".parse().unwrap(), None).unwrap();
    let (_folder, store) = store().await;
    let mut anna = snapshot("anna", &[("body-weight", 72.4)]);
    anna.values[0].beside.insert("note".into(), "x".repeat(60_000).into());
    let mqtt = Mqtt::new(Settings::new(format!("mqtt://{address}"), "bridge"), store.clone()).unwrap();
    let mut live = mqtt.subscribe(&["sensors/fitbit/#"]).unwrap();
    mqtt.connect(None).await.unwrap();
    mqtt.publish(&anna).await.unwrap();
    loop {
        let message = tokio::time::timeout(LIMIT, live.recv()).await.unwrap().unwrap();
        if message.topic == "sensors/fitbit/anna/body-weight" {
            assert_eq!(message.payload, b"72.4");
            break;
        }
    }
    mqtt.stop().await;

    let mut later = Reader::start(address.port(), &["-q", "1", "-t", "sensors/fitbit/+/body-weight"]);
    let seen = later.next(LIMIT).unwrap();
    assert_eq!((seen.payload.as_str(), seen.retain), ("72.4", true));
    let mut status = Reader::start(address.port(), &["-q", "1", "-t", "fitbit2mqtt/bridge/status"]);
    assert_eq!(status.next(LIMIT).unwrap().payload, "offline");

    let brief = Mqtt::brief(Settings::new(format!("mqtt://{address}"), "x"), store).await.unwrap();
    brief.remove(&anna.person).await.unwrap();
    brief.finish(LIMIT).await.unwrap();
    let mut empty = Reader::start(address.port(), &["-q", "1", "-t", "sensors/fitbit/#"]);
    assert_eq!(empty.next(Duration::from_millis(500)), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_enforced() {
    let credentials = || Some(("anna".to_owned(), "secret".to_owned().into()));
    let address = broker::start("127.0.0.1:0".parse().unwrap(), credentials()).unwrap();
    let (_folder, store) = store().await;
    let anonymous = Settings::new(format!("mqtt://{address}"), "x");
    let wrong =
        Settings { username: Some("anna".into()), password: Some("guess".to_owned().into()), ..anonymous.clone() };
    let right = Settings { password: Some("secret".to_owned().into()), ..wrong.clone() };
    for settings in [anonymous, wrong] {
        let brief = Mqtt::brief(settings, store.clone()).await.unwrap();
        brief.publish(&snapshot("anna", &[("steps", 1.0)])).await.unwrap();
        let error = format!("{:#}", brief.finish(LIMIT).await.unwrap_err());
        assert!(error.contains("mqtt.password"), "{error}");
    }
    let brief = Mqtt::brief(right, store).await.unwrap();
    brief.publish(&snapshot("anna", &[("steps", 1.0)])).await.unwrap();
    brief.finish(LIMIT).await.unwrap();
}

#[test]
fn a_taken_port_and_an_open_door_are_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = format!("{:#}", broker::start(address, None).unwrap_err());
    assert!(error.contains(&address.to_string()), "{error}");
    let error = broker::start("0.0.0.0:0".parse().unwrap(), None).unwrap_err();
    assert!(error.to_string().contains("mqtt.password"), "{error}");
}
