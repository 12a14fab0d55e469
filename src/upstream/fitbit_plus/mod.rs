//! Fitbit Plus (Twine Health): what an organization's care programme knows of its patients, as a JSON:API. Its facts are
//! those of the vendor's own OpenAPI file (v7.78.1 of 2019); it knows no store and no sink.

pub mod client;
pub mod document;
pub mod endpoints;
pub mod paging;
pub mod request;

/// Its name in files, addresses and topics.
pub const PROVIDER: &str = "fitbit-plus";

/// Its name for people.
pub const TITLE: &str = "Fitbit Plus";

/// The media type of every request and answer (JSON:API 1.0). With another one on the token call, the vendor's file says,
/// the answer is 403.
pub const MEDIA_TYPE: &str = "application/vnd.api+json";
