//! Page tokens: where a question stands, and that nobody continues another one with it.

use chrono::{DateTime, NaiveDate, Utc};

use super::Ask;
use super::refusal::{Refusal, invalid_argument};
use crate::simulator::hold;
use crate::simulator::life::Known;

/// Where the next page begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor {
    /// When the first page was asked for: all pages show the record of that moment.
    pub(super) asked: DateTime<Utc>,
    /// The date that is being read.
    pub(super) date: Option<NaiveDate>,
    /// How much of it (or of everything) has been told.
    pub(super) skip: usize,
}

/// A token that was handed out.
pub(in crate::simulator) struct Handed {
    person: usize,
    question: String,
    cursor: Cursor,
}

impl Ask<'_> {
    /// Where a question stands. `question` is everything but the token.
    pub(super) fn cursor(&self, question: &str, token: Option<&str>) -> Result<Cursor, Refusal> {
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return Ok(Cursor { asked: self.known.now, date: None, skip: 0 });
        };
        let google = hold(&self.simulator.google);
        let handed = google.pages.get(token);
        let handed = handed.filter(|handed| handed.person == self.known.person.index && handed.question == question);
        handed.map(|handed| handed.cursor).ok_or_else(|| {
            let message = "Invalid page token: all other parameters must be those of the request it came from.";
            invalid_argument("page_token", message)
        })
    }

    /// A token for the next page.
    pub(super) fn next(&self, question: &str, cursor: &Cursor) -> String {
        let token = super::vault::random::<24>();
        let handed = Handed { person: self.known.person.index, question: question.to_owned(), cursor: *cursor };
        let mut google = hold(&self.simulator.google);
        // Nobody turns so many pages at once.
        if google.pages.len() > 20_000 {
            google.pages.clear();
        }
        google.pages.insert(token.clone(), handed);
        token
    }

    /// What was on record when the first page was asked for.
    pub(super) fn known_at(&self, cursor: &Cursor) -> Known {
        let person = self.known.person.index;
        self.simulator.life.known(person, cursor.asked).unwrap_or_else(|| self.known.clone())
    }
}
