//! Planning: which requests of the Google Health API a fetch makes, counted and spelled out.
//! Pure: nothing is asked of anyone here.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use chrono::{NaiveDate, TimeDelta};
use fitbit2mqtt::plan::{Known, Plan, Wanted, plan};
use fitbit2mqtt::upstream::endpoint::{Endpoint, Span, Verb};
use fitbit2mqtt::upstream::google_health::GOOGLE_HEALTH;
use serde_json::{Value as Json, json};

use crate::planning::{Query, day, fresh, wanted};

const TODAY: &str = "2026-11-20";

/// A person who granted everything and whose settings were read this morning.
fn known() -> Known {
    fresh(None)
}

fn planned(query: Query) -> Plan {
    plan(&GOOGLE_HEALTH, &wanted(query), &known()).unwrap_or_else(|refusal| panic!("{query:?}: {refusal}"))
}

/// Each request as it goes out, without what is the same in all: a path, or a roll-up and its range.
fn requests(plan: &Plan) -> Vec<String> {
    let short = |ask: &fitbit2mqtt::plan::Ask| {
        let path = ask.path.strip_prefix("/v4/users/me/").expect("every path starts so").replace("dataTypes/", "");
        match &ask.body {
            None => {
                path.replace("%20", " ").replace("%3E", ">").replace("%3D", "=").replace("%3C", "<").replace("%22", "'")
            }
            Some(body) => {
                assert_eq!(body["windowSizeDays"], 1, "{path}");
                format!("{path} {}..{}", civil(&body["range"]["start"]), civil(&body["range"]["end"]))
            }
        }
    };
    plan.asks.iter().map(short).collect()
}

fn civil(found: &Json) -> NaiveDate {
    let part = |key: &str| found["date"][key].as_u64().expect(key) as u32;
    NaiveDate::from_ymd_opt(part("year") as i32, part("month"), part("day")).expect("a date")
}

#[test]
fn a_fetch_that_names_nothing_asks_each_data_type_once() {
    let plan = planned(&[]);
    assert_eq!(
        requests(&plan),
        [
            "pairedDevices?pageSize=100",
            "weight/dataPoints:reconcile?filter=weight.sample_time.civil_time >= '2026-10-22' AND weight.sample_time.civil_time < '2026-11-21'&pageSize=1000",
            "body-fat/dataPoints:reconcile?filter=body_fat.sample_time.civil_time >= '2026-10-22' AND body_fat.sample_time.civil_time < '2026-11-21'&pageSize=1000",
            "steps/dataPoints:dailyRollUp 2026-11-14..2026-11-21",
            "distance/dataPoints:dailyRollUp 2026-11-14..2026-11-21",
            "floors/dataPoints:dailyRollUp 2026-11-14..2026-11-21",
            "altitude/dataPoints:dailyRollUp 2026-11-14..2026-11-21",
            "total-calories/dataPoints:dailyRollUp 2026-11-14..2026-11-21",
            "active-energy-burned/dataPoints:dailyRollUp 2026-11-14..2026-11-21",
            "sedentary-period/dataPoints:dailyRollUp 2026-11-14..2026-11-21",
            "active-minutes/dataPoints:dailyRollUp 2026-11-14..2026-11-21",
            "active-zone-minutes/dataPoints:dailyRollUp 2026-11-14..2026-11-21",
            "daily-resting-heart-rate/dataPoints:reconcile?filter=daily_resting_heart_rate.date >= '2026-11-14' AND daily_resting_heart_rate.date < '2026-11-21'&pageSize=1000",
            "daily-heart-rate-variability/dataPoints:reconcile?filter=daily_heart_rate_variability.date >= '2026-11-14' AND daily_heart_rate_variability.date < '2026-11-21'&pageSize=1000",
            "daily-respiratory-rate/dataPoints:reconcile?filter=daily_respiratory_rate.date >= '2026-11-14' AND daily_respiratory_rate.date < '2026-11-21'&pageSize=1000",
            "respiratory-rate-sleep-summary/dataPoints:reconcile?filter=respiratory_rate_sleep_summary.sample_time.civil_time >= '2026-11-14' AND respiratory_rate_sleep_summary.sample_time.civil_time < '2026-11-21'&pageSize=1000",
            "daily-oxygen-saturation/dataPoints:reconcile?filter=daily_oxygen_saturation.date >= '2026-11-14' AND daily_oxygen_saturation.date < '2026-11-21'&pageSize=1000",
            "daily-sleep-temperature-derivations/dataPoints:reconcile?filter=daily_sleep_temperature_derivations.date >= '2026-11-14' AND daily_sleep_temperature_derivations.date < '2026-11-21'&pageSize=1000",
            "core-body-temperature/dataPoints:reconcile?filter=core_body_temperature.sample_time.civil_time >= '2026-10-22' AND core_body_temperature.sample_time.civil_time < '2026-11-21'&pageSize=1000",
            "daily-vo2-max/dataPoints:reconcile?filter=daily_vo2_max.date >= '2026-11-14' AND daily_vo2_max.date < '2026-11-21'&pageSize=1000",
            "sleep/dataPoints:reconcile?filter=sleep.interval.civil_end_time >= '2026-11-13' AND sleep.interval.civil_end_time < '2026-11-21'&pageSize=25",
            "nutrition-log/dataPoints:dailyRollUp 2026-11-14..2026-11-21",
            "hydration-log/dataPoints:dailyRollUp 2026-11-14..2026-11-21",
            "exercise/dataPoints:reconcile?filter=exercise.interval.civil_start_time >= '2026-11-14' AND exercise.interval.civil_start_time < '2026-11-21'&pageSize=25",
            "electrocardiogram/dataPoints?pageSize=1",
            "irregular-rhythm-notification/dataPoints?pageSize=10",
        ]
    );
    assert!(plan.refused.is_empty() && !plan.series);
}

