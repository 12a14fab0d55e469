//! Values within a day of the Fitbit Web API → samples. Its times are those the person's clocks showed, without a zone.
//! Pure.

use chrono::{DateTime, FixedOffset, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use chrono_tz::Tz;
use serde_json::Value as Json;

use crate::metric;
use crate::reading::{Moment, Reading, Resolution, Value};
use crate::upstream::Failure;
use crate::upstream::decode::{self, pointer};
use crate::upstream::endpoint::{Context, Decoded};

/// Active zone minutes, by zone; one without is left out.
static ZONES: &[(&str, &str)] = &[
    ("active-zone-minutes", "/activeZoneMinutes"),
    ("fat-burn-zone-minutes", "/fatBurnActiveZoneMinutes"),
    ("cardio-zone-minutes", "/cardioActiveZoneMinutes"),
    ("peak-zone-minutes", "/peakActiveZoneMinutes"),
];

/// A day of a metric in rows: `{"activities-steps-intraday": {"dataset": [{"time": "00:00:00", "value": 1}], …}}`, where
/// `activities-steps` is the key of the day's total beside them.
pub fn dataset(body: &Json, context: &Context, key: &str, metric: &str) -> Result<Decoded, Failure> {
    let Some(found) = body.get(format!("{key}-intraday")) else {
        // An application without rights to them gets the day alone.
        return Err(match body.get(key) {
            Some(_) => Failure::NotGranted("the upstream gives this application no values within a day".into()),
            None => Failure::Malformed("intraday: the answer has no values".into()),
        });
    };
    let interval = found.get("datasetInterval").and_then(Json::as_u64).unwrap_or(1);
    let unit = if found.get("datasetType").and_then(Json::as_str) == Some("second") { 1 } else { 60 };
    let seconds = interval.checked_mul(unit).and_then(|seconds| u32::try_from(seconds).ok());
    let mut samples = Samples::new(context, seconds.and_then(Resolution::of_seconds));
    let day = pointer(body, &format!("/{key}/0/dateTime")).and_then(|date| decode::date(date, context).ok());
    samples.day(day.unwrap_or(context.day));
    for row in rows(found.get("dataset")) {
        if let Some(at) = samples.at(row.get("time")) {
            samples.add(metric, row.get("value"), at);
        }
    }
    Ok(samples.decoded())
}

/// Active zone minutes, as days of minutes; some servers send them in rows like the others.
pub fn zone_minutes(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    let found = body.get("activities-active-zone-minutes-intraday");
    let mut samples = Samples::new(context, context.detail.or(Some(Resolution::MINUTE)));
    let add = |samples: &mut Samples, at: Option<&Json>, value: Option<&Json>| {
        let Some((at, value)) = samples.at(at).zip(value) else { return };
        for (metric, place) in ZONES {
            samples.add(metric, value.pointer(place), at);
        }
    };
    match found {
        Some(Json::Array(days)) => {
            for day in days {
                samples.day_of(day);
                rows(day.get("minutes")).for_each(|row| add(&mut samples, row.get("minute"), row.get("value")));
            }
        }
        Some(Json::Object(set)) => {
            samples.day(context.day);
            rows(set.get("dataset")).for_each(|row| add(&mut samples, row.get("time"), row.get("value")));
        }
        _ => return Err(Failure::Malformed("intraday: the answer has no active zone minutes".into())),
    }
    Ok(samples.decoded())
}

/// Heart rate variability in five minutes of sleep, with how much of them was measured and the power in both bands.
pub fn variability(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    let Some(days) = body.get("hrv").and_then(Json::as_array) else {
        return Err(Failure::Malformed("hrv: the answer has no list of nights".into()));
    };
    let mut samples = Samples::new(context, Some(Resolution::FIVE_MINUTES));
    for day in days {
        samples.day_of(day);
        for row in rows(day.get("minutes")) {
            let Some(at) = samples.at(row.get("minute")) else { continue };
            if let Some(reading) = samples.add("hrv", row.pointer("/value/rmssd"), at) {
                for key in ["coverage", "hf", "lf"] {
                    let found = row.get("value").and_then(|value| value.get(key)).filter(|found| found.is_number());
                    reading.beside.extend(found.map(|found| (key.to_owned(), found.clone())));
                }
            }
        }
    }
    Ok(samples.decoded())
}

/// Blood oxygen in sleep, averaged over five minutes; a bare list of nights, or one night alone.
pub fn oxygen(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    let nights = match body {
        Json::Array(nights) => nights.as_slice(),
        night @ Json::Object(_) => std::slice::from_ref(night),
        _ => return Err(Failure::Malformed("spo2: the answer is not a list of nights".into())),
    };
    let mut samples = Samples::new(context, Some(Resolution::FIVE_MINUTES));
    for night in nights {
        samples.day_of(night);
        for row in rows(night.get("minutes")) {
            if let Some(at) = samples.at(row.get("minute")) {
                samples.add("spo2", row.get("value"), at);
            }
        }
    }
    Ok(samples.decoded())
}

fn rows(list: Option<&Json>) -> impl Iterator<Item = &Json> {
    list.and_then(Json::as_array).into_iter().flatten()
}

/// The samples of an answer, in its order.
struct Samples<'a> {
    context: &'a Context,
    resolution: Option<Resolution>,
    day: NaiveDate,
    wall: Wall,
    readings: Vec<Reading>,
    /// The first thing that cannot be right, and how many there are: a day has 1440 rows.
    problem: Option<(String, usize)>,
}

