//! The household as the setup page shows it: what is missing, in order, and everyone's state in words.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::page::{
    Consent, ExaminationView, ExaminedView, Finding, Link, MessageView, MissingScope, Notice, PersonSettings,
    PersonView, SETUP_PATH, SetupView,
};
use super::patient::Found;
use super::registration::providers;
use super::trouble::{Trouble, sentence};
use crate::doctor;
use crate::household::{Household, Member};
use crate::oauth::{Connected, OAuth, redirect, why_switched_off};
use crate::plugindata::Application;
use crate::reading::Person;
use crate::snapshot::{AuthState, Snapshot};
use crate::store::Order;
use crate::upstream::UPSTREAMS;

/// What the page is asked for with, and by whom.
pub(super) struct Shown<'r> {
    /// The person the address names.
    pub selected: Option<&'r str>,
    /// What was done just before.
    pub done: Option<&'r str>,
    /// The hidden field of every form.
    pub form_token: String,
    /// What keeps the bridge from being ready, if anything does.
    pub unready: Option<String>,
    /// What the doctor found, where it was asked.
    pub examined: Option<Vec<doctor::Finding>>,
    /// The patients found for the person selected.
    pub found: Option<Found>,
}

/// The whole page.
pub(super) async fn view(household: &Household, oauth: &OAuth, shown: Shown<'_>) -> Result<SetupView> {
    let (application, unread) = match household.plugindata.application() {
        Ok(application) => (application, None),
        Err(error) => (Application::default(), Some(format!("{error:#}"))),
    };
    let default_provider = application.provider.clone().unwrap_or_else(|| UPSTREAMS[0].provider.to_owned());
    let public_url = oauth.redirect().trim_end_matches(redirect::AUTH2).to_owned();
    let providers = providers(&application, oauth.redirect(), &public_url);
    let mut people = Vec::new();
    let mut of_people = Vec::new();
    let mut in_use = BTreeSet::new();
    let mut accounts: BTreeMap<String, Vec<Person>> = BTreeMap::new();
    for person in household.plugindata.people()? {
        match household.member(&person).await {
            Ok(Some(member)) => {
                let snapshot = household.snapshot(&member).await?;
                let registered =
                    providers.iter().any(|p| p.name == member.upstream.provider && !p.client_id.is_empty());
                let mut view = person_view(household, &member, &snapshot, registered).await?;
                if view.chooses && shown.selected == Some(person.as_str()) {
                    view.found.clone_from(&shown.found);
                }
                of_people.extend(finding(&view));
                people.push(view);
                in_use.insert(member.upstream.provider);
                if let Some(account) = member.file.token.and_then(|token| token.user_id) {
                    accounts.entry(account).or_default().push(person);
                }
            }
            Ok(None) => {}
            Err(_) if unread.is_some() => people.push(unreadable(&person, "Nothing is fetched for now.", None)),
            Err(error) => {
                of_people.push(unreadable_file(&format!("The file of {person}"), &format!("{error:#}")));
                let sentence = "The file of this person cannot be read.";
                people.push(unreadable(&person, sentence, Some(format!("{error:#}"))));
            }
        }
    }
    if in_use.is_empty() {
        in_use.insert(&default_provider);
    }
    let mut redirect_address = oauth.redirect().to_owned();
    let mut findings = Vec::new();
    for provider in providers.iter().filter(|provider| unread.is_none() && in_use.contains(&*provider.name)) {
        if provider.client_id.is_empty() {
            findings.push(Finding {
                what: format!("There is no client id for {}.", provider.title),
                cure:
                    "Register this bridge there as described below, then enter the client id and secret it gives you."
                        .into(),
                link: None,
            });
        }
        if let Some(notice) = provider.redirect.as_ref().filter(|notice| !notice.good) {
            redirect_address = redirect::accepted(&public_url);
            findings.push(Finding {
                what: format!("The consent page of {} cannot lead back here.", provider.title),
                cure: notice.text.clone(),
                link: None,
            });
        }
    }
    findings.extend(unread.map(|why| unreadable_file("The application's file", &why)));
    findings.extend(of_people);
    if people.is_empty() {
        findings.push(Finding {
            what: "There is nobody yet.".into(),
            cure: "Add a person; the name becomes part of the MQTT topics.".into(),
            link: Some(Link { href: "#add".into(), title: "Add a person".into() }),
        });
    }
    findings.extend(accounts.values().filter(|people| people.len() > 1).map(|people| shared(people)));
    findings.extend(shown.unready.map(|why| Finding {
        what: sentence(&why),
        cure: "The bridge's log says more. If it is the broker: the configuration says where that is, under [mqtt], and \
               values wait until it answers."
            .into(),
        link: None,
    }));
    Ok(SetupView {
        redirect_address,
        public_url,
        providers,
        default_provider,
        system: application.system.unwrap_or_default(),
        findings,
        people,
        selected: shown.selected.map(str::to_owned),
        form_token: shown.form_token,
        notice: shown.done.and_then(notice),
        examination: shown.examined.as_deref().map(examination),
    })
}

