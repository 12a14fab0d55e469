//! Files that are replaced whole or not at all, readable by their owner alone, and locks that a crash releases.
//! Knows no content.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

/// More than a change adds to any file of plugindata.
const ROOM: usize = 16 * 1024;

/// The text of a file; `None` if there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(explained(error, "reading", path)),
    }
}

/// Replaces (or makes) a file, mode 0600: after a crash at any moment there is either the old text or the new one.
pub(super) fn replace(path: &Path, text: &str) -> Result<()> {
    refuse_link(path)?;
    let folder = path.parent().context("a file without a folder")?;
    let write = || -> io::Result<()> {
        let mut file = temporary(folder, path)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error| explained(error, "writing", path))
}

/// Whether a [`replace`] by `size` bytes and a little more would find room and permission now; leaves nothing behind.
pub(super) fn try_replacing(path: &Path, size: usize) -> Result<()> {
    refuse_link(path)?;
    let folder = path.parent().context("a file without a folder")?;
    let write = || -> io::Result<()> {
        let mut file = temporary(folder, path)?;
        file.write_all(&vec![b'#'; size + ROOM])?;
        file.as_file().sync_all()
    };
    write().map_err(|error| explained(error, "writing", path))
}

/// Deletes a file if there is one.
pub(super) fn delete(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(explained(error, "deleting", path)),
        _ => Ok(()),
    }
}

/// Makes a folder, mode 0700, and those above it that are missing.
pub fn make_folder(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| explained(error, "making", path))
}

/// Makes a folder, mode 0700, in one that is there.
pub(super) fn make_folder_within(path: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(explained(error, "making", path)),
        _ => Ok(()),
    }
}

/// What a folder is moved into while it is removed.
const REMOVED: &str = ".removed.";

/// Removes a folder and all that is in it, at one stroke for everyone who looks for it by name.
pub(super) fn remove_folder(path: &Path) -> Result<()> {
    let parent = path.parent().context("a folder without a folder")?;
    let remove = || -> io::Result<()> {
        let aside = tempfile::Builder::new().prefix(REMOVED).tempdir_in(parent)?;
        std::fs::rename(path, aside.path().join("folder"))?;
        match aside.close() {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => File::open(parent)?.sync_all(),
        }
    };
    remove().map_err(|error| explained(error, "removing", path))
}

/// Whether a name is that of a folder under removal.
pub(super) fn is_under_removal(name: &str) -> bool {
    name.starts_with(REMOVED)
}

/// Completes removals that a crash cut short.
fn finish_removals(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_under_removal(&entry.file_name().to_string_lossy())
            && let Err(error) = std::fs::remove_dir_all(entry.path())
        {
            log::warn!("{} was being removed and cannot be: {error}; remove it by hand", entry.path().display());
        }
    }
}

/// Refuses a symbolic link, through which a write would land elsewhere.
pub(super) fn refuse_link(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
        bail!(
            "{} is a symbolic link, through which nothing is written; put the real thing in its place",
            path.display()
        );
    }
    Ok(())
}

/// A lock on a folder, held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _held: Held,
}

impl Lock {
    /// Locks `folder` by its file `fitbit.lock`; `None` if others hold it for longer than `patience` (`None`: for ever).
    pub fn acquire(folder: &Path, patience: Option<Duration>) -> Result<Option<Lock>> {
        let path = folder.join("fitbit.lock");
        let started = Instant::now();
        loop {
            refuse_link(&path)?;
            let file = open(&path).map_err(|error| explained(error, "locking", &path))?;
            let locked = match patience {
                None => file.lock().map(|()| true),
                Some(patience) => wait(&file, started, patience),
            };
            if !locked.map_err(|error| explained(error, "locking", &path))? {
                return Ok(None);
            }
            // Whoever held it before may have removed the folder, and someone may have made it anew.
            if is_still(&file, &path) {
                tighten(folder);
                sweep(folder);
                return Ok(Some(Lock { _held: Held(file) }));
            }
        }
    }
}

fn wait(file: &File, started: Instant, patience: Duration) -> io::Result<bool> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if started.elapsed() >= patience => return Ok(false),
            Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(10)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

fn is_still(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.metadata()) {
        (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// A locked file. Closing it would not do: a child that is just being started has a copy until it runs its program.
#[derive(Debug)]
struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            log::warn!("a lock could not be let go: {error}");
        }
    }
}

/// The exclusive right to `run` in a data directory.
#[derive(Debug)]
pub struct RunLock {
    _held: Held,
}

impl RunLock {
    /// Takes the right, making the folder if it is missing. It ends with the value or with the process.
    ///
    /// # Errors
    /// Names the process that has it already.
    pub fn acquire(data_dir: &Path) -> Result<RunLock> {
        make_folder(data_dir)?;
        let path = data_dir.join("fitbit2mqtt.lock");
        refuse_link(&path)?;
        let mut file = open(&path).map_err(|error| explained(error, "locking", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(explained(error, "locking", &path)),
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                // What it says is only for the message; the lock itself has been refused already.
                let _ = file.read_to_string(&mut process);
                bail!(
                    "process {} already runs with the data directory {}; stop it first, or give this one another data_dir",
                    process.trim(),
                    data_dir.display()
                );
            }
        }
        let note = |file: &mut File| -> io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        let mut held = Held(file);
        note(&mut held.0).map_err(|error| explained(error, "writing", &path))?;
        finish_removals(&data_dir.join("identities"));
        Ok(RunLock { _held: held })
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// `tempfile` makes it with mode 0600 and deletes it again unless it is put in its place.
fn temporary(folder: &Path, path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    tempfile::Builder::new().prefix(&format!(".{name}.")).suffix(".tmp").tempfile_in(folder)
}

/// Deletes what writers that were killed left behind; under the lock there is no other writer.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(".fitbit.toml.") && name.ends_with(".tmp") {
            match std::fs::remove_file(entry.path()) {
                Ok(()) => log::info!("deleted {}, left behind by a write that was cut short", entry.path().display()),
                Err(error) => log::warn!("cannot delete {}: {error}", entry.path().display()),
            }
        }
    }
}

/// Takes the folder from group and others, who may have it from a hand-made one.
fn tighten(folder: &Path) {
    let Ok(mode) = folder.metadata().map(|metadata| metadata.mode()) else { return };
    if mode & 0o077 != 0 {
        match std::fs::set_permissions(folder, Permissions::from_mode(mode & 0o700)) {
            Ok(()) => log::info!("{} was open to other users; it no longer is", folder.display()),
            Err(error) => log::warn!("{} is open to other users and cannot be closed: {error}", folder.display()),
        }
    }
}

/// What failed, on which file, and what to do about it.
pub(super) fn explained(error: io::Error, doing: &str, path: &Path) -> anyhow::Error {
    let cure = match error.kind() {
        ErrorKind::PermissionDenied => "give it and its folder to the user this program runs as",
        ErrorKind::ReadOnlyFilesystem => "mount that file system writable, or set another data_dir",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "free some space there; nothing was changed"
        }
        ErrorKind::InvalidData => "it is not UTF-8 text; write it anew, or move it away",
        ErrorKind::NotADirectory => "a file stands where a folder belongs; move it away",
        ErrorKind::IsADirectory => "a folder stands where a file belongs; move it away",
        _ => "look at that file and its folder",
    };
    anyhow!(error).context(format!("{doing} {} failed; {cure}", path.display()))
}
