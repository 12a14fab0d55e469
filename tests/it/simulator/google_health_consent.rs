//! Google's consent and tokens: every rule that a client can trip over.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use fitbit2mqtt::simulator::{Client, Options, Project, Simulator};
use fitbit2mqtt::web::server::Response;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::google_health::GOOGLE;
use super::{World, header, json, noon};

const SECRET: &str = "GOCSPX-simulated-client-secret";
const REDIRECT: &str = "http://localhost:9333/plugin/fitbit/auth2";
const VERIFIER: &str = "a-verifier-of-more-than-forty-three-characters-0123456789";
const SLEEP: &str = "https://www.googleapis.com/auth/googlehealth.sleep.readonly";
const PROFILE: &str = "https://www.googleapis.com/auth/googlehealth.profile.readonly";

fn asked(redirect: &str, more: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", GOOGLE).append_pair("response_type", "code").append_pair("redirect_uri", redirect);
    query.append_pair("scope", &format!("{SLEEP} {PROFILE}")).append_pair("state", "a state/&").extend_pairs(more);
    format!("/google-health/o/oauth2/v2/auth?{}", query.finish())
}

fn code_in(location: &str) -> String {
    let url = url::Url::parse(location).unwrap();
    assert!(url.query_pairs().any(|pair| pair == ("state".into(), "a state/&".into())), "{location}");
    url.query_pairs().find(|(key, _)| key == "code").unwrap().1.into_owned()
}

impl World {
    async fn google_token(&self, fields: &[(&str, &str)]) -> Response {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.ask("POST", "/google-health/token", "", &body).await
    }

    async fn google_exchange(&self, code: &str) -> Response {
        self.google_token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("client_id", GOOGLE),
            ("client_secret", SECRET),
        ])
        .await
    }

    async fn google_refresh(&self, token: &str) -> Response {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", GOOGLE)];
        self.google_token(&[fields[0], fields[1], fields[2], ("client_secret", SECRET)]).await
    }

    /// Consents in this way and exchanges the code.
    async fn google_consent(&self, more: &[(&str, &str)]) -> Json {
        let location = self.simulator.consent(&asked(REDIRECT, more), 0, &[SLEEP, PROFILE]).unwrap();
        json(&self.google_exchange(&code_in(&location)).await)
    }

    async fn google_works(&self, token: &str) -> u16 {
        self.ask("GET", "/google-health/v4/users/me/profile", &format!("Bearer {token}"), "").await.status
    }
}

fn kind(response: &Response) -> (u16, Json) {
    (response.status, json(response)["error"].clone())
}

fn text(body: &Json, field: &str) -> String {
    body[field].as_str().unwrap_or_else(|| panic!("no {field} in {body}")).to_owned()
}

#[tokio::test]
async fn a_person_ticks_boxes_and_the_code_works_once() {
    let world = World::new();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    let more = [("code_challenge", &*challenge), ("code_challenge_method", "S256"), ("access_type", "offline")];
    let page = asked(REDIRECT, &more);
    let shown = world.ask("GET", &page, "", "").await;
    let html = String::from_utf8(shown.body).unwrap();
    assert!(
        shown.status == 200
            && html.contains("Google")
            && html.contains("Anna")
            && html.contains(SLEEP.rsplit('/').next().unwrap()),
        "{html}"
    );

    let ben = world.simulator.people()[1].user_id.clone();
    let form =
        format!("{}&person={ben}&grant={}&decision=allow", page.split_once('?').unwrap().1, SLEEP.replace('/', "%2F"));
    let back = world.ask("POST", "/google-health/o/oauth2/v2/auth", "", &form).await;
    let location = header(&back, "location").unwrap().to_owned();
    assert!(back.status == 302 && location.starts_with(REDIRECT) && location.contains("code=4%2F0A"), "{location}");
    let code = code_in(&location);
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", REDIRECT),
        ("client_id", GOOGLE),
        ("client_secret", SECRET),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(kind(&world.google_token(&fields[..5]).await), (400, "invalid_grant".into()));
    let mut wrong = fields;
    wrong[5].1 = "another-verifier-of-more-than-forty-three-characters-0";
    assert_eq!(kind(&world.google_token(&wrong).await), (400, "invalid_grant".into()));
    let mut elsewhere = fields;
    elsewhere[2].1 = "http://localhost:9333/";
    assert_eq!(kind(&world.google_token(&elsewhere).await), (400, "redirect_uri_mismatch".into()));
    let answer = world.google_token(&fields).await;
    let body = json(&answer);
    assert_eq!(answer.status, 200, "{body}");
    let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["access_token", "expires_in", "refresh_token", "scope", "token_type"]);
    assert_eq!((body["expires_in"].as_i64(), text(&body, "scope")), (Some(3599), SLEEP.to_owned()));
    assert_eq!(world.google_works(&text(&body, "access_token")).await, 403, "the profile was not ticked");
    let code = world.google_token(&fields).await;
    assert_eq!(kind(&code), (400, "invalid_grant".into()));
}

