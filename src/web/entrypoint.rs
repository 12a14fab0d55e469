//! The entry points: which request does what. Paths and verbs are the manifest's; what a fetch or a consent is, other
//! rooms know.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::json;

use super::access::Access;
use super::form::Form;
use super::history;
use super::page::{self, ICON_PATH, SETUP_PATH, STATUS_PATH, STYLE_PATH};
use super::patient::{Found, Search};
use super::server::{Handler, Request, Response};
use super::setup;
use super::status;
use super::trouble::{self, Trouble};
use crate::command::{self, Command};
use crate::config::Whom;
use crate::doctor::Finding;
use crate::fetch::{Fetcher, Refusal};
use crate::group::Groups;
use crate::household::{Household, Member};
use crate::manifest::{Manifest, Verb};
use crate::oauth::OAuth;
use crate::plan::{BadRequest, Wanted};
use crate::plus::Reader;
use crate::reading::Person;
use crate::schedule::Change;
use crate::sink::mqtt::topic::Topics;
use crate::telemetry::MEDIA_TYPE;

/// What the entry points need of the rest of the bridge.
pub struct Entrypoints {
    /// Who the people are.
    pub household: Arc<Household>,
    /// Their consent.
    pub oauth: Arc<OAuth>,
    /// Their fetches.
    pub fetcher: Arc<Fetcher>,
    /// What an organization has.
    pub reader: Reader,
    /// Its groups.
    pub groups: Arc<Groups>,
    /// Who may ask.
    pub access: Access,
    /// Where their values are published.
    pub topics: Topics,
    /// Called when people came, went or consented.
    pub changed: Box<dyn Fn(Change) + Send + Sync>,
    /// Begins what a command asks for a person, in the background; `false`: too much is going on already.
    pub begin: Box<dyn Fn(Person, Command) -> bool + Send + Sync>,
    /// Waits a little until the broker has what was published.
    pub delivered: Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>,
    /// What keeps the bridge from being ready, if anything does.
    pub unready: Box<dyn Fn() -> Option<String> + Send + Sync>,
    /// Looks at everything that may be wrong; `None`: somebody else has it looked at just now.
    pub examine: Box<dyn Fn() -> BoxFuture<'static, Option<Vec<Finding>>> + Send + Sync>,
    /// What is counted of the bridge, as Prometheus reads it.
    pub numbers: Box<dyn Fn() -> BoxFuture<'static, Result<String>> + Send + Sync>,
    /// Set when the bridge is stopping.
    pub stopping: Arc<AtomicBool>,
}

#[async_trait]
impl Handler for Entrypoints {
    async fn answer(&self, request: Request) -> Response {
        let mut response = self.route(&request).await;
        for (name, value) in [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")] {
            if !response.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name)) {
                response = response.with(name, value);
            }
        }
        response
    }
}

impl Entrypoints {
    async fn route(&self, request: &Request) -> Response {
        let verb = match self.admit(request) {
            Ok(verb) => verb,
            Err(response) => return response,
        };
        let answered = match (verb, request.path.as_str()) {
            (Verb::Get, "/plugin/fitbit") => {
                // Who asks for data wants JSON, whatever else they can show.
                return self.fetch(request).await.unwrap_or_else(|trouble| self.json(&trouble));
            }
            (Verb::Get, "/plugin/fitbit/history") => {
                let answered = history::answer(&self.household, &request.parameters()).await;
                return answered.unwrap_or_else(|trouble| self.json(&trouble));
            }
            (Verb::Get, "/plugin/fitbit/auth1") => self.auth1(request).await,
            (Verb::Get, "/plugin/fitbit/auth2") => self.auth2(request).await,
            (Verb::Get, SETUP_PATH) => self.setup(request, None, None).await,
            (Verb::Post, SETUP_PATH) => self.looked_up(request).await,
            (Verb::Get, STATUS_PATH) => self.status(request).await,
            (Verb::Get, STYLE_PATH) => Ok(page::style()),
            (Verb::Get, ICON_PATH) => Ok(page::icon()),
            (Verb::Get, "/healthz") => Ok(Response::text(200, "ok\n")),
            (Verb::Get, "/readyz") => Ok(match (self.unready)() {
                None => Response::text(200, "ready\n"),
                Some(why) => Response::text(503, format!("{why}\n")),
            }),
            (Verb::Get, "/metrics") => match (self.numbers)().await {
                Ok(numbers) => Ok(Response::new(200, MEDIA_TYPE, numbers)),
                Err(error) => Err(Refusal::Internal(error).into()),
            },
            (Verb::Get, "/") => Ok(Response::text(303, "").with("Location", SETUP_PATH)),
            (Verb::Post, "/plugin/fitbit/settings") => self.post(request, false).await,
            (Verb::Post, "/plugin/fitbit/userSettings") => self.post(request, true).await,
            (Verb::Post, "/plugin/fitbit/command") => self.command(request).await,
            _ => Err(Trouble::new(404, "there is nothing at this address", "open the setup page")),
        };
        answered.unwrap_or_else(|trouble| trouble.answer(request, self.now()))
    }

