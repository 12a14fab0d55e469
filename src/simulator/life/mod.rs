//! The simulated life: what people do, sleep and weigh, as pure functions of a seed and local time. It knows no wire
//! format, so that every simulated cloud tells the same story of the same person.

mod body;
pub(super) mod chance;
mod day;
mod device;
mod meal;
mod night;
mod overnight;
mod person;
mod rhythm;
mod total;
mod workout;

use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context, Result};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

pub use body::{ScaleSource, WeighIn};
pub use day::{Day, Effort, MINUTES};
pub use device::Tracker;
pub use meal::{Drink, Food, Meal};
pub use night::{Level, Segment, Sleep, SleepKind};
pub use overnight::{
    CardioFitness, CoreTemperature, Oxygen, Respiration, SkinTemperature, Variability, VariabilitySample,
};
pub use person::{Change, Gender, Person};
pub use rhythm::{Electrocardiogram, IrregularRhythm, Window};
pub use total::{Best, Totals, Zone};
pub use workout::{Sport, Workout};

/// How long the cloud works on a night before its values appear.
const PROCESSING: TimeDelta = TimeDelta::minutes(30);

/// The lives of all simulated people.
pub struct Life {
    /// Each person as they are now; a change makes a new version, so that no cached day outlives it.
    people: Vec<RwLock<Arc<Person>>>,
}

impl Life {
    /// The lives of `count` people, the same for the same `seed`.
    pub fn new(seed: u64, count: usize) -> Life {
        Life { people: (0..count).map(|index| RwLock::new(Arc::new(Person::new(seed, index)))).collect() }
    }

    /// How many people there are.
    pub fn count(&self) -> usize {
        self.people.len()
    }

    /// The person of this index, as they are now.
    pub fn person(&self, index: usize) -> Option<Arc<Person>> {
        Some(self.people.get(index)?.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// The index of the person with this encoded user id or display name.
    pub fn find(&self, who: &str) -> Option<usize> {
        (0..self.count())
            .find(|index| self.person(*index).is_some_and(|person| person.user_id == who || person.name == who))
    }

    /// Changes a person's life; answers from now on agree with it.
    pub fn change(&self, index: usize, change: Change, now: DateTime<Utc>) -> Result<()> {
        let version = self.people.get(index).with_context(|| format!("there is no person number {index}"))?;
        // What was done today must be visible at once, so it is put before the sync that the cloud has already seen.
        let synced = self.known(index, now).and_then(|known| known.synced);
        let mut version = version.write().unwrap_or_else(PoisonError::into_inner);
        *version = Arc::new(version.changed(change, synced, now));
        Ok(())
    }

    /// What the cloud has on record of a person at the moment `now`.
    pub fn known(&self, index: usize, now: DateTime<Utc>) -> Option<Known> {
        let person = self.person(index)?;
        let synced = person.last_sync(now);
        let processed = person.last_sync(now - PROCESSING);
        Some(Known { person, now, synced, processed })
    }
}

/// What the cloud has on record of one person at one moment: everything up to the last sync, and no more.
#[derive(Clone)]
pub struct Known {
    /// Whose record it is.
    pub person: Arc<Person>,
    /// The moment.
    pub now: DateTime<Utc>,
    /// When the tracker last synced; `None` when it has not done so for a year.
    pub synced: Option<DateTime<Utc>>,
    /// The last sync whose nightly values are computed by now.
    processed: Option<DateTime<Utc>>,
}

impl Known {
    /// The person's local date.
    pub fn today(&self) -> NaiveDate {
        self.person.local(self.now).date()
    }

    /// Sleep that ended on `date` and is on record, in the order of time.
    pub fn sleeps(&self, date: NaiveDate) -> Vec<Sleep> {
        self.person.sleeps(date).iter().filter(|sleep| Some(sleep.end) <= self.synced).cloned().collect()
    }

    /// The longest stretch of the night that ended on `date` that nightly values are computed from: at least three
    /// hours with stages, synced and processed.
    pub fn night(&self, date: NaiveDate) -> Option<Sleep> {
        let night = |sleep: &&Sleep| {
            sleep.kind == SleepKind::Stages && sleep.minutes_asleep() >= 180 && Some(sleep.end) <= self.processed
        };
        self.person.sleeps(date).iter().filter(night).max_by_key(|sleep| sleep.minutes_asleep()).cloned()
    }

    /// Whether everything about a sleep that is on record has been computed.
    pub fn is_processed(&self, sleep: &Sleep) -> bool {
        Some(sleep.end) <= self.processed
    }

    /// Resting heart rate of a day in beats per minute: on days worn; today only some hours after waking.
    pub fn resting_heart_rate(&self, date: NaiveDate) -> Option<u32> {
        let computed = self.person.instant(date, self.person.bedtimes(date).wake) + TimeDelta::hours(3);
        (self.person.worn(date) && self.synced >= Some(computed)).then(|| self.person.resting(date))
    }

    /// Workouts of a day, once they are synced.
    pub fn workouts(&self, date: NaiveDate) -> Vec<Workout> {
        let mut workouts = self.person.day(date).workouts.clone();
        workouts.retain(|workout| Some(workout.end()) <= self.synced);
        workouts
    }

    /// Weigh-ins of a day so far, in the order of time; a scale sends them by itself.
    pub fn weigh_ins(&self, date: NaiveDate) -> Vec<WeighIn> {
        let mut all = self.person.weigh_ins(date);
        all.retain(|weigh_in| weigh_in.entered <= self.now);
        all
    }

    /// The newest weigh-in of `date` or the ninety days before.
    pub fn last_weigh_in(&self, date: NaiveDate) -> Option<WeighIn> {
        date.iter_days().rev().take(90).find_map(|date| self.weigh_ins(date).pop())
    }

    /// Water logged on a day so far.
    pub fn drinks(&self, date: NaiveDate) -> Vec<Drink> {
        let mut drinks = self.person.drinks(date);
        drinks.retain(|drink| drink.entered <= self.now);
        drinks
    }

    /// Food logged on a day so far.
    pub fn foods(&self, date: NaiveDate) -> Vec<Food> {
        let mut foods = self.person.foods(date);
        foods.retain(|food| food.entered <= self.now);
        foods
    }

    /// Wall-clock minutes of `date` of which the tracker has told (0 to 1440).
    pub fn minutes_synced(&self, date: NaiveDate) -> usize {
        self.synced.map_or(0, |synced| self.minutes_until(date, synced))
    }

    /// Wall-clock minutes of `date` that have passed (0 to 1440).
    pub fn minutes_elapsed(&self, date: NaiveDate) -> usize {
        self.minutes_until(date, self.now)
    }

    fn minutes_until(&self, date: NaiveDate, moment: DateTime<Utc>) -> usize {
        let past = self.person.local(moment) - date.and_time(chrono::NaiveTime::MIN);
        past.num_minutes().clamp(0, MINUTES as i64) as usize
    }
}
