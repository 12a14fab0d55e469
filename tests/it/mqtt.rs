//! Publishing to a real broker: what a second client sees, also after the broker died, the network broke or the bridge
//! was away.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use chrono::DateTime;
use fitbit2mqtt::metric::{METRICS, System, find};
use fitbit2mqtt::reading::{Reading, Value};
use fitbit2mqtt::sink::mqtt::payload::payloads;
use fitbit2mqtt::sink::mqtt::{Mqtt, Protocol, Refresh, Settings};
use fitbit2mqtt::snapshot::{Auth, AuthState, Shown, Sink, Snapshot, Status};
use fitbit2mqtt::store::Store;
use serde_json::{Map, json};

use crate::mosquitto::{Mosquitto, Seen};

const STATUS: &str = "fitbit2mqtt/bridge/status";
const LIMIT: Duration = Duration::from_secs(10);

/// A store of its own; the folder goes with the test.
pub async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.db")).await.unwrap();
    (folder, store)
}

/// A person with these values and nothing else of note.
pub fn snapshot(person: &str, values: &[(&str, f64)]) -> Snapshot {
    let shown = |(key, number): &(&str, f64)| {
        let (metric, at) = (find(key).unwrap(), "2026-11-19".parse().unwrap());
        let value = Value::Number(*number);
        let reading = Reading { metric, value, at, source: None, beside: Map::new(), resolution: None };
        Shown::new(reading, DateTime::UNIX_EPOCH, System::Metric)
    };
    Snapshot {
        person: person.parse().unwrap(),
        account: Some("7f3a91c2".into()),
        values: values.iter().map(shown).collect(),
        available: true,
        auth: Auth {
            state: AuthState::Ok,
            since: DateTime::UNIX_EPOCH,
            reason: None,
            url: "http://localhost:9333/".into(),
            expires: None,
        },
        status: Status {
            alive: true,
            last_activity: None,
            last_success: None,
            last_failure: None,
            error: None,
            days_since_weigh_in: None,
            paused: false,
            actions: Vec::new(),
        },
        quota: None,
        devices: Vec::new(),
        events: Vec::new(),
    }
}

/// What should be retained of these people, and `online`.
fn expected(mqtt: &Mqtt, people: &[&Snapshot]) -> BTreeMap<String, String> {
    let mut expected = BTreeMap::from([(STATUS.to_owned(), "online".to_owned())]);
    for snapshot in people {
        for (topic, payload) in payloads(mqtt.topics(), snapshot).unwrap() {
            expected.insert(topic, String::from_utf8(payload.bytes).unwrap());
        }
    }
    expected
}

