//! Consent, codes, tokens: every rule of the service that a client can trip over.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use fitbit2mqtt::simulator::{Effect, Fault};
use fitbit2mqtt::web::server::Response;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{World, header, json};

const REDIRECT: &str = "http://localhost:9333/plugin/fitbit/auth2";
const VERIFIER: &str = "a-verifier-of-more-than-forty-three-characters-0123456789";

fn basic() -> String {
    format!("Basic {}", STANDARD.encode("23SIMU:simulated-client-secret-0123456789"))
}

fn asked(client: &str, more: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", client).append_pair("response_type", "code").append_pair("redirect_uri", REDIRECT);
    query.append_pair("scope", "activity sleep weight").append_pair("state", "a state/&").extend_pairs(more);
    format!("/fitbit/oauth2/authorize?{}", query.finish())
}

fn code_in(location: &str) -> String {
    let fields: Vec<(String, String)> =
        url::Url::parse(location).unwrap().query_pairs().map(|(key, value)| (key.into(), value.into())).collect();
    assert!(fields.contains(&("state".into(), "a state/&".into())), "{location}");
    fields.into_iter().find(|(key, _)| key == "code").unwrap().1
}

impl World {
    async fn token(&self, authorization: &str, fields: &[(&str, &str)]) -> Response {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.ask("POST", "/fitbit/oauth2/token", authorization, &body).await
    }

