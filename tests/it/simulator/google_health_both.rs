//! Reads both halves about one person for sixty days, raw, and turns answers into values that can be compared.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, NaiveDate, TimeDelta, TimeZone, Utc};
use fitbit2mqtt::simulator::{Options, Project, Simulator};
use serde_json::{Value as Json, json};

use super::google_health::GOOGLE;
use super::{World, json as parsed};

/// Values by date, or by local time.
pub type Values = BTreeMap<String, f64>;

pub struct Both {
    pub world: World,
    google: String,
    pub first: NaiveDate,
    last: NaiveDate,
}

impl Both {
    pub fn new(person: usize, now: &str) -> Both {
        let project = Project { requests_a_minute: usize::MAX, ..Project::default() };
        let options = Options { quota: u32::MAX, people: 8, project, ..Options::default() };
        let mut world = World::with(options, now.parse().unwrap());
        world.token = world.simulator.grant("23SIMU", person, Simulator::scopes()).unwrap().access_token;
        let google = world.simulator.grant(GOOGLE, person, Simulator::google_scopes()).unwrap().access_token;
        let known = world.simulator.known(person).unwrap();
        let last = known.today();
        Both { world, google, first: last - TimeDelta::days(59), last }
    }

    /// Rows of the Fitbit half, in pieces of thirty days.
    pub async fn fitbit(&self, path: &str, ending: &str, list: &str) -> Vec<Json> {
        let mut rows = Vec::new();
        for (from, to) in self.pieces(30) {
            let body = self.world.ok(&format!("/fitbit/{path}/date/{from}/{to}{ending}.json")).await;
            let list = if list.is_empty() { &body } else { &body[list] };
            rows.extend(list.as_array().unwrap().clone());
        }
        rows
    }

    pub async fn fitbit_values(&self, path: &str, list: &str, value: &str) -> Values {
        let rows = self.fitbit(path, "", list).await;
        rows.iter().filter_map(|row| Some((text(&row["dateTime"]), number(row.pointer(value)?)))).collect()
    }

    /// A roll-up by days; members that are left out are zero.
    pub async fn daily(&self, kind: &str) -> BTreeMap<String, Json> {
        let mut days = BTreeMap::new();
        for (from, to) in self.pieces(14) {
            let body = json!({"range": {"start": civil(from), "end": civil(to + TimeDelta::days(1))}});
            let path = format!("/google-health/v4/users/me/dataTypes/{kind}/dataPoints:dailyRollUp");
            let answer = self.ask("POST", &path, &body.to_string()).await;
            for window in answer["rollupDataPoints"].as_array().unwrap_or(&Vec::new()) {
                let value = window[camel(kind)].clone();
                assert!(days.insert(day(&window["civilStartTime"]["date"]), value).is_none(), "{kind}");
            }
        }
        days
    }

    pub async fn daily_values(&self, kind: &str, value: &str, scale: f64) -> Values {
        let days = self.daily(kind).await;
        days.into_iter().map(|(day, found)| (day, found.pointer(value).map_or(0.0, number) / scale)).collect()
    }

    /// All reconciled points that a filter field has in the sixty days.
    pub async fn points(&self, kind: &str, field: &str) -> Vec<Json> {
        let (from, to) = (self.first, self.last + TimeDelta::days(1));
        self.points_between(kind, field, &from.to_string(), &to.to_string()).await
    }

    pub async fn points_between(&self, kind: &str, field: &str, from: &str, to: &str) -> Vec<Json> {
        let name = format!("{}.{field}", kind.replace('-', "_"));
        let filter = format!("{name} >= \"{from}\" AND {name} < \"{to}\"");
        let mut points = Vec::new();
        let mut token = String::new();
        loop {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("filter", &filter).append_pair("pageSize", "10000");
            if !token.is_empty() {
                query.append_pair("pageToken", &token);
            }
            let path = format!("/google-health/v4/users/me/dataTypes/{kind}/dataPoints:reconcile?{}", query.finish());
            let page = self.ask("GET", &path, "").await;
            points.extend(page["dataPoints"].as_array().cloned().unwrap_or_default());
            token = page["nextPageToken"].as_str().unwrap_or_default().to_owned();
            if token.is_empty() {
                return points.into_iter().map(|mut point| point[camel(kind)].take()).collect();
            }
        }
    }

    pub async fn ask(&self, method: &str, path: &str, body: &str) -> Json {
        let response = self.world.ask(method, path, &format!("Bearer {}", self.google), body).await;
        let answer = parsed(&response);
        assert_eq!(response.status, 200, "{path}: {answer}");
        answer
    }

    pub fn pieces(&self, days: i64) -> Vec<(NaiveDate, NaiveDate)> {
        let starts = (0..60).step_by(days as usize).map(|day| self.first + TimeDelta::days(day));
        starts.map(|from| (from, (from + TimeDelta::days(days - 1)).min(self.last))).collect()
    }
}

pub fn camel(kind: &str) -> String {
    let mut words = kind.split('-');
    let first = words.next().unwrap().to_owned();
    words.fold(first, |key, word| key + &word[..1].to_uppercase() + &word[1..])
}

pub fn civil(date: NaiveDate) -> Json {
    use chrono::Datelike;
    json!({"date": {"year": date.year(), "month": date.month(), "day": date.day()}})
}

pub fn day(date: &Json) -> String {
    format!(
        "{:04}-{:02}-{:02}",
        date["year"].as_i64().unwrap(),
        date["month"].as_i64().unwrap(),
        date["day"].as_i64().unwrap()
    )
}

pub fn text(value: &Json) -> String {
    value.as_str().unwrap().to_owned()
}

/// A number, or text that is one.
pub fn number(value: &Json) -> f64 {
    value.as_f64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

/// The local time of an instant and the offset that stands beside it.
pub fn local(instant: &Json, offset: &Json) -> String {
    let offset: i32 = text(offset).strip_suffix('s').unwrap().parse().unwrap();
    let instant: DateTime<Utc> = text(instant).parse().unwrap();
    FixedOffset::east_opt(offset)
        .unwrap()
        .from_utc_datetime(&instant.naive_utc())
        .format("%Y-%m-%dT%H:%M:%S")
        .to_string()
}

pub fn date_of(sample: &Json) -> String {
    local(&sample["physicalTime"], &sample["utcOffset"])[..10].to_owned()
}
