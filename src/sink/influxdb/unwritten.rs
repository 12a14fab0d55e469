//! What InfluxDB does not have yet, read from the store batch by batch in the order in which it changed. Knows no server.

use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};

use anyhow::Result;
use chrono::{DateTime, Days, TimeDelta, Utc};
use tokio::sync::mpsc::Sender;

use super::line::{Lines, beside, measurement};
use super::request::Packed;
use crate::reading::{Moment, Person, Reading};
use crate::store::{Changed, Cursor, Samples, Selection, Store};
use crate::zone::Zones;

/// Days of metrics that are read from the store at once, and readings.
const ENTRIES: usize = 500;
const PAGE: usize = 2_000;

/// What is written by one request, usually.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// What has to go before: it is no longer as it was written.
    pub deletions: Vec<Deletion>,
    /// The lines.
    pub lines: Lines,
    /// The same, ready to be sent.
    pub packed: Option<Packed>,
    /// Everything up to this change is there once the batch is.
    pub through: Option<i64>,
}

/// Points of a person in one measurement, from one time to another.
#[derive(Debug)]
pub(super) struct Deletion {
    pub measurement: &'static str,
    pub person: Person,
    pub from: DateTime<Utc>,
    /// Exclusive.
    pub to: DateTime<Utc>,
}

/// Everything that changed after some change.
pub(super) struct Unwritten {
    store: Store,
    /// Lines that go first.
    first: Vec<String>,
    /// Those of the people among the entries.
    zones: BTreeMap<Person, Zones>,
    after: i64,
    entries: VecDeque<Changed>,
    /// The samples of an entry that did not fit into the last batch.
    rest: Option<(Changed, Samples)>,
}

impl Unwritten {
    pub fn new(store: Store, after: i64, first: Vec<String>) -> Unwritten {
        Unwritten { store, first, zones: BTreeMap::new(), after, entries: VecDeque::new(), rest: None }
    }

    /// Hands over batches of some `most` lines for as long as there is anything and somebody takes them.
    pub async fn send_all(mut self, most: usize, batches: Sender<Result<Batch>>) {
        while let Some(mut batch) = self.next(most).await.transpose() {
            let failed = batch.is_err();
            if let Ok(batch) = &mut batch {
                // Here, where nobody waits for it.
                batch.packed = Some(Packed::new(batch.lines.text(&(0..batch.lines.count()))));
            }
            if batches.send(batch).await.is_err() || failed {
                return;
            }
        }
    }

    /// The next batch; `None`: there is nothing more.
    async fn next(&mut self, most: usize) -> Result<Option<Batch>> {
        let mut batch = Batch::default();
        self.first.drain(..).for_each(|line| batch.lines.push(&line));
        while batch.lines.count() < most {
            if let Some((entry, samples)) = self.rest.take() {
                let (found, rest) = self.store.changed_samples(&samples, most - batch.lines.count()).await?;
                self.add(&mut batch, &entry.person, found.iter()).await?;
                match rest {
                    Some(rest) => self.rest = Some((entry, rest)),
                    None => batch.through = Some(entry.number),
                }
                continue;
            }
            let Some(mut entry) = self.entries.pop_front() else {
                let (entries, last) = self.store.changed(self.after, ENTRIES).await?;
                let Some(last) = last else { break };
                if entries.is_empty() {
                    batch.through = Some(last);
                }
                let is_gone = entries.iter().any(|entry| entry.gone);
                (self.entries, self.after) = (entries.into(), last);
                // They are read after what they are for: of a day that is recorded they say the same for ever.
                self.zones.clear();
                if is_gone && batch.lines.count() > 0 {
                    // Deletions go before the lines of a batch, and those it has were read before these.
                    break;
                }
                continue;
            };
            if self.entries.is_empty() {
                // What was left out after it is passed with it.
                entry.number = self.after;
            }
            if entry.gone {
                self.write_anew(&mut batch, &mut entry).await?;
            }
            self.add(&mut batch, &entry.person, entry.readings.iter()).await?;
            match entry.samples.take() {
                Some(samples) => self.rest = Some((entry, samples)),
                None => batch.through = Some(entry.number),
            }
        }
        let nothing = batch.lines.count() == 0 && batch.deletions.is_empty() && batch.through.is_none();
        Ok((!nothing).then_some(batch))
    }

    /// Lets go of what was written of an entry's day, and writes what there is now: of all metrics of that measurement,
    /// for a point can only go whole.
    async fn write_anew(&mut self, batch: &mut Batch, entry: &mut Changed) -> Result<()> {
        let zones = self.zones(&entry.person).await?.clone();
        let begins = zones.begin(entry.day);
        let (yesterday, tomorrow) = (entry.day - Days::new(1), entry.day + Days::new(1));
        let from = DateTime::from_timestamp(entry.since, 0).filter(|_| entry.since != i64::MIN).unwrap_or(begins);
        // The evening of a day whose person flew east lies after the beginning of the next.
        let to = zones.begin(tomorrow).max(begins + TimeDelta::days(1)).max(from + TimeDelta::seconds(1));
        let intraday = entry.resolution.is_some();
        let (measurement, person) = (measurement(entry.metric, intraday), entry.person.clone());
        batch.deletions.push(Deletion { measurement, person, from, to });
        let metrics = beside(entry.metric, intraday);
        let selection = Selection { from: yesterday, to: tomorrow, metrics: &metrics, intraday: true };
        let at = |reading: &Reading| match reading.at {
            Moment::Time(time) => time.to_utc(),
            Moment::Date(date) => zones.begin(date),
        };
        let is_swept = |reading: &Reading| (from..to).contains(&at(reading));
        let mut after: Option<Cursor> = None;
        loop {
            let page = self.store.history(&entry.person, &selection, after, PAGE).await?;
            let readings = page.readings.iter().map(|stored| &stored.reading).filter(|reading| is_swept(reading));
            self.add(batch, &entry.person, readings).await?;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        // What is written by now is not written again.
        entry.readings.retain(|reading| !is_swept(reading));
        entry.samples = entry.samples.take().map(|samples| samples.since(to));
        Ok(())
    }

    async fn add<'a>(
        &mut self,
        batch: &mut Batch,
        person: &Person,
        readings: impl Iterator<Item = &'a Reading>,
    ) -> Result<()> {
        let zones = self.zones(person).await?;
        readings.for_each(|reading| batch.lines.add(person, reading, zones));
        Ok(())
    }

    async fn zones(&mut self, person: &Person) -> Result<&Zones> {
        Ok(match self.zones.entry(person.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(self.store.zones(person).await?),
        })
    }
}
