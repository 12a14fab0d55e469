//! What is read back: in order of time, by the person's own days, page by page.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use fitbit2mqtt::metric;
use fitbit2mqtt::reading::{Reading, Resolution};
use fitbit2mqtt::store::Selection;

use super::both::{Home, all, anna, day, minutes, noon, number, record, sample, selected};

/// Three days apart, in two time zones, with samples of three series.
fn life() -> Vec<Reading> {
    let mut life = vec![
        number("steps", "2026-11-18", 1.0),
        number("floors", "2026-11-18", 2.0),
        number("body-weight", "2026-11-18T07:00:00+01:00", 72.4),
        number("steps", "2026-11-20", 3.0),
        number("body-weight", "2026-11-20T00:02:00Z", 72.0),
        number("steps", "2027-02-01", 4.0),
    ];
    life.extend(minutes("steps", "2026-11-20", 7, |minute| minute as f64));
    life.extend(minutes("distance", "2026-11-20", 7, |minute| minute as f64));
    let fine = |reading: &Reading| Reading { resolution: Some(Resolution::SECOND), ..reading.clone() };
    life.extend(minutes("distance", "2026-11-20", 7, |minute| minute as f64).iter().map(fine));
    // In Auckland it is the 21st already.
    life.push(sample("steps", "2026-11-21T00:30:00+13:00", 5.0));
    life.push(sample("steps", "2027-03-01T12:00:00-10:00", 6.0));
    life
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_any_size_make_the_same_history_in_order_of_time() {
    for Home { engine, store, .. } in &Home::each().await {
        let life = life();
        record(store, &life, noon(0)).await;
        let whole = all(store, 1000).await;
        assert_eq!(whole.len(), life.len(), "{engine}");
        let moments: Vec<_> = whole.iter().map(|stored| stored.reading.at).collect();
        assert!(moments.is_sorted(), "{engine}: {moments:?}");
        for limit in [1, 2, 3, 5, 8, 13] {
            assert_eq!(all(store, limit).await, whole, "{engine}, pages of {limit}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_the_persons_own() {
    for Home { engine, store, .. } in &Home::each().await {
        record(store, &life(), noon(0)).await;
        for (from, to, intraday, count) in [
            ("2026-11-18", "2026-11-18", true, 3),
            ("2026-11-19", "2026-11-19", true, 0),
            ("2026-11-20", "2026-11-20", true, 2 + 21),
            ("2026-11-20", "2026-11-20", false, 2),
            ("2026-11-21", "2026-11-21", true, 1),
            ("2026-11-21", "2027-03-01", true, 3),
            ("2026-11-20", "2026-11-18", true, 0),
        ] {
            let selection = Selection { from: day(from), to: day(to), metrics: &[], intraday };
            let found = selected(store, &selection, 2).await;
            assert_eq!(found.len(), count, "{engine}, {from} to {to}: {found:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_chosen() {
    for Home { engine, store, .. } in &Home::each().await {
        record(store, &life(), noon(0)).await;
        let steps = [metric::find("steps").unwrap()];
        let (from, to) = (day("2026-11-18"), day("2027-12-31"));
        for (intraday, count) in [(false, 3), (true, 3 + 9)] {
            let selection = Selection { from, to, metrics: &steps, intraday };
            let found = selected(store, &selection, 4).await;
            assert!(found.iter().all(|stored| stored.reading.metric == steps[0]), "{engine}: {found:?}");
            assert_eq!(found.len(), count, "{engine}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_repeated_hour_is_told_twice_and_in_its_order() {
    for Home { engine, store, .. } in &Home::each().await {
        let told = ["02:30:00+02:00", "02:59:00+02:00", "02:00:00+01:00", "02:30:00+01:00"];
        let told = told.map(|time| sample("steps", &format!("2026-10-25T{time}"), 1.0));
        record(store, &told, noon(0)).await;
        let selection = Selection { from: day("2026-10-25"), to: day("2026-10-25"), metrics: &[], intraday: true };
        let back: Vec<_> = selected(store, &selection, 3).await.into_iter().map(|stored| stored.reading).collect();
        assert_eq!(back, told, "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_metric_is_read_by_days_and_as_a_curve() {
    for Home { engine, store, .. } in &Home::each().await {
        let mut readings = vec![
            number("body-weight", "2026-11-18T07:00:00+01:00", 72.4),
            number("body-weight", "2026-11-18T21:00:00+01:00", 73.0),
            number("body-weight", "2026-11-20T07:00:00+01:00", 72.0),
            number("steps", "2026-11-19", 1.0),
        ];
        readings.extend(minutes("heart-rate", "2026-11-20", 10, |minute| 60.0 + minute as f64));
        let fine = |reading: &Reading| Reading { resolution: Some(Resolution::SECOND), ..reading.clone() };
        let late = minutes("heart-rate", "2026-11-20", 200, |_| 90.0);
        readings.extend(late[190..].iter().map(fine));
        record(store, &readings, noon(0)).await;
        let (weight, heart) = (metric::find("body-weight").unwrap(), metric::find("heart-rate").unwrap());

        let numbers = store.numbers(&anna(), weight, day("2026-11-18"), day("2026-11-19")).await.unwrap();
        assert_eq!(numbers, [(day("2026-11-18"), 72.4), (day("2026-11-18"), 73.0)], "{engine}");
        let newest = store.newest_within(&anna(), weight, day("2026-11-01"), day("2026-11-19"), 1).await.unwrap();
        assert_eq!(
            newest.iter().map(|stored| stored.reading.value.number()).collect::<Vec<_>>(),
            [Some(73.0)],
            "{engine}"
        );

        let midnight = noon(-12 * 3600);
        let curve = store.curve(&anna(), heart, (midnight, noon(0)), 300).await.unwrap();
        let told: Vec<_> = curve
            .iter()
            .map(|point| ((point.at - midnight).num_minutes(), point.low, point.mean, point.high))
            .collect();
        let late = [(190, 90.0, 90.0, 90.0), (195, 90.0, 90.0, 90.0)];
        assert_eq!(told, [[(0, 60.0, 62.0, 64.0), (5, 65.0, 67.0, 69.0)], late].concat(), "{engine}: both resolutions");
        let before = midnight + chrono::TimeDelta::minutes(190);
        assert_eq!(store.curve(&anna(), heart, (before, before), 60).await.unwrap(), [], "{engine}: before, not with");
        let anna = anna();
        let last = |before| store.last_sample(&anna, heart, before);
        assert_eq!(last(before).await.unwrap(), Some(midnight + chrono::TimeDelta::minutes(9)), "{engine}");
        assert_eq!(last(midnight).await.unwrap(), None, "{engine}");
    }
}
