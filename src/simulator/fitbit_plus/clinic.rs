//! The organization itself: how large it is, all it has on record, and the tokens it gave. Knows no parameter.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value as Json;

use super::plan;
use super::refusal::Refusal;
use super::resource::{self, Scene, identifier};
use crate::clock::Clock;
use crate::simulator::hold;
use crate::simulator::life::chance::Chance;

/// As in the vendor's example.
pub(super) const ACCESS_TOKEN_LIFE: TimeDelta = TimeDelta::seconds(3601);

/// How large the organization is.
#[derive(Debug, Clone, Copy)]
pub struct Programme {
    /// Its patients, archived ones among them.
    pub patients: usize,
    /// Its groups; each has a reward program.
    pub groups: usize,
    /// Its coaches.
    pub coaches: usize,
    /// The health questions that are asked.
    pub questions: usize,
    /// What each patient has of each kind of record: results, metrics, calendar events, answers, rewards, e-mails.
    pub each: usize,
    /// Whether its credentials reach its groups one by one instead of the whole organization.
    pub by_groups: bool,
}

impl Default for Programme {
    fn default() -> Programme {
        Programme { patients: 40, groups: 3, coaches: 4, questions: 12, each: 12, by_groups: false }
    }
}

/// The organization.
pub struct Clinic {
    seed: u64,
    programme: Programme,
    clock: Clock,
    /// When it was made.
    since: DateTime<Utc>,
    /// What is on record, by type and identifier, made when first asked for.
    records: Mutex<BTreeMap<&'static str, Records>>,
    /// What lists held when they were last asked for, and at which state of the records.
    lists: Mutex<HashMap<String, (u64, Arc<Places>)>>,
    /// One more with each change of a record.
    state: AtomicU64,
    sessions: Mutex<Vec<Session>>,
    growing: AtomicBool,
    counter: AtomicU64,
}

/// What a list holds: the place of each record in its order, and its identifier.
pub(super) type Places = Vec<(String, String)>;

/// So many lists are remembered.
const MOST_LISTS: usize = 16;

/// Everything of one type.
#[derive(Default)]
struct Records {
    by_id: BTreeMap<String, Json>,
    /// So many rounds of later measurements are among them.
    rounds: usize,
}

/// A token.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) access: String,
    pub(super) refresh: String,
    expires: DateTime<Utc>,
}

impl Clinic {
    /// An organization that is the same for the same seed.
    pub(in crate::simulator) fn new(seed: u64, programme: Programme, clock: Clock) -> Clinic {
        Clinic {
            seed,
            programme,
            since: clock.now(),
            clock,
            records: Mutex::default(),
            lists: Mutex::default(),
            state: AtomicU64::default(),
            sessions: Mutex::default(),
            growing: AtomicBool::default(),
            counter: AtomicU64::default(),
        }
    }

    /// How large it was made.
    pub fn programme(&self) -> &Programme {
        &self.programme
    }

    /// Its identifier.
    pub fn organization(&self) -> String {
        identifier(self.seed, "organization", 0)
    }

    /// The identifier of the patient of this number.
    pub fn patient(&self, number: usize) -> String {
        identifier(self.seed, "patient", number)
    }

    /// The identifier of the group of this number. The first patient is in every group.
    pub fn group(&self, number: usize) -> String {
        identifier(self.seed, "group", number)
    }

    /// The identifiers of everything of one type, in the order in which it is listed.
    pub fn ids(&self, kind: &'static str) -> Vec<String> {
        self.with(kind, |records| records.keys().cloned().collect())
    }

    /// From now on (or no longer) something is added to each list right after a page of it was answered.
    pub fn grow(&self, growing: bool) {
        self.growing.store(growing, Ordering::Relaxed);
    }

    /// Takes back every token, the refresh tokens too.
    pub fn revoke(&self) {
        hold(&self.sessions).clear();
    }

    /// Takes back the access tokens only.
    pub fn expire(&self) {
        hold(&self.sessions).iter_mut().for_each(|session| session.expires = DateTime::UNIX_EPOCH);
    }

