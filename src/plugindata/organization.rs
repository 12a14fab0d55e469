//! An organization's token in the application's file: kept with the same care as a person's. Asks no upstream.

use std::path::PathBuf;

use anyhow::{Context, Result};
use secrecy::{ExposeSecret, SecretString};
use toml_edit::{Item, Table};

use super::fields::Fields;
use super::file::{self, Lock};
use super::{Lines, Plugindata, Token, edit, parsed, previous, rewrite};

impl Plugindata {
    /// The organization's token at this upstream.
    pub fn organization_token(&self, provider: &str) -> Result<Option<Token>> {
        read(&self.application_file(), provider)
    }

    /// The token before the present one, as long as that one has not been used.
    pub fn previous_organization_token(&self, provider: &str) -> Result<Option<Token>> {
        read(&previous(&self.application_file()), provider)
    }

    /// Waits until nobody else writes the application's file, and keeps it so.
    pub fn lock_organization(&self, provider: &'static str) -> Result<OrganizationGuard> {
        let folder = self.data_dir.join("plugindata");
        file::refuse_link(&folder)?;
        file::make_folder(&folder)?;
        let lock = Lock::acquire(&folder, None)?.context("the lock was not waited for")?;
        Ok(OrganizationGuard { provider, path: self.application_file(), _lock: lock })
    }

    /// Deletes the token before `used`, once that has been used with success. Nothing happens if `used` is no longer
    /// the present one.
    pub fn forget_previous_organization_token(&self, provider: &'static str, used: &SecretString) -> Result<()> {
        if !previous(&self.application_file()).exists() {
            return Ok(());
        }
        let guard = self.lock_organization(provider)?;
        let same = |token: Token| token.access_token.expose_secret() == used.expose_secret();
        if guard.token()?.is_some_and(same) { file::delete(&previous(&guard.path)) } else { Ok(()) }
    }
}

/// The sole right to write the application's file, until it is dropped; held across the request that makes a new token.
#[derive(Debug)]
pub struct OrganizationGuard {
    provider: &'static str,
    path: PathBuf,
    _lock: Lock,
}

impl OrganizationGuard {
    /// The token as it is now.
    pub fn token(&self) -> Result<Option<Token>> {
        read(&self.path, self.provider)
    }

    /// Whether a save would find room and permission: to be asked before an upstream gives a token that would be lost.
    pub fn try_saving(&self) -> Result<()> {
        let text = file::read(&self.path)?.unwrap_or_default();
        parsed(&self.path, &text)?;
        // The file as it was is kept beside the new one.
        file::try_replacing(&self.path, 2 * text.len())
    }

    /// Replaces the token and keeps the file as it was as `fitbit.toml.previous`, until
    /// [`Plugindata::forget_previous_organization_token`].
    pub fn save_token(&self, token: &Token) -> Result<()> {
        if self.token()?.is_some()
            && let Some(text) = file::read(&self.path)?
        {
            file::replace(&previous(&self.path), &text)?;
        }
        let provider = self.provider;
        rewrite(&self.path, |document| {
            let section = || format!("`{provider}` must be a section: write [{provider}]");
            let table = edit::table(document, provider).with_context(section)?;
            if !table.contains_key("token") {
                table.insert("token", Item::Table(Table::new()));
            }
            let table = table.get_mut("token").and_then(Item::as_table_like_mut);
            token.write_into(table.with_context(|| format!("`token` must be a section: write [{provider}.token]"))?)
        })
    }
}

fn read(path: &std::path::Path, provider: &str) -> Result<Option<Token>> {
    let Some(text) = file::read(path)? else { return Ok(None) };
    let lines = Lines::parse(path, &text)?;
    let Some(table) = Fields::of(&lines).within(provider)? else { return Ok(None) };
    table.within("token")?.map(Token::read).transpose().map(Option::flatten)
}
