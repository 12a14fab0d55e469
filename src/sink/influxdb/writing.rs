//! One batch on its way: the lines that a server does not take are found and left out, the others written. Waits for
//! nothing and repeats nothing.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use prometheus::Histogram;

use super::line::{Lines, named};
use super::request::{Packed, Server, Trouble};
use super::unwritten::{Batch, Deletion};
use crate::telemetry;

/// Lines of one request: what InfluxDB's documentation advises.
pub(super) const MOST_LINES: usize = 5_000;

/// How many lines that were refused for the same reason are named one by one.
const NAMED: usize = 5;

/// Words with which servers refuse lines, and not whoever sent them.
const OF_LINES: [&str; 5] = ["partial write", "unable to parse", "field type conflict", "retention", "dropped"];

/// Lines that a server did not take, and why.
type Refused = Vec<(Range<usize>, String)>;

/// A server and the length of the requests that it takes.
pub(super) struct Writer {
    pub server: Server,
    most: AtomicUsize,
    pub latency: Histogram,
}

impl Writer {
    pub fn new(server: Server) -> Writer {
        Writer { server, most: AtomicUsize::new(MOST_LINES), latency: telemetry::publishing("influxdb") }
    }

    /// Writes a batch but for the lines that the server refuses, which are told in the log.
    pub async fn write(&self, batch: &Batch) -> Result<(), Trouble> {
        let mut kept = Vec::new();
        for deletion in &batch.deletions {
            match self.server.delete(deletion).await {
                Ok(()) => {}
                Err(trouble @ (Trouble::Unreachable(_) | Trouble::Failing(..))) => return Err(trouble),
                // What is new can be written all the same.
                Err(Trouble::Refused(why) | Trouble::Misconfigured(why)) => kept.push((deletion, why)),
                Err(Trouble::TooLong) => {}
            }
        }
        let all = 0..batch.lines.count();
        let (mut left, mut refused, mut taken) = (Vec::from([all.clone()]), Refused::new(), false);
        while let Some(lines) = left.pop() {
            let most = self.most.load(Ordering::Relaxed);
            if lines.is_empty() {
                continue;
            }
            if lines.len() > most {
                let middle = lines.start + most;
                left.extend([middle..lines.end, lines.start..middle]);
                continue;
            }
            let packed = batch.packed.clone().filter(|_| lines == all);
            let packed = packed.unwrap_or_else(|| Packed::new(batch.lines.text(&lines)));
            let begun = Instant::now();
            let why = match self.server.write(packed).await {
                Ok(()) => {
                    self.latency.observe(begun.elapsed().as_secs_f64());
                    taken = true;
                    continue;
                }
                Err(Trouble::TooLong) if lines.len() > 1 => {
                    self.most.store(lines.len() / 2, Ordering::Relaxed);
                    left.push(lines);
                    continue;
                }
                Err(Trouble::TooLong) => "it is too long".to_owned(),
                Err(Trouble::Refused(why)) => why,
                Err(trouble) => return Err(trouble),
            };
            if lines.len() == 1 || dropped(&why) == Some(lines.len()) {
                refused.push((lines, why));
            } else {
                let middle = lines.start + lines.len() / 2;
                left.extend([middle..lines.end, lines.start..middle]);
            }
        }
        if let Some((_, why)) =
            refused.iter().find(|(_, why)| !taken && !OF_LINES.iter().any(|word| why.contains(word)))
        {
            let url = &self.server.settings.url;
            return Err(Trouble::Misconfigured(format!(
                "InfluxDB at {url} refuses everything: {why}; check [influxdb]"
            )));
        }
        for (Deletion { measurement, person, from, .. }, why) in kept {
            log::warn!("{measurement} of {person} from {from} on keeps points that no longer hold: {why}");
        }
        tell(&batch.lines, &refused);
        Ok(())
    }
}

/// Says which lines are left out.
fn tell(lines: &Lines, refused: &Refused) {
    let each = |(some, why)| lines.text(some).lines().map(move |line| (line, why));
    let all: Vec<_> = refused.iter().map(|(some, why)| (some, why)).flat_map(each).collect();
    for (line, why) in all.iter().take(NAMED) {
        log::warn!("InfluxDB does not take {}: {why}; it is left out", named(line));
    }
    if all.len() > NAMED {
        log::warn!("InfluxDB does not take {} more; they are left out", all.len() - NAMED);
    }
}

/// How many lines the server says it dropped.
fn dropped(why: &str) -> Option<usize> {
    let (_, count) = why.rsplit_once("dropped=")?;
    count.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}
