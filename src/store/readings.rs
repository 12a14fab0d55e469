//! The values of days, nights and events: written where they differ from what is known, and read back, newest first.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::LazyLock;

use anyhow::Result;
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::Row as _;

use super::changed::Changes;
use super::record::Answered;
use super::rows::{Insert, portions};
use super::trouble::Doing;
use super::{Connection, Cursor, Recorded, Row, Selection, Store, instant, moment, samples};
use crate::metric::{self, Metric};
use crate::reading::{Moment, Person, Reading, Value};

/// The columns a reading is read from.
pub(super) const COLUMNS: &str =
    "metric, day, instant, place, measured, number, text, source, beside, fetched, revision";

/// The newest reading of one metric (`$2`) of a person by measuring time.
static NEWEST_OF: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {COLUMNS} FROM reading WHERE person = $1 AND metric = $2
         ORDER BY day DESC, instant DESC, place DESC LIMIT 1"
    )
});

/// The newest reading of each metric: one look at the primary key for each, in one statement.
static NEWEST: LazyLock<String> = LazyLock::new(|| {
    let mut sql = String::new();
    for metric in metric::METRICS {
        let between = if sql.is_empty() { "" } else { " UNION ALL " };
        // A metric's key is a word of the catalogue. Writing into a string never fails.
        let _ = write!(
            sql,
            "{between}SELECT * FROM (SELECT {COLUMNS} FROM reading WHERE person = $1 AND metric = '{}'
             ORDER BY day DESC, instant DESC, place DESC LIMIT 1) AS newest",
            metric.key
        );
    }
    sql
});

/// Readings that are numbers.
static NUMBERS: LazyLock<Insert> = LazyLock::new(|| insert("number", "text"));

/// Readings that are texts.
static TEXTS: LazyLock<Insert> = LazyLock::new(|| insert("text", "number"));

/// Readings with their value in one column, which may have been in the other.
fn insert(value: &str, other: &str) -> Insert {
    let begin = format!(
        "INSERT INTO reading (person, asked, fetched, metric, day, instant, place, measured, source, beside, revision,
             {value})"
    );
    let end = format!(
        "ON CONFLICT (person, metric, day, instant, place) DO UPDATE SET
             measured = excluded.measured, {value} = excluded.{value}, {other} = NULL, source = excluded.source,
             beside = excluded.beside, asked = excluded.asked, fetched = excluded.fetched, revision = excluded.revision"
    );
    Insert::new(&begin, 3, 9, &end)
}

/// A reading and when this value of it was first received.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The reading.
    pub reading: Reading,
    /// When this value was first received; of a sample, when it was asked for.
    pub fetched: DateTime<Utc>,
    /// 1 for the first value known of this moment, one more with each change.
    pub revision: i64,
}

