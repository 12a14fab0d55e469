//! fitbit2mqtt: health data of Fitbit and Pixel devices on MQTT.
//!
//! The program is a thin shell around this library. Its rooms are listed here in reading order; ARCHITECTURE.md has the
//! bird's eye view and the sentences that must stay true. Two doors lead in from other programs:
//!
//! - [`bridge::run`] is the whole bridge, on a configuration, a clock, a listener and a future that ends it
//!   (`examples/embed.rs`).
//! - [`upstream::decode::decode`] turns an upstream's answer into readings, without network, files or clock
//!   (`examples/decode.rs`):
//!
//! ```
//! use fitbit2mqtt::upstream::{decode::decode, endpoint::Context, fitbit::FITBIT};
//!
//! let row = FITBIT.endpoint("activities/steps").expect("a row of the table");
//! let answer = serde_json::json!({"activities-steps": [{"dateTime": "2026-11-19", "value": "8304"}]});
//! let today = "2026-11-20".parse()?;
//! let night_starts = "18:00:00".parse()?;
//! let zone = chrono_tz::Europe::Amsterdam;
//! let context = Context { zone, day: today, last: today, today, detail: None, height: None, night_starts };
//! let readings = decode(row, &answer, &context)?.readings;
//! assert_eq!(readings[0].metric.key, "steps");
//! assert_eq!(readings[0].value.number(), Some(8304.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod cli; // the commands
pub mod bridge; // builds the parts, starts them, stops them in order
pub mod metric; // the catalogue: one row per metric
pub mod reading; // one value of one metric of one person at one time
pub mod snapshot; // what is known of a person, ready to go out; `trait Sink`
pub mod trend; // where a value is going
pub mod event; // what happened of late
pub mod clock; // the one clock
pub mod zone; // where in time a person's days stand
pub mod telemetry; // what the bridge counts of itself
pub mod config; // the TOML file and the environment as checked values
pub mod manifest; // the plugin as a host sees it: entry points, action template
pub mod plugindata; // each person's and the application's files: settings and tokens
pub mod upstream; // where values come from
pub mod plan; // which requests a fetch needs
pub mod command; // what is asked of the bridge over MQTT and by forms
pub mod store; // what the bridge remembers
pub mod household; // who the people are: files and store together
pub mod quota; // what may be asked now
pub mod oauth; // consent and fresh tokens
pub mod import; // tokens of other programs
pub mod fetch; // one person: plan → ask → decode → record → publish
pub mod backfill; // the past, in the background
pub mod plus; // reads what Fitbit Plus has
pub mod group; // all patients of a group, one by one
pub mod schedule; // interval actions
pub mod sink; // where values go
pub mod history; // reading back: what the store holds, in forms to take away
pub mod doctor; // everything that can be wrong around the bridge, with its cure
pub mod web; // HTTP: guarded server, entry points, pages
#[cfg(feature = "embedded")]
pub mod broker; // the embedded broker
pub mod simulator; // the simulated cloud
#[cfg(feature = "embedded")]
pub mod demo; // all of it at once, with nothing installed
