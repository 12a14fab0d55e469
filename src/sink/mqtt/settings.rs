//! How to reach a broker, as it stands in the configuration, and its checks. No input but the certificate files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use secrecy::SecretString;
use url::{Host, Url};

use super::discovery::Form;
use super::topic;

/// The `[mqtt]` keys that concern the connection and the topics.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `mqtt://`, `mqtts://`, `ws://` or `wss://`, host, port; for web sockets a path.
    pub url: String,
    /// User name at the broker.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<SecretString>,
    /// PEM file of an authority to trust beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// PEM file of our own certificate, where the broker wants one.
    pub client_cert_file: Option<PathBuf>,
    /// PEM file of its key.
    pub client_key_file: Option<PathBuf>,
    /// The protocol's version.
    pub protocol: Protocol,
    /// Root of the values.
    pub topic: String,
    /// Root of everything about the bridge itself.
    pub bridge_topic: String,
    /// Our name at the broker; two clients of one name throw each other out.
    pub client_id: String,
    /// Whether values are retained.
    pub retain: bool,
    /// What Home Assistant is told; `None`: nothing.
    pub homeassistant: Option<HomeAssistant>,
}

/// The `[homeassistant]` keys.
#[derive(Debug, Clone)]
pub struct HomeAssistant {
    /// The form of the messages.
    pub form: Form,
    /// The root of their topics.
    pub prefix: String,
    /// Where Home Assistant says `online` when it has started.
    pub status_topic: String,
    /// The address of the setup page.
    pub page: String,
    /// Whether commands are taken.
    pub commands: bool,
}

impl Settings {
    /// Everything at its default but the address and the client's name.
    pub fn new(url: impl Into<String>, client_id: impl Into<String>) -> Settings {
        Settings {
            url: url.into(),
            username: None,
            password: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            protocol: Protocol::default(),
            topic: topic::VALUES.into(),
            bridge_topic: topic::BRIDGE.into(),
            client_id: client_id.into(),
            retain: true,
            homeassistant: None,
        }
    }

    /// Checks that the keys are well-formed and fit each other; reads no file.
    pub fn check(&self) -> Result<()> {
        self.address().map(drop)
    }

    pub(super) fn address(&self) -> Result<Address> {
        let address: Address = self.url.parse()?;
        let files = [&self.ca_file, &self.client_cert_file, &self.client_key_file];
        ensure!(
            address.is_encrypted() || files.iter().all(|file| file.is_none()),
            "mqtt.ca_file, mqtt.client_cert_file and mqtt.client_key_file need an encrypted mqtt.url: \
             mqtts:// or wss://, not {}://",
            address.scheme.name()
        );
        ensure!(
            self.client_cert_file.is_some() == self.client_key_file.is_some(),
            "mqtt.client_cert_file and mqtt.client_key_file belong together: set both or neither"
        );
        ensure!(self.password.is_none() || self.username.is_some(), "mqtt.password needs mqtt.username");
        ensure!(!self.client_id.is_empty(), "mqtt.client_id must not be empty");
        Ok(address)
    }

    /// The client side of TLS: the system's authorities and `ca_file`, our certificate where one is set.
    pub(super) fn tls(&self) -> Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        // Certificates of the system that cannot be read are no reason to refuse a broker that needs none of them.
        let system = rustls_native_certs::load_native_certs();
        for problem in &system.errors {
            log::debug!("reading the system's certificates: {problem}");
        }
        roots.add_parsable_certificates(system.certs);
        if let Some(file) = &self.ca_file {
            for certificate in certificates("mqtt.ca_file", file)? {
                roots.add(certificate).with_context(|| format!("mqtt.ca_file {}", file.display()))?;
            }
        }
        ensure!(!roots.is_empty(), "no certificate authority is known: set mqtt.ca_file, or install ca-certificates");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("preparing TLS")?
            .with_root_certificates(roots);
        match (&self.client_cert_file, &self.client_key_file) {
            (Some(certificate), Some(key)) => {
                let chain = certificates("mqtt.client_cert_file", certificate)?;
                let key = PrivateKeyDer::from_pem_file(key)
                    .with_context(|| format!("reading the key in mqtt.client_key_file {}", key.display()))?;
                builder.with_client_auth_cert(chain, key).context("mqtt.client_cert_file and mqtt.client_key_file")
            }
            _ => Ok(builder.with_no_client_auth()),
        }
    }
}

/// The protocol's version, `mqtt.protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// MQTT 3.1.1.
    #[default]
    V311,
    /// MQTT 5.
    V5,
}

