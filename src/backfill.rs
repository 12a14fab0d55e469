//! The past, in the background: who has an order, one step after the other as quota allows, across restarts and beside
//! other processes. What a step asks, `plan` and `fetch` know.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Days, TimeDelta, Utc};
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinSet;

use crate::fetch::{Fetcher, Next, Refusal, Step, Tried};
use crate::household::{Household, Member};
use crate::plan::Past;
use crate::reading::Person;
use crate::snapshot::utc;
use crate::store::{Order, Stretch, Wish};

/// How often it is looked for orders that another process gave, or left.
const LOOK: Duration = Duration::from_secs(60);
/// Longer than a step takes. A process that was killed holds up the others for so long.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// How long it waits when the upstream is in trouble: at first, and at most.
const PAUSE: TimeDelta = TimeDelta::minutes(1);
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(30);
/// After so many days what has come to rest since the bridge's own last order is completed, too.
const AGAIN: TimeDelta = TimeDelta::days(7);
/// Such an order reaches back so far at least.
const SETTLED: u64 = 30;

/// Everyone's past.
pub struct Backfill {
    household: Arc<Household>,
    fetcher: Arc<Fetcher>,
    /// How many days everyone has without asking, who says nothing else.
    days: u16,
    /// The name under which this process holds leases.
    holder: String,
    wake: Notify,
    /// Who was fetched, so that whoever waits for better times knows that these have come.
    fetched: broadcast::Sender<Person>,
    progress: watch::Sender<u64>,
    stopping: watch::Sender<bool>,
    working: Mutex<HashSet<Person>>,
}

/// Why nothing more is done for a person now.
pub enum Rest {
    /// Every order is complete.
    Complete,
    /// Another process works on them.
    Elsewhere,
    /// Somebody said so.
    Paused,
}

impl Backfill {
    /// `days`: how many days of the past everyone has without asking.
    pub fn new(household: Arc<Household>, fetcher: Arc<Fetcher>, days: u16) -> Backfill {
        let holder = format!("{:016x}", rand::random::<u64>());
        let (wake, fetched) = (Notify::new(), broadcast::Sender::new(16));
        let (progress, stopping) = (watch::Sender::new(0), watch::Sender::new(false));
        Backfill { household, fetcher, days, holder, wake, fetched, progress, stopping, working: Mutex::default() }
    }

    /// Notes what is wanted of the past; it is done when its turn comes.
    pub async fn order(&self, person: &Person, past: &Past) -> Result<Stretch, Refusal> {
        let unknown = || Refusal::UnknownPerson(person.clone());
        let member = self.household.member(person).await?.ok_or_else(unknown)?;
        if member.file.token.is_none() {
            return Err(Refusal::NoToken(person.clone()));
        }
        let usual = match self.days_of(&member) {
            0 => SETTLED as u16,
            days => days,
        };
        let (first, last) = past.days(member.upstream, member.today, member.since, usual)?;
        let stretch = Stretch { first, last, metrics: past.metrics.clone() };
        self.household.store.order(person, &stretch, false, self.now()).await?;
        self.wake();
        Ok(stretch)
    }

    /// Something may have changed: somebody consented, was fetched, or is paused no longer.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// The upstream answers this person, again perhaps.
    pub fn fetched(&self, person: &Person) {
        // Nobody may be waiting.
        let _ = self.fetched.send(person.clone());
    }

    /// The order for this stretch, where there is one.
    pub async fn progress(&self, person: &Person, stretch: &Stretch) -> Result<Option<Order>> {
        Ok(self.household.store.orders(person).await?.into_iter().find(|order| order.stretch == *stretch))
    }

    /// Waits until the order for this stretch is complete. `None`: it was withdrawn, or this process stops before.
    pub async fn completed(&self, person: &Person, stretch: &Stretch) -> Result<Option<Order>> {
        let (mut progress, mut stopping) = (self.progress.subscribe(), self.stopping.subscribe());
        loop {
            match self.progress(person, stretch).await? {
                Some(order) if order.ended.is_none() => {}
                order => return Ok(order),
            }
            tokio::select! {
                _ = progress.changed() => {}
                // Another process may be at it.
                () = self.household.clock.sleep(LOOK) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return Ok(None),
            }
        }
    }

