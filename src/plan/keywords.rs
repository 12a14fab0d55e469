//! The keywords of a request: which there are, what each may say, and the days they name together.
//! Pure.

use std::collections::BTreeMap;

use chrono::{Months, NaiveDate, NaiveTime, TimeDelta};

use super::days::Chunk;
use super::{BadRequest, Known};
use crate::reading::Resolution;
use crate::upstream::Upstream;
use crate::upstream::endpoint::{Endpoint, Span, Times};

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

/// Keywords and their values.
pub type Keywords = BTreeMap<String, String>;

/// The levels of detail, as python-fitbit and the Fitbit Web API name them.
pub static DETAIL_LEVELS: &[&str] = &["1sec", "1min", "5min", "15min"];

static PERIODS: &[&str] = &["1d", "7d", "30d", "1w", "1m", "3m", "6m", "1y"];

/// The days that keywords name; `None` where the request leaves them to each endpoint.
pub(super) struct Named {
    pub range: Option<Chunk>,
}

impl Named {
    pub fn read(keywords: &Keywords, known: &Known) -> Result<Named, BadRequest> {
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
        Ok(Named { range })
    }

    /// Whether more than one day is asked for.
    pub fn many(&self) -> bool {
        self.range.is_some_and(|(start, end)| end > start)
    }

    /// Whether a day is named that is over: its values are not the newest, and would not be seen otherwise.
    pub fn past(&self, today: NaiveDate) -> bool {
        self.range.is_some_and(|(_, end)| end < today)
    }
}

/// Whether this keyword may have this value.
pub(super) fn check(name: &str, value: &str, known: &Known) -> Result<(), BadRequest> {
    let one_of = |allowed: &[&str]| {
        if allowed.contains(&value) {
            return Ok(());
        }
        Err(BadRequest(format!("{name}: {value:?} is not allowed; allowed: {}", allowed.join(", "))))
    };
    match name {
        "period" => one_of(PERIODS),
        "detail_level" => one_of(DETAIL_LEVELS),
        "start_time" | "end_time" => parse_time(name, value).map(|_| ()),
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

/// What the name of a resource has behind it where samples of it are meant.
const WITHIN: &str = "/intraday";

/// The time series that `resource` names, as python-fitbit spells them.
pub(super) fn resource(
    upstream: &'static Upstream,
    keywords: &Keywords,
    sampled: bool,
) -> Result<&'static Endpoint, BadRequest> {
    let of_days = |endpoint: &&Endpoint| matches!(endpoint.span, Span::Range(_));
    let within = |endpoint: &&Endpoint| !endpoint.levels.is_empty();
    let series =
        || upstream.endpoints.iter().filter(|endpoint| if sampled { within(endpoint) } else { of_days(endpoint) });
    let named = keywords.get("resource").map(|name| name.trim_start_matches('/'));
    // Those within a day have the same names, and one more word.
    let named = named.map(|name| match sampled {
        true => format!("{}{WITHIN}", name.trim_end_matches(WITHIN)),
        false => name.to_owned(),
    });
    let here = |name: &str| upstream.resources.iter().find(|(other, _)| *other == name).map(|(_, here)| *here);
    let found = named.as_deref().and_then(|name| {
        let name = here(name).unwrap_or(name);
        series().find(|endpoint| endpoint.name == name)
    });
    found.ok_or_else(|| {
        let aliases = upstream.resources.iter().map(|(name, _)| *name).filter(|name| name.ends_with(WITHIN) == sampled);
        let allowed = series().map(|endpoint| endpoint.name).chain(aliases);
        let allowed: Vec<_> = allowed.map(|name| name.trim_end_matches(WITHIN)).collect();
        let named = named.map(|name| name.trim_end_matches(WITHIN).to_owned());
        let said = named.map_or("is missing".to_owned(), |name| format!("{name:?} is unknown"));
        BadRequest(format!("resource {said}; allowed: {}", allowed.join(", ")))
    })
}

/// A level of detail by its name.
pub fn parse_detail(name: &str) -> Result<Resolution, BadRequest> {
    let found =
        DETAIL_LEVELS.iter().find(|level| **level == name).and_then(|level| level.replace("sec", "s").parse().ok());
    found.ok_or_else(|| BadRequest(format!("{name:?} is not allowed; allowed: {}", DETAIL_LEVELS.join(", "))))
}

/// The hours that keywords name, both minutes included.
pub(super) fn times(keywords: &Keywords) -> Result<Option<Times>, BadRequest> {
    let time = |name: &str| keywords.get(name).map(|text| parse_time(name, text)).transpose();
    match (time("start_time")?, time("end_time")?) {
        (None, None) => Ok(None),
        (Some(from), Some(to)) if from <= to => Ok(Some((from, to))),
        (Some(from), Some(to)) => Err(BadRequest(format!("the hours are reversed: {from} comes after {to}"))),
        _ => Err(BadRequest("start_time and end_time belong together: give both".into())),
    }
}

fn parse_time(name: &str, text: &str) -> Result<NaiveTime, BadRequest> {
    let parsed = NaiveTime::parse_from_str(text, "%H:%M").ok().filter(|_| text.len() == 5);
    parsed.ok_or_else(|| BadRequest(format!("{name}: {text:?} is not a time of day; write it as 08:30")))
}

/// A date as people and upstreams write it.
pub(super) fn parse_date(name: &str, text: &str, today: NaiveDate) -> Result<NaiveDate, BadRequest> {
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
