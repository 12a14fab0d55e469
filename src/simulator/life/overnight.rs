//! What is computed from a night or measured around it: heart-rate variability, breathing, oxygen, temperatures,
//! fitness. Nothing of it is known before the night is processed.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::Known;
use super::chance::{Chance, once_in, rounded};
use super::night::{Level, Sleep};

/// Heart-rate variability of a night, RMSSD in ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variability {
    /// Of the whole night.
    pub daily: f64,
    /// Of deep sleep only.
    pub deep: f64,
}

/// Breaths per minute; `None` where a stage was too short.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub struct Respiration {
    pub full: f64,
    pub deep: Option<f64>,
    pub light: Option<f64>,
    pub rem: Option<f64>,
}

/// Oxygen saturation of a night in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub struct Oxygen {
    pub average: f64,
    pub low: f64,
    pub high: f64,
}

/// Skin temperature of a night, °C.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SkinTemperature {
    /// Of the night.
    pub nightly: f64,
    /// What is usual; unknown in the first weeks of wear.
    pub baseline: Option<f64>,
}

/// How long a tracker is worn before it knows what is usual.
const BASELINE_TAKES: TimeDelta = TimeDelta::days(30);

/// A body temperature entered by hand, °C.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoreTemperature {
    /// When it was taken.
    pub at: DateTime<Utc>,
    /// °C.
    pub celsius: f64,
}

/// Cardio fitness in mL/kg/min: a range, or one number after a run measured by satellite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum CardioFitness {
    Range(u32, u32),
    Exactly(u32),
}

impl Known {
    /// Heart-rate variability of the night that ended on `date`.
    pub fn variability(&self, date: NaiveDate) -> Option<Variability> {
        let night = self.night(date)?;
        let samples = self.variability_samples(&night);
        let of = |wanted: &dyn Fn(&VariabilitySample) -> bool| {
            let chosen: Vec<f64> = samples.iter().filter(|sample| wanted(sample)).map(|sample| sample.rmssd).collect();
            (!chosen.is_empty()).then(|| rounded(chosen.iter().sum::<f64>() / chosen.len() as f64, 3))
        };
        let daily = of(&|_| true)?;
        Some(Variability { daily, deep: of(&|sample| sample.level == Level::Deep).unwrap_or(daily) })
    }

    /// Five-minute samples of a night, in the order of time.
    pub fn variability_samples(&self, night: &Sleep) -> Vec<VariabilitySample> {
        let mut chance = Chance::new(self.person.key, night.date, "variability");
        let usual = 80.0 - 0.75 * f64::from(self.person.resting(night.date)) + chance.wobble() * 8.0;
        let spans = (night.end - night.start).num_minutes() / 5;
        (0..spans)
            .map(|span| {
                let level = level_at(night, span * 300);
                let rmssd = (usual + if level == Level::Deep { -3.0 } else { 1.5 } + chance.wobble() * 9.0).max(8.0);
                VariabilitySample {
                    at: night.start + TimeDelta::minutes(span * 5),
                    level,
                    rmssd: rounded(rmssd, 3),
                    coverage: rounded(0.88 + chance.fraction() * 0.12, 3),
                    high_frequency: rounded(rmssd * rmssd * (0.12 + 0.1 * chance.fraction()), 3),
                    low_frequency: rounded(rmssd * rmssd * (0.3 + 0.4 * chance.fraction()), 3),
                }
            })
            .collect()
    }

    /// Breathing in the night that ended on `date`.
    pub fn respiration(&self, date: NaiveDate) -> Option<Respiration> {
        let night = self.night(date)?;
        let mut chance = Chance::new(self.person.key, date, "respiration");
        let usual = 14.0 + (self.person.key % 40) as f64 / 10.0 + chance.wobble() * 0.9;
        let mut of = |level, shift: f64| {
            let value = rounded(usual + shift + chance.wobble() * 0.4, 1);
            (night.minutes_of(level) >= 20).then_some(value)
        };
        let (deep, light, rem) = (of(Level::Deep, -0.3), of(Level::Light, 0.0), of(Level::Rem, 0.6));
        Some(Respiration { full: rounded(usual, 1), deep, light, rem })
    }

