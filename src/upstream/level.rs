//! The levels a sleeper went through, as stretches that follow each other. Pure, and the same for every upstream.

use chrono::{DateTime, FixedOffset, TimeDelta};
use serde_json::Value as Json;

use super::decode;
use super::endpoint::Decoded;
use crate::reading::{Moment, Value};

/// The levels, in the words of readings. A session with stages has the first four, one without the other three.
pub static LEVELS: &[&str] = &["deep", "light", "rem", "wake", "asleep", "restless", "awake"];

/// Some time in one level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// When it began.
    pub start: DateTime<FixedOffset>,
    /// Its length in seconds.
    pub seconds: i64,
    /// One of [`LEVELS`].
    pub level: &'static str,
}

impl Stretch {
    /// A stretch in this level; `None` for a level we have no word for, and where nothing lasted.
    pub fn new(level: &str, start: DateTime<FixedOffset>, seconds: i64) -> Option<Stretch> {
        let level = LEVELS.iter().find(|known| **known == level)?;
        (1..=TimeDelta::days(2).num_seconds()).contains(&seconds).then_some(Stretch { start, seconds, level })
    }

    /// When it ended.
    pub fn end(&self) -> DateTime<FixedOffset> {
        self.start + TimeDelta::seconds(self.seconds)
    }
}

/// Upstreams tell short wakings apart from the level they interrupt: cut out of it, so that no second counts twice.
pub fn interrupted(mut stretches: Vec<Stretch>, mut wakings: Vec<Stretch>) -> Vec<Stretch> {
    stretches.sort_by_key(|stretch| stretch.start);
    wakings.sort_by_key(|waking| waking.start);
    let mut whole = Vec::with_capacity(stretches.len() + 2 * wakings.len());
    for stretch in stretches {
        let first = wakings.partition_point(|waking| waking.end() <= stretch.start);
        let mut from = stretch.start;
        for waking in wakings[first..].iter().take_while(|waking| waking.start < stretch.end()) {
            whole.extend(Stretch::new(stretch.level, from, (waking.start - from).num_seconds()));
            from = from.max(waking.end());
        }
        whole.extend(Stretch::new(stretch.level, from, (stretch.end() - from).num_seconds()));
    }
    whole.extend(wakings);
    whole.sort_by_key(|stretch| stretch.start);
    whole
}

/// One reading for each stretch, at its beginning, with its length beside.
pub fn readings(stretches: &[Stretch], decoded: &mut Decoded) {
    for stretch in stretches {
        let value = Value::Text(stretch.level.to_owned());
        decoded.readings.extend(decode::reading("sleep-level", value, Moment::Time(stretch.start)).map(
            |mut reading| {
                reading.beside.insert("seconds".into(), Json::from(stretch.seconds));
                reading
            },
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(level: &str, minute: i64, seconds: i64) -> Stretch {
        let night: DateTime<FixedOffset> = "2026-11-19T23:00:00+01:00".parse().expect("time");
        Stretch::new(level, night + TimeDelta::minutes(minute), seconds).expect("stretch")
    }

    #[test]
    fn a_short_waking_is_cut_out_of_the_level_it_interrupts() {
        let sleep = vec![stretch("light", 0, 1800), stretch("deep", 30, 600)];
        let cut = interrupted(sleep, vec![stretch("wake", 10, 60), stretch("wake", 28, 180)]);
        let expected = [
            stretch("light", 0, 600),
            stretch("wake", 10, 60),
            stretch("light", 11, 17 * 60),
            stretch("wake", 28, 180),
            stretch("deep", 31, 540),
        ];
        assert_eq!(cut, expected);
        assert_eq!(cut.iter().map(|stretch| stretch.seconds).sum::<i64>(), 2400, "no second counts twice");
    }

    #[test]
    fn a_waking_outside_of_every_level_stands_for_itself() {
        let cut = interrupted(vec![stretch("light", 0, 60)], vec![stretch("wake", 5, 60)]);
        assert_eq!(cut, [stretch("light", 0, 60), stretch("wake", 5, 60)]);
    }

    #[test]
    fn what_has_no_length_or_no_word_is_no_stretch() {
        let at = stretch("deep", 0, 60).start;
        assert_eq!(Stretch::new("unknown", at, 60), None);
        assert_eq!(Stretch::new("deep", at, 0), None);
        assert_eq!(Stretch::new("deep", at, i64::MAX), None);
    }
}
