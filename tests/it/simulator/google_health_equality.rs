//! One person, one life: what the two halves say of the same sixty days, in four time zones and across clock changes, is
//! the same. Read from raw answers here, and not by the bridge.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::Value as Json;

use super::google_health_both::{Both, Values, date_of, day, local, number, text};

/// That both have the same values under the same keys, and any at all.
fn same(what: &str, fitbit: &Values, google: &Values) {
    let differing: Vec<_> =
        fitbit.keys().chain(google.keys()).filter(|key| fitbit.get(*key) != google.get(*key)).collect();
    let shown: Vec<_> = differing.iter().take(3).map(|key| (key, fitbit.get(*key), google.get(*key))).collect();
    assert!(differing.is_empty(), "{what} (Fitbit, Google): {shown:?}");
    assert!(!fitbit.is_empty(), "{what}: there is nothing to compare");
}

/// Amsterdam, New York, Auckland and St John's in autumn (their clocks change on different dates), Amsterdam and
/// New York in spring.
const SIXTY_DAYS: &[(usize, &str)] = &[
    (0, "2026-11-20T11:40:00Z"),
    (1, "2026-11-20T22:10:00Z"),
    (5, "2026-11-20T03:25:00Z"),
    (7, "2026-11-20T18:05:00Z"),
    (0, "2026-05-04T11:40:00Z"),
    (1, "2026-05-01T22:10:00Z"),
];

#[tokio::test]
async fn days_amount_to_the_same() {
    let mut reached: BTreeMap<&str, usize> = BTreeMap::new();
    for (person, now) in SIXTY_DAYS {
        let both = Both::new(*person, now);
        let steps = both.fitbit_values("1/user/-/activities/steps", "activities-steps", "/value").await;
        let worn = |values: Values| -> Values {
            values.into_iter().filter(|(day, value)| *value != 0.0 || steps[day] > 0.0).collect()
        };
        for (fitbit, kind, value, scale) in [
            ("steps", "steps", "/countSum", 1.0),
            ("distance", "distance", "/millimetersSum", 1e6),
            ("floors", "floors", "/countSum", 1.0),
            ("elevation", "altitude", "/gainMillimetersSum", 1e3),
            ("calories", "total-calories", "/kcalSum", 1.0),
            ("minutesLightlyActive", "active-minutes", "/activeMinutesRollupByActivityLevel/LIGHT", 1.0),
            ("minutesFairlyActive", "active-minutes", "/activeMinutesRollupByActivityLevel/MODERATE", 1.0),
            ("minutesVeryActive", "active-minutes", "/activeMinutesRollupByActivityLevel/VIGOROUS", 1.0),
        ] {
            let path = format!("1/user/-/activities/{fitbit}");
            let one = worn(both.fitbit_values(&path, &format!("activities-{fitbit}"), "/value").await);
            let other = match value.rsplit_once('/') {
                Some((list, level)) if !list.is_empty() => by_level(&both.daily(kind).await, list, level),
                _ => both.daily_values(kind, value, scale).await,
            };
            same(&format!("{fitbit} of {person}"), &one, &other);
        }
        let sedentary =
            both.fitbit_values("1/user/-/activities/minutesSedentary", "activities-minutesSedentary", "/value").await;
        let sedentary = sedentary.into_iter().filter(|(day, _)| steps[day] > 0.0).collect();
        let periods = both.daily("sedentary-period").await.into_iter();
        let seconds = |sum: Json| text(&sum["durationSum"]).strip_suffix('s').unwrap().parse::<f64>().unwrap();
        same("sedentary minutes", &sedentary, &periods.map(|(day, sum)| (day, seconds(sum) / 60.0)).collect());

        let zones = "1/user/-/activities/active-zone-minutes";
        for (fitbit, google) in [
            ("fatBurnActiveZoneMinutes", "/sumInFatBurnHeartZone"),
            ("cardioActiveZoneMinutes", "/sumInCardioHeartZone"),
            ("peakActiveZoneMinutes", "/sumInPeakHeartZone"),
        ] {
            let one = both.fitbit_values(zones, "activities-active-zone-minutes", &format!("/value/{fitbit}")).await;
            let mut other = both.daily_values("active-zone-minutes", google, 1.0).await;
            other.retain(|_, minutes| *minutes > 0.0);
            assert_eq!(one, other, "{fitbit} of {person}");
            reached.insert(fitbit, one.len() + reached.get(fitbit).unwrap_or(&0));
        }
        for (fitbit, kind, value) in [
            ("water", "hydration-log", "/amountConsumed/millilitersSum"),
            ("caloriesIn", "nutrition-log", "/energy/kcalSum"),
        ] {
            let path = format!("1/user/-/foods/log/{fitbit}");
            let mut one = both.fitbit_values(&path, &format!("foods-log-{fitbit}"), "/value").await;
            one.retain(|_, value| *value > 0.0);
            same(fitbit, &one, &both.daily_values(kind, value, 1.0).await);
        }
    }
    // Not everyone reaches their peak.
    assert!(reached.values().all(|days| *days > 0), "{reached:?}");
}