    pub(super) fn is_growing(&self) -> bool {
        self.growing.load(Ordering::Relaxed)
    }

    /// Adds a copy of `like` under an identifier of its own.
    pub(super) fn add(&self, kind: &'static str, mut like: Json) {
        let id = identifier(self.seed, "added", self.count() as usize);
        like["id"] = id.as_str().into();
        hold(&self.records).entry(kind).or_default().by_id.insert(id, like);
        self.state.fetch_add(1, Ordering::Relaxed);
    }

    /// Changes a record, or enters a new one, which is null before.
    pub fn change(&self, kind: &'static str, id: &str, change: impl FnOnce(&mut Json)) {
        self.with(kind, |_| {});
        let mut records = hold(&self.records);
        change(records.entry(kind).or_default().by_id.entry(id.to_owned()).or_insert(Json::Null));
        self.state.fetch_add(1, Ordering::Relaxed);
    }

    /// What `list` of this type holds, found once for all its pages.
    pub(super) fn places(&self, kind: &'static str, list: String, find: impl FnOnce() -> Places) -> Arc<Places> {
        self.with(kind, |_| {});
        let state = self.state.load(Ordering::Relaxed);
        if let Some((_, places)) = hold(&self.lists).get(&list).filter(|(at, _)| *at == state) {
            return Arc::clone(places);
        }
        let places = Arc::new(find());
        let mut lists = hold(&self.lists);
        if lists.len() >= MOST_LISTS {
            lists.clear();
        }
        lists.insert(list, (state, Arc::clone(&places)));
        places
    }

    /// Looks at everything of one type, made if nobody has asked for it yet, and with what was measured since.
    pub(super) fn with<T>(&self, kind: &'static str, look: impl FnOnce(&BTreeMap<String, Json>) -> T) -> T {
        let scene = Scene { seed: self.seed, programme: self.programme, now: self.since };
        let mut records = hold(&self.records);
        let made = || Records { by_id: resource::all(kind, &scene), rounds: 0 };
        let Records { by_id, rounds } = records.entry(kind).or_insert_with(made);
        let passed = ((self.clock.now() - self.since).num_hours() / plan::RESULTS_APART).max(0) as usize;
        while *rounds < passed {
            resource::later(kind, &scene, *rounds, by_id);
            *rounds += 1;
            self.state.fetch_add(1, Ordering::Relaxed);
        }
        look(by_id)
    }

    pub(super) fn issue(&self) -> Session {
        let mut chance = Chance::of(self.seed, self.count() as i64, "plus token");
        let mut uuid = || {
            let (high, low) = (chance.number(), chance.number());
            let text = format!("{high:016x}{low:016x}");
            [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
        };
        let session = Session {
            id: identifier(self.seed, "token", self.count() as usize),
            access: uuid(),
            refresh: uuid(),
            expires: self.clock.now() + ACCESS_TOKEN_LIFE,
        };
        hold(&self.sessions).push(session.clone());
        session
    }

    /// Uses a refresh token up, and with it the access token beside it.
    pub(super) fn spend(&self, refresh: &str) -> bool {
        let mut sessions = hold(&self.sessions);
        let before = sessions.len();
        sessions.retain(|session| session.refresh != refresh);
        sessions.len() < before
    }

    /// The token of a request.
    pub(super) fn session(&self, authorization: Option<&str>) -> Result<Session, Refusal> {
        let now = self.clock.now();
        let access = authorization.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        let sessions = hold(&self.sessions);
        let session = sessions.iter().find(|session| session.access == access && session.expires > now);
        session.cloned().ok_or_else(Refusal::unauthorized)
    }

    pub(super) fn request_id(&self) -> String {
        let number = Chance::of(self.seed, self.count() as i64, "request").number();
        let text = format!("{number:016x}");
        format!("{}-{}-4{}-a000-{}", &text[..8], &text[8..12], &text[12..15], &text[4..16])
    }

    fn count(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }
}
