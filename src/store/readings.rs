//! The values of days, nights and events: written where they differ from what is known, and read back, newest first.

mod read; // read back, many as one text

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use anyhow::Result;
use chrono::{DateTime, NaiveDate, Utc};

pub(super) use self::read::{Kept, after, kept, next_day, one_of, text};
use super::changed::Changes;
use super::engine::Engine;
use super::record::Answered;
use super::rows::{Insert, portions};
use super::trouble::Doing;
use super::{Connection, Recorded, instant};
use crate::reading::{Moment, Person, Reading, Value};

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

/// Whether a destination that is told the one may be left with something of the other: databases of time series know a
/// point by where it came from and by words such as a level of sleep, and keep what is no longer said beside a value.
fn tells_apart(known: &Reading, reading: &Reading) -> bool {
    known.source != reading.source
        || (known.value != reading.value && known.value.number().is_none())
        || known.beside.keys().any(|name| !reading.beside.contains_key(name))
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
    let rows = "SELECT * FROM reading WHERE person = $1 AND metric = $2 AND day BETWEEN $3 AND $4";
    let lines = sqlx::query_scalar(sqlx::AssertSqlSafe(text(Engine::of(connection), "0", rows)))
        .bind(person.as_str())
        .bind(metric)
        .bind(first.to_string())
        .bind(last.to_string())
        .fetch_one(connection)
        .await
        .context("reading the store")?;
    let read = |Kept { key, asked, stored, .. }: Kept<'_>| {
        let Stored { reading, revision, .. } = stored?;
        Some((key, (reading, instant(asked), revision)))
    };
    Ok(kept(&lines).into_iter().filter_map(read).collect())
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
