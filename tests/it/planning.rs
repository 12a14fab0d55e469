//! Planning: which requests of the Fitbit Web API a fetch makes, counted and spelled out.
//! Pure: nothing is asked of anyone here.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use chrono::{NaiveDate, TimeDelta};
use fitbit2mqtt::plan::{Ask, Coverage, Intraday, Known, Plan, Probe, Wanted, past, plan};
use fitbit2mqtt::reading::Resolution;
use fitbit2mqtt::upstream::endpoint::{Endpoint, Span};
use fitbit2mqtt::upstream::fitbit::FITBIT;
use proptest::prelude::*;
use proptest::sample::select;

const TODAY: &str = "2026-11-20";

/// Keys and values of a request.
pub type Query<'a> = &'a [(&'a str, &'a str)];

/// A date out of text.
pub fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

/// A person who granted everything and whose profile was read this morning.
fn known() -> Known {
    fresh(Some("26FWFL"))
}

/// A person who granted everything, whose profile was read this morning, and of whom nothing else was asked yet.
pub fn fresh(user_id: Option<&str>) -> Known {
    Known {
        now: "2026-11-20T15:00:00Z".parse().expect("a time"),
        zone: chrono_tz::Europe::Amsterdam,
        today: day(TODAY),
        scopes: None,
        once_a_day: false,
        user_id: user_id.map(str::to_owned),
        coverage: Coverage::default(),
        probe: Probe::Unseen,
        full_fetch_every: TimeDelta::hours(6),
        complete: false,
        intraday: Intraday { metrics: Vec::new(), detail: Resolution::MINUTE },
    }
}

/// What a request with this query wants; `methods` is a comma-separated list.
pub fn wanted(query: Query) -> Wanted {
    let mut wanted = Wanted { force: query.iter().any(|(key, _)| *key == "methods"), ..Wanted::default() };
    for (key, value) in query {
        match *key {
            "methods" => wanted.methods = value.split(',').map(str::to_owned).collect(),
            _ => drop(wanted.keywords.insert((*key).to_owned(), (*value).to_owned())),
        }
    }
    wanted
}

fn planned(query: Query) -> Plan {
    plan(&FITBIT, &wanted(query), &known()).unwrap_or_else(|refusal| panic!("{query:?}: {refusal}"))
}

/// The words with which a request is refused.
fn refusal(query: Query) -> String {
    match plan(&FITBIT, &wanted(query), &known()) {
        Err(refusal) => refusal.to_string(),
        Ok(plan) => panic!("{query:?} is planned: {:?}", paths(&plan)),
    }
}

fn paths(plan: &Plan) -> Vec<&str> {
    plan.asks.iter().map(|ask| ask.path.as_str()).collect()
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.asks.iter().map(|ask| ask.endpoint.name).collect()
}

#[test]
fn a_fetch_that_names_nothing_asks_each_family_once() {
    let plan = planned(&[]);
    assert_eq!(
        paths(&plan),
        [
            "/1/user/-/devices.json",
            "/1/user/-/body/log/weight/date/2026-10-22/2026-11-20.json",
            "/1/user/-/body/log/fat/date/2026-10-22/2026-11-20.json",
            "/1/user/-/activities/date/2026-11-20.json",
            "/1/user/-/activities/date/2026-11-19.json",
            "/1/user/-/activities/active-zone-minutes/date/2026-10-22/2026-11-20.json",
            "/1/user/-/activities/heart/date/2026-10-22/2026-11-20.json",
            "/1/user/-/hrv/date/2026-10-22/2026-11-20.json",
            "/1/user/-/br/date/2026-10-22/2026-11-20/all.json",
            "/1/user/-/spo2/date/2026-10-22/2026-11-20.json",
            "/1/user/-/temp/skin/date/2026-10-22/2026-11-20.json",
            "/1/user/-/temp/core/date/2026-10-22/2026-11-20.json",
            "/1/user/-/cardioscore/date/2026-10-22/2026-11-20.json",
            "/1.2/user/-/sleep/date/2026-11-13/2026-11-20.json",
            "/1/user/-/foods/log/caloriesIn/date/2026-10-22/2026-11-20.json",
            "/1/user/-/foods/log/water/date/2026-10-22/2026-11-20.json",
            "/1/user/-/activities/list.json?afterDate=2026-10-21&sort=asc&offset=0&limit=100",
            "/1/user/-/ecg/list.json?beforeDate=2026-11-21&sort=desc&offset=0&limit=1",
            "/1/user/-/irn/alerts/list.json?beforeDate=2026-11-21&sort=desc&offset=0&limit=10",
        ]
    );
    assert!(plan.refused.is_empty() && !plan.series);
}

