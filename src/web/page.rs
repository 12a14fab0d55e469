//! The pages people see: what they show, as plain values, and the templates of `setup/` that show it. It reads no
//! store and decides nothing; no secret can be put into a page, for no view has a place for one.

use std::sync::LazyLock;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use serde::Serialize;

use super::patient::Found;
use super::registration::Registration;
use super::server::Response;
use super::status::view::StatusView;

/// Where the setup page is.
pub const SETUP_PATH: &str = "/plugin/fitbit/page/setup.html";
/// Where the status page is.
pub const STATUS_PATH: &str = "/plugin/fitbit/page/status.html";
/// Where the stylesheet is; pages have no style of their own. It is no secret, and `auth2` is shown without password.
pub const STYLE_PATH: &str = "/plugin/fitbit/page/style.css";

/// Where the icon is; as open as the stylesheet.
pub const ICON_PATH: &str = "/plugin/fitbit/page/icon.svg";

/// What every page is sent with: nothing is loaded but our stylesheet and icon, nothing runs, nothing is kept, nobody frames it.
pub const HEADERS: &[(&str, &str)] = &[
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("Referrer-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
];

/// The setup page: what is missing, the application's registration, the people.
#[derive(Debug, Clone, Serialize)]
pub struct SetupView {
    /// To be registered at the upstream, exactly so.
    pub redirect_address: String,
    /// `http.public_url`, of which the redirect address is made.
    pub public_url: String,
    /// The upstreams there are, in the order to show them.
    pub providers: Vec<ProviderView>,
    /// The name of the upstream for people who name none.
    pub default_provider: String,
    /// The unit system of published values, as in plugindata.
    pub system: String,
    /// What is missing, in the order in which to do things.
    pub findings: Vec<Finding>,
    /// Everyone known.
    pub people: Vec<PersonView>,
    /// The person the address names.
    pub selected: Option<String>,
    /// The hidden field without which no form is taken.
    pub form_token: String,
    /// What came of the form sent before.
    pub notice: Option<Notice>,
    /// What the doctor found, where it was asked.
    pub examination: Option<ExaminationView>,
}

/// What the doctor found.
#[derive(Debug, Clone, Serialize)]
pub struct ExaminationView {
    /// Whether nothing needs doing.
    pub well: bool,
    /// What it comes to, in a sentence.
    pub summary: String,
    /// Each finding, in order.
    pub findings: Vec<ExaminedView>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct ExaminedView {
    /// What it is.
    pub subject: &'static str,
    /// `ok`, `warning` or `trouble`.
    pub state: &'static str,
    /// What is so, said of the subject.
    pub what: String,
    /// What helps.
    pub cure: Option<String>,
}

/// Something missing or wrong, and what to do about it; sentences.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What is so.
    pub what: String,
    /// What makes it good.
    pub cure: String,
    /// Where that is done, if one place does it.
    pub link: Option<Link>,
}

/// What came of a form.
#[derive(Debug, Clone, Serialize)]
pub struct Notice {
    /// Whether it did what was asked.
    pub good: bool,
    /// In a sentence.
    pub text: String,
}

/// One upstream and the application's identity there.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ProviderView {
    /// As in the configuration: `google-health`.
    pub name: String,
    /// For people: `Google Health`.
    pub title: String,
    /// What one should know before choosing it; a sentence or none.
    pub note: Option<String>,
    /// The client id in force; empty: none.
    pub client_id: String,
    /// The environment sets it, whatever is saved here.
    pub client_id_from_environment: bool,
    /// Whether a secret is there. The secret itself never comes back.
    pub secret_stored: bool,
    /// The environment sets it, whatever is saved here.
    pub secret_from_environment: bool,
    /// Whether its consent page accepts this host's redirect address, where it is not content with any.
    pub redirect: Option<Notice>,
    /// The upstream's registration form, where it has one.
    pub registration: Option<Registration>,
}

/// How consent stands; the names of the `auth` topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consent {
    /// Never given, or withdrawn here.
    AwaitingConsent,
    /// Given, and it works.
    Ok,
    /// Given; the upstream fails for now.
    Retrying,
    /// Lost: it must be given again.
    Reauthorize,
}

/// One person. Times are sentences' parts (`today 10:00`), in the zone the page is meant for.
#[derive(Debug, Clone, Serialize)]
pub struct PersonView {
    /// The name in addresses and topics.
    pub user: String,
    /// As the upstream's profile has it; empty: unknown.
    pub display_name: String,
    /// Title of the upstream this person's data comes from.
    pub provider_title: String,
    /// How consent stands.
    pub state: Consent,
    /// The state in a sentence.
    pub sentence: String,
    /// Since when it is so.
    pub since: Option<String>,
    /// Whether the consent there is works, though a new one is asked for.
    pub kept: bool,
    /// Why it is so, in the upstream's words.
    pub reason: Option<String>,
    /// When consent ends by itself, if it does.
    pub expires: Option<String>,
    /// What consent was not given to.
    pub missing_scopes: Vec<MissingScope>,
    /// When a fetch last worked.
    pub last_success: Option<String>,
    /// Whether nothing is fetched by itself, because somebody said so.
    pub paused: bool,
    /// When the next one is due.
    pub next_fetch: Option<String>,
    /// `2026-08-22 to 2026-11-19: 130 requests done, 600 to do; goes on today 14:00`.
    pub past: Option<String>,
    /// `148 of 150 until 11:00`.
    pub quota: Option<String>,
    /// One line each: `Aria Air, battery high, synced today 07:12`.
    pub devices: Vec<String>,
    /// Where consent begins; none while the application is not registered.
    pub connect_href: Option<String>,
    /// Name and title of the upstream to move to, where the person's own is gone for good.
    pub move_to: Option<(String, String)>,
    /// What is set for this person alone.
    pub settings: PersonSettings,
    /// Whether nobody logs in at the upstream, so that a patient is chosen instead.
    pub chooses: bool,
    /// The patients found among whom to choose.
    pub found: Option<Found>,
}

