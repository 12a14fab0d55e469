//! Samples read back: thousands as one text, because a driver takes longer to hand over a row than a database to find it.

use std::collections::HashMap;

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
const NEWEST: &str = "sample.series = $1 ORDER BY sample.instant DESC LIMIT 1";

/// Of a series (`$1`) those of a civil day, and of a stretch of time that is searched for them.
const OF_DAY: &str = "sample.series = $1 AND sample.instant >= $2 AND sample.instant < $3
     AND sample.instant + origin.east >= $4 AND sample.instant + origin.east < $5 ORDER BY sample.instant LIMIT $6";

/// The samples that a condition leaves, as one text: a line each, its columns one space apart.
fn text(engine: Engine, condition: &str) -> String {
    let number = engine.digits("number");
    format!(
        "SELECT string_agg(instant || ' ' || {number} || ' ' || origin || ' ' || asked || ' ' || revision
             || COALESCE(' ' || beside, ''), '\n')
         FROM (SELECT sample.* FROM sample JOIN origin ON origin.id = sample.origin WHERE {condition}) AS sample"
    )
}

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
            let lines: Option<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(text(Engine::of(&connection), NEWEST)))
                .bind(series.id)
                .fetch_one(&mut *connection)
                .await
                .context("reading the newest sample from the store")?;
            newest = newest.into_iter().chain(series.read(&mut connection, lines).await?).max_by_key(|(at, _)| *at);
        }
        Ok(newest.map(|(_, stored)| stored))
    }
}

/// Samples of one metric and resolution.
pub(in crate::store) struct Series {
    pub id: i64,
    metric: &'static Metric,
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
    let midnight = after.day.and_time(NaiveTime::MIN).and_utc().timestamp();
    for series in series {
        let (metric, resolution) = (series.metric.key, i64::from(series.resolution.seconds()));
        let begins_after = (metric, resolution) > (after.metric.as_str(), after.resolution);
        let lines = sqlx::query_scalar(sqlx::AssertSqlSafe(text(Engine::of(connection), OF_DAY)))
            .bind(series.id)
            .bind((midnight - EASTERNMOST).max(after.instant.saturating_add(i64::from(!begins_after))))
            .bind(midnight + DAY + WESTERNMOST)
            .bind(midnight)
            .bind(midnight + DAY)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_one(&mut *connection)
            .await
            .context("reading the history from the store")?;
        found.extend(series.read(connection, lines).await?.into_iter().map(|(instant, stored)| {
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

/// Where samples came from: how far east of UTC, and from which device.
type Origin = (FixedOffset, Option<String>);

impl Series {
    /// The samples of a [`text`] and their Unix seconds, in order of time.
    async fn read(&self, connection: &mut Connection, lines: Option<String>) -> Result<Vec<(i64, Stored)>> {
        let Some(lines) = lines else { return Ok(Vec::new()) };
        // Only now: whoever writes a sample has noted its origin by then.
        let origins: Vec<(i64, i64, Option<String>)> = sqlx::query_as("SELECT id, east, source FROM origin")
            .fetch_all(connection)
            .await
            .context("reading the history from the store")?;
        let origins: HashMap<i64, Origin> = origins
            .into_iter()
            .filter_map(|(id, east, source)| Some((id, (FixedOffset::east_opt(east.try_into().ok()?)?, source))))
            .collect();
        let mut samples: Vec<_> = lines.lines().filter_map(|line| self.sample(line, &origins)).collect();
        samples.sort_by_key(|(instant, _)| *instant);
        Ok(samples)
    }

    fn sample(&self, line: &str, origins: &HashMap<i64, Origin>) -> Option<(i64, Stored)> {
        let mut columns = line.splitn(6, ' ');
        let instant = columns.next()?.parse().ok()?;
        let number = columns.next()?.parse().ok()?;
        let (east, source) = origins.get(&columns.next()?.parse().ok()?)?;
        let asked = moment(columns.next()?.parse().ok()?);
        let revision = columns.next()?.parse().ok()?;
        let beside = columns.next().map(|text| serde_json::from_str(text).unwrap_or_default());
        let reading = Reading {
            metric: self.metric,
            value: Value::Number(number),
            at: Moment::Time(moment(instant).with_timezone(east)),
            source: source.clone(),
            beside: beside.unwrap_or_default(),
            resolution: Some(self.resolution),
        };
        Some((instant, Stored { reading, fetched: asked, revision }))
    }
}
