//! Addresses as the configuration gives them: web addresses, brokers, sockets, topics, host names.
//! Pure: nothing is resolved, opened or asked.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use chrono::NaiveTime;
use url::{Host, Url};

/// A web address without query, fragment, user and password; never ends with a slash.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Url);

impl Address {
    /// Reads `http://…` or `https://…`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Address> {
        let url = Url::parse(text.trim()).ok()?;
        (matches!(url.scheme(), "http" | "https") && is_plain(&url)).then_some(Address(url))
    }

    /// The address of `path` (which begins with a slash) below this one.
    pub fn join(&self, path: &str) -> String {
        format!("{self}{path}")
    }

    /// The address as a [`Url`].
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The host as it stands in a `Host` header field, without the port; an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether the host is this machine itself.
    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => is_local_name(name),
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => is_loopback(IpAddr::V6(ip)),
            None => false,
        }
    }

    /// Whether what travels there is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    pub(super) fn has_path(&self) -> bool {
        self.0.path() != "/"
    }

    pub(super) fn port_zero(&self) -> bool {
        self.0.port() == Some(0)
    }

    pub(super) fn set_port(&mut self, port: u16) {
        // Fails only for addresses without a host, and `parse` lets none of those through.
        let _ = self.0.set_port(Some(port));
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Where MQTT goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broker {
    /// A broker of the house.
    Remote {
        /// Its address: `mqtt`, `mqtts`, `ws` or `wss`, without user and password.
        url: String,
        /// Whether what travels there is encrypted.
        encrypted: bool,
    },
    /// Our own broker, listening here.
    Embedded {
        /// Its address.
        listen: SocketAddr,
    },
}

impl Broker {
    /// Reads `mqtt.url`; `None` for anything that is not one.
    pub fn parse(text: &str) -> Option<Broker> {
        let text = text.trim();
        if text == "embedded" {
            return Some(Broker::Embedded { listen: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 1883) });
        }
        if let Some(listen) = text.strip_prefix("embedded://") {
            return socket(listen.trim_end_matches('/')).map(|listen| Broker::Embedded { listen });
        }
        let url = Url::parse(text).ok()?;
        let (encrypted, web_socket) = match url.scheme() {
            "mqtt" => (false, false),
            "mqtts" => (true, false),
            "ws" => (false, true),
            "wss" => (true, true),
            _ => return None,
        };
        let fine = is_plain(&url) && url.port() != Some(0) && (web_socket || matches!(url.path(), "" | "/"));
        fine.then(|| Broker::Remote { url: text.to_owned(), encrypted })
    }
}

/// Whether the store can be there: the path of a file, or a PostgreSQL server and database.
pub(super) fn is_database(text: &str) -> bool {
    if let Some(path) = text.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return !path.is_empty() && !path.contains(['?', '\0']) && path != ":memory:";
    }
    let Ok(url) = Url::parse(text) else { return false };
    let named = |part: &str| !part.is_empty();
    matches!(url.scheme(), "postgres" | "postgresql")
        && url.host_str().is_some_and(named)
        && url.path().strip_prefix('/').is_some_and(named)
        && url.port() != Some(0)
}

/// Whether an address has a host and nothing but a path beside it: no user, password, query, fragment.
fn is_plain(url: &Url) -> bool {
    url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.host_str().is_some_and(|host| !host.is_empty())
}

/// `ADDRESS:PORT`; `localhost` is 127.0.0.1.
pub(super) fn socket(text: &str) -> Option<SocketAddr> {
    let text = text.trim();
    match text.strip_prefix("localhost:") {
        Some(port) => Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port.parse().ok()?)),
        None => text.parse().ok(),
    }
}

/// Whether only this machine can reach the address.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn is_local_name(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// A topic to publish below. 256 bytes leave room for a person, a metric and discovery within MQTT's 65535.
pub(super) fn topic(text: &str) -> Option<String> {
    let fine = !text.is_empty()
        && text.len() <= 256
        && !text.starts_with('$')
        && text.split('/').all(|level| !level.is_empty())
        && !text.chars().any(|c| matches!(c, '+' | '#') || c.is_control());
    fine.then(|| text.to_owned())
}

