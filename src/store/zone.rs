//! In which time zones a person's days are: where a destination has put a day, it stays.

use anyhow::Result;
use chrono::{Days, NaiveDate};
use chrono_tz::Tz;

use super::trouble::Doing;
use super::{Connection, Store};
use crate::reading::Person;
use crate::zone::Zones;

impl Store {
    /// The time zones of a person's days; UTC where none was noted, for then nothing was recorded.
    pub async fn zones(&self, person: &Person) -> Result<Zones> {
        let mut connection = self.pool.acquire().await.context("reading the store")?;
        let mut noted = noted(&mut connection, person).await?.into_iter();
        let first = noted.next().and_then(|(_, zone)| zone.parse().ok()).unwrap_or(Tz::UTC);
        let later = noted.filter_map(|(after, zone)| Some((after.parse().ok()?, zone.parse().ok()?)));
        Ok(Zones::new(first, later.collect()))
    }

    /// Notes in which time zone a person's days are that are recorded from now on; to be called before anything is. The
    /// first zone is that of all days before, another one that of the days after the last of which anything is recorded.
    /// What is dated later than the day after `today`, the person's own, was mistyped, and holds nothing.
    pub async fn note_zone(&self, person: &Person, zone: Tz, today: NaiveDate) -> Result<()> {
        let mut connection = self.pool.acquire().await.context("reading the store")?;
        if last(&mut connection, person).await?.is_some_and(|last| last == zone.name()) {
            return Ok(());
        }
        // In memory there is one connection only.
        drop(connection);
        let mut transaction = self.write().await?;
        // A night that ended in the evening is recorded as tomorrow's.
        let recorded: Option<String> =
            sqlx::query_scalar("SELECT MAX(day) FROM reading WHERE person = $1 AND day <= $2")
                .bind(person.as_str())
                .bind((today + Days::new(1)).to_string())
                .fetch_one(&mut *transaction)
                .await
                .context("reading the store")?;
        let recorded = recorded.unwrap_or_default();
        sqlx::query("DELETE FROM zone WHERE person = $1 AND after >= $2")
            .bind(person.as_str())
            .bind(&recorded)
            .execute(&mut *transaction)
            .await
            .context("noting a time zone in the store")?;
        let known = last(&mut transaction, person).await?;
        if known.as_deref() != Some(zone.name()) {
            sqlx::query("INSERT INTO zone (person, after, name) VALUES ($1, $2, $3)")
                .bind(person.as_str())
                .bind(if known.is_some() { &recorded } else { "" })
                .bind(zone.name())
                .execute(&mut *transaction)
                .await
                .context("noting a time zone in the store")?;
        }
        transaction.commit().await.context("writing the store")
    }
}

/// The zones of a person, in order, with the day after which each holds.
async fn noted(connection: &mut Connection, person: &Person) -> Result<Vec<(String, String)>> {
    sqlx::query_as("SELECT after, name FROM zone WHERE person = $1 ORDER BY after")
        .bind(person.as_str())
        .fetch_all(connection)
        .await
        .context("reading time zones from the store")
}

async fn last(connection: &mut Connection, person: &Person) -> Result<Option<String>> {
    Ok(noted(connection, person).await?.pop().map(|(_, name)| name))
}