    async fn refresh(&self, token: &str) -> Response {
        self.token(&basic(), &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    async fn works(&self, token: &str) -> u16 {
        let path = "/fitbit/1/user/-/activities/goals/daily.json";
        self.ask("GET", path, &format!("Bearer {token}"), "").await.status
    }
}

fn kind(response: &Response) -> Json {
    json(response)["errors"][0]["errorType"].clone()
}

fn text(body: &Json, field: &str) -> String {
    body[field].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_person_consents_in_the_browser_and_the_code_works_once() {
    let world = World::new();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    let page = asked("23SIMU", &[("code_challenge", &challenge), ("code_challenge_method", "S256")]);
    let shown = world.ask("GET", &page, "", "").await;
    let html = String::from_utf8(shown.body).unwrap();
    assert_eq!(shown.status, 200);
    assert!(html.contains("value=\"sleep\" checked") && html.contains("Anna") && html.contains("Deny"), "{html}");
    assert!(html.contains(r#"name="state" value="a state&#x2f;&amp;""#), "{html}");

    let ben = world.simulator.people()[1].user_id.clone();
    let form = format!("{}&person={ben}&grant=sleep&grant=profile&decision=allow", page.split_once('?').unwrap().1);
    let back = world.ask("POST", "/fitbit/oauth2/authorize", "", &form).await;
    let location = header(&back, "location").unwrap().to_owned();
    assert!(back.status == 302 && location.starts_with(REDIRECT) && location.ends_with("#_=_"), "{location}");
    let code = code_in(&location);
    assert!(code.len() == 40 && code.bytes().all(|byte| byte.is_ascii_hexdigit()));

    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let mut wrong = fields;
    wrong[3].1 = "another-verifier-of-more-than-forty-three-characters-0";
    assert_eq!(kind(&world.token(&basic(), &wrong).await), "invalid_grant");
    assert_eq!(kind(&world.token(&basic(), &fields[..3]).await), "invalid_grant");
    let mut elsewhere = fields;
    elsewhere[2].1 = "http://localhost:9333/plugin/fitbit/auth2/";
    assert_eq!(kind(&world.token(&basic(), &elsewhere).await), "invalid_grant");

    let answer = world.token(&basic(), &fields).await;
    let body = json(&answer);
    assert_eq!(answer.status, 200, "{body}");
    // What was ticked, of what was asked: `profile` was not.
    assert_eq!(
        (text(&body, "scope"), text(&body, "user_id"), text(&body, "token_type")),
        ("sleep".into(), ben, "Bearer".into())
    );
    assert_eq!((body["expires_in"].as_i64(), text(&body, "refresh_token").len()), (Some(28_800), 64));
    assert_eq!(
        world
            .ask("GET", "/fitbit/1.2/user/-/sleep/goal.json", &format!("Bearer {}", text(&body, "access_token")), "")
            .await
            .status,
        200
    );

    let again = world.token(&basic(), &fields).await;
    assert_eq!((again.status, kind(&again)), (400, "invalid_grant".into()));
}

#[tokio::test]
async fn codes_expire_and_denial_comes_back() {
    let world = World::new();
    let location = world.simulator.consent(&asked("23OPEN", &[]), 0, &["activity"]).unwrap();
    let code = code_in(&location);
    world.clock.advance(TimeDelta::minutes(11));
    let fields =
        [("grant_type", "authorization_code"), ("code", &*code), ("redirect_uri", REDIRECT), ("client_id", "23OPEN")];
    assert_eq!(kind(&world.token("", &fields).await), "invalid_grant");
    let denied = world.simulator.consent(&asked("23OPEN", &[]), 0, &[]).unwrap();
    assert!(denied.contains("?error=access_denied&") && denied.contains("state=a+state%2F%26"), "{denied}");
}

#[tokio::test]
async fn what_is_wrong_with_the_question_is_shown_in_the_browser() {
    let world = World::new();
    let good = asked("23SIMU", &[]);
    let replaced = |from: &str, to: &str| good.replace(from, to);
    for (path, says) in [
        (replaced("23SIMU", "22NONE"), "unauthorized_client"),
        (replaced("http%3A%2F%2Flocalhost", "https%3A%2F%2Fexample.org"), "Invalid redirect_uri"),
        (replaced("response_type=code", "response_type=token"), "unsupported_response_type"),
        (replaced("activity", "everything"), "invalid_scope"),
        (asked("23SIMU", &[("code_challenge", "short"), ("code_challenge_method", "S256")]), "between 43 and 128"),
        (asked("23SIMU", &[("code_challenge", VERIFIER), ("code_challenge_method", "plain")]), "must be S256"),
        (replaced("23SIMU", "%3Cscript%3E"), "&lt;script&gt;"),
    ] {
        let response = world.ask("GET", &path, "", "").await;
        let page = String::from_utf8(response.body).unwrap();
        assert!(response.status == 400 && page.contains(says) && !page.contains("<script>"), "{path}: {page}");
    }
}

#[tokio::test]
async fn applications_prove_who_they_are() {
    let world = World::new();
    let refresh = world.simulator.grant("23SIMU", 0, &["sleep"]).unwrap().refresh_token;
    let fields = [("grant_type", "refresh_token"), ("refresh_token", &*refresh), ("client_id", "23SIMU")];
    let wrong = format!("Basic {}", STANDARD.encode("23SIMU:wrong"));
    for authorization in ["", wrong.as_str(), "Basic %", "Bearer x"] {
        let response = world.token(authorization, &fields).await;
        assert_eq!((response.status, kind(&response)), (401, "invalid_client".into()), "{authorization:?}");
    }
    // Another application's token is none of its business.
    let public = [("grant_type", "refresh_token"), ("refresh_token", &*refresh), ("client_id", "23OPEN")];
    assert_eq!(kind(&world.token("", &public).await), "invalid_grant");
    assert_eq!(world.token(&basic(), &fields).await.status, 200);
    assert_eq!(kind(&world.token(&basic(), &[("grant_type", "password")]).await), "unsupported_grant_type");
    assert_eq!(kind(&world.token(&basic(), &[]).await), "invalid_request");
}

#[tokio::test]
async fn a_refresh_token_works_once_and_an_identical_request_is_answered_again_for_a_while() {
    let world = World::new();
    let first = world.simulator.grant("23SIMU", 0, &["activity"]).unwrap();
    let answer = json(&world.refresh(&first.refresh_token).await);
    assert_eq!(world.works(&first.access_token).await, 200, "earlier access tokens live on");
    assert_eq!(json(&world.refresh(&first.refresh_token).await), answer);
    let other = [("refresh_token", &*first.refresh_token), ("grant_type", "refresh_token")];
    assert_eq!(kind(&world.token(&basic(), &other).await), "invalid_grant", "not the identical request");

    assert_eq!(world.works(&text(&answer, "access_token")).await, 200);
    let late = world.refresh(&first.refresh_token).await;
    assert_eq!((late.status, kind(&late)), (400, "invalid_grant".into()));
    let message = text(&json(&late)["errors"][0], "message");
    assert!(message.starts_with(&format!("Refresh token invalid: {}. Visit", first.refresh_token)), "{message}");

    // The next one is unused but too old.
    let second = text(&answer, "refresh_token");
    let answer = json(&world.refresh(&second).await);
    world.clock.advance(TimeDelta::minutes(3));
    assert_eq!(kind(&world.refresh(&second).await), "invalid_grant");

    // The one after that was used to refresh.
    let third = text(&answer, "refresh_token");
    let answer = json(&world.refresh(&third).await);
    assert_eq!(world.refresh(&text(&answer, "refresh_token")).await.status, 200);
    assert_eq!(kind(&world.refresh(&third).await), "invalid_grant");
}

#[tokio::test]
async fn a_lost_answer_to_a_refresh_can_be_asked_for_again() {
    let world = World::new();
    let first = world.simulator.grant("23SIMU", 0, &["activity"]).unwrap();
    world.simulator.fault(Fault { path: "/token".into(), person: Some(0), times: Some(1), effect: Effect::AnswerLost });
    assert_eq!(world.refresh(&first.refresh_token).await.status, 502);
    let answer = json(&world.refresh(&first.refresh_token).await);
    assert_eq!(world.works(&text(&answer, "access_token")).await, 200);
    assert_eq!(kind(&world.refresh(&first.refresh_token).await), "invalid_grant");
}

#[tokio::test]
async fn access_tokens_expire_and_the_error_names_them() {
    let world = World::new();
    world.clock.advance(TimeDelta::seconds(28_801));
    let (status, body) = world.get("/fitbit/1/user/-/profile.json").await;
    assert_eq!((status, &body["errors"][0]["errorType"]), (401, &Json::from("expired_token")));
    assert!(text(&body["errors"][0], "message").contains(&world.token));
    let unknown = world.ask("GET", "/fitbit/1/user/-/profile.json", "Bearer nonsense", "").await;
    assert_eq!((unknown.status, kind(&unknown)), (401, "invalid_token".into()));
    let none = world.ask("GET", "/fitbit/1/user/-/profile.json", "", "").await;
    assert_eq!((none.status, kind(&none)), (401, "invalid_request".into()));
    assert!(header(&none, "fitbit-rate-limit-limit").is_some());
}

#[tokio::test]
async fn revocation_and_introspection() {
    let world = World::new();
    let (mine, other) = (
        world.simulator.grant("23SIMU", 0, &["activity", "sleep"]).unwrap(),
        world.simulator.grant("23SIMU", 1, &["activity"]).unwrap(),
    );
    let introspect = async |token: &str| {
        let bearer = format!("Bearer {}", other.access_token);
        json(&world.ask("POST", "/fitbit/1.1/oauth2/introspect", &bearer, &format!("token={token}")).await)
    };
    let told = introspect(&mine.access_token).await;
    assert_eq!((&told["active"], text(&told, "scope")), (&true.into(), "{ACTIVITY=READ, SLEEP=READ}".into()));
    let response = world.ask("POST", "/fitbit/oauth2/revoke", &basic(), &format!("token={}", mine.refresh_token)).await;
    assert_eq!((response.status, response.body.len()), (200, 0));
    assert_eq!(introspect(&mine.access_token).await, serde_json::json!({"active": false}));
    assert_eq!((world.works(&mine.access_token).await, world.works(&other.access_token).await), (401, 200));
    assert_eq!(world.works(&world.token).await, 401, "every token of that person");
    assert_eq!(kind(&world.refresh(&mine.refresh_token).await), "invalid_grant");
}
