//! InfluxDB as a destination: everything measured, as a line each, in the order in which it changed. Publishing only
//! nudges; a task of its own reads what is not written yet from the store, and nothing waits for InfluxDB.

pub mod line; // a reading as a line of its protocol
mod request; // requests to InfluxDB, and its answers in words
mod unwritten; // what it does not have yet, batch by batch
mod writing; // one batch on its way

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use async_trait::async_trait;
use prometheus::Histogram;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use self::line::quota_line;
use self::request::{Packed, Server, Trouble};
pub use self::request::{Place, Settings};
use self::unwritten::Unwritten;
use self::writing::{MOST_LINES, Writer};
use crate::reading::Person;
use crate::snapshot::{Sink, Snapshot};
use crate::store::Store;

/// How long InfluxDB is left alone after a failure; each further one doubles it, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// The first pause where somebody has to change something.
const SLOW_PAUSE: Duration = Duration::from_secs(10);
/// How often is looked for what other processes have recorded.
const LOOK: Duration = Duration::from_secs(60);
/// What was taken so long ago is believed to be kept: VictoriaMetrics has it in memory only for some seconds, and loses it
/// when it is killed (<https://docs.victoriametrics.com/victoriametrics/single-server-victoriametrics/#storage>).
const SETTLED: Duration = Duration::from_secs(10);
/// How many batches are read ahead.
const READ_AHEAD: usize = 1;
/// How long a stop waits for what was not written yet.
const FAREWELL: Duration = Duration::from_secs(5);

/// An InfluxDB, or what takes the same, that is written to.
pub struct InfluxDb {
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

struct Inner {
    writer: Writer,
    /// Under which its position is kept.
    destination: String,
    store: Store,
    /// The newest word on everybody's quota that was not written yet.
    quotas: Mutex<BTreeMap<Person, String>>,
    changed: Notify,
    progress: watch::Sender<Progress>,
}

/// How far writing has come.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// Everything up to this change was taken.
    through: i64,
    /// What keeps more from being written.
    trouble: Option<Told>,
}

/// Trouble as it was told.
#[derive(Debug, Clone)]
struct Told {
    words: String,
    /// What makes it another trouble.
    kind: String,
}

/// Whether it takes what is written there, by writing nothing; what is the matter, and the cure behind a semicolon, if
/// not.
pub async fn examine(settings: Settings, http: reqwest::Client) -> std::result::Result<(), String> {
    match (Server { settings, http }).write(Packed::new("")).await {
        Err(Trouble::Unreachable(why) | Trouble::Failing(why, _) | Trouble::Misconfigured(why)) => Err(why),
        // InfluxDB 2 refuses an empty request, but only after it has looked who wants to write where.
        Ok(()) | Err(Trouble::Refused(_) | Trouble::TooLong) => Ok(()),
    }
}

impl InfluxDb {
    /// Writes to it from now on.
    pub fn new(settings: Settings, http: reqwest::Client, store: Store) -> InfluxDb {
        let server = Server { settings, http };
        let inner = Arc::new(Inner {
            destination: server.destination(),
            writer: Writer::new(server),
            store,
            quotas: Mutex::default(),
            changed: Notify::new(),
            progress: watch::Sender::default(),
        });
        let task = tokio::spawn(keep_writing(Arc::clone(&inner)));
        InfluxDb { inner, task }
    }

    /// Waits until everything that was recorded by now is written.
    ///
    /// # Errors
    /// What keeps it from that, after `limit`; nothing is lost by that.
    pub async fn written(&self, limit: Duration) -> Result<()> {
        self.inner.changed.notify_one();
        let mut progress = self.inner.progress.subscribe();
        let everything = async {
            loop {
                let through = progress.borrow_and_update().through;
                if !self.inner.store.is_changed(through).await? || progress.changed().await.is_err() {
                    return Ok(());
                }
            }
        };
        if let Ok(written) = tokio::time::timeout(limit, everything).await {
            return written;
        }
        let trouble = self.inner.progress.borrow().trouble.clone();
        bail!("not everything was written to InfluxDB: {}", trouble.map_or("it takes long".into(), |told| told.words));
    }

    /// How many changes are not written yet.
    pub async fn waiting(&self) -> Result<usize> {
        let through = self.inner.progress.borrow().through;
        Ok(usize::try_from(self.inner.store.count_changed(through).await?)?)
    }

    /// How long the server takes for a request.
    pub fn latency(&self) -> Histogram {
        self.inner.writer.latency.clone()
    }

    /// Writes what is left, for a few seconds at most.
    pub async fn stop(&self) {
        if let Err(error) = self.written(FAREWELL).await {
            log::warn!("{error:#}; it is written after the next start");
        }
        self.task.abort();
    }
}

impl Drop for InfluxDb {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[async_trait]
impl Sink for InfluxDb {
    /// What was measured is in the store by now; only the quota is not.
    async fn publish(&self, snapshot: &Snapshot) -> Result<()> {
        if let (Some(quota), Some(asked)) = (&snapshot.quota, snapshot.status.last_activity) {
            let mut quotas = self.inner.quotas.lock().unwrap_or_else(PoisonError::into_inner);
            quotas.extend(quota_line(&snapshot.person, quota, asked).map(|line| (snapshot.person.clone(), line)));
        }
        self.inner.changed.notify_one();
        Ok(())
    }

