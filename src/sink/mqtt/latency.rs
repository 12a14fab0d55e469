//! How long the broker takes to acknowledge what it is sent. Measures, and decides nothing.

use std::collections::HashMap;
use std::time::Instant;

use prometheus::Histogram;

use crate::telemetry;

/// What is on the wire, and since when.
pub(super) struct Latency {
    seconds: Histogram,
    sent: HashMap<u16, Instant>,
}

impl Latency {
    pub(super) fn new() -> Latency {
        Latency { seconds: telemetry::publishing("mqtt"), sent: HashMap::new() }
    }

    /// What was measured so far, and is from now on.
    pub(super) fn seconds(&self) -> Histogram {
        self.seconds.clone()
    }

    /// A packet went out under this identifier.
    pub(super) fn sent(&mut self, identifier: u16) {
        self.sent.insert(identifier, Instant::now());
    }

    /// The broker answered it.
    pub(super) fn acknowledged(&mut self, identifier: u16) {
        if let Some(sent) = self.sent.remove(&identifier) {
            self.seconds.observe(sent.elapsed().as_secs_f64());
        }
    }

    /// What is not acknowledged by now never will be.
    pub(super) fn lost(&mut self) {
        self.sent.clear();
    }
}
