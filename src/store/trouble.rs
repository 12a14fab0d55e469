//! What goes wrong in a database, in words that say what to do. Decides nothing.

use anyhow::{Error, Result};

/// The codes of databases, what they mean and what to do: SQLite's primary result codes
/// (<https://www.sqlite.org/rescode.html>) and PostgreSQL's (<https://www.postgresql.org/docs/15/errcodes-appendix.html>).
static CURES: &[(&str, &str)] = &[
    ("5", "another program holds the store's file: end it"),
    ("8", "the store's file cannot be written: give it, and its folder, to the user this program runs as"),
    ("10", "the disk failed: look at the system's log"),
    ("11", DAMAGED),
    ("13", "the disk is full: make room"),
    ("14", "the store's file cannot be opened: give it, and its folder, to the user this program runs as"),
    ("26", DAMAGED),
    ("28P01", "the database does not accept the password of `store.url`: correct it"),
    ("28000", "the database lets this user not in: correct `store.url`, or the database's pg_hba.conf"),
    ("3D000", "there is no such database: create it, owned by the user of `store.url`"),
    ("42501", FORBIDDEN),
    ("53100", "the database's disk is full: make room"),
    ("53300", "the database has no connection left: end those not needed, or raise its max_connections"),
    ("55P03", "another program holds the store for long: look at pg_stat_activity"),
];

const DAMAGED: &str = "the store's file is damaged: put back a copy of it, or move it away and it is made anew";

const FORBIDDEN: &str = "the user of `store.url` may not do that: make it the owner of the database";

const SILENT: &str = "the database does not answer: look whether it runs, and whether `store.url` is right";

/// Says of a statement's failure what was being done, and what helps.
pub(super) trait Doing<T> {
    /// `context` says what was being done.
    fn context(self, context: &'static str) -> Result<T>;
}

impl<T> Doing<T> for sqlx::Result<T> {
    fn context(self, context: &'static str) -> Result<T> {
        self.map_err(|error| explained(error).context(context))
    }
}

/// The error with what helps, where that is known.
pub(super) fn explained(error: sqlx::Error) -> Error {
    let cure = match &error {
        sqlx::Error::Database(database) => database.code().and_then(|code| cure(&code)),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut => Some(SILENT),
        _ => None,
    };
    match cure {
        Some(cure) => Error::new(error).context(cure),
        None => Error::new(error),
    }
}

/// The database's user may not make tables.
pub(super) fn forbidden() -> Error {
    Error::msg("no table may be made").context(FORBIDDEN)
}

/// The database took too long.
pub(super) fn silent() -> Error {
    Error::msg(SILENT)
}

fn cure(code: &str) -> Option<&'static str> {
    // SQLite's extended codes hold the primary one in their lowest byte; PostgreSQL's are five characters long.
    let primary = match code.parse::<u32>() {
        Ok(number) if code.len() != 5 => (number & 0xff).to_string(),
        _ => code.to_owned(),
    };
    CURES.iter().find(|(known, _)| *known == primary).map(|(_, cure)| *cure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_databases_are_known() {
        assert_eq!(cure("11"), Some(DAMAGED));
        // SQLITE_CORRUPT_INDEX.
        assert_eq!(cure("779"), Some(DAMAGED));
        assert!(cure("28P01").is_some_and(|cure| cure.contains("password")));
        assert!(cure("28000").is_some() && cure("23505").is_none() && cure("19").is_none());
    }
}
