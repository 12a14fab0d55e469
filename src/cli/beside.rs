//! The destinations of a command that works beside a running bridge: reached briefly, told, and waited for.
//! What is told is decided elsewhere.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::bridge;
use crate::config::Config;
use crate::reading::Person;
use crate::sink::igor::Igor;
use crate::sink::mqtt::{Mqtt, topic::Topics};
use crate::snapshot::Sink;
use crate::store::Store;

/// How long each of them may take to receive everything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Every destination there is.
pub(super) struct Beside {
    mqtt: Arc<Mqtt>,
    igor: Option<Arc<Igor>>,
}

impl Beside {
    /// Begins to reach them.
    pub async fn open(config: &Config, store: &Store) -> Result<Beside> {
        let mqtt = Arc::new(bridge::brief(&config.mqtt, store).await?);
        Ok(Beside { mqtt, igor: bridge::igor_of(config, store)? })
    }

    /// For a fetcher; give them back before [`Beside::finish`].
    pub fn sinks(&self) -> Vec<Arc<dyn Sink>> {
        let igor = self.igor.iter().map(|igor| Arc::clone(igor) as Arc<dyn Sink>);
        [Arc::clone(&self.mqtt) as Arc<dyn Sink>].into_iter().chain(igor).collect()
    }

    /// The names of topics.
    pub fn topics(&self) -> &Topics {
        self.mqtt.topics()
    }

    /// Removes everything that was ever published of a person.
    pub async fn remove(&self, person: &Person) -> Result<()> {
        for sink in self.sinks() {
            sink.remove(person).await?;
        }
        Ok(())
    }

    /// Waits until they have everything.
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
