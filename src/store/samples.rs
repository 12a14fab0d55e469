//! Samples: numbers at instants, by the million, in as few bytes as the database allows. Written where they differ from
//! what is known.

mod read; // samples read back, thousands as one text

use std::collections::BTreeMap;
use std::sync::LazyLock;

use anyhow::{Result, bail};
use serde_json::{Map, Value as Json};

pub(super) use self::read::{NEWEST_SAMPLE, Series, after, next_day, series_of};
use super::changed::Changes;
use super::readings::storable;
use super::record::Answered;
use super::rows::{Insert, portions};
use super::trouble::Doing;
use super::{Connection, Recorded, moment};
use crate::reading::{Moment, Person, Reading, Resolution, Value};

/// New samples of one series and origin.
static INSERT: LazyLock<Insert> = LazyLock::new(|| {
    let begin = "INSERT INTO sample (series, origin, asked, revision, instant, number)";
    Insert::new(begin, 4, 2, "")
});

/// Seconds of a day.
const DAY: i64 = 86_400;

/// How many samples are compared with what is known at a time.
const AT_ONCE: usize = 16_384;

/// What is known at an instant.
struct Known {
    number: f64,
    origin: i64,
    asked: i64,
    revision: i64,
    beside: Option<String>,
}

/// A sample as it is to be written.
struct Change<'a> {
    instant: i64,
    number: f64,
    origin: i64,
    recorded: Recorded<'a>,
}

/// Writes the samples that differ from what is known, and gives them back.
pub(super) async fn record<'a>(
    connection: &mut Connection,
    person: &Person,
    samples: &[&'a Reading],
    answered: &Answered,
    noted: &mut Changes,
) -> Result<Vec<Recorded<'a>>> {
    let mut recorded = Vec::with_capacity(samples.len());
    if samples.is_empty() {
        return Ok(recorded);
    }
    let origins = Origins::of(connection, samples).await?;
    for ((metric, resolution), samples) in by_series(samples)? {
        let series = series(connection, person, metric, resolution).await?;
        for samples in samples.chunks(AT_ONCE) {
            let mut known = known(connection, series, samples).await?.into_iter().peekable();
            let mut changes = Vec::new();
            let mut last = None;
            for (instant, number, reading) in samples {
                while known.next_if(|(earlier, _)| earlier < instant).is_some() {}
                let known = known.next_if(|(same, _)| same == instant).map(|(_, known)| known);
                let origin = origins.id(reading);
                let moved = known.as_ref().is_some_and(|known| {
                    origins.source(known.origin) != origins.source(origin) || known.says_more_than(reading)
                });
                let revision = match &known {
                    Some(known) if known.is(*number, origin, reading) => continue,
                    Some(known) if !answered.replaces(reading.at.date(), moment(known.asked)) => continue,
                    Some(known) => known.revision + 1,
                    None => 1,
                };
                let recorded = Recorded { reading, revision };
                // They are in order of time: the first of a day stands for all that follow.
                let day = ((instant + east(reading)).div_euclid(DAY), moved);
                if last.replace(day) != Some(day) {
                    noted.add(reading.metric, reading.at.date(), reading.resolution, *instant, moved);
                }
                changes.push(Change { instant: *instant, number: *number, origin, recorded });
            }
            write(connection, series, &changes, answered).await?;
            recorded.extend(changes.into_iter().map(|change| change.recorded));
        }
    }
    Ok(recorded)
}

impl Known {
    /// Whether it says something beside the number that the reading does not.
    fn says_more_than(&self, reading: &Reading) -> bool {
        self.beside().keys().any(|name| !reading.beside.contains_key(name))
    }

    fn beside(&self) -> Map<String, Json> {
        self.beside.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    fn is(&self, number: f64, origin: i64, reading: &Reading) -> bool {
        self.number == number && self.origin == origin && self.beside() == reading.beside
    }
}

type Sample<'a> = (i64, f64, &'a Reading);

