//! A connection that is kept up: connects, waits longer after each failure, sends everything again after each
//! reconnect, says in one line what is wrong and when it is right again. Knows nothing of what is published.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use prometheus::Histogram;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::broken::Trouble;
use super::connection::{self, Event, Link, Message, Options, is_filter, matches};
use super::latency::Latency;
use super::outbox::Outbox;
use super::payload::{OFFLINE, ONLINE, Turn};

/// Brings what is to be published up to date, once per connection, before it is sent again.
pub type Refresh = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// How long a refresh may hold back what is known already.
const LONGEST_REFRESH: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A connection that lasted this long counts as a success: the next failure starts with a short pause again.
const STEADY: Duration = Duration::from_secs(30);
/// A connection that ended this soon after the broker accepted it was ended on purpose.
const THROWN_OUT: Duration = Duration::from_secs(10);
/// Messages a slow subscriber may leave unread.
const UNREAD: usize = 1024;

/// One client at one broker.
pub(super) struct Client {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    options: Options,
    refresh: Mutex<Option<Arc<Refresh>>>,
    state: Mutex<State>,
    connected: watch::Sender<bool>,
    /// Counts whatever happened, so that others can wait for it.
    progress: watch::Sender<u64>,
    accepted: AtomicU64,
}

struct State {
    outbox: Outbox,
    latency: Latency,
    link: Option<Link>,
    /// Nothing but subscriptions goes out while a refresh is under way.
    held: bool,
    subscriptions: Vec<Subscription>,
    /// Subscriptions the broker has not answered, oldest first.
    asked: VecDeque<Vec<String>>,
    trouble: Option<Trouble>,
}

struct Subscription {
    filters: Vec<String>,
    sender: mpsc::Sender<Message>,
}

impl Client {
    pub(super) fn new(options: Options) -> Client {
        let mut outbox = Outbox::new();
        if let Some(topic) = &options.will {
            // Both words are far below any limit, and the topic was checked with its root.
            let _ = outbox.set(topic, ONLINE.into(), Turn::Status, true);
        }
        let (latency, subscriptions, asked) = (Latency::new(), Vec::new(), VecDeque::new());
        let state = State { outbox, latency, link: None, held: false, subscriptions, asked, trouble: None };
        let shared = Shared {
            options,
            refresh: Mutex::new(None),
            state: Mutex::new(state),
            connected: watch::Sender::new(false),
            progress: watch::Sender::new(0),
            accepted: AtomicU64::new(0),
        };
        Client { shared: Arc::new(shared), task: Mutex::new(None) }
    }

