//! What stands along the edges: round numbers, days, hours of the clock. Pure.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;

/// Numbers as places: `low` at `from`, `high` at `to`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub low: f64,
    pub high: f64,
    pub from: f64,
    pub to: f64,
}

impl Scale {
    /// The place of a number.
    pub fn at(&self, number: f64) -> f64 {
        self.from + (number - self.low) / (self.high - self.low) * (self.to - self.from)
    }
}

/// Round numbers from below the lowest value to above the highest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Numbers {
    pub low: f64,
    pub high: f64,
    step: f64,
}

/// About so many steps stand along an edge.
const STEPS: f64 = 4.0;

impl Numbers {
    /// For values, from 0 where `zero`; nothing for none.
    pub fn around(values: impl Iterator<Item = f64>, zero: bool) -> Option<Numbers> {
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            (least, most) = (least.min(value), most.max(value));
        }
        if least > most {
            return None;
        }
        if zero {
            (least, most) = (least.min(0.0), most.max(0.0));
        }
        // A value that never changes has some room above and below, too.
        let room = if zero { 1.0 } else { (most.abs() * 0.02).max(0.4) };
        if most - least < room {
            (least, most) = if zero { (least, least + room) } else { (least - room / 2.0, most + room / 2.0) };
        }
        let rough = (most - least) / STEPS;
        let magnitude = 10f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * magnitude).find(|step| *step >= rough * 0.999)?;
        Some(Numbers { low: (least / step).floor() * step, high: (most / step).ceil() * step, step })
    }

    /// The numbers to stand there, from below.
    pub fn ticks(&self) -> Vec<f64> {
        let count = ((self.high - self.low) / self.step).round() as usize;
        (0..=count).map(|index| self.low + index as f64 * self.step).collect()
    }

    /// One of them in digits: as many decimals as the steps have, thousands apart.
    pub fn label(&self, tick: f64) -> String {
        let decimals = (-self.step.log10().floor()).max(0.0) as usize;
        let tick = if tick.abs() < self.step / 1e6 { 0.0 } else { tick };
        if tick.abs() >= 10_000.0 && tick % 1_000.0 == 0.0 {
            return format!("{}k", tick / 1_000.0);
        }
        format!("{tick:.decimals$}").replace('-', "−")
    }
}

/// Days to stand below a stretch of days, and how they are written.
pub(super) fn dates(from: NaiveDate, to: NaiveDate) -> Vec<(NaiveDate, String)> {
    let days = (to - from).num_days().max(0) as u64 + 1;
    let form = if days > 400 { "%b %Y" } else { "%-d %b" };
    // A year stands beside its month there, so that fewer have room.
    let step = days.div_ceil(if days > 400 { 4 } else { 5 }).max(1);
    let found = (0..days).step_by(usize::try_from(step).unwrap_or(usize::MAX));
    found
        .filter_map(|day| from.checked_add_days(Days::new(day)))
        .map(|day| (day, day.format(form).to_string()))
        .collect()
}

/// Hours or minutes of the clock in a zone to stand below a stretch of time.
pub(super) fn hours(from: DateTime<Utc>, to: DateTime<Utc>, zone: Tz) -> Vec<(DateTime<Utc>, String)> {
    let length = (to - from).num_seconds().max(1);
    let step = [60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 14_400, 21_600];
    let step = step.into_iter().find(|step| length / step <= 5).unwrap_or(43_200);
    let into_day = i64::from(from.with_timezone(&zone).num_seconds_from_midnight());
    let mut tick = from + TimeDelta::seconds((step - into_day % step) % step);
    let mut found = Vec::new();
    while tick <= to {
        found.push((tick, tick.with_timezone(&zone).format("%H:%M").to_string()));
        tick += TimeDelta::seconds(step);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[f64], zero: bool) -> Vec<String> {
        let numbers = Numbers::around(values.iter().copied(), zero).expect("some");
        numbers.ticks().iter().map(|tick| numbers.label(*tick)).collect()
    }

    #[test]
    fn numbers_along_an_edge_are_round_and_hold_every_value() {
        assert_eq!(labels(&[71.9, 73.4], false), ["71.5", "72.0", "72.5", "73.0", "73.5"]);
        assert_eq!(labels(&[4_000.0, 12_300.0], true), ["0", "5000", "10k", "15k"]);
        assert_eq!(labels(&[-0.4, 0.6], false), ["−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(labels(&[72.4], false).len(), 5, "one value has room on both sides");
        assert_eq!(labels(&[0.0], true), ["0.0", "0.5", "1.0"]);
        assert_eq!(Numbers::around([].into_iter(), true), None);
        assert_eq!(Numbers::around([f64::NAN, f64::INFINITY].into_iter(), false), None);
    }

    #[test]
    fn few_days_stand_below_however_many_there_are() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("date");
        let labels = |from, to| dates(day(from), day(to)).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(labels("2026-11-20", "2026-11-20"), ["20 Nov"]);
        assert_eq!(labels("2026-11-14", "2026-11-20"), ["14 Nov", "16 Nov", "18 Nov", "20 Nov"]);
        assert_eq!(labels("2024-01-01", "2026-11-20"), ["Jan 2024", "Sep 2024", "Jun 2025", "Mar 2026"]);
        assert!(labels("1900-01-01", "2026-11-20").len() <= 5);
    }

    #[test]
    fn hours_are_those_of_the_clock_where_the_person_lives() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("time");
        let zone = chrono_tz::Asia::Kolkata;
        let found = hours(at("2026-11-19T18:30:00Z"), at("2026-11-20T18:30:00Z"), zone);
        let labels: Vec<_> = found.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["00:00", "06:00", "12:00", "18:00", "00:00"]);
        let run = hours(at("2026-11-20T06:33:00Z"), at("2026-11-20T07:03:00Z"), chrono_tz::Europe::Amsterdam);
        assert_eq!(run.first().map(|(_, label)| label.as_str()), Some("07:40"));
        // Nothing is an hour of no day, also where the clock is changed.
        let changed = hours(at("2026-10-24T22:00:00Z"), at("2026-10-25T23:00:00Z"), chrono_tz::Europe::Amsterdam);
        assert!(changed.len() >= 4);
    }
}
