//! The Google half keeps its laws: pages, sums, JSON rules, one life that changes.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use fitbit2mqtt::simulator::{Change, Effect, Fault, Options, Simulator};
use serde_json::{Value as Json, json};

use super::google_health::{GOOGLE, Google, days, reason, unlimited, windows};
use super::{World, json as parsed, noon};

#[tokio::test]
async fn pages_hold_every_point_exactly_once_newest_first() {
    let world = World::with(Options { project: unlimited(), ..Options::default() }, noon());
    let google = Google::new(&world);
    let filter = r#"steps.interval.civil_start_time >= "2026-11-15""#;
    let all = google.all("steps", ":reconcile", &[("filter", filter), ("pageSize", "10000")]).await;
    let walked = google.all("steps", ":reconcile", &[("filter", filter), ("pageSize", "97")]).await;
    assert!(all.len() > 1000 && walked == all, "{} and {}", walked.len(), all.len());
    let starts: Vec<&str> = all.iter().map(|point| point["steps"]["interval"]["startTime"].as_str().unwrap()).collect();
    assert!(starts.windows(2).all(|pair| pair[0] > pair[1]));
    // Each step of the watch is counted once, and the phone's are listed beside it.
    let listed = google.all("steps", "", &[("filter", filter)]).await;
    let phones = listed.iter().filter(|point| point["dataSource"]["platform"] == "HEALTH_CONNECT").count();
    assert!(phones > 100 && listed.len() == all.len() + phones, "{phones} of {}", listed.len());
    let wearables = "users/me/dataSourceFamilies/google-wearables";
    let watch = google.all("steps", "", &[("filter", filter), ("dataSourceFamily", wearables)]).await;
    assert_eq!(watch.len(), all.len());
    assert!(google.all("weight", "", &[("dataSourceFamily", wearables)]).await.is_empty());
    assert!(
        google.all("steps", "", &[("dataSourceFamily", "users/me/dataSourceFamilies/self-sources")]).await.is_empty()
    );

    // Sleep and exercise: 25 at most, whatever is asked for; a token goes with its own question only.
    let (_, page) = google.list("sleep", "", &[("pageSize", "1000"), ("prettyPrint", "true")]).await;
    let token = page["nextPageToken"].as_str().unwrap();
    assert!(page["dataPoints"].as_array().is_none_or(|points| points.len() == 25));
    for query in [[("pageSize", "500"), ("pageToken", token)], [("pageSize", "1000"), ("pageToken", "made-up")]] {
        assert_eq!(google.list("sleep", "", &query).await.0, 400);
    }
    assert_eq!(google.list("exercise", "", &[("pageSize", "1000"), ("pageToken", token)]).await.0, 400);
    let other = Google::with(&world, 1, Simulator::google_scopes());
    assert_eq!(
        other.list("sleep", "", &[("pageSize", "1000"), ("prettyPrint", "true"), ("pageToken", token)]).await.0,
        400
    );

    let devices = google.ok("pairedDevices?pageSize=1").await;
    let token = devices["nextPageToken"].as_str().unwrap();
    let more = google.ok(&format!("pairedDevices?pageSize=1&pageToken={token}")).await;
    assert_eq!(
        (&devices["pairedDevices"][0]["deviceType"], &more["pairedDevices"][0]["deviceType"]),
        (&json!("TRACKER"), &json!("SCALE"))
    );
    assert!(more.get("nextPageToken").is_none());
}

