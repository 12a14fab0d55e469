//! What a patient does: the plan with its actions, results and health metrics, and the calendar.

use serde_json::{Value as Json, json};

use super::resource::{Scene, time};
use crate::simulator::life::chance::rounded;

/// What a plan asks for: title, metric, unit, goal.
pub(super) const ACTIONS: [(&str, &str, &str, f64); 3] = [
    ("Weigh yourself", "weight", "lb", 160.0),
    ("Measure your blood pressure", "blood_pressure", "mmHg", 120.0),
    ("Check your glucose", "blood_glucose", "mg/dL", 100.0),
];
/// Other metrics that were measured: metric, unit, LOINC code, usual value.
const MEASURED: [(&str, &str, &str, f64); 4] = [
    ("weight", "lb", "29463-7", 170.0),
    ("blood_pressure", "mmHg", "85354-9", 125.0),
    ("hemoglobin_a1c", "%", "4548-4", 6.4),
    ("ldl_cholesterol", "mg/dL", "13457-7", 121.0),
];
const EVENTS: [&str; 5] = ["plan-check-in", "reminder", "telephone-call", "office-visit", "video-call"];
const ZONE: &str = "America/New_York";

pub(super) fn summary(scene: &Scene, number: usize) -> Json {
    let mut chance = scene.chance("summary", number);
    let each = scene.programme.each;
    let attributes = json!({
        "adherence": {"due": 20, "complete": chance.between(5, 20), "streak": {"count": chance.between(0, 14)}},
        "critical": {"blood_glucose": {"data": {
            "minimum": {"unit": "mg/dL", "value": 60}, "maximum": {"unit": "mg/dL", "value": 250},
        }}},
        "time_zone": ZONE,
        "window_order": [],
        "effective_from": time(scene.ago(24 * 60)),
        "window_notification_times": {"morning": 25_200, "afternoon": 43_200, "evening": 64_800, "night": 75_600},
    });
    // The newest result of each action.
    let current = (0..ACTIONS.len().min(each)).map(|nth| number * each + nth);
    scene.resource(
        "patient_plan_summary",
        number,
        attributes,
        json!({
            "actions": scene.many("action", number * ACTIONS.len()..(number + 1) * ACTIONS.len()),
            "bundles": scene.many("bundle", std::iter::once(number)),
            "patient": scene.one("patient", number),
            "current_results": scene.many("result", current),
        }),
    )
}

pub(super) fn action(scene: &Scene, number: usize) -> Json {
    let (title, metric, unit, goal) = ACTIONS[number % ACTIONS.len()];
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
    let (_, metric, _, goal) = ACTIONS[nth % ACTIONS.len()];
    let action = patient * ACTIONS.len() + nth % ACTIONS.len();
    let mut chance = scene.chance("result", number);
    let value = rounded(goal * (1.0 + 0.1 * chance.wobble()), 1);
    let value = match metric {
        "blood_pressure" => json!({"systolic": value.round(), "diastolic": (value * 0.65).round()}),
        _ => json!(value),
    };
    let at = time(scene.ago(8 * nth as i64 + 2));
    let attributes = json!({
        "type": metric,
        "metric_type": metric,
        "annotations": [],
        "skipped": nth % 9 == 7,
        "occurred_at": at,
        "occurred_at_time_zone": ZONE,
        "window": scene.id("window", action),
        "data": {"value": value},
        "_thread": scene.id("thread", action),
        "source": {"source_id": "simulated", "name": "Simulated device"},
        "created_at": at,
        "updated_at": at,
    });
    let (patient, action) = (scene.one("patient", patient), scene.one("action", action));
    scene.resource(
        "result",
        number,
        attributes,
        json!({
            "patient": patient, "action": action, "metric": scene.one("patient_health_metric", number),
        }),
    )
}

pub(super) fn metric(scene: &Scene, number: usize) -> Json {
    let (patient, nth) = scene.owner(number);
    let (metric, unit, code, usual) = MEASURED[nth % MEASURED.len()];
    let value = rounded(usual * (1.0 + 0.05 * scene.chance("metric", number).wobble()), 1);
    let at = time(scene.ago(24 * nth as i64 + 5));
    let mut attributes = json!({
        "type": metric,
        "code": {"system": "LOINC", "value": code},
        "value": value,
        "unit": unit,
        "occurred_at": at,
        "created_at": at,
        "updated_at": at,
    });
    if metric == "blood_pressure" {
        attributes["value"] = Json::Null;
        attributes["systolic"] = json!(value.round());
        attributes["diastolic"] = json!((value * 0.65).round());
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
