//! Which elements of Igor's database exist because of us, so that they can be deleted later, also after a restart.

use anyhow::Result;

use super::Store;
use super::trouble::Doing;

impl Store {
    /// The path of every element ever put there and not deleted since.
    pub async fn places_in_igor(&self) -> Result<Vec<String>> {
        sqlx::query_scalar("SELECT path FROM igor ORDER BY path")
            .fetch_all(&self.pool)
            .await
            .context("reading from the store what Igor was told")
    }

    /// Notes elements before they are first put.
    pub async fn note_in_igor(&self, paths: &[String]) -> Result<()> {
        let mut transaction = self.write().await?;
        for path in paths {
            sqlx::query("INSERT INTO igor (path) VALUES ($1) ON CONFLICT (path) DO NOTHING")
                .bind(path)
                .execute(&mut *transaction)
                .await
                .context("noting in the store what Igor is told")?;
        }
        transaction.commit().await.context("writing the store")
    }

    /// Forgets an element once it is deleted.
    pub async fn note_gone_from_igor(&self, path: &str) -> Result<()> {
        sqlx::query("DELETE FROM igor WHERE path = $1")
            .bind(path)
            .execute(&self.pool)
            .await
            .context("noting in the store what Igor was told no more")?;
        Ok(())
    }
}
