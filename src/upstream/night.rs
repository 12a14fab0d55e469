//! Sleep as people mean it: the sessions an upstream knows → nights and naps. Pure, and the same for every upstream.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime, TimeDelta, Timelike};
use serde_json::{Map, Value as Json, json};

use super::decode;
use super::endpoint::{Context, Decoded};
use super::level::{self, Stretch};
use crate::metric;
use crate::reading::{Moment, Reading, Value, rfc3339};

/// The metrics of a night.
pub static GIVES: &[&str] = &[
    "sleep-minutes",
    "sleep-awake-minutes",
    "deep-sleep-minutes",
    "light-sleep-minutes",
    "rem-sleep-minutes",
    "time-in-bed-minutes",
    "sleep-awakenings",
    "minutes-to-fall-asleep",
    "minutes-after-wakeup",
    "sleep-start",
    "sleep-end",
    "sleep-efficiency",
    "sleep-score",
    "nap-minutes",
    "sleep-level",
];

/// Of these, the numbers that are summed over the parts of a night.
static SUMMED: &[&str] = &[
    "sleep-minutes",
    "sleep-awake-minutes",
    "deep-sleep-minutes",
    "light-sleep-minutes",
    "rem-sleep-minutes",
    "time-in-bed-minutes",
    "sleep-awakenings",
    "minutes-to-fall-asleep",
    "minutes-after-wakeup",
];

/// A session after at most this long a gap continues the night.
const SHORT_GAP: TimeDelta = TimeDelta::hours(1);
/// Likewise where the session starts at night.
const LONG_GAP: TimeDelta = TimeDelta::hours(4);
/// Until when a session starts "at night".
const NIGHT_ENDS: u32 = 5;

/// One session of sleep, as an upstream tells it.
pub struct Session {
    /// The upstream's identifier.
    pub id: Json,
    /// When it began.
    pub start: DateTime<FixedOffset>,
    /// When it ended.
    pub end: DateTime<FixedOffset>,
    /// Whether the upstream calls it the main sleep of its date.
    pub main: bool,
    /// The numbers that are summed over the parts of a night, by metric key.
    pub numbers: BTreeMap<&'static str, f64>,
    /// How often a stage was entered, by the stage's metric key.
    pub counts: BTreeMap<&'static str, f64>,
    /// The upstream's efficiency in percent.
    pub efficiency: Option<f64>,
    /// The upstream's score and its parts.
    pub score: Option<(f64, Map<String, Json>)>,
    /// What the sleeper went through, in the order of time.
    pub levels: Vec<Stretch>,
}

impl Session {
    /// The date it belongs to: the one it ends on; an evening that ends before midnight already belongs to the night.
    fn date(&self, night_starts: NaiveTime) -> NaiveDate {
        let evening = self.start.time() >= night_starts && self.end.date_naive() == self.start.date_naive();
        self.end.date_naive() + TimeDelta::days(i64::from(evening))
    }
}

/// One set of readings for each date on which a night ended, of the dates asked for: others may have parts that are not
/// in this answer. The night that only begins this evening has no others yet.
pub fn nights(sessions: Vec<Session>, context: &Context, decoded: &mut Decoded) {
    let mut dates: BTreeMap<NaiveDate, Vec<Session>> = BTreeMap::new();
    for session in sessions {
        if session.end < session.start || session.end - session.start > TimeDelta::days(2) {
            let problem = format!("sleep: a session from {} to {} cannot be right", session.start, session.end);
            decoded.problems.push(problem);
            continue;
        }
        dates.entry(session.date(context.night_starts)).or_default().push(session);
    }
    let until_now = context.last >= context.today;
    dates.retain(|date, _| *date >= context.day && (*date <= context.last || until_now));
    for (date, mut sessions) in dates {
        sessions.sort_by_key(|session| session.start);
        for session in &sessions {
            level::readings(&session.levels, decoded);
        }
        let (night, naps) = split(sessions, context.night_starts);
        night_readings(date, &night, decoded);
        let minutes = naps.iter().filter_map(|nap| nap.numbers.get("sleep-minutes").copied()).collect();
        if let Some(minutes) = sum("nap-minutes", minutes, date, &mut decoded.problems).filter(|minutes| *minutes > 0.0)
        {
            let reading = decode::reading("nap-minutes", Value::Number(minutes), Moment::Date(date));
            decoded.readings.extend(reading.map(|reading| Reading { beside: named(&naps), ..reading }));
        }
    }
}

