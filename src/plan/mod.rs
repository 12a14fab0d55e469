//! Which requests a fetch needs: methods, keywords, granted scopes, dates and what was asked before → the fewest
//! requests, as data. Pure: no input, no output, no clock.

mod coverage; // what was asked before
mod days; // which days are due, in as few ranges as possible
mod keywords; // what a request may say beside its methods
mod past; // what completes the history
mod question; // what is asked, in the upstream's words

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::Value as Json;

pub use coverage::{Coverage, Seen};
pub use keywords::{DETAIL_LEVELS, KEYWORDS, Keywords, parse_detail};
pub use past::{Past, past};

use self::coverage::is_part;
use self::days::{Chunk, chunks, open_before};
use self::keywords::{Named, check, resource, times};
use self::question::{Question, listed, question};
use crate::metric::Group;
use crate::reading::{Moment, Resolution};
use crate::snapshot::Device;
use crate::upstream::Upstream;
use crate::upstream::decode::tracker;
use crate::upstream::endpoint::{At, Decode, Endpoint, Method, Span};

/// What is wanted of one person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The methods named; empty: every group.
    pub methods: Vec<String>,
    /// Keywords and their values.
    pub keywords: Keywords,
    /// Whether all of it is asked, also what cannot have changed.
    pub force: bool,
}

/// What is known of the person when the plan is made.
#[derive(Debug, Clone)]
pub struct Known {
    /// The time.
    pub now: DateTime<Utc>,
    /// The person's time zone.
    pub zone: Tz,
    /// The person's civil date now.
    pub today: NaiveDate,
    /// The scopes granted; `None`: the upstream did not say, so everything is tried.
    pub scopes: Option<Vec<String>>,
    /// Whether what changes rarely was last asked over a day ago.
    pub once_a_day: bool,
    /// The person's own identifier at the upstream, the only one beside `-` that `user_id` may be.
    pub user_id: Option<String>,
    /// What was asked before.
    pub coverage: Coverage,
    /// What the person's devices say.
    pub probe: Probe,
    /// Everything is asked again after so long, even where no device has synced.
    pub full_fetch_every: TimeDelta,
    /// Whether rows that complete others are asked, too.
    pub complete: bool,
    /// What is kept of each day.
    pub intraday: Intraday,
}

/// The samples that are kept of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intraday {
    /// Of which metrics, by key.
    pub metrics: Vec<String>,
    /// At what level of detail, or the next one that the upstream has of a metric.
    pub detail: Resolution,
}

/// What a look at the devices says of what trackers measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Nothing: there is no tracker, or it cannot be seen. What trackers measure may have changed at any time.
    Unseen,
    /// The tracker that synced last did so then.
    Synced(DateTime<Utc>),
}

