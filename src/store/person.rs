//! What is known of a person beside readings: consent, profile, how the actions fare, devices.

use anyhow::Result;
use chrono::{DateTime, NaiveDate, Utc};

use super::trouble::Doing;
use super::{Store, Wish, moment};
use crate::reading::Person;
use crate::snapshot::{AuthState, Device};

/// The tables of what is kept of a person, each with a column `person`.
const OF_A_PERSON: [&str; 17] = [
    "reading", "series", "changed", "coverage", "auth", "profile", "zone", "patient", "status", "device", "quota",
    "call", "action", "consent", "wish", "backfill", "event",
];

/// The state of a person's consent as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAuth {
    /// The state.
    pub state: AuthState,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Why, in words.
    pub reason: Option<String>,
    /// A hash of the client and refresh token that were refused for good.
    pub refused: Option<String>,
}

/// What is kept of a person's profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredProfile {
    /// When it was read.
    pub fetched: DateTime<Utc>,
    /// IANA time zone.
    pub zone: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// The day from which the account exists.
    pub since: Option<NaiveDate>,
}

/// How a person's fetches fared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredStatus {
    /// When the upstream was last asked.
    pub last_activity: Option<DateTime<Utc>>,
    /// When that last worked.
    pub last_success: Option<DateTime<Utc>>,
    /// When it last failed.
    pub last_failure: Option<DateTime<Utc>>,
    /// Why.
    pub error: Option<String>,
}

impl Store {
    /// The state of consent, if anything was ever noted.
    pub async fn auth(&self, person: &Person) -> Result<Option<StoredAuth>> {
        type Row = (String, i64, Option<String>, Option<String>);
        let row: Option<Row> = sqlx::query_as("SELECT state, since, reason, refused FROM auth WHERE person = $1")
            .bind(person.as_str())
            .fetch_optional(&self.pool)
            .await
            .context("reading the state of consent from the store")?;
        Ok(row.map(|(state, since, reason, refused)| StoredAuth {
            state: AuthState::named(&state),
            since: moment(since),
            reason,
            refused,
        }))
    }

    /// Notes the state of consent; `since` moves only when the state changes.
    pub async fn set_auth(&self, person: &Person, auth: &StoredAuth) -> Result<()> {
        sqlx::query(
            "INSERT INTO auth (person, state, since, reason, refused) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (person) DO UPDATE SET
                 since = CASE WHEN auth.state = excluded.state THEN auth.since ELSE excluded.since END,
                 state = excluded.state, reason = excluded.reason, refused = excluded.refused",
        )
        .bind(person.as_str())
        .bind(auth.state.word())
        .bind(auth.since.timestamp())
        .bind(&auth.reason)
        .bind(&auth.refused)
        .execute(&self.pool)
        .await
        .context("noting the state of consent in the store")?;
        Ok(())
    }

    /// The profile, if it was ever read.
    pub async fn profile(&self, person: &Person) -> Result<Option<StoredProfile>> {
        type Row = (i64, Option<String>, Option<String>, Option<String>);
        let row: Option<Row> = sqlx::query_as("SELECT fetched, zone, name, since FROM profile WHERE person = $1")
            .bind(person.as_str())
            .fetch_optional(&self.pool)
            .await
            .context("reading a profile from the store")?;
        Ok(row.map(|(fetched, zone, name, since)| StoredProfile {
            fetched: moment(fetched),
            zone,
            name,
            since: since.and_then(|since| since.parse().ok()),
        }))
    }

