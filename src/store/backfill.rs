//! What is to be fetched of the past: orders, how far each has come, and which one is next. What an order needs is not
//! kept here; it follows from what was covered.

use anyhow::Result;
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::Row;

use super::trouble::Doing;
use super::{Store, moment};
use crate::reading::Person;

/// The columns of an order, as [`order`] reads them.
const COLUMNS: &str = "first, last, metrics, own, done, todo, until, problem, ended";

/// A stretch of the past of a person that is to be complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The first day.
    pub first: NaiveDate,
    /// The last day.
    pub last: NaiveDate,
    /// Only what tells of these metrics, by key; empty: everything.
    pub metrics: Vec<String>,
}

/// An order and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What is to be complete.
    pub stretch: Stretch,
    /// Whether the bridge gave it to itself.
    pub own: bool,
    /// Requests made.
    pub done: i64,
    /// Requests to make; `None`: not planned yet.
    pub todo: Option<i64>,
    /// When it goes on, where it waits for quota or for better times.
    pub until: Option<DateTime<Utc>>,
    /// What it waits for beside quota, or what could not be had.
    pub problem: Option<String>,
    /// When it was complete.
    pub ended: Option<DateTime<Utc>>,
}

impl Store {
    /// Gives an order. One for the same stretch begins anew, if it had ended; others that have ended are no longer of
    /// interest.
    pub async fn order(&self, person: &Person, stretch: &Stretch, own: bool, now: DateTime<Utc>) -> Result<()> {
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM backfill WHERE person = $1 AND ended IS NOT NULL AND own <= $2")
            .bind(person.as_str())
            .bind(i64::from(own))
            .execute(&mut *transaction)
            .await
            .context("noting in the store what is to be fetched of the past")?;
        sqlx::query(
            "INSERT INTO backfill (person, first, last, metrics, own, began, done) VALUES ($1, $2, $3, $4, $5, $6, 0)
             ON CONFLICT (person, first, last, metrics) DO UPDATE SET
                 ended = NULL, own = CASE WHEN backfill.own > excluded.own THEN backfill.own ELSE excluded.own END",
        )
        .bind(person.as_str())
        .bind(stretch.first.to_string())
        .bind(stretch.last.to_string())
        .bind(stretch.metrics.join(","))
        .bind(i64::from(own))
        .bind(now.timestamp())
        .execute(&mut *transaction)
        .await
        .context("noting in the store what is to be fetched of the past")?;
        transaction.commit().await.context("writing the store")
    }

    /// Every order of a person, the oldest first.
    pub async fn orders(&self, person: &Person) -> Result<Vec<Order>> {
        let sql = format!("SELECT {COLUMNS} FROM backfill WHERE person = $1 ORDER BY own, began, first");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(person.as_str())
            .fetch_all(&self.pool)
            .await
            .context("reading from the store what is to be fetched of the past")?;
        let read = |row| {
            let text = |name: &str| -> Option<String> { Row::try_get(row, name).ok()? };
            let number = |name: &str| -> Option<i64> { Row::try_get(row, name).ok()? };
            let metrics = text("metrics")?.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect();
            let stretch = Stretch { first: text("first")?.parse().ok()?, last: text("last")?.parse().ok()?, metrics };
            Some(Order {
                stretch,
                own: number("own")? != 0,
                done: number("done")?,
                todo: number("todo"),
                until: number("until").map(moment),
                problem: text("problem"),
                ended: number("ended").map(moment),
            })
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    /// Notes how far an order has come; what was made is added up.
    pub async fn note_order(&self, person: &Person, order: &Order, more: i64) -> Result<()> {
        sqlx::query(
            "UPDATE backfill SET done = done + $5, todo = $6, until = $7, problem = $8, ended = $9
             WHERE person = $1 AND first = $2 AND last = $3 AND metrics = $4",
        )
        .bind(person.as_str())
        .bind(order.stretch.first.to_string())
        .bind(order.stretch.last.to_string())
        .bind(order.stretch.metrics.join(","))
        .bind(more)
        .bind(order.todo)
        .bind(order.until.map(|until| until.timestamp()))
        .bind(&order.problem)
        .bind(order.ended.map(|ended| ended.timestamp()))
        .execute(&self.pool)
        .await
        .context("noting in the store how far the past was fetched")?;
        Ok(())
    }
}
