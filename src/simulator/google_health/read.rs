//! Data points one by one: list, reconcile and get, newest first and page by page. What a token continues must be asked
//! for in the very same words.

use chrono::{Datelike, NaiveDate};
use serde_json::{Map, Value as Json, json};

use super::Ask;
use super::datatype::DataType;
use super::filter::{self, Span};
use super::page::Cursor;
use super::point::{Family, Origin, Point};
use super::refusal::{Refusal, invalid_argument, no_such_resource};
use super::session::with_doubled_summary;
use crate::simulator::life::chance::Chance;

/// `GET …/dataPoints` and `GET …/dataPoints:reconcile`.
pub(super) fn points(ask: &Ask, row: &'static DataType, reconciled: bool) -> Result<Json, Refusal> {
    ask.only_parameters(&["filter", "pageSize", "pageToken", "dataSourceFamily"])?;
    let family = ask.parameter("dataSourceFamily");
    if family.is_some() && !reconciled && matches!(row.id, "sleep" | "food" | "food-measurement-unit") {
        let message = format!("Filtering by data source family is not supported for the data type {}.", row.id);
        return Err(invalid_argument("data_source_family", &message));
    }
    let family = ask.family(family)?;
    let span = match ask.parameter("filter") {
        Some(filter) => filter::parse(row, filter)?,
        None => filter::ALL,
    };
    let (usual, most) = row.page_sizes();
    let size = ask.page_size(ask.parameter("pageSize"), usual, most)?;
    let mut sorted = ask.query.clone();
    sorted.retain(|(name, _)| name != "pageToken");
    sorted.sort();
    let question = format!("{}?{sorted:?}", ask.path);
    let cursor = ask.cursor(&question, ask.parameter("pageToken"))?;
    let first = ask.parameter("pageToken").is_none();
    if first && is_empty_first(ask, row, &question) {
        return Ok(json!({"nextPageToken": ask.next(&question, &cursor)}));
    }
    let known = ask.known_at(&cursor);
    let (first, last) = dates(ask, &span);
    let mut found: Vec<Point> = Vec::new();
    let mut next = None;
    let mut date = cursor.date.unwrap_or(last);
    let mut skip = cursor.skip;
    while date >= first {
        let mut points = (row.points)(&known, date);
        let person = &known.person;
        points.retain(|point| {
            let at = point.at(row.kind);
            point.origin.belongs_to(family)
                && !(reconciled && point.origin == Origin::Phone)
                && span.holds(at, person.local(at))
        });
        points.sort_by_key(|point| std::cmp::Reverse(point.start));
        let room = size - found.len();
        let left = points.len().saturating_sub(skip);
        if left > room {
            found.extend(points.into_iter().skip(skip).take(room));
            next = Some(Cursor { date: Some(date), skip: skip + room, ..cursor });
            break;
        }
        found.extend(points.into_iter().skip(skip));
        skip = 0;
        let Some(before) = date.pred_opt() else { break };
        date = before;
    }
    let written = |point: &Point| {
        let written = point.write(row, &known, reconciled);
        match point.id {
            Some(id) if reconciled && row.id == "sleep" => with_doubled_summary(written, id),
            _ => written,
        }
    };
    let mut answer = Map::new();
    if !found.is_empty() {
        answer.insert("dataPoints".into(), found.iter().map(written).collect());
    }
    if let Some(next) = next {
        answer.insert("nextPageToken".into(), ask.next(&question, &next).into());
    } else if !found.is_empty() && found.len().is_multiple_of(2) {
        // The end is an empty token as well as none.
        answer.insert("nextPageToken".into(), "".into());
    }
    Ok(answer.into())
}

/// `GET …/dataPoints/{id}`.
pub(super) fn point(ask: &Ask, row: &'static DataType, id: &str) -> Result<Json, Refusal> {
    ask.only_parameters(&[])?;
    let (first, last) = dates(ask, &filter::ALL);
    let dates = (0..=(last - first).num_days()).map(|days| last - chrono::TimeDelta::days(days));
    let mut points = dates.flat_map(|date| (row.points)(&ask.known, date));
    let found = points.find(|point| point.id.is_some_and(|own| own.to_string() == id));
    let missing = || no_such_resource(&format!("users/me/dataTypes/{}/dataPoints/{id}", row.id));
    Ok(found.ok_or_else(missing)?.write(row, &ask.known, false))
}

/// First and last date on which there can be points of a span.
fn dates(ask: &Ask, span: &Span) -> (NaiveDate, NaiveDate) {
    let person = &ask.known.person;
    let (from, to) = span.dates(|at| person.local(at));
    let (joined, today) = (person.joined, ask.known.today());
    // A point may begin on the date before the one it belongs to, and that of tomorrow may have begun.
    let from = from.and_then(|from| from.pred_opt()).map_or(joined, |from| from.max(joined));
    let to = to.and_then(|to| to.succ_opt()).map_or(today, |to| to.min(today));
    (from, to)
}

/// Now and then a first page is empty and still has a token; the same question always meets the same fate on a day.
fn is_empty_first(ask: &Ask, row: &DataType, question: &str) -> bool {
    let number = question.bytes().fold(i64::from(ask.known.today().num_days_from_ce()), |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(i64::from(byte))
    });
    Chance::of(ask.simulator.options.seed, number, row.id).happens(0.05)
}

impl Ask<'_> {
    /// Full names only.
    pub(super) fn family(&self, name: Option<&str>) -> Result<Family, Refusal> {
        let Some(name) = name else { return Ok(Family::All) };
        let own = format!("users/{}/", super::account::health_user_id(&self.known.person));
        let short = name.strip_prefix("users/me/").or_else(|| name.strip_prefix(&own));
        match short.and_then(|short| short.strip_prefix("dataSourceFamilies/")) {
            Some("all-sources") => Ok(Family::All),
            Some("google-sources") => Ok(Family::Google),
            Some("google-wearables") => Ok(Family::Wearables),
            Some("self-sources") => Ok(Family::OwnClient),
            _ => Err(invalid_argument("data_source_family", &format!("Invalid data source family: {name}"))),
        }
    }

    /// More than the maximum is cut down to it.
    pub(super) fn page_size(&self, text: Option<&str>, usual: usize, most: usize) -> Result<usize, Refusal> {
        let size = text.map(str::parse::<i32>).transpose();
        match size {
            Ok(None | Some(0)) => Ok(usual),
            Ok(Some(size)) if size > 0 => Ok((size as usize).min(most)),
            _ => {
                let message = format!("Invalid value at 'page_size' (TYPE_INT32), {text:?}");
                Err(invalid_argument("page_size", &message))
            }
        }
    }
}
