//! Which redirect addresses an upstream takes, and what to do on a home network, where Google takes none but loopback.
//! Pure: asks nobody.

use url::{Host, Url};

/// Where `auth2` is below the public address.
pub const AUTH2: &str = "/plugin/fitbit/auth2";
/// Endings of names that the public name system does not have.
const PRIVATE_ENDINGS: &[&str] = &["local", "lan", "home", "internal", "intranet", "arpa", "localdomain", "localhost"];

/// The redirect address that Google takes for this host: the one that is set, or else one on loopback.
pub fn accepted(public_url: &str) -> String {
    let base = match refused(public_url) {
        None => public_url.to_owned(),
        Some(_) => loopback(public_url),
    };
    format!("{base}{AUTH2}")
}

/// What is to be said of the address that is set; `Err`: Google refuses it, and this is what to do.
pub fn judged(public_url: &str) -> Result<String, String> {
    let paste = "Open Connect on any device; where the last page fails to load, copy its address and paste it into the \
                 box “The page after consent did not open?” below, within ten minutes";
    match refused(public_url) {
        None if is_loopback(public_url) => {
            Ok(format!("Google accepts {public_url}{AUTH2}, as http is allowed for localhost. {paste}."))
        }
        None => Ok(format!("Google accepts {public_url}{AUTH2}: https with a public name.")),
        Some(why) => {
            let loopback = loopback(public_url);
            Err(format!(
                "Google refuses {public_url}{AUTH2}: {why}. Set http.public_url in the configuration back to {loopback}, \
                 restart the bridge, and register {loopback}{AUTH2}. {paste}."
            ))
        }
    }
}

/// Google's rules: https with a public name, or http on loopback. Why this one is refused.
fn refused(public_url: &str) -> Option<&'static str> {
    if is_loopback(public_url) {
        return None;
    }
    let Ok(address) = Url::parse(public_url) else { return Some("it is no address") };
    match address.host() {
        Some(Host::Domain(name)) => {
            let ending = name.trim_end_matches('.').rsplit_once('.').map(|(_, ending)| ending);
            if ending.is_none_or(|ending| PRIVATE_ENDINGS.contains(&ending)) {
                return Some("the name is none of the public internet");
            }
        }
        _ => return Some("it wants a name, not a number"),
    }
    (address.scheme() != "https").then_some("it wants https")
}

fn is_loopback(address: &str) -> bool {
    Url::parse(address).is_ok_and(|address| match address.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    })
}

fn loopback(public_url: &str) -> String {
    let port = Url::parse(public_url).ok().and_then(|address| address.port()).unwrap_or(9333);
    format!("http://localhost:{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_networks_are_refused_and_told_what_to_set() {
        for good in ["https://home.example.org", "http://localhost:9333", "http://127.0.0.1:8080", "http://[::1]:1"] {
            assert_eq!((refused(good), accepted(good)), (None, format!("{good}{AUTH2}")));
        }
        for (bad, instead) in [
            ("http://192.168.1.7:9333", "http://localhost:9333"),
            ("https://192.168.1.7", "http://localhost:9333"),
            ("https://[fd00::7]:8443", "http://localhost:8443"),
            ("https://203.0.113.5", "http://localhost:9333"),
            ("https://pi.local", "http://localhost:9333"),
            ("http://nas.lan:8080", "http://localhost:8080"),
            ("https://nas", "http://localhost:9333"),
            ("http://home.example.org", "http://localhost:9333"),
        ] {
            assert_eq!(accepted(bad), format!("{instead}{AUTH2}"));
            assert!(judged(bad).is_err_and(|cure| cure.contains(&format!("back to {instead},"))), "{bad}");
        }
    }
}
