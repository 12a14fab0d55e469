//! Sleep: nights (one record or two), naps, and their levels, all with true durations across clock changes.

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc, Weekday};

use super::chance::{Chance, once_in};
use super::person::Person;

/// One sleep record.
#[derive(Debug, Clone, PartialEq)]
pub struct Sleep {
    /// The service's number for it.
    pub id: u64,
    /// The local date it belongs to: that of its end.
    pub date: NaiveDate,
    /// When they lay down.
    pub start: DateTime<Utc>,
    /// When they got up.
    pub end: DateTime<Utc>,
    /// How it was measured.
    pub kind: SleepKind,
    /// Whether it is the day's main sleep: the longest part of the night.
    pub main: bool,
    /// Whether it is an afternoon's nap.
    pub nap: bool,
    /// Whether they entered it by hand.
    pub manual: bool,
    /// What the night was, without a gap, in multiples of 30 s.
    pub segments: Vec<Segment>,
    /// Wakings of up to 3 minutes within those segments.
    pub short_wakes: Vec<Segment>,
    /// Minutes of each of the kind's levels, in their order.
    minutes: [i64; 4],
}

/// How sleep was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SleepKind {
    /// By heart rate and movement: deep, light, REM, wake.
    Stages,
    /// By movement alone: asleep, restless, awake.
    Classic,
}

impl SleepKind {
    /// The levels that are told apart, being awake last.
    pub fn levels(self) -> &'static [Level] {
        match self {
            SleepKind::Stages => &[Level::Deep, Level::Light, Level::Rem, Level::Wake],
            SleepKind::Classic => &[Level::Asleep, Level::Restless, Level::Awake],
        }
    }
}

/// What a sleeper does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Level {
    Deep,
    Light,
    Rem,
    Wake,
    Asleep,
    Restless,
    Awake,
}

/// A stretch of one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Seconds since the start of the record.
    pub from: i64,
    /// Its length in seconds.
    pub seconds: i64,
    /// The level.
    pub level: Level,
}

impl Sleep {
    /// True time between start and end, in minutes.
    pub fn minutes_in_bed(&self) -> i64 {
        (self.end - self.start).num_minutes()
    }

    /// Whole minutes of one level; wake and awake take what rounding leaves, so that the levels of a record add up
    /// to the time in bed.
    pub fn minutes_of(&self, level: Level) -> i64 {
        self.kind.levels().iter().position(|own| *own == level).map_or(0, |at| self.minutes[at])
    }

    /// How often a level was entered, short wakings included.
    pub fn times_of(&self, level: Level) -> usize {
        self.segments.iter().chain(&self.short_wakes).filter(|segment| segment.level == level).count()
    }

    /// Minutes asleep.
    pub fn minutes_asleep(&self) -> i64 {
        match self.kind {
            SleepKind::Stages => self.minutes_in_bed() - self.minutes_of(Level::Wake),
            SleepKind::Classic => self.minutes_of(Level::Asleep),
        }
    }
}

/// When they go to bed and get up, in wall-clock minutes around midnight of the day they wake up on.
pub(super) struct Bedtimes {
    pub(super) bed: i32,
    pub(super) wake: i32,
    /// Two hours of lying awake or being up in the middle, from and to.
    pub(super) gap: Option<(i32, i32)>,
}

impl Person {
    pub(super) fn sleep_through(&self, date: NaiveDate) -> Vec<Sleep> {
        let mut sleeps = Vec::new();
        if self.night_recorded(date) {
            let Bedtimes { bed, wake, gap } = self.bedtimes(date);
            let kind = if once_in(11, self.key, date, "classic") { SleepKind::Classic } else { SleepKind::Stages };
            let parts = match gap {
                Some((up, again)) => vec![(bed, up), (again, wake)],
                None => vec![(bed, wake)],
            };
            for (number, (from, to)) in parts.into_iter().enumerate() {
                sleeps.push(self.sleep(date, number, kind, (from, to)));
            }
            if let Some(longest) = (0..sleeps.len()).max_by_key(|at| sleeps[*at].minutes_asleep()) {
                sleeps[longest].main = true;
            }
        }
        if let Some((from, to)) = self.nap(date) {
            sleeps.push(self.sleep(date, 2, SleepKind::Classic, (from, to)));
        }
        sleeps
    }

    pub(super) fn bedtimes(&self, date: NaiveDate) -> Bedtimes {
        let mut chance = Chance::new(self.key, date, "night");
        let weekend = matches!(date.weekday(), Weekday::Sat | Weekday::Sun);
        let bed = self.habits.0 + chance.between(-35, 45) + if weekend { 40 } else { 0 };
        let wake = self.habits.1 + chance.between(-25, 30) + if weekend { 65 } else { 0 };
        let up = bed + chance.between(190, 230);
        let gap = once_in(9, self.key, date, "split").then(|| (up, up + chance.between(62, 85)));
        Bedtimes { bed, wake, gap }
    }

