//! The Google Health API v4: scopes, methods and limits. What it lacks, it lacks with a reason.

mod account;
pub mod endpoints;
mod exercise;
mod points;
mod sleep;

use super::endpoint::Method;
use super::{ConsentForm, Dialect, Limits, Upstream};

/// The Google Health API: 300 requests a minute for each person, 2.5 a second while the application is unverified. Two a
/// second are asked, for requests do not arrive as evenly as they are sent.
pub static GOOGLE_HEALTH: Upstream = Upstream {
    provider: "google-health",
    title: "Google Health",
    note: Some(
        "Google Health has no sleep score, sleep efficiency, basal calories, badges, goals or lifetime statistics, and other \
         heart-rate zones than Fitbit had; these are not published.",
    ),
    scopes: SCOPES,
    endpoints: endpoints::ENDPOINTS,
    methods: METHODS,
    resources: RESOURCES,
    lacks: LACKS,
    limits: Limits { requests: 300, window_seconds: 60, spacing_milliseconds: 500 },
    // Without these two there is no refresh token, or none at a second consent.
    consent: Some(ConsentForm {
        extra: &[("access_type", "offline"), ("prompt", "consent")],
        secret_in_body: true,
        public_redirects: true,
    }),
    dialect: Dialect::Plain,
    identity: Some("/v4/users/me/identity"),
};

/// The scopes that carry a metric, and the time zone; each is asked read-only.
static SCOPES: &[(&str, &str)] = &[
    (scope::ACTIVITY, "steps, distance, floors, calories, active minutes, workouts, cardio fitness"),
    (scope::HEALTH, "weight, body fat, heart rate, heart rate variability, breathing, blood oxygen, temperature"),
    (scope::SLEEP, "sleep"),
    (scope::NUTRITION, "food and water"),
    (scope::SETTINGS, "time zone; trackers and scales: battery, last sync"),
    (scope::ECG, "ECG results"),
    (scope::IRN, "irregular rhythm alerts"),
];

/// The scopes' full names.
mod scope {
    pub const ACTIVITY: &str = "https://www.googleapis.com/auth/googlehealth.activity_and_fitness.readonly";
    pub const HEALTH: &str = "https://www.googleapis.com/auth/googlehealth.health_metrics_and_measurements.readonly";
    pub const SLEEP: &str = "https://www.googleapis.com/auth/googlehealth.sleep.readonly";
    pub const NUTRITION: &str = "https://www.googleapis.com/auth/googlehealth.nutrition.readonly";
    pub const SETTINGS: &str = "https://www.googleapis.com/auth/googlehealth.settings.readonly";
    pub const ECG: &str = "https://www.googleapis.com/auth/googlehealth.ecg.readonly";
    pub const IRN: &str = "https://www.googleapis.com/auth/googlehealth.irn.readonly";
}

const LOG: &[&str] = &["base_date", "period", "end_date", "date", "user_id"];
const LIST: &[&str] = &["after_date", "before_date", "user_id"];
const NONE: &[&str] = &["user_id"];
const DETAIL: &[&str] =
    &["date", "base_date", "end_date", "period", "detail_level", "start_time", "end_time", "user_id"];
const DETAIL_OF: &[&str] = &["resource", "base_date", "detail_level", "start_time", "end_time", "user_id"];