fn examination(examined: &[doctor::Finding]) -> ExaminationView {
    let findings = examined.iter().map(|finding| ExaminedView {
        subject: finding.subject,
        state: finding.state.word(),
        what: finding.what.clone(),
        cure: finding.cure.clone(),
    });
    let well = examined.iter().all(|finding| finding.state != doctor::State::Trouble);
    ExaminationView { well, summary: doctor::summary(examined), findings: findings.collect() }
}

/// The page after a consent.
pub fn connected(connected: &Connected) -> MessageView {
    let person = &connected.person;
    let mut text = vec!["The first values are being fetched now.".to_owned()];
    text.extend(connected.warning.iter().map(|warning| format!("Mind: {warning}.")));
    let cure =
        (!connected.missing.is_empty()).then(|| "To add something of it, connect again and allow it, too.".to_owned());
    let missing_scopes = missing(&connected.missing);
    let links = vec![back(Some(person)), connect(person)];
    MessageView { title: format!("{person} is connected"), good: true, text, missing_scopes, cure, links }
}

/// The page after a consent that was not given; `kept`: there is an earlier one.
pub(super) fn not_connected(person: &Person, kept: bool, trouble: &Trouble) -> MessageView {
    let title = match kept {
        false => format!("{person} is not connected"),
        true => format!("{person} was not connected anew"),
    };
    let mut text = vec![sentence(&trouble.error)];
    text.extend(kept.then(|| "The earlier consent still stands.".to_owned()));
    let links = vec![connect(person), back(Some(person))];
    let cure = Some(sentence(&trouble.cure));
    MessageView { title, good: false, text, missing_scopes: Vec::new(), cure, links }
}

/// What a form did, in words.
pub(super) fn notice(done: &str) -> Option<Notice> {
    let text = match done {
        "saved" => "Saved.",
        "added" => "Added. What is missing now is said below.",
        "connected" => "Connected. The first values are being fetched.",
        "disconnected" => "Disconnected. Settings and values are kept.",
        "asked" => "It is being done.",
        _ => return None,
    };
    Some(Notice { good: true, text: text.into() })
}

/// One browser, two people: it is easily the same account that consents twice.
fn shared(people: &[Person]) -> Finding {
    let names: Vec<_> = people.iter().map(Person::as_str).collect();
    Finding {
        what: format!("{} are connected with the same account.", names.join(" and ")),
        cure: "If that is wrong, log out at the upstream and connect the one it is not again.".into(),
        link: None,
    }
}

fn missing(scopes: &[(&str, &str)]) -> Vec<MissingScope> {
    scopes.iter().map(|(name, gives)| MissingScope { name: (*name).into(), gives: (*gives).into() }).collect()
}

fn back(person: Option<&Person>) -> Link {
    let href = person.map_or(SETUP_PATH.to_owned(), |person| format!("{SETUP_PATH}?user={person}"));
    Link { href, title: "Setup page".into() }
}

