//! Endpoint row + JSON → readings. Pure: no input, no output, no clock; whatever the JSON, it never panics.

use chrono::{DateTime, Datelike, FixedOffset, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use serde_json::{Map, Value as Json};

use super::Failure;
use super::endpoint::{At, Context, Decode, Decoded, Endpoint, Field, Read};
use crate::metric::{self, Metric, Unit};
use crate::reading::{Moment, Reading, Resolution, Value, rfc3339};
use crate::snapshot::Device;

/// Reads an answer of `endpoint`.
pub fn decode(endpoint: &Endpoint, body: &Json, context: &Context) -> Result<Decoded, Failure> {
    match &endpoint.decode {
        Decode::Nothing => Ok(Decoded::default()),
        Decode::Own { decode, .. } => decode(body, context),
        Decode::Entries { list, at, source, fields } => entries(endpoint, body, context, list, at, *source, fields),
    }
}

fn entries(
    endpoint: &Endpoint,
    body: &Json,
    context: &Context,
    list: &str,
    at: &At,
    source: Option<&str>,
    fields: &[Field],
) -> Result<Decoded, Failure> {
    let mut decoded = Decoded::default();
    let rows: Vec<&Json> = match pointer(body, list) {
        Some(Json::Array(rows)) => rows.iter().collect(),
        Some(row @ Json::Object(_)) => vec![row],
        // "Nothing recorded" is also said by an empty object or null.
        Some(Json::Null) => Vec::new(),
        // So it is by one with nothing but the token of the next page.
        None if body.as_object().is_some_and(|body| body.keys().all(|key| key == "nextPageToken")) => Vec::new(),
        _ => return Err(Failure::Malformed(format!("the answer of {} has no list {list:?}", endpoint.name))),
    };
    for row in rows {
        if row.as_object().is_some_and(Map::is_empty) {
            continue;
        }
        let (moment, resolution) = match moment(row, at, context) {
            Ok(found) => found,
            Err(problem) => {
                decoded.problems.push(format!("{}: {problem}", endpoint.name));
                continue;
            }
        };
        let source = source.and_then(|at| pointer(row, at)).and_then(Json::as_str).map(str::to_owned);
        for field in fields {
            match read(body, row, field, context) {
                Ok(None) => {}
                // In so short a time nothing is the rule, and what has not been synced is reported as 0 as well.
                Ok(Some((_, Value::Number(0.0), _))) if resolution.is_some() => {}
                Ok(Some((metric, value, beside))) => {
                    let source = source.clone();
                    decoded.readings.push(Reading { metric, value, at: moment, source, beside, resolution });
                }
                Err(problem) => decoded.problems.push(format!("{} of {moment}: {problem}", field.metric)),
            }
        }
    }
    Ok(decoded)
}

type Found = (&'static Metric, Value, Map<String, Json>);

fn read(body: &Json, row: &Json, field: &Field, context: &Context) -> Result<Option<Found>, String> {
    let Some(metric) = metric::find(field.metric) else { return Ok(None) };
    let Some(found) = pointer(row, field.value) else {
        let zero = matches!(field.read, Read::Total(_)) && holder(row, field.value).is_some_and(Json::is_object);
        return Ok(zero.then(|| (metric, Value::Number(0.0), Map::new())));
    };
    let mut beside = Map::new();
    let value = match field.read {
        Read::Number => number(found, metric.unit)?.map(Value::Number),
        Read::Scaled(divisor) | Read::Total(divisor) => scaled(found, divisor, metric.unit)?.map(Value::Number),
        // Whole milliseconds first: 1576.8 / 60 is not 26.28.
        Read::Duration => match duration(found)? {
            Some(seconds) => scaled(&(seconds * 1e3).round().into(), 6e4, metric.unit)?.map(Value::Number),
            None => None,
        },
        Read::Positive => number(found, metric.unit)?.filter(|number| *number > 0.0).map(Value::Number),
        Read::Midpoint => midpoint(found, metric.unit, &mut beside)?.map(Value::Number),
        Read::Time => time(found, context)?.map(|time| Value::Text(rfc3339(time))),
        Read::Text => match found {
            Json::Null => None,
            Json::String(text) => Some(text).filter(|text| !text.is_empty()).cloned().map(Value::Text),
            other => return Err(format!("{} stands where text belongs", kind(other))),
        },
    };
    for (name, at) in field.beside {
        let found = if at.starts_with("//") { pointer(body, &at[1..]) } else { pointer(row, at) };
        if let Some(found) = found.filter(|found| !found.is_null()) {
            beside.insert((*name).to_owned(), found.clone());
        }
    }
    Ok(value.map(|value| (metric, value, beside)))
}

/// A number out of a number or a string. `Ok(None)`: null, `"NaN"`, an empty string, or the -1 that stands for "none".
pub fn number(found: &Json, unit: Unit) -> Result<Option<f64>, String> {
    scaled(found, 1.0, unit)
}

/// A number in a unit `divisor` times smaller than `unit`.
pub fn scaled(found: &Json, divisor: f64, unit: Unit) -> Result<Option<f64>, String> {
    let number: f64 = match found {
        Json::Null => return Ok(None),
        Json::Number(number) => number.as_f64().ok_or_else(|| format!("{number} is not a number we can hold"))?,
        Json::String(text) if text.trim().is_empty() => return Ok(None),
        Json::String(text) => text.trim().parse().map_err(|_| format!("{text:?} is not a number"))?,
        other => return Err(format!("{} stands where a number belongs", kind(other))),
    };
    // Division, because 1e3 and its like are exact and 1e-3 is not.
    let (none, number) = (number.is_nan() || number == -1.0, number / divisor);
    let plausible = unit.plausible();
    if none && (number.is_nan() || !plausible.contains(&number)) {
        Ok(None)
    } else if plausible.contains(&number) {
        Ok(Some(number))
    } else {
        let number =
            if number.fract() == 0.0 && number.abs() < 9e15 { number.to_string() } else { format!("{number:?}") };
        Err(format!("{number} is not plausible (from {} to {} is)", plausible.start(), plausible.end()))
    }
}

/// Seconds out of `"1576.800s"`. `Ok(None)`: null.
pub fn duration(found: &Json) -> Result<Option<f64>, String> {
    let text = match found {
        Json::Null => return Ok(None),
        Json::String(text) => text,
        other => return Err(format!("{} stands where a duration belongs", kind(other))),
    };
    let seconds = text.strip_suffix('s').and_then(|seconds| seconds.parse::<f64>().ok());
    let sensible = seconds.filter(|seconds| seconds.is_finite() && seconds.abs() < 1e9);
    sensible.map(Some).ok_or_else(|| format!("{text:?} is not a duration"))
}

/// An instant and an offset apart: `{"physicalTime": "…Z", "utcOffset": "3600s"}`.
pub fn sample_time(found: &Json, context: &Context) -> Result<DateTime<FixedOffset>, String> {
    instant(found.get("physicalTime"), found.get("utcOffset"), context)
}

/// An instant with the offset the person had then; without one, that of the person's time zone.
pub fn instant(
    instant: Option<&Json>,
    offset: Option<&Json>,
    context: &Context,
) -> Result<DateTime<FixedOffset>, String> {
    let text = instant.and_then(Json::as_str).ok_or("an entry has no time")?;
    let instant = DateTime::parse_from_rfc3339(text).map_err(|_| format!("{text:?} is not a time"))?;
    sensible(instant.date_naive(), context)?;
    let offset = match offset {
        None | Some(Json::Null) => None,
        // RFC 3339 writes offsets in whole minutes.
        Some(offset) => duration(offset)?
            .filter(|seconds| seconds % 60.0 == 0.0)
            .and_then(|seconds| FixedOffset::east_opt(seconds as i32)),
    };
    Ok(match offset {
        Some(offset) => instant.with_timezone(&offset),
        None => instant.with_timezone(&context.zone).fixed_offset(),
    })
}

/// A date out of `{"year": 2026, "month": 11, "day": 19}`.
pub fn civil_date(found: &Json, context: &Context) -> Result<NaiveDate, String> {
    let part = |key: &str| found.get(key).and_then(Json::as_i64);
    let date = part("year").zip(part("month")).zip(part("day")).and_then(|((year, month), day)| {
        NaiveDate::from_ymd_opt(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?)
    });
    let date = date.ok_or_else(|| format!("{found} is not a date"))?;
    sensible(date, context)?;
    Ok(date)
}

/// `"42-46"` → 44, with `low` and `high` beside it; a single number is itself.
fn midpoint(found: &Json, unit: Unit, beside: &mut Map<String, Json>) -> Result<Option<f64>, String> {
    let Some((low, high)) = found.as_str().and_then(|text| text.split_once('-')).filter(|(low, _)| !low.is_empty())
    else {
        return number(found, unit);
    };
    match (number(&low.into(), unit)?, number(&high.into(), unit)?) {
        (Some(low), Some(high)) if low <= high => {
            beside.insert("low".into(), Json::from(&Value::Number(low)));
            beside.insert("high".into(), Json::from(&Value::Number(high)));
            Ok(Some((low + high) / 2.0))
        }
        _ => Err(format!("{found} is not a range")),
    }
}

/// A time out of RFC 3339 text, or out of local text in the person's time zone. `Ok(None)`: null.
pub fn time(found: &Json, context: &Context) -> Result<Option<DateTime<FixedOffset>>, String> {
    let text = match found {
        Json::Null => return Ok(None),
        Json::String(text) => text,
        other => return Err(format!("{} stands where a time belongs", kind(other))),
    };
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        sensible(time.date_naive(), context)?;
        return Ok(Some(time));
    }
    let time: NaiveDateTime = text.parse().map_err(|_| format!("{text:?} is not a time"))?;
    sensible(time.date(), context)?;
    Ok(Some(local(time, context.zone)))
}

/// A date out of `2026-11-19` or of a time that begins with one.
pub fn date(found: &Json, context: &Context) -> Result<NaiveDate, String> {
    let text = found.as_str().ok_or_else(|| format!("{} stands where a date belongs", kind(found)))?;
    let date = text.get(..10).and_then(|text| text.parse().ok()).ok_or_else(|| format!("{text:?} is not a date"))?;
    sensible(date, context)?;
    Ok(date)
}

/// The instant at which the clocks of `zone` show `time`: the first of two where they were set back, and the moment
/// after the gap where they were set forward.
pub fn local(time: NaiveDateTime, zone: Tz) -> DateTime<FixedOffset> {
    match zone.from_local_datetime(&time) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => time.fixed_offset(),
        LocalResult::None => {
            // No zone's gap is longer than a day, so the hour after it exists; the offset before it holds until then.
            let day = TimeDelta::days(1);
            let before = time.checked_sub_signed(day).and_then(|time| zone.from_local_datetime(&time).earliest());
            match before.and_then(|before| before.checked_add_signed(day)) {
                Some(after) => after.fixed_offset(),
                None => zone.from_utc_datetime(&time).fixed_offset(),
            }
        }
    }
}

