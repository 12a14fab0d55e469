//! Heart, breath, oxygen, temperature, weight and fitness: samples and values of a day. Numbers are those of the life;
//! what the first weeks of wear do not know yet is `"NaN"`.

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use serde_json::{Map, Value as Json, json};

use super::activity::{instants, sum};
use super::point::{Body, Members, Origin, Point, double};
use crate::simulator::life::{CardioFitness, Day, Known, ScaleSource, WeighIn};

type Value = Map<String, Json>;

pub(super) fn heart_rate(known: &Known, date: NaiveDate) -> Vec<Point> {
    let (day, person) = (known.person.day(date), &known.person);
    let starts = instants(person, date);
    let mut points = Vec::new();
    for (minute, start) in starts.iter().enumerate().take(known.minutes_synced(date)) {
        // What the clocks skip was not lived by this clock.
        if person.minute_of(*start) != minute {
            continue;
        }
        for (second, beats) in day.beats(minute) {
            let at = *start + TimeDelta::seconds(i64::from(second));
            let active = if day.effort[minute] > 14 { 1.0 } else { 0.0 };
            points.push(Point {
                body: Body::Of(|figures| {
                    let context = if figures[1] > 0.0 { "ACTIVE" } else { "SEDENTARY" };
                    let metadata = json!({"motionContext": context, "sensorLocation": "WRIST"});
                    Members::default().integer("beatsPerMinute", figures[0]).other("metadata", metadata).map()
                }),
                ..Point::new(at, at, [f64::from(beats), active, 0.0, 0.0])
            });
        }
    }
    points
}

pub(super) fn mean_heart_rate(points: &[Point], _: bool) -> Value {
    extremes(points, ["beatsPerMinuteMin", "beatsPerMinuteAvg", "beatsPerMinuteMax"])
}

/// Light, moderate, vigorous, peak: Google's zones begin lower than Fitbit's, with half a zone of light effort.
fn google_zone(day: &Day, minute: usize) -> Option<usize> {
    let bounds = google_bounds(day);
    let heart = day.heart[minute];
    bounds.iter().filter(|bound| heart >= **bound).count().checked_sub(1)
}

fn google_bounds(day: &Day) -> [u8; 4] {
    let [moderate, vigorous, peak] = day.bounds;
    [moderate - (vigorous - moderate) / 2, moderate, vigorous, peak]
}

const ZONES: [&str; 4] = ["LIGHT", "MODERATE", "VIGOROUS", "PEAK"];

/// One point a minute; the figures are the zone and what was burned.
pub(super) fn zone_minutes(known: &Known, date: NaiveDate) -> Vec<Point> {
    let day = known.person.day(date);
    let starts = instants(&known.person, date);
    let minutes = starts.iter().enumerate().take(known.minutes_synced(date));
    let point = |(minute, start): (usize, &DateTime<Utc>)| {
        let figures = [google_zone(&day, minute)? as f64, day.calories(minute), 0.0, 0.0];
        Some(Point::new(*start, *start + TimeDelta::minutes(1), figures))
    };
    minutes.filter_map(point).collect()
}

/// The same, joined where they touch.
pub(super) fn zone_times(known: &Known, date: NaiveDate) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::new();
    for point in zone_minutes(known, date) {
        match points.last_mut() {
            Some(last) if last.end == point.start && last.figures[0] == point.figures[0] => last.end = point.end,
            _ => points.push(Point {
                body: Body::Of(|figures| {
                    Members::default().other("heartRateZoneType", ZONES[figures[0] as usize]).map()
                }),
                ..point
            }),
        }
    }
    points
}

pub(super) fn sum_zone_times(points: &[Point], _: bool) -> Value {
    let zone = |(zone, minutes, _)| json!({"heartRateZone": ZONES[zone], "duration": format!("{}s", minutes * 60)});
    let zones: Vec<Json> = by_zone(points).map(zone).collect();
    Members::default().other("timeInHeartRateZones", zones).map()
}

pub(super) fn sum_zone_calories(points: &[Point], _: bool) -> Value {
    let zone =
        |(zone, _, kilocalories)| json!({"heartRateZone": ZONES[zone], "kcal": double(thousandths(kilocalories))});
    let zones: Vec<Json> = by_zone(points).map(zone).collect();
    Members::default().other("caloriesInHeartRateZones", zones).map()
}

/// Zones that were reached, with minutes and kilocalories.
fn by_zone(points: &[Point]) -> impl Iterator<Item = (usize, usize, f64)> {
    (0..4).filter_map(|zone| {
        let of = || points.iter().filter(move |point| point.figures[0] == zone as f64);
        (of().count() > 0).then(|| (zone, of().count(), of().map(|point| point.figures[1]).sum()))
    })
}

pub(super) fn resting_heart_rate(known: &Known, date: NaiveDate) -> Vec<Point> {
    day(known, date, known.resting_heart_rate(date), |beats| {
        let method = if known.night(date).is_some() { "WITH_SLEEP" } else { "ONLY_WITH_AWAKE_DATA" };
        json!({
            "beatsPerMinute": beats.to_string(),
            "dailyRestingHeartRateMetadata": {"calculationMethod": method},
        })
    })
}