    /// Keeps a profile; what the upstream left out keeps its last value.
    pub async fn set_profile(&self, person: &Person, profile: &StoredProfile) -> Result<()> {
        sqlx::query(
            "INSERT INTO profile (person, fetched, zone, name, since) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (person) DO UPDATE SET fetched = excluded.fetched,
                 zone = COALESCE(excluded.zone, profile.zone), name = COALESCE(excluded.name, profile.name),
                 since = COALESCE(excluded.since, profile.since)",
        )
        .bind(person.as_str())
        .bind(profile.fetched.timestamp())
        .bind(&profile.zone)
        .bind(&profile.name)
        .bind(profile.since.map(|since| since.to_string()))
        .execute(&self.pool)
        .await
        .context("keeping a profile in the store")?;
        Ok(())
    }

    /// Which of an organization's patients everything is of that is kept of a person; `None`: nothing is kept of any.
    pub async fn patient(&self, person: &Person) -> Result<Option<String>> {
        sqlx::query_scalar("SELECT id FROM patient WHERE person = $1")
            .bind(person.as_str())
            .fetch_optional(&self.pool)
            .await
            .context("reading from the store which patient somebody is")
    }

    /// Notes that what is kept of a person is this patient's, once and for all. What was asked before, of somebody of whom
    /// there was nothing, is no past of theirs.
    pub async fn set_patient(&self, person: &Person, patient: &str) -> Result<()> {
        if self.patient(person).await?.is_some() {
            return Ok(());
        }
        let mut transaction = self.write().await?;
        for statement in
            ["DELETE FROM coverage WHERE person = $1", "DELETE FROM backfill WHERE person = $1 AND ended IS NOT NULL"]
        {
            let deleted = sqlx::query(statement).bind(person.as_str()).execute(&mut *transaction).await;
            deleted.context("noting in the store which patient somebody is")?;
        }
        sqlx::query("INSERT INTO patient (person, id) VALUES ($1, $2) ON CONFLICT (person) DO NOTHING")
            .bind(person.as_str())
            .bind(patient)
            .execute(&mut *transaction)
            .await
            .context("noting in the store which patient somebody is")?;
        transaction.commit().await.context("writing the store")
    }

    /// How the person's fetches fared.
    pub async fn status(&self, person: &Person) -> Result<StoredStatus> {
        type Row = (Option<i64>, Option<i64>, Option<i64>, Option<String>);
        let row: Option<Row> =
            sqlx::query_as("SELECT last_activity, last_success, last_failure, error FROM status WHERE person = $1")
                .bind(person.as_str())
                .fetch_optional(&self.pool)
                .await
                .context("reading a status from the store")?;
        Ok(row.map_or_else(StoredStatus::default, |(activity, success, failure, error)| StoredStatus {
            last_activity: activity.map(moment),
            last_success: success.map(moment),
            last_failure: failure.map(moment),
            error,
        }))
    }

    /// Notes how a fetch fared; `error` is why it failed.
    pub async fn note_fetch(&self, person: &Person, now: DateTime<Utc>, error: Option<&str>) -> Result<()> {
        let now = now.timestamp();
        let (success, failure) = if error.is_none() { (Some(now), None) } else { (None, Some(now)) };
        sqlx::query(
            "INSERT INTO status (person, last_activity, last_success, last_failure, error) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (person) DO UPDATE SET last_activity = excluded.last_activity,
                 last_success = COALESCE(excluded.last_success, status.last_success),
                 last_failure = COALESCE(excluded.last_failure, status.last_failure), error = excluded.error",
        )
        .bind(person.as_str())
        .bind(now)
        .bind(success)
        .bind(failure)
        .bind(error)
        .execute(&self.pool)
        .await
        .context("noting a fetch in the store")?;
        Ok(())
    }

    /// The person's devices.
    pub async fn devices(&self, person: &Person) -> Result<Vec<Device>> {
        let rows: Vec<String> = sqlx::query_scalar("SELECT json FROM device WHERE person = $1 ORDER BY id")
            .bind(person.as_str())
            .fetch_all(&self.pool)
            .await
            .context("reading the devices from the store")?;
        Ok(rows.iter().filter_map(|json| serde_json::from_str(json).ok()).collect())
    }