impl<'a> Samples<'a> {
    fn new(context: &'a Context, resolution: Option<Resolution>) -> Samples<'a> {
        let wall = Wall { zone: context.zone, last: None };
        Samples { context, resolution, day: context.day, wall, readings: Vec::new(), problem: None }
    }

    fn day(&mut self, day: NaiveDate) {
        self.day = day;
        self.wall.last = None;
    }

    /// The day that an entry names.
    fn day_of(&mut self, entry: &Json) {
        let day = entry.get("dateTime").map_or(Ok(self.context.day), |date| decode::date(date, self.context));
        match day {
            Ok(day) => self.day(day),
            Err(problem) => self.problem(problem),
        }
    }

    /// When a row was measured: a time of this day, or a whole date and time.
    fn at(&mut self, found: Option<&Json>) -> Option<DateTime<FixedOffset>> {
        let text = found.and_then(Json::as_str).unwrap_or_default();
        let whole = text.parse::<NaiveDateTime>().ok().filter(|_| decode::date(&text.into(), self.context).is_ok());
        match whole.or_else(|| Some(self.day.and_time(text.parse::<NaiveTime>().ok()?))) {
            Some(shown) => self.wall.instant(shown),
            None => {
                self.problem(format!("{text:?} is not a time"));
                None
            }
        }
    }

    /// Adds what was measured. In so short a time nothing is the rule, and what has not been synced is reported as 0 as
    /// well: neither is kept.
    fn add(&mut self, key: &str, value: Option<&Json>, at: DateTime<FixedOffset>) -> Option<&mut Reading> {
        let unit = metric::find(key)?.unit;
        match decode::number(value?, unit) {
            Ok(Some(number)) if number > 0.0 => {
                let reading = decode::reading(key, Value::Number(number), Moment::Time(at))?;
                self.readings.push(Reading { resolution: self.resolution, ..reading });
                self.readings.last_mut()
            }
            Ok(_) => None,
            Err(problem) => {
                self.problem(format!("{key} of {at}: {problem}"));
                None
            }
        }
    }

    fn problem(&mut self, problem: String) {
        self.problem.get_or_insert((problem, 0)).1 += 1;
    }

    fn decoded(self) -> Decoded {
        let problems = self.problem.map(|(first, count)| match count {
            1 => format!("intraday: {first}"),
            _ => format!("intraday: {first}; {} more like this", count - 1),
        });
        Decoded { readings: self.readings, problems: problems.into_iter().collect(), ..Decoded::default() }
    }
}

/// A person's clock that is read row by row.
struct Wall {
    zone: Tz,
    last: Option<DateTime<FixedOffset>>,
}

impl Wall {
    /// The instant at which it shows this time: of two, the second where rows have come past the first. What clocks
    /// skip was never shown, and is nothing.
    fn instant(&mut self, shown: NaiveDateTime) -> Option<DateTime<FixedOffset>> {
        let instant = match self.zone.from_local_datetime(&shown) {
            LocalResult::None => return None,
            LocalResult::Single(time) => time.fixed_offset(),
            LocalResult::Ambiguous(first, second) => {
                let first = first.fixed_offset();
                if self.last.is_some_and(|last| last >= first) { second.fixed_offset() } else { first }
            }
        };
        self.last = Some(instant);
        Some(instant)
    }
}
