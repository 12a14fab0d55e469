//! The simulated cloud must be as strict as the real one and tell one consistent story.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bad_days;
mod consent;
mod google_health;
mod google_health_both;
mod google_health_consent;
mod google_health_equality;
mod google_health_laws;
mod laws;
mod strictness;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::simulator::{Options, Simulator};
use fitbit2mqtt::web::server::{Handler, Request, Response};
use serde_json::Value as Json;

/// A Friday noon in Amsterdam, in a clock that stands as good as still.
fn noon() -> DateTime<Utc> {
    "2026-11-20T11:40:00Z".parse().unwrap()
}

/// A cloud with one person who consented to everything.
struct World {
    simulator: Arc<Simulator>,
    clock: Clock,
    token: String,
}

impl World {
    fn new() -> World {
        World::with(Options { quota: 100_000, ..Options::default() }, noon())
    }

    fn with(options: Options, start: DateTime<Utc>) -> World {
        let clock = Clock::paced(start, 1e-9);
        let simulator = Simulator::new(options, clock.clone());
        let token = simulator.grant("23SIMU", 0, Simulator::scopes()).unwrap().access_token;
        World { simulator, clock, token }
    }

    async fn get(&self, path: &str) -> (u16, Json) {
        let response = self.ask("GET", path, &format!("Bearer {}", self.token), "").await;
        (response.status, json(&response))
    }

    /// The body of an answer that must be good.
    async fn ok(&self, path: &str) -> Json {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn ask(&self, method: &str, path: &str, authorization: &str, body: &str) -> Response {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut headers = vec![
            ("host".to_owned(), "127.0.0.1:9334".to_owned()),
            ("content-length".to_owned(), body.len().to_string()),
            ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
        ];
        if !authorization.is_empty() {
            headers.push(("authorization".to_owned(), authorization.to_owned()));
        }
        let request =
            Request { method: method.into(), path: path.into(), query: query.into(), headers, body: body.into() };
        self.simulator.answer(request).await
    }
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn json(response: &Response) -> Json {
    serde_json::from_slice(&response.body).unwrap_or(Json::Null)
}
