//! The form of a table row: what can be asked of an upstream, and where in the answer each metric stands.
//! Types only; the rows are in each upstream's own `endpoints.rs`.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Value as Json, json};

use super::Failure;
use super::client::Question;
use super::decode::local;
use crate::metric::Group;
use crate::reading::{Reading, Resolution};
use crate::snapshot::Device;

/// One thing that can be asked.
pub struct Endpoint {
    /// Its name in call counts and, for time series, as `resource`.
    pub name: &'static str,
    /// How it is asked.
    pub verb: Verb,
    /// Path and query with the places `{date}`, `{start}`, `{end}`, `{before}` (the day before the start), `{after}` (the
    /// day after the end), `{level}` (the level of detail, and the time of day where it is limited), `{patient}` (who is
    /// asked about, where the token does not say), `{now}` and `{later}` (a year later).
    pub path: &'static str,
    /// The scope it needs.
    pub scope: &'static str,
    /// How many days one request can cover.
    pub span: Span,
    /// The days, counted back from today, that a fetch without dates looks at.
    pub recent: u16,
    /// For so many days a value may still change: a day that was asked about so long after it, or later, is final; 0: as
    /// soon as there was an answer.
    pub settles: u16,
    /// Who measures what it tells, and so when asking again can bring something new.
    pub measured: Measured,
    /// The group for which it is asked when nothing is named; `None`: only by a method.
    pub group: Option<Group>,
    /// Asked in its place where the upstream refuses it to this application.
    pub otherwise: Option<&'static str>,
    /// The row whose answers it completes: it is asked only where that is wanted (`Known::complete`), when that row is due.
    pub completes: Option<&'static str>,
    /// The levels of detail it can be asked at; empty: the one it has.
    pub levels: &'static [Resolution],
    /// What is asked after these pages, where the answer is put together of several, and what is next is not the
    /// service's word alone: the questions so far, their answers, and who is asked about.
    pub follow: Option<Follow>,
    /// How readings are found in the answer.
    pub decode: Decode,
}

/// The path of the next question; `None` at the end. Pure.
pub type Follow = fn(&[Question], &[Json], &str) -> Option<String>;

/// How an endpoint is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// GET; everything stands in the path.
    Get,
    /// POST of a range of civil days, closed at its start and open at its end, in windows of a day.
    DailyRollUp,
    /// POST of a range of instants, closed at its start and open at its end, in windows as long as the level of detail.
    RollUp,
}

/// Who measures something, and so when there can be something new to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// A tracker alone: nothing is new before one has synced.
    Tracker,
    /// Scales, telephones, other applications and people's own hands as well: at any time.
    Elsewhere,
    /// Nobody: it is what the account says of itself.
    Account,
}

/// How many days one request can cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// No dates at all.
    Once,
    /// No dates, and what it says changes so rarely that once a day is enough.
    OnceADay,
    /// One day.
    Day,
    /// A range of at most so many days.
    Range(u16),
    /// Samples of a range of at most so many days, which are asked for only where they are to be kept.
    Intraday(u16),
    /// A list in pages of so many entries, followed to its end.
    List(u8),
    /// A list of which only the first page of so many entries, newest first, is read.
    Newest(u8),
}

/// How readings are found in an answer.
pub enum Decode {
    /// The answer holds no metric.
    Nothing,
    /// One reading for each field of each entry of a list.
    Entries {
        /// Pointer to the list; an object there is a list of one.
        list: &'static str,
        /// When an entry was measured.
        at: At,
        /// Pointer to the device or application the entry came from.
        source: Option<&'static str>,
        /// The metrics in an entry.
        fields: &'static [Field],
    },
    /// A shape of its own.
    Own {
        /// The metrics it can give.
        gives: &'static [&'static str],
        /// The decoder; pure.
        decode: fn(&Json, &Context) -> Result<Decoded, Failure>,
    },
}

