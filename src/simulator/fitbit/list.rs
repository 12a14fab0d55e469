//! Long lists, page by page: workouts, sleep, electrocardiograms, alerts; and a workout as TCX.

use chrono::{NaiveDate, NaiveDateTime, SecondsFormat, TimeDelta};
use serde_json::{Map, Value as Json, json};

use super::heart::ZONE_NAMES;
use super::{Ask, Refusal, number, refusal, rhythm, sleep};
use crate::simulator::life::{Sport, Workout};
use crate::simulator::{hold, tcx};

pub(super) fn activities(ask: &Ask) -> Result<Json, Refusal> {
    ask.needs("activity")?;
    let on = |date| match ask.known.person.works_out(date) {
        true => ask.known.workouts(date).into_iter().map(|workout| (local(ask, workout.start), workout)).collect(),
        false => Vec::new(),
    };
    let page = page(ask, 100, on)?;
    Ok(json!({
        "activities": page.entries.iter().map(|workout| activity(ask, workout)).collect::<Vec<Json>>(),
        "pagination": page.pagination,
    }))
}

pub(super) fn sleeps(ask: &Ask) -> Result<Json, Refusal> {
    ask.needs("sleep")?;
    let on = |date| ask.known.sleeps(date).into_iter().map(|sleep| (local(ask, sleep.start), sleep)).collect();
    let page = page(ask, 100, on)?;
    let records: Vec<Json> = page.entries.iter().map(|entry| sleep::record(ask, entry)).collect();
    Ok(json!({"pagination": page.pagination, "sleep": records}))
}

pub(super) fn electrocardiograms(ask: &Ask) -> Result<Json, Refusal> {
    ask.needs("electrocardiogram")?;
    let on =
        |date| ask.known.electrocardiogram(date).into_iter().map(|reading| (local(ask, reading.at), reading)).collect();
    let page = page(ask, 10, on)?;
    let readings: Vec<Json> = page.entries.iter().map(|reading| rhythm::electrocardiogram(ask, reading)).collect();
    Ok(json!({"ecgReadings": readings, "pagination": page.pagination}))
}

pub(super) fn alerts(ask: &Ask) -> Result<Json, Refusal> {
    ask.needs("irregular_rhythm_notifications")?;
    let on =
        |date| ask.known.irregular_rhythm(date).into_iter().map(|alert| (local(ask, alert.alerted), alert)).collect();
    let page = page(ask, 10, on)?;
    let alerts: Vec<Json> = page.entries.iter().map(|alert| rhythm::alert(ask, alert)).collect();
    Ok(json!({"alerts": alerts, "pagination": page.pagination}))
}

struct Page<T> {
    entries: Vec<T>,
    pagination: Json,
}

