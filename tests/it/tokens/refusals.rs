//! What the token endpoint may say instead of a token, and what that costs: consent only where consent is lost, the
//! other people nothing, the upstream no needless request.

use std::fs;

use chrono::TimeDelta;
use fitbit2mqtt::simulator::{Client, Effect, Exhausted};
use fitbit2mqtt::upstream::fitbit::FITBIT;
use serde_json::json;

use super::gate::{Gate, Stage};
use super::*;
use crate::world::{World, person};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_consent_is_said_once_asked_never_again_and_healed_by_a_new_one() {
    let mut world = calm().await;
    assert_works(&weight(&world, "anna").await);
    world.cloud.revoke(0);
    let answer = weight(&world, "anna").await;
    assert_eq!(answer.status, 409, "{}", answer.body);
    assert!(answer.json()["error"].as_str().unwrap().contains("invalid_grant"), "{}", answer.body);
    assert!(answer.json()["cure"].as_str().unwrap().contains("/plugin/fitbit/auth1?user=anna"), "{}", answer.body);
    assert_eq!(renewals(&world), 1);
    let auth = await_auth(&world, "anna", "reauthorize").await;
    assert!(auth["reason"].as_str().unwrap().contains("connect again"), "{auth}");
    assert!(auth["url"].as_str().unwrap().ends_with("/plugin/fitbit/page/setup.html?user=anna"), "{auth}");
    let retained = world.retained().await;
    assert_eq!(retained["fitbit2mqtt/user/anna/availability"], "offline");
    assert!(retained.contains_key("sensors/fitbit/anna/body-weight"), "values already known stay");
    assert!(world.get("/plugin/fitbit/page/setup.html?user=anna").await.body.contains("The consent of anna is lost"));

    // Nothing is asked any more, neither for a token nor for data, also by a bridge that starts anew.
    world.cloud.forget_requests();
    for _ in 0..3 {
        assert_eq!(weight(&world, "anna").await.status, 409);
    }
    world.stop().await;
    world.start().await;
    assert_eq!(weight(&world, "anna").await.status, 409);
    assert_eq!(world.cloud.requests(), []);
    assert_works(&weight(&world, "ben").await);
    assert_eq!(world.retained().await["fitbit2mqtt/user/ben/availability"], "online");

    let begun = world.get("/plugin/fitbit/auth1?user=anna").await;
    let scopes: Vec<&str> = FITBIT.scopes.iter().map(|(scope, _)| *scope).collect();
    let ended = world.cloud.consent(begun.header("location"), 0, &scopes).unwrap();
    let path = ended.split_once("/plugin/").unwrap().1;
    let connected = world.get(&format!("/plugin/{path}")).await;
    assert_eq!(connected.status, 200, "{}", connected.body);
    assert_works(&weight(&world, "anna").await);
    await_auth(&world, "anna", "ok").await;
    assert_eq!(world.retained().await["fitbit2mqtt/user/anna/availability"], "online");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_consent_is_healed_by_another_token_in_the_file() {
    let world = calm().await;
    world.cloud.revoke(0);
    assert_eq!(weight(&world, "anna").await.status, 409);
    // Another refresh token alone is another token, too.
    set(&world, "anna", "refresh_token", "\"0123456789\"");
    assert_eq!(weight(&world, "anna").await.status, 409);
    assert_eq!(renewals(&world), 2);
    let theirs = pair_of(&granted(&world, 0)).1;
    set(&world, "anna", "refresh_token", &format!("{theirs:?}"));
    assert_works(&weight(&world, "anna").await);
    await_auth(&world, "anna", "ok").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_refresh_token_the_end_of_the_token_is_the_end_of_the_consent() {
    let world = calm().await;
    edit(&world, "anna", |text| {
        text.lines().filter(|line| !line.starts_with("refresh_token")).map(|line| format!("{line}\n")).collect()
    });
    assert_works(&weight(&world, "anna").await);
    world.cloud.revoke(0);
    let answer = weight(&world, "anna").await;
    assert_eq!(answer.status, 409, "{}", answer.body);
    assert!(answer.body.contains("no refresh token"), "{}", answer.body);
    world.cloud.forget_requests();
    assert_eq!(weight(&world, "anna").await.status, 409);
    assert_eq!(world.cloud.requests(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_client_costs_no_consent_and_is_asked_again_when_the_settings_change() {
    let world = calm().await;
    let secret = Client::confidential().secret.unwrap();
    let change = |secret: &str| {
        world.plugindata().save_application(|edit| edit.client_secret("fitbit", secret)).unwrap();
    };
    change("not the secret");
    expire(&world, "anna");
    let kept = pair(&world, "anna");
    for _ in 0..3 {
        let answer = world.fetch("anna", "").await;
        assert_eq!(answer.status, 502, "{}", answer.body);
        assert!(answer.body.contains("invalid_client") && answer.body.contains("setup page"), "{}", answer.body);
    }
    assert_eq!(renewals(&world), 1, "one question, one answer");
    let auth = await_auth(&world, "anna", "retrying").await;
    assert!(auth["reason"].as_str().unwrap().contains("correct them on the setup page"), "{auth}");
    assert_eq!(pair(&world, "anna"), kept);
    assert_works(&weight(&world, "ben").await);

    // By hand, still wrong; then by hand, right.
    change("still not the secret");
    assert_eq!(weight(&world, "anna").await.status, 502);
    assert_eq!(renewals(&world), 2);
    change(&secret);
    assert_works(&weight(&world, "anna").await);
    await_auth(&world, "anna", "ok").await;

    // The other word for it, cured on the setup page.
    token_fault(&world, Some(1), classic(400, "unauthorized_client", "The client is not what it was."));
    expire(&world, "anna");
    assert_eq!(weight(&world, "anna").await.status, 502);
    assert_eq!(weight(&world, "anna").await.status, 502);
    assert_eq!(renewals(&world), 4);
    change("another");
    let form = [("provider", "fitbit"), ("client_id", "23SIMU"), ("client_secret", secret.as_str())];
    assert_eq!(world.post("/plugin/fitbit/settings", &form).await.status, 200);
    // It is the very identity that was refused, so that only a change of it counts.
    assert_eq!(weight(&world, "anna").await.status, 502);
    change("another");
    token_fault(&world, Some(1), classic(400, "unauthorized_client", "Still not."));
    assert_eq!(weight(&world, "anna").await.status, 502);
    assert_eq!(world.post("/plugin/fitbit/settings", &form).await.status, 200);
    assert_works(&weight(&world, "anna").await);
    await_auth(&world, "anna", "ok").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_token_endpoint_costs_no_consent_and_heals_by_itself() {
    let world = calm().await;
    let failures = [
        ("an error of its own", classic(500, "system", "Something broke")),
        ("a lost consent, says a broken server", classic(503, "invalid_grant", "Refresh token invalid")),
        ("a gateway's page", Effect::Html { status: 503 }),
        ("a page instead of a token", Effect::Html { status: 200 }),
        ("nothing of a token", Effect::answer(200, &json!({"access_token": null}))),
        ("too many requests", Effect::Exhausted { body: Exhausted::Google, retry_after: None }),
        ("a redirect", Effect::answer(302, &json!({}))),
        ("a refusal that says nothing", Effect::answer(400, &json!({}))),
        ("a refusal of something else", classic(400, "invalid_request", "Missing parameters")),
    ];
    for (what, effect) in failures {
        expire(&world, "anna");
        let kept = fs::read_to_string(world.person_file("anna")).unwrap();
        world.cloud.forget_requests();
        token_fault(&world, None, effect);
        // Every method is asked for, and the token endpoint all the same twice at most.
        let answer = world.fetch("anna", "").await;
        assert_eq!(answer.status, 502, "{what}: {}", answer.body);
        assert!(answer.body.contains("tried again"), "{what}: {}", answer.body);
        assert!((1..=2).contains(&renewals(&world)), "{what}: {}", renewals(&world));
        assert_eq!(fs::read_to_string(world.person_file("anna")).unwrap(), kept, "{what}");
        let auth = await_auth(&world, "anna", "retrying").await;
        assert!(auth["reason"].as_str().unwrap().contains("for now"), "{what}: {auth}");
        assert_eq!(world.retained().await["fitbit2mqtt/user/anna/availability"], "online", "{what}");
        assert_works(&weight(&world, "ben").await);
        world.cloud.clear_faults();
        assert_works(&weight(&world, "anna").await);
        await_auth(&world, "anna", "ok").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_at_the_token_endpoint_costs_no_consent() {
    let mut world = World::connected().await;
    no_action_is_due(&world).await;
    let gate = Gate::before(&mut world);
    world.start().await;
    expire(&world, "anna");
    let kept = pair(&world, "anna");
    tokio::task::block_in_place(|| gate.close());
    let answer = world.fetch("anna", "").await;
    assert_eq!(answer.status, 502, "{}", answer.body);
    assert!(answer.body.contains("no connection to the token endpoint"), "{}", answer.body);
    await_auth(&world, "anna", "retrying").await;
    assert_eq!(pair(&world, "anna"), kept);
    gate.reopen();
    assert_works(&weight(&world, "anna").await);
    await_auth(&world, "anna", "ok").await;
    assert_eq!(renewals(&world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_asked_for_again_at_once_and_nothing_is_lost() {
    let world = calm().await;
    for effect in [Effect::AnswerLost, Effect::Truncated] {
        expire(&world, "anna");
        world.cloud.forget_requests();
        token_fault(&world, Some(1), effect);
        assert_works(&weight(&world, "anna").await);
        assert_eq!((renewals(&world), answered(&world, 401).len()), (2, 0));
        assert_tidy(&world, "anna");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_twice_is_had_by_the_next_fetch() {
    let world = calm().await;
    expire(&world, "anna");
    let kept = pair(&world, "anna");
    token_fault(&world, Some(2), Effect::AnswerLost);
    let answer = weight(&world, "anna").await;
    assert_eq!(answer.status, 502, "{}", answer.body);
    await_auth(&world, "anna", "retrying").await;
    assert_eq!(pair(&world, "anna"), kept);
    assert_works(&weight(&world, "anna").await);
    assert_eq!(renewals(&world), 3);
    await_auth(&world, "anna", "ok").await;
}

/// The service repeats its answer for two minutes, and the next interval action comes in a quarter of an hour.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_twice_is_asked_for_before_the_upstream_forgets_it() {
    let world = calm().await;
    expire(&world, "anna");
    let kept = pair(&world, "anna");
    token_fault(&world, Some(4), Effect::AnswerLost);
    assert_eq!(weight(&world, "anna").await.status, 502);
    assert_eq!(renewals(&world), 2);
    // The first repetition is lost as well, the second is not.
    world.clock.advance(TimeDelta::seconds(16));
    world.until("it is asked again", async |world| renewals(world) == 4).await;
    world.clock.advance(TimeDelta::seconds(31));
    world.until("the new token is on disk", async |world| pair(world, "anna") != kept).await;
    world.clock.advance(TimeDelta::seconds(120));
    assert_works(&weight(&world, "anna").await);
    assert_eq!(renewals(&world), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_somebody_puts_there_while_ours_is_refused_is_taken() {
    let mut world = World::connected().await;
    no_action_is_due(&world).await;
    let gate = Gate::before(&mut world);
    world.start().await;
    expire(&world, "anna");
    world.cloud.revoke(0);
    gate.hold(TOKEN, Stage::Asked);
    let theirs = granted(&world, 0);
    let (answer, ()) = tokio::join!(weight(&world, "anna"), async {
        gate.await_reached().await;
        write_by_hand(&world, "anna", &theirs);
        gate.open();
    });
    assert_works(&answer);
    assert_eq!((renewals(&world), answered(&world, 401).len()), (1, 0));
    assert_eq!(pair(&world, "anna"), pair_of(&theirs), "a token that is good is not renewed");
    await_auth(&world, "anna", "ok").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_generation_before_is_tried_where_the_present_one_is_refused() {
    let world = calm().await;
    let good = token(&world, "anna");
    let unknown = Token { refresh_token: Some("0123456789".into()), ..good.clone() };
    world.plugindata().save_token(&person("anna"), &unknown).unwrap();
    assert_eq!(previous(&world, "anna"), Some(pair_of(&good)));
    expire(&world, "anna");
    assert_works(&weight(&world, "anna").await);
    assert_eq!(renewals(&world), 2);
    await_auth(&world, "anna", "ok").await;
    assert_tidy(&world, "anna");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_refused_generations_are_asked_about_once_and_a_broken_one_is_none() {
    let world = calm().await;
    world.cloud.revoke(0);
    let unknown = Token { refresh_token: Some("0123456789".into()), ..token(&world, "anna") };
    world.plugindata().save_token(&person("anna"), &unknown).unwrap();
    expire(&world, "anna");
    assert_eq!(weight(&world, "anna").await.status, 409);
    assert_eq!(renewals(&world), 2);
    for _ in 0..2 {
        assert_eq!(weight(&world, "anna").await.status, 409);
    }
    assert_eq!(renewals(&world), 2);

    fs::write(world.person_file("anna").with_file_name("fitbit.toml.previous"), "[token\naccess").unwrap();
    set(&world, "anna", "refresh_token", "\"9876543210\"");
    assert_eq!(weight(&world, "anna").await.status, 409);
    await_auth(&world, "anna", "reauthorize").await;
}
