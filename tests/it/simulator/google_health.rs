//! The Google half: what it answers, and what it refuses and how.

use chrono::TimeDelta;
use fitbit2mqtt::simulator::{Options, Project, Simulator};
use fitbit2mqtt::web::server::Response;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{World, header, json as parsed, noon};

pub const GOOGLE: &str = "simulated.apps.googleusercontent.com";

/// Asks the Google half about the person of this number.
pub struct Google<'a> {
    pub world: &'a World,
    pub token: String,
}

impl<'a> Google<'a> {
    pub fn new(world: &'a World) -> Google<'a> {
        Google::with(world, 0, Simulator::google_scopes())
    }

    pub fn with(world: &'a World, person: usize, scopes: &[&str]) -> Google<'a> {
        Google { world, token: world.simulator.grant(GOOGLE, person, scopes).unwrap().access_token }
    }

    pub async fn ask(&self, method: &str, path: &str, body: &str) -> Response {
        let path = format!("/google-health/v4/users/me/{path}");
        self.world.ask(method, &path, &format!("Bearer {}", self.token), body).await
    }

    pub async fn get(&self, path: &str) -> (u16, Json) {
        let response = self.ask("GET", path, "").await;
        (response.status, parsed(&response))
    }

    /// The body of an answer that must be good.
    pub async fn ok(&self, path: &str) -> Json {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub async fn list(&self, kind: &str, operation: &str, query: &[(&str, &str)]) -> (u16, Json) {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        self.get(&format!("dataTypes/{kind}/dataPoints{operation}?{query}")).await
    }

    pub async fn roll(&self, kind: &str, operation: &str, body: Json) -> (u16, Json) {
        let response = self.ask("POST", &format!("dataTypes/{kind}/dataPoints:{operation}"), &body.to_string()).await;
        (response.status, parsed(&response))
    }

    /// All points of a question, page by page.
    pub async fn all(&self, kind: &str, operation: &str, query: &[(&str, &str)]) -> Vec<Json> {
        let mut points = Vec::new();
        let mut token = String::new();
        for _ in 0..500 {
            let mut query = query.to_vec();
            query.extend((!token.is_empty()).then_some(("pageToken", token.as_str())));
            let (status, page) = self.list(kind, operation, &query).await;
            assert_eq!(status, 200, "{kind}{operation}: {page}");
            points.extend(page["dataPoints"].as_array().cloned().unwrap_or_default());
            token = page["nextPageToken"].as_str().unwrap_or_default().to_owned();
            if token.is_empty() {
                return points;
            }
        }
        panic!("{kind}: the pages do not end");
    }
}

pub fn days(from: u32, to: u32) -> Json {
    json!({"range": {
        "start": {"date": {"year": 2026, "month": 11, "day": from}},
        "end": {"date": {"year": 2026, "month": 11, "day": to}},
    }})
}

pub fn windows(from: &str, to: &str, size: &str) -> Json {
    json!({"range": {"startTime": from, "endTime": to}, "windowSize": size})
}

pub fn reason(body: &Json) -> &str {
    body["error"]["details"][0]["reason"].as_str().unwrap_or_default()
}

/// Type, operations, scope, JSON key, and whether the simulated life has anything of it.
const TYPES: &[(&str, &str, &str, &str, bool)] = &[
    ("steps", "lrRD", "activity_and_fitness", "steps", true),
    ("distance", "lrRD", "activity_and_fitness", "distance", true),
    ("floors", "rRD", "activity_and_fitness", "floors", true),
    ("altitude", "lrRD", "activity_and_fitness", "altitude", true),
    ("total-calories", "RD", "activity_and_fitness", "totalCalories", true),
    ("active-energy-burned", "lrRD", "activity_and_fitness", "activeEnergyBurned", true),
    ("active-minutes", "lrRD", "activity_and_fitness", "activeMinutes", true),
    ("active-zone-minutes", "lrRD", "activity_and_fitness", "activeZoneMinutes", true),
    ("activity-level", "lr", "activity_and_fitness", "activityLevel", true),
    ("sedentary-period", "lrRD", "activity_and_fitness", "sedentaryPeriod", true),
    ("time-in-heart-rate-zone", "lrRD", "activity_and_fitness", "timeInHeartRateZone", true),
    ("calories-in-heart-rate-zone", "RD", "activity_and_fitness", "caloriesInHeartRateZone", true),
    ("exercise", "lr", "activity_and_fitness", "exercise", true),
    ("swim-lengths-data", "lrRD", "activity_and_fitness", "swimLengthsData", false),
    ("run-vo2-max", "lrRD", "activity_and_fitness", "runVo2Max", true),
    ("vo2-max", "lr", "activity_and_fitness", "vo2Max", true),
    ("daily-vo2-max", "lr", "activity_and_fitness", "dailyVo2Max", true),
    ("heart-rate", "lrRD", "health_metrics_and_measurements", "heartRate", true),
    ("daily-resting-heart-rate", "lr", "health_metrics_and_measurements", "dailyRestingHeartRate", true),
    ("daily-heart-rate-zones", "lr", "health_metrics_and_measurements", "dailyHeartRateZones", true),
    ("heart-rate-variability", "lr", "health_metrics_and_measurements", "heartRateVariability", true),
    ("daily-heart-rate-variability", "lr", "health_metrics_and_measurements", "dailyHeartRateVariability", true),
    ("oxygen-saturation", "lr", "health_metrics_and_measurements", "oxygenSaturation", true),
    ("daily-oxygen-saturation", "lr", "health_metrics_and_measurements", "dailyOxygenSaturation", true),
    ("respiratory-rate-sleep-summary", "lr", "health_metrics_and_measurements", "respiratoryRateSleepSummary", true),
    ("daily-respiratory-rate", "lr", "health_metrics_and_measurements", "dailyRespiratoryRate", true),
    (
        "daily-sleep-temperature-derivations",
        "lr",
        "health_metrics_and_measurements",
        "dailySleepTemperatureDerivations",
        true,
    ),
    ("core-body-temperature", "lrRD", "health_metrics_and_measurements", "coreBodyTemperature", true),
    ("blood-glucose", "lrRD", "health_metrics_and_measurements", "bloodGlucose", false),
    ("weight", "lrRD", "health_metrics_and_measurements", "weight", true),
    ("body-fat", "lrRD", "health_metrics_and_measurements", "bodyFat", true),
    ("height", "lr", "health_metrics_and_measurements", "height", true),
    ("sleep", "lr", "sleep", "sleep", true),
    ("hydration-log", "lrRD", "nutrition", "hydrationLog", true),
    ("nutrition-log", "lrRD", "nutrition", "nutritionLog", true),
    ("food", "l", "nutrition", "food", false),
    ("electrocardiogram", "l", "ecg", "electrocardiogram", true),
    ("irregular-rhythm-notification", "l", "irn", "irregularRhythmNotification", true),
    ("moods", "", "mindfulness", "moods", false),
];

#[tokio::test]
async fn every_type_answers_its_operations_with_its_scope_and_refuses_all_else() {
    let world = World::with(Options { project: unlimited(), ..Options::default() }, noon());
    let google = Google::new(&world);
    for (kind, operations, scope, key, any) in TYPES {
        let scope = format!("https://www.googleapis.com/auth/googlehealth.{scope}.readonly");
        let others: Vec<&str> = Simulator::google_scopes().iter().copied().filter(|other| *other != scope).collect();
        let without = Google::with(&world, 0, &others);
        for operation in "lrRD".chars() {
            let ask = async |google: &Google<'_>| match operation {
                'l' => google.list(kind, "", &[("pageSize", "25")]).await,
                'r' => google.list(kind, ":reconcile", &[("pageSize", "25")]).await,
                'R' => {
                    google.roll(kind, "rollUp", windows("2026-11-06T00:00:00Z", "2026-11-20T00:00:00Z", "86400s")).await
                }
                _ => google.roll(kind, "dailyRollUp", days(7, 21)).await,
            };
            let (status, body) = ask(&google).await;
            if !operations.contains(operation) {
                assert_eq!(
                    (status, reason(&body)),
                    (400, "UNSUPPORTED_DATA_TYPE_ACTION"),
                    "{kind} {operation}: {body}"
                );
                continue;
            }
            assert_eq!(status, 200, "{kind} {operation}: {body}");
            let list = if "lr".contains(operation) { "dataPoints" } else { "rollupDataPoints" };
            let empty_first = list == "dataPoints" && body["nextPageToken"].is_string() && body[list].is_null();
            if !empty_first {
                assert_eq!(body[list].is_array(), *any, "{kind} {operation}: {body}");
            }
            for point in body[list].as_array().into_iter().flatten() {
                assert!(point[key].is_object(), "{kind} {operation}: {point}");
                assert_eq!(point.get("dataSource").is_some(), operation == 'l', "{kind}: {point}");
            }
            let (status, body) = ask(&without).await;
            assert_eq!((status, reason(&body)), (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"), "{kind} {operation}");
            assert_eq!(body["error"]["status"], "PERMISSION_DENIED");
        }
    }
    for unknown in ["bmi", "lean-mass", "resting-heart-rate", "sleep-score", "Steps"] {
        let (status, body) = google.list(unknown, ":reconcile", &[]).await;
        assert_eq!((status, reason(&body)), (400, "INVALID_PARENT_DATA_TYPE_COLLECTION"), "{unknown}");
    }
}

pub fn unlimited() -> Project {
    Project { requests_a_minute: usize::MAX, ..Project::default() }
}

#[tokio::test]
async fn filters_are_understood_as_documented_and_nothing_else() {
    let world = World::with(Options { project: unlimited(), ..Options::default() }, noon());
    let google = Google::new(&world);
    let civil = r#"steps.interval.civil_start_time >= "2026-11-19" AND steps.interval.civil_start_time < "2026-11-20""#;
    for (kind, filter) in [
        ("steps", civil),
        ("steps", r#"steps.interval.civil_start_time>="2026-11-19T12:30:00""#),
        (
            "steps",
            r#"steps.interval.start_time >= "2026-11-19T00:00:00Z" AND steps.interval.start_time < "2026-11-19T02:00:00+01:00""#,
        ),
        ("weight", r#"weight.sample_time.physical_time < "2026-11-19T00:00:00Z""#),
        ("weight", r#"weight.sample_time.civil_time < "2026-11-20" AND weight.sample_time.civil_time >= "2026-11-19""#),
        ("daily-vo2-max", r#"daily_vo2_max.date >= "2026-11-19""#),
        ("sleep", r#"sleep.interval.civil_end_time >= "2026-11-19""#),
        ("sleep", r#"sleep.interval.end_time >= "2026-11-19T00:00:00Z""#),
        ("exercise", r#"exercise.interval.civil_start_time >= "2026-11-19""#),
    ] {
        let (status, body) = google.list(kind, ":reconcile", &[("filter", filter)]).await;
        assert_eq!(status, 200, "{filter}: {body}");
    }
    for (kind, filter, detail) in [
        ("steps", r#"distance.interval.start_time >= "2026-11-19T00:00:00Z""#, "_DATA_TYPE_COLLECTION_MISMATCH"),
        ("daily-vo2-max", r#"daily-vo2-max.date >= "2026-11-19""#, "_DATA_TYPE_COLLECTION_MISMATCH"),
        ("steps", r#"steps.count >= "5""#, "_DATA_TYPE_MEMBER"),
        ("steps", r#"steps.interval.end_time >= "2026-11-19T00:00:00Z""#, "_DATA_TYPE_RESTRICTION"),
        ("steps", r#"steps.sample_time.civil_time >= "2026-11-19""#, "_DATA_TYPE_RESTRICTION"),
        ("sleep", r#"sleep.interval.civil_start_time >= "2026-11-19""#, "_DATA_TYPE_RESTRICTION"),
        ("exercise", r#"exercise.interval.start_time >= "2026-11-19T00:00:00Z""#, "_DATA_TYPE_RESTRICTION"),
        (
            "steps",
            r#"steps.interval.start_time >= "2026-11-19T00:00:00Z" AND steps.interval.civil_start_time < "2026-11-20""#,
            "_MIXED_TIME_RESTRICTIONS",
        ),
        ("steps", r#"steps.interval.civil_start_time > "2026-11-19""#, "_RESTRICTION_COMPARATOR"),
        ("steps", r#"steps.interval.civil_start_time <= "2026-11-19""#, "_RESTRICTION_COMPARATOR"),
        ("steps", r#"steps.interval.civil_start_time >= 2026-11-19"#, "_EXPRESSION_STRUCTURE"),
        ("steps", r#"steps.interval.civil_start_time >= '2026-11-19'"#, "_EXPRESSION_STRUCTURE"),
        ("steps", r#"steps.interval.civil_start_time >= "2026-11-19" AND"#, "_EXPRESSION_STRUCTURE"),
        (
            "steps",
            r#"steps.interval.civil_start_time >= "2026-11-19" OR steps.interval.civil_start_time < "2026-11-20""#,
            "_EXPRESSION_STRUCTURE",
        ),
        ("steps", "", "_EXPRESSION_STRUCTURE"),
        ("steps", r#"steps.interval.civil_start_time >= "2026-11-19T12:30""#, "_CIVIL_DATE_TIME_FORMAT"),
        ("steps", r#"steps.interval.civil_start_time >= "2026-11-19T12:30:00Z""#, "_CIVIL_DATE_TIME_FORMAT"),
        ("daily-vo2-max", r#"daily_vo2_max.date >= "2026-11-19T00:00:00""#, "_CIVIL_DATE_TIME_FORMAT"),
        ("steps", r#"steps.interval.start_time >= "2026-11-19""#, "_EXPRESSION_STRUCTURE"),
        (
            "steps",
            r#"steps.interval.civil_start_time >= "2026-11-20" AND steps.interval.civil_start_time < "2026-11-20""#,
            "INVALID_TIME_RANGE",
        ),
    ] {
        let (status, body) = google.list(kind, ":reconcile", &[("filter", filter)]).await;
        let details = &body["error"]["details"][0];
        assert_eq!((status, &details["reason"]), (400, &json!("INVALID_DATA_POINT_FILTER")), "{filter}: {body}");
        let told = details["metadata"]["detailedReasons"].as_str().unwrap();
        assert!(told.ends_with(detail), "{filter}: {told}, not {detail}");
    }
    let ecg = r#"electrocardiogram.interval.start_time < "2026-11-19T00:00:00Z""#;
    assert_eq!(google.list("electrocardiogram", "", &[("filter", ecg)]).await.0, 400);
    assert_eq!(google.list("electrocardiogram", "", &[("filter", &ecg.replace('<', ">="))]).await.0, 200);
}

#[tokio::test]
async fn doors_are_shut_as_they_are_at_the_service() {
    let world = World::new();
    let google = Google::new(&world);
    for path in ["nothing", "dataTypes/steps", "dataTypes/steps/dataPoints:rollup", "dataTypes/steps/dataPoints:rollUp"]
    {
        let response = google.ask("GET", path, "").await;
        assert_eq!(
            (response.status, header(&response, "content-type")),
            (404, Some("text/html; charset=UTF-8")),
            "{path}"
        );
    }
    let anonymous = world.ask("GET", "/google-health/v4/users/me/identity", "", "").await;
    assert_eq!((anonymous.status, reason(&parsed(&anonymous))), (401, "CREDENTIALS_MISSING"));
    let stranger =
        world.ask("GET", "/google-health/v4/users/me/identity", &format!("Bearer {}", world.token), "").await;
    assert_eq!((stranger.status, parsed(&stranger)["error"]["status"].clone()), (401, json!("UNAUTHENTICATED")));
    assert!(header(&stranger, "www-authenticate").unwrap().contains("error=\"invalid_token\""));
    for (path, status) in [
        ("identity?foo=1", 400),
        ("identity?alt=json&prettyPrint=false", 200),
        ("dataTypes/steps/dataPoints?startTime=2026-11-19T00:00:00Z", 400),
        ("dataTypes/steps/dataPoints?pageSize=-1", 400),
        ("dataTypes/steps/dataPoints?pageSize=many", 400),
        ("dataTypes/steps/dataPoints?dataSourceFamily=google-wearables", 400),
        ("dataTypes/sleep/dataPoints?dataSourceFamily=users/me/dataSourceFamilies/all-sources", 400),
        ("dataTypes/sleep/dataPoints:reconcile?dataSourceFamily=users/me/dataSourceFamilies/all-sources", 200),
        ("dataTypes/steps/dataPoints/1", 400),
        ("dataTypes/weight/dataPoints/1", 404),
        ("pairedDevices/1", 404),
        ("irnProfile", 200),
        ("profile", 200),
    ] {
        let (answered, body) = google.get(path).await;
        assert_eq!(answered, status, "{path}: {body}");
    }
    let response = google.ask("POST", "dataTypes/weight/dataPoints", "{}").await;
    assert_eq!((response.status, reason(&parsed(&response))), (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"));
    let weighed = google.all("weight", "", &[]).await.swap_remove(0);
    let id = weighed["name"].as_str().unwrap().rsplit_once('/').unwrap().1;
    assert_eq!(google.ok(&format!("dataTypes/weight/dataPoints/{id}")).await, weighed);
    let run = google.all("exercise", "", &[]).await.swap_remove(0);
    let id = run["name"].as_str().unwrap().rsplit_once('/').unwrap().1;
    let tcx = google.ask("GET", &format!("dataTypes/exercise/dataPoints/{id}:exportExerciseTcx?alt=media"), "").await;
    assert!(tcx.status == 200 && String::from_utf8(tcx.body).unwrap().contains("<Trackpoint>"));
}

#[tokio::test]
async fn quotas_are_per_minute_and_for_the_unverified_per_second() {
    let path = "/google-health/v4/users/me/identity";
    for (verified, most, pause) in [(true, 300, TimeDelta::minutes(1)), (false, 5, TimeDelta::seconds(2))] {
        let project = Project { verified, ..Project::default() };
        let world = World::with(Options { project, ..Options::default() }, noon());
        let google = Google::new(&world);
        let bearer = format!("Bearer {}", google.token);
        for number in 0..most {
            assert_eq!(world.ask("GET", path, &bearer, "").await.status, 200, "{number}");
        }
        let refused = world.ask("GET", path, &bearer, "").await;
        assert_eq!((refused.status, reason(&parsed(&refused))), (429, "RATE_LIMIT_EXCEEDED"));
        assert_eq!(parsed(&refused)["error"]["status"], "RESOURCE_EXHAUSTED");
        assert!(
            refused.headers.iter().all(|(name, _)| ["Content-Type", "Date"].contains(&name.as_str())),
            "{:?}",
            refused.headers
        );
        let other = Google::with(&world, 1, Simulator::google_scopes());
        assert_eq!(other.get("identity").await.0, 200);
        world.clock.advance(pause);
        assert_eq!(world.ask("GET", path, &bearer, "").await.status, 200);
    }
}

#[test]
fn the_configuration_names_both_clouds_and_their_applications() {
    let world = World::new();
    let text = world.simulator.configuration("http://127.0.0.1:9334");
    for line in [
        "[upstream.google-health]",
        "[upstream.fitbit]",
        r#"authorize_url = "http://127.0.0.1:9334/google-health/o/oauth2/v2/auth""#,
    ] {
        assert_eq!(text.lines().filter(|found| *found == line).count(), 1, "{line}: {text}");
    }
    assert!(text.contains(GOOGLE) && text.contains("23SIMU"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn no_filter_makes_it_fall_over(
        kind in prop::sample::select(vec!["steps", "sleep", "daily-vo2-max", "weight", "electrocardiogram", "food", "é"]),
        parts in prop::collection::vec(prop::sample::select(vec![
            "steps.interval.start_time", "sleep.interval.civil_end_time", "daily_vo2_max.date", ">=", "<", "AND", "OR",
            "\"2026-11-19\"", "\"2026-11-19T00:00:00Z\"", "\"9999-12-31\"", "\"-262143-01-01\"", "\"", "(", "é", "=", ".", " ",
            "\"0000-01-01T00:00:00\"", "\"9999-12-31T23:59:59Z\"", "\"0000-01-01T00:00:00Z\"",
        ]), 0..8),
        size in "-?[0-9]{0,11}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let world = World::new();
        let google = Google::new(&world);
        let filter = parts.join(" ");
        let (status, _) = runtime.block_on(google.list(kind, ":reconcile", &[("filter", &filter), ("pageSize", &size)]));
        prop_assert!([200, 400].contains(&status), "{filter}: {status}");
    }
}
