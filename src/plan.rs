//! Which requests a fetch needs: methods, keywords, granted scopes and dates → the fewest requests, as data.
//! Pure: no input, no output, no clock.

use std::collections::BTreeMap;

use chrono::{Months, NaiveDate, TimeDelta};
use serde_json::Value as Json;

use crate::metric::Group;
use crate::upstream::Upstream;
use crate::upstream::endpoint::{Endpoint, Method, Span};

/// The keywords a request can carry, in the order in which messages name them.
pub static KEYWORDS: &[&str] = &[
    "period",
    "base_date",
    "end_date",
    "date",
    "resource",
    "detail_level",
    "start_time",
    "end_time",
    "after_date",
    "before_date",
    "sort",
    "limit",
    "offset",
    "user_id",
];

static PERIODS: &[&str] = &["1d", "7d", "30d", "1w", "1m", "3m", "6m", "1y"];

/// The keywords every group takes.
static GROUP_KEYWORDS: &[&str] = &["base_date", "period", "end_date", "date", "user_id"];

/// What is wanted of one person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The methods named; empty: every group.
    pub methods: Vec<String>,
    /// Keywords and their values.
    pub keywords: Keywords,
}

/// Keywords and their values.
pub type Keywords = BTreeMap<String, String>;

/// What is known of the person when the plan is made.
#[derive(Debug, Clone)]
pub struct Known {
    /// The person's civil date now.
    pub today: NaiveDate,
    /// The scopes granted; `None`: the upstream did not say, so everything is tried.
    pub scopes: Option<Vec<String>>,
    /// Whether what changes rarely was last asked over a day ago.
    pub once_a_day: bool,
    /// The person's own identifier at the upstream, the only one beside `-` that `user_id` may be.
    pub user_id: Option<String>,
}

/// The requests to make.
#[derive(Debug, Default)]
pub struct Plan {
    /// Each request, in order.
    pub asks: Vec<Ask>,
    /// The methods that cannot be asked, and why.
    pub refused: Vec<(String, String)>,
    /// Every method of this fetch, with the endpoints that answer it.
    pub methods: Vec<Asked>,
    /// Whether more than one moment is asked for.
    pub series: bool,
}

/// A method of a plan.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The name it was asked by.
    pub name: String,
    /// The metrics it can give.
    pub gives: Vec<&'static str>,
    /// Whether its answers are shown as they are.
    pub data: bool,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What is asked.
    pub endpoint: &'static Endpoint,
    /// Path and query.
    pub path: String,
    /// The body, where it is a POST.
    pub body: Option<Json>,
    /// The first day asked for.
    pub start: NaiveDate,
    /// The last day asked for.
    pub end: NaiveDate,
    /// Whether the pages after the first are wanted, too: unless the request limits the number of entries.
    pub follow: bool,
    /// The methods it answers, by name.
    pub methods: Vec<String>,
}

/// A request that cannot be planned: what is wrong and what is allowed.
#[derive(Debug, PartialEq, Eq)]
pub struct BadRequest(pub String);

impl std::fmt::Display for BadRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadRequest {}

/// The fewest requests that answer `wanted`.
pub fn plan(upstream: &'static Upstream, wanted: &Wanted, known: &Known) -> Result<Plan, BadRequest> {
    for (name, value) in &wanted.keywords {
        check_keyword(name, value, known)?;
    }
    let mut plan = Plan::default();
    for name in names(upstream, wanted) {
        if let Some((_, why)) = upstream.lacks.iter().find(|(method, _)| *method == name) {
            plan.refuse(&name, (*why).to_owned());
            plan.methods.push(Asked { name, gives: Vec::new(), data: false });
            continue;
        }
        let found = Found::find(upstream, &name)?;
        // Keywords reach only the methods that take them.
        let mut keywords = wanted.keywords.clone();
        keywords.retain(|keyword, _| found.keywords.contains(&keyword.as_str()));
        let mut days = Days::read(&keywords, known)?;
        if found.data && days.range.is_none() {
            // The upstream's own fields are shown of one answer, as python-fitbit does: that of today.
            days.range = Some((known.today, known.today));
        }
        plan.series |= found.series || days.many() || days.past(known.today);
        let endpoints = found.endpoints(upstream, &keywords)?;
        let mut gives: Vec<_> = endpoints.iter().flat_map(|endpoint| endpoint.gives()).collect();
        gives.sort_unstable();
        gives.dedup();
        let mut wishes = Vec::new();
        for endpoint in endpoints {
            if !granted(endpoint, known) {
                plan.refuse(&name, format!("scope {} was not granted", endpoint.scope));
            } else if endpoint.span != Span::OnceADay || known.once_a_day || !wanted.methods.is_empty() {
                wishes.push(endpoint);
            }
        }
        for endpoint in cheapest(wishes, &days, known) {
            plan.add(endpoint, &name, &days, &keywords, known)?;
        }
        plan.methods.push(Asked { name, gives, data: found.data });
    }
    Ok(plan)
}

