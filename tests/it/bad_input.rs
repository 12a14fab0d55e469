//! What goes wrong: an upstream that is away, silent, switched off or babbling, files that a hand slipped in, a damaged
//! store. A clear error, one line in the log, everyone else unaffected, nothing lost.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::TimeDelta;
use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::simulator::{Effect, Fault, Options};
use fitbit2mqtt::web::server::{self, Handler, Request, Response};
use serde_json::{Value as Json, json};

use crate::world::{PEOPLE, Program, World};

fn fault(path: &str, effect: Effect) -> Fault {
    Fault { path: path.into(), person: Some(0), times: None, effect }
}

/// Anna's values as they stand at the broker.
async fn values(world: &World) -> BTreeMap<String, String> {
    let mut retained = world.retained().await;
    retained.retain(|topic, _| topic.starts_with("sensors/fitbit/anna"));
    retained
}

async fn status(world: &World) -> Json {
    serde_json::from_str(&world.retained().await["fitbit2mqtt/user/anna/status"]).unwrap()
}

/// Why a method failed, as the answer says.
fn reason(answer: &Json, method: &str) -> String {
    let failed = answer["failed"].as_array().unwrap().iter().find(|entry| entry["method"] == method);
    failed.unwrap_or_else(|| panic!("{method} did not fail: {answer:#}"))["reason"].as_str().unwrap().to_owned()
}

