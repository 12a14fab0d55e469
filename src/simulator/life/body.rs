//! Weighing: a trend, some mornings on the scale, now and then an entry by another application.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use super::chance::{Chance, rounded};
use super::person::Person;

/// One weigh-in.
#[derive(Debug, Clone, PartialEq)]
pub struct WeighIn {
    /// Local time it stands under; 23:59:59 where only the day is known.
    pub at: NaiveDateTime,
    /// When it reached the cloud.
    pub entered: DateTime<Utc>,
    /// Weight in kg.
    pub kilograms: f64,
    /// Body fat in percent, if the scale measured it.
    pub fat: Option<f64>,
    /// Body mass index in kg/m².
    pub bmi: f64,
    /// Where it came from.
    pub source: ScaleSource,
}

/// Where a weight came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScaleSource {
    /// Their own scale.
    Scale,
    /// Another application.
    Application,
}

impl Person {
    pub(super) fn weigh_ins(&self, date: NaiveDate) -> Vec<WeighIn> {
        let mut all: Vec<WeighIn> = self.changes.weigh_ins.values().filter(|w| w.at.date() == date).cloned().collect();
        let mut chance = Chance::new(self.key, date, "weigh-in");
        if date >= self.joined && chance.happens(0.55) {
            let (kilograms, fat) = self.weight(date, &mut chance);
            let at = self.instant(date, self.bedtimes(date).wake + chance.between(8, 25))
                + TimeDelta::seconds(i64::from(chance.between(0, 59)));
            if chance.happens(0.12) {
                let at_some_time = date.and_time(NaiveTime::from_hms_opt(23, 59, 59).unwrap_or_default());
                let source = ScaleSource::Application;
                all.push(WeighIn { at: at_some_time, fat: None, source, ..self.on_the_scale(at, kilograms, None) });
            } else {
                let fat = chance.happens(0.85).then_some(fat);
                all.push(self.on_the_scale(at, kilograms, fat));
                if chance.happens(0.08) {
                    let evening = self.instant(date, chance.between(20 * 60, 22 * 60));
                    all.push(self.on_the_scale(evening, rounded(kilograms + 0.6, 1), fat));
                }
            }
        }
        all.sort_by_key(|weigh_in| weigh_in.at);
        all
    }

    /// A weigh-in on their own scale, which measures fat as well.
    pub(super) fn on_the_scale(&self, at: DateTime<Utc>, kilograms: f64, fat: Option<f64>) -> WeighIn {
        let metres = self.height / 100.0;
        WeighIn {
            at: self.local(at),
            entered: at,
            kilograms,
            fat,
            bmi: rounded(kilograms / metres / metres, 2),
            source: ScaleSource::Scale,
        }
    }

    /// Weight in kg and body fat in percent: over the years, over the seasons, and from day to day.
    fn weight(&self, date: NaiveDate, chance: &mut Chance) -> (f64, f64) {
        let years = (date - self.joined).num_days() as f64 / 365.25;
        let season = (f64::from(date.ordinal0()) / 365.25 * std::f64::consts::TAU).cos();
        let kilograms = self.first_weight - 0.4 * years.min(8.0) + 0.9 * season + 0.5 * chance.wobble();
        let fat = 21.0 + (kilograms - self.first_weight) * 0.8 + 0.6 * chance.wobble();
        (rounded(kilograms, 1), rounded(fat, 1))
    }
}