/// Whether one topic is the other, or lies within it.
pub(super) fn overlap(one: &str, other: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(one, other) || within(other, one)
}

/// A host name in lower case.
pub(super) fn host_name(text: &str) -> Option<String> {
    let text = text.trim();
    let fine = !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && text.split('.').all(|label| !label.is_empty());
    fine.then(|| text.to_ascii_lowercase())
}

/// `HH:MM`.
pub(super) fn hour(text: &str) -> Option<NaiveTime> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    (digits(hours) && digits(minutes)).then_some(())?;
    NaiveTime::from_hms_opt(hours.parse().ok()?, minutes.parse().ok()?, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_one_of_the_house_or_our_own() {
        for (url, encrypted) in [
            ("mqtt://127.0.0.1", false),
            ("mqtts://home.lan/", true),
            ("mqtt://[fe80::1]:1884", false),
            ("ws://home.lan:9001/ws", false),
            ("wss://home.lan", true),
        ] {
            assert_eq!(Broker::parse(url), Some(Broker::Remote { url: url.into(), encrypted }), "{url}");
        }
        let listen = |text: &str| match Broker::parse(text) {
            Some(Broker::Embedded { listen }) => Some(listen.to_string()),
            _ => None,
        };
        assert_eq!(listen("embedded").as_deref(), Some("127.0.0.1:1883"));
        assert_eq!(listen("embedded://[::]:1884").as_deref(), Some("[::]:1884"));
        for bad in
            ["", "embedded://", "tcp://a", "mqtt://", "mqtt://a/b", "mqtt://u:p@a", "mqtt://a:0", "ws://a/?b", "a:1"]
        {
            assert_eq!(Broker::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_has_no_slash_at_its_end_and_knows_this_machine() {
        let address = |text: &str| Address::parse(text);
        assert_eq!(address("http://localhost:9333/").map(|a| a.to_string()).as_deref(), Some("http://localhost:9333"));
        let joined = address("http://127.0.0.1:9/fitbit").map(|a| a.join("/1/user"));
        assert_eq!(joined.as_deref(), Some("http://127.0.0.1:9/fitbit/1/user"));
        for (text, loopback) in [
            ("http://127.3.2.1", true),
            ("http://[::1]:1", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://a.localhost", true),
            ("http://localhost.evil.example", false),
            ("http://192.168.1.2", false),
        ] {
            assert_eq!(address(text).map(|a| a.is_loopback()), Some(loopback), "{text}");
        }
        for bad in ["", "ftp://a", "http://", "https://u:p@a", "https://u@a", "https://a?b=c", "https://a#b", "a.b"] {
            assert_eq!(address(bad), None, "{bad}");
        }
    }

    #[test]
    fn topics_hosts_and_hours_are_checked() {
        for bad in ["", "/a", "a/", "a//b", "a/+/b", "a/#", "$SYS", "a\nb", &"x".repeat(257)] {
            assert_eq!(topic(bad), None, "{bad:?}");
        }
        assert_eq!(topic("sensors/fitbit").as_deref(), Some("sensors/fitbit"));
        assert!(overlap("a/b", "a") && overlap("a", "a/b") && overlap("a", "a"));
        assert!(!overlap("sensors", "sensors2") && !overlap("a/b", "a/c"));
        assert_eq!(host_name("Pi.LAN").as_deref(), Some("pi.lan"));
        for bad in ["", "a:1", "http://a", "a/b", "a..b", "a b", "*"] {
            assert_eq!(host_name(bad), None, "{bad:?}");
        }
        assert_eq!(hour("18:00"), NaiveTime::from_hms_opt(18, 0, 0));
        for bad in ["", "18", "24:00", "18:60", "6:00", "18:00:00", "+1:00", "six"] {
            assert_eq!(hour(bad), None, "{bad:?}");
        }
    }
}
