//! One connection to one broker, in either version of the protocol, behind the same few words: the only file that
//! mentions rumqttc. It keeps nothing across connections and never tries again by itself.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5;
use rumqttc::{TlsConfiguration, Transport};
use rustls::ClientConfig;
use secrecy::ExposeSecret;

use super::broken::{Broken, CLOSED, TIMED_OUT, explain};
use super::outbox::{LARGEST_PACKET, Publish};
use super::payload::OFFLINE;
use super::settings::{Address, Protocol, Settings};

const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Reaching the host, TLS and the broker's answer, together.
const CONNECT_SECONDS: u64 = 10;
/// A session pings at least once per keep-alive interval and fails when the previous ping was not answered; one that
/// does neither is stuck in a write to a broker that no longer reads.
const LONGEST_SILENCE: Duration = Duration::from_secs(75);
/// More than the window and all subscriptions: a full queue would lose what is put into it.
const QUEUE: usize = 512;
/// Publishes that may be under way; above the outbox's window, so that identifiers never collide.
const IN_FLIGHT: u16 = 100;
/// A larger message that somebody else publishes breaks the connection, again after each reconnect while it is retained.
const LARGEST_INCOMING: u32 = 16 * 1024 * 1024;

/// All that is needed to connect, again and again.
pub(super) struct Options {
    pub(super) settings: Settings,
    pub(super) address: Address,
    /// Where the address asks for encryption.
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// The topic that says `offline` when the connection breaks without a farewell.
    pub(super) will: Option<String>,
}

/// Where packets are put; nothing here waits.
#[derive(Clone)]
pub(super) enum Link {
    V311(rumqttc::AsyncClient),
    V5(v5::AsyncClient),
}

/// The session behind a link; it moves only while it is polled.
pub(super) enum Session {
    V311(Box<rumqttc::EventLoop>),
    V5(Box<v5::EventLoop>),
}

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// What it says.
    pub payload: Vec<u8>,
    /// Whether the broker had kept it from before the subscription.
    pub retain: bool,
}

/// What a session reports.
pub(super) enum Event {
    /// The broker accepted us; MQTT 5 may bound the size of a packet.
    Accepted { largest: Option<u32> },
    /// The oldest publish handed over went out under this identifier.
    Sent(u16),
    /// The broker has a publish, or refused it.
    Acknowledged { identifier: u16, refused: Option<String> },
    /// The oldest subscription was answered: which of its filters were granted.
    Subscribed(Vec<bool>),
    /// A message came in.
    Message(Message),
    /// Something that concerns only the session.
    Other,
}

/// Prepares a connection; the first poll makes it.
pub(super) fn open(options: &Options) -> (Link, Session) {
    let settings = &options.settings;
    let web_socket = options.address.is_web_socket();
    let tls = options.tls.clone().map(TlsConfiguration::Rustls);
    let transport = match (web_socket, tls) {
        (false, None) => Transport::tcp(),
        (false, Some(tls)) => Transport::tls_with_config(tls),
        (true, None) => Transport::ws(),
        (true, Some(tls)) => Transport::wss_with_config(tls),
    };
    // For web sockets rumqttc takes host, port and path from a whole address in place of the host.
    let host = if web_socket { &options.address.url } else { &options.address.host };
    let password = settings.password.as_ref().map_or("", |password| password.expose_secret());
    match settings.protocol {
        Protocol::V311 => {
            let mut mqtt = rumqttc::MqttOptions::new(&settings.client_id, host, options.address.port);
            mqtt.set_transport(transport)
                .set_keep_alive(KEEP_ALIVE)
                .set_inflight(IN_FLIGHT)
                .set_max_packet_size(LARGEST_INCOMING as usize, LARGEST_PACKET);
            if let Some(username) = &settings.username {
                mqtt.set_credentials(username, password);
            }
            if let Some(topic) = &options.will {
                mqtt.set_last_will(rumqttc::LastWill::new(topic, OFFLINE, rumqttc::QoS::AtLeastOnce, true));
            }
            let (client, mut session) = rumqttc::AsyncClient::new(mqtt, QUEUE);
            session.network_options.set_connection_timeout(CONNECT_SECONDS);
            (Link::V311(client), Session::V311(Box::new(session)))
        }
        Protocol::V5 => {
            let mut mqtt = v5::MqttOptions::new(&settings.client_id, host, options.address.port);
            mqtt.set_transport(transport)
                .set_keep_alive(KEEP_ALIVE)
                .set_connection_timeout(CONNECT_SECONDS)
                .set_max_packet_size(Some(LARGEST_INCOMING));
            mqtt.set_outgoing_inflight_upper_limit(IN_FLIGHT);
            if let Some(username) = &settings.username {
                mqtt.set_credentials(username, password);
            }
            if let Some(topic) = &options.will {
                let qos = v5::mqttbytes::QoS::AtLeastOnce;
                mqtt.set_last_will(v5::mqttbytes::v5::LastWill::new(topic, OFFLINE, qos, true, None));
            }
            let (client, session) = v5::AsyncClient::new(mqtt, QUEUE);
            (Link::V5(client), Session::V5(Box::new(session)))
        }
    }
}

