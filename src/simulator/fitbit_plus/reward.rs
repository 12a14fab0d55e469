//! What patients can earn: programs, what is active for whom, rewards, earnings and their fulfilment.

use serde_json::{Value as Json, json};

use super::resource::{Scene, time};

pub(super) fn program(scene: &Scene, number: usize) -> Json {
    let attributes = json!({
        "name": format!("Rewards {}", number + 1),
        "tagline": "Earn while you learn",
        "description": "Simulated rewards",
        "start_at": time(scene.ago(24 * 90)),
        "end_at": time(scene.ago(-24 * 90)),
        "budget_value": 100,
        "budget_unit": "dollar",
        "duration_active": 540,
        "fulfill_as_earned": true,
        "frozen": false,
    });
    scene.resource("reward_program", number, attributes, json!({"group": scene.one("group", number)}))
}

pub(super) fn activation(scene: &Scene, number: usize) -> Json {
    let (patient, _) = scene.owner(number);
    let attributes = json!({
        "active": true,
        "activated_at": time(scene.ago(24 * 30)),
        "expires_at": time(scene.ago(-24 * 30)),
        "fulfill_as_earned": true,
        "allocated_count": 1,
        "total_allocated_value": 10,
        "earned_count": 1,
        "total_earned_value": 5,
        "budget_unit": "dollar",
    });
    let mut relationships = json!({"patient": scene.one("patient", patient)});
    if let Some(group) = scene.groups(patient).first() {
        relationships["reward_program"] = scene.one("reward_program", *group);
    }
    scene.resource("reward_program_activation", number, attributes, relationships)
}

pub(super) fn reward(scene: &Scene, number: usize) -> Json {
    let (patient, nth) = scene.owner(number);
    let attributes = json!({
        "_thread": scene.id("reward thread", number),
        "description": "A week of measurements",
        "allocated_value": 10,
        "allocated_unit": "dollar",
        "allocated_at": time(scene.ago(24 * (nth as i64 + 7))),
        "target_at": time(scene.ago(24 * nth as i64)),
        "earned_value": 5,
        "earned_at": time(scene.ago(24 * nth as i64)),
    });
    scene.resource(
        "reward",
        number,
        attributes,
        json!({
            "patient": scene.one("patient", patient),
            "reward_program_activation": scene.one("reward_program_activation", number),
        }),
    )
}

/// Every other one waits to be fulfilled.
pub(super) fn earning(scene: &Scene, number: usize) -> Json {
    let (patient, nth) = scene.owner(number);
    let attributes = json!({
        "earned_value": 5,
        "earned_unit": "dollar",
        "earned_at": time(scene.ago(24 * nth as i64)),
        "ready_for_fulfillment": nth % 2 == 0,
    });
    let mut relationships = json!({
        "patient": scene.one("patient", patient),
        "reward_program_activation": scene.one("reward_program_activation", number),
        "reward": scene.one("reward", number),
    });
    if let Some(group) = scene.groups(patient).first() {
        relationships["group"] = scene.one("group", *group);
    }
    scene.resource("reward_earning", number, attributes, relationships)
}

pub(super) fn fulfillment(scene: &Scene, number: usize) -> Json {
    let (patient, nth) = scene.owner(number);
    let attributes =
        json!({"fulfilled_value": 5, "fulfilled_unit": "dollar", "fulfilled_at": time(scene.ago(24 * nth as i64))});
    scene.resource(
        "reward_earning_fulfillment",
        number,
        attributes,
        json!({
            "patient": scene.one("patient", patient),
            "reward_earning": scene.one("reward_earning", number),
        }),
    )
}
