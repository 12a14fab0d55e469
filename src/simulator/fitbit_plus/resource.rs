//! What is on record: each type of resource, how many there are, and the forms they share.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value as Json, json};

use super::clinic::Programme;
use super::{health, people, plan, reward};
use crate::simulator::life::chance::Chance;

/// What everything on record is made of.
pub(super) struct Scene {
    pub(super) seed: u64,
    pub(super) programme: Programme,
    pub(super) now: DateTime<Utc>,
}

/// Everything of one type, by identifier.
pub(super) fn all(kind: &'static str, scene: &Scene) -> BTreeMap<String, Json> {
    let Programme { patients, groups, coaches, questions, each, .. } = scene.programme;
    let (count, make): (usize, fn(&Scene, usize) -> Json) = match kind {
        "organization" => (1, people::organization),
        "group" => (groups, people::group),
        "coach" => (coaches, people::coach),
        "patient" => (patients, people::patient),
        "email_history" => (patients * each, people::email),
        "patient_plan_summary" => (patients, plan::summary),
        "action" => (patients * plan::ACTIONS.len(), plan::action),
        "bundle" => (patients, plan::bundle),
        "result" => (patients * each, plan::result),
        "patient_health_metric" => (patients * each, plan::metric),
        "calendar_event" => (patients * each, plan::calendar_event),
        "health_profile" => (patients, health::profile),
        "health_profile_question" => (patients * each, health::question),
        "health_profile_answer" => (patients * each, health::answer),
        "health_question_definition" => (questions, health::definition),
        "reward_program" => (groups, reward::program),
        "reward_program_activation" => (patients * each, reward::activation),
        "reward" => (patients * each, reward::reward),
        "reward_earning" => (patients * each, reward::earning),
        "reward_earning_fulfillment" => (patients * each, reward::fulfillment),
        _ => (0, |_, _| Json::Null),
    };
    let made = (0..count).map(|number| make(scene, number));
    made.map(|json| (json["id"].as_str().unwrap_or_default().to_owned(), json)).collect()
}

/// Adds what every patient measured in one more round, and tells of it in the plan.
pub(super) fn later(kind: &str, scene: &Scene, round: usize, records: &mut BTreeMap<String, Json>) {
    if !["result", "patient_health_metric", "patient_plan_summary"].contains(&kind) {
        return;
    }
    for patient in 0..scene.programme.patients {
        let (result, metric) = plan::later(scene, patient, round);
        let mut put = |record: Json| records.insert(record["id"].as_str().unwrap_or_default().to_owned(), record);
        match kind {
            "result" => drop(put(result)),
            "patient_health_metric" => drop(put(metric)),
            _ => {
                let Some(summary) = records.get_mut(&scene.id("patient_plan_summary", patient)) else { continue };
                plan::did(summary, round, &result);
            }
        }
    }
}

/// 24 hexadecimal digits, as the service's identifiers are.
pub(super) fn identifier(seed: u64, kind: &str, number: usize) -> String {
    let mut chance = Chance::of(seed, number as i64, kind);
    format!("{:016x}{:08x}", chance.number(), chance.number() as u32)
}

impl Scene {
    pub(super) fn id(&self, kind: &str, number: usize) -> String {
        identifier(self.seed, kind, number)
    }

    /// Something by chance, always the same for the same resource.
    pub(super) fn chance(&self, kind: &str, number: usize) -> Chance {
        Chance::of(self.seed, number as i64, &format!("{kind} by chance"))
    }

    /// The patient to whom the record of this number belongs, and its number among theirs.
    pub(super) fn owner(&self, number: usize) -> (usize, usize) {
        let each = self.programme.each.max(1);
        (number / each, number % each)
    }

    /// So many hours ago, to the full hour.
    pub(super) fn ago(&self, hours: i64) -> DateTime<Utc> {
        let hour = self.now.timestamp().div_euclid(3600) * 3600;
        DateTime::from_timestamp(hour, 0).unwrap_or(self.now) - TimeDelta::hours(hours)
    }

    /// A resource. Its own link lacks `/pub`, as several of the vendor's examples do.
    pub(super) fn resource(&self, kind: &str, number: usize, attributes: Json, relationships: Json) -> Json {
        let id = self.id(kind, number);
        let mut json =
            json!({"type": kind, "id": id, "attributes": attributes, "links": {"self": format!("/{kind}/{id}")}});
        if relationships.as_object().is_some_and(|relationships| !relationships.is_empty()) {
            json["relationships"] = relationships;
        }
        json
    }

    /// A relation to one resource.
    pub(super) fn one(&self, kind: &str, number: usize) -> Json {
        json!({"data": {"type": kind, "id": self.id(kind, number)}})
    }

    /// A relation to several.
    pub(super) fn many(&self, kind: &str, numbers: impl Iterator<Item = usize>) -> Json {
        json!({"data": numbers.map(|number| json!({"type": kind, "id": self.id(kind, number)})).collect::<Vec<_>>()})
    }

    /// The groups of a patient. The first patient is in all of them.
    pub(super) fn groups(&self, patient: usize) -> Vec<usize> {
        match (patient, self.programme.groups) {
            (0, groups) => (0..groups).collect(),
            (_, 0) => Vec::new(),
            (patient, groups) => vec![patient % groups],
        }
    }
}

/// Milliseconds and `Z`, as the service writes times.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
