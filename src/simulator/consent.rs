//! Who consented to what: applications, codes, tokens and their rotation. It knows no wire format; the clouds' own
//! `oauth.rs` speak it. Tokens here open nothing but a simulation, so that they may be printed.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::Cloud;

/// An authorization code may be exchanged for ten minutes.
const CODE_LIFE: TimeDelta = TimeDelta::minutes(10);
/// For so long an identical refresh gets the same answer again. (The length stands in older documentation only.)
const REPLAY_GRACE: TimeDelta = TimeDelta::minutes(2);

/// A registered application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Client id.
    pub id: String,
    /// Client secret; `None` for a public application.
    pub secret: Option<String>,
    /// Redirect addresses, matched exactly; with none, every plain http address on loopback is one.
    pub redirects: Vec<String>,
}

impl Client {
    /// The application with a secret that is registered unless something else is said.
    pub fn confidential() -> Client {
        Client { id: "23SIMU".into(), secret: Some("simulated-client-secret-0123456789".into()), redirects: Vec::new() }
    }

    /// The application without one.
    pub fn public() -> Client {
        Client { id: "23OPEN".into(), secret: None, redirects: Vec::new() }
    }

    /// The application that is registered with Google unless something else is said.
    pub fn google() -> Client {
        Client {
            id: "simulated.apps.googleusercontent.com".into(),
            secret: Some("GOCSPX-simulated-client-secret".into()),
            redirects: Vec::new(),
        }
    }

    /// Where it is registered, which the form of its id tells.
    pub fn cloud(&self) -> Cloud {
        if self.id.ends_with(".apps.googleusercontent.com") { Cloud::GoogleHealth } else { Cloud::Fitbit }
    }

    /// Whether consent may end at this address.
    pub(super) fn accepts(&self, redirect: &str) -> bool {
        if !self.redirects.is_empty() {
            return self.redirects.iter().any(|registered| registered == redirect);
        }
        let Ok(address) = url::Url::parse(redirect) else { return false };
        address.scheme() == "http" && matches!(address.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
    }
}

/// What a token request is answered with.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenAnswer {
    /// For requests.
    pub access_token: String,
    /// For the next token.
    pub refresh_token: String,
    /// Seconds the access token lives.
    pub expires_in: i64,
    /// What was granted, with blanks between.
    pub scope: String,
    /// The service's identifier of who granted it.
    pub user_id: String,
}

impl TokenAnswer {
    /// As it goes over the wire.
    pub fn to_json(&self) -> Json {
        json!({
            "access_token": self.access_token,
            "expires_in": self.expires_in,
            "refresh_token": self.refresh_token,
            "scope": self.scope,
            "token_type": "Bearer",
            "user_id": self.user_id,
        })
    }
}

/// One person's consent to one application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) client: String,
    pub(super) person: usize,
    pub(super) scopes: Vec<String>,
}

/// A code that waits to be exchanged.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) grant: Grant,
    /// The redirect address named when asking, if one was.
    pub(super) redirect: Option<String>,
    /// The S256 challenge, if one was sent.
    pub(super) challenge: Option<String>,
    expires: DateTime<Utc>,
}

/// An access token and the refresh token issued with it.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) grant: Grant,
    pub(super) access: String,
    pub(super) refresh: String,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Unknown,
    Expired,
}

struct Access {
    grant: Grant,
    issued: DateTime<Utc>,
    expires: DateTime<Utc>,
    used: bool,
}

struct Refresh {
    grant: Grant,
    spent: Option<Spent>,
}

/// How a refresh token was used up, for the replay of the same request.
struct Spent {
    at: DateTime<Utc>,
    request: Vec<u8>,
    pair: Pair,
}

/// All codes and tokens.
#[derive(Default)]
pub(super) struct Ledger {
    codes: HashMap<String, Code>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, Refresh>,
}

impl Ledger {
    /// A code for what was consented to.
    pub(super) fn authorize(
        &mut self,
        grant: Grant,
        redirect: Option<String>,
        challenge: Option<String>,
        now: DateTime<Utc>,
    ) -> String {
        let code = hexadecimal(20);
        self.codes.insert(code.clone(), Code { grant, redirect, challenge, expires: now + CODE_LIFE });
        code
    }

    /// The code, if it can still be exchanged.
    pub(super) fn code(&self, code: &str, now: DateTime<Utc>) -> Option<&Code> {
        self.codes.get(code).filter(|code| now < code.expires)
    }

    /// Uses a code up.
    pub(super) fn exchange(&mut self, code: &str, now: DateTime<Utc>, expires: DateTime<Utc>) -> Option<Pair> {
        let code = self.codes.remove(code)?;
        Some(self.issue(code.grant, now, expires))
    }

    /// A new pair. A person has one refresh token for each application; earlier access tokens live on.
    pub(super) fn issue(&mut self, grant: Grant, now: DateTime<Utc>, expires: DateTime<Utc>) -> Pair {
        let same = |other: &Grant| other.client == grant.client && other.person == grant.person;
        self.refresh.retain(|_, refresh| refresh.spent.is_some() || !same(&refresh.grant));
        let pair = Pair { access: access_token(&grant, expires), refresh: hexadecimal(32), grant };
        let access = Access { grant: pair.grant.clone(), issued: now, expires, used: false };
        self.access.insert(pair.access.clone(), access);
        self.refresh.insert(pair.refresh.clone(), Refresh { grant: pair.grant.clone(), spent: None });
        pair
    }

