//! The tracker: when it syncs, and how its battery fares.

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};

use super::body::{ScaleSource, WeighIn};
use super::chance::Chance;
use super::person::Person;
use super::{Known, MINUTES};

/// The tracker as the cloud knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracker {
    /// Model.
    pub model: &'static str,
    /// When it last synced.
    pub synced: DateTime<Utc>,
    /// Charge in percent, at that time.
    pub battery: u32,
}

impl Known {
    /// The tracker, if it has synced in the last year.
    pub fn tracker(&self) -> Option<Tracker> {
        let synced = self.synced?;
        Some(Tracker { model: self.person.tracker_model(), synced, battery: self.person.battery(synced) })
    }
}

impl Known {
    /// When their own scale last sent something, if it has in the last ninety days.
    pub fn scale(&self) -> Option<DateTime<Utc>> {
        let by_scale = |weigh_in: &WeighIn| weigh_in.source == ScaleSource::Scale;
        let mut days = self.today().iter_days().rev().take(90);
        days.find_map(|date| self.weigh_ins(date).into_iter().rfind(by_scale)).map(|weigh_in| weigh_in.entered)
    }
}

impl Person {
    /// The model they wear.
    pub fn tracker_model(&self) -> &'static str {
        ["Charge 6", "Sense 2", "Versa 4", "Inspire 3"][self.index % 4]
    }

    /// The last sync at or before `now`, in the last year.
    pub(super) fn last_sync(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut now = now;
        for (from, to) in self.changes.silences.iter().rev() {
            if *from <= now && to.is_none_or(|to| now < to) {
                now = *from;
            }
        }
        // The sync at the end of a silence brings what was gathered meanwhile.
        let resumed = self.changes.silences.iter().filter_map(|silence| silence.1).filter(|end| *end <= now).max();
        let today = self.local(now).date();
        let regular = today.iter_days().rev().take(366).find_map(|date| self.last_sync_on(date, now));
        regular.max(resumed)
    }

    /// About every quarter of an hour while awake; never on days it is not worn.
    fn last_sync_on(&self, date: NaiveDate, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if !self.worn(date) {
            return None;
        }
        let tonight = date.succ_opt().map_or(MINUTES as i32, |next| self.bedtimes(next).bed + MINUTES as i32);
        let last_night = self.bedtimes(date);
        let (up_late, wake, bed) = (last_night.bed, last_night.wake, tonight.min(MINUTES as i32));
        (0..MINUTES as i32 / 15).rev().find_map(|quarter| {
            let minute = quarter * 15
                + Chance::of(self.key, i64::from(date.num_days_from_ce() * 96 + quarter), "sync").between(0, 9);
            let awake = minute < up_late || (minute > wake + 4 && minute < bed);
            if !awake {
                return None;
            }
            let at = self.instant(date, minute) + TimeDelta::seconds(i64::from(minute * 7 % 60));
            (at <= now && !self.silent(at)).then_some(at)
        })
    }

    fn silent(&self, at: DateTime<Utc>) -> bool {
        self.changes.silences.iter().any(|(from, to)| *from <= at && to.is_none_or(|to| at < to))
    }

    /// Percent at a moment: five days of draining, then an hour on the charger in the evening.
    fn battery(&self, at: DateTime<Utc>) -> u32 {
        let minutes = i64::from(self.local(at).num_days_from_ce()) * MINUTES as i64 + self.minute_of(at) as i64;
        let cycle = 5 * MINUTES as i64;
        let since = (minutes - CHARGED_AT - self.index as i64 * MINUTES as i64).rem_euclid(cycle);
        let charging = cycle - CHARGING;
        let level =
            if since < charging { 100 - since * 82 / charging } else { 18 + (since - charging) * 82 / CHARGING };
        level as u32
    }

    /// Whether the tracker lies on its charger at this wall-clock minute of a day.
    pub(super) fn charging(&self, date: NaiveDate, minute: usize) -> bool {
        let turn = (i64::from(date.num_days_from_ce()) - self.index as i64).rem_euclid(5) == 0;
        turn && (CHARGED_AT - CHARGING..CHARGED_AT).contains(&(minute as i64))
    }
}

/// Minute of the day at which the tracker comes off its charger.
const CHARGED_AT: i64 = 20 * 60 + 30;
/// Minutes on the charger.
const CHARGING: i64 = 55;
