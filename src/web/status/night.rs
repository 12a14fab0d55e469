//! The last night: its levels by the clock, and what was measured while it lasted.

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};

use super::super::chart::{self, Named, Stretch};
use super::asked::Span;
use super::view::{Fact, Figure, Night};
use super::words;
use crate::household::{Household, Member};
use crate::metric;
use crate::reading::{Moment, Value};
use crate::snapshot::Shown;

/// The levels from above: word, class and name.
const LEVELS: [(&str, &str, &str); 7] = [
    ("wake", "wake", "Awake"),
    ("rem", "rem", "REM"),
    ("light", "light", "Light"),
    ("deep", "deep", "Deep"),
    // A night without stages has these.
    ("awake", "wake", "Awake"),
    ("restless", "rem", "Restless"),
    ("asleep", "asleep", "Asleep"),
];
/// A night has some fifty stretches; one of more than that is none.
const MOST_STRETCHES: u16 = 1_000;

/// What is told of a night, in this order.
const FACTS: [&str; 18] = [
    "sleep-score",
    "sleep-start",
    "sleep-end",
    "sleep-minutes",
    "time-in-bed-minutes",
    "sleep-efficiency",
    "deep-sleep-minutes",
    "light-sleep-minutes",
    "rem-sleep-minutes",
    "sleep-awake-minutes",
    "sleep-awakenings",
    "minutes-to-fall-asleep",
    "minutes-after-wakeup",
    "resting-heart-rate",
    "hrv",
    "breathing-rate",
    "spo2",
    "skin-temperature-variation",
];

/// The last night that ended on one of these days.
pub async fn last(household: &Household, member: &Member, span: Span) -> Result<Option<Night>> {
    let Some(asleep) = metric::find("sleep-minutes") else { return Ok(None) };
    let newest = household.store.newest_within(&member.person, asleep, span.from, span.to, 1).await?;
    let Some(date) = newest.first().map(|stored| stored.reading.at.date()) else { return Ok(None) };
    let mut facts = Vec::new();
    let (mut start, mut end) = (None, None);
    for metric in FACTS.iter().filter_map(|key| metric::find(key)) {
        let found = household.store.newest_within(&member.person, metric, date, date, 1).await?;
        let Some(stored) = found.into_iter().next() else { continue };
        let time = instant(&stored.reading.value);
        let value = match (metric.key, time) {
            ("sleep-start", Some(time)) => {
                start = Some(time);
                clock(time, member)
            }
            ("sleep-end", Some(time)) => {
                end = Some(time);
                clock(time, member)
            }
            _ => words::value(
                &Shown::new(stored.reading, stored.fetched, member.system),
                household.clock.now(),
                member.zone,
            ),
        };
        facts.push(Fact { name: metric.name.into(), value });
    }
    let figure = match (start, end) {
        (Some(start), Some(end)) => timeline(household, member, start, end).await?,
        _ => None,
    };
    Ok(Some(Night { date: date.to_string(), figure, facts }))
}

async fn timeline(
    household: &Household,
    member: &Member,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
) -> Result<Option<Figure>> {
    let Some(level) = metric::find("sleep-level") else { return Ok(None) };
    let day = |time: DateTime<Utc>| time.with_timezone(&member.zone).date_naive();
    // Where the person travels, a stretch may stand under the day before or after.
    let (from, to) = (day(start - TimeDelta::days(1)), day(end + TimeDelta::days(1)));
    let told = household.store.newest_within(&member.person, level, from, to, MOST_STRETCHES).await?;
    let mut stretches = Vec::new();
    for stored in told.into_iter().rev() {
        let Value::Text(word) = &stored.reading.value else { continue };
        let place = LEVELS.iter().position(|(known, ..)| known == word);
        let seconds = stored.reading.beside.get("seconds").and_then(|seconds| seconds.as_i64());
        let (Moment::Time(at), Some(place), Some(seconds)) = (stored.reading.at, place, seconds) else { continue };
        let from = at.to_utc();
        if from >= start && from < end && (0..=172_800).contains(&seconds) {
            stretches.push((from, from + TimeDelta::seconds(seconds), place));
        }
    }
    stretches.sort();
    let seen: Vec<usize> =
        (0..LEVELS.len()).filter(|level| stretches.iter().any(|(.., place)| place == level)).collect();
    let lanes: Vec<_> = seen.iter().map(|level| (LEVELS[*level].1, LEVELS[*level].2)).collect();
    let line = |(from, to, place): &(DateTime<Utc>, DateTime<Utc>, usize)| {
        let length = words::minutes((*to - *from).num_seconds() as f64 / 60.0);
        [clock(*from, member), clock(*to, member), LEVELS[*place].2.to_owned(), length]
    };
    let rows: Vec<Vec<String>> = stretches.iter().map(|stretch| line(stretch).to_vec()).collect();
    let drawn: Vec<_> = stretches
        .iter()
        .map(|stretch| {
            let (from, to, place) = *stretch;
            let [began, ended, name, length] = line(stretch);
            let lane = seen.iter().position(|level| *level == place).unwrap_or_default();
            Stretch { from, to, lane, tip: format!("{began} to {ended}: {name}, {length}") }
        })
        .collect();
    let title = format!("Levels of sleep, {} to {}", clock(start, member), clock(end, member));
    let times = |place: usize| -> i64 {
        stretches.iter().filter(|(.., level)| *level == place).map(|(from, to, _)| (*to - *from).num_minutes()).sum()
    };
    let told: Vec<_> =
        seen.iter().map(|level| format!("{} {}", LEVELS[*level].2, words::minutes(times(*level) as f64))).collect();
    let description = format!("From {} to {}: {}.", clock(start, member), clock(end, member), told.join(", "));
    let named = Named { id: "night", title: &title, description: &description };
    // The lanes have their names beside them.
    let drawing = chart::timeline(named, &lanes, &drawn, member.zone);
    let head = ["From", "To", "Level", "For"].map(str::to_owned).to_vec();
    Ok(drawing.map(|drawing| Figure { id: "night".into(), title, drawing, legend: Vec::new(), note: None, head, rows }))
}

fn instant(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::Text(text) => DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc()),
        Value::Number(_) => None,
    }
}

fn clock(time: DateTime<Utc>, member: &Member) -> String {
    time.with_timezone(&member.zone).format("%H:%M").to_string()
}
