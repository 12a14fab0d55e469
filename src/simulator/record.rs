//! What was asked: the list of requests, and the quota they count against.

use std::collections::HashMap;

use chrono::{DateTime, DurationRound, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value as Json, json};

use super::{Simulator, hold};
use crate::web::server::Request;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// When.
    pub at: DateTime<Utc>,
    /// `GET`, `POST`, …
    pub method: String,
    /// The path, without the cloud's prefix.
    pub path: String,
    /// The query, undecoded. (Bodies, where secrets stand, are not kept.)
    pub query: String,
    /// Index of the person whose token it carried, if any.
    pub person: Option<usize>,
    /// Status of the answer.
    pub status: u16,
}

impl Asked {
    /// As it goes over the wire.
    pub fn to_json(&self) -> Json {
        json!({
            "at": self.at.to_rfc3339_opts(SecondsFormat::Millis, true),
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "person": self.person,
            "status": self.status,
        })
    }
}

/// Requests of the current hour, by application and person.
#[derive(Default)]
pub(super) struct Quota(HashMap<(String, usize), (DateTime<Utc>, u32)>);

/// What is left of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    /// Seconds until the top of the hour.
    pub(super) reset: i64,
    /// Whether this request was one too many.
    pub(super) exceeded: bool,
}

impl Simulator {
    /// Counts a request of `who` (application and person); of nobody, says what a fresh quota would be.
    pub(super) fn count_against_quota(&self, who: Option<(&str, usize)>) -> Left {
        let now = self.now();
        let limit = self.options.quota;
        // An hour divides the time since 1970, so that truncating cannot fail within chrono's range.
        let hour = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now);
        let reset = (hour + TimeDelta::hours(1) - now).num_seconds().max(1);
        let Some((client, person)) = who else { return Left { limit, remaining: limit, reset, exceeded: false } };
        let mut quota = hold(&self.quota);
        let window = quota.0.entry((client.to_owned(), person)).or_insert((hour, 0));
        if window.0 != hour {
            *window = (hour, 0);
        }
        let exceeded = window.1 >= limit;
        if !exceeded {
            window.1 += 1;
        }
        Left { limit, remaining: limit - window.1, reset, exceeded }
    }

    pub(super) fn note(&self, request: &Request, path: &str, person: Option<usize>, status: u16) {
        let asked = Asked {
            at: self.now(),
            method: request.method.clone(),
            path: path.to_owned(),
            query: request.query.clone(),
            person,
            status,
        };
        let mut record = hold(&self.record);
        // A demo that runs for weeks keeps the newest.
        if record.len() >= 100_000 {
            record.drain(..50_000);
        }
        record.push(asked);
    }
}
