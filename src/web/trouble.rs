//! What went wrong with a request, and its cure: JSON for a script, a page for a person in a browser. Each kind of
//! refusal becomes words and a status here, and nowhere else in this room.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::page::{self, Link, MessageView, SETUP_PATH};
use super::server::{Request, Response};
use crate::fetch::Refusal;
use crate::oauth::ConsentError;
use crate::plan::BadRequest;
use crate::reading::Person;
use crate::upstream::Failure;

/// An answer other than what was asked for.
#[derive(Debug)]
pub(super) struct Trouble {
    pub status: u16,
    pub error: String,
    pub cure: String,
    /// With whom; links lead to them.
    person: Option<Person>,
    /// When asking again makes sense.
    until: Option<DateTime<Utc>>,
}

impl Trouble {
    pub fn new(status: u16, error: impl Into<String>, cure: impl Into<String>) -> Trouble {
        Trouble { status, error: error.into(), cure: cure.into(), person: None, until: None }
    }

    /// The same, with this person.
    pub fn of(self, person: &Person) -> Trouble {
        Trouble { person: Some(person.clone()), ..self }
    }

    /// A consent that was pasted and did not come about: unlike at `auth2`, a denial is not what was asked for.
    pub fn pasted(error: ConsentError) -> Trouble {
        let trouble = Trouble::from(error);
        let status = if trouble.status == 200 { 409 } else { trouble.status };
        Trouble { status, ..trouble }
    }

    /// As JSON.
    pub fn json(&self, now: DateTime<Utc>) -> Response {
        self.timed(Response::json(self.status, &json!({"error": self.error, "cure": self.cure})), now)
    }

    /// As a page where the asker shows pages, else as JSON.
    pub fn answer(&self, request: &Request, now: DateTime<Utc>) -> Response {
        if shows_pages(request) { self.timed(self.page(), now) } else { self.json(now) }
    }

    fn page(&self) -> Response {
        let href = self.person.as_ref().map_or(SETUP_PATH.to_owned(), |user| format!("{SETUP_PATH}?user={user}"));
        // A name stays as it is written.
        let begins_with_a_name = self.person.as_ref().is_some_and(|user| self.error.starts_with(user.as_str()));
        let text = if begins_with_a_name { format!("{}.", self.error) } else { sentence(&self.error) };
        let view = MessageView {
            title: "That did not work".into(),
            good: false,
            text: vec![text],
            missing_scopes: Vec::new(),
            cure: Some(sentence(&self.cure)),
            links: vec![Link { href, title: "Setup page".into() }],
        };
        page::answer(self.status, page::message(&view))
    }

    fn timed(&self, response: Response, now: DateTime<Utc>) -> Response {
        match self.until {
            Some(until) => response.with("Retry-After", (until - now).num_seconds().max(1).to_string()),
            None => response,
        }
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Trouble {
        let (status, error, cure) = refusal.words();
        let (person, until) = match refusal {
            Refusal::Failed(person, Failure::QuotaSpent { until }) => (Some(person), Some(until)),
            Refusal::NoToken(person)
            | Refusal::Failed(person, _)
            | Refusal::Setting(person, _)
            | Refusal::Archived(person, _) => (Some(person), None),
            Refusal::UnknownPerson(_)
            | Refusal::Bad(_)
            | Refusal::Stopping
            | Refusal::Group(..)
            | Refusal::Internal(_) => (None, None),
        };
        Trouble { status, error, cure, person, until }
    }
}

impl From<BadRequest> for Trouble {
    fn from(bad: BadRequest) -> Trouble {
        Refusal::Bad(bad).into()
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Trouble {
        Refusal::Internal(error).into()
    }
}

impl From<ConsentError> for Trouble {
    fn from(error: ConsentError) -> Trouble {
        let status = match error {
            ConsentError::Missing(_) => 400,
            ConsentError::Foreign(_) => 403,
            // Nothing failed here: what was asked for is to be told how the consent ended.
            ConsentError::Denied(_) | ConsentError::Refused(..) => 200,
            ConsentError::Failed(..) => 502,
            ConsentError::Internal(_) => 500,
        };
        let trouble = Trouble::new(status, error.what(), error.cure());
        Trouble { person: error.person().cloned(), ..trouble }
    }
}

/// Whether the asker is a browser, or another program that shows pages to people.
pub(super) fn shows_pages(request: &Request) -> bool {
    request.header("accept").is_some_and(|types| types.contains("text/html"))
}

/// As a sentence of a page. What begins with a name and a colon keeps its small letter.
pub(super) fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let named = words.split(' ').next().is_some_and(|first| first.ends_with(':'));
    let text = match letters.next() {
        Some(letter) if !named => letter.to_uppercase().chain(letters).collect(),
        _ => words.to_owned(),
    };
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}
