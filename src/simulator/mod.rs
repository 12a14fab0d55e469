//! The simulated cloud: demo, tests and examples run against it instead of the real services. It must be as strict
//! as the services are documented to be, and it knows nothing of the bridge.

mod consent;
mod control;
mod fault;
mod fitbit;
mod fitbit_plus;
mod google_health;
pub mod life;
mod page;
mod record;
mod tcx;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Clock;
use crate::web::server::{Handler, Request, Response};

pub use consent::{Client, TokenAnswer};
pub use fault::{Effect, Exhausted, Fault};
pub use fitbit_plus::{CREDENTIALS as PLUS_CREDENTIALS, Clinic, Programme};
pub use google_health::Project;
pub use life::{Change, Known, Life};
pub use record::Asked;

/// How a simulated cloud is set up.
pub struct Options {
    /// What all lives are drawn from.
    pub seed: u64,
    /// How many people live there.
    pub people: usize,
    /// The applications that are registered.
    pub clients: Vec<Client>,
    /// How long an access token of the Fitbit Web API lives.
    pub access_token_life: TimeDelta,
    /// Requests an hour that each person's data may be asked for by each application of the Fitbit Web API.
    pub quota: u32,
    /// Which of the documented bodies answers what exceeds the quota.
    pub exhausted: Exhausted,
    /// Whether that answer has a `Retry-After`, which the service has not always sent.
    pub retry_after: bool,
    /// Whether the Fitbit Web API tells a score of each night, in the answer about a single day.
    pub sleep_score: bool,
    /// How the applications stand with Google.
    pub project: Project,
    /// How large the organization at Fitbit Plus is.
    pub programme: Programme,
    /// Address under which clients reach this cloud, without a slash at its end; by default what their `Host` says.
    pub base: Option<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            seed: 1,
            people: 2,
            clients: vec![Client::confidential(), Client::public(), Client::google()],
            access_token_life: TimeDelta::seconds(28_800),
            quota: 150,
            exhausted: Exhausted::System,
            retry_after: false,
            sleep_score: false,
            project: Project::default(),
            programme: Programme::default(),
            base: None,
        }
    }
}

/// The two clouds that know the same people; Fitbit Plus has patients of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// The Fitbit Web API.
    Fitbit,
    /// The Google Health API.
    GoogleHealth,
}

/// A simulated person, as applications and people name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inhabitant {
    /// Number, from 0.
    pub index: usize,
    /// Display name.
    pub name: String,
    /// The service's identifier.
    pub user_id: String,
    /// IANA time zone.
    pub zone: String,
}

/// The simulated cloud.
pub struct Simulator {
    options: Options,
    clock: Clock,
    life: Life,
    consent: Mutex<consent::Ledger>,
    quota: Mutex<record::Quota>,
    faults: Mutex<Vec<Fault>>,
    record: Mutex<Vec<Asked>>,
    /// Addresses of further pages that were handed out: no others are answered.
    pages: Mutex<std::collections::HashSet<String>>,
    google: Mutex<google_health::State>,
    clinic: Clinic,
}

#[async_trait]
impl Handler for Simulator {
    async fn answer(&self, request: Request) -> Response {
        let response = self.carry_out(request).await;
        response.with("Date", self.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string())
    }
}

impl Simulator {
    async fn carry_out(&self, request: Request) -> Response {
        if let Some(path) = request.path.strip_prefix("/control") {
            return control::answer(self, &request, path);
        }
        let below = |prefix: &str| request.path.strip_prefix(prefix).filter(|path| path.starts_with('/'));
        if let Some(path) = below(fitbit_plus::PREFIX) {
            let effects = self.effects(&request.path, None);
            let response = fault::answer(effects, || fitbit_plus::answer(self, &request, path)).await;
            self.note(&request, path, None, response.status);
            return response;
        }
        let (path, cloud) = match (below(fitbit::PREFIX), below(google_health::PREFIX)) {
            (Some(path), _) => (path, Cloud::Fitbit),
            (None, Some(path)) => (path, Cloud::GoogleHealth),
            (None, None) => return control::welcome(self, &request),
        };
        let person = match cloud {
            Cloud::Fitbit => fitbit::person_asked_for(self, &request, path),
            Cloud::GoogleHealth => google_health::person_asked_for(self, &request, path),
        };
        let effects = self.effects(&request.path, person);
        let carry_out = || match cloud {
            Cloud::Fitbit => fitbit::answer(self, &request, path),
            Cloud::GoogleHealth => google_health::answer(self, &request, path),
        };
        let response = fault::answer(effects, carry_out).await;
        self.note(&request, path, person, response.status);
        response
    }
}