#[test]
fn the_profile_is_asked_when_it_is_due_or_named() {
    assert!(!names(&planned(&[])).contains(&"profile"));
    let due = Known { once_a_day: true, ..known() };
    let plan = plan(&FITBIT, &Wanted::default(), &due).unwrap();
    assert_eq!(names(&plan).iter().filter(|name| **name == "profile").count(), 1);
    assert_eq!(paths(&planned(&[("methods", "user_profile_get")])), ["/1/user/-/profile.json"]);
}

#[test]
fn thirty_days_of_everything_are_at_most_thirty_requests() {
    let plan = planned(&[("period", "30d")]);
    println!("thirty days of every group: {} requests", plan.asks.len());
    for ask in &plan.asks {
        println!("  {}", ask.path);
    }
    assert!(plan.asks.len() <= 30, "{} requests", plan.asks.len());
    let mut once = names(&plan);
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), plan.asks.len(), "a family is asked more than once: {:?}", paths(&plan));
    for ask in plan.asks.iter().filter(|ask| matches!(ask.endpoint.span, Span::Range(_))) {
        assert_eq!((ask.start, ask.end), (day("2026-10-22"), day(TODAY)), "{}", ask.path);
    }
    // Everything that is measured by day is among them: the eleven series stand in for thirty daily summaries.
    for name in ["activities/steps", "activities/minutesVeryActive", "hrv", "br/all", "temp/skin", "sleep", "spo2"] {
        assert!(once.contains(&name), "{name} is not asked");
    }
    assert!(!once.contains(&"activities/date"));
    assert!(plan.series);
}

#[test]
fn whichever_of_the_daily_summary_and_the_series_is_cheaper_is_asked() {
    let requests = |days: i64| {
        let start = (day(TODAY) - TimeDelta::days(days - 1)).to_string();
        let plan = planned(&[("methods", "activity"), ("base_date", &start), ("end_date", TODAY)]);
        (plan.asks.len(), names(&plan)[0] == "activities/date")
    };
    assert_eq!(requests(1), (1, true));
    assert_eq!(requests(11), (11, true));
    assert_eq!(requests(12), (11, false));
    // activityCalories takes thirty days a request, the ten others three years.
    assert_eq!(requests(31), (12, false));
    assert_eq!(requests(1095), (10 + 37, false));
}

