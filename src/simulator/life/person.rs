//! Who the simulated people are, where they live, and what a test or a demo changed about their lives.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::body::WeighIn;
use super::chance::{Chance, once_in, rounded};
use super::day::Day;
use super::night::Sleep;

/// One simulated person: traits, and the changes made to their life. Days once lived are kept.
pub struct Person {
    /// Number of the person, from 0.
    pub index: usize,
    /// What all chance in this life is drawn from.
    pub(super) key: u64,
    /// Display name.
    pub name: String,
    /// Family name.
    pub family_name: &'static str,
    /// The service's identifier, six letters and digits.
    pub user_id: String,
    /// Where they live.
    pub zone: Tz,
    /// Language and country, as `nl_NL`.
    pub locale: &'static str,
    /// Date of birth.
    pub born: NaiveDate,
    /// Gender as told to the service.
    pub gender: Gender,
    /// Height in cm.
    pub height: f64,
    /// Day of their first tracker; nothing is known before.
    pub joined: NaiveDate,
    /// Weight in kg on the day they joined.
    pub(super) first_weight: f64,
    /// Resting heart rate in beats per minute, around which it wanders.
    pub(super) pulse: f64,
    /// Minutes after midnight (negative: before) at which they go to bed and get up on a working day.
    pub(super) habits: (i32, i32),
    pub(super) changes: Changes,
    days: Mutex<HashMap<NaiveDate, Arc<Day>>>,
    nights: Mutex<HashMap<NaiveDate, Arc<Vec<Sleep>>>>,
}

/// What services ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Gender {
    Female,
    Male,
}

/// A change of someone's life, so that a test or a demo knows the values to expect.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Change {
    /// They weigh in.
    WeighIn {
        /// When.
        at: DateTime<Utc>,
        /// Weight in kg.
        kilograms: f64,
        /// Body fat in percent, if the scale measures it.
        #[serde(default)]
        fat: Option<f64>,
    },
    /// They take exactly so many steps on a day (of today: until the last sync, and none after).
    Steps {
        /// Local date.
        date: NaiveDate,
        /// Number of steps.
        steps: u32,
    },
    /// They wear the tracker on a day, or do not.
    Worn {
        /// Local date.
        date: NaiveDate,
        /// Whether it is worn.
        worn: bool,
    },
    /// The tracker no longer syncs.
    StopSync,
    /// The tracker syncs again, what it has gathered included.
    ResumeSync,
}

/// All changes of one life.
#[derive(Clone, Default)]
pub(super) struct Changes {
    pub(super) weigh_ins: BTreeMap<DateTime<Utc>, WeighIn>,
    /// Steps by date, with the minute of the day before which they are made.
    pub(super) steps: HashMap<NaiveDate, (u32, usize)>,
    worn: HashMap<NaiveDate, bool>,
    /// When the tracker stopped syncing, and when it began again.
    pub(super) silences: Vec<(DateTime<Utc>, Option<DateTime<Utc>>)>,
}