    /// Oxygen saturation in the night that ended on `date`.
    pub fn oxygen(&self, date: NaiveDate) -> Option<Oxygen> {
        let samples = self.oxygen_samples(date);
        let values = || samples.iter().map(|sample| sample.1);
        (!samples.is_empty()).then(|| Oxygen {
            average: rounded(values().sum::<f64>() / samples.len() as f64, 1),
            low: values().fold(100.0, f64::min),
            high: values().fold(0.0, f64::max),
        })
    }

    /// Oxygen saturation every five minutes of that night, in percent.
    pub fn oxygen_samples(&self, date: NaiveDate) -> Vec<(DateTime<Utc>, f64)> {
        // About one night in eight the sensor sat badly.
        let mut chance = Chance::new(self.person.key, date, "oxygen");
        let Some(night) = self.night(date).filter(|_| !chance.happens(0.12)) else { return Vec::new() };
        let usual = 95.8 + chance.wobble();
        let spans = (night.end - night.start).num_minutes() / 5;
        (1..spans)
            .map(|span| {
                let value = (usual + chance.wobble() * 2.5).clamp(88.0, 100.0);
                (night.start + TimeDelta::minutes(span * 5), rounded(value, 1))
            })
            .collect()
    }

    /// How far skin temperature in the night that ended on `date` was from usual, °C.
    pub fn skin_variation(&self, date: NaiveDate) -> Option<f64> {
        self.night(date)?;
        Some(rounded(Chance::new(self.person.key, date, "skin").wobble() * 1.4, 1))
    }

    /// Skin temperature in the night that ended on `date`: the same deviation, in degrees.
    pub fn skin_temperature(&self, date: NaiveDate) -> Option<SkinTemperature> {
        let variation = self.skin_variation(date)?;
        let person = &self.person;
        let usual = rounded(33.4 + (person.key % 150) as f64 / 100.0, 2);
        let baseline = (date - person.joined >= BASELINE_TAKES).then_some(usual);
        Some(SkinTemperature { nightly: rounded(usual + variation, 2), baseline })
    }

    /// Body temperatures entered by hand on a day so far; mostly none, several while ill.
    pub fn core_temperatures(&self, date: NaiveDate) -> Vec<CoreTemperature> {
        let person = &self.person;
        if date < person.joined || !once_in(13, person.key, date, "core temperature") {
            return Vec::new();
        }
        let mut chance = Chance::new(person.key, date, "core temperature");
        let count = chance.between(1, 3);
        (0..count)
            .map(|number| {
                let at = person.instant(date, 10 * 60 + number * 240 + chance.between(0, 40));
                CoreTemperature { at, celsius: rounded(37.1 + chance.wobble() * 0.9, 1) }
            })
            .filter(|entry| entry.at <= self.now)
            .collect()
    }

    /// Cardio fitness of a day, on days with a resting heart rate.
    pub fn cardio_fitness(&self, date: NaiveDate) -> Option<CardioFitness> {
        let resting = self.resting_heart_rate(date)?;
        let person = &self.person;
        // Uth's estimate: 15.3 times the highest heart rate over the one at rest, shrunk towards everyday values.
        let highest = 220.0 - f64::from(person.age(date));
        let value = (15.3 * highest / f64::from(resting)).clamp(24.0, 58.0).round() as u32;
        let by_satellite = once_in(6, person.key, date, "cardio fitness");
        Some(if by_satellite { CardioFitness::Exactly(value) } else { CardioFitness::Range(value - 2, value + 2) })
    }
}

/// Heart-rate variability of five minutes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VariabilitySample {
    /// Beginning of the five minutes.
    pub at: DateTime<Utc>,
    /// The level of sleep then.
    level: Level,
    /// RMSSD in ms.
    pub rmssd: f64,
    /// Share of the time with data.
    pub coverage: f64,
    /// Power in the high frequencies, ms².
    pub high_frequency: f64,
    /// Power in the low frequencies, ms².
    pub low_frequency: f64,
}

fn level_at(night: &Sleep, second: i64) -> Level {
    let within = |segment: &&super::Segment| (segment.from..segment.from + segment.seconds).contains(&second);
    night.segments.iter().find(within).map_or(Level::Wake, |segment| segment.level)
}