    /// What was written stays: whoever keeps a database of years decides how long.
    async fn remove(&self, _person: &Person) -> Result<()> {
        Ok(())
    }
}

/// Where writing stands.
struct Standing {
    /// What was taken last.
    through: i64,
    /// What was taken, by when, and is not yet believed to be kept.
    taken: VecDeque<(Instant, i64)>,
    /// When the server that took it was started, if it says so.
    started: Option<String>,
}

fn unreadable(error: anyhow::Error) -> Trouble {
    Trouble::Failing(format!("{error:#}"), None)
}

async fn keep_writing(inner: Arc<Inner>) {
    // From where the store says, at first and whenever the server may have lost something.
    let (mut place, mut pause) = (None, Duration::ZERO);
    loop {
        let wait = match inner.write_all(&mut place).await {
            Ok(wait) => {
                inner.is_well();
                pause = Duration::ZERO;
                wait
            }
            Err(trouble) => {
                let first = if matches!(trouble, Trouble::Misconfigured(_)) { SLOW_PAUSE } else { FIRST_PAUSE };
                pause = (pause * 2).clamp(first, LONGEST_PAUSE);
                let asked_for = if let Trouble::Failing(_, wait) = &trouble { *wait } else { None };
                if matches!(trouble, Trouble::Unreachable(_)) {
                    place = None;
                }
                inner.is_troubled(trouble);
                let uneven = pause.mul_f64(rand::random_range(0.75..1.25));
                tokio::time::sleep(asked_for.map_or(uneven, |wait| wait.min(LONGEST_PAUSE).max(uneven))).await;
                continue;
            }
        };
        let _ = tokio::time::timeout(wait, inner.changed.notified()).await;
    }
}

impl Inner {
    /// Writes everything there is, and says when to look again.
    async fn write_all(&self, place: &mut Option<Standing>) -> Result<Duration, Trouble> {
        let standing = match place {
            Some(standing) => standing,
            None => place.insert(self.begin().await?),
        };
        self.progress.send_modify(|progress| progress.through = standing.through);
        self.settle(standing).await?;
        let quotas = std::mem::take(&mut *self.quotas.lock().unwrap_or_else(PoisonError::into_inner));
        // Where this fails, the next fetch has a newer word.
        let unwritten = Unwritten::new(self.store.clone(), standing.through, quotas.into_values().collect());
        // The next ones are read while one is under way, and no more than fit: InfluxDB decides how fast.
        let (sender, mut batches) = mpsc::channel(READ_AHEAD);
        tokio::spawn(unwritten.send_all(MOST_LINES, sender));
        while let Some(batch) = batches.recv().await.transpose().map_err(unreadable)? {
            self.writer.write(&batch).await?;
            if let Some(through) = batch.through {
                standing.through = through;
                standing.taken.push_back((Instant::now(), through));
                self.progress.send_modify(|progress| progress.through = through);
                self.settle(standing).await?;
            }
        }
        Ok(standing.taken.front().map_or(LOOK, |(when, _)| SETTLED.saturating_sub(when.elapsed())))
    }

    async fn begin(&self) -> Result<Standing, Trouble> {
        let through = self.store.position(&self.destination).await.map_err(unreadable)?;
        Ok(Standing { through, taken: VecDeque::new(), started: self.writer.server.started().await })
    }

    /// Moves the position in the store to what is kept there by now.
    async fn settle(&self, standing: &mut Standing) -> Result<(), Trouble> {
        let mut kept = None;
        while let Some((_, number)) = standing.taken.pop_front_if(|(when, _)| when.elapsed() >= SETTLED) {
            kept = Some(number);
        }
        let Some(kept) = kept else { return Ok(()) };
        if self.writer.server.started().await != standing.started {
            return Err(Trouble::Unreachable(
                "the database was started anew and may have lost what it took last".into(),
            ));
        }
        self.store.note_position(&self.destination, kept).await.map_err(unreadable)
    }

    fn is_troubled(&self, trouble: Trouble) {
        // What lasts is told once, though a server that fails may name another of its files each time.
        let (words, kind) = match trouble {
            Trouble::Unreachable(words) => (words, "unreachable".to_owned()),
            Trouble::Failing(words, _) => (words, "failing".to_owned()),
            Trouble::Misconfigured(words) | Trouble::Refused(words) => (words.clone(), words),
            Trouble::TooLong => ("InfluxDB takes no request, however short".into(), "too long".to_owned()),
        };
        let known = self.progress.borrow().trouble.as_ref().is_some_and(|known| known.kind == kind);
        if !known {
            log::warn!("{words}; nothing is lost, it is tried again");
        }
        self.progress.send_modify(|progress| progress.trouble = Some(Told { words, kind }));
    }

    fn is_well(&self) {
        if self.progress.borrow().trouble.is_some() {
            log::info!("InfluxDB has everything again");
        }
        self.progress.send_modify(|progress| progress.trouble = None);
    }
}
