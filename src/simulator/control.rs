//! The levers behind the stage, over HTTP at `/control`: faults, the list of requests, changes of lives, tokens.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::{Change, Fault, Simulator, hold};
use crate::web::server::{Request, Response};

pub(super) fn answer(simulator: &Simulator, request: &Request, path: &str) -> Response {
    match (request.method.as_str(), path) {
        ("POST", "/faults") => with_body::<Fault>(request, |fault| {
            simulator.fault(fault);
            Ok(())
        }),
        ("DELETE", "/faults") => {
            simulator.clear_faults();
            done()
        }
        ("GET", "/requests") => {
            let record = hold(&simulator.record);
            let requests: Vec<Json> = record.iter().map(super::Asked::to_json).collect();
            Response::json(200, &json!({"count": requests.len(), "requests": requests}))
        }
        ("DELETE", "/requests") => {
            simulator.forget_requests();
            done()
        }
        ("GET", "/people") => {
            let people = simulator.people().into_iter().map(|person| {
                json!({"index": person.index, "name": person.name, "userId": person.user_id, "timezone": person.zone})
            });
            Response::json(200, &people.collect())
        }
        ("POST", "/changes") => {
            with_body::<Changed>(request, |changed| simulator.change(changed.person, changed.change))
        }
        ("POST", "/revoke") => with_body::<Revoked>(request, |revoked| {
            simulator.revoke(revoked.person);
            Ok(())
        }),
        _ => Response::json(
            404,
            &json!({"error": "there is no such lever", "levers": [
                "POST /control/faults", "DELETE /control/faults", "GET /control/requests", "DELETE /control/requests",
                "GET /control/people", "POST /control/changes", "POST /control/revoke",
            ]}),
        ),
    }
}

/// What is said to whoever looks in at an address that no simulated cloud serves.
pub(super) fn welcome(simulator: &Simulator, request: &Request) -> Response {
    if request.path != "/" {
        return Response::text(
            404,
            "Not found. The simulated Fitbit Web API is under /fitbit, the Google Health API under /google-health, Fitbit \
             Plus under /fitbit-plus/pub.\n",
        );
    }
    let mut text = String::from(
        "A simulated cloud for fitbit2mqtt. The Fitbit Web API is under /fitbit, the Google Health API under \
         /google-health, Fitbit Plus under /fitbit-plus/pub.\n\nPeople:\n",
    );
    for person in simulator.people() {
        text += &format!("  {} ({}, {})\n", person.name, person.user_id, person.zone);
    }
    Response::text(200, text)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    person: usize,
    change: Change,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoked {
    person: usize,
}

fn with_body<T: DeserializeOwned>(request: &Request, act: impl FnOnce(T) -> anyhow::Result<()>) -> Response {
    let acted = serde_json::from_slice(&request.body).map_err(anyhow::Error::from).and_then(act);
    match acted {
        Ok(()) => done(),
        Err(error) => Response::json(400, &json!({"error": format!("{error:#}")})),
    }
}

fn done() -> Response {
    Response::new(204, "application/json", "")
}
