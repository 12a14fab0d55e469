//! What is counted by the minute: steps and what follows from them. Sums over a day are those of the life, in Google's
//! units, and never count what phone and watch both saw twice.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Map, Value as Json, json};

use super::point::{Body, Members, Origin, Point};
use crate::simulator::life::{Day, Effort, Known, MINUTES, Person};

type Value = Map<String, Json>;
type Write = fn(&[f64; 4]) -> Value;

pub(super) fn steps(known: &Known, date: NaiveDate) -> Vec<Point> {
    with_phone(audible(all_steps(known, date)))
}

pub(super) fn all_steps(known: &Known, date: NaiveDate) -> Vec<Point> {
    let of = |day: &Day, minute: usize| Some([f64::from(day.steps[minute]), 0.0, 0.0, 0.0]);
    worn_minutes(known, date, of, |figures| Members::default().integer("count", figures[0]).map())
}

pub(super) fn sum_steps(points: &[Point], _: bool) -> Value {
    Members::default().integer("countSum", sum(points, 0)).map()
}

pub(super) fn distance(known: &Known, date: NaiveDate) -> Vec<Point> {
    with_phone(audible(all_distance(known, date)))
}

pub(super) fn all_distance(known: &Known, date: NaiveDate) -> Vec<Point> {
    // To the centimetre, as the Fitbit half writes a day: each minute has what the running total has grown by.
    let centimetres = |kilometres: f64| (kilometres * 100_000.0).round();
    let mut gone = 0.0;
    let of = |day: &Day, minute: usize| {
        let before = gone;
        gone += day.distance(minute);
        Some([(centimetres(gone) - centimetres(before)) * 10.0, 0.0, 0.0, 0.0])
    };
    worn_minutes(known, date, of, |figures| Members::default().integer("millimeters", figures[0]).map())
}

pub(super) fn sum_distance(points: &[Point], _: bool) -> Value {
    Members::default().integer("millimetersSum", sum(points, 0)).map()
}

pub(super) fn floors(known: &Known, date: NaiveDate) -> Vec<Point> {
    audible(all_floors(known, date))
}

pub(super) fn all_floors(known: &Known, date: NaiveDate) -> Vec<Point> {
    let of = |day: &Day, minute: usize| Some([f64::from(day.floors[minute]), 0.0, 0.0, 0.0]);
    worn_minutes(known, date, of, |figures| Members::default().integer("count", figures[0]).map())
}

pub(super) fn sum_floors(points: &[Point], whole: bool) -> Value {
    sum_steps(points, whole)
}

pub(super) fn altitude(known: &Known, date: NaiveDate) -> Vec<Point> {
    audible(all_altitude(known, date))
}

pub(super) fn all_altitude(known: &Known, date: NaiveDate) -> Vec<Point> {
    let of = |day: &Day, minute: usize| Some([f64::from(day.floors[minute]) * 3048.0, 0.0, 0.0, 0.0]);
    worn_minutes(known, date, of, |figures| Members::default().integer("gainMillimeters", figures[0]).map())
}

pub(super) fn sum_altitude(points: &[Point], _: bool) -> Value {
    Members::default().integer("gainMillimetersSum", sum(points, 0)).map()
}

/// Worn or not, the body burns; of what is not synced yet, at rest.
pub(super) fn all_calories(known: &Known, date: NaiveDate) -> Vec<Point> {
    if date < known.person.joined {
        return Vec::new();
    }
    let synced = known.minutes_synced(date);
    let of = |day: &Day, minute: usize| {
        let kilocalories = if minute < synced { day.calories(minute) } else { day.basal };
        Some([kilocalories, 0.0, 0.0, 0.0])
    };
    minutes_until(known, date, known.minutes_elapsed(date), of, |_| Value::new())
}

/// Whole kilocalories a day, as the app shows them.
pub(super) fn sum_calories(points: &[Point], whole: bool) -> Value {
    let sum = sum(points, 0);
    Members::default().double("kcalSum", if whole { sum.round() } else { hundredths(sum) }).map()
}

pub(super) fn energy(known: &Known, date: NaiveDate) -> Vec<Point> {
    let points = all_energy(known, date).into_iter().filter(|point| point.figures[0] > 0.0);
    points.map(|point| Point { origin: Origin::Derived, ..point }).collect()
}

/// What active minutes burn above rest.
pub(super) fn all_energy(known: &Known, date: NaiveDate) -> Vec<Point> {
    let of = |day: &Day, minute: usize| {
        let active = day.level(minute) != Effort::Sedentary;
        Some([if active { hundredths(day.calories(minute) - day.basal) } else { 0.0 }, 0.0, 0.0, 0.0])
    };
    worn_minutes(known, date, of, |figures| Members::default().double("kcal", figures[0]).map())
}