/// When an entry was measured; the pointers are relative to the entry.
pub enum At {
    /// A date.
    Date(&'static str),
    /// A date under which an older value may stand, carried forward: it is shown, but is no measurement of that day.
    Carried(&'static str),
    /// A time in the person's time zone.
    Time(&'static str),
    /// A date and a time of day apart, in the person's time zone.
    DateAndTime(&'static str, &'static str),
    /// A civil date `{"year": 2026, "month": 11, "day": 19}`.
    CivilDate(&'static str),
    /// An instant and the person's offset: `{"physicalTime": "…Z", "utcOffset": "3600s"}`.
    Sample(&'static str),
    /// A window of time, `startTime` and `endTime` of the entry, as long as its samples are apart.
    Window,
    /// As [`At::Sample`], of samples so far apart.
    Sampled(&'static str, Resolution),
    /// The day that was asked for.
    DayAsked,
}

/// Where one metric stands in an entry. Pointers are JSON pointers, with `[key=value]` for the entry of a list
/// that has this value: `/heartRateZones[name=Fat Burn]/minutes`.
pub struct Field {
    /// The metric's key.
    pub metric: &'static str,
    /// Pointer to the value.
    pub value: &'static str,
    /// How to read it.
    pub read: Read,
    /// Names and pointers of what stands beside the value; one that begins with `//` leads from the top of the answer.
    pub beside: &'static [(&'static str, &'static str)],
}

/// How a value is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Read {
    /// A number, or a string that is one; -1 means "none" where the metric cannot be negative.
    Number,
    /// A number in a unit so many times smaller than the metric's.
    Scaled(f64),
    /// The same of a total, which proto3 JSON leaves out where it is zero: absent from an object that is there, it is 0.
    Total(f64),
    /// A number of something that is never zero; 0 means "none".
    Positive,
    /// A duration in seconds, `"41490s"`, as minutes.
    Duration,
    /// A number, or a range `"42-46"` read as its midpoint, with `low` and `high` beside it.
    Midpoint,
    /// A time; the value is RFC 3339 with the person's offset.
    Time,
    /// Text.
    Text,
}

/// What has to be known to read an answer.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// The person's own time zone.
    pub zone: Tz,
    /// The day asked for (the first of a range).
    pub day: NaiveDate,
    /// The last day asked for.
    pub last: NaiveDate,
    /// The person's civil date now; nothing can have been measured long after it.
    pub today: NaiveDate,
    /// The level of detail asked for, where there is a choice.
    pub detail: Option<Resolution>,
    /// The person's height in cm, where it is known.
    pub height: Option<f64>,
    /// A sleep session that starts at or after this hour and ends before midnight belongs to the next date.
    pub night_starts: NaiveTime,
}

/// The first and the last minute of each day that is asked for.
pub type Times = (NaiveTime, NaiveTime);

/// What an answer said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decoded {
    /// The readings, in the order of the answer.
    pub readings: Vec<Reading>,
    /// Whether something is missing that may still come.
    pub unfinished: bool,
    /// The person's devices, where the answer lists them.
    pub devices: Option<Vec<Device>>,
    /// The person's profile, where the answer is one.
    pub profile: Option<Profile>,
    /// Whether the upstream has put this person away, so that nothing more is to be asked of them.
    pub archived: bool,
    /// What was left out because it cannot be right, in words.
    pub problems: Vec<String>,
}

/// What is kept of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// IANA name of the time zone.
    pub zone: Option<String>,
    /// For titles only, never for identifiers or topics.
    pub name: Option<String>,
    /// The day from which the account exists.
    pub since: Option<NaiveDate>,
}

/// A row that is asked by GET, of what trackers measure and may correct for a week: so long do watches keep what they
/// could not sync, and nights are scored again.
pub const fn row(
    name: &'static str,
    path: &'static str,
    scope: &'static str,
    span: Span,
    recent: u16,
    group: Option<Group>,
    decode: Decode,
) -> Endpoint {
    let (verb, settles, measured, otherwise, completes) = (Verb::Get, 7, Measured::Tracker, None, None);
    Endpoint {
        name,
        verb,
        path,
        scope,
        span,
        recent,
        settles,
        measured,
        group,
        otherwise,
        completes,
        levels: &[],
        follow: None,
        decode,
    }
}

/// A plain number, with nothing beside it.
pub const fn number(metric: &'static str, value: &'static str) -> Field {
    Field { metric, value, read: Read::Number, beside: &[] }
}

/// A name under which endpoints are asked.
pub struct Method {
    /// The name.
    pub name: &'static str,
    /// The endpoints, by name; empty: the one named by `resource`.
    pub endpoints: &'static [&'static str],
    /// The keywords it takes; others do not reach it.
    pub keywords: &'static [&'static str],
    /// Whether its answers appear under `data`, in the upstream's own fields.
    pub data: bool,
    /// Whether it always asks for more than one moment.
    pub series: bool,
}

