//! What the answers of a fetch say: decoded, freed of zeros that are no measurement, recorded.

use std::borrow::Cow;
use std::collections::HashSet;

use anyhow::Result;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value as Json;

use super::Fetcher;
use super::asking::Answer;
use crate::household::Member;
use crate::metric::{self, Zero};
use crate::plan::{Ask, Known, Plan, Probe};
use crate::reading::{Reading, Value};
use crate::snapshot::Device;
use crate::store::{Batch, Covered, Selection};
use crate::upstream::Failure;
use crate::upstream::decode::decode;
use crate::upstream::endpoint::{At, Context, Decode, Decoded, Span};

/// How many readings are read back at once.
const PAGE: usize = 5000;

/// What all answers together said.
#[derive(Default)]
pub(super) struct Told {
    /// How many answers to what was asked could be read.
    pub understood: usize,
    /// The readings of the days asked for, where the answer is to show them.
    pub readings: Vec<Reading>,
    /// Methods and what went wrong while reading their answers.
    pub problems: Vec<(String, Failure)>,
    /// The same of each request, whether or not it answers a method: the first.
    pub unread: Vec<String>,
    /// What each answer said that is to be recorded, also of days that were not asked for, and the days it covers.
    said: Vec<Said>,
    /// Values under dates on which they may not have been measured: shown, not recorded.
    carried: Vec<Reading>,
    devices: Option<Vec<Device>>,
}

/// What one answer said.
struct Said {
    /// Within which a reading is one that was asked for; `None`: each is.
    asked_for: Option<(NaiveDate, NaiveDate)>,
    readings: Vec<Reading>,
    covered: Vec<Covered>,
}

impl Fetcher {
    /// Every answer as readings; those that are sure are recorded with the days they cover, and what a person's devices
    /// are is kept. `asked`: when the first of these questions was put.
    pub(super) async fn decode_all(
        &self,
        member: &Member,
        mut known: Known,
        answers: &[Answer],
        asked: DateTime<Utc>,
    ) -> Result<Told> {
        let store = &self.household.store;
        let mut told = Told::default();
        let mut height =
            store.newest_of(&member.person, "height").await?.and_then(|stored| stored.reading.value.number());
        if known.probe == Probe::Unseen {
            known.probe = Probe::of(&store.devices(&member.person).await?);
        }
        for answer in answers {
            if answer.pages.is_empty() {
                told.said.extend(Said::refused(answer, &known, member.upstream.provider));
                continue;
            }
            let context = self.context(member, &answer.ask, height);
            match decode(answer.endpoint, &merged(&answer.pages), &context) {
                Ok(decoded) => {
                    // The height comes before the weights that need it.
                    let read = decoded.readings.iter().find(|reading| reading.metric.key == "height");
                    height = read.and_then(|reading| reading.value.number()).or(height);
                    let covered = covered(answer, &known, decoded.unfinished, member.upstream.provider);
                    told.add(&answer.ask, decoded, covered);
                }
                Err(failure) => told.fail(&answer.ask, failure),
            }
        }
        // An empty list erases nothing, like every empty answer.
        if let Some(devices) = told.devices.as_ref().filter(|devices| !devices.is_empty()) {
            store.set_devices(&member.person, devices).await?;
        }
        self.keep_what_was_measured(member, &mut told.said).await?;
        if told.said.iter().any(|said| !said.readings.is_empty()) {
            store.note_zone(&member.person, member.zone, member.today).await?;
            if let Some(patient) = member.user_id().filter(|_| member.upstream.is_organizations()) {
                store.set_patient(&member.person, patient).await?;
            }
        }
        let now = self.household.clock.now();
        let mut recorded = Vec::new();
        for Said { readings, covered, .. } in &told.said {
            recorded.extend(store.record(&member.person, &Batch { readings, covered, asked }, now).await?);
        }
        self.tell_of_the_past(member, &recorded).await?;
        let shown = std::mem::take(&mut told.said).into_iter().flat_map(|Said { asked_for, readings, .. }| {
            let within = move |date| asked_for.is_none_or(|(first, last)| (first..=last).contains(&date));
            readings.into_iter().filter(move |reading| within(reading.at.date()))
        });
        told.readings = shown.chain(std::mem::take(&mut told.carried)).collect();
        Ok(told)
    }

    /// What the store has of the days and methods of a plan, for an answer about more than one moment: not everything
    /// was asked again.
    pub(super) async fn remembered(&self, member: &Member, plan: &Plan) -> Result<Vec<Reading>> {
        let Some((from, to)) = plan.range else { return Ok(Vec::new()) };
        let mut metrics: Vec<_> = plan.methods.iter().flat_map(|method| &method.gives).copied().collect();
        metrics.sort_unstable();
        metrics.dedup();
        let metrics: Vec<_> = metrics.into_iter().filter_map(metric::find).collect();
        if metrics.is_empty() {
            return Ok(Vec::new());
        }
        let selection = Selection { from, to, metrics: &metrics, intraday: false };
        let (mut readings, mut after) = (Vec::new(), None);
        loop {
            let page = self.household.store.history(&member.person, &selection, after, PAGE).await?;
            readings.extend(page.readings.into_iter().map(|stored| stored.reading));
            after = page.next;
            if after.is_none() {
                return Ok(readings);
            }
        }
    }