pub(super) fn zone_bounds(known: &Known, date: NaiveDate) -> Vec<Point> {
    day(known, date, known.resting_heart_rate(date), |_| {
        let bounds = google_bounds(&known.person.day(date));
        let zone = |zone: usize| {
            let max = bounds.get(zone + 1).map_or(220, |next| next - 1);
            json!({
                "heartRateZoneType": ZONES[zone],
                "minBeatsPerMinute": bounds[zone].to_string(),
                "maxBeatsPerMinute": max.to_string(),
            })
        };
        json!({"heartRateZones": (0..4).map(zone).collect::<Vec<Json>>()})
    })
}

pub(super) fn variability(known: &Known, date: NaiveDate) -> Vec<Point> {
    let Some(night) = known.night(date) else { return Vec::new() };
    let samples = known.variability_samples(&night).into_iter().map(|sample| {
        let body = json!({
            "rootMeanSquareOfSuccessiveDifferencesMilliseconds": double(sample.rmssd),
            "standardDeviationMilliseconds": double(thousandths(sample.rmssd * 1.1)),
            "metadata": {
                "lowFrequencyPower": double(sample.low_frequency),
                "highFrequencyPower": double(sample.high_frequency),
            },
        });
        Point::sample(sample.at, body)
    });
    samples.collect()
}

pub(super) fn daily_variability(known: &Known, date: NaiveDate) -> Vec<Point> {
    day(known, date, known.variability(date), |variability| {
        let beats = known.resting_heart_rate(date).map(|beats| f64::from(beats) - 2.0);
        Members::default()
            .double("averageHeartRateVariabilityMilliseconds", variability.daily)
            .integer("nonRemHeartRateBeatsPerMinute", beats.unwrap_or(0.0))
            .double("entropy", thousandths(1.5 + variability.daily / 60.0))
            .double("deepSleepRootMeanSquareOfSuccessiveDifferencesMilliseconds", variability.deep)
            .json()
    })
}

pub(super) fn oxygen(known: &Known, date: NaiveDate) -> Vec<Point> {
    let samples = known.oxygen_samples(date).into_iter();
    samples.map(|(at, percent)| Point::sample(at, json!({"percentage": double(percent)}))).collect()
}

pub(super) fn daily_oxygen(known: &Known, date: NaiveDate) -> Vec<Point> {
    day(known, date, known.oxygen(date), |oxygen| {
        json!({
            "averagePercentage": double(oxygen.average),
            "lowerBoundPercentage": double(oxygen.low),
            "upperBoundPercentage": double(oxygen.high),
        })
    })
}

/// One summary when the night is over; after some nights another, whose values differ a little: the earliest is the one
/// that the Fitbit Web API has.
pub(super) fn respiration(known: &Known, date: NaiveDate) -> Vec<Point> {
    let (Some(night), Some(breathing)) = (known.night(date), known.respiration(date)) else { return Vec::new() };
    let summary = |at: DateTime<Utc>, more: f64| {
        let statistics = |rate: f64| {
            let rate = double(((rate + more) * 10.0).round() / 10.0);
            json!({"breathsPerMinute": rate, "standardDeviation": 1.1, "signalToNoise": 4.2})
        };
        let body = Members::default()
            .other("fullSleepStats", statistics(breathing.full))
            .other("deepSleepStats", breathing.deep.map(statistics))
            .other("lightSleepStats", breathing.light.map(statistics))
            .other("remSleepStats", breathing.rem.map(statistics));
        Point::sample(at, body.json())
    };
    let again = night.end + TimeDelta::minutes(25);
    let mut points = vec![summary(night.end, 0.0)];
    if date.ordinal().is_multiple_of(3) && again <= known.now {
        points.push(summary(again, 0.2));
    }
    points
}

pub(super) fn daily_respiration(known: &Known, date: NaiveDate) -> Vec<Point> {
    day(known, date, known.respiration(date), |breathing| json!({"breathsPerMinute": double(breathing.full)}))
}

pub(super) fn skin_temperature(known: &Known, date: NaiveDate) -> Vec<Point> {
    day(known, date, known.skin_temperature(date), |skin| {
        let or_nan = |value: Option<f64>| value.map_or_else(|| Json::from("NaN"), double);
        json!({
            "nightlyTemperatureCelsius": double(skin.nightly),
            "baselineTemperatureCelsius": or_nan(skin.baseline),
            "relativeNightlyStddev30dCelsius": or_nan(skin.baseline.map(|_| 0.41)),
        })
    })
}

pub(super) fn core_temperature(known: &Known, date: NaiveDate) -> Vec<Point> {
    let entries = known.core_temperatures(date).into_iter().map(|entry| Point {
        origin: Origin::Manual,
        id: Some(entry.at.timestamp_millis() as u64),
        figures: [entry.celsius, 0.0, 0.0, 0.0],
        ..Point::sample(entry.at, json!({"temperatureCelsius": double(entry.celsius), "measurementLocation": "MOUTH"}))
    });
    entries.collect()
}

