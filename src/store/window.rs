//! Quota windows, counted in the store so that restarts and other processes do not lose count.

use anyhow::Result;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value as Json};

use super::trouble::Doing;
use super::{Store, moment};
use crate::reading::Person;

/// A person's quota window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Requests in a window.
    pub allowed: i64,
    /// Requests left.
    pub remaining: i64,
    /// When the window ends.
    pub reset: DateTime<Utc>,
}

impl Store {
    /// Takes one request out of the window, opening a new one of `requests` until `next` where the last has ended.
    /// `Err(until)`: no more than `leave` are left. One statement, so that two processes never take the same one.
    pub async fn take_request(
        &self,
        person: &Person,
        requests: i64,
        leave: i64,
        now: DateTime<Utc>,
        next: DateTime<Utc>,
    ) -> Result<std::result::Result<(), DateTime<Utc>>> {
        let taken: Option<i64> = sqlx::query_scalar(
            "INSERT INTO quota (person, allowed, remaining, reset) VALUES ($1, $2, $2 - 1, $3)
             ON CONFLICT (person) DO UPDATE SET
                 remaining = CASE WHEN quota.reset <= $4 THEN quota.allowed ELSE quota.remaining END - 1,
                 reset = CASE WHEN quota.reset <= $4 THEN $3 ELSE quota.reset END
             WHERE CASE WHEN quota.reset <= $4 THEN quota.allowed ELSE quota.remaining END > $5
             RETURNING remaining",
        )
        .bind(person.as_str())
        .bind(requests)
        .bind(next.timestamp())
        .bind(now.timestamp())
        .bind(leave)
        .fetch_optional(&self.pool)
        .await
        .context("counting a request in the store")?;
        if taken.is_some() {
            return Ok(Ok(()));
        }
        Ok(Err(self.window(person).await?.map(|window| window.reset).filter(|reset| *reset > now).unwrap_or(next)))
    }

    /// The person's window, if one was ever opened.
    pub async fn window(&self, person: &Person) -> Result<Option<Window>> {
        let row: Option<(i64, i64, i64)> =
            sqlx::query_as("SELECT allowed, remaining, reset FROM quota WHERE person = $1")
                .bind(person.as_str())
                .fetch_optional(&self.pool)
                .await
                .context("reading the quota from the store")?;
        Ok(row.map(|(allowed, remaining, reset)| Window { allowed, remaining, reset: moment(reset) }))
    }

    /// Replaces the window by what is now known of it.
    pub async fn set_window(&self, person: &Person, window: Window) -> Result<()> {
        sqlx::query(
            "INSERT INTO quota (person, allowed, remaining, reset) VALUES ($1, $2, $3, $4)
             ON CONFLICT (person) DO UPDATE SET
                 allowed = excluded.allowed, remaining = excluded.remaining, reset = excluded.reset",
        )
        .bind(person.as_str())
        .bind(window.allowed)
        .bind(window.remaining)
        .bind(window.reset.timestamp())
        .execute(&self.pool)
        .await
        .context("keeping the quota in the store")?;
        Ok(())
    }

    /// Takes over what the upstream said: its word counts where it is lower than our own count, or about a window
    /// that ends more than `slack` seconds after ours and so is a new one.
    pub async fn observe_window(&self, person: &Person, said: Window, slack: i64) -> Result<()> {
        sqlx::query(
            "INSERT INTO quota (person, allowed, remaining, reset) VALUES ($1, $2, $3, $4)
             ON CONFLICT (person) DO UPDATE SET
                 allowed = excluded.allowed,
                 remaining = CASE WHEN excluded.remaining < quota.remaining OR excluded.reset > quota.reset + $5
                             THEN excluded.remaining ELSE quota.remaining END,
                 reset = excluded.reset",
        )
        .bind(person.as_str())
        .bind(said.allowed)
        .bind(said.remaining)
        .bind(said.reset.timestamp())
        .bind(slack)
        .execute(&self.pool)
        .await
        .context("keeping the quota in the store")?;
        Ok(())
    }

    /// Counts a request of a day, by endpoint.
    pub async fn count_call(&self, person: &Person, day: NaiveDate, endpoint: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO call (person, day, endpoint, count) VALUES ($1, $2, $3, 1)
             ON CONFLICT (person, day, endpoint) DO UPDATE SET count = call.count + 1",
        )
        .bind(person.as_str())
        .bind(day.to_string())
        .bind(endpoint)
        .execute(&self.pool)
        .await
        .context("counting a request in the store")?;
        Ok(())
    }

    /// The requests of a day, by endpoint; the counts of earlier days are dropped.
    pub async fn calls(&self, person: &Person, day: NaiveDate) -> Result<Map<String, Json>> {
        let day = day.to_string();
        sqlx::query("DELETE FROM call WHERE person = $1 AND day < $2")
            .bind(person.as_str())
            .bind(&day)
            .execute(&self.pool)
            .await
            .context("reading the counts of requests from the store")?;
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT endpoint, count FROM call WHERE person = $1 AND day = $2 ORDER BY endpoint")
                .bind(person.as_str())
                .bind(day)
                .fetch_all(&self.pool)
                .await
                .context("reading the counts of requests from the store")?;
        Ok(rows.into_iter().map(|(endpoint, count)| (endpoint, count.into())).collect())
    }
}
