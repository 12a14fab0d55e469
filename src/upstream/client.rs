//! One authorised request to an upstream: address, time limits, quota headers, and every kind of refusal → a body or a
//! [`Failure`]. It neither renews tokens nor counts quota; its caller does.

use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value as Json;
use url::Url;

use super::fitbit_plus::document::Refused;
use super::{Dialect, Failure, Limits, Upstream, fitbit_plus};

/// More than any answer of a documented size, so that a broken server cannot fill the memory.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;

/// How long an answer may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// An HTTP client for upstreams and their token endpoints: no redirects, bounded in time.
pub fn http() -> Result<reqwest::Client> {
    // There is one TLS provider in this binary; a second installation is refused and that is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .timeout(PATIENCE)
        .user_agent(concat!("fitbit2mqtt/", env!("CARGO_PKG_VERSION")))
        .build()
        .context("building the HTTP client")
}

/// What came back: the body or why there is none, and what the upstream said about the quota, in either case.
#[derive(Debug)]
pub struct Answer {
    /// The JSON body.
    pub outcome: Result<Json, Failure>,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// The quota headers.
    pub quota: Option<QuotaHeaders>,
    /// How long the upstream wants to be left alone, where it says so.
    pub retry_after: Option<TimeDelta>,
}

impl Answer {
    fn none(failure: Failure) -> Answer {
        Answer { outcome: Err(failure), status: None, quota: None, retry_after: None }
    }
}

/// The upstream's own word about the quota: approximate and late, says its documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaHeaders {
    /// Requests in a window.
    pub limit: i64,
    /// Requests left.
    pub remaining: i64,
    /// When the window ends.
    pub reset: DateTime<Utc>,
}

/// One page that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Path and query below the upstream's address, or a whole address that the upstream gave.
    pub path: String,
    /// The body, where it is a POST.
    pub body: Option<Json>,
}

/// Asks `upstream` below `base`, and waits at most `patience` for the whole answer.
pub async fn ask(
    http: &reqwest::Client,
    upstream: &Upstream,
    base: &Url,
    question: &Question,
    token: &SecretString,
    patience: Duration,
    now: DateTime<Utc>,
) -> Answer {
    if upstream.dialect == Dialect::JsonApi {
        return ask_for_document(http, base, question, token, patience, now).await;
    }
    let address = match address(base.as_str(), &question.path) {
        Ok(address) => address,
        Err(failure) => return Answer::none(failure),
    };
    let request = match &question.body {
        None => http.get(address),
        Some(body) => http.post(address).header("Content-Type", "application/json").body(body.to_string()),
    };
    let request = request.timeout(patience).bearer_auth(token.expose_secret());
    let response = match request.header("Accept", "application/json").send().await {
        Ok(response) => response,
        Err(error) => return Answer::none(transport(&error)),
    };
    let status = response.status().as_u16();
    let quota = quota_headers(response.headers(), now);
    let retry_after = seconds(response.headers(), "retry-after");
    let body = match read(response).await {
        Ok(body) => body,
        Err(failure) => return Answer { outcome: Err(failure), status: Some(status), quota, retry_after },
    };
    let outcome = match status {
        200..=299 => parse(&body),
        429 => Err(Failure::QuotaSpent { until: until(quota, retry_after, &upstream.limits, now) }),
        _ => Err(classify(status, &body, token)),
    };
    Answer { outcome, status: Some(status), quota, retry_after }
}

/// A document as it came, but that its data is always a list: what comes in several documents is put together.
async fn ask_for_document(
    http: &reqwest::Client,
    base: &Url,
    question: &Question,
    token: &SecretString,
    patience: Duration,
    now: DateTime<Utc>,
) -> Answer {
    let answer = fitbit_plus::client::body(http, base, &question.path, token, patience, now).await;
    let retry_after = match &answer {
        Err(Refused { failure: Failure::QuotaSpent { until }, .. }) => Some(*until - now),
        _ => None,
    };
    let status = answer.as_ref().map_or_else(|refused| refused.status, |_| Some(200));
    let outcome = answer.map(fitbit_plus::document::listed).map_err(|refused| refused.failure);
    Answer { outcome, status, quota: None, retry_after }
}

