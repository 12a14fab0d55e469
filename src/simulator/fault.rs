//! Faults on request: what a cloud does on its bad days, so that tests see the bridge through them.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Simulator, hold};
use crate::web::server::Response;

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// Requests whose path has this in it (`/fitbit/` and `/google-health/` stand before all others); empty: all.
    #[serde(default)]
    pub path: String,
    /// Only requests for the person of this index.
    #[serde(default)]
    pub person: Option<usize>,
    /// How many times; `None`: until it is cleared.
    #[serde(default)]
    pub times: Option<u32>,
    /// What happens.
    pub effect: Effect,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Effect {
    /// This is answered instead.
    Answer {
        /// Status code.
        status: u16,
        /// The body.
        body: String,
        /// Its type.
        #[serde(default = "json_type")]
        content_type: String,
    },
    /// A page for people instead of data, as gateways send it.
    Html {
        /// Status code.
        status: u16,
    },
    /// The true answer, cut off in the middle.
    Truncated,
    /// Too many requests.
    Exhausted {
        /// Which of the documented bodies.
        body: Exhausted,
        /// Seconds in `Retry-After`, if there is to be one.
        #[serde(default)]
        retry_after: Option<u32>,
    },
    /// The interface was switched off.
    SwitchedOff,
    /// The true answer, late.
    Delay {
        /// Milliseconds of real time.
        milliseconds: u64,
    },
    /// The request is carried out, but its answer is lost: the client sees a gateway's error.
    AnswerLost,
}

impl Effect {
    /// This JSON with this status instead of the true answer.
    pub fn answer(status: u16, body: &Json) -> Effect {
        Effect::Answer { status, body: body.to_string(), content_type: json_type() }
    }
}

/// The bodies with which the service was seen to refuse too many requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exhausted {
    /// `errorType` `system`.
    System,
    /// `errorType` `request`, the older one.
    Request,
    /// Google's style.
    Google,
}

impl Exhausted {
    /// The body.
    pub(super) fn body(self) -> Json {
        let classic = |kind: &str, message: &str| json!({"errorType": kind, "fieldName": "n/a", "message": message});
        match self {
            Exhausted::System => json!({"errors": [classic("system", "Too Many Requests")], "success": false}),
            Exhausted::Request => json!({"errors": [classic(
                "request",
                "Rate limit exceeded for this user, please try again at the start of the hour.",
            )]}),
            Exhausted::Google => json!({"error": {
                "code": 429,
                "message": "Resource has been exhausted (e.g. check quota).",
                "status": "RESOURCE_EXHAUSTED",
            }}),
        }
    }
}

fn json_type() -> String {
    "application/json".to_owned()
}

impl Simulator {
    /// What goes wrong with this request: all delays, and the first fault of another kind. Uses those faults up.
    pub(super) fn effects(&self, path: &str, person: Option<usize>) -> Vec<Effect> {
        let mut effects: Vec<Effect> = Vec::new();
        let mut faults = hold(&self.faults);
        for fault in faults.iter_mut() {
            let meant = path.contains(&fault.path) && fault.person.is_none_or(|meant| person == Some(meant));
            let slow = matches!(fault.effect, Effect::Delay { .. });
            let first = !effects.iter().any(|effect| !matches!(effect, Effect::Delay { .. }));
            if meant && fault.times != Some(0) && (slow || first) {
                effects.push(fault.effect.clone());
                fault.times = fault.times.map(|times| times - 1);
            }
        }
        faults.retain(|fault| fault.times != Some(0));
        effects
    }
}

/// The answer to a request to which all this happens; `carry_out` gives the true one.
pub(super) async fn answer(effects: Vec<Effect>, carry_out: impl FnOnce() -> Response) -> Response {
    let mut fault = None;
    for effect in effects {
        match effect {
            Effect::Delay { milliseconds } => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
            effect => fault = Some(effect),
        }
    }
    match fault {
        None | Some(Effect::Delay { .. }) => carry_out(),
        Some(Effect::Answer { status, body, content_type }) => Response::new(status, &content_type, body),
        Some(Effect::Html { status }) => html(status),
        Some(Effect::Truncated) => {
            let mut response = carry_out();
            response.body.truncate(response.body.len() / 2);
            response
        }
        Some(Effect::Exhausted { body, retry_after }) => {
            let response = Response::json(429, &body.body());
            match retry_after {
                Some(seconds) => response.with("Retry-After", seconds.to_string()),
                None => response,
            }
        }
        // What the switched-off service says is not on record; only the status was announced.
        Some(Effect::SwitchedOff) => Response::text(410, "Gone"),
        Some(Effect::AnswerLost) => {
            carry_out();
            html(502)
        }
    }
}

fn html(status: u16) -> Response {
    let page = format!(
        "<!DOCTYPE html><html><head><title>Error {status}</title></head>\
         <body><h1>Something went wrong</h1><p>We will be back soon.</p></body></html>"
    );
    Response::new(status, "text/html; charset=utf-8", page)
}
