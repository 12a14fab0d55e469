//! The organization's token: in its file before it is used, renewed as it ends or is refused, and every refusal in words.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use chrono::TimeDelta;
use fitbit2mqtt::simulator::{Effect, Fault};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{Care, PLUS_CREDENTIALS, PROVIDER, Programme, wanted};

fn fault(path: &str, effect: Effect) -> Fault {
    Fault { path: path.into(), person: None, times: Some(1), effect }
}

fn access(care: &Care) -> Option<String> {
    Some(care.plugindata().organization_token(PROVIDER).unwrap()?.access_token.expose_secret().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_kept_in_the_applications_file_and_renewed_in_time() {
    let care = Care::new(Programme::default());
    let path = care.folder.path().join("data/plugindata/fitbit.toml");
    let mut text = fs::read_to_string(&path).unwrap();
    text.insert_str(0, "# ours\nsystem = \"en_GB\"\n");
    fs::write(&path, text).unwrap();

    let reach = care.reader.reach().await.unwrap();
    assert_eq!(reach.organization, Some(care.clinic().organization()));
    let first = access(&care).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# ours\nsystem = \"en_GB\"\n") && text.contains("[fitbit-plus.token]"), "{text}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    // As long as it is good, nobody asks for another, in this process or the next.
    assert_eq!(care.read(&wanted("patient", &[])).await.1, Ok(40));
    assert_eq!(care.ended(&["group"]).await.0, 0);
    assert_eq!((care.cloud.count("/oauth/token"), access(&care).unwrap()), (1, first.clone()));

    // A minute before it ends it is renewed; the one before is kept until the new one has worked.
    care.clock.advance(TimeDelta::seconds(3601 - 59));
    care.reader.reach().await.unwrap();
    let second = access(&care).unwrap();
    assert_ne!(second, first);
    let previous = || care.plugindata().previous_organization_token(PROVIDER).unwrap();
    assert_eq!(previous().unwrap().access_token.expose_secret(), first);
    assert_eq!(care.read(&wanted("patient", &[])).await.1, Ok(40));
    assert!(previous().is_none(), "the token before goes once the new one has worked");

    // Another application has another token.
    care.plugindata().save_application(|edit| edit.client_id(PROVIDER, "another")).unwrap();
    assert_eq!(access(&care), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_is_renewed_once_and_by_the_credentials_where_it_is_lost() {
    let care = Care::new(Programme::default());
    care.reader.reach().await.unwrap();
    for lose in [true, false] {
        let before = access(&care);
        // With the refresh token, or without.
        if lose {
            care.clinic().revoke()
        } else {
            care.clinic().expire()
        }
        assert_eq!(care.read(&wanted("patient", &[])).await.1, Ok(40));
        assert_ne!(access(&care), before);
    }
    let body = json!({"meta": {"req_id": "d07c8b12-e8b3"}, "errors": [{"code": "Unauthorized", "status": "401",
        "detail": "A valid bearer token is required"}]});
    care.cloud.forget_requests();
    care.cloud.fault(Fault { times: None, ..fault("/pub/patient", Effect::answer(401, &body)) });
    let refused = care.read(&wanted("patient", &[])).await.1.unwrap_err();
    assert_eq!(
        refused,
        "Fitbit Plus refuses the access token (401 Unauthorized): A valid bearer token is required; their request id is \
         d07c8b12-e8b3"
    );
    assert_eq!((care.cloud.count("/patient"), care.cloud.count("/oauth/token")), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_by_the_vendors_examples_is_asked_in_the_flat_form() {
    let care = Care::new(Programme { by_groups: true, ..Programme::default() });
    let error = json!({"errors": [{"code": "InvalidBodyParameter", "detail": "data.type must be oauth/token", "status": "409"}]});
    care.cloud.fault(fault("/oauth/token", Effect::answer(409, &error)));
    let reach = care.reader.reach().await.unwrap();
    assert_eq!(reach.organization, None);
    assert_eq!(reach.groups, care.clinic().ids("group"));
    // These credentials reach groups, and lists that need the one or the other are asked for those.
    let (patients, outcome) = care.read(&wanted("patient", &[])).await;
    assert_eq!((patients.len(), outcome), (40, Ok(40)));
    let (code, _, complaint) = care.ended(&["group"]).await;
    assert_eq!(code, 2);
    assert!(complaint.contains("group needs the filter organization"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_in_words_with_the_vendors_request_id() {
    let care = Care::new(Programme::default());
    let foreign = ("organization", "5b7ac3f9012e4d5f6a7b8c9d");
    for (asked, parts) in [
        (
            wanted("patient", &[foreign]),
            &["does not let these credentials read this (403 Forbidden)", "organization"][..],
        ),
        (wanted("patient/5b7ac3f9", &[]), &["has no such resource (404 ResourceNotFound)", "/patient/5b7ac3f9"]),
    ] {
        let refused = care.read(&asked).await.1.unwrap_err();
        assert!(parts.iter().all(|part| refused.contains(part)), "{refused}");
        assert!(refused.contains("; their request id is "), "{refused}");
    }
    let invalid = json!({"meta": {"req_id": "1-2"}, "errors": [{"code": "InvalidParameter", "status": "409",
        "source": {"parameter": "filter[groups]"}, "detail": "unknown group"}]});
    care.cloud.fault(fault("/pub/patient", Effect::answer(409, &invalid)));
    assert_eq!(
        care.read(&wanted("patient", &[])).await.1.unwrap_err(),
        "Fitbit Plus does not understand a parameter (409 InvalidParameter, filter[groups]): unknown group; their \
         request id is 1-2"
    );
    // What passes is waited for.
    care.cloud.fault(fault("/pub/patient", Effect::Html { status: 502 }));
    let exhausted = Effect::Exhausted { body: fitbit2mqtt::simulator::Exhausted::Google, retry_after: Some(1) };
    care.cloud.fault(fault("/pub/patient", exhausted));
    assert_eq!(care.read(&wanted("patient", &[])).await.1, Ok(40));

    care.clinic().revoke();
    care.register("wrong-secret-wrong-secret-wrong");
    let (code, out, complaint) = care.ended(&["patient"]).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(complaint.contains("refuses the client id or secret (401 InvalidCredentials)"), "{complaint}");
    assert!(!complaint.contains("wrong-secret"), "{complaint}");
    care.plugindata().save_application(|edit| edit.client_id(PROVIDER, "")).unwrap();
    let (code, _, complaint) = care.ended(&["patient"]).await;
    assert_eq!(code, 1);
    assert!(complaint.contains("there is no client id for Fitbit Plus"), "{complaint}");
    // From the environment they are as good.
    let mut command = care.program(&["patient", "--count"]);
    command.env("FITBIT2MQTT_FITBIT_PLUS__CLIENT_ID", PLUS_CREDENTIALS.0);
    command.env("FITBIT2MQTT_FITBIT_PLUS__CLIENT_SECRET", PLUS_CREDENTIALS.1);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "40\n");
}
