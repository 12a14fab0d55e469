//! Reading back: over HTTP and by `export`, in every form, without an upstream call; what is told of the past on its
//! topic; and trends beside the values.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, NaiveDate, TimeDelta, Utc};
use fitbit2mqtt::metric::find;
use fitbit2mqtt::reading::{Moment, Reading, Resolution, Value};
use fitbit2mqtt::simulator::Change;
use fitbit2mqtt::store::{Batch, Store, StoredProfile};
use serde_json::{Map, Value as Json, json};

use crate::mosquitto::{Reader, Seen};
use crate::world::{World, at, person};

const TODAY: &str = "2026-11-20";

fn reading(key: &str, value: f64, when: Moment) -> Reading {
    let (metric, value) = (find(key).unwrap(), Value::Number(value));
    Reading { metric, value, at: when, source: None, beside: Map::new(), resolution: None }
}

fn of_day(key: &str, value: f64, date: &str) -> Reading {
    reading(key, value, Moment::Date(date.parse().unwrap()))
}

/// One sample a minute from midnight on, in Amsterdam's winter.
fn samples(key: &str, date: &str, count: i64) -> Vec<Reading> {
    let midnight: DateTime<FixedOffset> = format!("{date}T00:00:00+01:00").parse().unwrap();
    let minute =
        |minute| reading(key, 60.0 + (minute % 40) as f64, Moment::Time(midnight + TimeDelta::minutes(minute)));
    (0..count).map(|index| Reading { resolution: Some(Resolution::MINUTE), ..minute(index) }).collect()
}

async fn store(world: &World) -> Store {
    Store::open(&world.data_dir().join("fitbit2mqtt.db")).await.unwrap()
}

async fn record(world: &World, name: &str, readings: &[Reading]) {
    let (asked, store) = (world.clock.now(), store(world).await);
    store.record(&person(name), &Batch { readings, covered: &[], asked }, asked).await.unwrap();
}

