//! A patient as a person, through the bridge: what is published of them and in which units, how little is asked for it,
//! and that nothing else of them is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use fitbit2mqtt::simulator::{Effect, Fault};
use serde_json::{Value as Json, json};

use super::group::organization;
use super::{PLUS_CREDENTIALS, PROVIDER, Programme};
use crate::world::{PEOPLE, World, person};

/// A household of patients: the simulated ones of these numbers, as `anna` and `ben`.
pub async fn clinic(programme: Programme, patients: [usize; 2]) -> World {
    let clock = fitbit2mqtt::clock::Clock::paced("2026-11-20T15:00:00Z".parse().unwrap(), 1.0);
    let world = organization(programme, clock).await;
    for (name, patient) in PEOPLE.into_iter().zip(patients) {
        let person = person(name);
        world.plugindata().create(&person).unwrap();
        world.plugindata().save(&person, |edit| edit.set("patient", &world.cloud.clinic().patient(patient))).unwrap();
    }
    world
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Enters a result of a patient, as of an action or a health metric of theirs.
fn enter(world: &World, id: &str, patient: &str, at: DateTime<Utc>, attributes: Json, relations: Json) {
    let mut relationships = json!({"patient": {"data": {"type": "patient", "id": patient}}});
    relationships.as_object_mut().unwrap().extend(relations.as_object().unwrap().clone());
    let mut result = json!({"type": "result", "id": id, "attributes": attributes, "relationships": relationships});
    for name in ["occurred_at", "created_at", "updated_at"] {
        if result["attributes"][name].is_null() {
            result["attributes"][name] = time(at).into();
        }
    }
    world.cloud.clinic().change("result", id, |record| *record = result);
}

/// The newest result of this kind that the simulated cloud has of a patient and that was not skipped.
fn newest(world: &World, patient: &str, kind: &str) -> Json {
    let clinic = world.cloud.clinic();
    let mut newest = Json::Null;
    for id in clinic.ids("result") {
        clinic.change("result", &id, |result| {
            let attributes = &result["attributes"];
            let theirs = result["relationships"]["patient"]["data"]["id"] == patient;
            let later = attributes["occurred_at"].as_str() > newest["occurred_at"].as_str();
            if theirs && attributes["metric_type"] == kind && attributes["skipped"] == false && later {
                newest = attributes.clone();
            }
        });
    }
    newest
}

/// The paths asked for values, but for the token.
fn asked(world: &World) -> Vec<String> {
    let asked = world.cloud.requests().into_iter().filter(|asked| !asked.path.contains("oauth"));
    asked.map(|asked| asked.path.trim_start_matches('/').to_owned()).collect()
}

async fn metrics(world: &World, user: &str) -> Json {
    let answer = world.fetch(user, "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["metrics"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_results_are_published_with_their_units_goals_and_adherence() {
    let mut world = clinic(Programme::default(), [0, 1]).await;
    let patient = world.cloud.clinic().patient(0);
    world.start().await;
    world.fetched().await;
    let answer = world.fetch("anna", "").await;
    let told = answer.json();
    assert_eq!((answer.status, &told["provider"], &told["failed"]), (200, &json!("fitbit-plus"), &json!([])));
    let metrics = &told["metrics"];
    let weight = newest(&world, &patient, "weight");
    let kilograms = (weight["data"]["value"].as_f64().unwrap() * 0.453_592_37 * 1e6).round() / 1e6;
    assert_eq!(metrics["weight"]["value"], kilograms);
    assert_eq!(metrics["weight"]["unit"], "kg");
    // 160 lb.
    assert_eq!(metrics["weight"]["goal"], 72.574779);
    let pressure = newest(&world, &patient, "blood_pressure");
    for half in ["systolic", "diastolic"] {
        let told = &metrics[format!("blood-pressure-{half}")];
        assert_eq!(told["value"].as_f64(), pressure["data"]["value"][half].as_f64());
        assert_eq!(told["unit"], "mmHg");
        // Of which half the goal of one number is, nobody said.
        assert_eq!(told["goal"], Json::Null);
    }
    let glucose = newest(&world, &patient, "blood_glucose");
    assert_eq!(metrics["blood-glucose"]["value"].as_f64(), glucose["data"]["value"].as_f64());
    assert_eq!(metrics["blood-glucose"]["goal"], 100);
    // Measured in New York, where this patient lives by their plan.
    let at: DateTime<chrono::FixedOffset> = weight["occurred_at"].as_str().unwrap().parse().unwrap();
    let there = at.with_timezone(&chrono_tz::America::New_York).to_rfc3339();
    assert_eq!(metrics["weight"]["dateTime"], there);
    // From the list of health metrics only.
    assert_eq!(metrics["hemoglobin-a1c"]["unit"], "%");
    assert_eq!(metrics["ldl-cholesterol"]["unit"], "mg/dL");
    assert_eq!(metrics["adherence-due"]["value"], 20);
    for key in ["adherence-complete", "adherence-streak", "next-appointment"] {
        assert!(!metrics[key]["value"].is_null(), "{key}");
    }
    let retained = world.stands("anna", &answer).await;
    assert_eq!(retained["sensors/fitbit/anna/weight"], kilograms.to_string());
    let auth: Json = serde_json::from_str(&retained["fitbit2mqtt/user/anna/auth"]).unwrap();
    assert_eq!(auth["state"], "ok");
    assert_eq!(retained["fitbit2mqtt/user/anna/availability"], "online");

    // In the person's own units, without asking.
    world.plugindata().save(&person("anna"), |edit| edit.set("system", "en_US")).unwrap();
    let metrics = self::metrics(&world, "anna").await;
    assert_eq!(metrics["weight"]["value"].as_f64(), weight["data"]["value"].as_f64());
    assert_eq!((&metrics["weight"]["unit"], &metrics["weight"]["goal"]), (&json!("lb"), &json!(160)));
    assert_eq!(metrics["blood-glucose"]["unit"], "mg/dL");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn polling_takes_two_requests_and_tells_nothing_twice() {
    let mut world = clinic(Programme::default(), [0, 1]).await;
    let patient = world.cloud.clinic().patient(0);
    world.start().await;
    world.fetched().await;
    world.cloud.forget_requests();
    let before = metrics(&world, "anna").await;
    let (result, plan) = ("result".to_owned(), "patient_plan_summary".to_owned());
    assert_eq!(asked(&world), [result.clone(), plan.clone()]);
    let query = world.cloud.requests()[0].query.clone();
    assert!(query.contains("updated_at%5D=2026-11-19T00:00:00Z..2026-11-21T12:00:00Z"), "{query}");

    // What comes again changes nothing; a correction does, and so does what happened since.
    let (corrected, fresh) = (newest(&world, &patient, "weight"), world.clock.now());
    let again = metrics(&world, "anna").await;
    assert_eq!(again, before);
    let clinic = world.cloud.clinic();
    for id in clinic.ids("result") {
        clinic.change("result", &id, |result| {
            if result["attributes"]["occurred_at"] == corrected["occurred_at"]
                && result["relationships"]["patient"]["data"]["id"] == *patient
                && result["attributes"]["metric_type"] == "weight"
            {
                result["attributes"]["data"]["value"] = json!(150);
                result["attributes"]["updated_at"] = time(fresh).into();
            }
        });
    }
    assert_eq!(metrics(&world, "anna").await["weight"]["value"], 68.038856);
    assert_eq!(metrics(&world, "anna").await["weight"]["dateTime"], before["weight"]["dateTime"]);

    // Nothing is asked that the vendor does not describe.
    for asked in world.cloud.requests().iter().filter(|asked| !asked.path.contains("oauth")) {
        assert!(super::contract::is_described(&asked.path, &asked.query), "{} {}", asked.path, asked.query);
    }
    // Eight hours later there is a new weight, one more thing is done, and an hour is over for the calendar.
    world.cloud.forget_requests();
    world.clock.advance(TimeDelta::hours(8));
    let later = metrics(&world, "anna").await;
    assert_eq!(asked(&world), [result, plan, "calendar_event".into()]);
    assert_ne!(later["weight"]["dateTime"], before["weight"]["dateTime"]);
    let count = |metrics: &Json| metrics["adherence-complete"]["value"].as_i64().unwrap();
    assert_eq!(count(&later), count(&before) + 1);
    // The store has each once.
    let history = world.get("/plugin/fitbit/history?user=anna&from=2026-11-18&metrics=weight&format=ndjson").await;
    let mut times: Vec<String> = history
        .body
        .lines()
        .map(|line| serde_json::from_str::<Json>(line).unwrap()["dateTime"].as_str().unwrap().to_owned())
        .collect();
    let all = times.len();
    times.dedup();
    assert!(all > 2 && times.len() == all, "{}", history.body);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_skipped_or_cannot_be_read_is_left_out_in_words() {
    let mut world = clinic(Programme::default(), [6, 7]).await;
    let ids = [6, 7].map(|number| world.cloud.clinic().patient(number));
    let now = world.clock.now() - TimeDelta::minutes(5);
    let result = |kind: &str, value: Json| json!({"type": kind, "metric_type": kind, "skipped": false, "data": {"value": value}});
    // Newer than all else, and skipped.
    let mut skipped = result("blood_glucose", json!(99));
    skipped["skipped"] = true.into();
    enter(&world, "skipped", &ids[0], now, skipped, json!({}));
    // No plan says their units; the health metric of one does, and pain has none.
    let metric = json!({"metric": {"data": {"type": "patient_health_metric", "id": "temperature"}}});
    enter(&world, "fever", &ids[1], now, result("body_temperature", json!(102.2)), metric);
    let mut temperature = json!({"type": "patient_health_metric", "id": "temperature", "attributes": {
        "type": "body_temperature", "value": 102.2, "unit": "F", "occurred_at": time(now)}});
    temperature["relationships"] = json!({"patient": {"data": {"type": "patient", "id": ids[1]}}});
    world.cloud.clinic().change("patient_health_metric", "temperature", |record| *record = temperature);
    enter(&world, "pain", &ids[1], now, result("pain_level", json!(0)), json!({}));
    enter(&world, "bare", &ids[1], now, result("creatinine", json!(1.1)), json!({}));
    enter(&world, "note", &ids[1], now, result("weight", json!("as Ada wrote")), json!({}));
    world.start().await;
    world.fetched().await;

    let odd = world.fetch("anna", "").await.json();
    assert_ne!(odd["metrics"]["blood-glucose"]["value"], 99, "it was skipped");
    assert_eq!(odd["metrics"]["weight"], Json::Null, "of an unknown unit");
    assert!(!odd["metrics"]["blood-pressure-systolic"].is_null());
    let failed = odd["failed"].to_string();
    assert!(failed.contains("weight of ") && failed.contains("stone-ish"), "{failed}");

    world.cloud.forget_requests();
    let told = world.fetch("ben", "").await.json();
    assert_eq!(told["metrics"]["body-temperature"]["value"], 39);
    assert_eq!(told["metrics"]["body-temperature"]["unit"], "°C");
    assert_eq!(told["metrics"]["pain-level"]["value"], 0, "a zero that was measured");
    for asked in world.cloud.requests().iter().filter(|asked| !asked.path.contains("oauth")) {
        assert!(super::contract::is_described(&asked.path, &asked.query), "{} {}", asked.path, asked.query);
    }
    assert_eq!(told["metrics"]["creatinine"], Json::Null);
    let failed = told["failed"].to_string();
    assert!(failed.contains("creatinine of ") && failed.contains("no unit"), "{failed}");
    assert!(failed.contains("weight of ") && failed.contains("not a number") && !failed.contains("Ada"), "{failed}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_appointment_passes_and_can_be_called_off() {
    let mut world = clinic(Programme { each: 4, ..Programme::default() }, [0, 1]).await;
    let patient = world.cloud.clinic().patient(0);
    let cloud = std::sync::Arc::clone(&world.cloud);
    let clinic = cloud.clinic();
    let now = world.clock.now();
    let theirs = |event: &Json| event["relationships"]["owner"]["data"]["id"] == *patient;
    for (place, id) in clinic.ids("calendar_event").into_iter().enumerate() {
        clinic.change("calendar_event", &id, |event| {
            if theirs(event) {
                event["attributes"]["start_at"] = time(now - TimeDelta::days(3 + place as i64)).into();
            }
        });
    }
    let event = |kind: &str, at: DateTime<Utc>| {
        json!({"type": "calendar_event", "attributes": {"type": kind, "title": "Mr Adler", "start_at": time(at)},
            "relationships": {"owner": {"data": {"type": "patient", "id": patient}}}})
    };
    clinic.change("calendar_event", "second", |record| *record = event("video-call", now + TimeDelta::hours(30)));
    clinic.change("calendar_event", "first", |record| *record = event("office-visit", now + TimeDelta::hours(3)));
    world.start().await;
    world.fetched().await;
    let told = metrics(&world, "anna").await["next-appointment"].clone();
    let there = (now + TimeDelta::hours(3)).with_timezone(&chrono_tz::America::New_York);
    assert_eq!(told["value"], there.to_rfc3339_opts(SecondsFormat::Secs, false));
    assert_eq!(told["type"], "office-visit");
    assert!(!told.to_string().contains("Adler"), "{told}");

    world.clock.advance(TimeDelta::hours(4));
    let told = metrics(&world, "anna").await["next-appointment"].clone();
    assert_eq!(told["type"], "video-call");
    // Called off, and nothing else is to come.
    clinic.change("calendar_event", "second", |record| {
        record["attributes"]["completed_at"] = time(now).into();
    });
    world.clock.advance(TimeDelta::hours(1));
    assert_eq!(metrics(&world, "anna").await["next-appointment"], Json::Null);
    world.await_topic("sensors/fitbit/anna/next-appointment", str::is_empty).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refused_token_is_renewed_once_for_all_patients() {
    let mut world = clinic(Programme::default(), [0, 1]).await;
    world.start().await;
    world.fetched().await;
    world.cloud.clinic().expire();
    world.cloud.forget_requests();
    let (anna, ben) = tokio::join!(world.fetch("anna", ""), world.fetch("ben", ""));
    assert_eq!((anna.status, ben.status), (200, 200), "{} {}", anna.body, ben.body);
    assert_eq!(world.cloud.count("/oauth/token"), 1);

    // Wrong credentials are told to each patient, who cannot mend them.
    world.cloud.clinic().revoke();
    world.plugindata().save_application(|edit| edit.client_secret(PROVIDER, "wrong")).unwrap();
    let refused = world.fetch("anna", "").await;
    assert_eq!(refused.status, 502);
    assert!(refused.body.contains("client id or secret"), "{}", refused.body);
    let auth = world.await_topic("fitbit2mqtt/user/anna/auth", |auth| auth.contains("\"retrying\"")).await;
    assert!(auth.contains("client id or secret"), "{auth}");
    world.plugindata().save_application(|edit| edit.client_secret(PROVIDER, PLUS_CREDENTIALS.1)).unwrap();
    assert_eq!(world.fetch("anna", "").await.status, 200);
    world.await_topic("fitbit2mqtt/user/anna/auth", |auth| auth.contains("\"ok\"")).await;
    // One that fails is that patient's trouble alone.
    let body = json!({"errors": [{"code": "Forbidden", "status": "403", "detail": "not yours"}]});
    world.cloud.fault(Fault {
        path: "/pub/result".into(),
        person: None,
        times: Some(1),
        effect: Effect::answer(403, &body),
    });
    let withheld = world.fetch("anna", "").await;
    assert!(withheld.body.contains("does not let these credentials read this"), "{}", withheld.body);
    assert_eq!(world.fetch("ben", "").await.json()["failed"], json!([]));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_address_or_note_reaches_a_topic_or_a_file() {
    let mut world = clinic(Programme::default(), [0, 1]).await;
    let patient = world.cloud.clinic().patient(0);
    let mut attributes = Json::Null;
    world.cloud.clinic().change("patient", &patient, |patient| {
        patient["attributes"]["last_name"] = "Unmistakable".into();
        attributes = patient["attributes"].clone();
    });
    world.start().await;
    world.fetched().await;
    // The choice is where names are shown, and only there.
    let page = world.post("/plugin/fitbit/page/setup.html?user=anna", &[("name", "unmistak")]).await;
    assert!(page.body.contains("Unmistakable") && page.body.contains(&patient), "{}", page.body);
    assert_eq!(world.fetch("anna", "&force=true").await.status, 200);
    let mut told: BTreeMap<String, String> = world.retained().await;
    for (topic, payload) in world.announced().await {
        told.insert(topic, payload.to_string());
    }
    world.stop().await;
    let mut folders = vec![world.data_dir()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap().path();
            match entry.is_dir() {
                true => folders.push(entry),
                false => {
                    let text = String::from_utf8_lossy(&fs::read(&entry).unwrap()).into_owned();
                    told.insert(entry.display().to_string(), text);
                }
            }
        }
    }
    for word in ["Unmistakable", "@care.example", "Example Street", "+1 555", "Simulated note", "Simulated annotation"]
        .into_iter()
        .chain(["Room 1", "Simulated appointment", "Event ", "Weigh yourself", "Simulated device"])
        .chain(attributes["birth_date"].as_str())
    {
        let found: Vec<&String> = told.iter().filter(|(_, text)| text.contains(word)).map(|(place, _)| place).collect();
        assert!(found.is_empty(), "{word:?} stands in {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_is_chosen_on_the_page_by_name_or_identifier() {
    let mut world = clinic(Programme { patients: 120, ..Programme::default() }, [0, 1]).await;
    let new = person("carl");
    world.start().await;
    world.fetched().await;
    assert_eq!(world.post("/plugin/fitbit/userSettings", &[("user", "carl")]).await.status, 200);
    assert_eq!(world.fetch("carl", "").await.status, 403);
    let sent = world.get("/plugin/fitbit/auth1?user=carl").await;
    assert_eq!((sent.status, sent.header("location")), (303, "/plugin/fitbit/page/setup.html?user=carl#patient"));

    // The page by itself asks nobody.
    world.cloud.forget_requests();
    let page = world.get("/plugin/fitbit/page/setup.html?user=carl").await.body;
    assert!(page.contains("Choose the patient") && page.contains("id=\"patient\""), "{page}");
    assert_eq!(world.cloud.requests().len(), 0);
    let options = |page: &str| -> Vec<String> {
        let select =
            page.split("name=\"patient\" required>").nth(1).unwrap_or_default().split("</select>").next().unwrap();
        select.split("<option value=\"").skip(1).map(|option| option.split('"').next().unwrap().to_owned()).collect()
    };
    let look =
        async |search: &[(&str, &str)]| world.post("/plugin/fitbit/page/setup.html?user=carl", search).await.body;
    let patient = world.cloud.clinic().patient(12);
    let found = look(&[("name", ""), ("system", "MyEHR"), ("value", "100012")]).await;
    assert_eq!(options(&found), std::slice::from_ref(&patient));
    let found = look(&[("name", "ADA"), ("system", ""), ("value", "")]).await;
    // Every eleventh is called so, and every tenth is archived.
    assert_eq!(options(&found).len(), 10, "{found}");
    assert!(found.contains("Ada Adler, born "), "{found}");
    let found = look(&[("name", "")]).await;
    assert!(options(&found).len() == 50 && found.contains("There are more"), "{found}");
    assert!(look(&[("name", "nobody")]).await.contains("No patient was found"));
    let found = look(&[("system", "MyEHR")]).await;
    assert!(found.contains("identifier.system and identifier.value go together"), "{found}");
    // Another site cannot make the bridge ask, nor can an address, in which no name is to stand.
    world.cloud.forget_requests();
    let address = format!("{}/plugin/fitbit/page/setup.html?user=carl", world.url());
    let fields = [("form_token", world.form_token().await), ("name", "ada".into())];
    let request = world.http.post(&address).form(&fields).header("Sec-Fetch-Site", "cross-site");
    assert_eq!(world.send(request).await.status, 403);
    assert_eq!(world.send(world.http.get(format!("{address}&name=ada"))).await.status, 200);
    assert_eq!(world.cloud.requests().len(), 0);

    for wrong in ["a b", "../x", &"x".repeat(65)] {
        let refused = world.post("/plugin/fitbit/userSettings", &[("user", "carl"), ("patient", wrong)]).await;
        assert_eq!(refused.status, 400, "{wrong}: {}", refused.body);
    }
    assert_eq!(world.post("/plugin/fitbit/userSettings", &[("user", "carl"), ("patient", &patient)]).await.status, 200);
    // Chosen is connected, and fetched at once.
    world.await_topic("sensors/fitbit/carl/adherence-due", |due| due == "20").await;
    let file = fs::read_to_string(world.person_file("carl")).unwrap();
    assert!(file.contains(&format!("patient = \"{patient}\"")) && file.contains("account = \""), "{file}");
    assert!(!file.contains("[token]"), "{file}");
    let account = file.split("account = \"").nth(1).unwrap()[..8].to_owned();
    world
        .until("Home Assistant has the patient", async |world| {
            world.announced().await.keys().any(|topic| topic.contains(&account))
        })
        .await;

    assert_eq!(world.post("/plugin/fitbit/userSettings", &[("user", "carl"), ("delete", "true")]).await.status, 200);
    assert_eq!(world.plugindata().person(&new).unwrap().unwrap().patient, None);
    world.await_topic("fitbit2mqtt/user/carl/auth", |auth| auth.contains("awaiting-consent")).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_of_a_patient_is_fetched_by_one_range() {
    let mut world = clinic(Programme { each: 40, ..Programme::default() }, [0, 1]).await;
    world.backfill_days = 90;
    world.start().await;
    world.fetched().await;
    let past = "/plugin/fitbit/history?user=anna&from=2026-09-01&to=2026-11-15&metrics=weight&format=ndjson";
    world.until("the past is there", async |world| world.get(past).await.body.lines().count() > 5).await;
    let ranges: BTreeSet<String> = world
        .cloud
        .requests()
        .into_iter()
        .filter(|asked| asked.path == "/result" && asked.query.contains("updated_at%5D=2026-08"))
        .map(|asked| asked.query.split("..").next().unwrap().to_owned())
        .collect();
    assert_eq!(ranges.len(), 2, "one of each patient: {ranges:?}");
    world.stop().await;
}
