//! Every request that can be built, held to the vendor's OpenAPI file; and what is refused before it is sent.

use std::collections::BTreeSet;

use fitbit2mqtt::upstream::fitbit_plus::endpoints::{Answers, Filter, Form, Needs, OPERATIONS, Operation};
use fitbit2mqtt::upstream::fitbit_plus::request::{Paging, Reach, Request, Wanted};
use serde_json::Value as Json;

use super::{Care, Programme, wanted};

const ID: &str = "5b7ac3f9012e4d5f6a7b8c9d";
/// Which page is asked for is never built: links are followed.
const LINKED: [&str; 3] = ["page[number]", "page[cursor]", "page[after]"];

fn vendor() -> Vec<Json> {
    let file: Json = serde_json::from_str(include_str!("../../fixtures/fitbit_plus_operations.json")).unwrap();
    file["operations"].as_array().unwrap().clone()
}

fn value(filter: &Filter) -> Vec<String> {
    match filter.form {
        Form::Id | Form::Text => vec![ID.into()],
        Form::Ids => vec![ID.into(), format!("{ID},{ID}")],
        Form::Flag => vec!["true".into(), "false".into()],
        Form::Range => vec!["2017-11-01T00:00:00-04:00..2017-12-01T00:00:00+05:00".into()],
        Form::Instant => vec!["2017-11-01T00:00:00Z".into()],
        Form::Word(words) => words.iter().map(|word| (*word).to_owned()).collect(),
    }
}

/// What a person may ask of an operation: every way of naming whose resources are meant, with every other filter by
/// itself, every include, every order, only the count; and, apart, each form of paging.
fn everything(operation: &'static Operation) -> Vec<Wanted> {
    let given = |name: &str| {
        let filter = operation.filters.iter().find(|filter| filter.name == name).unwrap();
        (name.to_owned(), value(filter)[0].clone())
    };
    let whose: Vec<Vec<(String, String)>> = match operation.needs {
        Needs::Nothing => vec![Vec::new()],
        Needs::All(names) => vec![names.iter().map(|name| given(name)).collect()],
        Needs::OneOf(names) | Needs::AnyOf(names) => {
            // Nobody at all: filled in with what the credentials reach.
            let filled = matches!(operation.needs, Needs::OneOf(_)).then(Vec::new);
            names.iter().map(|name| vec![given(name)]).chain(filled).collect()
        }
    };
    let named: Vec<&str> = match operation.needs {
        Needs::Nothing => Vec::new(),
        Needs::All(names) | Needs::OneOf(names) | Needs::AnyOf(names) => names.to_vec(),
    };
    let resource = operation.path.replace("{id}", ID);
    let mut all = Vec::new();
    for filters in whose {
        let plain = Wanted { resource: resource.clone(), filters, ..Wanted::default() };
        for filter in operation.filters.iter().filter(|filter| !named.contains(&filter.name)) {
            for value in value(filter) {
                let mut more = plain.clone();
                match filter.name {
                    "identifier.system" | "identifier.value" => {
                        more.filters.extend([given("identifier.system"), given("identifier.value")]);
                    }
                    name => more.filters.push((name.to_owned(), value)),
                }
                all.push(more);
            }
        }
        if !operation.includes.is_empty() {
            let include: Vec<String> = operation.includes.iter().map(|name| (*name).to_owned()).collect();
            all.extend(include.iter().map(|name| Wanted { include: vec![name.clone()], ..plain.clone() }));
            all.push(Wanted { include, ..plain.clone() });
        }
        all.extend(operation.sorts.iter().map(|sort| Wanted { sort: Some((*sort).into()), ..plain.clone() }));
        if operation.is_list() {
            all.push(Wanted { count: true, ..plain.clone() });
            for paging in [Paging::Cursor, Paging::Skip] {
                all.push(Wanted { paging: Some(paging), page_size: Some(7), ..plain.clone() });
            }
        }
        all.push(plain);
    }
    all
}

/// Whether the vendor describes this request: the path, and every parameter's name.
pub fn is_described(path: &str, query: &str) -> bool {
    let Some((operation, _)) = Operation::find(path.trim_start_matches('/')) else { return false };
    let vendor = vendor();
    let theirs = vendor.iter().find(|theirs| theirs["path"] == *format!("/{}", operation.path)).unwrap();
    let known = |name: &str| theirs["parameters"].as_array().unwrap().iter().any(|known| known["name"] == *name);
    url::form_urlencoded::parse(query.as_bytes()).all(|(name, _)| known(&name))
}

