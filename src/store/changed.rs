//! What changed, in the order in which it did, for destinations that take everything and come back for it: where each of
//! them stands, and what it does not have yet. A day of one metric is one entry, so that samples need no number of their own.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use anyhow::Result;
use chrono::{DateTime, NaiveDate, Utc};

use super::rows::{Insert, portions};
use super::samples::{self, Series};
use super::trouble::Doing;
use super::{Connection, Store, readings};
use crate::metric::{self, Metric};
use crate::reading::{Person, Reading, Resolution};

/// A day of one metric of which something changed.
#[derive(Debug, Clone)]
pub struct Changed {
    /// Its place in the order of changes; none has it twice, and what changes again moves to the end.
    pub number: i64,
    /// Whose it is.
    pub person: Person,
    /// Of what.
    pub metric: &'static Metric,
    /// The civil day.
    pub day: NaiveDate,
    /// How far apart the samples are of which some changed; `None`: it is no samples that changed.
    pub resolution: Option<Resolution>,
    /// The Unix second of the earliest change that not every destination has; the smallest number, where that is a
    /// value of the whole day or nobody has any.
    pub since: i64,
    /// Whether something that was told of the day is gone, or under another source or word.
    pub gone: bool,
    /// What there is from `since` on; of samples, which are many, nothing.
    pub readings: Vec<Reading>,
    /// The samples, from the first: see [`Store::changed_samples`]; `None`: it is of none, or they are gone.
    pub samples: Option<Samples>,
}

/// Which samples of a [`Changed`] are to be read.
#[derive(Debug, Clone)]
pub struct Samples {
    series: Series,
    day: NaiveDate,
    /// The Unix second from which on.
    from: i64,
}

impl Samples {
    /// Those from an instant on.
    pub fn since(self, instant: DateTime<Utc>) -> Samples {
        Samples { from: self.from.max(instant.timestamp()), ..self }
    }
}

/// Entries in their order, as one text: all that a destination needs to know, but for the samples.
const ENTRIES: &str =
    "SELECT string_agg(number || ' ' || metric || ' ' || day || ' ' || resolution || ' ' || since || ' '
         || gone || ' ' || person, '\n')
     FROM (SELECT * FROM changed WHERE number > $1 ORDER BY number LIMIT $2) AS changed";

/// The values of days, nights and events among the entries from one number to another.
// A cross join is one that SQLite makes in the order in which it is written: a few entries, then theirs.
const READINGS: &str = "SELECT changed.number AS entry, reading.* FROM changed CROSS JOIN reading
     WHERE changed.number > $1 AND changed.number <= $2 AND changed.resolution = 0
       AND reading.person = changed.person AND reading.metric = changed.metric AND reading.day = changed.day
       AND reading.instant >= changed.since";

/// New numbers for entries; what not every destination has yet stays to be taken.
static NOTE: LazyLock<Insert> = LazyLock::new(|| {
    let kept = "changed.number > (SELECT COALESCE(MIN(position.number), 0) FROM position)";
    Insert::new(
        "INSERT INTO changed (person, metric, day, resolution, since, gone, number)",
        1,
        6,
        &format!(
            "ON CONFLICT (person, metric, day, resolution) DO UPDATE SET
                 since = CASE WHEN {kept} AND changed.since < excluded.since THEN changed.since ELSE excluded.since END,
                 gone = CASE WHEN {kept} AND changed.gone > excluded.gone THEN changed.gone ELSE excluded.gone END,
                 number = excluded.number"
        ),
    )
});

impl Store {
    /// Up to which change this destination has everything; one that is new has nothing.
    pub async fn position(&self, destination: &str) -> Result<i64> {
        let mut transaction = self.write().await?;
        let known: Option<i64> = sqlx::query_scalar("SELECT number FROM position WHERE destination = $1")
            .bind(destination)
            .fetch_optional(&mut *transaction)
            .await
            .context("reading from the store what was written")?;
        if let Some(known) = known {
            return Ok(known);
        }
        for sql in ["UPDATE changed SET since = $1", "INSERT INTO position (number, destination) VALUES ($1, $2)"] {
            let mut query = sqlx::query(sql);
            query = if sql.ends_with("$1") { query.bind(i64::MIN) } else { query.bind(0_i64).bind(destination) };
            query.execute(&mut *transaction).await.context("noting in the store what was written")?;
        }
        transaction.commit().await.context("writing the store")?;
        Ok(0)
    }

    /// Notes that a destination has everything up to this change.
    pub async fn note_position(&self, destination: &str, number: i64) -> Result<()> {
        sqlx::query("UPDATE position SET number = $2 WHERE destination = $1 AND number < $2")
            .bind(destination)
            .bind(number)
            .execute(&self.pool)
            .await
            .context("noting in the store what was written")?;
        Ok(())
    }

    /// Whether anything has changed since a change.
    pub async fn is_changed(&self, after: i64) -> Result<bool> {
        let next: Option<i64> = sqlx::query_scalar("SELECT number FROM changed WHERE number > $1 LIMIT 1")
            .bind(after)
            .fetch_optional(&self.pool)
            .await
            .context("reading from the store what changed")?;
        Ok(next.is_some())
    }

    /// How many days of metrics have changed since a change.
    pub async fn count_changed(&self, after: i64) -> Result<i64> {
        sqlx::query_scalar("SELECT COUNT(*) FROM changed WHERE number > $1")
            .bind(after)
            .fetch_one(&self.pool)
            .await
            .context("reading from the store what changed")
    }

