//! Google's codes and tokens: refresh tokens do not rotate, and are given only for offline access. It knows no wire
//! format; tokens here open nothing but a simulation.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};

use super::Project;
use crate::simulator::consent::Grant;

/// Google's answers say 3599.
pub(in crate::simulator) const ACCESS_TOKEN_LIFE: TimeDelta = TimeDelta::seconds(3599);
/// How long a refresh token lives while the application is in testing: seven days, less the second of the answer.
const TESTING_LIFE: TimeDelta = TimeDelta::seconds(604_799);
/// An authorization code may be exchanged for ten minutes.
const CODE_LIFE: TimeDelta = TimeDelta::minutes(10);
/// More live refresh tokens than this per application and account push the oldest out.
const MOST_REFRESH_TOKENS: usize = 100;

/// A code that waits to be exchanged.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) grant: Grant,
    pub(super) redirect: String,
    pub(super) challenge: Option<String>,
    /// Whether a refresh token belongs to it.
    pub(super) offline: bool,
    expires: DateTime<Utc>,
}

/// What a consent, an exchange or a refresh brings.
pub(in crate::simulator) struct Tokens {
    pub(in crate::simulator) grant: Grant,
    pub(in crate::simulator) access: String,
    pub(in crate::simulator) refresh: Option<String>,
    /// Seconds the refresh token lives on, where it does not live for good.
    pub(super) refresh_expires_in: Option<i64>,
}

struct Refresh {
    token: String,
    grant: Grant,
    expires: Option<DateTime<Utc>>,
}

/// All codes and tokens.
#[derive(Default)]
pub(in crate::simulator) struct Vault {
    codes: HashMap<String, Code>,
    access: HashMap<String, (Grant, DateTime<Utc>)>,
    /// Oldest first.
    refresh: Vec<Refresh>,
    /// Applications and people between whom there is consent with a refresh token.
    consented: HashSet<(String, usize)>,
}

impl Vault {
    /// A code for what was consented to. `offline` says whether a refresh token was asked for, `again` whether even
    /// where there has been one before.
    pub(super) fn authorize(
        &mut self,
        grant: Grant,
        redirect: String,
        challenge: Option<String>,
        (offline, again): (bool, bool),
        now: DateTime<Utc>,
    ) -> String {
        let code = format!("4/0A{}", random::<36>());
        let first = !self.consented.contains(&(grant.client.clone(), grant.person));
        let offline = offline && (first || again);
        self.codes.insert(code.clone(), Code { grant, redirect, challenge, offline, expires: now + CODE_LIFE });
        code
    }

    /// The code, if it can still be exchanged.
    pub(super) fn code(&self, code: &str, now: DateTime<Utc>) -> Option<&Code> {
        self.codes.get(code).filter(|code| now < code.expires)
    }

    /// Uses a code up.
    pub(super) fn exchange(&mut self, code: &str, now: DateTime<Utc>, project: &Project) -> Option<Tokens> {
        let code = self.codes.remove(code)?;
        Some(self.issue(code.grant, code.offline, now, project))
    }

    /// New tokens; earlier ones live on.
    pub(in crate::simulator) fn issue(
        &mut self,
        grant: Grant,
        offline: bool,
        now: DateTime<Utc>,
        project: &Project,
    ) -> Tokens {
        let mut refresh = None;
        let lifetime = (offline && project.testing).then_some(TESTING_LIFE);
        if offline {
            let token = format!("1//0{}", random::<60>());
            self.consented.insert((grant.client.clone(), grant.person));
            let expires = lifetime.map(|lifetime| now + lifetime);
            self.refresh.push(Refresh { token: token.clone(), grant: grant.clone(), expires });
            let same = |other: &Refresh| other.grant.client == grant.client && other.grant.person == grant.person;
            if self.refresh.iter().filter(|other| same(other)).count() > MOST_REFRESH_TOKENS {
                let oldest = self.refresh.iter().position(same);
                oldest.map(|oldest| self.refresh.remove(oldest));
            }
            refresh = Some(token);
        }
        let access = self.access(&grant, now);
        Tokens { grant, access, refresh, refresh_expires_in: lifetime.map(|lifetime| lifetime.num_seconds()) }
    }

    /// A new access token for a refresh token, which stays as it is.
    pub(super) fn renew(&mut self, token: &str, client: &str, now: DateTime<Utc>) -> Option<Tokens> {
        let mine = |refresh: &&Refresh| refresh.token == token && refresh.grant.client == client;
        let refresh = self.refresh.iter().find(mine)?;
        let left = refresh.expires.map(|expires| (expires - now).num_seconds());
        if left.is_some_and(|left| left <= 0) {
            return None;
        }
        let grant = refresh.grant.clone();
        let access = self.access(&grant, now);
        Some(Tokens { grant, access, refresh: None, refresh_expires_in: left })
    }

    /// What an access token allows, while it lives.
    pub(super) fn admit(&self, token: &str, now: DateTime<Utc>) -> Option<Grant> {
        self.access.get(token).filter(|(_, expires)| now < *expires).map(|(grant, _)| grant.clone())
    }

    /// Whose token or code this is, whether it still works or not.
    pub(super) fn owner(&self, token: &str) -> Option<&Grant> {
        let access = self.access.get(token).map(|(grant, _)| grant);
        let refresh = || self.refresh.iter().find(|refresh| refresh.token == token).map(|refresh| &refresh.grant);
        let code = || self.codes.get(token).map(|code| &code.grant);
        access.or_else(refresh).or_else(code)
    }

    /// Takes back everything that was granted so.
    pub(in crate::simulator) fn revoke(&mut self, which: impl Fn(&Grant) -> bool) {
        self.codes.retain(|_, code| !which(&code.grant));
        self.access.retain(|_, (grant, _)| !which(grant));
        for gone in self.refresh.iter().filter(|refresh| which(&refresh.grant)) {
            self.consented.remove(&(gone.grant.client.clone(), gone.grant.person));
        }
        self.refresh.retain(|refresh| !which(&refresh.grant));
    }

    fn access(&mut self, grant: &Grant, now: DateTime<Utc>) -> String {
        let token = format!("ya29.a0{}", random::<120>());
        self.access.insert(token.clone(), (grant.clone(), now + ACCESS_TOKEN_LIFE));
        token
    }
}

pub(super) fn random<const BYTES: usize>() -> String {
    let bytes: Vec<u8> = (0..BYTES).map(|_| rand::random()).collect();
    URL_SAFE_NO_PAD.encode(bytes)
}
