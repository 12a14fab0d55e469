//! Who the people are and what is known of each: files and store put together. Asks no upstream.

mod member; // one person, as far as a fetch has to know them

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value as Json};

pub use self::member::{Member, account};
use crate::clock::Clock;
use crate::config::{DueAction, Whom};
use crate::event;
use crate::metric::System;
use crate::plugindata::{PersonFile, Plugindata, Token};
use crate::quota::Quota;
use crate::reading::{Person, Value};
use crate::snapshot::{Auth, AuthState, NextAction, Shown, Snapshot, Status, utc};
use crate::store::{Selection, Store, Stored, StoredAuth, Wish};
use crate::telemetry::Telemetry;
use crate::trend;
use crate::upstream::{self, UPSTREAMS, Upstream};

/// A consent that ends is warned of this long before.
const WARNING: TimeDelta = TimeDelta::days(2);
/// A person without any success for this long is unavailable.
const PATIENCE: TimeDelta = TimeDelta::hours(24);

/// The people on one data folder.
pub struct Household {
    /// Their files.
    pub plugindata: Plugindata,
    /// What is remembered.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// What is counted of the work for them.
    pub telemetry: Telemetry,
    quota: Quota,
    page: String,
    next_actions: Mutex<BTreeMap<Whom, Actions>>,
    /// The people's files as they were when they could last be read.
    last_known: Mutex<BTreeMap<Person, PersonFile>>,
}

/// The interval actions of somebody, by what they call.
type Actions = BTreeMap<String, NextAction>;

impl Household {
    /// The people of a data folder; `page` is the address of the setup page.
    pub fn new(plugindata: Plugindata, store: Store, clock: Clock, page: String) -> Household {
        let quota = Quota::new(store.clone(), clock.clone());
        Household {
            plugindata,
            store,
            clock,
            telemetry: Telemetry::new(),
            quota,
            page,
            next_actions: Mutex::default(),
            last_known: Mutex::default(),
        }
    }

    /// The quota of everyone.
    pub fn quota(&self) -> &Quota {
        &self.quota
    }

    /// The setup page's address.
    pub fn setup_page(&self) -> &str {
        &self.page
    }

    /// The setup page's address for one person.
    pub fn page(&self, person: &Person) -> String {
        format!("{}?user={person}", self.page)
    }

    /// One person, or `None` where there is no folder for them.
    pub async fn member(&self, person: &Person) -> Result<Option<Member>> {
        let Some(file) = self.plugindata.person(person)? else { return Ok(None) };
        hold(&self.last_known).insert(person.clone(), file.clone());
        self.member_with(person, file).await.map(Some)
    }

    /// The same, but of a file that cannot be read what it said before: what is published must not go away because a
    /// hand slipped.
    pub async fn member_or_last_known(&self, person: &Person) -> Result<Option<Member>> {
        let error = match self.member(person).await {
            Ok(member) => return Ok(member),
            Err(error) => error,
        };
        let known = hold(&self.last_known).get(person).cloned();
        match known {
            Some(file) => self.member_with(person, file).await.map(Some),
            None => Err(error),
        }
    }

    async fn member_with(&self, person: &Person, mut file: PersonFile) -> Result<Member> {
        let application = self.plugindata.application()?;
        let upstream = chosen_upstream(file.provider.as_deref().or(application.provider.as_deref()))?;
        if upstream.is_organizations() {
            // Who is chosen is connected; the organization's token stands in for one of their own.
            file.token = file.patient.as_deref().map(Token::of_patient);
        }
        let system = file.system.as_deref().or(application.system.as_deref()).map(System::named).unwrap_or_default();
        let profile = self.store.profile(person).await?;
        let now = self.clock.now();
        let profile_due = profile.as_ref().is_none_or(|profile| now - profile.fetched >= TimeDelta::days(1));
        let since = profile.as_ref().and_then(|profile| profile.since);
        let zone =
            profile.and_then(|profile| profile.zone).and_then(|zone| zone.parse().ok()).unwrap_or_else(zone_here);
        let today = now.with_timezone(&zone).date_naive();
        Ok(Member { person: person.clone(), file, upstream, system, zone, since, profile_due, today })
    }

