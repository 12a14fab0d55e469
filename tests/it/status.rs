//! The status page: what is kept is what is shown, of whichever days, in the person's units, without asking anyone; and
//! why values are old is told apart.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use chrono::{DateTime, Datelike, Days, FixedOffset, NaiveDate, TimeDelta};
use fitbit2mqtt::metric::find;
use fitbit2mqtt::reading::{Moment, Reading, Resolution, Value};
use fitbit2mqtt::simulator::{Change, Effect, Fault};
use fitbit2mqtt::store::{Batch, Store, StoredProfile};
use serde_json::{Map, json};

use crate::browser::Browser;
use crate::commands::{result, results};
use crate::world::{QUARTER, World, person};

const STATUS: &str = "/plugin/fitbit/page/status.html";
const NASTY: &str = "\"><script>alert('x')</script>&amp;{{ 7*7 }}";

fn reading(key: &str, value: f64, at: &str) -> Reading {
    let (metric, value, at) = (find(key).unwrap(), Value::Number(value), at.parse().unwrap());
    Reading { metric, value, at, source: None, beside: Map::new(), resolution: None }
}

fn text(key: &str, value: &str, at: &str, beside: serde_json::Value) -> Reading {
    let beside = beside.as_object().unwrap().clone();
    Reading { value: Value::Text(value.into()), beside, ..reading(key, 0.0, at) }
}

/// One heart beat a minute that follows a saw, in Amsterdam's winter.
fn heart(begin: &str, minutes: i64) -> Vec<Reading> {
    let begin: DateTime<FixedOffset> = begin.parse().unwrap();
    let sample = |minute: i64| Reading {
        at: Moment::Time(begin + TimeDelta::minutes(minute)),
        resolution: Some(Resolution::MINUTE),
        ..reading("heart-rate", 100.0 + (minute % 15 * 2) as f64, "2026-11-20")
    };
    (0..minutes).map(sample).collect()
}

/// A bridge of a person whose past is what the tests wrote: nobody has consented.
async fn written(readings: &[Reading], settings: &[(&str, &str)]) -> World {
    let mut world = World::new().await;
    world.register();
    world.plugindata().create(&person("anna")).unwrap();
    world
        .plugindata()
        .save(&person("anna"), |edit| settings.iter().try_for_each(|(key, to)| edit.set(key, to)))
        .unwrap();
    let store = Store::open(&world.data_dir().join("fitbit2mqtt.db")).await.unwrap();
    let (now, zone) = (world.clock.now(), Some("Europe/Amsterdam".to_owned()));
    store.set_profile(&person("anna"), &StoredProfile { fetched: now, zone, name: None, since: None }).await.unwrap();
    store.record(&person("anna"), &Batch { readings, covered: &[], asked: now }, now).await.unwrap();
    world.start().await;
    world
}

async fn page(world: &World, query: &str) -> Browser {
    let browser = Browser::open(&format!("{}{STATUS}?{query}", world.url())).await;
    assert_eq!(browser.status, 200, "{query}: {}", browser.text());
    browser
}

/// The table beside a picture: its rows, without the head.
fn table(browser: &Browser, id: &str) -> Vec<Vec<String>> {
    let figure = browser.page.split(&format!("<figure class=\"picture\" id=\"{id}\"")).nth(1);
    let figure =
        figure.unwrap_or_else(|| panic!("no picture {id} in {}", browser.page)).split("</figure>").next().unwrap();
    let rows = figure.split("<tr>").skip(2);
    let cells = |row: &str| -> Vec<String> {
        let row = row.split("</tr>").next().unwrap().replace("<td>", "<th scope=\"row\">");
        let cells = row.split("<th scope=\"row\">").skip(1);
        cells.map(|cell| cell.split('<').next().unwrap().replace(['\u{a0}', '\u{202f}'], " ")).collect()
    };
    rows.map(cells).collect()
}

