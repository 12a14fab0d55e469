//! The dashboard for Grafana, as far as that shows without Grafana: what it is made of, and that each of its queries finds
//! something where people are.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fitbit2mqtt::config::Config;
use serde_json::{Value as Json, json};
use yaml_rust2::{Yaml, YamlLoader};

use super::server::Server;
use crate::world::World;

fn example(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/grafana").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(path: &str) -> Yaml {
    YamlLoader::load_from_str(&example(path)).unwrap().remove(0)
}

fn dashboard() -> Json {
    serde_json::from_str(&example("dashboards/fitbit2mqtt.json")).unwrap()
}

/// Each query of each panel, and the panel's title.
fn queries(dashboard: &Json) -> Vec<(String, String)> {
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push((panel["title"].as_str().unwrap().to_owned(), target["query"].as_str().unwrap().to_owned()));
        }
    }
    queries
}

/// A query as Grafana sends it of this person.
fn sent(query: &str, person: &str) -> String {
    // Of what names are made of, only the dot means something in a regular expression.
    let query = query.replace("${person:regex}", &person.replace('.', "\\."));
    let query = query.replace("$timeFilter", "time >= 1792454400000ms and time <= 1795305600000ms");
    let query = query.replace("$__interval", "10m");
    // What is left is the end of a regular expression.
    assert!(!query.replace("$/", "").contains('$'), "{query}");
    query
}

#[test]
fn what_belongs_together_fits() {
    let (dashboard, source) = (dashboard(), yaml("provisioning/datasources/fitbit2mqtt.yaml"));
    let source = &source["datasources"][0];
    let mut kinds = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        kinds.insert(panel["type"].as_str().unwrap());
        let at = &panel["gridPos"];
        assert!(at["x"].as_u64().unwrap() + at["w"].as_u64().unwrap() <= 24, "{panel}");
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"].as_str(), source["uid"].as_str());
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{panel}");
        }
    }
    assert!(kinds.contains("state-timeline") && kinds.contains("table"), "{kinds:?}");
    let ids: BTreeSet<_> = dashboard["panels"].as_array().unwrap().iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), dashboard["panels"].as_array().unwrap().len());
    let rows = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] == "row");
    let rows: Vec<_> = rows.map(|row| row["title"].as_str().unwrap()).collect();
    let wanted =
        ["Overview", "Sleep timeline", "Heart", "Activity", "Workouts", "Body", "Recovery", "Devices and quota"];
    assert_eq!(rows, wanted);
    assert_eq!(dashboard["templating"]["list"][0]["name"], "person");
    for (title, query) in queries(&dashboard) {
        assert!(query.contains("$timeFilter") && query.contains("/^${person:regex}$/"), "{title}: {query}");
    }
    // Levels end when they ended: a second column of times, as the panel of Grafana 11 takes it.
    let levels = dashboard["panels"].as_array().unwrap().iter().find(|panel| panel["type"] == "state-timeline");
    let made = levels.unwrap()["transformations"].as_array().unwrap();
    let sum = json!({"left": "Time", "operator": "+", "right": "length"});
    assert_eq!((&made[0]["options"]["binary"], &made[0]["options"]["alias"]), (&sum, &json!("end")));
    assert_eq!(made[1]["options"]["conversions"], json!([{"targetField": "end", "destinationType": "time"}]));
    let query = levels.unwrap()["targets"][0]["query"].as_str().unwrap();
    assert!(query.contains("\"sleep-level-seconds\" * 1000 AS \"length\""), "{query}");

    let compose = yaml("compose.yaml");
    let services = &compose["services"];
    let grafana = services["grafana"]["volumes"].as_vec().unwrap();
    for volume in grafana {
        let folder = volume.as_str().unwrap().split(':').next().unwrap();
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/grafana").join(folder).is_dir(), "{folder}");
    }
    let inside = yaml("provisioning/dashboards/fitbit2mqtt.yaml");
    let path = inside["providers"][0]["options"]["path"].as_str().unwrap();
    assert!(grafana.iter().any(|volume| volume.as_str().unwrap().contains(&format!(":{path}:"))));
    // The bridge and Grafana mean the same database.
    let environment = services["fitbit2mqtt"]["environment"].as_hash().unwrap();
    let environment = environment.iter().map(|(name, value)| (name.as_str().unwrap(), value.as_str().unwrap()));
    let influxdb = Config::parse(None, environment).unwrap().influxdb.unwrap();
    assert_eq!(influxdb.url.to_string(), source["url"].as_str().unwrap());
    let database = services["influxdb"]["environment"]["INFLUXDB_DB"].as_str().unwrap();
    assert_eq!(source["jsonData"]["dbName"].as_str(), Some(database));
    assert!(format!("{:?}", influxdb.place).contains(&format!("{database:?}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_panel_is_empty_for_people_there_are() {
    let server = Server::influxdb().await;
    let mut world = World::connected().await;
    world.more = server.configuration();
    world.backfill_days = 30;
    world.start().await;
    world.fetched().await;
    let dashboard = dashboard();
    let variable = dashboard["templating"]["list"][0]["query"].as_str().unwrap();
    world
        .until("everybody can be chosen", async |_| {
            let people = server.query(variable).await.to_string();
            people.contains("\"anna\"") && people.contains("\"ben\"")
        })
        .await;
    let of =
        |person: &'static str| queries(&dashboard).into_iter().map(move |(title, query)| (title, sent(&query, person)));
    let mut left: Vec<_> = ["anna", "ben"].into_iter().flat_map(of).collect();
    assert!(left.len() > 60, "{}", left.len());
    world
        .until("every panel shows something", async |_| {
            let mut empty = Vec::new();
            for (title, query) in std::mem::take(&mut left) {
                if server.query(&query).await["results"][0]["series"][0]["values"].as_array().is_none() {
                    empty.push((title, query));
                }
            }
            left = empty;
            if !left.is_empty() {
                log::info!("still empty: {:?}", left.iter().map(|(title, _)| title).collect::<Vec<_>>());
            }
            left.is_empty()
        })
        .await;
    // A dot in a name is no other letter.
    for (title, query) in of("an.a") {
        let found = server.query(&query).await;
        assert!(found["results"][0]["series"].is_null() && found["results"][0]["error"].is_null(), "{title}: {found}");
    }
    // Whatever follows a night, its last level ended.
    let (_, levels) = of("anna").find(|(title, _)| title == "Levels").unwrap();
    let rows = server.query(&levels).await["results"][0]["series"][0]["values"].as_array().unwrap().clone();
    assert!(rows.iter().all(|row| row[2].as_f64().unwrap() > 0.0), "{rows:?}");
    world.stop().await;
}
