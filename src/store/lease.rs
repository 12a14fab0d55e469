//! Work that one process does at a time: whoever holds the lease of a name. It ends by itself, so that a process that
//! was killed keeps nobody waiting for long.

use anyhow::Result;
use chrono::{DateTime, Utc};

use super::Store;
use super::trouble::Doing;

impl Store {
    /// Takes the lease of `name` for `holder` until `until`, or prolongs it. `false`: somebody else holds it. One
    /// statement, so that two never hold it at once.
    pub async fn lease(&self, name: &str, holder: &str, now: DateTime<Utc>, until: DateTime<Utc>) -> Result<bool> {
        let held: Option<String> = sqlx::query_scalar(
            "INSERT INTO lease (name, holder, until) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
             WHERE lease.holder = excluded.holder OR lease.until <= $4
             RETURNING holder",
        )
        .bind(name)
        .bind(holder)
        .bind(until.timestamp())
        .bind(now.timestamp())
        .fetch_optional(&self.pool)
        .await
        .context("taking a lease in the store")?;
        Ok(held.is_some())
    }

    /// Gives up the lease of `name`, if `holder` holds it.
    pub async fn release(&self, name: &str, holder: &str) -> Result<()> {
        sqlx::query("DELETE FROM lease WHERE name = $1 AND holder = $2")
            .bind(name)
            .bind(holder)
            .execute(&self.pool)
            .await
            .context("giving up a lease in the store")?;
        Ok(())
    }
}