#[test]
fn a_request_is_spelled_as_the_service_reads_it() {
    let plan = planned(&[
        ("methods", "get_sleep,time_series"),
        ("resource", "steps"),
        ("base_date", "2026-02-28"),
        ("end_date", "2026-02-28"),
    ]);
    assert_eq!(
        plan.asks[0].path,
        "/v4/users/me/dataTypes/sleep/dataPoints:reconcile?filter=sleep.interval.civil_end_time%20%3E%3D%20%222026-02-27%22\
         %20AND%20sleep.interval.civil_end_time%20%3C%20%222026-03-01%22&pageSize=25"
    );
    assert_eq!((plan.asks[0].endpoint.verb, &plan.asks[0].body), (Verb::Get, &None));
    assert_eq!(plan.asks[1].path, "/v4/users/me/dataTypes/steps/dataPoints:dailyRollUp");
    assert_eq!(plan.asks[1].endpoint.verb, Verb::DailyRollUp);
    let date = |year: u32, month: u32, day: u32| json!({"date": {"year": year, "month": month, "day": day}});
    let range = json!({"start": date(2026, 2, 28), "end": date(2026, 3, 1)});
    assert_eq!(plan.asks[1].body, Some(json!({"range": range, "windowSizeDays": 1})));
}

#[test]
fn settings_and_height_are_asked_when_they_are_due() {
    let due = Known { once_a_day: true, ..known() };
    let names = |plan: &Plan| plan.asks.iter().map(|ask| ask.endpoint.name).collect::<Vec<_>>();
    let all = plan(&GOOGLE_HEALTH, &Wanted::default(), &due).unwrap();
    assert!(names(&all).contains(&"height"), "{:?}", names(&all));
    assert!(!names(&planned(&[])).contains(&"height"));
    assert_eq!(requests(&planned(&[("methods", "user_profile_get")])), ["settings"]);
}

