//! Samples read back: thousands as one text, because a driver takes longer to hand over a row than a database to find it.

use std::cmp::Reverse;

use anyhow::Result;
use chrono::{FixedOffset, NaiveDate, NaiveTime};

use super::DAY;
use crate::metric::{self, Metric};
use crate::reading::{Moment, Person, Reading, Resolution, Value};
use crate::store::engine::Engine;
use crate::store::readings::one_of;
use crate::store::trouble::Doing;
use crate::store::{Connection, Cursor, Store, Stored, moment};

/// The metrics whose value is their newest sample.
pub(in crate::store) const NEWEST_SAMPLE: [&str; 1] = ["heart-rate"];

/// The farthest offsets from UTC that people live at, in seconds.
const EASTERNMOST: i64 = 14 * 3600;
const WESTERNMOST: i64 = 12 * 3600;

/// Of a series (`$1`) the newest sample: one look at the primary key.
const NEWEST: &str = "series = $1 ORDER BY instant DESC LIMIT 1";

/// Of a series (`$1`) those from an instant (`$2`) on, of all civil days that somebody's samples have between two others.
const OF_DAY: &str = "series = $1 AND instant < $4 - (SELECT MIN(east) FROM origin)
     AND instant >= (SELECT CASE WHEN $2 > $3 - MAX(east) THEN $2 ELSE $3 - MAX(east) END FROM origin)
     ORDER BY instant LIMIT $5";

/// Two texts of a line for each row: all origins, and the samples that a condition leaves; columns are one space apart.
fn text<T: Sampled>(engine: Engine, condition: &str) -> String {
    let (before, number, source) = (T::BEFORE, engine.digits("number"), engine.quoted("source"));
    format!(
        "SELECT (SELECT string_agg(id || ' ' || east || ' ' || {source}, '\n') FROM origin),
             string_agg({before} instant || ' ' || {number} || ' ' || origin || COALESCE(' ' || beside, ''), '\n')
         FROM (SELECT * FROM sample WHERE {condition}) AS sample"
    )
}

/// What a [`text`] gives back.
type Texts = (Option<String>, Option<String>);

impl Store {
    /// The newest sample of a metric, of whatever resolution.
    pub(in crate::store) async fn newest_sample(
        &self,
        person: &Person,
        metric: &'static Metric,
    ) -> Result<Option<Stored>> {
        let mut connection = self.pool.acquire().await.context("reading the newest sample from the store")?;
        let mut newest = None;
        for series in series_of(&mut connection, person, &[metric]).await? {
            let texts = sqlx::query_as(sqlx::AssertSqlSafe(text::<Stored>(self.engine, NEWEST)))
                .bind(series.id)
                .fetch_one(&mut *connection)
                .await
                .context("reading the newest sample from the store")?;
            let samples: Vec<Stored> = series.read(&texts);
            // Of two at one instant, that of the finer series.
            let place = |stored: &Stored| {
                (stored.reading.at.instant(), Reverse(stored.reading.resolution.map(Resolution::seconds)))
            };
            newest = newest.into_iter().chain(samples).max_by_key(place);
        }
        Ok(newest)
    }
}

/// Samples of one metric and resolution.
#[derive(Debug, Clone)]
pub(in crate::store) struct Series {
    pub id: i64,
    pub metric: &'static Metric,
    pub resolution: Resolution,
}

