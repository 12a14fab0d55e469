//! What changed, in the order in which it did, for destinations that take everything and come back for it: where each of
//! them stands, and what it does not have yet. A day of one metric is one entry, so that samples need no number of their own.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use anyhow::Result;
use chrono::NaiveDate;
use sqlx::Row as _;

use super::rows::{Insert, portions};
use super::trouble::Doing;
use super::{Connection, Cursor, Row, Store, Stored, readings, samples};
use crate::metric::{self, Metric};
use crate::reading::{Person, Resolution};

/// A day of one metric of which something changed.
#[derive(Debug, Clone, PartialEq)]
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
    /// What there is from `since` on; of samples, which are many, nothing: see [`Store::changed_samples`].
    pub readings: Vec<Stored>,
}

/// Which samples of a [`Changed`] are to be read.
#[derive(Debug, Clone)]
pub struct Samples {
    person: Person,
    metric: &'static Metric,
    resolution: Resolution,
    after: Cursor,
}

impl Changed {
    /// The samples of it, from the first; `None`: it is of none.
    pub fn samples(&self) -> Option<Samples> {
        let after = Cursor { instant: self.since, ..Cursor::before(self.day) };
        Some(Samples { person: self.person.clone(), metric: self.metric, resolution: self.resolution?, after })
    }
}

/// Entries in their order: all that a destination needs to know, but for the samples.
static ENTRIES: &str = "SELECT number, person, metric, day, resolution, since, gone FROM changed
     WHERE number > $1 ORDER BY number LIMIT $2";

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
        // One look at one state: an entry and its readings belong together.
        let mut transaction = self.pool.begin().await.context("reading the store")?;
        let rows = sqlx::query(ENTRIES)
            .bind(after)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *transaction)
            .await
            .context("reading from the store what changed")?;
        let mut entries: Vec<_> = rows.iter().filter_map(entry).collect();
        let Some(last) = rows.last() else { return Ok((entries, None)) };
        let last: i64 = last.try_get("number").context("reading from the store what changed")?;
        let lines = sqlx::query_scalar(sqlx::AssertSqlSafe(readings::text(self.engine, "entry", READINGS)))
            .bind(after)
            .bind(last)
            .fetch_one(&mut *transaction)
            .await
            .context("reading from the store what changed")?;
        let mut found: HashMap<i64, Vec<Stored>> = HashMap::new();
        for kept in readings::kept(lines) {
            found.entry(kept.entry).or_default().extend(kept.stored);
        }
        for entry in &mut entries {
            entry.readings = found.remove(&entry.number).unwrap_or_default();
        }
        Ok((entries, Some(last)))
    }

    /// At most `limit` samples as they are now, and where the rest begins.
    pub async fn changed_samples(&self, samples: &Samples, limit: usize) -> Result<(Vec<Stored>, Option<Samples>)> {
        let mut transaction = self.pool.begin().await.context("reading the store")?;
        let mut series = samples::series_of(&mut transaction, &samples.person, &[samples.metric]).await?;
        series.retain(|series| series.resolution == samples.resolution);
        let found = samples::after(&mut transaction, &series, &samples.after, limit).await?;
        let rest = (found.len() >= limit).then(|| found.last().map(|(cursor, _)| cursor.clone())).flatten();
        let rest = rest.map(|after| Samples { after, ..samples.clone() });
        Ok((found.into_iter().map(|(_, stored)| stored).collect(), rest))
    }
}

/// A row of [`ENTRIES`]; one of a metric that the catalogue no longer has is nothing.
fn entry(row: &Row) -> Option<Changed> {
    let seconds: i64 = row.try_get("resolution").ok()?;
    Some(Changed {
        number: row.try_get("number").ok()?,
        person: row.try_get::<String, _>("person").ok()?.parse().ok()?,
        metric: metric::find(row.try_get("metric").ok()?)?,
        day: row.try_get::<String, _>("day").ok()?.parse().ok()?,
        resolution: Resolution::of_seconds(seconds.try_into().ok()?),
        since: row.try_get("since").ok()?,
        gone: row.try_get::<i64, _>("gone").ok()? != 0,
        readings: Vec::new(),
    })
}

/// What one answer changed.
#[derive(Default)]
pub(super) struct Changes(BTreeMap<Key, (i64, bool)>);

/// Metric, day, resolution in seconds.
type Key = (&'static str, NaiveDate, i64);

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
        let (since, was_gone) = self.0.entry((metric.key, day, resolution)).or_insert((instant, gone));
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
            for (number, ((metric, day, resolution), (since, gone))) in portion {
                query = query.bind(*metric).bind(day.to_string()).bind(*resolution);
                query = query.bind(*since).bind(i64::from(*gone)).bind(*number);
            }
            query.bind(person.as_str()).execute(&mut *connection).await.context("noting what changed in the store")?;
        }
        Ok(())
    }
}
