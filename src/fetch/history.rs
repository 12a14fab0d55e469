//! What was learned of the past: told to the destinations once, beside a present that stays the newest by measuring time.

use anyhow::Result;

use super::Fetcher;
use crate::household::Member;
use crate::snapshot::{Past, Shown};
use crate::store::Recorded;

impl Fetcher {
    /// Tells every destination of what was recorded of days before today, and of what has a newer value beside it
    /// already; samples are too many to be told. A destination that fails is told of in the log: the store has it all.
    pub(super) async fn tell_of_the_past(&self, member: &Member, recorded: &[Recorded<'_>]) -> Result<()> {
        if self.sinks.is_empty() {
            return Ok(());
        }
        let now = self.household.clock.now();
        let mut past = Vec::new();
        for Recorded { reading, revision } in recorded {
            if reading.resolution.is_some() || !member.is_shown(reading.metric.key) {
                continue;
            }
            let over = reading.at.date() < member.today || {
                let newest = self.household.store.newest_of(&member.person, reading.metric.key).await?;
                newest.is_some_and(|newest| reading.at < newest.reading.at)
            };
            if over {
                let shown = Shown::new((*reading).clone(), now, member.system);
                past.push(Past { shown, revision: *revision });
            }
        }
        past.sort_by_key(|past| (past.shown.at, past.shown.metric.key));
        for sink in self.sinks.iter().filter(|_| !past.is_empty()) {
            if let Err(error) = sink.history(&member.person, &past).await {
                log::warn!("{}: not all of the past could be told: {error:#}", member.person);
            }
        }
        Ok(())
    }
}
