//! What changed, in its order, on either engine: a destination that comes back finds what it does not have, once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use chrono::{DateTime, FixedOffset, TimeDelta};
use fitbit2mqtt::reading::Reading;
use fitbit2mqtt::store::Store;
use serde_json::json;

use super::both::{Home, anna, minutes, noon, number, record, sample};

/// What changed after a number: metric, day, instants of samples or days, whether something is gone.
async fn after(store: &Store, position: i64) -> Vec<(String, usize, bool)> {
    let mut told = Vec::new();
    for entry in store.changed(position, 100).await.unwrap().0 {
        let mut count = entry.readings.len();
        let mut samples = entry.samples;
        while let Some(some) = samples {
            let (found, rest) = store.changed_samples(&some, 7).await.unwrap();
            (count, samples) = (count + found.len(), rest);
        }
        told.push((format!("{} {}", entry.metric.key, entry.day), count, entry.gone));
    }
    told
}

fn entry(name: &str, count: usize, gone: bool) -> (String, usize, bool) {
    (name.to_owned(), count, gone)
}

async fn last(store: &Store) -> i64 {
    store.changed(0, 100).await.unwrap().1.unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_finds_what_changed_since_and_only_that() {
    for home in Home::each().await {
        let (store, engine) = (&home.store, home.engine);
        let mut first = minutes("heart-rate", "2026-11-19", 20, |minute| minute as f64);
        first.push(number("steps", "2026-11-18", 8000.0));
        first.push(number("steps", "2026-11-19", 9000.0));
        record(store, &first, noon(0)).await;
        let all = [
            entry("steps 2026-11-18", 1, false),
            entry("heart-rate 2026-11-19", 20, false),
            entry("steps 2026-11-19", 1, false),
        ];
        assert_eq!(after(store, 0).await, all, "{engine}");
        assert_eq!(store.position("one").await.unwrap(), 0);
        let position = last(store).await;
        store.note_position("one", position).await.unwrap();
        store.note_position("one", position - 1).await.unwrap();
        assert_eq!(home.again().await.position("one").await.unwrap(), position, "{engine}: it only grows");
        assert_eq!(store.count_changed(position).await.unwrap(), 0);

        // What is known already is no change; of samples only those from the first that changed are.
        record(store, &first, noon(1)).await;
        assert_eq!(after(store, position).await, [], "{engine}");
        let more = minutes("heart-rate", "2026-11-19", 30, |minute| minute as f64);
        record(store, &more, noon(2)).await;
        record(store, &[number("steps", "2026-11-18", 8100.0)], noon(3)).await;
        let changed = [entry("heart-rate 2026-11-19", 10, false), entry("steps 2026-11-18", 1, false)];
        assert_eq!(after(store, position).await, changed, "{engine}");
        // Not taken yet, so the next change of the same day does not hide it.
        let still_more = minutes("heart-rate", "2026-11-19", 40, |minute| minute as f64);
        record(store, &still_more, noon(4)).await;
        let changed = [entry("steps 2026-11-18", 1, false), entry("heart-rate 2026-11-19", 20, false)];
        assert_eq!(after(store, position).await, changed, "{engine}");

        // A destination that is new has nothing.
        assert_eq!(store.position("two").await.unwrap(), 0);
        let all = after(store, 0).await;
        assert!(all.contains(&entry("heart-rate 2026-11-19", 40, false)), "{engine}: {all:?}");
        assert_eq!(all.len(), 3, "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn days_that_lie_in_one_another_are_told_apart_page_by_page() {
    for home in Home::each().await {
        let store = &home.store;
        let beat = |time: DateTime<FixedOffset>| sample("heart-rate", &time.to_rfc3339(), 60.0);
        let from = |begin: &str, count| {
            let begin: DateTime<FixedOffset> = begin.parse().unwrap();
            (0..count).map(move |minute| beat(begin + TimeDelta::minutes(20 * minute)))
        };
        // From Auckland to Honolulu: what is tomorrow there is still today here, and comes later.
        let flown: Vec<_> =
            from("2026-11-19T00:00:00+13:00", 60).chain(from("2026-11-18T13:10:00-10:00", 30)).collect();
        record(store, &flown, noon(0)).await;
        let days = [entry("heart-rate 2026-11-18", 30, false), entry("heart-rate 2026-11-19", 60, false)];
        assert_eq!(after(store, 0).await, days, "{}", home.engine);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_is_told_until_everybody_knows() {
    for home in Home::each().await {
        let (store, engine) = (&home.store, home.engine);
        let from = |source: &str, reading: Reading| Reading { source: Some(source.into()), ..reading };
        let level = |at: &str, seconds: i64| {
            let beside = json!({ "seconds": seconds }).as_object().unwrap().clone();
            Reading { beside, ..number("sleep-level", at, 1.0) }
        };
        let first = [
            from("Charge 6", number("steps", "2026-11-19", 9000.0)),
            level("2026-11-19T01:00:00+01:00", 600),
            level("2026-11-19T01:10:00+01:00", 600),
        ];
        record(store, &first, noon(0)).await;
        store.position("one").await.unwrap();
        store.note_position("one", last(store).await).await.unwrap();
        let position = store.position("one").await.unwrap();
        record(store, &[level("2026-11-19T01:00:00+01:00", 1200)], noon(1)).await;
        record(store, &[from("Watch", number("steps", "2026-11-19", 9000.0))], noon(2)).await;
        record(store, &[from("Watch", number("steps", "2026-11-19", 9100.0))], noon(3)).await;
        let changed = [entry("sleep-level 2026-11-19", 1, true), entry("steps 2026-11-19", 1, true)];
        assert_eq!(after(store, position).await, changed, "{engine}");
        store.note_position("one", last(store).await).await.unwrap();
        record(store, &[from("Watch", number("steps", "2026-11-19", 9200.0))], noon(4)).await;
        let position = store.position("one").await.unwrap();
        assert_eq!(after(store, position).await, [entry("steps 2026-11-19", 1, false)], "{engine}");

        // What is no longer said beside a value is gone as well.
        let beside = json!({ "goal": 10_000 }).as_object().unwrap().clone();
        let with_goal = Reading { beside, ..from("Watch", number("steps", "2026-11-19", 9200.0)) };
        let without = from("Watch", number("steps", "2026-11-19", 9300.0));
        for (minute, reading, gone) in [(5, with_goal, false), (6, without, true)] {
            store.note_position("one", last(store).await).await.unwrap();
            let position = store.position("one").await.unwrap();
            record(store, &[reading], noon(minute)).await;
            assert_eq!(after(store, position).await, [entry("steps 2026-11-19", 1, gone)], "{engine}");
        }

        // Who comes again gets numbers that nobody has passed yet.
        store.note_position("one", last(store).await).await.unwrap();
        store.forget(&anna()).await.unwrap();
        let position = store.position("one").await.unwrap();
        record(store, &[number("steps", "2026-11-19", 1.0)], noon(7)).await;
        assert_eq!(after(store, position).await, [entry("steps 2026-11-19", 1, false)], "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_knows_any_more_hides_nothing() {
    for home in Home::each().await {
        let (store, engine) = (&home.store, home.engine);
        let days: Vec<_> = (1..=9).map(|day| number("steps", &format!("2026-11-0{day}"), 1.0)).collect();
        record(store, &days, noon(0)).await;
        home.execute("UPDATE changed SET metric = 'luck' WHERE number <= 7 OR number = 9").await;
        let read = async |after| {
            let (entries, last) = store.changed(after, 3).await.unwrap();
            (entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), last)
        };
        assert_eq!(read(0).await, (Vec::new(), Some(3)), "{engine}");
        assert_eq!(read(6).await, (vec![8], Some(9)), "{engine}");
        assert_eq!(read(9).await, (Vec::new(), None), "{engine}");
    }
}
