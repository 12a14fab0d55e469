//! The HTTP door: which request is let in, what a form may do, what every refusal says, and that no secret comes out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod forms; // what they do

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::plugindata::Token;
use fitbit2mqtt::simulator::{Effect, Exhausted, Fault, Options};
use reqwest::Method;
use secrecy::ExposeSecret;

use crate::setup;
use crate::world::{Answer, World, person};

const SETUP: &str = "/plugin/fitbit/page/setup.html";
const SETTINGS: &str = "/plugin/fitbit/settings";
const USER_SETTINGS: &str = "/plugin/fitbit/userSettings";
/// Nothing is fetched by itself in the time of a test.
const QUIET: &str = "[[action]]\ninterval = 86400\nurl = \"/plugin/fitbit?user={user}&methods=get_devices\"\n\
                     representing = \"sensors/fitbit/{user}\"\n";

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, says: &str) {
    let json = answer.json();
    let (error, cure) = (json["error"].as_str().unwrap_or_default(), json["cure"].as_str().unwrap_or_default());
    assert!(answer.status == status && error.contains(says) && !cure.is_empty(), "{status} {says}: {answer:?}");
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-store");
}

impl World {
    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request).await
    }

    async fn post_as(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let mut request = self.http.post(format!("{}{path}", self.url())).form(fields);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request).await
    }

    fn text_of(&self, name: &str) -> String {
        std::fs::read_to_string(self.person_file(name)).unwrap_or_default()
    }

    fn application(&self) -> String {
        std::fs::read_to_string(self.data_dir().join("plugindata/fitbit.toml")).unwrap_or_default()
    }
}

/// A running bridge with both people connected and fetched.
async fn settled() -> World {
    let mut world = World::connected().await;
    world.more = QUIET.into();
    world.start().await;
    for user in ["anna", "ben"] {
        assert_eq!(world.fetch(user, "").await.status, 200);
    }
    // Each one's action comes once by itself, within ten seconds of the start.
    let devices = |world: &World| world.cloud.requests().iter().filter(|asked| asked.path.contains("devices")).count();
    world.until("the first actions ran", async |world| devices(world) >= 4).await;
    world
}

