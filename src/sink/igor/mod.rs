//! Igor as a destination: a person's values become one element of its database, the health of their actions its status.
//! Publishing only notes what is to be said; a task of its own says it, newest state only, and nothing waits for Igor.

mod board; // what Igor is to know, and what it knows
mod request; // requests to Igor, and its answers in words
mod statement; // what is to be said of whom

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use async_trait::async_trait;
use prometheus::Histogram;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use self::board::Board;
pub use self::request::Settings;
use self::request::{Found, Trouble};
use self::statement::{Place, Said, statements};
use crate::reading::Person;
use crate::snapshot::{Sink, Snapshot};
use crate::store::Store;
use crate::telemetry;

/// How long Igor is left alone after a failure; each further one doubles it, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How long a stop waits for what was not said yet.
const FAREWELL: Duration = Duration::from_secs(5);

/// Whether Igor answers to this user; what is the matter, and the cure behind a semicolon, if not. Tells it nothing.
pub async fn examine(settings: Settings, http: reqwest::Client) -> std::result::Result<(), String> {
    request::Igor { settings, http }.examine().await.map_err(|trouble| match trouble {
        Trouble::Unreachable(why) | Trouble::Refused(why) => why,
    })
}

/// An Igor that is told everything.
pub struct Igor {
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

struct Inner {
    igor: request::Igor,
    store: Store,
    /// Held from noting a place to saying so, so that no note is taken back in between.
    people: tokio::sync::Mutex<BTreeMap<Person, Said>>,
    board: Mutex<Board>,
    changed: Notify,
    latency: Histogram,
    /// What kept Igor from being told, last time; changes whenever something was tried.
    trouble: watch::Sender<Option<String>>,
}

impl Igor {
    /// Tells this Igor from now on.
    pub fn new(settings: Settings, http: reqwest::Client, store: Store) -> Igor {
        let inner = Arc::new(Inner {
            igor: request::Igor { settings, http },
            store,
            people: Default::default(),
            board: Default::default(),
            changed: Notify::new(),
            latency: telemetry::publishing("igor"),
            trouble: watch::Sender::new(None),
        });
        let task = tokio::spawn(keep_telling(Arc::clone(&inner)));
        Igor { inner, task }
    }

    /// Says that everybody has been published by now, but for `unpublished`: elements of nobody, left over from people or
    /// actions of former times, are deleted.
    pub async fn settled(&self, unpublished: &[Person]) -> Result<()> {
        let _people = self.inner.people.lock().await;
        let kept = self.inner.store.places_in_igor().await?;
        let mut board = self.inner.board();
        for place in kept.iter().filter_map(|path| Place::at(path)) {
            let unsure = match &place {
                Place::Values(person) => unpublished.contains(person),
                // Whose it is does not show.
                Place::Health(_) => !unpublished.is_empty(),
            };
            if !unsure && !board.wants(&place) {
                board.withdraw(place);
            }
        }
        drop(board);
        self.inner.changed.notify_one();
        Ok(())
    }

    /// Waits until Igor knows everything.
    ///
    /// # Errors
    /// What keeps it from that, after `limit`.
    pub async fn told(&self, limit: Duration) -> Result<()> {
        let mut tried = self.inner.trouble.subscribe();
        let everything = async {
            while self.inner.board().next(&BTreeSet::new()).is_some() {
                if tried.changed().await.is_err() {
                    return;
                }
            }
        };
        if tokio::time::timeout(limit, everything).await.is_err() {
            let trouble = self.inner.trouble.borrow().clone();
            bail!("Igor was not told everything: {}", trouble.unwrap_or_else(|| "it takes long to answer".into()));
        }
        Ok(())
    }

    /// How many elements Igor does not know yet as they are.
    pub fn waiting(&self) -> usize {
        self.inner.board().open()
    }

    /// How long Igor takes to know an element.
    pub fn latency(&self) -> Histogram {
        self.inner.latency.clone()
    }

    /// Says what is left, for a few seconds at most.
    pub async fn stop(&self) {
        if let Err(error) = self.told(FAREWELL).await {
            log::warn!("{error:#}; it is told after the next start");
        }
        self.task.abort();
    }
}

impl Drop for Igor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[async_trait]
impl Sink for Igor {
    async fn publish(&self, snapshot: &Snapshot) -> Result<()> {
        let mut people = self.inner.people.lock().await;
        people.insert(snapshot.person.clone(), Said::new(snapshot));
        self.inner.want(&people).await
    }

    async fn remove(&self, person: &Person) -> Result<()> {
        let mut people = self.inner.people.lock().await;
        people.remove(person);
        self.inner.want(&people).await?;
        // Another process may have published more of this person.
        let place = Place::Values(person.clone());
        if self.inner.store.places_in_igor().await?.contains(&place.path()) {
            self.inner.board().withdraw(place);
            self.inner.changed.notify_one();
        }
        Ok(())
    }
}

impl Inner {
    /// Wants Igor to know all this, and nothing else of what is known here.
    async fn want(&self, people: &BTreeMap<Person, Said>) -> Result<()> {
        let statements = statements(people);
        let new: Vec<String> = {
            let board = self.board();
            statements.keys().filter(|place| !board.wants(place)).map(Place::path).collect()
        };
        if !new.is_empty() {
            self.store.note_in_igor(&new).await?;
        }
        self.board().replace(statements);
        self.changed.notify_one();
        Ok(())
    }

    /// Says everything there is to say, and tells whether Igor knows it now.
    async fn tell(&self) -> bool {
        let mut refused = BTreeSet::new();
        let mut trouble = None;
        loop {
            // A statement of its own, or the guard would live through the request.
            let next = self.board().next(&refused);
            let Some((place, statement)) = next else { break };
            let begun = Instant::now();
            match self.igor.tell(&place, statement.as_deref()).await {
                Ok(found) => {
                    self.latency.observe(begun.elapsed().as_secs_f64());
                    if found == Found::EmptyHouse {
                        // It was restored from before we came, so it may have lost more.
                        self.board().doubt();
                    }
                    self.said(place, statement).await;
                }
                Err(Trouble::Refused(why)) => {
                    trouble = Some(format!("{}: {why}", place.path()));
                    refused.insert(place);
                }
                Err(Trouble::Unreachable(why)) => {
                    // When it is back, it may be an older one.
                    self.board().doubt();
                    trouble = Some(why);
                    break;
                }
            }
            self.trouble.send_modify(|_| {});
        }
        let well = trouble.is_none();
        let before = self.trouble.send_replace(trouble.clone());
        match trouble {
            // What lasts is told once.
            Some(trouble) if before.as_ref() != Some(&trouble) => log::warn!("{trouble}; it is tried again"),
            None if before.is_some() => log::info!("Igor knows everything again"),
            _ => {}
        }
        well
    }

    async fn said(&self, place: Place, statement: Option<String>) {
        let _people = self.people.lock().await;
        let gone = self.board().said(&place, statement);
        if gone && let Err(error) = self.store.note_gone_from_igor(&place.path()).await {
            // It stays noted and is deleted once more at the next start.
            log::warn!("{error:#}");
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        // A poisoned lock only means that another thread panicked between two whole states.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn keep_telling(inner: Arc<Inner>) {
    let mut pause = FIRST_PAUSE;
    loop {
        if inner.tell().await {
            pause = FIRST_PAUSE;
            inner.changed.notified().await;
        } else {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