fn by_level(days: &BTreeMap<String, Json>, list: &str, level: &str) -> Values {
    let minutes = |day: &Json| {
        let levels = day.pointer(list).and_then(Json::as_array).cloned().unwrap_or_default();
        levels
            .iter()
            .find(|entry| entry["activityLevel"] == level)
            .map_or(0.0, |entry| number(&entry["activeMinutesSum"]))
    };
    days.iter().map(|(date, day)| (date.clone(), minutes(day))).collect()
}

#[tokio::test]
async fn what_was_measured_is_the_same() {
    for (person, now) in SIXTY_DAYS {
        let both = Both::new(*person, now);
        let heart =
            both.fitbit_values("1/user/-/activities/heart", "activities-heart", "/value/restingHeartRate").await;
        for (what, one, kind, value) in [
            ("resting", heart, "daily-resting-heart-rate", "/beatsPerMinute"),
            (
                "hrv",
                both.fitbit_values("1/user/-/hrv", "hrv", "/value/dailyRmssd").await,
                "daily-heart-rate-variability",
                "/averageHeartRateVariabilityMilliseconds",
            ),
            (
                "deep hrv",
                both.fitbit_values("1/user/-/hrv", "hrv", "/value/deepRmssd").await,
                "daily-heart-rate-variability",
                "/deepSleepRootMeanSquareOfSuccessiveDifferencesMilliseconds",
            ),
            (
                "breathing",
                both.fitbit_values("1/user/-/br", "br", "/value/breathingRate").await,
                "daily-respiratory-rate",
                "/breathsPerMinute",
            ),
            (
                "spo2",
                both.fitbit_values("1/user/-/spo2", "", "/value/avg").await,
                "daily-oxygen-saturation",
                "/averagePercentage",
            ),
            (
                "spo2 min",
                both.fitbit_values("1/user/-/spo2", "", "/value/min").await,
                "daily-oxygen-saturation",
                "/lowerBoundPercentage",
            ),
            (
                "spo2 max",
                both.fitbit_values("1/user/-/spo2", "", "/value/max").await,
                "daily-oxygen-saturation",
                "/upperBoundPercentage",
            ),
        ] {
            let points = both.points(kind, "date").await;
            let found = points.iter().filter_map(|point| Some((day(&point["date"]), number(point.pointer(value)?))));
            same(&format!("{what} of {person}"), &one, &found.collect());
        }

        let mut skin = both.fitbit_values("1/user/-/temp/skin", "tempSkin", "/value/nightlyRelative").await;
        skin.values_mut().for_each(|value| *value += 0.0);
        let nights = both.points("daily-sleep-temperature-derivations", "date").await;
        let variation = |night: &Json| {
            let (nightly, baseline) =
                (number(&night["nightlyTemperatureCelsius"]), number(&night["baselineTemperatureCelsius"]));
            (day(&night["date"]), ((nightly - baseline) * 10.0).round() / 10.0 + 0.0)
        };
        same("skin", &skin, &nights.iter().map(variation).collect());

        let fitness = both.fitbit("1/user/-/cardioscore", "", "cardioScore").await;
        let midpoint = |row: &Json| {
            let text = text(&row["value"]["vo2Max"]);
            let (low, high) = text.split_once('-').unwrap_or((&text, &text));
            (self::text(&row["dateTime"]), (low.parse::<f64>().unwrap() + high.parse::<f64>().unwrap()) / 2.0)
        };
        let points = both.points("daily-vo2-max", "date").await;
        let found = points.iter().map(|point| (day(&point["date"]), number(&point["vo2Max"]))).collect();
        same("vo2 max", &fitness.iter().map(midpoint).collect(), &found);

        // The earliest summary of a night is the one that the Fitbit half has; a stage that was too short is −1 there.
        let breathing = both.fitbit("1/user/-/br", "/all", "br").await;
        for stage in ["deep", "light", "rem"] {
            let rate = |row: &Json| number(&row["value"][format!("{stage}SleepSummary")]["breathingRate"]);
            let one = breathing
                .iter()
                .map(|row| (text(&row["dateTime"]), rate(row)))
                .filter(|(_, rate)| *rate > 0.0)
                .collect();
            let mut other = Values::new();
            // Newest first, so that the earliest is what stays.
            for point in both.points("respiratory-rate-sleep-summary", "sample_time.civil_time").await {
                other.remove(&date_of(&point["sampleTime"]));
                if let Some(rate) = point.pointer(&format!("/{stage}SleepStats/breathsPerMinute")) {
                    other.insert(date_of(&point["sampleTime"]), number(rate));
                }
            }
            same(&format!("{stage} breathing"), &one, &other);
        }

        let core = both.fitbit("1/user/-/temp/core", "", "tempCore").await;
        let core = core.iter().map(|row| (text(&row["dateTime"]), number(&row["value"]))).collect();
        let points = both.points("core-body-temperature", "sample_time.civil_time").await;
        let at = |sample: &Json| local(&sample["physicalTime"], &sample["utcOffset"]);
        let found =
            points.iter().map(|point| (at(&point["sampleTime"]), number(&point["temperatureCelsius"]))).collect();
        same("core temperature", &core, &found);

        for (log, value, kind, member, scale) in
            [("weight", "weight", "weight", "weightGrams", 1000.0), ("fat", "fat", "body-fat", "percentage", 1.0)]
        {
            let rows = both.fitbit(&format!("1/user/-/body/log/{log}"), "", log).await;
            let row = |row: &Json| (format!("{}T{}", text(&row["date"]), text(&row["time"])), number(&row[value]));
            let points = both.points(kind, "sample_time.civil_time").await;
            let found = points.iter().map(|point| (at(&point["sampleTime"]), number(&point[member]) / scale));
            same(log, &rows.iter().map(row).collect(), &found.collect());
        }
        let height = both
            .ask("GET", "/google-health/v4/users/me/dataTypes/height/dataPoints?pageSize=1&prettyPrint=false", "")
            .await;
        let profile = both.world.ok("/fitbit/1/user/-/profile.json").await;
        let height = number(&height["dataPoints"][0]["height"]["heightMillimeters"]) / 10.0;
        assert_eq!(height, number(&profile["user"]["height"]));
    }
}

