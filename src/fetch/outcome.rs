//! What a fetch answers: the JSON of `GET /plugin/fitbit`, and which error it is when nothing worked.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};

use super::asking::Answer;
use super::told::Told;
use crate::household::{Household, Member};
use crate::plan::{BadRequest, Plan};
use crate::reading::{Moment, Person, Reading};
use crate::snapshot::{Shown, Snapshot, utc};
use crate::upstream::Failure;

/// What to do where our own files fail.
const OUR_FILES: &str =
    "put right the file that is named; where none is, look at the data folder's permissions and free space";

/// A fetch in which at least something worked.
#[derive(Debug)]
pub struct Outcome {
    person: Person,
    provider: &'static str,
    /// When.
    pub fetched: DateTime<Utc>,
    pub(super) calls: usize,
    asked: HashSet<String>,
    methods: Vec<(String, Vec<&'static str>)>,
    worked: bool,
    failed: Vec<(String, Failure)>,
    series: Option<Vec<Reading>>,
    data: Map<String, Json>,
    json: Json,
}

/// Why there is nothing to answer.
#[derive(Debug)]
pub enum Refusal {
    /// There is no folder for this person.
    UnknownPerson(Person),
    /// The person has not consented yet.
    NoToken(Person),
    /// The request is wrong.
    Bad(BadRequest),
    /// What stands in the person's file is wrong: which setting, and what is allowed.
    Setting(Person, String),
    /// This upstream has put the person away.
    Archived(Person, &'static str),
    /// The bridge is stopping.
    Stopping,
    /// Everything that was asked failed; the failure that says most.
    Failed(Person, Failure),
    /// The patients of this group cannot be listed, and why.
    Group(String, String),
    /// Our own files or store.
    Internal(anyhow::Error),
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Refusal {
        Refusal::Internal(error)
    }
}

impl From<BadRequest> for Refusal {
    fn from(bad: BadRequest) -> Refusal {
        Refusal::Bad(bad)
    }
}

impl Refusal {
    /// Status code, what happened, and what to do.
    pub fn words(&self) -> (u16, String, String) {
        match self {
            Refusal::UnknownPerson(person) => {
                (404, format!("there is no person {person}"), "create the person on the setup page".into())
            }
            Refusal::NoToken(person) => (
                403,
                format!("{person} has not consented yet"),
                format!("open /plugin/fitbit/auth1?user={person} in a browser, or the setup page"),
            ),
            Refusal::Bad(bad) => (400, bad.to_string(), "correct the request".into()),
            Refusal::Setting(person, why) => (
                400,
                format!("a setting of {person} is wrong: {why}"),
                format!("correct it on the setup page, or in identities/{person}/plugindata/fitbit.toml"),
            ),
            Refusal::Archived(person, title) => (
                403,
                format!("{person} is archived at {title}, so that nothing is fetched"),
                format!("nothing, if that is right; else take {person} out of the archive there"),
            ),
            Refusal::Stopping => (503, "the bridge is stopping".into(), "ask again when it is back".into()),
            Refusal::Failed(person, failure) => match failure {
                Failure::ConsentLost(why) => (
                    409,
                    format!("{person}: {why}"),
                    format!("open /plugin/fitbit/auth1?user={person} in a browser, or the setup page"),
                ),
                Failure::QuotaSpent { until } => (
                    429,
                    format!("{person}: {failure}"),
                    format!("ask again after {}; interval actions go on by themselves", utc(*until)),
                ),
                Failure::Misconfigured(why) => {
                    (502, format!("{person}: {why}"), "correct the settings on the setup page".into())
                }
                Failure::Ours(why) => (500, format!("{person}: {why}"), OUR_FILES.into()),
                other => (502, format!("{person}: {other}"), "ask again later; known values are kept".into()),
            },
            Refusal::Group(group, why) => (
                502,
                format!("the patients of group {group} cannot be listed: {why}"),
                "correct the group or the credentials (`fitbit2mqtt plus group` lists the groups), or ask again later"
                    .into(),
            ),
            Refusal::Internal(error) => (500, format!("{error:#}"), OUR_FILES.into()),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (_, error, cure) = self.words();
        write!(f, "{error}; {cure}")
    }
}

impl std::error::Error for Refusal {}

impl Outcome {
    pub(super) fn new(member: &Member, plan: &Plan, answers: &[Answer], told: Told, now: DateTime<Utc>) -> Outcome {
        let mut failed: Vec<(String, Failure)> = Vec::new();
        for (method, reason) in &plan.refused {
            failed.push((method.clone(), Failure::NotGranted(reason.clone())));
        }
        for answer in answers {
            for method in &answer.ask.methods {
                failed.extend(answer.failure.clone().map(|failure| (method.clone(), failure)));
            }
        }
        failed.extend(told.problems);
        let mut seen = Vec::new();
        failed.retain(|entry| {
            !seen.contains(entry) && {
                seen.push(entry.clone());
                true
            }
        });
        let refused = plan.refused.iter().map(|(method, _)| method.clone());
        let mut data = Map::new();
        for method in plan.methods.iter().filter(|method| method.data) {
            let page =
                answers.iter().find(|answer| answer.ask.methods.contains(&method.name)).and_then(|a| a.pages.first());
            data.extend(page.map(|page| (method.name.clone(), page.clone())));
        }
        Outcome {
            person: member.person.clone(),
            provider: member.upstream.provider,
            fetched: now,
            calls: answers.iter().map(|answer| answer.calls).sum(),
            asked: answers.iter().flat_map(|answer| answer.ask.methods.clone()).chain(refused).collect(),
            methods: plan.methods.iter().map(|method| (method.name.clone(), method.gives.clone())).collect(),
            worked: told.understood > 0 || failed.is_empty(),
            failed,
            series: plan.series.then_some(told.readings),
            data,
            json: Json::Null,
        }
    }

