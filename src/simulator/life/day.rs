//! One day, minute by minute of wall-clock time: steps first, from which effort, heart rate and floors follow. (Clock
//! changes fall into the night, where nothing is done, so that a day has 1440 minutes here; sleep has its true length.)

use std::sync::OnceLock;

use chrono::{Datelike, NaiveDate, Weekday};

use super::chance::Chance;
use super::person::{Gender, Person};
use super::total::Totals;
use super::workout::{Outing, Sport, Workout};

/// Wall-clock minutes of a day.
pub const MINUTES: usize = 1440;

/// A day as lived, whole; [`super::Known`] shows the part of it that the cloud has been told of.
pub struct Day {
    /// The local date.
    pub date: NaiveDate,
    /// Steps in each minute.
    pub steps: Vec<u16>,
    /// Heart rate in each minute, beats per minute; 0 where the tracker is not on the wrist.
    pub heart: Vec<u8>,
    /// Effort in each minute, tenths of a metabolic equivalent (10 is rest).
    pub effort: Vec<u8>,
    /// Floors climbed in each minute.
    pub floors: Vec<u8>,
    /// Whether sleep was recorded in each minute.
    pub asleep: Vec<bool>,
    /// Workouts that began on this day, in the order of time.
    pub workouts: Vec<Workout>,
    /// Energy at rest, kcal in a minute.
    pub basal: f64,
    /// Length of a walked and of a run step, in metres.
    pub stride: (f64, f64),
    /// Lower bounds of the fat burn, cardio and peak zones, beats per minute.
    pub bounds: [u8; 3],
    /// Totals of the whole day, once someone asked.
    pub(super) whole: OnceLock<Totals>,
}

/// How hard a minute was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Effort {
    Sedentary,
    Light,
    Fair,
    Very,
}

impl Day {
    /// How hard a minute was.
    pub fn level(&self, minute: usize) -> Effort {
        match self.effort[minute] {
            0..=14 => Effort::Sedentary,
            15..=29 => Effort::Light,
            30..=59 => Effort::Fair,
            _ => Effort::Very,
        }
    }

    /// Energy used in a minute, kcal.
    pub fn calories(&self, minute: usize) -> f64 {
        self.basal * f64::from(self.effort[minute]) / 10.0
    }

    /// Distance walked or run in a minute, km.
    pub fn distance(&self, minute: usize) -> f64 {
        let steps = self.steps[minute];
        f64::from(steps) * if steps > RUNNING { self.stride.1 } else { self.stride.0 } / 1000.0
    }

    /// The heart-rate zone of a minute: 0 out of range, 1 fat burn, 2 cardio, 3 peak.
    pub fn zone(&self, minute: usize) -> Option<usize> {
        let heart = self.heart[minute];
        (heart > 0).then(|| self.bounds.iter().filter(|bound| heart >= **bound).count())
    }

    /// Heart-rate samples of a minute, seconds after its beginning with beats per minute: they lie around its mean.
    pub fn beats(&self, minute: usize) -> impl Iterator<Item = (u32, u32)> + use<> {
        let mean = u32::from(self.heart[minute]);
        let seconds = [3, 13, 24, 34, 45, 55].into_iter().enumerate().filter(move |_| mean > 0);
        seconds.map(move |(number, second)| (second, mean + [0, 1, 0, 2, 1, 2][(minute + number) % 6] - 1))
    }

    pub(super) fn live(person: &Person, date: NaiveDate) -> Day {
        let height = person.height / 100.0;
        let mut day = Day {
            date,
            steps: vec![0; MINUTES],
            heart: vec![0; MINUTES],
            effort: vec![10; MINUTES],
            floors: vec![0; MINUTES],
            asleep: vec![false; MINUTES],
            workouts: Vec::new(),
            basal: basal(person, date) / MINUTES as f64,
            stride: (height * 0.413, height * 0.62),
            bounds: bounds(person, date),
            whole: OnceLock::new(),
        };
        if person.worn(date) {
            let wrist = Wrist::of(person, date);
            for minute in 0..MINUTES {
                day.asleep[minute] = wrist.asleep[minute];
            }
            let outings = person.outings(date);
            day.walk(person, &wrist, &outings);
            if let Some((steps, until)) = person.changes.steps.get(&date) {
                day.walk_exactly(*steps, *until);
            }
            day.strain(&outings);
            day.beat(person, &wrist);
            day.workouts = outings.iter().filter_map(|outing| Workout::of(person, &day, outing)).collect();
        }
        day
    }

    /// Small errands every hour, the way to work and back, and outings.
    fn walk(&mut self, person: &Person, wrist: &Wrist, outings: &[Outing]) {
        let mut chance = Chance::new(person.key, self.date, "steps");
        let mut errands: Vec<(i32, i32, i32)> = Vec::new();
        for hour in 0..24 {
            for _ in 0..chance.between(1, 3) {
                errands.push((hour * 60 + chance.between(0, 59), chance.between(3, 10), chance.between(6, 55)));
            }
        }
        if !matches!(self.date.weekday(), Weekday::Sat | Weekday::Sun) {
            errands.push((8 * 60 + chance.between(0, 20), chance.between(9, 16), chance.between(96, 112)));
            errands.push((17 * 60 + chance.between(5, 40), chance.between(9, 16), chance.between(96, 112)));
        }
        if chance.happens(0.5) {
            errands.push((12 * 60 + chance.between(20, 50), chance.between(10, 22), chance.between(88, 104)));
        }
        for (from, length, cadence) in errands {
            let climbs = chance.happens(0.2);
            for minute in (from as usize)..((from + length) as usize).min(MINUTES) {
                if wrist.moving(minute) {
                    self.steps[minute] = (cadence + chance.between(-6, 6)).max(0) as u16;
                }
            }
            if climbs && wrist.moving(from as usize) && self.steps[from as usize] > 0 {
                self.floors[from as usize] = 1;
            }
        }
        for outing in outings {
            let (low, high) = outing.sport.cadence();
            for minute in outing.minutes() {
                if wrist.moving(minute) {
                    self.steps[minute] = chance.between(low, high) as u16;
                    self.floors[minute] = u8::from(outing.sport != Sport::Bike && chance.happens(0.06));
                }
            }
        }
    }

