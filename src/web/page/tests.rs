//! What holds for every page, whatever is in it: escaped, guarded, labelled, without scripts and styles of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::web::registration::registration;

const NASTY: &str = r#""><script>alert('x')</script>&amp;{{ 7*7 }}{% for %}"#;

fn provider(name: &str, client_id: &str) -> ProviderView {
    ProviderView {
        name: name.into(),
        title: format!("The {name} cloud"),
        note: Some("A note.".into()),
        client_id: client_id.into(),
        secret_stored: !client_id.is_empty(),
        registration: registration(name, "http://localhost:9333/plugin/fitbit/auth2", "http://localhost:9333"),
        ..ProviderView::default()
    }
}

fn person(user: &str, state: Consent) -> PersonView {
    PersonView {
        user: user.into(),
        display_name: format!("Name of {user}"),
        provider_title: "The cloud".into(),
        state,
        sentence: "So it is.".into(),
        since: Some("today 10:00".into()),
        kept: false,
        reason: Some("for a reason".into()),
        expires: None,
        missing_scopes: vec![MissingScope { name: "sleep".into(), gives: "sleep stages".into() }],
        last_success: Some("today 10:00".into()),
        paused: state == Consent::Retrying,
        next_fetch: Some("today 10:15".into()),
        past: Some("complete".into()),
        quota: Some("148 of 150 until 11:00".into()),
        devices: vec!["Aria Air, battery high".into()],
        connect_href: Some(format!("/plugin/fitbit/auth1?user={user}")),
        move_to: None,
        settings: PersonSettings { system: "de_DE".into(), patient: "5b".into(), ..PersonSettings::default() },
        chooses: false,
        found: None,
    }
}

fn fresh() -> SetupView {
    SetupView {
        examination: None,
        redirect_address: "http://localhost:9333/plugin/fitbit/auth2".into(),
        public_url: "http://localhost:9333".into(),
        providers: ["google-health", "fitbit", "fitbit-plus"].iter().map(|name| provider(name, "")).collect(),
        default_provider: "google-health".into(),
        system: "nl_NL".into(),
        findings: vec![
            Finding { what: "Nobody is here.".into(), cure: "Add a person.".into(), link: None },
            Finding {
                what: "Anna is not connected.".into(),
                cure: "Connect.".into(),
                link: Some(Link { href: "/plugin/fitbit/auth1?user=anna".into(), title: "Connect anna".into() }),
            },
        ],
        people: Vec::new(),
        selected: None,
        form_token: "t0ken".into(),
        notice: None,
    }
}

/// One of an organization's patients, among whom is chosen.
fn patient(mut person: PersonView) -> PersonView {
    let patients = vec![Choice { value: "5b".into(), title: "B.".into() }];
    person.chooses = true;
    person.found = Some(Found { patients, more: true, ..Found::default() });
    person
}

/// Every branch of the template in one view.
fn full() -> SetupView {
    let states = [Consent::AwaitingConsent, Consent::Ok, Consent::Retrying, Consent::Reauthorize];
    SetupView {
        providers: vec![provider("fitbit", "22E123"), provider("google-health", "")],
        findings: Vec::new(),
        people: states
            .iter()
            .enumerate()
            .map(|(at, state)| person(&format!("p{at}"), *state))
            .map(|person| if person.user == "p1" { patient(person) } else { person })
            .collect(),
        selected: Some("p3".into()),
        notice: Some(Notice { good: false, text: "It did not work.".into() }),
        ..fresh()
    }
}

fn views() -> [SetupView; 3] {
    let mut environment = full();
    for provider in &mut environment.providers {
        (provider.client_id_from_environment, provider.secret_from_environment) = (true, true);
    }
    for person in &mut environment.people {
        (person.found, person.connect_href, person.since, person.reason) = (None, None, None, None);
        (person.last_success, person.next_fetch, person.past, person.quota) = (None, None, None, None);
    }
    environment.notice = Some(Notice { good: true, text: "Saved.".into() });
    [fresh(), full(), environment]
}

/// Every string anywhere in the view becomes `text`, except the state, which is one of four.
fn filled(value: serde_json::Value, key: &str, text: &str) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(_) if key != "state" => text.into(),
        Value::Array(list) => list.into_iter().map(|item| filled(item, key, text)).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key.clone(), filled(value, &key, text))).collect(),
        other => other,
    }
}

/// The page with its slashes, which the escaping writes as entities, readable.
fn setup(view: &SetupView) -> String {
    super::setup(view).replace("&#x2f;", "/")
}

fn tags<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let begins = format!("<{name}");
    let pieces = html.split(begins.as_str()).skip(1).filter(|piece| piece.starts_with([' ', '>']));
    pieces.map(|piece| piece.split('>').next().unwrap()).collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\"")).map(|(_, rest)| rest.split('"').next().unwrap())
}

#[test]
fn every_value_is_escaped() {
    let escaped = NASTY.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let escaped = escaped.replace('"', "&quot;").replace('\'', "&#x27;").replace('/', "&#x2f;");
    let with = |name: &str, view: serde_json::Value, text: &str| {
        let more = context! { here => text, systems => Serde(vec![Choice { value: text.into(), title: text.into() }]) };
        render(name, context! { ..more, ..Serde(&filled(view, "", text)) })
    };
    let link = Link { href: String::new(), title: String::new() };
    let message = MessageView {
        title: String::new(),
        good: false,
        text: vec![String::new()],
        missing_scopes: vec![MissingScope { name: String::new(), gives: String::new() }],
        cure: Some(String::new()),
        links: vec![link],
    };
    let message = ("message.html", serde_json::to_value(message).unwrap());
    for (name, view) in
        views().map(|view| ("setup.html", serde_json::to_value(view).unwrap())).into_iter().chain([message])
    {
        let nasty = with(name, view.clone(), NASTY);
        assert!(nasty.matches(&escaped).count() >= 4);
        // Where nothing breaks out, another text makes the same page.
        let plain = with(name, view, "plain");
        assert_eq!(nasty.replace(&escaped, "plain").replace(&query(NASTY.into()), "plain"), plain);
    }
}

