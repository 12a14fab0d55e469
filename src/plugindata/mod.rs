//! The files of the application and of each person: settings and tokens, written so that neither a crash nor another
//! writer nor a hand edit loses anything. Asks no upstream and knows no store.
//!
//! Everything here blocks; call it from `spawn_blocking` where that matters.

mod application;
mod edit;
mod fields;
mod file;
mod organization;
mod person;
mod token;

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use secrecy::{ExposeSecret, SecretString};
use toml_edit::DocumentMut;

pub use self::application::{Application, ApplicationEdit, Identity, application_keys};
use self::fields::Fields;
use self::file::{Lock, explained};
pub use self::file::{RunLock, make_folder as create_folder};
pub use self::organization::OrganizationGuard;
pub use self::person::{PersonEdit, PersonFile, person_keys, settings};
pub use self::token::Token;
use crate::config::Client;
use crate::config::lines::{Lines, malformed};
use crate::reading::Person;

/// The files below one data directory. Clones speak of the same files.
#[derive(Debug, Clone)]
pub struct Plugindata {
    data_dir: PathBuf,
    environment: Vec<Client>,
    complained: Arc<Mutex<HashSet<String>>>,
}

impl Plugindata {
    /// The files below `data_dir`, which need not exist yet.
    pub fn new(data_dir: impl Into<PathBuf>) -> Plugindata {
        Plugindata { data_dir: data_dir.into(), environment: Vec::new(), complained: Arc::default() }
    }

    /// The same, where `clients` (from the environment) win over the application's file.
    pub fn overridden_by(self, clients: Vec<Client>) -> Plugindata {
        Plugindata { environment: clients, ..self }
    }

