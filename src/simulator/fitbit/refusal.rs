//! How the service says no: the classic shape, and Google's style of the newer families.

use serde_json::{Value as Json, json};

use crate::web::server::Response;

const MORE: &str =
    "Visit https://dev.fitbit.com/docs/oauth2 for more information on the Fitbit Web API authorization process.";

/// A refusal: status and body.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    body: Json,
}

impl Refusal {
    pub(super) fn into_response(self) -> Response {
        Response::json(self.status, &self.body)
    }
}

/// In which style a family of endpoints refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Classic,
    Google,
}

impl Style {
    /// The newer back ends answer in Google's style.
    pub(super) fn of(path: &str) -> Style {
        let family = path.split('/').nth(4).unwrap_or_default();
        if matches!(family, "br" | "spo2" | "temp" | "cardioscore" | "hrv") { Style::Google } else { Style::Classic }
    }

    pub(super) fn not_granted(self, scope: &str) -> Refusal {
        match self {
            Style::Google => google(403, "The caller does not have permission", "PERMISSION_DENIED"),
            Style::Classic => classic(
                403,
                "insufficient_scope",
                &format!("This application does not have permission to access {scope} data. {MORE}"),
            ),
        }
    }

    /// A parameter or part of the path that cannot be.
    pub(super) fn invalid(self, field: &str, message: &str) -> Refusal {
        match self {
            Style::Google => google(400, message, "INVALID_ARGUMENT"),
            Style::Classic => with_field(400, "validation", field, message),
        }
    }
}

/// More than the service gives at once.
pub(super) fn too_many_points() -> Refusal {
    with_field(422, "validation", "Request", "The number of data points queried exceeds limit.")
}

pub(super) fn not_found() -> Refusal {
    classic(404, "not_found", "The API you are requesting could not be found.")
}

pub(super) fn not_this_user() -> Refusal {
    classic(403, "insufficient_permissions", "API client is not authorized by Fitbit to access the resource requested.")
}

pub(super) fn read_only() -> Refusal {
    classic(403, "insufficient_permissions", "Read-only API client is not authorized to update resources.")
}

pub(super) fn no_authorization() -> Refusal {
    classic(401, "invalid_request", &format!("Authorization header required. {MORE}"))
}

pub(super) fn expired_token(token: &str) -> Refusal {
    classic(401, "expired_token", &format!("Access token expired: {token} {MORE}"))
}

pub(super) fn invalid_token(token: &str) -> Refusal {
    classic(401, "invalid_token", &format!("Access token invalid: {token} {MORE}"))
}

pub(super) fn invalid_client(message: &str) -> Refusal {
    classic(401, "invalid_client", &format!("{message} {MORE}"))
}

pub(super) fn invalid_grant(message: &str) -> Refusal {
    classic(400, "invalid_grant", &format!("{message} {MORE}"))
}

pub(super) fn invalid_request(message: &str) -> Refusal {
    classic(400, "invalid_request", &format!("{message} {MORE}"))
}

pub(super) fn unsupported_grant_type() -> Refusal {
    classic(400, "unsupported_grant_type", &format!("The authorization grant type is not supported. {MORE}"))
}

/// A POST without `Content-Length`.
pub(super) fn length_required() -> Refusal {
    Refusal { status: 411, body: json!({"errors": [], "success": false}) }
}

fn classic(status: u16, kind: &str, message: &str) -> Refusal {
    Refusal { status, body: json!({"errors": [{"errorType": kind, "message": message}], "success": false}) }
}

fn with_field(status: u16, kind: &str, field: &str, message: &str) -> Refusal {
    let error = json!({"errorType": kind, "fieldName": field, "message": message});
    Refusal { status, body: json!({"errors": [error], "success": false}) }
}

fn google(status: u16, message: &str, kind: &str) -> Refusal {
    Refusal { status, body: json!({"error": {"code": status, "message": message, "status": kind}}) }
}
