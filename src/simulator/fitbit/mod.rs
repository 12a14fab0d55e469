//! The Fitbit Web API over the simulated life: who may ask, which address means what, and how refusals look. Paths and
//! shapes are those of the official reference and of recordings of the real service.

mod account;
mod activity;
mod body;
mod date;
mod heart;
mod intraday;
mod list;
mod nightly;
mod nutrition;
mod oauth;
mod refusal;
mod rhythm;
mod sleep;

use serde_json::Value as Json;

use super::consent::Refused;
use super::record::Left;
use super::{Known, Simulator, hold};
use crate::web::server::{Request, Response};
pub(super) use oauth::{Fields, consent};
use refusal::{Refusal, Style};

/// Where this cloud stands on the simulator.
pub(super) const PREFIX: &str = "/fitbit";

/// All scopes of the service.
pub(super) const SCOPES: &[&str] = &[
    "activity",
    "cardio_fitness",
    "electrocardiogram",
    "heartrate",
    "irregular_rhythm_notifications",
    "location",
    "nutrition",
    "oxygen_saturation",
    "profile",
    "respiratory_rate",
    "settings",
    "sleep",
    "social",
    "temperature",
    "weight",
];

/// One question of an application about one person.
struct Ask<'a> {
    simulator: &'a Simulator,
    /// What may be told.
    known: Known,
    scopes: Vec<String>,
    query: Vec<(String, String)>,
    /// The path below the prefix, and the undecoded query.
    path: &'a str,
    raw_query: &'a str,
    /// Address of this API as the client sees it.
    base: String,
    style: Style,
}

