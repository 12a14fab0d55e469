//! Samples as a curve: so many seconds of them as one point, counted in the database, so that a day by the second costs no
//! more than what is drawn of it.

use anyhow::Result;
use chrono::{DateTime, Utc};

use super::trouble::Doing;
use super::{Store, moment, samples};
use crate::metric::Metric;
use crate::reading::Person;

/// Some samples as one point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When its time begins.
    pub at: DateTime<Utc>,
    /// The mean of the samples.
    pub mean: f64,
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

impl Store {
    /// The samples of a metric, of whatever resolution, from an instant on and before another: those of each `seconds` as
    /// one point, in order of time. Where there are no samples there is no point.
    pub async fn curve(
        &self,
        person: &Person,
        metric: &'static Metric,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        seconds: u32,
    ) -> Result<Vec<Point>> {
        let rows: Vec<(i64, f64, f64, f64)> = sqlx::query_as(
            "SELECT (instant - $3) / $5 AS point, AVG(number), MIN(number), MAX(number) FROM sample
             WHERE series IN (SELECT id FROM series WHERE person = $1 AND metric = $2)
               AND instant >= $3 AND instant < $4
             GROUP BY 1 ORDER BY 1",
        )
        .bind(person.as_str())
        .bind(metric.key)
        .bind(from.timestamp())
        .bind(to.timestamp())
        .bind(i64::from(seconds.max(1)))
        .fetch_all(&self.pool)
        .await
        .context("reading samples from the store")?;
        let at = |point: i64| moment(from.timestamp() + point * i64::from(seconds.max(1)));
        Ok(rows.into_iter().map(|(point, mean, low, high)| Point { at: at(point), mean, low, high }).collect())
    }

    /// When the last sample of a metric before an instant was measured.
    pub async fn last_sample(
        &self,
        person: &Person,
        metric: &'static Metric,
        before: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>> {
        let mut connection = self.pool.acquire().await.context("reading the store")?;
        let mut last: Option<i64> = None;
        // For each series this is one look at the primary key.
        for series in samples::series_of(&mut connection, person, &[metric]).await? {
            let newest: Option<i64> =
                sqlx::query_scalar("SELECT MAX(instant) FROM sample WHERE series = $1 AND instant < $2")
                    .bind(series.id)
                    .bind(before.timestamp())
                    .fetch_one(&mut *connection)
                    .await
                    .context("reading samples from the store")?;
            last = last.max(newest);
        }
        Ok(last.map(moment))
    }
}
