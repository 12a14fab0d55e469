//! People who move to another time zone, and people whose time zone becomes known late: each of their days is there once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta};
use chrono_tz::Tz;
use fitbit2mqtt::reading::Reading;
use fitbit2mqtt::simulator::Change;
use fitbit2mqtt::store::StoredProfile;
use fitbit2mqtt::upstream::fitbit::FITBIT;

use super::server::{Server, Value};
use super::{agree, household, level, reading, record, store};
use crate::world::{PEOPLE, World, person};

/// A person's steps of days, by when they stand there.
async fn steps(server: &Server, name: &str) -> BTreeMap<String, f64> {
    let points = server.points().await.into_iter();
    let steps = points.filter_map(|((measurement, tags, at, field), value)| match value {
        Value::Number(number)
            if measurement == "Activity" && field == "steps" && tags.contains(&format!("user={name}")) =>
        {
            Some((DateTime::from_timestamp_nanos(at).to_rfc3339(), number))
        }
        _ => None,
    });
    steps.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moves_has_each_day_once_where_it_was() {
    let server = Server::influxdb().await;
    let mut world = World::new().await;
    world.register();
    world.connect(0);
    // Ben's first days are told before his time zone is.
    let scopes: Vec<_> = FITBIT.scopes.iter().map(|(scope, _)| *scope).filter(|scope| *scope != "profile").collect();
    world.connect_with(1, &scopes);
    world.more = server.configuration();
    world.start().await;
    world.fetched().await;
    let fetch = async |world: &World, days: &[&str]| {
        for (name, day) in PEOPLE.iter().flat_map(|name| days.iter().map(move |day| (name, day))) {
            let answer = world.fetch(name, &format!("&methods=activities&date={day}")).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        agree(world, &server).await;
    };
    fetch(&world, &["2026-11-18", "2026-11-19", "2026-11-20"]).await;
    let before = [steps(&server, "anna").await, steps(&server, "ben").await];
    assert!(before[0].contains_key("2026-11-18T23:00:00+00:00"), "{:?}", before[0]);

    let (fetched, zone) = (world.clock.now() + TimeDelta::days(2), Some("America/New_York".to_owned()));
    let profile = StoredProfile { fetched, zone, name: None, since: None };
    for (index, name) in PEOPLE.iter().enumerate() {
        store(&world).await.set_profile(&person(name), &profile).await.unwrap();
        world.cloud.change(index, Change::Steps { date: "2026-11-19".parse().unwrap(), steps: 4321 }).unwrap();
    }
    fetch(&world, &["2026-11-19", "2026-11-20"]).await;
    world.clock.advance(TimeDelta::days(1));
    for index in 0..PEOPLE.len() {
        world.cloud.change(index, Change::Steps { date: "2026-11-21".parse().unwrap(), steps: 777 }).unwrap();
    }
    fetch(&world, &["2026-11-20", "2026-11-21"]).await;
    for (name, before) in PEOPLE.iter().zip(before) {
        let after = steps(&server, name).await;
        assert_eq!(after.values().filter(|value| **value == 4321.0).count(), 1, "{name}: {after:?}");
        assert_eq!(after.get("2026-11-21T05:00:00+00:00"), Some(&777.0), "{name}: {after:?}");
        let days: Vec<_> = after.keys().filter(|at| **at != "2026-11-21T05:00:00+00:00").collect();
        assert_eq!(days, before.keys().collect::<Vec<_>>(), "{name}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_otherwise_of_the_days_beside_a_move_is_there_once() {
    let server = Server::influxdb().await;
    let mut world = household(&server).await;
    let day =
        |date: &str, source: &str, steps: f64| Reading { source: Some(source.into()), ..reading("steps", steps, date) };
    // One goes west and one goes east, to where tomorrow begins when today does at home.
    let moves =
        [("anna", Tz::Europe__Amsterdam, Tz::America__New_York), ("ben", Tz::Pacific__Niue, Tz::Pacific__Auckland)];
    for (name, home, _) in moves {
        store(&world).await.note_zone(&person(name), home, "2026-11-20".parse().unwrap()).await.unwrap();
        record(&world, name, &[day("2026-11-18", "Charge", 18.0), day("2026-11-19", "Charge", 19.0)]).await;
    }
    // The last evening in Niue is that of the first day in Auckland.
    let evening = ["2026-11-19T20:00:00-11:00", "2026-11-19T20:10:00-11:00", "2026-11-19T20:20:00-11:00"];
    record(&world, "ben", &evening.map(|at| level("light", at, 600))).await;
    world.start().await;
    agree(&world, &server).await;
    for (name, _, away) in moves {
        store(&world).await.note_zone(&person(name), away, "2026-11-20".parse().unwrap()).await.unwrap();
        record(&world, name, &[day("2026-11-20", "Charge", 20.0), day("2026-11-21", "Charge", 21.0)]).await;
    }
    for name in PEOPLE {
        record(&world, name, &[day("2026-11-19", "Watch", 190.0), day("2026-11-20", "Watch", 200.0)]).await;
    }
    record(&world, "ben", &[level("deep", evening[0], 1800)]).await;
    // Whoever publishes nudges.
    world.post("/plugin/fitbit/userSettings", &[("user", "anna"), ("system", "en_US")]).await;
    agree(&world, &server).await;
    for name in PEOPLE {
        let there: Vec<_> = steps(&server, name).await.into_values().collect();
        assert_eq!(there, [18.0, 190.0, 200.0, 21.0], "{name}");
    }
    world.stop().await;
}
