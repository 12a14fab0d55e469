//! Tokens, client ids and settings of programs that did this work before, taken over into plugindata. What their files
//! look like stands beside, one file for each; asks no upstream and knows no store.

mod home_assistant; // `.storage` of Home Assistant
mod igor; // Igor's database
mod token_file; // one JSON object with one token

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value as Json;

use crate::household;
use crate::plugindata::{Plugindata, Token};
use crate::reading::Person;
use crate::upstream;

/// What may be imported, for a message.
const READABLE: &str = "a database.xml of Igor, Home Assistant's .storage/core.config_entries (or its old fitbit.conf), \
                        or the token file of fitbit-grafana";

/// What a file of another program holds.
#[derive(Debug)]
pub struct Found {
    /// Whose file it is.
    program: &'static str,
    /// The unit system of everyone.
    system: Option<String>,
    clients: Vec<Client>,
    accounts: Vec<Account>,
}

/// An application as registered at an upstream.
#[derive(Debug, Clone)]
struct Client {
    provider: &'static str,
    id: String,
    secret: Option<SecretString>,
}

/// One person there.
#[derive(Debug)]
struct Account {
    /// What that program calls them, where that can be a name here.
    name: Option<Person>,
    /// What that program calls them, in words.
    title: String,
    provider: &'static str,
    settings: Vec<(String, String)>,
    token: Option<Token>,
    /// The application that the token was given to, where the file says.
    client: Option<String>,
}

/// What was taken, and what was not, a sentence each.
#[derive(Debug, Default)]
pub struct Report {
    /// The sentences; no secret is in them.
    pub lines: Vec<String>,
    /// Whether anything is new here, or was here already; if not, the import failed.
    pub useful: bool,
}

impl Found {
    /// Reads a file of another program, and what belongs to it in the same folder.
    ///
    /// # Errors
    /// The file cannot be read, or is none that is known here. What stands in it is not repeated.
    pub fn read(path: &Path) -> Result<Found> {
        let path = if path.is_dir() { path.join(home_assistant::ENTRIES) } else { path.to_owned() };
        let text = |path: &Path| {
            std::fs::read_to_string(path)
                .with_context(|| format!("reading {}; name a file this user may read", path.display()))
        };
        let whole = text(&path)?;
        let what = || format!("{} is not what can be imported: {READABLE}", path.display());
        if whole.trim_start_matches('\u{feff}').trim_start().starts_with('<') {
            return igor::read(&whole).with_context(what);
        }
        let json: Json = serde_json::from_str(&whole).with_context(what)?;
        let Some(key) = json.get("key").and_then(Json::as_str) else {
            return token_file::read(&json).with_context(what);
        };
        let beside = home_assistant::beside(key).with_context(what)?;
        // The one has the tokens and the other the application; each alone is of some use.
        let beside = path.with_file_name(beside);
        let beside = if beside.exists() {
            let broken = || format!("{} is not JSON", beside.display());
            serde_json::from_str(&text(&beside)?).with_context(broken)?
        } else {
            Json::Null
        };
        home_assistant::read([&json, &beside]).with_context(what)
    }

    /// Takes over what is found: of everyone, or of `user` only, who may have another name there. A token, a client or
    /// a setting that is here already is never overwritten, but for an older token of the same account.
    ///
    /// # Errors
    /// Who is meant is not clear, or the tokens are of another application than the one here. Then nothing is written.
    pub fn take(self, plugindata: &Plugindata, user: Option<&Person>) -> Result<Report> {
        let Found { program, system, clients, accounts } = self;
        let chosen = chosen(accounts, user)?;
        let application = plugindata.application()?;
        for (person, account) in &chosen {
            let here = application.client(account.provider).id;
            if let (Some(there), Some(here)) = (&account.client, here)
                && *there != here
                && account.token.is_some()
            {
                bail!(
                    "{person}'s token was given to the application {there}, and the one registered here is {here}; a token \
                     works for its own application only. Remove the client id here first, or let {person} connect anew"
                );
            }
        }
        let mut report = Report::default();
        for client in clients {
            let here = application.client(client.provider);
            match here.id {
                Some(id) if id == client.id => report.note(format!("the application {id} is here already")),
                Some(id) => {
                    let there = client.id;
                    report.lines.push(format!("the application {there} was left out, for {id} is registered here"));
                }
                None => {
                    plugindata.save_application(|edit| {
                        edit.client_id(client.provider, &client.id)?;
                        edit.client_secret(
                            client.provider,
                            client.secret.as_ref().map_or("", |secret| secret.expose_secret()),
                        )
                    })?;
                    report.note(format!("the application {} was taken from {program}", client.id));
                }
            }
        }
        if let (Some(system), None) = (&system, &application.system) {
            plugindata.save_application(|edit| edit.system(system))?;
            report.note(format!("the system {system} was taken from {program}"));
        }
        for (person, account) in chosen {
            account.take(plugindata, &person, program, &mut report).with_context(|| format!("importing {person}"))?;
        }
        Ok(report)
    }
}

impl Report {
    fn note(&mut self, line: String) {
        self.lines.push(line);
        self.useful = true;
    }
}

