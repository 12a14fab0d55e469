//! Every destination there is, as one: the broker, and an Igor and an InfluxDB where they are configured. What is told is
//! decided elsewhere.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use prometheus::core::Collector;

use crate::config::{Config, InfluxDbPlace};
use crate::reading::Person;
use crate::sink::igor::{self, Igor};
use crate::sink::influxdb::{self, InfluxDb};
use crate::sink::mqtt::{Mqtt, topic::Topics};
use crate::snapshot::Sink;
use crate::store::Store;
use crate::upstream::client;

/// How long each of them may take to receive all that a command has for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The destinations.
pub struct Destinations {
    mqtt: Arc<Mqtt>,
    igor: Option<Arc<Igor>>,
    influxdb: Option<Arc<InfluxDb>>,
}

impl Destinations {
    /// The broker, and what else the configuration names.
    pub(super) fn new(mqtt: Arc<Mqtt>, config: &Config, store: &Store) -> Result<Destinations> {
        let told = Destinations::told_at_once(mqtt, config, store)?;
        let Some(settings) = influxdb_settings(config) else { return Ok(told) };
        let influxdb = InfluxDb::new(settings, client::http()?, store.clone());
        Ok(Destinations { influxdb: Some(Arc::new(influxdb)), ..told })
    }

    /// For a command that works beside a running bridge; ends with [`Destinations::finish`]. What InfluxDB does not have
    /// is written by the bridge, which finds it in the store: two that write could overtake each other.
    pub async fn brief(config: &Config, store: &Store) -> Result<Destinations> {
        Destinations::told_at_once(Arc::new(super::broker::brief(&config.mqtt, store).await?), config, store)
    }

    fn told_at_once(mqtt: Arc<Mqtt>, config: &Config, store: &Store) -> Result<Destinations> {
        let igor = match igor_settings(config) {
            Some(settings) => Some(Arc::new(Igor::new(settings, client::http()?, store.clone()))),
            None => None,
        };
        Ok(Destinations { mqtt, igor, influxdb: None })
    }

    /// For a fetcher.
    pub fn sinks(&self) -> Vec<Arc<dyn Sink>> {
        let igor = self.igor.iter().map(|igor| Arc::clone(igor) as Arc<dyn Sink>);
        let influxdb = self.influxdb.iter().map(|influxdb| Arc::clone(influxdb) as Arc<dyn Sink>);
        [Arc::clone(&self.mqtt) as Arc<dyn Sink>].into_iter().chain(igor).chain(influxdb).collect()
    }

    /// The broker.
    pub(super) fn mqtt(&self) -> &Mqtt {
        &self.mqtt
    }

    /// How much each has not been told yet.
    pub(super) async fn queues(&self) -> Result<Vec<(&'static str, usize)>> {
        let igor = self.igor.iter().map(|igor| ("igor", igor.waiting()));
        let mut queues: Vec<_> = [("mqtt", self.mqtt.waiting())].into_iter().chain(igor).collect();
        if let Some(influxdb) = &self.influxdb {
            queues.push(("influxdb", influxdb.waiting().await?));
        }
        Ok(queues)
    }

    /// How long each takes to be told.
    pub(super) fn latencies(&self) -> Vec<Box<dyn Collector>> {
        let igor = self.igor.iter().map(|igor| Box::new(igor.latency()) as Box<dyn Collector>);
        let influxdb = self.influxdb.iter().map(|influxdb| Box::new(influxdb.latency()) as Box<dyn Collector>);
        [Box::new(self.mqtt.latency()) as Box<dyn Collector>].into_iter().chain(igor).chain(influxdb).collect()
    }

    /// The names of topics.
    pub fn topics(&self) -> &Topics {
        self.mqtt.topics()
    }

    /// Says that everybody has been published by now, but for `unpublished`; what is left over of nobody goes.
    pub(super) async fn settled(&self, unpublished: &[Person]) -> Result<()> {
        self.mqtt.settled(unpublished).await?;
        match &self.igor {
            Some(igor) => igor.settled(unpublished).await,
            None => Ok(()),
        }
    }

    /// Removes everything that was ever published of a person.
    pub async fn remove(&self, person: &Person) -> Result<()> {
        for sink in self.sinks() {
            sink.remove(person).await?;
        }
        Ok(())
    }

    /// Sends what is left, within about five seconds.
    pub(super) async fn stop(&self) {
        let farewell = async {
            if let Some(igor) = &self.igor {
                igor.stop().await;
            }
        };
        let rest = async {
            if let Some(influxdb) = &self.influxdb {
                influxdb.stop().await;
            }
        };
        tokio::join!(self.mqtt.stop(), farewell, rest);
    }

    /// Waits until they have everything. Whoever was given the sinks must be gone by then.
    pub async fn finish(self) -> Result<()> {
        let told = async {
            match &self.igor {
                Some(igor) => igor.told(PATIENCE).await,
                None => Ok(()),
            }
        };
        let published = async {
            let mqtt = Arc::into_inner(self.mqtt).ok_or_else(|| anyhow!("the connection is still in use"))?;
            mqtt.finish(PATIENCE).await
        };
        let (published, told) = tokio::join!(published, told);
        published.context("the broker did not take everything").and(told)
    }
}

/// The Igor that is configured.
pub(super) fn igor_settings(config: &Config) -> Option<igor::Settings> {
    let igor = config.igor.as_ref()?;
    let (username, password) = (igor.username.clone(), igor.password.clone());
    Some(igor::Settings { url: igor.url.url().clone(), username, password })
}

/// The InfluxDB that is configured.
pub(super) fn influxdb_settings(config: &Config) -> Option<influxdb::Settings> {
    let influxdb = config.influxdb.as_ref()?;
    let place = match influxdb.place.clone() {
        InfluxDbPlace::Database { name, username, password } => influxdb::Place::Database { name, username, password },
        InfluxDbPlace::Bucket { name, organization, token } => influxdb::Place::Bucket { name, organization, token },
    };
    Some(influxdb::Settings { url: influxdb.url.url().clone(), place })
}