    /// Which entry point is asked for, if there is one and the asker may.
    fn admit(&self, request: &Request) -> Result<Verb, Response> {
        let refuse = |status, error: &str, cure: &str| Err(self.json(&Trouble::new(status, error, cure)));
        if !self.access.is_our_host(request) {
            let cure = "use the address in http.public_url, an IP address, or add the name to http.allowed_hosts";
            return refuse(421, "this host name is not one of the bridge's", cure);
        }
        let path = request.path.as_str();
        let here = Manifest::embedded().entrypoints().iter().filter(|entry| entry.path == path);
        let verbs: Vec<Verb> = here.map(|entry| entry.verb).collect();
        if verbs.is_empty() {
            let cure = "open the setup page at /, or see plugin-manifest.toml";
            return refuse(404, "there is nothing at this address", cure);
        }
        let Some(verb) = verbs.iter().find(|verb| verb.as_str() == request.method) else {
            let mut allowed: Vec<_> = verbs.iter().map(|verb| verb.as_str()).collect();
            if allowed.contains(&"GET") {
                allowed.push("HEAD");
            }
            let allowed = allowed.join(", ");
            let cure = format!("use one of: {allowed}");
            let refused = refuse(405, "this address does not take that method", &cure);
            return refused.map_err(|response: Response| response.with("Allow", allowed));
        };
        let open = ["/plugin/fitbit/auth2", "/healthz", "/readyz", STYLE_PATH, ICON_PATH].contains(&path);
        if !open && !self.access.knows_password(request) {
            let refused = refuse(401, "the password is missing or wrong", "log in as admin with http.password");
            let realm = "Basic realm=\"fitbit2mqtt\", charset=\"UTF-8\"";
            return refused.map_err(|response: Response| response.with("WWW-Authenticate", realm));
        }
        Ok(*verb)
    }