/// The samples of each metric and resolution in order of time; of several at one instant the last.
fn by_series<'a>(samples: &[&'a Reading]) -> Result<BTreeMap<(&'static str, Resolution), Vec<Sample<'a>>>> {
    let mut sorted: BTreeMap<_, Vec<Sample<'_>>> = BTreeMap::new();
    for reading in samples {
        let (Some(resolution), Value::Number(number), Moment::Time(at)) =
            (reading.resolution, &reading.value, reading.at)
        else {
            bail!("a sample of {} is no number at an instant", reading.metric.key);
        };
        sorted.entry((reading.metric.key, resolution)).or_default().push((at.timestamp(), *number, reading));
    }
    for samples in sorted.values_mut() {
        samples.reverse();
        samples.sort_by_key(|(instant, ..)| *instant);
        samples.dedup_by_key(|(instant, ..)| *instant);
    }
    Ok(sorted)
}

/// The number of a series; it gets the next one when it is new. Writers take turns, so no two get the same.
async fn series(connection: &mut Connection, person: &Person, metric: &str, resolution: Resolution) -> Result<i64> {
    let known = sqlx::query_scalar("SELECT id FROM series WHERE person = $1 AND metric = $2 AND resolution = $3")
        .bind(person.as_str())
        .bind(metric)
        .bind(i64::from(resolution.seconds()))
        .fetch_optional(&mut *connection)
        .await
        .context("reading the store")?;
    if let Some(known) = known {
        return Ok(known);
    }
    sqlx::query_scalar(
        "INSERT INTO series (id, person, metric, resolution)
         SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3 FROM series RETURNING id",
    )
    .bind(person.as_str())
    .bind(metric)
    .bind(i64::from(resolution.seconds()))
    .fetch_one(connection)
    .await
    .context("noting a series of samples in the store")
}

/// Where samples came from, and the numbers of that: a handful, as people have few devices and time zones.
struct Origins(Vec<(i64, Option<String>, i64)>);

impl Origins {
    /// Those known, and those of the samples.
    async fn of(connection: &mut Connection, samples: &[&Reading]) -> Result<Origins> {
        let known: Vec<(i64, Option<String>, i64)> = sqlx::query_as("SELECT east, source, id FROM origin ORDER BY id")
            .fetch_all(&mut *connection)
            .await
            .context("reading the store")?;
        let mut next = known.last().map_or(0, |(.., id)| id + 1);
        let mut origins = Origins(known);
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

    fn find(&self, reading: &Reading) -> Option<i64> {
        let (east, source) = (east(reading), reading.source.as_deref().map(storable));
        self.0
            .iter()
            .find(|(known, from, _)| *known == east && from.as_deref() == source.as_deref())
            .map(|(.., id)| *id)
    }

    fn source(&self, origin: i64) -> Option<&str> {
        self.0.iter().find(|(.., id)| *id == origin).and_then(|(_, source, _)| source.as_deref())
    }

    fn id(&self, reading: &Reading) -> i64 {
        self.find(reading).unwrap_or_default()
    }
}

fn east(reading: &Reading) -> i64 {
    match reading.at {
        Moment::Time(at) => i64::from(at.offset().local_minus_utc()),
        Moment::Date(_) => 0,
    }
}

/// What is known of the stretch of time that the samples, in order, are of.
async fn known(connection: &mut Connection, series: i64, samples: &[Sample<'_>]) -> Result<Vec<(i64, Known)>> {
    let (Some((first, ..)), Some((last, ..))) = (samples.first(), samples.last()) else { return Ok(Vec::new()) };
    type Columns = (i64, f64, i64, i64, i64, Option<String>);
    let rows: Vec<Columns> = sqlx::query_as(
        "SELECT instant, number, origin, asked, revision, beside FROM sample
         WHERE series = $1 AND instant BETWEEN $2 AND $3 ORDER BY instant",
    )
    .bind(series)
    .bind(*first)
    .bind(*last)
    .fetch_all(connection)
    .await
    .context("reading the store")?;
    let read = |(instant, number, origin, asked, revision, beside): Columns| {
        (instant, Known { number, origin, asked, revision, beside })
    };
    Ok(rows.into_iter().map(read).collect())
}

async fn write(connection: &mut Connection, series: i64, changes: &[Change<'_>], answered: &Answered) -> Result<()> {
    let asked = answered.asked.timestamp();
    // Nearly all are new and plain numbers of one origin: two parameters each, and nothing to look up.
    let is_plain = |change: &Change<'_>| change.recorded.revision == 1 && change.recorded.reading.beside.is_empty();
    let alike = |one: &Change<'_>, other: &Change<'_>| one.origin == other.origin && is_plain(one) && is_plain(other);
    for run in changes.chunk_by(alike) {
        for portion in portions(run) {
            match is_plain(&portion[0]) {
                true => insert(connection, series, portion, asked).await?,
                false => replace(connection, series, &portion[0], asked).await?,
            }
        }
    }
    Ok(())
}

async fn insert(connection: &mut Connection, series: i64, changes: &[Change<'_>], asked: i64) -> Result<()> {
    let mut query = sqlx::query(INSERT.of(connection, changes));
    for change in changes {
        query = query.bind(change.instant).bind(change.number);
    }
    query = query.bind(series).bind(changes[0].origin).bind(asked).bind(1_i64);
    query.execute(connection).await.context("recording samples in the store")?;
    Ok(())
}

async fn replace(connection: &mut Connection, series: i64, change: &Change<'_>, asked: i64) -> Result<()> {
    let Recorded { reading, revision } = change.recorded;
    let beside = (!reading.beside.is_empty()).then(|| serde_json::Value::Object(reading.beside.clone()).to_string());
    sqlx::query(
        "INSERT INTO sample (series, instant, number, origin, asked, revision, beside)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (series, instant) DO UPDATE SET number = excluded.number, origin = excluded.origin,
             asked = excluded.asked, revision = excluded.revision, beside = excluded.beside",
    )
    .bind(series)
    .bind(change.instant)
    .bind(change.number)
    .bind(change.origin)
    .bind(asked)
    .bind(revision)
    .bind(beside)
    .execute(connection)
    .await
    .context("recording a sample in the store")?;
    Ok(())
}