const fn metrics(name: &'static str, endpoints: &'static [&'static str], keywords: &'static [&'static str]) -> Method {
    Method { name, endpoints, keywords, data: false, series: false }
}

const fn series(name: &'static str, endpoints: &'static [&'static str], keywords: &'static [&'static str]) -> Method {
    Method { name, endpoints, keywords, data: false, series: true }
}

/// The names of the Fitbit Web API's methods, so that rules go on working when a person moves here.
#[rustfmt::skip]
static METHODS: &[Method] = &[
    metrics("get_bodyweight",       &["weight"],                             LOG),
    metrics("get_bodyfat",          &["body-fat"],                           LOG),
    Method { name: "time_series", endpoints: &[], keywords: &["resource", "base_date", "period", "end_date", "user_id"], data: false, series: true },
    metrics("get_sleep",            &["sleep"],                              LOG),
    metrics("activities",           ACTIVITY,                                &["date", "user_id"]),
    Method { name: "activities_list", endpoints: &["exercise"], keywords: LIST, data: false, series: true },
    metrics("get_devices",          &["pairedDevices"],                      NONE),
    Method { name: "user_profile_get", endpoints: &["settings"], keywords: NONE, data: true, series: false },
    metrics("foods_log",            &["nutrition-log"],                      &["date", "user_id"]),
    metrics("foods_log_water",      &["hydration-log"],                      &["date", "user_id"]),

    metrics("get_body_data_by_interval",           &["weight"],                                LOG),
    metrics("get_breathing_rate_by_interval",      &["respiratory-rate-sleep-summary", "daily-respiratory-rate"], LOG),
    metrics("get_vo2max_cardio_score_by_interval", &["daily-vo2-max"],                         LOG),
    metrics("get_sleep_log_by_interval",           &["sleep"],                                 LOG),
    metrics("get_temperature_skin_by_interval",    &["daily-sleep-temperature-derivations"],   LOG),
    metrics("get_spo2_summary_by_interval",        &["daily-oxygen-saturation"],               LOG),
    metrics("get_battery_level",                   &["pairedDevices"],                         NONE),
    Method { name: "intraday_time_series", endpoints: &[], keywords: DETAIL_OF, data: false, series: true },
    series("get_intraday_activity_by_date",        &["total-calories/intraday", "distance/intraday", "steps/intraday"], DETAIL),
    series("get_intraday_heart_rate_by_date",      &["heart-rate/intraday"],                   DETAIL),
    series("get_intraday_hrv_by_interval",         &["heart-rate-variability"],                LOG),
    series("get_spo2_by_interval",                 &["oxygen-saturation"],                     LOG),
];

const ACTIVITY: &[&str] = &[
    "steps",
    "distance",
    "floors",
    "altitude",
    "total-calories",
    "active-energy-burned",
    "sedentary-period",
    "active-minutes",
];

/// The time series of python-fitbit, by the data type that holds them here.
static RESOURCES: &[(&str, &str)] = &[
    ("activities/steps", "steps"),
    ("activities/distance", "distance"),
    ("activities/floors", "floors"),
    ("activities/elevation", "altitude"),
    ("activities/calories", "total-calories"),
    ("activities/activityCalories", "active-energy-burned"),
    ("activities/minutesSedentary", "sedentary-period"),
    ("activities/minutesLightlyActive", "active-minutes"),
    ("activities/minutesFairlyActive", "active-minutes"),
    ("activities/minutesVeryActive", "active-minutes"),
    ("activities/active-zone-minutes", "active-zone-minutes"),
    ("activities/heart", "daily-resting-heart-rate"),
    ("body/weight", "weight"),
    ("body/fat", "body-fat"),
    ("body/bmi", "weight"),
    ("foods/log/caloriesIn", "nutrition-log"),
    ("foods/log/water", "hydration-log"),
    ("activities/heart/intraday", "heart-rate/intraday"),
    ("activities/steps/intraday", "steps/intraday"),
    ("activities/distance/intraday", "distance/intraday"),
    ("activities/floors/intraday", "floors/intraday"),
    ("activities/elevation/intraday", "altitude/intraday"),
    ("activities/calories/intraday", "total-calories/intraday"),
    ("activities/active-zone-minutes/intraday", "active-zone-minutes/intraday"),
];

/// What the Fitbit Web API had and this one does not: methods, and what to say to whoever asks for them.
static LACKS: &[(&str, &str)] = &[
    ("activity_stats", "Google Health has no lifetime statistics"),
    ("get_badges", "Google Health has no badges"),
    ("activities_daily_goal", "Google Health has no goals"),
    ("activities_weekly_goal", "Google Health has no goals"),
    ("body_weight_goal", "Google Health has no goals"),
    ("body_fat_goal", "Google Health has no goals"),
    ("food_goal", "Google Health has no goals"),
    ("water_goal", "Google Health has no goals"),
    ("sleep_goal", "Google Health has no goals"),
];
