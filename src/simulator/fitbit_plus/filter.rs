//! Which records a filter lets through, and which values it takes. Knows no list.

use chrono::{DateTime, FixedOffset};
use serde_json::Value as Json;

use super::clinic::Clinic;
use super::refusal::Refusal;

/// One filter, read.
pub(super) enum Filter {
    /// The record's attribute has this value.
    Is(&'static str, Json),
    /// An attribute's time is in this range, the end not included.
    Within(&'static str, Time, Time),
    /// It happened after this.
    After(Time),
    /// It happened before this.
    Before(Time),
    /// It is related to one of these by this name.
    Related(&'static str, Vec<String>),
    /// It belongs to a patient, or to one of these groups.
    Groups(Vec<String>),
    /// One of these takes part.
    Attended(Vec<String>),
    /// Whether it has been completed.
    Completed(bool),
    /// Part of an identifier, which both parts together must name.
    Identifier(&'static str, String),
    /// Its thread is one of these.
    Thread(Vec<String>),
    /// Everything: the organization is ours.
    All,
}

type Time = DateTime<FixedOffset>;

/// Reads a filter of a list of `kind`; its name is what stands between `filter[` and the last bracket.
pub(super) fn read(clinic: &Clinic, kind: &str, name: &str, value: &str) -> Result<Filter, Refusal> {
    let parameter = format!("filter[{name}]");
    let wrong = |why: &str| Refusal::parameter(&parameter, format!("{parameter} {why}"));
    let list = || value.split(',').map(str::to_owned).collect::<Vec<_>>();
    let flag = || match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(wrong("must be true or false")),
    };
    let time = |text: &str| DateTime::parse_from_rfc3339(text).map_err(|_| wrong("must be ISO date and time strings"));
    let range = |attribute| match value.split_once("..") {
        Some((start, end)) => Ok(Filter::Within(attribute, time(start)?, time(end)?)),
        None => Err(wrong("must be a start and an end, separated by ..")),
    };
    if value.is_empty() {
        return Err(wrong("is empty"));
    }
    Ok(match (kind, name) {
        (_, "organization") if value != clinic.organization() || clinic.programme().by_groups => {
            return Err(Refusal::forbidden("These credentials have no access to that organization"));
        }
        (_, "organization") => Filter::All,
        (_, "groups") => Filter::Groups(list()),
        ("calendar_event", "patient") => Filter::Related("owner", vec![value.to_owned()]),
        (_, "patient") => Filter::Related("patient", vec![value.to_owned()]),
        (_, "receiver") => Filter::Related("receiver", vec![value.to_owned()]),
        (_, "sender") => Filter::Related("sender", vec![value.to_owned()]),
        (_, "actions") => Filter::Related("action", list()),
        (_, "reward_program_activation") => Filter::Related("reward_program_activation", vec![value.to_owned()]),
        (_, "attendees") => Filter::Attended(list()),
        (_, "threads" | "thread") => Filter::Thread(list()),
        (_, "type") => {
            let types = ["plan-check-in", "reminder", "telephone-call", "office-visit", "video-call"];
            if !types.contains(&value) {
                return Err(wrong(&format!("must be one of {}", types.join(", "))));
            }
            Filter::Is("type", value.into())
        }
        (_, "emailType") => Filter::Is("email_type", value.into()),
        (_, "name") => Filter::Is("name", value.into()),
        (_, "archived") => Filter::Is("archived", flag()?.into()),
        (_, "ready_for_fulfillment") => Filter::Is("ready_for_fulfillment", flag()?.into()),
        (_, "completed") => Filter::Completed(flag()?),
        ("result", "start_at") => Filter::After(time(value)?),
        ("result", "end_at") => Filter::Before(time(value)?),
        (_, "start_at") => range("start_at")?,
        (_, "end_at") => range("end_at")?,
        (_, "completed_at") => range("completed_at")?,
        (_, "created_at") => range("created_at")?,
        (_, "updated_at") => range("updated_at")?,
        (_, "identifier][system") => Filter::Identifier("system", value.into()),
        (_, "identifier][value") => Filter::Identifier("value", value.into()),
        _ => return Err(wrong("is not supported")),
    })
}

/// Whether a record passes all filters; `groups_of` knows the groups of a patient.
pub(super) fn passes(record: &Json, filters: &[Filter], groups_of: &dyn Fn(&str) -> Vec<String>) -> bool {
    filters.iter().all(|filter| passes_one(record, filter, groups_of)) && identified(record, filters)
}

fn passes_one(record: &Json, filter: &Filter, groups_of: &dyn Fn(&str) -> Vec<String>) -> bool {
    let attributes = &record["attributes"];
    let time = |name: &str| DateTime::parse_from_rfc3339(attributes[name].as_str()?).ok();
    match filter {
        Filter::All | Filter::Identifier(..) => true,
        Filter::Is(name, value) => attributes[*name] == *value,
        Filter::Within(name, start, end) => time(name).is_some_and(|at| at >= *start && at < *end),
        Filter::After(start) => time("occurred_at").is_some_and(|at| at > *start),
        Filter::Before(end) => time("occurred_at").is_some_and(|at| at < *end),
        Filter::Related(name, ids) => named(record, name).any(|id| ids.iter().any(|wanted| wanted == id)),
        Filter::Groups(ids) => is_in(record, ids, groups_of),
        Filter::Attended(ids) => {
            let attendees = attributes["attendees"].as_array().map_or(&[][..], Vec::as_slice);
            attendees
                .iter()
                .filter_map(|attendee| attendee["user"].as_str())
                .any(|user| ids.iter().any(|id| id == user))
        }
        Filter::Completed(wanted) => attributes["completed_at"].is_string() == *wanted,
        Filter::Thread(ids) => attributes["_thread"].as_str().is_some_and(|thread| ids.iter().any(|id| id == thread)),
    }
}

/// System and value must be those of one and the same identifier.
fn identified(record: &Json, filters: &[Filter]) -> bool {
    let parts: Vec<_> = filters
        .iter()
        .filter_map(|filter| match filter {
            Filter::Identifier(part, value) => Some((*part, value)),
            _ => None,
        })
        .collect();
    let identifiers = record["attributes"]["identifiers"].as_array().map_or(&[][..], Vec::as_slice);
    parts.is_empty() || identifiers.iter().any(|id| parts.iter().all(|(part, value)| id[*part] == **value))
}

/// The identifiers of what a record is related to by this name.
pub(super) fn related(record: &Json, name: &str) -> Vec<String> {
    named(record, name).map(str::to_owned).collect()
}

fn named<'r>(record: &'r Json, name: &str) -> impl Iterator<Item = &'r str> {
    let data = &record["relationships"][name]["data"];
    let listed = data.as_array().map_or_else(|| std::slice::from_ref(data), Vec::as_slice);
    listed.iter().filter_map(|resource| resource["id"].as_str())
}

/// Whether a record belongs to one of these groups: by its own, or by its patient's.
fn is_in(record: &Json, groups: &[String], groups_of: &dyn Fn(&str) -> Vec<String>) -> bool {
    let mut own = ["groups", "group"].into_iter().flat_map(|name| named(record, name)).peekable();
    if own.peek().is_some() {
        return own.any(|id| groups.iter().any(|group| group == id));
    }
    let patients = ["patient", "owner"].into_iter().flat_map(|name| named(record, name));
    patients.flat_map(groups_of).any(|id| groups.contains(&id))
}
