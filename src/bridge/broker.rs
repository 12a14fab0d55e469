//! Which broker the bridge is connected to, under which name, and what it tells Home Assistant there: the configuration in
//! the words of `sink/mqtt`. Connects to nobody, but starts the embedded broker.

use anyhow::Result;

use crate::config::{self, Broker, Config};
use crate::sink::mqtt::discovery::Form;
use crate::sink::mqtt::{self, Mqtt};
use crate::store::Store;

/// The broker and our name there.
pub(super) async fn mqtt_settings(config: &config::Mqtt, store: &Store) -> Result<mqtt::Settings> {
    let id = match &config.client_id {
        Some(id) => id.clone(),
        None => store.setting("mqtt_client_id", || format!("fitbit2mqtt-{:08x}", rand::random::<u32>())).await?,
    };
    let url = match &config.broker {
        Broker::Embedded { listen } => format!("mqtt://{listen}"),
        Broker::Remote { url, .. } => url.clone(),
    };
    Ok(mqtt::Settings {
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
    })
}

/// What Home Assistant is told, and where.
pub(super) fn homeassistant_settings(config: &Config, page: String) -> Option<mqtt::HomeAssistant> {
    let commands = config.mqtt.commands;
    let config = &config.homeassistant;
    let form = match config.discovery? {
        config::Discovery::Device => Form::Device,
        config::Discovery::Component => Form::Component,
    };
    let (prefix, status_topic) = (config.prefix.clone(), config.status_topic.clone());
    Some(mqtt::HomeAssistant { form, prefix, status_topic, page, commands })
}

/// A short-lived client beside a running bridge.
pub async fn brief(config: &config::Mqtt, store: &Store) -> Result<Mqtt> {
    Mqtt::brief(mqtt_settings(config, store).await?, store.clone()).await
}

/// The embedded broker, where that is what the configuration says.
pub(super) fn start_broker(config: &config::Mqtt) -> Result<()> {
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
