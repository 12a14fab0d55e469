//! Quota, faults, the levers over HTTP, and the list of requests.

use chrono::TimeDelta;
use fitbit2mqtt::simulator::{Effect, Exhausted, Fault, Options};
use serde_json::json;

use super::{World, header, json as parsed, noon};

const PATH: &str = "/fitbit/1/user/-/activities/goals/daily.json";

#[tokio::test]
async fn the_quota_counts_down_refuses_and_returns_at_the_top_of_the_hour() {
    for (exhausted, retry_after) in [(Exhausted::System, true), (Exhausted::Request, false), (Exhausted::Google, false)]
    {
        let world = World::with(Options { quota: 3, exhausted, retry_after, ..Options::default() }, noon());
        let bearer = format!("Bearer {}", world.token);
        for left in ["2", "1", "0"] {
            let response = world.ask("GET", PATH, &bearer, "").await;
            assert_eq!((response.status, header(&response, "fitbit-rate-limit-remaining")), (200, Some(left)));
            assert_eq!(header(&response, "fitbit-rate-limit-limit"), Some("3"));
        }
        let refused = world.ask("GET", PATH, &bearer, "").await;
        let body = parsed(&refused);
        assert_eq!((refused.status, header(&refused, "fitbit-rate-limit-reset")), (429, Some("1200")));
        assert_eq!(header(&refused, "retry-after"), retry_after.then_some("1200"));
        match exhausted {
            Exhausted::System => assert_eq!(body["errors"][0]["errorType"], "system"),
            Exhausted::Request => assert_eq!(body["errors"][0]["errorType"], "request"),
            Exhausted::Google => assert_eq!(body["error"]["status"], "RESOURCE_EXHAUSTED"),
        }
        let other = world.simulator.grant("23SIMU", 1, &["activity"]).unwrap().access_token;
        assert_eq!(world.ask("GET", PATH, &format!("Bearer {other}"), "").await.status, 200, "each has their own");
        world.clock.advance(TimeDelta::minutes(20));
        assert_eq!(world.ask("GET", PATH, &bearer, "").await.status, 200);
    }
}

#[tokio::test]
async fn faults_happen_as_often_as_they_are_asked_for() {
    let world = World::new();
    let fault = |times, effect| world.simulator.fault(Fault { path: "/goals/".into(), person: None, times, effect });
    fault(Some(2), Effect::Html { status: 503 });
    fault(Some(1), Effect::answer(200, &json!({"goals": {"steps": null}})));
    fault(Some(1), Effect::Truncated);
    fault(Some(1), Effect::Exhausted { body: Exhausted::Google, retry_after: Some(7) });
    fault(Some(1), Effect::SwitchedOff);
    fault(Some(1), Effect::Delay { milliseconds: 30 });
    let before = std::time::Instant::now();
    let mut seen = Vec::new();
    for _ in 0..7 {
        let response = world.ask("GET", PATH, &format!("Bearer {}", world.token), "").await;
        seen.push((response.status, serde_json::from_slice::<serde_json::Value>(&response.body).is_ok()));
    }
    let expected = [(503, false), (503, false), (200, true), (200, false), (429, true), (410, false), (200, true)];
    assert_eq!(seen, expected);
    assert!(before.elapsed().as_millis() >= 30);
}

#[tokio::test]
async fn a_fault_can_be_meant_for_one_person_and_be_taken_back() {
    let world = World::new();
    let effect = Effect::Html { status: 500 };
    world.simulator.fault(Fault { path: String::new(), person: Some(1), times: None, effect });
    let other = format!("Bearer {}", world.simulator.grant("23SIMU", 1, &["activity"]).unwrap().access_token);
    assert_eq!(world.get(PATH).await.0, 200);
    assert_eq!(world.ask("GET", PATH, &other, "").await.status, 500);
    world.simulator.clear_faults();
    assert_eq!(world.ask("GET", PATH, &other, "").await.status, 200);
}

#[tokio::test]
async fn the_levers_work_over_http_too() {
    let world = World::new();
    let control =
        async |method: &str, path: &str, body: serde_json::Value| world.ask(method, path, "", &body.to_string()).await;
    let fault = json!({"path": "/goals/", "times": 1, "effect": {"exhausted": {"body": "system", "retryAfter": 9}}});
    assert_eq!(control("POST", "/control/faults", fault).await.status, 204);
    assert_eq!(world.get(PATH).await.0, 429);
    assert_eq!(control("POST", "/control/faults", json!({"effect": "switchedOff"})).await.status, 204);
    assert_eq!(world.get(PATH).await.0, 410);
    assert_eq!(control("DELETE", "/control/faults", json!(null)).await.status, 204);
    assert_eq!(world.get(PATH).await.0, 200);
    assert_eq!(control("POST", "/control/faults", json!({"effect": "earthquake"})).await.status, 400);

    let change = json!({"person": 0, "change": {"steps": {"date": "2026-11-19", "steps": 4242}}});
    assert_eq!(control("POST", "/control/changes", change).await.status, 204);
    let steps = world.ok("/fitbit/1/user/-/activities/steps/date/2026-11-19/1d.json?timezone=UTC").await;
    assert_eq!(steps["activities-steps"][0]["value"], "4242");
    assert_eq!(control("POST", "/control/changes", json!({"person": 9, "change": "stopSync"})).await.status, 400);

    let people = parsed(&control("GET", "/control/people", json!(null)).await);
    assert_eq!((&people[0]["name"], &people[0]["timezone"]), (&json!("Anna"), &json!("Europe/Amsterdam")));
    let asked = parsed(&control("GET", "/control/requests", json!(null)).await);
    assert_eq!(asked["count"], 4);
    let last = &asked["requests"][3];
    assert_eq!((&last["query"], &last["person"], &last["status"]), (&json!("timezone=UTC"), &json!(0), &json!(200)));
    assert_eq!((world.simulator.count("/goals/"), world.simulator.requests().len()), (3, 4));
    assert!(!asked.to_string().contains(&world.token));

    assert_eq!(control("POST", "/control/revoke", json!({"person": 0})).await.status, 204);
    assert_eq!(world.get(PATH).await.0, 401);
}
