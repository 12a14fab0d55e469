//! InfluxDB's words for what is known here. So far only a format: `export` writes it.

pub mod line; // a reading as a line of its protocol
