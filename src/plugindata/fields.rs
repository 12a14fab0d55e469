//! The keys of a file of plugindata, read forgivingly: what looks like a number is text, a list may be one text with
//! commas. Messages name file, line and key, never a value.

use anyhow::{Result, anyhow};
use chrono::{DateTime, Utc};
use toml_edit::{Item, TableLike, Value};

use crate::config::lines::Lines;

/// One table of a file.
#[derive(Clone, Copy)]
pub(super) struct Fields<'f> {
    lines: &'f Lines,
    table: &'f dyn TableLike,
}

impl<'f> Fields<'f> {
    pub fn of(lines: &'f Lines) -> Fields<'f> {
        Fields { lines, table: lines.table() }
    }

    /// The table of this name, if there is one.
    pub fn within(&self, name: &str) -> Result<Option<Fields<'f>>> {
        match self.table.get(name) {
            None => Ok(None),
            Some(item) => match item.as_table_like() {
                Some(table) => Ok(Some(Fields { lines: self.lines, table })),
                None => Err(self.wrong(name, &format!("must be a section: write [{name}]"))),
            },
        }
    }

    /// A text; whatever was written without quotes counts as its own letters. Empty is none.
    pub fn text(&self, key: &str) -> Result<Option<String>> {
        let Some(item) = self.table.get(key) else { return Ok(None) };
        let text = match item {
            Item::Value(Value::String(text)) => text.value().clone(),
            // `22E123` without quotes is a number to TOML, and a client id to everyone else.
            Item::Value(Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_)) => {
                self.lines.raw(item).to_owned()
            }
            _ => return Err(self.wrong(key, "must be one text in quotes")),
        };
        Ok((!text.is_empty()).then_some(text))
    }

    /// A list of texts, or one text with commas. An empty one is none.
    pub fn list(&self, key: &str) -> Result<Option<Vec<String>>> {
        let entries = match self.table.get(key).and_then(Item::as_array) {
            None => self.text(key)?.map(|text| names(&text)).unwrap_or_default(),
            Some(array) => {
                let entries: Option<Vec<String>> =
                    array.iter().map(|entry| entry.as_str().map(str::to_owned)).collect();
                entries.ok_or_else(|| self.wrong(key, "must be a list of texts in quotes"))?
            }
        };
        Ok((!entries.is_empty()).then_some(entries))
    }

    /// Whether `key` is there and a list of nothing.
    pub fn is_empty_list(&self, key: &str) -> bool {
        self.table.get(key).and_then(Item::as_array).is_some_and(|array| array.is_empty())
    }

    /// A date and time with offset, as TOML writes it or as a text.
    pub fn time(&self, key: &str) -> Result<Option<DateTime<Utc>>> {
        let text = match self.table.get(key).and_then(Item::as_datetime) {
            Some(time) => Some(time.to_string()),
            None => self.text(key)?,
        };
        let read = |text: &String| DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
        let time = text.as_ref().map(read).transpose();
        time.map_err(|_| self.wrong(key, "must be a date and time with offset, such as 2026-11-20T18:00:00Z"))
    }

    /// What is wrong with the value of `key`, and where it stands.
    pub fn wrong(&self, key: &str, why: &str) -> anyhow::Error {
        let span = self.table.get_key_value(key).and_then(|(key, _)| key.span());
        anyhow!("{}: `{key}` {why}", self.lines.place(span))
    }

    /// The keys that are none of `known`, with their lines.
    pub fn unknown(&self, known: impl Fn(&str) -> bool) -> Vec<String> {
        let unknown = self.table.iter().map(|(key, _)| key).filter(|key| !known(key));
        unknown.map(|key| self.wrong(key, "is unknown and ignored").to_string()).collect()
    }
}

/// The names in a text with commas.
pub(super) fn names(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
