//! A token: what an upstream gives after consent, and how it stands in `[token]`.
//! Asks nobody and reads no clock.

use anyhow::{Context, Result};
use chrono::{DateTime, SecondsFormat, Utc};
use secrecy::{ExposeSecret, SecretString};
use toml_edit::{Datetime, DocumentMut, TableLike};

use super::edit;
use super::fields::Fields;

/// The keys of `[token]`.
pub(super) const KEYS: [&str; 7] =
    ["access_token", "refresh_token", "token_type", "expires_at", "refresh_expires_at", "scope", "user_id"];

/// A person's token, or an organization's. Printing it shows no secret.
#[derive(Debug, Clone)]
pub struct Token {
    /// What requests are made with; empty where someone entered a refresh token only.
    pub access_token: SecretString,
    /// What the next token is asked for with.
    pub refresh_token: Option<SecretString>,
    /// `Bearer`.
    pub token_type: String,
    /// When the access token ends, if that is known.
    pub expires_at: Option<DateTime<Utc>>,
    /// When the refresh token ends, if the upstream says.
    pub refresh_expires_at: Option<DateTime<Utc>>,
    /// What the person agreed to, separated by spaces; of an organization, what its credentials reach.
    pub scope: String,
    /// The person's id at the upstream; of an organization, the token's own.
    pub user_id: Option<String>,
}

impl Token {
    /// What stands for a patient's: an organization's token reaches them, and is kept elsewhere.
    pub fn of_patient(patient: &str) -> Token {
        Token {
            access_token: SecretString::default(),
            refresh_token: None,
            token_type: "Bearer".into(),
            expires_at: None,
            refresh_expires_at: None,
            scope: String::new(),
            user_id: Some(patient.to_owned()),
        }
    }

    /// What the person agreed to, one by one.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.split_whitespace()
    }

    /// `None` where neither an access nor a refresh token is written down.
    pub(super) fn read(fields: Fields<'_>) -> Result<Option<Token>> {
        let access_token = fields.text("access_token")?;
        let refresh_token = fields.text("refresh_token")?.map(SecretString::from);
        if access_token.is_none() && refresh_token.is_none() {
            return Ok(None);
        }
        Ok(Some(Token {
            access_token: access_token.unwrap_or_default().into(),
            refresh_token,
            token_type: fields.text("token_type")?.unwrap_or_else(|| "Bearer".to_owned()),
            expires_at: fields.time("expires_at")?,
            refresh_expires_at: fields.time("refresh_expires_at")?,
            scope: fields.text("scope")?.unwrap_or_default(),
            user_id: fields.text("user_id")?,
        }))
    }

    pub(super) fn write(&self, document: &mut DocumentMut) -> Result<()> {
        self.write_into(edit::table(document, "token").context("`token` must be a section: write [token]")?)
    }

    pub(super) fn write_into(&self, table: &mut dyn TableLike) -> Result<()> {
        edit::put(table, "access_token", self.access_token.expose_secret());
        put_or_remove(table, "refresh_token", self.refresh_token.as_ref().map(|token| token.expose_secret()));
        edit::put(table, "token_type", &self.token_type);
        for (key, time) in [("expires_at", self.expires_at), ("refresh_expires_at", self.refresh_expires_at)] {
            match time {
                Some(time) => edit::put(table, key, datetime(time)?),
                None => edit::remove_within(table, key),
            }
        }
        edit::put(table, "scope", &self.scope);
        put_or_remove(table, "user_id", self.user_id.as_deref());
        Ok(())
    }
}

fn put_or_remove(table: &mut dyn TableLike, key: &str, text: Option<&str>) {
    match text {
        Some(text) => edit::put(table, key, text),
        None => edit::remove_within(table, key),
    }
}

fn datetime(time: DateTime<Utc>) -> Result<Datetime> {
    time.to_rfc3339_opts(SecondsFormat::Secs, true).parse().context("writing a time as TOML")
}