#[tokio::test]
async fn refresh_tokens_are_given_when_asked_for_and_do_not_rotate() {
    let world = World::new();
    assert!(world.google_consent(&[]).await.get("refresh_token").is_none(), "online");
    let first = world.google_consent(&[("access_type", "offline")]).await;
    let refresh = text(&first, "refresh_token");
    assert!(world.google_consent(&[("access_type", "offline")]).await.get("refresh_token").is_none(), "not again");
    let again = world.google_consent(&[("access_type", "offline"), ("prompt", "consent")]).await;
    assert_ne!(text(&again, "refresh_token"), refresh);
    for _ in 0..3 {
        world.clock.advance(TimeDelta::days(40));
        let renewed = json(&world.google_refresh(&refresh).await);
        assert!(
            renewed.get("refresh_token").is_none() && renewed.get("refresh_token_expires_in").is_none(),
            "{renewed}"
        );
        let access = text(&renewed, "access_token");
        assert_eq!(world.google_works(&access).await, 200);
        world.clock.advance(TimeDelta::seconds(3599));
        assert_eq!(world.google_works(&access).await, 401);
    }
    assert_eq!(kind(&world.google_refresh("1//0made-up").await), (400, "invalid_grant".into()));

    let body = format!("token={}", url::form_urlencoded::byte_serialize(refresh.as_bytes()).collect::<String>());
    assert_eq!(world.ask("POST", "/google-health/revoke", "", &body).await.status, 200);
    let refused = world.google_refresh(&refresh).await;
    assert_eq!(json(&refused)["error_description"], "Token has been expired or revoked.");
    assert_eq!(kind(&world.google_refresh(&text(&again, "refresh_token")).await), (400, "invalid_grant".into()));
    assert_eq!(kind(&world.ask("POST", "/google-health/revoke", "", &body).await), (400, "invalid_token".into()));
    // After that, consent is the first one again.
    text(&world.google_consent(&[("access_type", "offline")]).await, "refresh_token");
}

#[tokio::test]
async fn in_testing_a_refresh_token_dies_after_seven_days() {
    let project = Project { testing: true, ..Project::default() };
    let world = World::with(Options { project, ..Options::default() }, noon());
    let tokens = world.google_consent(&[("access_type", "offline")]).await;
    assert_eq!(tokens["refresh_token_expires_in"], 604_799);
    let refresh = text(&tokens, "refresh_token");
    world.clock.advance(TimeDelta::days(6));
    assert_eq!(json(&world.google_refresh(&refresh).await)["refresh_token_expires_in"], 86_399);
    world.clock.advance(TimeDelta::days(1));
    assert_eq!(kind(&world.google_refresh(&refresh).await), (400, "invalid_grant".into()));
}