pub(super) fn mean_core_temperature(points: &[Point], _: bool) -> Value {
    extremes(points, ["temperatureCelsiusMin", "temperatureCelsiusAvg", "temperatureCelsiusMax"])
}

pub(super) fn weight(known: &Known, date: NaiveDate) -> Vec<Point> {
    let grams = |weigh_in: &WeighIn| Some((weigh_in.kilograms * 1e6).round() / 1e3);
    weigh_ins(known, date, grams, |figures| Members::default().double("weightGrams", figures[0]).map())
}

pub(super) fn mean_weight(points: &[Point], _: bool) -> Value {
    Members::default().double("weightGramsAvg", mean(points)).map()
}

pub(super) fn fat(known: &Known, date: NaiveDate) -> Vec<Point> {
    weigh_ins(known, date, |weigh_in| weigh_in.fat, |figures| Members::default().double("percentage", figures[0]).map())
}

pub(super) fn mean_fat(points: &[Point], _: bool) -> Value {
    Members::default().double("bodyFatPercentageAvg", mean(points)).map()
}

fn weigh_ins(
    known: &Known,
    date: NaiveDate,
    of: fn(&WeighIn) -> Option<f64>,
    write: fn(&[f64; 4]) -> Value,
) -> Vec<Point> {
    let point = |weigh_in: &WeighIn| {
        let at = known.person.moment(weigh_in.at);
        let origin = match weigh_in.source {
            ScaleSource::Scale => Origin::Scale,
            ScaleSource::Application => Origin::Application,
        };
        let id = Some(at.timestamp_millis() as u64);
        Some(Point { origin, id, body: Body::Of(write), ..Point::new(at, at, [of(weigh_in)?, 0.0, 0.0, 0.0]) })
    };
    known.weigh_ins(date).iter().filter_map(point).collect()
}

/// Told once, when they joined.
pub(super) fn height(known: &Known, date: NaiveDate) -> Vec<Point> {
    let person = &known.person;
    if date != person.joined {
        return Vec::new();
    }
    let at = person.instant(date, 12 * 60);
    let millimetres = ((person.height * 10.0).round() as i64).to_string();
    let body = json!({"heightMillimeters": millimetres});
    vec![Point { origin: Origin::Manual, id: Some(at.timestamp_millis() as u64), ..Point::sample(at, body) }]
}

pub(super) fn daily_fitness(known: &Known, date: NaiveDate) -> Vec<Point> {
    day(known, date, known.cardio_fitness(date), |fitness| {
        let (value, estimated) = match fitness {
            CardioFitness::Range(low, high) => (f64::from(low + high) / 2.0, true),
            CardioFitness::Exactly(value) => (f64::from(value), false),
        };
        Members::default()
            .double("vo2Max", value)
            .double("vo2MaxCovariance", if estimated { 6.0 } else { 2.5 })
            .other("cardioFitnessLevel", if value >= 42.0 { "GOOD" } else { "AVERAGE" })
            .other("estimated", estimated)
            .json()
    })
}

pub(super) fn run_fitness(known: &Known, date: NaiveDate) -> Vec<Point> {
    measured(known, date)
        .map(|(at, value)| Point {
            figures: [value, 0.0, 0.0, 0.0],
            ..Point::sample(at, json!({"runVo2Max": double(value)}))
        })
        .into_iter()
        .collect()
}

pub(super) fn mean_fitness(points: &[Point], _: bool) -> Value {
    extremes(points, ["rateMin", "rateAvg", "rateMax"])
}

pub(super) fn measured_fitness(known: &Known, date: NaiveDate) -> Vec<Point> {
    let point = |(at, value)| Point::sample(at, json!({"vo2Max": double(value), "measurementMethod": "FITBIT_RUN"}));
    measured(known, date).map(point).into_iter().collect()
}

/// Fitness as measured on a run, with satellites.
fn measured(known: &Known, date: NaiveDate) -> Option<(DateTime<Utc>, f64)> {
    let at = known.person.instant(date, 12 * 60);
    match known.cardio_fitness(date)? {
        CardioFitness::Exactly(value) if at <= known.now => Some((at, f64::from(value))),
        _ => None,
    }
}

/// The point of a day, if there is a value.
fn day<T>(known: &Known, date: NaiveDate, value: Option<T>, body: impl FnOnce(T) -> Json) -> Vec<Point> {
    let at = known.person.instant(date, 0);
    let point = |value| Point { origin: Origin::Derived, ..Point::sample(at, body(value)) };
    value.map(point).into_iter().collect()
}

fn mean(points: &[Point]) -> f64 {
    thousandths(sum(points, 0) / points.len().max(1) as f64)
}

/// Lowest, mean and highest, in this order.
fn extremes(points: &[Point], [low, average, high]: [&str; 3]) -> Value {
    let values = || points.iter().map(|point| point.figures[0]);
    Members::default()
        .double(low, values().fold(f64::INFINITY, f64::min))
        .double(average, mean(points))
        .double(high, values().fold(f64::NEG_INFINITY, f64::max))
        .map()
}

fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