#[test]
fn thirty_days_of_everything_are_at_most_forty_requests() {
    let due = Known { once_a_day: true, ..known() };
    let plan = plan(&GOOGLE_HEALTH, &wanted(&[("period", "30d")]), &due).unwrap();
    // More than twenty-five nights or exercises: a second page.
    let pages = |name: &str| if ["sleep", "exercise"].contains(&name) { 2 } else { 1 };
    let requests: usize = plan.asks.iter().map(|ask| pages(ask.endpoint.name)).sum();
    assert!(requests <= 40, "{requests} requests");
    let of_days = |row: &&Endpoint| row.group.is_some() && !matches!(row.span, Span::Intraday(_));
    for row in GOOGLE_HEALTH.endpoints.iter().filter(of_days) {
        let asks: Vec<_> = plan.asks.iter().filter(|ask| ask.endpoint.name == row.name).collect();
        let Span::Range(longest) = row.span else {
            assert_eq!(asks.len(), 1, "{}", row.name);
            continue;
        };
        assert_eq!(asks.len(), if longest == 14 { 3 } else { 1 }, "{}", row.name);
        let (first, last) = (asks.iter().map(|ask| ask.start).min(), asks.iter().map(|ask| ask.end).max());
        assert_eq!((first, last), (Some(day("2026-10-22")), Some(day(TODAY))), "{}", row.name);
    }
    assert!(plan.series);
}

#[test]
fn ranges_are_cut_at_fourteen_and_ninety_days() {
    let lengths = |resource: &str, days: i64| -> Vec<i64> {
        let start = (day(TODAY) - TimeDelta::days(days - 1)).to_string();
        let plan =
            planned(&[("methods", "time_series"), ("resource", resource), ("base_date", &start), ("end_date", TODAY)]);
        for pair in plan.asks.windows(2) {
            assert_eq!(pair[1].end + TimeDelta::days(1), pair[0].start, "{resource}: a gap or an overlap");
        }
        plan.asks.iter().map(|ask| (ask.end - ask.start).num_days() + 1).collect()
    };
    // The documented limits of roll-ups; the lists are kept to as many days.
    let short = ["total-calories", "active-minutes"];
    for row in GOOGLE_HEALTH.endpoints.iter().filter(|row| matches!(row.span, Span::Range(_))) {
        let longest = if short.contains(&row.name) { 14 } else { 90 };
        assert_eq!(lengths(row.name, longest), [longest], "{}", row.name);
        assert_eq!(lengths(row.name, longest + 1), [longest, 1], "{}", row.name);
        assert_eq!(lengths(row.name, 2 * longest + 5), [longest, longest, 5], "{}", row.name);
    }
}

#[test]
fn what_google_lacks_is_refused_with_the_reason_and_the_rest_is_asked() {
    let reasons = [
        ("activity_stats", "lifetime"),
        ("get_badges", "badges"),
        ("activities_daily_goal", "goals"),
        ("activities_weekly_goal", "goals"),
        ("body_weight_goal", "goals"),
        ("body_fat_goal", "goals"),
        ("food_goal", "goals"),
        ("water_goal", "goals"),
        ("sleep_goal", "goals"),
    ];
    for (method, reason) in reasons {
        let plan = planned(&[("methods", &format!("{method},get_devices"))]);
        assert_eq!(requests(&plan), ["pairedDevices?pageSize=100"], "{method}");
        assert_eq!(plan.refused.len(), 1, "{method}");
        assert_eq!(plan.refused[0].0, method);
        let why = &plan.refused[0].1;
        assert!(why.contains("Google Health has no") && why.contains(reason), "{method}: {why}");
    }
    let unknown = plan(&GOOGLE_HEALTH, &wanted(&[("methods", "get_everything")]), &known()).unwrap_err().to_string();
    assert!(unknown.contains("get_everything") && unknown.contains("get_bodyweight"), "{unknown}");
}