    /// Drops zeros that are no measurement, and what stands as it stood.
    async fn keep_what_was_measured(&self, member: &Member, said: &mut [Said]) -> Result<()> {
        let readings = || said.iter().flat_map(|said| &said.readings);
        let mut worn: HashSet<NaiveDate> =
            readings().filter(|reading| proves_wear(reading)).map(|reading| reading.at.date()).collect();
        if let Some(from) = readings().map(|reading| reading.at.date()).min() {
            worn.extend(self.household.store.days_worn(&member.person, from).await?);
        }
        for said in said {
            said.readings.retain(|reading| is_measured(reading, &worn));
            self.keep_standing_values(member, &mut said.readings).await?;
        }
        Ok(())
    }

    /// A height holds until it changes: the day on which it was read again is no new measurement. So does an
    /// appointment; that there is none is worth keeping where there was one.
    async fn keep_standing_values(&self, member: &Member, readings: &mut Vec<Reading>) -> Result<()> {
        for key in ["height", "next-appointment"] {
            if !readings.iter().any(|reading| reading.metric.key == key) {
                continue;
            }
            let known = self.household.store.newest_of(&member.person, key).await?;
            let nothing = Value::Text(String::new());
            let known = known.map_or(nothing, |known| known.reading.value);
            readings.retain(|reading| reading.metric.key != key || reading.value != known);
        }
        Ok(())
    }

    pub(super) fn context(&self, member: &Member, ask: &Ask, height: Option<f64>) -> Context {
        let (zone, day, last, today) = (member.zone, ask.start, ask.end, member.today);
        Context { zone, day, last, today, detail: ask.detail, height, night_starts: self.rules.night_starts }
    }
}

impl Told {
    fn add(&mut self, ask: &Ask, decoded: Decoded, covered: Vec<Covered>) {
        // What was asked beside the plan must not make a fetch that failed look as if it had worked.
        self.understood += usize::from(!ask.methods.is_empty());
        let listed = matches!(ask.endpoint.span, Span::List(_));
        let carried = matches!(ask.endpoint.decode, Decode::Entries { at: At::Carried(_), .. });
        let readings = match carried {
            true => {
                self.carried.extend(decoded.readings);
                Vec::new()
            }
            false => decoded.readings,
        };
        self.said.push(Said { asked_for: listed.then_some((ask.start, ask.end)), readings, covered });
        if decoded.devices.is_some() {
            self.devices = decoded.devices;
        }
        let mut problems = decoded.problems.into_iter().map(Failure::Malformed);
        if let Some(first) = problems.next() {
            self.fail(ask, first);
        }
        for problem in problems {
            self.fail_methods(ask, problem);
        }
    }

    fn fail(&mut self, ask: &Ask, failure: Failure) {
        self.unread.push(format!("{}, {} to {}: {failure}", ask.endpoint.name, ask.start, ask.end));
        self.fail_methods(ask, failure);
    }

    fn fail_methods(&mut self, ask: &Ask, failure: Failure) {
        self.problems.extend(ask.methods.iter().map(|method| (method.clone(), failure.clone())));
    }
}

impl Said {
    /// What is refused for good today need not be asked again before something changes.
    fn refused(answer: &Answer, known: &Known, provider: &'static str) -> Option<Said> {
        let refused =
            matches!(answer.failure, Some(Failure::NotGranted(_) | Failure::Refused(_) | Failure::SwitchedOff(_)));
        let (endpoint, today) = (answer.ask.endpoint.name, known.today);
        let covered = vec![Covered { provider, endpoint, first: today, last: today }];
        refused.then_some(Said { asked_for: None, readings: Vec::new(), covered })
    }
}

/// The days of which an answer that came to its end tells everything.
fn covered(answer: &Answer, known: &Known, unfinished: bool, provider: &'static str) -> Vec<Covered> {
    let days = if answer.failure.is_none() { answer.ask.covers(known, unfinished) } else { Vec::new() };
    let endpoint = answer.ask.endpoint.name;
    days.into_iter().map(|(first, last)| Covered { provider, endpoint, first, last }).collect()
}

/// The pages of one list as one: what belongs together may stand on two of them.
pub(super) fn merged(pages: &[Json]) -> Cow<'_, Json> {
    let [first, rest @ ..] = pages else { return Cow::Owned(Json::Null) };
    if rest.is_empty() {
        return Cow::Borrowed(first);
    }
    let mut merged = first.clone();
    for page in rest {
        let (Some(whole), Some(page)) = (merged.as_object_mut(), page.as_object()) else { continue };
        for (key, value) in page {
            match (whole.entry(key).or_insert(Json::Array(Vec::new())), value) {
                (Json::Array(list), Json::Array(more)) => list.extend(more.iter().cloned()),
                (known, other) => *known = other.clone(),
            }
        }
    }
    Cow::Owned(merged)
}

fn proves_wear(reading: &Reading) -> bool {
    reading.metric.proves_wear() && reading.value.number().is_some_and(|number| number > 0.0)
}

/// Whether a reading is one at all: zeros may not be, nor the idle minutes of days on which nothing was worn.
fn is_measured(reading: &Reading, worn: &HashSet<NaiveDate>) -> bool {
    let Some(number) = reading.value.number() else { return true };
    let on_a_day_worn = || worn.contains(&reading.at.date());
    match reading.metric.zero {
        Zero::Measured => true,
        Zero::Nothing => number != 0.0,
        // An unworn day is reported with 0 steps and 1440 sedentary minutes.
        Zero::WornOnly if reading.metric.key == "sedentary-minutes" => on_a_day_worn(),
        Zero::WornOnly => number != 0.0 || on_a_day_worn(),
    }
}
