//! The table of the Google Health API v4: for each data type that carries a metric the operation, the filter field,
//! the page size, the longest range, and where the metric stands. Sources: the discovery document of v4 (paths,
//! fields), the data-types page (operations, filters), live samples published by django-google-health and others.
//!
//! Day totals are daily roll-ups and everything else is reconciled, so that what a phone and a watch both saw counts
//! once. Units are always metric: mm, g, ml, seconds.

use super::{account, exercise, points, scope, sleep};
use crate::metric::Group;
use crate::reading::Resolution;
use crate::upstream::endpoint::{At, Decode, Endpoint, Field, Read, Span, Verb, number, row};

/// A reconciled stream of one data type between two civil times: from the first day asked for, or the one named.
macro_rules! reconcile {
    ($kind:literal, $field:literal, $page:literal) => {
        reconcile!($kind, $field, $page, "{start}")
    };
    ($kind:literal, $field:literal, $page:literal, $from:literal) => {
        concat!(
            "/v4/users/me/dataTypes/",
            $kind,
            "/dataPoints:reconcile?filter=",
            $field,
            "%20%3E%3D%20%22",
            $from,
            "%22%20AND%20",
            $field,
            "%20%3C%20%22{after}%22&pageSize=",
            $page
        )
    };
}

/// The roll-up of one data type by civil days; its range stands in the body.
macro_rules! daily_roll_up {
    ($kind:literal) => {
        concat!("/v4/users/me/dataTypes/", $kind, "/dataPoints:dailyRollUp")
    };
}

/// The roll-up of one data type by windows of time; the range and their length stand in the body.
macro_rules! roll_up {
    ($kind:literal) => {
        concat!("/v4/users/me/dataTypes/", $kind, "/dataPoints:rollUp")
    };
}

