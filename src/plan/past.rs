//! The requests that complete what is known of the past, in the order in which people want to see it: newest first;
//! of one stretch of time sleep, then what has to be asked in short ranges, then the long ones. Pure.

use std::cmp::Reverse;

use chrono::{NaiveDate, TimeDelta};

use super::days::{Chunk, past as chunks};
use super::keywords::parse_date;
use super::question::{Question, question};
use super::{Ask, BadRequest, Keywords, Known, cheapest, granted, kept};
use crate::metric::Group;
use crate::upstream::Upstream;
use crate::upstream::endpoint::{Endpoint, Span};

/// What somebody wants of the past, as they wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// The first day; `None`: as far back as is usual.
    pub from: Option<String>,
    /// The last day; `None`: today.
    pub to: Option<String>,
    /// Only what tells of these metrics, by key; empty: everything.
    pub metrics: Vec<String>,
}

impl Past {
    /// The days that are meant, and whether all of it can be. `since`: the day from which the account exists; `usual`:
    /// how many days it is where no first one is named.
    pub fn days(
        &self,
        upstream: &Upstream,
        today: NaiveDate,
        since: Option<NaiveDate>,
        usual: u16,
    ) -> Result<Chunk, BadRequest> {
        let last = self.to.as_deref().map_or(Ok(today), |to| parse_date("to", to, today))?;
        let first = match self.from.as_deref() {
            Some(from) => parse_date("from", from, today)?,
            None => {
                let usual = last - TimeDelta::days(i64::from(usual));
                since.map_or(usual, |since| usual.max(since))
            }
        };
        let wrong = |why: String| Err(BadRequest(why));
        if last > today {
            return wrong(format!("to: {last} has not come yet: today is {today}"));
        }
        if first > last {
            return wrong(format!("the range is reversed: {first} comes after {last}"));
        }
        if let Some(since) = since.filter(|since| first < *since) {
            return wrong(format!("from: {first} was before the account existed, which is since {since}"));
        }
        if (last - first).num_days() > 366 * 20 {
            return wrong(format!("{first} to {last} is more than twenty years"));
        }
        let mut told: Vec<&str> = upstream.endpoints.iter().flat_map(Endpoint::gives).collect();
        told.sort_unstable();
        told.dedup();
        match self.metrics.iter().find(|key| !told.contains(&key.as_str())) {
            Some(key) => {
                let title = upstream.title;
                wrong(format!("metrics: {key:?} is nothing that {title} tells; allowed: {}", told.join(", ")))
            }
            None => Ok((first, last)),
        }
    }
}

/// What is newest first is counted in stretches of so many days.
const STRETCH: i64 = 30;

/// The requests for the days from `first` to `last` that are over and not final, nothing twice. `metrics`: only what
/// can tell these; empty: everything. What was covered meanwhile is not planned again, so that making the plan anew
/// after each answer leads to its end.
pub fn past(upstream: &'static Upstream, (first, last): Chunk, metrics: &[String], known: &Known) -> Vec<Ask> {
    let chosen = |endpoint: &&Endpoint| {
        metrics.is_empty() || endpoint.gives().iter().any(|key| metrics.iter().any(|metric| metric == key))
    };
    let rows = upstream.endpoints.iter().filter(|endpoint| endpoint.group.is_some() && granted(endpoint, known));
    let rows = rows.filter(|endpoint| kept(endpoint, known));
    let wishes = rows.filter(chosen).map(|endpoint| (endpoint, chunks(upstream, endpoint, (first, last), known)));
    let mut asks: Vec<Ask> =
        cheapest(wishes.collect()).into_iter().flat_map(|(endpoint, days)| asks(endpoint, days, known)).collect();
    asks.sort_by_key(|ask| {
        let stretch = (last - ask.end).num_days() / STRETCH;
        (stretch, ask.endpoint.group != Some(Group::Sleep), longest(ask.endpoint), Reverse(ask.end))
    });
    asks
}

fn asks(endpoint: &'static Endpoint, days: Vec<Chunk>, known: &Known) -> impl Iterator<Item = Ask> {
    days.into_iter().filter_map(move |(start, end)| {
        let Question { path, body, detail } = question(endpoint, (start, end), &Keywords::new(), known).ok()?;
        Some(Ask { endpoint, path, body, start, end, detail, follow: true, whole: true, methods: Vec::new() })
    })
}

fn longest(endpoint: &Endpoint) -> u16 {
    match endpoint.span {
        Span::Range(days) | Span::Intraday(days) => days,
        Span::List(_) => u16::MAX,
        _ => 1,
    }
}
