//! Several processes on one store: they take turns, take each thing once, and hold leases one at a time.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use fitbit2mqtt::reading::Value;
use fitbit2mqtt::store::Batch;

use super::both::{Home, all, anna, minutes, noon, number, record};

#[tokio::test(flavor = "multi_thread")]
async fn writers_take_turns_and_no_change_is_lost() {
    for home in &Home::each().await {
        let stores = [home.again().await, home.again().await];
        let writers = stores.into_iter().enumerate().map(|(place, store)| {
            tokio::spawn(async move {
                for round in 0..25 {
                    let value = (2 * round + place) as f64;
                    // Both make series and origins that the other may be making at the same time.
                    let mut readings = minutes("steps", "2026-11-20", 40, |_| value);
                    readings.extend(minutes("distance", "2026-11-20", 3, |minute| minute as f64));
                    readings.push(number("floors", "2026-11-20", value));
                    for reading in &mut readings[..40] {
                        reading.source = Some(format!("tracker {}", round % 3));
                    }
                    let batch = Batch { readings: &readings, covered: &[], asked: noon(0) };
                    store.record(&anna(), &batch, noon(0)).await.unwrap();
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        let back = all(&home.store, 1000).await;
        assert_eq!(back.len(), 44, "{}", home.engine);
        for stored in back.iter().filter(|stored| stored.reading.metric.key != "distance") {
            assert_eq!(stored.revision, 50, "{}: every write was a change: {stored:?}", home.engine);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_taken_once() {
    for home in &Home::each().await {
        let stores = [home.again().await, home.again().await, home.again().await];
        let takers = stores.into_iter().map(|store| {
            tokio::spawn(async move {
                let mut taken = 0;
                while store.take_request(&anna(), 40, 0, noon(0), noon(3600)).await.unwrap().is_ok() {
                    taken += 1;
                }
                taken
            })
        });
        let mut taken = 0;
        for taker in takers.collect::<Vec<_>>() {
            taken += taker.await.unwrap();
        }
        assert_eq!(taken, 40, "{}", home.engine);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_has_one_holder_until_it_is_given_up_or_ends() {
    for home in &Home::each().await {
        let (store, other) = (&home.store, home.again().await);
        let engine = home.engine;
        assert!(store.lease("backfill anna", "one", noon(0), noon(60)).await.unwrap(), "{engine}");
        assert!(!other.lease("backfill anna", "two", noon(59), noon(119)).await.unwrap(), "{engine}");
        assert!(other.lease("backfill ben", "two", noon(59), noon(119)).await.unwrap(), "{engine}");
        assert!(store.lease("backfill anna", "one", noon(59), noon(119)).await.unwrap(), "{engine}: prolonged");
        assert!(!other.lease("backfill anna", "two", noon(60), noon(120)).await.unwrap(), "{engine}");
        other.release("backfill anna", "two").await.unwrap();
        assert!(!other.lease("backfill anna", "two", noon(118), noon(180)).await.unwrap(), "{engine}: not theirs");
        assert!(other.lease("backfill anna", "two", noon(119), noon(180)).await.unwrap(), "{engine}: it ended");
        other.release("backfill anna", "two").await.unwrap();
        assert!(store.lease("backfill anna", "one", noon(120), noon(180)).await.unwrap(), "{engine}: given up");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_recorded_another_reads() {
    for home in &Home::each().await {
        let other = home.again().await;
        record(&home.store, &[number("steps", "2026-11-19", 8211.0)], noon(0)).await;
        let newest = other.newest(&anna()).await.unwrap();
        assert_eq!(newest[0].reading.value, Value::Number(8211.0), "{}", home.engine);
    }
}
