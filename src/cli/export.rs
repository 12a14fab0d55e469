//! The command that writes what the store holds to standard output.

use std::io::{BufWriter, ErrorKind};

use anyhow::{Result, anyhow};
use clap::Args;

use super::Failed;
use crate::bridge::{self, Parts};
use crate::clock::Clock;
use crate::config::Config;
use crate::history::{self, Form, Wanted};
use crate::reading::Person;

/// What is exported, and how.
#[derive(Args)]
pub(super) struct Export {
    /// Whose [default: everyone's]
    user: Option<Person>,
    /// The first day
    #[arg(long, value_name = "DATE")]
    from: String,
    /// The last day [default: today]
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// Only these metrics
    #[arg(long, value_name = "A,B")]
    metrics: Option<String>,
    /// Samples within the day, too
    #[arg(long)]
    intraday: bool,
    /// csv, ndjson or influx (line protocol)
    #[arg(long, value_parser = form)]
    format: Form,
}

/// Asks no upstream, and works beside a running bridge.
pub(super) async fn export(config: Config, export: Export) -> Result<(), Failed> {
    let Export { user, from, to, metrics, intraday, format } = export;
    let wanted = Wanted::read(&from, to.as_deref(), metrics.as_deref(), intraday);
    let wanted = wanted.map_err(|bad| Failed::Configuration(anyhow!("{bad}")))?;
    let store = bridge::store(&config).await?;
    let parts = Parts::new(&config, Clock::system(), store.clone(), Vec::new())?;
    let people = match user {
        Some(user) => vec![user],
        None => parts.household.plugindata.people()?,
    };
    let mut members = Vec::new();
    for person in people {
        let member = parts.household.member(&person).await?;
        members.push(member.ok_or_else(|| anyhow!("there is no person {person}; mind the spelling"))?);
    }
    let mut out = BufWriter::new(std::io::stdout());
    match history::write(&store, &members, &wanted, format, &mut out).await {
        // Whoever reads it may have gone.
        Err(error) if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe) => {
            Ok(())
        }
        written => Ok(written?),
    }
}

fn form(name: &str) -> Result<Form, String> {
    let forms = || Form::ALL.into_iter().filter(|form| *form != Form::Json);
    let names = || forms().map(Form::name).collect::<Vec<_>>().join(", ");
    forms().find(|form| form.name() == name).ok_or_else(|| format!("one of {}", names()))
}