    /// Why the fetch counts as failed; `None`: something worked, or only scopes were missing.
    pub fn error(&self) -> Option<String> {
        self.failure().map(Failure::to_string)
    }

    /// The methods that failed, and why.
    pub(super) fn failed(&self) -> &[(String, Failure)] {
        &self.failed
    }

    /// Whether this method was asked.
    pub(super) fn asked(&self, method: &str) -> bool {
        self.asked.contains(method)
    }

    /// The JSON of the answer.
    pub fn json(&self) -> &Json {
        &self.json
    }

    fn failure(&self) -> Option<&Failure> {
        let only_scopes = self.failed.iter().all(|(_, failure)| matches!(failure, Failure::NotGranted(_)));
        if self.worked || only_scopes {
            return None;
        }
        let failures = || self.failed.iter().map(|(_, failure)| failure);
        failures()
            .find(|failure| matches!(failure, Failure::ConsentLost(_)))
            .or_else(|| failures().find(|failure| matches!(failure, Failure::QuotaSpent { .. })))
            .or_else(|| failures().find(|failure| !matches!(failure, Failure::NotGranted(_))))
    }

    /// Completes the answer with what is known (and was just published as `snapshot`), or makes it a refusal.
    pub(super) async fn finish(
        mut self,
        household: &Household,
        member: &Member,
        snapshot: Option<Snapshot>,
    ) -> Result<Outcome, Refusal> {
        if let Some(failure) = self.failure() {
            return Err(Refusal::Failed(self.person.clone(), failure.clone()));
        }
        let Snapshot { values, quota, .. } = match snapshot {
            Some(snapshot) => snapshot,
            None => household.snapshot(member).await?,
        };
        let mut metrics = Map::new();
        for shown in values {
            if self.methods.iter().any(|(_, gives)| gives.contains(&shown.metric.key)) {
                metrics.insert(shown.metric.key.to_owned(), shown.to_json());
            }
        }
        let failed: Vec<Json> = self
            .failed
            .iter()
            .map(|(method, failure)| json!({"method": method, "reason": failure.to_string()}))
            .collect();
        let mut json = Map::new();
        json.insert("user".into(), json!(self.person));
        json.insert("provider".into(), self.provider.into());
        json.insert("fetched".into(), utc(self.fetched).into());
        json.insert("calls".into(), self.calls.into());
        if let Some(quota) = quota {
            let (limit, remaining, reset) = (quota.limit, quota.remaining, utc(quota.reset));
            json.insert("quota".into(), json!({"limit": limit, "remaining": remaining, "reset": reset}));
        }
        json.insert("metrics".into(), metrics.into());
        if let Some(readings) = self.series.take() {
            json.insert("series".into(), series(readings, self.fetched, member.system).into());
        }
        if !self.data.is_empty() {
            json.insert("data".into(), std::mem::take(&mut self.data).into());
        }
        json.insert("failed".into(), failed.into());
        self.json = Json::Object(json);
        Ok(self)
    }
}

/// Every reading of this fetch by metric, oldest first.
fn series(mut readings: Vec<Reading>, fetched: DateTime<Utc>, system: crate::metric::System) -> Map<String, Json> {
    readings.sort_by_key(|reading| reading.at);
    let mut series: Map<String, Json> = Map::new();
    let mut seen: HashSet<(&str, Moment)> = HashSet::new();
    for reading in readings {
        if !seen.insert((reading.metric.key, reading.at)) {
            continue;
        }
        let key = reading.metric.key;
        let mut entry = Shown::new(reading, fetched, system).to_json();
        if let Some(entry) = entry.as_object_mut() {
            entry.remove("fetched");
        }
        let list = series.entry(key).or_insert_with(|| Json::Array(Vec::new()));
        if let Some(list) = list.as_array_mut() {
            list.push(entry);
        }
    }
    series
}