fn connect(person: &Person) -> Link {
    Link { href: format!("/plugin/fitbit/auth1?user={person}"), title: "Connect again".into() }
}

pub(super) async fn person_view(
    household: &Household,
    member: &Member,
    snapshot: &Snapshot,
    registered: bool,
) -> Result<PersonView> {
    let profile = household.store.profile(&member.person).await?;
    let now = household.clock.now();
    let when = |time: DateTime<Utc>| when(time, now, member.zone);
    let state = match snapshot.auth.state {
        AuthState::AwaitingConsent => Consent::AwaitingConsent,
        AuthState::Ok => Consent::Ok,
        AuthState::Retrying => Consent::Retrying,
        AuthState::Reauthorize => Consent::Reauthorize,
    };
    let gone = snapshot.auth.reason.as_ref() == Some(&why_switched_off(member));
    let successor = UPSTREAMS[0];
    let kept = state == Consent::Reauthorize && snapshot.available;
    let sentence = match (state, &snapshot.status.error) {
        _ if gone => format!("There is nothing to fetch any more; what is measured is at {} now.", successor.title),
        (Consent::Reauthorize, _) if kept => "A new consent was asked for: connect again.".to_owned(),
        (Consent::AwaitingConsent, _) if member.upstream.is_organizations() => {
            "Which patient this person is was not chosen yet.".to_owned()
        }
        (Consent::AwaitingConsent, _) => "Not connected yet.".to_owned(),
        (Consent::Ok, None) if snapshot.status.last_success.is_some() => "Connected; values arrive.".to_owned(),
        (Consent::Ok, None) => "Connected; nothing was fetched yet.".to_owned(),
        (Consent::Ok, Some(error)) => format!("Connected, but the last fetch failed: {error}."),
        (Consent::Retrying, _) => "Connected; the upstream fails for now, and is asked again by itself.".to_owned(),
        (Consent::Reauthorize, _) => "The consent is lost: connect again.".to_owned(),
    };
    let setting = |key: &str| member.file.setting(key).unwrap_or_default();
    Ok(PersonView {
        user: member.person.to_string(),
        display_name: profile.and_then(|profile| profile.name).unwrap_or_default(),
        provider_title: member.upstream.title.into(),
        state,
        sentence,
        since: (state != Consent::AwaitingConsent).then(|| when(snapshot.auth.since)),
        kept,
        reason: snapshot.auth.reason.clone(),
        expires: snapshot.auth.expires.map(when),
        // A consent that is of no use lacks nothing.
        missing_scopes: if gone || member.is_moving() { Vec::new() } else { missing(&member.missing_scopes()) },
        last_success: snapshot.status.last_success.map(when),
        paused: snapshot.status.paused,
        next_fetch: snapshot.status.actions.iter().filter_map(|action| action.next).min().map(when),
        past: past(&household.store.orders(&member.person).await?, &when),
        quota: snapshot
            .quota
            .as_ref()
            .map(|quota| format!("{} of {} requests left until {}", quota.remaining, quota.limit, when(quota.reset))),
        devices: snapshot.devices.iter().map(|device| device_line(device, now, member.zone)).collect(),
        // Where nobody answers any more there is no consent to be had either.
        connect_href: (registered && !gone).then(|| format!("/plugin/fitbit/auth1?user={}", member.person)),
        move_to: gone.then(|| (successor.provider.into(), successor.title.into())),
        settings: PersonSettings {
            provider: setting("provider"),
            methods: setting("methods"),
            metrics: setting("metrics"),
            period: setting("period"),
            system: setting("system"),
            patient: setting("patient"),
        },
        chooses: member.upstream.is_organizations(),
        found: None,
    })
}