impl Store {
    /// The newest value of each metric by measuring time, in the catalogue's order. Samples are no values of a metric,
    /// but where the newest one is what the metric is, unless a value by itself is newer. Costs the same however long the history is.
    pub async fn newest(&self, person: &Person) -> Result<Vec<Stored>> {
        let rows = sqlx::query(NEWEST.as_str())
            .bind(person.as_str())
            .fetch_all(&self.pool)
            .await
            .context("reading the newest values from the store")?;
        let mut newest: Vec<_> = rows.iter().filter_map(stored).collect();
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
        let row = sqlx::query(NEWEST_OF.as_str())
            .bind(person.as_str())
            .bind(metric)
            .fetch_optional(&self.pool)
            .await
            .context("reading the newest value from the store")?;
        Ok(row.as_ref().and_then(stored))
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
pub(super) async fn after(
    connection: &mut Connection,
    person: &Person,
    selection: &Selection<'_>,
    after: &Cursor,
    to: NaiveDate,
    limit: usize,
) -> Result<Vec<(Cursor, Option<Stored>)>> {
    // Of one metric and instant, samples stand after what is none.
    let place = if after.resolution > 0 { i64::MAX } else { after.place };
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM reading
         WHERE person = $1 AND (day, instant, metric, place) > ($2, $3, $4, $5) AND day <= $6 {}
         ORDER BY day, instant, metric, place LIMIT $7",
        one_of("metric", selection.metrics)
    )))
    .bind(person.as_str())
    .bind(after.day.to_string())
    .bind(after.instant)
    .bind(&after.metric)
    .bind(place)
    .bind(to.to_string())
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await
    .context("reading the history from the store")?;
    let read = |row: &Row| {
        let (instant, place) = (row.try_get("instant").ok()?, row.try_get("place").ok()?);
        let (day, metric) = (row.try_get::<String, _>("day").ok()?.parse().ok()?, row.try_get("metric").ok()?);
        Some((Cursor { day, instant, metric, resolution: 0, place }, stored(row)))
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// The first day after `day` of which there is any reading.
pub(super) async fn next_day(
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
pub(super) fn one_of(column: &str, metrics: &[&'static Metric]) -> String {
    let keys: Vec<_> = metrics.iter().map(|metric| format!("'{}'", metric.key)).collect();
    if keys.is_empty() { String::new() } else { format!("AND {column} IN ({})", keys.join(", ")) }
}

/// Where a reading stands among those of its metric: day, instant, place.
type Key = (NaiveDate, i64, i64);

/// What is known at a key: the reading, when it was asked for, its revision.
type Known = (Reading, DateTime<Utc>, i64);

/// Writes the readings that differ from what is known, and gives them back.
pub(super) async fn record<'a>(
    connection: &mut Connection,
    person: &Person,
    readings: &[&'a Reading],
    answered: &Answered,
    changes: &mut Changes,
) -> Result<Vec<Recorded<'a>>> {
    let mut changed = Vec::new();
    for (metric, told) in by_metric(readings) {
        let days = (told.keys().next().map(|key| key.0), told.keys().next_back().map(|key| key.0));
        let (Some(first), Some(last)) = days else { continue };
        let known = known(connection, person, metric, first, last).await?;
        let anew = Stretches::of(told.values().copied());
        for (key, (reading, asked, _)) in &known {
            if !told.contains_key(key) && anew.hold(reading) && answered.replaces(key.0, *asked) {
                drop_superseded(connection, person, metric, key).await?;
                changes.add(reading.metric, key.0, None, key.1, true);
            }
        }
        let later = known.values().filter(|(_, asked, _)| *asked > answered.asked);
        let later = Stretches::of(later.map(|(reading, ..)| reading));
        for (key, reading) in told {
            let revision = match known.get(&key) {
                Some((known, ..)) if same(known, reading) => continue,
                Some((_, asked, _)) if !answered.replaces(key.0, *asked) => continue,
                None if later.hold(reading) => continue,
                Some((_, _, revision)) => revision + 1,
                None => 1,
            };
            let told_apart = known.get(&key).is_some_and(|(known, ..)| tells_apart(known, reading));
            changes.add(reading.metric, key.0, None, key.1, told_apart);
            changed.push((key, Recorded { reading, revision }));
        }
    }
    // Numbers and texts go separately: PostgreSQL's driver must be told the type of each parameter once and for all, and
    // takes that of a number that is none for another than a number's.
    let is_number = |(_, recorded): &(Key, Recorded<'_>)| recorded.reading.value.number().is_some();
    for run in changed.chunk_by(|one, other| is_number(one) == is_number(other)) {
        for portion in portions(run) {
            write(connection, person, portion, answered).await?;
        }
    }
    Ok(changed.into_iter().map(|(_, recorded)| recorded).collect())
}

/// Whether a destination may take the two for different ones: databases of time series know a point by where it came
/// from and by words such as a level of sleep.
fn tells_apart(known: &Reading, reading: &Reading) -> bool {
    known.source != reading.source || (known.value != reading.value && known.value.number().is_none())
}

/// From when until when readings hold that have a length in seconds beside them, as sleep levels have. One that is told
/// anew replaces whatever was told to begin within it: a night that was scored again has other stretches.
struct Stretches(BTreeMap<i64, i64>);

impl Stretches {
    fn of<'a>(readings: impl Iterator<Item = &'a Reading>) -> Stretches {
        Stretches(readings.filter_map(stretch).collect())
    }

    /// Whether this one begins within one of them.
    fn hold(&self, reading: &Reading) -> bool {
        stretch(reading)
            .is_some_and(|(begins, _)| self.0.range(..=begins).next_back().is_some_and(|(_, ends)| begins < *ends))
    }
}

fn stretch(reading: &Reading) -> Option<(i64, i64)> {
    let (Moment::Time(time), Some(seconds)) = (reading.at, reading.beside.get("seconds")) else { return None };
    Some((time.timestamp(), time.timestamp().checked_add(seconds.as_i64()?)?))
}

async fn drop_superseded(connection: &mut Connection, person: &Person, metric: &str, key: &Key) -> Result<()> {
    let (day, instant, place) = key;
    sqlx::query("DELETE FROM reading WHERE person = $1 AND metric = $2 AND day = $3 AND instant = $4 AND place = $5")
        .bind(person.as_str())
        .bind(metric)
        .bind(day.to_string())
        .bind(*instant)
        .bind(*place)
        .execute(connection)
        .await
        .context("recording readings in the store")?;
    Ok(())
}

/// The readings of each metric under their keys. Events that began in the same second are told apart by the `logId`
/// beside them and counted in its order; one that changed clouds has another there, and stays the same event.
fn by_metric<'a>(readings: &[&'a Reading]) -> BTreeMap<&'static str, BTreeMap<Key, &'a Reading>> {
    let mut moments: BTreeMap<_, BTreeMap<String, &Reading>> = BTreeMap::new();
    for reading in readings {
        let id = reading.beside.get("logId").map(|id| id.to_string()).unwrap_or_default();
        let moment = (reading.metric.key, reading.at.date(), reading.at.instant());
        moments.entry(moment).or_default().insert(id, reading);
    }
    let mut sorted: BTreeMap<_, BTreeMap<Key, &Reading>> = BTreeMap::new();
    for ((metric, day, instant), events) in moments {
        for (place, reading) in (0..).zip(events.into_values()) {
            sorted.entry(metric).or_default().insert((day, instant, place), reading);
        }
    }
    sorted
}

