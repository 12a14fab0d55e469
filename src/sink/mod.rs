//! Where values go: one room per destination, each an implementation of `snapshot::Sink`. Knows no upstream.

pub mod igor; // elements and health in an Igor's database
pub mod influxdb; // lines for a database of time series
pub mod mqtt; // topics of values and of the bridge itself