/// Every endpoint.
#[rustfmt::skip]
pub static ENDPOINTS: &[Endpoint] = &[
    row("pairedDevices", "/v4/users/me/pairedDevices?pageSize=100", scope::SETTINGS, Span::Once, 1, Some(Group::Devices),
        Decode::Own { gives: &["tracker-battery", "tracker-last-sync"], decode: account::devices }).account(),

    // The settings carry the time zone. Height is asked as rarely; the newest of the list, however old.
    row("settings", "/v4/users/me/settings", scope::SETTINGS, Span::OnceADay, 1, None, Decode::Own { gives: &[], decode: account::settings }).account(),
    row("height", "/v4/users/me/dataTypes/height/dataPoints?pageSize=1", scope::HEALTH, Span::OnceADay, 1, Some(Group::Body),
        Decode::Entries { list: "/dataPoints", at: At::Sample("/height/sampleTime"), source: None, fields: &[scaled("height", "/height/heightMillimeters", 10.0)] }).account(),

    // The body mass index is derived: kg / m², rounded to two decimals as Fitbit sends it, with the height known.
    row("weight", reconcile!("weight", "weight.sample_time.civil_time", "1000"), scope::HEALTH, Span::Range(90), 30, Some(Group::Body),
        Decode::Own { gives: &["body-weight", "bmi"], decode: points::weight }).elsewhere(30),
    row("body-fat", reconcile!("body-fat", "body_fat.sample_time.civil_time", "1000"), scope::HEALTH, Span::Range(90), 30, Some(Group::Body),
        Decode::Entries { list: "/dataPoints", at: At::Sample("/bodyFat/sampleTime"), source: Some(SOURCE), fields: &[number("body-fat", "/bodyFat/percentage")] }).elsewhere(30),

    activity("steps", daily_roll_up!("steps"), 90, &[total("steps", "/steps/countSum", 1.0)]),
    activity("distance", daily_roll_up!("distance"), 90, &[total("distance", "/distance/millimetersSum", 1e6)]),
    activity("floors", daily_roll_up!("floors"), 90, &[total("floors", "/floors/countSum", 1.0)]),
    activity("altitude", daily_roll_up!("altitude"), 90, &[total("elevation", "/altitude/gainMillimetersSum", 1e3)]),
    activity("total-calories", daily_roll_up!("total-calories"), 14, &[number("calories", "/totalCalories/kcalSum")]),
    // Without the basal part, while Fitbit's activityCalories held it for the active minutes: each as delivered.
    activity("active-energy-burned", daily_roll_up!("active-energy-burned"), 90, &[number("activity-calories", "/activeEnergyBurned/kcalSum")]),
    activity("sedentary-period", daily_roll_up!("sedentary-period"), 90, &[
        Field { metric: "sedentary-minutes", value: "/sedentaryPeriod/durationSum", read: Read::Duration, beside: &[] }]),
    // LIGHT, MODERATE and VIGOROUS are Fitbit's lightly, fairly and very active (migration guide); a level without
    // minutes is left out of a day that has others.
    activity("active-minutes", daily_roll_up!("active-minutes"), 14, &[
        total("lightly-active-minutes", "/activeMinutes/activeMinutesRollupByActivityLevel[activityLevel=LIGHT]/activeMinutesSum", 1.0),
        total("fairly-active-minutes", "/activeMinutes/activeMinutesRollupByActivityLevel[activityLevel=MODERATE]/activeMinutesSum", 1.0),
        total("very-active-minutes", "/activeMinutes/activeMinutesRollupByActivityLevel[activityLevel=VIGOROUS]/activeMinutesSum", 1.0),
    ]),

    // The total is derived: the sum of the three, in which cardio and peak minutes already count twice.
    Endpoint { verb: Verb::DailyRollUp, ..row("active-zone-minutes", daily_roll_up!("active-zone-minutes"), scope::ACTIVITY, Span::Range(90), 7, Some(Group::Zones),
        Decode::Own { gives: &["active-zone-minutes", "fat-burn-zone-minutes", "cardio-zone-minutes", "peak-zone-minutes"], decode: points::zone_minutes }) },

    daily("daily-resting-heart-rate", reconcile!("daily-resting-heart-rate", "daily_resting_heart_rate.date", "1000"), scope::HEALTH, Group::Heart,
        "/dailyRestingHeartRate/date", &[number("resting-heart-rate", "/dailyRestingHeartRate/beatsPerMinute")]),
    daily("daily-heart-rate-variability", reconcile!("daily-heart-rate-variability", "daily_heart_rate_variability.date", "1000"), scope::HEALTH, Group::Hrv,
        "/dailyHeartRateVariability/date", &[
            // 0 was seen beside a real value of deep sleep.
            Field { metric: "hrv", value: "/dailyHeartRateVariability/averageHeartRateVariabilityMilliseconds", read: Read::Positive, beside: &[] },
            number("deep-sleep-hrv", "/dailyHeartRateVariability/deepSleepRootMeanSquareOfSuccessiveDifferencesMilliseconds")]),
    daily("daily-respiratory-rate", reconcile!("daily-respiratory-rate", "daily_respiratory_rate.date", "1000"), scope::HEALTH, Group::Breathing,
        "/dailyRespiratoryRate/date", &[number("breathing-rate", "/dailyRespiratoryRate/breathsPerMinute")]),
    // Several a night; the earliest is the one that Fitbit gave.
    row("respiratory-rate-sleep-summary", reconcile!("respiratory-rate-sleep-summary", "respiratory_rate_sleep_summary.sample_time.civil_time", "1000"),
        scope::HEALTH, Span::Range(90), 7, Some(Group::Breathing),
        Decode::Own { gives: &["deep-sleep-breathing-rate", "light-sleep-breathing-rate", "rem-sleep-breathing-rate"], decode: points::breathing_stages }),
    daily("daily-oxygen-saturation", reconcile!("daily-oxygen-saturation", "daily_oxygen_saturation.date", "1000"), scope::HEALTH, Group::Oxygen,
        "/dailyOxygenSaturation/date", &[
            number("spo2", "/dailyOxygenSaturation/averagePercentage"),
            number("spo2-min", "/dailyOxygenSaturation/lowerBoundPercentage"),
            number("spo2-max", "/dailyOxygenSaturation/upperBoundPercentage")]),
    // Absolute temperatures; the variation is derived: nightly minus baseline, absent while the baseline is `"NaN"`.
    row("daily-sleep-temperature-derivations", reconcile!("daily-sleep-temperature-derivations", "daily_sleep_temperature_derivations.date", "1000"),
        scope::HEALTH, Span::Range(90), 7, Some(Group::Temperature),
        Decode::Own { gives: &["skin-temperature-variation"], decode: points::skin_temperature }),
    row("core-body-temperature", reconcile!("core-body-temperature", "core_body_temperature.sample_time.civil_time", "1000"),
        scope::HEALTH, Span::Range(90), 30, Some(Group::Temperature),
        Decode::Entries { list: "/dataPoints", at: At::Sample("/coreBodyTemperature/sampleTime"), source: None, fields: &[number("core-temperature", "/coreBodyTemperature/temperatureCelsius")] }).elsewhere(30),
    daily("daily-vo2-max", reconcile!("daily-vo2-max", "daily_vo2_max.date", "1000"), scope::ACTIVITY, Group::Fitness,
        "/dailyVo2Max/date", &[number("vo2-max", "/dailyVo2Max/vo2Max")]),

    // With the day before, for an evening that ended before midnight belongs to the night after it.
    row("sleep", reconcile!("sleep", "sleep.interval.civil_end_time", "25", "{before}"), scope::SLEEP, Span::Range(90), 7, Some(Group::Sleep),
        Decode::Own { gives: sleep::GIVES, decode: sleep::sleep }),

    Endpoint { verb: Verb::DailyRollUp, ..row("nutrition-log", daily_roll_up!("nutrition-log"), scope::NUTRITION, Span::Range(90), 7, Some(Group::Nutrition),
        rolled_up(&[total("calories-in", "/nutritionLog/energy/kcalSum", 1.0)])).elsewhere(7) },
    Endpoint { verb: Verb::DailyRollUp, ..row("hydration-log", daily_roll_up!("hydration-log"), scope::NUTRITION, Span::Range(90), 7, Some(Group::Nutrition),
        rolled_up(&[total("water", "/hydrationLog/amountConsumed/millilitersSum", 1.0)])).elsewhere(7) },

    row("exercise", reconcile!("exercise", "exercise.interval.civil_start_time", "25"), scope::ACTIVITY, Span::Range(90), 7, Some(Group::Workouts),
        Decode::Own { gives: &["last-workout"], decode: exercise::workouts }).elsewhere(7),

    // These two can only be listed, newest first; the filter of the first takes a beginning and no end.
    row("electrocardiogram", "/v4/users/me/dataTypes/electrocardiogram/dataPoints?pageSize=1", scope::ECG, Span::Newest(1), 1, Some(Group::Rhythm),
        Decode::Own { gives: &["ecg-result"], decode: points::electrocardiogram }),
    row("irregular-rhythm-notification", "/v4/users/me/dataTypes/irregular-rhythm-notification/dataPoints?pageSize=10", scope::IRN, Span::Newest(10), 1, Some(Group::Rhythm),
        Decode::Own { gives: &["irregular-rhythm-alert"], decode: points::irregular_rhythm }),

    // Within a day: windows of reconciled points, so that what a phone and a watch both saw counts once here, too. Six
    // days of minutes fit on the largest page.
    within("heart-rate/intraday", roll_up!("heart-rate"), scope::HEALTH, Group::Heart, &[Field { metric: "heart-rate", value: "/heartRate/beatsPerMinuteAvg", read: Read::Positive, beside: &[] }]),
    within("steps/intraday", roll_up!("steps"), scope::ACTIVITY, Group::Activity, &[number("steps", "/steps/countSum")]),
    within("distance/intraday", roll_up!("distance"), scope::ACTIVITY, Group::Activity, &[scaled("distance", "/distance/millimetersSum", 1e6)]),
    within("floors/intraday", roll_up!("floors"), scope::ACTIVITY, Group::Activity, &[number("floors", "/floors/countSum")]),
    within("altitude/intraday", roll_up!("altitude"), scope::ACTIVITY, Group::Activity, &[scaled("elevation", "/altitude/gainMillimetersSum", 1e3)]),
    within("total-calories/intraday", roll_up!("total-calories"), scope::ACTIVITY, Group::Activity, &[number("calories", "/totalCalories/kcalSum")]),
    Endpoint { decode: Decode::Own { gives: &["active-zone-minutes", "fat-burn-zone-minutes", "cardio-zone-minutes", "peak-zone-minutes"], decode: points::zone_windows },
        ..within("active-zone-minutes/intraday", roll_up!("active-zone-minutes"), scope::ACTIVITY, Group::Zones, &[]) },
    row("heart-rate-variability", reconcile!("heart-rate-variability", "heart_rate_variability.sample_time.civil_time", "10000"), scope::HEALTH, Span::Intraday(90), 7, Some(Group::Hrv),
        Decode::Entries { list: "/dataPoints", at: At::Sampled("/heartRateVariability/sampleTime", Resolution::FIVE_MINUTES), source: Some(SOURCE), fields: &[
            Field { metric: "hrv", value: "/heartRateVariability/rootMeanSquareOfSuccessiveDifferencesMilliseconds", read: Read::Positive, beside: &[
                ("hf", "/heartRateVariability/metadata/highFrequencyPower"), ("lf", "/heartRateVariability/metadata/lowFrequencyPower")] }] }),
    row("oxygen-saturation", reconcile!("oxygen-saturation", "oxygen_saturation.sample_time.civil_time", "10000"), scope::HEALTH, Span::Intraday(90), 7, Some(Group::Oxygen),
        Decode::Entries { list: "/dataPoints", at: At::Sampled("/oxygenSaturation/sampleTime", Resolution::FIVE_MINUTES), source: Some(SOURCE), fields: &[number("spo2", "/oxygenSaturation/percentage")] }),
];

