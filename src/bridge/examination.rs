//! What the doctor is given to look at: beside a running bridge or without one, and nothing is made that is not there.

use std::sync::Arc;

use anyhow::Result;

use super::destinations::{igor_settings, influxdb_settings};
use super::{broker, page};
use crate::clock::Clock;
use crate::config::Config;
use crate::doctor::Case;
use crate::household::Household;
use crate::plugindata::Plugindata;
use crate::store::Store;
use crate::upstream::client;

/// For a command: opens the store, if there is one.
pub async fn case(config: &Config, clock: Clock) -> Result<Case> {
    let store = match &config.store {
        None if !config.data_dir.join("fitbit2mqtt.db").exists() => Ok(None),
        Some(url) if Store::is_missing(url) => Ok(None),
        None => Store::open(&config.data_dir.join("fitbit2mqtt.db")).await.map(Some),
        Some(url) => Store::at(url).await.map(Some),
    };
    let store = store.map_err(|error| format!("{error:#}"));
    let known = match &store {
        Ok(Some(store)) => store.clone(),
        _ => Store::in_memory().await?,
    };
    let plugindata = Plugindata::new(&config.data_dir).overridden_by(config.clients.clone());
    let household = Arc::new(Household::new(plugindata, known, clock, page(config)));
    of(config, household, store)
}

/// On the people of a running bridge, or another's.
pub(super) fn of(config: &Config, household: Arc<Household>, store: Result<Option<Store>, String>) -> Result<Case> {
    let id = format!("fitbit2mqtt-{:08x}", rand::random::<u32>());
    let mqtt = broker::named(&config.mqtt, id);
    let (igor, influxdb) = (igor_settings(config), influxdb_settings(config));
    Ok(Case { config: config.clone(), household, store, mqtt, igor, influxdb, http: client::http()? })
}
