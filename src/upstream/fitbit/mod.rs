//! The Fitbit Web API and servers compatible with it: scopes, methods and limits.
//! The service itself was switched off in autumn 2026; its facts are those of the public documentation before that.

mod devices;
pub mod endpoints;
mod intraday;
mod sleep;
mod workouts;

use super::endpoint::Method;
use super::{ConsentForm, Dialect, Limits, Upstream};

/// The Fitbit Web API: 150 requests an hour for each person and application.
pub static FITBIT: Upstream = Upstream {
    provider: "fitbit",
    title: "Fitbit Web API",
    note: Some("Fitbit's own servers were switched off in autumn 2026; this is for servers compatible with them."),
    scopes: SCOPES,
    endpoints: endpoints::ENDPOINTS,
    methods: METHODS,
    resources: &[],
    lacks: &[],
    limits: Limits { requests: 150, window_seconds: 3600, spacing_milliseconds: 0 },
    consent: Some(ConsentForm { extra: &[], secret_in_body: false, public_redirects: false }),
    dialect: Dialect::Plain,
    identity: None,
};

/// The scopes that carry a metric; `location` and `social` carry none and are not asked for.
static SCOPES: &[(&str, &str)] = &[
    ("activity", "steps, distance, floors, calories, active minutes, workouts"),
    ("cardio_fitness", "cardio fitness (VO2 max)"),
    ("electrocardiogram", "ECG results"),
    ("heartrate", "heart rate, heart-rate zones, heart rate variability"),
    ("irregular_rhythm_notifications", "irregular rhythm alerts"),
    ("nutrition", "food and water"),
    ("oxygen_saturation", "blood oxygen"),
    ("profile", "time zone, height, display name, badges"),
    ("respiratory_rate", "breathing rate"),
    ("settings", "trackers and scales: battery, last sync"),
    ("sleep", "sleep"),
    ("temperature", "skin and core temperature"),
    ("weight", "weight, body mass index, body fat"),
];

const LOG: &[&str] = &["base_date", "period", "end_date", "date", "user_id"];
const DATE: &[&str] = &["date", "user_id"];
const LIST: &[&str] = &["after_date", "before_date", "sort", "limit", "offset", "user_id"];
const NONE: &[&str] = &["user_id"];
const DETAIL: &[&str] =
    &["date", "base_date", "end_date", "period", "detail_level", "start_time", "end_time", "user_id"];
const DETAIL_OF: &[&str] = &["resource", "base_date", "detail_level", "start_time", "end_time", "user_id"];

const fn metrics(name: &'static str, endpoints: &'static [&'static str], keywords: &'static [&'static str]) -> Method {
    Method { name, endpoints, keywords, data: false, series: false }
}

const fn data(name: &'static str, endpoints: &'static [&'static str], keywords: &'static [&'static str]) -> Method {
    Method { name, endpoints, keywords, data: true, series: false }
}

const fn series(name: &'static str, endpoints: &'static [&'static str], keywords: &'static [&'static str]) -> Method {
    Method { name, endpoints, keywords, data: false, series: true }
}

/// What sync-fitbit-pro-connect calls activity within a day.
const ACTIVITY: &[&str] =
    &["activities/calories/intraday", "activities/distance/intraday", "activities/steps/intraday"];

/// The read-only names of python-fitbit (first part) and of sync-fitbit-pro-connect (second part).
#[rustfmt::skip]
static METHODS: &[Method] = &[
    metrics("get_bodyweight",       &["body/log/weight"],                    LOG),
    metrics("get_bodyfat",          &["body/log/fat"],                       LOG),
    Method { name: "time_series", endpoints: &[], keywords: &["resource", "base_date", "period", "end_date", "user_id"], data: false, series: true },
    metrics("get_sleep",            &["sleep"],                              LOG),
    data("activities",              &["activities/date"],                    DATE),
    data("activity_stats",          &["activities"],                         NONE),
    Method { name: "activities_list", endpoints: &["activities/list"], keywords: LIST, data: false, series: true },
    metrics("get_devices",          &["devices"],                            NONE),
    data("user_profile_get",        &["profile"],                            NONE),
    data("foods_log",               &["foods/log/date"],                     DATE),
    data("foods_log_water",         &["foods/log/water/date"],               DATE),
    data("get_badges",              &["badges"],                             NONE),
    data("activities_daily_goal",   &["activities/goals/daily"],             NONE),
    data("activities_weekly_goal",  &["activities/goals/weekly"],            NONE),
    data("body_weight_goal",        &["body/log/weight/goal"],               NONE),
    data("body_fat_goal",           &["body/log/fat/goal"],                  NONE),
    data("food_goal",               &["foods/log/goal"],                     NONE),
    data("water_goal",              &["foods/log/water/goal"],               NONE),
    data("sleep_goal",              &["sleep/goal"],                         NONE),

    metrics("get_body_data_by_interval",           &["body/log/weight"],     LOG),
    metrics("get_breathing_rate_by_interval",      &["br/all"],              LOG),
    metrics("get_vo2max_cardio_score_by_interval", &["cardioscore"],         LOG),
    metrics("get_sleep_log_by_interval",           &["sleep"],               LOG),
    metrics("get_temperature_skin_by_interval",    &["temp/skin"],           LOG),
    metrics("get_spo2_summary_by_interval",        &["spo2"],                LOG),
    metrics("get_battery_level",                   &["devices"],             NONE),
    Method { name: "intraday_time_series", endpoints: &[], keywords: DETAIL_OF, data: false, series: true },
    series("get_intraday_activity_by_date",        ACTIVITY,                 DETAIL),
    series("get_intraday_heart_rate_by_date",      &["activities/heart/intraday"], DETAIL),
    series("get_intraday_hrv_by_interval",         &["hrv/all"],             LOG),
    series("get_spo2_by_interval",                 &["spo2/all"],            LOG),
];
