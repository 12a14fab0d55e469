//! What the forms do: settings of the application and of people, field by field, and disconnecting.

use std::os::unix::fs::PermissionsExt;

use chrono::TimeDelta;
use fitbit2mqtt::simulator::{Effect, Fault};

use super::{SETTINGS, SETUP, USER_SETTINGS, assert_refused, empty, settled};
use crate::world::person;

#[tokio::test(flavor = "multi_thread")]
async fn the_application_is_set_field_by_field() {
    let world = empty().await;
    let save = async |fields: &[(&str, &str)]| world.post(SETTINGS, fields).await;
    let secret = "a-very-secret-secret";
    let all = [
        ("provider", "fitbit"),
        ("client_id", " 22E123 "),
        ("client_secret", secret),
        ("system", "en_GB"),
        ("default_provider", "fitbit"),
    ];
    assert_eq!(save(&all).await.body, "ok\n");
    let file = world.application();
    for line in [
        "client_id = \"22E123\"",
        &format!("client_secret = \"{secret}\""),
        "system = \"en_GB\"",
        "provider = \"fitbit\"",
    ] {
        assert!(file.contains(line), "{line}: {file}");
    }
    let path = world.data_dir().join("plugindata/fitbit.toml");
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    let page = world.get(SETUP).await.body;
    assert!(page.contains("value=\"22E123\"") && page.contains("placeholder=\"stored\"") && !page.contains(secret));

    // Empty: a secret is kept, anything else removed.
    assert_eq!(save(&[("provider", "fitbit"), ("client_id", "22E124"), ("client_secret", "")]).await.status, 200);
    assert!(world.application().contains(secret) && world.application().contains("22E124"));
    assert_eq!(save(&[("provider", "fitbit"), ("client_id", "")]).await.status, 200);
    assert_eq!(save(&[("system", "")]).await.status, 200);
    let file = world.application();
    assert!(!file.contains("client_id") && !file.contains("system") && file.contains(secret), "{file}");

    let long = "x".repeat(2000);
    for (fields, says) in [
        (vec![("provider", "garmin"), ("client_id", "x")], "allowed: google-health, fitbit"),
        (vec![("default_provider", "garmin")], "allowed: google-health, fitbit"),
        (vec![("client_id", "x")], "provider is missing"),
        (vec![("client_secret", "other")], "provider is missing"),
        (vec![("colour", "blue")], "allowed: provider, client_id, client_secret, system, default_provider"),
        (vec![("system", "nl_NL"), ("system", "en_US")], "given twice"),
        (vec![("system", "a\nb")], "system must be one line"),
        (vec![("provider", "fitbit"), ("client_id", "a\u{0}b")], "client_id must be one line"),
        (vec![("provider", "fitbit"), ("client_secret", &long)], "client_secret must be one line"),
    ] {
        let answer = save(&fields).await;
        assert_refused(&answer, 400, says);
        assert!(!answer.body.contains(&long));
    }
    assert_eq!(world.application(), file, "a refused form changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_unit_system_is_published_at_once() {
    let world = settled().await;
    let topic = "sensors/fitbit/anna/body-weight";
    let kilograms: f64 = world.await_topic(topic, |value| !value.is_empty()).await.parse().unwrap();
    let asked = world.cloud.requests().len();
    let near = |value: &str, expected: f64| value.parse::<f64>().is_ok_and(|value| (value - expected).abs() < 0.001);
    assert_eq!(world.post(SETTINGS, &[("system", "en_US")]).await.status, 200);
    world.await_topic(topic, |value| near(value, kilograms / 0.45359237)).await;
    // A person's own comes before everyone's.
    assert_eq!(world.post(USER_SETTINGS, &[("user", "anna"), ("system", "en_GB")]).await.status, 200);
    world.await_topic(topic, |value| near(value, kilograms / 6.35029318)).await;
    assert_eq!(world.post(USER_SETTINGS, &[("user", "anna"), ("system", "")]).await.status, 200);
    world.await_topic(topic, |value| near(value, kilograms / 0.45359237)).await;
    assert_eq!(world.post(SETTINGS, &[("system", "nl_NL")]).await.status, 200);
    world.await_topic(topic, |value| near(value, kilograms)).await;
    assert_eq!(world.cloud.requests().len(), asked, "the upstream is not asked for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_made_and_set_field_by_field() {
    let world = empty().await;
    let save = async |fields: &[(&str, &str)]| world.post(USER_SETTINGS, fields).await;
    assert_eq!(save(&[("user", "anna")]).await.body, "ok\n");
    world.await_topic("fitbit2mqtt/user/anna/auth", |auth| auth.contains("awaiting-consent")).await;

    let nasty =
        ["", "..", ".", "../anna", "anna/../ben", "anna/x", "/etc", "a b", "ä", "a#", "a+", "-a", "9a", "a\0", "a\n b"];
    for name in nasty.into_iter().chain([&*"a".repeat(65)]) {
        assert_refused(&save(&[("user", name)]).await, 400, "user");
    }
    assert_refused(&save(&[("system", "en_US")]).await, 400, "user is missing");
    assert_eq!(world.plugindata().people().unwrap(), [person("anna")]);

    let settings = [
        ("provider", "fitbit"),
        ("methods", "get_bodyweight, get_sleep"),
        ("metrics", "body-weight,steps"),
        ("system", "en_US"),
        ("period", "30d"),
        ("base_date", "today"),
        ("end_date", "2026-11-01"),
        ("date", "2026-11-01"),
        ("resource", "activities/steps"),
        ("detail_level", "1min"),
        ("start_time", "10:00"),
        ("end_time", "11:00"),
        ("after_date", "2026-11-01"),
        ("before_date", "2026-11-01"),
        ("sort", "asc"),
        ("limit", "10"),
        ("offset", "0"),
        ("user_id", "-"),
    ];
    for (name, value) in settings {
        assert_eq!(save(&[("user", "anna"), (name, value)]).await.body, "ok\n", "{name}");
        let file = world.plugindata().person(&person("anna")).unwrap().unwrap();
        assert_eq!(file.setting(name).unwrap().replace(' ', ""), value.replace(' ', ""), "{name}");
        assert_eq!(save(&[("user", "anna"), (name, "")]).await.body, "ok\n", "{name}");
        let file = world.plugindata().person(&person("anna")).unwrap().unwrap();
        assert_eq!(file.setting(name), None, "an empty {name} is removed");
    }

    assert_eq!(save(&[("user", "anna"), ("system", "en_US")]).await.status, 200);
    let before = world.text_of("anna");
    for (field, value, says) in [
        ("token", "x", "is not a field; allowed: user, delete, paste, provider, methods"),
        ("access_token", "x", "is not a field"),
        ("account", "7f3a91c2", "is not a field"),
        ("token.access_token", "x", "is not a field"),
        ("colour", "blue", "is not a field"),
        ("provider", "garmin", "allowed: google-health, fitbit"),
        ("metrics", "body-weigth", "did you mean body-weight?"),
        ("methods", "get_everything", "is not a method that reads"),
        ("methods", "update_profile", "is not a method that reads"),
        ("system", "a\nb", "one line"),
        ("delete", "yes", "allowed: true"),
        ("system", "en_GB", "given twice"),
    ] {
        let mut fields = vec![("user", "anna"), (field, value)];
        if says == "given twice" {
            fields.push((field, value));
        }
        // Whatever is right beside it is not done either.
        fields.push(("period", "7d"));
        assert_refused(&save(&fields).await, 400, says);
        let new: Vec<_> =
            fields.iter().map(|(name, value)| (*name, if *name == "user" { "new" } else { *value })).collect();
        let answer = save(&new).await;
        assert!(matches!(answer.status, 400 | 404), "{answer:?}");
    }
    assert_eq!(world.text_of("anna"), before);
    assert_eq!(world.plugindata().people().unwrap(), [person("anna")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_not_chosen_go_away_and_come_back() {
    let world = settled().await;
    world.await_topic("sensors/fitbit/anna/steps", |value| !value.is_empty()).await;
    let before = world.retained().await;
    assert_eq!(world.post(USER_SETTINGS, &[("user", "anna"), ("metrics", "body-weight")]).await.status, 200);
    world.await_topic("sensors/fitbit/anna/steps", str::is_empty).await;
    let left = world.retained().await;
    let of = |name: &str| left.keys().filter(|topic| topic.starts_with(&format!("sensors/fitbit/{name}/"))).count();
    assert!(of("anna") == 1 && of("ben") > 30, "{} {}", of("anna"), of("ben"));
    assert_eq!(world.post(USER_SETTINGS, &[("user", "anna"), ("metrics", "")]).await.status, 200);
    world.await_topic("sensors/fitbit/anna/steps", |value| *value == before["sensors/fitbit/anna/steps"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnecting_revokes_deletes_the_token_and_keeps_the_rest() {
    let world = settled().await;
    world.await_topic("sensors/fitbit/anna/steps", |value| !value.is_empty()).await;
    assert_eq!(world.post(USER_SETTINGS, &[("user", "anna"), ("system", "en_US")]).await.status, 200);
    let account_and_settings = |name: &str| world.text_of(name).split("[token]").next().unwrap().trim().to_owned();
    let before = account_and_settings("anna");
    let answer = world.post(USER_SETTINGS, &[("user", "anna"), ("delete", "true")]).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    assert_eq!(world.cloud.count("/oauth2/revoke"), 1);
    assert_eq!(account_and_settings("anna"), before);
    assert!(!world.text_of("anna").contains("token"));
    assert!(!world.person_file("anna").with_extension("toml.previous").exists());
    world.await_topic("fitbit2mqtt/user/anna/auth", |auth| auth.contains("awaiting-consent")).await;
    world.await_topic("fitbit2mqtt/user/anna/availability", |value| value == "offline").await;
    let retained = world.retained().await;
    assert!(retained.contains_key("sensors/fitbit/anna/steps"), "history stays");
    assert_refused(&world.fetch("anna", "").await, 403, "has not consented");
    assert_eq!(world.fetch("ben", "").await.status, 200);
    // Nothing is left to revoke.
    assert_eq!(world.post(USER_SETTINGS, &[("user", "anna"), ("delete", "true")]).await.status, 200);
    assert_eq!(world.cloud.count("/oauth2/revoke"), 1);
    assert_refused(&world.post(USER_SETTINGS, &[("user", "nobody"), ("delete", "true")]).await, 404, "nobody");

    // Where the upstream fails, the token is gone here all the same, and people are told what is left to them.
    let fault = |effect| Fault { path: "/oauth2/revoke".into(), person: None, times: None, effect };
    world.cloud.fault(fault(Effect::Html { status: 500 }));
    let answer = world.post(USER_SETTINGS, &[("user", "ben"), ("delete", "true"), ("period", "7d")]).await;
    assert_refused(&answer, 502, "ben is disconnected here, but the consent could not be revoked at Fitbit Web API");
    assert!(answer.json()["cure"].as_str().unwrap().contains("withdraw the consent by hand"));
    assert!(!world.text_of("ben").contains("token") && world.text_of("ben").contains("period"));
    world.await_topic("fitbit2mqtt/user/ben/auth", |auth| auth.contains("awaiting-consent")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_withdrawn_at_the_upstream_is_no_trouble_to_disconnect() {
    let world = settled().await;
    world.cloud.revoke(0);
    world.clock.advance(TimeDelta::hours(9));
    assert_refused(&world.fetch("anna", "").await, 409, "anna");
    let answer = world.post(USER_SETTINGS, &[("user", "anna"), ("delete", "true")]).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    assert!(!world.text_of("anna").contains("token"));
}