    /// Begins to connect, and keeps at it until stopped or dropped.
    pub(super) fn start(&self, refresh: Option<Refresh>) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.is_none() {
            *self.shared.refresh.lock().unwrap_or_else(PoisonError::into_inner) = refresh.map(Arc::new);
            *task = Some(tokio::spawn(keep_up(self.shared.clone())));
        }
    }

    /// Works on the outbox, then sends what it holds.
    pub(super) fn outbox<T>(&self, work: impl FnOnce(&mut Outbox) -> T) -> T {
        let mut state = self.shared.state();
        let result = work(&mut state.outbox);
        state.pump();
        result
    }

    /// Delivers what comes in under these filters, now and after each reconnect, until the receiver is dropped.
    pub(super) fn subscribe(&self, filters: Vec<String>) -> Result<mpsc::Receiver<Message>> {
        ensure!(!filters.is_empty(), "nothing to subscribe to");
        for filter in &filters {
            ensure!(is_filter(filter), "{filter:?} is no topic filter");
        }
        let (sender, receiver) = mpsc::channel(UNREAD);
        let mut state = self.shared.state();
        state.subscriptions.push(Subscription { filters: filters.clone(), sender });
        state.ask(filters);
        Ok(receiver)
    }

    pub(super) fn connected(&self) -> watch::Receiver<bool> {
        self.shared.connected.subscribe()
    }

    pub(super) fn progress(&self) -> watch::Receiver<u64> {
        self.shared.progress.subscribe()
    }

    /// How often the broker accepted us after the first time.
    pub(super) fn reconnects(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed).saturating_sub(1)
    }

    /// How long the broker takes to acknowledge a message.
    pub(super) fn latency(&self) -> Histogram {
        self.shared.state().latency.seconds()
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.shared.state().trouble.as_ref().map(|trouble| trouble.words.clone())
    }

    /// Waits until the broker has everything; fails when it refused something, cannot be reached, or takes longer.
    pub(super) async fn flushed(&self, limit: Duration) -> Result<()> {
        let mut progress = self.shared.progress.subscribe();
        let all = async {
            loop {
                {
                    let state = self.shared.state();
                    if let Some(Trouble { words, lasting: true }) = &state.trouble {
                        bail!("{words}");
                    }
                    if state.outbox.unacknowledged() == 0 && state.link.is_some() {
                        return Ok(());
                    }
                }
                // The sender lives in `shared`, so this cannot fail.
                let _ = progress.changed().await;
            }
        };
        let flushed = tokio::time::timeout(limit, all).await;
        let state = self.shared.state();
        match flushed {
            Ok(done) => done?,
            Err(_) => {
                let left = state.outbox.unacknowledged();
                let why = state.trouble.as_ref().map_or(String::new(), |trouble| format!(": {}", trouble.words));
                bail!(
                    "the MQTT broker {} did not acknowledge {left} messages within {limit:?}{why}",
                    self.shared.options.address
                );
            }
        }
        if let Some((topic, reason)) = state.outbox.refused().iter().next() {
            bail!("the MQTT broker {} did not take {topic}: {reason}", self.shared.options.address);
        }
        Ok(())
    }

    /// Sends what is left and `offline`, waits for the broker to have it but not longer than the limit, and leaves.
    pub(super) async fn stop(&self, limit: Duration) {
        if *self.shared.connected.borrow() {
            {
                let mut state = self.shared.state();
                if let Some(topic) = &self.shared.options.will {
                    let _ = state.outbox.set(topic, OFFLINE.into(), Turn::Status, true);
                }
                state.held = false;
                state.pump();
            }
            if let Err(error) = self.flushed(limit).await {
                log::warn!("{error:#}; stopping nevertheless");
            }
        }
        self.leave().await;
    }

    /// Says farewell, so that the broker does not send the will.
    pub(super) async fn leave(&self) {
        self.shared.connected.send_replace(false);
        let farewell = self.shared.state().link.take().is_some_and(|link| link.disconnect());
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut task) = task else { return };
        if !farewell || tokio::time::timeout(Duration::from_secs(1), &mut task).await.is_err() {
            task.abort();
        }
    }
}

/// Without a farewell: the broker sends the will.
impl Drop for Client {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

/// Connects again and again. A fresh session each time: nothing of a broken one, half sent, can get into the next.
async fn keep_up(shared: Arc<Shared>) {
    let name = shared.options.address.to_string();
    let mut pause = FIRST_PAUSE;
    let mut thrown_out = 0;
    let mut away_since: Option<Instant> = None;
    let mut said = String::new();
    loop {
        let (link, mut session) = connection::open(&shared.options);
        let mut accepted: Option<Instant> = None;
        let broken = loop {
            match session.poll().await {
                Ok(event) => {
                    if let Event::Accepted { .. } = event {
                        accepted = Some(Instant::now());
                        match away_since.take() {
                            None => log::info!("connected to MQTT broker {name}"),
                            // Thrown out again and again: one warning says so.
                            Some(_) if thrown_out > 1 => {}
                            Some(since) => {
                                log::info!("MQTT broker {name} is back after {} s", since.elapsed().as_secs())
                            }
                        }
                    }
                    shared.take(event, &link);
                }
                Err(broken) => break broken.unless_accepted(accepted.is_some()),
            }
        };
        drop(session);
        if accepted.is_some() && shared.state().link.is_none() {
            return; // the farewell was ours
        }
        let lasted = accepted.map(|since| since.elapsed());
        thrown_out = if lasted.is_some_and(|lasted| lasted < THROWN_OUT) { thrown_out + 1 } else { 0 };
        if lasted.is_some_and(|lasted| lasted > STEADY) {
            pause = FIRST_PAUSE;
        }

        let id = &shared.options.settings.client_id;
        let trouble = broken.told(&name, id, accepted.is_some(), thrown_out);
        away_since.get_or_insert_with(Instant::now);
        if accepted.is_some() && thrown_out <= 1 || trouble.words != said {
            log::warn!("{}; trying again until it works", trouble.words);
            said.clone_from(&trouble.words);
        } else {
            log::debug!("{}", trouble.words);
        }
        shared.lost(trouble);

        // Up to half of the pause less, so that clients that lost the broker together do not return together.
        tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..=1.0))).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