impl Account {
    fn take(self, plugindata: &Plugindata, person: &Person, program: &str, report: &mut Report) -> Result<()> {
        plugindata.create(person)?;
        // Held to the end, so that a running bridge renews nothing in between.
        let guard = plugindata.lock(person)?;
        let here = guard.read()?;
        let mut settings: Vec<(&str, &str)> =
            self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        settings.push(("provider", self.provider));
        let mut taken = Vec::new();
        for (key, value) in settings.into_iter().filter(|(key, _)| here.setting(key).is_none()) {
            match guard.save(|edit| edit.set(key, value)) {
                Ok(()) => taken.push(key),
                Err(error) => report.lines.push(format!("{person}: {key} was left out: {error:#}")),
            }
        }
        if !taken.is_empty() {
            report.note(format!("{person}: {} taken from {program}", taken.join(", ")));
        }
        let Some(token) = self.token else {
            report.lines.push(format!("{person}: {program} has no token; connect on the setup page"));
            return Ok(());
        };
        match compare(here.token.as_ref(), &token) {
            Comparison::Newer => {
                let account = household::account(self.provider, token.user_id.as_deref(), person);
                guard.save_consent(&token, &account)?;
                report.note(format!("{person}: token taken from {program}"));
                report.lines.push(format!(
                    "{person}: from now on only one of the two may use this token, for it changes with each renewal: \
                     switch it off in {program}"
                ));
            }
            Comparison::Same => report.note(format!("{person}: the token is here already")),
            Comparison::Keep(why) => report.lines.push(format!("{person}: the token was left out, for {why}")),
        }
        let provider = here.provider.as_deref().unwrap_or(self.provider);
        if provider != self.provider {
            let title = upstream::find(self.provider).map_or(self.provider, |upstream| upstream.title);
            report.lines.push(format!("{person}: this token is of {title}, and the provider here is {provider}"));
        }
        Ok(())
    }
}

enum Comparison {
    /// The one found is to be used.
    Newer,
    /// They are the same.
    Same,
    /// The one here stays.
    Keep(&'static str),
}

/// An access token lasts some hours from its renewal, so the one that ends later was renewed later.
fn compare(here: Option<&Token>, there: &Token) -> Comparison {
    let Some(here) = here else { return Comparison::Newer };
    let secret = |token: &Token| {
        let refresh = token.refresh_token.as_ref().unwrap_or(&token.access_token);
        refresh.expose_secret().to_owned()
    };
    if secret(here) == secret(there) {
        return Comparison::Same;
    }
    if let (Some(ours), Some(theirs)) = (&here.user_id, &there.user_id)
        && ours != theirs
    {
        return Comparison::Keep("the token here is of another account; disconnect this person first");
    }
    match (here.expires_at, there.expires_at) {
        (Some(ours), Some(theirs)) if theirs > ours => Comparison::Newer,
        (Some(_), Some(_)) => Comparison::Keep("the token here is newer"),
        _ => Comparison::Keep("there is a token here, and nothing says which is newer; disconnect this person first"),
    }
}

/// Who of them is meant, and under which name here.
fn chosen(accounts: Vec<Account>, user: Option<&Person>) -> Result<Vec<(Person, Account)>> {
    let titles = accounts.iter().map(|account| account.title.clone()).collect::<Vec<_>>().join(", ");
    let Some(user) = user else {
        let named = accounts.into_iter().map(|account| match &account.name {
            Some(name) => Ok((name.clone(), account)),
            None => bail!("the file does not say who {} is here; name a person with --user", account.title),
        });
        let named = named.collect::<Result<Vec<_>>>()?;
        let mut names: Vec<_> = named.iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        ensure!(
            names.len() == named.len(),
            "two of {titles} would have the same name here; import one of them with --user"
        );
        return Ok(named);
    };
    let only = accounts.len() == 1;
    let account = accounts.into_iter().find(|account| only || account.name.as_ref() == Some(user));
    match account {
        Some(account) => Ok(vec![(user.clone(), account)]),
        None if titles.is_empty() => Ok(Vec::new()),
        None => bail!("{user} is none of those in the file: {titles}"),
    }
}

/// A moment as Unix seconds, with or without a fraction.
fn unix(seconds: f64) -> Option<DateTime<Utc>> {
    let whole = seconds.is_finite() && (0.0..1e11).contains(&seconds);
    whole.then(|| DateTime::from_timestamp(seconds as i64, 0)).flatten()
}

/// A token of these parts; `None` where there is nothing to ask with.
fn token(text: impl Fn(&str) -> Option<String>, expires_at: Option<DateTime<Utc>>) -> Option<Token> {
    let filled = |key: &str| text(key).filter(|text| !text.is_empty());
    let (access, refresh) = (filled("access_token"), filled("refresh_token"));
    if access.is_none() && refresh.is_none() {
        return None;
    }
    Some(Token {
        access_token: access.unwrap_or_default().into(),
        refresh_token: refresh.map(SecretString::from),
        token_type: filled("token_type").unwrap_or_else(|| "Bearer".to_owned()),
        expires_at,
        refresh_expires_at: None,
        scope: filled("scope").unwrap_or_default(),
        user_id: filled("user_id"),
    })
}