/// `path` is ours or a `pagination.next` of the upstream's: that one must lead to the same host.
fn address(base: &str, path: &str) -> Result<Url, Failure> {
    let bad = |why: String| Failure::Misconfigured(format!("the upstream's address {base:?} is wrong: {why}"));
    let base = Url::parse(base).map_err(|error| bad(error.to_string()))?;
    if !path.contains("://") {
        let joined = format!("{}{path}", base.as_str().trim_end_matches('/'));
        return Url::parse(&joined).map_err(|error| bad(error.to_string()));
    }
    match Url::parse(path) {
        Ok(next) if next.origin() == base.origin() => Ok(next),
        _ => Err(Failure::Malformed("the next page is on another host; it was not followed".into())),
    }
}

pub(crate) async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() + chunk.len() <= LARGEST_ANSWER => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(Failure::Malformed("the answer is larger than 32 MiB".into())),
            Err(error) => return Err(transport(&error)),
        }
    }
}

pub(crate) fn parse(body: &[u8]) -> Result<Json, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        let start = String::from_utf8_lossy(&body[..body.len().min(64)]);
        Failure::Malformed(match start.trim_start().starts_with('<') {
            true => "the upstream answered with an HTML page instead of JSON".into(),
            false => format!("the upstream's answer is not JSON: {error}"),
        })
    })
}

pub(crate) fn transport(error: &reqwest::Error) -> Failure {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    if error.is_connect() {
        Failure::Unreachable(format!("no connection to the upstream: {words}"))
    } else if error.is_timeout() {
        Failure::Silent("the upstream did not answer in time".into())
    } else {
        Failure::Unavailable(format!("the connection to the upstream broke: {words}"))
    }
}

/// By status, then by what the body says, in the classic and in the newer envelope.
fn classify(status: u16, body: &[u8], token: &SecretString) -> Failure {
    let said = Said::read(body);
    let words = redact(&said.words(), token);
    match (status, said.reason.as_str()) {
        (_, "SERVICE_DISABLED") => {
            return Failure::Unreachable(format!(
                "the application's Google Cloud project may not ask: enable the Google Health API in it, under “APIs & \
                 Services”; Google says: {words}"
            ));
        }
        // Three words for the same: an account that is not linked, a Fitbit account that was not moved, no profile.
        (400, "ACCOUNT_NOT_LINKED") | (412, _) => return without_health_data(&words),
        (403, _) if said.message.contains("UberMint") => return without_health_data(&words),
        // Seen on every request of some people.
        (403, "RESOURCE_PERMISSION_DENIED") => {
            return Failure::Unreachable(format!(
                "Google withholds everything of this account: remove the application at \
                 https://myaccount.google.com/connections, then connect again; Google says: {words}"
            ));
        }
        _ => {}
    }
    match status {
        401 => match said.kind.as_str() {
            "invalid_client" | "unauthorized_client" => {
                Failure::Misconfigured(format!("the upstream refuses this application: {words}"))
            }
            _ => Failure::TokenExpired,
        },
        403 => Failure::NotGranted(format!("the upstream does not permit it: {words}")),
        410 => Failure::SwitchedOff(words),
        // Google's gateway gave up: a smaller page may be answered.
        504 => Failure::TooMuch(format!("the upstream did not finish in time (504): {words}")),
        400..=499 => Failure::Refused(format!("the upstream refuses the request ({status}): {words}")),
        300..=399 => Failure::Unavailable(format!("the upstream redirects ({status}) instead of answering")),
        _ => Failure::Unavailable(format!("the upstream failed ({status}): {words}")),
    }
}

fn without_health_data(words: &str) -> Failure {
    Failure::Unreachable(format!(
        "this Google account has no health data yet: finish the set-up in the Google Health app with it; Google says: \
         {words}"
    ))
}

/// What an error body says.
pub struct Said {
    /// `errors[0].errorType`, `error.status` or OAuth's `error`.
    pub kind: String,
    /// The message to it.
    pub message: String,
    /// The first `error.details[].reason`, Google's exact word for it.
    pub reason: String,
}

impl Said {
    /// Reads every envelope there is; HTML and empty bodies say nothing.
    pub fn read(body: &[u8]) -> Said {
        let json: Json = serde_json::from_slice(body).unwrap_or_default();
        let text = |pointers: [&str; 3]| {
            let found = pointers.iter().find_map(|at| json.pointer(at).and_then(Json::as_str));
            found.unwrap_or_default().to_owned()
        };
        let details = json.pointer("/error/details").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        let reason = details.iter().find_map(|detail| detail.get("reason")?.as_str());
        Said {
            reason: reason.unwrap_or_default().to_owned(),
            kind: text(["/errors/0/errorType", "/error/status", "/error"]),
            message: text(["/errors/0/message", "/error/message", "/error_description"]),
        }
    }

