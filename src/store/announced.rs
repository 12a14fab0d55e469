//! What was announced to Home Assistant: which entities exist there because of us, so that they can be taken back one by
//! one, also after a restart.

use anyhow::Result;

use super::Store;
use super::trouble::Doing;
use crate::reading::Person;

/// One entity that was announced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Announced {
    /// Whose it is; `None`: the bridge's own.
    pub person: Option<Person>,
    /// Where it was announced.
    pub topic: String,
    /// The device it is of.
    pub device: String,
    /// Which entity of the device.
    pub component: String,
    /// What kind of entity.
    pub platform: String,
}

impl Store {
    /// Everything announced and not taken back since.
    pub async fn announced(&self) -> Result<Vec<Announced>> {
        let rows: Vec<(String, String, String, String, String)> = sqlx::query_as(
            "SELECT person, topic, device, component, platform FROM announced ORDER BY topic, component",
        )
        .fetch_all(&self.pool)
        .await
        .context("reading the announced entities from the store")?;
        let announced = |(person, topic, device, component, platform): (String, String, String, String, String)| {
            Announced { person: person.parse().ok(), topic, device, component, platform }
        };
        Ok(rows.into_iter().map(announced).collect())
    }

    /// Notes entities before they are announced.
    pub async fn note_announced(&self, entities: &[Announced]) -> Result<()> {
        let mut transaction = self.write().await?;
        for entity in entities {
            sqlx::query(
                "INSERT INTO announced (person, topic, device, component, platform) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (topic, component) DO UPDATE SET
                     person = excluded.person, device = excluded.device, platform = excluded.platform",
            )
            .bind(entity.person.as_ref().map_or("", Person::as_str))
            .bind(&entity.topic)
            .bind(&entity.device)
            .bind(&entity.component)
            .bind(&entity.platform)
            .execute(&mut *transaction)
            .await
            .context("noting an announced entity in the store")?;
        }
        transaction.commit().await.context("writing the store")
    }

    /// Forgets an entity once it has been taken back.
    pub async fn forget_announced(&self, topic: &str, component: &str) -> Result<()> {
        sqlx::query("DELETE FROM announced WHERE topic = $1 AND component = $2")
            .bind(topic)
            .bind(component)
            .execute(&self.pool)
            .await
            .context("forgetting an announced entity in the store")?;
        Ok(())
    }

    /// Forgets all that was announced under a topic, once that has been cleared.
    pub async fn forget_announced_topic(&self, topic: &str) -> Result<()> {
        sqlx::query("DELETE FROM announced WHERE topic = $1")
            .bind(topic)
            .execute(&self.pool)
            .await
            .context("forgetting announced entities in the store")?;
        Ok(())
    }
}
