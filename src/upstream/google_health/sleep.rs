//! The sleep sessions of the Google Health API → sessions of sleep. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset};
use serde_json::Value as Json;

use super::points::{each, unit};
use crate::metric::Unit;
use crate::upstream::Failure;
use crate::upstream::decode::{self, pointer};
use crate::upstream::endpoint::{Context, Decoded};
use crate::upstream::level::{Stretch, interrupted};
use crate::upstream::night::{Session, nights};

/// The metrics of a night: without efficiency and score, which this upstream does not have.
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
    "nap-minutes",
    "sleep-level",
];

/// Numbers of a session's summary.
static NUMBERS: &[(&str, &str)] = &[
    ("sleep-minutes", "minutesAsleep"),
    ("time-in-bed-minutes", "minutesInSleepPeriod"),
    ("minutes-to-fall-asleep", "minutesToFallAsleep"),
    ("minutes-after-wakeup", "minutesAfterWakeUp"),
];

/// Stages of a session's summary.
static STAGES: &[(&str, &str)] =
    &[("deep-sleep-minutes", "DEEP"), ("light-sleep-minutes", "LIGHT"), ("rem-sleep-minutes", "REM")];

/// All sessions of a range → nights and naps.
pub fn sleep(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    let mut sessions = Vec::new();
    let mut decoded = each(body, "dataPoints", |row, _, problems| {
        sessions.extend(session(row, context, problems)?);
        Ok(())
    })?;
    nights(sessions, context, &mut decoded);
    Ok(decoded)
}

/// A session whose stages are still being computed says nothing yet.
fn session(row: &Json, context: &Context, problems: &mut Vec<String>) -> Result<Option<Session>, String> {
    let point = row.get("sleep").ok_or("sleep: a point has no sleep")?;
    let processed = pointer(point, "/metadata/processed").and_then(Json::as_bool) == Some(true);
    let Some(summary) = point.get("summary").filter(|summary| processed && summary.is_object()) else {
        return Ok(None);
    };
    let time = |end: &str| {
        let at = |key: &str| pointer(point, &format!("/interval/{end}{key}"));
        decode::instant(at("Time"), at("UtcOffset"), context)
    };
    let (start, end) = (time("start")?, time("end")?);
    let mut number = |found: Option<&Json>, key: &str, unit: Unit| {
        decode::number(found?, unit).unwrap_or_else(|problem| {
            problems.push(format!("{key} of {}: {problem}", end.date_naive()));
            None
        })
    };
    let mut numbers = BTreeMap::new();
    let mut counts = BTreeMap::new();
    for (key, at) in NUMBERS {
        // proto3 JSON leaves a zero out.
        let minutes = summary.get(at).map_or(Some(0.0), |found| number(Some(found), key, unit(key)));
        numbers.extend(minutes.map(|minutes| (*key, minutes)));
    }
    // `minutesAwake` leaves the restless minutes of a classic session out; what is not sleep is awake, as at Fitbit.
    if let (Some(in_bed), Some(asleep)) = (numbers.get("time-in-bed-minutes"), numbers.get("sleep-minutes")) {
        numbers.insert("sleep-awake-minutes", (in_bed - asleep).max(0.0));
    }
    // A reconciled summary was seen with every stage twice: the first of each counts.
    let stages = summary.get("stagesSummary").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let stage = |name: &str| stages.iter().find(|stage| stage.get("type").and_then(Json::as_str) == Some(name));
    let staged = point.get("type").and_then(Json::as_str) == Some("STAGES");
    for (key, name) in STAGES.iter().filter(|_| staged) {
        let Some(stage) = stage(name) else { continue };
        let minutes = stage.get("minutes").map_or(Some(0.0), |found| number(Some(found), key, Unit::Minute));
        numbers.extend(minutes.map(|minutes| (*key, minutes)));
        counts.extend(number(stage.get("count"), key, Unit::Count).map(|count| (*key, count)));
    }
    if let Some(awake) = stage("AWAKE") {
        let count = awake.get("count").map_or(Some(0.0), |found| number(Some(found), "sleep-awakenings", Unit::Count));
        numbers.extend(count.map(|count| ("sleep-awakenings", count)));
    }
    let name = row.get("name").or_else(|| row.get("dataPointName")).and_then(Json::as_str);
    Ok(Some(Session {
        id: name.and_then(|name| name.rsplit('/').next()).map_or(Json::Null, Json::from),
        start,
        end,
        main: pointer(point, "/metadata/mainSleep").and_then(Json::as_bool).unwrap_or(false),
        numbers,
        counts,
        efficiency: None,
        score: None,
        levels: levels(point, start, staged, context, problems),
    }))
}

/// The levels of a session, short wakings included, in the words Fitbit has for them.
fn levels(
    point: &Json,
    of: DateTime<FixedOffset>,
    staged: bool,
    context: &Context,
    problems: &mut Vec<String>,
) -> Vec<Stretch> {
    let mut read = |list: &str| {
        let entries = point.get(list).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        let mut stretches = Vec::new();
        for entry in entries {
            let time = |end: &str| {
                let at = |key: &str| entry.get(format!("{end}{key}"));
                decode::instant(at("Time"), at("UtcOffset"), context)
            };
            match (time("start"), time("end")) {
                (Ok(start), Ok(end)) => {
                    let level = match entry.get("type").and_then(Json::as_str).unwrap_or_default() {
                        "AWAKE" if staged => "wake".to_owned(),
                        level => level.to_lowercase(),
                    };
                    stretches.extend(Stretch::new(&level, start, (end - start).num_seconds()));
                }
                (Err(problem), _) | (_, Err(problem)) => problems.push(format!("sleep-level of {of}: {problem}")),
            }
        }
        stretches
    };
    interrupted(read("stages"), read("shortAwakenings"))
}