    /// Whether the tracker was on the wrist in the night that ended on `date`; some nights it lies on the charger.
    pub(super) fn night_recorded(&self, date: NaiveDate) -> bool {
        self.worn(date) && date.pred_opt().is_some_and(|before| self.worn(before)) && !self.charged_overnight(date)
    }

    /// Whether the tracker spent the night that ended on `date` on its charger.
    fn charged_overnight(&self, date: NaiveDate) -> bool {
        once_in(23, self.key, date, "charged overnight")
    }

    /// From and to of an afternoon's nap, in wall-clock minutes.
    pub(super) fn nap(&self, date: NaiveDate) -> Option<(i32, i32)> {
        let mut chance = Chance::new(self.key, date, "nap");
        let from = chance.between(13 * 60 + 15, 15 * 60);
        let to = from + chance.between(35, 95);
        (self.worn(date) && chance.happens(0.14)).then_some((from, to))
    }

    fn sleep(&self, date: NaiveDate, number: usize, kind: SleepKind, (from, to): (i32, i32)) -> Sleep {
        let mut chance = Chance::of(self.key, i64::from(date.num_days_from_ce()) * 3 + number as i64, "sleep");
        let half = TimeDelta::seconds(if chance.happens(0.5) { 30 } else { 0 });
        let (start, end) = (self.instant(date, from) + half, self.instant(date, to) + half);
        let seconds = (end - start).num_seconds();
        let (segments, short_wakes) = match kind {
            SleepKind::Stages => stages(&mut chance, seconds),
            SleepKind::Classic => (classic(&mut chance, seconds), Vec::new()),
        };
        let day = date.num_days_from_ce() as u64;
        let id = 26_000_000_000 + self.index as u64 * 100_000_000 + day * 10 + number as u64;
        let manual = number == 2 && chance.happens(0.2);
        let minutes = minutes(kind, &segments, &short_wakes);
        Sleep { id, date, start, end, kind, main: false, nap: number == 2, manual, segments, short_wakes, minutes }
    }
}

fn minutes(kind: SleepKind, segments: &[Segment], short_wakes: &[Segment]) -> [i64; 4] {
    let mut seconds = [0; 4];
    let at = |level: Level| kind.levels().iter().position(|own| *own == level).unwrap_or(0);
    for segment in segments {
        seconds[at(segment.level)] += segment.seconds;
    }
    for wake in short_wakes {
        // Short wakings lie in light sleep.
        seconds[at(Level::Light)] -= wake.seconds;
        seconds[at(Level::Wake)] += wake.seconds;
    }
    let in_bed = seconds.iter().sum::<i64>() / 60;
    let mut minutes = seconds.map(|seconds| seconds / 60);
    let awake = kind.levels().len() - 1;
    minutes[awake] = in_bed - minutes[..awake].iter().sum::<i64>();
    minutes
}

/// Cycles of some ninety minutes: deep sleep shrinks and REM grows towards the morning.
fn stages(chance: &mut Chance, total: i64) -> (Vec<Segment>, Vec<Segment>) {
    let mut night = Filling { segments: Vec::new(), total };
    night.add(Level::Wake, chance.between(4, 20));
    let mut cycle = 0;
    while night.left() > 0 {
        night.add(Level::Light, chance.between(30, 60));
        night.add(Level::Deep, (chance.between(50, 80) - 14 * cycle).max(8));
        night.add(Level::Light, chance.between(24, 44));
        night.add(Level::Rem, (chance.between(14, 26) + 12 * cycle).min(70));
        if chance.happens(0.55) {
            night.add(Level::Wake, chance.between(7, 16));
        }
        cycle += 1;
    }
    let mut short_wakes = Vec::new();
    for segment in night.segments.iter().filter(|s| s.level == Level::Light && s.seconds >= 600) {
        if chance.happens(0.7) {
            let seconds = i64::from(chance.between(1, 6)) * 30;
            let from = segment.from + i64::from(chance.between(4, 12)) * 30;
            short_wakes.push(Segment { from, seconds, level: Level::Wake });
        }
    }
    (night.segments, short_wakes)
}

fn classic(chance: &mut Chance, total: i64) -> Vec<Segment> {
    let mut night = Filling { segments: Vec::new(), total };
    night.add(Level::Awake, 2 * chance.between(1, 5));
    while night.left() > 0 {
        night.add(Level::Asleep, 2 * chance.between(15, 60));
        let disturbed = if chance.happens(0.75) { Level::Restless } else { Level::Awake };
        night.add(disturbed, 2 * chance.between(1, 5));
    }
    night.segments
}

struct Filling {
    segments: Vec<Segment>,
    total: i64,
}

impl Filling {
    fn left(&self) -> i64 {
        self.total - self.segments.iter().map(|segment| segment.seconds).sum::<i64>()
    }

    /// Adds so many half-minutes, or what is left.
    fn add(&mut self, level: Level, half_minutes: i32) {
        let left = self.left();
        let seconds = (i64::from(half_minutes) * 30).min(left);
        if seconds > 0 {
            self.segments.push(Segment { from: self.total - left, seconds, level });
        }
    }
}
