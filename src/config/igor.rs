//! `[igor]`: the Igor that is told everyone's values, if any. Asks no network.

use anyhow::{Result, bail};
use secrecy::SecretString;

use super::address::Address;
use super::settings::Values;

/// `[igor]`.
#[derive(Debug, Clone)]
pub struct Igor {
    /// Igor's own address.
    pub url: Address,
    /// A user of Igor's.
    pub username: Option<String>,
    /// Only there beside a username.
    pub password: Option<SecretString>,
}

impl Igor {
    pub(super) fn read(values: &Values) -> Result<Option<Igor>> {
        let site = |text: &str| Address::parse(text).filter(|address| !address.has_path());
        let igor = values.optional("igor.url", site)?;
        let (username, password) = (values.optional("igor.username", super::name)?, values.secret("igor.password")?);
        let needs = |key: &'static str, needed: &str| -> Result<Option<Igor>> {
            let key = if values.is_given(key) { key.to_owned() } else { format!("{key}_file") };
            bail!("{}: `{key}` needs `{needed}`; set it, too", values.place_of(&key))
        };
        match (igor, username, password) {
            (_, None, Some(_)) => needs("igor.password", "igor.username"),
            (None, Some(_), _) => needs("igor.username", "igor.url"),
            (None, None, None) => Ok(None),
            (Some(url), username, password) => Ok(Some(Igor { url, username, password })),
        }
    }
}
