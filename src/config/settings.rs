//! What was given, by file and by environment, checked for names and kinds and remembered with its place.
//! What a value means is decided by whoever reads it from here.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use secrecy::{ExposeSecret, SecretString};
use toml_edit::{Item, TableLike};

use super::key::{Key, Kind, action_keys, keys, nearest, variable};
use super::lines::Lines;

/// Everything that was given.
pub(super) struct Settings {
    /// All keys but those of actions.
    pub values: Values,
    /// One for each `[[action]]`.
    pub actions: Vec<Values>,
    /// `$STATE_DIRECTORY`, the first of them, as systemd sets it.
    pub state_directory: Option<OsString>,
}

impl Settings {
    /// Gathers what the file gives, then what the environment gives, which wins.
    pub fn gather<N, V>(file: Option<(&Path, &str)>, environment: impl IntoIterator<Item = (N, V)>) -> Result<Settings>
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        let values = Values { keys: keys(), ..Values::default() };
        let mut settings = Settings { values, actions: Vec::new(), state_directory: None };
        if let Some((path, text)) = file {
            let lines = Lines::parse(path, text)?;
            settings.take_table(&lines, "", lines.table())?;
        }
        let mut numbered: BTreeMap<u32, Values> = BTreeMap::new();
        for (name, value) in environment {
            let (name, value) = (name.into(), value.into());
            if name == "STATE_DIRECTORY" {
                settings.state_directory = first_of(value);
                continue;
            }
            let name = name.to_string_lossy().into_owned();
            let Some(rest) = name.strip_prefix("FITBIT2MQTT_") else { continue };
            let Ok(value) = value.into_string() else { bail!("environment variable {name} is not valid UTF-8") };
            match rest.strip_prefix("ACTION__").and_then(|rest| rest.split_once("__")) {
                Some((number, field)) if number.parse::<u32>().is_ok() => {
                    let action = numbered
                        .entry(number.parse()?)
                        .or_insert_with(|| Values::of_action(format!("environment variable {name}")));
                    action.take_variable(&name, &format!("FITBIT2MQTT_ACTION__{field}"), value)?;
                }
                _ => settings.values.take_variable(&name, &name, value)?,
            }
        }
        if !numbered.is_empty() {
            settings.actions = numbered.into_values().collect();
        }
        Ok(settings)
    }

    fn take_table(&mut self, lines: &Lines, section: &str, table: &dyn TableLike) -> Result<()> {
        for (name, item) in table.iter() {
            let full = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
            let place = lines.place(table.get_key_value(name).and_then(|(key, _)| key.span()));
            if full == "action" {
                self.take_actions(lines, item, &place)?;
            } else if self.values.has_section(&full) {
                let Some(inner) = item.as_table_like() else {
                    bail!("{place}: `{full}` is a section: write [{full}] and its keys below it");
                };
                self.take_table(lines, &full, inner)?;
            } else {
                self.values.take_item(lines, &full, item, place)?;
            }
        }
        Ok(())
    }

    fn take_actions(&mut self, lines: &Lines, item: &Item, place: &str) -> Result<()> {
        let tables: Option<Vec<&dyn TableLike>> = match (item.as_array_of_tables(), item.as_array()) {
            (Some(tables), _) => Some(tables.iter().map(|table| table as &dyn TableLike).collect()),
            (_, Some(array)) => {
                array.iter().map(|v| v.as_inline_table().map(|table| table as &dyn TableLike)).collect()
            }
            _ => None,
        };
        let Some(tables) = tables else { bail!("{place}: write [[action]], with two brackets, once for each action") };
        for table in tables {
            let mut action = Values::of_action(place.to_owned());
            for (index, (name, item)) in table.iter().enumerate() {
                let place = lines.place(table.get_key_value(name).and_then(|(key, _)| key.span()));
                if index == 0 {
                    action.place.clone_from(&place);
                }
                action.take_item(lines, &format!("action.{name}"), item, place)?;
            }
            self.actions.push(action);
        }
        Ok(())
    }
}

/// systemd separates several state directories with colons.
fn first_of(directories: OsString) -> Option<OsString> {
    let first = match directories.to_str() {
        Some(text) => OsString::from(text.split(':').next().unwrap_or_default()),
        None => directories,
    };
    (!first.is_empty()).then_some(first)
}

/// The values given for a set of keys.
#[derive(Default)]
pub(super) struct Values {
    /// Where they stand, as a whole.
    pub place: String,
    keys: Vec<Key>,
    given: BTreeMap<String, Given>,
}

struct Given {
    value: Value,
    place: String,
    by_environment: bool,
}

enum Value {
    Text(String),
    Secret(SecretString),
    Flag(bool),
    Number(i64),
    List(Vec<String>),
}

