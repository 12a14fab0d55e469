//! Which events were told, so that each is told once, also across restarts.

use anyhow::Result;

use super::readings::{kept, text};
use super::trouble::Doing;
use super::{Store, Stored};
use crate::reading::Person;

/// An event that was noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotedEvent {
    /// The word of its kind.
    pub kind: String,
    /// Which of its kind.
    pub id: String,
    /// The message, until the broker has it.
    pub untold: Option<String>,
}

impl Store {
    /// A person's readings of these metrics since a day.
    pub async fn since(
        &self,
        person: &Person,
        metrics: impl Iterator<Item = &'static str>,
        day: chrono::NaiveDate,
    ) -> Result<Vec<Stored>> {
        let newer = "SELECT * FROM reading WHERE person = $1 AND metric = $2 AND day >= $3";
        let newer = text(self.engine, "0", newer);
        let mut transaction = self.pool.begin().await.context("reading the store")?;
        let mut since = Vec::new();
        for metric in metrics {
            let lines = sqlx::query_scalar(sqlx::AssertSqlSafe(newer.as_str()))
                .bind(person.as_str())
                .bind(metric)
                .bind(day.to_string())
                .fetch_one(&mut *transaction)
                .await
                .context("reading the latest readings from the store")?;
            since.extend(kept(&lines).into_iter().filter_map(|kept| kept.stored));
        }
        Ok(since)
    }

    /// The events noted of a person; `None`: none ever were, not even the beginning.
    pub async fn events(&self, person: &Person) -> Result<Option<Vec<NotedEvent>>> {
        let rows: Vec<(String, String, Option<String>)> =
            sqlx::query_as("SELECT kind, id, untold FROM event WHERE person = $1 ORDER BY kind, id")
                .bind(person.as_str())
                .fetch_all(&self.pool)
                .await
                .context("reading the events from the store")?;
        let noted = |(kind, id, untold): (String, String, Option<String>)| NotedEvent { kind, id, untold };
        Ok((!rows.is_empty()).then(|| rows.into_iter().filter(|row| row.0 != BEGINNING).map(noted).collect()))
    }

    /// Notes new events, and drops those that can no longer happen again; all or none.
    pub async fn note_events(&self, person: &Person, new: &[NotedEvent], old: &[NotedEvent]) -> Result<()> {
        let mut transaction = self.write().await?;
        let beginning = NotedEvent { kind: BEGINNING.into(), id: String::new(), untold: None };
        for event in new.iter().chain([&beginning]) {
            sqlx::query(
                "INSERT INTO event (person, kind, id, untold) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (person, kind, id) DO NOTHING",
            )
            .bind(person.as_str())
            .bind(&event.kind)
            .bind(&event.id)
            .bind(&event.untold)
            .execute(&mut *transaction)
            .await
            .context("noting an event in the store")?;
        }
        for event in old {
            sqlx::query("DELETE FROM event WHERE person = $1 AND kind = $2 AND id = $3")
                .bind(person.as_str())
                .bind(&event.kind)
                .bind(&event.id)
                .execute(&mut *transaction)
                .await
                .context("dropping an event from the store")?;
        }
        transaction.commit().await.context("writing the store")
    }

    /// Notes that the broker has an event.
    pub async fn note_told(&self, person: &Person, kind: &str, id: &str) -> Result<()> {
        sqlx::query("UPDATE event SET untold = NULL WHERE person = $1 AND kind = $2 AND id = $3")
            .bind(person.as_str())
            .bind(kind)
            .bind(id)
            .execute(&self.pool)
            .await
            .context("noting a told event in the store")?;
        Ok(())
    }
}

/// Says that from here on events are told: what had happened before is not.
const BEGINNING: &str = "";