/// How far the past was fetched: the order that is being worked on, else the last one.
fn past(orders: &[Order], when: &impl Fn(DateTime<Utc>) -> String) -> Option<String> {
    let order = orders.iter().find(|order| order.ended.is_none()).or(orders.last())?;
    let (first, last) = (order.stretch.first, order.stretch.last);
    let problem = order.problem.as_ref().map(|problem| format!(" ({problem})")).unwrap_or_default();
    Some(match (order.ended, order.todo, order.until) {
        (Some(_), ..) => format!("complete from {first} to {last}{problem}"),
        (None, None, _) => format!("{first} to {last}: begins soon"),
        (None, Some(todo), until) => {
            let until = until.map(|until| format!("; goes on {}{problem}", when(until))).unwrap_or_default();
            format!("{first} to {last}: {} requests done, {todo} to do{until}", order.done)
        }
    })
}

fn finding(person: &PersonView) -> Option<Finding> {
    let user = &person.user;
    if let Some((_, title)) = &person.move_to {
        return Some(Finding {
            what: format!("The {} is switched off, and {user} must move to {title}.", person.provider_title),
            cure: "Press Move below, then connect; topics, values and settings are kept.".into(),
            link: None,
        });
    }
    let registered = person.connect_href.is_some();
    let (what, cure) = match person.state {
        Consent::AwaitingConsent if registered && person.chooses => {
            (format!("{user} is no patient yet."), "Choose which of the organization's patients this person is.")
        }
        Consent::AwaitingConsent if registered => {
            (format!("{user} is not connected yet."), "Log in there as this person and allow what may be read.")
        }
        Consent::AwaitingConsent => {
            (format!("{user} is not connected yet."), "That can be done once there is a client id.")
        }
        Consent::Reauthorize if person.kept => {
            (format!("A new consent of {user} was asked for."), "Connect again; the present one is kept until then.")
        }
        Consent::Reauthorize => {
            (format!("The consent of {user} is lost."), "Connect again; settings and values are kept.")
        }
        Consent::Ok | Consent::Retrying => return None,
    };
    let title = if person.chooses { format!("Choose for {user}") } else { format!("Connect {user}") };
    let link = person.connect_href.clone().map(|href| Link { href, title });
    Some(Finding { what, cure: cure.into(), link })
}

fn unreadable_file(which: &str, why: &str) -> Finding {
    let what = format!("{which} cannot be read: {why}.");
    Finding { what, cure: "Correct the file by hand; nothing was changed in it.".into(), link: None }
}

fn unreadable(person: &Person, sentence: &str, reason: Option<String>) -> PersonView {
    PersonView {
        user: person.to_string(),
        display_name: String::new(),
        provider_title: String::new(),
        state: Consent::Retrying,
        sentence: sentence.into(),
        since: None,
        kept: false,
        reason,
        expires: None,
        missing_scopes: Vec::new(),
        last_success: None,
        paused: false,
        next_fetch: None,
        past: None,
        quota: None,
        devices: Vec::new(),
        connect_href: None,
        move_to: None,
        settings: PersonSettings::default(),
        chooses: false,
        found: None,
    }
}

fn device_line(device: &crate::snapshot::Device, now: DateTime<Utc>, zone: Tz) -> String {
    let mut line = device.name.clone();
    match (device.battery_level, &device.battery) {
        (Some(level), _) => line += &format!(", battery {level} %"),
        (None, Some(words)) => line += &format!(", battery {}", words.to_lowercase()),
        (None, None) => {}
    }
    if let Some(sync) = device.last_sync.as_ref().and_then(|text| DateTime::parse_from_rfc3339(text).ok()) {
        line += &format!(", synced {}", when(sync.to_utc(), now, zone));
    }
    line
}

/// A time as a person says it, in their own zone.
pub(super) fn when(time: DateTime<Utc>, now: DateTime<Utc>, zone: Tz) -> String {
    let (time, today) = (time.with_timezone(&zone), now.with_timezone(&zone).date_naive());
    match (time.date_naive() - today).num_days() {
        0 => time.format("today %H:%M").to_string(),
        -1 => time.format("yesterday %H:%M").to_string(),
        1 => time.format("tomorrow %H:%M").to_string(),
        _ => time.format("%Y-%m-%d %H:%M").to_string(),
    }
}
