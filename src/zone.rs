//! Where in time a person's days stand, in whatever time zones they lived. Pure: no input, no output, no clock.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// The time zones of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zones {
    /// Of all days before those of the later ones.
    first: Tz,
    /// Each with the day after which it holds, in order.
    later: Vec<(NaiveDate, Tz)>,
}

impl Zones {
    /// One zone from ever, and later ones with the day after which each holds, in order.
    pub fn new(first: Tz, later: Vec<(NaiveDate, Tz)>) -> Zones {
        Zones { first, later }
    }

    /// When a day begins: no two at once, and each after the one before.
    pub fn begin(&self, day: NaiveDate) -> DateTime<Utc> {
        let count = self.later.partition_point(|(after, _)| *after < day);
        let Some(((after, zone), earlier)) = self.later[..count].split_last() else {
            return first_instant(day, self.first);
        };
        let before = earlier.last().map_or(self.first, |(_, zone)| *zone);
        let begin = first_instant(day, *zone);
        // Today in Niue begins when tomorrow does in Auckland: the first day of who flies there stands between its
        // neighbours.
        if begin > first_instant(*after, before) { begin } else { day.and_time(NaiveTime::MIN).and_utc() }
    }
}

/// One zone for ever.
impl From<Tz> for Zones {
    fn from(zone: Tz) -> Zones {
        Zones::new(zone, Vec::new())
    }
}

/// Midnight, or where the clocks jump over it, the first instant after.
fn first_instant(date: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = date.and_time(NaiveTime::MIN);
    let quarters = (0..16).map(|quarter| midnight + TimeDelta::minutes(15 * quarter));
    let first = quarters.filter_map(|local| zone.from_local_datetime(&local).earliest()).next();
    first.map_or_else(|| midnight.and_utc(), |first| first.to_utc())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chrono_tz::Tz::{
        America__New_York, America__Santiago, Asia__Beirut, Europe__Amsterdam, Pacific__Auckland, Pacific__Kiritimati,
        Pacific__Niue, Pacific__Pago_Pago,
    };

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn begin(zones: &Zones, text: &str) -> String {
        zones.begin(day(text)).format("%dT%H").to_string()
    }

    #[test]
    fn a_day_begins_where_its_clocks_begin() {
        let begin = |text: &str, zone: Tz| Zones::from(zone).begin(day(text)).to_rfc3339();
        assert_eq!(begin("2026-03-29", Europe__Amsterdam), "2026-03-28T23:00:00+00:00");
        // In Beirut and Santiago clocks jump from midnight to one.
        assert_eq!(begin("2026-03-29", Asia__Beirut), "2026-03-28T22:00:00+00:00");
        assert_eq!(begin("2026-09-06", America__Santiago), "2026-09-06T04:00:00+00:00");
    }

    #[test]
    fn a_day_keeps_its_place_when_its_person_moves_on() {
        let later = vec![(day("2026-11-19"), America__New_York), (day("2026-11-22"), Pacific__Auckland)];
        let zones = Zones::new(Europe__Amsterdam, later);
        for (day, place) in [
            ("1990-01-10", "09T23"),
            ("2026-11-19", "18T23"),
            ("2026-11-20", "20T05"),
            ("2026-11-22", "22T05"),
            ("2026-11-23", "22T11"),
            ("2026-11-24", "23T11"),
        ] {
            assert_eq!(begin(&zones, day), place, "{day}");
        }
    }

    #[test]
    fn no_two_days_begin_at_once_wherever_one_flies() {
        let far =
            [Pacific__Niue, Pacific__Pago_Pago, Pacific__Auckland, Pacific__Kiritimati, Europe__Amsterdam, Tz::UTC];
        let home = |from: Tz, to: Tz| Zones::new(from, vec![(day("2026-11-19"), to), (day("2026-11-20"), from)]);
        for from in far {
            for to in far {
                for zones in [home(from, to), Zones::new(from, vec![(day("2026-11-19"), to)])] {
                    let days = day("2026-11-18").iter_days().take(6);
                    let begins: Vec<_> = days.map(|day| zones.begin(day)).collect();
                    assert!(begins.is_sorted_by(|one, next| one < next), "{from} to {to}: {begins:?}");
                }
            }
        }
    }
}