/// A scope that was not granted.
#[derive(Debug, Clone, Serialize)]
pub struct MissingScope {
    /// As the upstream names it.
    pub name: String,
    /// What it would give: `sleep stages and times`.
    pub gives: String,
}

/// A person's settings as text; empty: not set.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PersonSettings {
    /// Name of the upstream.
    pub provider: String,
    /// Comma-separated method names.
    pub methods: String,
    /// Comma-separated metric keys.
    pub metrics: String,
    /// `30d`.
    pub period: String,
    /// Unit system.
    pub system: String,
    /// The upstream's id of the patient.
    pub patient: String,
}

/// One entry of a list to choose from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// What the form sends.
    pub value: String,
    /// What people read.
    pub title: String,
}

/// A page that says one thing: connected, denied, not found.
#[derive(Debug, Clone, Serialize)]
pub struct MessageView {
    /// The one thing.
    pub title: String,
    /// Whether it is good news.
    pub good: bool,
    /// More of it, a paragraph each.
    pub text: Vec<String>,
    /// What consent was not given to.
    pub missing_scopes: Vec<MissingScope>,
    /// What to do about it.
    pub cure: Option<String>,
    /// Where to go from here; the first is the natural one.
    pub links: Vec<Link>,
}

/// A link: a path of this site, or an http(s) address.
#[derive(Debug, Clone, Serialize)]
pub struct Link {
    /// Where to.
    pub href: String,
    /// What it says.
    pub title: String,
}

/// The setup page as HTML.
pub fn setup(view: &SetupView) -> String {
    let here = match &view.selected {
        Some(user) => format!("{SETUP_PATH}?done=saved&user={}", query(user.clone())),
        None => format!("{SETUP_PATH}?done=saved"),
    };
    let set = view.people.iter().map(|person| person.settings.system.as_str());
    let systems = systems(set.chain([view.system.as_str()]));
    render("setup.html", context! { here, systems => Serde(systems), ..Serde(view) })
}

/// The status page as HTML.
pub(super) fn status(view: &StatusView) -> String {
    render("status.html", Value::from(Serde(view)))
}

/// A message as HTML.
pub fn message(view: &MessageView) -> String {
    render("message.html", Value::from(Serde(view)))
}

/// The stylesheet, to be served at [`STYLE_PATH`].
pub fn style() -> Response {
    lasting("text/css; charset=utf-8", include_str!("../../setup/style.css"))
}

/// The icon, to be served at [`ICON_PATH`].
pub fn icon() -> Response {
    lasting("image/svg+xml", include_str!("../../setup/icon.svg"))
}

fn lasting(media_type: &'static str, text: &'static str) -> Response {
    let file = Response::new(200, media_type, text);
    file.with("Cache-Control", "public, max-age=86400").with("X-Content-Type-Options", "nosniff")
}

/// A page as an answer, with the headers every page has.
pub fn answer(status: u16, html: String) -> Response {
    let page = Response::new(status, "text/html; charset=utf-8", html);
    HEADERS.iter().fold(page, |page, (name, value)| page.with(name, *value))
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::empty();
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.add_filter("address", address);
    templates.add_filter("query", query);
    templates.add_filter("length", |list: Value| list.len().unwrap_or(0));
    let sources = [
        ("head.html", include_str!("../../setup/head.html")),
        ("setup.html", include_str!("../../setup/setup.html")),
        ("status.html", include_str!("../../setup/status.html")),
        ("message.html", include_str!("../../setup/message.html")),
    ];
    for (name, source) in sources {
        if let Err(error) = templates.add_template(name, source) {
            log::error!("the template {name} is broken: {error:#}");
        }
    }
    templates
});

fn render(name: &str, view: Value) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let (style, icon) = (format!("{STYLE_PATH}?v={version}"), format!("{ICON_PATH}?v={version}"));
    let page = TEMPLATES.get_template(name).and_then(|template| {
        let view = context! { version, style, icon, ..view };
        template.render(view)
    });
    page.unwrap_or_else(|error| {
        log::error!("the page {name} could not be made: {error:#}");
        "<!doctype html><html lang=\"en\"><title>fitbit2mqtt</title><p>This page could not be made; the log says why."
            .to_owned()
    })
}

/// Links lead to this page, to this site or to the web; anything else (`javascript:`) leads nowhere.
fn address(href: String) -> String {
    let path = href.starts_with('/') && !href.starts_with("//") && !href.starts_with("/\\");
    if path || href.starts_with('#') || href.starts_with("https://") || href.starts_with("http://") {
        href
    } else {
        "#".to_owned()
    }
}

/// As the value of a parameter in an address.
fn query(value: String) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

/// The unit systems to choose from; one that is set stays a choice, whatever it is.
fn systems<'a>(set: impl Iterator<Item = &'a str>) -> Vec<Choice> {
    let known = [
        ("nl_NL", "Metric (kg, km, °C)"),
        ("en_US", "United States (lb, mi, °F)"),
        ("en_GB", "United Kingdom (weight in stone, the rest metric)"),
    ];
    let choice = |value: &str, title: String| Choice { value: value.to_owned(), title };
    let mut systems: Vec<Choice> = known.iter().map(|(value, title)| choice(value, (*title).to_owned())).collect();
    for value in set.filter(|value| !value.is_empty()) {
        if systems.iter().all(|known| known.value != value) {
            systems.push(choice(value, format!("{value} (metric)")));
        }
    }
    systems
}

#[cfg(test)]
#[path = "page/tests.rs"]
mod tests;