    /// Who agreed to be published with their group, and which patient each of them is. Whose file cannot be read, that is
    /// told in the log. It blocks.
    pub fn agreed(&self) -> Result<Vec<(Person, String)>> {
        let usual = self.plugindata.application()?.provider;
        let mut agreed = Vec::new();
        for person in self.plugindata.people()? {
            let file = match self.plugindata.person(&person) {
                Ok(file) => file.filter(|file| file.publish),
                Err(error) => {
                    log::warn!("{person} is left out of their group: {error:#}");
                    None
                }
            };
            let Some(file) = file else { continue };
            let upstream = chosen_upstream(file.provider.as_deref().or(usual.as_deref()))?;
            agreed.extend(file.patient.filter(|_| upstream.is_organizations()).map(|patient| (person, patient)));
        }
        Ok(agreed)
    }

    /// Why a person cannot be this patient, if so: what is kept of them is another's, and the values of two patients must
    /// never be taken for those of one.
    pub async fn another_patient(&self, person: &Person, patient: &str) -> Result<Option<String>> {
        let known = self.store.patient(person).await?;
        Ok(known.filter(|known| known != patient).map(|_| {
            format!(
                "patient: what is kept of {person} is another patient's; add a person of their own for this one, or let \
                 `fitbit2mqtt forget {person}` delete everything of {person} first"
            )
        }))
    }

