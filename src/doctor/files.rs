//! What lies on this machine: files that others may read, room on the disk, the database. Changes no mode and keeps
//! nothing that it writes.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Case, Finding};

/// Below this, in bytes, writes are about to fail; below that, they will some day.
const LITTLE: u64 = 100 << 20;
const NOT_MUCH: u64 = 1 << 30;

/// Who may read what holds secrets.
pub(super) async fn modes(case: &Case) -> Vec<Finding> {
    const SUBJECT: &str = "file modes";
    let open = |path: &Path| format!("{} is open to other users of this machine", path.display());
    let mut findings = Vec::new();
    // A configuration may be a group's: root's own, for the user this runs as.
    for path in case.config.secret_files.iter().filter(|path| is_open(path, 0o007)) {
        let what = format!("{}, and holds secrets", open(path));
        findings.push(Finding::trouble(SUBJECT, what, format!("chmod o= {}", path.display())));
    }
    let folder = &case.config.data_dir;
    let mut private = case.household.plugindata.files();
    private.extend(case.database.clone());
    // Into a folder that is closed, nobody gets.
    let reached = |path: &Path| {
        let within = if path.starts_with(folder) { Some(folder.as_path()) } else { path.parent() };
        within.is_none_or(|folder| is_open(folder, 0o077))
    };
    private.retain(|path| is_open(path, 0o077) && reached(path));
    // Files hold what is secret, so that the first of them is the one to name.
    private.sort_by_key(|path| path.is_dir());
    if let Some(first) = private.first() {
        let what = match private.len() {
            1 => open(first),
            count => format!("{}, and {} more", open(first), count - 1),
        };
        // Beside an open database SQLite keeps files of the same mode.
        let beside = |path: &PathBuf| if case.database.as_ref() == Some(path) { "*" } else { "" };
        let cure = match common(&private) {
            path if private.len() == 1 || !path.starts_with(folder) => {
                let all: Vec<_> = private.iter().map(|path| format!("{}{}", path.display(), beside(path))).collect();
                format!("chmod go= {}", all.join(" "))
            }
            path => format!("chmod -R go= {}", path.display()),
        };
        findings.push(match first.is_dir() {
            true => Finding::warning(SUBJECT, what, cure),
            false => Finding::trouble(SUBJECT, format!("{what}: secrets or health data"), cure),
        });
    }
    if findings.is_empty() {
        return vec![Finding::ok(SUBJECT, "tokens and passwords are readable by their owner only")];
    }
    findings
}

/// The nearest folder that all are in, or the one path itself.
fn common(paths: &[PathBuf]) -> &Path {
    let all = |folder: &&Path| paths.iter().all(|path| path.starts_with(folder));
    paths[0].ancestors().find(all).unwrap_or(&paths[0])
}

fn is_open(path: &Path, to: u32) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.mode() & to != 0)
}

/// How much room is left where data is kept.
pub(super) async fn room(case: &Case) -> Vec<Finding> {
    const SUBJECT: &str = "disk space";
    let folder = existing(&case.config.data_dir);
    let free = match rustix::fs::statvfs(&folder) {
        Ok(there) => there.f_bavail.saturating_mul(there.f_frsize),
        Err(error) => {
            let what = format!("the room left in {} is not known: {error}", folder.display());
            return vec![Finding::warning(SUBJECT, what, "look at that folder")];
        }
    };
    let what = format!("{} MB are free in {}", free >> 20, folder.display());
    let cure = "make room there, or set data_dir to a folder on another disk";
    vec![match free {
        0..LITTLE => Finding::trouble(SUBJECT, what, cure),
        LITTLE..NOT_MUCH => Finding::warning(SUBJECT, what, cure),
        _ => Finding::ok(SUBJECT, what),
    }]
}

/// The folder, or the nearest one above it that is there.
fn existing(folder: &Path) -> PathBuf {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    folder.ancestors().find(|folder| folder.exists()).unwrap_or(&folder).to_owned()
}

/// Whether the store opens, is whole and can be written.
pub(super) async fn database(case: &Case) -> Vec<Finding> {
    const SUBJECT: &str = "database";
    let store = match &case.store {
        Ok(Some(store)) => store,
        Ok(None) => return vec![Finding::ok(SUBJECT, "its tables are not there yet; the first start makes them")],
        Err(error) => {
            let cure = "nothing was changed; see what it names";
            return vec![Finding::trouble(SUBJECT, error, cure)];
        }
    };
    vec![match store.examine().await {
        Ok(None) => Finding::ok(SUBJECT, "it opens, is whole and can be written"),
        Ok(Some(damage)) => Finding::trouble(
            SUBJECT,
            format!("it is damaged: {damage}"),
            "stop the bridge, export what you need, and put back a copy, or move it away: it is made anew",
        ),
        Err(error) => Finding::trouble(SUBJECT, format!("{error:#}"), "see what it names"),
    }]
}