/// Every method of the Fitbit Web API is either here or lacking with a reason: a rule never meets "unknown".
#[test]
fn every_method_of_the_old_upstream_is_known() {
    for method in fitbit2mqtt::upstream::fitbit::FITBIT.methods {
        fitbit2mqtt::plan::check_method(&GOOGLE_HEALTH, method.name).unwrap_or_else(|refusal| panic!("{refusal}"));
    }
}

/// python-fitbit's time series, and the data type that holds each.
#[rustfmt::skip]
static SERIES: &[(&str, &str)] = &[
    ("activities/steps",                "steps"),
    ("activities/distance",             "distance"),
    ("activities/floors",               "floors"),
    ("activities/elevation",            "altitude"),
    ("activities/calories",             "total-calories"),
    ("activities/activityCalories",     "active-energy-burned"),
    ("activities/minutesSedentary",     "sedentary-period"),
    ("activities/minutesLightlyActive", "active-minutes"),
    ("activities/minutesFairlyActive",  "active-minutes"),
    ("activities/minutesVeryActive",    "active-minutes"),
    ("activities/active-zone-minutes",  "active-zone-minutes"),
    ("activities/heart",                "daily-resting-heart-rate"),
    ("body/weight",                     "weight"),
    ("body/fat",                        "body-fat"),
    ("body/bmi",                        "weight"),
    ("foods/log/caloriesIn",            "nutrition-log"),
    ("foods/log/water",                 "hydration-log"),
];

#[test]
fn time_series_knows_the_resources_of_python_fitbit() {
    for (resource, here) in SERIES {
        let slash = format!("/{resource}");
        for name in [resource, slash.as_str()] {
            let plan = planned(&[("methods", "time_series"), ("resource", name), ("period", "7d")]);
            let asked: Vec<_> = plan.asks.iter().map(|ask| (ask.endpoint.name, ask.start, ask.end)).collect();
            assert_eq!(asked, [(*here, day("2026-11-14"), day(TODAY))], "{name}");
        }
    }
    let unknown = wanted(&[("methods", "time_series"), ("resource", "activities/caloriesBMR")]);
    let refusal = plan(&GOOGLE_HEALTH, &unknown, &known()).unwrap_err().to_string();
    assert!(refusal.contains("is unknown") && refusal.contains("activities/steps"), "{refusal}");
}

#[test]
fn a_list_of_workouts_is_asked_by_days_from_its_one_bound() {
    let bounds = |query: Query| {
        let plan = planned(&[&[("methods", "activities_list")], query].concat());
        assert_eq!(plan.asks.len(), 1);
        (plan.asks[0].start.to_string(), plan.asks[0].end.to_string())
    };
    let days = |start: &str, end: &str| (start.to_owned(), end.to_owned());
    assert_eq!(bounds(&[("after_date", "2026-11-10")]), days("2026-11-10", TODAY));
    assert_eq!(bounds(&[("after_date", "2026-11-30")]), days(TODAY, TODAY));
    assert_eq!(bounds(&[("before_date", "2026-11-01")]).1, "2026-11-01");
    // A bound that is still to come is no bound.
    let ahead = (day(TODAY) + TimeDelta::days(400)).to_string();
    assert_eq!(bounds(&[("before_date", &ahead)]).1, TODAY);
}

#[test]
fn a_scope_that_was_not_granted_is_named_and_the_rest_is_asked() {
    let settings = "https://www.googleapis.com/auth/googlehealth.settings.readonly";
    let some = Known { scopes: Some(vec![settings.to_owned()]), ..known() };
    let plan = plan(&GOOGLE_HEALTH, &wanted(&[("methods", "get_sleep,get_devices")]), &some).unwrap();
    assert_eq!(requests(&plan), ["pairedDevices?pageSize=100"]);
    assert_eq!(plan.refused.len(), 1);
    let (method, why) = &plan.refused[0];
    assert!(
        method == "get_sleep" && why.contains("googlehealth.sleep.readonly") && why.contains("not granted"),
        "{why}"
    );
}
