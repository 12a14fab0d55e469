//! One person's fetch: plan → ask → decode → record → publish. Everything that asks an upstream for values comes
//! through here: interval actions, the entry point, the command line.

mod asking; // requests and what belongs to each: quota, a fresh token, further pages
mod outcome; // what a fetch answers, or why not
mod history; // what destinations are told of days before today
mod past; // the days before, a few requests at a time
mod told; // answers as readings, recorded
mod trouble; // what fails for long is told once

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use tokio::sync::{Mutex, watch};

pub use outcome::{Outcome, Refusal};
pub use past::{Next, Step, Tried};

use self::asking::{Answer, patience, useless_to_ask_on};
use self::told::merged;
use self::trouble::Troubles;
use crate::config::History;
use crate::household::{Household, Member};
use crate::oauth::OAuth;
use crate::plan::{self, Ask, BadRequest, Coverage, Known, Plan, Probe, Wanted};
use crate::quota::Lane;
use crate::reading::Person;
use crate::snapshot::{Sink, Snapshot};
use crate::store::StoredProfile;
use crate::upstream::Failure;
use crate::upstream::decode::decode;
use crate::upstream::endpoint::{Endpoint, Measured, Profile, Span};

/// A live fetch that names no days looks no further back.
const RECENT: TimeDelta = TimeDelta::days(60);

/// What is configured of every fetch.
pub struct Rules {
    /// `[history]`.
    pub history: History,
    /// A sleep session that starts at or after this hour and ends before midnight belongs to the next date.
    pub night_starts: NaiveTime,
    /// `upstream.fitbit.sleep_score`: whether scores are asked for day by day.
    pub sleep_score: bool,
}

/// Fetches.
pub struct Fetcher {
    household: Arc<Household>,
    oauth: Arc<OAuth>,
    http: reqwest::Client,
    rules: Rules,
    sinks: Vec<Arc<dyn Sink>>,
    /// One fetch at a time for each person.
    turns: Mutex<HashMap<Person, Arc<Mutex<()>>>>,
    /// When the next request for each person may be sent.
    paces: Mutex<HashMap<Person, Arc<Mutex<DateTime<Utc>>>>>,
    troubles: Troubles,
    /// Held from reading a state until it is told: no older state is told after a newer one.
    telling: Mutex<()>,
    stopping: watch::Sender<bool>,
}

impl Fetcher {
    /// A fetcher that publishes to `sinks`.
    pub fn new(
        household: Arc<Household>,
        oauth: Arc<OAuth>,
        http: reqwest::Client,
        rules: Rules,
        sinks: Vec<Arc<dyn Sink>>,
    ) -> Fetcher {
        let (turns, paces, stopping) = (Mutex::default(), Mutex::default(), watch::Sender::new(false));
        let (troubles, telling) = (Troubles::default(), Mutex::default());
        Fetcher { household, oauth, http, rules, sinks, turns, paces, troubles, telling, stopping }
    }

    /// Fetches what is wanted of one person, records what is new and publishes the person's state, also after a failure.
    pub async fn fetch(&self, person: &Person, wanted: &Wanted) -> Result<Outcome, Refusal> {
        let turn = self.turn(person).await;
        let _turn = turn.lock().await;
        if self.is_stopping() {
            return Err(Refusal::Stopping);
        }
        let fetched = self.fetch_in_turn(person, wanted).await;
        match &fetched {
            Err(Refusal::UnknownPerson(_)) => {
                self.unpublish(person).await?;
                self.turns.lock().await.remove(person);
            }
            Err(refusal @ (Refusal::Internal(_) | Refusal::Setting(..))) => {
                // As far as that works: the caller tells of the refusal itself.
                let now = self.household.clock.now();
                let _ = self.household.store.note_fetch(person, now, Some(&refusal.to_string())).await;
                let _ = self.try_to_publish(person).await;
            }
            _ => {}
        }
        fetched
    }

    async fn fetch_in_turn(&self, person: &Person, wanted: &Wanted) -> Result<Outcome, Refusal> {
        let (asked, begun) = (self.household.clock.now(), Instant::now());
        let member = self.known(person).await?;
        // A request that is wrong is wrong whoever it is for, and costs nothing.
        let everything = self.plan(&member, wanted, &self.nothing_known(&member))?;
        if let (Some((_, last)), Some(since)) = (everything.range, member.since)
            && last < since
        {
            return Err(BadRequest(format!("{last} was before the account existed, which is since {since}")).into());
        }
        let member = self.connected(member).await?;
        if member.is_moving() {
            let why = member.must_connect();
            self.household.store.note_fetch(person, self.household.clock.now(), Some(&why)).await?;
            self.publish(person).await;
            return Err(Refusal::Failed(person.clone(), Failure::ConsentLost(why)));
        }
        let (member, mut answers) = self.profile_first(member, |_| true).await?;
        let mut known = self.what_is_known(&member, everything.range.map(|(start, _)| start)).await?;
        let force = wanted_of(&member, wanted).force;
        if !force {
            self.probe(&member, &everything, &mut known, &mut answers).await?;
        }
        let plan = self.plan(&member, wanted, &known)?;
        self.ask_all(&member, &plan, &mut answers).await?;
        let mut told = self.decode_all(&member, known, &answers, asked).await?;
        if plan.series && !force {
            told.readings.extend(self.remembered(&member, &plan).await?);
        }
        if answers.iter().any(|answer| !answer.pages.is_empty()) {
            self.oauth.works(&member).await;
        }
        let outcome = Outcome::new(&member, &plan, &answers, told, self.household.clock.now());
        if outcome.calls > 0 {
            self.household.telemetry.fetched(member.upstream.provider, begun.elapsed());
        }
        if self.is_stopping() {
            // What came in is kept; what was not asked any more is no failure.
            self.publish(person).await;
            return Err(Refusal::Stopping);
        }
        // Where nothing had to be asked, nothing is known of the upstream's health either.
        if outcome.calls > 0 || outcome.error().is_some() {
            self.household.store.note_fetch(person, outcome.fetched, outcome.error().as_deref()).await?;
        }
        self.troubles.tell(person, &outcome);
        let snapshot = self.publish(person).await;
        outcome.finish(&self.household, &member, snapshot).await
    }

