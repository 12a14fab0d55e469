//! Who a person is: never two patients, never nobody without a word; and what the pages and the doctor say of patients,
//! who have neither tracker nor consent page.

use serde_json::Value as Json;

use super::Programme;
use super::person::clinic;
use crate::world::{World, person};

async fn choose(world: &World, user: &str, patient: &str) -> (u16, String) {
    let answer = world.post("/plugin/fitbit/userSettings", &[("user", user), ("patient", patient)]).await;
    (answer.status, answer.body)
}

fn doctor(world: &World) -> String {
    let mut doctor = world.program("127.0.0.1:1", &["doctor"]);
    let output = tokio::task::block_in_place(|| doctor.output()).unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn patient(world: &World, user: &str) -> Option<String> {
    world.plugindata().person(&person(user)).unwrap().unwrap().patient
}

#[tokio::test(flavor = "multi_thread")]
async fn the_values_of_two_patients_are_never_those_of_one_person() {
    let mut world = clinic(Programme::default(), [0, 1]).await;
    let [first, other] = [0, 2].map(|number| world.cloud.clinic().patient(number));
    world.start().await;
    world.fetched().await;

    // On the page.
    let (status, why) = choose(&world, "anna", &other).await;
    assert!(status == 400 && why.contains("another patient") && why.contains("forget anna"), "{status} {why}");
    assert_eq!(patient(&world, "anna").as_ref(), Some(&first));
    assert_eq!(choose(&world, "anna", &first).await.0, 200);
    assert_eq!(world.fetch("anna", "").await.status, 200);

    // By hand.
    world.plugindata().save(&person("anna"), |edit| edit.set("patient", &other)).unwrap();
    world.cloud.forget_requests();
    let refused = world.fetch("anna", "&force=true").await;
    assert!(refused.status == 400 && refused.body.contains("another patient"), "{}", refused.body);
    assert!(world.cloud.requests().iter().all(|asked| !asked.query.contains(&other)));
    world.await_topic("fitbit2mqtt/user/anna/status", |status| status.contains("another patient")).await;

    // Nor after they were nobody for a while, for what was fetched is kept.
    assert_eq!(world.post("/plugin/fitbit/userSettings", &[("user", "anna"), ("delete", "true")]).await.status, 200);
    assert_eq!(choose(&world, "anna", &other).await.0, 400);
    assert_eq!(choose(&world, "anna", &first).await.0, 200);

    // Whoever is forgotten can be anybody.
    world.stop().await;
    let forgotten = tokio::task::block_in_place(|| world.program("127.0.0.1:1", &["forget", "anna"]).output()).unwrap();
    assert!(forgotten.status.success(), "{forgotten:?}");
    world.start().await;
    assert_eq!(choose(&world, "anna", &other).await.0, 200);
    assert_eq!(world.fetch("anna", "").await.status, 200);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_of_whom_nothing_is_known_is_told_of_and_can_be_corrected() {
    let mut world = clinic(Programme::default(), [0, 1]).await;
    world.backfill_days = 90;
    let right = patient(&world, "ben").unwrap();
    world.plugindata().save(&person("ben"), |edit| edit.set("patient", "ffffffffffffffffffffffff")).unwrap();
    world.start().await;
    let complete = async |world: &World, whose: &str| {
        let page = world.get(&format!("/plugin/fitbit/page/status.html?user={whose}")).await.body;
        page.contains("The past: complete")
    };
    world.until("nothing of the past was found", async |world| complete(world, "ben").await).await;
    let answer = world.fetch("ben", "&force=true").await.json();
    assert!(answer["failed"].to_string().contains("is it the right one?"), "{answer}");
    let told = doctor(&world);
    let anna = told.lines().find(|line| line.contains("anna was last fetched at ")).unwrap();
    assert!(anna.starts_with("ok ") && !anna.contains("nothing is known"), "{told}");
    let ben = told.lines().find(|line| line.contains("ben was last fetched at ")).unwrap();
    assert!(ben.starts_with("warning ") && ben.ends_with(", and nothing is known of this patient"), "{told}");
    assert_eq!(choose(&world, "ben", &right).await.0, 200);
    world.await_topic("sensors/fitbit/ben/adherence-due", |due| due == "20").await;
    assert_eq!(world.fetch("ben", "&force=true").await.json()["failed"], Json::Array(Vec::new()));
    let past = format!("filter%5Bpatient%5D={right}&filter%5Bupdated_at%5D=2026-08");
    let asked = |world: &World| world.cloud.requests().iter().any(|asked| asked.query.contains(&past));
    world.until("the past of the right one is asked", async |world| asked(world)).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_doctor_do_not_speak_of_trackers_and_consent_pages() {
    let mut world = clinic(Programme::default(), [0, 1]).await;
    world.start().await;
    world.fetched().await;
    let page = world.get("/plugin/fitbit/page/status.html?user=anna").await.body;
    for word in ["racker", "does not have", "Nothing is kept"] {
        assert!(!page.contains(word), "{word}: {page}");
    }
    assert!(page.contains("Fitbit Plus may be asked.") && page.contains("Weight (care programme), kg"), "{page}");
    let told = doctor(&world);
    assert!(told.contains("nobody logs in, so that none has to be registered"), "{told}");
    assert!(!told.contains("consented") && !told.contains("auth2") && !told.contains("scope "), "{told}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_household_of_patients_is_told_of_no_other_upstream() {
    let mut world = clinic(Programme::default(), [0, 1]).await;
    // Each of them says where they are from, and the household says nothing.
    let file = world.data_dir().join("plugindata/fitbit.toml");
    let application = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, application.replace("provider = \"fitbit-plus\"", "")).unwrap();
    for user in ["anna", "ben"] {
        world.plugindata().save(&person(user), |edit| edit.set("provider", "fitbit-plus")).unwrap();
    }
    world.start().await;
    let page = world.get("/plugin/fitbit/page/setup.html").await.body;
    assert!(page.contains("Nothing is missing.") && !page.contains("There is no client id"), "{page}");
    world.plugindata().create(&person("carl")).unwrap();
    let page = world.get("/plugin/fitbit/page/setup.html").await.body;
    assert!(page.contains("There is no client id for Google Health."), "{page}");
    world.stop().await;
}