impl Endpoint {
    /// The same row of something that also comes from elsewhere than trackers, and is settled after so many days.
    pub const fn elsewhere(mut self, settles: u16) -> Endpoint {
        self.measured = Measured::Elsewhere;
        self.settles = settles;
        self
    }

    /// The same row of what the account says of itself.
    pub const fn account(mut self) -> Endpoint {
        self.measured = Measured::Account;
        self.settles = 1;
        self
    }

    /// The same row of samples, at these levels of detail. What a tracker has brought does not change any more.
    pub const fn sampled(mut self, levels: &'static [Resolution]) -> Endpoint {
        self.levels = levels;
        self.settles = 1;
        self
    }

    /// The level of detail it can be asked at that is nearest to `wanted` and not finer; `None`: it has only its own.
    pub fn detail(&self, wanted: Resolution) -> Option<Resolution> {
        self.levels.iter().find(|level| **level >= wanted).or(self.levels.last()).copied()
    }

    /// The path with this level of detail, and with the part of each day that is asked for.
    pub fn detailed(&self, path: &str, detail: Option<Resolution>, times: Option<Times>) -> String {
        let Some(detail) = detail else { return path.to_owned() };
        let level = detail.to_string().replace("1s", "1sec");
        let hours = times.map(|(from, to)| format!("/time/{}/{}", from.format("%H:%M"), to.format("%H:%M")));
        path.replace("{level}", &(level + &hours.unwrap_or_default()))
    }

    /// The body of a roll-up in windows, for the days or a part of the day in the person's time zone.
    pub fn windows(
        &self,
        (start, end): (NaiveDate, NaiveDate),
        detail: Resolution,
        times: Option<Times>,
        zone: Tz,
    ) -> Json {
        let minute = TimeDelta::minutes(1);
        let (from, to) = match times {
            // The last minute is included, as in the path of the Fitbit Web API.
            Some((from, to)) => (start.and_time(from), end.and_time(to) + minute),
            None => (start.and_time(NaiveTime::MIN), after(end).and_time(NaiveTime::MIN)),
        };
        let instant = |wall| local(wall, zone).to_utc().to_rfc3339_opts(SecondsFormat::Secs, true);
        json!({
            "range": {"startTime": instant(from), "endTime": instant(to)},
            "windowSize": format!("{}s", detail.seconds()),
            "pageSize": 10_000,
        })
    }

    /// Its path with these days.
    pub fn dated(&self, start: NaiveDate, end: NaiveDate) -> String {
        let before = start - TimeDelta::days(1);
        let (start, end_text) = (start.to_string(), end.to_string());
        let path = self.path.replace("{date}", &start).replace("{start}", &start).replace("{end}", &end_text);
        path.replace("{before}", &before.to_string()).replace("{after}", &after(end).to_string())
    }

    /// A path of its own with who is asked about, and when.
    pub fn addressed(path: &str, user_id: Option<&str>, now: DateTime<Utc>) -> String {
        let instant = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let path = path.replace("{patient}", user_id.unwrap_or_default()).replace("{now}", &instant(now));
        path.replace("{later}", &instant(now + TimeDelta::days(366)))
    }

    /// The body of a request for these days, if it has one.
    pub fn body(&self, start: NaiveDate, end: NaiveDate) -> Option<Json> {
        let civil = |date: NaiveDate| json!({"date": {"year": date.year(), "month": date.month(), "day": date.day()}});
        match self.verb {
            Verb::Get | Verb::RollUp => None,
            Verb::DailyRollUp => {
                Some(json!({"range": {"start": civil(start), "end": civil(after(end))}, "windowSizeDays": 1}))
            }
        }
    }

    /// The metrics this endpoint can give.
    pub fn gives(&self) -> Vec<&'static str> {
        match &self.decode {
            Decode::Nothing => Vec::new(),
            Decode::Entries { fields, .. } => fields.iter().map(|field| field.metric).collect(),
            Decode::Own { gives, .. } => gives.to_vec(),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

fn after(end: NaiveDate) -> NaiveDate {
    end + TimeDelta::days(1)
}