/// The sessions a value was made of, to stand beside it.
fn named(sessions: &[Session]) -> Map<String, Json> {
    let ids: Vec<&Json> = sessions.iter().map(|session| &session.id).filter(|id| !id.is_null()).collect();
    Map::from_iter([("sessions".to_owned(), json!(ids))])
}

/// The parts of the night, and the naps. The night is what the upstream calls the main sleep (else the longest
/// session) and whatever continues it.
fn split(sessions: Vec<Session>, night_starts: NaiveTime) -> (Vec<Session>, Vec<Session>) {
    let named = sessions.iter().any(|session| session.main);
    let longest = sessions.iter().map(|session| session.end - session.start).max();
    let (mut night, mut rest): (Vec<_>, Vec<_>) = sessions
        .into_iter()
        .partition(|session| if named { session.main } else { Some(session.end - session.start) == longest });
    loop {
        let continues = rest.iter().position(|session| {
            let at_night = session.start.time() >= night_starts || session.start.hour() < NIGHT_ENDS;
            let gap = night.iter().map(|part| (session.start - part.end).max(part.start - session.end)).min();
            gap.is_some_and(|gap| gap <= if at_night { LONG_GAP } else { SHORT_GAP })
        });
        match continues {
            Some(index) => night.push(rest.remove(index)),
            None => break,
        }
    }
    night.sort_by_key(|session| session.start);
    (night, rest)
}

fn night_readings(date: NaiveDate, night: &[Session], decoded: &mut Decoded) {
    let (Some(first), Some(last)) = (night.first(), night.last()) else { return };
    let at = Moment::Date(date);
    let sessions = named(night);
    let mut add = |key: &str, value: Value, beside: Map<String, Json>| {
        decoded.readings.extend(decode::reading(key, value, at).map(|mut reading| {
            reading.beside = sessions.clone();
            reading.beside.extend(beside);
            reading
        }));
    };
    let mut problems = Vec::new();
    for key in SUMMED {
        let parts = night.iter().filter_map(|session| session.numbers.get(key).copied()).collect();
        let Some(total) = sum(key, parts, date, &mut problems) else { continue };
        let mut beside = Map::new();
        let counts: Vec<f64> = night.iter().filter_map(|session| session.counts.get(key).copied()).collect();
        if !counts.is_empty() {
            beside.insert("count".into(), Json::from(&Value::Number(counts.iter().sum())));
        }
        add(key, Value::Number(total), beside);
    }
    add("sleep-start", Value::Text(rfc3339(first.start)), Map::new());
    add("sleep-end", Value::Text(rfc3339(last.end)), Map::new());
    if let Some(efficiency) = efficiency(night) {
        add("sleep-efficiency", Value::Number(efficiency), Map::new());
    }
    let main = night.iter().find(|session| session.main).unwrap_or(first);
    if let Some((score, parts)) = &main.score {
        add("sleep-score", Value::Number(*score), parts.clone());
    }
    decoded.problems.append(&mut problems);
}

/// The parts may each be plausible and their sum be not; nothing to sum is no value.
fn sum(key: &str, parts: Vec<f64>, date: NaiveDate, problems: &mut Vec<String>) -> Option<f64> {
    if parts.is_empty() {
        return None;
    }
    let total: f64 = parts.iter().sum();
    decode::number(&json!(total), metric::find(key)?.unit).unwrap_or_else(|problem| {
        problems.push(format!("{key} of {date}: {problem}"));
        None
    })
}

/// The upstream's efficiency; of a split night the mean of its parts, weighted by their length.
fn efficiency(night: &[Session]) -> Option<f64> {
    let (mut weighted, mut minutes) = (0.0, 0.0);
    for session in night {
        let length = (session.end - session.start).num_minutes().max(1) as f64;
        weighted += session.efficiency? * length;
        minutes += length;
    }
    if night.len() == 1 { night[0].efficiency } else { Some((weighted / minutes).round()) }
}