impl Plan {
    fn refuse(&mut self, method: &str, reason: String) {
        if !self.refused.iter().any(|(name, why)| name == method && *why == reason) {
            self.refused.push((method.to_owned(), reason));
        }
    }

    /// Adds the requests for one endpoint, unless another method asks the same.
    fn add(
        &mut self,
        endpoint: &'static Endpoint,
        method: &str,
        days: &Days,
        keywords: &Keywords,
        known: &Known,
    ) -> Result<(), BadRequest> {
        for (start, end) in days.chunks(endpoint, known.today) {
            let path = path(endpoint, start, end, keywords, known)?;
            let (start, end) = listed(endpoint, keywords, known)?.unwrap_or((start, end));
            let follow = !keywords.contains_key("limit");
            let body = endpoint.body(start, end);
            match self.asks.iter_mut().find(|ask| ask.path == path && ask.body == body) {
                Some(ask) => ask.methods.push(method.to_owned()),
                None => {
                    let methods = vec![method.to_owned()];
                    self.asks.push(Ask { endpoint, path, body, start, end, follow, methods });
                }
            }
        }
        Ok(())
    }
}

/// Whether a method of this name exists; the error names those that do.
pub fn check_method(upstream: &'static Upstream, name: &str) -> Result<(), BadRequest> {
    if upstream.lacks.iter().any(|(method, _)| *method == name) {
        return Ok(());
    }
    Found::find(upstream, name).map(|_| ())
}

fn names(upstream: &'static Upstream, wanted: &Wanted) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in &wanted.methods {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    if names.is_empty() {
        names.extend(groups(upstream).into_iter().map(|group| group.name().to_owned()));
    }
    names
}

/// The upstream's groups, in the order of its table.
fn groups(upstream: &'static Upstream) -> Vec<Group> {
    let mut groups = Vec::new();
    for group in upstream.endpoints.iter().filter_map(|endpoint| endpoint.group) {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

/// A method by its own name or a group's.
struct Found {
    method: Option<&'static Method>,
    group: Option<Group>,
    keywords: &'static [&'static str],
    data: bool,
    series: bool,
}

impl Found {
    fn find(upstream: &'static Upstream, name: &str) -> Result<Found, BadRequest> {
        if let Some(method) = upstream.methods.iter().find(|method| method.name == name) {
            let (data, series) = (method.data, method.series);
            return Ok(Found { method: Some(method), group: None, keywords: method.keywords, data, series });
        }
        if let Some(group) = groups(upstream).into_iter().find(|group| group.name() == name) {
            let keywords = GROUP_KEYWORDS;
            return Ok(Found { method: None, group: Some(group), keywords, data: false, series: false });
        }
        let groups = groups(upstream).into_iter().map(Group::name);
        let mut known: Vec<_> = groups.chain(upstream.methods.iter().map(|method| method.name)).collect();
        known.sort_unstable();
        Err(BadRequest(format!("methods: {name:?} is not a method that reads; allowed: {}", known.join(", "))))
    }

    fn endpoints(
        &self,
        upstream: &'static Upstream,
        keywords: &Keywords,
    ) -> Result<Vec<&'static Endpoint>, BadRequest> {
        match (self.method, self.group) {
            (Some(method), _) if method.endpoints.is_empty() => Ok(vec![resource(upstream, keywords)?]),
            (Some(method), _) => Ok(method.endpoints.iter().filter_map(|name| upstream.endpoint(name)).collect()),
            (None, group) => Ok(upstream.endpoints.iter().filter(|endpoint| endpoint.group == group).collect()),
        }
    }
}