pub(super) fn sum_energy(points: &[Point], _: bool) -> Value {
    Members::default().double("kcalSum", hundredths(sum(points, 0))).map()
}

const LEVELS: [&str; 4] = ["SEDENTARY", "LIGHT", "MODERATE", "VIGOROUS"];

pub(super) fn minutes(known: &Known, date: NaiveDate) -> Vec<Point> {
    all_minutes(known, date).into_iter().filter(|point| point.figures.iter().any(|figure| *figure > 0.0)).collect()
}

pub(super) fn all_minutes(known: &Known, date: NaiveDate) -> Vec<Point> {
    let of = |day: &Day, minute: usize| {
        let mut levels = [0.0; 4];
        let level = day.level(minute);
        let active = level != Effort::Sedentary && !day.asleep[minute];
        if active {
            levels[level as usize] = 1.0;
        }
        // A ride goes on while the watch charges.
        (active || is_worn(day, minute)).then_some(levels)
    };
    let write: Write = |figures| by_level(figures, "activeMinutesByActivityLevel", "activeMinutes");
    minutes_until(known, date, known.minutes_synced(date), of, write)
}

/// Levels without a minute are left out.
pub(super) fn sum_minutes(points: &[Point], _: bool) -> Value {
    let sums = [0, 1, 2, 3].map(|at| sum(points, at));
    by_level(&sums, "activeMinutesRollupByActivityLevel", "activeMinutesSum")
}

fn by_level(figures: &[f64; 4], list: &str, minutes: &str) -> Value {
    let levels = (1..4).filter(|at| figures[*at] > 0.0);
    let levels = levels.map(|at| json!({"activityLevel": LEVELS[at], minutes: (figures[at] as i64).to_string()}));
    Members::default().other(list, levels.collect::<Vec<Json>>()).map()
}

const ZONES: [&str; 4] = ["", "FAT_BURN", "CARDIO", "PEAK"];

/// Minutes in the cardio and the peak zone count twice.
pub(super) fn zone_minutes(known: &Known, date: NaiveDate) -> Vec<Point> {
    let of = |day: &Day, minute: usize| {
        let zone = day.zone(minute).filter(|zone| *zone > 0)?;
        let mut zones = [0.0; 4];
        zones[zone] = if zone == 1 { 1.0 } else { 2.0 };
        Some(zones)
    };
    worn_minutes(known, date, of, |figures| {
        let zone = (1..4).find(|zone| figures[*zone] > 0.0).unwrap_or(1);
        Members::default().other("heartRateZone", ZONES[zone]).integer("activeZoneMinutes", figures[zone]).map()
    })
}

pub(super) fn sum_zone_minutes(points: &[Point], _: bool) -> Value {
    Members::default()
        .integer("sumInFatBurnHeartZone", sum(points, 1))
        .integer("sumInCardioHeartZone", sum(points, 2))
        .integer("sumInPeakHeartZone", sum(points, 3))
        .map()
}

pub(super) fn levels(known: &Known, date: NaiveDate) -> Vec<Point> {
    if !worn(known, date) {
        return Vec::new();
    }
    let day = known.person.day(date);
    let level = |minute: usize| (!day.asleep[minute]).then(|| day.level(minute) as usize);
    let named = ["SEDENTARY", "LIGHTLY_ACTIVE", "MODERATELY_ACTIVE", "VERY_ACTIVE"];
    let point = |(start, end, level): (DateTime<Utc>, DateTime<Utc>, usize)| Point {
        body: Body::made(json!({"activityLevelType": named[level]})),
        ..Point::new(start, end, [0.0; 4])
    };
    runs(&known.person, date, known.minutes_synced(date), level).into_iter().map(point).collect()
}

/// Stretches that were neither active nor slept through.
pub(super) fn sedentary(known: &Known, date: NaiveDate) -> Vec<Point> {
    if !worn(known, date) {
        return Vec::new();
    }
    let (day, synced) = (known.person.day(date), known.minutes_synced(date));
    let still = |minute: usize| is_sedentary(&day, minute, synced).then_some(());
    let runs = runs(&known.person, date, known.minutes_elapsed(date), still);
    runs.into_iter().map(|(start, end, ())| Point::new(start, end, [0.0; 4])).collect()
}

pub(super) fn all_sedentary(known: &Known, date: NaiveDate) -> Vec<Point> {
    if !worn(known, date) {
        return Vec::new();
    }
    let synced = known.minutes_synced(date);
    let of = |day: &Day, minute: usize| is_sedentary(day, minute, synced).then_some([60.0, 0.0, 0.0, 0.0]);
    minutes_until(known, date, known.minutes_elapsed(date), of, |_| Value::new())
}