/// A bridge of people whose past is only what the tests wrote: nobody has consented.
async fn written() -> World {
    let mut world = World::new().await;
    world.register();
    for name in ["anna", "ben"] {
        world.plugindata().create(&person(name)).unwrap();
        let (fetched, zone) = (world.clock.now(), Some("Europe/Amsterdam".to_owned()));
        let profile = StoredProfile { fetched, zone, name: None, since: None };
        let store = store(&world).await;
        store.set_profile(&person(name), &profile).await.unwrap();
        store.note_zone(&person(name), chrono_tz::Europe::Amsterdam, "2026-11-20".parse().unwrap()).await.unwrap();
    }
    let mut nights = of_day("deep-sleep-minutes", 95.0, "2026-11-18");
    nights.beside = json!({"count": 4}).as_object().unwrap().clone();
    let weigh_in = Moment::Time("2026-11-18T07:12:00+01:00".parse().unwrap());
    let weight = Reading { source: Some("Aria, \"old\"".into()), ..reading("body-weight", 72.4, weigh_in) };
    let mut all = vec![of_day("steps", 8211.0, "2026-11-17"), of_day("steps", 9000.0, "2026-11-18"), nights, weight];
    all.extend(samples("heart-rate", "2026-11-18", 5_000));
    record(&world, "anna", &all).await;
    record(&world, "anna", &[of_day("steps", 8300.0, "2026-11-17")]).await;
    record(&world, "ben", &[of_day("steps", 4000.0, "2026-11-17")]).await;
    world.start().await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_read_back_in_every_form_without_asking_anyone() {
    let world = written().await;
    let ask = async |more: &str| world.get(&format!("/plugin/fitbit/history?user=anna&from=2026-11-17{more}")).await;

    let answer = ask("&to=2026-11-18").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json; charset=utf-8"));
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    let json = answer.json();
    assert_eq!((json["user"].as_str(), json["from"].as_str()), (Some("anna"), Some("2026-11-17")));
    let steps = json["series"]["steps"].as_array().unwrap();
    assert_eq!(steps[0]["value"], 8300);
    assert_eq!(
        (&steps[0]["revision"], &steps[1]["revision"], &steps[1]["dateTime"]),
        (&json!(2), &json!(1), &json!("2026-11-18"))
    );
    assert_eq!(json["series"]["deep-sleep-minutes"][0]["count"], 4);
    assert!(json["series"].get("heart-rate").is_none(), "samples only where they are asked for");

    let csv = ask("&format=csv&metrics=body-weight,steps").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
    let lines: Vec<_> = csv.body.lines().collect();
    assert_eq!(lines.len(), 4, "{}", csv.body);
    assert_eq!(lines[0], "user,metric,value,unit,dateTime,resolution,source,fetched,revision,beside");
    assert!(lines[1].starts_with("anna,steps,8300,steps,2026-11-17,,,2026-11-20T15:"), "{}", lines[1]);
    assert!(
        lines[3].starts_with("anna,body-weight,72.4,kg,2026-11-18T07:12:00+01:00,,\"Aria, \"\"old\"\"\","),
        "{}",
        lines[3]
    );

    let lines = ask("&to=2026-11-18&format=ndjson&intraday=true&metrics=heart-rate,steps").await.body;
    let lines: Vec<Json> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // The minutes after the 1440th belong to the days after, and what is asked for ends with the 18th.
    assert_eq!(lines.len(), 2 + 1440);
    let sample = lines.iter().find(|line| line["metric"] == "heart-rate").unwrap();
    assert_eq!((&sample["resolution"], &sample["dateTime"]), (&json!("1min"), &json!("2026-11-18T00:00:00+01:00")));
    let all = ask("&format=ndjson&intraday=true").await.body;
    let times: Vec<_> = all.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()).collect();
    assert_eq!(times.iter().filter(|line| line["metric"] == "heart-rate").count(), 3 * 1440, "more than one page");
    let by_time = times.windows(2).all(|two| {
        let moment = |line: &Json| line["dateTime"].as_str().unwrap().parse::<Moment>().unwrap();
        moment(&two[0]) <= moment(&two[1])
    });
    assert!(by_time, "in order of time");
    assert_eq!(world.cloud.requests().len(), 0, "nobody was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_back_is_said_with_what_can() {
    let world = written().await;
    for (query, status, said) in [
        ("from=2026-11-17", 400, "user is missing"),
        ("user=anna", 400, "from is missing"),
        ("user=anna&from=yesterday", 400, "from: \"yesterday\" is no date"),
        ("user=anna&from=2026-02-30", 400, "2026-02-30"),
        ("user=anna&from=2026-1-5", 400, "2026-11-20"),
        ("user=anna&from=2026-11-17&to=2026-11-16", 400, "is after to"),
        ("user=anna&from=2026-11-17&metrics=step", 400, "did you mean steps?"),
        ("user=anna&from=2026-11-17&format=xml", 400, "json, csv, ndjson"),
        ("user=anna&from=2026-11-17&format=influx", 400, "json, csv, ndjson"),
        ("user=anna&from=2026-11-17&intraday=yes", 400, "true, false"),
        ("user=anna&from=2026-11-17&from=2026-11-18", 400, "from is given twice"),
        ("user=anna&from=2026-11-17&days=7", 400, "\"days\" is not a parameter"),
        ("user=carla&from=2026-11-17", 404, "there is no person carla"),
        ("user=a/b&from=2026-11-17", 400, "cannot be a person's name"),
    ] {
        let answer = world.get(&format!("/plugin/fitbit/history?{query}")).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.body);
        assert!(answer.json()["error"].as_str().unwrap().contains(said), "{query}: {}", answer.body);
        assert!(answer.json()["cure"].is_string());
    }
    // Nothing is known of the time to come, nor of the time before anything was: that is no error.
    for range in ["from=2030-01-01", "from=1970-01-01&to=1970-12-31"] {
        let answer = world.get(&format!("/plugin/fitbit/history?user=anna&{range}")).await;
        assert_eq!((answer.status, &answer.json()["series"]), (200, &json!({})), "{range}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_everyone_in_every_form_and_the_bridge_goes_on() {
    let world = written().await;
    let run = |arguments: &[&str]| {
        let mut all = vec!["export"];
        all.extend(arguments);
        let output = tokio::task::block_in_place(|| world.program("127.0.0.1:0", &all).output()).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let days = ["--from", "2026-11-17", "--to", "2026-11-18"];
    let with = |more: &[&'static str]| [&days[..], more].concat();

    let (status, csv, said) = run(&with(&["--format", "csv"]));
    assert_eq!((status, said.as_str()), (0, ""));
    assert_eq!(csv.lines().filter(|line| line.starts_with("user,")).count(), 1);
    assert_eq!(csv.lines().filter(|line| line.starts_with("ben,")).count(), 1);
    let (_, ndjson, _) = run(&with(&["--format", "ndjson"]));
    assert_eq!(ndjson.lines().count() + 1, csv.lines().count());
    let (_, influx, _) = run(&[&["anna"], &with(&["--format", "influx", "--intraday"])[..]].concat());
    assert_eq!(influx.lines().count(), 4 + 1440);
    assert!(influx.lines().any(|line| line == "Activity,user=anna steps=8300 1794870000000000000"), "{influx:.400}");
    let first = influx.lines().find(|line| line.starts_with("HeartRate_Intraday,user=anna heart-rate=60 "));
    assert_eq!(
        first.unwrap().rsplit(' ').next().unwrap(),
        at("2026-11-17T23:00:00Z").timestamp_nanos_opt().unwrap().to_string()
    );

    for (arguments, expected, part) in [
        (vec!["--from", "2026-11-17"], 2, "--format"),
        (vec!["--format", "csv"], 2, "--from"),
        (vec!["--from", "x", "--format", "csv"], 2, "is no date"),
        (vec!["--from", "2026-11-18", "--to", "2026-11-17", "--format", "csv"], 2, "is after to"),
        (vec!["--from", "2026-11-18", "--metrics", "mass", "--format", "csv"], 2, "is no metric"),
        (vec!["--from", "2026-11-18", "--format", "xlsx"], 2, "csv, ndjson, influx"),
        (vec!["carla", "--from", "2026-11-18", "--format", "csv"], 1, "there is no person carla"),
    ] {
        let (status, out, said) = run(&arguments);
        assert_eq!((status, out.as_str()), (expected, ""), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
    assert_eq!(world.get("/healthz").await.status, 200);
    assert_eq!(world.cloud.requests().len(), 0);
}

/// What was said until now: the bridge answers a command after all that it had to say before.
fn said(world: &World, watch: &mut Reader) -> Vec<Seen> {
    tokio::task::block_in_place(|| {
        world.broker.publish("fitbit2mqtt/bridge/command", r#"{"command":"reload","id":"enough"}"#, false);
        watch.until("fitbit2mqtt/bridge/result")
    })
}

/// What was told of the past so far, oldest message first.
fn told(seen: Vec<Seen>) -> Vec<Json> {
    let past = seen.into_iter().filter(|seen| seen.topic == "fitbit2mqtt/user/anna/history");
    past.map(|seen| {
        assert!(!seen.retain, "{seen:?}");
        serde_json::from_str(&seen.payload).unwrap()
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_day_is_told_once_and_the_newest_value_stays() {
    let world = World::running().await;
    let url = "&methods=time_series&resource=activities/steps&base_date=2026-11-15&end_date=2026-11-20";
    assert_eq!(world.fetch("anna", url).await.status, 200);
    let retained = world.retained().await;
    assert!(!retained.keys().any(|topic| topic.ends_with("/history")), "nothing of the past is retained");
    let today = retained["sensors/fitbit/anna/steps"].clone();

    let mut watch = tokio::task::block_in_place(|| world.broker.watch());
    said(&world, &mut watch);
    world.cloud.change(0, Change::Steps { date: "2026-11-16".parse().unwrap(), steps: 4321 }).unwrap();
    for _ in 0..2 {
        let answer = world.fetch("anna", &format!("{url}&force=true")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let seen = said(&world, &mut watch);
    let steps: Vec<_> = told(seen).into_iter().filter(|past| past["metric"] == "steps").collect();
    let expected = json!({"metric": "steps", "value": 4321, "unit": "steps", "dateTime": "2026-11-16", "revision": 2});
    assert_eq!(steps, [expected]);
    assert_eq!(world.retained().await["sensors/fitbit/anna/steps"], today);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_does_not_publish_is_not_told_of_either() {
    let world = World::running().await;
    let url = "/plugin/fitbit/userSettings";
    assert_eq!(world.post(url, &[("user", "anna"), ("metrics", "floors"), ("system", "en_US")]).await.status, 200);
    let mut watch = tokio::task::block_in_place(|| world.broker.watch());
    said(&world, &mut watch);
    let range = "&base_date=2026-10-01&end_date=2026-10-02";
    for resource in ["activities/steps", "activities/floors"] {
        let answer = world.fetch("anna", &format!("&methods=time_series&resource={resource}{range}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let seen = said(&world, &mut watch);
    let told = told(seen);
    assert_eq!(told.iter().map(|past| past["metric"].as_str().unwrap()).collect::<Vec<_>>(), ["floors", "floors"]);
    assert_eq!((&told[0]["dateTime"], &told[0]["revision"]), (&json!("2026-10-01"), &json!(1)), "oldest first");
}

#[tokio::test(flavor = "multi_thread")]
async fn trends_stand_beside_their_values() {
    let world = World::running().await;
    let weights: BTreeMap<NaiveDate, f64> = (0..20)
        .map(|ago| (TODAY.parse::<NaiveDate>().unwrap() - TimeDelta::days(ago * 3), 70.0 + ago as f64))
        .collect();
    let all: Vec<_> = weights
        .iter()
        .map(|(date, value)| {
            let moment =
                date.and_hms_opt(22, 0, 0).unwrap().and_utc().with_timezone(&FixedOffset::east_opt(3600).unwrap());
            reading("body-weight", *value, Moment::Time(moment))
        })
        .collect();
    record(&world, "ben", &all).await;
    assert_eq!(world.fetch("ben", "&methods=get_devices").await.status, 200);
    let shown = world
        .await_topic("sensors/fitbit/ben", |all| {
            serde_json::from_str::<Json>(all).is_ok_and(|all| all["body-weight"]["value"] == 70)
        })
        .await;
    let shown: Json = serde_json::from_str(&shown).unwrap();
    let trend = &shown["body-weight"]["trend"];
    // Every third day: 20, 17, 14 November, and before them 11 and 8; what the simulated scale said lies among them.
    assert!(trend["7d"]["days"].as_u64().unwrap() >= 3, "{trend}");
    assert!(trend["28d"]["mean"].is_number() && trend["28d"]["change"].is_number(), "{trend}");
    assert!(shown["steps"].get("trend").is_none());
    // Of the others just what the store has of these days.
    let resting = &shown["resting-heart-rate"];
    let last: NaiveDate = resting["dateTime"].as_str().unwrap().parse().unwrap();
    let past = format!("user=ben&from={}&to={last}&metrics=resting-heart-rate", last - TimeDelta::days(6));
    let past = world.get(&format!("/plugin/fitbit/history?{past}")).await.json();
    let values = past["series"]["resting-heart-rate"].as_array().unwrap();
    let values: Vec<f64> = values.iter().map(|shown| shown["value"].as_f64().unwrap()).collect();
    assert_eq!(resting["trend"]["7d"]["days"], values.len());
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    assert!((resting["trend"]["7d"]["mean"].as_f64().unwrap() - mean).abs() < 0.001, "{resting}");
}

mod order {
    //! Whatever the order in which answers are recorded, repeated and cut short: the store ends the same.

    use proptest::prelude::*;
    use tokio::runtime::Runtime;

    use super::*;

    /// What the upstream says of a day when it is asked at `version`: later versions are later truths.
    fn answer(day: u32, version: i64) -> Vec<Reading> {
        let date = format!("2026-11-{:02}", day + 1);
        let mut readings = vec![of_day("steps", f64::from(day * 100) + version as f64, &date)];
        readings.extend(
            samples("heart-rate", &date, 5)
                .into_iter()
                .map(|sample| Reading { value: Value::Number(50.0 + version as f64), ..sample }),
        );
        // A value that was not there from the beginning.
        if version >= 2 {
            readings.push(of_day("hrv", 30.0 + version as f64, &date));
        }
        readings
    }

    async fn contents(store: &Store) -> Vec<(String, String, String, Option<Resolution>)> {
        let (from, to) = ("2026-11-01".parse().unwrap(), "2026-11-30".parse().unwrap());
        let selection = fitbit2mqtt::store::Selection { from, to, metrics: &[], intraday: true };
        let page = store.history(&person("anna"), &selection, None, 10_000).await.unwrap();
        let shown = |stored: fitbit2mqtt::store::Stored| {
            let Reading { metric, value, at, resolution, .. } = stored.reading;
            (metric.key.to_owned(), at.to_string(), value.to_string(), resolution)
        };
        page.readings.into_iter().map(shown).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        /// Live fetches, corrections and the past filled in are all of the same kind: days asked at some time, and
        /// recorded at some later one, perhaps twice, perhaps by a process that opened the store anew after a crash.
        #[test]
        fn any_order_repetition_and_interleaving_ends_in_the_same_store(
            asked in prop::collection::vec((0u32..4, 1i64..6), 1..14),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
            reopened in prop::collection::vec(any::<bool>(), 30),
        ) {
            let runtime = Runtime::new().unwrap();
            let began: DateTime<Utc> = at("2026-11-20T10:00:00Z");
            let folder = tempfile::tempdir().unwrap();
            let (straight, mixed) = runtime.block_on(async {
                let record = async |store: &Store, (day, version): (u32, i64)| {
                    let put = began + TimeDelta::minutes(version);
                    let batch = Batch { readings: &answer(day, version), covered: &[], asked: put };
                    store.record(&person("anna"), &batch, began + TimeDelta::hours(1)).await.unwrap();
                };
                let straight = Store::open(&folder.path().join("straight.db")).await.unwrap();
                let mut sorted = asked.clone();
                sorted.sort_by_key(|(_, version)| *version);
                for question in sorted {
                    record(&straight, question).await;
                }
                let path = folder.path().join("mixed.db");
                let mut mixed = Store::open(&path).await.unwrap();
                let some = order.iter().map(|index| asked[index.index(asked.len())]);
                for (question, anew) in some.chain(asked.iter().copied()).zip(reopened.iter().cycle()) {
                    if *anew {
                        mixed = Store::open(&path).await.unwrap();
                    }
                    record(&mixed, question).await;
                }
                (contents(&straight).await, contents(&mixed).await)
            });
            prop_assert_eq!(straight, mixed);
        }
    }
}
