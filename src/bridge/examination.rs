//! What the doctor is given to look at: beside a running bridge or without one, and nothing is made that is not there.

use std::sync::Arc;

use anyhow::Result;

use super::destinations::{igor_settings, influxdb_settings};
use super::{DATABASE, broker, page};
use crate::clock::Clock;
use crate::config::Config;
use crate::doctor::Case;
use crate::household::Household;
use crate::plugindata::Plugindata;
use crate::store::Store;
use crate::upstream::client;

/// For a command: opens the store, if there is one, as it is.
pub async fn case(config: &Config, clock: Clock) -> Result<Case> {
    let store = match &config.store {
        None => Store::file_found(&config.data_dir.join(DATABASE)).await,
        Some(url) => Store::found(url).await,
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
    let database = match &config.store {
        Some(url) => Store::file(url),
        None => Some(config.data_dir.join(DATABASE)),
    };
    Ok(Case { config: config.clone(), household, store, database, mqtt, igor, influxdb, http: client::http()? })
}
