//! The past: how few requests it takes, in which order they come, what stops and what resumes it, who does it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, DurationRound, NaiveDate, TimeDelta, Utc};
use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::simulator::{Asked, Effect, Fault, Options};
use fitbit2mqtt::store::{Store, Window};
use serde_json::{Value as Json, json};

use crate::commands::{result, results, say};
use crate::world::{Program, World, person};

/// Nothing is fetched by itself in the time of a test.
const QUIET: &str = "[[action]]\ninterval = 86400\nurl = \"/plugin/fitbit?user={user}&methods=get_devices\"\n";
/// A window of the Fitbit Web API, and what background work leaves of it.
const WINDOW: usize = 150;
const RESERVE: usize = 20;

/// The requests for values of the first person, in their order.
fn asked(world: &World) -> Vec<Asked> {
    world.cloud.requests().into_iter().filter(|asked| asked.person == Some(0)).collect()
}

/// What the setup page says of the first person's past.
async fn past(world: &World) -> String {
    let page = world.get("/plugin/fitbit/page/setup.html").await.body;
    let fact = page.split("<dt>The past</dt><dd>").nth(1).unwrap_or_default();
    fact.split("</dd>").next().unwrap().to_owned()
}

/// Waits as long as it goes on.
async fn until(world: &World, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let (mut count, mut since) = (0, Instant::now());
    while !is_so().await {
        let now = world.cloud.requests().len();
        if now != count {
            (count, since) = (now, Instant::now());
        }
        assert!(since.elapsed() < Duration::from_secs(60), "waited in vain: {what}: {}", past(world).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Sends the command, sets the clock forward from window to window until it is answered, and gives the answer and how
/// often there had to be waited. `meanwhile` runs in each window.
async fn fill(world: &World, fields: Json, meanwhile: impl AsyncFn(&World)) -> (Json, usize) {
    let mut told = results(world).await;
    say(world, "user/anna", &fields.to_string());
    let (mut windows, mut waited_for) = (1, String::new());
    loop {
        let mut answer = None;
        let mut waits = String::new();
        until(world, "an answer, or a word on when it goes on", async || {
            answer = tokio::task::block_in_place(|| told.next(Duration::from_millis(20)));
            waits = past(world).await.split_once("goes on ").map(|(_, when)| when.to_owned()).unwrap_or_default();
            answer.is_some() || (!waits.is_empty() && waits != waited_for)
        })
        .await;
        if let Some(answer) = answer {
            return (serde_json::from_str(&answer.payload).unwrap(), windows);
        }
        meanwhile(world).await;
        waited_for = waits;
        windows += 1;
        let now = world.clock.now();
        let next = now.duration_trunc(TimeDelta::hours(1)).unwrap() + TimeDelta::seconds(3602);
        world.clock.advance(next - now);
    }
}

async fn quiet(more: &str) -> World {
    let mut world = World::connected().await;
    world.more = format!("{more}\n{QUIET}");
    world.start().await;
    world.fetched().await;
    world
}

/// The first and the last date in a path.
fn dates(asked: &Asked) -> Vec<NaiveDate> {
    let words = asked.path.split(['/', '.']).chain(asked.query.split(['=', '&']));
    words.filter_map(|word| word.parse().ok()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_days_takes_less_than_one_windows_requests() {
    let world = quiet("history.intraday = []\n").await;
    world.cloud.forget_requests();
    let fields = json!({"command": "backfill", "id": 1, "from": "2025-11-21", "to": "2026-11-20"});
    let (answer, windows) = fill(&world, fields.clone(), async |_| {}).await;
    let requests = asked(&world);
    println!("a year of every daily metric: {} requests", requests.len());
    assert_eq!((&answer["ok"], &answer["calls"]), (&json!(true), &json!(requests.len())), "{answer}");
    assert!(requests.len() <= 130 && windows == 1, "{} requests in {windows} windows", requests.len());
    assert!(requests.iter().all(|asked| asked.status == 200), "{requests:#?}");
    let different: BTreeSet<_> = requests.iter().map(|asked| (&asked.path, &asked.query)).collect();
    assert_eq!(different.len(), requests.len(), "nothing twice");
    assert!(past(&world).await.starts_with("complete from 2025-11-21 to 2026-11-20"), "{}", past(&world).await);

    // Newest first, and sleep before what else there is of the same time.
    let sleep = requests.iter().position(|asked| asked.path.contains("/sleep/")).unwrap();
    assert_eq!(sleep, 0, "{}", requests[0].path);
    let long =
        |asked: &Asked| dates(asked).last().is_some_and(|last| *last >= NaiveDate::from_ymd_opt(2026, 10, 25).unwrap());
    let newest = requests.iter().rposition(long).unwrap();
    let oldest = requests.iter().position(|asked| {
        dates(asked).last().is_some_and(|last| *last < NaiveDate::from_ymd_opt(2026, 8, 20).unwrap())
    });
    assert!(oldest.is_none_or(|oldest| oldest > newest), "{oldest:?} {newest}");

    // What is there is not asked for again.
    world.cloud.forget_requests();
    let (answer, _) = fill(&world, fields, async |_| {}).await;
    assert_eq!((&answer["ok"], asked(&world).len()), (&json!(true), 0), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_minutes_takes_six_windows_beside_live_fetches_without_a_refusal() {
    let world = quiet("").await;
    let file = world.person_file("anna");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("methods = \"get_bodyweight,get_sleep\"\n{text}")).unwrap();
    // From the beginning of a window.
    world.clock.advance(TimeDelta::hours(1));
    world.cloud.forget_requests();
    let metrics = ["heart-rate", "steps"];
    let fields = json!({"command": "backfill", "id": 1, "from": "2025-11-20", "to": "2026-11-19", "metrics": metrics});
    let (answer, windows) = fill(&world, fields, async |world| {
        for _ in 0..3 {
            world.clock.advance(TimeDelta::minutes(15));
            let live = world.fetch("anna", "").await;
            assert_eq!(live.status, 200, "{live:?}");
        }
    })
    .await;
    assert_eq!(answer["ok"], true, "{answer}");
    let requests = asked(&world);
    let mut by_window: BTreeMap<DateTime<Utc>, usize> = BTreeMap::new();
    for asked in &requests {
        *by_window.entry(asked.at.duration_trunc(TimeDelta::hours(1)).unwrap()).or_default() += 1;
    }
    let counts: Vec<_> = by_window.into_values().collect();
    let live = requests.iter().filter(|asked| !asked.path.contains("/1min")).count();
    let minutes = requests.iter().filter(|asked| asked.path.contains("/1min")).count();
    println!(
        "a year of minutes of two metrics: {minutes} requests in {windows} windows beside {live} of live fetches; by window: {counts:?}"
    );
    assert!(requests.iter().all(|asked| asked.status != 429), "a refusal was provoked");
    assert!(minutes >= 728 && windows <= 6, "{minutes} in {windows}");
    for count in &counts[..counts.len() - 1] {
        assert!(*count as f64 >= 0.95 * (WINDOW - RESERVE) as f64 && *count <= WINDOW, "{counts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_days_before_come_by_themselves_after_the_first_values_unless_that_is_off() {
    let mut world = World::connected().await;
    world.backfill_days = 40;
    world.more = format!("history.intraday = []\n{QUIET}");
    let ben = world.person_file("ben");
    let text = std::fs::read_to_string(&ben).unwrap();
    std::fs::write(&ben, format!("backfill_days = 0\n{text}")).unwrap();
    world.start().await;
    until(&world, "complete", async || past(&world).await.starts_with("complete from 2026-10-11 to 2026-11-19")).await;
    let of_ben = |world: &World| {
        world.cloud.requests().iter().filter(|a| a.person == Some(1) && a.path.contains("/sleep/")).count()
    };
    assert_eq!(of_ben(&world), 0);
    // Once: neither a restart nor another day begins anew.
    let before = asked(&world).len();
    world.stop().await;
    world.start().await;
    world.clock.advance(TimeDelta::hours(25));
    world.until("fetched", async |world| asked(world).len() > before).await;
    let answer = world.fetch("anna", "&methods=get_devices").await;
    assert_eq!(answer.status, 200);
    assert!(
        !asked(&world)[before..].iter().any(|asked| asked.path.contains("/sleep/")),
        "{:#?}",
        &asked(&world)[before..]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_in_words() {
    let world = quiet("").await;
    let mut told = results(&world).await;
    world.cloud.forget_requests();
    for (fields, says) in [
        (json!({"from": "2026-13-01"}), "from: \"2026-13-01\" is not a date; write it as 2026-11-19"),
        (json!({"from": "yesterday"}), "from: \"yesterday\" is not a date"),
        (json!({"from": "2026-11-10", "to": "2026-11-01"}), "the range is reversed: 2026-11-10 comes after 2026-11-01"),
        (json!({"from": "2026-11-10", "to": "2027-01-01"}), "2027-01-01 has not come yet: today is 2026-11-20"),
        (json!({"from": "1999-01-01"}), "1999-01-01 was before the account existed, which is since 20"),
        (
            json!({"from": "2026-11-10", "metrics": ["steps", "luck"]}),
            "\"luck\" is nothing that Fitbit Web API tells; allowed: active",
        ),
        (
            json!({"from": "2026-11-10", "methods": ["sleep"]}),
            "\"methods\" is not a field of backfill; allowed: command, id, from, to, metrics",
        ),
    ] {
        let mut command = fields.clone();
        command["command"] = "backfill".into();
        command["id"] = 7.into();
        say(&world, "user/anna", &command.to_string());
        let (_, answer) = result(&mut told);
        assert!(answer["error"].as_str().unwrap().contains(says), "{fields}: {answer}");
        assert_eq!((&answer["ok"], &answer["id"]), (&json!(false), &json!(7)));
    }
    let answer = world.fetch("anna", "&methods=get_sleep&date=1999-01-01").await;
    assert!(answer.status == 400 && answer.body.contains("before the account existed"), "{answer:?}");
    assert!(asked(&world).is_empty() && past(&world).await.is_empty());
    for (arguments, status, says) in [
        (&["anna", "--from", "2026-02-30"][..], 2, "\"2026-02-30\" is not a date"),
        (&["anna", "--from", "2199-01-01", "--to", "2199-02-01"], 2, "has not come yet"),
        (&["anna", "--from", "1999-01-01", "--to", "today"], 2, "before the account existed"),
        (&["nobody", "--from", "2026-01-01"], 1, "there is no person nobody"),
        (&["anna"], 2, "--from"),
    ] {
        let mut program = world.program("127.0.0.1:0", &[&["backfill"][..], arguments].concat());
        let output = tokio::task::block_in_place(|| program.output().unwrap());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(status) && said.contains(says), "{arguments:?}: {said}");
    }
    let form = [("user", "anna"), ("command", "backfill"), ("from", "2026-11-15"), ("to", "")];
    assert_eq!(world.post("/plugin/fitbit/command", &form).await.status, 202);
    assert_eq!(result(&mut told).1["from"], "2026-11-15");
}

/// Orders the past of an upstream that fails, until the backfill waits; then the upstream is well again.
async fn wait_for_better_times(world: &World) {
    let down = Fault { path: "/user/-/".into(), person: Some(0), times: None, effect: Effect::Html { status: 503 } };
    world.cloud.fault(down);
    say(world, "user/anna", r#"{"command":"backfill","id":"past","from":"2026-11-01"}"#);
    until(world, "it waits", async || past(world).await.contains("goes on")).await;
    world.cloud.clear_faults();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_stops_it_and_trouble_only_delays_it() {
    let world = quiet("history.intraday = []\n").await;
    let mut told = results(&world).await;
    wait_for_better_times(&world).await;
    say(&world, "user/anna", r#"{"command":"pause","id":"pause"}"#);
    assert_eq!(result(&mut told).1["id"], "pause");
    world.cloud.forget_requests();
    world.clock.advance(TimeDelta::hours(1));
    say(&world, "user/anna", r#"{"command":"republish","id":"later"}"#);
    assert_eq!(result(&mut told).1["id"], "later");
    assert!(!asked(&world).iter().any(|asked| asked.path.contains("/sleep/")), "paused");
    say(&world, "user/anna", r#"{"command":"resume","id":"resume"}"#);
    let mut answers = [result(&mut told).1, result(&mut told).1];
    answers.sort_by_key(|answer| answer["id"].to_string());
    assert_eq!((&answers[0]["id"], &answers[0]["ok"]), (&json!("past"), &json!(true)), "{answers:?}");
    assert_eq!(answers[0].get("problem"), None, "what has passed is no problem any more: {answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_of_the_past_is_told_and_asked_again_by_the_next_order() {
    let world = quiet("").await;
    let order =
        json!({"command": "backfill", "id": 1, "from": "2026-10-01", "to": "2026-10-20", "metrics": ["sleep-minutes"]});
    let odd = Effect::answer(200, &json!({"sleep": 7}));
    world.cloud.fault(Fault { path: "/sleep/".into(), person: Some(0), times: None, effect: odd });
    let (answer, _) = fill(&world, order.clone(), async |_| {}).await;
    let problem = answer["problem"].as_str().unwrap_or_default();
    assert!(problem.contains("sleep, 2026-10-01 to 2026-10-20") && answer["calls"] == 1, "{answer}");
    world.cloud.clear_faults();
    let (answer, _) = fill(&world, order.clone(), async |_| {}).await;
    assert_eq!((answer.get("problem"), &answer["calls"]), (None, &json!(1)), "{answer}");
    let (answer, _) = fill(&world, order, async |_| {}).await;
    assert_eq!((answer.get("problem"), &answer["calls"]), (None, &json!(0)), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_works_ends_the_wait_for_better_times() {
    let world = quiet("history.intraday = []\n").await;
    let mut told = results(&world).await;
    wait_for_better_times(&world).await;
    // Whoever is resumed is fetched at once; a minute's wait would not have ended by the time a result is waited for.
    for command in ["pause", "resume"] {
        say(&world, "user/anna", &json!({"command": command, "id": command}).to_string());
        assert_eq!(result(&mut told).1["id"], command);
    }
    let answer = result(&mut told).1;
    assert_eq!((&answer["id"], &answer["ok"], answer.get("problem")), (&json!("past"), &json!(true), None), "{answer}");
}

/// A world whose cloud and program are of today.
async fn of_today() -> World {
    let world = World::with(Options { quota: 100_000, ..Options::default() }, Clock::system()).await;
    world.register();
    world.connect(0);
    let store = Store::open(&world.data_dir().join("fitbit2mqtt.db")).await.unwrap();
    let reset = Utc::now() + TimeDelta::hours(2);
    let window = Window { allowed: 100_000, remaining: 100_000, reset };
    store.set_window(&person("anna"), window).await.unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_goes_on_without_asking_again_what_was_answered() {
    let world = of_today().await;
    let (from, to) = (Utc::now().date_naive() - TimeDelta::days(60), Utc::now().date_naive() - TimeDelta::days(2));
    let arguments = [
        "backfill",
        "anna",
        "--from",
        &from.to_string(),
        "--to",
        &to.to_string(),
        "--metrics",
        "heart-rate,sleep-minutes,steps",
    ];
    let slow =
        Fault { path: "/user/-/".into(), person: Some(0), times: None, effect: Effect::Delay { milliseconds: 100 } };
    world.cloud.fault(slow);
    let store = Store::open(&world.data_dir().join("fitbit2mqtt.db")).await.unwrap();
    let mut covered: Vec<(usize, BTreeSet<(String, NaiveDate)>)> = Vec::new();
    for kill_after in [3, 17, 40] {
        let mut program = Program(world.program("127.0.0.1:0", &arguments).spawn().unwrap());
        until(&world, "some requests", async || asked(&world).len() >= kill_after).await;
        program.0.kill().unwrap();
        program.0.wait().unwrap();
        let rows = store.coverage(&person("anna"), "fitbit", from).await.unwrap();
        covered.push((asked(&world).len(), rows.into_iter().map(|(endpoint, day, _)| (endpoint, day)).collect()));
        // The lease of a process that is gone ends by itself; here time passes faster.
        let later = Utc::now() + TimeDelta::hours(1);
        assert!(store.lease("backfill/anna", "test", later, later).await.unwrap());
        store.release("backfill/anna", "test").await.unwrap();
    }
    world.cloud.clear_faults();
    let output = tokio::task::block_in_place(|| world.program("127.0.0.1:0", &arguments).output().unwrap());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains(": complete, with "), "{said}");
    assert!(said.contains(" requests done, ") && output.stdout.is_empty(), "{said}");
    // What was covered when it was killed was not asked again.
    for (before, covered) in &covered {
        for asked in &asked(&world)[*before..] {
            let kind = asked.path.split('/').nth(5).unwrap_or_default();
            if let ([day], true) = (&dates(asked)[..], asked.path.contains("/1min")) {
                assert!(!covered.contains(&(format!("activities/{kind}/intraday"), *day)), "{}", asked.path);
            }
        }
    }
    assert!(covered.iter().any(|(_, covered)| covered.iter().any(|(endpoint, _)| endpoint.ends_with("/intraday"))));
    let mut times: BTreeMap<(String, String), usize> = BTreeMap::new();
    for asked in asked(&world).into_iter().filter(|asked| asked.path.contains("/date/")) {
        *times.entry((asked.path, asked.query)).or_default() += 1;
    }
    let repeated: usize = times.values().map(|times| times - 1).sum();
    println!("{} different requests, {repeated} repeated after three kills", times.len());
    assert!(times.len() >= 118 && repeated <= 3 * 4, "at most what was under way: {repeated} of {}", times.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_flat_while_the_past_is_fetched() {
    let world = of_today().await;
    let mut bridge = Program(world.program("127.0.0.1:0", &["run"]).spawn().unwrap());
    // Nobody reads what it says; it must not wait for that.
    drop((bridge.0.stdout.take(), bridge.0.stderr.take()));
    world.await_topic("fitbit2mqtt/user/anna/status", |status| status.contains("last_success\":\"")).await;
    let id = bridge.0.id();
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    let idle = resident();
    let mut told = results(&world).await;
    let from = Utc::now().date_naive() - TimeDelta::days(180);
    say(&world, "user/anna", &json!({"command": "backfill", "id": 1, "from": from.to_string()}).to_string());
    let (mut most, mut answer) = (0, None);
    until(&world, "an answer", async || {
        most = most.max(resident());
        answer = tokio::task::block_in_place(|| told.next(Duration::from_millis(50)));
        answer.is_some()
    })
    .await;
    let answer: Json = serde_json::from_str(&answer.unwrap().payload).unwrap();
    println!("idle {idle} MB, at most {most} MB during {} requests", answer["calls"]);
    assert!(answer["ok"] == true && answer["calls"].as_u64().unwrap() > 360, "{answer}");
    assert!(most <= idle + 30, "idle {idle} MB, at most {most} MB");
}