#[tokio::test]
async fn sleep_and_workouts_are_the_same() {
    for (person, now) in SIXTY_DAYS {
        let both = Both::new(*person, now);
        let mut fitbit = both.fitbit("1.2/user/-/sleep", "", "sleep").await;
        fitbit.sort_by_key(|sleep| text(&sleep["endTime"]));
        let mut google = both.points("sleep", "interval.civil_end_time").await;
        google.sort_by_key(|sleep| text(&sleep["interval"]["endTime"]));
        assert_eq!(fitbit.len(), google.len());
        let (mut naps, mut doubled) = (0, 0);
        for (one, other) in fitbit.iter().zip(&google) {
            let (interval, summary) = (&other["interval"], &other["summary"]);
            assert_eq!(other["metadata"]["processed"], true, "all of them are long over");
            assert_eq!(text(&one["startTime"]), local(&interval["startTime"], &interval["startUtcOffset"]) + ".000");
            assert_eq!(text(&one["endTime"]), local(&interval["endTime"], &interval["endUtcOffset"]) + ".000");
            let minutes = |name: &str| number(&summary[name]);
            assert_eq!(number(&one["timeInBed"]), minutes("minutesInSleepPeriod"));
            assert_eq!(number(&one["minutesAsleep"]), minutes("minutesAsleep"));
            assert_eq!(number(&one["minutesAwake"]), minutes("minutesInSleepPeriod") - minutes("minutesAsleep"));
            assert_eq!(number(&one["minutesToFallAsleep"]), minutes("minutesToFallAsleep"));
            assert_eq!(text(&one["type"]).to_uppercase(), text(&other["type"]));
            if one["isMainSleep"] == true {
                assert_eq!(other["metadata"]["mainSleep"], true);
            }
            naps += usize::from(other["metadata"]["nap"] == true);
            let stages = summary["stagesSummary"].as_array().unwrap();
            let levels = one["levels"]["summary"].as_object().unwrap();
            doubled += usize::from(stages.len() == 2 * levels.len());
            for (level, told) in levels {
                let name = if level == "wake" { "AWAKE".to_owned() } else { level.to_uppercase() };
                let stage = stages.iter().find(|stage| stage["type"] == name.as_str()).unwrap();
                assert_eq!(
                    (number(&told["minutes"]), number(&told["count"])),
                    (number(&stage["minutes"]), number(&stage["count"]))
                );
            }
            let lengths = |stage: &Json| {
                let at = |name: &str| text(&stage[name]).parse::<DateTime<Utc>>().unwrap();
                (at("endTime") - at("startTime")).num_seconds()
            };
            let stages = other["stages"].as_array().unwrap().iter().map(lengths).collect::<Vec<i64>>();
            let segments = one["levels"]["data"].as_array().unwrap().iter();
            assert_eq!(segments.map(|segment| segment["seconds"].as_i64().unwrap()).collect::<Vec<i64>>(), stages);
        }
        assert!(
            naps > 0 && doubled > 0 && doubled < google.len(),
            "{naps} naps, {doubled} doubled of {}",
            google.len()
        );

        let list =
            format!("/fitbit/1/user/-/activities/list.json?afterDate={}&sort=asc&limit=100&offset=0", both.first);
        let fitbit = both.world.ok(&list).await["activities"].as_array().unwrap().clone();
        let mut google = both.points("exercise", "interval.civil_start_time").await;
        google.reverse();
        assert!(fitbit.len() == google.len() && !google.is_empty());
        for (one, other) in fitbit.iter().zip(&google) {
            let start = DateTime::parse_from_rfc3339(one["startTime"].as_str().unwrap()).unwrap();
            assert_eq!(text(&other["interval"]["startTime"]).parse::<DateTime<Utc>>().unwrap(), start);
            let seconds: f64 = text(&other["activeDuration"]).strip_suffix('s').unwrap().parse().unwrap();
            assert_eq!(number(&one["duration"]), seconds * 1000.0);
            let summary = &other["metricsSummary"];
            for (name, member, scale) in [
                ("calories", "caloriesKcal", 1.0),
                ("distance", "distanceMillimeters", 1e6),
                ("steps", "steps", 1.0),
                ("averageHeartRate", "averageHeartRateBeatsPerMinute", 1.0),
                ("elevationGain", "elevationGainMillimeters", 1e3),
            ] {
                assert_eq!(number(&one[name]), summary.get(member).map_or(0.0, number) / scale, "{name}: {other}");
            }
            let pace = summary.get("averagePaceSecondsPerMeter").map_or(0.0, number) * 1000.0;
            assert!((number(&one["pace"]) - pace).abs() < 1e-9, "{one} {other}");
            assert_eq!(
                number(&one["activeZoneMinutes"]["totalMinutes"]),
                summary.get("activeZoneMinutes").map_or(0.0, number)
            );
        }

        let fitbit = both.world.ok("/fitbit/1/user/-/devices.json").await;
        let google = both.ask("GET", "/google-health/v4/users/me/pairedDevices?pageSize=100", "").await;
        let settings = both.ask("GET", "/google-health/v4/users/me/settings", "").await;
        let (one, other) = (&fitbit[0], &google["pairedDevices"][0]);
        assert_eq!(
            (&one["batteryLevel"], &one["deviceVersion"], &one["battery"]),
            (&other["batteryLevel"], &other["deviceVersion"], &other["batteryStatus"])
        );
        assert_eq!(text(&one["lastSyncTime"])[..19], local(&other["lastSyncTime"], &settings["utcOffset"]));
    }
}

