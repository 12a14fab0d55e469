//! `[homeassistant]`: what it is told, and where. Checks the values and does nothing else.

use anyhow::Result;

use super::address;
use super::settings::Values;

/// `[homeassistant]`.
#[derive(Debug, Clone)]
pub struct HomeAssistant {
    /// The form of its discovery messages; `None`: it is told nothing.
    pub discovery: Option<Discovery>,
    /// The root of the topics under which it is told.
    pub prefix: String,
    /// Where it says that it has come.
    pub status_topic: String,
}

/// The form of Home Assistant's discovery messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discovery {
    /// One message for each device.
    Device,
    /// One for each entity.
    Component,
}

impl HomeAssistant {
    pub(super) fn read(values: &Values) -> Result<HomeAssistant> {
        Ok(HomeAssistant {
            discovery: values.read("homeassistant.discovery", |text| match text.trim() {
                "device" => Some(Some(Discovery::Device)),
                "component" => Some(Some(Discovery::Component)),
                "off" => Some(None),
                _ => None,
            })?,
            prefix: values.read("homeassistant.prefix", address::topic)?,
            status_topic: values.read("homeassistant.status_topic", address::topic)?,
        })
    }
}
