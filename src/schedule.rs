//! Interval actions: when each person's and group's fetches run. An action counts as a request to its entry point; it is run through
//! the same [`Runner`].

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::config::{Action, DueAction, Whom, expand};
use crate::household::Household;
use crate::reading::Person;

/// The first runs after a start: so many people within [`FIRST_WITHIN`], the rest soon after.
const FIRST_PEOPLE: u32 = 20;
const FIRST_WITHIN: Duration = Duration::from_secs(10);

/// Runs one action; failures are its own to report.
#[async_trait]
pub trait Runner: Send + Sync + 'static {
    /// Runs the action.
    async fn run(&self, action: &DueAction) -> Ran;
}

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// It ended, well or not.
    Through,
    /// It was given up because the bridge stops: it counts as not run.
    Interrupted,
    /// There is no such person any more.
    Gone,
}

/// What people do that the schedule has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Somebody came or went.
    People,
    /// This person has just consented: their actions run at once.
    Connected(Person),
}

/// Who is to have actions from now on.
pub struct Schedule {
    household: Arc<Household>,
    runner: Arc<dyn Runner>,
    actions: Vec<Action>,
    template: Action,
}

/// A schedule that runs; dropping it stops it between two runs.
pub struct Scheduled {
    changes: mpsc::UnboundedSender<Change>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Scheduled {
    /// Where changes are told.
    pub fn changes(&self) -> mpsc::UnboundedSender<Change> {
        self.changes.clone()
    }

    /// Starts no further run and waits until those under way have ended, at most `patience`.
    pub async fn stop(mut self, patience: Duration) {
        let _ = self.stop.send(true);
        if tokio::time::timeout(patience, &mut self.task).await.is_err() {
            log::warn!("an action did not end within {} s; it is left behind", patience.as_secs());
        }
    }
}

impl Schedule {
    /// A schedule of the configured actions; people that none names have the manifest's.
    pub fn new(household: Arc<Household>, runner: Arc<dyn Runner>, actions: Vec<Action>, template: Action) -> Schedule {
        Schedule { household, runner, actions, template }
    }

    /// Runs the actions in the background.
    pub fn start(self) -> Scheduled {
        let (changes, changed) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(self.keep(changed, stopped));
        Scheduled { changes, stop, task }
    }

    /// Who is fetched with a group, where groups are fetched at all.
    async fn in_groups(&self) -> HashSet<Person> {
        if !self.actions.iter().any(Action::is_of_group) {
            return HashSet::new();
        }
        let household = Arc::clone(&self.household);
        let agreed = tokio::task::spawn_blocking(move || household.agreed()).await;
        match agreed.map_err(anyhow::Error::from).flatten() {
            Ok(agreed) => agreed.into_iter().map(|(person, _)| person).collect(),
            Err(error) => {
                log::error!("who is fetched with a group cannot be said: {error:#}");
                HashSet::new()
            }
        }
    }

