//! Steps and what follows from them: series, daily summary, goals, lifetime.

use chrono::NaiveDate;
use serde_json::{Value as Json, json};

use super::date::{Allowed, LONG_PERIODS};
use super::list::activity_name;
use super::{Ask, Refusal, heart, intraday, number, refusal};
use crate::simulator::life::Totals;

/// Goals, the same for everyone.
const STEP_GOAL: u32 = 10_000;

pub(super) fn series(ask: &Ask, resource: &str, when: &[&str]) -> Result<Json, Refusal> {
    let of = value_of(resource).ok_or_else(refusal::not_found)?;
    ask.needs("activity")?;
    if intraday::is_asked(when) {
        return intraday::activity(ask, resource, when);
    }
    daily(ask, resource, &format!("activities-{resource}"), of, when)
}

pub(super) fn tracker_series(ask: &Ask, resource: &str, when: &[&str]) -> Result<Json, Refusal> {
    let of = value_of(resource).filter(|_| !matches!(resource, "caloriesBMR" | "swimming-strokes"));
    let of = of.ok_or_else(refusal::not_found)?;
    ask.needs("activity")?;
    daily(ask, resource, &format!("activities-tracker-{resource}"), of, when)
}

fn daily(ask: &Ask, resource: &str, key: &str, of: Value, when: &[&str]) -> Result<Json, Refusal> {
    let days = if resource == "activityCalories" { 30 } else { 1095 };
    let allowed = Allowed { today: true, single: false, periods: LONG_PERIODS, days: Some(days), points: true };
    let dates = ask.dates(ask.span(when, &allowed)?);
    let rows: Vec<Json> = dates.map(|date| row(ask, date, of)).collect();
    Ok(json!({ key: rows }))
}

/// One row of the series of a resource.
pub(super) fn row(ask: &Ask, date: NaiveDate, of: Value) -> Json {
    json!({"dateTime": date.to_string(), "value": of(&ask.known.totals(date))})
}

/// How a series writes a day.
pub(super) type Value = fn(&Totals) -> String;

/// The resources, and how each is written: always text.
pub(super) fn value_of(resource: &str) -> Option<Value> {
    Some(match resource {
        "steps" => |totals| totals.steps.to_string(),
        "distance" => |totals| kilometres(totals.distance).to_string(),
        "floors" => |totals| totals.floors.to_string(),
        "elevation" => |totals| ((totals.elevation() * 1000.0).round() / 1000.0).to_string(),
        "calories" => |totals| totals.calories.round().to_string(),
        "caloriesBMR" => |totals| totals.basal_calories.round().to_string(),
        "activityCalories" => |totals| totals.activity_calories.round().to_string(),
        "minutesSedentary" => |totals| totals.minutes[0].to_string(),
        "minutesLightlyActive" => |totals| totals.minutes[1].to_string(),
        "minutesFairlyActive" => |totals| totals.minutes[2].to_string(),
        "minutesVeryActive" => |totals| totals.minutes[3].to_string(),
        "swimming-strokes" => |_| "0".to_owned(),
        _ => return None,
    })
}

pub(super) fn summary(ask: &Ask, date: &str) -> Result<Json, Refusal> {
    let date = ask.date(date, false)?;
    ask.needs("activity")?;
    let totals = ask.known.totals(date);
    let distance = |activity: &str, value: f64| json!({"activity": activity, "distance": number(hundredths(value))});
    let workouts = ask.known.workouts(date);
    let logged = workouts.iter().map(|workout| workout.distance).sum();
    let activities: Vec<Json> = workouts
        .iter()
        .map(|workout| {
            let (id, name) = activity_name(workout.sport);
            json!({
                "activityId": id,
                "activityParentId": id,
                "activityParentName": name,
                "calories": workout.calories.round() as i64,
                "description": "",
                "distance": number(hundredths(workout.distance)),
                "duration": workout.minutes * 60_000,
                "hasActiveZoneMinutes": true,
                "hasStartTime": true,
                "isFavorite": false,
                "lastModified": workout.end().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
                "logId": workout.id,
                "name": name,
                "startDate": date.to_string(),
                "startTime": ask.known.person.local(workout.start).format("%H:%M").to_string(),
                "steps": workout.steps,
            })
        })
        .collect();
    let mut summary = json!({
        "activeScore": -1,
        "activityCalories": totals.activity_calories.round() as i64,
        "caloriesBMR": totals.basal_calories.round() as i64,
        "caloriesOut": totals.calories.round() as i64,
        "distances": [
            distance("total", totals.distance),
            distance("tracker", totals.distance),
            distance("loggedActivities", logged),
            distance("veryActive", totals.distances[3]),
            distance("moderatelyActive", totals.distances[2]),
            distance("lightlyActive", totals.distances[1]),
            distance("sedentaryActive", totals.distances[0]),
        ],
        "elevation": number(hundredths(totals.elevation())),
        "fairlyActiveMinutes": totals.minutes[2],
        "floors": totals.floors,
        "lightlyActiveMinutes": totals.minutes[1],
        "marginalCalories": (totals.calories - totals.basal_calories).max(0.0).round() as i64,
        "sedentaryMinutes": totals.minutes[0],
        "steps": totals.steps,
        "veryActiveMinutes": totals.minutes[3],
    });
    if ask.needs("heartrate").is_ok() {
        summary["heartRateZones"] = heart::zones(ask, date, &totals.zones);
        if let Some(resting) = ask.known.resting_heart_rate(date) {
            summary["restingHeartRate"] = resting.into();
        }
    }
    Ok(json!({"activities": activities, "goals": daily_goals(), "summary": summary}))
}

pub(super) fn goals(ask: &Ask, period: &str) -> Result<Json, Refusal> {
    let goals = match period {
        "daily" => daily_goals(),
        "weekly" => json!({
            "activeZoneMinutes": 150,
            "distance": 56.35,
            "floors": 70,
            "steps": STEP_GOAL * 7,
        }),
        _ => return Err(refusal::not_found()),
    };
    ask.needs("activity")?;
    Ok(json!({"goals": goals}))
}

fn daily_goals() -> Json {
    json!({
        "activeMinutes": 30,
        "activeZoneMinutes": 22,
        "caloriesOut": 2820,
        "distance": 8.05,
        "floors": 10,
        "steps": STEP_GOAL,
    })
}

pub(super) fn lifetime(ask: &Ask) -> Result<Json, Refusal> {
    ask.needs("activity")?;
    let life = ask.known.lifetime();
    let best = json!({
        "caloriesOut": {"date": life.calories.1.to_string(), "value": life.calories.0.round() as i64},
        "distance": {"date": life.distance.1.to_string(), "value": kilometres(life.distance.0)},
        "floors": {"date": life.floors.1.to_string(), "value": life.floors.0},
        "steps": {"date": life.steps.1.to_string(), "value": life.steps.0},
    });
    let sums = json!({
        "activeScore": -1,
        "caloriesOut": -1,
        "distance": number(hundredths(life.all_distance)),
        "floors": life.all_floors,
        "steps": life.all_steps,
    });
    Ok(json!({"best": {"total": best, "tracker": best}, "lifetime": {"total": sums, "tracker": sums}}))
}

/// Kilometres to the centimetre, as series write them.
pub(super) fn kilometres(value: f64) -> f64 {
    (value * 100_000.0).round() / 100_000.0
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
