//! The Google Health API over the simulated life: who may ask, which address means what, how often. Paths, shapes and
//! refusals are those of the discovery document, the official pages and what clients reported of the real service.

mod account;
mod activity;
mod datatype;
mod filter;
mod oauth;
mod page;
mod point;
mod read;
mod refusal;
mod rollup;
mod session;
mod vault;
mod vital;

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value as Json;

use super::{Known, Simulator, hold, tcx};
use crate::web::server::{Request, Response};
use datatype::DataType;
use refusal::Refusal;

pub(super) use account::health_user_id;
pub(super) use oauth::consent;
pub(super) use vault::ACCESS_TOKEN_LIFE;

/// Where this cloud stands on the simulator.
pub(super) const PREFIX: &str = "/google-health";

/// Where consent is asked for, below the prefix.
pub(super) const CONSENT_PAGE: &str = "/o/oauth2/v2/auth";

/// All scopes that let something be read. (`nutrition.readonly` is in the documentation, not in the discovery document.)
pub(super) const SCOPES: &[&str] = &[
    "https://www.googleapis.com/auth/googlehealth.activity_and_fitness.readonly",
    "https://www.googleapis.com/auth/googlehealth.health_metrics_and_measurements.readonly",
    "https://www.googleapis.com/auth/googlehealth.sleep.readonly",
    "https://www.googleapis.com/auth/googlehealth.nutrition.readonly",
    "https://www.googleapis.com/auth/googlehealth.profile.readonly",
    "https://www.googleapis.com/auth/googlehealth.settings.readonly",
    "https://www.googleapis.com/auth/googlehealth.location.readonly",
    "https://www.googleapis.com/auth/googlehealth.ecg.readonly",
    "https://www.googleapis.com/auth/googlehealth.irn.readonly",
];

/// Query parameters that every method of Google's takes and that change nothing here.
const GENERIC: &[&str] = &["$.xgafv", "prettyPrint", "quotaUser", "uploadType", "upload_protocol"];

/// How the applications stand with Google.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Whether the consent screen was left in Testing: refresh tokens then live for seven days.
    pub testing: bool,
    /// Whether the application is verified; if not, each person may be asked about 2.5 times a second.
    pub verified: bool,
    /// Requests a minute for each person.
    pub requests_a_minute: usize,
}

impl Default for Project {
    fn default() -> Project {
        Project { testing: false, verified: true, requests_a_minute: 300 }
    }
}

/// What this half of the cloud remembers.
#[derive(Default)]
pub(super) struct State {
    pub(super) vault: vault::Vault,
    pages: HashMap<String, page::Handed>,
    /// When each person was asked for by each application in the last minute.
    pace: HashMap<(String, usize), VecDeque<DateTime<Utc>>>,
}

/// One question of an application about one person.
struct Ask<'a> {
    simulator: &'a Simulator,
    /// What may be told.
    known: Known,
    scopes: Vec<String>,
    query: Vec<(String, String)>,
    /// The path below the prefix.
    path: &'a str,
}

impl Ask<'_> {
    /// Refuses unless this may be read.
    fn needs(&self, scope: &str) -> Result<(), Refusal> {
        let wanted = format!("https://www.googleapis.com/auth/googlehealth.{scope}.readonly");
        if self.scopes.contains(&wanted) { Ok(()) } else { Err(refusal::not_granted()) }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Refuses parameters that the method does not have.
    fn only_parameters(&self, known: &[&str]) -> Result<(), Refusal> {
        for (name, value) in &self.query {
            let generic = GENERIC.contains(&name.as_str()) || (name == "alt" && value == "json");
            if !generic && !known.contains(&name.as_str()) {
                return Err(refusal::unknown_parameter(name));
            }
            if self.query.iter().filter(|(other, _)| other == name).count() > 1 {
                return Err(refusal::invalid_argument(name, "The parameter is given more than once."));
            }
        }
        Ok(())
    }
}

pub(super) fn answer(simulator: &Simulator, request: &Request, path: &str) -> Response {
    match (request.method.as_str(), path) {
        ("GET", CONSENT_PAGE) => oauth::consent_page(simulator, request),
        ("POST", CONSENT_PAGE) => oauth::decide(simulator, request),
        ("POST", "/token") => oauth::token(simulator, request),
        ("POST", "/revoke") => oauth::revoke(simulator, request),
        _ => data(simulator, request, path),
    }
}

