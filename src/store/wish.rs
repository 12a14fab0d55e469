//! What somebody asked of the bridge for a person by command, until it is withdrawn.

use anyhow::Result;
use chrono::{DateTime, Utc};

use super::trouble::Doing;
use super::{Store, moment};
use crate::reading::Person;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// That nothing is fetched by itself.
    Paused,
    /// That the person consents anew.
    Reauthorize,
}

impl Wish {
    fn word(self) -> &'static str {
        match self {
            Wish::Paused => "paused",
            Wish::Reauthorize => "reauthorize",
        }
    }
}

impl Store {
    /// Since when this is wished of a person.
    pub async fn wished(&self, person: &Person, wish: Wish) -> Result<Option<DateTime<Utc>>> {
        let since: Option<i64> = sqlx::query_scalar("SELECT since FROM wish WHERE person = $1 AND wish = $2")
            .bind(person.as_str())
            .bind(wish.word())
            .fetch_optional(&self.pool)
            .await
            .context("reading a wish from the store")?;
        Ok(since.map(moment))
    }

    /// Notes a wish; one that stands already keeps its time.
    pub async fn wish(&self, person: &Person, wish: Wish, since: DateTime<Utc>) -> Result<()> {
        sqlx::query("INSERT INTO wish (person, wish, since) VALUES ($1, $2, $3) ON CONFLICT (person, wish) DO NOTHING")
            .bind(person.as_str())
            .bind(wish.word())
            .bind(since.timestamp())
            .execute(&self.pool)
            .await
            .context("noting a wish in the store")?;
        Ok(())
    }

    /// Withdraws a wish; whether it stood.
    pub async fn withdraw_wish(&self, person: &Person, wish: Wish) -> Result<bool> {
        let withdrawn = sqlx::query("DELETE FROM wish WHERE person = $1 AND wish = $2")
            .bind(person.as_str())
            .bind(wish.word())
            .execute(&self.pool)
            .await
            .context("withdrawing a wish in the store")?;
        Ok(withdrawn.rows_affected() > 0)
    }
}