    /// The upstream of a person: their own choice, else the household's, else the first there is.
    pub fn upstream(&self, file: &PersonFile) -> Result<&'static Upstream> {
        match &file.provider {
            Some(provider) => chosen_upstream(Some(provider)),
            None => chosen_upstream(self.plugindata.application()?.provider.as_deref()),
        }
    }

    /// Notes when an action runs next, here and, for other processes, in the store.
    pub async fn announce(&self, action: &DueAction, next: DateTime<Utc>) -> Result<()> {
        let announced = NextAction { representing: action.representing.clone(), next: Some(next) };
        self.store.announce_action(&action.whom, &action.url, &announced).await?;
        let mut actions = hold(&self.next_actions);
        actions.entry(action.whom.clone()).or_default().insert(action.url.clone(), announced);
        Ok(())
    }

    /// An action runs no more.
    pub async fn withdraw(&self, action: &DueAction) -> Result<()> {
        hold(&self.next_actions).retain(|whom, theirs| {
            if *whom == action.whom {
                theirs.remove(&action.url);
            }
            !theirs.is_empty()
        });
        self.store.withdraw_action(&action.whom, &action.url).await
    }

    /// When everyone's actions run next.
    pub fn next_actions(&self) -> BTreeMap<Whom, Vec<NextAction>> {
        hold(&self.next_actions)
            .iter()
            .map(|(whom, theirs)| (whom.clone(), theirs.values().cloned().collect()))
            .collect()
    }

    /// The newest values of a person, converted for them and reduced to the metrics they chose.
    pub async fn values(&self, member: &Member) -> Result<Vec<Shown>> {
        let newest = self.store.newest(&member.person).await?;
        let mut shown = member.shown(newest);
        let now = self.clock.now();
        shown.retain(|shown| shown.metric.key != "next-appointment" || is_to_come(&shown.value, now));
        for value in shown.iter_mut().filter(|shown| trend::METRICS.contains(&shown.metric.key)) {
            let trend = self.trend(member, value).await?;
            value.beside.insert("trend".into(), trend.into());
        }
        Ok(shown)
    }

    /// Where a value is going, by what the store has of the days before it.
    async fn trend(&self, member: &Member, value: &Shown) -> Result<Map<String, Json>> {
        let (metric, to) = (value.metric, value.at.date());
        let selection = Selection { from: trend::first_day(to), to, metrics: &[metric], intraday: false };
        // Some weeks of one metric are few.
        let page = self.store.history(&member.person, &selection, None, usize::from(u16::MAX)).await?;
        let number = |stored: &Stored| Some((stored.reading.at.date(), stored.reading.value.number()?));
        let values: Vec<_> = page.readings.iter().filter_map(number).collect();
        Ok(trend::trend(to, &values, metric.unit, member.system))
    }

    /// Everything that is published of a person.
    pub async fn snapshot(&self, member: &Member) -> Result<Snapshot> {
        let person = &member.person;
        let now = self.clock.now();
        let mut auth = self.auth(member).await?;
        let status = self.store.status(person).await?;
        let recent = |time: Option<DateTime<Utc>>| time.is_some_and(|time| now - time < PATIENCE);
        let fresh = recent(status.last_success) || (status.last_success.is_none() && recent(Some(auth.since)));
        let available = matches!(auth.state, AuthState::Ok | AuthState::Retrying) && fresh;
        // The consent there is works on until a new one is given.
        if let (AuthState::Ok, Some(since)) = (auth.state, self.store.wished(person, Wish::Reauthorize).await?) {
            let reason = Some("a new consent was asked for; the present one is kept until then".into());
            auth = Auth { state: AuthState::Reauthorize, since, reason, ..auth };
        }
        let values = self.values(member).await?;
        let weight = values.iter().find(|shown| shown.metric.key == "body-weight");
        let days_since_weigh_in = weight.map(|weight| (member.today - weight.at.date()).num_days().max(0));
        let devices = self.store.devices(person).await?;
        let since = self.store.since(person, event::metrics(), event::first_day(member.today)).await?;
        Ok(Snapshot {
            person: person.clone(),
            account: member.account(),
            values,
            available,
            status: Status {
                alive: status.last_success.is_some() && status.error.is_none(),
                last_activity: status.last_activity,
                last_success: status.last_success,
                last_failure: status.last_failure,
                error: status.error,
                days_since_weigh_in,
                paused: self.store.wished(person, Wish::Paused).await?.is_some(),
                actions: self.actions(person).await?,
            },
            quota: self.quota.shown(person, member.upstream, member.today).await?,
            events: event::events(&member.shown(since), &devices, now, member.today),
            devices,
            auth,
        })
    }

    /// The person's interval actions: those that run here, else those that another process runs.
    async fn actions(&self, person: &Person) -> Result<Vec<NextAction>> {
        match self.next_actions().remove(&Whom::Person(person.clone())) {
            Some(actions) => Ok(actions),
            None => self.store.announced_actions(person).await,
        }
    }

    /// The state of consent. The file has the last word on whether there is a token at all, as people edit files.
    pub async fn auth(&self, member: &Member) -> Result<Auth> {
        let url = self.page(&member.person);
        let known = self.store.auth(&member.person).await?;
        let state = match (&member.file.token, known.as_ref().map(|auth| auth.state)) {
            (None, _) => AuthState::AwaitingConsent,
            (Some(_), _) if member.is_moving() => AuthState::Reauthorize,
            (Some(_), None | Some(AuthState::AwaitingConsent)) => AuthState::Ok,
            (Some(_), Some(state)) => state,
        };
        let (since, reason) = match known.filter(|auth| auth.state == state) {
            Some(known) => (known.since, known.reason),
            None => {
                // A state that only the file shows is noted, or it would begin anew each time it is looked at.
                let since = self.clock.now();
                let seen = StoredAuth { state, since, reason: None, refused: None };
                self.store.set_auth(&member.person, &seen).await?;
                (since, None)
            }
        };
        let expires = member.file.token.as_ref().and_then(|token| token.refresh_expires_at);
        let ending = expires.filter(|expires| *expires - self.clock.now() < WARNING && state == AuthState::Ok);
        let reason = match ending {
            _ if member.is_moving() => Some(member.must_connect()),
            Some(expires) => Some(format!(
                "this consent ends at {}, as {} gave it for a few days only; connect again before, and see the guide on \
                 publishing the application",
                utc(expires),
                member.upstream.title
            )),
            None => reason,
        };
        Ok(Auth { state, since, reason, url, expires })
    }
}

/// Whether an appointment is still to come: one that is over is not the next one, nor is one that was called off, in
/// whose place nothing stands.
fn is_to_come(value: &Value, now: DateTime<Utc>) -> bool {
    matches!(value, Value::Text(text) if DateTime::parse_from_rfc3339(text).is_ok_and(|time| time > now))
}

/// A poisoned lock only means that another thread panicked between two whole values.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn chosen_upstream(name: Option<&str>) -> Result<&'static Upstream> {
    let Some(name) = name else { return Ok(UPSTREAMS[0]) };
    upstream::find(name).with_context(|| format!("{name} is not one of the upstreams: {}", upstream::names()))
}

/// This machine's time zone, or UTC where it has none that the tz database knows.
fn zone_here() -> Tz {
    iana_time_zone::get_timezone().ok().and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC)
}
