//! What the bridge counts of itself: read by the letter of Prometheus' text format, compared with what the cloud and the
//! broker saw, and free of anybody's health and name.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use fitbit2mqtt::simulator::{Effect, Fault};
use fitbit2mqtt::upstream::fitbit::FITBIT;
use reqwest::header::HOST;
use serde_json::json;

use crate::influxdb::server::Server as Influx;
use crate::world::{PEOPLE, QUARTER, World};

type Labels = BTreeMap<String, String>;

/// What was read: families by name, with their type; samples by name and labels.
struct Numbers {
    families: BTreeMap<String, String>,
    samples: BTreeMap<(String, Labels), f64>,
}

impl Numbers {
    async fn of(world: &World) -> Numbers {
        let answer = world.get("/metrics").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        Numbers::read(&answer.body)
    }

    /// Version 0.0.4 of the format, and nothing that a reader might only tolerate.
    fn read(text: &str) -> Numbers {
        let mut numbers = Numbers { families: BTreeMap::new(), samples: BTreeMap::new() };
        let mut helped: Option<String> = None;
        let mut family = String::new();
        assert!(text.ends_with('\n'), "the last line must end");
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').expect("a name and words");
                assert!(is_name(name) && words.ends_with('.'), "{line}");
                helped = Some(name.to_owned());
            } else if let Some(typed) = line.strip_prefix("# TYPE ") {
                let (name, kind) = typed.split_once(' ').expect("a name and a type");
                assert_eq!(helped.take().as_deref(), Some(name), "HELP comes right before TYPE");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
                let before = numbers.families.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "{name} is told in two places");
                name.clone_into(&mut family);
            } else {
                let (name, labels, value) = sample(line);
                let bare = match numbers.families[&family].as_str() {
                    "histogram" => name.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count"),
                    _ => name.as_str(),
                };
                assert_eq!(bare, family, "a sample stands under its own family: {line}");
                let before = numbers.samples.insert((name.clone(), labels), value);
                assert_eq!(before, None, "twice: {line}");
            }
        }
        for name in numbers.families.iter().filter(|(_, kind)| *kind == "histogram").map(|(name, _)| name) {
            numbers.check_histogram(name);
        }
        numbers
    }

    /// Buckets grow, and the last one holds everything.
    fn check_histogram(&self, name: &str) {
        let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        for ((_, labels), count) in self.samples.iter().filter(|((sample, _), _)| *sample == format!("{name}_bucket")) {
            let mut labels = labels.clone();
            let limit = labels.remove("le").expect("le");
            let limit = if limit == "+Inf" { f64::INFINITY } else { limit.parse().unwrap() };
            buckets.entry(labels).or_default().push((limit, *count));
        }
        for (labels, mut counts) in buckets {
            counts.sort_by(|one, other| one.partial_cmp(other).unwrap());
            assert!(counts.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{name} {labels:?}: {counts:?}");
            let (limit, all) = *counts.last().unwrap();
            assert_eq!((limit, all), (f64::INFINITY, self.samples[&(format!("{name}_count"), labels.clone())]));
            assert!(self.samples[&(format!("{name}_sum"), labels)] >= 0.0);
        }
    }

    /// The one sample of this name with these labels among its own, if there is one.
    fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let name = format!("fitbit2mqtt_{name}");
        let fits = |found: &Labels| labels.iter().all(|(key, value)| found.get(*key).is_some_and(|v| v == value));
        let mut found = self.samples.iter().filter(|((sample, labels), _)| *sample == name && fits(labels));
        let value = found.next().map(|(_, value)| *value);
        assert!(found.next().is_none(), "{name} {labels:?} is more than one sample");
        value
    }

    /// Everything of this name together.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let name = format!("fitbit2mqtt_{name}");
        let fits = |found: &Labels| labels.iter().all(|(key, value)| found.get(*key).is_some_and(|v| v == value));
        self.samples.iter().filter(|((sample, found), _)| *sample == name && fits(found)).map(|(_, value)| value).sum()
    }

    fn labels(&self, name: &str) -> BTreeSet<String> {
        self.samples.keys().flat_map(|(_, labels)| labels.get(name).cloned()).collect()
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with("fitbit2mqtt_") && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn sample(line: &str) -> (String, Labels, f64) {
    let (head, value) = line.rsplit_once(' ').expect("a value");
    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    let Some((name, labels)) = head.split_once('{') else {
        assert!(is_name(head), "{line}");
        return (head.to_owned(), Labels::new(), value);
    };
    assert!(is_name(name), "{line}");
    let labels = labels.strip_suffix("\"}").expect("a closing brace");
    let labels = labels.split("\",").map(|label| {
        let (key, value) = label.split_once("=\"").expect("a label");
        assert!(!value.contains(['"', '\\', '\n']), "no value of ours needs an escape: {line}");
        (key.to_owned(), value.to_owned())
    });
    (name.to_owned(), labels.collect(), value)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_as_the_cloud_saw_them() {
    let world = World::running().await;
    world.quiet().await;
    let numbers = Numbers::of(&world).await;
    let seen = world.cloud.requests();
    let of_people = seen.iter().filter(|asked| asked.person.is_some() && asked.path.starts_with("/1"));
    assert_eq!(numbers.sum("upstream_requests_total", &[("upstream", "fitbit")]), of_people.count() as f64);
    for endpoint in numbers.labels("endpoint") {
        assert!(FITBIT.endpoint(&endpoint).is_some(), "{endpoint} is no row of the table");
    }
    // Both people's first fetch and the one that made sure of quiet.
    assert_eq!(numbers.get("fetch_duration_seconds_count", &[("upstream", "fitbit")]), Some(4.0));

    // What fails is counted by its status; a renewal of the token is a request, too.
    let fault = |effect| Fault { path: "/fitbit/".into(), person: None, times: Some(1), effect };
    world.cloud.fault(fault(Effect::answer(418, &json!({}))));
    assert_ne!(world.fetch("anna", "&methods=get_devices").await.status, 200);
    let numbers = Numbers::of(&world).await;
    assert_eq!(numbers.get("upstream_requests_total", &[("status", "418")]), Some(1.0));
    let token = numbers.get("upstream_requests_total", &[("endpoint", "token")]);
    assert_eq!(token, None, "the token was good all the time");
    world.clock.advance(chrono::TimeDelta::hours(9));
    assert_eq!(world.fetch("anna", "&methods=get_devices").await.status, 200);
    let numbers = Numbers::of(&world).await;
    assert_eq!(numbers.get("upstream_requests_total", &[("endpoint", "token"), ("status", "200")]), Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_answers_is_counted_too() {
    let mut world = World::connected().await;
    world.cloud_url = "http://127.0.0.1:9".into();
    world.start().await;
    assert_eq!(world.fetch("anna", "&methods=get_devices").await.status, 502);
    let numbers = Numbers::of(&world).await;
    assert_eq!(numbers.labels("status"), BTreeSet::from(["none".to_owned()]));
    assert!(numbers.sum("upstream_requests_total", &[("upstream", "fitbit"), ("status", "none")]) >= 1.0);
    assert!(!world.get("/metrics").await.body.contains("last_success"), "nothing has worked yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn quota_consent_and_success_are_told_of_nobody_by_name() {
    let world = World::running().await;
    world.quiet().await;
    let numbers = Numbers::of(&world).await;
    let mut fewest = f64::INFINITY;
    let mut longest_ago = f64::INFINITY;
    for name in PEOPLE {
        let quota = world.await_topic(&format!("fitbit2mqtt/user/{name}/quota"), |text| !text.is_empty()).await;
        let quota: serde_json::Value = serde_json::from_str(&quota).unwrap();
        assert_eq!(quota["limit"], 150);
        fewest = fewest.min(quota["remaining"].as_f64().unwrap());
        let status = world.await_topic(&format!("fitbit2mqtt/user/{name}/status"), |text| !text.is_empty()).await;
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        let success = chrono::DateTime::parse_from_rfc3339(status["last_success"].as_str().unwrap()).unwrap();
        longest_ago = longest_ago.min(success.timestamp() as f64);
    }
    let fitbit = [("upstream", "fitbit")];
    assert_eq!(numbers.get("quota_limit", &fitbit), Some(150.0));
    assert_eq!(numbers.get("quota_remaining", &fitbit), Some(fewest));
    assert_eq!(numbers.get("last_success_timestamp_seconds", &fitbit), Some(longest_ago));
    let reset = numbers.get("quota_reset_timestamp_seconds", &fitbit).unwrap();
    assert!(reset > world.clock.now().timestamp() as f64, "{reset}");
    assert_eq!(numbers.get("consent", &[("state", "ok")]), Some(2.0));
    assert_eq!(numbers.get("consent", &[("state", "reauthorize")]), Some(0.0));

    world.cloud.revoke(0);
    assert_eq!(world.fetch("anna", "&methods=get_devices").await.status, 409);
    let numbers = Numbers::of(&world).await;
    assert_eq!(numbers.get("consent", &[("state", "ok")]), Some(1.0));
    assert_eq!(numbers.get("consent", &[("state", "reauthorize")]), Some(1.0));

    let body = world.get("/metrics").await.body;
    for name in PEOPLE {
        assert!(!body.contains(name), "{body}");
    }
    let known = ["upstream", "endpoint", "status", "queue", "destination", "le", "state", "version"];
    let labels: BTreeSet<&str> =
        numbers.samples.keys().flat_map(|(_, labels)| labels.keys().map(String::as_str)).collect();
    assert!(labels.iter().all(|label| known.contains(label)), "{labels:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_named_where_the_configuration_says_so() {
    let mut world = World::connected().await;
    world.more = "metrics.people = true\n".into();
    world.interval = QUARTER;
    world.start().await;
    world.fetched().await;
    world.quiet().await;
    let numbers = Numbers::of(&world).await;
    assert_eq!(numbers.labels("user"), BTreeSet::from(PEOPLE.map(str::to_owned)));
    for name in PEOPLE {
        let of = |key| [("user", name), key];
        assert_eq!(numbers.get("consent", &of(("state", "ok"))), Some(1.0));
        assert_eq!(numbers.get("consent", &of(("state", "retrying"))), Some(0.0));
        assert_eq!(numbers.get("quota_limit", &of(("upstream", "fitbit"))), Some(150.0));
    }
    // Who is gone is gone here, too.
    world.plugindata().remove(&"ben".parse().unwrap()).unwrap();
    assert_eq!(Numbers::of(&world).await.labels("user"), BTreeSet::from(["anna".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_seen_to_go_and_to_come_back() {
    let mut world = World::running().await;
    world
        .until("everything is published", async |world| {
            let numbers = Numbers::of(world).await;
            numbers.get("queue_length", &[("queue", "mqtt")]) == Some(0.0) && {
                assert_eq!(numbers.get("mqtt_connected", &[]), Some(1.0));
                assert_eq!(numbers.get("mqtt_reconnects_total", &[]), Some(0.0));
                let topics = numbers.get("publish_duration_seconds_count", &[("destination", "mqtt")]).unwrap();
                assert!(topics > 50.0, "{topics}");
                assert_eq!(numbers.get("queue_length", &[("queue", "backfill")]), Some(0.0));
                true
            }
        })
        .await;
    world.broker.kill();
    world
        .until("the broker is gone, and what is new waits", async |world| {
            world.fetch("anna", "&methods=get_devices").await;
            let numbers = Numbers::of(world).await;
            numbers.get("mqtt_connected", &[]) == Some(0.0)
                && numbers.get("queue_length", &[("queue", "mqtt")]).unwrap() > 0.0
        })
        .await;
    world.broker.restart();
    world
        .until("it is back, and nothing waits", async |world| {
            let numbers = Numbers::of(world).await;
            numbers.get("mqtt_reconnects_total", &[]) == Some(1.0)
                && numbers.get("mqtt_connected", &[]) == Some(1.0)
                && numbers.get("queue_length", &[("queue", "mqtt")]) == Some(0.0)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_waits_in_a_queue_of_its_own() {
    let mut world = World::connected().await;
    world.backfill_days = 365;
    world.start().await;
    world
        .until("requests about the past wait", async |world| {
            Numbers::of(world).await.get("queue_length", &[("queue", "backfill")]).unwrap() > 0.0
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_for_those_who_have_the_password() {
    let mut world = World::new().await;
    world.more = "http.password = \"geheim\"\n".into();
    world.start().await;
    let metrics = || world.http.get(format!("{}/metrics", world.url()));
    assert_eq!(world.send(metrics()).await.status, 401);
    assert_eq!(
        world.send(metrics().basic_auth("admin", Some("geheim")).header(HOST, "evil.example")).await.status,
        421
    );
    let answer = world.send(metrics().basic_auth("admin", Some("geheim"))).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
    // Before there is anybody, there is something to read.
    let numbers = Numbers::read(&answer.body);
    assert_eq!(numbers.get("build_info", &[("version", env!("CARGO_PKG_VERSION"))]), Some(1.0));
    assert_eq!(numbers.families.keys().filter(|name| name.contains("quota")).count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_influxdb_does_not_have_yet_waits_in_a_queue_of_its_own() {
    let mut influxdb = Influx::influxdb().await;
    influxdb.kill();
    let mut world = World::connected().await;
    world.more = influxdb.configuration();
    world.start().await;
    world.fetched().await;
    let queue = [("queue", "influxdb")];
    world
        .until("something waits", async |world| Numbers::of(world).await.get("queue_length", &queue) > Some(0.0))
        .await;
    influxdb.restart().await;
    world.until("nothing waits", async |world| Numbers::of(world).await.get("queue_length", &queue) == Some(0.0)).await;
    let written = Numbers::of(&world).await.get("publish_duration_seconds_count", &[("destination", "influxdb")]);
    assert!(written >= Some(1.0), "{written:?}");
}
