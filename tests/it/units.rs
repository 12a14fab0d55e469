//! Units of published values: `system` of the application and of a person, converted once on the way out, changed at
//! any time, and a store that stays metric.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use fitbit2mqtt::metric::Unit;
use fitbit2mqtt::store::Store;
use serde_json::Value as Json;

use crate::world::{World, person};

/// What is published of a person, as JSON, and the bare value of each metric.
async fn published(world: &World, name: &str) -> (Json, impl Fn(&str) -> String) {
    let mut retained = world.retained().await;
    let values = serde_json::from_str(&retained.remove(&format!("sensors/fitbit/{name}")).unwrap()).unwrap();
    let name = name.to_owned();
    (values, move |key: &str| retained[&format!("sensors/fitbit/{name}/{key}")].clone())
}

/// Four decimals of what the law says.
fn four(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

/// What is stored of a person, in metric units.
async fn stored(world: &World, name: &str, key: &str) -> f64 {
    let store = Store::open(&world.data_dir().join("fitbit2mqtt.db")).await.unwrap();
    let newest = store.newest(&person(name)).await.unwrap();
    newest.into_iter().find(|stored| stored.reading.metric.key == key).unwrap().reading.value.number().unwrap()
}

async fn set(world: &World, user: Option<&str>, system: &str) {
    let answer = match user {
        Some(user) => world.post("/plugin/fitbit/userSettings", &[("user", user), ("system", system)]).await,
        None => world.post("/plugin/fitbit/settings", &[("system", system)]).await,
    };
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_system_publishes_its_own_units_and_the_store_stays_metric() {
    let world = World::running().await;
    let (metric, bare) = published(&world, "anna").await;
    let weight = metric["body-weight"]["value"].as_f64().unwrap();
    assert_eq!((metric["body-weight"]["unit"].as_str(), bare("body-weight")), (Some("kg"), weight.to_string()));
    world.cloud.forget_requests();

    set(&world, None, "en_US").await;
    world.await_topic("sensors/fitbit/anna", |values| values.contains("\"lb\"")).await;
    let (american, bare) = published(&world, "anna").await;
    let pound = |kilograms: f64| four(kilograms / 0.453_592_37);
    type Law = fn(f64) -> f64;
    let laws: [(&str, &str, Law); 8] = [
        ("body-weight", "lb", |kilograms| kilograms / 0.453_592_37),
        ("distance", "mi", |kilometres| kilometres / 1.609_344),
        ("elevation", "ft", |metres| metres / 0.3048),
        ("height", "in", |centimetres| centimetres / 2.54),
        ("water", "fl. oz.", |millilitres| millilitres / 29.573_529_562_5),
        ("core-temperature", "°F", |celsius| celsius * 1.8 + 32.0),
        ("skin-temperature-variation", "°F", |difference| difference * 1.8),
        ("bmi", "kg/m²", |same| same),
    ];
    for (key, unit, law) in laws {
        let expected = law(metric[key]["value"].as_f64().unwrap());
        let expected = if unit == "kg/m²" { expected } else { four(expected) };
        assert_eq!(american[key]["value"].as_f64(), Some(expected), "{key}");
        assert_eq!(american[key]["unit"], unit, "{key}");
        assert_eq!(bare(key), expected.to_string(), "{key}");
        assert_eq!(american[key]["fetched"], metric[key]["fetched"], "{key}: nothing new was received");
    }
    let (run, same) = (&american["last-workout"], &metric["last-workout"]);
    assert_eq!(run["distance"].as_f64(), Some(four(same["distance"].as_f64().unwrap() / 1.609_344)));
    assert_eq!((run["distanceUnit"].as_str(), same["distanceUnit"].as_str()), (Some("mi"), Some("km")));
    assert_eq!(run["steps"], same["steps"]);

    // A person's own system wins over the application's.
    set(&world, Some("anna"), "en_GB").await;
    world.await_topic("sensors/fitbit/anna", |values| values.contains("\"st\"")).await;
    let (british, bare) = published(&world, "anna").await;
    assert_eq!(british["body-weight"]["value"].as_f64(), Some(four(weight / 6.350_293_18)));
    assert_eq!(bare("body-weight"), four(weight / 6.350_293_18).to_string());
    assert_eq!(
        (british["distance"]["unit"].as_str(), &british["distance"]["value"]),
        (Some("km"), &metric["distance"]["value"])
    );
    let (ben, _) = published(&world, "ben").await;
    assert_eq!(ben["body-weight"]["unit"], "lb");
    assert_eq!(ben["body-weight"]["value"].as_f64(), Some(pound(stored(&world, "ben", "body-weight").await)));

    assert_eq!(stored(&world, "anna", "body-weight").await, weight, "kilograms, unrounded");
    assert_eq!(Unit::Kilogram.symbol(Default::default()), Some("kg"));
    // And back: nothing was lost on the way.
    set(&world, Some("anna"), "nl_NL").await;
    world.await_topic("sensors/fitbit/anna", |values| values.contains("\"kg\"")).await;
    assert_eq!(published(&world, "anna").await.0, metric);
    assert_eq!(world.cloud.requests(), [], "units are no reason to ask");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_and_its_series_are_in_the_persons_units_and_a_hand_edit_counts_at_the_next_fetch() {
    let world = World::running().await;
    let file = world.person_file("anna");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("system = \"en_US\"  # pounds, please\n{text}")).unwrap();
    let answer = world.fetch("anna", "&methods=get_bodyweight&period=30d").await.json();
    let known = world.cloud.known(0).unwrap();
    let pounds: Vec<f64> = (0..30)
        .rev()
        .flat_map(|back| known.weigh_ins(known.today() - chrono::TimeDelta::days(back)))
        .map(|weighed| four(weighed.kilograms / 0.453_592_37))
        .collect();
    let series = answer["series"]["body-weight"].as_array().unwrap();
    assert_eq!(series.iter().map(|entry| entry["value"].as_f64().unwrap()).collect::<Vec<_>>(), pounds);
    assert!(series.iter().all(|entry| entry["unit"] == "lb"));
    assert_eq!(answer["metrics"]["body-weight"]["value"].as_f64(), pounds.last().copied());
    let topic = world
        .await_topic("sensors/fitbit/anna/body-weight", |value| value.parse() == Ok(pounds[pounds.len() - 1]))
        .await;
    assert!(!topic.is_empty());
    assert!(std::fs::read_to_string(&file).unwrap().contains("# pounds, please"));
    // Upstreams are always asked in metric units: no request says otherwise.
    assert!(world.cloud.requests().iter().all(|asked| !asked.query.contains("en_US")));
}