impl Link {
    /// Hands over a publish at QoS 1; false when the session's queue is full.
    pub(super) fn publish(&self, publish: Publish) -> bool {
        let Publish { topic, payload, retain } = publish;
        match self {
            Link::V311(client) => client.try_publish(topic, rumqttc::QoS::AtLeastOnce, retain, payload).is_ok(),
            Link::V5(client) => client.try_publish(topic, v5::mqttbytes::QoS::AtLeastOnce, retain, payload).is_ok(),
        }
    }

    /// Subscribes at QoS 1; false when a filter is malformed or the session's queue is full.
    pub(super) fn subscribe(&self, filters: &[String]) -> bool {
        match self {
            Link::V311(client) => {
                let filter = |path: &String| rumqttc::SubscribeFilter::new(path.clone(), rumqttc::QoS::AtLeastOnce);
                client.try_subscribe_many(filters.iter().map(filter)).is_ok()
            }
            Link::V5(client) => {
                use v5::mqttbytes::{QoS, v5::Filter};
                let filter = |path: &String| Filter::new(path.clone(), QoS::AtLeastOnce);
                client.try_subscribe_many(filters.iter().map(filter)).is_ok()
            }
        }
    }

    /// Says farewell, so that the will is not sent.
    pub(super) fn disconnect(&self) -> bool {
        match self {
            Link::V311(client) => client.try_disconnect().is_ok(),
            Link::V5(client) => client.try_disconnect().is_ok(),
        }
    }
}

impl Session {
    /// Moves the session on until there is something to report. Must not be abandoned half-way and polled again.
    pub(super) async fn poll(&mut self) -> Result<Event, Broken> {
        let moved = async {
            match self {
                Session::V311(session) => session.poll().await.map(event_v311).map_err(broken_v311),
                Session::V5(session) => session.poll().await.map(event_v5).map_err(broken_v5),
            }
        };
        match tokio::time::timeout(LONGEST_SILENCE, moved).await {
            Ok(result) => result,
            Err(_) => Err(Broken::passing("the broker no longer reads what it is sent")),
        }
    }
}

/// Whether a subscription's filter takes a topic.
pub(super) fn matches(topic: &str, filter: &str) -> bool {
    rumqttc::matches(topic, filter)
}

/// Whether a filter can be subscribed to.
pub(super) fn is_filter(filter: &str) -> bool {
    rumqttc::valid_filter(filter)
}

fn event_v311(event: rumqttc::Event) -> Event {
    use rumqttc::{Event as Raw, Incoming, Outgoing, SubscribeReasonCode};
    match event {
        Raw::Incoming(Incoming::ConnAck(_)) => Event::Accepted { largest: None },
        Raw::Incoming(Incoming::PubAck(ack)) => Event::Acknowledged { identifier: ack.pkid, refused: None },
        Raw::Incoming(Incoming::SubAck(ack)) => {
            Event::Subscribed(ack.return_codes.iter().map(|code| *code != SubscribeReasonCode::Failure).collect())
        }
        Raw::Incoming(Incoming::Publish(publish)) => {
            Event::Message(Message { topic: publish.topic, payload: publish.payload.to_vec(), retain: publish.retain })
        }
        Raw::Outgoing(Outgoing::Publish(identifier)) => Event::Sent(identifier),
        _ => Event::Other,
    }
}

