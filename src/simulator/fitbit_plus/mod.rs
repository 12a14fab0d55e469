//! The simulated Fitbit Plus: one organization with its groups, coaches and patients, every GET operation, as strict as
//! the vendor's file describes them. What is written to it is refused.

mod clinic;
mod filter;
mod health;
mod oauth;
mod page;
mod people;
mod plan;
mod refusal;
mod resource;
mod reward;
mod route;

use serde_json::{Value as Json, json};

use super::Simulator;
use crate::web::server::{Request, Response};

pub use clinic::{Clinic, Programme};
use refusal::Refusal;

/// What stands before every path.
pub(super) const PREFIX: &str = "/fitbit-plus/pub";
/// The client id and secret of the organization's application.
pub const CREDENTIALS: (&str, &str) =
    ("0f6c2c6e-5d1b-4c57-9a4e-2f1d7f3a9b10", "simulated-8d0b6f52-3a1c-4a55-b8e1-6c1f0e2d4b77");

const MEDIA_TYPE: &str = "application/vnd.api+json";

/// Answers a request whose path, without the prefix, is `path`.
pub(super) fn answer(simulator: &Simulator, request: &Request, path: &str) -> Response {
    let clinic = &simulator.clinic;
    let req_id = clinic.request_id();
    let outcome = match (request.method.as_str(), path) {
        ("POST", "/oauth/token") => oauth::grant(clinic, request).map(|token| (201, token)),
        ("GET", _) => clinic
            .session(request.header("authorization"))
            .and_then(|token| route::answer(clinic, path, &request.parameters(), &token))
            .map(|document| (200, document)),
        _ => Err(Refusal::no_such_resource(path)),
    };
    let (status, mut document) = outcome.unwrap_or_else(Refusal::into_document);
    let mut meta = json!({"req_id": req_id});
    if let Some(count) = document["meta"]["count"].as_u64() {
        meta["count"] = count.into();
    }
    document["meta"] = meta;
    Response::new(status, MEDIA_TYPE, ordered(document).to_string())
}

/// `meta` first, as the vendor's examples have it.
fn ordered(document: Json) -> Json {
    let mut ordered = json!({"meta": document["meta"]});
    for (key, value) in document.as_object().into_iter().flatten().filter(|(key, _)| *key != "meta") {
        ordered[key] = value.clone();
    }
    ordered
}
