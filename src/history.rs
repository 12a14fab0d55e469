//! Reading back: what the store holds of some days, in forms that people and other programs take away. Asks no upstream
//! and keeps no more in memory than a page of readings.

mod form; // readings as rows, objects and lines

use std::io::Write;

use anyhow::{Context, Result};
use chrono::NaiveDate;

pub use self::form::Form;
use crate::config::key::nearest;
use crate::household::Member;
use crate::metric::{self, KEPT, METRICS, Metric};
use crate::plan::BadRequest;
use crate::sink::influxdb::line::line;
use crate::store::{Cursor, Page, Selection, Store};

/// Readings in memory at once.
const PAGE: usize = 2_000;

/// What is to be read back.
#[derive(Debug, Clone)]
pub struct Wanted {
    from: NaiveDate,
    /// The last day, inclusive; `None`: the person's own today.
    to: Option<NaiveDate>,
    /// Empty: all.
    metrics: Vec<&'static Metric>,
    /// Samples and sleep levels, too.
    intraday: bool,
}

impl Wanted {
    /// Reads dates, and the keys of metrics separated by commas.
    ///
    /// # Errors
    /// A date that is none, a range that ends before it begins, or a metric that is none: what is allowed.
    pub fn read(from: &str, to: Option<&str>, metrics: Option<&str>, intraday: bool) -> Result<Wanted, BadRequest> {
        let (from, to) = (date("from", from)?, to.map(|to| date("to", to)).transpose()?);
        if let Some(to) = to.filter(|to| *to < from) {
            return Err(BadRequest(format!("from ({from}) is after to ({to})")));
        }
        let keys = metrics.unwrap_or_default().split(',').map(str::trim).filter(|key| !key.is_empty());
        let metrics = keys.map(known).collect::<Result<_, _>>()?;
        Ok(Wanted { from, to, metrics, intraday })
    }

    /// Whether readings of this metric are wanted. What is only kept within a day is, where it is named or all of the day.
    fn includes(&self, metric: &Metric) -> bool {
        match self.metrics.is_empty() {
            true => self.intraday || KEPT.iter().all(|kept| kept.key != metric.key),
            false => self.metrics.iter().any(|wanted| wanted.key == metric.key),
        }
    }

    fn to(&self, member: &Member) -> NaiveDate {
        self.to.unwrap_or(member.today)
    }
}

fn date(name: &str, text: &str) -> Result<NaiveDate, BadRequest> {
    let date = text.parse::<NaiveDate>().ok().filter(|date| date.to_string() == text);
    date.ok_or_else(|| BadRequest(format!("{name}: {text:?} is no date; write it as 2026-11-20")))
}

fn known(key: &str) -> Result<&'static Metric, BadRequest> {
    metric::find(key).ok_or_else(|| {
        let names = || METRICS.iter().chain(KEPT).map(|metric| metric.key);
        let meant = nearest(key, names()).map(|meant| format!("did you mean {meant}? "));
        let names = names().collect::<Vec<_>>().join(", ");
        BadRequest(format!("metrics: {key:?} is no metric; {}allowed: {names}", meant.unwrap_or_default()))
    })
}

/// Writes what is wanted of everyone in one form: in order of time, of one person after the other; as JSON, metric by
/// metric, each in order of time. Values are in each person's system, but for InfluxDB's lines, which are metric.
pub async fn write(
    store: &Store,
    members: &[Member],
    wanted: &Wanted,
    form: Form,
    out: &mut (impl Write + Send),
) -> Result<()> {
    let failed = "writing the history";
    if form == Form::Csv {
        out.write_all(form::HEADER.as_bytes()).context(failed)?;
    }
    for member in members {
        if form == Form::Json {
            write_json(store, member, wanted, out).await?;
            continue;
        }
        let zones = store.zones(&member.person).await?;
        let mut pages = Pages::new(store, member, wanted, &wanted.metrics);
        while let Some(page) = pages.next().await? {
            let mut text = String::new();
            for stored in page.readings.into_iter().filter(|stored| wanted.includes(stored.reading.metric)) {
                match form {
                    Form::Csv => text.push_str(&form::row(member, stored)),
                    Form::Ndjson | Form::Json => text.push_str(&form::object(member, stored, true)),
                    Form::Influx => match line(&member.person, &stored.reading, &zones) {
                        Some(line) => text.push_str(&line),
                        None => continue,
                    },
                }
                text.push('\n');
            }
            out.write_all(text.as_bytes()).context(failed)?;
        }
    }
    out.flush().context(failed)
}

/// One object: `user`, `from`, `to`, and `series` as a fetch has it.
async fn write_json(store: &Store, member: &Member, wanted: &Wanted, out: &mut (impl Write + Send)) -> Result<()> {
    let (from, to) = (wanted.from, wanted.to(member));
    let mut text = format!("{{\"user\":\"{}\",\"from\":\"{from}\",\"to\":\"{to}\",\"series\":{{", member.person);
    let mut any = false;
    for metric in METRICS.iter().chain(KEPT).filter(|metric| wanted.includes(metric)) {
        let (one, mut begun) = ([metric], false);
        let mut pages = Pages::new(store, member, wanted, &one);
        while let Some(page) = pages.next().await? {
            for stored in page.readings {
                match (begun, any) {
                    (true, _) => text.push(','),
                    (false, true) => text.push_str(&format!(",\"{}\":[", metric.key)),
                    (false, false) => text.push_str(&format!("\"{}\":[", metric.key)),
                }
                (begun, any) = (true, true);
                text.push_str(&form::object(member, stored, false));
            }
            out.write_all(std::mem::take(&mut text).as_bytes()).context("writing the history")?;
        }
        if begun {
            text.push(']');
        }
    }
    text.push_str("}}\n");
    out.write_all(text.as_bytes()).context("writing the history")
}

/// The pages of a selection, one after the other.
struct Pages<'a> {
    store: &'a Store,
    member: &'a Member,
    selection: Selection<'a>,
    after: Option<Cursor>,
    ended: bool,
}

impl<'a> Pages<'a> {
    fn new(store: &'a Store, member: &'a Member, wanted: &Wanted, metrics: &'a [&'static Metric]) -> Pages<'a> {
        let (from, to, intraday) = (wanted.from, wanted.to(member), wanted.intraday);
        Pages { store, member, selection: Selection { from, to, metrics, intraday }, after: None, ended: from > to }
    }

    /// The next page that has anything.
    async fn next(&mut self) -> Result<Option<Page>> {
        if self.ended {
            return Ok(None);
        }
        let page = self.store.history(&self.member.person, &self.selection, self.after.take(), PAGE).await?;
        self.ended = page.next.is_none();
        self.after = page.next.clone();
        Ok((!page.readings.is_empty()).then_some(page))
    }
}
