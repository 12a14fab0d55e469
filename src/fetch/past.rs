//! The past of a person, a few requests at a time: what is next is planned anew for each step from what is covered by
//! then. Whether there is a next step, and when, `backfill` decides.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::{Fetcher, Refusal};
use crate::plan::{self, Ask, Known, Probe};
use crate::quota::Lane;
use crate::reading::Person;
use crate::store::Stretch;
use crate::upstream::endpoint::Endpoint;
use crate::upstream::{Failure, Upstream};

/// A request that failed so often is given up, and the others go on.
const MOST_TRIES: u8 = 3;

/// What was asked of a stretch, so that what is answered and still not covered is not asked for ever.
#[derive(Default)]
pub struct Tried(HashMap<String, u8>);

/// What a step came to.
pub struct Step {
    /// The requests made.
    pub made: usize,
    /// The requests that are still to make, as far as can be said now.
    pub left: usize,
    /// What comes next.
    pub next: Next,
    /// What could not be had, and why, in words.
    pub given_up: Vec<String>,
}

/// What comes after a step.
pub enum Next {
    /// Another step.
    More,
    /// Nothing: everything is there.
    Done,
    /// Another step when there is quota again.
    Quota(DateTime<Utc>),
    /// Another step in a while: the upstream, the connection or the consent is in trouble.
    Trouble(Failure),
}

impl Tried {
    /// One and the same question, whenever it is put.
    fn key(ask: &Ask) -> String {
        format!("{} {}", ask.path, ask.body.as_ref().map(ToString::to_string).unwrap_or_default())
    }

    fn is_given_up(&self, ask: &Ask) -> bool {
        self.0.get(&Tried::key(ask)).is_some_and(|tries| *tries >= MOST_TRIES)
    }

    fn count(&mut self, ask: &Ask, tries: u8) -> bool {
        let counted = self.0.entry(Tried::key(ask)).or_default();
        *counted = counted.saturating_add(tries);
        *counted >= MOST_TRIES
    }
}

impl Fetcher {
    /// Makes the next requests that complete a stretch of the past, as many as run side by side, and records what they
    /// answer with the days it covers. A live fetch waits for no more than that.
    pub async fn complete(&self, person: &Person, stretch: &Stretch, tried: &mut Tried) -> Result<Step, Refusal> {
        let turn = self.turn(person).await;
        let _turn = turn.lock().await;
        if self.is_stopping() {
            return Err(Refusal::Stopping);
        }
        let asked = self.household.clock.now();
        let member = self.connected(self.known(person).await?).await?;
        if member.is_moving() {
            return Err(Refusal::Failed(person.clone(), Failure::ConsentLost(member.must_connect())));
        }
        // Of somebody who is archived nothing more is asked. What has values is left to the next live fetch, which keeps them.
        let only_looks = |endpoint: &Endpoint| endpoint.gives().is_empty();
        let first = member.upstream.is_organizations();
        let member = if first { self.profile_first(member, only_looks).await?.0 } else { member };
        let mut known = self.what_is_known(&member, Some(stretch.first)).await?;
        known.probe = Probe::of(&self.household.store.devices(person).await?);
        let mut asks = plan::past(member.upstream, (stretch.first, stretch.last), &stretch.metrics, &known);
        asks.retain(|ask| !tried.is_given_up(ask));
        // What was told once may be wrong by now; what is not known yet has waited for long.
        asks.sort_by_cached_key(|ask| lane(member.upstream, ask, &known) != Lane::Corrections);
        let Some(lane) = asks.first().map(|ask| lane(member.upstream, ask, &known)) else {
            return Ok(Step { made: 0, left: 0, next: Next::Done, given_up: Vec::new() });
        };
        let side_by_side = &asks[..asks.len().min(self.rules.history.parallel)];
        let mut answers = Vec::new();
        self.ask_side_by_side(&member, side_by_side, lane, &mut answers).await?;
        let told = self.decode_all(&member, known, &answers, asked).await?;
        if answers.iter().any(|answer| !answer.pages.is_empty()) {
            self.oauth.works(&member).await;
        }
        if self.is_stopping() {
            return Err(Refusal::Stopping);
        }
        let mut step = Step { made: 0, left: asks.len(), next: Next::More, given_up: told.unread };
        for answer in &answers {
            step.made += answer.calls;
            use Failure::*;
            let tries = match &answer.failure {
                Some(QuotaSpent { until }) => {
                    step.next = Next::Quota(*until);
                    continue;
                }
                Some(
                    trouble @ (ConsentLost(_) | Misconfigured(_) | Unreachable(_) | TokenExpired | Ours(_)
                    | SwitchedOff(_)),
                ) => {
                    step.next = Next::Trouble(trouble.clone());
                    continue;
                }
                Some(trouble @ (Silent(_) | Unavailable(_) | TooMuch(_))) => {
                    step.next = Next::Trouble(trouble.clone());
                    1
                }
                Some(_) | None => MOST_TRIES,
            };
            if tried.count(&answer.ask, tries) {
                step.left -= 1;
                let told = answer.failure.as_ref().map(|failure| {
                    let Ask { endpoint, start, end, .. } = &answer.ask;
                    format!("{}, {start} to {end}: {failure}", endpoint.name)
                });
                step.given_up.extend(told);
            }
        }
        if step.left == 0 {
            step.next = Next::Done;
        }
        Ok(step)
    }
}

/// Whether a request only looks again at days that were told before.
fn lane(upstream: &Upstream, ask: &Ask, known: &Known) -> Lane {
    let mut days = ask.start.iter_days().take_while(|day| *day <= ask.end);
    match days.all(|day| known.coverage.seen(upstream, ask.endpoint, day).is_some()) {
        true => Lane::Corrections,
        false => Lane::History,
    }
}
