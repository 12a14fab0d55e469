//! A list page by page: which page is next, what of it is new, and whether all came that the service counts. Pure.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::document::Document;
use super::request::{Paging, Request};
use crate::upstream::Failure;

/// The state of a list that is being read.
///
/// Only the identifiers of skip-based lists are kept: there, entries come twice or not at all where others are added
/// meanwhile. A cursor needs no memory.
#[derive(Debug)]
pub struct Pages {
    first: String,
    paging: Paging,
    next: Option<String>,
    /// Identifiers handed out so far, and those of the present reading.
    handed_out: HashSet<String>,
    present: HashSet<String>,
    /// Entries of the present reading.
    taken: u64,
    /// The number the service gave with the first page of this reading, and with the last.
    counts: Option<(u64, u64)>,
    again: bool,
}

impl Pages {
    /// At the first page.
    pub fn new(request: &Request) -> Pages {
        Pages {
            first: request.address(),
            paging: request.paging,
            next: Some(request.address()),
            handed_out: HashSet::new(),
            present: HashSet::new(),
            taken: 0,
            counts: None,
            again: false,
        }
    }

    /// What is to be asked next; `None` at the end.
    pub fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// How many entries there are, as far as is known.
    pub fn total(&self) -> Option<u64> {
        self.counts.map(|(_, last)| last)
    }

    /// Takes the page that was asked for, and gives of it what was not given before.
    ///
    /// # Errors
    /// The page leads nowhere else.
    pub fn take(&mut self, document: Document) -> Result<Vec<Json>, Failure> {
        let asked = self.next.take();
        if document.next.is_some() && document.next == asked {
            return Err(Failure::Malformed("a page of Fitbit Plus names itself as the next one".into()));
        }
        if let Some(count) = document.count {
            self.counts = Some((self.counts.map_or(count, |(first, _)| first), count));
        }
        let came = document.rows.len();
        let rows = match self.paging {
            Paging::Cursor => {
                self.taken += came as u64;
                document.rows
            }
            Paging::Skip => {
                let mut rows = document.rows;
                rows.retain(|row| self.is_new(row));
                rows
            }
        };
        // An empty page is the end, wherever it leads.
        self.next = document.next.filter(|_| came > 0);
        if self.next.is_none() && self.paging == Paging::Skip && !self.again && self.difference().is_some() {
            self.read_again();
        }
        Ok(rows)
    }

    /// Whether everything came, once there is no next page: how many entries.
    ///
    /// # Errors
    /// The number differs from what the service counts.
    pub fn end(&self) -> Result<u64, Failure> {
        match self.difference() {
            None => Ok(self.taken),
            Some(counted) => Err(Failure::Malformed(format!(
                "Fitbit Plus counts {counted} entries, but {} came{}: the list is not complete, or changed while it was \
                 read; read it again",
                self.taken,
                if self.again { ", also when it was read a second time" } else { "" },
            ))),
        }
    }

    fn is_new(&mut self, row: &Json) -> bool {
        let Some(id) = row["id"].as_str() else {
            self.taken += 1;
            return true;
        };
        if self.present.insert(id.to_owned()) {
            self.taken += 1;
        }
        self.handed_out.insert(id.to_owned())
    }

    /// The number of the service, where that of what came cannot be right. Where a cursor is followed while entries come
    /// and go, it may be any between the first and the last.
    fn difference(&self) -> Option<u64> {
        let (first, last) = self.counts?;
        let fits = match self.paging {
            Paging::Cursor => (first.min(last)..=first.max(last)).contains(&self.taken),
            Paging::Skip => self.taken == last,
        };
        (!fits).then_some(last)
    }

    fn read_again(&mut self) {
        self.again = true;
        self.next = Some(self.first.clone());
        self.present.clear();
        self.taken = 0;
        self.counts = None;
    }
}
