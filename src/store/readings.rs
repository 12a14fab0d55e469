//! Readings: recorded once, kept until better ones come.

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Store, moment};
use crate::metric;
use crate::reading::{Person, Reading, Value};

/// The newest reading of a person's metric by measuring time.
const NEWEST: &str = "SELECT metric, measured, number, text, source, beside, fetched FROM reading
    WHERE person = $1 AND metric = $2 ORDER BY day DESC, instant DESC LIMIT 1";

/// A reading and when this value of it was first received.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The reading.
    pub reading: Reading,
    /// When it was received.
    pub fetched: DateTime<Utc>,
}

impl Store {
    /// Records readings and gives back those that are new or differ from what was known; a reading recorded twice is
    /// recorded once. All or none are written.
    pub async fn record(&self, person: &Person, readings: &[Reading], now: DateTime<Utc>) -> Result<Vec<Reading>> {
        let mut changed = Vec::new();
        let mut transaction = self.write().await?;
        for reading in readings {
            let known = sqlx::query(
                "SELECT metric, measured, number, text, source, beside, fetched FROM reading
                 WHERE person = $1 AND metric = $2 AND day = $3 AND instant = $4",
            )
            .bind(person.as_str())
            .bind(reading.metric.key)
            .bind(reading.at.date().to_string())
            .bind(reading.at.instant())
            .fetch_optional(&mut *transaction)
            .await
            .context("reading the store")?;
            if known.and_then(|row| stored(&row)).is_some_and(|known| known.reading == *reading) {
                continue;
            }
            let (number, text) = match &reading.value {
                Value::Number(number) => (Some(*number), None),
                Value::Text(text) => (None, Some(text.as_str())),
            };
            sqlx::query(
                "INSERT INTO reading (person, metric, day, instant, measured, number, text, source, beside, fetched, revision)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1)
                 ON CONFLICT (person, metric, day, instant) DO UPDATE SET
                     measured = excluded.measured, number = excluded.number, text = excluded.text,
                     source = excluded.source, beside = excluded.beside, fetched = excluded.fetched,
                     revision = reading.revision + 1",
            )
            .bind(person.as_str())
            .bind(reading.metric.key)
            .bind(reading.at.date().to_string())
            .bind(reading.at.instant())
            .bind(reading.at.to_string())
            .bind(number)
            .bind(text)
            .bind(&reading.source)
            .bind(serde_json::Value::Object(reading.beside.clone()).to_string())
            .bind(now.timestamp())
            .execute(&mut *transaction)
            .await
            .context("recording a reading in the store")?;
            changed.push(reading.clone());
        }
        transaction.commit().await.context("writing the store")?;
        Ok(changed)
    }

    /// The newest value of each metric by measuring time, in the catalogue's order. One look at the primary key for
    /// each metric, so that it costs the same however long the history is.
    pub async fn newest(&self, person: &Person) -> Result<Vec<Stored>> {
        let mut transaction = self.pool.begin().await.context("reading the store")?;
        let mut newest = Vec::new();
        for metric in metric::METRICS {
            let row = sqlx::query(NEWEST)
                .bind(person.as_str())
                .bind(metric.key)
                .fetch_optional(&mut *transaction)
                .await
                .context("reading the newest values from the store")?;
            newest.extend(row.as_ref().and_then(stored));
        }
        Ok(newest)
    }

    /// The newest value of one metric by measuring time.
    pub async fn newest_of(&self, person: &Person, metric: &str) -> Result<Option<Stored>> {
        let row = sqlx::query(NEWEST)
            .bind(person.as_str())
            .bind(metric)
            .fetch_optional(&self.pool)
            .await
            .context("reading the newest value from the store")?;
        Ok(row.as_ref().and_then(stored))
    }

    /// The days from `from` on which something was worn: a total above zero that only a worn device gives.
    pub async fn days_worn(&self, person: &Person, from: chrono::NaiveDate) -> Result<Vec<chrono::NaiveDate>> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT day, metric FROM reading WHERE person = $1 AND day >= $2 AND number > 0")
                .bind(person.as_str())
                .bind(from.to_string())
                .fetch_all(&self.pool)
                .await
                .context("reading the days worn from the store")?;
        let worn = |key: &str| metric::find(key).is_some_and(|metric| metric.proves_wear());
        let mut days: Vec<_> =
            rows.iter().filter(|(_, key)| worn(key)).filter_map(|(day, _)| day.parse().ok()).collect();
        days.dedup();
        Ok(days)
    }
}

/// A row as a reading; a row of a metric that the catalogue no longer has is nothing.
pub(super) fn stored(row: &SqliteRow) -> Option<Stored> {
    let metric = metric::find(row.try_get("metric").ok()?)?;
    let value = match (row.try_get::<Option<f64>, _>("number").ok()?, row.try_get::<Option<String>, _>("text").ok()?) {
        (Some(number), _) => Value::Number(number),
        (None, Some(text)) => Value::Text(text),
        (None, None) => return None,
    };
    let at = row.try_get::<String, _>("measured").ok()?.parse().ok()?;
    let beside = serde_json::from_str(row.try_get("beside").ok()?).ok()?;
    let source = row.try_get("source").ok()?;
    Some(Stored {
        reading: Reading { metric, value, at, source, beside },
        fetched: moment(row.try_get("fetched").ok()?),
    })
}
