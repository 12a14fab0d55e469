//! Consent from `auth1` to the first values: what is asked of the upstream, every way in which it can end, and what a
//! `state` is good for.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod elsewhere; // where it did not begin

use std::collections::BTreeMap;

use chrono::TimeDelta;
use fitbit2mqtt::simulator::{Client, Effect, Fault, Simulator};
use fitbit2mqtt::upstream::fitbit::FITBIT;
use serde_json::{Value as Json, json};
use url::Url;

use crate::browser::Browser;
use crate::world::{Answer, World, person};

/// Interval actions that fetch next to nothing, so that what arrives was fetched because of a consent.
const QUIET: &str = "[[action]]\ninterval = 86400\nurl = \"/plugin/fitbit?user={user}\"\n\
                     representing = \"sensors/fitbit/{user}\"\n";

/// A running bridge with a registered application, and people who have not consented.
async fn awaiting(people: &[&str]) -> World {
    let mut world = World::new().await;
    world.register();
    people.iter().for_each(|name| world.plugindata().create(&person(name)).unwrap());
    world.more = QUIET.into();
    world.start().await;
    world
}

impl World {
    async fn auth1(&self, user: &str) -> Answer {
        self.get(&format!("/plugin/fitbit/auth1?user={user}")).await
    }

    /// Begins a consent and ends it at the upstream: the path and query at which the browser comes back.
    async fn consented(&self, user: &str, index: usize, scopes: &[&str]) -> String {
        let begun = self.auth1(user).await;
        assert_eq!(begun.status, 303, "{}", begun.body);
        let ended = self.cloud.consent(begun.header("location"), index, scopes).unwrap();
        let url = Url::parse(&ended).unwrap();
        format!("{}?{}", url.path(), url.query().unwrap())
    }

    fn token_requests(&self) -> usize {
        self.cloud.count("/oauth2/token")
    }

    fn has_token(&self, user: &str) -> bool {
        self.plugindata().person(&person(user)).unwrap().unwrap().token.is_some()
    }

    async fn auth_state(&self, user: &str) -> Json {
        let retained = self.retained().await;
        let auth = retained.get(&format!("fitbit2mqtt/user/{user}/auth")).cloned().unwrap_or("null".into());
        serde_json::from_str::<Json>(&auth).unwrap()["state"].clone()
    }
}

fn all() -> &'static [&'static str] {
    Simulator::scopes()
}

