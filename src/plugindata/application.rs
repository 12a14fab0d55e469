//! The application's file: which application of ours is registered at which upstream, and the common settings.
//! The environment, which wins over it, comes from the configuration.

use std::path::Path;

use anyhow::{Context, Result, bail};
use secrecy::SecretString;
use toml_edit::DocumentMut;

use super::edit;
use super::fields::Fields;
use super::person::provider;
use super::token;
use crate::config::{Client, organizations, providers};

/// The keys of an upstream's table.
const CLIENT_KEYS: [&str; 3] = ["client_id", "client_secret", "client_secret_file"];

/// Every key of the application's file; `{provider}` stands for each upstream.
pub fn application_keys() -> impl Iterator<Item = String> {
    let client = CLIENT_KEYS.into_iter().map(|key| format!("{{provider}}.{key}"));
    let tokens = organizations().flat_map(|name| token::KEYS.map(|key| format!("{name}.token.{key}")));
    ["system", "provider"].into_iter().map(str::to_owned).chain(client).chain(tokens)
}

/// What the application's file says, and the environment over it.
#[derive(Debug, Clone, Default)]
pub struct Application {
    /// The unit system of people who have none of their own.
    pub system: Option<String>,
    /// The upstream of people who name none; `None`: the first there is.
    pub provider: Option<String>,
    identities: Vec<Identity>,
}

/// How the application is registered at one upstream, and where that is written.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    provider: &'static str,
    /// The client id.
    pub id: Option<String>,
    /// The client secret.
    pub secret: Option<SecretString>,
    /// The id comes from the environment, so that a form cannot change it.
    pub id_from_environment: bool,
    /// The secret comes from the environment, so that a form cannot change it.
    pub secret_from_environment: bool,
}

impl Application {
    /// What is known of the application at this upstream.
    pub fn client(&self, provider: &str) -> Identity {
        self.identities.iter().find(|identity| identity.provider == provider).cloned().unwrap_or_default()
    }

    /// The file, and a sentence for each key that is not understood.
    pub(super) fn read(fields: Option<Fields<'_>>, environment: &[Client]) -> Result<(Application, Vec<String>)> {
        let mut application = Application::default();
        let mut unknown = Vec::new();
        if let Some(fields) = fields {
            application.system = fields.text("system")?;
            if let Some(name) = fields.text("provider")? {
                provider(&name).map_err(|why| fields.wrong("provider", &why))?;
                application.provider = Some(name);
            }
            let known = |key: &str| ["system", "provider"].contains(&key) || providers().any(|name| name == key);
            unknown.extend(fields.unknown(known));
        }
        for name in providers() {
            let over = environment.iter().find(|client| client.provider == name);
            let mut identity = Identity {
                provider: name,
                id: over.and_then(|over| over.id.clone()),
                secret: over.and_then(|over| over.secret.clone()),
                ..Identity::default()
            };
            identity.id_from_environment = identity.id.is_some();
            identity.secret_from_environment = identity.secret.is_some();
            if let Some(table) = fields.map(|fields| fields.within(name)).transpose()?.flatten() {
                let token = |key: &str| key == "token" && organizations().any(|organization| organization == name);
                unknown.extend(table.unknown(|key| CLIENT_KEYS.contains(&key) || token(key)));
                if identity.id.is_none() {
                    identity.id = table.text("client_id")?;
                }
                if identity.secret.is_none() {
                    identity.secret = secret(table)?;
                }
            }
            application.identities.push(identity);
        }
        Ok((application, unknown))
    }
}

fn secret(table: Fields<'_>) -> Result<Option<SecretString>> {
    let Some(path) = table.text("client_secret_file")? else {
        return Ok(table.text("client_secret")?.map(SecretString::from));
    };
    if table.text("client_secret")?.is_some() {
        return Err(table.wrong("client_secret_file", "is given as well as `client_secret`; keep one of them"));
    }
    let why =
        || table.wrong("client_secret_file", &format!("= {path:?} cannot be read; name a file this user may read"));
    let text = std::fs::read_to_string(Path::new(&path)).with_context(why)?;
    let text = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text)).unwrap_or(&text);
    Ok((!text.is_empty()).then(|| SecretString::from(text)))
}

/// The application's file while it is changed; comments, order and unknown keys stay.
pub struct ApplicationEdit<'d> {
    document: &'d mut DocumentMut,
}

impl<'d> ApplicationEdit<'d> {
    pub(super) fn new(document: &'d mut DocumentMut) -> ApplicationEdit<'d> {
        ApplicationEdit { document }
    }

    /// Sets the unit system of people who have none of their own; an empty one removes it.
    pub fn system(&mut self, system: &str) -> Result<()> {
        self.put("system", one_line("system", system)?);
        Ok(())
    }

    /// Sets the upstream of people who name none; an empty one removes it.
    pub fn default_provider(&mut self, name: &str) -> Result<()> {
        let name = name.trim();
        let name = if name.is_empty() { name } else { known_provider(name)? };
        self.put("provider", name);
        Ok(())
    }

    /// Sets the client id at an upstream; an empty one removes it. An organization's token goes with the id it was
    /// given to.
    pub fn client_id(&mut self, provider: &str, id: &str) -> Result<()> {
        let id = one_line("client_id", id)?;
        let provider = known_provider(provider)?;
        if id.is_empty() && !self.document.contains_key(provider) {
            return Ok(());
        }
        let table = edit::table(self.document, provider).with_context(|| format!("`{provider}` must be a section"))?;
        if table.get("client_id").and_then(|present| present.as_str()) != Some(id) {
            edit::remove_within(table, "token");
        }
        if id.is_empty() {
            edit::remove_within(table, "client_id")
        } else {
            edit::put(table, "client_id", id)
        }
        Ok(())
    }

    /// Sets the client secret at an upstream, in place of a `client_secret_file`; an empty one keeps what is stored.
    pub fn client_secret(&mut self, provider: &str, secret: &str) -> Result<()> {
        let secret = one_line("client_secret", secret)?;
        let provider = known_provider(provider)?;
        if secret.is_empty() {
            return Ok(());
        }
        let table = edit::table(self.document, provider).with_context(|| format!("`{provider}` must be a section"))?;
        edit::remove_within(table, "client_secret_file");
        edit::put(table, "client_secret", secret);
        Ok(())
    }

    fn put(&mut self, key: &str, value: &str) {
        if value.is_empty() { edit::remove(self.document, key) } else { edit::put_at_top(self.document, key, value) }
    }
}

fn known_provider(name: &str) -> Result<&'static str> {
    provider(name).map_err(|why| anyhow::anyhow!("`provider` = {name:?} {why}"))
}

fn one_line<'t>(key: &str, text: &'t str) -> Result<&'t str> {
    let text = text.trim();
    if text.chars().any(char::is_control) || text.len() > 1024 {
        bail!("`{key}` must be one line of at most 1024 bytes");
    }
    Ok(text)
}
