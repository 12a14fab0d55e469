//! The requests that complete what is known of the past, in the order in which people want to see it: newest first;
//! of one stretch of time sleep, then what has to be asked in short ranges, then the long ones. Pure.

use std::cmp::Reverse;

use super::days::{Chunk, past as chunks};
use super::question::{Question, question};
use super::{Ask, Keywords, Known, cheapest, granted, kept};
use crate::metric::Group;
use crate::upstream::Upstream;
use crate::upstream::endpoint::{Endpoint, Span};

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
