//! When interval actions ran, so that a restart does not repeat them, and when they run next, for other processes to see.

use anyhow::Result;
use chrono::{DateTime, Utc};

use super::trouble::Doing;
use super::{Store, moment};
use crate::reading::Person;
use crate::snapshot::NextAction;

impl Store {
    /// When somebody's action last began.
    pub async fn action_ran(&self, whom: &(impl ToString + Sync), url: &str) -> Result<Option<DateTime<Utc>>> {
        let ran: Option<Option<i64>> = sqlx::query_scalar("SELECT ran FROM action WHERE person = $1 AND url = $2")
            .bind(whom.to_string())
            .bind(url)
            .fetch_optional(&self.pool)
            .await
            .context("reading an action from the store")?;
        Ok(ran.flatten().map(moment))
    }

    /// Notes when somebody's action last began; `None`: never.
    pub async fn note_action(
        &self,
        whom: &(impl ToString + Sync),
        url: &str,
        ran: Option<DateTime<Utc>>,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO action (person, url, ran) VALUES ($1, $2, $3)
             ON CONFLICT (person, url) DO UPDATE SET ran = excluded.ran",
        )
        .bind(whom.to_string())
        .bind(url)
        .bind(ran.map(|ran| ran.timestamp()))
        .execute(&self.pool)
        .await
        .context("noting an action in the store")?;
        Ok(())
    }

    /// Notes when somebody's action runs next.
    pub async fn announce_action(&self, whom: &(impl ToString + Sync), url: &str, action: &NextAction) -> Result<()> {
        sqlx::query(
            "INSERT INTO action (person, url, representing, next) VALUES ($1, $2, $3, $4)
             ON CONFLICT (person, url) DO UPDATE SET representing = excluded.representing, next = excluded.next",
        )
        .bind(whom.to_string())
        .bind(url)
        .bind(&action.representing)
        .bind(action.next.map(|next| next.timestamp()))
        .execute(&self.pool)
        .await
        .context("noting an action in the store")?;
        Ok(())
    }

    /// Notes that an action runs no more; when it ran last is kept.
    pub async fn withdraw_action(&self, whom: &(impl ToString + Sync), url: &str) -> Result<()> {
        sqlx::query("UPDATE action SET representing = NULL, next = NULL WHERE person = $1 AND url = $2")
            .bind(whom.to_string())
            .bind(url)
            .execute(&self.pool)
            .await
            .context("noting an action in the store")?;
        Ok(())
    }

    /// Notes that no action of anybody runs: a process that was killed could not say so.
    pub async fn withdraw_all_actions(&self) -> Result<()> {
        sqlx::query("UPDATE action SET representing = NULL, next = NULL")
            .execute(&self.pool)
            .await
            .context("noting an action in the store")?;
        Ok(())
    }

    /// The person's actions that some process runs.
    pub async fn announced_actions(&self, person: &Person) -> Result<Vec<NextAction>> {
        let rows: Vec<(String, Option<i64>)> = sqlx::query_as(
            "SELECT representing, next FROM action WHERE person = $1 AND representing IS NOT NULL ORDER BY url",
        )
        .bind(person.as_str())
        .fetch_all(&self.pool)
        .await
        .context("reading the actions from the store")?;
        let read = |(representing, next): (String, Option<i64>)| NextAction { representing, next: next.map(moment) };
        Ok(rows.into_iter().map(read).collect())
    }
}