/// When an entry was measured, and how far apart such entries are, where they are samples.
pub fn moment(row: &Json, at: &At, context: &Context) -> Result<(Moment, Option<Resolution>), String> {
    let find = |at: &str| pointer(row, at).ok_or_else(|| format!("an entry has no {at:?}"));
    let moment = match at {
        At::Window => {
            let (start, end) =
                (instant(row.get("startTime"), None, context)?, instant(row.get("endTime"), None, context)?);
            let seconds = u32::try_from((end - start).num_seconds()).unwrap_or_default();
            let resolution =
                Resolution::of_seconds(seconds).ok_or_else(|| format!("the window at {start} has no length"))?;
            return Ok((Moment::Time(start), Some(resolution)));
        }
        At::Sampled(at, resolution) => {
            return Ok((Moment::Time(sample_time(find(at)?, context)?), Some(*resolution)));
        }
        At::CivilDate(at) => Ok(Moment::Date(civil_date(find(at)?, context)?)),
        At::Sample(at) => sample_time(find(at)?, context).map(Moment::Time),
        At::DayAsked => Ok(Moment::Date(context.day)),
        At::Date(at) | At::Carried(at) => Ok(Moment::Date(date(find(at)?, context)?)),
        At::Time(at) => time(find(at)?, context)?.map(Moment::Time).ok_or_else(|| format!("an entry has no {at:?}")),
        At::DateAndTime(day, hour) => {
            let day = date(find(day)?, context)?;
            let hour = find(hour)?.as_str().and_then(|text| text.parse::<NaiveTime>().ok());
            let hour = hour.ok_or_else(|| format!("an entry of {day} has no time of day"))?;
            Ok(Moment::Time(local(day.and_time(hour), context.zone)))
        }
    };
    moment.map(|moment| (moment, None))
}

