//! How others reach us and we reach them: our own address, the redirect address, the upstreams and what time it is there.
//! No question here carries a token, so none counts against a quota.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::DATE;

use super::configuration::in_use;
use super::{Case, Finding};
use crate::oauth::redirect;
use crate::upstream::Upstream;
use crate::upstream::client::transport;

/// A clock that differs by less does no harm: tokens are renewed a minute early.
const TOLERANCE: TimeDelta = TimeDelta::seconds(60);

/// Whether the bridge answers where it listens, and is ready.
pub(super) async fn entry_points(case: &Case) -> Vec<Finding> {
    const SUBJECT: &str = "entry points";
    let listen = case.config.http.listen;
    vec![match ask(case, &format!("http://{}", reached(listen))).await {
        Answer::Bridge(None) => Finding::ok(SUBJECT, format!("the bridge answers at {listen}, and is ready")),
        Answer::Bridge(Some(why)) => {
            let what = format!("the bridge answers at {listen}, but is not ready: {why}");
            Finding::warning(SUBJECT, what, "see what is said of the broker, and the bridge's log")
        }
        Answer::Other => {
            let cure = "set http.listen to another port, or stop that program";
            Finding::trouble(SUBJECT, format!("another program answers at {listen}"), cure)
        }
        Answer::None(_) => Finding::ok(SUBJECT, format!("no bridge runs at {listen} now")),
    }]
}

/// Whether people come back from the consent page.
pub(super) async fn redirect_address(case: &Case) -> Vec<Finding> {
    const SUBJECT: &str = "redirect address";
    let public_url = &case.config.http.public_url;
    let address = public_url.join(redirect::AUTH2);
    let mut findings = Vec::new();
    for upstream in
        in_use(case).iter().filter(|upstream| upstream.consent.as_ref().is_some_and(|form| form.public_redirects))
    {
        if let Err(cure) = redirect::judged(&public_url.to_string()) {
            let what = format!("{} does not lead back to {address}", upstream.title);
            findings.push(Finding::trouble(SUBJECT, what, cure.trim_end_matches('.')));
        }
    }
    let (here, there) = (format!("http://{}", reached(case.config.http.listen)), public_url.to_string());
    let (runs, leads) = tokio::join!(ask(case, &here), ask(case, &there));
    findings.extend(match (runs, leads) {
        (Answer::Bridge(_), Answer::Other) => Some((format!("{public_url} leads to another program"), String::new())),
        (Answer::Bridge(_), Answer::None(why)) => Some((format!("nothing answers at {public_url}"), why)),
        _ => None,
    }
    .map(|(what, why)| {
        let what = if why.is_empty() { what } else { format!("{what}: {why}") };
        let cure = "correct http.public_url, or the name or the reverse proxy it goes by; until then, paste the address \
                    of the page that fails after consent";
        Finding::warning(SUBJECT, what, cure)
    }));
    if findings.is_empty() {
        let what = match in_use(case).iter().all(|upstream| upstream.is_organizations()) {
            true => "nobody logs in, so that none has to be registered".to_owned(),
            false => format!("{address}, to be registered exactly so"),
        };
        findings.push(Finding::ok(SUBJECT, what));
    }
    findings
}

/// Whether the upstreams can be reached, and what time it is there.
pub(super) async fn upstreams(case: &Case) -> Vec<Finding> {
    let asked = in_use(case).into_iter().map(|upstream| of_one(case, upstream));
    futures_util::future::join_all(asked).await.concat()
}

async fn of_one(case: &Case, upstream: &Upstream) -> Vec<Finding> {
    let (subject, title) = ("upstream", upstream.title);
    let Some(addresses) = case.config.upstream(upstream.provider) else { return Vec::new() };
    let api_url = &addresses.api_url;
    let response = match case.http.get(api_url.url().clone()).send().await {
        Ok(response) => response,
        Err(error) => {
            let what = format!("{title} cannot be reached at {api_url}: {}", transport(&error.without_url()));
            let cure = "look at this machine's network and name server, and at upstream addresses in the configuration";
            return vec![Finding::trouble(subject, what, cure)];
        }
    };
    let here = case.household.clock.now();
    let there = response.headers().get(DATE).and_then(|date| date.to_str().ok());
    let there = there.and_then(|date| DateTime::parse_from_rfc2822(date).ok());
    let reached = Finding::ok(subject, format!("{title} answers at {api_url}"));
    vec![reached, clock(here, there.map(|there| there.to_utc()), title)]
}

fn clock(here: DateTime<Utc>, there: Option<DateTime<Utc>>, title: &str) -> Finding {
    const SUBJECT: &str = "clock";
    let cure = "let this machine take its time from the network: timedatectl set-ntp true";
    let Some(there) = there else {
        return Finding::warning(SUBJECT, format!("{title} does not say what time it is"), cure);
    };
    let skew = here - there;
    if skew.abs() < TOLERANCE {
        return Finding::ok(SUBJECT, format!("this machine's differs from that of {title} by less than a minute"));
    }
    let direction = if skew > TimeDelta::zero() { "ahead of" } else { "behind" };
    let what = format!("this machine's is {} s {direction} that of {title}", skew.num_seconds().abs());
    Finding::trouble(SUBJECT, what, cure)
}

/// Who answers at an address.
enum Answer {
    /// A bridge, and why it is not ready, if it is not.
    Bridge(Option<String>),
    /// Somebody else.
    Other,
    /// Nobody, and why.
    None(String),
}

async fn ask(case: &Case, base: &str) -> Answer {
    let get = async |path: &str| -> Result<(u16, String), String> {
        let why = |error: reqwest::Error| transport(&error.without_url()).to_string();
        let response = case.http.get(format!("{base}{path}")).send().await.map_err(why)?;
        Ok((response.status().as_u16(), response.text().await.map_err(why)?))
    };
    match get("/healthz").await {
        Ok((200, word)) if word.trim() == "ok" => {}
        Ok(_) => return Answer::Other,
        Err(why) => return Answer::None(why),
    }
    match get("/readyz").await {
        Ok((503, why)) => Answer::Bridge(Some(why.trim().to_owned())),
        _ => Answer::Bridge(None),
    }
}

/// Where an address that is listened on is reached from here.
fn reached(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
