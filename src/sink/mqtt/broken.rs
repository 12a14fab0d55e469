//! Why a connection ended or never began, in words a person can act on. Pure: knows errors of the network and of TLS,
//! and no MQTT library.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

/// What happened, and the cure where it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) words: String,
    pub(super) cure: Option<&'static str>,
    /// Trying again will not help unless somebody changes something.
    pub(super) lasting: bool,
}

/// The same in a sentence.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) words: String,
    pub(super) lasting: bool,
}

/// A connection that ended at once so many times in a row was no accident.
const THROWN_OUT_OFTEN: u32 = 3;

impl Broken {
    /// What is told of it: of the broker of this name, after it had accepted us or not, the how manieth time in a row that
    /// it did so and ended it at once.
    pub(super) fn told(&self, broker: &str, client_id: &str, accepted: bool, thrown_out: u32) -> Trouble {
        let words = &self.words;
        if thrown_out > THROWN_OUT_OFTEN {
            let words = format!(
                "MQTT broker {broker} accepts the connection and ends it at once, again and again ({words}): probably \
                 another client has the same client id; give each its own mqtt.client_id (this one: {client_id})"
            );
            return Trouble { words, lasting: false };
        }
        let what = if accepted { "connection to the MQTT broker" } else { "no connection to the MQTT broker" };
        let lost = if accepted { " lost" } else { "" };
        let cure = self.cure.map(|cure| format!("; {cure}")).unwrap_or_default();
        Trouble { words: format!("{what} {broker}{lost}: {words}{cure}"), lasting: self.lasting }
    }

    pub(super) fn passing(words: impl Into<String>) -> Broken {
        Broken { words: words.into(), cure: None, lasting: false }
    }

    pub(super) fn lasting(words: impl Into<String>, cure: &'static str) -> Broken {
        Broken { words: words.into(), cure: Some(cure), lasting: true }
    }

    pub(super) fn credentials() -> Broken {
        Broken::lasting("it refused the user name or password", "check mqtt.username and mqtt.password")
    }

    pub(super) fn version() -> Broken {
        Broken::lasting(
            "it does not speak this version of MQTT",
            "set mqtt.protocol to the other one: \"3.1.1\" or \"5\"",
        )
    }

    pub(super) fn client_id() -> Broken {
        Broken::lasting("it refused the client id", "set mqtt.client_id to something the broker accepts")
    }

    /// After `words` came the end: before the broker accepted us, that has its usual causes.
    pub(super) fn unless_accepted(self, accepted: bool) -> Broken {
        if accepted || self.cure.is_some() || self.words != CLOSED {
            return self;
        }
        let cure =
            "check mqtt.username and mqtt.password, and whether this port wants TLS (mqtts://) or web sockets (ws://)";
        Broken { words: "it closed the connection before accepting it".into(), cure: Some(cure), lasting: true }
    }
}

pub(super) const CLOSED: &str = "it closed the connection";
pub(super) const TIMED_OUT: &str = "it did not answer in time";

/// Names what lies at the bottom of an error: TLS, the network, or something else in its own words.
pub(super) fn explain(error: &(dyn Error + 'static)) -> Broken {
    let mut cause = Some(error);
    while let Some(current) = cause {
        if let Some(tls) = current.downcast_ref::<rustls::Error>() {
            return explain_tls(tls);
        }
        if let Some(network) = current.downcast_ref::<io::Error>() {
            match network.get_ref() {
                // An io::Error's `source` skips the very error it wraps.
                Some(inner) if inner.is::<rustls::Error>() || inner.source().is_some() => {
                    cause = Some(inner);
                    continue;
                }
                _ => return explain_network(network),
            }
        }
        cause = current.source();
    }
    Broken::passing(error.to_string())
}

fn explain_network(error: &io::Error) -> Broken {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => Broken {
            words: "nothing listens there".into(),
            cure: Some("start the broker, or correct host and port in mqtt.url"),
            lasting: false,
        },
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::UnexpectedEof => {
            Broken::passing(CLOSED)
        }
        Kind::TimedOut => Broken::passing(TIMED_OUT),
        _ if error.to_string().contains("failed to lookup address") => Broken {
            words: "the host name is unknown".into(),
            cure: Some("correct the host in mqtt.url, or the network's name server"),
            lasting: false,
        },
        _ => Broken::passing(error.to_string()),
    }
}

fn explain_tls(error: &rustls::Error) -> Broken {
    use rustls::Error as Raw;
    let words = format!("TLS failed: {error}");
    match error {
        Raw::InvalidCertificate(CertificateError::UnknownIssuer) => {
            Broken::lasting(words, "set mqtt.ca_file to the certificate of the authority that signed the broker's")
        }
        Raw::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Broken::lasting(words, "use the name that stands in the broker's certificate as the host of mqtt.url"),
        Raw::InvalidCertificate(_) => {
            Broken::lasting(words, "renew the broker's certificate, and check this machine's clock")
        }
        Raw::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::HandshakeFailure
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA,
        ) => Broken::lasting(
            words,
            "set mqtt.client_cert_file and mqtt.client_key_file to a certificate the broker accepts",
        ),
        Raw::InvalidMessage(_) => {
            Broken::lasting(words, "use mqtt:// (or ws://), or the port where the broker speaks TLS")
        }
        _ => Broken::passing(words),
    }
}
