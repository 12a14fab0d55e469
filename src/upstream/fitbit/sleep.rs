//! The sleep log 1.2 of the Fitbit Web API → sessions of sleep. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, LocalResult, TimeDelta, TimeZone};
use chrono_tz::Tz;
use serde_json::{Map, Value as Json};

use crate::metric::Unit;
use crate::reading::Moment;
use crate::upstream::Failure;
use crate::upstream::decode;
use crate::upstream::endpoint::{Context, Decoded};
use crate::upstream::level::{Stretch, interrupted};
use crate::upstream::night::{Session, nights};

/// Where a session's numbers stand. Classic sessions (short, or without a heart rate) have `awake` in the place of
/// `wake`, and no stages.
static NUMBERS: &[(&str, &[&str])] = &[
    ("sleep-minutes", &["/minutesAsleep"]),
    ("sleep-awake-minutes", &["/minutesAwake"]),
    ("deep-sleep-minutes", &["/levels/summary/deep/minutes"]),
    ("light-sleep-minutes", &["/levels/summary/light/minutes"]),
    ("rem-sleep-minutes", &["/levels/summary/rem/minutes"]),
    ("time-in-bed-minutes", &["/timeInBed"]),
    ("sleep-awakenings", &["/levels/summary/wake/count", "/levels/summary/awake/count"]),
    ("minutes-to-fall-asleep", &["/minutesToFallAsleep"]),
    ("minutes-after-wakeup", &["/minutesAfterWakeup"]),
];

/// Where the counts of its stages stand.
static COUNTS: &[(&str, &[&str])] = &[
    ("deep-sleep-minutes", &["/levels/summary/deep/count"]),
    ("light-sleep-minutes", &["/levels/summary/light/count"]),
    ("rem-sleep-minutes", &["/levels/summary/rem/count"]),
];

/// All sessions of a range → nights and naps.
pub fn sleep(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    if decode::pointer(body, "/meta/state").and_then(Json::as_str) == Some("pending") {
        return Err(Failure::Unavailable("sleep: the upstream is still working on it".into()));
    }
    let Some(rows) = body.get("sleep").and_then(Json::as_array) else {
        return Err(Failure::Malformed("sleep: the answer has no list of sessions".into()));
    };
    let mut decoded = Decoded::default();
    let mut sessions = Vec::new();
    for row in rows {
        match session(row, context, &mut decoded.problems) {
            Ok(session) => sessions.extend(session),
            Err(problem) => decoded.problems.push(format!("sleep: {problem}")),
        }
    }
    nights(sessions, context, &mut decoded);
    Ok(decoded)
}

/// The sleep of one day → its score alone, which may still come.
pub fn score(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    let mut decoded = sleep(body, context)?;
    let date = Moment::Date(context.day);
    decoded.readings.retain(|reading| reading.metric.key == "sleep-score" && reading.at == date);
    decoded.problems.retain(|problem| problem.contains("/sleepScore"));
    decoded.unfinished = decoded.readings.is_empty();
    Ok(decoded)
}

/// A session that is still under way has no summary and says nothing yet.
fn session(row: &Json, context: &Context, problems: &mut Vec<String>) -> Result<Option<Session>, String> {
    if !row.is_object() {
        return Err("an entry is not a session".into());
    }
    if row.get("minutesAsleep").is_none_or(Json::is_null) {
        return Ok(None);
    }
    let time = |key: &str| match row.get(key) {
        Some(found) => decode::time(found, context)?.ok_or_else(|| format!("a session has no {key}")),
        None => Err(format!("a session has no {key}")),
    };
    let lasted = row.get("duration").and_then(Json::as_i64).and_then(TimeDelta::try_milliseconds);
    let (start, end) = bounds(time("startTime")?, time("endTime")?, lasted, context.zone);
    let mut number = |at: &str, unit: Unit| {
        decode::number(decode::pointer(row, at)?, unit).unwrap_or_else(|problem| {
            problems.push(format!("sleep: {at} of {}: {problem}", end.date_naive()));
            None
        })
    };
    let mut read = |places: &'static [(&'static str, &'static [&'static str])]| -> BTreeMap<&'static str, f64> {
        let unit = |at: &str| if at.ends_with("count") { Unit::Count } else { Unit::Minute };
        let mut first = |ats: &[&str]| ats.iter().find_map(|at| number(at, unit(at)));
        places.iter().filter_map(|(key, ats)| Some((*key, first(ats)?))).collect()
    };
    let (numbers, counts) = (read(NUMBERS), read(COUNTS));
    let efficiency = number("/efficiency", Unit::Percent);
    // No public document has a score, but some servers send one: `{"overall": 80, "composition": 25, …}`.
    let overall = number("/sleepScore/overall", Unit::Score);
    let parts = row.get("sleepScore").and_then(Json::as_object).cloned().unwrap_or_default();
    let parts: Map<String, Json> = parts.into_iter().filter(|(key, _)| key != "overall").collect();
    Ok(Some(Session {
        id: row.get("logId").cloned().unwrap_or_default(),
        start,
        end,
        main: row.get("isMainSleep").and_then(Json::as_bool).unwrap_or(false),
        nap: false,
        numbers,
        counts,
        efficiency,
        score: overall.map(|overall| (overall, parts)),
        levels: levels(row, start, context, problems),
    }))
}

/// The levels of a session that began at `start`, short wakings included.
fn levels(row: &Json, start: DateTime<FixedOffset>, context: &Context, problems: &mut Vec<String>) -> Vec<Stretch> {
    let mut read = |list: &str| {
        let entries = decode::pointer(row, list).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        let mut earliest = start;
        let mut stretches = Vec::new();
        for entry in entries {
            // Recordings of 2017 spell it `datetime`.
            let at = entry.get("dateTime").or_else(|| entry.get("datetime")).unwrap_or(&Json::Null);
            let level = entry.get("level").and_then(Json::as_str);
            let (Some(level), Some(seconds)) = (level, entry.get("seconds").and_then(Json::as_i64)) else {
                problems.push(format!("sleep-level of {start}: an entry has no level or no length"));
                continue;
            };
            match decode::time(at, context) {
                Ok(Some(at)) => {
                    // The hour that is shown twice: what would lie before the entry before it, is in the second.
                    let at = if at < earliest { again(at, context.zone) } else { at };
                    if let Some(stretch) = Stretch::new(level, at, seconds) {
                        earliest = stretch.end();
                        stretches.push(stretch);
                    }
                }
                Ok(None) => problems.push(format!("sleep-level of {start}: an entry has no time")),
                Err(problem) => problems.push(format!("sleep-level of {start}: {problem}")),
            }
        }
        stretches
    };
    interrupted(read("/levels/data"), read("/levels/shortData"))
}

/// The hour in which the clocks are set back is shown twice, and only the session's duration tells which one was meant.
fn bounds(
    start: DateTime<FixedOffset>,
    end: DateTime<FixedOffset>,
    lasted: Option<TimeDelta>,
    zone: Tz,
) -> (DateTime<FixedOffset>, DateTime<FixedOffset>) {
    let (late_start, late_end) = (again(start, zone), again(end, zone));
    let readings = [(start, end), (start, late_end), (late_start, end), (late_start, late_end)];
    readings.into_iter().find(|(start, end)| Some(*end - *start) == lasted).unwrap_or((start, end))
}

/// The second moment at which clocks show this time, where there are two.
fn again(time: DateTime<FixedOffset>, zone: Tz) -> DateTime<FixedOffset> {
    match zone.from_local_datetime(&time.naive_local()) {
        LocalResult::Ambiguous(_, later) => later.fixed_offset(),
        _ => time,
    }
}
