//! Small things to remember across restarts: the client id, the key of the form tokens.

use anyhow::Result;

use super::Store;
use super::trouble::Doing;

impl Store {
    /// The value kept under `key`; where there is none yet, the one `make` makes, kept from now on.
    pub async fn setting(&self, key: &str, make: impl FnOnce() -> String) -> Result<String> {
        // Two processes that start together agree on whichever was first.
        sqlx::query("INSERT INTO setting (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING")
            .bind(key)
            .bind(make())
            .execute(&self.pool)
            .await
            .context("writing a setting to the store")?;
        sqlx::query_scalar("SELECT value FROM setting WHERE key = $1")
            .bind(key)
            .fetch_one(&self.pool)
            .await
            .context("reading a setting from the store")
    }
}