/// The names and limits of sync-fitbit-pro-connect and python-fitbit, as their own documentation has them.
#[rustfmt::skip]
static SAID_ELSEWHERE: &[(&str, &str, &str, Option<u16>)] = &[
    // sync-fitbit-pro-connect: internal API, external API, scope, limit in days.
    ("get_breathing_rate_by_interval",      "/1/user/-/br/date/{start}/{end}/all.json",          "respiratory_rate",  Some(30)),
    ("get_body_data_by_interval",           "/1/user/-/body/log/weight/date/{start}/{end}.json", "weight",            Some(31)),
    ("get_vo2max_cardio_score_by_interval", "/1/user/-/cardioscore/date/{start}/{end}.json",     "cardio_fitness",    Some(30)),
    // 100 there, of which the evening before takes one.
    ("get_sleep_log_by_interval",           "/1.2/user/-/sleep/date/{before}/{end}.json",        "sleep",             Some(99)),
    ("get_temperature_skin_by_interval",    "/1/user/-/temp/skin/date/{start}/{end}.json",       "temperature",       Some(30)),
    // "None" there; a hundred days are within it.
    ("get_spo2_summary_by_interval",        "/1/user/-/spo2/date/{start}/{end}.json",            "oxygen_saturation", Some(100)),
    ("get_battery_level",                   "/1/user/-/devices.json",                            "settings",          None),
    ("get_intraday_hrv_by_interval",        "/1/user/-/hrv/date/{start}/{end}/all.json",         "heartrate",         Some(30)),
    ("get_spo2_by_interval",                "/1/user/-/spo2/date/{start}/{end}/all.json",        "oxygen_saturation", Some(30)),
    // python-fitbit.
    ("get_bodyweight",         "/1/user/-/body/log/weight/date/{start}/{end}.json", "weight",    Some(31)),
    ("get_bodyfat",            "/1/user/-/body/log/fat/date/{start}/{end}.json",    "weight",    Some(30)),
    ("get_sleep",              "/1.2/user/-/sleep/date/{before}/{end}.json",        "sleep",     Some(99)),
    ("activities",             "/1/user/-/activities/date/{start}.json",            "activity",  Some(1)),
    ("activity_stats",         "/1/user/-/activities.json",                         "activity",  None),
    ("get_devices",            "/1/user/-/devices.json",                            "settings",  None),
    ("user_profile_get",       "/1/user/-/profile.json",                            "profile",   None),
    ("foods_log",              "/1/user/-/foods/log/date/{start}.json",             "nutrition", Some(1)),
    ("foods_log_water",        "/1/user/-/foods/log/water/date/{start}.json",       "nutrition", Some(1)),
    ("get_badges",             "/1/user/-/badges.json",                             "profile",   None),
    ("activities_daily_goal",  "/1/user/-/activities/goals/daily.json",             "activity",  None),
    ("activities_weekly_goal", "/1/user/-/activities/goals/weekly.json",            "activity",  None),
    ("body_weight_goal",       "/1/user/-/body/log/weight/goal.json",               "weight",    None),
    ("body_fat_goal",          "/1/user/-/body/log/fat/goal.json",                  "weight",    None),
    ("food_goal",              "/1/user/-/foods/log/goal.json",                     "nutrition", None),
    ("water_goal",             "/1/user/-/foods/log/water/goal.json",               "nutrition", None),
    ("sleep_goal",             "/1.2/user/-/sleep/goal.json",                       "sleep",     None),
];

#[test]
fn names_known_from_elsewhere_lead_to_the_documented_path_scope_and_limit() {
    for (method, path, scope, limit) in SAID_ELSEWHERE {
        let with = |start: &str, end: &str| {
            path.replace("{start}", start).replace("{before}", "2026-10-31").replace("{end}", end)
        };
        let ranges = FITBIT.methods.iter().find(|row| row.name == *method).expect(method).keywords;
        let plan = match limit {
            Some(1) => planned(&[("methods", method), ("date", "2026-11-01")]),
            Some(_) => planned(&[("methods", method), ("base_date", "2026-11-01"), ("end_date", "2026-11-10")]),
            None => planned(&[("methods", method)]),
        };
        let expected = if *limit == Some(1) { with("2026-11-01", "") } else { with("2026-11-01", "2026-11-10") };
        assert_eq!(paths(&plan), [expected], "{method}");
        assert_eq!(plan.asks[0].endpoint.scope, *scope, "{method}");
        let longest = match plan.asks[0].endpoint.span {
            Span::Range(days) | Span::Intraday(days) => Some(days),
            Span::Day => Some(1),
            _ => None,
        };
        assert_eq!(longest, *limit, "{method}");
        assert_eq!(ranges.contains(&"end_date"), limit.is_some_and(|days| days > 1), "{method}");
    }
    let within = ["intraday_time_series", "get_intraday_activity_by_date", "get_intraday_heart_rate_by_date"];
    let other = [&["time_series", "activities_list"][..], &within].concat();
    for method in FITBIT.methods.iter().map(|method| method.name).filter(|name| !other.contains(name)) {
        assert!(SAID_ELSEWHERE.iter().any(|(name, ..)| *name == method), "{method} is not in this table");
    }
}

/// The paths of `time_series` with python-fitbit's `resource`, with the scope and the days of one request.
#[rustfmt::skip]
static SERIES: &[(&str, &str, i64)] = &[
    ("activities/steps",                "activity",  1095),
    ("activities/distance",             "activity",  1095),
    ("activities/floors",               "activity",  1095),
    ("activities/elevation",            "activity",  1095),
    ("activities/calories",             "activity",  1095),
    ("activities/caloriesBMR",          "activity",  1095),
    ("activities/activityCalories",     "activity",  30),
    ("activities/minutesSedentary",     "activity",  1095),
    ("activities/minutesLightlyActive", "activity",  1095),
    ("activities/minutesFairlyActive",  "activity",  1095),
    ("activities/minutesVeryActive",    "activity",  1095),
    ("activities/active-zone-minutes",  "activity",  1095),
    ("activities/heart",                "heartrate", 365),
    ("body/weight",                     "weight",    30),
    ("body/fat",                        "weight",    30),
    ("body/bmi",                        "weight",    30),
    ("foods/log/caloriesIn",            "nutrition", 1095),
    ("foods/log/water",                 "nutrition", 1095),
];

