//! What the documents about one patient say → readings. Pure. Nothing but numbers, units and times is read of them, and
//! whether the patient is archived: names, addresses, notes, titles and the names of devices, which may hold a person's,
//! are never looked at.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, FixedOffset};
use serde_json::{Map, Value as Json};

use super::unit::{Known, PRESSURES};
use crate::metric::Unit;
use crate::reading::{Moment, Reading, Value, rfc3339};
use crate::upstream::Failure;
use crate::upstream::decode::{instant, number, reading};
use crate::upstream::endpoint::{Context, Decoded, Profile};

/// The counts of a plan's adherence.
const ADHERENCE: [(&str, &str); 3] =
    [("adherence-due", "/due"), ("adherence-complete", "/complete"), ("adherence-streak", "/streak/count")];

/// The plan, the results and the health metrics of a patient, whichever of them are there: results with the units of
/// their metric or action, the newest health metric of each type, adherence and goals of the plan.
///
/// # Errors
/// It is no JSON:API document.
pub fn care(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    let documents = Documents::read(body)?;
    if documents.resources.is_empty() {
        // A list of somebody who does not exist is as empty as that of somebody new.
        let problems =
            vec!["there is neither plan nor result nor health metric of this patient; is it the right one?".into()];
        return Ok(Decoded { problems, ..Decoded::default() });
    }
    let mut told = Told { context, goals: documents.goals(), decoded: Decoded::default(), seen: BTreeSet::new() };
    for plan in documents.of("patient_plan_summary") {
        told.plan(plan);
    }
    for result in documents.results() {
        if let Some(kind) = kind(result) {
            let value = result.pointer("/attributes/data/value").unwrap_or(&Json::Null);
            told.measured(kind, result, value, documents.unit_of(result, kind));
        }
    }
    for (kind, metric) in documents.newest_metrics() {
        let attributes = &metric["attributes"];
        // The two halves of a blood pressure stand beside one another.
        let halves = kind == "blood_pressure" && attributes["value"].is_null();
        let value = if halves { attributes } else { &attributes["value"] };
        told.measured(kind, metric, value, text(&attributes["unit"]));
    }
    Ok(told.decoded)
}

/// Whether the organization has archived the patient.
///
/// # Errors
/// It is no JSON:API document, or nobody is in it.
pub fn archive(body: &Json, _context: &Context) -> Result<Decoded, Failure> {
    let documents = Documents::read(body)?;
    let patient =
        documents.of("patient").next().ok_or_else(|| Failure::Malformed("there is no patient in it".into()))?;
    Ok(Decoded { archived: patient["attributes"]["archived"] == true, ..Decoded::default() })
}

/// The next event of a patient's calendar, of those that are still to come; where there is none, that there is none.
///
/// # Errors
/// It is no JSON:API document.
pub fn calendar(body: &Json, context: &Context) -> Result<Decoded, Failure> {
    let documents = Documents::read(body)?;
    let mut decoded = Decoded::default();
    let mut next: Option<(DateTime<FixedOffset>, &str)> = None;
    for event in documents.of("calendar_event").filter(|event| event["attributes"]["completed_at"].is_null()) {
        let attributes = &event["attributes"];
        let Some(start) = text(&attributes["start_at"]).and_then(|text| DateTime::parse_from_rfc3339(text).ok()) else {
            decoded.problems.push("next-appointment: an event has no time".into());
            continue;
        };
        if next.is_none_or(|(earliest, _)| start < earliest) {
            next = Some((start, text(&attributes["type"]).unwrap_or_default()));
        }
    }
    let value = next.map(|(start, _)| rfc3339(start.with_timezone(&context.zone).fixed_offset())).unwrap_or_default();
    let told = reading("next-appointment", Value::Text(value), Moment::Date(context.today));
    decoded.readings.extend(told.map(|mut told| {
        let kind = next.map(|(_, kind)| kind).filter(|kind| is_word(kind));
        told.beside.extend(kind.map(|kind| ("type".to_owned(), kind.into())));
        told
    }));
    Ok(decoded)
}

/// The identifiers of the health metrics without which results cannot be read, for nothing that is here tells their
/// unit; newest results first.
pub fn lacking(pages: &[Json]) -> Vec<String> {
    let documents = Documents::of_all(pages.iter().flat_map(resources).collect());
    let mut lacking: Vec<(&str, &str)> = Vec::new();
    for result in documents.results() {
        let needs = kind(result).filter(|kind| !Known::find(kind).is_some_and(Known::is_bare));
        let at = text(&result["attributes"]["occurred_at"]).unwrap_or_default();
        if let Some(metric) =
            needs.filter(|kind| documents.unit_of(result, kind).is_none()).and(related(result, "metric"))
            && documents.find("patient_health_metric", metric).is_none()
            && is_identifier(metric)
        {
            lacking.push((at, metric));
        }
    }
    lacking.sort_unstable();
    lacking.dedup();
    lacking.into_iter().rev().map(|(_, metric)| metric.to_owned()).collect()
}

