//! Sleep, exercise, food, drink, electrocardiograms and rhythm alerts. Durations are true ones, across clock changes too.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Map, Value as Json, json};

use super::activity::sum;
use super::point::{Body, Members, Origin, Point, civil, double, offset, timestamp};
use crate::simulator::life::{Food, Known, Level, Meal, Segment, Sleep, SleepKind, Sport, Workout};

type Value = Map<String, Json>;

pub(super) fn sleeps(known: &Known, date: NaiveDate) -> Vec<Point> {
    let sleeps = known.sleeps(date);
    let named = sleeps.iter().any(|sleep| sleep.main);
    let longest = sleeps.iter().max_by_key(|sleep| sleep.minutes_in_bed()).map(|sleep| sleep.id);
    // One per day: where there was no night, the longest of what there was.
    let is_main = |sleep: &Sleep| sleep.main || (!named && Some(sleep.id) == longest);
    let point = |sleep: &Sleep| Point {
        origin: if sleep.manual { Origin::Manual } else { Origin::Derived },
        id: Some(sleep.id),
        body: Body::made(self::sleep(known, sleep, is_main(sleep))),
        ..Point::new(sleep.start, sleep.end, [0.0; 4])
    };
    sleeps.iter().map(point).collect()
}

fn sleep(known: &Known, sleep: &Sleep, main: bool) -> Json {
    let person = &known.person;
    let stages = sleep.kind == SleepKind::Stages;
    let kind = if stages { "STAGES" } else { "CLASSIC" };
    let created = sleep.end + TimeDelta::minutes(21);
    if !known.is_processed(sleep) {
        return json!({"type": kind, "metadata": {}, "createTime": timestamp(sleep.end)});
    }
    let segment = |segment: &Segment| {
        let start = sleep.start + TimeDelta::seconds(segment.from);
        let end = start + TimeDelta::seconds(segment.seconds);
        json!({
            "startTime": timestamp(start),
            "startUtcOffset": offset(person, start),
            "endTime": timestamp(end),
            "endUtcOffset": offset(person, end),
            "type": level_name(segment.level),
        })
    };
    let summary = |level: &Level| {
        json!({
            "type": level_name(*level),
            "minutes": sleep.minutes_of(*level).to_string(),
            "count": sleep.times_of(*level).to_string(),
        })
    };
    let status = match (stages, sleep.nap) {
        (true, _) => "SUCCEEDED",
        (false, true) => "REJECTED_NAP",
        (false, false) => "REJECTED_COVERAGE",
    };
    let metadata = Members::default()
        .other("stagesStatus", status)
        .other("processed", true)
        .other("nap", sleep.nap)
        .other("manuallyEdited", sleep.manual)
        .other("mainSleep", main);
    // Classic records tell how long falling asleep took; those with stages count it as waking.
    let falling =
        sleep.segments.first().filter(|first| first.level == Level::Awake).map_or(0, |first| first.seconds / 60);
    let awake = if stages { Level::Wake } else { Level::Awake };
    let list = |segments: &[Segment]| segments.iter().map(segment).collect::<Vec<Json>>();
    Members::default()
        .other("type", kind)
        .other("stages", list(&sleep.segments))
        .other("shortAwakenings", list(&sleep.short_wakes))
        .other("metadata", metadata.json())
        // Zeros of the summary were seen written out.
        .other(
            "summary",
            json!({
                "minutesInSleepPeriod": sleep.minutes_in_bed().to_string(),
                "minutesAfterWakeUp": "0",
                "minutesToFallAsleep": falling.to_string(),
                "minutesAsleep": sleep.minutes_asleep().to_string(),
                // Restlessness is neither: only what is called awake counts.
                "minutesAwake": sleep.minutes_of(awake).to_string(),
                "stagesSummary": sleep.kind.levels().iter().map(summary).collect::<Vec<Json>>(),
            }),
        )
        .other("createTime", timestamp(created))
        .other("updateTime", timestamp(created))
        .json()
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Deep => "DEEP",
        Level::Light => "LIGHT",
        Level::Rem => "REM",
        Level::Wake | Level::Awake => "AWAKE",
        Level::Asleep => "ASLEEP",
        Level::Restless => "RESTLESS",
    }
}