#[test]
fn time_series_asks_the_resource_it_names() {
    for (resource, scope, days) in SERIES {
        let plan = planned(&[
            ("methods", "time_series"),
            ("resource", resource),
            ("base_date", "2022-01-01"),
            ("end_date", TODAY),
        ]);
        let newest = day(TODAY) - TimeDelta::days(days - 1);
        assert_eq!(plan.asks[0].path, format!("/1/user/-/{resource}/date/{newest}/{TODAY}.json"));
        assert_eq!(plan.asks[0].endpoint.scope, *scope, "{resource}");
        assert!(plan.series);
        let slash = format!("/{resource}");
        let period = planned(&[("methods", "time_series"), ("resource", &slash), ("period", "7d")]);
        assert_eq!(paths(&period), [format!("/1/user/-/{resource}/date/2026-11-14/{TODAY}.json")]);
    }
    let missing = refusal(&[("methods", "time_series")]);
    assert!(missing.contains("resource is missing") && missing.contains("activities/steps"), "{missing}");
    let unknown = refusal(&[("methods", "time_series"), ("resource", "activities/../../x")]);
    assert!(unknown.contains("is unknown") && unknown.contains("body/weight"), "{unknown}");
    let daily = refusal(&[("methods", "time_series"), ("resource", "activities/date")]);
    assert!(daily.contains("is unknown"), "{daily}");
}

#[test]
fn a_keyword_reaches_only_the_methods_that_take_it() {
    let plan = planned(&[("methods", "get_bodyweight,foods_log,get_badges"), ("period", "30d")]);
    assert_eq!(
        paths(&plan),
        [
            "/1/user/-/body/log/weight/date/2026-10-22/2026-11-20.json",
            "/1/user/-/foods/log/date/2026-11-20.json",
            "/1/user/-/badges.json",
        ]
    );
    // `date` reaches both, `resource` only the time series, `after_date` only the list.
    let plan = planned(&[
        ("methods", "get_bodyweight,foods_log,time_series,activities_list"),
        ("date", "2026-11-01"),
        ("resource", "activities/steps"),
        ("after_date", "2026-11-10"),
        ("limit", "20"),
    ]);
    assert_eq!(
        paths(&plan),
        [
            "/1/user/-/body/log/weight/date/2026-11-01/2026-11-01.json",
            "/1/user/-/foods/log/date/2026-11-01.json",
            "/1/user/-/activities/steps/date/2026-11-19/2026-11-20.json",
            "/1/user/-/activities/list.json?afterDate=2026-11-10&sort=asc&offset=0&limit=20",
        ]
    );
}

#[test]
fn a_method_whose_answer_is_shown_whole_asks_one_day() {
    assert_eq!(paths(&planned(&[("methods", "activities")])), ["/1/user/-/activities/date/2026-11-20.json"]);
    // The group looks at yesterday, too: totals are corrected after midnight.
    assert_eq!(planned(&[("methods", "activity")]).asks.len(), 2);
}

#[test]
fn two_methods_that_need_the_same_answer_share_the_request() {
    let plan = planned(&[("methods", "get_bodyweight,get_body_data_by_interval,body,get_devices,get_battery_level")]);
    assert_eq!(names(&plan), ["body/log/weight", "profile", "body/log/fat", "devices"]);
    assert_eq!(plan.asks[0].methods, ["get_bodyweight", "get_body_data_by_interval", "body"]);
    assert_eq!(plan.asks[3].methods, ["get_devices", "get_battery_level"]);
    assert_eq!(plan.methods.len(), 5);
    let twice = planned(&[("methods", "get_sleep,get_sleep")]);
    assert_eq!((twice.asks.len(), twice.methods.len()), (1, 1));
    assert_eq!(twice.asks[0].methods, ["get_sleep"]);
}