impl Simulator {
    /// A cloud whose time is that of `clock`.
    pub fn new(options: Options, clock: Clock) -> Arc<Simulator> {
        let life = Life::new(options.seed, options.people);
        let clinic = Clinic::new(options.seed, options.programme, clock.clone());
        Arc::new(Simulator {
            options,
            clock,
            life,
            consent: Mutex::default(),
            quota: Mutex::default(),
            faults: Mutex::default(),
            record: Mutex::default(),
            pages: Mutex::default(),
            google: Mutex::default(),
            clinic,
        })
    }

    /// The organization at Fitbit Plus.
    pub fn clinic(&self) -> &Clinic {
        &self.clinic
    }

    /// Everyone who lives here.
    pub fn people(&self) -> Vec<Inhabitant> {
        let inhabitant = |person: Arc<life::Person>| Inhabitant {
            index: person.index,
            name: person.name.clone(),
            user_id: person.user_id.clone(),
            zone: person.zone.name().to_owned(),
        };
        (0..self.life.count()).filter_map(|index| self.life.person(index)).map(inhabitant).collect()
    }

    /// A token as after consent by the person of this index, for an application that is registered here.
    pub fn grant(&self, client_id: &str, person: usize, scopes: &[&str]) -> Result<TokenAnswer> {
        let known = |client: &&Client| client.id == client_id;
        let client = self.options.clients.iter().find(known);
        let client = client.with_context(|| format!("no application {client_id:?} is registered"))?;
        self.life.person(person).with_context(|| format!("there is no person number {person}"))?;
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let grant = consent::Grant { client: client.id.clone(), person, scopes };
        let now = self.now();
        if client.cloud() == Cloud::GoogleHealth {
            let pair = hold(&self.google).vault.issue(grant, true, now, &self.options.project);
            return Ok(TokenAnswer {
                access_token: pair.access,
                refresh_token: pair.refresh.unwrap_or_default(),
                expires_in: google_health::ACCESS_TOKEN_LIFE.num_seconds(),
                scope: pair.grant.scopes.join(" "),
                user_id: self
                    .life
                    .person(person)
                    .map(|person| google_health::health_user_id(&person))
                    .unwrap_or_default(),
            });
        }
        let pair = hold(&self.consent).issue(grant, now, now + self.options.access_token_life);
        Ok(self.token_answer(&pair))
    }