    /// Scales the steps before the minute `until` to this total, and leaves none after it.
    fn walk_exactly(&mut self, total: u32, until: usize) {
        self.steps[until..].fill(0);
        let until = until.max(1);
        let lived: u32 = self.steps[..until].iter().map(|steps| u32::from(*steps)).sum();
        if lived == 0 {
            // Nothing to scale: walk them all just before, 200 in a minute and what is over in the first.
            let mut left = total;
            for minute in (0..until).rev() {
                let now = if minute == 0 { left } else { left.min(200) };
                self.steps[minute] = now.min(u32::from(u16::MAX)) as u16;
                left -= now;
            }
            return;
        }
        // Bresenham's way of rounding: each minute gets what the running total has grown by.
        let mut passed = 0u64;
        let mut given = 0u64;
        for steps in &mut self.steps[..until] {
            passed += u64::from(*steps);
            let due = passed * u64::from(total) / u64::from(lived);
            *steps = (due - given).min(u64::from(u16::MAX)) as u16;
            given = due;
        }
    }

    fn strain(&mut self, outings: &[Outing]) {
        for minute in 0..MINUTES {
            let steps = f64::from(self.steps[minute]);
            let equivalents = match self.steps[minute] {
                0 => 1.0,
                1..=RUNNING => 1.3 + steps * 0.022,
                _ => 6.0 + (steps - f64::from(RUNNING)) * 0.07,
            };
            self.effort[minute] = (equivalents * 10.0).min(180.0) as u8;
        }
        for outing in outings.iter().filter(|outing| outing.sport == Sport::Bike) {
            for minute in outing.minutes() {
                self.effort[minute] = 68;
            }
        }
    }

    /// The heart follows effort with some inertia.
    fn beat(&mut self, person: &Person, wrist: &Wrist) {
        let resting = f64::from(person.resting(self.date));
        let mut chance = Chance::new(person.key, self.date, "heart");
        let mut pulse = resting;
        for minute in 0..MINUTES {
            let strain = f64::from(self.effort[minute]) / 10.0 - 1.0;
            let base = if wrist.asleep[minute] { resting - 3.0 } else { resting + 8.0 };
            pulse = pulse * 0.6 + (base + strain * 13.0 + chance.wobble() * 7.0) * 0.4;
            if wrist.worn(minute) {
                self.heart[minute] = pulse.clamp(35.0, 205.0).round() as u8;
            }
        }
    }
}

/// More steps than this in a minute are a run.
const RUNNING: u16 = 135;

/// Where the tracker is in each minute of a day.
struct Wrist {
    asleep: Vec<bool>,
    in_bed: Vec<bool>,
    charging: Vec<bool>,
}

impl Wrist {
    fn of(person: &Person, date: NaiveDate) -> Wrist {
        let mut wrist =
            Wrist { asleep: vec![false; MINUTES], in_bed: vec![false; MINUTES], charging: vec![false; MINUTES] };
        let whole = MINUTES as i32;
        let mut mark = |which: fn(&mut Wrist) -> &mut Vec<bool>, from: i32, to: i32| {
            which(&mut wrist)[from.clamp(0, whole) as usize..to.clamp(0, whole) as usize].fill(true);
        };
        let tomorrow = date.succ_opt().unwrap_or(date);
        for (night, shift) in [(date, 0), (tomorrow, whole)] {
            let times = person.bedtimes(night);
            let recorded = person.night_recorded(night);
            let parts = match times.gap {
                Some((up, again)) => [(times.bed, up), (again, times.wake)],
                None => [(times.bed, times.wake), (0, 0)],
            };
            for (from, to) in parts.into_iter().filter(|(from, to)| from < to) {
                mark(|wrist| &mut wrist.in_bed, from + shift, to + shift);
                if recorded {
                    mark(|wrist| &mut wrist.asleep, from + shift, to + shift);
                }
            }
            if !recorded {
                mark(|wrist| &mut wrist.charging, times.bed + shift, times.wake + shift);
            }
        }
        if let Some((from, to)) = person.nap(date) {
            mark(|wrist| &mut wrist.in_bed, from, to);
            mark(|wrist| &mut wrist.asleep, from, to);
        }
        for minute in 0..MINUTES {
            wrist.charging[minute] |= person.charging(date, minute);
        }
        wrist
    }

    fn worn(&self, minute: usize) -> bool {
        !self.charging[minute]
    }

    /// Whether steps of this minute are counted.
    fn moving(&self, minute: usize) -> bool {
        !self.in_bed[minute] && self.worn(minute)
    }
}

/// Energy at rest in kcal a day (Mifflin and St Jeor).
fn basal(person: &Person, date: NaiveDate) -> f64 {
    let gender = match person.gender {
        Gender::Female => -161.0,
        Gender::Male => 5.0,
    };
    10.0 * person.first_weight + 6.25 * person.height - 5.0 * f64::from(person.age(date)) + gender
}

/// 40, 60 and 85 % of the way from the resting to the highest heart rate, as the service draws its zones.
fn bounds(person: &Person, date: NaiveDate) -> [u8; 3] {
    let highest = 220.0 - f64::from(person.age(date));
    [0.4, 0.6, 0.85].map(|share| (person.pulse + (highest - person.pulse) * share).round() as u8)
}
