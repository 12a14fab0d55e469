//! Nights of which the service tells only a part within the days asked for.

use fitbit2mqtt::simulator::{Effect, Fault, Project};
use fitbit2mqtt::upstream::google_health::GOOGLE_HEALTH;
use serde_json::{Value as Json, json};

use super::household;
use crate::world::World;

const SLEEP: &str = "sleep/dataPoints:reconcile";

/// A session without stages, slept through, of a person whose clock is UTC.
fn session(id: &str, start: &str, end: &str, minutes: u32) -> Json {
    let interval = json!({"startTime": start, "startUtcOffset": "0s", "endTime": end, "endUtcOffset": "0s"});
    let summary = json!({"minutesInSleepPeriod": minutes.to_string(), "minutesAsleep": minutes.to_string()});
    let sleep = json!({"interval": interval, "type": "CLASSIC", "metadata": {"processed": true}, "summary": summary});
    json!({"dataPointName": format!("users/1/dataTypes/sleep/dataPoints/{id}"), "sleep": sleep})
}

impl World {
    /// The nights of the answer to a request for these days, when the service answers with these sessions.
    async fn nights(&self, days: &str, sessions: &[&Json]) -> Vec<(String, f64)> {
        let answer = Effect::answer(200, &json!({"dataPoints": sessions}));
        self.cloud.fault(Fault { path: SLEEP.into(), person: None, times: Some(1), effect: answer });
        let answer = self.fetch("anna", &format!("&methods=get_sleep{days}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let json = answer.json();
        let series = json["series"]["sleep-minutes"].as_array().cloned().unwrap_or_default();
        let night = |night: &Json| (night["dateTime"].as_str().unwrap().to_owned(), night["value"].as_f64().unwrap());
        series.iter().map(night).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_that_began_before_the_days_asked_for_is_whole_and_one_that_goes_on_after_them_is_left_alone() {
    let mut world = household(Project::default(), "2026-11-20T15:00:00Z").await;
    world.connect_at(&GOOGLE_HEALTH, "anna", 0);
    world.start().await;
    world.started("anna").await;
    let before = session("1", "2026-11-17T22:00:00Z", "2026-11-18T06:00:00Z", 480);
    let evening = session("2", "2026-11-18T20:00:00Z", "2026-11-18T22:30:00Z", 150);
    let rest = session("3", "2026-11-19T00:00:00Z", "2026-11-19T06:00:00Z", 360);
    let night = ("2026-11-19".to_owned(), 510.0);

    // The evening is in the range that is asked, and what else is in it is not of the days asked for.
    let asked = world.nights("&base_date=2026-11-19&end_date=2026-11-19", &[&rest, &evening, &before]).await;
    assert_eq!(asked, std::slice::from_ref(&night));
    let query = world.cloud.requests().into_iter().rfind(|asked| asked.path.contains(SLEEP)).unwrap().query;
    let words = query.replace("%20", " ").replace("%22", "\"");
    assert!(words.contains("\"2026-11-18\"") && words.contains("\"2026-11-20\""), "{query}");

    // An older range ends with the evening: what it began is known better.
    let older = world.nights("&base_date=2026-11-17&end_date=2026-11-18", &[&evening, &before]).await;
    assert_eq!(older, [("2026-11-18".to_owned(), 480.0)]);
    let newest = world.fetch("anna", "&methods=get_devices").await;
    assert_eq!(newest.status, 200);
    let retained = world.retained().await;
    assert_eq!(retained["sensors/fitbit/anna/sleep-minutes"], "510");
}