    async fn keep(self, mut changed: mpsc::UnboundedReceiver<Change>, mut stopped: watch::Receiver<bool>) {
        let started = self.household.clock.now();
        if let Err(error) = self.household.store.withdraw_all_actions().await {
            log::error!("{error:#}");
        }
        // Dropping an action's sender ends it; a word through it runs the action at once.
        let mut running: HashMap<DueAction, watch::Sender<()>> = HashMap::new();
        let mut tasks = JoinSet::new();
        let mut actions: HashMap<tokio::task::Id, DueAction> = HashMap::new();
        loop {
            let people = match self.household.plugindata.people() {
                Ok(people) => people,
                Err(error) => {
                    log::error!("the people could not be listed: {error:#}");
                    running.keys().filter_map(|action| action.whom.person().cloned()).collect()
                }
            };
            let wanted = expand(&self.actions, &self.template, &people, &self.in_groups().await);
            // Whoever is gone stops at the end of a run under way, never in its middle: a token may be on its way.
            running.retain(|action, _| wanted.contains(action));
            let count = wanted.len() as u32;
            for (place, action) in wanted.into_iter().enumerate() {
                if running.contains_key(&action) {
                    continue;
                }
                let (nudge, nudges) = watch::channel(());
                running.insert(action.clone(), nudge);
                let rhythm = Rhythm { started, place: place as u32, count, interval: action.interval };
                let (household, runner) = (Arc::clone(&self.household), Arc::clone(&self.runner));
                let task = tasks.spawn(repeat(household, runner, action.clone(), rhythm, nudges));
                actions.insert(task.id(), action);
            }
            tokio::select! {
                _ = stopped.changed() => break,
                Some(ended) = tasks.join_next_with_id(), if !tasks.is_empty() => {
                    let id = match &ended {
                        Ok((id, ())) => *id,
                        Err(error) => error.id(),
                    };
                    let Some(action) = actions.remove(&id) else { continue };
                    if let Err(error) = ended {
                        log::error!("{}: an action broke off and begins anew: {error}", action.whom);
                    }
                    // Its person may be back by now, with another task for the same action.
                    if running.get(&action).is_some_and(|nudge| nudge.receiver_count() == 0) {
                        running.remove(&action);
                    }
                    if !running.contains_key(&action) && let Err(error) = self.household.withdraw(&action).await {
                        log::error!("{}: {error:#}", action.whom);
                    }
                }
                change = changed.recv() => match change {
                    Some(Change::People) => {}
                    Some(Change::Connected(person)) => {
                        let whom = Whom::Person(person);
                        for (_, nudge) in running.iter().filter(|(action, _)| action.whom == whom) {
                            nudge.send_replace(());
                        }
                    }
                    None => break,
                },
            }
        }
        running.clear();
        while tasks.join_next().await.is_some() {}
        if let Err(error) = self.household.store.withdraw_all_actions().await {
            log::error!("{error:#}");
        }
    }
}

/// One action, again and again until `nudges` closes.
async fn repeat(
    household: Arc<Household>,
    runner: Arc<dyn Runner>,
    action: DueAction,
    rhythm: Rhythm,
    mut nudges: watch::Receiver<()>,
) {
    let complain = |error: anyhow::Error| log::error!("{}: {error:#}", action.whom);
    let (whom, url) = (&action.whom, &action.url);
    let mut ran = household.store.action_ran(whom, url).await.unwrap_or_else(|error| {
        complain(error.context("the action counts as never run"));
        None
    });
    let mut next = rhythm.first(ran, household.clock.now());
    loop {
        household.announce(&action, next).await.unwrap_or_else(complain);
        tokio::select! {
            () = household.clock.sleep_until(next) => {}
            nudged = nudges.changed() => if nudged.is_err() { return },
        }
        let now = household.clock.now();
        household.store.note_action(whom, url, Some(now)).await.unwrap_or_else(complain);
        next = rhythm.after(now);
        household.announce(&action, next).await.unwrap_or_else(complain);
        match runner.run(&action).await {
            Ran::Through => ran = Some(now),
            Ran::Interrupted => {
                household.store.note_action(whom, url, ran).await.unwrap_or_else(complain);
                return;
            }
            Ran::Gone => return,
        }
        // However many were missed meanwhile (the machine may have slept), one comes now.
        next = next.max(household.clock.now());
    }
}

/// When one of `count` actions runs.
#[derive(Debug, Clone, Copy)]
struct Rhythm {
    started: DateTime<Utc>,
    place: u32,
    count: u32,
    interval: Duration,
}

impl Rhythm {
    /// Soon after the start, unless it ran within the interval; a run that was missed is not repeated.
    fn first(self, ran: Option<DateTime<Utc>>, now: DateTime<Utc>) -> DateTime<Utc> {
        let soon = now + delta(FIRST_WITHIN * self.place / FIRST_PEOPLE);
        match ran.map(|ran| ran + delta(self.interval)) {
            Some(due) if due > now && due <= now + delta(self.interval) => due,
            _ => soon,
        }
    }

    /// About one interval after `now`, at this action's own place within the interval, so that many people's actions
    /// are spread over it.
    fn after(self, now: DateTime<Utc>) -> DateTime<Utc> {
        let interval = delta(self.interval).max(TimeDelta::milliseconds(1));
        let place = self.started + delta(self.interval * self.place / self.count.max(1));
        let earliest = now + interval / 2;
        let behind = (earliest - place).num_milliseconds().max(0);
        let steps =
            behind.div_euclid(interval.num_milliseconds()) + i64::from(behind % interval.num_milliseconds() > 0);
        place + TimeDelta::milliseconds(interval.num_milliseconds().saturating_mul(steps))
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::days(3650))
}

impl Drop for Scheduled {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rhythm(place: u32, count: u32) -> Rhythm {
        let started = "2026-11-20T10:00:00Z".parse().expect("time");
        Rhythm { started, place, count, interval: Duration::from_secs(900) }
    }

    #[test]
    fn the_first_twenty_start_within_ten_seconds_and_the_rest_soon_after() {
        let now = rhythm(0, 1).started;
        assert_eq!(rhythm(0, 1).first(None, now), now);
        assert!(rhythm(19, 40).first(None, now) < now + TimeDelta::seconds(10));
        assert!(rhythm(39, 40).first(None, now) < now + TimeDelta::seconds(20));
    }

    #[test]
    fn a_run_within_the_interval_is_not_repeated_and_a_missed_one_comes_once() {
        let now = rhythm(0, 1).started;
        let ran = now - TimeDelta::seconds(300);
        assert_eq!(rhythm(0, 1).first(Some(ran), now), now + TimeDelta::seconds(600));
        assert_eq!(rhythm(0, 1).first(Some(now - TimeDelta::days(3)), now), now);
        assert_eq!(rhythm(0, 1).first(Some(now + TimeDelta::days(3)), now), now, "a clock that was set back");
    }

    #[test]
    fn later_runs_are_spread_over_the_interval() {
        let now = rhythm(0, 1).started;
        for place in 0..10 {
            let first = rhythm(place, 10).first(None, now);
            let second = rhythm(place, 10).after(first);
            let third = rhythm(place, 10).after(second);
            assert_eq!(third - second, TimeDelta::seconds(900));
            assert_eq!((second - now).num_seconds() % 900, i64::from(place) * 90);
            assert!(second - first >= TimeDelta::seconds(450) && second - first <= TimeDelta::seconds(1350));
        }
    }
}
