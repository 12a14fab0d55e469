//! How the Google Health API says no: `google.rpc.Status` with a reason, and for wrong addresses a page for people.

use serde_json::{Value as Json, json};

use crate::web::server::Response;

/// A refusal.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Status and body.
    Envelope(u16, Json),
    /// No or a bad access token.
    Unauthenticated(Json),
    /// There is nothing at this address, or not with this verb.
    NoSuchAddress,
}

impl Refusal {
    pub(super) fn into_response(self) -> Response {
        match self {
            Refusal::Envelope(status, body) => Response::json(status, &body),
            Refusal::Unauthenticated(body) => Response::json(401, &body)
                .with("WWW-Authenticate", r#"Bearer realm="https://accounts.google.com/", error="invalid_token""#),
            Refusal::NoSuchAddress => Response::new(
                404,
                "text/html; charset=UTF-8",
                "<!DOCTYPE html>\n<html lang=en>\n<title>Error 404 (Not Found)!!1</title>\n<p><b>404.</b> \
                 <ins>That’s an error.</ins>\n<p>The requested URL was not found on this server. \
                 <ins>That’s all we know.</ins>\n",
            ),
        }
    }
}

/// An argument that cannot be, with the service's word for why and the field it is about.
pub(super) fn invalid(reason: &str, field: &str, message: &str) -> Refusal {
    with_details(message, reason, json!({}), field)
}

/// An argument for which no reason is documented.
pub(super) fn invalid_argument(field: &str, message: &str) -> Refusal {
    Refusal::Envelope(
        400,
        json!({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": [
            violation(field, message),
        ]}}),
    )
}

/// A filter that is not understood. `detail` is the end of its detailed reason.
pub(super) fn invalid_filter(detail: &str, message: &str) -> Refusal {
    let detail = match detail {
        "INVALID_TIME_RANGE" => detail.to_owned(),
        detail => format!("INVALID_DATA_POINT_FILTER_{detail}"),
    };
    with_details(message, "INVALID_DATA_POINT_FILTER", json!({"detailedReasons": detail}), "filter")
}

pub(super) fn unknown_parameter(name: &str) -> Refusal {
    let message = format!(
        "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter. Field '{name}' could \
         not be found in request message."
    );
    invalid_argument(name, &message)
}

pub(super) fn no_credentials() -> Refusal {
    let message = "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie \
                   or other valid authentication credential. See \
                   https://developers.google.com/identity/sign-in/web/devconsole-project.";
    let details = json!([reason("CREDENTIALS_MISSING", "googleapis.com", json!({}))]);
    let error = json!({"code": 401, "message": message, "status": "UNAUTHENTICATED", "details": details});
    Refusal::Unauthenticated(json!({"error": error}))
}

pub(super) fn bad_credentials() -> Refusal {
    let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or \
                   other valid authentication credential. See \
                   https://developers.google.com/identity/sign-in/web/devconsole-project.";
    let error = json!({"code": 401, "message": message, "status": "UNAUTHENTICATED"});
    Refusal::Unauthenticated(json!({"error": error}))
}

pub(super) fn not_granted() -> Refusal {
    let details = json!([reason(
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "googleapis.com",
        json!({"service": "health.googleapis.com"})
    )]);
    let message = "Request had insufficient authentication scopes.";
    let error = json!({"code": 403, "message": message, "status": "PERMISSION_DENIED", "details": details});
    Refusal::Envelope(403, json!({"error": error}))
}

pub(super) fn not_this_user() -> Refusal {
    let details = json!([reason("RESOURCE_PERMISSION_DENIED", "health.googleapis.com", json!({}))]);
    let message = "The caller does not have permission";
    let error = json!({"code": 403, "message": message, "status": "PERMISSION_DENIED", "details": details});
    Refusal::Envelope(403, json!({"error": error}))
}

pub(super) fn no_such_resource(name: &str) -> Refusal {
    let details = json!([reason("RESOURCE_NOT_FOUND", "health.googleapis.com", json!({}))]);
    let message = format!("Resource {name} was not found.");
    let error = json!({"code": 404, "message": message, "status": "NOT_FOUND", "details": details});
    Refusal::Envelope(404, json!({"error": error}))
}

/// Too many requests. The exact body is not on record; this is what Google's gateways send.
pub(super) fn exhausted(limit: &str) -> Refusal {
    let message =
        format!("Quota exceeded for quota metric 'Requests' and limit '{limit}' of service 'health.googleapis.com'.");
    let details = json!([reason("RATE_LIMIT_EXCEEDED", "googleapis.com", json!({"quota_limit": limit}))]);
    let error = json!({"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details});
    Refusal::Envelope(429, json!({"error": error}))
}

fn with_details(message: &str, why: &str, metadata: Json, field: &str) -> Refusal {
    let details = json!([reason(why, "health.googleapis.com", metadata), violation(field, message)]);
    let error = json!({"code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": details});
    Refusal::Envelope(400, json!({"error": error}))
}

fn reason(reason: &str, domain: &str, metadata: Json) -> Json {
    let kind = "type.googleapis.com/google.rpc.ErrorInfo";
    json!({"@type": kind, "reason": reason, "domain": domain, "metadata": metadata})
}

fn violation(field: &str, description: &str) -> Json {
    json!({
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{"field": field, "description": description}],
    })
}
