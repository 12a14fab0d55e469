//! How Fitbit Plus says no: JSON:API errors with the documented codes.

use serde_json::{Value as Json, json};

/// A refusal.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    code: &'static str,
    detail: String,
    parameter: Option<String>,
}

impl Refusal {
    /// A parameter that cannot be.
    pub(super) fn parameter(name: &str, detail: impl Into<String>) -> Refusal {
        Refusal { status: 409, code: "InvalidParameter", detail: detail.into(), parameter: Some(name.to_owned()) }
    }

    pub(super) fn body(detail: &str) -> Refusal {
        Refusal { status: 409, code: "InvalidBodyParameter", detail: detail.into(), parameter: None }
    }

    pub(super) fn grant_type(named: &str) -> Refusal {
        let detail = format!("Grant type {named:?} is not supported");
        Refusal { status: 409, code: "InvalidGrantType", detail, parameter: None }
    }

    pub(super) fn credentials() -> Refusal {
        let detail = "Client credentials or refresh token are invalid".into();
        Refusal { status: 401, code: "InvalidCredentials", detail, parameter: None }
    }

    pub(super) fn unauthorized() -> Refusal {
        let detail = "A valid bearer token is required".into();
        Refusal { status: 401, code: "Unauthorized", detail, parameter: None }
    }

    pub(super) fn forbidden(detail: &str) -> Refusal {
        Refusal { status: 403, code: "Forbidden", detail: detail.into(), parameter: None }
    }

    /// The status is not documented, only the code.
    pub(super) fn no_such_resource(path: &str) -> Refusal {
        Refusal {
            status: 404,
            code: "ResourceNotFound",
            detail: format!("There is no resource {path}"),
            parameter: None,
        }
    }

    pub(super) fn into_document(self) -> (u16, Json) {
        let mut error = json!({"code": self.code, "detail": self.detail, "status": self.status.to_string()});
        if let Some(parameter) = self.parameter {
            error["source"] = json!({"parameter": parameter});
        }
        (self.status, json!({"errors": [error]}))
    }
}
