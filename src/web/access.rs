//! Who may ask: host names, the password, and that a form was sent by one of our own pages. Decides, answers nothing.

use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Days, Utc};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::Url;

use super::server::Request;

/// The one user who has the password.
const USER: &str = "admin";

/// The rules of access.
pub struct Access {
    password: Option<SecretString>,
    hosts: Vec<String>,
    public_url: Url,
    key: String,
}

impl Access {
    /// `key` is a secret of this installation, of which form tokens are made.
    pub fn new(password: Option<SecretString>, allowed_hosts: &[String], public_url: Url, key: String) -> Access {
        let mut hosts: Vec<String> = allowed_hosts.iter().map(|host| host.to_lowercase()).collect();
        hosts.push("localhost".into());
        hosts.extend(public_url.host_str().map(str::to_lowercase));
        Access { password, hosts, public_url, key }
    }

    /// Whether the request is for a host that we are: a page of somebody else's whose name was made to lead here
    /// (DNS rebinding) is not.
    pub fn is_our_host(&self, request: &Request) -> bool {
        let Some(host) = request.header("host").map(without_port) else { return false };
        host.parse::<IpAddr>().is_ok() || self.hosts.contains(&host.to_lowercase())
    }

    /// Whether the request carries the password, where one is set.
    pub fn knows_password(&self, request: &Request) -> bool {
        let Some(password) = &self.password else { return true };
        let given = request.header("authorization").and_then(|value| value.strip_prefix("Basic "));
        let given = given.and_then(|text| BASE64_STANDARD.decode(text.trim()).ok()).unwrap_or_default();
        same(&given, format!("{USER}:{}", password.expose_secret()).as_bytes())
    }

    /// Whether a browser says that another site made it send this request.
    pub fn is_cross_site(&self, request: &Request) -> bool {
        request.header("sec-fetch-site") == Some("cross-site")
    }

    /// Whether a form was sent from our own pages, or by a script that read the token from one.
    pub fn is_our_form(&self, request: &Request, token: Option<&str>, now: DateTime<Utc>) -> bool {
        let from_here = match (request.header("sec-fetch-site"), request.header("origin")) {
            (Some(site), _) => site == "same-origin",
            (None, Some(origin)) => self.is_our_origin(origin, request.header("host")),
            (None, None) => true,
        };
        let yesterday = now.checked_sub_days(Days::new(1)).unwrap_or(now);
        let valid = [self.form_token(now), self.form_token(yesterday)];
        from_here && token.is_some_and(|token| valid.iter().any(|valid| same(token.as_bytes(), valid.as_bytes())))
    }

    /// The token that forms of today carry; it is good until the end of tomorrow.
    pub fn form_token(&self, now: DateTime<Utc>) -> String {
        let digest = Sha256::digest(format!("{}\0form\0{}", self.key, now.date_naive()));
        digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    fn is_our_origin(&self, origin: &str, host: Option<&str>) -> bool {
        let Ok(origin) = Url::parse(origin) else { return false };
        let here = host.and_then(|host| Url::parse(&format!("{}://{host}", origin.scheme())).ok());
        origin.origin() == self.public_url.origin() || here.is_some_and(|here| here.origin() == origin.origin())
    }
}

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// Equality that takes as long for a good guess as for a bad one.
fn same(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (Sha256::digest(one), Sha256::digest(other));
    one.iter().zip(other.iter()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(password: Option<&str>) -> Access {
        let url = Url::parse("http://bridge.local:9333").expect("url");
        Access::new(password.map(SecretString::from), &["nas.lan".into()], url, "key".into())
    }

    fn request(headers: &[(&str, &str)]) -> Request {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Request { method: "POST".into(), path: "/".into(), query: String::new(), headers, body: Vec::new() }
    }

    #[test]
    fn foreign_hosts_are_told_from_ours() {
        let access = access(None);
        for ours in ["localhost:9333", "127.0.0.1:9333", "[::1]:9333", "bridge.local", "NAS.lan:80", "192.168.1.5"] {
            assert!(access.is_our_host(&request(&[("host", ours)])), "{ours}");
        }
        for foreign in ["evil.example", "localhost.evil.example:9333", "", "bridge.local.evil.example"] {
            assert!(!access.is_our_host(&request(&[("host", foreign)])), "{foreign}");
        }
        assert!(!access.is_our_host(&request(&[])));
    }

    #[test]
    fn the_password_is_asked_of_admin() {
        let access = access(Some("geheim"));
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        assert!(access.knows_password(&request(&[("authorization", &basic("admin:geheim"))])));
        for wrong in ["admin:geheim2", "root:geheim", "admin:", ""] {
            assert!(!access.knows_password(&request(&[("authorization", &basic(wrong))])), "{wrong}");
        }
        assert!(!access.knows_password(&request(&[("authorization", "Basic !!!")])));
        assert!(!access.knows_password(&request(&[])));
    }

    #[test]
    fn forms_need_the_token_and_our_origin() {
        let access = access(None);
        let now: DateTime<Utc> = "2026-11-20T23:59:00Z".parse().expect("time");
        let token = access.form_token(now);
        let good = |headers: &[(&str, &str)]| access.is_our_form(&request(headers), Some(&token), now);
        assert!(good(&[]), "a script needs the token only");
        assert!(good(&[("sec-fetch-site", "same-origin")]));
        assert!(good(&[("origin", "http://bridge.local:9333")]));
        assert!(good(&[("origin", "http://192.168.1.5:9333"), ("host", "192.168.1.5:9333")]));
        assert!(!good(&[("sec-fetch-site", "cross-site")]));
        assert!(!good(&[("sec-fetch-site", "same-site"), ("origin", "http://bridge.local:9333")]));
        assert!(!good(&[("origin", "http://evil.example"), ("host", "bridge.local:9333")]));
        assert!(!good(&[("origin", "null")]));
        let later = now + chrono::TimeDelta::hours(1);
        assert!(access.is_our_form(&request(&[]), Some(&token), later), "still good after midnight");
        assert!(!access.is_our_form(&request(&[]), Some(&token), now + chrono::TimeDelta::days(3)));
        assert!(!access.is_our_form(&request(&[]), Some("0000"), now));
        assert!(!access.is_our_form(&request(&[]), None, now));
    }
}