type Traits = (&'static str, &'static str, Tz, &'static str, Gender, i32, f64, f64, f64);

/// Name, family name, zone, locale, gender, year of birth, height in cm, weight in kg, resting heart rate.
const TRAITS: &[Traits] = &[
    ("Anna", "Janssen", Tz::Europe__Amsterdam, "nl_NL", Gender::Female, 1988, 171.0, 68.4, 61.0),
    ("Ben", "Carter", Tz::America__New_York, "en_US", Gender::Male, 1979, 183.0, 86.9, 57.0),
    ("Chitra", "Rao", Tz::Asia__Kolkata, "en_IN", Gender::Female, 1994, 162.0, 57.8, 66.0),
    ("Daniel", "Weber", Tz::Europe__Berlin, "de_DE", Gender::Male, 1966, 178.0, 91.3, 63.0),
    ("Emi", "Sato", Tz::Asia__Tokyo, "ja_JP", Gender::Female, 2001, 158.0, 51.2, 59.0),
    ("Finn", "Walker", Tz::Pacific__Auckland, "en_NZ", Gender::Male, 1991, 188.0, 82.0, 52.0),
    ("Grace", "Okafor", Tz::Europe__London, "en_GB", Gender::Female, 1973, 167.0, 72.5, 64.0),
    ("Hugo", "Silva", Tz::America__St_Johns, "pt_PT", Gender::Male, 1983, 175.0, 77.7, 55.0),
];

impl Person {
    pub(super) fn new(seed: u64, index: usize) -> Person {
        let (name, family_name, zone, locale, gender, year, height, first_weight, pulse) = TRAITS[index % TRAITS.len()];
        let mut chance = Chance::of(seed, index as i64, "person");
        let key = chance.number();
        let letters = b"23456789BCDFGHJKLMNPQRSTVWXYZ";
        // The index stands in the first place (up to 29 people) so that no two people share an identifier.
        let user_id = std::iter::once(index)
            .chain((0..5).map(|_| chance.between(0, 28) as usize))
            .map(|at| char::from(letters[at % letters.len()]))
            .collect();
        let round = index / TRAITS.len();
        Person {
            index,
            key,
            name: if round == 0 { name.to_owned() } else { format!("{name}{}", round + 1) },
            family_name,
            user_id,
            zone,
            locale,
            born: day_of(year, chance.between(1, 365)),
            gender,
            height,
            joined: day_of(2022, chance.between(10, 300)),
            first_weight: first_weight + rounded(chance.wobble() * 4.0, 1),
            pulse: pulse + (chance.wobble() * 3.0).round(),
            habits: (chance.between(-75, -10), chance.between(385, 440)),
            changes: Changes::default(),
            days: Mutex::default(),
            nights: Mutex::default(),
        }
    }

    /// The same person with one more change and no day lived yet.
    pub(super) fn changed(&self, change: Change, synced: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Person {
        let mut changes = self.changes.clone();
        match change {
            Change::WeighIn { at, kilograms, fat } => {
                changes.weigh_ins.insert(at, self.on_the_scale(at, kilograms, fat));
            }
            Change::Steps { date, steps } => {
                let told = synced.map(|synced| self.local(synced)).filter(|synced| synced.date() == date);
                let minute =
                    |told: NaiveDateTime| (told - date.and_time(chrono::NaiveTime::MIN)).num_minutes() as usize;
                changes.steps.insert(date, (steps, told.map_or(super::MINUTES, minute)));
                changes.worn.insert(date, true);
            }
            Change::Worn { date, worn } => {
                changes.worn.insert(date, worn);
            }
            Change::StopSync => changes.silences.push((now, None)),
            Change::ResumeSync => {
                for silence in changes.silences.iter_mut().filter(|silence| silence.1.is_none()) {
                    silence.1 = Some(now);
                }
            }
        }
        Person {
            index: self.index,
            key: self.key,
            name: self.name.clone(),
            family_name: self.family_name,
            user_id: self.user_id.clone(),
            zone: self.zone,
            locale: self.locale,
            born: self.born,
            gender: self.gender,
            height: self.height,
            joined: self.joined,
            first_weight: self.first_weight,
            pulse: self.pulse,
            habits: self.habits,
            changes,
            days: Mutex::default(),
            nights: Mutex::default(),
        }
    }

    /// Wall-clock time where they live.
    pub fn local(&self, moment: DateTime<Utc>) -> NaiveDateTime {
        moment.with_timezone(&self.zone).naive_local()
    }

    /// The instant at which their clocks show this many minutes after (or before) midnight of `date`: the first of
    /// two where an hour is repeated, an hour later where one is skipped.
    pub fn instant(&self, date: NaiveDate, minutes: i32) -> DateTime<Utc> {
        let wall = date.and_time(chrono::NaiveTime::MIN) + TimeDelta::minutes(i64::from(minutes));
        let shown = |wall: NaiveDateTime| self.zone.from_local_datetime(&wall).earliest();
        match shown(wall).or_else(|| shown(wall + TimeDelta::hours(1))) {
            Some(moment) => moment.with_timezone(&Utc),
            // No zone of the table skips more than an hour.
            None => wall.and_utc(),
        }
    }

    /// The instant at which their clocks show this time; like [`Person::instant`] where they show it twice or never.
    pub fn moment(&self, local: NaiveDateTime) -> DateTime<Utc> {
        let seconds = i64::from(chrono::Timelike::num_seconds_from_midnight(&local));
        self.instant(local.date(), (seconds / 60) as i32) + TimeDelta::seconds(seconds % 60)
    }

    /// Age in whole years.
    pub fn age(&self, date: NaiveDate) -> u32 {
        date.years_since(self.born).unwrap_or(0)
    }

    /// Whether the tracker is worn on this day.
    pub fn worn(&self, date: NaiveDate) -> bool {
        let changed = self.changes.worn.get(&date).copied();
        changed.unwrap_or_else(|| date >= self.joined && !once_in(19, self.key, date, "unworn"))
    }

    /// Resting heart rate of a day in beats per minute, known or not.
    pub(super) fn resting(&self, date: NaiveDate) -> u32 {
        let season = (f64::from(date.num_days_from_ce()) / 23.0).sin() * 2.0;
        (self.pulse + season + Chance::new(self.key, date, "resting").wobble() * 2.0).round() as u32
    }

    /// The minute of the day that their clocks show.
    pub fn minute_of(&self, moment: DateTime<Utc>) -> usize {
        chrono::Timelike::num_seconds_from_midnight(&self.local(moment)) as usize / 60
    }

    /// The day as lived, whole.
    pub fn day(&self, date: NaiveDate) -> Arc<Day> {
        remembered(&self.days, date, || Day::live(self, date))
    }

    /// Sleep that ended on `date`, in the order of time, whether synced or not.
    pub fn sleeps(&self, date: NaiveDate) -> Arc<Vec<Sleep>> {
        remembered(&self.nights, date, || self.sleep_through(date))
    }
}

/// Lives a day once and keeps it.
fn remembered<T>(lived: &Mutex<HashMap<NaiveDate, Arc<T>>>, date: NaiveDate, live: impl FnOnce() -> T) -> Arc<T> {
    if let Some(day) = lived.lock().unwrap_or_else(PoisonError::into_inner).get(&date) {
        return day.clone();
    }
    let day = Arc::new(live());
    let mut days = lived.lock().unwrap_or_else(PoisonError::into_inner);
    // Some years of days; beyond that someone walks through all of history, and rarely.
    if days.len() > 2500 {
        days.clear();
    }
    days.insert(date, day.clone());
    day
}

fn day_of(year: i32, ordinal: i32) -> NaiveDate {
    NaiveDate::from_yo_opt(year, ordinal as u32).unwrap_or_default()
}
