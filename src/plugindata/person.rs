//! A person's file: settings and token, as read and as edited.
//! What methods and keywords mean is not decided here.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use toml_edit::{Array, DocumentMut};

use super::edit;
use super::fields::{Fields, names};
use super::token::{self, Token};
use crate::config::key::nearest;
use crate::config::providers;
use crate::metric::{self, INTRADAY, METRICS};
use crate::plan::KEYWORDS;

/// The settings beside the keywords.
const SETTINGS: [&str; 8] =
    ["provider", "methods", "metrics", "system", "intraday", "backfill_days", "patient", "publish"];
/// The days of the past that can be fetched without asking.
const MOST_DAYS: u16 = 3650;

/// Every key of a person's file that can be set: what a form may send.
pub fn settings() -> impl Iterator<Item = &'static str> {
    SETTINGS.into_iter().chain(KEYWORDS.iter().copied())
}

/// Every key of a person's file, those of the token as `token.…`.
pub fn person_keys() -> impl Iterator<Item = String> {
    let token = token::KEYS.into_iter().map(|key| format!("token.{key}"));
    settings().map(str::to_owned).chain(["account".to_owned()]).chain(token)
}

/// What a person's file says. An empty value is none.
#[derive(Debug, Clone, Default)]
pub struct PersonFile {
    /// The upstream, if this person has one of their own.
    pub provider: Option<String>,
    /// What a fetch asks, unchecked; `None`: whatever the token's scopes allow.
    pub methods: Option<Vec<String>>,
    /// Publish only these: keys of the catalogue.
    pub metrics: Option<Vec<String>>,
    /// The metrics kept within a day, if this person has some of their own; an empty list in the file: none.
    pub intraday: Option<Vec<String>>,
    /// The unit system, if this person has one of their own.
    pub system: Option<String>,
    /// How many days of the past are fetched after first consent, if this person has a number of their own.
    pub backfill_days: Option<u16>,
    /// Which of an organization's patients this person is, by the upstream's identifier.
    pub patient: Option<String>,
    /// Whether this patient agreed to be published when a whole group is fetched.
    pub publish: bool,
    /// Keywords for methods, unchecked.
    pub keywords: BTreeMap<String, String>,
    /// What lasting identifiers are made of; written at first consent.
    pub account: Option<String>,
    /// `None`: awaiting consent.
    pub token: Option<Token>,
}

impl PersonFile {
    /// The value of a setting as a form shows it.
    pub fn setting(&self, key: &str) -> Option<String> {
        match key {
            "provider" => self.provider.clone(),
            "methods" => self.methods.as_ref().map(|methods| methods.join(",")),
            "metrics" => self.metrics.as_ref().map(|metrics| metrics.join(",")),
            "system" => self.system.clone(),
            "backfill_days" => self.backfill_days.map(|days| days.to_string()),
            "intraday" => self.intraday.as_ref().map(|metrics| metrics.join(",")),
            "patient" => self.patient.clone(),
            "publish" => self.publish.then(|| "true".to_owned()),
            keyword => self.keywords.get(keyword).cloned(),
        }
    }

    /// The file, and a sentence for each key that is not understood.
    pub(super) fn read(fields: Fields<'_>) -> Result<(PersonFile, Vec<String>)> {
        let mut person = PersonFile {
            methods: fields.list("methods")?,
            system: fields.text("system")?,
            account: fields.text("account")?,
            ..PersonFile::default()
        };
        if let Some(name) = fields.text("provider")? {
            provider(&name).map_err(|why| fields.wrong("provider", &why))?;
            person.provider = Some(name);
        }
        if let Some(keys) = fields.list("metrics")? {
            check_metrics(&keys).map_err(|why| fields.wrong("metrics", &why))?;
            person.metrics = Some(keys);
        }
        if let Some(text) = fields.text("backfill_days")? {
            person.backfill_days = Some(days(&text).map_err(|why| fields.wrong("backfill_days", &why))?);
        }
        if let Some(keys) = fields.list("intraday")? {
            check_intraday(&keys).map_err(|why| fields.wrong("intraday", &why))?;
            person.intraday = Some(keys);
        } else if fields.is_empty_list("intraday") {
            person.intraday = Some(Vec::new());
        }
        if let Some(id) = fields.text("patient")? {
            check_patient(&id).map_err(|why| fields.wrong("patient", &why))?;
            person.patient = Some(id);
        }
        if let Some(text) = fields.text("publish")? {
            person.publish = flag(&text).map_err(|why| fields.wrong("publish", &why))?;
        }
        for keyword in KEYWORDS.iter().copied() {
            if let Some(value) = fields.text(keyword)? {
                person.keywords.insert(keyword.to_owned(), value);
            }
        }
        let mut unknown =
            fields.unknown(|key| settings().any(|known| known == key) || ["account", "token"].contains(&key));
        if let Some(token) = fields.within("token")? {
            unknown.extend(token.unknown(|key| token::KEYS.contains(&key)));
            person.token = Token::read(token)?;
        }
        Ok((person, unknown))
    }
}

