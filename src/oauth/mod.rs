//! Consent and fresh tokens: who may ask an upstream, and how that stays so across crashes, lost answers, other
//! processes and people's edits.

mod consent;
mod fresh;
mod organization;
pub mod redirect;
mod token_endpoint;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

pub use consent::{Connected, ConsentError};
pub use fresh::why_switched_off;
pub use organization::Organization;
use token_endpoint::{Grant, Identity, Refusal, TokenEndpoint};

use crate::config;
use crate::household::Household;
use crate::plugindata::Token;
use crate::reading::Person;
use crate::snapshot::AuthState;
use crate::store::StoredAuth;
use crate::upstream::{Failure, Upstream};

/// No token is granted for longer.
const LONGEST_LIFE: TimeDelta = TimeDelta::days(3650);

/// Everyone's consent and tokens.
pub struct OAuth {
    household: Arc<Household>,
    http: reqwest::Client,
    addresses: Vec<config::Upstream>,
    redirect: String,
    organization: Arc<Organization>,
    turns: Mutex<HashMap<Person, Arc<Turn>>>,
}

/// One renewal at a time for each person.
#[derive(Default)]
struct Turn {
    /// Held while one is under way, so that waiting for it within this process needs no file lock.
    renewing: Mutex<()>,
    /// Whether one whose answer was lost is being asked again in the background.
    replaying: AtomicBool,
}

impl OAuth {
    /// `redirect` is the address of `auth2`, exactly as it is registered at the upstream.
    pub fn new(
        household: Arc<Household>,
        http: reqwest::Client,
        addresses: Vec<config::Upstream>,
        redirect: String,
    ) -> Result<OAuth> {
        let (plugindata, clock) = (household.plugindata.clone(), household.clock.clone());
        let telemetry = household.telemetry.clone();
        let organization = Arc::new(Organization::new(&addresses, plugindata, clock, http.clone(), telemetry)?);
        Ok(OAuth { household, http, addresses, redirect, organization, turns: Mutex::default() })
    }

    /// The organization whose token stands for its patients'.
    pub fn organization(&self) -> &Arc<Organization> {
        &self.organization
    }

    /// The redirect address to register.
    pub fn redirect(&self) -> &str {
        &self.redirect
    }

    /// The addresses of an upstream.
    pub fn addresses(&self, upstream: &Upstream) -> Result<&config::Upstream, Failure> {
        self.addresses.iter().find(|addresses| addresses.provider == upstream.provider).ok_or_else(|| {
            Failure::Misconfigured(format!("upstream {} has no addresses in the configuration", upstream.provider))
        })
    }

    /// The application's identity at an upstream.
    fn identity(&self, upstream: &Upstream) -> Result<Identity, Failure> {
        let application = self.household.plugindata.application().map_err(ours)?;
        let missing = || {
            Failure::Misconfigured(format!(
                "there is no client id for {}; enter it on the setup page, or under [{}] in plugindata/fitbit.toml",
                upstream.title, upstream.provider
            ))
        };
        let client = application.client(upstream.provider);
        Ok(Identity { id: client.id.ok_or_else(missing)?, secret: client.secret })
    }

    fn token_endpoint<'a>(
        &'a self,
        upstream: &Upstream,
        addresses: &'a config::Upstream,
        identity: &'a Identity,
    ) -> TokenEndpoint<'a> {
        let token_url = addresses.token_url.url().as_str();
        let secret_in_body = upstream.consent.as_ref().is_some_and(|form| form.secret_in_body);
        TokenEndpoint {
            http: &self.http,
            telemetry: &self.household.telemetry,
            provider: upstream.provider,
            identity,
            token_url,
            secret_in_body,
        }
    }

    async fn turn(&self, person: &Person) -> Arc<Turn> {
        self.turns.lock().await.entry(person.clone()).or_default().clone()
    }

    async fn note(&self, person: &Person, state: AuthState, reason: Option<String>, refused: Option<String>) {
        let since = self.household.clock.now();
        let auth = StoredAuth { state, since, reason, refused };
        if let Err(error) = self.household.store.set_auth(person, &auth).await {
            log::error!("{person}: {error:#}");
        }
    }
}

/// What is kept of a grant. An upstream that gives no new refresh token goes on taking the old one.
fn token(grant: Grant, old: Option<&Token>, now: DateTime<Utc>) -> Token {
    // A lifetime that cannot be is none: it would keep a token from being written that is good.
    let until = |life: TimeDelta| (life > TimeDelta::zero() && life < LONGEST_LIFE).then(|| now + life);
    Token {
        access_token: grant.access_token,
        refresh_token: grant.refresh_token.or_else(|| old.and_then(|old| old.refresh_token.clone())),
        token_type: "Bearer".into(),
        expires_at: grant.expires_in.and_then(|life| TimeDelta::from_std(life).ok()).and_then(until),
        scope: grant.scope.or_else(|| old.map(|old| old.scope.clone())).unwrap_or_default(),
        user_id: grant.user_id.or_else(|| old.and_then(|old| old.user_id.clone())),
        refresh_expires_at: match grant.refresh_token_expires_in {
            Some(life) => until(life),
            None => old.and_then(|old| old.refresh_expires_at),
        },
    }
}

fn ours(error: anyhow::Error) -> Failure {
    Failure::Ours(format!("{error:#}"))
}

/// Hex SHA-256: how secrets are compared and looked up without being kept.
fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Text from elsewhere, fit for one line of a page or log.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