/// Index of the person whose token or code a request carries, whether it is valid or not.
pub(super) fn person_asked_for(simulator: &Simulator, request: &Request, path: &str) -> Option<usize> {
    let owner = |token: &str| hold(&simulator.google).vault.owner(token).map(|grant| grant.person);
    if path.starts_with("/v4/") {
        return bearer(request).and_then(owner);
    }
    let named = |key: &str| matches!(key, "refresh_token" | "code" | "token");
    request.form().iter().filter(|(key, _)| named(key)).find_map(|(_, token)| owner(token))
}

fn bearer(request: &Request) -> Option<&str> {
    request.header("authorization")?.strip_prefix("Bearer ").map(str::trim)
}

/// What a question is answered with.
enum Told {
    Json(Json),
    Tcx(String),
}

fn data(simulator: &Simulator, request: &Request, path: &str) -> Response {
    let told = || -> Result<Told, Refusal> {
        let address = Address::of(&request.method, path).ok_or(Refusal::NoSuchAddress)?;
        let token = bearer(request).ok_or_else(refusal::no_credentials)?;
        let grant = hold(&simulator.google).vault.admit(token, simulator.now());
        let grant = grant.ok_or_else(refusal::bad_credentials)?;
        keep_pace(simulator, &grant.client, grant.person)?;
        let known = simulator.life.known(grant.person, simulator.now()).ok_or_else(refusal::bad_credentials)?;
        let ask = Ask { simulator, known, scopes: grant.scopes, query: request.parameters(), path };
        if address.user != "me" && address.user != account::health_user_id(&ask.known.person) {
            return Err(refusal::not_this_user());
        }
        tell(&ask, &address, request)
    };
    match told() {
        Ok(Told::Json(value)) => Response::json(200, &value),
        Ok(Told::Tcx(document)) => Response::new(200, "application/vnd.garmin.tcx+xml", document),
        Err(refusal) => refusal.into_response(),
    }
}

/// An address of the service, taken apart.
struct Address<'a> {
    user: &'a str,
    what: What<'a>,
}