fn plain(broker: &Mosquitto) -> Settings {
    Settings::new(format!("mqtt://127.0.0.1:{}", broker.plain), "fitbit2mqtt-test")
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn trouble(mqtt: &Mqtt) -> String {
    until("trouble", async || mqtt.trouble().is_some()).await;
    mqtt.trouble().unwrap()
}

/// A first publication with this client arrives whole.
async fn works(broker: &Mosquitto, settings: Settings) {
    let (_folder, store) = store().await;
    let mqtt = Mqtt::new(settings, store).unwrap();
    let anna = snapshot("anna", &[("body-weight", 72.4), ("steps", 8211.0)]);
    mqtt.publish(&anna).await.unwrap();
    mqtt.connect(None).await.unwrap();
    until("connected or in trouble", async || mqtt.is_connected() || mqtt.trouble().is_some()).await;
    assert_eq!(mqtt.trouble(), None);
    broker.await_retained(&expected(&mqtt, &[&anna]));
    mqtt.stop().await;
}

fn topics(seen: &[Seen]) -> BTreeSet<&str> {
    seen.iter().map(|seen| seen.topic.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_retained_at_qos_1_and_online_comes_last() {
    let broker = Mosquitto::start();
    let mut watch = broker.watch();
    let (_folder, store) = store().await;
    let mqtt = Mqtt::new(plain(&broker), store).unwrap();
    let anna = snapshot("anna", &[("body-weight", 72.4), ("steps", 8211.0)]);
    mqtt.publish(&anna).await.unwrap();
    mqtt.info(&json!({"version": "1"})).await.unwrap();
    assert!(!mqtt.is_connected());
    mqtt.connect(None).await.unwrap();

    let mut seen = watch.until(STATUS);
    let mut expected = expected(&mqtt, &[&anna]);
    expected.insert("fitbit2mqtt/bridge/info".into(), r#"{"version":"1"}"#.into());
    broker.await_retained(&expected);
    assert_eq!(seen.remove(0).topic, "fitbit2mqtt/user/anna/availability");
    assert_eq!(seen.len(), expected.len() - 2, "each once, and online after all: {seen:?}");
    assert!(seen.iter().all(|seen| seen.retain && seen.qos == 1 && expected[&seen.topic] == seen.payload), "{seen:?}");
    assert_eq!(expected["sensors/fitbit/anna/body-weight"], "72.4");
    assert!(mqtt.is_connected() && mqtt.trouble().is_none() && mqtt.reconnects() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed_is_sent_and_what_is_gone_is_cleared() {
    let broker = Mosquitto::start();
    let (_folder, store) = store().await;
    let mqtt = Mqtt::new(plain(&broker), store.clone()).unwrap();
    let mut anna = snapshot("anna", &[("body-weight", 72.4), ("steps", 8211.0), ("floors", 9.0)]);
    let ann = snapshot("ann", &[("steps", 1.0)]);
    mqtt.publish(&anna).await.unwrap();
    mqtt.publish(&ann).await.unwrap();
    mqtt.connect(None).await.unwrap();
    broker.await_retained(&expected(&mqtt, &[&anna, &ann]));

    let mut watch = broker.watch();
    let mut sent = |mark: &str| {
        mqtt.send(mark, "").unwrap();
        watch.until(mark)
    };
    mqtt.publish(&anna).await.unwrap();
    assert_eq!(sent("test/unchanged"), []);

    anna = snapshot("anna", &[("body-weight", 72.4), ("steps", 8300.0), ("floors", 9.0)]);
    mqtt.publish(&anna).await.unwrap();
    assert_eq!(topics(&sent("test/changed")), BTreeSet::from(["sensors/fitbit/anna", "sensors/fitbit/anna/steps"]));

    anna = snapshot("anna", &[("body-weight", 72.4), ("steps", 8300.0)]);
    mqtt.publish(&anna).await.unwrap();
    let gone = sent("test/gone");
    assert_eq!(topics(&gone), BTreeSet::from(["sensors/fitbit/anna", "sensors/fitbit/anna/floors"]));
    broker.await_retained(&expected(&mqtt, &[&anna, &ann]));

    mqtt.remove(&anna.person).await.unwrap();
    let left = expected(&mqtt, &[&ann]);
    broker.await_retained(&left);
    until("the store forgets what is cleared", async || {
        store.published_topics().await.unwrap() == left.keys().cloned().collect::<Vec<_>>()
    })
    .await;

    // And back again, as if never gone.
    mqtt.publish(&anna).await.unwrap();
    let all = expected(&mqtt, &[&anna, &ann]);
    broker.await_retained(&all);
    assert_eq!(store.published_topics().await.unwrap(), all.keys().cloned().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_while_off_is_cleared_at_the_next_start() {
    let broker = Mosquitto::start();
    let (_folder, store) = store().await;
    let (anna, ben) = (snapshot("anna", &[("steps", 1.0), ("floors", 2.0)]), snapshot("ben", &[("steps", 3.0)]));
    let former = Settings { topic: "health".into(), ..plain(&broker) };
    let mqtt = Mqtt::new(former, store.clone()).unwrap();
    mqtt.publish(&anna).await.unwrap();
    mqtt.publish(&ben).await.unwrap();
    mqtt.connect(None).await.unwrap();
    broker.await_retained(&expected(&mqtt, &[&anna, &ben]));
    mqtt.stop().await;

    let mqtt = Mqtt::new(plain(&broker), store.clone()).unwrap();
    let anna = snapshot("anna", &[("steps", 1.0)]);
    mqtt.connect(None).await.unwrap();
    mqtt.publish(&anna).await.unwrap();
    assert!(broker.retained().contains_key("health/ben/steps"), "nothing is cleared before everybody is known");
    mqtt.settled(&[]).await.unwrap();
    let expected = expected(&mqtt, &[&anna]);
    broker.await_retained(&expected);
    mqtt.stop().await;
    assert_eq!(store.published_topics().await.unwrap(), expected.keys().cloned().collect::<Vec<_>>());

    // No longer retained: what was is wiped, the bridge's own topics stay.
    let mqtt = Mqtt::new(Settings { retain: false, ..plain(&broker) }, store.clone()).unwrap();
    let mut watch = broker.watch();
    mqtt.publish(&anna).await.unwrap();
    mqtt.settled(&[]).await.unwrap();
    mqtt.connect(None).await.unwrap();
    let expected: BTreeMap<_, _> = expected.into_iter().filter(|(topic, _)| !topic.starts_with("sensors/")).collect();
    broker.await_retained(&expected);
    mqtt.stop().await;
    let steps: Vec<_> = watch
        .until(STATUS)
        .into_iter()
        .filter(|seen| seen.topic.ends_with("steps"))
        .map(|s| (s.payload, s.retain))
        .collect();
    assert!(steps.contains(&(String::new(), true)), "{steps:?}");
    assert_eq!(store.published_topics().await.unwrap(), expected.keys().cloned().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_broker_is_killed_in_mid_publish() {
    let mut broker = Mosquitto::start();
    let (_folder, store) = store().await;
    let mqtt = Mqtt::new(plain(&broker), store).unwrap();
    let values = |from: f64| METRICS.iter().map(|metric| (metric.key, from)).collect::<Vec<_>>();
    let people = |from: f64| ["anna", "ben", "carla", "dan"].map(|name| snapshot(name, &values(from)));
    mqtt.connect(None).await.unwrap();
    until("connected", async || mqtt.is_connected()).await;

    for round in 1..=2_u64 {
        let people = people(round as f64);
        for snapshot in &people {
            mqtt.publish(snapshot).await.unwrap();
        }
        assert!(expected(&mqtt, &people.each_ref()).len() > 200);
        for number in 0..20 {
            mqtt.send(&format!("test/event/{round}/{number}"), "once").unwrap();
        }
        broker.kill();
        until("the loss is noticed", async || !mqtt.is_connected()).await;
        // What is set while the broker is away counts, too.
        let mut anna = snapshot("anna", &values(round as f64));
        anna.values.retain(|shown| shown.metric.key != "floors");
        mqtt.publish(&anna).await.unwrap();
        broker.restart();
        broker.await_retained(&expected(&mqtt, &[&anna, &people[1], &people[2], &people[3]]));
        assert_eq!(mqtt.reconnects(), round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_kept_for_a_broker_that_is_away() {
    let mut broker = Mosquitto::start();
    let (_folder, store) = store().await;
    let mqtt = Mqtt::new(plain(&broker), store).unwrap();
    // Holds everything back until somebody watches.
    let watched = Arc::new(tokio::sync::watch::Sender::new(true));
    let refresh: Refresh = Box::new({
        let watched = watched.clone();
        move || {
            let mut watched = watched.subscribe();
            Box::pin(async move { drop(watched.wait_for(|watched| *watched).await) })
        }
    });
    mqtt.connect(Some(refresh)).await.unwrap();
    until("connected", async || mqtt.is_connected()).await;
    watched.send_replace(false);
    broker.kill();
    until("the loss is noticed", async || !mqtt.is_connected()).await;
    assert!(mqtt.trouble().unwrap().contains("MQTT broker"));
    for number in 0..150 {
        mqtt.send("test/event", number.to_string()).unwrap();
    }
    broker.restart();
    let mut watch = broker.watch();
    watched.send_replace(true);
    until("back", async || mqtt.is_connected()).await;
    mqtt.send("test/last", "").unwrap();
    let numbers: Vec<_> = watch
        .until("test/last")
        .into_iter()
        .filter(|seen| seen.topic == "test/event")
        .map(|seen| seen.payload)
        .collect();
    assert_eq!(numbers, (0..150).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(mqtt.trouble(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_brought_up_to_date_before_they_are_sent_again() {
    let broker = Mosquitto::start();
    let mut watch = broker.watch();
    let (_folder, store) = store().await;
    let mqtt = Arc::new(Mqtt::new(plain(&broker), store).unwrap());
    mqtt.publish(&snapshot("anna", &[("steps", 1.0)])).await.unwrap();
    let weak: Weak<Mqtt> = Arc::downgrade(&mqtt);
    let refresh: Refresh = Box::new(move || {
        let weak = weak.clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            weak.upgrade().unwrap().publish(&snapshot("anna", &[("steps", 2.0)])).await.unwrap();
        })
    });
    mqtt.connect(Some(refresh)).await.unwrap();
    let seen = watch.until(STATUS);
    let steps: Vec<_> = seen.iter().filter(|seen| seen.topic.ends_with("/steps")).map(|seen| &seen.payload).collect();
    assert_eq!(steps, ["2"], "what was out of date is never seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_will_speaks_after_a_crash_and_not_after_a_farewell() {
    let broker = Mosquitto::start();
    let (_folder, store) = store().await;
    let statuses = |seen: Vec<Seen>| -> Vec<_> {
        seen.into_iter().filter(|seen| seen.topic == STATUS).map(|seen| (seen.payload, seen.retain)).collect()
    };
    let (online, offline) = (("online".to_owned(), true), ("offline".to_owned(), true));

    let mut watch = broker.watch();
    let mqtt = Mqtt::new(plain(&broker), store.clone()).unwrap();
    mqtt.connect(None).await.unwrap();
    broker.await_retained(&expected(&mqtt, &[]));
    drop(mqtt);
    broker.await_retained(&BTreeMap::from([(STATUS.into(), "offline".into())]));
    broker.publish("test/mark", "", false);
    assert_eq!(statuses(watch.until("test/mark")), [online.clone(), offline.clone()]);

    let mqtt = Mqtt::new(plain(&broker), store).unwrap();
    mqtt.connect(None).await.unwrap();
    broker.await_retained(&expected(&mqtt, &[]));
    let anna = snapshot("anna", &[("steps", 1.0)]);
    mqtt.publish(&anna).await.unwrap();
    mqtt.stop().await;
    assert!(!mqtt.is_connected());
    let mut left = expected(&mqtt, &[&anna]);
    left.insert(STATUS.into(), "offline".into());
    assert_eq!(broker.retained(), left, "all there as soon as the stop returns");
    broker.publish("test/mark", "", false);
    assert_eq!(statuses(watch.until("test/mark")), [online, offline], "one offline: ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_opens_the_door_and_a_wrong_one_is_named() {
    let broker = Mosquitto::start();
    let settings = |password: &str| Settings {
        url: format!("mqtt://localhost:{}", broker.guarded),
        username: Some("bridge".into()),
        password: Some(password.to_owned().into()),
        ..plain(&broker)
    };
    works(&broker, settings("secret")).await;
    for protocol in [Protocol::V311, Protocol::V5] {
        let (_folder, store) = store().await;
        let mqtt = Mqtt::new(Settings { protocol, ..settings("wrong") }, store).unwrap();
        mqtt.connect(None).await.unwrap();
        let trouble = trouble(&mqtt).await;
        assert!(
            trouble.contains("refused the user name or password") && trouble.contains("mqtt.password"),
            "{trouble}"
        );
        assert!(!trouble.contains("wrong"), "{trouble}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_trusts_its_own_authority_and_shows_a_certificate_where_asked() {
    let broker = Mosquitto::start();
    let url = |port: u16| format!("mqtts://localhost:{port}");
    let trusting = Settings { url: url(broker.tls), ca_file: Some(broker.file("ca.pem")), ..plain(&broker) };
    works(&broker, trusting.clone()).await;
    let known = Settings {
        url: url(broker.mutual),
        client_cert_file: Some(broker.file("client.pem")),
        client_key_file: Some(broker.file("client.key")),
        ..trusting.clone()
    };
    works(&broker, known.clone()).await;
    works(&broker, Settings { protocol: Protocol::V5, ..known }).await;

    for (settings, cure) in [
        (Settings { ca_file: None, ..trusting.clone() }, "mqtt.ca_file"),
        (Settings { url: url(broker.mutual), ..trusting.clone() }, "mqtt.client_cert_file"),
        (Settings { url: format!("mqtts://127.0.0.1:{}", broker.tls), ..trusting.clone() }, "name that stands in"),
        (Settings { url: url(broker.plain), ..trusting.clone() }, "mqtt"),
        (Settings { url: format!("mqtt://127.0.0.1:{}", broker.tls), ca_file: None, ..trusting }, "mqtts://"),
    ] {
        let (_folder, store) = store().await;
        // Without any authority of the system there is nothing to connect with, which says the same.
        let trouble = match Mqtt::new(settings, store) {
            Ok(mqtt) => {
                mqtt.connect(None).await.unwrap();
                trouble(&mqtt).await
            }
            Err(error) => format!("{error:#}"),
        };
        assert!(trouble.contains(cure), "{cure}: {trouble}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mqtt_5_and_web_sockets_say_the_same() {
    let broker = Mosquitto::start();
    let web = format!("ws://127.0.0.1:{}/mqtt", broker.websocket);
    works(&broker, Settings { protocol: Protocol::V5, ..plain(&broker) }).await;
    works(&broker, Settings { url: web.clone(), ..plain(&broker) }).await;
    works(&broker, Settings { url: web, protocol: Protocol::V5, ..plain(&broker) }).await;
    let url = format!("wss://localhost:{}/mqtt", broker.secure_websocket);
    let secure = Settings { url, ca_file: Some(broker.file("ca.pem")), ..plain(&broker) };
    works(&broker, secure.clone()).await;
    works(&broker, Settings { protocol: Protocol::V5, ..secure }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mqtt_5_names_the_topic_that_is_not_allowed() {
    let broker = Mosquitto::start();
    let settings = Settings {
        url: format!("mqtt://127.0.0.1:{}", broker.guarded),
        username: Some("bridge".into()),
        password: Some("secret".to_owned().into()),
        protocol: Protocol::V5,
        topic: "elsewhere".into(),
        ..plain(&broker)
    };
    let (_folder, store) = store().await;
    let mqtt = Mqtt::brief(settings, store).await.unwrap();
    mqtt.publish(&snapshot("anna", &[("steps", 1.0)])).await.unwrap();
    let error = format!("{:#}", mqtt.finish(LIMIT).await.unwrap_err());
    assert!(error.contains("elsewhere/anna") && error.contains("not authorized"), "{error}");
    assert!(broker.retained().contains_key("fitbit2mqtt/user/anna/status"), "the rest was taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_payloads_pass_and_too_large_ones_harm_nobody() {
    let broker = Mosquitto::start();
    let (_folder, store) = store().await;
    let with_note = |person: &str, size: usize| {
        let mut snapshot = snapshot(person, &[("steps", 1.0)]);
        snapshot.values[0].beside.insert("note".into(), "x".repeat(size).into());
        snapshot
    };
    let (anna, ben) = (with_note("anna", 60_000), with_note("ben", 1_100_000));
    let mqtt = Mqtt::new(plain(&broker), store).unwrap();
    mqtt.connect(None).await.unwrap();
    mqtt.publish(&anna).await.unwrap();
    let error = mqtt.publish(&ben).await.unwrap_err().to_string();
    assert!(error.starts_with("sensors/fitbit/ben was not published"), "{error}");
    let mut expected = expected(&mqtt, &[&anna, &ben]);
    expected.remove("sensors/fitbit/ben");
    broker.await_retained(&expected);
    assert_eq!(mqtt.reconnects(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_brief_client_leaves_the_bridge_alone() {
    let broker = Mosquitto::start();
    let (_folder, store) = store().await;
    let bridge = Mqtt::new(plain(&broker), store.clone()).unwrap();
    let (anna, ben) = (snapshot("anna", &[("steps", 1.0)]), snapshot("ben", &[("steps", 1.0)]));
    bridge.publish(&anna).await.unwrap();
    bridge.connect(None).await.unwrap();
    broker.await_retained(&expected(&bridge, &[&anna]));

    let brief = Mqtt::brief(plain(&broker), store.clone()).await.unwrap();
    brief.publish(&ben).await.unwrap();
    brief.finish(LIMIT).await.unwrap();
    assert_eq!(broker.retained(), expected(&bridge, &[&anna, &ben]), "all there as soon as it is finished");

    let brief = Mqtt::brief(plain(&broker), store.clone()).await.unwrap();
    brief.remove(&ben.person).await.unwrap();
    brief.remove(&anna.person).await.unwrap();
    brief.finish(LIMIT).await.unwrap();
    assert_eq!(broker.retained(), expected(&bridge, &[]));
    assert_eq!(store.published_topics().await.unwrap(), [STATUS]);
    assert!(bridge.is_connected() && bridge.reconnects() == 0);

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let brief = Mqtt::brief(Settings::new(format!("mqtt://{free}"), "x"), store).await.unwrap();
    brief.publish(&anna).await.unwrap();
    let error = format!("{:#}", brief.finish(Duration::from_millis(300)).await.unwrap_err());
    assert!(error.contains("nothing listens there") && error.contains(&free.to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_survive_a_reconnect() {
    let mut broker = Mosquitto::start();
    let (_folder, store) = store().await;
    let mqtt = Mqtt::new(plain(&broker), store).unwrap();
    let mut early = mqtt.subscribe(&["test/+/command"]).unwrap();
    assert!(mqtt.subscribe(&["test/#/x"]).is_err());
    mqtt.connect(None).await.unwrap();
    until("connected", async || mqtt.is_connected()).await;
    broker.publish("test/a/command", "kept", true);
    let mut late = mqtt.subscribe(&["test/#"]).unwrap();
    for receiver in [&mut early, &mut late] {
        let message = tokio::time::timeout(LIMIT, receiver.recv()).await.unwrap().unwrap();
        assert_eq!((message.topic.as_str(), message.payload.as_slice()), ("test/a/command", b"kept".as_slice()));
    }
    broker.kill();
    until("the loss is noticed", async || !mqtt.is_connected()).await;
    broker.restart();
    broker.publish("test/b/command", "again", true);
    loop {
        let message = tokio::time::timeout(LIMIT, early.recv()).await.unwrap().unwrap();
        if message.topic == "test/b/command" {
            assert_eq!(message.payload, b"again");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_of_one_name_are_told_so() {
    let broker = Mosquitto::start();
    let (_folder, store) = store().await;
    let mqtt = Mqtt::new(plain(&broker), store).unwrap();
    mqtt.connect(None).await.unwrap();
    for kicks in 1..=4 {
        until("connected", async || mqtt.is_connected()).await;
        assert!(kicks == 1 || mqtt.reconnects() == kicks - 1);
        broker.intrude("fitbit2mqtt-test");
        let trouble = trouble(&mqtt).await;
        assert_eq!(trouble.contains("same client id"), kicks == 4, "{kicks}: {trouble}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_host_is_named() {
    let (_folder, store) = store().await;
    let mqtt = Mqtt::new(Settings::new("mqtt://nobody.invalid", "x"), store).unwrap();
    mqtt.connect(None).await.unwrap();
    let trouble = trouble(&mqtt).await;
    assert!(trouble.contains("mqtt://nobody.invalid:1883") && trouble.contains("host"), "{trouble}");
}
