//! Roll-ups by instants and by civil days: closed-open ranges, whole windows but for the last, newest first. They are
//! made of reconciled points; windows without any are left out.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::Ask;
use super::datatype::DataType;
use super::page::Cursor;
use super::point::{Point, civil, timestamp};
use super::refusal::{Refusal, invalid, invalid_argument};
use crate::simulator::life::Known;

/// Default and largest page of a roll-up by instants.
const PAGE_SIZES: (usize, usize) = (1440, 10_000);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Windows {
    range: Instants,
    window_size: String,
    page_size: Option<i64>,
    page_token: Option<String>,
    data_source_family: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Instants {
    start_time: DateTime<Utc>,
    end_time: DateTime<Utc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Days {
    range: Civils,
    window_size_days: Option<i64>,
    page_size: Option<i64>,
    page_token: Option<String>,
    data_source_family: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Civils {
    start: Civil,
    end: Civil,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Civil {
    date: Date,
    #[serde(default)]
    time: Time,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Date {
    year: i32,
    month: u32,
    day: u32,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Time {
    hours: u32,
    minutes: u32,
    seconds: u32,
    nanos: u32,
}

/// `POST …/dataPoints:rollUp`.
pub(super) fn windows(ask: &Ask, row: &'static DataType, body: &[u8]) -> Result<Json, Refusal> {
    ask.only_parameters(&[])?;
    let asked: Windows = read(body)?;
    let (start, end) = (asked.range.start_time, asked.range.end_time);
    let window = asked.window_size.strip_suffix('s').and_then(|seconds| seconds.parse::<f64>().ok());
    let window = window.filter(|seconds| *seconds >= 1.0 && *seconds < 1e9).ok_or_else(|| {
        invalid_argument("window_size", "The window size must be a duration of at least 1 second, as \"3600s\".")
    })?;
    let window = TimeDelta::milliseconds((window * 1000.0) as i64);
    not_longer_than_allowed(row, start.naive_utc(), end.naive_utc())?;
    let family = ask.family(asked.data_source_family.as_deref())?;
    let size = size(asked.page_size, PAGE_SIZES)?;
    let (cursor, question) = begun(ask, body, asked.page_token.as_deref())?;
    let known = ask.known_at(&cursor);
    let mut buckets: BTreeMap<i32, Vec<Point>> = BTreeMap::new();
    for date in dates(&known, known.person.local(start).date(), known.person.local(end).date()) {
        for point in (row.counted)(&known, date) {
            if point.origin.belongs_to(family) && point.start >= start && point.start < end {
                let number = (point.start - start).num_milliseconds() / window.num_milliseconds();
                buckets.entry(number as i32).or_default().push(point);
            }
        }
    }
    let entry = |(number, points): (&i32, &Vec<Point>)| {
        let from = start + window * *number;
        let mut entry = Map::new();
        entry.insert("startTime".into(), timestamp(from).into());
        entry.insert("endTime".into(), timestamp((from + window).min(end)).into());
        entry.insert(row.key(), (row.fold)(points, false).into());
        entry.into()
    };
    Ok(page(ask, &question, &cursor, size, buckets.iter().rev().map(entry)))
}

/// `POST …/dataPoints:dailyRollUp`.
pub(super) fn days(ask: &Ask, row: &'static DataType, body: &[u8]) -> Result<Json, Refusal> {
    ask.only_parameters(&[])?;
    let asked: Days = read(body)?;
    let (start, end) = (asked.range.start.wall("range.start")?, asked.range.end.wall("range.end")?);
    if start.time() != NaiveTime::MIN {
        return Err(invalid_argument("range.start", "The start must be aligned with the window: civil midnight."));
    }
    let window = asked.window_size_days.unwrap_or(1);
    if !(1..=row.longest_rollup()).contains(&window) {
        return Err(invalid_argument("window_size_days", "The window size must be at least one day."));
    }
    not_longer_than_allowed(row, start, end)?;
    let family = ask.family(asked.data_source_family.as_deref())?;
    let most = row.longest_rollup() as usize;
    let size = size(asked.page_size, (most, most))?;
    let (cursor, question) = begun(ask, body, asked.page_token.as_deref())?;
    let known = ask.known_at(&cursor);
    let mut buckets: BTreeMap<i64, Vec<Point>> = BTreeMap::new();
    for date in dates(&known, start.date(), end.date()) {
        let whole = date.and_time(NaiveTime::MIN) + TimeDelta::days(1) <= end;
        for point in (row.counted)(&known, date) {
            if point.origin.belongs_to(family) && (whole || known.person.local(point.start) < end) {
                buckets.entry((date - start.date()).num_days() / window).or_default().push(point);
            }
        }
    }
    let entry = |(number, points): (&i64, &Vec<Point>)| {
        let from = start + TimeDelta::days(number * window);
        let mut entry = Map::new();
        entry.insert("civilStartTime".into(), civil(from));
        entry.insert("civilEndTime".into(), civil((from + TimeDelta::days(window)).min(end)));
        entry.insert(row.key(), (row.fold)(points, true).into());
        entry.into()
    };
    Ok(page(ask, &question, &cursor, size, buckets.iter().rev().map(entry)))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| invalid_argument("", &format!("Invalid JSON payload received. {error}")))
}

fn not_longer_than_allowed(row: &DataType, start: NaiveDateTime, end: NaiveDateTime) -> Result<(), Refusal> {
    if start >= end {
        return Err(invalid("INVALID_TIME_RANGE", "range", "The start of the range must be before its end."));
    }
    let most = row.longest_rollup();
    if end - start > TimeDelta::days(most) {
        let message = format!("The range of a roll-up of {} must not be longer than {most} days.", row.id);
        return Err(invalid("INVALID_ROLLUP_QUERY_DURATION", "range", &message));
    }
    Ok(())
}

fn size(asked: Option<i64>, (usual, most): (usize, usize)) -> Result<usize, Refusal> {
    match asked {
        None | Some(0) => Ok(usual),
        Some(size) if size > 0 => Ok((size as usize).min(most)),
        Some(_) => Err(invalid_argument("page_size", "The page size must not be negative.")),
    }
}

/// Where the question stands, and the question: the body without its token.
fn begun(ask: &Ask, body: &[u8], token: Option<&str>) -> Result<(Cursor, String), Refusal> {
    let mut asked: Json = read(body)?;
    if let Json::Object(asked) = &mut asked {
        asked.remove("pageToken");
    }
    let question = format!("{} {asked}", ask.path);
    Ok((ask.cursor(&question, token)?, question))
}

fn page(ask: &Ask, question: &str, cursor: &Cursor, size: usize, all: impl Iterator<Item = Json>) -> Json {
    let mut entries: Vec<Json> = all.skip(cursor.skip).take(size + 1).collect();
    let more = entries.len() > size;
    entries.truncate(size);
    let mut answer = Map::new();
    if !entries.is_empty() {
        answer.insert("rollupDataPoints".into(), entries.into());
    }
    if more {
        let next = Cursor { skip: cursor.skip + size, ..*cursor };
        answer.insert("nextPageToken".into(), ask.next(question, &next).into());
    }
    answer.into()
}

/// The dates of a range on which there can be something.
fn dates(known: &Known, first: NaiveDate, last: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    let (first, last) = (first.max(known.person.joined), last.min(known.today()));
    first.iter_days().take_while(move |date| *date <= last)
}

impl Civil {
    fn wall(&self, field: &str) -> Result<NaiveDateTime, Refusal> {
        let Civil { date, time } = self;
        let time = NaiveTime::from_hms_nano_opt(time.hours, time.minutes, time.seconds, time.nanos);
        let date = NaiveDate::from_ymd_opt(date.year, date.month, date.day).filter(|_| date.year > 0);
        let wall = date.zip(time).map(|(date, time)| date.and_time(time));
        wall.filter(|wall| wall.nanosecond() < 1_000_000_000)
            .ok_or_else(|| invalid_argument(field, "There is no such civil time."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_is_named_in_the_refusal() {
        let error = read::<Days>(br#"{"days": 1}"#).err();
        assert!(format!("{error:?}").contains("unknown field `days`"));
    }
}