#[test]
fn every_request_that_can_be_built_is_one_the_vendor_describes() {
    let vendor = vendor();
    let reaches = [
        Reach { organization: Some(ID.into()), groups: Vec::new() },
        Reach { organization: None, groups: vec![ID.into(), ID.into()] },
    ];
    let (mut built, mut used) = (0, BTreeSet::new());
    for operation in OPERATIONS {
        let path = format!("/{}", operation.path);
        let theirs = vendor.iter().find(|theirs| theirs["path"] == *path).unwrap_or_else(|| panic!("{path}"));
        let parameters: Vec<&Json> =
            theirs["parameters"].as_array().unwrap().iter().filter(|p| p["in"] == "query").collect();
        for (wanted, reach) in everything(operation).iter().flat_map(|w| reaches.iter().map(move |reach| (w, reach))) {
            let request = match Request::new(wanted, Some(reach)) {
                Ok(request) => request,
                Err(error) => panic!("{path} {wanted:?}: {error:#}"),
            };
            built += 1;
            let address = request.address();
            let (sent, query) = address.split_once('?').unwrap_or((&address, ""));
            assert_eq!(sent, path.replace("{id}", ID));
            let query: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            let asked_for = wanted.paging.is_some() || wanted.page_size.is_some();
            for (name, value) in &query {
                let Some(theirs) = parameters.iter().find(|parameter| parameter["name"] == **name) else {
                    let prose = (asked_for && name.starts_with("page[")) || (name == "sort" && value == "start_at");
                    assert!(prose, "{path} takes no {name}");
                    continue;
                };
                used.insert((path.clone(), name.clone()));
                if let Some(allowed) = theirs["enum"].as_array() {
                    let listed = if name == "include" { value.split(',').collect() } else { vec![value.as_str()] };
                    assert!(
                        listed.iter().all(|word| allowed.iter().any(|allowed| allowed == word)),
                        "{path} {name}={value}"
                    );
                }
                match theirs["type"].as_str() {
                    Some("boolean") => assert!(["true", "false"].contains(&value.as_str()), "{path} {name}={value}"),
                    Some("integer") => assert!(value.parse::<u32>().is_ok(), "{path} {name}={value}"),
                    _ => assert!(!value.is_empty(), "{path} {name}"),
                }
            }
            for theirs in parameters.iter().filter(|parameter| parameter["required"] == true) {
                assert!(query.iter().any(|(name, _)| theirs["name"] == **name), "{path} needs {}", theirs["name"]);
            }
            let page: BTreeSet<&str> = query.iter().filter_map(|(name, _)| name.strip_prefix("page[")).collect();
            assert!(page.len() <= 1, "{path}: the two forms of paging are mixed: {query:?}");
        }
    }
    assert!(built > 400, "{built}");
    // And nothing the vendor describes is missing.
    for theirs in &vendor {
        let path = theirs["path"].as_str().unwrap();
        let ours = OPERATIONS.iter().find(|operation| path[1..] == *operation.path);
        let ours = ours.unwrap_or_else(|| panic!("{path} is not offered"));
        let declared = theirs["parameters"].as_array().unwrap().iter().any(|p| p["name"] == "page[limit]");
        assert_eq!(declared, ours.answers == Answers::Paged, "{path}");
        for parameter in theirs["parameters"].as_array().unwrap().iter().filter(|p| p["in"] == "query") {
            let name = parameter["name"].as_str().unwrap();
            let reached = used.contains(&(path.to_owned(), name.to_owned())) || LINKED.contains(&name);
            assert!(reached, "{path}: nobody can ask for {name}");
        }
    }
}