enum What<'a> {
    Identity,
    Profile,
    Settings,
    IrregularRhythmProfile,
    Devices,
    Device(&'a str),
    List(&'a str),
    Reconcile(&'a str),
    RollUp(&'a str),
    DailyRollUp(&'a str),
    Point(&'a str, &'a str),
    Tcx(&'a str, &'a str),
    /// Creating, changing and deleting.
    Write,
}

impl<'a> Address<'a> {
    /// `None` where there is no such address, or not with this verb.
    fn of(method: &str, path: &'a str) -> Option<Address<'a>> {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let ["v4", "users", user, rest @ ..] = segments.as_slice() else { return None };
        let what = match (method, rest) {
            ("GET", ["identity"]) => What::Identity,
            ("GET", ["profile"]) => What::Profile,
            ("GET", ["settings"]) => What::Settings,
            ("PATCH", ["profile" | "settings"]) => What::Write,
            ("GET", ["irnProfile"]) => What::IrregularRhythmProfile,
            ("GET", ["pairedDevices"]) => What::Devices,
            ("GET", ["pairedDevices", id]) => What::Device(id),
            ("GET", ["dataTypes", id, "dataPoints"]) => What::List(id),
            ("GET", ["dataTypes", id, "dataPoints:reconcile"]) => What::Reconcile(id),
            ("POST", ["dataTypes", id, "dataPoints:rollUp"]) => What::RollUp(id),
            ("POST", ["dataTypes", id, "dataPoints:dailyRollUp"]) => What::DailyRollUp(id),
            ("POST", ["dataTypes", _, "dataPoints" | "dataPoints:batchDelete"]) => What::Write,
            ("PATCH", ["dataTypes", _, "dataPoints", _]) => What::Write,
            ("GET", ["dataTypes", id, "dataPoints", point]) => match point.split_once(':') {
                Some((point, "exportExerciseTcx")) => What::Tcx(id, point),
                Some(_) => return None,
                None => What::Point(id, point),
            },
            _ => return None,
        };
        Some(Address { user, what })
    }
}

fn tell(ask: &Ask, address: &Address, request: &Request) -> Result<Told, Refusal> {
    let plain = |scope: &str, tell: fn(&Ask) -> Result<Json, Refusal>| {
        ask.needs(scope)?;
        ask.only_parameters(&[])?;
        tell(ask)
    };
    let typed = |id: &str, operation: char, name: &str| -> Result<&'static DataType, Refusal> {
        let row = datatype::find(id).ok_or_else(|| {
            let message = format!("Invalid data type collection: {id}");
            refusal::invalid("INVALID_PARENT_DATA_TYPE_COLLECTION", "parent", &message)
        })?;
        if !row.allows(operation) {
            let message = format!("{name} is not supported for data type {id}");
            return Err(refusal::invalid("UNSUPPORTED_DATA_TYPE_ACTION", "parent", &message));
        }
        ask.needs(row.scope).map(|()| row)
    };
    let told = match address.what {
        // Any scope of the service will do, and a token without any is never given.
        What::Identity => {
            ask.only_parameters(&[])?;
            account::identity(ask)
        }
        What::Profile => plain("profile", account::profile),
        What::Settings => plain("settings", account::settings),
        What::IrregularRhythmProfile => plain("irn", account::irregular_rhythm_profile),
        What::Devices => {
            ask.needs("settings")?;
            account::devices(ask)
        }
        What::Device(id) => {
            ask.needs("settings")?;
            ask.only_parameters(&[])?;
            account::device(ask, id)
        }
        What::List(id) => read::points(ask, typed(id, 'l', "List")?, false),
        What::Reconcile(id) => read::points(ask, typed(id, 'r', "Reconcile")?, true),
        What::RollUp(id) => rollup::windows(ask, typed(id, 'R', "RollUp")?, &request.body),
        What::DailyRollUp(id) => rollup::days(ask, typed(id, 'D', "DailyRollUp")?, &request.body),
        What::Point(id, point) => read::point(ask, typed(id, 'g', "Get")?, point),
        What::Tcx(id, point) => return exercise_as_tcx(ask, id, point).map(Told::Tcx),
        // No token of this cloud may write.
        What::Write => Err(refusal::not_granted()),
    };
    told.map(Told::Json)
}

/// `GET …/exercise/dataPoints/{id}:exportExerciseTcx?alt=media`.
fn exercise_as_tcx(ask: &Ask, id: &str, point: &str) -> Result<String, Refusal> {
    if id != "exercise" {
        let message = format!("ExportExerciseTcx is not supported for data type {id}");
        return Err(refusal::invalid("UNSUPPORTED_DATA_TYPE_ACTION", "name", &message));
    }
    ask.needs("activity_and_fitness")?;
    ask.needs("location")?;
    let (alt, partial) = (ask.parameter("alt"), ask.parameter("partialData"));
    if alt != Some("media") || !matches!(partial, None | Some("true" | "false")) {
        return Err(refusal::invalid_argument("alt", "A workout is exported with alt=media only."));
    }
    let workout = point.parse().ok().and_then(|id| ask.known.workout(id));
    let missing = || refusal::no_such_resource(&format!("users/me/dataTypes/exercise/dataPoints/{point}"));
    Ok(tcx::document(&ask.known, &workout.ok_or_else(missing)?))
}

/// Counts a request of an application for a person; too many in the last minute, or of an unverified application in
/// the last two seconds, are refused.
fn keep_pace(simulator: &Simulator, client: &str, person: usize) -> Result<(), Refusal> {
    let (now, project) = (simulator.now(), &simulator.options.project);
    let mut google = hold(&simulator.google);
    let asked = google.pace.entry((client.to_owned(), person)).or_default();
    while asked.front().is_some_and(|at| now - *at >= TimeDelta::minutes(1)) {
        asked.pop_front();
    }
    if asked.len() >= project.requests_a_minute {
        return Err(refusal::exhausted("Requests per minute per user"));
    }
    let lately = asked.iter().rev().take_while(|at| now - **at < TimeDelta::seconds(2)).count();
    if !project.verified && lately >= 5 {
        return Err(refusal::exhausted("Requests per second per user of unverified apps"));
    }
    asked.push_back(now);
    Ok(())
}
