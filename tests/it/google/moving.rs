//! Moving house: the Fitbit Web API is switched off, and one consent at Google carries a person over.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use fitbit2mqtt::simulator::{Change, Project, Simulator};
use fitbit2mqtt::upstream::fitbit::FITBIT;
use fitbit2mqtt::upstream::google_health::GOOGLE_HEALTH;
use serde_json::Value as Json;

use super::household;
use crate::browser::Browser;
use crate::world::{World, person};

/// A person who was connected at Fitbit and whose values are published, when Fitbit is switched off.
async fn left_behind() -> World {
    let mut world = household(Project::default(), "2026-11-20T15:00:00Z").await;
    world.connect_at(&FITBIT, "anna", 0);
    let file = std::fs::read_to_string(world.person_file("anna")).unwrap();
    std::fs::write(world.person_file("anna"), format!("account = \"7f3a91c2\"\n{file}")).unwrap();
    world.cloud.change(0, Change::StopSync).unwrap();
    world.start().await;
    world.started("anna").await;
    let answer = world.fetch("anna", "&period=7d").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    world.stands("anna", &answer).await;
    world.cloud.switch_fitbit_off();
    world
}

fn below<'t>(retained: &'t BTreeMap<String, String>, root: &'t str) -> BTreeMap<&'t str, &'t str> {
    let topics = retained.iter().filter(move |(topic, _)| topic.starts_with(root));
    topics.map(|(topic, value)| (&topic[root.len()..], value.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_consent_moves_a_person_and_no_topic_notices() {
    let world = left_behind().await;
    let before = world.retained().await;
    let lost = world.fetch("anna", "").await;
    assert_eq!(lost.status, 409, "{}", lost.body);
    let auth = world.auth_in("anna", "reauthorize").await;
    let reason = auth["reason"].as_str().unwrap_or_else(|| panic!("{auth}"));
    assert_eq!(auth["state"], "reauthorize");
    assert!(reason.contains("switched off") && reason.contains("Google"), "{reason}");
    assert!(auth["url"].as_str().unwrap().ends_with("/plugin/fitbit/page/setup.html?user=anna"), "{auth}");
    // Every value stays where it was meanwhile.
    assert_eq!(below(&world.retained().await, "sensors/fitbit/anna/"), below(&before, "sensors/fitbit/anna/"));

    // The page leads to the new upstream, not to a consent page that is gone.
    let mut browser = Browser::open(&format!("{}/plugin/fitbit/page/setup.html?user=anna", world.url())).await;
    assert!(browser.text().contains("anna must move to Google Health"), "{}", browser.text());
    assert!(browser.link("Connect anna").is_none(), "{}", browser.page);
    assert!(!browser.page.contains("/auth1"), "{}", browser.page);
    browser.submit(">Move ", &[]).await;
    assert!(browser.status == 200 && browser.page.contains("auth1?user=anna"), "{}", browser.text());
    assert!(!browser.text().contains("Consent was not given"), "{}", browser.text());
    assert_eq!(world.fetch("anna", "").await.status, 409, "the old token is not shown to Google");
    assert_eq!(world.cloud.requests().iter().filter(|asked| asked.path.starts_with("/v4/")).count(), 0);
    let (status, page) = world.consent_through("anna", 0).await;
    assert!(status == 200 && page.contains("anna is connected") && !page.contains("another account"), "{page}");
    let answer = world.fetch("anna", "&period=7d").await;
    assert_eq!((answer.status, &answer.json()["provider"]), (200, &Json::from("google-health")), "{}", answer.body);
    assert_eq!(answer.json()["failed"], serde_json::json!([]));

    let here: Vec<&str> = GOOGLE_HEALTH.endpoints.iter().flat_map(|endpoint| endpoint.gives()).collect();
    let after = world.stands("anna", &answer).await;
    let (old, new) = (below(&before, "sensors/fitbit/anna/"), below(&after, "sensors/fitbit/anna/"));
    let mut kept = 0;
    for (key, value) in &old {
        match (here.contains(key), new.get(key)) {
            (false, found) => assert_eq!(found, None, "{key} is what Google lacks"),
            // Without the basal part, while Fitbit's held it.
            (true, Some(_)) if *key == "activity-calories" => {}
            // A day goes on, the tracker synced or not.
            (true, Some(found)) if ["calories", "sedentary-minutes"].contains(key) => {
                let (one, other): (f64, f64) = (value.parse().unwrap(), found.parse().unwrap());
                assert!((0.0..50.0).contains(&(other - one)), "{key}: {value} before, {found} after");
            }
            (true, Some(found)) => {
                let (one, other) = (value.parse::<f64>(), found.parse::<f64>());
                // Fitbit's summary of a day has kilometres and metres of height to two decimals.
                let tolerance = if ["distance", "elevation"].contains(key) { 0.0051 } else { 1e-6 };
                let same = match one.ok().zip(other.ok()) {
                    Some((one, other)) => (one - other).abs() <= tolerance,
                    None => value == found,
                };
                assert!(same, "{key}: {value} before, {found} after");
                kept += 1;
            }
            (true, None) => panic!("{key} is gone"),
        }
    }
    assert!(kept > 30 && old.len() > kept, "{kept} of {}", old.len());
    assert!(old.contains_key("sleep-efficiency") && !new.contains_key("sleep-efficiency"));
    let ids = |retained: &BTreeMap<String, String>| -> Vec<String> {
        let devices: Vec<_> =
            below(retained, "fitbit2mqtt/user/anna/device").keys().map(|key| (*key).to_owned()).collect();
        assert!(!devices.is_empty(), "{:?}", retained.keys());
        devices
    };
    assert_eq!(ids(&before), ids(&after), "trackers keep their identifiers");
    let discovered = |retained: &BTreeMap<String, String>| -> Vec<String> {
        retained.keys().filter(|topic| topic.starts_with("homeassistant/")).cloned().collect()
    };
    assert_eq!(discovered(&before), discovered(&after));
    let file = world.plugindata().person(&person("anna")).unwrap().unwrap();
    assert_eq!(file.account.as_deref(), Some("7f3a91c2"));
    let auth = world.auth_in("anna", "ok").await;
    assert!(auth["reason"].is_null(), "{auth}");
}

/// Who was away when Fitbit was switched off has a token that ended meanwhile: only the token endpoint is asked then.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_after_the_switch_off_is_no_matter_of_trying_again() {
    let world = left_behind().await;
    world.clock.advance(TimeDelta::hours(9));
    world.cloud.forget_requests();
    for _ in 0..2 {
        let lost = world.fetch("anna", "").await;
        assert_eq!(lost.status, 409, "{}", lost.body);
        assert!(lost.body.contains("switched off; connect with Google"), "{}", lost.body);
        let auth = world.auth_in("anna", "reauthorize").await;
        assert!(auth["reason"].as_str().unwrap().contains("switched off"), "{auth}");
    }
    let asked = world.cloud.requests();
    assert!(asked.iter().all(|asked| asked.path == "/oauth2/token"), "{asked:?}");
    // Nor can a consent be revoked there any more.
    let deleted = world.post("/plugin/fitbit/userSettings", &[("user", "anna"), ("delete", "true")]).await;
    assert_eq!(deleted.status, 200, "{}", deleted.body);
    assert!(world.plugindata().person(&person("anna")).unwrap().unwrap().token.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_persons_google_account_is_refused_and_nothing_is_changed() {
    let world = left_behind().await;
    assert_eq!(world.fetch("anna", "").await.status, 409);
    world.post("/plugin/fitbit/userSettings", &[("user", "anna"), ("provider", "google-health")]).await;
    let file = std::fs::read_to_string(world.person_file("anna")).unwrap();
    let values = below(&world.retained().await, "sensors/fitbit/anna/").len();
    let (_, page) = world.consent_through("anna", 1).await;
    let people = world.cloud.people();
    assert!(!page.contains("anna is connected"), "{page}");
    for said in [&people[0].user_id, &people[1].user_id, "nothing was changed"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert_eq!(std::fs::read_to_string(world.person_file("anna")).unwrap(), file);
    assert_eq!(world.cloud.count("/revoke"), 1, "what is not kept is given back");
    assert_eq!(world.fetch("anna", "").await.status, 409);
    assert_eq!(below(&world.retained().await, "sensors/fitbit/anna/").len(), values);
    world.auth_in("anna", "reauthorize").await;
    // The same by a pasted address; then the right account.
    let ended = world.consent_of("anna", 1, Simulator::google_scopes()).await;
    let pasted = world.post("/plugin/fitbit/userSettings", &[("user", "anna"), ("paste", &ended)]).await;
    assert!(pasted.status >= 400 && pasted.body.contains("nothing was changed"), "{}", pasted.body);
    assert_eq!(world.cloud.count("/revoke"), 2);
    // Where it is a housemate's own, giving it back would end theirs.
    world.plugindata().create(&person("ben")).unwrap();
    assert_eq!(world.consent_through("ben", 1).await.0, 200);
    assert!(world.consent_through("anna", 1).await.1.contains("nothing was changed"));
    assert_eq!(world.cloud.count("/revoke"), 2);
    assert_eq!(world.fetch("ben", "&methods=get_devices").await.status, 200);
    assert_eq!(world.consent_through("anna", 0).await.0, 200);
    assert_eq!(world.fetch("anna", "").await.status, 200);
}
