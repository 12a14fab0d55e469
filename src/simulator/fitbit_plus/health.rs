//! What patients answered about their health: profiles, questions, answers.

use serde_json::{Value as Json, json};

use super::resource::{Scene, time};

pub(super) fn profile(scene: &Scene, number: usize) -> Json {
    let each = scene.programme.each;
    let stats = json!([{"category": "overall", "answered": each, "total": each}]);
    scene.resource(
        "health_profile",
        number,
        json!({"stats": stats}),
        json!({
            "patient": scene.one("patient", number),
            "questions": scene.many("health_profile_question", number * each..(number + 1) * each),
        }),
    )
}

pub(super) fn question(scene: &Scene, number: usize) -> Json {
    let (patient, nth) = scene.owner(number);
    let mut relationships = json!({
        "answer": scene.one("health_profile_answer", number),
        "profile": {"links": {"related": format!("/health_profile/{}", scene.id("health_profile", patient))}},
        "patient": scene.one("patient", patient),
    });
    if scene.programme.questions > 0 {
        relationships["question_definition"] = scene.one("health_question_definition", nth % scene.programme.questions);
    }
    scene.resource("health_profile_question", number, json!({}), relationships)
}

pub(super) fn answer(scene: &Scene, number: usize) -> Json {
    let (patient, nth) = scene.owner(number);
    let id = scene.id("patient", patient);
    let given = json!({"answered_at": time(scene.ago(24 * nth as i64 + 9)), "value": "often", "_created_by": id});
    let attributes = json!({
        "question_id": scene.id("health_question_definition", nth % scene.programme.questions.max(1)),
        "latest": given,
        "history": [given],
    });
    scene.resource("health_profile_answer", number, attributes, json!({"patient": scene.one("patient", patient)}))
}

pub(super) fn definition(scene: &Scene, number: usize) -> Json {
    let categories = ["lifestyle_behaviors", "mental_wellbeing", "preventative_care"];
    let choice = |value: &str| json!({"label": value, "value": value});
    let attributes = json!({
        "category": categories[number % categories.len()],
        "format": {"type": "choice", "data": [choice("never"), choice("often")]},
        "requirements": [],
        "text": format!("Simulated question {}", number + 1),
    });
    scene.resource("health_question_definition", number, attributes, json!({}))
}