#[test]
fn a_scope_that_was_not_granted_is_named_and_the_rest_is_asked() {
    let scopes = ["weight", "settings"].map(str::to_owned).to_vec();
    let some = Known { scopes: Some(scopes), ..known() };
    let plan = plan(&FITBIT, &wanted(&[("methods", "get_bodyweight,get_sleep,get_devices")]), &some).unwrap();
    assert_eq!(names(&plan), ["body/log/weight", "devices"]);
    assert_eq!(plan.refused, [("get_sleep".to_owned(), "scope sleep was not granted".to_owned())]);
    assert_eq!(plan.methods.len(), 3);

    let all = fitbit2mqtt::plan::plan(&FITBIT, &Wanted::default(), &Known { once_a_day: true, ..some }).unwrap();
    assert_eq!(names(&all), ["devices", "body/log/weight", "body/log/fat"]);
    let refused: Vec<_> = all.refused.iter().map(|(method, _)| method.as_str()).collect();
    assert_eq!(
        refused,
        [
            "body",
            "activity",
            "zones",
            "heart",
            "hrv",
            "breathing",
            "oxygen",
            "temperature",
            "fitness",
            "sleep",
            "nutrition",
            "workouts",
            "rhythm",
            "rhythm"
        ]
    );
    assert!(all.refused.contains(&("body".to_owned(), "scope profile was not granted".to_owned())));
}

#[test]
fn what_cannot_be_planned_is_refused_with_what_is_allowed() {
    let cases: &[(Query, &[&str])] = &[
        (&[("methods", "get_everything")], &["get_everything", "get_bodyweight", "sleep", "time_series"]),
        (&[("methods", "get_sleep,log_weight")], &["log_weight", "not a method that reads"]),
        (&[("methods", "Get_Sleep")], &["Get_Sleep"]),
        (&[("methods", "")], &["allowed"]),
        (&[("colour", "red")], &["colour", "period", "base_date", "user_id"]),
        (&[("period", "2w")], &["period", "2w", "1d", "30d", "1y"]),
        (&[("period", "max")], &["period", "max", "1y"]),
        (&[("user_id", "ABC123")], &["user_id", "ABC123", "-"]),
        (&[("base_date", "yesterday")], &["base_date", "yesterday", "2026-11-19", "today"]),
        (&[("date", "2026-02-30")], &["date", "2026-02-30"]),
        (&[("date", "20261119")], &["date", "20261119"]),
        (&[("date", "+99999-1-1")], &["date"]),
        (&[("date", "")], &["date"]),
        (&[("end_date", "2026-11-19/../..")], &["end_date"]),
        (&[("after_date", "soon")], &["after_date", "soon"]),
        (&[("base_date", "2026-11-10"), ("end_date", "2026-11-01")], &["reversed", "2026-11-10", "2026-11-01"]),
        (&[("base_date", "2026-11-10"), ("end_date", "2026-11-21")], &["2026-11-21", "2026-11-20"]),
        (&[("date", "2026-11-21")], &["2026-11-21", "2026-11-20"]),
        (&[("base_date", "1990-01-01"), ("end_date", "2026-11-01")], &["twenty years"]),
        (&[("period", "7d"), ("end_date", "2026-11-01")], &["period", "end_date", "one of them"]),
        (&[("date", "2026-11-01"), ("base_date", "2026-11-02")], &["date", "base_date", "one of them"]),
        (&[("date", "2026-11-01"), ("base_date", "2026-11-02"), ("period", "7d")], &["base_date", "one of them"]),
        (&[("date", "2026-11-01"), ("base_date", "2026-10-02"), ("end_date", TODAY)], &["base_date", "one of them"]),
        (&[("sort", "random")], &["sort", "asc", "desc"]),
        (&[("limit", "0")], &["limit", "100"]),
        (&[("limit", "101")], &["limit", "100"]),
        (&[("limit", "+20")], &["limit"]),
        (&[("offset", "-1")], &["offset"]),
        (
            &[("methods", "activities_list"), ("after_date", "2026-11-01"), ("before_date", "2026-11-10")],
            &["after_date", "before_date", "one of them"],
        ),
        (&[("methods", "activities_list"), ("after_date", "2026-11-01"), ("sort", "desc")], &["sort", "asc"]),
    ];
    for (query, words) in cases {
        let refusal = refusal(query);
        for word in *words {
            assert!(refusal.contains(word), "{query:?}: {refusal:?} does not say {word:?}");
        }
    }
}

