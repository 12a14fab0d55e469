//! Reading back: what is kept of a stretch of days, in order of time and page by page, so that a long history needs no
//! more memory than a short one.

use anyhow::Result;
use chrono::{Days, NaiveDate};

use super::trouble::Doing;
use super::{Store, Stored, readings, samples};
use crate::metric::Metric;
use crate::reading::Person;

/// The newest readings of one metric within some days.
const NEWEST_WITHIN: &str = "SELECT * FROM reading WHERE person = $1 AND metric = $2 AND day >= $3 AND day <= $4
     ORDER BY day DESC, instant DESC, place DESC LIMIT $5";

/// What is to be read back of a person.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// The first civil day.
    pub from: NaiveDate,
    /// The last civil day, inclusive.
    pub to: NaiveDate,
    /// Of which metrics; empty: of all.
    pub metrics: &'a [&'static Metric],
    /// Whether samples are wanted beside the values of days, nights and events.
    pub intraday: bool,
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub(super) day: NaiveDate,
    pub(super) instant: i64,
    pub(super) metric: String,
    /// Seconds; 0 for what is no sample.
    pub(super) resolution: i64,
    pub(super) place: i64,
}

/// Some of the readings selected.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The readings: by civil day, within it the values of the whole day first and then by instant.
    pub readings: Vec<Stored>,
    /// What to ask for the next page with; `None`: this was the last.
    pub next: Option<Cursor>,
}

impl Store {
    /// At most `limit` of the readings selected, from the beginning or after a cursor.
    pub async fn history(
        &self,
        person: &Person,
        selection: &Selection<'_>,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page> {
        let after = after.unwrap_or_else(|| Cursor::before(selection.from));
        let mut transaction = self.pool.begin().await.context("reading the store")?;
        let mut found: Vec<(Cursor, Option<Stored>)>;
        if !selection.intraday {
            found = readings::after(&mut transaction, person, selection, &after, selection.to, limit).await?;
        } else {
            found = Vec::new();
            let series = samples::series_of(&mut transaction, person, selection.metrics).await?;
            let (mut day, mut after) = (after.day, after);
            while found.len() < limit && day <= selection.to {
                let left = limit - found.len();
                let mut of_day = readings::after(&mut transaction, person, selection, &after, day, left).await?;
                let sampled = samples::after(&mut transaction, &series, &after, left).await?;
                of_day.extend(sampled.into_iter().map(|(cursor, stored)| (cursor, Some(stored))));
                of_day.sort_by(|(one, _), (other, _)| one.cmp(other));
                of_day.truncate(left);
                if of_day.is_empty() {
                    let events = readings::next_day(&mut transaction, person, day).await?;
                    let sampled = samples::next_day(&mut transaction, &series, day).await?;
                    let Some(next) = events.into_iter().chain(sampled).min() else { break };
                    day = next;
                } else if of_day.len() < left {
                    let Some(next) = day.checked_add_days(Days::new(1)) else { break };
                    day = next;
                }
                found.append(&mut of_day);
                after = Cursor::before(day);
            }
        }
        let next = if found.len() < limit { None } else { found.last().map(|(cursor, _)| cursor.clone()) };
        Ok(Page { readings: found.into_iter().filter_map(|(_, stored)| stored).collect(), next })
    }
}

impl Store {
    /// What is kept of one metric from one civil day to another, inclusive, that is a number; in order of time. No samples.
    pub async fn numbers(
        &self,
        person: &Person,
        metric: &Metric,
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<Vec<(NaiveDate, f64)>> {
        let rows: Vec<(String, f64)> = sqlx::query_as(
            "SELECT day, number FROM reading
             WHERE person = $1 AND metric = $2 AND day >= $3 AND day <= $4 AND number IS NOT NULL
             ORDER BY day, instant, place",
        )
        .bind(person.as_str())
        .bind(metric.key)
        .bind(from.to_string())
        .bind(to.to_string())
        .fetch_all(&self.pool)
        .await
        .context("reading the history from the store")?;
        Ok(rows.into_iter().filter_map(|(day, number)| Some((day.parse().ok()?, number))).collect())
    }

    /// The newest readings of one metric from one civil day to another, inclusive, the newest first; no samples.
    pub async fn newest_within(
        &self,
        person: &Person,
        metric: &Metric,
        from: NaiveDate,
        to: NaiveDate,
        limit: u16,
    ) -> Result<Vec<Stored>> {
        let lines = sqlx::query_scalar(sqlx::AssertSqlSafe(readings::text(self.engine, "0", NEWEST_WITHIN)))
            .bind(person.as_str())
            .bind(metric.key)
            .bind(from.to_string())
            .bind(to.to_string())
            .bind(i64::from(limit))
            .fetch_one(&self.pool)
            .await
            .context("reading the history from the store")?;
        Ok(readings::kept(&lines).into_iter().rev().filter_map(|kept| kept.stored).collect())
    }
}

impl Cursor {
    /// Before everything of a day.
    pub(super) fn before(day: NaiveDate) -> Cursor {
        Cursor { day, instant: i64::MIN, metric: String::new(), resolution: -1, place: -1 }
    }
}
