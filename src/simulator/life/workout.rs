//! Workouts: when someone runs, walks or rides, and what the day's minutes say about it.

use std::ops::Range;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc, Weekday};

use super::Known;
use super::chance::Chance;
use super::day::{Day, MINUTES};
use super::person::Person;
use super::total::Zone;

/// One workout; its figures are those of the day's minutes.
#[derive(Debug, Clone, PartialEq)]
pub struct Workout {
    /// The service's number for it.
    pub id: u64,
    /// What it was.
    pub sport: Sport,
    /// When it began.
    pub start: DateTime<Utc>,
    /// How long it took, in minutes.
    pub minutes: u32,
    /// Minutes spent sedentary, lightly, fairly and very active.
    pub levels: [u32; 4],
    /// The four heart-rate zones.
    pub zones: [Zone; 4],
    /// Mean heart rate in beats per minute.
    pub heart_rate: u32,
    /// Steps taken.
    pub steps: u32,
    /// Distance in km.
    pub distance: f64,
    /// Energy in kcal.
    pub calories: f64,
    /// Metres climbed.
    pub elevation: f64,
}

/// Kinds of workout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Sport {
    Run,
    Walk,
    Bike,
}

impl Sport {
    /// Fewest and most steps in a minute.
    pub(super) fn cadence(self) -> (i32, i32) {
        match self {
            Sport::Run => (154, 170),
            Sport::Walk => (106, 122),
            Sport::Bike => (0, 2),
        }
    }
}

/// A planned workout, in wall-clock minutes of its day.
pub(super) struct Outing {
    pub(super) sport: Sport,
    from: i32,
    length: i32,
}

impl Outing {
    pub(super) fn minutes(&self) -> Range<usize> {
        self.from as usize..((self.from + self.length) as usize).min(MINUTES)
    }
}

impl Person {
    /// Whether anything may be on the list of workouts for this day; cheap, for walking through long lists.
    pub fn works_out(&self, date: NaiveDate) -> bool {
        !self.outings(date).is_empty()
    }

    pub(super) fn outings(&self, date: NaiveDate) -> Vec<Outing> {
        let mut chance = Chance::new(self.key, date, "workout");
        if !self.worn(date) || !chance.happens(0.45) {
            return Vec::new();
        }
        let weekend = matches!(date.weekday(), Weekday::Sat | Weekday::Sun);
        let from = if weekend { chance.between(620, 690) } else { chance.between(1085, 1125) };
        let (sport, length) = match chance.between(0, 99) {
            0..=39 => (Sport::Run, chance.between(24, 55)),
            40..=74 => (Sport::Walk, chance.between(28, 70)),
            _ => (Sport::Bike, chance.between(35, 70)),
        };
        vec![Outing { sport, from, length }]
    }
}

impl Known {
    /// The workout of this number, once it is synced.
    pub fn workout(&self, id: u64) -> Option<Workout> {
        let day = id.checked_sub(first_id(&self.person))? / 10;
        let date = NaiveDate::from_num_days_from_ce_opt(i32::try_from(day).ok()?)?;
        self.workouts(date).into_iter().find(|workout| workout.id == id)
    }
}

fn first_id(person: &Person) -> u64 {
    15_040_000_000 + person.index as u64 * 100_000_000
}

impl Workout {
    pub(super) fn of(person: &Person, day: &Day, outing: &Outing) -> Option<Workout> {
        let minutes = outing.minutes();
        let mut workout = Workout {
            id: first_id(person) + day.date.num_days_from_ce() as u64 * 10,
            sport: outing.sport,
            start: person.instant(day.date, outing.from),
            minutes: minutes.len() as u32,
            levels: [0; 4],
            zones: [Zone::default(); 4],
            heart_rate: 0,
            steps: 0,
            distance: 0.0,
            calories: 0.0,
            elevation: 0.0,
        };
        let mut beats = 0;
        for minute in minutes {
            workout.levels[day.level(minute) as usize] += 1;
            if let Some(zone) = day.zone(minute) {
                workout.zones[zone].minutes += 1;
                workout.zones[zone].calories += day.calories(minute);
            }
            beats += u32::from(day.heart[minute]);
            workout.steps += u32::from(day.steps[minute]);
            workout.distance += day.distance(minute);
            workout.calories += day.calories(minute);
            workout.elevation += f64::from(day.floors[minute]) * 3.048;
        }
        workout.heart_rate = beats.checked_div(workout.minutes)?;
        if outing.sport == Sport::Bike {
            // A ride is measured by satellite, not by steps: 18 km/h.
            workout.distance = f64::from(workout.minutes) * 0.3;
        }
        Some(workout)
    }

    /// When it ended.
    pub fn end(&self) -> DateTime<Utc> {
        self.start + TimeDelta::minutes(i64::from(self.minutes))
    }
}
