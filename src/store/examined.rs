//! Whether the database is whole and can be written. Keeps nothing that it writes.

use anyhow::Result;

use super::Store;
use super::engine::Engine;
use super::trouble::Doing;

impl Store {
    /// What damage the database reports, if any; PostgreSQL has no such question.
    ///
    /// # Errors
    /// It can be read no more, or not written.
    pub async fn examine(&self) -> Result<Option<String>> {
        if self.engine == Engine::Sqlite {
            let word: String = sqlx::query_scalar("PRAGMA quick_check(1)")
                .fetch_one(&self.pool)
                .await
                .context("looking whether the store is whole")?;
            if word != "ok" {
                return Ok(Some(word));
            }
        }
        let mut transaction = self.write().await?;
        sqlx::query("INSERT INTO setting (key, value) VALUES ($1, $1)")
            .bind(format!("examined-{:016x}", rand::random::<u64>()))
            .execute(&mut *transaction)
            .await
            .context("writing the store")?;
        transaction.rollback().await.context("writing the store")?;
        Ok(None)
    }
}
