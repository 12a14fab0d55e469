//! Which days of an endpoint are due, and the requests that cover them: as few as its longest range allows.
//! Pure.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::coverage::Days;
use super::{Known, Probe};
use crate::upstream::Upstream;
use crate::upstream::endpoint::{Endpoint, Measured, Span};

/// Nightly values appear late: a sync is asked after once more, so long after it.
const LATE: TimeDelta = TimeDelta::minutes(90);
/// What does not need a tracker is asked this often.
const ELSEWHERE: TimeDelta = TimeDelta::hours(1);
/// Two runs of an action may lie so much closer together than their interval says.
const UNEVEN: TimeDelta = TimeDelta::minutes(1);
/// A gap since the last answer is closed by a live fetch where it is not longer; older days are the backfill's.
const LONGEST_GAP: i64 = 30;

/// First and last day, both included.
pub(super) type Chunk = (NaiveDate, NaiveDate);

/// Whether there can be anything new to ask this endpoint for.
pub(super) fn is_due(upstream: &Upstream, endpoint: &Endpoint, known: &Known) -> bool {
    let seen = |endpoint: &Endpoint| known.coverage.seen(upstream, endpoint, known.today);
    let whole = || endpoint.completes.and_then(|name| upstream.endpoint(name));
    let Some(last) = seen(endpoint).max(whole().and_then(seen)) else { return true };
    let since = known.now - last.asked;
    match (endpoint.measured, known.probe) {
        (Measured::Account, _) | (Measured::Tracker, Probe::Unseen) => true,
        (Measured::Elsewhere, _) => since >= ELSEWHERE - UNEVEN,
        (Measured::Tracker, Probe::Synced(sync)) => {
            let late = sync + LATE;
            last.asked < sync || (last.asked < late && late <= known.now) || since >= known.full_fetch_every - UNEVEN
        }
    }
}

/// The chunks of a fetch for the days at hand, newest first: `range`, or what the endpoint looks at without one.
/// `always`: all of them; else what can have changed.
pub(super) fn chunks(
    upstream: &Upstream,
    endpoint: &Endpoint,
    range: Option<Chunk>,
    always: bool,
    known: &Known,
) -> Vec<Chunk> {
    let today = known.today;
    let length = match endpoint.span {
        Span::Once | Span::OnceADay | Span::Newest(_) => {
            return if always || is_due(upstream, endpoint, known) { vec![(today, today)] } else { Vec::new() };
        }
        Span::List(_) => i64::MAX,
        Span::Day => 1,
        Span::Range(days) | Span::Intraday(days) => i64::from(days),
    };
    if always {
        let (start, end) = range.unwrap_or((back(today, endpoint.recent), today));
        return fewest(start.iter_days().take_while(|day| *day <= end).collect(), length);
    }
    let days = Days::of(&known.coverage, upstream, endpoint);
    let due = is_due(upstream, endpoint, known);
    if !due && range.is_none() {
        return Vec::new();
    }
    // Days that are named are asked about, too, where that was never done.
    let open = open_before(endpoint, known);
    let (start, end) = range.unwrap_or_else(|| (start(endpoint, &days, length, known), today));
    let wanted = start.iter_days().take_while(|day| *day <= end);
    let wanted = wanted.filter(|day| match due {
        true => !days.is_final(*day, endpoint.settles),
        false => *day < open && !days.is_closed(*day),
    });
    fewest(wanted.collect(), length)
}

/// The chunks that complete what is known of days that are over, newest first.
pub(super) fn past(upstream: &Upstream, endpoint: &Endpoint, range: Chunk, known: &Known) -> Vec<Chunk> {
    let length = match endpoint.span {
        Span::Once | Span::OnceADay | Span::Newest(_) => return Vec::new(),
        Span::List(_) => i64::MAX,
        Span::Day => 1,
        Span::Range(days) | Span::Intraday(days) => i64::from(days),
    };
    let (days, open) = (Days::of(&known.coverage, upstream, endpoint), open_before(endpoint, known));
    let settled = back(known.today, endpoint.settles.max(1) + 1);
    let wanted = range.0.iter_days().take_while(|day| *day <= range.1 && *day < open);
    let wanted = wanted.filter(|day| match *day <= settled {
        true => !days.is_final(*day, endpoint.settles),
        // A live fetch looks at it again.
        false => !days.is_closed(*day),
    });
    fewest(wanted.collect(), length)
}

/// The day from which on nothing is complete yet: today, or that of the last sync, for what a tracker has not brought
/// cannot be asked for.
pub(super) fn open_before(endpoint: &Endpoint, known: &Known) -> NaiveDate {
    match (endpoint.measured, known.probe) {
        (Measured::Tracker, Probe::Synced(sync)) => known.date(sync).min(known.today),
        _ => known.today,
    }
}

/// Where a live fetch without dates begins: with the recent days, with those that may still change where they cost no
/// further request, and after a pause with the day on which it began.
fn start(endpoint: &Endpoint, days: &Days, length: i64, known: &Known) -> NaiveDate {
    let today = known.today;
    let free =
        if length > 1 { endpoint.recent.max(endpoint.settles.min(length.min(366) as u16)) } else { endpoint.recent };
    let usual = back(today, free);
    // A request for each day of it would leave nothing for anything else: that, too, is the backfill's.
    if endpoint.span == Span::Intraday(1) {
        return usual;
    }
    let gap = days.newest_closed(today - TimeDelta::days(LONGEST_GAP), today).map(|day| day + TimeDelta::days(1));
    gap.map_or(usual, |gap| gap.min(usual))
}

/// The first of so many days that end with this one.
fn back(today: NaiveDate, days: u16) -> NaiveDate {
    today - TimeDelta::days(i64::from(days.max(1)) - 1)
}

/// The fewest ranges of at most `length` days that hold all of `wanted`, which are in order of time; newest first.
fn fewest(wanted: Vec<NaiveDate>, length: i64) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for day in wanted.into_iter().rev() {
        match chunks.last_mut() {
            Some((first, end)) if (*end - day).num_days() < length => *first = day,
            _ => chunks.push((day, day)),
        }
    }
    chunks
}

impl Known {
    /// The person's civil date at a time.
    pub(super) fn date(&self, time: DateTime<Utc>) -> NaiveDate {
        time.with_timezone(&self.zone).date_naive()
    }
}
