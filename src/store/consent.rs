//! Consents under way: each `state` is single-use, lives ten minutes and belongs to one person and upstream. They are
//! in the store so that any process on this data folder can finish what another began.

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};

use super::Store;
use super::trouble::Doing;
use crate::reading::Person;

/// How long a person has to consent.
pub const LIFE: TimeDelta = TimeDelta::minutes(10);
/// Consents under way for one person; beginning one more gives up the oldest.
const PENDING: i64 = 16;

/// A consent under way.
#[derive(Debug)]
pub struct Consent {
    /// Who is to consent.
    pub person: Person,
    /// To which upstream.
    pub provider: String,
    /// The PKCE verifier.
    pub verifier: SecretString,
}

impl Store {
    /// Notes a consent under the hash of its `state`.
    pub async fn begin_consent(&self, state: &str, consent: &Consent, now: DateTime<Utc>) -> Result<()> {
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM consent WHERE began < $1")
            .bind((now - LIFE).timestamp())
            .execute(&mut *transaction)
            .await
            .context("dropping expired consents from the store")?;
        sqlx::query("INSERT INTO consent (state, person, provider, verifier, began) VALUES ($1, $2, $3, $4, $5)")
            .bind(state)
            .bind(consent.person.as_str())
            .bind(&consent.provider)
            .bind(consent.verifier.expose_secret())
            .bind(now.timestamp())
            .execute(&mut *transaction)
            .await
            .context("noting a consent under way in the store")?;
        sqlx::query(
            "DELETE FROM consent WHERE person = $1 AND state NOT IN (
                 SELECT state FROM consent WHERE person = $1 ORDER BY began DESC, state = $3 DESC LIMIT $2)",
        )
        .bind(consent.person.as_str())
        .bind(PENDING)
        .bind(state)
        .execute(&mut *transaction)
        .await
        .context("dropping the oldest consents from the store")?;
        transaction.commit().await.context("writing the store")
    }

    /// Takes a consent out by the hash of its `state`, of `person` only where one is named; a second time, or after
    /// ten minutes, there is none.
    pub async fn take_consent(
        &self,
        state: &str,
        person: Option<&Person>,
        now: DateTime<Utc>,
    ) -> Result<Option<Consent>> {
        let row: Option<(String, String, String)> = sqlx::query_as(
            "DELETE FROM consent WHERE state = $1 AND began >= $2 AND person = COALESCE($3, person)
             RETURNING person, provider, verifier",
        )
        .bind(state)
        .bind((now - LIFE).timestamp())
        .bind(person.map(Person::as_str))
        .fetch_optional(&self.pool)
        .await
        .context("looking up a consent under way in the store")?;
        row.map(|(person, provider, verifier)| {
            Ok(Consent { person: person.parse()?, provider, verifier: SecretString::from(verifier) })
        })
        .transpose()
    }
}
