//! JSON:API documents: one resource or a collection, what is sent along, links and counts, and refusals in words. Pure.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value as Json;

use crate::upstream::Failure;
use crate::upstream::client::redact;
use secrecy::SecretString;

/// A document that was answered.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// Its resources. What was sent along stands in place of the identifiers in `relationships`.
    pub rows: Vec<Json>,
    /// Where the next page is, as the answer says it.
    pub next: Option<String>,
    /// How many resources the whole collection has.
    pub count: Option<u64>,
}

impl Document {
    /// Reads a document. An object counts as a list of one: the vendor's file declares lists for single resources, too.
    ///
    /// # Errors
    /// It is no JSON:API document.
    pub fn read(mut body: Json) -> Result<Document, Failure> {
        let included = body.get_mut("included").map(Json::take);
        let mut rows = match body.get_mut("data").map(Json::take) {
            Some(Json::Array(rows)) => rows,
            Some(Json::Null) => Vec::new(),
            Some(row @ Json::Object(_)) => vec![row],
            _ => return Err(Failure::Malformed("the answer is no JSON:API document: it has no data".into())),
        };
        if let Some(Json::Array(included)) = included {
            resolve(&mut rows, included);
        }
        let link = &body["links"]["next"];
        let next = link.as_str().or_else(|| link["href"].as_str()).map(str::to_owned);
        Ok(Document { rows, next, count: body["meta"]["count"].as_u64() })
    }
}

/// A document whose data is a list, also where it is one resource or none.
pub fn listed(mut body: Json) -> Json {
    if let Some(data) = body.get_mut("data").filter(|data| !data.is_array()) {
        *data = match data.take() {
            Json::Null => Json::Array(Vec::new()),
            one => Json::Array(vec![one]),
        };
    }
    body
}

/// Puts what was sent along where it is related, one step deep.
fn resolve(rows: &mut [Json], included: Vec<Json>) {
    let name = |resource: &Json| Some((resource["type"].as_str()?.to_owned(), resource["id"].as_str()?.to_owned()));
    let known: HashMap<_, _> = included.iter().filter_map(|resource| Some((name(resource)?, resource))).collect();
    let put = |at: &mut Json| {
        if let Some(whole) = name(at).and_then(|name| known.get(&name)) {
            *at = (*whole).clone();
        }
    };
    for row in rows {
        let relationships = row.get_mut("relationships").and_then(Json::as_object_mut);
        for (_, relationship) in relationships.into_iter().flatten() {
            match relationship.get_mut("data") {
                Some(Json::Array(list)) => list.iter_mut().for_each(put),
                Some(one) => put(one),
                None => {}
            }
        }
    }
}

/// Why something was refused: the case, and the words for people.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The case.
    pub failure: Failure,
    /// What happened, with the request's identifier for the vendor's support; no secrets.
    pub words: String,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Refused {
        Refused { words: failure.to_string(), failure, status: None }
    }
}

/// The documented codes, in words.
#[rustfmt::skip]
static CODES: &[(&str, &str)] = &[
    ("Forbidden",            "Fitbit Plus does not let these credentials read this"),
    ("InvalidParameter",     "Fitbit Plus does not understand a parameter"),
    ("InvalidBodyParameter", "Fitbit Plus does not understand what was sent"),
    ("ResourceNotFound",     "Fitbit Plus has no such resource"),
    ("Unauthorized",         "Fitbit Plus refuses the access token"),
    ("InvalidCredentials",   "Fitbit Plus refuses the client id or secret"),
    ("InvalidGrantType",     "Fitbit Plus refuses this way of getting a token"),
];

