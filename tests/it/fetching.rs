//! A fetch through the front door: what it asks, answers, publishes, and what one failing part costs the others.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use fitbit2mqtt::simulator::{Effect, Fault};
use serde_json::{Value as Json, json};

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn everything_of_two_people_arrives_on_mqtt() {
    let mut world = World::connected().await;
    world.start().await;
    let anna = world.fetch("anna", "&force=true").await;
    assert_eq!(anna.status, 200, "{}", anna.body);
    let answer = anna.json();
    assert_eq!(answer["failed"], json!([]), "{answer:#}");
    assert_eq!((answer["user"].as_str(), answer["provider"].as_str()), (Some("anna"), Some("fitbit")));
    assert!(answer["quota"]["remaining"].as_i64().unwrap() < 150);
    world.await_topic("sensors/fitbit/ben/steps", |steps| !steps.is_empty()).await;

    let retained = world.retained().await;
    let published: Json = serde_json::from_str(&retained["sensors/fitbit/anna"]).unwrap();
    let metrics = answer["metrics"].as_object().unwrap();
    assert!(metrics.len() > 40, "{} metrics", metrics.len());
    for (key, metric) in metrics {
        assert_eq!(&published[key]["value"], &metric["value"], "{key}");
        assert_eq!(&published[key]["dateTime"], &metric["dateTime"], "{key}");
        let bare = &retained[&format!("sensors/fitbit/anna/{key}")];
        let shown = metric["value"].as_str().map_or_else(|| metric["value"].to_string(), str::to_owned);
        assert_eq!(bare, &shown, "{key}");
    }
    let known = world.cloud.known(0).unwrap();
    let weighed = known.last_weigh_in(known.today()).unwrap();
    assert_eq!(metrics["body-weight"]["value"].as_f64(), Some(weighed.kilograms));
    assert_eq!(retained["fitbit2mqtt/bridge/status"], "online");
    assert_eq!(retained["fitbit2mqtt/user/anna/availability"], "online");
    let auth: Json = serde_json::from_str(&retained["fitbit2mqtt/user/anna/auth"]).unwrap();
    assert_eq!(auth["state"], "ok");
    world.stop().await;
    assert_eq!(world.retained().await["fitbit2mqtt/bridge/status"], "offline");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failing_method_costs_the_others_nothing() {
    let mut world = World::connected().await;
    world.start().await;
    world.await_topic("sensors/fitbit/anna/sleep-minutes", |value| !value.is_empty()).await;
    let before = world.retained().await;
    let fault = |path: &str, effect| Fault { path: path.into(), person: Some(0), times: None, effect };
    world.cloud.fault(fault("/sleep/", Effect::Html { status: 200 }));
    world.cloud.fault(fault("/hrv/", Effect::Truncated));
    world.cloud.fault(fault(
        "/spo2/",
        Effect::answer(200, &json!([{"dateTime": "2026-11-19", "value": {"avg": [1], "min": null, "max": 1e300}}])),
    ));
    world.cloud.fault(fault("/br/", Effect::answer(500, &json!({}))));
    let answer = world.fetch("anna", "&force=true").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let failed = answer.json()["failed"].clone();
    for (method, reason) in [("sleep", "HTML"), ("hrv", "not JSON"), ("oxygen", "not plausible"), ("breathing", "500")]
    {
        let told = failed
            .as_array()
            .unwrap()
            .iter()
            .any(|entry| entry["method"] == method && entry["reason"].as_str().unwrap().contains(reason));
        assert!(told, "{method}: {reason} in {failed:#}");
    }
    let after = world.retained().await;
    for topic in ["sleep-minutes", "hrv", "spo2", "breathing-rate"].map(|key| format!("sensors/fitbit/anna/{key}")) {
        assert_eq!(before[&topic], after[&topic], "{topic} keeps its value");
    }
}
