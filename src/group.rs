//! An organization at once: every active patient of a group whose file says that they agreed, each by a fetch like anybody's.
//! Patients are read page by page and known by their identifiers; nothing else of them is looked at here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use futures_util::{StreamExt, stream};
use serde_json::{Value as Json, json};
use tokio::sync::Mutex;

use crate::fetch::{Fetcher, Outcome, Refusal};
use crate::household::Household;
use crate::plan::{BadRequest, Wanted};
use crate::plus::Reader;
use crate::reading::Person;
use crate::snapshot::utc;
use crate::store::Wish;
use crate::upstream::fitbit_plus::PROVIDER;
use crate::upstream::fitbit_plus::request::{Request, Wanted as List};

/// So many groups are named to whoever names one that does not exist.
const MOST_NAMED: usize = 10;

/// Fetches groups.
pub struct Groups {
    household: Arc<Household>,
    fetcher: Arc<Fetcher>,
    reader: Reader,
    /// Patients fetched side by side.
    side_by_side: usize,
    /// One group at a time: two would only be slower, each for itself.
    turn: Mutex<()>,
}

/// What became of those who were to be fetched.
#[derive(Default)]
struct Came {
    calls: u64,
    worked: usize,
    /// Who was not fetched, and why.
    failed: Vec<Json>,
    /// Why not, of whoever's refusal says most.
    worst: Option<Refusal>,
    /// Why nobody else is fetched.
    end: Option<Refusal>,
}

impl Groups {
    /// The groups of the organization that `reader` reads.
    pub fn new(household: Arc<Household>, fetcher: Arc<Fetcher>, reader: Reader, side_by_side: usize) -> Groups {
        Groups { household, fetcher, reader, side_by_side, turn: Mutex::default() }
    }

    /// Fetches what is wanted of everyone in a group, and gives the answer as a file: it is as long as the group is large.
    /// One patient's trouble stops nobody else. `fetched` is told of each who was fetched. Where it is by itself, whoever
    /// is paused is left out.
    ///
    /// # Errors
    /// The request is wrong, the group cannot be read, or nobody of it could be fetched.
    pub async fn fetch(
        &self,
        group: &str,
        wanted: &Wanted,
        by_itself: bool,
        fetched: &(dyn Fn(&Person) + Send + Sync),
    ) -> Result<File, Refusal> {
        let _turn = self.turn.lock().await;
        let mut came = Came::default();
        let people = self.people(group, &mut came).await?;
        let mut file = self.household.plugindata.nameless_file()?;
        let mut out = BufWriter::new(&mut file);
        let head = json!({"group": group, "provider": PROVIDER}).to_string();
        write!(out, "{},\"people\":[", head.trim_end_matches('}')).context("writing the answer")?;
        let asked = people.len();
        let over = AtomicBool::new(false);
        let each = people.into_iter().map(|person| self.one(person, wanted, by_itself, &over));
        let mut outcomes = stream::iter(each).buffered(self.side_by_side);
        while let Some((person, outcome)) = outcomes.next().await {
            match outcome {
                Ok(Some(outcome)) => {
                    let between = if came.worked > 0 { "," } else { "" };
                    write!(out, "{between}{}", outcome.json()).context("writing the answer")?;
                    came.calls += outcome.json()["calls"].as_u64().unwrap_or_default();
                    came.worked += 1;
                    fetched(&person);
                }
                Ok(None) => {}
                // It is so for everyone. What runs is not dropped, for it may be renewing the token.
                Err(refusal @ (Refusal::Stopping | Refusal::Bad(_))) => {
                    over.store(true, Ordering::Relaxed);
                    came.end = Some(refusal);
                }
                Err(refusal) => came.refused(&person, refusal),
            }
        }
        drop(outcomes);
        if let Some(refusal) = came.end {
            return Err(refusal);
        }
        log::info!("group {group}: {} of {asked} patients who agreed were fetched", came.worked);
        if let Some(refusal) = came.worst.filter(|_| came.worked == 0) {
            return Err(refusal);
        }
        let rest = json!({"failed": came.failed, "calls": came.calls, "fetched": utc(self.household.clock.now())});
        write!(out, "],{}", rest.to_string().trim_start_matches('{')).context("writing the answer")?;
        out.flush().context("writing the answer")?;
        drop(out);
        file.rewind().context("reading the answer back")?;
        Ok(file)
    }