    /// A consent was given, so none is wished for any more: the profile is read anew, and where the person moved to
    /// another upstream, its quota is another, too.
    pub async fn begin_anew(&self, person: &Person, moved: bool) -> Result<()> {
        self.withdraw_wish(person, Wish::Reauthorize).await?;
        sqlx::query("UPDATE profile SET fetched = 0 WHERE person = $1")
            .bind(person.as_str())
            .execute(&self.pool)
            .await
            .context("writing the store")?;
        if moved {
            sqlx::query("DELETE FROM quota WHERE person = $1")
                .bind(person.as_str())
                .execute(&self.pool)
                .await
                .context("writing the store")?;
        }
        Ok(())
    }

    /// Replaces the person's devices by those the upstream lists. One of the same type and model as a known one keeps
    /// that one's identifier, for another upstream names it otherwise.
    pub async fn set_devices(&self, person: &Person, devices: &[Device]) -> Result<()> {
        let mut known = self.devices(person).await?;
        let mut devices = devices.to_vec();
        known.retain(|known| !devices.iter().any(|device| device.id == known.id));
        for device in &mut devices {
            let same = |known: &Device| known.kind == device.kind && known.name == device.name;
            if let Some(place) = known.iter().position(same) {
                device.id = known.swap_remove(place).id;
            }
        }
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM device WHERE person = $1")
            .bind(person.as_str())
            .execute(&mut *transaction)
            .await
            .context("replacing devices in the store")?;
        for device in &devices {
            let json = serde_json::to_string(device)?;
            sqlx::query(
                "INSERT INTO device (person, id, json) VALUES ($1, $2, $3)
                 ON CONFLICT (person, id) DO UPDATE SET json = excluded.json",
            )
            .bind(person.as_str())
            .bind(&device.id)
            .bind(json)
            .execute(&mut *transaction)
            .await
            .context("replacing devices in the store")?;
        }
        transaction.commit().await.context("writing the store")
    }

    /// When the profile was last read, the time zone and all else of a person is dropped; readings, too.
    /// `published` topics stay until they are cleared.
    pub async fn forget(&self, person: &Person) -> Result<()> {
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM sample WHERE series IN (SELECT id FROM series WHERE person = $1)")
            .bind(person.as_str())
            .execute(&mut *transaction)
            .await
            .context("forgetting a person in the store")?;
        for table in OF_A_PERSON {
            sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM {table} WHERE person = $1")))
                .bind(person.as_str())
                .execute(&mut *transaction)
                .await
                .context("forgetting a person in the store")?;
        }
        sqlx::query("INSERT INTO removed (person) VALUES ($1) ON CONFLICT (person) DO NOTHING")
            .bind(person.as_str())
            .execute(&mut *transaction)
            .await
            .context("forgetting a person in the store")?;
        transaction.commit().await.context("writing the store")
    }

    /// Whether anything is kept of a person.
    pub async fn knows(&self, person: &Person) -> Result<bool> {
        for table in OF_A_PERSON {
            let known =
                sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT 1 FROM {table} WHERE person = $1 LIMIT 1")))
                    .bind(person.as_str())
                    .fetch_optional(&self.pool)
                    .await
                    .context("looking for a person in the store")?;
            if known.is_some_and(|one: i64| one == 1) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The people forgotten since the running bridge last looked.
    pub async fn removed(&self) -> Result<Vec<Person>> {
        let names: Vec<String> = sqlx::query_scalar("SELECT person FROM removed")
            .fetch_all(&self.pool)
            .await
            .context("reading the people forgotten from the store")?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Notes that the running bridge has dealt with a forgotten person (or that the person is back).
    pub async fn note_removed(&self, person: &Person) -> Result<()> {
        sqlx::query("DELETE FROM removed WHERE person = $1")
            .bind(person.as_str())
            .execute(&self.pool)
            .await
            .context("writing the store")?;
        Ok(())
    }
}
