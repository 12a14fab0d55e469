//! The forms of the setup page: what each field does to the files of the application and of a person.

use std::sync::Arc;

use anyhow::Result;
use secrecy::{ExposeSecret, SecretString};

use super::entrypoint::{Entrypoints, person};
use super::server::Request;
use super::trouble::Trouble;
use crate::fetch::Refusal;
use crate::household::Member;
use crate::plan::{self, BadRequest};
use crate::plugindata::{self, PersonFile};
use crate::reading::Person;
use crate::schedule::Change;
use crate::upstream::{self, Failure};

/// A form, decoded.
pub(super) struct Form {
    fields: Vec<(String, String)>,
}

/// Fields that are about the form itself.
const ABOUT: &[&str] = &["form_token", "returnTo"];
/// What can be asked of a person's form beside settings.
const OF_A_PERSON: &[&str] = &["user", "delete", "paste"];
/// Bytes of a field of the application; what a person's may have, their file knows.
const LONGEST: usize = 1024;

impl Form {
    pub fn read(request: &Request) -> Form {
        Form { fields: request.form() }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim())
    }

    /// Where to go afterwards: a path of this site only.
    pub fn return_to(&self) -> Result<Option<String>, BadRequest> {
        let Some(path) = self.get("returnTo").filter(|path| !path.is_empty()) else { return Ok(None) };
        let ours = path.starts_with('/')
            && !path.starts_with("//")
            && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        if ours {
            return Ok(Some(path.to_owned()));
        }
        Err(BadRequest("returnTo: only a path of this site is allowed, such as /plugin/fitbit/page/setup.html".into()))
    }

    /// The fields of a command, its name and `id` among them.
    pub fn of_a_command(&self) -> Vec<(String, String)> {
        let about = |name: &str| ABOUT.contains(&name) || name == "user";
        let fields = self.fields.iter().filter(|(name, _)| !about(name));
        fields.map(|(name, value)| (name.clone(), value.trim().to_owned())).collect()
    }

    /// `settings`: the application at an upstream, and what holds for everyone.
    pub async fn save_application(&self, bridge: &Entrypoints) -> Result<(), Trouble> {
        let allowed = ["provider", "client_id", "client_secret", "system", "default_provider"];
        self.only(&allowed)?;
        if let Some((name, _)) = self.fields.iter().find(|(_, value)| !is_a_line(value)) {
            return Err(BadRequest(format!("{name} must be one line of at most {LONGEST} bytes")).into());
        }
        let value = |name: &str| self.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
        let (provider, default) = (value("provider"), value("default_provider"));
        for (field, name) in [("provider", &provider), ("default_provider", &default)] {
            if let Some(name) = name.as_ref().filter(|name| upstream::find(name).is_none()) {
                let names = upstream::names();
                return Err(BadRequest(format!("{field}: {name:?} is not an upstream; allowed: {names}")).into());
            }
        }
        if provider.is_none() && (self.get("client_id").is_some() || self.get("client_secret").is_some()) {
            let names = upstream::names();
            return Err(
                BadRequest(format!("provider is missing: say whose client_id this is; allowed: {names}")).into()
            );
        }
        let text = |name: &str| self.get(name).map(str::to_owned);
        let (id, system) = (text("client_id"), text("system"));
        // An empty secret keeps the stored one: pages never show it, so a form comes back without.
        let secret = value("client_secret").map(SecretString::from);
        let household = Arc::clone(&bridge.household);
        blocking(move || {
            household.plugindata.save_application(|edit| {
                if let Some(provider) = &provider {
                    id.map_or(Ok(()), |id| edit.client_id(provider, &id))?;
                    secret.map_or(Ok(()), |secret| edit.client_secret(provider, secret.expose_secret()))?;
                }
                system.map_or(Ok(()), |system| edit.system(&system))?;
                default.map_or(Ok(()), |default| edit.default_provider(&default))
            })
        })
        .await?;
        (bridge.changed)(Change::People);
        // Another unit system is seen at once.
        for person in bridge.household.plugindata.people()? {
            bridge.fetcher.publish(&person).await;
        }
        Ok(())
    }

    /// `userSettings`: a person's settings; an unknown person is created.
    pub async fn save_person(&self, bridge: &Entrypoints) -> Result<(), Trouble> {
        let person = person(self.get("user"))?;
        let household = &bridge.household;
        let known = household.member(&person).await?;
        let filled = |name: &str| self.get(name).filter(|value| !value.is_empty());
        let delete = filled("delete");
        if let Some(delete) = delete.filter(|delete| *delete != "true") {
            return Err(BadRequest(format!("delete: {delete:?} is not allowed; allowed: true")).into());
        }
        if delete.is_some() && known.is_none() {
            return Err(Refusal::UnknownPerson(person).into());
        }
        let settings = self.settings(bridge, known.as_ref())?;
        if let Some(patient) = filled("patient")
            && let Some(why) = household.another_patient(&person, patient).await?
        {
            return Err(BadRequest(why).into());
        }
        self.save_settings(bridge, &person, settings).await?;
        if known.is_none() {
            household.store.note_removed(&person).await?;
            log::info!("{person}: created");
        }
        self.choose_patient(bridge, &person).await?;
        let mut done = Ok(());
        if let Some(member) = known.filter(|_| delete.is_some()) {
            if let Err(failure) = bridge.oauth.disconnect(&member).await {
                done = Err(still_connected(bridge, &person, failure).await);
            }
        } else if let Some(address) = filled("paste") {
            match bridge.oauth.paste(address, &person).await {
                Ok(connected) => bridge.connected(&connected.person),
                Err(error) => done = Err(Trouble::pasted(error)),
            }
        }
        (bridge.changed)(Change::People);
        bridge.fetcher.publish(&person).await;
        done
    }

    /// Where nobody logs in, a patient who is chosen is connected.
    async fn choose_patient(&self, bridge: &Entrypoints, person: &Person) -> Result<(), Trouble> {
        let Some(patient) = self.get("patient").filter(|patient| !patient.is_empty()) else { return Ok(()) };
        if bridge.household.member(person).await?.is_some_and(|member| member.upstream.is_organizations()) {
            bridge.oauth.choose(person, patient).await?;
            bridge.connected(person);
        }
        Ok(())
    }

    /// The settings in this form, each of which is one and has a value it can have. Everything is checked before
    /// anything is made or written.
    fn settings(&self, bridge: &Entrypoints, known: Option<&Member>) -> Result<Vec<(String, String)>, Trouble> {
        let allowed: Vec<&str> = OF_A_PERSON.iter().copied().chain(plugindata::settings()).collect();
        self.only(&allowed)?;
        let is_setting = |name: &str| !ABOUT.contains(&name) && !OF_A_PERSON.contains(&name);
        let fields = self.fields.iter().filter(|(name, _)| is_setting(name));
        let settings: Vec<_> = fields.map(|(name, value)| (name.clone(), value.trim().to_owned())).collect();
        for (name, value) in &settings {
            let checked = bridge.household.plugindata.check_setting(name, value);
            checked.map_err(|error| BadRequest(format!("{error:#}")))?;
        }
        let filled = |wanted: &str| settings.iter().find(|(name, value)| name == wanted && !value.is_empty());
        if let Some((_, methods)) = filled("methods") {
            let named = filled("provider").and_then(|(_, provider)| upstream::find(provider));
            let upstream = match (named, known) {
                (Some(upstream), _) => upstream,
                (None, Some(member)) => member.upstream,
                (None, None) => bridge.household.upstream(&PersonFile::default())?,
            };
            for method in methods.split(',').map(str::trim).filter(|method| !method.is_empty()) {
                plan::check_method(upstream, method)?;
            }
        }
        Ok(settings)
    }

    async fn save_settings(
        &self,
        bridge: &Entrypoints,
        person: &Person,
        settings: Vec<(String, String)>,
    ) -> Result<(), Trouble> {
        let (household, person) = (Arc::clone(&bridge.household), person.clone());
        blocking(move || {
            household.plugindata.create(&person)?;
            if settings.is_empty() {
                return Ok(());
            }
            household
                .plugindata
                .save(&person, |edit| settings.iter().try_for_each(|(name, value)| edit.set(name, value)))
        })
        .await
    }

    /// Whether every field is one of the form's, and given once.
    fn only(&self, allowed: &[&str]) -> Result<(), BadRequest> {
        let mut seen = Vec::new();
        for (name, _) in &self.fields {
            if seen.contains(&name) {
                return Err(BadRequest(format!("{name:?} is given twice")));
            }
            seen.push(name);
            if !ABOUT.contains(&name.as_str()) && !allowed.contains(&name.as_str()) {
                return Err(BadRequest(format!("{name:?} is not a field; allowed: {}", allowed.join(", "))));
            }
        }
        Ok(())
    }
}

fn is_a_line(value: &str) -> bool {
    value.len() <= LONGEST && !value.trim().chars().any(char::is_control)
}

/// What was not done of a disconnection.
async fn still_connected(bridge: &Entrypoints, person: &Person, failure: Failure) -> Trouble {
    let trouble = match bridge.household.member(person).await {
        Ok(Some(member)) if member.file.token.is_none() => {
            let cure = format!("withdraw the consent by hand, in the account's settings at {}", member.upstream.title);
            Trouble::new(502, format!("{person} is disconnected here, but {failure}"), cure)
        }
        _ => {
            let cure = "look at the data folder's permissions and free space, then disconnect again";
            Trouble::new(500, format!("{person} could not be disconnected: {failure}"), cure)
        }
    };
    trouble.of(person)
}

/// Files are written apart from everything else, for another process may hold their lock during a whole request.
async fn blocking(write: impl FnOnce() -> Result<()> + Send + 'static) -> Result<(), Trouble> {
    Ok(tokio::task::spawn_blocking(write).await.map_err(anyhow::Error::from)??)
}