/// One page of entries that stand under local times. Exactly one of `afterDate` (with `sort=asc`) and `beforeDate`
/// (with `sort=desc`); `offset=0` at first, and later only as the address of the next page has it.
fn page<T>(ask: &Ask, most: usize, on: impl Fn(NaiveDate) -> Vec<(NaiveDateTime, T)>) -> Result<Page<T>, Refusal> {
    let refuse = |field: &str, message: &str| Err(ask.style.invalid(field, message));
    let (name, text, ascending) = match (ask.parameter("afterDate"), ask.parameter("beforeDate")) {
        (Some(after), None) => ("afterDate", after, true),
        (None, Some(before)) => ("beforeDate", before, false),
        _ => return refuse("afterDate", "Either beforeDate or afterDate should be specified, and not both"),
    };
    let sort = if ascending { "asc" } else { "desc" };
    if ask.parameter("sort") != Some(sort) {
        return refuse("sort", &format!("The sort must be {sort} with {name}"));
    }
    let limit = ask.parameter("limit").and_then(|limit| limit.parse::<usize>().ok());
    let Some(limit) = limit.filter(|limit| (1..=most).contains(limit)) else {
        return refuse("limit", &format!("The limit must be between 1 and {most}"));
    };
    let Some(offset) = ask.parameter("offset").and_then(|offset| offset.parse::<usize>().ok()) else {
        return refuse("offset", "The offset is required");
    };
    let handed_out = || hold(&ask.simulator.pages).contains(&format!("{}?{}", ask.path, ask.raw_query));
    if offset != 0 && !handed_out() {
        return refuse("offset", "The offset must be 0; follow the address of the next page");
    }
    let bound = moment(ask, text)?;
    let today = ask.known.today();
    let joined = ask.known.person.joined;
    // Sleep that began before midnight belongs to the next date, hence the day more.
    let (first, last) = if ascending {
        (bound.date().max(joined), today)
    } else {
        (joined, bound.date().succ_opt().unwrap_or(today).min(today))
    };
    let days = (last - first).num_days().max(-1) + 1;
    let date = |number: i64| if ascending { first + TimeDelta::days(number) } else { last - TimeDelta::days(number) };
    let in_order = |mut entries: Vec<(NaiveDateTime, T)>| {
        if !ascending {
            entries.reverse();
        }
        entries
    };
    let mut entries: Vec<T> = (0..days)
        .flat_map(|number| in_order(on(date(number))))
        .filter(|(at, _)| if ascending { *at >= bound } else { *at < bound })
        .map(|(_, entry)| entry)
        .skip(offset)
        .take(limit + 1)
        .collect();
    let address = |offset: usize| format!("{}?offset={offset}&limit={limit}&sort={sort}&{name}={text}", ask.path);
    let link = |offset: usize| {
        hold(&ask.simulator.pages).insert(address(offset));
        format!("{}{}", ask.base, address(offset))
    };
    let next = (entries.len() > limit).then(|| link(offset + limit));
    entries.truncate(limit);
    let previous = (offset > 0).then(|| link(offset.saturating_sub(limit)));
    let mut pagination = Map::new();
    pagination.insert(name.into(), text.into());
    pagination.insert("limit".into(), limit.into());
    // The lists of the rhythm leave the last page's link out; the others leave it empty.
    if next.is_some() || most == 100 {
        pagination.insert("next".into(), next.unwrap_or_default().into());
    }
    pagination.insert("offset".into(), offset.into());
    pagination.insert("previous".into(), previous.unwrap_or_default().into());
    pagination.insert("sort".into(), sort.into());
    Ok(Page { entries, pagination: pagination.into() })
}

/// `yyyy-MM-dd` or `yyyy-MM-ddTHH:mm:ss`, local.
fn moment(ask: &Ask, text: &str) -> Result<NaiveDateTime, Refusal> {
    match NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S") {
        Ok(moment) if text.len() == 19 => Ok(moment),
        _ => Ok(ask.date(text, false)?.and_time(chrono::NaiveTime::MIN)),
    }
}

fn local(ask: &Ask, moment: chrono::DateTime<chrono::Utc>) -> NaiveDateTime {
    ask.known.person.local(moment)
}

/// How many active zone minutes a minute in each zone counts.
const MULTIPLIERS: [u32; 4] = [0, 1, 2, 2];

/// The service's number and name of a sport.
pub(super) fn activity_name(sport: Sport) -> (u64, &'static str) {
    match sport {
        Sport::Run => (90_009, "Run"),
        Sport::Walk => (90_013, "Walk"),
        Sport::Bike => (90_001, "Bike"),
    }
}