/// A refusal read from its status and body; `pause` is what `Retry-After` said.
pub fn refused(
    status: u16,
    body: &[u8],
    pause: Option<TimeDelta>,
    now: DateTime<Utc>,
    secret: &SecretString,
) -> Refused {
    let json: Json = serde_json::from_slice(body).unwrap_or_default();
    // The vendor's schema says one object, its example a list.
    let error = json["errors"].get(0).unwrap_or(&json["errors"]);
    let text = |at: &Json| at.as_str().unwrap_or_default().to_owned();
    let code = text(&error["code"]);
    let detail = match (text(&error["detail"]), text(&error["title"])) {
        (detail, title) if detail.is_empty() => title,
        (detail, _) => detail,
    };
    let meaning = CODES.iter().find(|(known, _)| *known == code).map(|(_, words)| *words);
    let meaning = meaning.unwrap_or(match status {
        429 => "Fitbit Plus is asked too often",
        500.. => "Fitbit Plus failed",
        _ => "Fitbit Plus refuses the request",
    });
    let place = [&error["source"]["parameter"], &error["source"]["pointer"]].into_iter().find_map(Json::as_str);
    let mut words = match (code.as_str(), place) {
        ("", None) => format!("{meaning} ({status})"),
        (code, None) => format!("{meaning} ({status} {code})"),
        (code, Some(place)) => format!("{meaning} ({status} {code}, {place})"),
    };
    if !detail.is_empty() {
        words = format!("{words}: {}", redact(&detail, secret));
    }
    if let Some(request) = json["meta"]["req_id"].as_str() {
        let request: String = request.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect();
        words = format!("{words}; their request id is {request}");
    }
    let failure = match (status, code.as_str()) {
        (_, "InvalidCredentials" | "InvalidGrantType") => Failure::Misconfigured(words.clone()),
        (401, _) => Failure::TokenExpired,
        (403, _) => Failure::NotGranted(words.clone()),
        (429, _) => Failure::QuotaSpent { until: now + pause.unwrap_or(TimeDelta::seconds(5)) },
        (410, _) => Failure::SwitchedOff(words.clone()),
        (400..=499, _) => Failure::Refused(words.clone()),
        _ => Failure::Unavailable(words.clone()),
    };
    Refused { failure, words, status: Some(status) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_a_list_of_one_and_what_is_sent_along_is_put_in_its_place() {
        let plan = json!({"type": "patient_plan_summary", "id": "1", "relationships": {
            "patient": {"data": {"type": "patient", "id": "2"}},
            "actions": {"data": [{"type": "action", "id": "3"}, {"type": "action", "id": "4"}]},
            "plan": {"links": {"related": "/patient/2"}},
        }});
        let patient = json!({"type": "patient", "id": "2", "attributes": {"gender": "female"}});
        let action = json!({"type": "action", "id": "4", "attributes": {"title": "Walk"}});
        let whole = json!({"data": plan, "included": [patient, action], "links": {"next": {"href": "/pub/x"}}});
        let document = Document::read(whole).unwrap();
        assert_eq!(document.rows.len(), 1);
        let relationships = &document.rows[0]["relationships"];
        assert_eq!(relationships["patient"]["data"]["attributes"]["gender"], "female");
        assert_eq!(relationships["actions"]["data"][0], json!({"type": "action", "id": "3"}));
        assert_eq!(relationships["actions"]["data"][1]["attributes"]["title"], "Walk");
        assert_eq!(document.next.as_deref(), Some("/pub/x"));
        assert_eq!(Document::read(json!({"data": null})).unwrap().rows.len(), 0);
        assert!(Document::read(json!({"meta": {}})).is_err() && Document::read(json!([])).is_err());
    }

    #[test]
    fn every_documented_code_has_its_words_and_keeps_the_request_id() {
        let secret = SecretString::from("c1b83534-0000-4000-8000-000000000000");
        let now = DateTime::UNIX_EPOCH;
        for (status, code) in [
            (403, "Forbidden"),
            (409, "InvalidParameter"),
            (409, "InvalidBodyParameter"),
            (404, "ResourceNotFound"),
            (401, "Unauthorized"),
            (401, "InvalidCredentials"),
            (409, "InvalidGrantType"),
        ] {
            let error = json!({"code": code, "status": status.to_string(), "source": {"parameter": "filter[patient]"},
                "detail": "not c1b83534-0000-4000-8000-000000000000"});
            // As the schema has it and as the example has it.
            for errors in [json!([error]), error] {
                let body = json!({"meta": {"req_id": "d07c8b12-e8b3-4f29-9d11-aa00bb11cc22"}, "errors": errors});
                let refused = refused(status, body.to_string().as_bytes(), None, now, &secret);
                let meaning = CODES.iter().find(|(known, _)| *known == code).unwrap().1;
                let words = format!(
                    "{meaning} ({status} {code}, filter[patient]): not …; their request id is \
                     d07c8b12-e8b3-4f29-9d11-aa00bb11cc22"
                );
                assert_eq!(refused.words, words);
            }
        }
        let bare = refused(502, b"<html>", None, now, &secret);
        assert_eq!(bare.words, "Fitbit Plus failed (502)");
        assert!(matches!(bare.failure, Failure::Unavailable(_)));
    }
}