/// Where a reconciled or listed point names its device.
const SOURCE: &str = "/dataSource/device/displayName";

/// A total of a day.
const fn activity(name: &'static str, path: &'static str, days: u16, fields: &'static [Field]) -> Endpoint {
    Endpoint {
        verb: Verb::DailyRollUp,
        ..row(name, path, scope::ACTIVITY, Span::Range(days), 3, Some(Group::Activity), rolled_up(fields))
    }
}

/// The levels of detail, by the names Fitbit had for them.
const LEVELS: &[Resolution] =
    &[Resolution::SECOND, Resolution::MINUTE, Resolution::FIVE_MINUTES, Resolution::QUARTER_HOUR];

/// Samples in windows. Yesterday's last hours come with today's first sync.
const fn within(
    name: &'static str,
    path: &'static str,
    scope: &'static str,
    group: Group,
    fields: &'static [Field],
) -> Endpoint {
    let decode = Decode::Entries { list: "/rollupDataPoints", at: At::Window, source: None, fields };
    let row = row(name, path, scope, Span::Intraday(6), 2, Some(group), decode);
    // What was counted by the minute has no seconds.
    let levels = if matches!(group, Group::Heart) { LEVELS } else { LEVELS.split_at(1).1 };
    Endpoint { verb: Verb::RollUp, ..row.sampled(levels) }
}

/// One value a day, reconciled.
const fn daily(
    name: &'static str,
    path: &'static str,
    scope: &'static str,
    group: Group,
    date: &'static str,
    fields: &'static [Field],
) -> Endpoint {
    let decode = Decode::Entries { list: "/dataPoints", at: At::CivilDate(date), source: None, fields };
    row(name, path, scope, Span::Range(90), 7, Some(group), decode)
}

/// Roll-ups come in any order, keyed by the civil date on which their window starts.
const fn rolled_up(fields: &'static [Field]) -> Decode {
    Decode::Entries { list: "/rollupDataPoints", at: At::CivilDate("/civilStartTime/date"), source: None, fields }
}

/// A number in a smaller unit than ours.
const fn scaled(metric: &'static str, value: &'static str, divisor: f64) -> Field {
    Field { metric, value, read: Read::Scaled(divisor), beside: &[] }
}

/// A total whose zero is left out of the answer.
const fn total(metric: &'static str, value: &'static str, divisor: f64) -> Field {
    Field { metric, value, read: Read::Total(divisor), beside: &[] }
}