    /// Works for everyone until [`stop`](Backfill::stop).
    pub async fn run(self: Arc<Self>) {
        let mut stopping = self.stopping.subscribe();
        let mut tasks = JoinSet::new();
        loop {
            for person in self.household.plugindata.people().unwrap_or_default() {
                if self.working().contains(&person) || !self.has_work(&person).await {
                    continue;
                }
                self.working().insert(person.clone());
                let backfill = Arc::clone(&self);
                tasks.spawn(async move {
                    match backfill.work(&person).await {
                        Ok(_) | Err(Refusal::Stopping) => {}
                        Err(refusal) => {
                            log::warn!("the past of {person} is not fetched for now: {refusal}");
                            // Whoever lost the consent is looked at again after a while.
                            backfill.rest_or_fetched(&person, backfill.now() + LONGEST_PAUSE).await;
                        }
                    }
                    backfill.working().remove(&person);
                });
            }
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => break,
                () = self.wake.notified() => {}
                () = self.household.clock.sleep(LOOK) => {}
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Begins nothing more.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Works on a person's orders, oldest first, until nothing is left to do here. Waits for quota and for an upstream
    /// in trouble.
    pub async fn work(&self, person: &Person) -> Result<Rest, Refusal> {
        let lease = format!("backfill/{person}");
        let worked = self.work_leased(person, &lease).await;
        // Nobody else has to wait for the end of the lease.
        self.household.store.release(&lease, &self.holder).await?;
        worked
    }

    async fn work_leased(&self, person: &Person, lease: &str) -> Result<Rest, Refusal> {
        let store = &self.household.store;
        let mut tried = Tried::default();
        let mut at_work: Option<Stretch> = None;
        let mut pause = PAUSE;
        // What could not be had of it stays to be told; trouble that has passed does not.
        let mut lost: Option<String> = None;
        loop {
            if *self.stopping.borrow() {
                return Err(Refusal::Stopping);
            }
            if store.wished(person, Wish::Paused).await?.is_some() {
                return Ok(Rest::Paused);
            }
            let open = store.orders(person).await?.into_iter().find(|order| order.ended.is_none());
            let Some(mut order) = open else { return Ok(Rest::Complete) };
            if !store.lease(lease, &self.holder, self.now(), self.now() + LEASE).await? {
                return Ok(Rest::Elsewhere);
            }
            if at_work.as_ref() != Some(&order.stretch) {
                (at_work, tried) = (Some(order.stretch.clone()), Tried::default());
                lost = order.problem.take().filter(|_| order.until.is_none());
            }
            let Step { made, left, next, given_up } = self.fetcher.complete(person, &order.stretch, &mut tried).await?;
            for what in &given_up {
                log::warn!("{person}: a part of the past could not be fetched: {what}");
            }
            lost = given_up.into_iter().next_back().or(lost);
            order.problem.clone_from(&lost);
            (order.todo, order.until) = (Some(i64::try_from(left).unwrap_or(i64::MAX)), None);
            match next {
                Next::More => pause = PAUSE,
                Next::Done => order.ended = Some(self.now()),
                Next::Quota(until) => order.until = Some(until),
                Next::Trouble(ref failure) => {
                    order.until = Some(self.now() + pause);
                    order.problem = Some(failure.to_string());
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            store.note_order(person, &order, i64::try_from(made).unwrap_or(i64::MAX)).await?;
            self.progress.send_modify(|count| *count += 1);
            if order.ended.is_some() {
                let Stretch { first, last, .. } = order.stretch;
                log::info!("{person}: the past from {first} to {last} is complete");
                self.fetcher.publish(person).await;
            }
            if let Some(until) = order.until {
                store.release(lease, &self.holder).await?;
                log::info!("{person}: {left} requests of the past are left; it goes on at {}", utc(until));
                self.fetcher.publish(person).await;
                match next {
                    Next::Trouble(_) => self.rest_or_fetched(person, until).await,
                    _ => self.rest(until).await,
                }
            }
        }
    }

    /// Whether there is an open order, perhaps one that the bridge gives to itself now.
    async fn has_work(&self, person: &Person) -> bool {
        let looked = async {
            let Some(member) = self.household.member(person).await? else { return Ok(false) };
            self.order_own(&member).await?;
            let orders = self.household.store.orders(person).await?;
            let paused = self.household.store.wished(person, Wish::Paused).await?.is_some();
            let connected = member.file.token.is_some() && !member.is_moving();
            anyhow::Ok(connected && !paused && orders.iter().any(|order| order.ended.is_none()))
        };
        looked.await.unwrap_or_else(|error| {
            log::error!("{person}: {error:#}");
            false
        })
    }

    /// After the first values of a person come those of the days before, and every week what has come to rest.
    async fn order_own(&self, member: &Member) -> Result<()> {
        let (store, days) = (&self.household.store, self.days_of(member));
        if days == 0 || member.profile_due || store.status(&member.person).await?.last_success.is_none() {
            return Ok(());
        }
        let orders = store.orders(&member.person).await?;
        let own = orders.iter().filter(|order| order.own).max_by_key(|order| order.stretch.last);
        let reach = match own {
            None => u64::from(days),
            Some(own) if own.ended.is_some() && member.today - own.stretch.last > AGAIN => SETTLED,
            Some(_) => return Ok(()),
        };
        let (yesterday, start) = (member.today - Days::new(1), member.today - Days::new(reach));
        let first = own.map_or(start, |own| start.min(own.stretch.last));
        let first = member.since.map_or(first, |since| first.max(since));
        if first <= yesterday {
            let stretch = Stretch { first, last: yesterday, metrics: Vec::new() };
            store.order(&member.person, &stretch, true, self.now()).await?;
        }
        Ok(())
    }

    fn days_of(&self, member: &Member) -> u16 {
        member.file.backfill_days.unwrap_or(self.days)
    }

    /// Waits until then, until a stop, or until the person was fetched: a consent may have come back, or the upstream.
    async fn rest_or_fetched(&self, person: &Person, until: DateTime<Utc>) {
        let mut fetched = self.fetched.subscribe();
        let theirs = async { while fetched.recv().await.as_ref() != Ok(person) {} };
        tokio::select! {
            () = self.rest(until) => {}
            () = theirs => {}
        }
    }

    /// Waits until then, or until a stop.
    async fn rest(&self, until: DateTime<Utc>) {
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            () = self.household.clock.sleep_until(until) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.household.clock.now()
    }

    fn working(&self) -> std::sync::MutexGuard<'_, HashSet<Person>> {
        self.working.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
