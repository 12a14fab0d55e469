//! What Igor is to be told: each person's values as one element, and the health of each path that actions represent.
//! Pure: no input, no output, no clock.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::reading::Person;
use crate::snapshot::{Snapshot, Status};

/// Where Igor keeps what sensors measure: below it, one element for each person.
const VALUES: [&str; 3] = ["data", "sensors", "fitbit"];
/// Where it keeps how they fare.
const HEALTH: [&str; 2] = ["data", "status"];

/// An element of Igor's database that is ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A person's values. They are told before any health, so that whoever sees a success sees its values.
    Values(Person),
    /// The health of a path, such as `sensors/fitbit/anna`.
    Health(String),
}

impl Place {
    /// The element's levels, from the top of the database.
    pub fn levels(&self) -> Vec<&str> {
        match self {
            Place::Values(person) => VALUES.into_iter().chain([person.as_str()]).collect(),
            Place::Health(path) => HEALTH.into_iter().chain(path.split('/')).collect(),
        }
    }

    /// The place of a path that [`Place::path`] gave.
    pub fn at(path: &str) -> Option<Place> {
        let below = |levels: &[&str]| path.strip_prefix(&levels.join("/")).and_then(|rest| rest.strip_prefix('/'));
        match below(&VALUES) {
            Some(person) => person.parse().ok().map(Place::Values),
            None => below(&HEALTH).map(|path| Place::Health(path.to_owned())),
        }
    }

    /// The element's path, for the store and the log.
    pub fn path(&self) -> String {
        self.levels().join("/")
    }
}

/// What one person gives rise to.
#[derive(Debug, Clone)]
pub(super) struct Said {
    /// The element of their values; `None`: there are none.
    values: Option<String>,
    status: Status,
}

impl Said {
    /// What a snapshot says.
    pub fn new(snapshot: &Snapshot) -> Said {
        let values: Map<String, Json> =
            snapshot.values.iter().map(|shown| (shown.metric.key.to_owned(), named(shown.to_json()))).collect();
        // Igor takes the outer level away where it is the element's own name. Without it, a person who is called like
        // their only metric would lose that one.
        let element = |values: Map<String, Json>| json!({ snapshot.person.as_str(): values }).to_string();
        Said { values: (!values.is_empty()).then(|| element(values)), status: snapshot.status.clone() }
    }
}

/// The same with keys that can be names of elements (`Fat-Burn`): Igor hides those under others (`_e`).
fn named(value: Json) -> Json {
    let name = |key: &str| -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let name: String = key.chars().map(|c| if fits(c) { c } else { '-' }).collect();
        if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') { name } else { format!("_{name}") }
    };
    match value {
        Json::Object(object) => object.into_iter().map(|(key, value)| (name(&key), named(value))).collect(),
        Json::Array(list) => list.into_iter().map(named).collect(),
        plain => plain,
    }
}

/// Everything Igor is to know of these people. A path that several represent is as well as the worst of them.
pub(super) fn statements(people: &BTreeMap<Person, Said>) -> BTreeMap<Place, String> {
    let mut statements = BTreeMap::new();
    let mut paths: BTreeMap<&str, Vec<(&Person, &Status)>> = BTreeMap::new();
    for (person, said) in people {
        if let Some(values) = &said.values {
            statements.insert(Place::Values(person.clone()), values.clone());
        }
        for action in &said.status.actions {
            let represented = paths.entry(&action.representing).or_default();
            if represented.last().is_none_or(|(last, _)| *last != person) {
                represented.push((person, &said.status));
            }
        }
    }
    for (path, represented) in paths {
        if let Some(health) = health(&represented) {
            statements.insert(Place::Health(path.to_owned()), health.to_string());
        }
    }
    statements
}

/// The arguments of Igor's `updateStatus`; nothing as long as nobody was asked for, for Igor would take that for now.
fn health(represented: &[(&Person, &Status)]) -> Option<Json> {
    let asked = || represented.iter().filter(|(_, status)| status.last_activity.is_some());
    let last_activity = asked().filter_map(|(_, status)| status.last_activity).max()?;
    let mut health = json!({
        "alive": asked().all(|(_, status)| status.alive),
        "resultData": "",
        "lastActivity": last_activity.timestamp(),
    });
    let reason = |status: &Status| status.error.clone().unwrap_or_else(|| "nothing was received yet".to_owned());
    let told = |(person, status): &(&Person, &Status)| match represented {
        [_] => reason(status),
        _ => format!("{person}: {}", reason(status)),
    };
    let ill: Vec<String> = asked().filter(|(_, status)| !status.alive).map(told).collect();
    if !ill.is_empty() {
        health["resultData"] = ill.join("; ").into();
    }
    if let Some(success) = asked().filter_map(|(_, status)| status.last_success).max() {
        health["lastSuccess"] = success.timestamp().into();
    }
    Some(health)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chrono::DateTime;

    use super::*;
    use crate::snapshot::NextAction;

    fn said(alive: bool, asked: Option<i64>, representing: &[&str]) -> Said {
        let at = |seconds: i64| DateTime::from_timestamp(seconds, 0).unwrap();
        let actions = representing.iter().map(|path| NextAction { representing: (*path).into(), next: None });
        let status = Status {
            alive,
            last_activity: asked.map(at),
            last_success: asked.map(|asked| at(asked - 5)),
            last_failure: None,
            error: (!alive).then(|| "no luck".to_owned()),
            actions: actions.collect(),
            days_since_weigh_in: None,
            paused: false,
        };
        Said { values: Some("{}".into()), status }
    }

    fn health_of(people: &[(&str, Said)], path: &str) -> Option<Json> {
        let people = people.iter().map(|(name, said)| (name.parse().unwrap(), said.clone())).collect();
        statements(&people).get(&Place::Health(path.into())).map(|json| serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_place_is_found_again_by_its_path() {
        for place in [Place::Values("anna".parse().unwrap()), Place::Health("sensors/fitbit/anna".into())] {
            assert_eq!(Place::at(&place.path()), Some(place));
        }
        assert_eq!(Place::Health("a/b".into()).path(), "data/status/a/b");
        assert_eq!(Place::at("data/environment"), None);
    }

    #[test]
    fn what_is_no_name_of_an_element_becomes_one() {
        let beside = json!({"zones": [{"Fat Burn": 2.0, "1min": true}], "body-weight": {"": null}});
        assert_eq!(named(beside), json!({"zones": [{"Fat-Burn": 2.0, "_1min": true}], "body-weight": {"_": null}}));
    }

    #[test]
    fn a_path_that_two_represent_is_as_well_as_the_worst_of_them() {
        let people = [("anna", said(true, Some(100), &["a", "both"])), ("ben", said(false, Some(90), &["both"]))];
        let ours = json!({"alive": true, "resultData": "", "lastActivity": 100, "lastSuccess": 95});
        assert_eq!(health_of(&people, "a"), Some(ours));
        let both = json!({"alive": false, "resultData": "ben: no luck", "lastActivity": 100, "lastSuccess": 95});
        assert_eq!(health_of(&people, "both"), Some(both));
    }

    #[test]
    fn whoever_was_never_asked_for_has_no_health_and_spoils_none() {
        let people = [("anna", said(true, Some(100), &["both"])), ("ben", said(false, None, &["both", "b"]))];
        assert_eq!(health_of(&people, "b"), None);
        assert_eq!(health_of(&people, "both").unwrap()["alive"], true);
    }
}
