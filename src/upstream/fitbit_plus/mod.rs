//! Fitbit Plus (Twine Health): what an organization's care programme knows of its patients, as a JSON:API. Its facts are
//! those of the vendor's own OpenAPI file (v7.78.1 of 2019); it knows no store and no sink.

mod care;
pub mod client;
pub mod document;
pub mod endpoints;
pub mod paging;
mod patient;
pub mod request;
mod unit;

use super::{Dialect, Limits, Upstream};

/// Its name in files, addresses and topics.
pub const PROVIDER: &str = "fitbit-plus";

/// Its name for people.
pub const TITLE: &str = "Fitbit Plus";

/// The media type of every request and answer (JSON:API 1.0). With another one on the token call, the vendor's file says,
/// the answer is 403.
pub const MEDIA_TYPE: &str = "application/vnd.api+json";

/// A patient of an organization, as a person. The vendor documents no limits; a request a second for each patient is more
/// than is needed.
pub static FITBIT_PLUS: Upstream = Upstream {
    provider: PROVIDER,
    title: TITLE,
    note: Some(
        "For organizations (clinics, care programmes) with credentials for Fitbit Plus. Nobody logs in: each person is one of \
         the organization's patients, chosen below.",
    ),
    scopes: &[(patient::SCOPE, "results, health metrics, plan and calendar of the patient")],
    endpoints: patient::ENDPOINTS,
    methods: &[],
    resources: &[],
    lacks: &[],
    limits: Limits { requests: 60, window_seconds: 60, spacing_milliseconds: 0 },
    consent: None,
    dialect: Dialect::JsonApi,
    identity: None,
};