fn event_v5(event: v5::Event) -> Event {
    use rumqttc::Outgoing;
    use v5::mqttbytes::v5::{PubAckReason, SubscribeReasonCode};
    use v5::{Event as Raw, Incoming};
    match event {
        Raw::Incoming(Incoming::ConnAck(ack)) => {
            Event::Accepted { largest: ack.properties.and_then(|properties| properties.max_packet_size) }
        }
        Raw::Incoming(Incoming::PubAck(ack)) => {
            let refused = match ack.reason {
                PubAckReason::Success | PubAckReason::NoMatchingSubscribers => None,
                PubAckReason::NotAuthorized => Some("not authorized".to_owned()),
                PubAckReason::QuotaExceeded => Some("quota exceeded".to_owned()),
                PubAckReason::TopicNameInvalid => Some("topic name not accepted".to_owned()),
                other => Some(format!("{other:?}")),
            };
            Event::Acknowledged { identifier: ack.pkid, refused }
        }
        Raw::Incoming(Incoming::SubAck(ack)) => Event::Subscribed(
            ack.return_codes.iter().map(|code| matches!(code, SubscribeReasonCode::Success(_))).collect(),
        ),
        Raw::Incoming(Incoming::Publish(publish)) => Event::Message(Message {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload.to_vec(),
            retain: publish.retain,
        }),
        Raw::Outgoing(Outgoing::Publish(identifier)) => Event::Sent(identifier),
        _ => Event::Other,
    }
}

fn broken_v311(error: rumqttc::ConnectionError) -> Broken {
    use rumqttc::{ConnectReturnCode as Code, ConnectionError as Raw, StateError};
    match &error {
        Raw::ConnectionRefused(Code::BadUserNamePassword | Code::NotAuthorized) => Broken::credentials(),
        Raw::ConnectionRefused(Code::RefusedProtocolVersion) => Broken::version(),
        Raw::ConnectionRefused(Code::BadClientId) => Broken::client_id(),
        Raw::ConnectionRefused(code) => Broken::passing(format!("it refused the connection: {code:?}")),
        Raw::NetworkTimeout | Raw::FlushTimeout | Raw::MqttState(StateError::AwaitPingResp) => {
            Broken::passing(TIMED_OUT)
        }
        Raw::MqttState(StateError::ConnectionAborted) => Broken::passing(CLOSED),
        _ => explain(&error),
    }
}

fn broken_v5(error: v5::ConnectionError) -> Broken {
    use v5::mqttbytes::v5::{ConnectReturnCode as Code, DisconnectReasonCode};
    use v5::{ConnectionError as Raw, StateError};
    match &error {
        Raw::ConnectionRefused(Code::BadUserNamePassword | Code::NotAuthorized) => Broken::credentials(),
        Raw::ConnectionRefused(Code::UnsupportedProtocolVersion | Code::RefusedProtocolVersion) => Broken::version(),
        Raw::ConnectionRefused(Code::ClientIdentifierNotValid | Code::BadClientId) => Broken::client_id(),
        Raw::ConnectionRefused(code) => Broken::passing(format!("it refused the connection: {code:?}")),
        Raw::Timeout(_) | Raw::MqttState(StateError::AwaitPingResp) => Broken::passing(TIMED_OUT),
        Raw::MqttState(StateError::ConnectionAborted) => Broken::passing(CLOSED),
        Raw::MqttState(StateError::ServerDisconnect { reason_code, .. }) => match reason_code {
            DisconnectReasonCode::SessionTakenOver => Broken {
                words: "another client took over our client id".into(),
                cure: Some("give each client its own mqtt.client_id"),
                lasting: false,
            },
            other => Broken::passing(format!("it ended the connection: {other:?}")),
        },
        _ => explain(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_taken_over_is_named_where_the_broker_says_so() {
        let reason_code = v5::mqttbytes::v5::DisconnectReasonCode::SessionTakenOver;
        let state = v5::StateError::ServerDisconnect { reason_code, reason_string: None };
        let broken = broken_v5(v5::ConnectionError::MqttState(state));
        assert_eq!(broken.words, "another client took over our client id");
    }
}