async fn known(
    connection: &mut Connection,
    person: &Person,
    metric: &str,
    first: NaiveDate,
    last: NaiveDate,
) -> Result<HashMap<Key, Known>> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS}, asked FROM reading WHERE person = $1 AND metric = $2 AND day BETWEEN $3 AND $4"
    )))
    .bind(person.as_str())
    .bind(metric)
    .bind(first.to_string())
    .bind(last.to_string())
    .fetch_all(connection)
    .await
    .context("reading the store")?;
    let read = |row: &Row| {
        let day = row.try_get::<String, _>("day").ok()?.parse().ok()?;
        let key = (day, row.try_get("instant").ok()?, row.try_get("place").ok()?);
        let Stored { reading, revision, .. } = stored(row)?;
        Some((key, (reading, instant(row.try_get("asked").ok()?), revision)))
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// Writes readings that are either all numbers or all texts.
async fn write(
    connection: &mut Connection,
    person: &Person,
    changed: &[(Key, Recorded<'_>)],
    answered: &Answered,
) -> Result<()> {
    let is_number = changed.iter().all(|(_, recorded)| recorded.reading.value.number().is_some());
    let insert = if is_number { &NUMBERS } else { &TEXTS };
    let mut query = sqlx::query(insert.of(connection, changed));
    for ((day, instant, place), Recorded { reading, revision }) in changed {
        query = query
            .bind(reading.metric.key)
            .bind(day.to_string())
            .bind(*instant)
            .bind(*place)
            .bind(reading.at.to_string())
            .bind(reading.source.as_deref().map(|source| storable(source).into_owned()))
            .bind(serde_json::Value::Object(reading.beside.clone()).to_string())
            .bind(*revision);
        query = match &reading.value {
            Value::Number(number) => query.bind(*number),
            Value::Text(text) => query.bind(storable(text).into_owned()),
        };
    }
    query = query.bind(person.as_str()).bind(answered.asked.timestamp_millis()).bind(answered.received.timestamp());
    query.execute(connection).await.context("recording readings in the store")?;
    Ok(())
}

/// Text without the one character that PostgreSQL cannot keep.
pub(super) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "")) } else { Cow::Borrowed(text) }
}

/// Whether what is known is the reading, but for what cannot be kept of it.
fn same(known: &Reading, reading: &Reading) -> bool {
    if known == reading {
        return true;
    }
    let clean = Reading {
        value: match &reading.value {
            Value::Text(text) => Value::Text(storable(text).into_owned()),
            number => number.clone(),
        },
        source: reading.source.as_deref().map(|source| storable(source).into_owned()),
        ..reading.clone()
    };
    *known == clean
}

/// A row as a reading; a row of a metric that the catalogue no longer has is nothing.
pub(super) fn stored(row: &Row) -> Option<Stored> {
    let metric = metric::find(row.try_get("metric").ok()?)?;
    let value = match (row.try_get::<Option<f64>, _>("number").ok()?, row.try_get::<Option<String>, _>("text").ok()?) {
        (Some(number), _) => Value::Number(number),
        (None, Some(text)) => Value::Text(text),
        (None, None) => return None,
    };
    let at = row.try_get::<String, _>("measured").ok()?.parse().ok()?;
    let beside = serde_json::from_str(row.try_get("beside").ok()?).ok()?;
    let source = row.try_get("source").ok()?;
    Some(Stored {
        reading: Reading { metric, value, at, source, beside, resolution: None },
        fetched: moment(row.try_get("fetched").ok()?),
        revision: row.try_get("revision").ok()?,
    })
}