#[tokio::test]
async fn minutes_and_heartbeats_are_the_same_on_the_days_on_which_clocks_change_too() {
    for (person, now, date) in [
        (0, "2026-11-20T11:40:00Z", "2026-11-18"),
        (0, "2026-11-20T11:40:00Z", "2026-10-25"),
        (1, "2026-05-01T22:10:00Z", "2026-03-08"),
    ] {
        let both = Both::new(person, now);
        let next = (date.parse::<NaiveDate>().unwrap() + TimeDelta::days(1)).to_string();
        let rows = both.world.ok(&format!("/fitbit/1/user/-/activities/heart/date/{date}/1d/1sec.json")).await;
        let rows = rows["activities-heart-intraday"]["dataset"].as_array().unwrap();
        let mut one: Values =
            rows.iter().map(|row| (format!("{date}T{}", text(&row["time"])), number(&row["value"]))).collect();
        if date == "2026-03-08" {
            one.retain(|at, _| &at[11..13] != "02");
        }
        let points = both.points_between("heart-rate", "sample_time.civil_time", date, &next).await;
        let at = |sample: &Json| local(&sample["physicalTime"], &sample["utcOffset"]);
        same(
            date,
            &one,
            &points.iter().map(|point| (at(&point["sampleTime"]), number(&point["beatsPerMinute"]))).collect(),
        );

        let rows = both.world.ok(&format!("/fitbit/1/user/-/activities/steps/date/{date}/1d/1min.json")).await;
        let rows = rows["activities-steps-intraday"]["dataset"].as_array().unwrap();
        let one = rows.iter().map(|row| (format!("{date}T{}", text(&row["time"])), number(&row["value"])));
        let points = both.points_between("steps", "interval.civil_start_time", date, &next).await;
        let start = |interval: &Json| local(&interval["startTime"], &interval["startUtcOffset"]);
        let found = points.iter().map(|point| (start(&point["interval"]), point.get("count").map_or(0.0, number)));
        same(
            date,
            &one.filter(|(_, steps)| *steps > 0.0).collect(),
            &found.filter(|(_, steps)| *steps > 0.0).collect(),
        );
    }
}
