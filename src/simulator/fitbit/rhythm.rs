//! How electrocardiograms and alerts of an irregular rhythm are written.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::{Ask, Refusal};
use crate::simulator::life::{Electrocardiogram, IrregularRhythm};

pub(super) fn electrocardiogram(ask: &Ask, reading: &Electrocardiogram) -> Json {
    json!({
        "startTime": time(ask, reading.at),
        "averageHeartRate": reading.heart_rate,
        "resultClassification": if reading.conclusive { "Normal Sinus Rhythm" } else { "Inconclusive" },
        "waveformSamples": reading.wave,
        "samplingFrequencyHz": 250,
        "scalingFactor": 10_922,
        "numberOfWaveformSamples": reading.wave.len(),
        "leadNumber": 1,
        "featureVersion": "1.2.3-2.11-2.14",
        "deviceName": ask.known.person.tracker_model(),
        "firmwareVersion": "1.2.3",
    })
}

pub(super) fn alert(ask: &Ask, alert: &IrregularRhythm) -> Json {
    let windows = alert.windows.iter().map(|window| {
        let beats: Vec<Json> =
            window.beats.iter().map(|(at, rate)| json!({"dataTime": time(ask, *at), "value": rate})).collect();
        json!({"startTime": time(ask, window.start), "bpmData": beats})
    });
    json!({
        "alertTime": time(ask, alert.alerted),
        "detectedTime": time(ask, alert.detected),
        "serviceVersion": "2.2",
        "algoVersion": "1.6",
        "deviceType": ask.known.person.tracker_model(),
        "windows": windows.collect::<Vec<Json>>(),
    })
}

pub(super) fn profile(ask: &Ask) -> Result<Json, Refusal> {
    ask.needs("irregular_rhythm_notifications")?;
    let updated = ask.known.person.instant(ask.known.person.joined, 12 * 60);
    Ok(json!({"onboarded": true, "enrolled": true, "lastUpdated": time(ask, updated)}))
}

fn time(ask: &Ask, moment: DateTime<Utc>) -> String {
    ask.known.person.local(moment).format("%Y-%m-%dT%H:%M:%S%.3f").to_string()
}
