//! What may be asked now, and by whom: one window of requests for each person, counted by us and corrected by the
//! upstream. It keeps the budget; what is worth asking, the plan decides.

use anyhow::Result;
use chrono::{DateTime, DurationRound, NaiveDate, Utc};

use crate::clock::Clock;
use crate::reading::Person;
use crate::snapshot;
use crate::store::{Store, Window};
use crate::upstream::client::QuotaHeaders;
use crate::upstream::{Failure, Limits, Upstream};

/// A window that ends this many seconds later than the one we knew is a new one; less is the upstream's rounding.
const SLACK: i64 = 120;

/// Requests of each window that background work never touches, so that somebody who asks finds some left.
const RESERVE: i64 = 20;

/// Who asks. Corrections come before history, and whoever plans both has to see to that; both stop at the reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// What is wanted now.
    Live,
    /// Past days that may have changed.
    Corrections,
    /// Past days that were never asked for.
    History,
}

impl Lane {
    /// What it leaves of a window.
    fn leaves(self) -> i64 {
        match self {
            Lane::Live => 0,
            Lane::Corrections | Lane::History => RESERVE,
        }
    }
}

/// Everyone's quota.
#[derive(Clone)]
pub struct Quota {
    store: Store,
    clock: Clock,
}

impl Quota {
    /// Quotas kept in `store`.
    pub fn new(store: Store, clock: Clock) -> Quota {
        Quota { store, clock }
    }

    /// Takes one request out of the person's window, or says until when there is none for this lane. `day`: the
    /// person's date, to which it is counted.
    pub async fn take(
        &self,
        person: &Person,
        upstream: &Upstream,
        endpoint: &str,
        day: NaiveDate,
        lane: Lane,
    ) -> Result<std::result::Result<(), Failure>> {
        let now = self.clock.now();
        let (requests, next) = (upstream.limits.requests, next_window(&upstream.limits, now));
        if let Err(until) = self.store.take_request(person, requests, lane.leaves(), now, next).await? {
            return Ok(Err(Failure::QuotaSpent { until }));
        }
        self.store.count_call(person, day, endpoint).await?;
        Ok(Ok(()))
    }

    /// Takes over the upstream's own word.
    pub async fn heard(&self, person: &Person, said: QuotaHeaders) -> Result<()> {
        let window = Window { allowed: said.limit, remaining: said.remaining, reset: said.reset };
        self.store.observe_window(person, window, SLACK).await
    }

    /// The upstream refused a request for the quota's sake: nothing is asked for this person until then.
    pub async fn spent(&self, person: &Person, upstream: &Upstream, until: DateTime<Utc>) -> Result<()> {
        let allowed = self.store.window(person).await?.map_or(upstream.limits.requests, |window| window.allowed);
        self.store.set_window(person, Window { allowed, remaining: 0, reset: until }).await
    }

    /// What is published of the quota: nothing before the first request, a full window once the last has ended.
    pub async fn shown(&self, person: &Person, upstream: &Upstream, day: NaiveDate) -> Result<Option<snapshot::Quota>> {
        let Some(window) = self.store.window(person).await? else { return Ok(None) };
        let calls = self.store.calls(person, day).await?;
        let now = self.clock.now();
        let ended = window.reset <= now;
        let (remaining, reset) =
            if ended { (window.allowed, next_window(&upstream.limits, now)) } else { (window.remaining, window.reset) };
        Ok(Some(snapshot::Quota { limit: window.allowed, remaining, reset, calls }))
    }
}

/// Windows begin at multiples of their length, approximately: the Fitbit Web API's at the full hour.
fn next_window(limits: &Limits, now: DateTime<Utc>) -> DateTime<Utc> {
    let window = limits.window();
    now.duration_trunc(window).unwrap_or(now) + window
}
