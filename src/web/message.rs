//! A request and an answer, as handlers see them. Pure but for the file an answer may stand in.

use std::fs::File;
use std::sync::Arc;

/// A request, read completely.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path, undecoded, without the query.
    pub path: String,
    /// The query, undecoded, without the question mark.
    pub query: String,
    /// Header fields as sent, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, at most 64 KiB.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header field of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The decoded parameters of the query, in order.
    pub fn parameters(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// The decoded fields of a form body, in order.
    pub fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The body in its place, where it may be larger than memory: from where the file stands to its end.
    pub file: Option<Arc<File>>,
}

impl Response {
    /// An answer of this type and body.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
        let headers = vec![("Content-Type".into(), content_type.into())];
        Response { status, headers, body: body.into(), file: None }
    }

    /// A good answer whose body is in a file.
    pub fn file(content_type: &str, file: Arc<File>) -> Response {
        Response { file: Some(file), ..Response::new(200, content_type, []) }
    }

    /// A JSON answer.
    pub fn json(status: u16, value: &serde_json::Value) -> Response {
        Response::new(status, "application/json; charset=utf-8", value.to_string())
    }

    /// A plain-text answer.
    pub fn text(status: u16, text: impl Into<String>) -> Response {
        Response::new(status, "text/plain; charset=utf-8", text.into())
    }

    /// The same answer with one more header field.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Response {
        self.headers.push((name.into(), value.into()));
        self
    }
}