    /// At most `limit` entries that follow a change, in order, with what they are of as it is now, and the number up to
    /// which that is all; `None`: nothing follows. Entries of metrics that the catalogue no longer has are left out.
    pub async fn changed(&self, after: i64, limit: usize) -> Result<(Vec<Changed>, Option<i64>)> {
        // What changes between the two questions, which PostgreSQL sees, comes again with a later number.
        let mut transaction = self.pool.begin().await.context("reading the store")?;
        let lines: Option<String> = sqlx::query_scalar(ENTRIES)
            .bind(after)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_one(&mut *transaction)
            .await
            .context("reading from the store what changed")?;
        let lines = lines.unwrap_or_default();
        let mut numbered: Vec<_> = lines.lines().filter_map(number).collect();
        numbered.sort_by_key(|(number, _)| *number);
        let Some((last, _)) = numbered.last().copied() else { return Ok((Vec::new(), None)) };
        let lines = sqlx::query_scalar(sqlx::AssertSqlSafe(readings::text(self.engine, "entry", READINGS)))
            .bind(after)
            .bind(last)
            .fetch_one(&mut *transaction)
            .await
            .context("reading from the store what changed")?;
        let mut kept = readings::kept(&lines).into_iter().peekable();
        let mut series: HashMap<Person, Vec<Series>> = HashMap::new();
        let mut entries = Vec::with_capacity(numbered.len());
        for (number, line) in numbered {
            let Some(mut entry) = entry(number, line) else { continue };
            while kept.next_if(|kept| kept.entry < number).is_some() {}
            while let Some(kept) = kept.next_if(|kept| kept.entry == number) {
                entry.readings.extend(kept.stored.map(|stored| stored.reading));
            }
            if let Some(resolution) = entry.resolution {
                if !series.contains_key(&entry.person) {
                    let theirs = samples::series_of(&mut transaction, &entry.person, &[]).await?;
                    series.insert(entry.person.clone(), theirs);
                }
                let is_of = |series: &&Series| series.metric == entry.metric && series.resolution == resolution;
                entry.samples = series[&entry.person].iter().find(is_of).map(|series| Samples {
                    series: series.clone(),
                    day: entry.day,
                    from: entry.since,
                });
            }
            entries.push(entry);
        }
        Ok((entries, Some(last)))
    }

    /// At most `limit` samples as they are now, and where the rest begins.
    pub async fn changed_samples(&self, samples: &Samples, limit: usize) -> Result<(Vec<Reading>, Option<Samples>)> {
        let mut connection = self.pool.acquire().await.context("reading the store")?;
        let Samples { series, day, from } = samples;
        let found: Vec<Reading> = series.of_day(&mut connection, *day, *from, limit).await?;
        let last = found.last().filter(|_| found.len() >= limit);
        let rest = last.map(|last| Samples { from: last.at.instant().saturating_add(1), ..samples.clone() });
        Ok((found, rest))
    }
}

/// A line of [`ENTRIES`] and its number.
fn number(line: &str) -> Option<(i64, &str)> {
    let (number, line) = line.split_once(' ')?;
    Some((number.parse().ok()?, line))
}

/// The rest of such a line; one of a metric that the catalogue no longer has is nothing.
fn entry(number: i64, line: &str) -> Option<Changed> {
    let mut columns = line.splitn(6, ' ');
    let metric = metric::find(columns.next()?)?;
    let day = columns.next()?.parse().ok()?;
    let resolution = Resolution::of_seconds(columns.next()?.parse().ok()?);
    let since = columns.next()?.parse().ok()?;
    let gone = columns.next()? != "0";
    let person = columns.next()?.parse().ok()?;
    Some(Changed { number, person, metric, day, resolution, since, gone, readings: Vec::new(), samples: None })
}

/// What one answer changed.
#[derive(Default)]
pub(super) struct Changes(BTreeMap<Key, (i64, bool)>);

/// Day, metric, resolution in seconds. Day by day, for databases of time series keep each stretch of days apart, and take
/// a request that is of few of them much faster.
type Key = (NaiveDate, &'static str, i64);

impl Changes {
    /// One more, at an instant.
    pub fn add(
        &mut self,
        metric: &'static Metric,
        day: NaiveDate,
        resolution: Option<Resolution>,
        instant: i64,
        gone: bool,
    ) {
        let resolution = resolution.map_or(0, |resolution| i64::from(resolution.seconds()));
        let (since, was_gone) = self.0.entry((day, metric.key, resolution)).or_insert((instant, gone));
        (*since, *was_gone) = (instant.min(*since), gone || *was_gone);
    }

    /// Gives them numbers. Writers take turns, so that whoever sees a number has seen every smaller one.
    pub async fn note(self, connection: &mut Connection, person: &Person) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        // Those who were forgotten take their numbers with them; a position remembers.
        let last: i64 = sqlx::query_scalar(
            "SELECT COALESCE(MAX(number), 0) FROM
                 (SELECT MAX(number) AS number FROM changed UNION ALL SELECT MAX(number) FROM position) AS numbers",
        )
        .fetch_one(&mut *connection)
        .await
        .context("reading the store")?;
        let numbered: Vec<_> = (last + 1..).zip(self.0).collect();
        for portion in portions(&numbered) {
            let mut query = sqlx::query(NOTE.of(connection, portion));
            for (number, ((day, metric, resolution), (since, gone))) in portion {
                query = query.bind(*metric).bind(day.to_string()).bind(*resolution);
                query = query.bind(*since).bind(i64::from(*gone)).bind(*number);
            }
            query.bind(person.as_str()).execute(&mut *connection).await.context("noting what changed in the store")?;
        }
        Ok(())
    }
}