/// A running bridge that knows nobody and nothing.
async fn empty() -> World {
    let mut world = World::new().await;
    world.start().await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_says_what_it_takes() {
    let mut world = empty().await;
    let root = world.get("/").await;
    assert_eq!((root.status, root.header("location")), (303, SETUP));
    assert_eq!(world.get("/healthz").await.body, "ok\n");
    world.until("ready", async |world| world.get("/readyz").await.status == 200).await;
    for path in ["/nothing", "/plugin/fitbit/", "/plugin/fitbit/page/../page/nothing"] {
        assert_refused(&world.get(path).await, 404, "nothing at this address");
    }
    for (method, path, allowed) in [
        (Method::PUT, SETUP, "GET, POST, HEAD"),
        (Method::DELETE, "/plugin/fitbit", "GET, HEAD"),
        (Method::OPTIONS, "/plugin/fitbit/auth1", "GET, HEAD"),
        (Method::POST, "/plugin/fitbit/auth2", "GET, HEAD"),
        (Method::GET, SETTINGS, "POST"),
        (Method::HEAD, USER_SETTINGS, "POST"),
        (Method::PUT, USER_SETTINGS, "POST"),
        (Method::GET, "/plugin/fitbit/command", "POST"),
    ] {
        let answer = world.ask(method.clone(), path, &[]).await;
        assert_eq!((answer.status, answer.header("allow")), (405, allowed), "{method} {path}");
        if method != Method::HEAD {
            assert_refused(&answer, 405, "does not take that method");
        }
    }
    let (whole, head) = (world.get(SETUP).await, world.ask(Method::HEAD, SETUP, &[]).await);
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), whole.body.len().to_string());

    world.broker.kill();
    world.until("not ready", async |world| world.get("/readyz").await.status == 503).await;
    let unready = world.get("/readyz").await.body;
    assert!(unready.contains("connection to the MQTT broker"), "{unready}");
    assert_eq!(world.get("/healthz").await.status, 200);
    let page = world.get(SETUP).await.body;
    assert!(page.contains("onnection to the MQTT broker mqtt:"));
    world.broker.restart();
    world.until("ready again", async |world| world.get("/readyz").await.body == "ready\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_sent_with_its_guards() {
    let world = settled().await;
    let html = [("Accept", "text/html")];
    for path in [
        SETUP,
        "/plugin/fitbit/page/setup.html?user=anna",
        "/plugin/fitbit/page/setup.html?user=%22%3E%3Cscript%3E",
        "/plugin/fitbit/auth1",
        "/plugin/fitbit/auth2",
        "/plugin/fitbit/auth2?code=1&state=2",
    ] {
        let page = world.ask(Method::GET, path, &html).await;
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{path}");
        let policy = page.header("content-security-policy");
        for rule in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("script-src") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(page.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert!(!page.body.contains("<script"), "{path}");
    }
    let json = world.fetch("anna", "").await;
    assert_eq!((json.header("cache-control"), json.header("x-content-type-options")), ("no-store", "nosniff"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_host_name_is_none_of_ours() {
    let mut world = World::new().await;
    world.more = "http.allowed_hosts = [\"nas.lan\"]\nhttp.public_url = \"https://fitbit.home.example\"\n\
                  http.password = \"geheim\"\n"
        .into();
    world.start().await;
    for (host, status) in [
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("nas.lan:9333", 200),
        ("fitbit.home.example", 200),
        ("192.168.1.5:80", 200),
        ("[::1]:9333", 200),
        ("LocalHost", 200),
    ] {
        let answer = world.ask(Method::GET, "/healthz", &[("Host", host)]).await;
        assert_eq!(answer.status, status, "{host}");
        if status == 421 {
            assert_refused(&answer, 421, "host name");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_password_everything_asks_for_it_but_what_cannot() {
    let mut world = World::connected().await;
    world.more = "http.password = \"geheim\"\n".into();
    world.start().await;
    let style = "/plugin/fitbit/page/style.css";
    for path in ["/", SETUP, "/plugin/fitbit?user=anna", "/plugin/fitbit/auth1?user=anna"] {
        let answer = world.get(path).await;
        assert_refused(&answer, 401, "password");
        assert!(answer.header("www-authenticate").starts_with("Basic realm="), "{path}");
    }
    for path in [SETTINGS, USER_SETTINGS] {
        assert_refused(&world.post_as(path, &[("user", "eve")], &[]).await, 401, "password");
    }
    let icon = "/plugin/fitbit/page/icon.svg";
    for (path, status) in [("/healthz", 200), (style, 200), (icon, 200), ("/plugin/fitbit/auth2", 400)] {
        assert_eq!(world.get(path).await.status, status, "{path}");
    }
    world.until("ready", async |world| world.get("/readyz").await.status == 200).await;
    let with = async |password: &str| {
        let request = world.http.get(format!("{}{SETUP}", world.url())).basic_auth("admin", Some(password));
        world.send(request).await.status
    };
    assert_eq!((with("geheim").await, with("Geheim").await, with("").await), (200, 401, 401));
    let other = world.http.get(format!("{}{SETUP}", world.url())).basic_auth("root", Some("geheim"));
    assert_eq!(world.send(other).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_taken_from_our_pages_and_from_scripts_with_the_token() {
    let world = empty().await;
    let token = world.form_token().await;
    let (here, port) = (world.url().to_owned(), world.url().rsplit(':').next().unwrap().to_owned());
    let wrong = "0".repeat(token.len());
    let mut count = 0;
    for (token, headers, status) in [
        (None, vec![], 403),
        (Some(""), vec![], 403),
        (Some(wrong.as_str()), vec![], 403),
        (Some(wrong.as_str()), vec![("Sec-Fetch-Site", "same-origin")], 403),
        (Some(token.as_str()), vec![("Sec-Fetch-Site", "cross-site")], 403),
        (Some(token.as_str()), vec![("Sec-Fetch-Site", "same-site")], 403),
        (Some(token.as_str()), vec![("Origin", "http://evil.example")], 403),
        (Some(token.as_str()), vec![("Origin", "null")], 403),
        (Some(token.as_str()), vec![("Origin", "http://localhost:1")], 403),
        (Some(token.as_str()), vec![("Sec-Fetch-Site", "cross-site"), ("Origin", here.as_str())], 403),
        (Some(token.as_str()), vec![], 200),
        (Some(token.as_str()), vec![("Sec-Fetch-Site", "same-origin")], 200),
        (Some(token.as_str()), vec![("Origin", here.as_str())], 200),
        (Some(token.as_str()), vec![("Origin", &format!("http://localhost:{port}"))], 200),
    ] {
        count += 1;
        let user = format!("p{count}");
        let mut fields = vec![("user", user.as_str())];
        fields.extend(token.map(|token| ("form_token", token)));
        let answer = world.post_as(USER_SETTINGS, &fields, &headers).await;
        assert_eq!(answer.status, status, "{token:?} {headers:?}: {answer:?}");
        if status == 403 {
            assert_refused(&answer, 403, "form");
        }
        let made = world.plugindata().person(&person(&user)).unwrap().is_some();
        assert_eq!(made, status == 200, "{token:?} {headers:?}");
    }
    let foreign = world.post_as(SETTINGS, &[("provider", "fitbit"), ("client_id", "x")], &[]).await;
    assert_refused(&foreign, 403, "form");
    assert_eq!(world.application(), "");
    // A token lives until the end of the next day.
    world.clock.advance(TimeDelta::days(3));
    let late = world.post_as(USER_SETTINGS, &[("user", "late"), ("form_token", &token)], &[]).await;
    assert_refused(&late, 403, "form");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_leads_back_to_this_site_only() {
    let world = empty().await;
    for path in ["/", "/plugin/fitbit/page/setup.html?user=anna&done=saved"] {
        let answer = world.post(SETTINGS, &[("system", "en_US"), ("returnTo", path)]).await;
        assert_eq!((answer.status, answer.header("location")), (303, path));
    }
    let plain = world.post(SETTINGS, &[("system", "en_US"), ("returnTo", "")]).await;
    assert_eq!((plain.status, plain.body.as_str()), (200, "ok\n"));
    for elsewhere in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "evil",
        "/a\r\nSet-Cookie: a=b",
        "/a b",
        "/ä",
    ] {
        let answer = world.post(SETTINGS, &[("system", "en_GB"), ("returnTo", elsewhere)]).await;
        assert_refused(&answer, 400, "returnTo");
        assert!(!answer.headers.contains_key("location") && !answer.headers.contains_key("set-cookie"));
    }
    assert!(world.application().contains("en_US"), "a refused form changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_token_ever_comes_out() {
    let world = settled().await;
    let token = world.plugindata().person(&person("anna")).unwrap().unwrap().token.unwrap();
    let secrets = [
        "simulated-client-secret-0123456789".to_owned(),
        token.access_token.expose_secret().to_owned(),
        token.refresh_token.unwrap().expose_secret().to_owned(),
    ];
    let mut said = Vec::new();
    for path in [
        "/",
        SETUP,
        "/plugin/fitbit?user=anna",
        "/plugin/fitbit/auth1?user=anna",
        "/plugin/fitbit/auth2?state=1&code=2",
    ] {
        let answer = world.get(path).await;
        said.push(format!("{:?} {}", answer.headers, answer.body));
    }
    for fields in [
        vec![("provider", "fitbit"), ("client_secret", secrets[0].as_str())],
        vec![("provider", "garmin"), ("client_secret", secrets[0].as_str())],
        vec![("client_secret", secrets[0].as_str())],
    ] {
        said.push(world.post(SETTINGS, &fields).await.body);
    }
    world.cloud.fault(Fault {
        path: "/oauth2/".into(),
        person: None,
        times: None,
        effect: Effect::answer(400, &serde_json::json!({"error": "invalid_request", "error_description": secrets[2]})),
    });
    world.clock.advance(TimeDelta::hours(9));
    said.push(world.fetch("anna", "").await.body);
    said.push(world.get(SETUP).await.body);
    said.push(world.post(USER_SETTINGS, &[("user", "anna"), ("delete", "true")]).await.body);
    said.extend(world.retained().await.into_iter().map(|(topic, payload)| format!("{topic} {payload}")));
    for secret in &secrets {
        let told = said.iter().find(|text| text.contains(secret));
        assert_eq!(told, None, "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_over_64_kib_are_refused() {
    let world = empty().await;
    let token = world.form_token().await;
    let large = "x".repeat(64 * 1024);
    let fields = [("user", "anna"), ("form_token", &token), ("methods", &large)];
    assert_refused(&world.post_as(USER_SETTINGS, &fields, &[]).await, 413, "too large");
    let fits = "x".repeat(40 * 1024);
    let fields = [("user", "anna"), ("form_token", &token), ("methods", &fits)];
    assert_refused(&world.post_as(USER_SETTINGS, &fields, &[]).await, 400, "methods");
    assert!(world.plugindata().people().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fetch_is_for_us_and_says_when_to_ask_again() {
    let world = settled().await;
    let cross = world.ask(Method::GET, "/plugin/fitbit?user=anna", &[("Sec-Fetch-Site", "cross-site")]).await;
    assert_refused(&cross, 403, "another site");
    for (query, status, says) in [
        ("", 400, "user is missing"),
        ("?user=", 400, "user is missing"),
        ("?user=..%2F..", 400, "user"),
        ("?user=nobody", 404, "nobody"),
        ("?user=anna&user=ben", 400, "given twice"),
        ("?user=anna&colour=blue", 400, "allowed: user, group, methods, force, period"),
        ("?user=anna&force=yes", 400, "allowed: true, false"),
        ("?user=anna&methods=update_everything", 400, "allowed: "),
        ("?user=anna&period=5d&methods=get_bodyweight", 400, "allowed: 1d"),
    ] {
        assert_refused(&world.get(&format!("/plugin/fitbit{query}")).await, status, says);
    }
    // The bridge's clock shows another year than the machine's.
    let effect = Effect::Exhausted { body: Exhausted::System, retry_after: Some(1200) };
    world.cloud.fault(Fault { path: "/1/user".into(), person: Some(0), times: None, effect });
    let spent = world.fetch("anna", "&methods=get_bodyweight").await;
    assert_refused(&spent, 429, "anna");
    let seconds: i64 = spent.header("retry-after").parse().unwrap();
    assert!((900..=1200).contains(&seconds), "{seconds}");
    // A person in a browser asks for data, too, and gets it in the same words.
    let html = world.ask(Method::GET, "/plugin/fitbit?user=nobody", &[("Accept", "text/html")]).await;
    assert_refused(&html, 404, "nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_upstream_holds_up_nobody_else() {
    let world = World::with(Options::default(), Clock::system()).await;
    world.register();
    world.connect(0);
    let anna = person("anna");
    let token = world.plugindata().person(&anna).unwrap().unwrap().token.unwrap();
    let expired = Token { expires_at: Some(world.clock.now() - TimeDelta::hours(1)), ..token };
    world.plugindata().save_token(&anna, &expired).unwrap();
    let effect = Effect::Delay { milliseconds: 6000 };
    world.cloud.fault(Fault { path: "/oauth2/token".into(), person: None, times: Some(1), effect });
    // In a process of its own, so that this one sees it stand still if it does.
    let listen = setup::free();
    let _program = setup::run(&world, &listen).await;
    let url = format!("http://{listen}");
    let get = async |path: &str| world.send(world.http.get(format!("{url}{path}"))).await;

    // The renewal of the first action holds the lock of anna's file as long as the upstream lets it wait.
    let held = async |world: &World| world.plugindata().lock_within(&anna, Duration::ZERO).unwrap().is_none();
    world.until("a renewal under way", held).await;
    let began = Instant::now();
    let page = get(SETUP).await.body;
    let token = page.split_once("name=\"form_token\" value=\"").unwrap().1.split('"').next().unwrap();
    let fields = [("user", "anna"), ("system", "en_US"), ("form_token", token)];
    let posts: Vec<_> =
        (0..8).map(|_| tokio::spawn(world.http.post(format!("{url}{USER_SETTINGS}")).form(&fields).send())).collect();
    for _ in 0..20 {
        assert_eq!(get("/healthz").await.status, 200);
        assert_eq!(get(SETUP).await.status, 200);
    }
    assert_eq!(get("/plugin/fitbit/auth1?user=anna").await.status, 303);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(posts.iter().all(|post| !post.is_finished()), "else the forms waited for nothing, and this proves nothing");
    for post in posts {
        assert_eq!(post.await.unwrap().unwrap().status(), 200);
    }
    assert!(world.text_of("anna").contains("system = \"en_US\""), "the setting survives the renewal");
    world.await_topic("sensors/fitbit/anna/steps", |value| !value.is_empty()).await;
}