fn error_and_cure(answer: &Answer) -> (String, String) {
    let json = answer.json();
    (json["error"].as_str().unwrap().to_owned(), json["cure"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn auth1_asks_for_exactly_this() {
    let world = awaiting(&["anna"]).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let answer = world.auth1("anna").await;
        assert_eq!((answer.status, answer.header("cache-control")), (303, "no-store"));
        let url = Url::parse(answer.header("location")).unwrap();
        let asked: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(url.query_pairs().count(), asked.len(), "nothing twice");
        assert_eq!(
            format!("{}{}", url.origin().ascii_serialization(), url.path()),
            format!("{}/fitbit/oauth2/authorize", world.cloud_url)
        );
        let names: Vec<&str> = asked.keys().map(String::as_str).collect();
        let expected = "client_id code_challenge code_challenge_method redirect_uri response_type scope state";
        assert_eq!(names.join(" "), expected);
        let scopes: Vec<&str> = FITBIT.scopes.iter().map(|(scope, _)| *scope).collect();
        assert_eq!(asked["scope"], scopes.join(" "));
        assert_eq!((asked["client_id"].as_str(), asked["response_type"].as_str()), ("23SIMU", "code"));
        assert_eq!((asked["code_challenge_method"].as_str(), asked["code_challenge"].len()), ("S256", 43));
        assert!(asked["state"].len() >= 32);
        let page = Browser::open(&format!("{}/", world.url())).await;
        assert!(page.text().contains(&format!("exactly so {} ", asked["redirect_uri"])), "{}", page.text());
        assert!(asked["redirect_uri"].ends_with("/plugin/fitbit/auth2"));
        seen.push((asked["state"].clone(), asked["code_challenge"].clone()));
    }
    assert!(seen[0].0 != seen[1].0 && seen[0].1 != seen[1].1);
    assert!(world.cloud.requests().is_empty(), "beginning asks the upstream nothing");

    for (user, status) in [("", 400), ("..%2Fanna", 400), ("a b", 400), ("nobody", 404)] {
        let answer = world.auth1(user).await;
        let (error, cure) = error_and_cure(&answer);
        assert!(answer.status == status && !error.is_empty() && !cure.is_empty(), "{user}: {answer:?}");
    }
    let cross = world.http.get(format!("{}/plugin/fitbit/auth1?user=anna", world.url()));
    assert_eq!(world.send(cross.header("Sec-Fetch-Site", "cross-site")).await.status, 403);
    let browser = Browser::open(&format!("{}/plugin/fitbit/auth1?user=nobody", world.url())).await;
    assert!(browser.status == 404 && browser.text().contains("There is no person nobody."), "{}", browser.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_connects_fetches_at_once_and_keeps_the_account() {
    let world = awaiting(&["anna"]).await;
    world.until("awaiting", async |world| world.auth_state("anna").await == "awaiting-consent").await;
    let mut browser = Browser::open(&format!("{}/plugin/fitbit/auth1?user=anna", world.url())).await;
    assert!(browser.url.as_str().starts_with(&world.cloud_url), "{}", browser.url);
    let anna = world.cloud.people()[0].user_id.clone();
    browser.submit("decision", &[("person", &anna), ("decision", "allow")]).await;
    assert_eq!((browser.status, browser.url.path()), (200, "/plugin/fitbit/auth2"));
    assert!(browser.text().contains("anna is connected"), "{}", browser.text());
    assert!(!browser.text().contains("not given to everything"), "{}", browser.text());

    let steps = world.await_topic("sensors/fitbit/anna/steps", |value| !value.is_empty()).await;
    assert!(steps.parse::<u32>().is_ok(), "{steps}");
    assert_eq!(world.auth_state("anna").await, "ok");
    let before = world.plugindata().person(&person("anna")).unwrap().unwrap();
    let account = before.account.clone().unwrap();
    assert!(account.len() == 8 && account.bytes().all(|byte| byte.is_ascii_hexdigit()), "{account}");
    assert_eq!(before.token.as_ref().unwrap().user_id.as_deref(), Some(anna.as_str()));

    // Again, from the page of before; and with another account, of which people are told.
    browser.follow("Connect again").await;
    browser.submit("decision", &[("person", &anna), ("decision", "allow")]).await;
    assert!(browser.text().contains("anna is connected") && !browser.text().contains("Mind"), "{}", browser.text());
    let again = world.consented("anna", 1, all()).await;
    let page = world.get(&again).await.body;
    assert!(page.contains("another account than before"), "{page}");
    let after = world.plugindata().person(&person("anna")).unwrap().unwrap();
    assert_eq!(after.account.unwrap(), account);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_allowed_is_named_everywhere() {
    let world = awaiting(&["anna"]).await;
    let mut browser = Browser::open(&format!("{}/plugin/fitbit/auth1?user=anna", world.url())).await;
    browser
        .submit_with("decision", |fields| {
            fields.retain(|(name, scope)| {
                name != "grant" || ["activity", "weight", "settings"].contains(&scope.as_str())
            });
            fields.push(("decision".into(), "allow".into()));
        })
        .await;
    assert_eq!(browser.status, 200);
    let missing: Vec<_> =
        FITBIT.scopes.iter().filter(|(scope, _)| !["activity", "weight", "settings"].contains(scope)).collect();
    assert!(missing.len() > 5);
    for (scope, gives) in &missing {
        assert!(browser.text().contains(&format!("{scope}: {gives}")), "{scope}: {}", browser.text());
    }
    browser.follow("Setup page").await;
    for (scope, gives) in &missing {
        assert!(browser.text().contains(&format!("{scope}: {gives}")), "{scope}: {}", browser.text());
    }
    world.await_topic("sensors/fitbit/anna/steps", |value| !value.is_empty()).await;
    let answer = world.fetch("anna", "&methods=get_sleep,get_bodyweight").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["failed"], json!([{"method": "get_sleep", "reason": "scope sleep was not granted"}]));
    assert!(answer.json()["metrics"]["body-weight"]["value"].is_number());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_is_shown_with_its_cure_and_changes_nothing() {
    let world = awaiting(&["anna"]).await;
    let mut browser = Browser::open(&format!("{}/plugin/fitbit/auth1?user=anna", world.url())).await;
    browser.submit("decision", &[("decision", "deny")]).await;
    assert_eq!((browser.status, browser.url.path()), (200, "/plugin/fitbit/auth2"));
    let text = browser.text();
    assert!(
        text.contains("anna is not connected") && text.contains("Access was denied on the consent page."),
        "{text}"
    );
    assert!(text.contains("What to do: Connect again, and allow at least one item."), "{text}");
    assert_eq!((world.token_requests(), world.has_token("anna")), (0, false));
    world.until("awaiting", async |world| world.auth_state("anna").await == "awaiting-consent").await;

    // The page itself leads on; and a consent that stands survives a later denial.
    browser.follow("Connect again").await;
    browser.submit("decision", &[("decision", "allow")]).await;
    assert!(world.has_token("anna"), "{}", browser.text());
    browser.follow("Connect again").await;
    browser.submit("decision", &[("decision", "deny")]).await;
    let text = browser.text();
    assert!(text.contains("anna was not connected anew") && text.contains("still stands"), "{text}");
    assert!(world.has_token("anna"));

    let begun = world.auth1("anna").await;
    let url = Url::parse(begun.header("location")).unwrap();
    let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let nasty =
        "/plugin/fitbit/auth2?error=server_error&error_description=%3Cscript%3Ealert(1)%3C/script%3E%0Anow&state=";
    let page = world.get(&format!("{nasty}{state}")).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("did not give access: &lt;script&gt;alert(1)") && !page.body.contains("<script"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_good_once_for_ten_minutes_and_for_whom_it_was_made() {
    let world = awaiting(&["anna", "ben"]).await;
    let refused = async |path: &str, status: u16, says: &str| {
        let answer = world.get(path).await;
        let (error, cure) = error_and_cure(&answer);
        assert!(answer.status == status && error.contains(says) && !cure.is_empty(), "{path}: {answer:?}");
    };
    let code = |path: &str| path.split_once("code=").unwrap().1.split('&').next().unwrap().to_owned();
    let good = world.consented("anna", 0, all()).await;
    let code = code(&good);
    for (query, says) in
        [("", "no state"), ("state=x", "no code"), ("state=&code=1", "no state"), ("code=1", "no state")]
    {
        refused(&format!("/plugin/fitbit/auth2?{query}"), 400, says).await;
    }
    refused(&format!("/plugin/fitbit/auth2?code={code}&state=x"), 403, "not begun here").await;
    refused("/plugin/fitbit/auth2?error=access_denied&state=x", 403, "not begun here").await;

    // Late, and just in time.
    world.clock.advance(TimeDelta::seconds(9 * 60 + 30));
    let fresh = world.consented("anna", 0, all()).await;
    world.clock.advance(TimeDelta::seconds(60));
    refused(&good, 403, "over ten minutes").await;
    assert_eq!(world.token_requests(), 0, "nothing of this reached the upstream");

    // Another's: pasted for ben it is refused, and still good for anna; then it is used.
    let address = format!("{}{fresh}#_=_", world.url());
    let pasted = world.post("/plugin/fitbit/userSettings", &[("user", "ben"), ("paste", &address)]).await;
    assert_eq!(pasted.status, 403, "{}", pasted.body);
    assert_eq!(world.token_requests(), 0);
    assert_eq!(world.get(&fresh).await.status, 200);
    assert!(world.has_token("anna") && !world.has_token("ben"));
    assert_eq!(world.token_requests(), 1);
    refused(&fresh, 403, "used already").await;

    // Whoever was removed, or goes to another upstream meanwhile, is not connected.
    let gone = world.consented("ben", 1, all()).await;
    std::fs::remove_dir_all(world.data_dir().join("identities/ben")).unwrap();
    refused(&gone, 403, "removed meanwhile").await;
    world.plugindata().create(&person("ben")).unwrap();
    let elsewhere = world.consented("ben", 1, all()).await;
    let store = format!("sqlite:{}", world.data_dir().join("fitbit2mqtt.db").display());
    let store = sqlx::SqlitePool::connect(&store).await.unwrap();
    sqlx::query("UPDATE consent SET provider = 'google-health'").execute(&store).await.unwrap();
    refused(&elsewhere, 403, "the consent was for google-health").await;
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_consents_are_pending_and_the_seventeenth_gives_up_the_oldest() {
    let world = awaiting(&["anna", "ben"]).await;
    let other = world.consented("ben", 1, all()).await;
    let mut begun = Vec::new();
    for _ in 0..17 {
        begun.push(world.consented("anna", 0, all()).await);
        world.clock.advance(TimeDelta::seconds(1));
    }
    assert_eq!(world.get(&begun[0]).await.status, 403);
    assert_eq!(world.token_requests(), 0);
    assert_eq!(world.get(&begun[1]).await.status, 200);
    assert_eq!(world.get(&begun[16]).await.status, 200);
    assert_eq!(world.get(&other).await.status, 200, "each person has sixteen");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_token_endpoint_says_the_page_says_what_to_do() {
    let world = awaiting(&["anna"]).await;
    let fitbit = |kind: &str, words: &str| json!({"errors": [{"errorType": kind, "message": words}], "success": false});
    let page = "<html>We will be back soon.</html>";
    let cases = [
        (Effect::answer(500, &json!({})), "failed", "in a while"),
        (Effect::Html { status: 502 }, "failed", "in a while"),
        (Effect::Html { status: 200 }, "failed", "in a while"),
        (
            Effect::Answer { status: 200, body: page.into(), content_type: "application/json".into() },
            "failed",
            "in a while",
        ),
        (Effect::Truncated, "failed", "in a while"),
        (Effect::answer(429, &json!({})), "failed", "in a while"),
        (
            Effect::answer(400, &fitbit("invalid_grant", "Authorization code expired: CODE")),
            "refuses the code",
            "Connect again.",
        ),
        (Effect::answer(401, &fitbit("invalid_client", "Invalid client")), "client id or secret", "on the setup page"),
        (Effect::answer(400, &json!({"error": "unauthorized_client"})), "client id or secret", "on the setup page"),
    ];
    for (effect, says, cure) in cases {
        let back = world.consented("anna", 0, all()).await;
        let code = back.split_once("code=").unwrap().1.split('&').next().unwrap().to_owned();
        let effect = match effect {
            Effect::Answer { status, body, content_type } => {
                Effect::Answer { status, body: body.replace("CODE", &code), content_type }
            }
            other => other,
        };
        let told = format!("{effect:?}");
        world.cloud.fault(Fault { path: "/oauth2/token".into(), person: None, times: Some(1), effect });
        let browser = Browser::open(&format!("{}{back}", world.url())).await;
        let text = browser.text();
        assert_eq!(browser.status, 502, "{told}: {text}");
        assert!(text.contains("anna is not connected") && text.contains(says) && text.contains(cure), "{told}: {text}");
        assert!(!browser.page.contains(&code), "{told}: the code is in the page");
        assert!(!world.has_token("anna"), "{told}");
    }
    // A script hears the same as JSON.
    world.cloud.fault(Fault {
        path: "/oauth2/token".into(),
        person: None,
        times: Some(1),
        effect: Effect::Html { status: 500 },
    });
    let back = world.consented("anna", 0, all()).await;
    let answer = world.get(&back).await;
    let (error, cure) = error_and_cure(&answer);
    assert!(answer.status == 502 && error.contains("Fitbit Web API failed") && cure.contains("again"), "{answer:?}");
    // And after all of it, it works.
    let back = world.consented("anna", 0, all()).await;
    assert_eq!(world.get(&back).await.status, 200);
    assert!(world.has_token("anna"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_and_a_missing_client_id_are_told_apart_and_mended() {
    let world = awaiting(&["anna"]).await;
    let save = async |fields: &[(&str, &str)]| {
        let mut fields = fields.to_vec();
        fields.push(("provider", "fitbit"));
        assert_eq!(world.post("/plugin/fitbit/settings", &fields).await.status, 200);
    };
    save(&[("client_id", "")]).await;
    let none = world.auth1("anna").await;
    assert!(none.status == 502 && error_and_cure(&none).0.contains("no client id"), "{none:?}");
    save(&[("client_id", "23SIMU"), ("client_secret", "wrong-secret-0123456789")]).await;
    let back = world.consented("anna", 0, all()).await;
    let page = Browser::open(&format!("{}{back}", world.url())).await;
    assert!(page.status == 502 && page.text().contains("client id or secret"), "{}", page.text());
    assert!(!page.page.contains("wrong-secret"));
    let secret = Client::confidential().secret.unwrap();
    save(&[("client_secret", &secret)]).await;
    let back = world.consented("anna", 0, all()).await;
    assert_eq!(world.get(&back).await.status, 200);

    // An application without a secret is one, too.
    std::fs::write(
        world.data_dir().join("plugindata/fitbit.toml"),
        "provider = \"fitbit\"\n[fitbit]\nclient_id = \"23OPEN\"\n",
    )
    .unwrap();
    let back = world.consented("anna", 0, all()).await;
    assert_eq!(world.get(&back).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_on_one_account_are_warned() {
    let world = awaiting(&["anna", "ben"]).await;
    let first = world.consented("anna", 0, all()).await;
    assert!(!world.get(&first).await.body.contains("Mind"));
    let second = world.consented("ben", 0, all()).await;
    let page = Browser::open(&format!("{}{second}", world.url())).await;
    assert!(page.text().contains("already connected as anna"), "{}", page.text());
    let setup = Browser::open(world.url()).await;
    assert!(setup.text().contains("anna and ben are connected with the same account."), "{}", setup.text());
    let right = world.consented("ben", 1, all()).await;
    world.get(&right).await;
    let setup = Browser::open(world.url()).await;
    assert!(!setup.text().contains("same account"), "{}", setup.text());
}
