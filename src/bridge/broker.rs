//! The broker as the configuration describes it: the client's settings, and the embedded one where it is to run here.

use anyhow::Result;

use crate::config::{self, Broker, Config};
use crate::sink::mqtt::discovery::Form;
use crate::sink::mqtt::{self, Mqtt};
use crate::store::Store;

/// The client of a bridge, not connected yet; `page` is where people set up.
pub(super) async fn client(config: &Config, store: &Store, page: String) -> Result<Mqtt> {
    let homeassistant = homeassistant(config, page);
    let settings = mqtt::Settings { homeassistant, ..settings(&config.mqtt, store).await? };
    Mqtt::new(settings, store.clone())
}

/// A short-lived client beside a running bridge.
pub(super) async fn brief(config: &config::Mqtt, store: &Store) -> Result<Mqtt> {
    Mqtt::brief(settings(config, store).await?, store.clone()).await
}

/// The embedded broker, where that is what the configuration says.
pub(super) fn start_embedded(config: &config::Mqtt) -> Result<()> {
    let Broker::Embedded { listen } = config.broker else { return Ok(()) };
    #[cfg(feature = "embedded")]
    {
        let credentials = config.username.clone().zip(config.password.clone());
        let address = crate::broker::start(listen, credentials)?;
        log::info!("the embedded broker listens on {address}");
        Ok(())
    }
    #[cfg(not(feature = "embedded"))]
    anyhow::bail!("mqtt.url says embedded://{listen}, but this program was built without the feature `embedded`")
}

/// The broker and our name there.
async fn settings(config: &config::Mqtt, store: &Store) -> Result<mqtt::Settings> {
    let id = match &config.client_id {
        Some(id) => id.clone(),
        None => store.setting("mqtt_client_id", || format!("fitbit2mqtt-{:08x}", rand::random::<u32>())).await?,
    };
    Ok(named(config, id))
}

/// The same under a name of one's own.
pub(super) fn named(config: &config::Mqtt, id: String) -> mqtt::Settings {
    let url = match &config.broker {
        Broker::Embedded { listen } => format!("mqtt://{listen}"),
        Broker::Remote { url, .. } => url.clone(),
    };
    mqtt::Settings {
        username: config.username.clone(),
        password: config.password.clone(),
        ca_file: config.ca_file.clone(),
        client_cert_file: config.client_certificate.as_ref().map(|files| files.certificate_file.clone()),
        client_key_file: config.client_certificate.as_ref().map(|files| files.key_file.clone()),
        protocol: match config.protocol {
            config::Protocol::V3 => mqtt::Protocol::V311,
            config::Protocol::V5 => mqtt::Protocol::V5,
        },
        topic: config.topic.clone(),
        bridge_topic: config.bridge_topic.clone(),
        retain: config.retain,
        ..mqtt::Settings::new(url, id)
    }
}

/// What Home Assistant is told, and where.
fn homeassistant(config: &Config, page: String) -> Option<mqtt::HomeAssistant> {
    let commands = config.mqtt.commands;
    let config = &config.homeassistant;
    let form = match config.discovery? {
        config::Discovery::Device => Form::Device,
        config::Discovery::Component => Form::Component,
    };
    let (prefix, status_topic) = (config.prefix.clone(), config.status_topic.clone());
    Some(mqtt::HomeAssistant { form, prefix, status_topic, page, commands })
}
