//! The table of the Fitbit Web API: every path that reads at daily resolution, its scope and limits, and where each
//! metric stands in its answer. Sources: the Web API reference (paths, scopes, ranges), recordings published by
//! Fitbit.NET, fitbit-web-api and fitbit-grafana (shapes).

use serde_json::Value as Json;

use super::{devices, intraday, sleep, workouts};
use crate::metric::Group;
use crate::reading::Resolution;
use crate::upstream::Failure;
use crate::upstream::endpoint::{At, Context, Decode, Decoded, Endpoint, Field, Read, Span, number, row};
use crate::upstream::night;

/// Every endpoint.
#[rustfmt::skip]
pub static ENDPOINTS: &[Endpoint] = &[
    // Devices first: what follows depends on when they last synced.
    row("devices", "/1/user/-/devices.json", "settings", Span::Once, 1, Some(Group::Devices),
        Decode::Own { gives: &["tracker-battery", "tracker-last-sync"], decode: devices::devices }).account(),

    // The profile carries the time zone in which everything else is read.
    row("profile", "/1/user/-/profile.json", "profile", Span::OnceADay, 1, Some(Group::Body),
        Decode::Own { gives: &["height"], decode: devices::profile }).account(),

    // Body. The logs hold what was measured and when; the series fill gaps with older values, so they are asked by name only.
    row("body/log/weight", "/1/user/-/body/log/weight/date/{start}/{end}.json", "weight", Span::Range(31), 30, Some(Group::Body),
        Decode::Entries { list: "/weight", at: At::DateAndTime("/date", "/time"), source: Some("/source"), fields: &[
            number("body-weight", "/weight"), number("bmi", "/bmi"), number("body-fat", "/fat")] }).elsewhere(30),
    row("body/log/fat", "/1/user/-/body/log/fat/date/{start}/{end}.json", "weight", Span::Range(30), 30, Some(Group::Body),
        Decode::Entries { list: "/fat", at: At::DateAndTime("/date", "/time"), source: Some("/source"), fields: &[number("body-fat", "/fat")] }).elsewhere(30),
    row("body/weight", "/1/user/-/body/weight/date/{start}/{end}.json", "weight", Span::Range(30), 30, None, carried("/body-weight", &[number("body-weight", "/value")])).elsewhere(30),
    row("body/fat",    "/1/user/-/body/fat/date/{start}/{end}.json",    "weight", Span::Range(30), 30, None, carried("/body-fat",    &[number("body-fat", "/value")])).elsewhere(30),
    row("body/bmi",    "/1/user/-/body/bmi/date/{start}/{end}.json",    "weight", Span::Range(30), 30, None, carried("/body-bmi",    &[number("bmi", "/value")])).elsewhere(30),

    // Activity. The daily summary gives everything about one day in one request; the series give one thing for up to
    // 1095 days. They are alternatives: the plan takes the cheaper.
    // It alone also says what the person's goals are.
    row("activities/date", "/1/user/-/activities/date/{date}.json", "activity", Span::Day, 2, Some(Group::Activity),
        Decode::Entries { list: "/summary", at: At::DayAsked, source: None, fields: &[
            with_goal("steps", "/steps", &[("goal", "//goals/steps")]),
            with_goal("distance", "/distances[activity=total]/distance", &[("goal", "//goals/distance")]),
            with_goal("floors", "/floors", &[("goal", "//goals/floors")]),
            number("elevation", "/elevation"),
            with_goal("calories", "/caloriesOut", &[("goal", "//goals/caloriesOut")]),
            number("activity-calories", "/activityCalories"),
            number("basal-calories", "/caloriesBMR"),
            number("sedentary-minutes", "/sedentaryMinutes"),
            number("lightly-active-minutes", "/lightlyActiveMinutes"),
            number("fairly-active-minutes", "/fairlyActiveMinutes"),
            number("very-active-minutes", "/veryActiveMinutes"),
        ] }),
    activity("activities/steps",                "/1/user/-/activities/steps/date/{start}/{end}.json",                1095, series("/activities-steps",                &[number("steps", "/value")])),
    activity("activities/distance",             "/1/user/-/activities/distance/date/{start}/{end}.json",             1095, series("/activities-distance",             &[number("distance", "/value")])),
    activity("activities/floors",               "/1/user/-/activities/floors/date/{start}/{end}.json",               1095, series("/activities-floors",               &[number("floors", "/value")])),
    activity("activities/elevation",            "/1/user/-/activities/elevation/date/{start}/{end}.json",            1095, series("/activities-elevation",            &[number("elevation", "/value")])),
    activity("activities/calories",             "/1/user/-/activities/calories/date/{start}/{end}.json",             1095, series("/activities-calories",             &[number("calories", "/value")])),
    activity("activities/activityCalories",     "/1/user/-/activities/activityCalories/date/{start}/{end}.json",       30, series("/activities-activityCalories",     &[number("activity-calories", "/value")])),
    activity("activities/caloriesBMR",          "/1/user/-/activities/caloriesBMR/date/{start}/{end}.json",          1095, series("/activities-caloriesBMR",          &[number("basal-calories", "/value")])),
    activity("activities/minutesSedentary",     "/1/user/-/activities/minutesSedentary/date/{start}/{end}.json",     1095, series("/activities-minutesSedentary",     &[number("sedentary-minutes", "/value")])),
    activity("activities/minutesLightlyActive", "/1/user/-/activities/minutesLightlyActive/date/{start}/{end}.json", 1095, series("/activities-minutesLightlyActive", &[number("lightly-active-minutes", "/value")])),
    activity("activities/minutesFairlyActive",  "/1/user/-/activities/minutesFairlyActive/date/{start}/{end}.json",  1095, series("/activities-minutesFairlyActive",  &[number("fairly-active-minutes", "/value")])),
    activity("activities/minutesVeryActive",    "/1/user/-/activities/minutesVeryActive/date/{start}/{end}.json",    1095, series("/activities-minutesVeryActive",    &[number("very-active-minutes", "/value")])),

    // Zones without minutes are left out of the answer, and so they are absent here.
    row("activities/active-zone-minutes", "/1/user/-/activities/active-zone-minutes/date/{start}/{end}.json", "activity", Span::Range(1095), 30, Some(Group::Zones),
        series("/activities-active-zone-minutes", &[
            number("active-zone-minutes", "/value/activeZoneMinutes"),
            number("fat-burn-zone-minutes", "/value/fatBurnActiveZoneMinutes"),
            number("cardio-zone-minutes", "/value/cardioActiveZoneMinutes"),
            number("peak-zone-minutes", "/value/peakActiveZoneMinutes"),
        ])),

    row("activities/heart", "/1/user/-/activities/heart/date/{start}/{end}.json", "heartrate", Span::Range(365), 30, Some(Group::Heart),
        series("/activities-heart", &[
            number("resting-heart-rate", "/value/restingHeartRate"),
            Field { metric: "out-of-range-heart-minutes", value: "/value/heartRateZones[name=Out of Range]/minutes", read: Read::Number, beside: &[
                ("calories", "/value/heartRateZones[name=Out of Range]/caloriesOut"), ("min", "/value/heartRateZones[name=Out of Range]/min"), ("max", "/value/heartRateZones[name=Out of Range]/max")] },
            Field { metric: "fat-burn-heart-minutes", value: "/value/heartRateZones[name=Fat Burn]/minutes", read: Read::Number, beside: &[
                ("calories", "/value/heartRateZones[name=Fat Burn]/caloriesOut"), ("min", "/value/heartRateZones[name=Fat Burn]/min"), ("max", "/value/heartRateZones[name=Fat Burn]/max")] },
            Field { metric: "cardio-heart-minutes", value: "/value/heartRateZones[name=Cardio]/minutes", read: Read::Number, beside: &[
                ("calories", "/value/heartRateZones[name=Cardio]/caloriesOut"), ("min", "/value/heartRateZones[name=Cardio]/min"), ("max", "/value/heartRateZones[name=Cardio]/max")] },
            Field { metric: "peak-heart-minutes", value: "/value/heartRateZones[name=Peak]/minutes", read: Read::Number, beside: &[
                ("calories", "/value/heartRateZones[name=Peak]/caloriesOut"), ("min", "/value/heartRateZones[name=Peak]/min"), ("max", "/value/heartRateZones[name=Peak]/max")] },
        ])),

    row("hrv", "/1/user/-/hrv/date/{start}/{end}.json", "heartrate", Span::Range(30), 30, Some(Group::Hrv),
        series("/hrv", &[number("hrv", "/value/dailyRmssd"), number("deep-sleep-hrv", "/value/deepRmssd")])),

    // `all` has the whole night and its stages; the summary alone is for applications without intraday rights.
    Endpoint { otherwise: Some("br"), ..row("br/all", "/1/user/-/br/date/{start}/{end}/all.json", "respiratory_rate", Span::Range(30), 30, Some(Group::Breathing),
        series("/br", &[
            number("breathing-rate", "/value/fullSleepSummary/breathingRate"),
            number("deep-sleep-breathing-rate", "/value/deepSleepSummary/breathingRate"),
            number("light-sleep-breathing-rate", "/value/lightSleepSummary/breathingRate"),
            number("rem-sleep-breathing-rate", "/value/remSleepSummary/breathingRate"),
        ])) },
    row("br", "/1/user/-/br/date/{start}/{end}.json", "respiratory_rate", Span::Range(30), 30, None,
        series("/br", &[number("breathing-rate", "/value/breathingRate")])),

    // A bare array; no longest range is documented, and 100 days are as many as of sleep.
    row("spo2", "/1/user/-/spo2/date/{start}/{end}.json", "oxygen_saturation", Span::Range(100), 30, Some(Group::Oxygen),
        series("", &[number("spo2", "/value/avg"), number("spo2-min", "/value/min"), number("spo2-max", "/value/max")])),

    row("temp/skin", "/1/user/-/temp/skin/date/{start}/{end}.json", "temperature", Span::Range(30), 30, Some(Group::Temperature),
        Decode::Entries { list: "/tempSkin", at: At::Date("/dateTime"), source: Some("/logType"), fields: &[number("skin-temperature-variation", "/value/nightlyRelative")] }),
    row("temp/core", "/1/user/-/temp/core/date/{start}/{end}.json", "temperature", Span::Range(30), 30, Some(Group::Temperature),
        Decode::Entries { list: "/tempCore", at: At::Time("/dateTime"), source: None, fields: &[number("core-temperature", "/value")] }).elsewhere(30),

    row("cardioscore", "/1/user/-/cardioscore/date/{start}/{end}.json", "cardio_fitness", Span::Range(30), 30, Some(Group::Fitness),
        series("/cardioScore", &[Field { metric: "vo2-max", value: "/value/vo2Max", read: Read::Midpoint, beside: &[] }])),

    // With the day before, for an evening that ended before midnight belongs to the night after it; so 99 of 100 days.
    row("sleep", "/1.2/user/-/sleep/date/{before}/{end}.json", "sleep", Span::Range(99), 7, Some(Group::Sleep),
        Decode::Own { gives: night::GIVES, decode: sleep::sleep }),
    // Some servers send a score only here. It comes once, and does not change.
    Endpoint { completes: Some("sleep"), settles: 0, ..row("sleep/date", "/1.2/user/-/sleep/date/{date}.json", "sleep", Span::Day, 2, Some(Group::Sleep),
        Decode::Own { gives: &["sleep-score"], decode: sleep::score }) },
    row("sleep/goal", "/1.2/user/-/sleep/goal.json", "sleep", Span::Once, 1, None, Decode::Nothing).account(),

    row("foods/log/caloriesIn", "/1/user/-/foods/log/caloriesIn/date/{start}/{end}.json", "nutrition", Span::Range(1095), 30, Some(Group::Nutrition),
        series("/foods-log-caloriesIn", &[number("calories-in", "/value")])).elsewhere(7),
    row("foods/log/water", "/1/user/-/foods/log/water/date/{start}/{end}.json", "nutrition", Span::Range(1095), 30, Some(Group::Nutrition),
        series("/foods-log-water", &[number("water", "/value")])).elsewhere(7),
    row("foods/log/date", "/1/user/-/foods/log/date/{date}.json", "nutrition", Span::Day, 1, None,
        Decode::Entries { list: "/summary", at: At::DayAsked, source: None, fields: &[number("calories-in", "/calories"), number("water", "/water")] }).elsewhere(7),
    row("foods/log/water/date", "/1/user/-/foods/log/water/date/{date}.json", "nutrition", Span::Day, 1, None,
        Decode::Entries { list: "/summary", at: At::DayAsked, source: None, fields: &[number("water", "/water")] }).elsewhere(7),
    row("foods/log/goal", "/1/user/-/foods/log/goal.json", "nutrition", Span::Once, 1, None, Decode::Nothing).account(),
    row("foods/log/water/goal", "/1/user/-/foods/log/water/goal.json", "nutrition", Span::Once, 1, None, Decode::Nothing).account(),

    row("activities/list", "/1/user/-/activities/list.json", "activity", Span::List(100), 30, Some(Group::Workouts),
        Decode::Own { gives: &["last-workout"], decode: workouts::workouts }).elsewhere(7),

    row("ecg/list", "/1/user/-/ecg/list.json?beforeDate={after}&sort=desc&offset=0&limit=1", "electrocardiogram", Span::Newest(1), 1, Some(Group::Rhythm),
        Decode::Entries { list: "/ecgReadings", at: At::Time("/startTime"), source: Some("/deviceName"), fields: &[
            Field { metric: "ecg-result", value: "/resultClassification", read: Read::Text, beside: &[("average-heart-rate", "/averageHeartRate")] }] }),
    row("irn/alerts/list", "/1/user/-/irn/alerts/list.json?beforeDate={after}&sort=desc&offset=0&limit=10", "irregular_rhythm_notifications", Span::Newest(10), 1, Some(Group::Rhythm),
        Decode::Entries { list: "/alerts", at: At::Time("/detectedTime"), source: Some("/deviceType"), fields: &[
            Field { metric: "irregular-rhythm-alert", value: "/detectedTime", read: Read::Time, beside: &[] }] }),

    // Within a day: 24 hours in a request, nights thirty at once.
    within("activities/heart/intraday", "/1/user/-/activities/heart/date/{date}/1d/{level}.json", "heartrate", Group::Heart, FROM_SECONDS, &["heart-rate"], |body, context| intraday::dataset(body, context, "activities-heart", "heart-rate")),
    within("activities/steps/intraday", "/1/user/-/activities/steps/date/{date}/1d/{level}.json", "activity", Group::Activity, FROM_MINUTES, &["steps"], |body, context| intraday::dataset(body, context, "activities-steps", "steps")),
    within("activities/distance/intraday", "/1/user/-/activities/distance/date/{date}/1d/{level}.json", "activity", Group::Activity, FROM_MINUTES, &["distance"], |body, context| intraday::dataset(body, context, "activities-distance", "distance")),
    within("activities/floors/intraday", "/1/user/-/activities/floors/date/{date}/1d/{level}.json", "activity", Group::Activity, FROM_MINUTES, &["floors"], |body, context| intraday::dataset(body, context, "activities-floors", "floors")),
    within("activities/elevation/intraday", "/1/user/-/activities/elevation/date/{date}/1d/{level}.json", "activity", Group::Activity, FROM_MINUTES, &["elevation"], |body, context| intraday::dataset(body, context, "activities-elevation", "elevation")),
    within("activities/calories/intraday", "/1/user/-/activities/calories/date/{date}/1d/{level}.json", "activity", Group::Activity, FROM_MINUTES, &["calories"], |body, context| intraday::dataset(body, context, "activities-calories", "calories")),
    within("activities/active-zone-minutes/intraday", "/1/user/-/activities/active-zone-minutes/date/{date}/1d/{level}.json", "activity", Group::Zones, FROM_MINUTES,
        &["active-zone-minutes", "fat-burn-zone-minutes", "cardio-zone-minutes", "peak-zone-minutes"], intraday::zone_minutes),
    row("hrv/all", "/1/user/-/hrv/date/{start}/{end}/all.json", "heartrate", Span::Intraday(30), 7, Some(Group::Hrv),
        Decode::Own { gives: &["hrv"], decode: intraday::variability }),
    row("spo2/all", "/1/user/-/spo2/date/{start}/{end}/all.json", "oxygen_saturation", Span::Intraday(30), 7, Some(Group::Oxygen),
        Decode::Own { gives: &["spo2"], decode: intraday::oxygen }),

    // Data without a metric.
    row("activities",              "/1/user/-/activities.json",              "activity", Span::Once, 1, None, Decode::Nothing).account(),
    row("badges",                  "/1/user/-/badges.json",                  "profile",  Span::Once, 1, None, Decode::Nothing).account(),
    row("activities/goals/daily",  "/1/user/-/activities/goals/daily.json",  "activity", Span::Once, 1, None, Decode::Nothing).account(),
    row("activities/goals/weekly", "/1/user/-/activities/goals/weekly.json", "activity", Span::Once, 1, None, Decode::Nothing).account(),
    row("body/log/weight/goal",    "/1/user/-/body/log/weight/goal.json",    "weight",   Span::Once, 1, None, Decode::Nothing).account(),
    row("body/log/fat/goal",       "/1/user/-/body/log/fat/goal.json",       "weight",   Span::Once, 1, None, Decode::Nothing).account(),
];

