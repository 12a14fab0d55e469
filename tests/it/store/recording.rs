//! What is recorded: once, in revisions, never over what a later question told.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use fitbit2mqtt::reading::{Reading, Resolution, Value};
use fitbit2mqtt::store::{Batch, Store};
use proptest::prelude::*;
use serde_json::json;

use super::both::{Home, all, anna, covered, day, minutes, noon, number, record, sample};

/// A day's worth of everything: totals, an event, samples with and without something beside them.
fn lot() -> Vec<Reading> {
    let mut lot = vec![
        number("steps", "2026-11-19", 8211.0),
        number("body-weight", "2026-11-19T07:12:00+01:00", 72.4),
        Reading { value: Value::Text("2026-11-19T23:05:00+01:00".into()), ..number("sleep-start", "2026-11-20", 0.0) },
    ];
    lot[0].beside = json!({"goal": 10_000, "zones": [1, 2.5, null]}).as_object().unwrap().clone();
    lot[1].source = Some("Aria \u{e4}".into());
    lot.extend(minutes("steps", "2026-11-19", 1440, |minute| minute as f64 / 8.0));
    let mut hrv = sample("hrv", "2026-11-19T03:00:00+01:00", 41.25);
    hrv.resolution = Some(Resolution::FIVE_MINUTES);
    hrv.beside = json!({"coverage": 0.97, "hf": 310.5, "lf": 402.0}).as_object().unwrap().clone();
    hrv.source = Some("Charge".into());
    lot.push(hrv);
    lot
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_is_read_back_and_twice_is_once() {
    for Home { engine, store, .. } in &Home::each().await {
        let lot = lot();
        assert_eq!(record(store, &lot, noon(0)).await.len(), lot.len(), "{engine}");
        assert_eq!(record(store, &lot, noon(900)).await, [], "{engine}");
        let mut back = all(store, 1000).await;
        assert!(back.iter().all(|stored| stored.revision == 1 && stored.fetched < noon(2)), "{engine}");
        for reading in &lot {
            let place = back.iter().position(|stored| stored.reading == *reading);
            back.swap_remove(place.unwrap_or_else(|| panic!("{engine}: {reading:?} is not there")));
        }
        assert_eq!(back, [], "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_is_given_back_with_its_revision_and_keeps_the_time_it_was_first_received() {
    for Home { engine, store, .. } in &Home::each().await {
        let first = [number("steps", "2026-11-19", 8211.0), sample("heart-rate", "2026-11-19T08:00:00Z", 61.0)];
        record(store, &first, noon(0)).await;
        let second = [number("steps", "2026-11-19", 8300.0), sample("heart-rate", "2026-11-19T08:00:00Z", 62.0)];
        let changed = record(store, &second, noon(900)).await;
        let revisions: Vec<_> = changed.iter().map(|recorded| (recorded.reading.clone(), recorded.revision)).collect();
        assert_eq!(revisions, second.clone().map(|reading| (reading, 2)), "{engine}");
        record(store, &second, noon(1800)).await;
        for stored in all(store, 10).await {
            assert!(stored.revision == 2 && (stored.fetched - noon(900)).num_seconds() <= 1, "{engine}: {stored:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kind_of_a_value_may_change() {
    for Home { engine, store, .. } in &Home::each().await {
        let text = Reading { value: Value::Text("AFib\0".into()), ..number("ecg-result", "2026-11-19T08:00:00Z", 0.0) };
        for reading in [number("ecg-result", "2026-11-19T08:00:00Z", 1.0), text.clone()] {
            assert_eq!(record(store, std::slice::from_ref(&reading), noon(0)).await.len(), 1, "{engine}");
        }
        // PostgreSQL cannot keep this character: it is left out, on both.
        assert_eq!(all(store, 10).await[0].reading.value, Value::Text("AFib".into()), "{engine}");
        assert_eq!(record(store, &[text], noon(1)).await, [], "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_never_overwrites_what_a_later_question_told() {
    for Home { engine, store, .. } in &Home::each().await {
        let asked = [covered("steps", "2026-11-18", "2026-11-19")];
        let told =
            |steps, rate| [number("steps", "2026-11-19", steps), sample("heart-rate", "2026-11-19T08:00:00Z", rate)];
        let put = async |readings: &[Reading], at: i64| {
            let batch = Batch { readings, covered: &asked, asked: noon(at) };
            store.record(&anna(), &batch, noon(1000)).await.unwrap().len()
        };
        // The second question's answer comes first; an hour later it is told the same again.
        assert_eq!(put(&told(8300.0, 62.0), 20).await, 2, "{engine}");
        assert_eq!(put(&told(8211.0, 61.0), 10).await, 0, "{engine}");
        assert_eq!(put(&told(8300.0, 62.0), 50).await, 0, "{engine}");
        // Later than the question that first told the value, earlier than the one that confirmed it.
        assert_eq!(put(&told(8250.0, 63.0), 30).await, 0, "{engine}");
        assert_eq!(put(&told(8400.0, 64.0), 60).await, 2, "{engine}");
        // What was not known is welcome from any question.
        assert_eq!(put(&[number("floors", "2026-11-19", 3.0)], 5).await, 1, "{engine}");
        let values: Vec<_> = all(store, 10).await.iter().map(|stored| stored.reading.value.to_string()).collect();
        assert_eq!(values, ["3", "8400", "64"], "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_is_kept_with_the_answer_or_not_at_all() {
    for Home { engine, store, .. } in &Home::each().await {
        let week = [covered("sleep", "2026-11-13", "2026-11-19"), covered("steps", "2026-11-19", "2026-11-19")];
        let put = async |readings: &[Reading], covered, at| {
            let batch = Batch { readings, covered, asked: noon(at) };
            store.record(&anna(), &batch, noon(at)).await.map(|recorded| recorded.len())
        };
        // A sample that is none spoils the whole batch: a mistake of ours must not pass for an answer.
        let spoilt = [number("steps", "2026-11-19", 1.0), sample("steps", "2026-11-19", 1.0)];
        assert!(put(&spoilt, &week, 0).await.is_err(), "{engine}");
        assert_eq!(store.coverage(&anna(), "fitbit", day("2026-01-01")).await.unwrap(), [], "{engine}");
        assert_eq!(all(store, 10).await, [], "{engine}");

        put(&[], &week, 0).await.unwrap();
        put(&[], &week[..1], 1).await.unwrap();
        put(&[], &week, -60).await.unwrap();
        let coverage = store.coverage(&anna(), "fitbit", day("2026-11-18")).await.unwrap();
        let expected = [("sleep", "2026-11-18", 1), ("sleep", "2026-11-19", 1), ("steps", "2026-11-19", 0)];
        assert_eq!(coverage, expected.map(|(endpoint, at, asked)| (endpoint.into(), day(at), noon(asked))), "{engine}");
        assert_eq!(store.coverage(&anna(), "google-health", day("2026-01-01")).await.unwrap(), [], "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_that_is_scored_again_has_only_its_new_levels_whichever_answer_comes_first() {
    let level = |level: &str, at: &str, seconds: i64| {
        let mut reading = number("sleep-level", &format!("2026-11-19T{at}:00Z"), 0.0);
        reading.value = Value::Text(level.into());
        reading.beside.insert("seconds".into(), json!(seconds));
        reading
    };
    let nap = level("asleep", "14:00", 1800);
    let before = [level("light", "01:00", 600), level("deep", "01:10", 1200), level("rem", "01:30", 600), nap.clone()];
    let after = [level("light", "01:00", 1500), level("wake", "01:25", 300), level("rem", "01:30", 600)];
    for (first, second) in [((&before[..], 1), (&after[..], 2)), ((&after[..], 2), (&before[..], 1))] {
        for Home { engine, store, .. } in &Home::each().await {
            for (readings, asked) in [first, second, first] {
                record(store, readings, noon(asked)).await;
            }
            let levels: Vec<_> = all(store, 10).await.into_iter().map(|stored| stored.reading).collect();
            let expected: Vec<_> = after.iter().chain([&nap]).cloned().collect();
            assert_eq!(levels, expected, "{engine}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workouts_that_begin_in_the_same_second_are_two() {
    let workout = |id: i64, name: &str| {
        let mut workout = number("last-workout", "2026-11-19T08:00:00+01:00", 0.0);
        workout.value = Value::Text("2026-11-19T08:00:00+01:00".into());
        workout.beside = json!({"logId": id, "name": name}).as_object().unwrap().clone();
        workout
    };
    for Home { engine, store, .. } in &Home::each().await {
        let both = [workout(7, "Walk"), workout(5, "Yoga")];
        assert_eq!(record(store, &both, noon(0)).await.len(), 2, "{engine}");
        assert_eq!(record(store, &[both[1].clone(), both[0].clone()], noon(1)).await, [], "{engine}");
        // In another cloud the same workouts have other identifiers.
        assert_eq!(record(store, &[workout(70, "Walk"), workout(50, "Yoga")], noon(2)).await.len(), 2, "{engine}");
        let names: Vec<_> = all(store, 10).await.iter().map(|stored| stored.reading.beside["name"].clone()).collect();
        assert_eq!(names, ["Yoga", "Walk"], "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_of_one_instant_are_one_in_each_resolution() {
    for Home { engine, store, .. } in &Home::each().await {
        let at = "2026-11-19T08:00:00Z";
        let fine = Reading { resolution: Some(Resolution::SECOND), ..sample("heart-rate", at, 63.0) };
        let told = [sample("heart-rate", at, 60.0), fine, sample("heart-rate", at, 61.0)];
        assert_eq!(record(store, &told, noon(0)).await.len(), 2, "{engine}");
        let rates: Vec<_> = all(store, 1).await.into_iter().map(|stored| stored.reading).collect();
        assert_eq!(rates, [told[1].clone(), told[2].clone()], "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_is_by_measuring_time_and_a_sample_is_no_days_value() {
    for Home { engine, store, .. } in &Home::each().await {
        record(store, &[number("steps", "2026-11-19", 8211.0)], noon(0)).await;
        record(store, &[number("steps", "2026-11-12", 4000.0), number("floors", "2026-11-12", 3.0)], noon(1)).await;
        record(store, &minutes("steps", "2026-11-20", 5, |_| 17.0), noon(2)).await;
        record(store, &minutes("heart-rate", "2026-11-20", 5, |minute| 60.0 + minute as f64), noon(2)).await;
        let fine = sample("heart-rate", "2026-11-20T00:03:30Z", 90.0);
        record(store, &[Reading { resolution: Some(Resolution::SECOND), ..fine }], noon(3)).await;
        let newest = store.newest(&anna()).await.unwrap();
        let mut values: Vec<_> = newest.iter().map(|stored| &stored.reading).collect();
        values.sort_by_key(|reading| reading.metric.key);
        let values: Vec<_> = values.iter().map(|reading| format!("{} {}", reading.metric.key, reading.value)).collect();
        assert_eq!(values, ["floors 3", "heart-rate 64", "steps 8211"], "{engine}");
        let steps = store.newest_of(&anna(), "steps").await.unwrap().unwrap();
        assert_eq!(steps.reading.value, Value::Number(8211.0), "{engine}");
        assert_eq!(store.days_worn(&anna(), day("2026-11-13")).await.unwrap(), [day("2026-11-19")], "{engine}");
    }
}

/// What was told by each of some questions, put one after the other.
fn told() -> impl Strategy<Value = Vec<Vec<Reading>>> {
    let reading = (0..3usize, 1..5u32, 0..4i32).prop_map(|(kind, day, value)| match kind {
        0 => number("steps", &format!("2026-11-{day:02}"), f64::from(value)),
        1 => number("body-weight", &format!("2026-11-{day:02}T07:00:00+01:00"), f64::from(value)),
        _ => sample("heart-rate", &format!("2026-11-{day:02}T07:00:00+01:00"), f64::from(value)),
    });
    proptest::collection::vec(proptest::collection::vec(reading, 0..8), 1..6)
}

async fn values(store: &Store) -> Vec<Reading> {
    all(store, 3).await.into_iter().map(|stored| stored.reading).collect()
}

async fn tell(store: &Store, answers: impl IntoIterator<Item = (usize, &Vec<Reading>)>) {
    for (question, readings) in answers {
        let covered = [covered("everything", "2026-11-01", "2026-11-30")];
        let batch = Batch { readings, covered: &covered, asked: noon(question as i64) };
        store.record(&anna(), &batch, noon(100)).await.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Each question is asked of one whole state of the cloud, so each answer tells all that is told by the one before.
    #[test]
    fn answers_end_in_the_same_store_in_whatever_order_and_however_often_they_come(
        told in told(),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        rest in Just(()).prop_perturb(|(), mut random| (0..8).map(|_| random.random::<u64>()).collect::<Vec<_>>()),
    ) {
        let mut answers: Vec<Vec<Reading>> = Vec::new();
        for readings in told {
            let mut whole = answers.last().cloned().unwrap_or_default();
            for reading in readings {
                whole.retain(|known| (known.metric.key, known.at) != (reading.metric.key, reading.at));
                whole.push(reading);
            }
            answers.push(whole);
        }
        let mut every: Vec<usize> = (0..answers.len()).collect();
        every.sort_by_key(|question| rest.get(*question));
        let numbered = |question: usize| (question, &answers[question]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (straight, shuffled) = runtime.block_on(async {
            let (straight, shuffled) = (Store::in_memory().await.unwrap(), Store::in_memory().await.unwrap());
            tell(&straight, (0..answers.len()).map(numbered)).await;
            tell(&shuffled, order.iter().map(|index| numbered(index.index(answers.len())))).await;
            tell(&shuffled, every.into_iter().map(numbered)).await;
            (values(&straight).await, values(&shuffled).await)
        });
        prop_assert_eq!(straight, shuffled);
    }
}
