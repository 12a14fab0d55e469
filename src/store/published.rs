//! Which retained topics exist because of us, so that they can be cleared later, also after a restart.

use anyhow::Result;

use super::Store;
use super::trouble::Doing;

impl Store {
    /// Every topic ever published retained and not cleared since.
    pub async fn published_topics(&self) -> Result<Vec<String>> {
        sqlx::query_scalar("SELECT topic FROM published ORDER BY topic")
            .fetch_all(&self.pool)
            .await
            .context("reading the published topics from the store")
    }

    /// Notes topics before they are first published.
    pub async fn note_published(&self, topics: &[String]) -> Result<()> {
        let mut transaction = self.write().await?;
        for topic in topics {
            sqlx::query("INSERT INTO published (topic) VALUES ($1) ON CONFLICT (topic) DO NOTHING")
                .bind(topic)
                .execute(&mut *transaction)
                .await
                .context("noting a published topic in the store")?;
        }
        transaction.commit().await.context("writing the store")
    }

    /// Forgets a topic once the broker has acknowledged that it is cleared.
    pub async fn note_cleared(&self, topic: &str) -> Result<()> {
        sqlx::query("DELETE FROM published WHERE topic = $1")
            .bind(topic)
            .execute(&self.pool)
            .await
            .context("noting a cleared topic in the store")?;
        Ok(())
    }
}
