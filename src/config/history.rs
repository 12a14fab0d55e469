//! `[history]` and `[sleep]`: what is asked for, how often and how far back, and where a night begins. Reads checked values, and decides nothing.

use anyhow::Result;
use chrono::{NaiveTime, TimeDelta};

use super::address;
use super::settings::Values;
use crate::metric::INTRADAY;
use crate::plan::{Intraday, parse_detail};

/// `[history]`.
#[derive(Debug, Clone)]
pub struct History {
    /// Everything is asked again after so long, even where no device has synced.
    pub full_fetch_every: TimeDelta,
    /// How many days of the past are fetched in the background after first consent; 0: none.
    pub backfill_days: u16,
    /// Requests of one fetch side by side.
    pub parallel: usize,
    /// What is kept within a day, for people who say nothing else.
    pub intraday: Intraday,
}

impl History {
    pub(super) fn read(values: &Values) -> Result<History> {
        let seconds = values.number("history.full_fetch_every", 60..=30 * 86_400)?.unwrap_or(21_600);
        let backfill_days = u16::try_from(values.number("history.backfill_days", 0..=3650)?.unwrap_or(90))?;
        let parallel = values.number("history.parallel", 1..=16)?.unwrap_or(4);
        let known = |key: &str| INTRADAY.contains(&key).then(|| key.to_owned());
        let metrics = values.list("history.intraday", known)?;
        let detail = values.read("history.detail_level", |level| parse_detail(level).ok())?;
        Ok(History {
            backfill_days,
            full_fetch_every: TimeDelta::seconds(seconds),
            parallel: usize::try_from(parallel)?,
            intraday: Intraday { metrics, detail },
        })
    }
}

/// `[sleep]`.
#[derive(Debug, Clone)]
pub struct Sleep {
    /// A session that starts at or after this hour and ends before midnight belongs to the next date.
    pub night_starts: NaiveTime,
    /// `upstream.fitbit.sleep_score`: whether it is asked day by day, too, for its score.
    pub score: bool,
}

impl Sleep {
    pub(super) fn read(values: &Values) -> Result<Sleep> {
        let night_starts = values.read("sleep.night_starts", address::hour)?;
        Ok(Sleep { night_starts, score: values.flag("upstream.fitbit.sleep_score")? })
    }
}
