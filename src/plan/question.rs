//! What is asked of an endpoint, in the upstream's words: path, query and body, for days and what keywords name within
//! them. Pure.

use chrono::{NaiveDate, TimeDelta};
use serde_json::Value as Json;

use super::days::Chunk;
use super::keywords::{Keywords, parse_date, parse_detail, times};
use super::{BadRequest, Known, is_sampled};
use crate::reading::Resolution;
use crate::upstream::endpoint::{Endpoint, Span, Verb};

/// What is asked, in the upstream's words.
pub(super) struct Question {
    /// Path and query.
    pub path: String,
    /// The body, where it is a POST.
    pub body: Option<Json>,
    /// The level of detail, where there is a choice.
    pub detail: Option<Resolution>,
}

/// The words for these days of an endpoint, at the level of detail and for the hours that keywords name.
pub(super) fn question(
    endpoint: &Endpoint,
    (start, end): Chunk,
    keywords: &Keywords,
    known: &Known,
) -> Result<Question, BadRequest> {
    let wanted = keywords.get("detail_level").map(|text| parse_detail(text)).transpose()?;
    let detail = endpoint.detail(wanted.unwrap_or(known.intraday.detail));
    let times = if is_sampled(endpoint) { times(keywords)? } else { None };
    let path = endpoint.detailed(&path(endpoint, start, end, keywords, known)?, detail, times);
    let path = Endpoint::addressed(&path, known.user_id.as_deref(), known.now);
    let body = match (endpoint.verb, detail) {
        (Verb::RollUp, Some(detail)) => Some(endpoint.windows((start, end), detail, times, known.zone)),
        _ => endpoint.body(start, end),
    };
    Ok(Question { path, body, detail })
}

/// The days that a list bounded by `after_date` or `before_date` is about.
pub(super) fn listed(
    endpoint: &Endpoint,
    keywords: &Keywords,
    known: &Known,
) -> Result<Option<(NaiveDate, NaiveDate)>, BadRequest> {
    let date = |name: &str| keywords.get(name).map(|text| parse_date(name, text, known.today)).transpose();
    Ok(match (endpoint.span, date("after_date")?, date("before_date")?) {
        (Span::List(_), Some(after), _) => Some((after, known.today)),
        (Span::List(_), None, Some(before)) => Some((NaiveDate::MIN, before)),
        _ => None,
    })
}

/// The request's path and query, with its dates and with what keywords say of a list.
fn path(
    endpoint: &Endpoint,
    start: NaiveDate,
    end: NaiveDate,
    keywords: &Keywords,
    known: &Known,
) -> Result<String, BadRequest> {
    let Span::List(limit) = endpoint.span else { return Ok(endpoint.dated(start, end)) };
    let keyword = |name: &str| keywords.get(name).map(String::as_str);
    let limit = keyword("limit").map_or(limit.to_string(), str::to_owned);
    let offset = keyword("offset").unwrap_or("0");
    // The service takes exactly one of the two, each with its own order.
    let (bound, order) = match (keyword("after_date"), keyword("before_date")) {
        (Some(_), Some(_)) => {
            return Err(BadRequest("after_date and before_date exclude each other: give one of them".into()));
        }
        (None, Some(before)) => (format!("beforeDate={}", parse_date("before_date", before, known.today)?), "desc"),
        (Some(after), None) => (format!("afterDate={}", parse_date("after_date", after, known.today)?), "asc"),
        (None, None) => (format!("afterDate={}", start - TimeDelta::days(1)), "asc"),
    };
    if keyword("sort").is_some_and(|sort| sort != order) {
        return Err(BadRequest(format!("sort: only {order} is allowed together with {bound}")));
    }
    Ok(format!("{}?{bound}&sort={order}&offset={offset}&limit={limit}", endpoint.dated(start, end)))
}