pub(super) fn sum_sedentary(points: &[Point], _: bool) -> Value {
    Members::default().other("durationSum", format!("{}s", sum(points, 0))).map()
}

fn is_sedentary(day: &Day, minute: usize, synced: usize) -> bool {
    minute >= synced || (!day.asleep[minute] && day.level(minute) == Effort::Sedentary)
}

/// Their phone counts most of the steps that the watch counts, in the same minutes.
fn with_phone(mut points: Vec<Point>) -> Vec<Point> {
    let carried = |point: &&Point| point.figures[0] > 20.0;
    let phone = |point: &Point| {
        let less = (point.figures[0] * 0.9).floor();
        Point { origin: Origin::Phone, figures: [less, 0.0, 0.0, 0.0], ..point.clone() }
    };
    let phone: Vec<Point> = points.iter().filter(carried).map(phone).collect();
    points.extend(phone);
    points
}

/// Of minutes with nothing in them a few are listed all the same, one every four hours.
fn audible(mut points: Vec<Point>) -> Vec<Point> {
    points.retain(|point| point.figures[0] > 0.0 || point.start.timestamp() % (4 * 3600) == 0);
    points
}

/// Whether the watch was worn at all on a day, as far as is known.
fn worn(known: &Known, date: NaiveDate) -> bool {
    let day = known.person.day(date);
    (0..known.minutes_synced(date)).any(|minute| is_worn(&day, minute))
}

fn is_worn(day: &Day, minute: usize) -> bool {
    day.heart[minute] > 0 || day.steps[minute] > 0
}

/// Points for minutes in which the watch was worn; where it was not, nothing is known.
fn worn_minutes(
    known: &Known,
    date: NaiveDate,
    mut of: impl FnMut(&Day, usize) -> Option<[f64; 4]>,
    write: Write,
) -> Vec<Point> {
    let of = |day: &Day, minute: usize| {
        let figures = of(day, minute);
        figures.filter(|_| is_worn(day, minute))
    };
    minutes_until(known, date, known.minutes_synced(date), of, write)
}

fn minutes_until(
    known: &Known,
    date: NaiveDate,
    until: usize,
    mut of: impl FnMut(&Day, usize) -> Option<[f64; 4]>,
    write: Write,
) -> Vec<Point> {
    let day = known.person.day(date);
    let starts = instants(&known.person, date);
    let mut points: Vec<Point> = Vec::new();
    for (minute, start) in starts.into_iter().enumerate().take(until) {
        let Some(figures) = of(&day, minute) else { continue };
        points.push(Point { body: Body::Of(write), ..Point::new(start, start + TimeDelta::minutes(1), figures) });
    }
    // The minutes that the clocks skip are lived in the hour after; what happened twice in a minute is one point.
    points.sort_by_key(|point| point.start);
    points.dedup_by(|later, first| {
        let same = later.start == first.start;
        if same {
            for (sum, figure) in first.figures.iter_mut().zip(later.figures) {
                *sum += figure;
            }
        }
        same
    });
    points
}

/// Stretches of minutes of one kind, from and to.
fn runs<K: PartialEq + Copy>(
    person: &Person,
    date: NaiveDate,
    until: usize,
    kind: impl Fn(usize) -> Option<K>,
) -> Vec<(DateTime<Utc>, DateTime<Utc>, K)> {
    let starts = instants(person, date);
    let mut runs: Vec<(DateTime<Utc>, DateTime<Utc>, K)> = Vec::new();
    for (minute, start) in starts.into_iter().enumerate().take(until) {
        let Some(kind) = kind(minute) else { continue };
        let end = start + TimeDelta::minutes(1);
        match runs.last_mut() {
            Some(run) if run.1 == start && run.2 == kind => run.1 = end,
            // A minute that the clocks skip.
            Some(run) if run.1 > start => {}
            _ => runs.push((start, end, kind)),
        }
    }
    runs
}

/// The instant at which each minute of a day began.
pub(super) fn instants(person: &Person, date: NaiveDate) -> Vec<DateTime<Utc>> {
    let (first, last) = (person.instant(date, 0), person.instant(date, MINUTES as i32 - 1));
    let even = (last - first).num_minutes() == MINUTES as i64 - 1;
    let start = |minute: i32| {
        if even { first + TimeDelta::minutes(i64::from(minute)) } else { person.instant(date, minute) }
    };
    (0..MINUTES as i32).map(start).collect()
}

pub(super) fn sum(points: &[Point], at: usize) -> f64 {
    points.iter().map(|point| point.figures[at]).sum()
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