/// The time series that `resource` names, as python-fitbit spells them.
fn resource(upstream: &'static Upstream, keywords: &Keywords) -> Result<&'static Endpoint, BadRequest> {
    let series = || upstream.endpoints.iter().filter(|endpoint| matches!(endpoint.span, Span::Range(_)));
    let named = keywords.get("resource").map(|name| name.trim_start_matches('/'));
    let here = |name: &str| upstream.resources.iter().find(|(other, _)| *other == name).map(|(_, here)| *here);
    named.and_then(|name| series().find(|endpoint| endpoint.name == here(name).unwrap_or(name))).ok_or_else(|| {
        let aliases = upstream.resources.iter().map(|(name, _)| *name);
        let allowed: Vec<_> = series().map(|endpoint| endpoint.name).chain(aliases).collect();
        let said = named.map_or("is missing".to_owned(), |name| format!("{name:?} is unknown"));
        BadRequest(format!("resource {said}; allowed: {}", allowed.join(", ")))
    })
}

fn granted(endpoint: &Endpoint, known: &Known) -> bool {
    known.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|scope| scope == endpoint.scope))
}

/// Endpoints that give the same metrics are alternatives: one that tells everything of a single day, or several that
/// tell one thing of many days. Whichever needs fewer requests stays.
fn cheapest(wishes: Vec<&'static Endpoint>, days: &Days, known: &Known) -> Vec<&'static Endpoint> {
    let cost = |endpoint: &Endpoint| days.chunks(endpoint, known.today).len();
    let mut dropped: Vec<&str> = Vec::new();
    for daily in wishes.iter().filter(|endpoint| endpoint.span == Span::Day) {
        let gives = daily.gives();
        let same = |other: &&&'static Endpoint| {
            matches!(other.span, Span::Range(_)) && other.gives().iter().all(|key| gives.contains(key))
        };
        let series: Vec<_> = wishes.iter().filter(same).collect();
        if series.is_empty() {
            continue;
        }
        if cost(daily) <= series.iter().map(|other| cost(other)).sum() {
            dropped.extend(series.iter().map(|other| other.name));
        } else {
            dropped.push(daily.name);
        }
    }
    wishes.into_iter().filter(|endpoint| !dropped.contains(&endpoint.name)).collect()
}

/// The days asked for; `None` where the request leaves them to each endpoint.
struct Days {
    range: Option<(NaiveDate, NaiveDate)>,
}

impl Days {
    fn read(keywords: &Keywords, known: &Known) -> Result<Days, BadRequest> {
        let date = |name: &str| keywords.get(name).map(|text| parse_date(name, text, known.today)).transpose();
        let (day, base, end, period) = (date("date")?, date("base_date")?, date("end_date")?, keywords.get("period"));
        if day.is_some() && base.is_some() {
            return Err(BadRequest("date and base_date exclude each other: give one of them".into()));
        }
        let range = match (day.or(base), end, period) {
            (_, Some(_), Some(_)) => {
                return Err(BadRequest("period and end_date exclude each other: give one of them".into()));
            }
            (start, Some(end), None) => Some((start.unwrap_or(known.today), end)),
            // A period counts back from its base date, both days included.
            (base, None, Some(period)) => {
                let end = base.unwrap_or(known.today);
                Some((first_day(period, end)?, end))
            }
            (Some(day), None, None) => Some((day, day)),
            // A list without a bound at its other end, where it is asked by days.
            (None, None, None) => match (date("after_date")?, date("before_date")?) {
                (Some(after), _) => Some((after.min(known.today), known.today)),
                (None, Some(before)) => {
                    let end = before.min(known.today);
                    Some((end - TimeDelta::days(30), end))
                }
                (None, None) => None,
            },
        };
        if let Some((start, end)) = range {
            if start > end {
                return Err(BadRequest(format!("the range is reversed: {start} comes after {end}")));
            }
            if end > known.today {
                return Err(BadRequest(format!("{end} has not come yet: today is {}", known.today)));
            }
            if (end - start).num_days() > 366 * 20 {
                return Err(BadRequest(format!("{start} to {end} is more than twenty years")));
            }
        }
        Ok(Days { range })
    }

    /// Whether more than one day is asked for.
    fn many(&self) -> bool {
        self.range.is_some_and(|(start, end)| end > start)
    }

    /// Whether a day is named that is over: its values are not the newest, and would not be seen otherwise.
    fn past(&self, today: NaiveDate) -> bool {
        self.range.is_some_and(|(_, end)| end < today)
    }