pub(super) fn exercises(known: &Known, date: NaiveDate) -> Vec<Point> {
    if !known.person.works_out(date) {
        return Vec::new();
    }
    let point = |workout: &Workout| Point {
        id: Some(workout.id),
        body: Body::made(exercise(known, workout)),
        ..Point::new(workout.start, workout.end(), [0.0; 4])
    };
    known.workouts(date).iter().map(point).collect()
}

fn exercise(known: &Known, workout: &Workout) -> Json {
    let (kind, name) = match workout.sport {
        Sport::Run => ("RUNNING", "Run"),
        Sport::Walk => ("WALKING", "Walk"),
        Sport::Bike => ("BIKING", "Bike"),
    };
    let seconds = f64::from(workout.minutes) * 60.0;
    // Metres and metres climbed to the millimetre's thousand, as the Fitbit half rounds them.
    let metres = (workout.distance * 1000.0).round();
    let climbed = (workout.elevation * 1000.0).round();
    let [_, fat_burn, cardio, peak] = workout.zones.map(|zone| zone.minutes);
    let duration = |minutes: u32| if minutes > 0 { Json::from(format!("{}s", minutes * 60)) } else { Json::Null };
    let zones = Members::default()
        .other("moderateTime", duration(fat_burn))
        .other("vigorousTime", duration(cardio))
        .other("peakTime", duration(peak));
    let mut summary = Members::default()
        .double("caloriesKcal", workout.calories.round())
        .double("distanceMillimeters", metres * 1000.0)
        .integer("steps", f64::from(workout.steps));
    if workout.distance > 0.0 {
        let pace = (seconds / workout.distance * 1000.0).round() / 1_000_000.0;
        summary = summary.double("averagePaceSecondsPerMeter", pace);
    }
    let summary = summary
        .double(
            "averageSpeedMillimetersPerSecond",
            (workout.distance * 1_000_000.0 / seconds * 1000.0).round() / 1000.0,
        )
        .integer("averageHeartRateBeatsPerMinute", f64::from(workout.heart_rate))
        .double("elevationGainMillimeters", climbed)
        .integer("activeZoneMinutes", f64::from(fat_burn + 2 * cardio + 2 * peak))
        .other("heartRateZoneDurations", zones.json());
    let event = |at: DateTime<Utc>, kind: &str| json!({"eventTime": timestamp(at), "eventUtcOffset": offset(&known.person, at), "exerciseEventType": kind});
    let metadata = Members::default().other("hasGps", workout.sport != Sport::Walk);
    // Half a second after its end, for times with a fraction are to be met with.
    let created = timestamp(workout.end() + TimeDelta::milliseconds(500));
    json!({
        "exerciseType": kind,
        "displayName": name,
        "activeDuration": format!("{seconds}s"),
        "metricsSummary": summary.json(),
        "exerciseMetadata": metadata.json(),
        "exerciseEvents": [event(workout.start, "START"), event(workout.end(), "STOP")],
        "createTime": created,
        "updateTime": created,
    })
}

pub(super) fn drinks(known: &Known, date: NaiveDate) -> Vec<Point> {
    let point = |drink: crate::simulator::life::Drink| {
        let amount = json!({"milliliters": double(drink.millilitres), "userProvidedUnit": "MILLILITER"});
        entry(drink.entered, drink.id, json!({"amountConsumed": amount}), [drink.millilitres, 0.0, 0.0, 0.0])
    };
    known.drinks(date).into_iter().map(point).collect()
}

pub(super) fn sum_drinks(points: &[Point], _: bool) -> Value {
    let amount = json!({"millilitersSum": double(sum(points, 0)), "userProvidedUnitLast": "MILLILITER"});
    Members::default().other("amountConsumed", amount).map()
}