impl Values {
    fn of_action(place: String) -> Values {
        Values { place, keys: action_keys(), given: BTreeMap::new() }
    }

    /// The value of `name`, else its default, as `parse` understands it.
    pub fn read<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
        match self.given.get(name) {
            Some(Given { value: Value::Text(text), .. }) => parse(text).ok_or_else(|| self.refused(name)),
            _ => parse(self.key(name)?.default).ok_or_else(|| self.refused(name)),
        }
    }

    /// The value of `name` where one was given; an empty text is none.
    pub fn optional<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
        if self.is_given(name) { self.read(name, parse).map(Some) } else { Ok(None) }
    }

    /// The secret `name`, or what stands in the file that `name` + `_file` names, without the newline at its end.
    pub fn secret(&self, name: &str) -> Result<Option<SecretString>> {
        let file_name = format!("{name}_file");
        let Some(path) = self.optional(&file_name, |path| Some(path.to_owned()))? else {
            return Ok(match self.given.get(name) {
                Some(Given { value: Value::Secret(secret), .. }) if self.is_given(name) => Some(secret.clone()),
                _ => None,
            });
        };
        if self.is_given(name) {
            bail!("{}: `{name}` is given as well as `{file_name}`; keep one of them", self.place_of(&file_name));
        }
        let place = self.place_of(&file_name);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            anyhow!("{place}: `{file_name}` = {path:?} cannot be read ({error}); name a file this user may read")
        })?;
        let text = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text)).unwrap_or(&text);
        if text.is_empty() {
            bail!("{place}: `{file_name}` = {path:?} is empty; write the secret into it");
        }
        Ok(Some(SecretString::from(text)))
    }

    /// The files in which secrets stand: the configuration `file` itself, where any does, and those it names.
    pub fn secret_files(&self, file: Option<&Path>) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for key in self.keys.iter().filter(|key| key.kind == Kind::Secret && self.is_given(&key.name)) {
            let here = self.given.get(&key.name).is_some_and(|given| !given.by_environment);
            files.extend(file.filter(|_| here).map(Path::to_owned));
        }
        for key in self.keys.iter().filter(|key| key.kind == Kind::Secret) {
            let named = self.optional(&format!("{}_file", key.name), |path| Some(PathBuf::from(path)));
            files.extend(named.ok().flatten());
        }
        files.dedup();
        files
    }

    /// The flag `name`.
    pub fn flag(&self, name: &str) -> Result<bool> {
        match self.given.get(name) {
            Some(Given { value: Value::Flag(flag), .. }) => Ok(*flag),
            _ => flag(self.key(name)?.default).ok_or_else(|| self.refused(name)),
        }
    }

    /// The number `name`, within `range`, where one was given.
    pub fn number(&self, name: &str, range: std::ops::RangeInclusive<i64>) -> Result<Option<i64>> {
        match self.given.get(name) {
            Some(Given { value: Value::Number(number), .. }) if range.contains(number) => Ok(Some(*number)),
            Some(_) => Err(self.refused(name)),
            None => Ok(None),
        }
    }

    /// The list `name`, each entry as `parse` understands it.
    pub fn list<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
        let default = list(self.key(name)?.default);
        let entries = match self.given.get(name) {
            Some(Given { value: Value::List(entries), .. }) => entries,
            _ => &default,
        };
        entries.iter().map(|entry| parse(entry).ok_or_else(|| self.refused(name))).collect()
    }

    /// Whether something other than an empty text was given.
    pub fn is_given(&self, name: &str) -> bool {
        match self.given.get(name).map(|given| &given.value) {
            None => false,
            Some(Value::Text(text)) => !text.is_empty(),
            Some(Value::Secret(secret)) => !secret.expose_secret().is_empty(),
            Some(_) => true,
        }
    }

    /// Where `name` was given, for a message.
    pub fn place_of(&self, name: &str) -> String {
        self.given.get(name).map_or_else(|| "by default".to_owned(), |given| given.place.clone())
    }

    /// The message about a value that is not allowed.
    pub fn refused(&self, name: &str) -> anyhow::Error {
        let value = match self.given.get(name).map(|given| &given.value) {
            Some(Value::Text(text)) => shown(text),
            Some(Value::Secret(_)) => "(not shown)".to_owned(),
            Some(Value::Flag(flag)) => flag.to_string(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::List(list)) => format!("{list:?}"),
            None => "its default".to_owned(),
        };
        let allowed = self.key(name).map(|key| key.allowed).unwrap_or_default();
        anyhow!("{}: `{name}` = {value} is not allowed; allowed: {allowed}", self.place_of(name))
    }

    fn key(&self, name: &str) -> Result<&Key> {
        self.keys.iter().find(|key| key.name == name).ok_or_else(|| anyhow!("`{name}` has no row in the table of keys"))
    }

    fn has_section(&self, name: &str) -> bool {
        self.file_keys().any(|known| known.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
    }

    fn file_keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter(|key| !key.environment_only).map(|key| key.name.as_str())
    }

    fn take_item(&mut self, lines: &Lines, name: &str, item: &Item, place: String) -> Result<()> {
        let Some(key) = self.keys.iter().find(|key| key.name == name && !key.environment_only) else {
            return Err(self.unknown(name, &place));
        };
        let value = match key.kind {
            Kind::Text => item.as_str().map(|text| Value::Text(text.to_owned())),
            Kind::Secret => item.as_str().map(|text| Value::Secret(text.into())),
            Kind::Flag => item.as_bool().map(Value::Flag),
            Kind::Number => item.as_integer().map(Value::Number),
            Kind::List => item
                .as_array()
                .and_then(|array| array.iter().map(|entry| entry.as_str().map(str::to_owned)).collect())
                .map(Value::List),
        };
        let Some(value) = value else {
            let raw = if key.kind == Kind::Secret { "(not shown)" } else { lines.raw(item) };
            let raw: String = raw.chars().take(80).collect::<String>().replace('\n', " ");
            bail!("{place}: `{name}` = {raw} is not {}; allowed: {}", key.kind.form(), key.allowed);
        };
        self.given.insert(name.to_owned(), Given { value, place, by_environment: false });
        Ok(())
    }

    /// Takes `value` for the key that `plain`, which is `variable` without the number of an action, stands for.
    fn take_variable(&mut self, variable_name: &str, plain: &str, value: String) -> Result<()> {
        let place = format!("environment variable {variable_name}");
        let Some(key) = self.keys.iter().find(|key| variable(&key.name) == plain) else {
            let names: Vec<String> = self.keys.iter().map(|key| variable(&key.name)).collect();
            let meant = nearest(plain, names.iter().map(String::as_str));
            let meant =
                meant.map(|meant| format!("did you mean {}? ", meant.replace("ACTION__", "ACTION__<number>__")));
            let meant = meant.unwrap_or_default();
            let names = names.into_iter().filter(|name| !name.starts_with("FITBIT2MQTT_ACTION__"));
            bail!(
                "{place} sets no key; {meant}allowed: FITBIT2MQTT_ACTION__<number>__URL (INTERVAL, REPRESENTING){}",
                names.map(|name| format!(", {name}")).collect::<String>()
            );
        };
        let name = key.name.clone();
        let taken = match key.kind {
            Kind::Text => Some(Value::Text(value.clone())),
            Kind::Secret => Some(Value::Secret(value.clone().into())),
            Kind::Flag => flag(&value).map(Value::Flag),
            Kind::Number => value.trim().parse().ok().map(Value::Number),
            Kind::List => Some(Value::List(list(&value))),
        };
        let Some(taken) = taken else {
            bail!("{place}: `{name}` = {} is not {}; allowed: {}", shown(&value), key.kind.form(), key.allowed);
        };
        // A secret from the environment replaces the file's, in whichever of the two forms that was given.
        let twin = name.strip_suffix("_file").map_or_else(|| format!("{name}_file"), str::to_owned);
        if self.given.get(&twin).is_some_and(|given| !given.by_environment) && !value.is_empty() {
            self.given.remove(&twin);
        }
        self.given.insert(name, Given { value: taken, place, by_environment: true });
        Ok(())
    }

    fn unknown(&self, name: &str, place: &str) -> anyhow::Error {
        let (section, last) = name.rsplit_once('.').unwrap_or(("", name));
        let mut known: Vec<&str> = self
            .file_keys()
            .filter_map(|known| match section {
                "" => Some(known),
                section => known.strip_prefix(section)?.strip_prefix('.'),
            })
            .map(|known| known.split('.').next().unwrap_or(known))
            .collect();
        if section.is_empty() {
            known.push("action");
        }
        known.dedup();
        let meant = nearest(last, known.iter().copied());
        let meant = meant.map(|meant| format!("did you mean `{meant}`? ")).unwrap_or_default();
        let whose = if section.is_empty() { "at the top".to_owned() } else { format!("in [{section}]") };
        anyhow!("{place}: `{name}` is not a key; {meant}allowed {whose}: {}", known.join(", "))
    }
}

/// As people write yes and no in an environment.
fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

/// A value for a message: short, on one line, and without the user and password an address may carry.
fn shown(text: &str) -> String {
    let text = text.rfind('@').map_or_else(|| text.to_owned(), |at| format!("…{}", &text[at..]));
    format!("{:?}", text.chars().take(80).collect::<String>())
}