/// Health was not recorded before 1990 and is not recorded for the day after tomorrow.
fn sensible(date: NaiveDate, context: &Context) -> Result<(), String> {
    let latest = context.today + TimeDelta::days(1);
    if date.year() < 1990 || date > latest {
        return Err(format!("the date {date} cannot be right"));
    }
    Ok(())
}

/// The object of the row in which a field would stand, or in which the list of such fields would.
fn holder<'json>(row: &'json Json, path: &str) -> Option<&'json Json> {
    let plain = path.split('[').next()?;
    row.pointer(plain.rsplit_once('/')?.0)
}

/// A JSON pointer, with `[key=value]` for the entry of a list that has this value.
pub fn pointer<'json>(json: &'json Json, path: &str) -> Option<&'json Json> {
    let Some((plain, rest)) = path.split_once('[') else { return json.pointer(path) };
    let (condition, rest) = rest.split_once(']')?;
    let (key, wanted) = condition.split_once('=')?;
    let list = json.pointer(plain)?.as_array()?;
    let entry = list.iter().find(|entry| entry.get(key).and_then(Json::as_str) == Some(wanted))?;
    pointer(entry, rest)
}

fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

/// What trackers say of themselves: of several, the one that synced last speaks for the person.
pub fn tracker(devices: &[Device]) -> Vec<Reading> {
    let synced = |device: &Device| DateTime::parse_from_rfc3339(device.last_sync.as_deref()?).ok();
    let trackers = devices.iter().filter(|device| device.kind == "tracker");
    let latest = trackers.filter_map(|device| Some((synced(device)?, device))).max_by_key(|(sync, _)| *sync);
    let Some((sync, device)) = latest else { return Vec::new() };
    let values = [
        device.battery_level.and_then(|level| reading("tracker-battery", Value::Number(level), Moment::Time(sync))),
        reading("tracker-last-sync", Value::Text(rfc3339(sync)), Moment::Time(sync)),
    ];
    values.into_iter().flatten().map(|reading| Reading { source: Some(device.name.clone()), ..reading }).collect()
}