#[test]
fn the_persons_own_identifier_and_today_are_allowed() {
    for user in ["-", "26FWFL"] {
        assert_eq!(paths(&planned(&[("methods", "get_badges"), ("user_id", user)])), ["/1/user/-/badges.json"]);
    }
    let stranger = Known { user_id: None, ..known() };
    assert!(plan(&FITBIT, &wanted(&[("user_id", "26FWFL")]), &stranger).is_err());
    let weights = |query: Query| {
        let plan = planned(&[&[("methods", "get_bodyweight")], query].concat());
        assert_eq!(plan.asks.len(), 1);
        (plan.asks[0].start.to_string(), plan.asks[0].end.to_string())
    };
    let days = |start: &str, end: &str| (start.to_owned(), end.to_owned());
    assert_eq!(weights(&[("date", "today")]), days(TODAY, TODAY));
    assert_eq!(weights(&[("period", "1d")]), days(TODAY, TODAY));
    assert_eq!(weights(&[("period", "1w")]), days("2026-11-14", TODAY));
    assert_eq!(weights(&[("period", "1m")]), days("2026-10-21", TODAY));
    assert_eq!(weights(&[("period", "7d"), ("base_date", "2026-03-03")]), days("2026-02-25", "2026-03-03"));
    assert_eq!(weights(&[("period", "7d"), ("date", "2026-03-03")]), days("2026-02-25", "2026-03-03"));
    assert_eq!(weights(&[("date", "2026-11-01"), ("end_date", "2026-11-03")]), days("2026-11-01", "2026-11-03"));
    assert_eq!(weights(&[("base_date", "2026-11-01"), ("end_date", "today")]), days("2026-11-01", TODAY));
}

#[test]
fn lists_are_asked_in_the_direction_the_service_takes() {
    let list = |query: Query| {
        let plan = planned(&[&[("methods", "activities_list")], query].concat());
        assert_eq!(plan.asks.len(), 1);
        assert!(plan.series);
        plan.asks[0].path.clone()
    };
    assert_eq!(list(&[]), "/1/user/-/activities/list.json?afterDate=2026-10-21&sort=asc&offset=0&limit=100");
    assert_eq!(
        list(&[("before_date", "2026-11-01"), ("limit", "10"), ("sort", "desc")]),
        "/1/user/-/activities/list.json?beforeDate=2026-11-01&sort=desc&offset=0&limit=10"
    );
}

#[test]
fn a_year_of_everything_by_day_fits_into_one_window_newest_first_and_ends() {
    let (first, last) = (day(TODAY) - TimeDelta::days(365), day(TODAY) - TimeDelta::days(1));
    let mut known = known();
    let asks = past(&FITBIT, (first, last), &[], &known);
    println!("a year of everything by day: {} requests", asks.len());
    assert!(asks.len() <= 130, "{} requests", asks.len());
    let stretch = |ask: &Ask| (last - ask.end).num_days() / 30;
    assert!(asks.is_sorted_by_key(|ask| (stretch(ask), ask.endpoint.name != "sleep")), "newest first, of it sleep");
    assert!(
        asks.iter()
            .all(|ask| ask.start >= first && ask.end <= last && ask.covers(&known, false) == [(ask.start, ask.end)])
    );
    // Crashed after any number of answers, it goes on with the others; with the last, it is through.
    for done in [1, asks.len() / 2, asks.len() - 1, asks.len()] {
        let rows = asks[..done].iter().flat_map(|ask| {
            let days = ask.start.iter_days().take_while(|day| *day <= ask.end);
            days.map(|day| (ask.endpoint.name.to_owned(), day, known.now))
        });
        known.coverage = Coverage::new(rows.collect::<Vec<_>>(), known.zone);
        let left: Vec<String> = past(&FITBIT, (first, last), &[], &known).into_iter().map(|ask| ask.path).collect();
        assert_eq!(left, asks[done..].iter().map(|ask| ask.path.clone()).collect::<Vec<_>>(), "after {done}");
    }
    // What was settled a week ago, and was asked about before that, is a correction.
    let yesterday = |day: NaiveDate| (day + TimeDelta::days(1)).and_hms_opt(20, 0, 0).expect("a time").and_utc();
    let rows = first.iter_days().take_while(|day| *day <= last).map(|day| ("hrv".to_owned(), day, yesterday(day)));
    known.coverage = Coverage::new(rows.collect::<Vec<_>>(), known.zone);
    let corrections = past(&FITBIT, (last - TimeDelta::days(9), last), &["hrv".to_owned()], &known);
    let days: Vec<_> = corrections.iter().map(|ask| (ask.start, ask.end)).collect();
    assert_eq!(days, [(last - TimeDelta::days(9), day(TODAY) - TimeDelta::days(7))]);
}