#[test]
fn what_cannot_be_is_refused_with_what_can() {
    let reach = Reach { organization: Some(ID.into()), groups: Vec::new() };
    let filters = |resource: &str, filters: &[(&str, &str)]| wanted(resource, filters);
    for (wanted, parts) in [
        (filters("patients", &[]), &["\"patients\" is no resource", "patient_plan_summary", "patient/ID/groups"][..]),
        (filters("action", &[]), &["action cannot be listed", "action ID"]),
        (filters("patient/1/2", &[]), &["none of the paths", "patient/ID/coaches"]),
        (Wanted { id: Some("a b".into()), ..filters("patient", &[]) }, &["\"a b\" is no identifier"]),
        (Wanted { id: Some("a/../b".into()), ..filters("patient", &[]) }, &["none of the paths"]),
        (filters("patient", &[("colour", "red")]), &["patient takes no filter \"colour\"", "archived", "groups"]),
        (filters("patient", &[("archived", "no")]), &["archived=\"no\"", "true or false"]),
        (filters("patient", &[("archived", "true"), ("archived", "true")]), &["archived is given twice"]),
        (filters("patient", &[("identifier.system", "EHR")]), &["identifier.system and identifier.value go together"]),
        (
            filters("patient", &[("groups", ID), ("organization", ID)]),
            &["only one of the filters groups, organization"],
        ),
        (filters("patient", &[("groups", "a,,b")]), &["groups=\"a,,b\"", "separated by commas"]),
        (
            filters("patient", &[("updated_at", "2017-11-01")]),
            &["updated_at", "START..END", "2017-12-01T00:00:00-05:00"],
        ),
        (
            filters("patient", &[("updated_at", "2017-12-01T00:00:00Z..2017-11-01T00:00:00Z")]),
            &["updated_at", "ends after it starts"],
        ),
        (filters("result", &[]), &["result needs the filter patient", "--filter patient=…"]),
        (filters("result", &[("patient", ID), ("start_at", "today")]), &["start_at=\"today\"", "with offset"]),
        (filters("reward_earning", &[("patient", ID)]), &["reward_earning needs the filter groups"]),
        (filters("email_history", &[]), &["needs one of the filters receiver, sender"]),
        (filters("calendar_event", &[("type", "party")]), &["type=\"party\"", "office-visit"]),
        (Wanted { include: vec!["owners".into()], ..filters("calendar_event", &[]) }, &["--include owners", "owner"]),
        (Wanted { include: vec!["groups".into()], ..filters("patient", &[]) }, &["patient takes no --include"]),
        (
            Wanted { sort: Some("name".into()), ..filters("email_history", &[("sender", ID)]) },
            &["--sort name", "-send_time"],
        ),
        (Wanted { count: true, ..filters("patient/5b7ac3f9", &[]) }, &["nothing to page through or to count"]),
        (Wanted { paging: Some(Paging::Skip), ..filters("reward/5b7a", &[]) }, &["one resource"]),
    ] {
        let refused = format!("{:#}", Request::new(&wanted, Some(&reach)).expect_err(&format!("{wanted:?}")));
        for part in parts {
            assert!(refused.contains(part), "{wanted:?}: {refused:?} has no {part:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulated_organization_answers_every_operation() {
    let care = Care::new(Programme { patients: 3, ..Programme::default() });
    care.reader.reach().await.unwrap();
    let token = care.plugindata().organization_token("fitbit-plus").unwrap().unwrap();
    for operation in OPERATIONS {
        let kind = operation.path.split('/').next().unwrap();
        let id = match kind {
            "oauth" => token.user_id.clone().unwrap(),
            kind => care.clinic().ids(kind)[0].clone(),
        };
        let patient = care.clinic().patient(0);
        let mut wanted = wanted(&operation.path.replace("{id}", &id), &[]);
        match operation.needs {
            Needs::All(names) => {
                for name in names.iter().filter(|name| **name != "organization") {
                    let value = if *name == "patient" { patient.clone() } else { care.clinic().group(0) };
                    wanted.filters.push(((*name).into(), value));
                }
            }
            Needs::AnyOf(_) => wanted.filters.push(("receiver".into(), patient)),
            _ => {}
        }
        wanted.include = operation.includes.iter().map(|name| (*name).to_owned()).collect();
        let (rows, outcome) = care.read(&wanted).await;
        assert_eq!(outcome, Ok(rows.len() as u64), "{}", operation.path);
        assert!(!rows.is_empty(), "{}", operation.path);
        for name in operation.includes {
            let related = &rows[0]["relationships"][*name]["data"];
            let first = related.get(0).unwrap_or(related);
            assert!(first["attributes"].is_object(), "{} does not include {name}: {related}", operation.path);
        }
    }
}
