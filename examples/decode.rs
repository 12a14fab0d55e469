//! An answer of an upstream, captured in a file, as readings: the library without broker, network or clock.
//!
//! `cargo run --example decode -- sleep tests/fixtures/fitbit/sleep.json 2026-11-20 Europe/Amsterdam`

use anyhow::{Context as _, Result, bail};
use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;
use fitbit2mqtt::upstream::decode::decode;
use fitbit2mqtt::upstream::endpoint::Context;
use fitbit2mqtt::upstream::fitbit::FITBIT;
use serde_json::Value as Json;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, file, today, zone] = arguments.as_slice() else {
        bail!("usage: decode ENDPOINT FILE TODAY ZONE, as in: sleep sleep.json 2026-11-20 Europe/Amsterdam");
    };
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {file}"))?;
    let today = today.parse().with_context(|| format!("{today} is no date"))?;
    let zone = zone.parse().map_err(|error| anyhow::anyhow!("{zone}: {error}"))?;
    for line in readings(endpoint, &text, today, zone)? {
        println!("{line}");
    }
    Ok(())
}

/// What an answer of `endpoint` that came on `today` says of a person who lives in `zone`, one line a reading.
pub fn readings(endpoint: &str, answer: &str, today: NaiveDate, zone: Tz) -> Result<Vec<String>> {
    let endpoint = FITBIT.endpoint(endpoint).with_context(|| format!("there is no endpoint {endpoint}"))?;
    let answer: Json = serde_json::from_str(answer).context("the answer is not JSON")?;
    let night_starts = NaiveTime::from_hms_opt(18, 0, 0).context("18:00 is a time")?;
    let context = Context { zone, day: today, last: today, today, detail: None, height: None, night_starts };
    let decoded = decode(endpoint, &answer, &context)?;
    let reading = |reading: &fitbit2mqtt::reading::Reading| {
        let unit = reading.metric.unit.symbol(Default::default()).unwrap_or_default();
        format!("{} {} {} {unit}", reading.at, reading.metric.key, Json::from(&reading.value)).trim_end().to_owned()
    };
    let problem = |problem: &String| format!("left out: {problem}");
    Ok(decoded.readings.iter().map(reading).chain(decoded.problems.iter().map(problem)).collect())
}
