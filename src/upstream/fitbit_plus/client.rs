//! One authorised request to Fitbit Plus, and where its links lead. It neither renews tokens nor waits; its caller does.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value as Json;
use url::Url;

use super::MEDIA_TYPE;
use super::document::{Document, Refused, refused};
use crate::upstream::Failure;
use crate::upstream::client::{parse, read, seconds, transport};

/// Asks for `link`: an address below `base` that begins with a slash, or a link as an answer gave it.
pub async fn ask(
    http: &reqwest::Client,
    base: &Url,
    link: &str,
    token: &SecretString,
    patience: Duration,
    now: DateTime<Utc>,
) -> Result<Document, Refused> {
    Ok(Document::read(body(http, base, link, token, patience, now).await?)?)
}

/// The same, as it came.
pub async fn body(
    http: &reqwest::Client,
    base: &Url,
    link: &str,
    token: &SecretString,
    patience: Duration,
    now: DateTime<Utc>,
) -> Result<Json, Refused> {
    let address = address(base, link)?;
    let request = http.get(address).timeout(patience).bearer_auth(token.expose_secret()).header("Accept", MEDIA_TYPE);
    let response = request.send().await.map_err(|error| transport(&error))?;
    let status = response.status().as_u16();
    let pause: Option<TimeDelta> = seconds(response.headers(), "retry-after");
    let body = read(response).await?;
    match status {
        200..=299 => Ok(parse(&body)?),
        300..=399 => Err(Failure::Unavailable(format!("Fitbit Plus redirects ({status}) instead of answering")).into()),
        _ => Err(refused(status, &body, pause, now, token)),
    }
}

/// Where a link leads. Those of collections begin with `/pub/`, which is the end of the base, those of single resources
/// below the base; one that leads to another origin is not followed.
pub fn address(base: &Url, link: &str) -> Result<Url, Failure> {
    let elsewhere = || Failure::Malformed("a link of Fitbit Plus leads to another host; it was not followed".into());
    let whole = base.as_str().trim_end_matches('/');
    let path = base.path().trim_end_matches('/');
    let origin = &whole[..whole.len() - path.len()];
    let joined = if link.starts_with("//") || link.starts_with('\\') || !link.starts_with('/') {
        link.to_owned()
    } else if link.starts_with("/pub/") {
        format!("{}{link}", whole.strip_suffix("/pub").unwrap_or(origin))
    } else if !path.is_empty() && link.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')) {
        format!("{origin}{link}")
    } else {
        format!("{whole}{link}")
    };
    let address = base.join(&joined).map_err(|_| elsewhere())?;
    if address.origin() == base.origin() { Ok(address) } else { Err(elsewhere()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn links_lead_below_the_base_and_never_elsewhere() {
        let real = Url::parse("https://api.twinehealth.com/pub").unwrap();
        let proxy = Url::parse("http://127.0.0.1:9334/fitbit-plus/pub").unwrap();
        let bare = Url::parse("https://plus.example/").unwrap();
        for (base, link, leads) in [
            (&real, "/patient?page[limit]=2", "https://api.twinehealth.com/pub/patient?page[limit]=2"),
            (&real, "/pub/patient?filter[groups]=a", "https://api.twinehealth.com/pub/patient?filter[groups]=a"),
            (&real, "https://api.twinehealth.com/pub/x", "https://api.twinehealth.com/pub/x"),
            (&proxy, "/patient/1", "http://127.0.0.1:9334/fitbit-plus/pub/patient/1"),
            (&proxy, "/pub/patient", "http://127.0.0.1:9334/fitbit-plus/pub/patient"),
            (&proxy, "/fitbit-plus/pub/patient", "http://127.0.0.1:9334/fitbit-plus/pub/patient"),
            (&bare, "/pub/patient", "https://plus.example/pub/patient"),
            (&bare, "/patient", "https://plus.example/patient"),
        ] {
            assert_eq!(address(base, link).unwrap().as_str(), leads, "{base} {link}");
        }
        for link in [
            "https://evil.example/pub/patient",
            "http://api.twinehealth.com/pub/patient",
            "https://api.twinehealth.com:444/pub",
            "//evil.example/pub/patient",
            "\\\\evil.example/pub",
            "https://api.twinehealth.com@evil.example/",
        ] {
            assert!(address(&real, link).is_err(), "{link}");
        }
    }
}