/// A person's file while it is changed; comments, order and unknown keys stay.
pub struct PersonEdit<'d> {
    document: &'d mut DocumentMut,
}

impl<'d> PersonEdit<'d> {
    pub(super) fn new(document: &'d mut DocumentMut) -> PersonEdit<'d> {
        PersonEdit { document }
    }

    /// Sets one of [`settings`] as a form sends it (lists with commas); an empty value removes it.
    ///
    /// # Errors
    /// A key that is none of them, or a value it cannot have, with what is allowed.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        if !settings().any(|known| known == key) {
            let known: Vec<&str> = settings().collect();
            bail!("`{key}` cannot be set; allowed: {}", known.join(", "));
        }
        let value = value.trim();
        if value.chars().any(char::is_control) || value.len() > 4096 {
            bail!("`{key}` must be one line of at most 4096 bytes");
        }
        let wrong = |why: String| anyhow::anyhow!("`{key}` {why}");
        match key {
            _ if value.is_empty() => edit::remove(self.document, key),
            "provider" => edit::put_at_top(self.document, key, provider(value).map_err(wrong)?),
            "metrics" => {
                let keys = names(value);
                check_metrics(&keys).map_err(wrong)?;
                edit::put_at_top(self.document, key, keys.iter().collect::<Array>());
            }
            "backfill_days" => edit::put_at_top(self.document, key, i64::from(days(value).map_err(wrong)?)),
            "intraday" => {
                let keys = names(value);
                check_intraday(&keys).map_err(wrong)?;
                edit::put_at_top(self.document, key, keys.iter().collect::<Array>());
            }
            "patient" => {
                check_patient(value).map_err(wrong)?;
                edit::put_at_top(self.document, key, value);
            }
            "publish" => edit::put_at_top(self.document, key, flag(value).map_err(wrong)?),
            "methods" => {
                let methods = names(value);
                let plain = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
                if !methods.iter().all(plain) {
                    bail!("`methods` must be names of methods, separated by commas");
                }
                edit::put_at_top(self.document, key, methods.join(","));
            }
            _ => edit::put_at_top(self.document, key, value),
        }
        Ok(())
    }

    /// Writes what lasting identifiers are made of, unless it is written already; returns what stands there now.
    pub fn account(&mut self, fresh: &str) -> String {
        match self.document.get("account").and_then(|item| item.as_str()).filter(|account| !account.is_empty()) {
            Some(account) => account.to_owned(),
            None => {
                edit::put_at_top(self.document, "account", fresh);
                fresh.to_owned()
            }
        }
    }
}

pub(super) fn provider(name: &str) -> Result<&'static str, String> {
    let allowed = || format!("names no upstream; allowed: {}", providers().collect::<Vec<_>>().join(", "));
    providers().find(|provider| *provider == name).ok_or_else(allowed)
}

fn days(text: &str) -> Result<u16, String> {
    let days = text.parse().ok().filter(|days| *days <= MOST_DAYS);
    days.ok_or_else(|| format!("must be a whole number of days from 0 (off) to {MOST_DAYS}"))
}

fn flag(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "must be true or false".to_owned())
}

/// Identifiers stand in addresses.
fn check_patient(id: &str) -> Result<(), String> {
    let plain = (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    let wanted = "must be the identifier of a patient, letters and digits such as 5b7ac3f9012e4d5f6a7b8c9d";
    if plain { Ok(()) } else { Err(wanted.to_owned()) }
}

fn check_intraday(keys: &[String]) -> Result<(), String> {
    let Some(key) = keys.iter().find(|key| !INTRADAY.contains(&key.as_str())) else { return Ok(()) };
    Err(format!("has {key:?}, of which there are no values within a day; allowed: {}", INTRADAY.join(", ")))
}

fn check_metrics(keys: &[String]) -> Result<(), String> {
    let Some(key) = keys.iter().find(|key| metric::find(key).is_none()) else { return Ok(()) };
    let names = METRICS.iter().map(|metric| metric.key);
    let meant = nearest(key, names.clone()).map(|meant| format!("did you mean {meant}? "));
    let names: Vec<&str> = names.collect();
    Err(format!("has {key:?}, which is no metric; {}allowed: {}", meant.unwrap_or_default(), names.join(", ")))
}
