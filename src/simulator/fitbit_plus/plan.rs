//! What a patient does: the plan with its actions, results and health metrics, and the calendar.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::clinic::Programme;
use super::resource::{Scene, time};
use crate::simulator::life::chance::rounded;

/// What a plan asks for: title, metric, unit, goal.
pub(super) const ACTIONS: [(&str, &str, &str, f64); 3] = [
    ("Weigh yourself", "weight", "lb", 160.0),
    ("Measure your blood pressure", "blood_pressure", "mmHg", 120.0),
    ("Check your glucose", "blood_glucose", "mg/dL", 100.0),
];
/// Their LOINC codes.
const CODES: [&str; 3] = ["29463-7", "85354-9", "2339-0"];
/// What a laboratory found, without a result: metric, unit, LOINC code, usual value.
const LABORATORY: [(&str, &str, &str, f64); 2] =
    [("hemoglobin_a1c", "%", "4548-4", 6.4), ("ldl_cholesterol", "mg/dL", "13457-7", 121.0)];
/// A unit that nobody else writes so.
const ODD_UNIT: &str = "stone-ish";
/// Hours from one result of a patient to the next.
pub(super) const RESULTS_APART: i64 = 8;
const EVENTS: [&str; 5] = ["plan-check-in", "reminder", "telephone-call", "office-visit", "video-call"];
const ZONE: &str = "America/New_York";

pub(super) fn summary(scene: &Scene, number: usize) -> Json {
    let mut chance = scene.chance("summary", number);
    let each = scene.programme.each;
    let attributes = json!({
        "adherence": {"due": 20, "complete": chance.between(5, 15), "streak": {"count": chance.between(0, 14)}},
        "critical": {"blood_glucose": {"data": {
            "minimum": {"unit": "mg/dL", "value": 60}, "maximum": {"unit": "mg/dL", "value": 250},
        }}},
        "time_zone": ZONE,
        "window_order": [],
        "effective_from": time(scene.ago(24 * 60)),
        "window_notification_times": {"morning": 25_200, "afternoon": 43_200, "evening": 64_800, "night": 75_600},
    });
    // The newest result of each action. There are plans that ask for nothing.
    let (asked, each) = if asks_for_nothing(number) { (0, 0) } else { (ACTIONS.len(), each) };
    let current = (0..asked.min(each)).map(|nth| number * each + nth);
    scene.resource(
        "patient_plan_summary",
        number,
        attributes,
        json!({
            "actions": scene.many("action", number * ACTIONS.len()..number * ACTIONS.len() + asked),
            "bundles": scene.many("bundle", std::iter::once(number)),
            "patient": scene.one("patient", number),
            "current_results": scene.many("result", current),
        }),
    )
}

pub(super) fn action(scene: &Scene, number: usize) -> Json {
    let (title, metric, unit, goal) = ACTIONS[number % ACTIONS.len()];
    let unit = spelt(number / ACTIONS.len(), metric, unit);
    let goal = json!({"data": {"unit": unit, "value": goal}});
    let attributes = json!({
        "type": metric,
        "title": title,
        "static_title": title,
        "effective_from": time(scene.ago(24 * 60)),
        "tracking": true,
        "_thread": scene.id("thread", number),
        "adherence": {"due": 7, "complete": 5, "streak": {"count": 2, "updated_at": time(scene.ago(24))}},
        "frequency_goal": {"weeks": {"days": [0, 1, 2, 3, 4, 5, 6]}},
        "metric_required": true,
        "metrics": [{"metric_type": metric, "unit": unit, "goal": goal}],
        "windows": [{"title": "Morning", "type": "morning", "_id": scene.id("window", number)}],
    });
    scene.resource(
        "action",
        number,
        attributes,
        json!({"plan": scene.one("patient_plan_summary", number / ACTIONS.len())}),
    )
}

pub(super) fn bundle(scene: &Scene, number: usize) -> Json {
    let attributes = json!({
        "type": "lifestyle",
        "title": "Daily measurements",
        "effective_from": time(scene.ago(24 * 60)),
        "_thread": scene.id("bundle thread", number),
    });
    let actions = scene.many("action", number * ACTIONS.len()..(number + 1) * ACTIONS.len());
    scene.resource(
        "bundle",
        number,
        attributes,
        json!({
            "plan": scene.one("patient_plan_summary", number), "actions": actions,
        }),
    )
}

/// One result for each action in turn, going back eight hours at a time.
pub(super) fn result(scene: &Scene, number: usize) -> Json {
    let (patient, nth) = scene.owner(number);
    let at = scene.ago(RESULTS_APART * nth as i64 + 2);
    result_at(scene, number, patient, nth, at)
}

/// What a patient measured later: the result of this round since the organization was made, and its health metric.
pub(super) fn later(scene: &Scene, patient: usize, round: usize) -> (Json, Json) {
    let Programme { patients, each, .. } = scene.programme;
    let number = patients * each + round * patients + patient;
    let at = scene.ago(-RESULTS_APART * (round as i64 + 1) + 2);
    // No laboratory, and nothing skipped.
    let nth = round % ACTIONS.len();
    (result_at(scene, number, patient, nth, at), metric_at(scene, number, patient, nth, at))
}

/// A plan in which one more was done: it counts, and its result is the current one of its action.
pub(super) fn did(summary: &mut Json, round: usize, result: &Json) {
    let counts = &mut summary["attributes"]["adherence"];
    for at in ["/complete", "/streak/count"] {
        if let Some(count) = counts.pointer_mut(at) {
            *count = (count.as_u64().unwrap_or_default() + 1).into();
        }
    }
    let current = summary["relationships"]["current_results"]["data"].as_array_mut();
    if let Some(current) = current.and_then(|current| current.get_mut(round % ACTIONS.len())) {
        current["id"] = result["id"].clone();
    }
}