impl Ask<'_> {
    /// Refuses unless this scope was granted.
    fn needs(&self, scope: &str) -> Result<(), Refusal> {
        if self.scopes.iter().any(|granted| granted == scope) {
            return Ok(());
        }
        Err(self.style.not_granted(scope))
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

pub(super) fn answer(simulator: &Simulator, request: &Request, path: &str) -> Response {
    match (request.method.as_str(), path) {
        ("GET", "/oauth2/authorize") => oauth::consent_page(simulator, request),
        ("POST", "/oauth2/authorize") => oauth::decide(simulator, request),
        ("POST", "/oauth2/token") => oauth::token(simulator, request),
        ("POST", "/oauth2/revoke") => oauth::revoke(simulator, request),
        (_, "/oauth2/authorize" | "/oauth2/token" | "/oauth2/revoke") => refusal::not_found().into_response(),
        _ => data(simulator, request, path),
    }
}

/// Index of the person whose token or code a request carries, whether it is valid or not.
pub(super) fn person_asked_for(simulator: &Simulator, request: &Request, path: &str) -> Option<usize> {
    let owner = |token: &str| hold(&simulator.consent).owner(token).map(|grant| grant.person);
    if path.starts_with("/oauth2/") {
        let form = request.form();
        return form
            .iter()
            .filter(|(key, _)| matches!(key.as_str(), "refresh_token" | "code" | "token"))
            .find_map(|(_, token)| owner(token));
    }
    bearer(request).and_then(owner)
}

fn bearer(request: &Request) -> Option<&str> {
    request.header("authorization")?.strip_prefix("Bearer ").map(str::trim)
}

fn data(simulator: &Simulator, request: &Request, path: &str) -> Response {
    let Some(token) = bearer(request) else {
        let left = simulator.count_against_quota(None);
        return with_quota(refusal::no_authorization().into_response(), left);
    };
    let admitted = hold(&simulator.consent).admit(token, simulator.now());
    let grant = match admitted {
        Ok(grant) => grant,
        Err(refused) => {
            let left = simulator.count_against_quota(None);
            let refusal = match refused {
                Refused::Expired => refusal::expired_token(token),
                Refused::Unknown => refusal::invalid_token(token),
            };
            return with_quota(refusal.into_response(), left);
        }
    };
    let left = simulator.count_against_quota(Some((&grant.client, grant.person)));
    if left.exceeded {
        let response = Response::json(429, &simulator.options.exhausted.body());
        let response = match simulator.options.retry_after {
            true => response.with("Retry-After", left.reset.to_string()),
            false => response,
        };
        return with_quota(response, left);
    }
    if (request.method.as_str(), path) == ("POST", "/1.1/oauth2/introspect") {
        return with_quota(oauth::introspect(simulator, request, &grant), left);
    }
    let Some(known) = simulator.life.known(grant.person, simulator.now()) else {
        return with_quota(refusal::not_found().into_response(), left);
    };
    let ask = Ask {
        simulator,
        known,
        scopes: grant.scopes,
        query: request.parameters(),
        path,
        raw_query: &request.query,
        base: simulator.base(request) + PREFIX,
        style: Style::of(path),
    };
    let response = match tell(&ask, &request.method) {
        Ok(Told::Json(value)) => Response::json(200, &value),
        Ok(Told::Tcx(document)) => Response::new(200, "application/vnd.garmin.tcx+xml", document),
        Err(refusal) => refusal.into_response(),
    };
    with_quota(response, left)
}

fn with_quota(response: Response, left: Left) -> Response {
    response
        .with("Fitbit-Rate-Limit-Limit", left.limit.to_string())
        .with("Fitbit-Rate-Limit-Remaining", left.remaining.to_string())
        .with("Fitbit-Rate-Limit-Reset", left.reset.to_string())
}

/// What a question is answered with.
enum Told {
    Json(Json),
    Tcx(String),
}

/// The addresses of the service.
#[rustfmt::skip]
fn tell(ask: &Ask, method: &str) -> Result<Told, Refusal> {
    if method != "GET" {
        return Err(refusal::read_only());
    }
    let segments: Vec<&str> = ask.path.split('/').skip(1).collect();
    let [version, "user", user, rest @ .., last] = segments.as_slice() else { return Err(refusal::not_found()) };
    if *user != "-" && *user != ask.known.person.user_id {
        return Err(refusal::not_this_user());
    }
    if let (&"1", ["activities"], Some(id)) = (version, rest, last.strip_suffix(".tcx")) {
        return list::tcx(ask, id).map(Told::Tcx);
    }
    let last = last.strip_suffix(".json").ok_or_else(refusal::not_found)?;
    let mut address: Vec<&str> = vec![version];
    address.extend(rest);
    address.push(last);
    let answer = match address.as_slice() {
        ["1", "profile"]                                        => account::profile(ask),
        ["1", "devices"]                                        => account::devices(ask),
        ["1", "badges"]                                         => account::badges(ask),
        ["1", "body", "log", "weight", "goal"]                  => body::weight_goal(ask),
        ["1", "body", "log", "fat", "goal"]                     => body::fat_goal(ask),
        ["1", "body", "log", "weight", "date", when @ ..]       => body::weight_log(ask, when),
        ["1", "body", "log", "fat", "date", when @ ..]          => body::fat_log(ask, when),
        ["1", "body", resource, "date", when @ ..]              => body::series(ask, resource, when),
        ["1", "activities"]                                     => activity::lifetime(ask),
        ["1", "activities", "list"]                             => list::activities(ask),
        ["1", "activities", "goals", period]                    => activity::goals(ask, period),
        ["1", "activities", "date", date]                       => activity::summary(ask, date),
        ["1", "activities", "heart", "date", when @ ..]         => heart::heart(ask, when),
        ["1", "activities", "active-zone-minutes", "date", when @ ..] => heart::zone_minutes(ask, when),
        ["1", "activities", "tracker", resource, "date", when @ ..]   => activity::tracker_series(ask, resource, when),
        ["1", "activities", resource, "date", when @ ..]        => activity::series(ask, resource, when),
        ["1", "spo2", "date", when @ ..]                        => nightly::oxygen(ask, when),
        ["1", "br", "date", when @ ..]                          => nightly::breathing(ask, when),
        ["1", "hrv", "date", when @ ..]                         => nightly::variability(ask, when),
        ["1", "temp", "skin", "date", when @ ..]                => nightly::skin(ask, when),
        ["1", "temp", "core", "date", when @ ..]                => nightly::core(ask, when),
        ["1", "cardioscore", "date", when @ ..]                 => nightly::fitness(ask, when),
        ["1.2", "sleep", "goal"]                                => sleep::goal(ask),
        ["1.2", "sleep", "list"]                                => list::sleeps(ask),
        ["1.2", "sleep", "date", when @ ..]                     => sleep::sleep(ask, when),
        ["1", "foods", "log", "goal"]                           => nutrition::food_goal(ask),
        ["1", "foods", "log", "water", "goal"]                  => nutrition::water_goal(ask),
        ["1", "foods", "log", "date", date]                     => nutrition::food_log(ask, date),
        // The log of one day and the series share their address up to the period.
        ["1", "foods", "log", "water", "date", date]            => nutrition::water_log(ask, date),
        ["1", "foods", "log", resource, "date", when @ ..]      => nutrition::series(ask, resource, when),
        ["1", "ecg", "list"]                                    => list::electrocardiograms(ask),
        ["1", "irn", "alerts", "list"]                          => list::alerts(ask),
        ["1", "irn", "profile"]                                 => rhythm::profile(ask),
        _                                                       => Err(refusal::not_found()),
    };
    answer.map(Told::Json)
}

/// A number as the service writes it: whole ones without a fraction.
fn number(value: f64) -> Json {
    if value.fract() == 0.0 { Json::from(value as i64) } else { Json::from(value) }
}
