//! Where values come from: each upstream as a table of endpoints and methods, one authorised request, and decoding.
//! Knows no store and no sink; an upstream is data, and adding one is a folder with the same rooms.

pub mod client;
pub mod decode;
pub mod endpoint;
pub mod fitbit;
pub mod fitbit_plus;
pub mod google_health;
pub mod level;
pub mod night;

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use endpoint::{Endpoint, Method};

/// One cloud: what it offers and what it asks.
pub struct Upstream {
    /// Its name in files, addresses and topics.
    pub provider: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What one should know before choosing it.
    pub note: Option<&'static str>,
    /// The scopes asked for at consent, each with what it gives, in words.
    pub scopes: &'static [(&'static str, &'static str)],
    /// Everything that can be asked.
    pub endpoints: &'static [Endpoint],
    /// The names under which it is asked, beside the names of the groups.
    pub methods: &'static [Method],
    /// The time series of python-fitbit under other names here.
    pub resources: &'static [(&'static str, &'static str)],
    /// Methods that other upstreams have and this one has not, and why.
    pub lacks: &'static [(&'static str, &'static str)],
    /// How much may be asked.
    pub limits: Limits,
    /// What its consent page and token endpoint want beside the standard; `None`: nobody logs in, and the token is an
    /// organization's.
    pub consent: Option<ConsentForm>,
    /// How requests and answers are written.
    pub dialect: Dialect,
    /// Where it says who the person is, if not in the token.
    pub identity: Option<&'static str>,
}

/// How much an upstream may be asked for one person.
pub struct Limits {
    /// Requests in a window.
    pub requests: i64,
    /// Length of a window in seconds; windows begin at its multiples.
    pub window_seconds: i64,
    /// The shortest time between two requests.
    pub spacing_milliseconds: u64,
}

impl Limits {
    /// The length of a window.
    pub fn window(&self) -> TimeDelta {
        TimeDelta::seconds(self.window_seconds)
    }
}

/// How requests and answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// JSON of its own.
    Plain,
    /// Documents of JSON:API, with links that lead from page to page.
    JsonApi,
}

/// What a consent page and token endpoint want beside the standard.
pub struct ConsentForm {
    /// Further parameters of the authorize address.
    pub extra: &'static [(&'static str, &'static str)],
    /// Whether the client secret goes into the form instead of the `Authorization` header.
    pub secret_in_body: bool,
    /// Whether it leads back only to https with a public name, and to loopback.
    pub public_redirects: bool,
}

/// Every upstream there is; the first is the default of a new installation.
pub static UPSTREAMS: &[&Upstream] = &[&google_health::GOOGLE_HEALTH, &fitbit::FITBIT, &fitbit_plus::FITBIT_PLUS];

/// The upstream of this name.
pub fn find(provider: &str) -> Option<&'static Upstream> {
    UPSTREAMS.iter().copied().find(|upstream| upstream.provider == provider)
}

/// The upstreams' names, for messages.
pub fn names() -> String {
    UPSTREAMS.iter().map(|upstream| upstream.provider).collect::<Vec<_>>().join(", ")
}

impl Upstream {
    /// Whether nobody logs in, and people are patients whom an organization's token reaches.
    pub fn is_organizations(&self) -> bool {
        self.consent.is_none()
    }

    /// The endpoint of this name.
    pub fn endpoint(&self, name: &str) -> Option<&'static Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }
}

/// Why a request, or everything asked of a person, did not work: the cases in which the caller does different things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The access token is refused: renew it once and repeat.
    TokenExpired,
    /// There is no token, or the upstream refuses to renew it: the person must consent (again).
    ConsentLost(String),
    /// The quota is spent until then.
    QuotaSpent {
        /// When requests are possible again.
        until: DateTime<Utc>,
    },
    /// The person did not grant the scope, or the upstream does not give this to this application or device.
    NotGranted(String),
    /// Our own settings are refused: the client id or secret is wrong.
    Misconfigured(String),
    /// The upstream does not understand or does not have what was asked.
    Refused(String),
    /// The upstream answered with a failure of its own, or broke off.
    Unavailable(String),
    /// The upstream did not answer in time.
    Silent(String),
    /// No connection to the upstream at all, or no fresh token from it: asking on is useless for now.
    Unreachable(String),
    /// The upstream gave up on a request that was too large for it.
    TooMuch(String),
    /// The whole service is gone for good.
    SwitchedOff(String),
    /// The answer is not what the upstream's documentation says.
    Malformed(String),
    /// Our own files or store cannot be read or written; asking on is useless until that is put right.
    Ours(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::TokenExpired => f.write_str("the access token is refused, also after renewing it"),
            Failure::SwitchedOff(why) => write!(f, "this service is switched off (410 Gone): {why}"),
            Failure::QuotaSpent { until } => write!(f, "the quota is spent until {}", crate::snapshot::utc(*until)),
            Failure::ConsentLost(why)
            | Failure::NotGranted(why)
            | Failure::Misconfigured(why)
            | Failure::Refused(why)
            | Failure::Unavailable(why)
            | Failure::TooMuch(why)
            | Failure::Silent(why)
            | Failure::Unreachable(why)
            | Failure::Malformed(why)
            | Failure::Ours(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Failure {}