    /// Those of a group's active patients who agreed, in the order of their names. A list that breaks off is no reason to
    /// forget those who came before.
    async fn people(&self, group: &str, came: &mut Came) -> Result<Vec<Person>, Refusal> {
        let household = Arc::clone(&self.household);
        let agreed = tokio::task::spawn_blocking(move || household.agreed()).await.map_err(anyhow::Error::from)??;
        let mut agreed_by_patient: BTreeMap<String, Vec<Person>> = BTreeMap::new();
        for (person, patient) in agreed {
            agreed_by_patient.entry(patient).or_default().push(person);
        }
        let filters = vec![("groups".to_owned(), group.to_owned()), ("archived".to_owned(), "false".to_owned())];
        let list = List { resource: "patient".into(), filters, ..List::default() };
        let request = Request::new(&list, None).map_err(|error| BadRequest(format!("{error:#}")))?;
        let mut people = Vec::new();
        let each = |patient: Json| {
            // Their own identifier is all that is taken of them.
            if self.fetcher.is_stopping() {
                bail!("the bridge is stopping");
            }
            people.extend(patient["id"].as_str().and_then(|id| agreed_by_patient.remove(id)).unwrap_or_default());
            Ok(())
        };
        let read = self.reader.read(&request, each, |_, _| came.calls += 1).await;
        if let Ok(0) = read {
            // A group that does not exist is answered like one in which nobody is.
            match self.others(group, came).await {
                Ok(None) => {}
                Ok(Some(others)) => {
                    return Err(BadRequest(format!("there is no group {group}; {others}")).into());
                }
                // Then nobody is in it, or it does not exist.
                Err(error) => log::warn!("group {group}: the groups cannot be listed: {error:#}"),
            }
        }
        if self.fetcher.is_stopping() {
            return Err(Refusal::Stopping);
        }
        if let Err(error) = read {
            let why = format!("{error:#}");
            log::warn!("group {group}: {why}");
            if people.is_empty() {
                return Err(Refusal::Group(group.to_owned(), why));
            }
            came.failed.push(json!({"error": why, "cure": "ask again later; those listed before were fetched"}));
        }
        people.sort();
        Ok(people)
    }

    /// Which groups there are, in words; `None`: this one is among them.
    async fn others(&self, group: &str, came: &mut Came) -> Result<Option<String>> {
        let list = List { resource: "group".into(), ..List::default() };
        let request = Request::new(&list, Some(&self.reader.reach().await?))?;
        let mut groups = Vec::new();
        let each = |found: Json| {
            groups.push((found["id"].as_str().unwrap_or_default().to_owned(), found["attributes"]["name"].clone()));
            Ok(())
        };
        self.reader.read(&request, each, |_, _| came.calls += 1).await?;
        if groups.iter().any(|(id, _)| id == group) {
            return Ok(None);
        }
        let named = |(id, name): &(String, Json)| name.as_str().map_or(id.clone(), |name| format!("{id} ({name})"));
        let shown: Vec<_> = groups.iter().take(MOST_NAMED).map(named).collect();
        let more = if groups.len() > MOST_NAMED { ", and others that `fitbit2mqtt plus group` lists" } else { "" };
        Ok(Some(match shown.is_empty() {
            true => "there is none that these credentials reach".into(),
            false => format!("there is {}{more}", shown.join(", ")),
        }))
    }

    /// One person's fetch; `None`: they are paused, or it is `over`.
    async fn one(
        &self,
        person: Person,
        wanted: &Wanted,
        by_itself: bool,
        over: &AtomicBool,
    ) -> (Person, Result<Option<Outcome>, Refusal>) {
        let paused = by_itself && self.household.store.wished(&person, Wish::Paused).await.is_ok_and(|at| at.is_some());
        let outcome = match paused || over.load(Ordering::Relaxed) {
            true => Ok(None),
            false => self.fetcher.fetch(&person, wanted).await.map(Some),
        };
        (person, outcome)
    }
}

impl Came {
    /// Consent before quota before all else, as for one person.
    fn refused(&mut self, person: &Person, refusal: Refusal) {
        let (status, error, cure) = refusal.words();
        log::warn!("a fetch of {person} failed: {error}");
        self.failed.push(json!({"user": person, "error": error, "cure": cure}));
        let rank = |status: u16| [409, 429].iter().position(|first| *first == status).unwrap_or(2);
        if self.worst.as_ref().is_none_or(|worst| rank(status) < rank(worst.words().0)) {
            self.worst = Some(refusal);
        }
    }
}