impl FromStr for Protocol {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Protocol> {
        match text {
            "3.1.1" => Ok(Protocol::V311),
            "5" => Ok(Protocol::V5),
            _ => bail!("mqtt.protocol {text:?} is unknown: \"3.1.1\" and \"5\" are allowed"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Mqtt,
    Mqtts,
    Ws,
    Wss,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Scheme::Mqtt => "mqtt",
            Scheme::Mqtts => "mqtts",
            Scheme::Ws => "ws",
            Scheme::Wss => "wss",
        }
    }
}

/// A checked `mqtt.url`, free of secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    scheme: Scheme,
    pub(super) host: String,
    pub(super) port: u16,
    /// The whole address, which web sockets need for its path.
    pub(super) url: String,
}

impl Address {
    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self.scheme, Scheme::Mqtts | Scheme::Wss)
    }

    pub(super) fn is_web_socket(&self) -> bool {
        matches!(self.scheme, Scheme::Ws | Scheme::Wss)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.name(), self.host, self.port)
    }
}

impl FromStr for Address {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Address> {
        const ALLOWED: &str =
            "mqtt://HOST[:PORT], mqtts://HOST[:PORT], ws://HOST[:PORT]/PATH and wss://HOST[:PORT]/PATH are allowed";
        // What stands before an `@` may be a password, which must not reach a log.
        ensure!(!text.contains('@'), "mqtt.url must not contain credentials: use mqtt.username and mqtt.password");
        let url = Url::parse(text).with_context(|| format!("mqtt.url {text:?}: {ALLOWED}"))?;
        let (scheme, usual_port) = match url.scheme() {
            "mqtt" => (Scheme::Mqtt, 1883),
            "mqtts" => (Scheme::Mqtts, 8883),
            "ws" => (Scheme::Ws, 80),
            "wss" => (Scheme::Wss, 443),
            _ => bail!("mqtt.url {text:?}: {ALLOWED}"),
        };
        let host = match url.host() {
            Some(Host::Ipv6(_)) if scheme != Scheme::Mqtt => {
                bail!("mqtt.url {text:?}: an IPv6 address works with mqtt:// only; give the broker a host name")
            }
            Some(_) => url.host_str().unwrap_or_default().to_owned(),
            None => String::new(),
        };
        ensure!(!host.is_empty(), "mqtt.url {text:?} names no host: {ALLOWED}");
        let bare = matches!(url.path(), "" | "/") && url.query().is_none();
        ensure!(
            (bare || matches!(scheme, Scheme::Ws | Scheme::Wss)) && url.fragment().is_none(),
            "mqtt.url {text:?}: nothing may follow the port: {ALLOWED}"
        );
        Ok(Address { scheme, host, port: url.port().unwrap_or(usual_port), url: url.to_string() })
    }
}

fn certificates(key: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = || -> Result<Vec<_>, rustls::pki_types::pem::Error> { CertificateDer::pem_file_iter(file)?.collect() };
    let certificates = read().with_context(|| format!("reading {key} {}", file.display()))?;
    ensure!(!certificates.is_empty(), "{key} {} contains no certificate: it must be a PEM file", file.display());
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_have_their_usual_ports() {
        for (text, host, port) in [
            ("mqtt://broker.lan", "broker.lan", 1883),
            ("mqtt://127.0.0.1:1884", "127.0.0.1", 1884),
            ("mqtt://[::1]", "[::1]", 1883),
            ("mqtts://broker.lan/", "broker.lan", 8883),
            ("ws://broker.lan/mqtt", "broker.lan", 80),
            ("wss://broker.lan:8084/mqtt", "broker.lan", 8084),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.host.as_str(), address.port), (host, port), "{text}");
        }
    }

    #[test]
    fn a_bad_address_is_answered_with_what_is_allowed_and_without_its_password() {
        for bad in ["http://broker.lan", "broker.lan:1883", "mqtt://", "mqtt://broker.lan/path", "", "tcp://x:1883"] {
            let error = bad.parse::<Address>().unwrap_err();
            assert!(format!("{error:#}").contains("mqtts://HOST[:PORT]"), "{bad}: {error:#}");
        }
        let error = "mqtt://anna:secret@broker.lan:99999".parse::<Address>().unwrap_err();
        assert!(!format!("{error:#}").contains("secret") && format!("{error:#}").contains("mqtt.username"));
    }

    #[test]
    fn keys_that_do_not_fit_each_other_are_refused() {
        let plain = Settings::new("mqtt://broker.lan", "id");
        assert!(plain.check().is_ok());
        assert!(Settings { ca_file: Some("ca.pem".into()), ..plain.clone() }.check().is_err());
        assert!(Settings { password: Some("p".to_owned().into()), ..plain.clone() }.check().is_err());
        let encrypted = Settings { url: "mqtts://broker.lan".into(), ..plain };
        assert!(Settings { client_cert_file: Some("c.pem".into()), ..encrypted.clone() }.check().is_err());
        let missing = Settings { ca_file: Some("/nowhere/ca.pem".into()), ..encrypted };
        assert!(format!("{:#}", missing.tls().unwrap_err()).contains("mqtt.ca_file /nowhere/ca.pem"));
    }
}