/// Resources of all types, in the order they came.
struct Documents<'j> {
    resources: Vec<&'j Json>,
    /// The first of each type and identifier.
    by_id: HashMap<(&'j str, &'j str), &'j Json>,
}

fn resources(body: &Json) -> impl Iterator<Item = &Json> {
    let list = |key: &str| body.get(key).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    list("data").iter().chain(list("included"))
}

impl<'j> Documents<'j> {
    fn read(body: &'j Json) -> Result<Documents<'j>, Failure> {
        if !body.get("data").is_some_and(Json::is_array) {
            return Err(Failure::Malformed("the answer is no JSON:API document: it has no data".into()));
        }
        Ok(Documents::of_all(resources(body).collect()))
    }

    fn of_all(resources: Vec<&'j Json>) -> Documents<'j> {
        let mut by_id = HashMap::new();
        for resource in &resources {
            if let (Some(kind), Some(id)) = (resource["type"].as_str(), resource["id"].as_str()) {
                by_id.entry((kind, id)).or_insert(*resource);
            }
        }
        Documents { resources, by_id }
    }

    fn of<'d>(&'d self, kind: &'d str) -> impl Iterator<Item = &'j Json> + 'd {
        self.resources.iter().copied().filter(move |resource| resource["type"] == kind)
    }

    fn find(&self, kind: &str, id: &str) -> Option<&'j Json> {
        self.by_id.get(&(kind, id)).copied()
    }

    /// Results that were not skipped, each once: as it was last changed.
    fn results(&self) -> Vec<&'j Json> {
        let changed = |result: &Json| text(&result["attributes"]["updated_at"]).unwrap_or_default().to_owned();
        let mut results: BTreeMap<&str, &'j Json> = BTreeMap::new();
        for result in self.of("result") {
            let Some(id) = result["id"].as_str() else { continue };
            if results.get(id).is_none_or(|known| changed(known) < changed(result)) {
                results.insert(id, result);
            }
        }
        let mut results: Vec<&Json> = results.into_values().collect();
        results.retain(|result| result["attributes"]["skipped"] != true);
        // Of two of the same moment the one changed last is told last, and stays.
        results.sort_by_cached_key(|result| changed(result));
        results
    }

    /// The newest health metric of each type.
    fn newest_metrics(&self) -> BTreeMap<&'j str, &'j Json> {
        let mut newest: BTreeMap<&str, (DateTime<FixedOffset>, &Json)> = BTreeMap::new();
        for metric in self.of("patient_health_metric") {
            let at = text(&metric["attributes"]["occurred_at"]).and_then(|at| DateTime::parse_from_rfc3339(at).ok());
            let (Some(kind), Some(at)) = (kind(metric), at) else { continue };
            if newest.get(kind).is_none_or(|(known, _)| *known < at) {
                newest.insert(kind, (at, metric));
            }
        }
        newest.into_iter().map(|(kind, (_, metric))| (kind, metric)).collect()
    }

    /// The unit of a result: that of its health metric, else that which its action names for this type.
    fn unit_of(&self, result: &Json, kind: &str) -> Option<&'j str> {
        let metric = || self.find("patient_health_metric", related(result, "metric")?);
        let action = || self.find("action", related(result, "action")?);
        metric().and_then(|metric| text(&metric["attributes"]["unit"])).or_else(|| {
            let wanted = wanted(action()?).find(|wanted| is_of(wanted, kind))?;
            text(&wanted["unit"])
        })
    }

    /// The goal of each metric, by its key and in its unit. Where several actions have one, the first by identifier.
    fn goals(&self) -> HashMap<&'static str, f64> {
        let mut actions: Vec<&Json> = self.of("action").collect();
        actions.sort_by_key(|action| action["id"].as_str());
        let mut goals = HashMap::new();
        for wanted in actions.into_iter().flat_map(wanted) {
            let goal = &wanted["goal"]["data"];
            let Some(kind) = text(&wanted["metric_type"]) else { continue };
            for (known, value) in values(kind, &goal["value"]) {
                let value = number(value, Unit::Text).ok().flatten();
                let value = value.and_then(|value| known.convert(value, text(&goal["unit"])).ok());
                if let Some(value) = value {
                    goals.entry(known.key).or_insert(value);
                }
            }
        }
        goals
    }
}

