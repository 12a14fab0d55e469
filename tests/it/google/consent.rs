//! Google's consent page and the life of its tokens: what is asked, what was allowed, who it was, and when it ends.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use fitbit2mqtt::simulator::{Project, Simulator};
use fitbit2mqtt::upstream::google_health::GOOGLE_HEALTH;
use secrecy::ExposeSecret;
use serde_json::{Value as Json, json};
use url::Url;

use super::{QUIET, household};
use crate::browser::Browser;
use crate::world::{World, person};

const NOW: &str = "2026-11-20T15:00:00Z";

/// A running bridge and a person who has not consented.
async fn awaiting(project: Project) -> World {
    let mut world = household(project, NOW).await;
    world.plugindata().create(&person("anna")).unwrap();
    world.start().await;
    world
}

impl World {
    fn token_of(&self, user: &str) -> fitbit2mqtt::plugindata::Token {
        self.plugindata().person(&person(user)).unwrap().unwrap().token.unwrap()
    }

    async fn setup_page(&self) -> Browser {
        Browser::open(&format!("{}/plugin/fitbit/page/setup.html", self.url())).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_asks_for_a_lasting_token_and_names_what_was_not_allowed() {
    let world = awaiting(Project::default()).await;
    let begun = world.get("/plugin/fitbit/auth1?user=anna").await;
    let url = Url::parse(begun.header("location")).unwrap();
    let asked: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    assert_eq!(
        format!("{}{}", world.cloud_url, "/google-health/o/oauth2/v2/auth"),
        url.as_str().split('?').next().unwrap()
    );
    let names: Vec<&str> = asked.keys().map(String::as_str).collect();
    assert_eq!(
        names.join(" "),
        "access_type client_id code_challenge code_challenge_method prompt redirect_uri response_type scope state"
    );
    assert_eq!((asked["access_type"].as_str(), asked["prompt"].as_str()), ("offline", "consent"));
    assert_eq!((asked["code_challenge_method"].as_str(), asked["code_challenge"].len()), ("S256", 43));
    let scopes: Vec<&str> = GOOGLE_HEALTH.scopes.iter().map(|(scope, _)| *scope).collect();
    assert_eq!(asked["scope"], scopes.join(" "));

    let mut browser = Browser::open(&format!("{}/plugin/fitbit/auth1?user=anna", world.url())).await;
    let anna = world.cloud.people()[0].user_id.clone();
    let allowed = |scope: &str| ["activity_and_fitness", "settings"].iter().any(|word| scope.contains(word));
    browser
        .submit_with("decision", |fields| {
            fields.retain(|(name, scope)| name != "grant" || allowed(scope));
            fields.retain(|(name, _)| name != "person" && name != "decision");
            fields.push(("person".into(), anna));
            fields.push(("decision".into(), "allow".into()));
        })
        .await;
    assert_eq!((browser.status, browser.url.path()), (200, "/plugin/fitbit/auth2"), "{}", browser.text());
    assert!(browser.text().contains("anna is connected"), "{}", browser.text());
    let missing: Vec<_> = GOOGLE_HEALTH.scopes.iter().filter(|(scope, _)| !allowed(scope)).collect();
    assert_eq!(missing.len(), 5);
    for (scope, gives) in &missing {
        assert!(browser.text().contains(&format!("{scope}: {gives}")), "{scope}: {}", browser.text());
    }
    browser.follow("Setup page").await;
    for (scope, gives) in &missing {
        assert!(browser.text().contains(&format!("{scope}: {gives}")), "{scope}: {}", browser.text());
    }
    let token = world.token_of("anna");
    let id = token.user_id.clone().unwrap();
    assert!(id.len() == 19 && id.bytes().all(|byte| byte.is_ascii_digit()), "the healthUserId: {id}");
    assert!(token.refresh_token.is_some() && token.refresh_expires_at.is_none());
    world.await_topic("sensors/fitbit/anna/tracker-battery", |battery| !battery.is_empty()).await;
    let answer = world.fetch("anna", "&methods=get_sleep,activity").await;
    let reason = format!("scope {} was not granted", "https://www.googleapis.com/auth/googlehealth.sleep.readonly");
    assert_eq!(answer.json()["failed"], json!([{"method": "get_sleep", "reason": reason}]), "{}", answer.body);
    assert!(answer.json()["metrics"]["steps"]["value"].is_number(), "{}", answer.body);
    let asked = world.cloud.requests();
    assert!(asked.iter().all(|asked| asked.status != 403), "what was not allowed is not asked");
}

#[test]
fn the_guide_has_every_scope_ready_to_be_pasted() {
    let guide = include_str!("../../../setup/registration-google-health.md");
    let block = guide.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let pasted: Vec<&str> = block.split_whitespace().collect();
    let asked: Vec<&str> = GOOGLE_HEALTH.scopes.iter().map(|(scope, _)| *scope).collect();
    assert_eq!(pasted, asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_a_page_that_did_not_load_is_pasted() {
    let world = awaiting(Project::default()).await;
    let ended = world.consent_of("anna", 0, Simulator::google_scopes()).await;
    assert!(ended.contains("code=4%2F0A"), "the code is percent-encoded: {ended}");
    let pasted = world.post("/plugin/fitbit/userSettings", &[("user", "anna"), ("paste", &ended)]).await;
    assert_eq!(pasted.status, 200, "{}", pasted.body);
    world.await_topic("sensors/fitbit/anna/tracker-battery", |battery| !battery.is_empty()).await;
    assert_eq!(world.auth_of("anna").await["state"], "ok");
    // A consent given again brings a refresh token again, and the account is the same.
    let before = world.plugindata().person(&person("anna")).unwrap().unwrap().account.unwrap();
    let (status, page) = world.consent_through("anna", 0).await;
    assert!(status == 200 && !page.contains("another account"), "{page}");
    assert!(world.token_of("anna").refresh_token.is_some());
    assert_eq!(world.plugindata().person(&person("anna")).unwrap().unwrap().account.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_keeps_the_refresh_token() {
    let world = awaiting(Project::default()).await;
    assert_eq!(world.consent_through("anna", 0).await.0, 200);
    let first = world.token_of("anna");
    for round in 1..=2 {
        world.clock.advance(TimeDelta::hours(2));
        assert_eq!(world.fetch("anna", "&methods=get_devices").await.status, 200);
        let token = world.token_of("anna");
        assert_ne!(token.access_token.expose_secret(), first.access_token.expose_secret(), "round {round}");
        let text =
            |token: &fitbit2mqtt::plugindata::Token| token.refresh_token.as_ref().unwrap().expose_secret().to_owned();
        assert_eq!(text(&token), text(&first), "round {round}");
        assert_eq!(token.user_id, first.user_id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_consent_in_testing_is_shown_warned_of_and_comes_without_a_loop() {
    let world = awaiting(Project { testing: true, ..Project::default() }).await;
    assert_eq!(world.consent_through("anna", 0).await.0, 200);
    world.until("auth is ok", async |world| world.auth_of("anna").await["state"] == "ok").await;
    let auth = world.auth_of("anna").await;
    let expires: DateTime<Utc> = auth["expires"].as_str().unwrap_or_else(|| panic!("{auth}")).parse().unwrap();
    let left = expires - world.clock.now();
    assert!(left < TimeDelta::days(7) && left > TimeDelta::days(7) - TimeDelta::hours(1), "{expires}");
    assert_eq!(auth["reason"], Json::Null, "no warning yet: {auth}");
    let day = expires.with_timezone(&chrono_tz::Europe::Amsterdam).format("%Y-%m-%d %H:%M").to_string();
    let page = world.setup_page().await.text();
    assert!(page.contains("Consent ends") && page.contains(&day), "{day}: {page}");

    world.clock.advance(TimeDelta::days(5) + TimeDelta::hours(1));
    assert_eq!(world.fetch("anna", "&methods=get_devices").await.status, 200);
    let auth = world.auth_of("anna").await;
    let reason = auth["reason"].as_str().unwrap_or_else(|| panic!("{auth}"));
    assert!(auth["state"] == "ok" && reason.contains("ends at") && reason.contains("connect again"), "{auth}");
    let again: DateTime<Utc> = auth["expires"].as_str().unwrap().parse().unwrap();
    assert!((again - expires).abs() < TimeDelta::minutes(1), "a refresh does not move the end: {again}");

    world.clock.advance(TimeDelta::days(2));
    let lost = world.fetch("anna", "").await;
    assert_eq!(lost.status, 409, "{}", lost.body);
    let auth = world.auth_of("anna").await;
    assert!(auth["state"] == "reauthorize" && auth["url"].as_str().unwrap().ends_with("user=anna"), "{auth}");
    let asked = world.google_token_requests();
    for _ in 0..4 {
        world.clock.advance(TimeDelta::hours(3));
        assert_eq!(world.fetch("anna", "").await.status, 409);
    }
    assert_eq!(world.google_token_requests(), asked, "what was refused for good is not asked again");
    assert_eq!(world.consent_through("anna", 0).await.0, 200);
    assert_eq!(world.fetch("anna", "&methods=get_devices").await.status, 200);
    assert_eq!(world.auth_of("anna").await["state"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_revokes_at_google() {
    let mut world = household(Project::default(), NOW).await;
    world.connect_at(&GOOGLE_HEALTH, "anna", 0);
    let token = world.token_of("anna");
    let output = tokio::task::block_in_place(|| world.program("127.0.0.1:0", &["forget", "anna"]).output().unwrap());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(world.cloud.count("/revoke"), 1);
    let identity = world.http.get(format!("{}/google-health/v4/users/me/identity", world.cloud_url));
    assert_eq!(world.send(identity.bearer_auth(token.access_token.expose_secret())).await.status, 401);
    // So is one who withdrew the consent at Google before.
    world.connect_at(&GOOGLE_HEALTH, "ben", 1);
    world.cloud.revoke(1);
    let output = tokio::task::block_in_place(|| world.program("127.0.0.1:0", &["forget", "ben"]).output().unwrap());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    world.start().await;
    assert_eq!(world.fetch("anna", "").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_setup_page_says_which_redirect_address_google_accepts_for_this_host() {
    for (public_url, accepted) in [
        ("http://localhost:9333", true),
        ("https://home.example.org", true),
        ("http://192.168.1.7:9333", false),
        ("https://pi.local:9333", false),
        ("https://nas.lan:9333", false),
    ] {
        let mut world = household(Project::default(), NOW).await;
        world.plugindata().create(&person("anna")).unwrap();
        world.more = format!("http.public_url = {public_url:?}\nhttp.password = \"correct horse\"\n{QUIET}");
        world.start().await;
        let begin = async |path: &str| {
            let request = world.http.get(format!("{}{path}", world.url()));
            world.send(request.basic_auth("admin", Some("correct horse"))).await
        };
        let page = begin("/plugin/fitbit/page/setup.html").await.body.replace("&#x2f;", "/");
        let address = format!("{public_url}/plugin/fitbit/auth2");
        assert_eq!(page.contains(&format!("Google accepts {address}")), accepted, "{public_url}: {page}");
        assert_eq!(page.contains(&format!("Google refuses {address}")), !accepted, "{public_url}: {page}");
        let instead = "http.public_url in the configuration back to http://localhost:9333";
        assert_eq!(page.contains(instead), !accepted, "{public_url}: {page}");
        // What is to be registered is never what is refused.
        let lead = page.split("exactly so</dt>").nth(1).unwrap().split("</dd>").next().unwrap();
        let registered = if accepted { address.as_str() } else { "http://localhost:9333/plugin/fitbit/auth2" };
        assert!(lead.contains(registered), "{public_url}: {lead}");
        if !accepted {
            // And so it is.
            let begun = begin("/plugin/fitbit/auth1?user=anna").await;
            assert!(world.cloud.consent(begun.header("location"), 0, Simulator::google_scopes()).is_err());
        }
        world.stop().await;
    }
}
