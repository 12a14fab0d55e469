//! The command that takes over what other programs left.

use std::path::Path;

use anyhow::{Result, bail};

use super::print;
use crate::config::Config;
use crate::import::Found;
use crate::plugindata::{Plugindata, create_folder};
use crate::reading::Person;

/// Prints a sentence for each thing that was taken or left out; fails where nothing was of use.
pub(super) fn import(config: &Config, file: &Path, user: Option<&Person>) -> Result<()> {
    let found = Found::read(file)?;
    create_folder(&config.data_dir)?;
    let plugindata = Plugindata::new(&config.data_dir).overridden_by(config.clients.clone());
    let report = found.take(&plugindata, user)?;
    for line in &report.lines {
        print(&format!("{line}\n"))?;
    }
    if !report.useful {
        bail!("nothing was imported from {}", file.display());
    }
    Ok(())
}
