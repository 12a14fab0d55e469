//! An organization at once: who of a group is fetched and who is not, what is answered, that one patient's trouble is
//! theirs alone, and how little memory a large group takes.

use std::collections::BTreeSet;
use std::fs;

use chrono::{TimeDelta, Utc};
use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::simulator::{Effect, Fault, Options};
use serde_json::{Value as Json, json};

use super::command::peak;
use super::{PLUS_CREDENTIALS, PROVIDER, Programme};
use crate::command_line::Running;
use crate::world::{World, person};

/// A cloud with this organization, and its credentials in the data folder; nobody is a person yet.
pub(super) async fn organization(programme: Programme, clock: Clock) -> World {
    let world = World::with(Options { programme, ..Options::default() }, clock).await;
    world
        .plugindata()
        .save_application(|edit| {
            edit.default_provider(PROVIDER)?;
            edit.client_id(PROVIDER, PLUS_CREDENTIALS.0)?;
            edit.client_secret(PROVIDER, PLUS_CREDENTIALS.1)
        })
        .unwrap();
    world
}

fn name(number: usize) -> String {
    format!("p-{}", 100_000 + number)
}

/// Makes a person of the patient of this number, who agreed or did not.
fn add(world: &World, number: usize, agreed: bool) {
    let (person, patient) = (person(&name(number)), world.cloud.clinic().patient(number));
    world.plugindata().create(&person).unwrap();
    let agreed = if agreed { "true" } else { "false" };
    world
        .plugindata()
        .save(&person, |edit| {
            edit.set("patient", &patient)?;
            edit.set("publish", agreed)
        })
        .unwrap();
}

fn users(answer: &Json) -> Vec<String> {
    answer["people"].as_array().unwrap().iter().map(|one| one["user"].as_str().unwrap().to_owned()).collect()
}