    /// Everyone who has a folder, by name. What is no person's folder is ignored.
    pub fn people(&self) -> Result<Vec<Person>> {
        let folder = self.data_dir.join("identities");
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| explained(error, "reading", &folder))?,
        };
        let mut people = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| explained(error, "reading", &folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !entry.path().is_dir() || file::is_under_removal(&name) {
                continue;
            }
            match name.parse::<Person>() {
                Ok(person) => people.push(person),
                Err(bad) => self.complain(format!("{} is ignored: {bad}", entry.path().display())),
            }
        }
        people.sort();
        Ok(people)
    }

    /// Every file in which a secret stands or may stand, and the folders that only their owner should look into.
    pub fn files(&self) -> Vec<PathBuf> {
        let application = [self.data_dir.join("plugindata"), self.application_file()];
        let of_one = |person: Person| {
            let path = self.person_file(&person);
            [self.identity(&person), self.folder(&person), previous(&path), path]
        };
        let people = self.people().unwrap_or_default().into_iter().flat_map(of_one);
        application.into_iter().chain(people).filter(|path| path.exists()).collect()
    }

    /// What a person's file says; of an existing folder without (or with an empty) file, that they await consent.
    /// `None`: there is no such person.
    ///
    /// # Errors
    /// Name the file and the line.
    pub fn person(&self, person: &Person) -> Result<Option<PersonFile>> {
        if !self.identity(person).is_dir() {
            return Ok(None);
        }
        self.read_person(&self.person_file(person)).map(|file| Some(file.unwrap_or_default()))
    }

    /// The token before the present one, as long as that one has not been used.
    pub fn previous(&self, person: &Person) -> Result<Option<Token>> {
        Ok(self.read_person(&previous(&self.person_file(person)))?.and_then(|file| file.token))
    }

    /// What the application's file says, and the environment over it; of a missing file, the defaults.
    pub fn application(&self) -> Result<Application> {
        let path = self.application_file();
        let text = file::read(&path)?;
        let lines = text.map(|text| Lines::parse(&path, &text)).transpose()?;
        let (application, unknown) = Application::read(lines.as_ref().map(Fields::of), &self.environment)?;
        unknown.into_iter().for_each(|complaint| self.complain(complaint));
        Ok(application)
    }

    /// Changes the application's file.
    pub fn save_application(&self, change: impl FnOnce(&mut ApplicationEdit<'_>) -> Result<()>) -> Result<()> {
        let path = self.application_file();
        let folder = self.data_dir.join("plugindata");
        file::refuse_link(&folder)?;
        file::make_folder(&folder)?;
        let _lock = Lock::acquire(&folder, None)?.context("the lock was not waited for")?;
        rewrite(&path, |document| change(&mut ApplicationEdit::new(document)))
    }

    /// A file in the data folder that has no name and is gone when it is closed: for what is large and on its way out.
    pub fn nameless_file(&self) -> Result<std::fs::File> {
        let what =
            || format!("making a file in {}; is there room, and may this user write there?", self.data_dir.display());
        tempfile::tempfile_in(&self.data_dir).with_context(what)
    }

    /// Makes the person's folder; nothing happens if there is one.
    pub fn create(&self, person: &Person) -> Result<()> {
        self.refuse_links(person)?;
        file::make_folder(&self.folder(person))
    }

    /// Removes a person: settings, token, the whole folder.
    pub fn remove(&self, person: &Person) -> Result<()> {
        self.lock(person)?.remove()
    }

    /// Waits until nobody else writes the person's file, and keeps it so.
    ///
    /// # Errors
    /// There is no such person, or nothing can be written there.
    pub fn lock(&self, person: &Person) -> Result<Guard> {
        self.acquire(person, None)?.context("the lock was not waited for")
    }

    /// As [`lock`](Plugindata::lock), but waits no longer than `patience` (zero: not at all); then `None`.
    pub fn lock_within(&self, person: &Person, patience: Duration) -> Result<Option<Guard>> {
        self.acquire(person, Some(patience))
    }

    /// Changes a person's settings: [`lock`](Plugindata::lock), then [`Guard::save`].
    pub fn save(&self, person: &Person, change: impl FnOnce(&mut PersonEdit<'_>) -> Result<()>) -> Result<()> {
        self.lock(person)?.save(change)
    }

    /// Whether a person's setting may have this value, as [`PersonEdit::set`] would say.
    pub fn check_setting(&self, key: &str, value: &str) -> Result<()> {
        PersonEdit::new(&mut DocumentMut::new()).set(key, value)
    }

    /// Writes the token of a fresh consent, and in the same stroke the account of a person who has none yet:
    /// [`lock`](Plugindata::lock), then [`Guard::save_consent`].
    pub fn save_consent(&self, person: &Person, token: &Token, account: &str) -> Result<()> {
        self.lock(person)?.save_consent(token, account)
    }

    /// Replaces a person's token: [`lock`](Plugindata::lock), then [`Guard::save_token`].
    pub fn save_token(&self, person: &Person, token: &Token) -> Result<()> {
        self.lock(person)?.save_token(token)
    }

    /// Deletes a person's token, and the one before it; settings stay.
    pub fn delete_token(&self, person: &Person) -> Result<()> {
        self.lock(person)?.delete_token()
    }

    /// Deletes the token before `used`, once that has been used with success. Nothing happens if `used` is no longer
    /// the present one.
    pub fn forget_previous(&self, person: &Person, used: &SecretString) -> Result<()> {
        if !previous(&self.person_file(person)).exists() {
            return Ok(());
        }
        let guard = self.lock(person)?;
        let present = guard.read()?.token;
        let same = |token: &Token| token.access_token.expose_secret() == used.expose_secret();
        if present.as_ref().is_some_and(same) { file::delete(&previous(&guard.path)) } else { Ok(()) }
    }

    fn acquire(&self, person: &Person, patience: Option<Duration>) -> Result<Option<Guard>> {
        if !self.identity(person).is_dir() {
            return Err(anyhow!("there is no person {person} ({} is missing)", self.identity(person).display()));
        }
        self.refuse_links(person)?;
        let folder = self.folder(person);
        file::make_folder_within(&folder)?;
        let lock = Lock::acquire(&folder, patience)?;
        let path = self.person_file(person);
        Ok(lock.map(|lock| Guard { plugindata: self.clone(), identity: self.identity(person), path, _lock: lock }))
    }

    fn read_person(&self, path: &Path) -> Result<Option<PersonFile>> {
        let Some(text) = file::read(path)? else { return Ok(None) };
        let lines = Lines::parse(path, &text)?;
        let (person, unknown) = PersonFile::read(Fields::of(&lines))?;
        unknown.into_iter().for_each(|complaint| self.complain(complaint));
        Ok(Some(person))
    }

    /// Once: files are read at every fetch.
    fn complain(&self, complaint: String) {
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if !complained.contains(&complaint) {
            log::warn!("{complaint}");
            complained.insert(complaint);
        }
    }

    fn refuse_links(&self, person: &Person) -> Result<()> {
        let identities = self.data_dir.join("identities");
        [identities, self.identity(person), self.folder(person)].iter().try_for_each(|path| file::refuse_link(path))
    }

    fn application_file(&self) -> PathBuf {
        self.data_dir.join("plugindata").join("fitbit.toml")
    }

    fn identity(&self, person: &Person) -> PathBuf {
        self.data_dir.join("identities").join(person.as_str())
    }

    fn folder(&self, person: &Person) -> PathBuf {
        self.identity(person).join("plugindata")
    }

    fn person_file(&self, person: &Person) -> PathBuf {
        self.folder(person).join("fitbit.toml")
    }
}

/// The sole right to write a person's file, until it is dropped; held across the request that makes a new token.
#[derive(Debug)]
pub struct Guard {
    plugindata: Plugindata,
    identity: PathBuf,
    path: PathBuf,
    _lock: Lock,
}

impl Guard {
    /// The file as it is now.
    pub fn read(&self) -> Result<PersonFile> {
        self.plugindata.read_person(&self.path).map(Option::unwrap_or_default)
    }

    /// Whether a save would find room and permission: to be asked before an upstream gives a token that would be lost.
    pub fn try_saving(&self) -> Result<()> {
        let text = file::read(&self.path)?.unwrap_or_default();
        parsed(&self.path, &text)?;
        // The file as it was is kept beside the new one.
        file::try_replacing(&self.path, 2 * text.len())
    }

    /// Changes settings in the file as it is now; comments, order and unknown keys stay. Nothing is written where
    /// `change` fails.
    pub fn save(&self, change: impl FnOnce(&mut PersonEdit<'_>) -> Result<()>) -> Result<()> {
        rewrite(&self.path, |document| change(&mut PersonEdit::new(document)))
    }

    /// Replaces the token and keeps the file as it was as `fitbit.toml.previous`, until
    /// [`Plugindata::forget_previous`].
    pub fn save_token(&self, token: &Token) -> Result<()> {
        self.replace_token(token, None)
    }

    /// As [`save_token`](Guard::save_token), and writes the account (see [`PersonEdit::account`]) in the same stroke.
    pub fn save_consent(&self, token: &Token, account: &str) -> Result<()> {
        self.replace_token(token, Some(account))
    }

    fn replace_token(&self, token: &Token, account: Option<&str>) -> Result<()> {
        if let Some(text) = file::read(&self.path)?
            && parsed(&self.path, &text)?.contains_key("token")
        {
            file::replace(&previous(&self.path), &text)?;
        }
        rewrite(&self.path, |document| {
            account.map(|account| PersonEdit::new(document).account(account));
            token.write(document)
        })
    }

    /// Deletes the token, and the one before it; settings stay.
    pub fn delete_token(&self) -> Result<()> {
        rewrite(&self.path, |document| {
            edit::remove(document, "token");
            Ok(())
        })?;
        file::delete(&previous(&self.path))
    }

    /// Removes the person: settings, token, the whole folder. Whoever waits to write there finds nobody.
    pub fn remove(self) -> Result<()> {
        file::remove_folder(&self.identity)
    }
}

fn previous(path: &Path) -> PathBuf {
    path.with_extension("toml.previous")
}

/// Applies a change to the file as it is now. A file that is not TOML is refused rather than replaced.
fn rewrite(path: &Path, change: impl FnOnce(&mut DocumentMut) -> Result<()>) -> Result<()> {
    let text = file::read(path)?.unwrap_or_default();
    let mut document = parsed(path, &text)?;
    change(&mut document)?;
    let changed = document.to_string();
    if changed == text { Ok(()) } else { file::replace(path, &changed) }
}

fn parsed(path: &Path, text: &str) -> Result<DocumentMut> {
    text.parse().map_err(|error| malformed(&path.display().to_string(), text, &error))
}
