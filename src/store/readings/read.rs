//! The values of days, nights and events read back: rows as one text, because a driver takes longer to hand over a row
//! than a database to find it.

use std::borrow::Cow;
use std::sync::LazyLock;

use anyhow::Result;
use chrono::NaiveDate;
use serde::Deserialize;

use super::{Key, Stored};
use crate::metric::{self, Metric};
use crate::reading::{Person, Reading, Value};
use crate::store::engine::Engine;
use crate::store::trouble::Doing;
use crate::store::{Connection, Cursor, Selection, Store, moment, samples};

/// The newest reading of one metric (`$2`) of a person by measuring time.
const NEWEST_OF: &str = "SELECT * FROM reading WHERE person = $1 AND metric = $2
     ORDER BY day DESC, instant DESC, place DESC LIMIT 1";

/// The newest reading of each metric: one look at the primary key for each, in one statement.
static NEWEST: LazyLock<String> = LazyLock::new(|| {
    let of = |metric: &Metric| {
        // A metric's key is a word of the catalogue.
        let newest = NEWEST_OF.replace("$2", &format!("'{}'", metric.key));
        format!("SELECT * FROM ({newest}) AS newest")
    };
    metric::METRICS.iter().map(of).collect::<Vec<_>>().join(" UNION ALL ")
});

impl Store {
    /// The newest value of each metric by measuring time, in the catalogue's order. Samples are no values of a metric,
    /// but where the newest one is what the metric is, unless a value by itself is newer. Costs the same however long the history is.
    pub async fn newest(&self, person: &Person) -> Result<Vec<Stored>> {
        let lines = sqlx::query_scalar(sqlx::AssertSqlSafe(text(self.engine, "0", &NEWEST)))
            .bind(person.as_str())
            .fetch_one(&self.pool)
            .await
            .context("reading the newest values from the store")?;
        let mut newest: Vec<_> = kept(&lines).into_iter().filter_map(|kept| kept.stored).collect();
        for metric in samples::NEWEST_SAMPLE.iter().filter_map(|key| metric::find(key)) {
            let Some(sample) = self.newest_sample(person, metric).await? else { continue };
            let place = newest.iter().position(|stored| stored.reading.metric == metric);
            match place.map(|place| &mut newest[place]) {
                Some(value) if value.reading.at >= sample.reading.at => {}
                Some(value) => *value = sample,
                None => newest.push(sample),
            }
        }
        let place = |stored: &Stored| metric::METRICS.iter().position(|metric| metric.key == stored.reading.metric.key);
        newest.sort_by_cached_key(place);
        Ok(newest)
    }

    /// The newest value of one metric by measuring time; no sample.
    pub async fn newest_of(&self, person: &Person, metric: &str) -> Result<Option<Stored>> {
        let lines = sqlx::query_scalar(sqlx::AssertSqlSafe(text(self.engine, "0", NEWEST_OF)))
            .bind(person.as_str())
            .bind(metric)
            .fetch_one(&self.pool)
            .await
            .context("reading the newest value from the store")?;
        Ok(kept(&lines).pop().and_then(|kept| kept.stored))
    }

    /// The days from `from` on which something was worn: a total above zero that only a worn device gives.
    pub async fn days_worn(&self, person: &Person, from: NaiveDate) -> Result<Vec<NaiveDate>> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT day, metric FROM reading WHERE person = $1 AND day >= $2 AND number > 0 ORDER BY day",
        )
        .bind(person.as_str())
        .bind(from.to_string())
        .fetch_all(&self.pool)
        .await
        .context("reading the days worn from the store")?;
        let worn = |key: &str| metric::find(key).is_some_and(|metric| metric.proves_wear());
        let mut days: Vec<_> =
            rows.iter().filter(|(_, key)| worn(key)).filter_map(|(day, _)| day.parse().ok()).collect();
        days.dedup();
        Ok(days)
    }
}

/// At most `limit` readings that stand after the cursor, up to and with the day `to`, in order; `None` for a row that is
/// none.
pub(in crate::store) async fn after(
    connection: &mut Connection,
    person: &Person,
    selection: &Selection<'_>,
    after: &Cursor,
    to: NaiveDate,
    limit: usize,
) -> Result<Vec<(Cursor, Option<Stored>)>> {
    // Of one metric and instant, samples stand after what is none.
    let place = if after.resolution > 0 { i64::MAX } else { after.place };
    let rows = format!(
        "SELECT * FROM reading
         WHERE person = $1 AND (day, instant, metric, place) > ($2, $3, $4, $5) AND day <= $6 {}
         ORDER BY day, instant, metric, place LIMIT $7",
        one_of("metric", selection.metrics)
    );
    let lines = sqlx::query_scalar(sqlx::AssertSqlSafe(text(Engine::of(connection), "0", &rows)))
        .bind(person.as_str())
        .bind(after.day.to_string())
        .bind(after.instant)
        .bind(&after.metric)
        .bind(place)
        .bind(to.to_string())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_one(connection)
        .await
        .context("reading the history from the store")?;
    let read = |Kept { metric, key: (day, instant, place), stored, .. }: Kept<'_>| {
        (Cursor { day, instant, metric: metric.to_owned(), resolution: 0, place }, stored)
    };
    Ok(kept(&lines).into_iter().map(read).collect())
}

