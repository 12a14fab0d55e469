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
    // Into a folder that is closed, nobody gets.
    let reached = is_open(&case.config.data_dir, 0o077);
    for path in case.household.plugindata.files().iter().filter(|path| reached && is_open(path, 0o077)) {
        let cure = format!("chmod go= {}", path.display());
        findings.push(match path.is_dir() {
            true => Finding::warning(SUBJECT, open(path), cure),
            false => Finding::trouble(SUBJECT, format!("{}, and holds secrets", open(path)), cure),
        });
    }
    if findings.is_empty() {
        return vec![Finding::ok(SUBJECT, "tokens and passwords are readable by their owner only")];
    }
    findings
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
        Ok(None) => return vec![Finding::ok(SUBJECT, "there is none yet; the first start makes it")],
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