impl Shared {
    /// Never held across a wait; a panic elsewhere leaves nothing half-done in it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: &Arc<Self>, event: Event, link: &Link) {
        match event {
            Event::Accepted { largest } => self.accepted(largest, link),
            Event::Sent(identifier) => {
                let mut state = self.state();
                state.outbox.sent(identifier);
                state.latency.sent(identifier);
            }
            Event::Acknowledged { identifier, refused } => {
                let mut state = self.state();
                state.outbox.acknowledged(identifier, refused);
                state.latency.acknowledged(identifier);
                state.pump();
            }
            Event::Subscribed(granted) => {
                let asked = self.state().asked.pop_front().unwrap_or_default();
                for (filter, _) in asked.iter().zip(granted).filter(|(_, granted)| !granted) {
                    log::error!("the broker refused the subscription to {filter}; allow this client to read there");
                }
            }
            Event::Message(message) => self.state().deliver(message),
            Event::Other => return,
        }
        self.progress.send_modify(|count| *count += 1);
    }

    fn accepted(self: &Arc<Self>, largest: Option<u32>, link: &Link) {
        let refresh = self.refresh.lock().unwrap_or_else(PoisonError::into_inner).clone();
        {
            let mut state = self.state();
            state.link = Some(link.clone());
            state.trouble = None;
            state.outbox.connected(largest);
            state.asked.clear();
            state.subscriptions.retain(|subscription| !subscription.sender.is_closed());
            let filters: Vec<_> = state.subscriptions.iter().map(|subscription| subscription.filters.clone()).collect();
            for filters in filters {
                state.ask(filters);
            }
            state.held = refresh.is_some();
            state.pump();
        }
        let connection = self.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        self.connected.send_replace(true);
        if let Some(refresh) = refresh {
            let shared = self.clone();
            tokio::spawn(async move {
                // A task of its own, so that even a panic in it does not hold everything back for good.
                let refreshed = tokio::spawn(refresh());
                if tokio::time::timeout(LONGEST_REFRESH, refreshed).await.is_err() {
                    log::warn!("the values took too long to be brought up to date; what is known is published");
                }
                if shared.accepted.load(Ordering::Relaxed) == connection {
                    let mut state = shared.state();
                    state.held = false;
                    state.pump();
                }
            });
        }
    }

    fn lost(&self, trouble: Trouble) {
        {
            let mut state = self.state();
            state.link = None;
            state.trouble = Some(trouble);
            state.outbox.lost();
            state.latency.lost();
        }
        self.connected.send_replace(false);
        self.progress.send_modify(|count| *count += 1);
    }
}

impl State {
    /// Hands over as much as the window lets through.
    fn pump(&mut self) {
        let Some(link) = &self.link else { return };
        while !self.held {
            let Some(publish) = self.outbox.next() else { return };
            if !link.publish(publish) {
                // The session's queue is full of subscriptions; the next acknowledgement tries again.
                self.outbox.hand_back();
                return;
            }
        }
    }

    fn ask(&mut self, filters: Vec<String>) {
        if let Some(link) = &self.link
            && link.subscribe(&filters)
        {
            self.asked.push_back(filters);
        }
    }

    fn deliver(&mut self, message: Message) {
        let wanted = |subscription: &&mut Subscription| {
            subscription.filters.iter().any(|filter| matches(&message.topic, filter))
        };
        for subscription in self.subscriptions.iter_mut().filter(wanted) {
            if let Err(mpsc::error::TrySendError::Full(message)) = subscription.sender.try_send(message.clone()) {
                log::warn!("{} was dropped: {UNREAD} messages wait to be read already", message.topic);
            }
        }
    }
}