    /// All scopes of the Fitbit Web API.
    pub fn scopes() -> &'static [&'static str] {
        fitbit::SCOPES
    }

    /// All scopes of the Google Health API that let something be read, as full addresses.
    pub fn google_scopes() -> &'static [&'static str] {
        google_health::SCOPES
    }

    /// Consents (or with no scopes refuses) in a person's place: the address at which the browser ends, which is what
    /// the form of the consent page leads to. `asked` is the whole address of that page, of either cloud.
    pub fn consent(&self, asked: &str, person: usize, scopes: &[&str]) -> Result<String> {
        let (page, query) = asked.split_once('?').unwrap_or((asked, ""));
        let fields = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        self.life.person(person).with_context(|| format!("there is no person number {person}"))?;
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        if page.ends_with(google_health::CONSENT_PAGE) {
            return google_health::consent(self, &fields, person, scopes);
        }
        fitbit::consent(self, &fields, person, scopes)
    }

    /// Takes back every token of a person, as if they had revoked all applications' access on both websites.
    pub fn revoke(&self, person: usize) {
        hold(&self.consent).revoke(|grant| grant.person == person);
        hold(&self.google).vault.revoke(|grant| grant.person == person);
    }

    /// Makes requests go wrong; earlier faults come first.
    pub fn fault(&self, fault: Fault) {
        hold(&self.faults).push(fault);
    }

    /// Switches the Fitbit Web API off: everything of it, its consent page too, answers `410 Gone`.
    pub fn switch_fitbit_off(&self) {
        let path = format!("{}/", fitbit::PREFIX);
        self.fault(Fault { path, person: None, times: None, effect: Effect::SwitchedOff });
    }

    /// Makes everything work again.
    pub fn clear_faults(&self) {
        hold(&self.faults).clear();
    }

    /// Changes a person's life.
    pub fn change(&self, person: usize, change: Change) -> Result<()> {
        self.life.change(person, change, self.now())
    }

    /// What the cloud has on record of a person now: the truth to compare answers with.
    pub fn known(&self, person: usize) -> Result<Known> {
        self.life.known(person, self.now()).with_context(|| format!("there is no person number {person}"))
    }

    /// Every request so far but those to `/control`, in order.
    pub fn requests(&self) -> Vec<Asked> {
        hold(&self.record).clone()
    }

    /// How many requests so far had this in their path.
    pub fn count(&self, path: &str) -> usize {
        hold(&self.record).iter().filter(|asked| asked.path.contains(path)).count()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        hold(&self.record).clear();
    }

    /// A configuration that leads to this cloud at `address`, and in comments the applications that are registered.
    pub fn configuration(&self, address: &str) -> String {
        let clouds = [Cloud::GoogleHealth, Cloud::Fitbit];
        let mut text = String::from("# Registered applications:\n");
        for client in self.options.clients.iter().filter(|client| clouds.contains(&client.cloud())) {
            text += &match &client.secret {
                Some(secret) => format!("# client_id = {:?}, client_secret = {secret:?}\n", client.id),
                None => format!("# client_id = {:?}, without a secret\n", client.id),
            };
        }
        let (id, secret) = fitbit_plus::CREDENTIALS;
        text += &format!("# client_id = {id:?}, client_secret = {secret:?} (Fitbit Plus)\n");
        for cloud in clouds {
            let (name, prefix, authorize, token, revoke) = match cloud {
                Cloud::Fitbit => ("fitbit", fitbit::PREFIX, "/oauth2/authorize", "/oauth2/token", "/oauth2/revoke"),
                Cloud::GoogleHealth => {
                    ("google-health", google_health::PREFIX, google_health::CONSENT_PAGE, "/token", "/revoke")
                }
            };
            let api = format!("{address}{prefix}");
            text += &format!(
                "[upstream.{name}]\napi_url = \"{api}\"\nauthorize_url = \"{api}{authorize}\"\n\
                 token_url = \"{api}{token}\"\nrevoke_url = \"{api}{revoke}\"\n"
            );
            if cloud == Cloud::Fitbit && self.options.sleep_score {
                text += "sleep_score = true\n";
            }
        }
        let api = format!("{address}{}", fitbit_plus::PREFIX);
        text += &format!("[upstream.fitbit-plus]\napi_url = \"{api}\"\ntoken_url = \"{api}/oauth/token\"\n");
        text
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The application of this id, if it is registered with this cloud.
    fn client(&self, cloud: Cloud, id: &str) -> Option<&Client> {
        self.options.clients.iter().find(|client| client.id == id && client.cloud() == cloud)
    }

    /// Address of this cloud as the client that sent `request` sees it.
    fn base(&self, request: &Request) -> String {
        let host = || request.header("host").unwrap_or("127.0.0.1");
        self.options.base.clone().unwrap_or_else(|| format!("http://{}", host()))
    }

    fn token_answer(&self, pair: &consent::Pair) -> TokenAnswer {
        let user_id = self.life.person(pair.grant.person).map(|person| person.user_id.clone());
        TokenAnswer {
            access_token: pair.access.clone(),
            refresh_token: pair.refresh.clone(),
            expires_in: self.options.access_token_life.num_seconds(),
            scope: pair.grant.scopes.join(" "),
            user_id: user_id.unwrap_or_default(),
        }
    }
}

/// What is behind the lock; a panic elsewhere leaves nothing half done, for every change is a single step.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