    /// Both, for people.
    pub fn words(&self) -> String {
        match (self.kind.as_str(), self.message.as_str()) {
            ("", "") => "it gave no reason".into(),
            ("", words) | (words, "") => words.into(),
            (kind, message) => format!("{kind}: {message}"),
        }
    }
}

/// Messages can hold the token they are about ("Access token expired: eyJ…"), and they end up in logs and answers.
pub fn redact(words: &str, token: &SecretString) -> String {
    let secret = token.expose_secret();
    let words = if secret.is_empty() { words.to_owned() } else { words.replace(secret, "…") };
    let long = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        bare.len() >= 24
            && !bare.contains("://")
            && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.+/=".contains(&b))
    };
    let shown: Vec<&str> = words.split_whitespace().map(|word| if long(word) { "…" } else { word }).collect();
    shown.join(" ").chars().take(300).collect()
}

fn quota_headers(headers: &HeaderMap, now: DateTime<Utc>) -> Option<QuotaHeaders> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let reset = number("fitbit-rate-limit-reset")?.clamp(0, 24 * 3600);
    Some(QuotaHeaders {
        limit: number("fitbit-rate-limit-limit")?,
        remaining: number("fitbit-rate-limit-remaining")?,
        // Whole seconds, cut off: a moment later is a new window for certain, a moment earlier is not.
        reset: now + TimeDelta::seconds(reset + 1),
    })
}

pub(super) fn seconds(headers: &HeaderMap, name: &str) -> Option<TimeDelta> {
    let seconds = headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok()?;
    Some(TimeDelta::seconds(seconds.clamp(0, 24 * 3600)))
}

/// `Retry-After` is missing or wrong since about February 2025, so the quota header speaks first; without either, the
/// next window and some more, because the upstream's clock is not ours.
fn until(
    quota: Option<QuotaHeaders>,
    retry_after: Option<TimeDelta>,
    limits: &Limits,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    let window = limits.window();
    let next = now.duration_trunc(window).unwrap_or(now) + window + window / 12;
    let later = |time: &DateTime<Utc>| *time > now;
    quota.map(|quota| quota.reset).filter(later).or(retry_after.map(|wait| now + wait).filter(later)).unwrap_or(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::fitbit::FITBIT;

    #[test]
    fn messages_never_show_a_token() {
        let token = SecretString::from("eyJhbGciOiJIUzI1NiJ9.x.y");
        let body = br#"{"errors":[{"errorType":"expired_token","message":"Access token expired: eyJhbGciOiJIUzI1NiJ9.x.y. Visit https://dev.fitbit.com/docs/oauth2 for more"}]}"#;
        let words = redact(&Said::read(body).words(), &token);
        assert!(!words.contains("eyJ"), "{words}");
        assert!(words.contains("https://dev.fitbit.com/docs/oauth2"), "{words}");
        let other = redact("Refresh token invalid: 0123456789abcdef0123456789abcdef. Visit", &token);
        assert!(!other.contains("0123"), "{other}");
    }

    #[test]
    fn a_next_page_elsewhere_is_not_followed() {
        assert!(address("https://api.fitbit.com", "https://evil.example/1/user/-/activities/list.json").is_err());
        assert!(address("https://api.fitbit.com", "https://api.fitbit.com/1/x.json?offset=20").is_ok());
        assert_eq!(
            address("http://127.0.0.1:1/fitbit/", "/1/x.json").map(|url| url.to_string()).ok().as_deref(),
            Some("http://127.0.0.1:1/fitbit/1/x.json")
        );
    }

    #[test]
    fn without_a_word_about_the_reset_a_park_ends_after_the_next_full_hour() {
        let now: DateTime<Utc> = "2026-11-20T10:20:00Z".parse().expect("time");
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("time");
        assert_eq!(until(None, None, &FITBIT.limits, now), at("2026-11-20T11:05:00Z"));
        assert_eq!(until(None, Some(TimeDelta::seconds(90)), &FITBIT.limits, now), at("2026-11-20T10:21:30Z"));
    }
}