#[tokio::test]
async fn redirect_addresses_of_home_networks_are_refused_on_the_page() {
    let registered = "https://home.example.org/auth2";
    let anywhere = ["https://pi.local/auth2", "https://192.168.1.2/auth2"];
    let mut web = Client::google();
    web.redirects = vec![registered.into(), anywhere[0].into(), anywhere[1].into(), REDIRECT.into()];
    let world = World::with(Options { clients: vec![Client::confidential(), web], ..Options::default() }, noon());
    for good in [registered, REDIRECT] {
        assert_eq!(world.ask("GET", &asked(good, &[]), "", "").await.status, 200, "{good}");
    }
    for (bad, says) in [
        (anywhere[0], "public top-level domain"),
        (anywhere[1], "device_id and device_name are required for private IP"),
        ("http://10.0.0.7:8080/", "private IP"),
        ("https://[fd00::1]/", "private IP"),
        ("https://203.0.113.5/", "Raw IP"),
        ("https://nas.lan/", "public top-level domain"),
        ("https://nas/", "public top-level domain"),
        ("http://home.example.org/auth2", "https"),
        ("https://home.example.org/auth2/", "redirect_uri_mismatch"),
        ("http://localhost:9999/", "redirect_uri_mismatch"),
        ("https://home.example.org/auth2#x", "fragment"),
        ("nonsense", "Missing authority"),
    ] {
        let response = world.ask("GET", &asked(bad, &[]), "", "").await;
        let page = String::from_utf8(response.body).unwrap();
        assert!(response.status == 400 && page.contains(says), "{bad}: {page}");
        assert!(world.simulator.consent(&asked(bad, &[]), 0, &[SLEEP]).is_err());
    }
    // A desktop application may use any port of loopback.
    let desktop = World::new();
    for good in ["http://localhost:9999/", "http://127.0.0.1:1/x", "http://[::1]:8080/"] {
        assert_eq!(desktop.ask("GET", &asked(good, &[]), "", "").await.status, 200, "{good}");
    }
}

#[tokio::test]
async fn applications_prove_who_they_are_and_questions_must_make_sense() {
    let world = World::new();
    let refresh = world.simulator.grant(GOOGLE, 0, Simulator::google_scopes()).unwrap().refresh_token;
    let ask = async |more: &[(&str, &str)]| {
        let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        fields.extend(more);
        kind(&world.google_token(&fields).await)
    };
    assert_eq!(ask(&[("client_id", GOOGLE), ("client_secret", "wrong")]).await, (401, "invalid_client".into()));
    assert_eq!(
        ask(&[("client_id", "other.apps.googleusercontent.com"), ("client_secret", SECRET)]).await,
        (401, "invalid_client".into())
    );
    assert_eq!(
        ask(&[("client_id", "23SIMU"), ("client_secret", "simulated-client-secret-0123456789")]).await,
        (401, "invalid_client".into())
    );
    assert_eq!(ask(&[("client_id", GOOGLE)]).await, (400, "invalid_request".into()));
    assert_eq!(ask(&[]).await, (400, "invalid_request".into()));
    assert_eq!(ask(&[("client_id", GOOGLE), ("client_secret", SECRET)]).await, (200, Json::Null));
    let basic = format!("Basic {}", STANDARD.encode(format!("{GOOGLE}:{SECRET}")));
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("grant_type", "refresh_token"), ("refresh_token", &refresh)])
        .finish();
    assert_eq!(world.ask("POST", "/google-health/token", &basic, &body).await.status, 200);
    assert_eq!(
        kind(
            &world.google_token(&[("grant_type", "password"), ("client_id", GOOGLE), ("client_secret", SECRET)]).await
        ),
        (400, "unsupported_grant_type".into())
    );

    let good = asked(REDIRECT, &[]);
    for (path, status, says) in [
        (good.replace("simulated.apps", "nobody.apps"), 401, "invalid_client"),
        (good.replace(GOOGLE, "23SIMU"), 401, "invalid_client"),
        (good.replace("response_type=code", "response_type=token"), 400, "unsupported_response_type"),
        (good.replace("sleep.readonly", "sleep"), 400, "invalid_scope"),
        (good.replace("scope=", "scopes="), 400, "missing: scope"),
        (asked(REDIRECT, &[("access_type", "forever")]), 400, "access_type"),
        (asked(REDIRECT, &[("code_challenge", VERIFIER), ("code_challenge_method", "plain")]), 400, "S256"),
    ] {
        let response = world.ask("GET", &path, "", "").await;
        let page = String::from_utf8(response.body).unwrap();
        assert!(response.status == status && page.contains(says), "{path}: {page}");
    }
    let denied = world.simulator.consent(&good, 0, &[]).unwrap();
    assert_eq!(denied, format!("{REDIRECT}?error=access_denied&state=a+state%2F%26"));
    let code = code_in(&world.simulator.consent(&good, 0, &[SLEEP]).unwrap());
    world.clock.advance(TimeDelta::minutes(11));
    assert_eq!(kind(&world.google_exchange(&code).await), (400, "invalid_grant".into()));
}
