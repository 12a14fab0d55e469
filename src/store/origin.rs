//! Where samples came from: device and offset from UTC, as the small numbers that samples have instead. Knows nothing of
//! the samples' own rows.

use anyhow::Result;

use super::Connection;
use super::readings::storable;
use super::trouble::Doing;
use crate::reading::{Moment, Reading};

/// Where samples came from, and the numbers of that: a handful, as people have few devices and time zones.
pub(super) struct Origins(Vec<(i64, Option<String>, i64)>);

impl Origins {
    /// Those known.
    pub async fn known(connection: &mut Connection) -> Result<Origins> {
        let known = sqlx::query_as("SELECT east, source, id FROM origin ORDER BY id").fetch_all(connection).await;
        known.map(Origins).context("reading the store")
    }

    /// Those known, and those of the samples.
    pub async fn of(connection: &mut Connection, samples: &[&Reading]) -> Result<Origins> {
        let mut origins = Origins::known(connection).await?;
        let mut next = origins.0.last().map_or(0, |(.., id)| id + 1);
        for reading in samples {
            if origins.find(reading).is_some() {
                continue;
            }
            let source = reading.source.as_deref().map(|source| storable(source).into_owned());
            sqlx::query("INSERT INTO origin (id, east, source) VALUES ($1, $2, $3)")
                .bind(next)
                .bind(east(reading))
                .bind(source.clone())
                .execute(&mut *connection)
                .await
                .context("noting the origin of samples in the store")?;
            origins.0.push((east(reading), source, next));
            next += 1;
        }
        Ok(origins)
    }

    /// Offset and device of a number.
    pub fn known_as(&self, number: i64) -> Option<(i64, Option<&String>)> {
        self.0.iter().find(|(.., id)| *id == number).map(|(east, source, _)| (*east, source.as_ref()))
    }

    /// The farthest offsets among them, in the west and in the east.
    pub fn offsets(&self) -> Option<(i64, i64)> {
        let offsets = || self.0.iter().map(|(east, ..)| *east);
        offsets().min().zip(offsets().max())
    }

    fn find(&self, reading: &Reading) -> Option<i64> {
        let (east, source) = (east(reading), reading.source.as_deref().map(storable));
        self.0
            .iter()
            .find(|(known, from, _)| *known == east && from.as_deref() == source.as_deref())
            .map(|(.., id)| *id)
    }

    /// The number of where a sample came from, one of those that this was made of.
    pub fn id(&self, reading: &Reading) -> i64 {
        self.find(reading).unwrap_or_default()
    }
}

/// The offset of the person at that time, in seconds east of UTC.
pub(super) fn east(reading: &Reading) -> i64 {
    match reading.at {
        Moment::Time(at) => i64::from(at.offset().local_minus_utc()),
        Moment::Date(_) => 0,
    }
}