    /// Publishes the person's present state to every destination. `None`: there is no such person, or it could not
    /// be published, which is told in the log.
    pub async fn publish(&self, person: &Person) -> Option<Snapshot> {
        self.try_to_publish(person).await.unwrap_or_else(|error| {
            log::error!("{person}: the values could not be published: {error:#}");
            None
        })
    }

    async fn try_to_publish(&self, person: &Person) -> Result<Option<Snapshot>> {
        let _telling = self.telling.lock().await;
        let Some(member) = self.household.member_or_last_known(person).await? else { return Ok(None) };
        let snapshot = self.household.snapshot(&member).await?;
        // A destination that fails costs the others nothing.
        let mut published = Ok(());
        for sink in &self.sinks {
            published = published.and(sink.publish(&snapshot).await);
        }
        published.map(|()| Some(snapshot))
    }

    /// Clears everything that was published of a person.
    pub async fn unpublish(&self, person: &Person) -> Result<()> {
        self.troubles.forget(person);
        let _telling = self.telling.lock().await;
        for sink in &self.sinks {
            sink.remove(person).await?;
        }
        Ok(())
    }

    /// Another process has forgotten this person: clears what was published and what a fetch under way has recorded
    /// since. `false`: such a fetch is still under way, so this has to be done once more.
    pub async fn forget(&self, person: &Person) -> Result<bool> {
        self.unpublish(person).await?;
        let turn = self.turn(person).await;
        // Not waited for: one person's fetch never holds up what is done for others.
        let Ok(_turn) = turn.try_lock() else { return Ok(false) };
        self.household.store.forget(person).await?;
        self.household.store.note_removed(person).await?;
        Ok(true)
    }

    /// Asks nothing more, and waits until the fetches under way have ended: at once, but for a token that is being
    /// renewed, which is never left before it is on disk.
    pub async fn stop(&self) {
        self.stopping.send_replace(true);
        let turns: Vec<_> = self.turns.lock().await.values().cloned().collect();
        for turn in turns {
            let _ended = turn.lock().await;
        }
    }

