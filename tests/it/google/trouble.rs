//! Google's bad days: too many requests, failures, pages too large, empty pages, and what people must be told.

use chrono::TimeDelta;
use fitbit2mqtt::simulator::{Effect, Exhausted, Fault, Project};
use fitbit2mqtt::upstream::google_health::GOOGLE_HEALTH;
use serde_json::{Value as Json, json};

use super::household;
use crate::world::World;

const SLEEP: &str = "sleep/dataPoints:reconcile";

async fn connected() -> World {
    let mut world = household(Project::default(), "2026-11-20T15:00:00Z").await;
    world.connect_at(&GOOGLE_HEALTH, "anna", 0);
    world.start().await;
    world.started("anna").await;
    world.cloud.forget_requests();
    world
}

fn fault(path: &str, times: u32, effect: Effect) -> Fault {
    Fault { path: path.into(), person: None, times: (times > 0).then_some(times), effect }
}

fn status(code: u16, kind: &str, message: &str, reason: &str) -> Effect {
    let details = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]);
    Effect::answer(code, &json!({"error": {"code": code, "status": kind, "message": message, "details": details}}))
}

impl World {
    /// Query and status of each request for sleep.
    fn sleep_requests(&self) -> Vec<(String, u16)> {
        let asked = self.cloud.requests().into_iter().filter(|asked| asked.path.contains(SLEEP));
        asked.map(|asked| (asked.query, asked.status)).collect()
    }

