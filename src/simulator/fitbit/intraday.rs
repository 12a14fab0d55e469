//! Values within a day: activity, heart rate and active zone minutes at a level of detail, at most 24 hours at once.

use chrono::NaiveDate;
use serde_json::{Value as Json, json};

use super::activity::{kilometres, row, value_of};
use super::heart::{self, active};
use super::{Ask, Refusal, number, refusal};
use crate::simulator::life::{Day, MINUTES};

/// What is asked for: a day, how many minutes (or, for heart rate, which seconds) a row covers, and a window of it.
struct Window {
    date: NaiveDate,
    /// Minutes in a row; 0 where seconds are asked for.
    step: usize,
    /// First minute, and the one after the last.
    from: usize,
    to: usize,
}

/// Whether what stands behind `/date/` has a level of detail in it.
pub(super) fn is_asked(when: &[&str]) -> bool {
    matches!(when, [_, _, _] | [_, _, _, "time", _, _])
}

pub(super) fn activity(ask: &Ask, resource: &str, when: &[&str]) -> Result<Json, Refusal> {
    let value = value_of(resource).ok_or_else(refusal::not_found)?;
    let of: fn(&Day, usize) -> f64 = match resource {
        "steps" => |day, minute| f64::from(day.steps[minute]),
        "distance" => Day::distance,
        "floors" => |day, minute| f64::from(day.floors[minute]),
        "elevation" => |day, minute| f64::from(day.floors[minute]) * 3.048,
        "calories" => Day::calories,
        _ => return Err(refusal::not_found()),
    };
    let window = window(ask, when, &["1min", "5min", "15min"])?;
    let day = ask.known.person.day(window.date);
    let synced = ask.known.minutes_synced(window.date);
    let known = window.to.min(ask.known.minutes_elapsed(window.date));
    let mut rows = Vec::new();
    for from in (window.from..known).step_by(window.step) {
        let minutes = from..(from + window.step).min(known);
        let mut sum = 0.0;
        let mut effort = 0u32;
        for minute in minutes {
            if minute < synced {
                sum += of(&day, minute);
                effort += u32::from(day.effort[minute]);
            } else {
                sum += if resource == "calories" { day.basal } else { 0.0 };
                effort += 10;
            }
        }
        let value = number(kilometres(sum));
        rows.push(match resource {
            "calories" => {
                let level = if from < synced { day.level(from) as u32 } else { 0 };
                json!({"level": level, "mets": effort, "time": time(from), "value": value})
            }
            _ => json!({"time": time(from), "value": value}),
        });
    }
    Ok(json!({
        format!("activities-{resource}"): [row(ask, window.date, value)],
        format!("activities-{resource}-intraday"): dataset(rows, &window),
    }))
}

pub(super) fn heart(ask: &Ask, when: &[&str]) -> Result<Json, Refusal> {
    let window = window(ask, when, &["1sec", "1min", "5min", "15min"])?;
    let day = ask.known.person.day(window.date);
    let to = window.to.min(ask.known.minutes_synced(window.date));
    let mut rows = Vec::new();
    for from in (window.from..to).step_by(window.step.max(1)) {
        // Minutes without a measurement are left out, and so is a row of nothing but such minutes.
        let beats = (from..(from + window.step.max(1)).min(to)).map(|minute| u32::from(day.heart[minute]));
        let beats: Vec<u32> = beats.filter(|beats| *beats > 0).collect();
        let Some(mean) = beats.iter().sum::<u32>().checked_div(beats.len() as u32) else { continue };
        if window.step > 0 {
            rows.push(json!({"time": time(from), "value": mean}));
            continue;
        }
        // By the second means, in truth, every five to fifteen seconds.
        for (second, value) in day.beats(from) {
            rows.push(json!({"time": format!("{:02}:{:02}:{second:02}", from / 60, from % 60), "value": value}));
        }
    }
    Ok(json!({
        "activities-heart": [heart::day(ask, window.date)],
        "activities-heart-intraday": dataset(rows, &window),
    }))
}

pub(super) fn zone_minutes(ask: &Ask, when: &[&str]) -> Result<Json, Refusal> {
    let window = window(ask, when, &["1min", "5min", "15min"])?;
    let day = ask.known.person.day(window.date);
    let to = window.to.min(ask.known.minutes_synced(window.date));
    let mut rows = Vec::new();
    for from in (window.from..to).step_by(window.step) {
        let mut minutes = [0; 4];
        for zone in (from..(from + window.step).min(to)).filter_map(|minute| day.zone(minute)) {
            minutes[zone] += 1;
        }
        if let Some(value) = active(minutes) {
            rows.push(json!({"minute": format!("{}T{}", window.date, time(from)), "value": value}));
        }
    }
    let day = json!({"dateTime": window.date.to_string(), "minutes": rows});
    Ok(json!({"activities-active-zone-minutes-intraday": [day]}))
}

/// `{date}/1d/{level}` or `{date}/{date}/{level}`, each with `/time/{from}/{to}`, whose end is included.
fn window(ask: &Ask, when: &[&str], levels: &[&str]) -> Result<Window, Refusal> {
    let [first, last, level, times @ ..] = when else { return Err(refusal::not_found()) };
    let date = ask.date(first, true)?;
    if *last != "1d" {
        let last = ask.date(last, true)?;
        if last < date {
            return Err(ask.style.invalid("endDate", "End date needs to be after start date"));
        }
        if last > date {
            return Err(refusal::too_many_points());
        }
    }
    if !levels.contains(level) {
        return Err(ask.style.invalid("detailLevel", &format!("Invalid detail level: {level}")));
    }
    let step = match *level {
        "1sec" => 0,
        "1min" => 1,
        "5min" => 5,
        _ => 15,
    };
    let (from, to) = match times {
        ["time", from, to] => (minute(ask, from)?, minute(ask, to)? + 1),
        _ => (0, MINUTES),
    };
    if from >= to {
        return Err(ask.style.invalid("endTime", "End time needs to be after start time"));
    }
    Ok(Window { date, step, from, to })
}

fn minute(ask: &Ask, text: &str) -> Result<usize, Refusal> {
    let parsed = || {
        let (hours, minutes) = text.split_once(':')?;
        let number = |text: &str| if text.len() == 2 { text.parse::<usize>().ok() } else { None };
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
    };
    parsed().ok_or_else(|| ask.style.invalid("time", &format!("Invalid time: {text}")))
}

fn dataset(rows: Vec<Json>, window: &Window) -> Json {
    let kind = if window.step == 0 { "second" } else { "minute" };
    json!({"dataset": rows, "datasetInterval": window.step.max(1), "datasetType": kind})
}

fn time(minute: usize) -> String {
    format!("{:02}:{:02}:00", minute / 60, minute % 60)
}
