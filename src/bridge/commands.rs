//! Commands at work: each is done in the background, a bounded number at a time, and what came of it is told on the
//! `result` topic. What a command is called and takes, `command` knows.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Map, Value as Json};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;

use super::Bridge;
use crate::command::{self, Command, Refused, Task};
use crate::fetch::Refusal;
use crate::plan::Past;
use crate::reading::Person;
use crate::schedule::Change;
use crate::store::Wish;

/// Commands under way at once; fetches of one person wait for each other.
const MOST: u32 = 64;
/// How long a stop waits for results to be told; the fetches themselves have ended by then.
const FAREWELL: Duration = Duration::from_secs(5);

/// Where commands are put.
#[derive(Clone)]
pub(super) struct Commands {
    bridge: Arc<Bridge>,
    changes: mpsc::UnboundedSender<Change>,
    free: Arc<Semaphore>,
}

/// Commands are taken over MQTT as long as this is kept.
pub(super) struct Listening(AbortHandle);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Commands {
    pub fn new(bridge: Arc<Bridge>, changes: mpsc::UnboundedSender<Change>) -> Commands {
        Commands { bridge, changes, free: Arc::new(Semaphore::new(MOST as usize)) }
    }

    /// Takes what comes in over MQTT until the answer is dropped.
    pub fn listen(&self, mut incoming: mpsc::Receiver<(Option<Person>, Vec<u8>)>) -> Listening {
        let commands = self.clone();
        let task = tokio::spawn(async move {
            while let Some((to, message)) = incoming.recv().await {
                match command::read(to.as_ref(), &message) {
                    Ok(command) => {
                        let (id, name) = (command.id.clone(), command.task.name());
                        if !commands.begin(to.clone(), command) {
                            let (error, cure) = ("too many commands are under way", "send it again in a while");
                            commands.tell(to.as_ref(), id.as_ref(), Some(name), Err((error.into(), cure.into())));
                        }
                    }
                    Err(refused) => {
                        let Refused { id, command, error, cure } = *refused;
                        let whose = to.as_ref().map_or("the bridge", Person::as_str);
                        log::warn!("a command to {whose} was not understood: {error}");
                        commands.tell(to.as_ref(), id.as_ref(), command, Err((error, cure)));
                    }
                }
            }
        });
        Listening(task.abort_handle())
    }

    /// Begins a command to a person, or to the bridge; `false`: too many are under way.
    pub fn begin(&self, to: Option<Person>, command: Command) -> bool {
        let Ok(place) = Arc::clone(&self.free).try_acquire_owned() else { return false };
        // What takes hours must not keep others from anything.
        let place = Some(place).filter(|_| !matches!(command.task, Task::Backfill(_)));
        let commands = self.clone();
        tokio::spawn(async move {
            let name = command.task.name();
            let came = commands.obey(to.as_ref(), command.task).await;
            if let Err((error, _)) = &came {
                let whose = to.as_ref().map_or("the bridge", Person::as_str);
                log::warn!("the command {name} to {whose} failed: {error}");
            }
            commands.tell(to.as_ref(), command.id.as_ref(), Some(name), came);
            drop(place);
        });
        true
    }

    /// Begins nothing more, and waits until everything was told.
    pub async fn stop(&self) {
        let all = tokio::time::timeout(FAREWELL, self.free.acquire_many(MOST)).await;
        if all.is_err() {
            log::warn!("a command did not end within {} s; it is left behind", FAREWELL.as_secs());
        }
        self.free.close();
    }

    async fn obey(&self, to: Option<&Person>, task: Task) -> Result<Map<String, Json>, (String, String)> {
        let done = match to {
            Some(person) => self.obey_for(person, task).await,
            None => self.obey_for_all(task).await,
        };
        done.map_err(|refusal| {
            let (_, error, cure) = refusal.words();
            (error, cure)
        })
    }

    async fn obey_for(&self, person: &Person, task: Task) -> Result<Map<String, Json>, Refusal> {
        let parts = &self.bridge.parts;
        let (store, now) = (&parts.household.store, parts.household.clock.now());
        if let Task::Fetch(wanted) = task {
            let outcome = parts.fetcher.fetch(person, &wanted).await?;
            return Ok(outcome.json().as_object().cloned().unwrap_or_default());
        }
        if let Task::Backfill(past) = task {
            return self.backfill(person, &past).await;
        }
        if parts.household.member(person).await?.is_none() {
            return Err(Refusal::UnknownPerson(person.clone()));
        }
        match task {
            Task::Pause => store.wish(person, Wish::Paused, now).await?,
            Task::Resume => {
                if store.withdraw_wish(person, Wish::Paused).await? {
                    self.bridge.backfill.wake();
                    // What was missed meanwhile comes at once.
                    let _ = self.changes.send(Change::Connected(person.clone()));
                }
            }
            Task::Reauthorize => store.wish(person, Wish::Reauthorize, now).await?,
            Task::Republish | Task::Fetch(_) | Task::Backfill(_) | Task::Reload => {}
        }
        parts.fetcher.publish(person).await;
        if task == Task::Republish {
            self.bridge.mqtt.repeat(Some(person));
        }
        Ok(Map::new())
    }

    /// Orders a stretch of the past, and waits until it is complete.
    async fn backfill(&self, person: &Person, past: &Past) -> Result<Map<String, Json>, Refusal> {
        let stretch = self.bridge.backfill.order(person, past).await?;
        let order = self.bridge.backfill.completed(person, &stretch).await?.ok_or(Refusal::Stopping)?;
        let (from, to) = (stretch.first.to_string(), stretch.last.to_string());
        let mut told = Map::new();
        told.extend([("from".into(), from.into()), ("to".into(), to.into()), ("calls".into(), order.done.into())]);
        told.extend(order.problem.map(|problem| ("problem".to_owned(), problem.into())));
        Ok(told)
    }

    async fn obey_for_all(&self, task: Task) -> Result<Map<String, Json>, Refusal> {
        let parts = &self.bridge.parts;
        if task == Task::Reload {
            let people = parts.household.plugindata.people()?;
            let known = parts.household.next_actions().into_keys().filter_map(|whom| whom.person().cloned());
            for gone in known.filter(|person| !people.contains(person)) {
                log::info!("{gone} is gone; what was published is cleared");
                parts.fetcher.unpublish(&gone).await?;
            }
            let _ = self.changes.send(Change::People);
        }
        self.bridge.publish_everyone().await;
        if task == Task::Republish {
            self.bridge.mqtt.repeat(None);
        }
        Ok(Map::new())
    }

    fn tell(
        &self,
        to: Option<&Person>,
        id: Option<&Json>,
        name: Option<&str>,
        came: Result<Map<String, Json>, (String, String)>,
    ) {
        let said = self.bridge.mqtt.result(to, &command::result(id, name, came));
        let said = said.or_else(|error| {
            let cure = "ask GET /plugin/fitbit, or for less at a time".to_owned();
            self.bridge.mqtt.result(to, &command::result(id, name, Err((format!("{error:#}"), cure))))
        });
        if let Err(error) = said {
            log::error!("the result of a command could not be told: {error:#}");
        }
    }
}