pub(super) fn foods(known: &Known, date: NaiveDate) -> Vec<Point> {
    let point = |food: &Food| {
        let [carbohydrates, fat, fibre, protein] = food.nutrients;
        let meal = match food.meal {
            Meal::Breakfast => "BREAKFAST",
            Meal::Lunch => "LUNCH",
            Meal::Snack => "SNACK",
            Meal::Dinner => "DINNER",
        };
        let nutrient = |name: &str, grams: f64| json!({"nutrient": name, "quantity": {"grams": double(grams)}});
        let body = json!({
            "foodDisplayName": food.name,
            "mealType": meal,
            "energy": {"kcal": food.calories},
            "totalCarbohydrate": {"grams": double(carbohydrates)},
            "totalFat": {"grams": double(fat)},
            "nutrients": [
                nutrient("PROTEIN", protein),
                nutrient("DIETARY_FIBER", fibre),
                nutrient("SODIUM", food.sodium / 1000.0),
            ],
            "serving": {"amount": double(food.grams), "foodMeasurementUnit": "foodMeasurementUnits/147"},
        });
        entry(food.entered, food.id, body, [f64::from(food.calories), carbohydrates, fat, protein])
    };
    known.foods(date).iter().map(point).collect()
}

pub(super) fn sum_foods(points: &[Point], _: bool) -> Value {
    let grams = |at: usize| double((sum(points, at) * 100.0).round() / 100.0);
    Members::default()
        .other("energy", json!({"kcalSum": double(sum(points, 0))}))
        .other("totalCarbohydrate", json!({"gramsSum": grams(1)}))
        .other("totalFat", json!({"gramsSum": grams(2)}))
        .other("nutrients", json!([{"nutrient": "PROTEIN", "quantity": {"gramsSum": grams(3)}}]))
        .map()
}

/// An entry of a log; its interval must not be empty.
fn entry(at: DateTime<Utc>, id: u64, body: Json, figures: [f64; 4]) -> Point {
    let end = at + TimeDelta::minutes(1);
    Point { origin: Origin::Manual, id: Some(id), body: Body::made(body), ..Point::new(at, end, figures) }
}

pub(super) fn electrocardiograms(known: &Known, date: NaiveDate) -> Vec<Point> {
    let reading = known.electrocardiogram(date).map(|reading| Point {
        body: Body::made(json!({
            "resultClassification": if reading.conclusive { "NORMAL_SINUS_RHYTHM" } else { "INCONCLUSIVE" },
            "beatsPerMinuteAvg": reading.heart_rate.to_string(),
            "samplingFrequencyHertz": 250,
            "millivoltsScalingFactor": 10_922,
            "leadNumber": 1,
            "waveformSamples": reading.wave,
            "medicalDeviceInfo": {
                "deviceModel": known.person.tracker_model(),
                "firmwareVersion": "1.2.3",
                "featureVersion": "1.2.3-2.11-2.14",
            },
        })),
        ..Point::new(reading.at, reading.at + TimeDelta::seconds(30), [0.0; 4])
    });
    reading.into_iter().collect()
}

pub(super) fn irregular_rhythms(known: &Known, date: NaiveDate) -> Vec<Point> {
    let person = &known.person;
    let alert = known.irregular_rhythm(date).map(|alert| {
        let windows = alert.windows.iter().map(|window| {
            let end = window.start + TimeDelta::minutes(5);
            let beat = |(at, rate): &(DateTime<Utc>, u32)| {
                json!({
                    "physicalTime": timestamp(*at),
                    "utcOffset": offset(person, *at),
                    "civilTime": civil(person.local(*at)),
                    "beatsPerMinute": rate,
                })
            };
            json!({
                "startTime": timestamp(window.start),
                "startUtcOffset": offset(person, window.start),
                "endTime": timestamp(end),
                "endUtcOffset": offset(person, end),
                "positive": true,
                "heartBeats": window.beats.iter().map(beat).collect::<Vec<Json>>(),
            })
        });
        let windows: Vec<Json> = windows.collect();
        let start = alert.windows.first().map_or(alert.detected, |first| first.start);
        let device = json!({"deviceModel": person.tracker_model(), "serviceVersion": "2.2", "algorithmVersion": "1.6"});
        Point {
            body: Body::made(json!({"alertWindows": windows, "medicalDeviceInfo": device})),
            ..Point::new(start, alert.detected, [0.0; 4])
        }
    });
    alert.into_iter().collect()
}

/// The service's own mistake: `reconcile` doubles the summary of some sleeps' stages.
pub(super) fn with_doubled_summary(mut point: Json, id: u64) -> Json {
    if id.is_multiple_of(4)
        && let Some(Json::Array(stages)) = point.pointer_mut("/sleep/summary/stagesSummary")
    {
        stages.extend(stages.clone());
    }
    point
}
