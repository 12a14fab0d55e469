//! What is configured and what is missing: the file, the applications' registration, actions of nobody, passwords that
//! travel in the clear. Asks no network.

use super::{Case, Finding};
use crate::config::{Address, Broker};
use crate::upstream::{self, UPSTREAMS, Upstream};

pub(super) const SUBJECT: &str = "configuration";

/// The file, and whom its actions name.
pub(super) async fn examine(case: &Case) -> Vec<Finding> {
    let config = &case.config;
    let read = match &config.file {
        Some(file) => format!("{} was read", file.display()),
        None => "there is no file, so the defaults hold".into(),
    };
    let mut findings = vec![Finding::ok(SUBJECT, format!("{read}; data is kept in {}", config.data_dir.display()))];
    let people = match case.household.plugindata.people() {
        Ok(people) => people,
        Err(error) => {
            let cure = "give the data folder to the user this program runs as";
            findings.push(Finding::trouble(SUBJECT, format!("the people cannot be listed: {error:#}"), cure));
            return findings;
        }
    };
    let strangers =
        config.actions.iter().filter_map(|action| action.whom()?.person()).filter(|name| !people.contains(name));
    findings.extend(strangers.map(|name| {
        let what = format!("an [[action]] names {name}, and there is no such person");
        Finding::warning(SUBJECT, what, "correct the name in its url, or add that person on the setup page")
    }));
    findings
}

/// Whether each upstream that is used knows this application.
pub(super) async fn registration(case: &Case) -> Vec<Finding> {
    const SUBJECT: &str = "registration";
    let application = match case.household.plugindata.application() {
        Ok(application) => application,
        Err(error) => return vec![Finding::trouble(SUBJECT, format!("{error:#}"), "correct that file by hand")],
    };
    let of_one = |upstream: &&Upstream| {
        let client = application.client(upstream.provider);
        let page = case.household.setup_page();
        let title = upstream.title;
        match (client.id, client.secret) {
            (None, _) if upstream.is_organizations() => {
                let cure = format!("enter the client id and secret that {title} gave the organization at {page}");
                Finding::trouble(SUBJECT, format!("there is no client id for {title}"), cure)
            }
            (None, _) => {
                let cure = format!("register this bridge there, and enter what that gives you at {page}");
                Finding::trouble(SUBJECT, format!("there is no client id for {title}"), cure)
            }
            (Some(_), None) if upstream.consent.as_ref().is_none_or(|form| form.secret_in_body) => {
                let cure = format!("enter the client secret at {page}");
                Finding::trouble(SUBJECT, format!("there is a client id for {title}, but no client secret"), cure)
            }
            _ => Finding::ok(SUBJECT, format!("there is a client id for {title}")),
        }
    };
    in_use(case).iter().map(of_one).collect()
}

/// Passwords that travel where others can read along.
pub(super) async fn passwords(case: &Case) -> Vec<Finding> {
    const SUBJECT: &str = "passwords";
    let config = &case.config;
    let open = |address: &Address| !address.is_encrypted() && !address.is_loopback();
    let mut findings = Vec::new();
    let mut warn = |what: &str, cure: &str| {
        findings.push(Finding::warning(SUBJECT, format!("{what} travels unencrypted"), cure));
    };
    if let Broker::Remote { url, encrypted: false } = &config.mqtt.broker
        && config.mqtt.password.is_some()
        && !is_here(url)
    {
        warn("mqtt.password", "let the broker speak TLS and use mqtts:// in mqtt.url, or trust this network");
    }
    if config.http.password.is_some() && open(&config.http.public_url) {
        warn(
            "http.password",
            "put a reverse proxy with https in front, and its address into http.public_url, or trust this network",
        );
    }
    if config.igor.as_ref().is_some_and(|igor| igor.password.is_some() && open(&igor.url)) {
        warn("igor.password", "reach Igor by https or on this machine, or trust this network");
    }
    if config.influxdb.as_ref().is_some_and(|influxdb| influxdb.place.has_secret() && open(&influxdb.url)) {
        warn("what InfluxDB is written with", "reach InfluxDB by https or on this machine, or trust this network");
    }
    if findings.is_empty() {
        findings.push(Finding::ok(SUBJECT, "no password travels unencrypted between machines"));
    }
    findings
}

/// The upstreams of everyone there is; of nobody, the one a first person would have.
pub(super) fn in_use(case: &Case) -> Vec<&'static Upstream> {
    let household = &case.household;
    let people = household.plugindata.people().unwrap_or_default();
    let files = people.iter().filter_map(|person| household.plugindata.person(person).ok().flatten());
    let theirs: Vec<_> = files.filter_map(|file| household.upstream(&file).ok()).map(|one| one.provider).collect();
    let first = household.plugindata.application().ok().and_then(|application| application.provider);
    let first = first.and_then(|name| upstream::find(&name)).unwrap_or(UPSTREAMS[0]);
    UPSTREAMS
        .iter()
        .copied()
        .filter(|upstream| {
            theirs.contains(&upstream.provider) || (theirs.is_empty() && upstream.provider == first.provider)
        })
        .collect()
}

/// Whether a broker's address is this machine.
fn is_here(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    Address::parse(&format!("http://{rest}")).is_some_and(|address| address.is_loopback())
}