    /// Rotates a refresh token: it works once; the very same `request` gets the same pair again for a while, unless
    /// that was used meanwhile.
    pub(super) fn renew(
        &mut self,
        token: &str,
        client: &str,
        request: &[u8],
        now: DateTime<Utc>,
        expires: DateTime<Utc>,
    ) -> Option<Pair> {
        let refresh = self.refresh.get(token).filter(|refresh| refresh.grant.client == client)?;
        if let Some(spent) = &refresh.spent {
            let fresh = now - spent.at < REPLAY_GRACE && spent.request == request;
            let unused = self.access.get(&spent.pair.access).is_some_and(|access| !access.used)
                && self.refresh.get(&spent.pair.refresh).is_some_and(|next| next.spent.is_none());
            return (fresh && unused).then(|| spent.pair.clone());
        }
        let grant = refresh.grant.clone();
        let pair = self.issue(grant.clone(), now, expires);
        let spent = Some(Spent { at: now, request: request.to_vec(), pair: pair.clone() });
        self.refresh.insert(token.to_owned(), Refresh { grant, spent });
        Some(pair)
    }

    /// What an access token allows; from now on it counts as used.
    pub(super) fn admit(&mut self, token: &str, now: DateTime<Utc>) -> Result<Grant, Refused> {
        let access = self.access.get_mut(token).ok_or(Refused::Unknown)?;
        if now >= access.expires {
            return Err(Refused::Expired);
        }
        access.used = true;
        Ok(access.grant.clone())
    }

    /// What an access token allows and when it was issued and expires, without counting as use.
    pub(super) fn inspect(&self, token: &str, now: DateTime<Utc>) -> Option<(&Grant, DateTime<Utc>, DateTime<Utc>)> {
        let access = self.access.get(token).filter(|access| now < access.expires)?;
        Some((&access.grant, access.issued, access.expires))
    }

    /// Whose token or code this is, whether it still works or not.
    pub(super) fn owner(&self, token: &str) -> Option<&Grant> {
        let access = self.access.get(token).map(|access| &access.grant);
        let refresh = || self.refresh.get(token).map(|refresh| &refresh.grant);
        let code = || self.codes.get(token).map(|code| &code.grant);
        access.or_else(refresh).or_else(code)
    }

    /// Takes back everything that was granted so.
    pub(super) fn revoke(&mut self, which: impl Fn(&Grant) -> bool) {
        self.codes.retain(|_, code| !which(&code.grant));
        self.access.retain(|_, access| !which(&access.grant));
        self.refresh.retain(|_, refresh| !which(&refresh.grant));
    }
}

impl Code {
    /// Whether the verifier is the one the challenge was made of.
    pub(super) fn proven_by(&self, verifier: Option<&str>) -> bool {
        proven(self.challenge.as_deref(), verifier)
    }
}

/// Whether this verifier is the one an S256 challenge was made of; without a challenge there is nothing to prove.
pub(super) fn proven(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    match (challenge, verifier) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(challenge), Some(verifier)) => {
            (43..=128).contains(&verifier.len())
                && challenge == URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
        }
    }
}

/// Looks like the service's own tokens: a JWT with short names of the scopes.
fn access_token(grant: &Grant, expires: DateTime<Utc>) -> String {
    let scopes: Vec<String> = grant.scopes.iter().map(|scope| format!("r{}", &scope[..scope.len().min(3)])).collect();
    let claims = json!({
        "aud": grant.client,
        "sub": format!("{:06}", grant.person),
        "iss": "Simulated Fitbit",
        "typ": "access_token",
        "scopes": scopes.join(" "),
        "exp": expires.timestamp(),
        "jti": hexadecimal(8),
    });
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signature = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    format!("{}.{}.{signature}", part(r#"{"alg":"HS256"}"#), part(&claims.to_string()))
}

fn hexadecimal(bytes: usize) -> String {
    (0..bytes).map(|_| format!("{:02x}", rand::random::<u8>())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_addresses_are_loopback_or_exactly_what_is_registered() {
        let open = Client::public();
        for good in ["http://localhost:9333/plugin/fitbit/auth2", "http://127.0.0.1:8080", "http://[::1]:1/"] {
            assert!(open.accepts(good), "{good}");
        }
        for bad in ["https://localhost/", "http://localhost.example.org/", "http://192.168.1.2/", "urn:x", "localhost"]
        {
            assert!(!open.accepts(bad), "{bad}");
        }
        let registered = Client { redirects: vec!["https://home.example.org/auth2".into()], ..Client::public() };
        assert!(registered.accepts("https://home.example.org/auth2"));
        assert!(!registered.accepts("https://home.example.org/auth2/") && !registered.accepts("http://localhost/"));
    }
}