// The upstream.

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_away_is_told_at_once_and_everything_is_kept() {
    let mut world = World::running().await;
    let before = values(&world).await;
    world.stop().await;
    let there = std::mem::replace(&mut world.cloud_url, "http://127.0.0.1:9".into());
    world.start().await;
    let began = Instant::now();
    let answer = world.fetch("anna", "&force=true").await;
    assert_eq!(answer.status, 502, "{}", answer.body);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(answer.json()["error"].as_str().unwrap().contains("no connection"), "{}", answer.body);
    assert!(answer.json()["cure"].is_string());
    assert_eq!(values(&world).await, before);
    let failed = status(&world).await;
    assert_eq!(failed["alive"], false);
    assert!(failed["error"].as_str().unwrap().contains("no connection"));
    assert_ne!(failed["last_success"], Json::Null);
    world.stop().await;
    world.cloud_url = there;
    world.start().await;
    assert_eq!(world.fetch("anna", "&force=true").await.status, 200);
    assert_eq!(status(&world).await["alive"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_never_answers_costs_a_minute_at_most_and_the_others_nothing() {
    let world = World::running().await;
    world.cloud.fault(fault("", Effect::Delay { milliseconds: 120_000 }));
    let began = Instant::now();
    let patient = reqwest::Client::builder().timeout(Duration::from_secs(120)).build().unwrap();
    let methods = "get_devices,get_sleep,hrv,oxygen,activity";
    let hanging = world.send(patient.get(format!("{}/plugin/fitbit?user=anna&methods={methods}", world.url())));
    let ben = async {
        let answer = world.fetch("ben", "&force=true").await;
        (answer.status, began.elapsed())
    };
    let (anna, (status, after)) = tokio::join!(hanging, ben);
    assert_eq!(status, 200);
    assert!(after < Duration::from_secs(15), "ben waited {after:?}");
    assert_eq!(anna.status, 502, "{}", anna.body);
    assert!(anna.json()["error"].as_str().unwrap().contains("did not answer in time"), "{}", anna.body);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_endpoint_is_waited_for() {
    let world = World::running().await;
    world.cloud.fault(fault("/sleep/", Effect::Delay { milliseconds: 2_000 }));
    let answer = world.fetch("anna", "&methods=get_sleep,get_devices").await;
    assert_eq!((answer.status, &answer.json()["failed"]), (200, &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_in_passing_is_asked_once_more_and_what_is_switched_off_is_not() {
    let world = World::running().await;
    world.cloud.fault(Fault { times: Some(1), ..fault("/hrv/", Effect::Html { status: 503 }) });
    world.cloud.fault(fault("/spo2/", Effect::SwitchedOff));
    world.cloud.forget_requests();
    let answer = world.fetch("anna", "&force=true").await.json();
    assert_eq!(answer["failed"].as_array().unwrap().len(), 1, "{answer:#}");
    assert!(reason(&answer, "oxygen").contains("410"), "{answer:#}");
    assert_eq!((world.cloud.count("/hrv/"), world.cloud.count("/spo2/")), (2, 1));

    // All of it switched off: one request shows it, only another consent helps, and the values stay.
    let before = values(&world).await;
    world.cloud.fault(fault("", Effect::SwitchedOff));
    world.cloud.forget_requests();
    let gone = world.fetch("anna", "&force=true").await;
    assert_eq!(gone.status, 409);
    assert!(gone.body.contains("is switched off; connect with Google"), "{}", gone.body);
    let asked = world.cloud.requests();
    assert_eq!(asked.iter().filter(|asked| asked.person == Some(0)).count(), 1, "{asked:?}");
    assert_eq!(values(&world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_is_missing_is_named_and_what_the_upstream_does_not_permit_is_told() {
    let mut world = World::new().await;
    world.register();
    world.connect_with(0, &["activity", "heartrate", "profile", "settings"]);
    world.connect(1);
    world.start().await;
    world.fetched().await;
    world.cloud.fault(fault(
        "/hrv/",
        Effect::answer(403, &json!({"error": {"code": 403, "message": "The caller does not have permission", "status": "PERMISSION_DENIED"}})),
    ));
    world.cloud.forget_requests();
    let answer = world.fetch("anna", "&force=true").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(reason(&answer.json(), "sleep").contains("scope sleep was not granted"));
    assert!(reason(&answer.json(), "hrv").contains("does not have permission"));
    assert!(answer.json()["metrics"]["steps"].is_object());
    assert_eq!(world.cloud.count("/1.2/user/-/sleep"), 0, "what was not granted is not asked");
    let only = world.fetch("anna", "&methods=get_sleep,get_bodyweight").await;
    assert_eq!(only.status, 200, "only scopes were missing: {}", only.body);
    assert_eq!(only.json()["failed"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_upstream_babbles_known_values_stay_and_the_other_person_is_served() {
    let world = World::running().await;
    let before = values(&world).await;
    let devices = |retained: BTreeMap<String, String>| {
        retained.into_iter().filter(|(topic, _)| topic.contains("/anna/device/")).collect::<Vec<_>>()
    };
    let trackers = devices(world.retained().await);
    let absurd = json!({"summary": {"steps": -5, "caloriesOut": 1e300, "floors": "many"}, "weight": [{"date": "1066-10-14", "time": "12:00:00", "weight": 1e9}], "sleep": [{"dateOfSleep": 7}, null, []], "hrv": [{"dateTime": "2026-11-20", "value": {"dailyRmssd": "NaN"}}], "activities": [{"startTime": "yesterday"}], "user": {"height": 9e9, "timezone": 7}});
    for (what, body) in [
        ("null", json!(null)),
        ("a number", json!(7)),
        ("text", json!("service unavailable")),
        ("an empty list", json!([])),
        ("an empty object", json!({})),
        ("absurd values", absurd),
        ("an error with status 200", json!({"errors": [{"errorType": "system", "message": "no"}], "success": false})),
    ] {
        world.cloud.fault(fault("/user/-/", Effect::answer(200, &body)));
        let answer = world.fetch("anna", "&force=true").await;
        assert!([200, 502].contains(&answer.status), "{what}: {} {}", answer.status, answer.body);
        assert_eq!(values(&world).await, before, "{what}");
        assert_eq!(devices(world.retained().await), trackers, "{what}");
        world.cloud.clear_faults();
        // Quota for the next.
        world.clock.advance(TimeDelta::minutes(61));
    }
    for effect in [Effect::Truncated, Effect::Html { status: 200 }, Effect::Html { status: 502 }, Effect::AnswerLost] {
        world.cloud.fault(fault("/user/-/", effect.clone()));
        let answer = world.fetch("anna", "&force=true").await;
        assert_eq!(answer.status, 502, "{effect:?}: {}", answer.body);
        assert_eq!(values(&world).await, before, "{effect:?}");
        world.cloud.clear_faults();
        world.clock.advance(TimeDelta::minutes(61));
    }
    assert_eq!(world.fetch("ben", "&force=true").await.status, 200);
    assert_eq!(world.fetch("anna", "&force=true").await.json()["failed"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_too_large_for_any_truth_is_given_up() {
    let world = World::running().await;
    let endless = format!("[{}1]", "1,".repeat(17 * 1024 * 1024));
    let effect = Effect::Answer { status: 200, body: endless, content_type: "application/json".into() };
    world.cloud.fault(fault("/sleep/", effect));
    let answer = world.fetch("anna", "&methods=get_sleep,get_devices").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(reason(&answer.json(), "get_sleep").contains("32 MiB"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_after_renewing_it_ends_the_fetch_and_costs_no_consent() {
    let world = World::running().await;
    let expired = json!({"errors": [{"errorType": "expired_token", "message": "Access token expired: eyJhbGciOi.secret.part"}], "success": false});
    world.cloud.fault(fault("/user/-/", Effect::answer(401, &expired)));
    world.cloud.forget_requests();
    let answer = world.fetch("anna", "&force=true").await;
    assert_eq!(answer.status, 502, "{}", answer.body);
    assert!(answer.body.contains("refused, also after renewing") && !answer.body.contains("eyJ"), "{}", answer.body);
    assert_eq!(world.cloud.count("/oauth2/token"), 1, "renewed once");
    assert_eq!(world.cloud.requests().iter().filter(|asked| asked.path.contains("/user/-/")).count(), 2);
    let auth = world.retained().await["fitbit2mqtt/user/anna/auth"].clone();
    assert!(auth.contains("\"ok\""), "{auth}");
    world.cloud.clear_faults();
    assert_eq!(world.fetch("anna", "&force=true").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_method_that_fails_fails_the_request_although_the_profile_could_be_read() {
    let world = World::with(Options::default(), Clock::system()).await;
    world.register();
    world.connect(0);
    world.cloud.fault(fault("/sleep/", Effect::Html { status: 200 }));
    let mut program = world.program("127.0.0.1:0", &["fetch", "anna", "--methods", "get_sleep"]);
    let output = tokio::task::block_in_place(|| program.output()).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("anna") && said.contains("HTML"), "{said}");
    assert_eq!(world.cloud.count("/profile"), 1);
}

// Lists in pages.

#[tokio::test(flavor = "multi_thread")]
async fn further_pages_are_read_on_the_same_host_only_and_never_in_a_circle() {
    let world = World::running().await;
    let elsewhere = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let page = |next: &str| {
        json!({"activities": [{"activityName": "Run", "logId": 7, "startTime": "2026-11-19T18:00:00.000+01:00", "duration": 60000}],
               "pagination": {"next": next}})
    };
    let foreign = format!("http://{}/1/user/-/activities/list.json?offset=100", elsewhere.local_addr().unwrap());
    world.cloud.fault(fault("/activities/list", Effect::answer(200, &page(&foreign))));
    let answer = world.fetch("anna", "&methods=activities_list&after_date=2026-11-01").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(reason(&answer.json(), "activities_list").contains("another host"), "{}", answer.body);
    assert_eq!(answer.json()["series"]["last-workout"].as_array().unwrap().len(), 1, "the first page counts");
    assert!(elsewhere.accept().is_err(), "nobody came, and no token with them");
    world.cloud.clear_faults();

    let circle = format!("{}/fitbit/1/user/-/activities/list.json?offset=1", world.cloud_url);
    world.cloud.fault(fault("/activities/list", Effect::answer(200, &page(&circle))));
    let answer = world.fetch("anna", "&methods=activities_list&after_date=2026-11-01").await.json();
    assert!(reason(&answer, "activities_list").contains("leads back"), "{answer:#}");
    assert_eq!(answer["calls"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_read_no_further_than_was_asked() {
    let world = World::running().await;
    let known = world.cloud.known(0).unwrap();
    let (first, last) = ("2024-03-01".parse::<chrono::NaiveDate>().unwrap(), "2024-03-31".parse().unwrap());
    let expected: usize = first.iter_days().take_while(|day| *day <= last).map(|day| known.workouts(day).len()).sum();
    assert!(expected > 0);
    let old = world.fetch("anna", "&methods=workouts&base_date=2024-03-01&end_date=2024-03-31").await.json();
    assert_eq!(old["calls"], 1, "a page that goes beyond the end is the last");
    assert_eq!(old["series"]["last-workout"].as_array().unwrap().len(), expected, "of those days only");
    let newest = old["metrics"]["last-workout"]["value"].as_str().unwrap();
    assert!(newest.starts_with("2026-11"), "the newest is still the newest: {newest}");
    let one =
        world.fetch("anna", "&methods=activities_list&before_date=2026-11-20&sort=desc&offset=0&limit=1").await.json();
    assert_eq!((&one["calls"], one["series"]["last-workout"].as_array().unwrap().len()), (&json!(1), 1));
    // All of it, in pages of a hundred.
    let all = world.fetch("anna", "&methods=activities_list&after_date=2022-01-01").await.json();
    let workouts = all["series"]["last-workout"].as_array().unwrap();
    assert_eq!(all["calls"].as_u64().unwrap(), (workouts.len() as u64).div_ceil(100));
    assert!(all["calls"].as_u64().unwrap() > 1 && all["failed"] == json!([]), "{}", all["calls"]);
    assert!(workouts.is_sorted_by_key(|workout| workout["dateTime"].as_str().unwrap()[..10].to_owned()));
}

/// A cloud whose list of workouts never ends.
struct Endless(AtomicUsize);

#[async_trait]
impl Handler for Endless {
    async fn answer(&self, request: Request) -> Response {
        if !request.path.contains("/activities/list") {
            return Response::json(200, &json!({}));
        }
        let page = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        let host = request.header("host").unwrap().to_owned();
        let next = format!("http://{host}/fitbit/1/user/-/activities/list.json?offset={page}");
        Response::json(200, &json!({"activities": [], "pagination": {"next": next}}))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_without_end_has_one() {
    let mut world = World::connected().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    world.cloud_url = format!("http://{}", listener.local_addr().unwrap());
    let endless = Arc::new(Endless(AtomicUsize::new(0)));
    let _cloud = server::serve(listener, endless.clone()).unwrap();
    for file in PEOPLE.map(|name| world.person_file(name)) {
        fs::write(&file, format!("methods = \"get_devices\"\n{}", fs::read_to_string(&file).unwrap())).unwrap();
    }
    world.start().await;
    let answer = world.fetch("anna", "&methods=activities_list").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(reason(&answer.json(), "activities_list").contains("100 pages"), "{}", answer.body);
    assert_eq!(endless.0.load(Ordering::Relaxed), 100);
}

// Files and store.

#[tokio::test(flavor = "multi_thread")]
async fn a_token_file_that_a_hand_slipped_in_is_named_and_nothing_published_goes_away() {
    let mut world = World::running().await;
    let file = world.person_file("anna");
    let good = fs::read_to_string(&file).unwrap();
    let before = values(&world).await;
    fs::write(&file, format!("methods = [unclosed\n{good}")).unwrap();
    let answer = world.fetch("anna", "&force=true").await;
    assert_eq!(answer.status, 500, "{}", answer.body);
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("anna/plugindata/fitbit.toml line 2 is not valid TOML"), "{error}");
    assert!(!error.contains("eyJ") && !error.contains("access_token"), "{error}");
    assert_eq!(world.fetch("ben", "&force=true").await.status, 200);
    let told = status(&world).await;
    assert!(told["alive"] == false && told["error"].as_str().unwrap().contains("fitbit.toml"), "{told}");
    assert_eq!(values(&world).await, before);
    // Also not at a start, when nothing else is known of the person.
    world.stop().await;
    world.start().await;
    world
        .until("ben is published again", async |world| world.fetch("ben", "&methods=get_devices").await.status == 200)
        .await;
    assert_eq!(values(&world).await, before);
    fs::write(&file, good).unwrap();
    assert_eq!(world.fetch("anna", "&force=true").await.status, 200);
    assert_eq!(status(&world).await["alive"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_setting_in_a_persons_file_is_named_with_what_is_allowed() {
    let world = World::running().await;
    let file = world.person_file("anna");
    let good = fs::read_to_string(&file).unwrap();
    for (line, words) in [
        ("period = \"2w\"", &["setting of anna", "period", "2w", "30d"][..]),
        ("methods = \"get_sleep,get_everything\"", &["setting of anna", "get_everything", "get_bodyweight"]),
    ] {
        fs::write(&file, format!("{line}\n{good}")).unwrap();
        let answer = world.fetch("anna", "&force=true").await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        for word in words {
            assert!(answer.json()["error"].as_str().unwrap().contains(word), "{word} in {}", answer.body);
        }
        assert!(answer.json()["cure"].as_str().unwrap().contains("identities/anna/plugindata/fitbit.toml"));
        assert!(status(&world).await["error"].as_str().unwrap().contains(words[1]));
    }
    fs::write(&file, good).unwrap();
    assert_eq!(world.fetch("anna", "&force=true").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_named_with_the_cure_and_the_cure_works() {
    let world = World::with(Options::default(), Clock::system()).await;
    world.register();
    world.connect(0);
    let database = world.data_dir().join("fitbit2mqtt.db");
    fs::write(&database, "this was a database once\n".repeat(400)).unwrap();
    let run = || {
        let mut program = world.program("127.0.0.1:0", &["fetch", "anna", "--methods", "get_devices"]);
        tokio::task::block_in_place(|| program.output()).unwrap()
    };
    let output = run();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("fitbit2mqtt.db") && said.contains("move it away"), "{said}");
    fs::rename(&database, database.with_extension("damaged")).unwrap();
    assert_eq!(run().status.code(), Some(0));
}

// The log.

/// What the real program says on standard error while it runs, until `enough`.
async fn log_of(world: &World, enough: impl AsyncFnMut(&World) -> bool) -> Vec<String> {
    let mut program = Program(world.program("127.0.0.1:0", &["run"]).spawn().unwrap());
    world.until("the program has done enough", enough).await;
    let stopped = Command::new("kill").arg(program.0.id().to_string()).status().unwrap();
    assert!(stopped.success());
    let mut said = String::new();
    let mut output = program.0.stderr.take().unwrap();
    tokio::task::block_in_place(|| output.read_to_string(&mut said)).unwrap();
    said.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_fails_says_so_in_one_line() {
    let mut world = World::with(Options::default(), Clock::system()).await;
    world.register();
    world.connect(0);
    world.cloud_url = "http://127.0.0.1:9".into();
    let said = log_of(&world, async |world| {
        world
            .retained()
            .await
            .get("fitbit2mqtt/user/anna/status")
            .is_some_and(|status| status.contains("no connection"))
    })
    .await;
    let about: Vec<_> = said.iter().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
    assert_eq!(about.len(), 1, "{said:#?}");
    assert!(about[0].contains("anna") && about[0].contains("no connection"), "{}", about[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lasting_partial_failure_is_told_once_and_its_end_as_well() {
    let mut world = World::with(Options::default(), Clock::system()).await;
    world.register();
    world.connect(0);
    world.more =
        "[[action]]\ninterval = 1\nurl = \"/plugin/fitbit?user=anna&methods=get_devices,get_sleep,hrv\"\n".into();
    world.cloud.fault(fault("/sleep/", Effect::Html { status: 200 }));
    world.cloud.fault(fault("/hrv/", Effect::SwitchedOff));
    let mut cleared = 0;
    let said = log_of(&world, async |world| {
        let runs = world.cloud.count("/devices");
        if runs >= 4 && cleared == 0 {
            world.cloud.clear_faults();
            cleared = runs;
        }
        cleared > 0 && runs >= cleared + 2
    })
    .await;
    let about: Vec<_> = said.iter().filter(|line| line.contains("anna") && !line.contains("DEBUG")).collect();
    let (told, ended) = (about.first().unwrap(), about.last().unwrap());
    assert!(told.contains("get_sleep") && told.contains("hrv") && told.contains("410"), "{told}");
    assert!(ended.contains("everything works again"), "{ended}");
    // The faults may end in the middle of a fetch: then one line more says what is left of them.
    let rest = &about[1..about.len() - 1];
    let one_is_left = |line: &str| line.contains("get_sleep") != line.contains("hrv");
    assert!(rest.len() <= 1 && rest.iter().all(|line| one_is_left(line)), "{said:#?}");
}