fn days(count: u64) -> impl Iterator<Item = NaiveDate> {
    let today: NaiveDate = "2026-11-20".parse().unwrap();
    (0..count).rev().map(move |ago| today - Days::new(ago))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_shown_with_its_unit_its_time_and_its_topic() {
    let mut readings: Vec<Reading> = days(30)
        .map(|day| {
            reading(
                "steps",
                f64::from(day.to_string().replace('-', "").parse::<u32>().unwrap() % 977),
                &day.to_string(),
            )
        })
        .collect();
    readings.push(reading("body-weight", 72.4, "2026-11-18T07:12:00+01:00"));
    readings.push(reading("body-weight", 73.0, "2026-11-11T07:12:00+01:00"));
    readings.push(reading("sleep-minutes", 398.0, "2026-11-20"));
    let aimed = |reading: Reading, goal: f64| Reading {
        beside: json!({ "goal": goal }).as_object().unwrap().clone(),
        ..reading
    };
    readings.push(aimed(reading("distance", 5.2, "2026-11-20"), 8.0));
    readings.push(aimed(reading("body-fat", 21.0, "2026-11-18T07:12:00+01:00"), 18.5));
    readings.push(aimed(reading("floors", 4.0, "2026-11-20"), 0.0));
    let world = written(&readings, &[]).await;
    let browser = page(&world, "user=anna").await;
    let said = browser.text();
    for (name, value, measured, topic) in [
        ("Weight", "72.4 kg", "2026-11-18 07:12 · 7 days: 72.4 kg (−0.6 kg)", "sensors/fitbit/anna/body-weight"),
        ("Asleep", "6 h 38 min", "today", "sensors/fitbit/anna/sleep-minutes"),
        ("Distance", "5.20 km of 8.00 km", "today", "sensors/fitbit/anna/distance"),
        ("Body fat", "21.0 % goal 18.5 %", "2026-11-18 07:12", "sensors/fitbit/anna/body-fat"),
        ("Floors", "4", "today", "sensors/fitbit/anna/floors"),
    ] {
        let all = format!("{name} {value} {measured}");
        assert!(said.replace('\u{a0}', " ").contains(&all), "{all}: {said}");
        assert!(said.contains(topic), "{topic}");
    }
    let drawn = table(&browser, "steps");
    let kept: Vec<_> = readings[..30].iter().map(|steps| vec![steps.at.to_string(), steps.value.to_string()]).collect();
    assert_eq!(drawn, kept, "point by point");
    let picture = browser.page.split("id=\"steps\"").nth(1).unwrap().split("</figure>").next().unwrap();
    assert_eq!(picture.matches("class=\"bar\"").count(), 30);
    assert_eq!(table(&browser, "body-weight"), [["2026-11-11", "73.0 kg"], ["2026-11-18", "72.4 kg"]]);
    assert!(browser.page.contains("<path class=\"trend\""));
    assert_eq!(world.cloud.requests().len(), 0, "nobody was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_days_can_be_asked_for_and_long_ones_are_drawn_in_means() {
    let readings: Vec<Reading> = days(900).map(|day| reading("steps", 1000.0, &day.to_string())).collect();
    let mut all = readings.clone();
    all.push(reading("steps", 8000.0, "2026-11-19"));
    // Today is not over.
    all.push(reading("steps", 500.0, "2026-11-20"));
    let world = written(&all, &[]).await;
    for (query, count, first) in [
        ("days=7", 7, "2026-11-14"),
        ("from=2026-10-01&to=2026-10-03", 3, "2026-10-01"),
        ("days=90", 90, "2026-08-23"),
        ("days=365", 53, "2025-11-21 to 2025-11-23"),
        ("from=2024-06-05", 30, "2024-06"),
    ] {
        let browser = page(&world, &format!("user=anna&{query}")).await;
        let rows = table(&browser, "steps");
        assert_eq!((rows.len(), rows[0][0].as_str()), (count, first), "{query}");
        assert!(browser.page.len() < 60_000, "{query}: {} bytes", browser.page.len());
    }
    let year = table(&page(&world, "user=anna&days=365").await, "steps");
    assert_eq!(year.last().unwrap(), &["2026-11-16 to 2026-11-20", "2300"], "the mean of five days, one of 8000");
    let month = page(&world, "user=anna").await;
    assert!(month.link("← Earlier").unwrap().contains("from=2026-09-22&to=2026-10-21"), "as many days before");
    assert_eq!(month.link("Later →"), None);
    let figures = "<th scope=\"row\">Steps</th><td>1241</td><td>+241</td><td>1000</td><td>8000</td><td>29</td>";
    assert!(month.page.contains(figures), "{}", month.page);
    let none = page(&world, "user=anna&from=1999-01-01&to=1999-12-31").await;
    assert!(none.text().contains("Nothing is kept of these days."));
    for (query, status, said) in [
        ("user=anna&days=8", 400, "7, 30, 90, 365"),
        ("user=anna&days=7&to=2026-11-01", 400, "not both"),
        ("user=anna&from=soon", 400, "2026-11-20"),
        ("user=a/b", 400, "cannot be a person"),
        ("user=carla", 404, "there is no person carla"),
        ("user=anna&workout=17", 404, "no such workout"),
    ] {
        let answer = world.get(&format!("{STATUS}?{query}")).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.body);
        assert!(answer.json()["error"].as_str().unwrap().contains(said), "{query}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_a_day_and_a_workout_are_drawn_by_the_clock() {
    let level = |level: &str, at: &str, seconds: i64| text("sleep-level", level, at, json!({"seconds": seconds}));
    let mut readings = vec![
        reading("sleep-minutes", 130.0, "2026-11-20"),
        text("sleep-start", "2026-11-19T23:20:00+01:00", "2026-11-20", json!({})),
        text("sleep-end", "2026-11-20T01:40:00+01:00", "2026-11-20", json!({})),
        level("light", "2026-11-19T14:00:00+01:00", 1200),
        level("light", "2026-11-19T23:20:00+01:00", 3600),
        level("deep", "2026-11-20T00:20:00+01:00", 4200),
        level("wake", "2026-11-20T01:30:00+01:00", 600),
    ];
    let zone = |key: &str, low: f64| Reading {
        beside: json!({"min": low}).as_object().unwrap().clone(),
        ..reading(key, 10.0, "2026-11-19")
    };
    readings.extend(
        [("out-of-range", 30.0), ("fat-burn", 105.0), ("cardio", 120.0), ("peak", 180.0)]
            .map(|(name, low)| zone(&format!("{name}-heart-minutes"), low)),
    );
    let beside = json!({"name": "Run", "logId": 4711, "duration": 2_400_000, "distance": 5.5, "pace": 327.27,
                        "heartRateZoneMinutes": {"Fat Burn": 5, "Cardio": 35}});
    readings.push(text("last-workout", "2026-11-19T18:00:00+01:00", "2026-11-19T18:00:00+01:00", beside));
    readings.extend(heart("2026-11-19T17:00:00+01:00", 180));
    let world = written(&readings, &[]).await;

    let mut browser = page(&world, "user=anna").await;
    assert_eq!(
        table(&browser, "night"),
        [
            ["23:20", "00:20", "Light", "1 h 00 min"],
            ["00:20", "01:30", "Deep", "1 h 10 min"],
            ["01:30", "01:40", "Awake", "10 min"],
        ],
        "the nap of the day before is another matter"
    );
    let day = table(&browser, "heart");
    assert_eq!(day.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["17:00", "18:00", "19:00"]);
    assert_eq!(day[0][1..], ["114 bpm", "100 bpm", "128 bpm"]);
    assert!(!browser.page.contains("id=\"curve\""), "no more is drawn than is asked for");
    assert!(browser.text().replace('\u{a0}', " ").contains("Run yesterday 18:00 40 min · 5.50 km · 5:27 min/km"));

    browser.follow("Run").await;
    assert_eq!(browser.status, 200);
    let curve = table(&browser, "curve");
    assert_eq!((curve.first().unwrap()[0].as_str(), curve.last().unwrap()[0].as_str()), ("18:00", "18:38"));
    let drawn = browser.page.split("id=\"curve\"").nth(1).unwrap().split("</svg>").next().unwrap();
    for (class, seen) in [("zone1", true), ("zone2", true), ("zone3", true), ("zone4", false)] {
        assert_eq!(drawn.contains(&format!("class=\"zone {class}\"")), seen, "{class}: no beat was faster than 128");
    }
    assert!(browser.text().contains("Cardio from 120"));
    assert_eq!(world.cloud.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn years_and_a_day_by_the_second_make_no_heavier_page_than_a_month() {
    let keys = [
        "steps",
        "distance",
        "floors",
        "calories",
        "resting-heart-rate",
        "hrv",
        "spo2",
        "breathing-rate",
        "body-weight",
    ];
    let parts =
        ["sleep-minutes", "deep-sleep-minutes", "light-sleep-minutes", "rem-sleep-minutes", "sleep-awake-minutes"];
    let of_day = |day: NaiveDate| {
        keys.iter().chain(&parts).map(move |key| reading(key, 50.0 + f64::from(day.ordinal() % 17), &day.to_string()))
    };
    let mut readings: Vec<Reading> = days(1_000).flat_map(of_day).collect();
    readings.extend(heart("2026-11-20T00:00:00+01:00", 60).into_iter().flat_map(|minute| {
        let Moment::Time(at) = minute.at else { panic!("a sample has a time") };
        (0..60).map(move |second| Reading {
            at: Moment::Time(at + TimeDelta::seconds(second)),
            resolution: Some(Resolution::SECOND),
            ..minute.clone()
        })
    }));
    let world = written(&readings, &[]).await;
    let month = page(&world, "user=anna").await.page.len();
    for query in ["days=365", "from=2024-01-01", "from=1990-01-01"] {
        let browser = page(&world, &format!("user=anna&{query}")).await;
        assert!(browser.page.len() < 2 * month, "{query}: {} bytes, a month {month}", browser.page.len());
        let drawn = browser.page.split("id=\"heart\"").nth(1).unwrap().split("</svg>").next().unwrap();
        let line = drawn.split("class=\"line\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(line.matches(['M', 'L']).count(), 12, "an hour in points of five minutes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sample_is_all_there_is_and_can_be_seen() {
    let browser = page(&written(&heart("2026-11-20T09:00:00+01:00", 1), &[]).await, "user=anna").await;
    let drawn = browser.page.split("id=\"heart\"").nth(1).unwrap().split("</svg>").next().unwrap();
    assert_eq!(drawn.matches("class=\"dot\"").count(), 1, "{drawn}");
    assert!(!browser.text().contains("Nothing is kept"), "{}", browser.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_week_add_up_where_one_night_had_no_stages() {
    let mut readings = Vec::new();
    for day in days(200) {
        let day = day.to_string();
        readings.push(reading("sleep-minutes", 400.0, &day));
        if !day.ends_with("-18") {
            let parts = [("deep-sleep-minutes", 100.0), ("light-sleep-minutes", 200.0), ("rem-sleep-minutes", 100.0)];
            readings.extend(parts.map(|(key, value)| reading(key, value, &day)));
        }
    }
    let world = written(&readings, &[]).await;
    let weeks = table(&page(&world, "user=anna&days=365").await, "sleep-minutes");
    let last = weeks.last().unwrap();
    assert_eq!(last[..], ["2026-11-16 to 2026-11-20", "1 h 20 min", "2 h 40 min", "1 h 20 min", "1 h 20 min"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_in_the_persons_units() {
    let weights = ["2026-11-18T07:12:00+01:00", "2026-11-19T07:12:00+01:00"];
    let mut readings: Vec<_> = weights.iter().map(|at| reading("body-weight", 72.4, at)).collect();
    readings.push(reading("distance", 8.0, "2026-11-19"));
    readings.push(reading("skin-temperature-variation", -1.0, "2026-11-19"));
    let beside = json!({"name": "Run", "logId": 1, "duration": 600_000, "distance": 1.609_344, "pace": 300.0});
    readings.push(text("last-workout", "2026-11-19T18:00:00+01:00", "2026-11-19T18:00:00+01:00", beside));
    for (system, weight, distance, temperature, run) in [
        ("en_US", "159.6 lb", "4.97 mi", "−1.8 °F", "1.00 mi · 8:02 min/mi"),
        ("en_GB", "11.40 st", "8.00 km", "−1.0 °C", "1.61 km · 5:00 min/km"),
        ("de_DE", "72.4 kg", "8.00 km", "−1.0 °C", "1.61 km · 5:00 min/km"),
    ] {
        let world = written(&readings, &[("system", system)]).await;
        let browser = page(&world, "user=anna").await;
        assert_eq!(table(&browser, "body-weight")[0][1], weight, "{system}");
        assert_eq!(table(&browser, "distance")[0][1], distance, "{system}");
        assert_eq!(table(&browser, "skin-temperature-variation")[0][1], temperature, "{system}");
        assert!(browser.text().replace('\u{a0}', " ").contains(run), "{system}: {}", browser.text());
        let unit = weight.split(' ').nth(1).unwrap();
        assert!(browser.text().contains(&format!("Weight, {unit} ")), "{system}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_measured_or_named_breaks_out_of_the_page() {
    let beside = |name: &str| {
        json!({"name": name, "logId": name, "duration": 1_800_000, "heartRateZoneMinutes": {name: 5},
               "whole": {"heartRateZones": [{"name": name, "min": 100}]}})
    };
    let readings = |name: &str| {
        let mut readings = heart("2026-11-19T18:00:00+01:00", 30);
        readings.push(text("last-workout", "2026-11-19T18:00:00+01:00", "2026-11-19T18:00:00+01:00", beside(name)));
        readings.push(text("ecg-result", name, "2026-11-19T18:00:00+01:00", json!({})));
        readings.push(text("sleep-level", name, "2026-11-19T23:00:00+01:00", json!({"seconds": 60})));
        readings.push(text("sleep-start", name, "2026-11-19", json!({})));
        readings.push(reading("sleep-minutes", 100.0, "2026-11-19"));
        readings
    };
    let mut tags = Vec::new();
    for name in [NASTY, "plain"] {
        let world = written(&readings(name), &[]).await;
        let mut browser = page(&world, "user=anna").await;
        for (header, value) in [("cache-control", "no-store"), ("referrer-policy", "same-origin")] {
            assert_eq!(browser.headers[header], value);
        }
        let policy = browser.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let text = name.replace("&amp;", "&");
        let link = browser.link(name).or_else(|| browser.link(&text)).expect("the workout's link");
        browser = Browser::open(&format!("{}{}", world.url(), link)).await;
        assert_eq!(browser.status, 200, "{}", browser.text());
        assert!(browser.page.contains("id=\"curve\"") && !browser.page.contains("<script"));
        tags.push(browser.page.matches('<').count());
    }
    assert_eq!(tags[0], tags[1], "another name makes the same page");
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_do_what_they_say_and_come_back() {
    let world = World::running().await;
    let mut browser = page(&world, "user=anna&days=7").await;
    let mut results = results(&world).await;
    browser.submit("value=\"pause\"", &[]).await;
    assert_eq!(browser.status, 200);
    assert!(browser.url.as_str().contains("user=anna&days=7&done=asked"), "{}", browser.url);
    assert!(browser.text().contains("It is being done."), "{}", browser.text());
    world
        .until("the pause is shown", async |world| {
            browser = page(world, "user=anna&days=7").await;
            browser.text().contains("Paused: nothing is fetched by itself until you resume.")
        })
        .await;
    browser.submit("value=\"resume\"", &[]).await;
    browser.submit("value=\"fetch\"", &[]).await;
    browser.submit("value=\"backfill\"", &[("from", "2026-11-10"), ("to", "2026-11-12")]).await;
    assert_eq!(browser.status, 200);
    let mut told: Vec<_> = (0..4).map(|_| result(&mut results).1).collect();
    told.sort_by_key(|told| told["command"].to_string());
    let told: Vec<_> = told.iter().map(|told| (told["command"].as_str().unwrap(), told["ok"] == true)).collect();
    assert_eq!(told, [("backfill", true), ("fetch", true), ("pause", true), ("resume", true)]);
    let past = page(&world, "user=anna&days=7").await.text();
    assert!(past.contains("The past: complete from 2026-11-10 to 2026-11-12."), "{past}");
    let other = Browser::open(&format!("{}/plugin/fitbit/page/setup.html", world.url())).await;
    assert_eq!(other.link("Status").as_deref(), Some(STATUS));
    assert_eq!(other.link("Values of ben").as_deref(), Some("/plugin/fitbit/page/status.html?user=ben"));
    assert_eq!(browser.link("Settings of anna").as_deref(), Some("/plugin/fitbit/page/setup.html?user=anna"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_tracker_a_failing_bridge_and_a_lost_consent_are_told_apart() {
    let mut world = World::connected().await;
    world.interval = QUARTER;
    world.cloud.change(0, Change::StopSync).unwrap();
    world.start().await;
    world.fetched().await;
    let said = async |world: &World, user: &str| page(world, &format!("user={user}")).await.text();
    world.clock.advance(TimeDelta::hours(13));
    world
        .until("the tracker has not synced", async |world| said(world, "anna").await.contains("has not synced since"))
        .await;
    assert!(!said(&world, "ben").await.contains("has not synced since"), "that is anna's alone");
    let fault = Fault { path: String::new(), person: Some(1), times: None, effect: Effect::Html { status: 503 } };
    world.cloud.fault(fault);
    world.clock.advance(TimeDelta::hours(1));
    world.until("the bridge fails", async |world| said(world, "ben").await.contains("Fetches have failed since")).await;
    assert!(said(&world, "ben").await.contains("Consent Fitbit Web API may be asked."), "the consent is as it was");
    assert!(!said(&world, "anna").await.contains("Fetches have failed"), "one person's trouble is theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_what_the_upstream_does_not_have_and_of_nobody_that_there_is_nobody() {
    let mut world = World::new().await;
    world.register();
    world.start().await;
    let browser = Browser::open(&format!("{}{STATUS}", world.url())).await;
    assert_eq!(browser.status, 200);
    assert!(browser.text().contains("There is nobody yet."), "{}", browser.text());
    for (name, provider) in [("anna", "google-health"), ("ben", "fitbit")] {
        world.plugindata().create(&person(name)).unwrap();
        world.plugindata().save(&person(name), |edit| edit.set("provider", provider)).unwrap();
    }
    let anna = page(&world, "user=anna").await.text();
    assert!(anna.contains("What Google Health does not have") && anna.contains("Sleep score"), "{anna}");
    assert!(anna.contains("Google Health has no sleep score, sleep efficiency"), "and why: {anna}");
    assert!(!anna.contains("care programme") && !anna.contains("Hemoglobin"), "{anna}");
    let first = Browser::open(&format!("{}{STATUS}", world.url())).await;
    assert_eq!(first.link("ben consent").as_deref(), Some("/plugin/fitbit/page/status.html?user=ben&days=30"));
    assert!(first.text().contains("Not given: connect on the setup page."));
    std::fs::write(world.person_file("ben"), "provider = 7\n").unwrap();
    let answer = world.get(&format!("{STATUS}?user=ben")).await;
    assert_eq!(answer.status, 500);
    assert!(answer.json()["cure"].as_str().unwrap().contains("correct the file"), "{}", answer.body);
    page(&world, "user=anna").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_asked_for_values_too() {
    let mut world = World::connected().await;
    world.more = "http.password = \"geheim\"".into();
    world.start().await;
    assert_eq!(world.get(STATUS).await.status, 401);
    let request = world.http.get(format!("{}{STATUS}", world.url())).basic_auth("admin", Some("geheim"));
    assert_eq!(world.send(request).await.status, 200);
}
