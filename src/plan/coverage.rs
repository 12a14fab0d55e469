//! What was asked before, by endpoint and day, and what follows from it: which days are closed, and which final.
//! Pure: the times come from the store, the zone from the person.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::upstream::Upstream;
use crate::upstream::endpoint::{Endpoint, Span};

/// When each endpoint was last asked about each day, successfully.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    lines: HashMap<String, Line>,
}

/// A question about one day: when it was put, and the person's civil date then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// When.
    pub asked: DateTime<Utc>,
    /// The civil date.
    pub on: NaiveDate,
}

/// One endpoint's days in a row, so that a year of them is looked up without searching.
#[derive(Debug, Clone)]
struct Line {
    first: NaiveDate,
    days: Vec<Option<Seen>>,
}

impl Coverage {
    /// Rows of endpoint, day and time of asking, in any order; `zone` is the person's.
    pub fn new(rows: impl IntoIterator<Item = (String, NaiveDate, DateTime<Utc>)>, zone: Tz) -> Coverage {
        let mut by_endpoint: HashMap<String, Vec<(NaiveDate, Seen)>> = HashMap::new();
        // Many days are asked for at once, and a civil date costs more than a comparison.
        let mut last: Option<Seen> = None;
        for (endpoint, day, asked) in rows {
            let seen = match last {
                Some(seen) if seen.asked == asked => seen,
                _ => Seen { asked, on: asked.with_timezone(&zone).date_naive() },
            };
            last = Some(seen);
            by_endpoint.entry(endpoint).or_default().push((day, seen));
        }
        let lines = by_endpoint.into_iter().filter_map(|(endpoint, days)| Some((endpoint, Line::new(&days)?)));
        Coverage { lines: lines.collect() }
    }

    /// When `endpoint`, or other rows that tell all of the same, were last asked about this day.
    pub fn seen(&self, upstream: &Upstream, endpoint: &Endpoint, day: NaiveDate) -> Option<Seen> {
        Days::of(self, upstream, endpoint).seen(day)
    }
}

impl Line {
    fn new(days: &[(NaiveDate, Seen)]) -> Option<Line> {
        let first = days.iter().map(|(day, _)| *day).min()?;
        let last = days.iter().map(|(day, _)| *day).max()?;
        let mut line = Line { first, days: vec![None; usize::try_from((last - first).num_days()).ok()? + 1] };
        for (day, seen) in days {
            if let Some(place) = line.place(*day) {
                line.days[place] = line.days[place].max(Some(*seen));
            }
        }
        Some(line)
    }

    fn place(&self, day: NaiveDate) -> Option<usize> {
        usize::try_from((day - self.first).num_days()).ok().filter(|place| *place < self.days.len())
    }

    fn seen(&self, day: NaiveDate) -> Option<Seen> {
        self.place(day).and_then(|place| self.days[place])
    }
}

/// The coverage of one endpoint, together with that of its alternatives: the daily summary and the series of the same
/// metrics stand for one another.
pub(super) struct Days<'a> {
    own: Option<&'a Line>,
    /// Those of which any one tells everything that this endpoint does.
    wider: Vec<&'a Line>,
    /// Those that together tell everything that this endpoint does.
    parts: Vec<Option<&'a Line>>,
}

impl<'a> Days<'a> {
    pub fn of(coverage: &'a Coverage, upstream: &Upstream, endpoint: &Endpoint) -> Days<'a> {
        let line = |endpoint: &Endpoint| coverage.lines.get(endpoint.name);
        let mut days = Days { own: line(endpoint), wider: Vec::new(), parts: Vec::new() };
        let others =
            || upstream.endpoints.iter().filter(|other| other.group.is_some() && other.group == endpoint.group);
        match endpoint.span {
            Span::Range(_) => {
                let daily = others().filter(|other| other.span == Span::Day && is_part(endpoint, other));
                days.wider = daily.filter_map(line).collect();
            }
            Span::Day => {
                let series = others().filter(|other| matches!(other.span, Span::Range(_)) && is_part(other, endpoint));
                days.parts = series.map(line).collect();
            }
            _ => {}
        }
        days
    }

    /// When this day was last asked about.
    pub fn seen(&self, day: NaiveDate) -> Option<Seen> {
        let own = self.own.and_then(|line| line.seen(day));
        let wider = self.wider.iter().filter_map(|line| line.seen(day)).max();
        let parts = || self.parts.iter().map(|line| line.and_then(|line| line.seen(day))).min().flatten();
        own.max(wider).max(if self.parts.is_empty() { None } else { parts() })
    }

    /// Whether it was asked about after it was over.
    pub fn is_closed(&self, day: NaiveDate) -> bool {
        self.seen(day).is_some_and(|seen| seen.on > day)
    }

    /// Whether it was asked about when nothing of it could change any more.
    pub fn is_final(&self, day: NaiveDate, settles: u16) -> bool {
        self.seen(day).is_some_and(|seen| seen.on >= day + TimeDelta::days(i64::from(settles)))
    }

    /// The newest closed day between these two, both included.
    pub fn newest_closed(&self, first: NaiveDate, last: NaiveDate) -> Option<NaiveDate> {
        last.iter_days().rev().take_while(|day| *day >= first).find(|day| self.is_closed(*day))
    }
}

/// Whether `whole` tells everything that `part` does.
pub(super) fn is_part(part: &Endpoint, whole: &Endpoint) -> bool {
    let gives = whole.gives();
    let wanted = part.gives();
    !wanted.is_empty() && wanted.iter().all(|key| gives.contains(key))
}
