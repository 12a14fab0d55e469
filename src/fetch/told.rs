//! What the answers of a fetch say: decoded, freed of zeros that are no measurement, recorded.

use std::borrow::Cow;

use anyhow::Result;
use chrono::NaiveDate;
use serde_json::Value as Json;

use super::Fetcher;
use super::asking::Answer;
use crate::household::Member;
use crate::metric::Zero;
use crate::plan::{Ask, Plan};
use crate::reading::Reading;
use crate::snapshot::Device;
use crate::store::Batch;
use crate::upstream::Failure;
use crate::upstream::decode::decode;
use crate::upstream::endpoint::{At, Context, Decode, Decoded, Span};

/// What all answers together said.
#[derive(Default)]
pub(super) struct Told {
    /// How many answers to what was asked could be read.
    pub understood: usize,
    /// The readings of the days asked for, where the answer is to show them.
    pub readings: Vec<Reading>,
    /// Methods and what went wrong while reading their answers.
    pub problems: Vec<(String, Failure)>,
    /// What a list said of other days: recorded, not shown.
    aside: Vec<Reading>,
    /// Values under dates on which they may not have been measured: shown, not recorded.
    carried: Vec<Reading>,
    devices: Option<Vec<Device>>,
}

impl Fetcher {
    /// Every answer as readings; those that are sure are recorded, and what a person's devices are is kept.
    pub(super) async fn decode_all(&self, member: &Member, plan: &Plan, answers: &[Answer]) -> Result<Told> {
        let store = &self.household.store;
        let mut told = Told::default();
        let mut height =
            store.newest_of(&member.person, "height").await?.and_then(|stored| stored.reading.value.number());
        for answer in answers.iter().filter(|answer| !answer.pages.is_empty()) {
            let context = self.context(member, &answer.ask, height);
            match decode(answer.ask.endpoint, &merged(&answer.pages), &context) {
                Ok(decoded) => {
                    // The height comes before the weights that need it.
                    let read = decoded.readings.iter().find(|reading| reading.metric.key == "height");
                    height = read.and_then(|reading| reading.value.number()).or(height);
                    told.add(&answer.ask, decoded);
                }
                Err(failure) => told.fail(&answer.ask, failure),
            }
        }
        let earliest = told.readings.iter().map(|reading| reading.at.date()).min();
        let worn_before = match earliest {
            Some(from) => store.days_worn(&member.person, from).await?,
            None => Vec::new(),
        };
        keep_what_was_measured(&mut told.readings, &worn_before);
        self.keep_standing_values(member, &mut told.readings).await?;
        let now = self.household.clock.now();
        for readings in [&told.readings, &told.aside] {
            let recorded = store.record(&member.person, &Batch { readings, covered: &[], asked: now }, now).await?;
            self.tell_of_the_past(member, &recorded).await?;
        }
        // An empty list erases nothing, like every empty answer.
        if let Some(devices) = told.devices.as_ref().filter(|devices| !devices.is_empty()) {
            store.set_devices(&member.person, devices).await?;
        }
        match plan.series {
            true => told.readings.append(&mut told.carried),
            false => told.readings.clear(),
        }
        Ok(told)
    }

    /// A height holds until it changes: the day on which it was read again is no new measurement.
    async fn keep_standing_values(&self, member: &Member, readings: &mut Vec<Reading>) -> Result<()> {
        if !readings.iter().any(|reading| reading.metric.key == "height") {
            return Ok(());
        }
        let known = self.household.store.newest_of(&member.person, "height").await?;
        let same = |reading: &Reading| known.as_ref().is_some_and(|known| known.reading.value == reading.value);
        readings.retain(|reading| reading.metric.key != "height" || !same(reading));
        Ok(())
    }

    pub(super) fn context(&self, member: &Member, ask: &Ask, height: Option<f64>) -> Context {
        let (zone, day, last, today) = (member.zone, ask.start, ask.end, member.today);
        Context { zone, day, last, today, detail: ask.detail, height, night_starts: self.rules.night_starts }
    }
}

impl Told {
    fn add(&mut self, ask: &Ask, decoded: Decoded) {
        // What was asked beside the plan must not make a fetch that failed look as if it had worked.
        self.understood += usize::from(!ask.methods.is_empty());
        let listed = matches!(ask.endpoint.span, Span::List(_));
        let carried = matches!(ask.endpoint.decode, Decode::Entries { at: At::Carried(_), .. });
        for reading in decoded.readings {
            if carried {
                self.carried.push(reading);
                continue;
            }
            let asked_for = !listed || (ask.start..=ask.end).contains(&reading.at.date());
            if asked_for { self.readings.push(reading) } else { self.aside.push(reading) }
        }
        if decoded.devices.is_some() {
            self.devices = decoded.devices;
        }
        for problem in decoded.problems {
            self.fail(ask, Failure::Malformed(problem));
        }
    }

    fn fail(&mut self, ask: &Ask, failure: Failure) {
        self.problems.extend(ask.methods.iter().map(|method| (method.clone(), failure.clone())));
    }
}

/// The pages of one list as one: what belongs together may stand on two of them.
fn merged(pages: &[Json]) -> Cow<'_, Json> {
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

/// Drops zeros that are no measurement, and the idle minutes of days on which nothing was worn.
fn keep_what_was_measured(readings: &mut Vec<Reading>, worn_before: &[NaiveDate]) {
    let above_zero = |reading: &Reading| reading.value.number().is_some_and(|number| number > 0.0);
    let mut worn: Vec<_> = readings
        .iter()
        .filter(|reading| reading.metric.proves_wear() && above_zero(reading))
        .map(|reading| reading.at.date())
        .collect();
    worn.extend(worn_before);
    readings.retain(|reading| {
        let Some(number) = reading.value.number() else { return true };
        let on_a_day_worn = || worn.contains(&reading.at.date());
        match reading.metric.zero {
            Zero::Measured => true,
            Zero::Nothing => number != 0.0,
            // An unworn day is reported with 0 steps and 1440 sedentary minutes.
            Zero::WornOnly if reading.metric.key == "sedentary-minutes" => on_a_day_worn(),
            Zero::WornOnly => number != 0.0 || on_a_day_worn(),
        }
    });
}