    async fn sleep(&self, more: &str) -> Json {
        let answer = self.fetch("anna", &format!("&methods=get_sleep{more}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_and_failures_are_waited_out() {
    let world = connected().await;
    world.cloud.fault(fault(SLEEP, 2, Effect::Exhausted { body: Exhausted::Google, retry_after: None }));
    let answer = world.sleep("").await;
    assert_eq!(answer["failed"], json!([]));
    let asked: Vec<_> = world.cloud.requests().into_iter().filter(|asked| asked.path.contains(SLEEP)).collect();
    assert_eq!(asked.iter().map(|asked| asked.status).collect::<Vec<_>>(), [429, 429, 200]);
    let waits: Vec<i64> = asked.windows(2).map(|pair| (pair[1].at - pair[0].at).num_milliseconds()).collect();
    assert!(waits[0] >= 1500 && waits[1] >= 3000, "each wait is longer than the one before: {waits:?}");

    world.cloud.forget_requests();
    world.cloud.fault(fault(SLEEP, 2, status(500, "INTERNAL", "Internal error encountered.", "")));
    assert_eq!(world.fetch("anna", "&methods=get_sleep,get_devices").await.json()["failed"], json!([]));
    let asked: Vec<_> = world.cloud.requests().into_iter().filter(|asked| asked.path.contains(SLEEP)).collect();
    assert_eq!(asked.iter().map(|asked| asked.status).collect::<Vec<_>>(), [500, 500, 200]);
    let waits: Vec<_> = asked.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert!(waits[1] > waits[0], "each wait is longer than the one before: {waits:?}");

    // Where the service says how long, that long, unless it is longer than a fetch should last.
    world.cloud.forget_requests();
    world.cloud.fault(fault(SLEEP, 1, Effect::Exhausted { body: Exhausted::Google, retry_after: Some(40) }));
    assert_eq!(world.sleep("").await["failed"], json!([]));
    let asked: Vec<_> = world.cloud.requests().into_iter().filter(|asked| asked.path.contains(SLEEP)).collect();
    assert_eq!(asked.iter().map(|asked| asked.status).collect::<Vec<_>>(), [429, 200]);
    assert!(asked[1].at - asked[0].at >= TimeDelta::seconds(40), "{asked:?}");

    // What does not end is told, and ends asking.
    world.cloud.forget_requests();
    world.cloud.fault(fault("", 0, Effect::Exhausted { body: Exhausted::Google, retry_after: None }));
    let spent = world.fetch("anna", "&force=true").await;
    assert!(spent.status == 429 && !spent.header("retry-after").is_empty(), "{spent:?}");
    assert!(world.cloud.requests().len() <= 4, "{:?}", world.cloud.requests());
    world.cloud.clear_faults();
    world.clock.advance(TimeDelta::minutes(5));
    world.cloud.forget_requests();
    world.cloud.fault(fault("", 0, Effect::Exhausted { body: Exhausted::Google, retry_after: Some(3600) }));
    let spent = world.fetch("anna", "").await;
    let seconds: u32 = spent.header("retry-after").parse().unwrap();
    assert!(spent.status == 429 && (3000..=3600).contains(&seconds), "{spent:?}");
    assert_eq!(world.cloud.requests().len(), 1, "{:?}", world.cloud.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_timeout_of_the_gateway_smaller_pages_are_asked_to_the_end() {
    let world = connected().await;
    let whole = world.sleep("&period=30d").await;
    let pages = world.sleep_requests().len();
    assert!(pages >= 2, "thirty nights are more than a page of twenty-five: {pages}");
    for position in [0, 1] {
        world.cloud.forget_requests();
        let gateway = status(504, "DEADLINE_EXCEEDED", "The request timed out.", "");
        if position == 0 {
            world.cloud.fault(fault(SLEEP, 1, gateway));
        } else {
            // The second page is the one that fails: faults are used up in order.
            world.cloud.fault(fault(SLEEP, 1, Effect::Delay { milliseconds: 1 }));
            world.cloud.fault(fault(SLEEP, 1, gateway));
        }
        let again = world.sleep("&period=30d").await;
        assert_eq!((&again["series"], &again["failed"]), (&whole["series"], &json!([])));
        let asked = world.sleep_requests();
        let failed = asked.iter().position(|(_, status)| *status == 504).unwrap();
        assert!(asked[failed].0.contains("pageSize=25"), "{asked:?}");
        assert!(
            asked[failed + 1..].iter().all(|(query, status)| *status == 200 && query.contains("pageSize=6")),
            "{asked:?}"
        );
        assert!(asked.len() > pages + 2, "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_page_with_a_token_is_not_the_end() {
    let world = connected().await;
    let whole = world.sleep("&period=7d").await;
    assert!(whole["series"]["sleep-minutes"].as_array().unwrap().len() >= 5, "{whole:#}");
    world.cloud.forget_requests();
    // Two empty pages; the token of the second leads nowhere the simulator knows, so that it must come back refused.
    world.cloud.fault(fault(SLEEP, 1, Effect::answer(200, &json!({"nextPageToken": "one"}))));
    world.cloud.fault(fault(SLEEP, 1, Effect::answer(200, &json!({"dataPoints": [], "nextPageToken": "two&+/="}))));
    let page = json!({"nextPageToken": ""});
    world.cloud.fault(fault(SLEEP, 1, Effect::answer(200, &page)));
    assert_eq!(world.sleep("&period=7d").await["failed"], json!([]));
    let queries: Vec<String> = world.sleep_requests().into_iter().map(|(query, _)| query).collect();
    assert_eq!(queries.len(), 3, "{queries:?}");
    assert_eq!(queries[1], format!("{}&pageToken=one", queries[0]));
    assert_eq!(queries[2], format!("{}&pageToken=two%26%2B%2F%3D", queries[0]));

    // A list that leads back to itself ends.
    world.cloud.forget_requests();
    world.cloud.fault(fault(SLEEP, 0, Effect::answer(200, &json!({"nextPageToken": "again"}))));
    let answer = world.sleep("").await;
    assert!(answer["failed"][0]["reason"].as_str().unwrap().contains("leads back"), "{answer:#}");
    assert_eq!(world.sleep_requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_is_missing_for_one_type_costs_the_others_nothing() {
    let world = connected().await;
    let refused = status(
        403,
        "PERMISSION_DENIED",
        "Request had insufficient authentication scopes.",
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
    );
    world.cloud.fault(fault(SLEEP, 0, refused));
    let answer = world.fetch("anna", "&force=true").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let json = answer.json();
    let failed = json["failed"].as_array().unwrap();
    assert!(failed.len() == 1 && failed[0]["method"] == "sleep", "{failed:?}");
    assert!(failed[0]["reason"].as_str().unwrap().contains("insufficient authentication scopes"), "{failed:?}");
    for key in ["steps", "body-weight", "resting-heart-rate", "spo2", "water", "last-workout", "tracker-battery"] {
        assert!(!json["metrics"][key]["value"].is_null(), "{key}");
    }
    assert_eq!(world.sleep_requests().len(), 1, "it is not asked again in vain");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_must_do_at_google_is_said_in_words() {
    let world = connected().await;
    for (effect, cure) in [
        (
            status(
                403,
                "PERMISSION_DENIED",
                "Google Health API has not been used in project 123 before or it is disabled.",
                "SERVICE_DISABLED",
            ),
            "enable the Google Health API",
        ),
        (
            status(400, "FAILED_PRECONDITION", "The account is not linked.", "ACCOUNT_NOT_LINKED"),
            "finish the set-up in the Google Health app",
        ),
        (
            status(403, "PERMISSION_DENIED", "Could not mint UberMint from GaiaMint", ""),
            "finish the set-up in the Google Health app",
        ),
        (
            status(412, "FAILED_PRECONDITION", "Precondition check failed.", ""),
            "finish the set-up in the Google Health app",
        ),
        (
            status(403, "PERMISSION_DENIED", "The caller does not have permission", "RESOURCE_PERMISSION_DENIED"),
            "myaccount.google.com/connections",
        ),
    ] {
        world.cloud.fault(fault("/v4/", 0, effect));
        let asked = world.cloud.requests().len();
        let answer = world.fetch("anna", "&force=true").await;
        assert_eq!(answer.status, 502, "{}", answer.body);
        assert!(answer.json()["error"].as_str().unwrap().contains(cure), "{}", answer.body);
        assert!(world.cloud.requests().len() - asked <= 2, "the same answer is not asked for thirty times");
        world.await_topic("fitbit2mqtt/user/anna/status", |status| status.contains(cure)).await;
        world.cloud.clear_faults();
    }
    assert_eq!(world.fetch("anna", "&methods=activity").await.status, 200);
    assert_eq!(world.auth_of("anna").await["state"], "ok");
}