/// The patients whose results were asked for.
fn asked(world: &World) -> BTreeSet<String> {
    let results = world.cloud.requests().into_iter().filter(|asked| asked.path == "/result");
    results
        .map(|asked| asked.query.split("patient%5D=").nth(1).unwrap().split('&').next().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_publishes_all_active_patients_of_a_group_who_agreed() {
    let clock = Clock::paced("2026-11-20T15:00:00Z".parse().unwrap(), 1.0);
    let mut world = organization(Programme::default(), clock).await;
    // Every tenth is archived; the group of number 1 has every third of the others, and the first.
    let in_group = |number: usize| number == 0 || number % 3 == 1;
    let declined = [4, 22];
    (0..40).for_each(|number| add(&world, number, !declined.contains(&number)));
    let expected: Vec<usize> =
        (0..40).filter(|number| in_group(*number) && number % 10 != 9 && !declined.contains(number)).collect();
    let group = world.cloud.clinic().group(1);
    world.more = format!(
        "[[action]]\nurl = \"/plugin/fitbit?group={group}\"\ninterval = 2592000\nrepresenting = \"sensors/fitbit\"\n"
    );
    world.start().await;
    for number in &expected {
        world.await_topic(&format!("sensors/fitbit/{}/adherence-due", name(*number)), |due| due == "20").await;
    }
    let patients: BTreeSet<String> = expected.iter().map(|number| world.cloud.clinic().patient(*number)).collect();
    // Those who declined and are in no group keep the action that everybody has.
    let alone: BTreeSet<String> = declined.iter().map(|number| world.cloud.clinic().patient(*number)).collect();
    world.until("who declined is fetched as anybody is", async |world| asked(world).is_superset(&alone)).await;
    assert_eq!(asked(&world), patients.union(&alone).cloned().collect());
    let retained = world.retained().await;
    let published: BTreeSet<&str> = retained
        .keys()
        .filter_map(|topic| topic.strip_prefix("sensors/fitbit/")?.split('/').next())
        .filter(|user| !declined.iter().any(|number| *user == name(*number)))
        .collect();
    assert_eq!(
        published,
        expected.iter().map(|number| name(*number)).collect::<Vec<_>>().iter().map(String::as_str).collect()
    );
    let info: Json = serde_json::from_str(&retained["fitbit2mqtt/bridge/info"]).unwrap();
    assert!(info["actions"].as_array().unwrap().iter().any(|action| action["group"] == *group), "{info}");

    // The same on request. The token is everyone's, and no other is asked for.
    world.cloud.forget_requests();
    let answer = world.get(&format!("/plugin/fitbit?group={group}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let told = answer.json();
    assert_eq!((&told["group"], &told["provider"], &told["failed"]), (&json!(group), &json!(PROVIDER), &json!([])));
    assert_eq!(users(&told), expected.iter().map(|number| name(*number)).collect::<Vec<_>>());
    assert_eq!(told["people"][0]["metrics"]["adherence-due"]["value"], 20);
    // One page of patients, and two requests for each of them; of the two whose plan asks for nothing, one more tells the
    // units.
    let calls = 1 + 2 * expected.len() + expected.iter().filter(|number| *number % 10 == 7).count();
    assert_eq!((told["calls"].as_u64(), world.cloud.requests().len()), (Some(calls as u64), calls));
    assert!(!answer.body.contains("Adler"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_archived_is_fetched_by_no_action_until_they_are_back() {
    let clock = Clock::paced("2026-11-20T15:00:00Z".parse().unwrap(), 1.0);
    let mut world = organization(Programme::default(), clock).await;
    [8, 9].into_iter().for_each(|number| add(&world, number, true));
    // The tenth is archived.
    let (archived, patient) = (name(9), world.cloud.clinic().patient(9));
    world.start().await;
    world.await_topic(&format!("sensors/fitbit/{}/adherence-due", name(8)), |due| due == "20").await;
    let topic = format!("fitbit2mqtt/user/{archived}/status");
    let told = world.await_topic(&topic, |status| status.contains("archived")).await;
    assert!(told.contains("is archived at Fitbit Plus, so that nothing is fetched"), "{told}");
    let of_them = |world: &World| -> Vec<String> {
        let requests = world.cloud.requests().into_iter();
        let theirs = requests.filter(|asked| asked.path.contains(&patient) || asked.query.contains(&patient));
        theirs.map(|asked| asked.path).collect()
    };
    assert_eq!(of_them(&world), [format!("/patient/{patient}")]);
    let refused = world.fetch(&archived, "&force=true").await;
    assert!(refused.status == 403 && refused.body.contains("out of the archive"), "{}", refused.body);
    assert_eq!(of_them(&world).len(), 2);
    // Nor is their past: that is another look, and no more.
    let past = [("user", archived.as_str()), ("command", "backfill"), ("from", "2026-11-01"), ("to", "")];
    assert_eq!(world.post("/plugin/fitbit/command", &past).await.status, 202);
    world.until("somebody looks", async |world| of_them(world).len() > 2).await;
    // A fetch waits for the requests that are under way.
    assert_eq!(world.fetch(&archived, "").await.status, 403);
    assert!(of_them(&world).iter().all(|path| *path == format!("/patient/{patient}")));
    assert!(!world.retained().await.keys().any(|topic| topic.starts_with(&format!("sensors/fitbit/{archived}/"))));

    world.cloud.clinic().change("patient", &patient, |patient| patient["attributes"]["archived"] = false.into());
    assert_eq!(world.fetch(&archived, "").await.status, 200);
    world.await_topic(&format!("sensors/fitbit/{archived}/adherence-due"), |due| due == "20").await;
    // Who is here is looked at once a day.
    world.cloud.forget_requests();
    assert_eq!(world.fetch(&archived, "").await.status, 200);
    assert!(!of_them(&world).contains(&format!("/patient/{patient}")));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_takes_nothing_from_the_next_fetch() {
    let clock = Clock::paced("2026-11-20T15:00:00Z".parse().unwrap(), 1.0);
    let mut world = organization(Programme::default(), clock).await;
    add(&world, 8, true);
    let patient = world.cloud.clinic().patient(8);
    world.start().await;
    world.await_topic(&format!("sensors/fitbit/{}/adherence-due", name(8)), |due| due == "20").await;
    world.clock.advance(TimeDelta::days(1));
    world.cloud.forget_requests();
    let asked = |world: &World, path: &str| {
        world.cloud.requests().iter().any(|asked| asked.path == path && asked.query.contains(&patient))
    };
    let past =
        [("user", name(8)), ("command", "backfill".into()), ("from", "2026-09-01".into()), ("to", "2026-09-10".into())];
    let past: Vec<_> = past.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(world.post("/plugin/fitbit/command", &past).await.status, 202);
    world.until("the past is asked", async |world| asked(world, "/result")).await;
    assert!(!asked(&world, "/patient_health_metric"));
    // The list of laboratory values is due once a day, and the past would throw it away.
    assert_eq!(world.fetch(&name(8), "").await.status, 200);
    assert!(asked(&world, "/patient_health_metric"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_does_not_exist_is_told_from_one_in_which_nobody_is() {
    let clock = Clock::paced("2026-11-20T15:00:00Z".parse().unwrap(), 1.0);
    let mut world = organization(Programme { patients: 1, groups: 3, each: 1, ..Programme::default() }, clock).await;
    world.start().await;
    let groups: Vec<_> = (0..3).map(|number| world.cloud.clinic().group(number)).collect();
    let answer = world.get("/plugin/fitbit?group=nowhere").await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.body.contains("there is no group nowhere; there is "), "{}", answer.body);
    assert!(groups.iter().all(|group| answer.body.contains(&format!("{group} ("))), "{}", answer.body);
    for group in &groups {
        let answer = world.get(&format!("/plugin/fitbit?group={group}")).await;
        assert_eq!((answer.status, users(&answer.json()).len()), (200, 0), "{}", answer.body);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_patients_trouble_is_nobody_elses() {
    let clock = Clock::paced("2026-11-20T15:00:00Z".parse().unwrap(), 1.0);
    let mut world = organization(Programme { patients: 6, groups: 1, each: 3, ..Programme::default() }, clock).await;
    (0..4).for_each(|number| add(&world, number, true));
    let group = world.cloud.clinic().group(0);
    world.more = format!(
        "[[action]]\nurl = \"/plugin/fitbit?group={group}\"\ninterval = 2592000\nrepresenting = \"sensors/fitbit\"\n"
    );
    let broken = world.person_file(&name(1));
    let good = fs::read_to_string(&broken).unwrap();
    fs::write(&broken, format!("methods = \"get_nothing\"\n{good}")).unwrap();
    world.start().await;
    for number in [0, 2, 3] {
        world.await_topic(&format!("sensors/fitbit/{}/adherence-due", name(number)), |due| due == "20").await;
    }
    let told = world.get(&format!("/plugin/fitbit?group={group}")).await.json();
    assert_eq!(users(&told), [0, 2, 3].map(name));
    assert_eq!(told["failed"].as_array().unwrap().len(), 1);
    assert_eq!(told["failed"][0]["user"], name(1));
    assert!(told["failed"][0]["error"].as_str().unwrap().contains("get_nothing"), "{told}");
    // A file that cannot be read at all.
    fs::write(&broken, "patient = [").unwrap();
    let told = world.get(&format!("/plugin/fitbit?group={group}")).await.json();
    assert_eq!(users(&told), [0, 2, 3].map(name));
    fs::write(&broken, &good).unwrap();

    // Paused, one is left out of what runs by itself, and fetched where somebody asks.
    let body = [("user", name(2)), ("command", "pause".into())];
    let body: Vec<(&str, &str)> = body.iter().map(|(key, value)| (*key, value.as_str())).collect();
    assert_eq!(world.post("/plugin/fitbit/command", &body).await.status, 202);
    world
        .await_topic(&format!("fitbit2mqtt/user/{}/status", name(2)), |status| status.contains("\"paused\":true"))
        .await;
    let told = world.get(&format!("/plugin/fitbit?group={group}")).await.json();
    assert_eq!(users(&told), [0, 1, 2, 3].map(name));

    // The list that breaks off, and one that cannot be had.
    world.cloud.fault(Fault {
        path: "/pub/patient".into(),
        person: None,
        times: Some(1),
        effect: Effect::answer(403, &json!({"errors": [{"code": "Forbidden", "status": "403"}]})),
    });
    let refused = world.get(&format!("/plugin/fitbit?group={group}")).await;
    assert_eq!(refused.status, 502);
    assert!(refused.body.contains("cannot be listed") && refused.body.contains(&group), "{}", refused.body);
    for (query, status, words) in [
        ("group=", 400, "identifier of a group"),
        ("group=a/b", 400, "identifier of a group"),
        (&format!("group={group}&user=anna"), 400, "exclude each other"),
        (&format!("group={group}&group={group}"), 400, "given twice"),
        (&format!("group={group}&colour=red"), 400, "not a parameter"),
        (&format!("group={group}&methods=get_sleep"), 400, "get_sleep"),
    ] {
        let answer = world.get(&format!("/plugin/fitbit?{query}")).await;
        assert!(answer.status == status && answer.body.contains(words), "{query}: {} {}", answer.status, answer.body);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_ten_thousand_passes_through_little_memory() {
    const PATIENTS: usize = 10_000;
    const AGREED: usize = 20;
    let programme = Programme { patients: PATIENTS, groups: 1, each: 1, ..Programme::default() };
    let mut world = organization(programme, Clock::paced(Utc::now(), 1.0)).await;
    (0..AGREED).for_each(|number| add(&world, number * 500 + 1, true));
    let group = world.cloud.clinic().group(0);
    // Nobody is fetched before it is measured.
    world.more =
        "[[action]]\nurl = \"/plugin/fitbit?group=0000\"\ninterval = 2592000\nrepresenting = \"sensors/fitbit\"\n"
            .into();
    let bridge = Running::start(world.program("127.0.0.1:0", &["run"]));
    let page = tokio::task::block_in_place(|| bridge.after("the setup page is at "));
    let site = page.strip_suffix("/plugin/fitbit/page/setup.html").unwrap().to_owned();
    world.await_topic("fitbit2mqtt/bridge/status", |status| status == "online").await;
    // One patient by themselves, so that all a fetch needs is there.
    let first = world.send(world.http.get(format!("{site}/plugin/fitbit?user={}", name(1)))).await;
    assert_eq!(first.status, 200, "{}", first.body);
    let idle = peak(bridge.id());
    let request = world.http.get(format!("{site}/plugin/fitbit?group={group}"));
    let began = std::time::Instant::now();
    let answer = world.send(request.timeout(crate::world::PATIENCE * 4)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let told = answer.json();
    assert_eq!(users(&told).len(), AGREED, "{}", told["failed"]);
    assert!(told["calls"].as_u64().unwrap() >= (PATIENTS / 50 + 2 * AGREED) as u64, "{}", told["calls"]);
    let highest = peak(bridge.id());
    assert!(highest - idle <= 20 * 1024, "{highest} KiB at most, {idle} KiB when idle");
    eprintln!("a group of ten thousand in {:?}: {highest} KiB at most, {idle} KiB when idle", began.elapsed());
}