/// What was read so far.
struct Told<'c> {
    context: &'c Context,
    goals: HashMap<&'static str, f64>,
    decoded: Decoded,
    /// What was measured when, so that a result is not told again as the health metric that belongs to it.
    seen: BTreeSet<(&'static str, i64)>,
}

impl Told<'_> {
    fn plan(&mut self, plan: &Json) {
        let today = Moment::Date(self.context.today);
        let adherence = &plan["attributes"]["adherence"];
        for (key, at) in ADHERENCE {
            match number(adherence.pointer(at).unwrap_or(&Json::Null), Unit::Count) {
                Ok(Some(count)) => self.decoded.readings.extend(reading(key, Value::Number(count), today)),
                Ok(None) => {}
                Err(problem) => self.decoded.problems.push(format!("{key}: {problem}")),
            }
        }
        if let Some(zone) = text(&plan["attributes"]["time_zone"]) {
            self.decoded.profile.get_or_insert(Profile { zone: Some(zone.to_owned()), name: None, since: None });
        }
    }

    fn measured(&mut self, kind: &str, resource: &Json, value: &Json, unit: Option<&str>) {
        let found: Vec<_> = values(kind, value).collect();
        if found.is_empty() && kind == "blood_pressure" {
            self.decoded.problems.push("blood-pressure: a value is not in two parts".into());
        }
        let at = match instant(Some(&resource["attributes"]["occurred_at"]), None, self.context) {
            Ok(at) => at,
            Err(problem) => {
                self.decoded.problems.extend(found.iter().map(|(known, _)| format!("{}: {problem}", known.key)));
                return;
            }
        };
        for (known, value) in found {
            let Some(metric) = known.metric() else { continue };
            if resource["type"] == "patient_health_metric" && self.seen.contains(&(known.key, at.timestamp())) {
                continue;
            }
            let number = number(value, Unit::Text);
            let problem = match number.map(|number| number.map(|number| known.convert(number, unit))) {
                Ok(None) => continue,
                Ok(Some(Ok(number))) => {
                    self.seen.insert((known.key, at.timestamp()));
                    let mut beside = Map::new();
                    beside.extend(self.goals.get(known.key).map(|goal| ("goal".to_owned(), (*goal).into())));
                    let (value, at) = (Value::Number(number), Moment::Time(at));
                    self.decoded.readings.push(Reading { metric, value, at, source: None, beside, resolution: None });
                    continue;
                }
                Ok(Some(Err(problem))) => problem,
                // What stands there instead may be anything that somebody wrote.
                Err(_) => "it is not a number".into(),
            };
            self.decoded.problems.push(format!("{} of {}: {problem}", known.key, rfc3339(at)));
        }
    }
}

/// The metrics in a value of this type: blood pressure is two.
fn values<'j>(kind: &str, value: &'j Json) -> impl Iterator<Item = (&'static Known, &'j Json)> {
    let halves = if kind == "blood_pressure" { &PRESSURES[..] } else { &[] };
    let halves = halves.iter().filter_map(|(half, vendor)| Some((Known::find(vendor)?, value.get(half)?)));
    halves.chain(Known::find(kind).map(|known| (known, value)))
}

/// What a result or a health metric is of, if it is one of those known.
fn kind(resource: &Json) -> Option<&str> {
    let attributes = &resource["attributes"];
    let kind = text(&attributes["metric_type"]).or_else(|| text(&attributes["type"]))?;
    (kind == "blood_pressure" || Known::find(kind).is_some()).then_some(kind)
}

/// What an action wants to be measured.
fn wanted(action: &Json) -> impl Iterator<Item = &Json> {
    action["attributes"]["metrics"].as_array().map_or(&[][..], Vec::as_slice).iter()
}

fn is_of(wanted: &Json, kind: &str) -> bool {
    wanted["metric_type"] == kind
}

fn related<'j>(resource: &'j Json, name: &str) -> Option<&'j str> {
    let data = &resource["relationships"][name]["data"];
    data.get(0).unwrap_or(data)["id"].as_str()
}

fn text(json: &Json) -> Option<&str> {
    json.as_str().filter(|text| !text.is_empty())
}

/// Identifiers stand in addresses.
fn is_identifier(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// A word of the vendor's, and nothing that a person wrote.
fn is_word(text: &str) -> bool {
    super::endpoints::EVENTS.contains(&text)
}
