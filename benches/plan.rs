//! How long it takes to plan a year of one person, beside the floor: spelling out as many addresses and doing nothing
//! else. `cargo bench --bench plan`; it fails where planning a year takes a millisecond or more.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use chrono::{NaiveDate, TimeDelta};
use fitbit2mqtt::plan::{Coverage, Intraday, Known, Probe, Wanted, past, plan};
use fitbit2mqtt::reading::Resolution;
use fitbit2mqtt::upstream::UPSTREAMS;

const PROMISED: Duration = Duration::from_millis(1);

fn main() {
    let mut kept = true;
    let today: NaiveDate = "2026-11-20".parse().expect("a date");
    let year = (today - TimeDelta::days(365), today - TimeDelta::days(1));
    for upstream in UPSTREAMS {
        // Every other day of every row was asked about in its time.
        let rows = upstream.endpoints.iter().flat_map(|endpoint| {
            let days = year.0.iter_days().step_by(2).take_while(|day| *day <= year.1);
            days.map(|day| {
                (endpoint.name.to_owned(), day, (day + TimeDelta::days(8)).and_time(Default::default()).and_utc())
            })
        });
        let half = Coverage::new(rows.collect::<Vec<_>>(), chrono_tz::Europe::Amsterdam);
        for (case, coverage) in [("an empty store", Coverage::default()), ("every other day known", half)] {
            for (what, metrics) in [("daily", Vec::new()), ("with samples", vec!["heart-rate", "steps"])] {
                let known = Known {
                    now: "2026-11-20T15:00:00Z".parse().expect("a time"),
                    zone: chrono_tz::Europe::Amsterdam,
                    today,
                    scopes: None,
                    once_a_day: false,
                    user_id: None,
                    coverage: coverage.clone(),
                    probe: Probe::Unseen,
                    full_fetch_every: TimeDelta::hours(6),
                    complete: false,
                    intraday: Intraday {
                        metrics: metrics.iter().map(|key| (*key).to_owned()).collect(),
                        detail: Resolution::MINUTE,
                    },
                };
                let asks = past(upstream, year, &[], &known);
                let planned = best(|| drop(black_box(past(upstream, year, &[], &known))));
                let floor = best(|| {
                    for ask in &asks {
                        black_box((ask.endpoint.dated(ask.start, ask.end), ask.endpoint.body(ask.start, ask.end)));
                    }
                });
                kept &= planned < PROMISED;
                println!(
                    "{}, a year {what}, {case}: {} requests planned in {planned:?} (under {PROMISED:?}); floor {floor:?}, {:.1} times",
                    upstream.provider,
                    asks.len(),
                    planned.as_secs_f64() / floor.as_secs_f64()
                );
                if metrics.is_empty() {
                    let live = best(|| drop(black_box(plan(upstream, &Wanted::default(), &known))));
                    println!("{}, a live fetch, {case}: planned in {live:?}", upstream.provider);
                }
            }
        }
    }
    if !kept {
        std::process::exit(1);
    }
}

/// The shortest of many runs: what the machine does beside costs only more.
fn best(run: impl Fn()) -> Duration {
    let time = |_| {
        let started = Instant::now();
        run();
        started.elapsed()
    };
    (0..200).map(time).min().expect("some runs")
}