    /// The days of each request, newest first, in the largest pieces the endpoint allows.
    fn chunks(&self, endpoint: &Endpoint, today: NaiveDate) -> Vec<(NaiveDate, NaiveDate)> {
        let length = match endpoint.span {
            Span::Once | Span::OnceADay | Span::Newest(_) => return vec![(today, today)],
            Span::List(_) => i64::MAX,
            Span::Day => 1,
            Span::Range(days) => i64::from(days),
        };
        let recent = TimeDelta::days(i64::from(endpoint.recent) - 1);
        let (start, mut end) = self.range.unwrap_or((today - recent, today));
        let mut chunks = Vec::new();
        while end >= start {
            let first = if length > (end - start).num_days() { start } else { end - TimeDelta::days(length - 1) };
            chunks.push((first, end));
            end = first - TimeDelta::days(1);
        }
        chunks
    }
}

fn check_keyword(name: &str, value: &str, known: &Known) -> Result<(), BadRequest> {
    let one_of = |allowed: &[&str]| {
        if allowed.contains(&value) {
            return Ok(());
        }
        Err(BadRequest(format!("{name}: {value:?} is not allowed; allowed: {}", allowed.join(", "))))
    };
    match name {
        "period" => one_of(PERIODS),
        "sort" => one_of(&["asc", "desc"]),
        "limit" | "offset" => match value.parse::<u32>() {
            Ok(number) if number <= 100 && (name == "offset" || number > 0) && !value.starts_with('+') => Ok(()),
            _ => Err(BadRequest(format!("{name}: {value:?} is not a number up to 100"))),
        },
        "user_id" if value == "-" || known.user_id.as_deref() == Some(value) => Ok(()),
        "user_id" => Err(BadRequest(format!("user_id: {value:?} is not allowed; allowed: - or the person's own"))),
        "date" | "base_date" | "end_date" | "after_date" | "before_date" => {
            parse_date(name, value, known.today).map(|_| ())
        }
        _ if KEYWORDS.contains(&name) => Ok(()),
        _ => Err(BadRequest(format!("{name:?} is not a keyword; allowed: {}", KEYWORDS.join(", ")))),
    }
}

fn parse_date(name: &str, text: &str, today: NaiveDate) -> Result<NaiveDate, BadRequest> {
    if text == "today" {
        return Ok(today);
    }
    // chrono also reads signs, spaces and years of any length, which no upstream does.
    let plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-') && !text.starts_with('-');
    let parsed = if plain { text.parse().ok() } else { None };
    parsed.ok_or_else(|| BadRequest(format!("{name}: {text:?} is not a date; write it as 2026-11-19, or today")))
}

fn first_day(period: &str, end: NaiveDate) -> Result<NaiveDate, BadRequest> {
    let months = |count| end.checked_sub_months(Months::new(count)).map(|day| day + TimeDelta::days(1));
    match period {
        "1d" => Some(end),
        "7d" | "1w" => Some(end - TimeDelta::days(6)),
        "30d" => Some(end - TimeDelta::days(29)),
        "1m" => months(1),
        "3m" => months(3),
        "6m" => months(6),
        "1y" => months(12),
        _ => None,
    }
    .ok_or_else(|| BadRequest(format!("period: {period:?} is not allowed; allowed: {}", PERIODS.join(", "))))
}

/// The days that a list bounded by `after_date` or `before_date` is about.
fn listed(
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

/// The request's path and query, with its dates.
fn path(
    endpoint: &Endpoint,
    start: NaiveDate,
    end: NaiveDate,
    keywords: &Keywords,
    known: &Known,
) -> Result<String, BadRequest> {
    let path = endpoint.dated(start, end);
    match endpoint.span {
        Span::List(limit) => {
            let keyword = |name: &str| keywords.get(name).map(String::as_str);
            let limit = keyword("limit").map_or(limit.to_string(), str::to_owned);
            let offset = keyword("offset").unwrap_or("0");
            // The service takes exactly one of the two, each with its own order.
            let (bound, order) = match (keyword("after_date"), keyword("before_date")) {
                (Some(_), Some(_)) => {
                    return Err(BadRequest("after_date and before_date exclude each other: give one of them".into()));
                }
                (None, Some(before)) => {
                    (format!("beforeDate={}", parse_date("before_date", before, known.today)?), "desc")
                }
                (Some(after), None) => (format!("afterDate={}", parse_date("after_date", after, known.today)?), "asc"),
                (None, None) => (format!("afterDate={}", start - TimeDelta::days(1)), "asc"),
            };
            if keyword("sort").is_some_and(|sort| sort != order) {
                return Err(BadRequest(format!("sort: only {order} is allowed together with {bound}")));
            }
            Ok(format!("{path}?{bound}&sort={order}&offset={offset}&limit={limit}"))
        }
        _ => Ok(path),
    }
}