/// The first day after `day` of which there is any reading.
pub(in crate::store) async fn next_day(
    connection: &mut Connection,
    person: &Person,
    day: NaiveDate,
) -> Result<Option<NaiveDate>> {
    let next: Option<String> = sqlx::query_scalar("SELECT MIN(day) FROM reading WHERE person = $1 AND day > $2")
        .bind(person.as_str())
        .bind(day.to_string())
        .fetch_one(connection)
        .await
        .context("reading the history from the store")?;
    Ok(next.and_then(|day| day.parse().ok()))
}

/// A condition that holds for these metrics; for all, where none is named. Keys are words of the catalogue.
pub(in crate::store) fn one_of(column: &str, metrics: &[&'static Metric]) -> String {
    let keys: Vec<_> = metrics.iter().map(|metric| format!("'{}'", metric.key)).collect();
    if keys.is_empty() { String::new() } else { format!("AND {column} IN ({})", keys.join(", ")) }
}

/// A reading as it stands in the store.
pub(in crate::store) struct Kept<'a> {
    pub entry: i64,
    pub metric: &'a str,
    pub key: Key,
    /// Unix milliseconds.
    pub asked: i64,
    /// `None`: the catalogue no longer has its metric.
    pub stored: Option<Stored>,
}

/// Rows of the table as one text: an array each line, which begins with `entry`, a column of theirs or a number.
pub(in crate::store) fn text(engine: Engine, entry: &str, rows: &str) -> String {
    let (number, text, source) = (engine.digits("number"), engine.quoted("text"), engine.quoted("source"));
    // Quoted as well, so that one that somebody damaged spoils no more than its own row.
    let beside = engine.quoted("beside");
    // A number stands in quotes, for readers of JSON take the last digits lightly.
    format!(
        r#"SELECT string_agg('[' || {entry} || ',"' || metric || '","' || day || '",' || instant || ',' || place || ',"'
             || measured || '",' || COALESCE('"' || {number} || '"', 'null') || ',' || {text} || ',' || {source} || ','
             || {beside} || ',' || asked || ',' || fetched || ',' || revision || ']', '{}') FROM ({rows}) AS reading"#,
        '\n'
    )
}

/// The readings of a [`text`] in order of time.
pub(in crate::store) fn kept(lines: &Option<String>) -> Vec<Kept<'_>> {
    let lines = lines.iter().flat_map(|lines| lines.lines());
    let mut kept: Vec<_> = lines.filter_map(|line| serde_json::from_str(line).ok()).map(Row::read).collect();
    // A database need not keep the order of rows that it puts together.
    kept.sort_by(|one, other| {
        let place = |kept: &Kept<'_>| (kept.entry, kept.key.0, kept.key.1);
        (place(one), &one.metric, one.key.2).cmp(&(place(other), &other.metric, other.key.2))
    });
    kept
}

/// A line of a [`text`], column by column.
#[derive(Deserialize)]
struct Row<'a> {
    entry: i64,
    metric: &'a str,
    day: NaiveDate,
    instant: i64,
    place: i64,
    measured: &'a str,
    number: Option<&'a str>,
    text: Option<String>,
    source: Option<String>,
    #[serde(borrow)]
    beside: Cow<'a, str>,
    asked: i64,
    fetched: i64,
    revision: i64,
}

impl<'a> Row<'a> {
    fn read(self) -> Kept<'a> {
        let Row { entry, day, instant, place, asked, .. } = self;
        Kept { entry, metric: self.metric, key: (day, instant, place), asked, stored: self.stored() }
    }

    fn stored(self) -> Option<Stored> {
        let value = match (self.number, self.text) {
            (Some(number), _) => Value::Number(number.parse().ok()?),
            (None, Some(text)) => Value::Text(text),
            (None, None) => return None,
        };
        let reading = Reading {
            metric: metric::find(self.metric)?,
            value,
            at: self.measured.parse().ok()?,
            source: self.source,
            beside: serde_json::from_str(&self.beside).ok()?,
            resolution: None,
        };
        Some(Stored { reading, fetched: moment(self.fetched), revision: self.revision })
    }
}
