//! What the entry points are given of a running bridge. Answers nothing itself.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::Mutex;

use super::commands::Commands;
use super::numbers::Numbers;
use super::{Bridge, examination};
use crate::config::Config;
use crate::doctor;
use crate::schedule::Scheduled;
use crate::sink::mqtt::topic::Topics;
use crate::web::access::Access;
use crate::web::entrypoint::Entrypoints;

/// How long whoever asked for a fetch waits for the broker to have its values.
const DELIVERY: Duration = Duration::from_secs(2);

/// The entry points of this bridge.
pub(super) async fn entrypoints(
    config: &Config,
    bridge: &Arc<Bridge>,
    schedule: &Scheduled,
    commands: &Commands,
    numbers: Numbers,
    stopping: &Arc<AtomicBool>,
) -> Result<Entrypoints> {
    let key = bridge.store.setting("form_key", || format!("{:032x}", rand::random::<u128>())).await?;
    let http = &config.http;
    let access = Access::new(http.password.clone(), &http.allowed_hosts, http.public_url.url().clone(), key);
    let changes = schedule.changes();
    let store = Ok(Some(bridge.store.clone()));
    let case = Arc::new(examination::of(config, Arc::clone(&bridge.parts.household), store)?);
    let examining = Arc::new(Mutex::new(()));
    let (ready, commands, numbers) = (Arc::clone(bridge), commands.clone(), Arc::new(numbers));
    let mqtt = Arc::clone(&bridge.mqtt);
    Ok(Entrypoints {
        household: Arc::clone(&bridge.parts.household),
        oauth: Arc::clone(&bridge.parts.oauth),
        fetcher: Arc::clone(&bridge.parts.fetcher),
        reader: bridge.parts.reader.clone(),
        groups: Arc::clone(&bridge.parts.groups),
        access,
        topics: Topics::new(&config.mqtt.topic, &config.mqtt.bridge_topic)?,
        changed: Box::new(move |change| {
            let _ = changes.send(change);
        }),
        begin: Box::new(move |person, command| commands.begin(Some(person), command)),
        delivered: Box::new(move || {
            let mqtt = Arc::clone(&mqtt);
            Box::pin(async move { mqtt.delivered(DELIVERY).await })
        }),
        unready: Box::new(move || ready.unready()),
        examine: Box::new(move || {
            let (case, examining) = (Arc::clone(&case), Arc::clone(&examining));
            Box::pin(async move {
                // One at a time: each of them makes connections of its own.
                let _turn = examining.try_lock().ok()?;
                Some(doctor::examine(&case).await)
            })
        }),
        numbers: Box::new(move || {
            let numbers = Arc::clone(&numbers);
            Box::pin(async move { numbers.exposition().await })
        }),
        stopping: Arc::clone(stopping),
    })
}