/// A reading of the metric with this key; for decoders of shapes of their own.
pub fn reading(key: &str, value: Value, at: Moment) -> Option<Reading> {
    Some(Reading { metric: metric::find(key)?, value, at, source: None, beside: Map::new(), resolution: None })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn context() -> Context {
        let day = "2026-11-20".parse().expect("date");
        let night_starts = NaiveTime::from_hms_opt(18, 0, 0).expect("time");
        Context {
            zone: chrono_tz::Europe::Amsterdam,
            day,
            last: day,
            today: day,
            detail: None,
            height: None,
            night_starts,
        }
    }

    #[test]
    fn numbers_come_as_numbers_and_as_strings_and_minus_one_is_none() {
        assert_eq!(number(&json!("12.7"), Unit::Kilometre), Ok(Some(12.7)));
        assert_eq!(number(&json!(8), Unit::Minute), Ok(Some(8.0)));
        assert_eq!(number(&json!(-1), Unit::BreathsPerMinute), Ok(None));
        assert_eq!(number(&json!(-1.0), Unit::CelsiusDifference), Ok(Some(-1.0)));
        assert_eq!(number(&json!("NaN"), Unit::Celsius), Ok(None));
        assert!(number(&json!(1e308), Unit::Kilogram).is_err());
        assert!(number(&json!({"a": 1}), Unit::Kilogram).is_err());
        assert!(number(&json!("lots"), Unit::Kilogram).is_err());
    }

    #[test]
    fn a_range_is_its_midpoint() {
        let mut beside = Map::new();
        assert_eq!(midpoint(&json!("42-46"), Unit::MillilitrePerKilogramMinute, &mut beside), Ok(Some(44.0)));
        assert_eq!(Json::Object(beside), json!({"low": 42, "high": 46}));
        assert_eq!(midpoint(&json!("46"), Unit::MillilitrePerKilogramMinute, &mut Map::new()), Ok(Some(46.0)));
        assert!(midpoint(&json!("46-42"), Unit::MillilitrePerKilogramMinute, &mut Map::new()).is_err());
    }

    #[test]
    fn local_times_take_the_offset_of_their_day() {
        let at = |text: &str| rfc3339(local(text.parse().expect("time"), chrono_tz::Europe::Amsterdam));
        assert_eq!(at("2026-07-01T07:00:00"), "2026-07-01T07:00:00+02:00");
        assert_eq!(at("2026-10-25T02:30:00"), "2026-10-25T02:30:00+02:00", "the first of the two");
        assert_eq!(at("2026-03-29T02:30:00"), "2026-03-29T03:30:00+02:00", "does not exist");
    }

    #[test]
    fn absurd_dates_are_refused() {
        assert!(date(&json!("1066-10-14"), &context()).is_err());
        assert!(date(&json!("2026-11-23"), &context()).is_err());
        assert!(time(&json!("2026-11-19T07:00:00.000"), &context()).is_ok());
        assert!(date(&json!("2026-11-1é"), &context()).is_err());
    }

    #[test]
    fn an_entry_of_a_list_is_found_by_its_name() {
        let json = json!({"zones": [{"name": "Peak", "minutes": 3}, {"name": "Cardio"}]});
        assert_eq!(pointer(&json, "/zones[name=Peak]/minutes"), Some(&json!(3)));
        assert_eq!(pointer(&json, "/zones[name=Cardio]/minutes"), None);
        assert_eq!(pointer(&json, "/zones[name=None]/minutes"), None);
    }
}
