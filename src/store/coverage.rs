//! Which days an upstream was asked about, and when: what need not be asked again is decided from it, elsewhere.

use std::collections::HashSet;
use std::sync::LazyLock;

use anyhow::Result;
use chrono::{DateTime, NaiveDate, Utc};

use super::rows::{Insert, portions};
use super::trouble::Doing;
use super::{Batch, Connection, Store, instant};
use crate::reading::Person;

/// Days that one question was about; the latest question counts.
static COVER: LazyLock<Insert> = LazyLock::new(|| {
    Insert::new(
        "INSERT INTO coverage (person, provider, endpoint, asked, day)",
        4,
        1,
        "ON CONFLICT (person, provider, endpoint, day) DO UPDATE SET asked = excluded.asked
         WHERE coverage.asked < excluded.asked",
    )
});

impl Store {
    /// Of each endpoint of an upstream and each day from `from`: when it was last asked about that day with success.
    pub async fn coverage(
        &self,
        person: &Person,
        provider: &str,
        from: NaiveDate,
    ) -> Result<Vec<(String, NaiveDate, DateTime<Utc>)>> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT endpoint, day, asked FROM coverage WHERE person = $1 AND provider = $2 AND day >= $3
             ORDER BY endpoint, day",
        )
        .bind(person.as_str())
        .bind(provider)
        .bind(from.to_string())
        .fetch_all(&self.pool)
        .await
        .context("reading from the store what was asked already")?;
        let read = |(endpoint, day, asked): (String, String, i64)| Some((endpoint, day.parse().ok()?, instant(asked)));
        Ok(rows.into_iter().filter_map(read).collect())
    }
}

/// The days of a batch about which the same endpoint was asked later than for this batch, and has answered.
pub(super) async fn asked_later(
    connection: &mut Connection,
    person: &Person,
    batch: &Batch<'_>,
) -> Result<HashSet<NaiveDate>> {
    let mut later = HashSet::new();
    for covered in batch.covered {
        let days: Vec<String> = sqlx::query_scalar(
            "SELECT day FROM coverage
             WHERE person = $1 AND provider = $2 AND endpoint = $3 AND day BETWEEN $4 AND $5 AND asked > $6",
        )
        .bind(person.as_str())
        .bind(covered.provider)
        .bind(covered.endpoint)
        .bind(covered.first.to_string())
        .bind(covered.last.to_string())
        .bind(batch.asked.timestamp_millis())
        .fetch_all(&mut *connection)
        .await
        .context("reading from the store what was asked already")?;
        later.extend(days.iter().filter_map(|day| day.parse::<NaiveDate>().ok()));
    }
    Ok(later)
}

/// Notes what a batch covered; the latest question counts.
pub(super) async fn cover(connection: &mut Connection, person: &Person, batch: &Batch<'_>) -> Result<()> {
    for covered in batch.covered {
        let days: Vec<String> =
            covered.first.iter_days().take_while(|day| *day <= covered.last).map(|day| day.to_string()).collect();
        for days in portions(&days) {
            let mut query = sqlx::query(COVER.of(connection, days));
            for day in days {
                query = query.bind(day);
            }
            query = query
                .bind(person.as_str())
                .bind(covered.provider)
                .bind(covered.endpoint)
                .bind(batch.asked.timestamp_millis());
            query.execute(&mut *connection).await.context("noting in the store what was asked")?;
        }
    }
    Ok(())
}
