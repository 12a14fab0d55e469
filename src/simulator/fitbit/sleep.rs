//! Sleep (version 1.2): by date, by range, and the goal.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Map, Value as Json, json};

use super::date::Allowed;
use super::{Ask, Refusal};
use crate::simulator::life::{Level, Segment, Sleep, SleepKind};

const STAGES: [(Level, &str); 4] =
    [(Level::Deep, "deep"), (Level::Light, "light"), (Level::Rem, "rem"), (Level::Wake, "wake")];
const CLASSIC: [(Level, &str); 3] = [(Level::Asleep, "asleep"), (Level::Awake, "awake"), (Level::Restless, "restless")];

pub(super) fn sleep(ask: &Ask, when: &[&str]) -> Result<Json, Refusal> {
    ask.needs("sleep")?;
    let allowed = Allowed { today: false, single: true, periods: &[], days: Some(100), points: false };
    let span = ask.span(when, &allowed)?;
    // Newest first.
    let sleeps: Vec<Sleep> = ask.dates(span).rev().flat_map(|date| ask.known.sleeps(date).into_iter().rev()).collect();
    let mut records: Vec<Json> = sleeps.iter().map(|sleep| record(ask, sleep)).collect();
    if when.len() > 1 {
        return Ok(json!({"sleep": records}));
    }
    if ask.simulator.options.sleep_score {
        for (record, sleep) in records.iter_mut().zip(&sleeps).filter(|(_, sleep)| sleep.main) {
            record["sleepScore"] = score(sleep);
        }
    }
    let sum = |of: fn(&Sleep) -> i64| sleeps.iter().map(of).sum::<i64>();
    let mut summary = Map::new();
    if sleeps.iter().any(|sleep| sleep.kind == SleepKind::Stages) {
        let staged = || sleeps.iter().filter(|sleep| sleep.kind == SleepKind::Stages);
        let minutes = |level| staged().map(|sleep| sleep.minutes_of(level)).sum::<i64>();
        summary.insert("stages".into(), STAGES.iter().map(|(level, name)| (*name, minutes(*level))).collect());
    }
    summary.insert("totalMinutesAsleep".into(), sum(Sleep::minutes_asleep).into());
    summary.insert("totalSleepRecords".into(), sleeps.len().into());
    summary.insert("totalTimeInBed".into(), sum(Sleep::minutes_in_bed).into());
    Ok(json!({"sleep": records, "summary": summary}))
}

pub(super) fn record(ask: &Ask, sleep: &Sleep) -> Json {
    let stages = sleep.kind == SleepKind::Stages;
    let time = |moment: DateTime<Utc>| ask.known.person.local(moment).format("%Y-%m-%dT%H:%M:%S%.3f").to_string();
    let names: &[(Level, &str)] = if stages { &STAGES } else { &CLASSIC };
    let name = |level: Level| names.iter().find(|(named, _)| *named == level).map_or("unknown", |(_, name)| name);
    let segments = |segments: &[Segment]| -> Json {
        let segment = |segment: &Segment| {
            let at = sleep.start + TimeDelta::seconds(segment.from);
            json!({"dateTime": time(at), "level": name(segment.level), "seconds": segment.seconds})
        };
        segments.iter().map(segment).collect()
    };
    let mut summary = Map::new();
    for (level, name) in names {
        let mut entry = json!({"count": sleep.times_of(*level), "minutes": sleep.minutes_of(*level)});
        if stages {
            entry["thirtyDayAvgMinutes"] = month_average(ask, sleep.date, *level).into();
        }
        summary.insert((*name).to_owned(), entry);
    }
    let mut levels = Map::new();
    levels.insert("data".into(), segments(&sleep.segments));
    if stages {
        levels.insert("shortData".into(), segments(&sleep.short_wakes));
    }
    levels.insert("summary".into(), summary.into());
    // Classic records tell how long falling asleep took; those with stages count it as waking.
    let falling =
        sleep.segments.first().filter(|first| first.level == Level::Awake).map_or(0, |first| first.seconds / 60);
    let (asleep, in_bed) = (sleep.minutes_asleep(), sleep.minutes_in_bed());
    json!({
        "dateOfSleep": sleep.date.to_string(),
        "duration": in_bed * 60_000,
        "efficiency": (100 * asleep + in_bed / 2) / in_bed.max(1),
        "endTime": time(sleep.end),
        "infoCode": match (stages, in_bed < 180) { (true, _) => 0, (false, true) => 2, (false, false) => 1 },
        "isMainSleep": sleep.main,
        "levels": levels,
        "logId": sleep.id,
        "logType": if sleep.manual { "manual" } else { "auto_detected" },
        "minutesAfterWakeup": 0,
        "minutesAsleep": asleep,
        "minutesAwake": in_bed - asleep,
        "minutesToFallAsleep": falling,
        "startTime": time(sleep.start),
        "timeInBed": in_bed,
        "type": if stages { "stages" } else { "classic" },
    })
}

/// As servers that are compatible with the API tell it; the service itself never did.
fn score(sleep: &Sleep) -> Json {
    let part = |minutes: i64, of: i64, points: i64| (minutes * points / of).min(points);
    let duration = part(sleep.minutes_asleep(), 480, 50);
    let composition = part(sleep.minutes_of(Level::Deep) + sleep.minutes_of(Level::Rem), 180, 25);
    let revitalization = part(sleep.minutes_asleep(), sleep.minutes_in_bed().max(1), 25);
    json!({
        "overall": duration + composition + revitalization,
        "duration": duration,
        "composition": composition,
        "revitalization": revitalization,
    })
}

/// Mean minutes of a stage over the thirty nights before.
fn month_average(ask: &Ask, date: NaiveDate, level: Level) -> i64 {
    let nights = date.iter_days().rev().skip(1).take(30).map(|date| ask.known.person.sleeps(date));
    let minutes = |night: std::sync::Arc<Vec<Sleep>>| {
        let main = night.iter().find(|sleep| sleep.main && sleep.kind == SleepKind::Stages)?;
        Some(main.minutes_of(level))
    };
    let minutes: Vec<i64> = nights.filter_map(minutes).collect();
    minutes.iter().sum::<i64>().checked_div(minutes.len() as i64).unwrap_or(0)
}

pub(super) fn goal(ask: &Ask) -> Result<Json, Refusal> {
    ask.needs("sleep")?;
    let updated = ask.known.person.instant(ask.known.person.joined, 13 * 60);
    Ok(json!({
        "consistency": {"flowId": 0},
        "goal": {
            "bedtime": "22:45",
            "minDuration": 480,
            "updatedOn": updated.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            "wakeupTime": "06:45",
        },
    }))
}
