//! Every GET operation: which lists there are, what they take and need, single resources, and what belongs to one.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value as Json, json};

use super::clinic::{Clinic, Places, Session};
use super::filter::{self, Filter, related};
use super::page;
use super::refusal::Refusal;

/// A type of resource and its list, if there is one.
struct Kind {
    name: &'static str,
    list: Option<List>,
    includes: &'static [&'static str],
    /// The vendor's file declares an answer to one as a list.
    one_as_list: bool,
}

struct List {
    filters: &'static [&'static str],
    /// At least one of these must be there.
    needs_one: &'static [&'static str],
    needs_all: &'static [&'static str],
    sorts: &'static [&'static str],
    /// Entries of a page where nothing is said, and the name of the cursor.
    page: (usize, &'static str),
}

const fn single(name: &'static str) -> Kind {
    Kind { name, list: None, includes: &[], one_as_list: false }
}

const fn listed(name: &'static str, filters: &'static [&'static str], needs_one: &'static [&'static str]) -> Kind {
    let list = List { filters, needs_one, needs_all: &[], sorts: &[], page: (10, "page[cursor]") };
    Kind { name, list: Some(list), includes: &[], one_as_list: false }
}

const WHOLE: &[&str] = &["groups", "organization"];
const WHOSE: &[&str] = &["patient", "groups", "organization"];
const SUMMARY: &[&str] = &["actions", "bundles", "patient", "current_results"];

#[rustfmt::skip]
static KINDS: &[Kind] = &[
    single("action"),
    single("bundle"),
    Kind {
        list: Some(List {
            filters: &["patient", "groups", "organization", "attendees", "type", "completed", "start_at", "end_at", "completed_at", "created_at", "updated_at"],
            needs_one: &["patient", "groups", "organization", "attendees"], needs_all: &[], sorts: &["start_at"], page: (10, "page[cursor]"),
        }),
        includes: &["owner"],
        ..single("calendar_event")
    },
    listed("coach", WHOLE, WHOLE),
    Kind {
        list: Some(List {
            filters: &["receiver", "sender", "emailType"], needs_one: &["receiver", "sender"], needs_all: &[],
            sorts: &["send_time", "-send_time"], page: (10, "page[cursor]"),
        }),
        ..single("email_history")
    },
    Kind {
        list: Some(List { filters: &["organization", "name"], needs_one: &[], needs_all: &["organization"], sorts: &[], page: (10, "page[cursor]") }),
        ..single("group")
    },
    Kind { includes: &["patient", "questions"], ..listed("health_profile", WHOSE, WHOSE) },
    Kind {
        list: Some(List { filters: WHOSE, needs_one: WHOSE, needs_all: &[], sorts: &[], page: (50, "page[cursor]") }),
        includes: &["patient"],
        ..single("health_profile_answer")
    },
    Kind { includes: &["question_definition", "answer"], ..listed("health_profile_question", WHOSE, WHOSE) },
    listed("health_question_definition", &[], &[]),
    single("organization"),
    listed("patient", &["groups", "organization", "identifier][system", "identifier][value", "archived", "created_at", "updated_at"], WHOLE),
    Kind { one_as_list: true, ..listed("patient_health_metric", WHOSE, WHOSE) },
    Kind { includes: SUMMARY, ..listed("patient_plan_summary", WHOSE, WHOSE) },
    Kind {
        list: Some(List {
            filters: &["patient", "actions", "threads", "start_at", "end_at", "created_at", "updated_at"],
            needs_one: &[], needs_all: &["patient"], sorts: &[], page: (10, "page[after]"),
        }),
        ..single("result")
    },
    listed("reward", &["patient", "groups", "organization", "reward_program_activation", "thread"], WHOSE),
    Kind {
        list: Some(List { filters: &["groups", "patient", "ready_for_fulfillment"], needs_one: &[], needs_all: &["groups", "patient"], sorts: &[], page: (10, "page[cursor]") }),
        ..single("reward_earning")
    },
    Kind {
        list: Some(List { filters: &["patient"], needs_one: &[], needs_all: &["patient"], sorts: &[], page: (10, "page[cursor]") }),
        ..single("reward_earning_fulfillment")
    },
    listed("reward_program", WHOLE, WHOLE),
    listed("reward_program_activation", WHOSE, WHOSE),
];

type Parameters = [(String, String)];

pub(super) fn answer(clinic: &Clinic, path: &str, parameters: &Parameters, token: &Session) -> Result<Json, Refusal> {
    let nothing = || Refusal::no_such_resource(path);
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let kind = |name: &str| KINDS.iter().find(|kind| kind.name == name).ok_or_else(nothing);
    match parts.as_slice() {
        ["oauth", "token", id, what @ ("groups" | "organization")] => {
            if *id != token.id {
                return Err(nothing());
            }
            match (*what, clinic.programme().by_groups) {
                ("organization", false) => one(clinic, kind("organization")?, &clinic.organization(), parameters),
                ("groups", _) => several(clinic, "group", clinic.ids("group"), path, parameters),
                _ => Err(Refusal::forbidden("These credentials have no access to the whole organization")),
            }
        }
        ["patient", id, what @ ("groups" | "coaches")] => {
            let patient = record(clinic, "patient", id).ok_or_else(nothing)?;
            let (of, ids) = (if *what == "groups" { "group" } else { "coach" }, related(&patient, what));
            several(clinic, of, ids, path, parameters)
        }
        ["reward_program", id, "group"] => {
            let program = record(clinic, "reward_program", id).ok_or_else(nothing)?;
            let group = related(&program, "group").pop().ok_or_else(nothing)?;
            one(clinic, kind("group")?, &group, parameters)
        }
        [name, id] => one(clinic, kind(name)?, id, parameters),
        [name] => {
            let kind = kind(name)?;
            collection(clinic, kind, kind.list.as_ref().ok_or_else(nothing)?, path, parameters)
        }
        _ => Err(nothing()),
    }
}

fn collection(
    clinic: &Clinic,
    kind: &'static Kind,
    list: &List,
    path: &str,
    parameters: &Parameters,
) -> Result<Json, Refusal> {
    let (mut filters, mut given, mut sort, mut include) = (Vec::new(), Vec::new(), None, Vec::new());
    for (key, value) in parameters {
        match key.as_str() {
            "sort" if list.sorts.contains(&value.as_str()) => sort = Some(value.as_str()),
            "include" => include = included_names(kind, value)?,
            key if key.starts_with("page[") => {}
            key => {
                let name = key.strip_prefix("filter[").and_then(|name| name.strip_suffix(']'));
                let name = name.filter(|name| list.filters.contains(name));
                let name = name.ok_or_else(|| Refusal::parameter(key, format!("{key} is not supported here")))?;
                filters.push(filter::read(clinic, kind.name, name, value)?);
                given.push(name);
            }
        }
    }
    let missing = list.needs_all.iter().find(|name| !given.contains(*name)).copied();
    let none = !list.needs_one.is_empty() && !list.needs_one.iter().any(|name| given.contains(name));
    if let Some(name) = missing.or(none.then(|| list.needs_one[0])) {
        let detail =
            format!("One of the required filters is missing: {}", [list.needs_all, list.needs_one].concat().join(", "));
        return Err(Refusal::parameter(&format!("filter[{name}]"), detail));
    }
    if given.contains(&"identifier][system") != given.contains(&"identifier][value") {
        return Err(Refusal::parameter("filter[identifier][system]", "System and value are required together"));
    }
    let page = page::read(parameters, list.page.0)?;
    let of_pages = |key: &str| key.starts_with("page[");
    let named: Vec<_> = parameters.iter().filter(|(key, _)| !of_pages(key)).collect();
    let places = clinic.places(kind.name, format!("{} {named:?}", kind.name), || find(clinic, kind, &filters, sort));
    let (ids, links) = page::cut(&page, &places, path, parameters, list.page.1);
    let mut document = several_of(clinic, kind.name, &ids, &include);
    document["meta"] = json!({"count": places.len()});
    document["links"] = links;
    if let Some(like) = document["data"].get(0).filter(|_| clinic.is_growing()) {
        clinic.add(kind.name, like.clone());
    }
    Ok(document)
}

/// The records that pass, in order.
fn find(clinic: &Clinic, kind: &Kind, filters: &[Filter], sort: Option<&str>) -> Places {
    // The groups of patients are looked up first, for one type of record is held at a time. Patients say their own.
    let by_groups = kind.name != "patient" && filters.iter().any(|filter| matches!(filter, Filter::Groups(_)));
    let groups: HashMap<String, Vec<String>> = match by_groups {
        false => HashMap::new(),
        true => clinic.with("patient", |patients| {
            patients.iter().map(|(id, patient)| (id.clone(), related(patient, "groups"))).collect()
        }),
    };
    let groups_of = |patient: &str| groups.get(patient).cloned().unwrap_or_default();
    let mut places: Places = clinic.with(kind.name, |records| {
        let passing = records.iter().filter(|(_, record)| filter::passes(record, filters, &groups_of));
        passing.map(|(id, record)| (place(record, id, sort), id.clone())).collect()
    });
    places.sort();
    places
}

/// What a record is put in order by, and then its identifier.
fn place(record: &Json, id: &str, sort: Option<&str>) -> String {
    let Some(sort) = sort else { return id.to_owned() };
    let name = sort.trim_start_matches('-');
    let key = record["attributes"][name].as_str().unwrap_or_default();
    // All times have the same form, so that turning each digit round turns the order round.
    let turned = |c: char| c.to_digit(10).and_then(|digit| char::from_digit(9 - digit, 10)).unwrap_or(c);
    let key: String = if sort.starts_with('-') { key.chars().map(turned).collect() } else { key.to_owned() };
    format!("{key} {id}")
}

fn one(clinic: &Clinic, kind: &Kind, id: &str, parameters: &Parameters) -> Result<Json, Refusal> {
    let mut include = Vec::new();
    for (key, value) in parameters {
        match key.as_str() {
            "include" => include = included_names(kind, value)?,
            _ => return Err(Refusal::parameter(key, format!("{key} is not supported here"))),
        }
    }
    if record(clinic, kind.name, id).is_none() {
        return Err(Refusal::no_such_resource(&format!("/{}/{id}", kind.name)));
    }
    let mut document = several_of(clinic, kind.name, &[id.to_owned()], &include);
    if !kind.one_as_list {
        document["data"] = document["data"][0].take();
    }
    Ok(document)
}

/// A list that belongs to one resource.
fn several(
    clinic: &Clinic,
    kind: &'static str,
    ids: Vec<String>,
    path: &str,
    parameters: &Parameters,
) -> Result<Json, Refusal> {
    if let Some((key, _)) = parameters.iter().find(|(key, _)| !key.starts_with("page[")) {
        return Err(Refusal::parameter(key, format!("{key} is not supported here")));
    }
    let page = page::read(parameters, 10)?;
    let mut places: Vec<(String, String)> = ids.into_iter().map(|id| (id.clone(), id)).collect();
    places.sort();
    let (ids, links) = page::cut(&page, &places, path, parameters, "page[cursor]");
    let mut document = several_of(clinic, kind, &ids, &[]);
    document["meta"] = json!({"count": places.len()});
    document["links"] = links;
    Ok(document)
}

fn several_of(clinic: &Clinic, kind: &str, ids: &[String], include: &[String]) -> Json {
    let data: Vec<Json> = ids.iter().filter_map(|id| record(clinic, kind, id)).collect();
    let mut document = json!({"data": data});
    if !include.is_empty() {
        let mut wanted = BTreeSet::new();
        for (record, name) in data.iter().flat_map(|record| include.iter().map(move |name| (record, name))) {
            let relation = &record["relationships"][name]["data"];
            let listed = relation.as_array().map_or_else(|| std::slice::from_ref(relation), Vec::as_slice);
            let named = |at: &Json| Some((at["type"].as_str()?.to_owned(), at["id"].as_str()?.to_owned()));
            wanted.extend(listed.iter().filter_map(named));
        }
        document["included"] = wanted.iter().filter_map(|(kind, id)| record(clinic, kind, id)).collect();
    }
    document
}

fn record(clinic: &Clinic, kind: &str, id: &str) -> Option<Json> {
    let kind = KINDS.iter().find(|known| known.name == kind)?;
    clinic.with(kind.name, |records| records.get(id).cloned())
}

fn included_names(kind: &Kind, value: &str) -> Result<Vec<String>, Refusal> {
    let names: Vec<String> = value.split(',').map(str::to_owned).collect();
    match names.iter().find(|name| !kind.includes.contains(&name.as_str())) {
        Some(name) => Err(Refusal::parameter("include", format!("{name} cannot be included"))),
        None => Ok(names),
    }
}