impl Probe {
    /// What these devices say.
    pub fn of(devices: &[Device]) -> Probe {
        let times = tracker(devices).into_iter().filter_map(|reading| match reading.at {
            Moment::Time(time) => Some(time.to_utc()),
            Moment::Date(_) => None,
        });
        times.max().map_or(Probe::Unseen, Probe::Synced)
    }
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
    /// The days asked for, where they were named.
    pub range: Option<(NaiveDate, NaiveDate)>,
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
    /// The level of detail asked for, where there is a choice.
    pub detail: Option<Resolution>,
    /// Whether the pages after the first are wanted, too: unless the request limits the number of entries.
    pub follow: bool,
    /// Whether an answer tells everything that there is of its days.
    pub whole: bool,
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

/// The keywords every group takes.
static GROUP_KEYWORDS: &[&str] = &["base_date", "period", "end_date", "date", "user_id"];

/// The fewest requests that answer `wanted`.
pub fn plan(upstream: &'static Upstream, wanted: &Wanted, known: &Known) -> Result<Plan, BadRequest> {
    for (name, value) in &wanted.keywords {
        check(name, value, known)?;
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
        let mut days = Named::read(&keywords, known)?;
        if found.data && days.range.is_none() {
            // The upstream's own fields are shown of one answer, as python-fitbit does: that of today.
            days.range = Some((known.today, known.today));
        }
        plan.series |= found.series || days.many() || days.past(known.today);
        plan.range = plan.range.or(days.range);
        // What is shown as it came is not kept.
        let always = wanted.force || found.data;
        let mut endpoints = found.endpoints(upstream, &keywords)?;
        let intraday = endpoints.iter().all(|endpoint| is_sampled(endpoint));
        if intraday && days.range.is_none() {
            days.range = Some((known.today, known.today));
        }
        if days.many() && times(&keywords)?.is_some() {
            return Err(BadRequest("start_time and end_time need a single day: give one with date".into()));
        }
        if found.group.is_some() {
            // Samples come along where they are kept; a range of days is asked for the values of days.
            endpoints.retain(|endpoint| kept(endpoint, known) && (days.range.is_none() || !is_sampled(endpoint)));
        }
        let mut gives: Vec<_> = endpoints.iter().flat_map(|endpoint| endpoint.gives()).collect();
        gives.sort_unstable();
        gives.dedup();
        let mut wishes = Vec::new();
        for endpoint in endpoints {
            if !granted(endpoint, known) {
                plan.refuse(&name, format!("scope {} was not granted", endpoint.scope));
            } else if endpoint.span != Span::OnceADay || known.once_a_day || always {
                wishes.push(endpoint);
            }
        }
        let wishes = wishes.into_iter().map(|endpoint| {
            let due = chunks(upstream, endpoint, days.range, always, known);
            (endpoint, due)
        });
        for (endpoint, due) in cheapest(wishes.collect()) {
            plan.add(endpoint, &name, &due, &keywords, known)?;
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
        due: &[Chunk],
        keywords: &Keywords,
        known: &Known,
    ) -> Result<(), BadRequest> {
        for (start, end) in due.iter().copied() {
            let Question { path, body, detail } = question(endpoint, (start, end), keywords, known)?;
            let (start, end) = listed(endpoint, keywords, known)?.unwrap_or((start, end));
            let follow = !keywords.contains_key("limit");
            let whole = !["limit", "offset", "after_date", "before_date", "start_time", "end_time"]
                .iter()
                .any(|name| keywords.contains_key(*name));
            match self.asks.iter_mut().find(|ask| ask.path == path && ask.body == body) {
                Some(ask) => ask.methods.push(method.to_owned()),
                None => {
                    let methods = vec![method.to_owned()];
                    self.asks.push(Ask { endpoint, path, body, start, end, detail, follow, whole, methods });
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
    /// Whether samples at a level of detail are asked for.
    sampled: bool,
}

impl Found {
    fn find(upstream: &'static Upstream, name: &str) -> Result<Found, BadRequest> {
        if let Some(method) = upstream.methods.iter().find(|method| method.name == name) {
            let (data, series, keywords) = (method.data, method.series, method.keywords);
            let sampled = keywords.contains(&"detail_level");
            return Ok(Found { method: Some(method), group: None, keywords, data, series, sampled });
        }
        if let Some(group) = groups(upstream).into_iter().find(|group| group.name() == name) {
            let keywords = GROUP_KEYWORDS;
            return Ok(Found {
                method: None,
                group: Some(group),
                keywords,
                data: false,
                series: false,
                sampled: false,
            });
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
            (Some(method), _) if method.endpoints.is_empty() => Ok(vec![resource(upstream, keywords, self.sampled)?]),
            (Some(method), _) => Ok(method.endpoints.iter().filter_map(|name| upstream.endpoint(name)).collect()),
            (None, group) => Ok(upstream.endpoints.iter().filter(|endpoint| endpoint.group == group).collect()),
        }
    }
}

/// Whether the person granted what this endpoint needs.
pub fn granted(endpoint: &Endpoint, known: &Known) -> bool {
    known.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|scope| scope == endpoint.scope))
}

fn is_sampled(endpoint: &Endpoint) -> bool {
    matches!(endpoint.span, Span::Intraday(_))
}

/// Whether what it tells is kept: everything but samples that nobody wants, and what completes others unasked.
fn kept(endpoint: &Endpoint, known: &Known) -> bool {
    if endpoint.completes.is_some() && !known.complete {
        return false;
    }
    let gives = || endpoint.gives();
    !is_sampled(endpoint) || known.intraday.metrics.iter().any(|key| gives().contains(&key.as_str()))
}

/// An endpoint and the ranges to ask it for.
type Wish = (&'static Endpoint, Vec<Chunk>);

/// Endpoints that give the same metrics are alternatives: one that tells everything of a single day, or several that
/// tell one thing of many days. Whichever needs fewer requests stays.
fn cheapest(wishes: Vec<Wish>) -> Vec<Wish> {
    let mut dropped: Vec<&str> = Vec::new();
    for (daily, days) in wishes.iter().filter(|(endpoint, _)| endpoint.span == Span::Day) {
        let series: Vec<_> =
            wishes.iter().filter(|(other, _)| matches!(other.span, Span::Range(_)) && is_part(other, daily)).collect();
        if series.is_empty() {
            continue;
        }
        if days.len() <= series.iter().map(|(_, chunks)| chunks.len()).sum() {
            dropped.extend(series.iter().map(|(other, _)| other.name));
        } else {
            dropped.push(daily.name);
        }
    }
    wishes.into_iter().filter(|(endpoint, _)| !dropped.contains(&endpoint.name)).collect()
}

impl Ask {
    /// The days of which this request's answer, begun at `now`, tells all that there is: those that are over and that
    /// the tracker has brought, and today, of which more will come; not today where what is `unfinished` may come by itself.
    pub fn covers(&self, known: &Known, unfinished: bool) -> Vec<(NaiveDate, NaiveDate)> {
        if !self.whole || matches!(self.endpoint.decode, Decode::Entries { at: At::Carried(_), .. }) {
            return Vec::new();
        }
        if self.endpoint.settles == 0 && !unfinished {
            return vec![(self.start, self.end)];
        }
        let over = open_before(self.endpoint, known) - TimeDelta::days(1);
        let mut days = vec![(self.start, self.end.min(over))];
        if self.end >= known.today && !unfinished {
            days.push((known.today, known.today));
        }
        days.retain(|(first, last)| first <= last);
        days
    }
}