/// A result whose health metric is another one's is skipped, or was entered by hand.
fn is_laboratory(nth: usize) -> bool {
    nth % 4 == 3 || is_skipped(nth)
}

fn is_skipped(nth: usize) -> bool {
    nth % 9 == 7
}

fn asks_for_nothing(patient: usize) -> bool {
    patient % 10 == 7
}

/// How a patient's devices spell a unit.
fn spelt(patient: usize, metric: &str, unit: &'static str) -> &'static str {
    if patient % 10 == 6 && metric == "weight" { ODD_UNIT } else { unit }
}

/// What was measured, the same in a result and its health metric.
fn value(scene: &Scene, number: usize, nth: usize) -> f64 {
    let (_, _, _, goal) = ACTIONS[nth % ACTIONS.len()];
    rounded(goal * (1.0 + 0.1 * scene.chance("result", number).wobble()), 1)
}

fn result_at(scene: &Scene, number: usize, patient: usize, nth: usize, at: DateTime<Utc>) -> Json {
    let (_, metric, ..) = ACTIONS[nth % ACTIONS.len()];
    let action = patient * ACTIONS.len() + nth % ACTIONS.len();
    let value = value(scene, number, nth);
    let value = match metric {
        "blood_pressure" => json!({"systolic": value.round(), "diastolic": (value * 0.65).round()}),
        _ => json!(value),
    };
    let at = time(at);
    let attributes = json!({
        "type": metric,
        "metric_type": metric,
        "annotations": [{"title": "Note", "text": "Simulated annotation"}],
        "skipped": is_skipped(nth),
        "occurred_at": at,
        "occurred_at_time_zone": ZONE,
        "window": scene.id("window", action),
        "data": {"value": value},
        "_thread": scene.id("thread", action),
        "source": {"source_id": "simulated", "name": "Simulated device"},
        "created_at": at,
        "updated_at": at,
    });
    let mut relationships = json!({"patient": scene.one("patient", patient)});
    if !asks_for_nothing(patient) {
        relationships["action"] = scene.one("action", action);
    }
    if !is_laboratory(nth) {
        relationships["metric"] = scene.one("patient_health_metric", number);
    }
    scene.resource("result", number, attributes, relationships)
}

pub(super) fn metric(scene: &Scene, number: usize) -> Json {
    let (patient, nth) = scene.owner(number);
    if is_laboratory(nth) {
        let (metric, unit, code, usual) = LABORATORY[nth / 4 % LABORATORY.len()];
        let value = rounded(usual * (1.0 + 0.05 * scene.chance("metric", number).wobble()), 1);
        let at = scene.ago(24 * nth as i64 + 5);
        return health_metric(scene, number, patient, (metric, unit, code), json!({"value": value}), at);
    }
    metric_at(scene, number, patient, nth, scene.ago(RESULTS_APART * nth as i64 + 2))
}

fn metric_at(scene: &Scene, number: usize, patient: usize, nth: usize, at: DateTime<Utc>) -> Json {
    let (_, metric, unit, _) = ACTIONS[nth % ACTIONS.len()];
    let value = value(scene, number, nth);
    let value = match metric {
        "blood_pressure" => json!({"value": null, "systolic": value.round(), "diastolic": (value * 0.65).round()}),
        _ => json!({"value": value}),
    };
    let what = (metric, spelt(patient, metric, unit), CODES[nth % ACTIONS.len()]);
    health_metric(scene, number, patient, what, value, at)
}

fn health_metric(
    scene: &Scene,
    number: usize,
    patient: usize,
    (metric, unit, code): (&str, &str, &str),
    mut attributes: Json,
    at: DateTime<Utc>,
) -> Json {
    attributes["type"] = metric.into();
    attributes["code"] = json!({"system": "LOINC", "value": code});
    attributes["unit"] = unit.into();
    for name in ["occurred_at", "created_at", "updated_at"] {
        attributes[name] = time(at).into();
    }
    scene.resource("patient_health_metric", number, attributes, json!({"patient": scene.one("patient", patient)}))
}

/// Half of the events are to come.
pub(super) fn calendar_event(scene: &Scene, number: usize) -> Json {
    let (patient, nth) = scene.owner(number);
    let kind = EVENTS[nth % EVENTS.len()];
    let start = scene.ago(48 * (nth as i64 - scene.programme.each as i64 / 2) + 3);
    let past = start < scene.now;
    let coach = patient % scene.programme.coaches.max(1);
    let mut attributes = json!({
        "type": kind,
        "title": format!("Event {}", nth + 1),
        "time_zone": ZONE,
        "all_day": false,
        "start_at": time(start),
        "location": "Room 1",
        "description": "Simulated appointment",
        "attendees": [
            {"user": scene.id("patient", patient), "response_status": "accepted"},
            {"user": scene.id("coach", coach), "response_status": "needsAction"},
        ],
        "created_at": time(scene.ago(24 * 40)),
        "updated_at": time(scene.ago(24 * 20 + nth as i64)),
    });
    match kind {
        "plan-check-in" if past => attributes["completed_at"] = time(start + chrono::TimeDelta::hours(1)).into(),
        "plan-check-in" => {}
        _ => attributes["end_at"] = time(start + chrono::TimeDelta::minutes(30)).into(),
    }
    scene.resource("calendar_event", number, attributes, json!({"owner": scene.one("patient", patient)}))
}
