//! How readings come into the store: what is new or changed is written, all or nothing, and recording twice is
//! recording once. What is read back stands in the other files.

use std::collections::HashSet;

use anyhow::Result;
use chrono::{DateTime, NaiveDate, Utc};

use super::changed::Changes;
use super::trouble::Doing;
use super::{Store, coverage, readings, samples};
use crate::reading::{Person, Reading};

/// What one answer of an upstream said, and of what it was the answer.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The readings, in any order. Of several of one metric, moment and resolution the last counts, but for events that
    /// tell themselves apart by a `logId` beside them.
    pub readings: &'a [Reading],
    /// The days the question covered, whether or not there were readings of them.
    pub covered: &'a [Covered],
    /// When the question was put. A value known from a later question stays.
    pub asked: DateTime<Utc>,
}

/// An endpoint and the civil days it was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    /// The upstream.
    pub provider: &'static str,
    /// The endpoint's name.
    pub endpoint: &'static str,
    /// The first day.
    pub first: NaiveDate,
    /// The last day, inclusive.
    pub last: NaiveDate,
}

/// A reading that was new or differed from what was known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recorded<'a> {
    /// The reading.
    pub reading: &'a Reading,
    /// 1 where there was none before, one more with each change.
    pub revision: i64,
}

impl Store {
    /// Records a batch and gives back what was new or differed from what was known, in no particular order. One
    /// transaction: all is written, with what it covers, or nothing.
    pub async fn record<'a>(
        &self,
        person: &Person,
        batch: &Batch<'a>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Recorded<'a>>> {
        let mut transaction = self.write().await?;
        let answered = Answered {
            asked: batch.asked,
            received: now,
            later: coverage::asked_later(&mut transaction, person, batch).await?,
        };
        let (sampled, single): (Vec<_>, Vec<_>) =
            batch.readings.iter().partition(|reading| reading.resolution.is_some());
        let mut changes = Changes::default();
        let mut recorded = readings::record(&mut transaction, person, &single, &answered, &mut changes).await?;
        recorded.extend(samples::record(&mut transaction, person, &sampled, &answered, &mut changes).await?);
        changes.note(&mut transaction, person).await?;
        coverage::cover(&mut transaction, person, batch).await?;
        transaction.commit().await.context("writing the store")?;
        Ok(recorded)
    }
}

/// When a question was put and answered, and what later ones had already told by then.
pub(super) struct Answered {
    pub asked: DateTime<Utc>,
    pub received: DateTime<Utc>,
    /// The days about which the same endpoint was asked later, and has answered.
    later: HashSet<NaiveDate>,
}

impl Answered {
    /// Whether this answer may replace a value of `day` that an answer to a question of `known` gave.
    pub fn replaces(&self, day: NaiveDate, known: DateTime<Utc>) -> bool {
        known <= self.asked && !self.later.contains(&day)
    }
}