/// The series of these metrics of a person; of all that the catalogue has, where none is named.
pub(in crate::store) async fn series_of(
    connection: &mut Connection,
    person: &Person,
    metrics: &[&'static Metric],
) -> Result<Vec<Series>> {
    let condition = one_of("metric", metrics);
    let rows: Vec<(i64, String, i64)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT id, metric, resolution FROM series WHERE person = $1 {condition} ORDER BY id"
    )))
    .bind(person.as_str())
    .fetch_all(connection)
    .await
    .context("reading the history from the store")?;
    let read = |(id, key, seconds): (i64, String, i64)| {
        Some(Series { id, metric: metric::find(&key)?, resolution: Resolution::of_seconds(seconds.try_into().ok()?)? })
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Of each series, at most `limit` samples of the cursor's day that stand after it.
pub(in crate::store) async fn after(
    connection: &mut Connection,
    series: &[Series],
    after: &Cursor,
    limit: usize,
) -> Result<Vec<(Cursor, Stored)>> {
    let mut found = Vec::new();
    for series in series {
        let (metric, resolution) = (series.metric.key, i64::from(series.resolution.seconds()));
        let begins_after = (metric, resolution) > (after.metric.as_str(), after.resolution);
        let from = after.instant.saturating_add(i64::from(!begins_after));
        let samples: Vec<Stored> = series.of_day(connection, after.day, from, limit).await?;
        found.extend(samples.into_iter().map(|stored| {
            let instant = stored.reading.at.instant();
            (Cursor { day: after.day, instant, metric: metric.to_owned(), resolution, place: 0 }, stored)
        }));
    }
    Ok(found)
}

/// A day after `day`, and not after the next of which there are samples.
pub(in crate::store) async fn next_day(
    connection: &mut Connection,
    series: &[Series],
    day: NaiveDate,
) -> Result<Option<NaiveDate>> {
    let Some(tomorrow) = day.succ_opt() else { return Ok(None) };
    let midnight = tomorrow.and_time(NaiveTime::MIN).and_utc().timestamp();
    let mut first: Option<i64> = None;
    for series in series {
        let next: Option<i64> =
            sqlx::query_scalar("SELECT MIN(instant) FROM sample WHERE series = $1 AND instant >= $2")
                .bind(series.id)
                .bind(midnight - EASTERNMOST)
                .fetch_one(&mut *connection)
                .await
                .context("reading the history from the store")?;
        first = first.into_iter().chain(next).min();
    }
    Ok(first.map(|first| moment(first - WESTERNMOST).date_naive().max(tomorrow)))
}

/// A sample as somebody wants it.
pub(in crate::store) trait Sampled: Sized {
    /// The columns that stand before those of every reading.
    const BEFORE: &str;

    /// A line of a [`text`].
    fn of(line: &str, series: &Series, origins: &[Origin]) -> Option<Self>;

    fn reading(&self) -> &Reading;
}

impl Sampled for Reading {
    const BEFORE: &str = "";

    fn of(line: &str, series: &Series, origins: &[Origin]) -> Option<Reading> {
        let mut columns = line.splitn(4, ' ');
        let instant = moment(columns.next()?.parse().ok()?);
        let number = columns.next()?.parse().ok()?;
        let origin: i64 = columns.next()?.parse().ok()?;
        let (_, east, source) = origins.iter().find(|(id, ..)| *id == origin)?;
        let beside = columns.next().map(|text| serde_json::from_str(text).unwrap_or_default());
        Some(Reading {
            metric: series.metric,
            value: Value::Number(number),
            at: Moment::Time(instant.with_timezone(east)),
            source: source.clone(),
            beside: beside.unwrap_or_default(),
            resolution: Some(series.resolution),
        })
    }

    fn reading(&self) -> &Reading {
        self
    }
}

impl Sampled for Stored {
    const BEFORE: &str = "asked || ' ' || revision || ' ' ||";

    fn of(line: &str, series: &Series, origins: &[Origin]) -> Option<Stored> {
        let (asked, line) = line.split_once(' ')?;
        let (revision, line) = line.split_once(' ')?;
        let reading = Reading::of(line, series, origins)?;
        Some(Stored { reading, fetched: moment(asked.parse().ok()?), revision: revision.parse().ok()? })
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }
}

/// Where samples came from: how far east of UTC, and from which device.
type Origin = (i64, FixedOffset, Option<String>);

impl Series {
    /// At most `limit` samples of a civil day, from a Unix second on, in order of time.
    pub async fn of_day<T: Sampled>(
        &self,
        connection: &mut Connection,
        day: NaiveDate,
        mut from: i64,
        limit: usize,
    ) -> Result<Vec<T>> {
        let midnight = day.and_time(NaiveTime::MIN).and_utc().timestamp();
        let mut found: Vec<T> = Vec::new();
        loop {
            let texts = sqlx::query_as(sqlx::AssertSqlSafe(text::<T>(Engine::of(connection), OF_DAY)))
                .bind(self.id)
                .bind(from)
                .bind(midnight)
                .bind(midnight + DAY)
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_one(&mut *connection)
                .await
                .context("reading the history from the store")?;
            let mut samples: Vec<T> = self.read(&texts);
            let last = samples.last().filter(|_| samples.len() >= limit);
            let next = last.map(|sample| sample.reading().at.instant().saturating_add(1));
            // Where people live in several time zones, some are of the days beside it.
            samples.retain(|sample| sample.reading().at.date() == day);
            if found.is_empty() {
                found = samples
            } else {
                found.append(&mut samples)
            }
            match next {
                Some(next) if found.len() < limit => from = next,
                _ => break,
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// The samples of a [`text`], in order of time.
    fn read<T: Sampled>(&self, (origins, samples): &Texts) -> Vec<T> {
        let origins: Vec<_> = origins.iter().flat_map(|lines| lines.lines()).filter_map(origin).collect();
        let samples = samples.iter().flat_map(|lines| lines.lines());
        let mut samples: Vec<T> = samples.filter_map(|line| T::of(line, self, &origins)).collect();
        // A database need not keep the order of rows that it puts together.
        samples.sort_by_key(|sample| sample.reading().at.instant());
        samples
    }
}

fn origin(line: &str) -> Option<Origin> {
    let mut columns = line.splitn(3, ' ');
    let (id, east) = (columns.next()?.parse().ok()?, columns.next()?.parse().ok()?);
    Some((id, FixedOffset::east_opt(east)?, serde_json::from_str(columns.next()?).ok()?))
}