#[tokio::test]
async fn now_and_then_an_empty_page_has_a_token() {
    let world = World::with(Options { project: unlimited(), ..Options::default() }, noon());
    let google = Google::new(&world);
    let mut empty = 0;
    for day in 1..=200 {
        let filter = format!(r#"steps.interval.civil_start_time >= "{}""#, noon().date_naive() - TimeDelta::days(day));
        let query = [("filter", filter.as_str()), ("pageSize", "5")];
        let (_, page) = google.list("steps", ":reconcile", &query).await;
        assert_eq!(google.list("steps", ":reconcile", &query).await.1.get("dataPoints"), page.get("dataPoints"));
        if page.get("dataPoints").is_none() {
            empty += 1;
            let token = page["nextPageToken"].as_str().unwrap();
            let next = google.list("steps", ":reconcile", &[query[0], query[1], ("pageToken", token)]).await.1;
            assert_eq!(next["dataPoints"].as_array().unwrap().len(), 5);
        }
    }
    assert!((1..40).contains(&empty), "{empty} of 200");
}

#[tokio::test]
async fn roll_ups_add_up_and_have_their_limits() {
    let world = World::with(Options { project: unlimited(), ..Options::default() }, noon());
    let google = Google::new(&world);
    let (_, daily) = google.roll("steps", "dailyRollUp", days(13, 20)).await;
    let daily = daily["rollupDataPoints"].as_array().unwrap();
    let sum = |windows: &[Json]| -> i64 {
        windows.iter().map(|window| window["steps"]["countSum"].as_str().map_or(0, |sum| sum.parse().unwrap())).sum()
    };
    let newest = &daily[0];
    assert_eq!(newest["civilStartTime"], json!({"date": {"year": 2026, "month": 11, "day": 19}, "time": {}}));
    assert_eq!(newest["civilEndTime"]["date"]["day"], 20);
    let (_, hourly) =
        google.roll("steps", "rollUp", windows("2026-11-12T23:00:00Z", "2026-11-19T23:00:00Z", "3600s")).await;
    let hourly = hourly["rollupDataPoints"].as_array().unwrap();
    assert!(sum(daily) > 10_000 && sum(daily) == sum(hourly));
    let points = google
        .all(
            "steps",
            ":reconcile",
            &[(
                "filter",
                r#"steps.interval.civil_start_time >= "2026-11-13" AND steps.interval.civil_start_time < "2026-11-20""#,
            )],
        )
        .await;
    let counted = points.iter().map(|point| point["steps"]["count"].as_str().map_or(0, |count| count.parse().unwrap()));
    assert_eq!(counted.sum::<i64>(), sum(daily));
    assert!(points.iter().any(|point| point["steps"].get("count").is_none()), "a true zero has no count");
    let mut weekly = days(13, 20);
    weekly["windowSizeDays"] = json!(5);
    let (_, weekly) = google.roll("steps", "dailyRollUp", weekly).await;
    let cut = &weekly["rollupDataPoints"][0];
    assert_eq!((&cut["civilStartTime"]["date"]["day"], &cut["civilEndTime"]["date"]["day"]), (&json!(18), &json!(20)));

    for kind in ["heart-rate", "active-minutes", "total-calories", "calories-in-heart-rate-zone"] {
        assert_eq!(google.roll(kind, "dailyRollUp", days(5, 19)).await.0, 200);
        let (status, body) = google.roll(kind, "dailyRollUp", days(5, 20)).await;
        assert_eq!((status, reason(&body)), (400, "INVALID_ROLLUP_QUERY_DURATION"), "{kind}");
        let long = windows("2026-11-01T00:00:00Z", "2026-11-15T00:00:01Z", "3600s");
        assert_eq!(reason(&google.roll(kind, "rollUp", long).await.1), "INVALID_ROLLUP_QUERY_DURATION");
    }
    let long = |end: &str| windows("2026-08-01T00:00:00Z", end, "86400s");
    assert_eq!(google.roll("steps", "rollUp", long("2026-10-30T00:00:00Z")).await.0, 200);
    assert_eq!(google.roll("steps", "rollUp", long("2026-10-30T00:00:01Z")).await.0, 400);

    for body in [
        json!({}),
        days(20, 20),
        json!({"range": {"start": {"date": {"year": 2026, "month": 2, "day": 30}}, "end": {"date": {"year": 2026, "month": 3, "day": 3}}}}),
        json!({"range": {"start": {"date": {"year": 2026, "month": 11, "day": 1}, "time": {"hours": 1}}, "end": {"date": {"year": 2026, "month": 11, "day": 3}}}}),
        json!({"range": days(1, 2)["range"], "windowDays": 1}),
        json!({"range": days(1, 2)["range"], "windowSizeDays": 0}),
        json!({"range": days(1, 2)["range"], "dataSourceFamily": "all-sources"}),
    ] {
        let (status, answer) = google.roll("steps", "dailyRollUp", body.clone()).await;
        assert_eq!((status, &answer["error"]["status"]), (400, &json!("INVALID_ARGUMENT")), "{body}: {answer}");
    }
    for size in ["0.5s", "3600", "1h"] {
        let asked = windows("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", size);
        assert_eq!(google.roll("steps", "rollUp", asked).await.0, 400, "{size}");
    }
    let mut paged = days(1, 20);
    paged["pageSize"] = json!(15);
    let (_, first) = google.roll("steps", "dailyRollUp", paged.clone()).await;
    paged["pageToken"] = first["nextPageToken"].clone();
    let (_, second) = google.roll("steps", "dailyRollUp", paged.clone()).await;
    let days_of = |page: &Json| -> BTreeSet<i64> {
        page["rollupDataPoints"]
            .as_array()
            .unwrap()
            .iter()
            .map(|w| w["civilStartTime"]["date"]["day"].as_i64().unwrap())
            .collect()
    };
    assert!(
        days_of(&first).len() == 15 && days_of(&first).is_disjoint(&days_of(&second)) && !days_of(&second).is_empty()
    );
    paged["pageSize"] = json!(14);
    assert_eq!(google.roll("steps", "dailyRollUp", paged).await.0, 400);
}

#[tokio::test]
async fn json_is_written_by_the_rules_of_proto3() {
    let world = World::with(Options { project: unlimited(), ..Options::default() }, noon());
    let google = Google::new(&world);
    let joined = world.simulator.known(0).unwrap().person.joined;
    let first_weeks = format!(r#"daily_sleep_temperature_derivations.date < "{}""#, joined + TimeDelta::days(29));
    let nights = google.all("daily-sleep-temperature-derivations", ":reconcile", &[("filter", &first_weeks)]).await;
    assert!(!nights.is_empty());
    for night in &nights {
        let night = &night["dailySleepTemperatureDerivations"];
        assert!(night["nightlyTemperatureCelsius"].is_f64() || night["nightlyTemperatureCelsius"].is_i64());
        assert_eq!(
            (&night["baselineTemperatureCelsius"], &night["relativeNightlyStddev30dCelsius"]),
            (&json!("NaN"), &json!("NaN"))
        );
    }
    let nothing = r#"steps.interval.civil_start_time >= "2031-01-01""#;
    let (_, body) = google.list("steps", ":reconcile", &[("filter", nothing)]).await;
    assert!(body == json!({}) || body.get("nextPageToken").is_some(), "{body}");
    for sleep in google.all("sleep", "", &[]).await.iter().take(60) {
        let metadata = sleep["sleep"]["metadata"].as_object().unwrap();
        assert!(metadata.values().all(|value| *value != json!(false)), "{metadata:?}");
        assert!(sleep["sleep"]["interval"].get("civilStartTime").is_none());
        assert!(sleep["sleep"]["interval"]["startUtcOffset"].as_str().unwrap().ends_with('s'));
    }
    let identity = google.ok("identity").await;
    let ben = Google::with(&world, 1, Simulator::google_scopes()).ok("identity").await;
    assert_eq!(identity["legacyUserId"], world.simulator.people()[0].user_id);
    let health = identity["healthUserId"].as_str().unwrap();
    assert!(health.len() == 19 && ben["healthUserId"] != *health);
    let bearer = format!("Bearer {}", google.token);
    let by_number = |id: &str| format!("/google-health/v4/users/{id}/settings");
    let settings = world.ask("GET", &by_number(health), &bearer, "").await;
    assert_eq!(
        (settings.status, &parsed(&settings)["timeZone"], &parsed(&settings)["utcOffset"]),
        (200, &json!("Europe/Amsterdam"), &json!("3600s"))
    );
    assert_eq!(world.ask("GET", &by_number(ben["healthUserId"].as_str().unwrap()), &bearer, "").await.status, 403);
}

#[tokio::test]
async fn a_sleep_that_is_still_computed_has_no_summary() {
    // The first sync after a night, and then minute by minute.
    let world =
        World::with(Options { project: unlimited(), ..Options::default() }, "2026-11-20T04:00:00Z".parse().unwrap());
    let google = Google::new(&world);
    let filter = r#"sleep.interval.civil_end_time >= "2026-11-20""#;
    let mut seen = Vec::new();
    for _ in 0..90 {
        world.clock.advance(TimeDelta::minutes(5));
        let google = Google {
            world: &world,
            token: world.simulator.grant(GOOGLE, 0, Simulator::google_scopes()).unwrap().access_token,
        };
        for sleep in google.all("sleep", ":reconcile", &[("filter", filter)]).await {
            let sleep = &sleep["sleep"];
            let processed = sleep["metadata"]["processed"] == true;
            assert_eq!((sleep.get("summary").is_some(), sleep.get("stages").is_some()), (processed, processed));
            seen.push(processed);
        }
    }
    drop(google);
    assert!(seen.contains(&false) && seen.contains(&true), "{seen:?}");
}

#[tokio::test]
async fn faults_changes_and_the_list_of_requests_work_here_too() {
    let world = World::new();
    let google = Google::new(&world);
    let profile = "/fitbit/1/user/-/profile.json";
    world.simulator.switch_fitbit_off();
    assert_eq!((world.get(profile).await.0, google.get("identity").await.0), (410, 200));
    assert_eq!(world.ask("GET", "/fitbit/oauth2/authorize?client_id=23SIMU", "", "").await.status, 410);
    world.simulator.clear_faults();
    let effect = Effect::Html { status: 503 };
    world.simulator.fault(Fault { path: "dataTypes/sleep".into(), person: Some(0), times: Some(1), effect });
    let other = Google::with(&world, 1, Simulator::google_scopes());
    assert_eq!(other.list("sleep", "", &[]).await.0, 200);
    assert_eq!((google.list("sleep", "", &[]).await.0, google.list("sleep", "", &[]).await.0), (503, 200));
    let last = world.simulator.requests().pop().unwrap();
    assert_eq!(
        (last.path.as_str(), last.person, last.status),
        ("/v4/users/me/dataTypes/sleep/dataPoints", Some(0), 200)
    );

    let at: DateTime<Utc> = "2026-11-20T06:12:00Z".parse().unwrap();
    world.simulator.change(0, Change::WeighIn { at, kilograms: 72.4, fat: Some(19.3) }).unwrap();
    world.simulator.change(0, Change::Steps { date: "2026-11-18".parse().unwrap(), steps: 4242 }).unwrap();
    let weighed = google
        .all("weight", ":reconcile", &[("filter", r#"weight.sample_time.physical_time >= "2026-11-20T06:12:00Z""#)])
        .await;
    let weighed: Vec<&Json> = weighed.iter().map(|point| &point["weight"]["weightGrams"]).collect();
    assert!(weighed.contains(&&json!(72_400)), "{weighed:?}");
    let (_, steps) = google.roll("steps", "dailyRollUp", days(18, 19)).await;
    assert_eq!(steps["rollupDataPoints"][0]["steps"]["countSum"], "4242");
    world.simulator.revoke(0);
    assert_eq!(google.get("identity").await.0, 401);
}