/// A total, with what the person wants it to be.
const fn with_goal(
    metric: &'static str,
    value: &'static str,
    beside: &'static [(&'static str, &'static str)],
) -> Field {
    Field { metric, value, read: Read::Number, beside }
}

/// One of the eleven series that together say what the daily summary says.
const fn activity(name: &'static str, path: &'static str, days: u16, decode: Decode) -> Endpoint {
    row(name, path, "activity", Span::Range(days), 2, Some(Group::Activity), decode)
}

/// The levels of detail within a day: by the second there is only heart rate, every five to fifteen in truth.
const FROM_MINUTES: &[Resolution] = &[Resolution::MINUTE, Resolution::FIVE_MINUTES, Resolution::QUARTER_HOUR];
const FROM_SECONDS: &[Resolution] =
    &[Resolution::SECOND, Resolution::MINUTE, Resolution::FIVE_MINUTES, Resolution::QUARTER_HOUR];

/// Samples of one day. Yesterday's last hours come with today's first sync.
const fn within(
    name: &'static str,
    path: &'static str,
    scope: &'static str,
    group: Group,
    levels: &'static [Resolution],
    gives: &'static [&'static str],
    decode: fn(&Json, &Context) -> Result<Decoded, Failure>,
) -> Endpoint {
    row(name, path, scope, Span::Intraday(1), 2, Some(group), Decode::Own { gives, decode }).sampled(levels)
}

/// A list of days: `{"dateTime": "2018-12-26", "value": …}`.
const fn series(list: &'static str, fields: &'static [Field]) -> Decode {
    Decode::Entries { list, at: At::Date("/dateTime"), source: None, fields }
}

/// The same, where a day without a measurement has the value of an earlier one.
const fn carried(list: &'static str, fields: &'static [Field]) -> Decode {
    Decode::Entries { list, at: At::Carried("/dateTime"), source: None, fields }
}
