//! Electrocardiograms taken now and then, and the rare alert of an irregular rhythm.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::Known;
use super::chance::{Chance, once_in};

/// One electrocardiogram.
#[derive(Debug, Clone, PartialEq)]
pub struct Electrocardiogram {
    /// When it was taken.
    pub at: DateTime<Utc>,
    /// Mean heart rate in beats per minute.
    pub heart_rate: u32,
    /// Whether it was readable.
    pub conclusive: bool,
    /// The wave: 250 samples a second for 30 seconds, 10922 to the millivolt.
    pub wave: Vec<i32>,
}

/// One alert of an irregular rhythm.
#[derive(Debug, Clone, PartialEq)]
pub struct IrregularRhythm {
    /// When they were told.
    pub alerted: DateTime<Utc>,
    /// When it was detected.
    pub detected: DateTime<Utc>,
    /// The windows it was detected in, in the order of time.
    pub windows: Vec<Window>,
}

/// Some minutes that were looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// When they began.
    pub start: DateTime<Utc>,
    /// Heart rates in beats per minute, with their times.
    pub beats: Vec<(DateTime<Utc>, u32)>,
}

impl Known {
    /// The electrocardiogram of a day, if one was taken and synced.
    pub fn electrocardiogram(&self, date: NaiveDate) -> Option<Electrocardiogram> {
        let person = &self.person;
        if !person.worn(date) || !once_in(17, person.key, date, "electrocardiogram") {
            return None;
        }
        let mut chance = Chance::new(person.key, date, "electrocardiogram");
        let at = person.instant(date, chance.between(600, 1200))
            + TimeDelta::milliseconds(i64::from(chance.between(0, 59_999)));
        if Some(at) > self.synced {
            return None;
        }
        let heart_rate = person.resting(date) + chance.between(5, 14) as u32;
        let beat = 250.0 * 60.0 / f64::from(heart_rate);
        let wave = (0..7500).map(|sample| {
            let phase = f64::from(sample) % beat / beat;
            let spike = |at: f64, width: f64, height: f64| height * (-((phase - at) / width).powi(2)).exp();
            let volts =
                spike(0.2, 0.03, 0.12) + spike(0.37, 0.011, 1.0) - spike(0.395, 0.012, 0.22) + spike(0.6, 0.05, 0.28);
            (volts * 10_922.0) as i32
        });
        let wave = wave.map(|sample| sample + chance.between(-90, 90)).collect();
        Some(Electrocardiogram { at, heart_rate, conclusive: !chance.happens(0.15), wave })
    }

    /// The alert of a day, if there was one and it is on record.
    pub fn irregular_rhythm(&self, date: NaiveDate) -> Option<IrregularRhythm> {
        let person = &self.person;
        if !person.worn(date) || !once_in(71, person.key, date, "irregular rhythm") {
            return None;
        }
        let mut chance = Chance::new(person.key, date, "irregular rhythm");
        let detected = person.instant(date, chance.between(60, 240));
        let alerted = person.instant(date, person.bedtimes(date).wake + 30);
        if Some(alerted) > self.synced {
            return None;
        }
        let windows = (0..6).map(|number| {
            let start = detected - TimeDelta::minutes(15 * (6 - number));
            let beats = (0..5).map(|minute| (start + TimeDelta::minutes(minute), chance.between(62, 118) as u32));
            Window { start, beats: beats.collect() }
        });
        Some(IrregularRhythm { alerted, detected, windows: windows.collect() })
    }
}
