//! Chance that repeats: numbers drawn from a person, a date and a topic, always the same. Not for secrets.

use chrono::{Datelike, NaiveDate};

/// A sequence of numbers that depends on its beginnings only (SplitMix64, which needs no seeding ceremony).
pub struct Chance(u64);

impl Chance {
    /// The sequence of one person (`key`) for one topic on one date.
    pub fn new(key: u64, date: NaiveDate, topic: &str) -> Chance {
        Chance::of(key, i64::from(date.num_days_from_ce()), topic)
    }

    /// The sequence of one person (`key`) for one topic and number.
    pub fn of(key: u64, number: i64, topic: &str) -> Chance {
        // FNV-1a over the topic.
        let hash = topic
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        let mut chance = Chance(key ^ hash ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        chance.number();
        chance
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to just below 1.
    pub fn fraction(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A whole number from `low` to `high`, both included.
    pub fn between(&mut self, low: i32, high: i32) -> i32 {
        low + (self.number() % (high - low + 1) as u64) as i32
    }

    /// Something between −1 and 1 that is mostly small.
    pub fn wobble(&mut self) -> f64 {
        self.fraction() + self.fraction() - 1.0
    }

    /// True with this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }
}

/// True on exactly one date of every `days` in a row, so that rare things are sure to come up in any long fetch.
pub fn once_in(days: i32, key: u64, date: NaiveDate, topic: &str) -> bool {
    let number = date.num_days_from_ce();
    let mut chance = Chance::of(key, i64::from(number.div_euclid(days)), topic);
    chance.between(0, days - 1) == number.rem_euclid(days)
}

/// The value rounded to this many decimals, as services round theirs.
pub fn rounded(value: f64, decimals: i32) -> f64 {
    let factor = 10f64.powi(decimals);
    (value * factor).round() / factor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_things_come_up_once_in_every_block_of_days() {
        let first = NaiveDate::from_num_days_from_ce_opt(19 * 38_000).unwrap_or_default();
        for block in 0..50 {
            let days = first.iter_days().skip(block * 19).take(19);
            assert_eq!(days.filter(|date| once_in(19, 7, *date, "rare")).count(), 1);
        }
    }

    #[test]
    fn chance_repeats_and_differs_by_person_date_and_topic() {
        let date = NaiveDate::default();
        let drawn = |key, date, topic| Chance::new(key, date, topic).number();
        assert_eq!(drawn(1, date, "steps"), drawn(1, date, "steps"));
        let others =
            [drawn(2, date, "steps"), drawn(1, date.succ_opt().unwrap_or_default(), "steps"), drawn(1, date, "sleep")];
        assert!(!others.contains(&drawn(1, date, "steps")));
        let mut chance = Chance::of(3, 4, "between");
        let numbers: std::collections::BTreeSet<i32> = (0..200).map(|_| chance.between(-2, 2)).collect();
        assert_eq!(numbers.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1, 2]);
    }
}
