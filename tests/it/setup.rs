//! A real first set-up, walked both ways from an empty folder to values on MQTT: by the page, and by hand; and what the
//! page shows of a household in every state.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use chrono::TimeDelta;
use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::simulator::{Client, Effect, Fault, Options};
use serde_json::json;

use crate::browser::Browser;
use crate::world::{Program, World, person};

const NASTY: &str = "\"><script>alert('x')</script>&amp;{{ 7*7 }}\u{202e}";

impl World {
    async fn page(&self, user: &str) -> Browser {
        Browser::open(&format!("{}/plugin/fitbit/page/setup.html?user={user}", self.url())).await
    }
}

/// An address nobody listens on.
pub fn free() -> String {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().to_string()
}

/// A cloud that takes exactly this redirect address, as a real one does, on the machine's own time.
async fn strict_world(redirect: String) -> World {
    let clients = [Client::google(), Client::confidential()];
    let clients = clients.map(|client| Client { redirects: vec![redirect.clone()], ..client }).to_vec();
    World::with(Options { clients, ..Options::default() }, Clock::system()).await
}

/// The program, once it answers.
pub async fn run(world: &World, listen: &str) -> Program {
    let mut command = world.program(listen, &[]);
    let log = fs::File::create(world.folder.path().join("log")).unwrap();
    let program = Program(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    let address = format!("http://{listen}/healthz");
    world.until("the program answers", async |world| world.send(world.http.get(&address)).await.status == 200).await;
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_set_up_by_the_page() {
    let listen = free();
    let port = listen.rsplit(':').next().unwrap().to_owned();
    let redirect = format!("http://localhost:{port}/plugin/fitbit/auth2");
    let world = strict_world(redirect.clone()).await;
    let _program = run(&world, &listen).await;
    assert!(world.plugindata().people().unwrap().is_empty());

    let mut browser = Browser::open(&format!("http://localhost:{port}/")).await;
    assert_eq!(browser.url.path(), "/plugin/fitbit/page/setup.html");
    let text = browser.text();
    assert!(text.contains(&format!("Redirect address to register, exactly so {redirect} ")), "{text}");
    let (client_id, nobody) =
        (text.find("There is no client id for").unwrap(), text.find("There is nobody yet.").unwrap());
    assert!(client_id < nobody, "first things first");
    assert!(browser.link("Google Cloud console, “Clients”").unwrap().starts_with("https://"));

    // The first upstream there is, for a new installation.
    let client = Client::google();
    let secret = client.secret.unwrap();
    browser.submit("name=\"client_id\"", &[("client_id", &client.id), ("client_secret", &secret)]).await;
    assert_eq!(browser.status, 200);
    assert!(browser.text().contains("Saved."), "{}", browser.text());
    assert!(!browser.text().contains("There is no client id") && !browser.page.contains(&secret));

    browser.submit("id=\"new-user\"", &[("user", "anna")]).await;
    assert!(browser.text().contains("anna is not connected yet."), "{}", browser.text());
    browser.follow("Connect anna").await;
    assert!(browser.url.as_str().starts_with(&world.cloud_url), "{}: {}", browser.url, browser.text());
    let anna = world.cloud.people()[0].clone();
    browser.submit("decision", &[("person", &anna.user_id), ("decision", "allow")]).await;
    assert!(browser.url.as_str().starts_with(&redirect) && browser.status == 200, "{}", browser.text());
    assert!(browser.text().contains("anna is connected"), "{}", browser.text());

    let known = world.cloud.known(0).unwrap();
    let weighed = known.last_weigh_in(known.today()).unwrap().kilograms.to_string();
    world.await_topic("sensors/fitbit/anna/body-weight", |value| value == weighed).await;
    world.await_topic("fitbit2mqtt/user/anna/auth", |auth| auth.contains("\"ok\"")).await;
    browser.follow("Setup page").await;
    world
        .until("nothing is missing", async |_| {
            let address = browser.url.to_string();
            browser = Browser::open(&address).await;
            browser.text().contains("Nothing is missing.") && browser.text().contains("Connected; values arrive.")
        })
        .await;
    assert!(browser.text().contains(&format!("{} connected", "anna")), "{}", browser.text());
    assert!(!browser.page.contains(&secret));

    // And out again, by the page's own form.
    browser.submit("name=\"delete\"", &[("delete", "true")]).await;
    assert!(browser.text().contains("Disconnected. Settings and values are kept."), "{}", browser.text());
    assert!(browser.text().contains("anna is not connected yet."), "{}", browser.text());
    assert_eq!(world.cloud.count("/revoke"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_set_up_by_hand() {
    let listen = free();
    let port = listen.rsplit(':').next().unwrap().to_owned();
    let world = strict_world(format!("http://localhost:{port}/plugin/fitbit/auth2")).await;
    let client = Client::confidential();
    let plugindata = world.data_dir().join("plugindata");
    fs::create_dir_all(&plugindata).unwrap();
    let (id, secret) = (client.id, client.secret.unwrap());
    let text =
        format!("# by hand\nprovider = \"fitbit\"\n[fitbit]\nclient_id = \"{id}\"\nclient_secret = \"{secret}\"\n");
    fs::write(plugindata.join("fitbit.toml"), text).unwrap();
    let file = world.person_file("anna");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "").unwrap();

    let program = run(&world, &listen).await;
    let mut browser = Browser::open(&format!("http://localhost:{port}/plugin/fitbit/auth1?user=anna")).await;
    browser.submit("decision", &[("decision", "allow")]).await;
    assert!(browser.text().contains("anna is connected"), "{}", browser.text());
    world.await_topic("sensors/fitbit/anna/steps", |value| !value.is_empty()).await;
    world.await_topic("sensors/fitbit/anna/body-weight", |value| !value.is_empty()).await;
    assert!(fs::read_to_string(&file).unwrap().contains("[token]"));

    // A folder made beside a running bridge is noticed when it is asked for.
    fs::create_dir_all(world.person_file("ben").parent().unwrap()).unwrap();
    let mut browser = Browser::open(&format!("http://localhost:{port}/plugin/fitbit/auth1?user=ben")).await;
    let ben = world.cloud.people()[1].user_id.clone();
    browser.submit("decision", &[("person", &ben), ("decision", "allow")]).await;
    world.await_topic("sensors/fitbit/ben/steps", |value| !value.is_empty()).await;
    drop(program);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_how_everyone_fares_and_what_to_do() {
    let mut world = World::connected().await;
    world.plugindata().create(&person("cleo")).unwrap();
    world.connect_with(1, &["activity", "settings"]);
    world.start().await;
    for user in ["anna", "ben"] {
        assert_eq!(world.fetch(user, "").await.status, 200);
    }
    let text = world.page("anna").await.text();
    assert!(text.contains("Connected; values arrive.") && text.contains("cleo is not connected yet."), "{text}");
    assert!(text.contains("sleep: sleep"), "ben's missing scopes: {text}");
    assert!(text.contains("requests left until") && text.contains("battery"), "{text}");

    // The consent is withdrawn at the upstream.
    world.cloud.revoke(0);
    world.clock.advance(TimeDelta::hours(9));
    assert_eq!(world.fetch("anna", "").await.status, 409);
    let browser = world.page("anna").await;
    let text = browser.text();
    assert!(text.contains("The consent of anna is lost.") && text.contains("consent needed again"), "{text}");
    assert!(browser.link("Connect anna").is_some());

    // The client secret is refused: the consent is kept, and the page says what to correct.
    world.plugindata().save_application(|edit| edit.client_secret("fitbit", "another-secret-0123456789")).unwrap();
    world.clock.advance(TimeDelta::hours(9));
    assert_eq!(world.fetch("ben", "").await.status, 502);
    let text = world.page("ben").await.text();
    assert!(text.contains("trying again") && text.contains("refuses the client id or secret"), "{text}");

    // One broken file is named, with its line, and costs the others nothing.
    let file = world.person_file("ben");
    fs::write(&file, "system = \"en_US\"\n[token\n").unwrap();
    let page = world.page("anna").await;
    let text = page.text();
    assert!(page.status == 200 && text.contains("The file of ben cannot be read") && text.contains("line 2"), "{text}");
    assert!(text.contains("anna") && text.contains("cleo"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "system = \"en_US\"\n[token\n");
    let saved = world.post("/plugin/fitbit/userSettings", &[("user", "ben"), ("system", "nl_NL")]).await;
    assert!(saved.status == 500 && saved.json()["error"].as_str().unwrap().contains("line 2"), "{}", saved.body);
    assert_eq!(fs::read_to_string(&file).unwrap(), "system = \"en_US\"\n[token\n");
    fs::write(world.data_dir().join("plugindata/fitbit.toml"), "[fitbit\n").unwrap();
    let page = world.page("anna").await;
    let text = page.text();
    assert!(page.status == 200 && text.contains("The application's file cannot be read"), "{text}");
    assert!(text.contains("fitbit.toml line 1") && text.contains("Correct the file by hand"), "{text}");
    assert!(!text.contains("There is no client id") && !text.contains("The file of"), "{text}");
    for name in ["anna", "ben", "cleo"] {
        assert!(text.contains(&format!("{name} trying again Nothing is fetched for now.")), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_upstream_says_stays_text() {
    let mut world = World::connected().await;
    world.start().await;
    let fault = |path: &str, effect| Fault { path: path.into(), person: Some(0), times: None, effect };
    world.cloud.fault(fault(
        "/profile.json",
        Effect::answer(200, &json!({"user": {"displayName": NASTY, "timezone": "Europe/Amsterdam"}})),
    ));
    world.cloud.fault(fault(
        "/devices.json",
        Effect::answer(
            200,
            &json!([{"id": "1", "deviceVersion": NASTY, "type": "TRACKER", "battery": NASTY,
                     "batteryLevel": 50, "lastSyncTime": "2026-11-20T14:00:00.000"}]),
        ),
    ));
    world.clock.advance(TimeDelta::days(2));
    assert_eq!(world.fetch("anna", "&methods=user_profile_get,get_devices").await.status, 200);
    let plain = |browser: &Browser| {
        assert!(!browser.page.contains("<script"), "{}", browser.page);
    };
    let browser = world.page("anna").await;
    assert!(
        browser.text().contains("<script>alert('x')</script>&amp;{{ 7*7 }}"),
        "the name is shown: {}",
        browser.text()
    );
    plain(&browser);

    world.cloud.clear_faults();
    world.cloud.fault(Fault {
        path: "/oauth2/token".into(),
        person: None,
        times: None,
        effect: Effect::answer(400, &json!({"errors": [{"errorType": "invalid_grant", "message": NASTY}]})),
    });
    world.clock.advance(TimeDelta::hours(9));
    assert_eq!(world.fetch("anna", "").await.status, 409);
    let browser = world.page("anna").await;
    assert!(browser.text().contains("<script>alert('x')</script>"), "the reason is shown: {}", browser.text());
    plain(&browser);
    let asked = Browser::open(&format!(
        "{}/plugin/fitbit/page/setup.html?user={}&done={}",
        world.url(),
        "%3Cscript%3E",
        "%3Cscript%3E"
    ))
    .await;
    assert_eq!(asked.status, 200);
    plain(&asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_does_not_ask_any_upstream() {
    let mut world = World::connected().await;
    world.more = "[[action]]\ninterval = 86400\nurl = \"/plugin/fitbit?user=nobody\"\nrepresenting = \"sensors/fitbit/nobody\"\n\
                  [[action]]\ninterval = 86400\nurl = \"/plugin/fitbit?user={user}&methods=get_devices\"\n\
                  representing = \"sensors/fitbit/{user}\"\n"
        .into();
    world.start().await;
    world.await_topic("fitbit2mqtt/user/ben/quota", |quota| !quota.is_empty()).await;
    world.await_topic("fitbit2mqtt/user/anna/quota", |quota| !quota.is_empty()).await;
    world.cloud.fault(Fault {
        path: String::new(),
        person: None,
        times: None,
        effect: Effect::Delay { milliseconds: 20_000 },
    });
    world.cloud.forget_requests();
    let began = std::time::Instant::now();
    for _ in 0..5 {
        assert_eq!(world.page("anna").await.status, 200);
        assert_eq!(world.post("/plugin/fitbit/settings", &[("system", "en_US")]).await.status, 200);
        assert_eq!(world.post("/plugin/fitbit/userSettings", &[("user", "anna"), ("period", "7d")]).await.status, 200);
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(world.cloud.requests().is_empty());
}