    async fn fetch(&self, request: &Request) -> Result<Response, Trouble> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(Trouble::new(503, "the bridge is stopping", "ask again when it is back"));
        }
        if self.access.is_cross_site(request) {
            return Err(Trouble::new(403, "another site asked for this", "open the address yourself"));
        }
        let (whom, wanted) = read_fetch(&request.parameters())?;
        let person = match whom {
            Whom::Person(person) => person,
            Whom::Group(group) => {
                let file = self.groups.fetch(&group, &wanted, false, &|_| {}).await?;
                (self.delivered)().await;
                return Ok(Response::file("application/json; charset=utf-8", Arc::new(file)));
            }
        };
        let fetched = self.fetcher.fetch(&person, &wanted).await;
        // A folder made or removed by hand is noticed at the first request for the person.
        let gone = matches!(fetched, Err(Refusal::UnknownPerson(_)));
        if gone == self.household.next_actions().contains_key(&Whom::Person(person.clone())) {
            (self.changed)(Change::People);
        }
        if let Err(refusal @ (Refusal::Failed(..) | Refusal::Setting(..) | Refusal::Internal(_))) = &fetched {
            log::warn!("a fetch of {person} failed: {refusal}");
        }
        (self.delivered)().await;
        Ok(Response::json(200, fetched?.json()))
    }

    async fn auth1(&self, request: &Request) -> Result<Response, Trouble> {
        if self.access.is_cross_site(request) {
            let cure = "open the setup page and connect there";
            return Err(Trouble::new(403, "another site asked for this", cure));
        }
        let parameters = request.parameters();
        let user = parameters.iter().find(|(name, _)| name == "user").map(|(_, value)| value.as_str());
        let member = self.member(user).await?;
        if member.upstream.is_organizations() {
            let page = format!("{SETUP_PATH}?user={}#patient", member.person);
            return Ok(Response::text(303, "").with("Location", page));
        }
        let url = self.oauth.begin(&member).await.map_err(|failure| Refusal::Failed(member.person, failure))?;
        Ok(Response::text(303, "").with("Location", url.as_str()))
    }

    async fn auth2(&self, request: &Request) -> Result<Response, Trouble> {
        let error = match self.oauth.complete(&request.parameters(), None).await {
            Ok(connected) => {
                self.connected(&connected.person);
                return Ok(page::answer(200, page::message(&setup::connected(&connected))));
            }
            Err(error) => error,
        };
        let Some(person) = error.person().cloned() else { return Err(error.into()) };
        log::warn!("{person}: consent failed: {}", error.what());
        // A consent that was to replace another leaves that one as it is.
        let kept = self.household.member(&person).await?.is_some_and(|member| member.file.token.is_some());
        let trouble = Trouble::from(error);
        if trouble.status != 200 && !trouble::shows_pages(request) {
            return Err(trouble);
        }
        Ok(page::answer(trouble.status, page::message(&setup::not_connected(&person, kept, &trouble))))
    }

    /// What follows a consent that has just been given: everyone hears of it, and the first fetch runs at once in the
    /// background.
    pub fn connected(&self, person: &Person) {
        (self.changed)(Change::Connected(person.clone()));
    }

    /// The setup page with the patients who are looked for, else with what the doctor found. A form asks for either, as
    /// connections are made and messages sent.
    async fn looked_up(&self, request: &Request) -> Result<Response, Trouble> {
        let form = self.form(request)?;
        if let Some(search) = Search::read(&form) {
            return self.setup(request, None, Some(search.run(&self.reader).await)).await;
        }
        let Some(findings) = (self.examine)().await else {
            return Err(Trouble::new(503, "everything is being looked at just now", "ask again in a minute"));
        };
        self.setup(request, Some(findings), None).await
    }

    async fn setup(
        &self,
        request: &Request,
        examined: Option<Vec<Finding>>,
        found: Option<Found>,
    ) -> Result<Response, Trouble> {
        let parameters = request.parameters();
        let parameter = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let shown = setup::Shown {
            selected: parameter("user"),
            done: parameter("done"),
            form_token: self.access.form_token(self.now()),
            unready: (self.unready)(),
            examined,
            found,
        };
        let view = setup::view(&self.household, &self.oauth, shown).await?;
        Ok(page::answer(200, page::setup(&view)))
    }

    async fn status(&self, request: &Request) -> Result<Response, Trouble> {
        let token = self.access.form_token(self.now());
        let view = status::view(&self.household, &self.topics, &request.parameters(), token).await?;
        Ok(page::answer(200, page::status(&view)))
    }

    async fn post(&self, request: &Request, of_person: bool) -> Result<Response, Trouble> {
        let form = self.form(request)?;
        let back = form.return_to()?;
        if of_person {
            form.save_person(self).await?;
        } else {
            form.save_application(self).await?;
        }
        Ok(match back {
            Some(path) => Response::text(303, "").with("Location", path),
            None => Response::text(200, "ok\n"),
        })
    }

    /// The form of a request, if it was sent from one of our pages or by somebody who read one.
    fn form(&self, request: &Request) -> Result<Form, Trouble> {
        let form = Form::read(request);
        if self.access.is_our_form(request, form.get("form_token"), self.now()) {
            return Ok(form);
        }
        let cure = "reload the setup page and send the form again; scripts take form_token from that page";
        Err(Trouble::new(403, "this form was not sent from one of the bridge's pages", cure))
    }

    /// Begins what a command asks; what comes of it is said on the `result` topic.
    async fn command(&self, request: &Request) -> Result<Response, Trouble> {
        let form = self.form(request)?;
        let back = form.return_to()?;
        let member = self.member(form.get("user")).await?;
        let refused =
            |refused: Box<command::Refused>| Trouble::new(400, refused.error, refused.cure).of(&member.person);
        let mut command = command::read_form(&member.person, &form.of_a_command()).map_err(refused)?;
        let id = command.id.get_or_insert_with(|| format!("{:08x}", rand::random::<u32>()).into()).clone();
        let name = command.task.name();
        if self.stopping.load(Ordering::Relaxed) || !(self.begin)(member.person, command) {
            return Err(Trouble::new(503, "too many commands are under way", "send it again in a while"));
        }
        Ok(match back {
            Some(path) => Response::text(303, "").with("Location", path),
            None => Response::json(202, &json!({"id": id, "command": name})),
        })
    }

    async fn member(&self, user: Option<&str>) -> Result<Member, Refusal> {
        let person = person(user)?;
        self.household.member(&person).await?.ok_or(Refusal::UnknownPerson(person))
    }

    fn json(&self, trouble: &Trouble) -> Response {
        trouble.json(self.now())
    }

    fn now(&self) -> DateTime<Utc> {
        self.household.clock.now()
    }
}

/// The parameters of a fetch: `user` or `group`, and what [`command::read_fetch`] takes.
pub fn read_fetch(parameters: &[(String, String)]) -> Result<(Whom, Wanted), BadRequest> {
    let names = ["user", "group"];
    let (named, others): (Vec<_>, Vec<_>) =
        parameters.iter().cloned().partition(|(name, _)| names.contains(&name.as_str()));
    let wanted = command::read_fetch(&others)?;
    let whom = match named.as_slice() {
        [(name, id)] if name == "group" => Whom::group(id).ok_or_else(|| {
            BadRequest(format!("group: {id:?} is no identifier of a group: those are letters and digits"))
        })?,
        [(first, _), (second, _), ..] if first == second => return Err(BadRequest(format!("{first} is given twice"))),
        [_, _, ..] => return Err(BadRequest("user and group exclude each other: give one of them".into())),
        named => Whom::Person(person(named.first().map(|(_, name)| name.as_str()))?),
    };
    Ok((whom, wanted))
}

/// A person's name as a parameter.
pub(super) fn person(user: Option<&str>) -> Result<Person, BadRequest> {
    let name =
        user.filter(|name| !name.is_empty()).ok_or_else(|| BadRequest("user is missing: name a person".into()))?;
    name.parse().map_err(|bad| BadRequest(format!("user: {bad}")))
}
