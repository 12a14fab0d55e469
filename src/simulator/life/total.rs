//! Totals of a day and of a whole life, summed over the same minutes that intraday data shows.

use chrono::NaiveDate;

use super::day::{Day, Effort};
use super::{Known, MINUTES};

/// What a day amounts to, as far as the cloud knows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Totals {
    /// Steps.
    pub steps: u32,
    /// Distance in km.
    pub distance: f64,
    /// Distance in km by effort: sedentary, light, fair, very.
    pub distances: [f64; 4],
    /// Floors climbed.
    pub floors: u32,
    /// Energy in kcal, at rest included.
    pub calories: f64,
    /// Energy of the minutes that were not sedentary, kcal.
    pub activity_calories: f64,
    /// Energy at rest in kcal.
    pub basal_calories: f64,
    /// Minutes by effort: sedentary (what is neither active nor asleep, worn or not), light, fair, very.
    pub minutes: [u32; 4],
    /// Minutes of recorded sleep.
    pub asleep: u32,
    /// Heart-rate zones: out of range, fat burn, cardio, peak.
    pub zones: [Zone; 4],
}

/// Time and energy in a heart-rate zone.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Zone {
    /// Minutes.
    pub minutes: u32,
    /// Energy in kcal.
    pub calories: f64,
}

impl Totals {
    /// Metres climbed.
    pub fn elevation(&self) -> f64 {
        f64::from(self.floors) * 3.048
    }

    fn of(day: &Day, synced: usize, elapsed: usize) -> Totals {
        let mut totals = Totals::default();
        for minute in 0..synced {
            let (calories, distance) = (day.calories(minute), day.distance(minute));
            let level = day.level(minute);
            totals.steps += u32::from(day.steps[minute]);
            totals.distance += distance;
            totals.distances[level as usize] += distance;
            totals.floors += u32::from(day.floors[minute]);
            totals.calories += calories;
            if level != Effort::Sedentary {
                totals.activity_calories += calories;
            }
            if day.asleep[minute] {
                totals.asleep += 1;
            } else {
                totals.minutes[level as usize] += 1;
            }
            if let Some(zone) = day.zone(minute) {
                totals.zones[zone].minutes += 1;
                totals.zones[zone].calories += calories;
            }
        }
        // Of later minutes nothing is known but that the body lived through them at rest.
        let silent = elapsed.saturating_sub(synced);
        totals.calories += day.basal * silent as f64;
        totals.minutes[0] += silent as u32;
        totals.basal_calories = day.basal * elapsed as f64;
        totals
    }
}

/// The best day and the sum of all.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Best {
    /// Most steps on a day.
    pub steps: (u32, NaiveDate),
    /// Longest distance in km.
    pub distance: (f64, NaiveDate),
    /// Most floors.
    pub floors: (u32, NaiveDate),
    /// Most energy in kcal.
    pub calories: (f64, NaiveDate),
    /// All steps.
    pub all_steps: u64,
    /// All km.
    pub all_distance: f64,
    /// All floors.
    pub all_floors: u64,
}

impl Known {
    /// What `date` amounts to so far; all zero before it began, and rest only where nothing was worn.
    pub fn totals(&self, date: NaiveDate) -> Totals {
        let day = self.person.day(date);
        match (self.minutes_synced(date), self.minutes_elapsed(date)) {
            (MINUTES, MINUTES) => *day.whole.get_or_init(|| Totals::of(&day, MINUTES, MINUTES)),
            (synced, elapsed) => Totals::of(&day, synced, elapsed),
        }
    }

    /// The best days and the sums of all since they joined.
    pub fn lifetime(&self) -> Best {
        let mut best = Best::default();
        for date in self.person.joined.iter_days().take_while(|date| *date <= self.today()) {
            let totals = self.totals(date);
            best.all_steps += u64::from(totals.steps);
            best.all_distance += totals.distance;
            best.all_floors += u64::from(totals.floors);
            keep_most(&mut best.steps, totals.steps, date);
            keep_most(&mut best.distance, totals.distance, date);
            keep_most(&mut best.floors, totals.floors, date);
            keep_most(&mut best.calories, totals.calories, date);
        }
        best
    }
}

fn keep_most<N: PartialOrd>(best: &mut (N, NaiveDate), value: N, date: NaiveDate) {
    if value > best.0 {
        *best = (value, date);
    }
}
