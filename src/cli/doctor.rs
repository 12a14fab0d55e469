//! `doctor`: what was found, row by row, to standard output.

use anyhow::{Result, bail};

use super::print;
use crate::bridge;
use crate::clock::Clock;
use crate::config::Config;
use crate::doctor::{self, Finding, State};

/// Looks at everything; fails where something needs doing, a configuration that cannot be read included.
pub async fn doctor(config: Result<Config>) -> Result<()> {
    let findings = match config {
        Ok(config) => {
            let case = bridge::case(&config, Clock::system()).await?;
            let findings = doctor::examine(&case).await;
            if let Ok(Some(store)) = &case.store {
                // Otherwise the files that SQLite keeps beside an open store would stay.
                store.close().await;
            }
            findings
        }
        Err(error) => vec![Finding::of_configuration(&error)],
    };
    let rows: String = findings.iter().map(row).collect();
    print(&format!("{rows}\n{}\n", doctor::summary(&findings)))?;
    match findings.iter().filter(|finding| finding.state == State::Trouble).count() {
        0 => Ok(()),
        1 => bail!("the doctor found 1 thing that needs doing"),
        count => bail!("the doctor found {count} things that need doing"),
    }
}

fn row(finding: &Finding) -> String {
    let Finding { subject, state, what, cure } = finding;
    // One line each, whatever an error's own words are.
    let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cure = cure.as_ref().map(|cure| format!("{:28}→ {}\n", "", line(cure))).unwrap_or_default();
    format!("{:<9} {subject:<17} {}\n{cure}", state.word(), line(what))
}