fn activity(ask: &Ask, workout: &Workout) -> Json {
    let person = &ask.known.person;
    let start = workout.start.with_timezone(&person.zone);
    let (id, name) = activity_name(workout.sport);
    let milliseconds = u64::from(workout.minutes) * 60_000;
    let bounds = person.day(start.date_naive()).bounds;
    let bounds = [30, bounds[0], bounds[1], bounds[2], 220];
    let types = ["OUT_OF_ZONE", "FAT_BURN", "CARDIO", "PEAK"];
    let multiplied = |at: usize| workout.zones[at].minutes * MULTIPLIERS[at];
    let zone_minutes: Vec<Json> = (0..4)
        .map(|at| {
            json!({
                "minuteMultiplier": MULTIPLIERS[at],
                "minutes": multiplied(at),
                "order": at,
                "type": types[at],
                "zoneName": ZONE_NAMES[at],
            })
        })
        .collect();
    let zones: Vec<Json> = (0..4)
        .map(|at| {
            json!({
                "caloriesOut": (workout.zones[at].calories * 10_000.0).round() / 10_000.0,
                "max": bounds[at + 1],
                "min": bounds[at],
                "minutes": workout.zones[at].minutes,
                "name": ZONE_NAMES[at],
            })
        })
        .collect();
    let levels = ["sedentary", "lightly", "fairly", "very"];
    let levels: Vec<Json> = (0..4).map(|at| json!({"minutes": workout.levels[at], "name": levels[at]})).collect();
    let hours = f64::from(workout.minutes) / 60.0;
    let (date, user) = (start.date_naive(), format!("{}/1/user/-/activities", ask.base));
    let clock = |moment: NaiveDateTime| moment.format("%H:%M").to_string();
    let window = format!("{}/{}", clock(local(ask, workout.start)), clock(local(ask, workout.end())));
    let seconds = |time: chrono::DateTime<chrono_tz::Tz>| time.to_rfc3339_opts(SecondsFormat::Millis, false);
    let mut entry = json!({
        "activeDuration": milliseconds,
        "activeZoneMinutes": {
            "minutesInHeartRateZones": zone_minutes,
            "totalMinutes": (0..4).map(multiplied).sum::<u32>(),
        },
        "activityLevel": levels,
        "activityName": name,
        "activityTypeId": id,
        "averageHeartRate": workout.heart_rate,
        "calories": workout.calories.round() as i64,
        "caloriesLink": format!("{user}/calories/date/{date}/{date}/1min/time/{window}.json"),
        "distance": number(thousandths(workout.distance)),
        "distanceUnit": "Kilometer",
        "duration": milliseconds,
        "elevationGain": number(thousandths(workout.elevation)),
        "hasActiveZoneMinutes": true,
        "hasGps": workout.sport != Sport::Walk,
        "heartRateLink": format!("{user}/heart/date/{date}/{date}/1sec/time/{window}.json"),
        "heartRateZones": zones,
        "inProgress": false,
        "lastModified": workout.end().to_rfc3339_opts(SecondsFormat::Millis, true),
        "logId": workout.id,
        "logType": if workout.sport == Sport::Walk { "auto_detected" } else { "tracker" },
        "manualValuesSpecified": {"calories": false, "distance": false, "steps": false},
        "originalDuration": milliseconds,
        "originalStartTime": seconds(start),
    });
    if workout.distance > 0.0 {
        entry["pace"] = number(thousandths(hours * 3600.0 / workout.distance));
    }
    entry["source"] = json!({
        "id": format!("8167{:05}", person.index + 13_257),
        "name": person.tracker_model(),
        "trackerFeatures": ["CALORIES", "STEPS", "DISTANCE", "HEARTRATE"],
        "type": "tracker",
        "url": "https://www.fitbit.com/",
    });
    entry["speed"] = number(thousandths(workout.distance / hours));
    entry["startTime"] = seconds(start).into();
    entry["steps"] = workout.steps.into();
    entry["tcxLink"] = format!("{user}/{}.tcx", workout.id).into();
    entry
}

/// A workout as Garmin's Training Center Database writes it.
pub(super) fn tcx(ask: &Ask, id: &str) -> Result<String, Refusal> {
    ask.needs("activity")?;
    ask.needs("location")?;
    let workout = id.parse().ok().and_then(|id| ask.known.workout(id)).ok_or_else(refusal::not_found)?;
    Ok(tcx::document(&ask.known, &workout))
}

fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