#[test]
fn links_lead_to_this_site_or_the_web() {
    for (href, to) in [
        ("/plugin/fitbit/auth1?user=anna", "/plugin/fitbit/auth1?user=anna"),
        ("https://home.example/", "https://home.example/"),
        ("#add", "#add"),
        ("javascript:alert(1)", "#"),
        ("//elsewhere.example/", "#"),
        ("/\\elsewhere.example/", "#"),
        ("data:text/html,x", "#"),
    ] {
        assert_eq!(address(href.into()), to, "{href}");
    }
}

#[test]
fn every_form_is_guarded_and_comes_back() {
    for view in views() {
        let html = setup(&view);
        let forms: Vec<&str> = html.split("<form ").skip(1).map(|form| form.split("</form>").next().unwrap()).collect();
        assert!(forms.len() > 4);
        for form in forms {
            assert!(form.starts_with("method=\"post\" action=\"/plugin/fitbit/"), "{form}");
            assert!(form.contains("name=\"form_token\" value=\"t0ken\""), "{form}");
            let stays = form.contains("action=\"/plugin/fitbit/page/setup.html");
            assert!(stays || form.contains("name=\"returnTo\" value=\"/plugin/fitbit/page/setup.html"), "{form}");
            assert!(form.contains("<button type=\"submit\""), "{form}");
        }
    }
}

#[test]
fn every_field_has_its_label_and_every_reference_its_target() {
    for view in views() {
        let html = setup(&view);
        let ids: Vec<&str> =
            html.match_indices(" id=\"").map(|(at, _)| attribute(&html[at..], "id").unwrap()).collect();
        let unique: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "an id occurs twice: {ids:?}");
        let labels: Vec<_> = tags(&html, "label").iter().filter_map(|label| attribute(label, "for")).collect();
        for tag in tags(&html, "input").iter().chain(&tags(&html, "select")) {
            if attribute(tag, "type") != Some("hidden") {
                assert!(labels.contains(&attribute(tag, "id").expect(tag)), "{tag} has no label");
            }
        }
        for name in ["aria-labelledby", "aria-describedby", "for"] {
            for (at, _) in html.match_indices(&format!(" {name}=\"")) {
                let target = attribute(&html[at..], name).unwrap();
                assert!(ids.contains(&target), "{name} {target} leads nowhere");
            }
        }
    }
}

#[test]
fn headings_go_down_one_by_one() {
    for html in views().iter().map(setup) {
        let levels: Vec<u8> = html
            .match_indices("<h")
            .filter_map(|(at, _)| {
                html.as_bytes().get(at + 2).filter(|digit| digit.is_ascii_digit()).map(|digit| digit - b'0')
            })
            .collect();
        assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
        for pair in levels.windows(2) {
            assert!(pair[1] <= pair[0] + 1, "a heading of level {} follows one of {}", pair[1], pair[0]);
        }
    }
}

#[test]
fn pages_need_nothing_but_the_stylesheet_and_the_icon() {
    let message = MessageView {
        title: "Anna is connected".into(),
        good: true,
        text: Vec::new(),
        missing_scopes: Vec::new(),
        cure: None,
        links: Vec::new(),
    };
    for html in views().iter().map(setup).chain([super::message(&message).replace("&#x2f;", "/")]) {
        for forbidden in ["<script", "style=", "<style", " onclick", " onload", "<img", "<iframe", "http-equiv"] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
        let loaded: Vec<_> = tags(&html, "link").iter().filter_map(|link| attribute(link, "href")).collect();
        assert_eq!(loaded, [STYLE_PATH, ICON_PATH].map(|path| format!("{path}?v={}", env!("CARGO_PKG_VERSION"))));
    }
}

#[test]
fn a_stored_secret_is_only_said_to_be_stored() {
    let html = setup(&full());
    let secret = tags(&html, "input").into_iter().filter(|tag| attribute(tag, "name") == Some("client_secret"));
    let secret: Vec<_> = secret.collect();
    assert_eq!(secret.len(), 2);
    assert!(secret.iter().all(|tag| attribute(tag, "value").is_none()), "{secret:?}");
    assert_eq!(attribute(secret[0], "placeholder"), Some("stored"));
    assert_eq!(attribute(secret[1], "placeholder"), None);
    assert!(html.contains("value=\"22E123\""));
}

#[test]
fn disconnecting_asks_for_a_tick() {
    let html = setup(&full());
    let boxes: Vec<_> =
        tags(&html, "input").into_iter().filter(|tag| attribute(tag, "name") == Some("delete")).collect();
    assert_eq!(boxes.len(), 3, "everyone but the one without consent can be disconnected");
    assert!(boxes.iter().all(|tag| tag.ends_with(" required") && attribute(tag, "value") == Some("true")));
}

#[test]
fn what_is_set_stays_chosen() {
    let html = setup(&full());
    assert!(html.contains("<option value=\"de_DE\" selected>de_DE (metric)</option>"), "{html}");
    assert!(html.contains("<option value=\"5b\" selected>B.</option>"));
}
