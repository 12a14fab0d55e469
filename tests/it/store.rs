//! The store through its own door, each claim on SQLite and on PostgreSQL: what is recorded, what is read back, what
//! several processes do to each other.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod both;
mod changed;
mod errors;
mod history;
mod kept;
mod recording;
mod sharing;
mod told;
mod zone;