    /// Whether nothing more is asked.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    async fn turn(&self, person: &Person) -> Arc<Mutex<()>> {
        self.turns.lock().await.entry(person.clone()).or_default().clone()
    }

    async fn known(&self, person: &Person) -> Result<Member, Refusal> {
        self.household.member(person).await?.ok_or_else(|| Refusal::UnknownPerson(person.clone()))
    }

    /// The same person, if there is a token, and if they are who they were.
    async fn connected(&self, member: Member) -> Result<Member, Refusal> {
        let Some(token) = &member.file.token else { return Err(Refusal::NoToken(member.person)) };
        if let Some(patient) = token.user_id.as_deref().filter(|_| member.upstream.is_organizations())
            && let Some(why) = self.household.another_patient(&member.person, patient).await?
        {
            return Err(Refusal::Setting(member.person, why));
        }
        Ok(member)
    }

    /// The requests to make. Where they cannot be planned although the request alone could, the person's file is wrong.
    fn plan(&self, member: &Member, wanted: &Wanted, known: &Known) -> Result<Plan, Refusal> {
        plan::plan(member.upstream, &wanted_of(member, wanted), known).map_err(|BadRequest(why)| {
            match plan::plan(member.upstream, wanted, known) {
                Ok(_) => Refusal::Setting(member.person.clone(), why),
                Err(bad) => Refusal::Bad(bad),
            }
        })
    }

    /// What a plan has to know of a person of whom nothing was ever asked.
    fn nothing_known(&self, member: &Member) -> Known {
        let user_id = member.user_id().map(str::to_owned);
        Known {
            now: self.household.clock.now(),
            zone: member.zone,
            today: member.today,
            scopes: member.scopes(),
            once_a_day: false,
            user_id,
            coverage: Coverage::default(),
            probe: Probe::Unseen,
            complete: self.rules.sleep_score,
            full_fetch_every: self.rules.history.full_fetch_every,
            intraday: member.intraday(&self.rules.history.intraday),
        }
    }

    /// The same with what was asked of the days that a plan can be about: from `from`, and those of a live fetch.
    async fn what_is_known(&self, member: &Member, from: Option<NaiveDate>) -> Result<Known> {
        let recent = member.today - RECENT;
        let from = from.map_or(recent, |from| from.min(recent));
        let rows = self.household.store.coverage(&member.person, member.upstream.provider, from).await?;
        Ok(Known { coverage: Coverage::new(rows, member.zone), ..self.nothing_known(member) })
    }

    /// A look at the devices, where anything that a tracker measures is wanted: whether one has synced.
    async fn probe(
        &self,
        member: &Member,
        everything: &Plan,
        known: &mut Known,
        answers: &mut Vec<Answer>,
    ) -> Result<(), Refusal> {
        let devices = |endpoint: &&Endpoint| endpoint.gives().contains(&"tracker-last-sync");
        let Some(endpoint) = member.upstream.endpoints.iter().find(devices) else { return Ok(()) };
        let worth = |ask: &Ask| ask.endpoint.measured == Measured::Tracker || ask.endpoint.name == endpoint.name;
        if !plan::granted(endpoint, known) || !everything.asks.iter().any(worth) {
            return Ok(());
        }
        // It answers no method until the plan says so.
        let (path, body, methods) = (endpoint.path.to_owned(), None, Vec::new());
        let (start, end) = (member.today, member.today);
        let ask = Ask { endpoint, path, body, start, end, detail: None, follow: false, whole: true, methods };
        let answer = match useless_to_ask_on(answers) {
            Some(failure) => Answer::failed(ask, failure),
            None => self.ask(member, ask, Lane::Live, patience(answers)).await?,
        };
        let context = self.context(member, &answer.ask, None);
        if let Some(Ok(decoded)) = answer.pages.first().map(|page| decode(endpoint, page, &context)) {
            known.probe = Probe::of(&decoded.devices.unwrap_or_default());
        }
        answers.push(answer);
        Ok(())
    }

    /// What changes rarely, where it is due and wanted, before anything else: the profile says which day it is for the
    /// person.
    async fn profile_first(
        &self,
        member: Member,
        wanted: impl Fn(&Endpoint) -> bool,
    ) -> Result<(Member, Vec<Answer>), Refusal> {
        let granted = |scope: &str| member.scopes().is_none_or(|scopes| scopes.iter().any(|name| name == scope));
        let rare = member.upstream.endpoints.iter().filter(|endpoint| endpoint.span == Span::OnceADay);
        let (start, end) = (member.today, member.today);
        let mut answers: Vec<Answer> = Vec::new();
        let mut read: Option<Profile> = None;
        for endpoint in rare.filter(|endpoint| member.profile_due && granted(endpoint.scope) && wanted(endpoint)) {
            // It answers no method until the plan says so.
            let path = Endpoint::addressed(endpoint.path, member.user_id(), self.household.clock.now());
            let (body, methods) = (None, Vec::new());
            let ask = Ask { endpoint, path, body, start, end, detail: None, follow: false, whole: true, methods };
            let answer = self.ask(&member, ask, Lane::Live, patience(&answers)).await?;
            let context = self.context(&member, &answer.ask, None);
            if !answer.pages.is_empty()
                && let Ok(decoded) = decode(endpoint, &merged(&answer.pages), &context)
            {
                if decoded.archived {
                    return Err(self.archived(member).await?);
                }
                let nothing = || Profile { zone: None, name: None, since: None };
                read = decoded.profile.or(read).or_else(|| (!endpoint.gives().is_empty()).then(nothing));
            }
            answers.push(answer);
        }
        if let Some(profile) = read {
            let fetched = self.household.clock.now();
            let profile = StoredProfile { fetched, zone: profile.zone, name: profile.name, since: profile.since };
            self.household.store.set_profile(&member.person, &profile).await?;
        }
        Ok((self.connected(self.known(&member.person).await?).await?, answers))
    }

    /// Notes it, and tells it once. No profile is kept, so that the next fetch looks whether it is still so.
    async fn archived(&self, member: Member) -> Result<Refusal> {
        let (store, person) = (&self.household.store, member.person);
        let refusal = Refusal::Archived(person.clone(), member.upstream.title);
        let (_, why, cure) = refusal.words();
        if store.status(&person).await?.error.as_ref() != Some(&why) {
            log::warn!("{why}; {cure}");
        }
        store.note_fetch(&person, self.household.clock.now(), Some(&why)).await?;
        self.publish(&person).await;
        Ok(refusal)
    }
}

/// The request with the defaults of the person's file.
fn wanted_of(member: &Member, wanted: &Wanted) -> Wanted {
    let methods = if wanted.methods.is_empty() {
        member.file.methods.clone().unwrap_or_default()
    } else {
        wanted.methods.clone()
    };
    // What a request names is asked; what the file names, when it can have changed.
    let force = wanted.force || !wanted.methods.is_empty();
    Wanted { methods, keywords: member.keywords(&wanted.keywords), force }
}