/// The limits of the documentation, at and around them.
#[test]
fn ranges_are_cut_at_the_documented_limits() {
    let lengths = |method: &str, days: i64| -> Vec<i64> {
        let start = (day(TODAY) - TimeDelta::days(days - 1)).to_string();
        let resource = ("resource", method);
        let query = match method.contains('/') {
            true => vec![("methods", "time_series"), resource],
            false => vec![("methods", method)],
        };
        let plan = planned(&[query, vec![("base_date", &start), ("end_date", TODAY)]].concat());
        plan.asks.iter().map(|ask| (ask.end - ask.start).num_days() + 1).collect()
    };
    assert_eq!(lengths("get_bodyweight", 31), [31]);
    assert_eq!(lengths("get_bodyweight", 32), [31, 1]);
    assert_eq!(lengths("get_bodyfat", 30), [30]);
    assert_eq!(lengths("get_bodyfat", 31), [30, 1]);
    assert_eq!(lengths("hrv", 65), [30, 30, 5]);
    assert_eq!(lengths("get_sleep", 99), [99]);
    assert_eq!(lengths("get_sleep", 199), [99, 99, 1]);
    assert_eq!(lengths("heart", 366), [365, 1]);
    assert_eq!(lengths("activities/steps", 1095), [1095]);
    assert_eq!(lengths("activities/steps", 1096), [1095, 1]);
    assert_eq!(lengths("foods_log", 1), [1]);
}

fn ranges() -> Vec<&'static Endpoint> {
    FITBIT.endpoints.iter().filter(|endpoint| matches!(endpoint.span, Span::Range(_))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_requests_of_a_range_have_every_day_once(endpoint in select(ranges()), back in 0..3_000_i64, days in 1..4_000_i64) {
        let end = day(TODAY) - TimeDelta::days(back);
        let start = end - TimeDelta::days(days - 1);
        let plan = planned(&[
            ("methods", "time_series"),
            ("resource", endpoint.name),
            ("base_date", &start.to_string()),
            ("end_date", &end.to_string()),
        ]);
        let mut asks: Vec<&Ask> = plan.asks.iter().collect();
        asks.sort_by_key(|ask| ask.start);
        prop_assert_eq!((asks[0].start, asks[asks.len() - 1].end), (start, end));
        for pair in asks.windows(2) {
            prop_assert_eq!(pair[0].end + TimeDelta::days(1), pair[1].start, "a gap or an overlap");
        }
        let Span::Range(longest) = endpoint.span else { unreachable!("only ranges are selected") };
        for ask in &asks {
            prop_assert!(ask.start <= ask.end && (ask.end - ask.start).num_days() < i64::from(longest), "{}", ask.path);
            let evening = i64::from(ask.endpoint.path.contains("{before}"));
            let first = ask.start - TimeDelta::days(evening);
            prop_assert!(ask.path.contains(&format!("{first}/{}", ask.end)), "{}", ask.path);
        }
        let fewest = (days + i64::from(longest) - 1) / i64::from(longest);
        prop_assert_eq!(asks.len() as i64, fewest, "more requests than needed");
    }

    #[test]
    fn any_keyword_and_value_is_planned_or_refused_in_words(
        name in select(fitbit2mqtt::plan::KEYWORDS),
        value in prop_oneof![".{0,20}", "[0-9+-]{8,11}", "[0-9]{4}-[0-9]{2}-[0-9]{2}"],
        method in select(FITBIT.methods.iter().map(|method| method.name).collect::<Vec<_>>()),
    ) {
        match plan(&FITBIT, &wanted(&[("methods", method), (name, &value)]), &known()) {
            Ok(plan) => for ask in plan.asks {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._?&=".contains(&b);
                prop_assert!(ask.path.bytes().all(plain), "{:?} reached the path {}", value, ask.path);
                prop_assert!(!ask.path.contains(".."), "{}", ask.path);
            },
            Err(refusal) => prop_assert!(refusal.to_string().contains(' '), "{refusal}"),
        }
    }
}
