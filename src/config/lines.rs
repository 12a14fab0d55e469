//! A TOML file that remembers its lines, so that a message can name the place.
//! Knows no key; its messages never quote the text, which may be a secret.

use std::ops::Range;
use std::path::Path;

use anyhow::{Result, anyhow};
use toml_edit::{Document, Item, Table, TomlError};

/// A parsed TOML file.
#[derive(Debug)]
pub(crate) struct Lines {
    file: String,
    document: Document<String>,
}

impl Lines {
    /// Parses the text of the file at `path`, naming both file and line where that fails.
    pub fn parse(path: &Path, text: &str) -> Result<Lines> {
        let file = path.display().to_string();
        let document = Document::parse(text.to_owned()).map_err(|error| malformed(&file, text, &error))?;
        Ok(Lines { file, document })
    }

    /// The top of the file.
    pub fn table(&self) -> &Table {
        self.document.as_table()
    }

    /// `FILE line N`.
    pub fn place(&self, span: Option<Range<usize>>) -> String {
        place(&self.file, self.document.raw(), span)
    }

    /// The text of an item as it stands in the file.
    pub fn raw(&self, item: &Item) -> &str {
        item.span().and_then(|span| self.document.raw().get(span)).unwrap_or_default()
    }
}

/// Only the parser's own words and the place: a quoted line could show a password.
pub(crate) fn malformed(file: &str, text: &str, error: &TomlError) -> anyhow::Error {
    let place = place(file, text, error.span());
    anyhow!("{place} is not valid TOML: {}; texts stand in quotes", error.message().trim().replace('\n', "; "))
}

fn place(file: &str, text: &str, span: Option<Range<usize>>) -> String {
    match span.and_then(|span| text.get(..span.start)) {
        Some(before) => format!("{file} line {}", before.matches('\n').count() + 1),
        None => file.to_owned(),
    }
}
