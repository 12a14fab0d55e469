//! `fitbit2mqtt plus`: what Fitbit Plus has, as NDJSON, streamed page by page.

use std::io::{self, BufWriter, IsTerminal, Write};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::Failed;
use crate::clock::Clock;
use crate::config::Config;
use crate::plus::Reader;
use crate::upstream::fitbit_plus::request::{Paging, Request, Wanted};

/// Without a terminal, progress is told once for so many entries.
const TOLD_EVERY: u64 = 1000;

/// What is asked of Fitbit Plus.
#[derive(Args)]
pub(super) struct Plus {
    /// A resource, such as patient or result; or a path, such as patient/ID/groups
    resource: String,
    /// Only the one with this identifier
    id: Option<String>,
    /// Only what fits, such as archived=false or updated_at=START..END; may be repeated
    #[arg(long = "filter", value_name = "K=V", value_parser = pair)]
    filters: Vec<(String, String)>,
    /// Related resources, put where they are related
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    include: Vec<String>,
    /// The order
    #[arg(long, value_name = "F", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Only the number of entries, by one call
    #[arg(long, conflicts_with = "page_size")]
    count: bool,
    /// The form of paging [default: cursor, where the vendor declares it]
    #[arg(long, value_enum)]
    paging: Option<Form>,
    /// Entries of a page [default: 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    page_size: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    Cursor,
    Skip,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or("it must be NAME=VALUE, such as archived=false")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

/// Asks, and writes each resource on a line of its own.
pub(super) async fn plus(config: Config, asked: Plus) -> Result<(), Failed> {
    let wanted = Wanted {
        resource: asked.resource,
        id: asked.id,
        filters: asked.filters,
        include: asked.include,
        sort: asked.sort,
        paging: asked.paging.map(|form| match form {
            Form::Cursor => Paging::Cursor,
            Form::Skip => Paging::Skip,
        }),
        page_size: asked.page_size,
        count: asked.count,
    };
    // What is wrong in itself costs no request.
    Request::new(&wanted, None).map_err(Failed::Configuration)?;
    let reader = Reader::new(&config, Clock::system())?;
    let reach = reader.reach().await?;
    let request = Request::new(&wanted, Some(&reach)).map_err(Failed::Configuration)?;
    if wanted.count {
        return Ok(super::print(&format!("{}\n", reader.count(&request).await?))?);
    }
    match stream(&reader, &request, &wanted.resource).await {
        // Whoever reads the lines may have seen enough.
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            Ok(())
        }
        outcome => Ok(outcome?),
    }
}

async fn stream(reader: &Reader, request: &Request, what: &str) -> Result<()> {
    let mut out = BufWriter::new(io::stdout());
    let mut progress = Progress::new(what);
    let outcome = reader
        .read(
            request,
            |resource| {
                serde_json::to_writer(&mut out, &resource).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
                Ok(())
            },
            |came, of| progress.tell(came, of),
        )
        .await;
    progress.end();
    // What came is worth having, whatever happened then.
    let flushed = out.flush();
    outcome?;
    flushed.context("writing the result")
}

/// How far a long list is, on standard error: a bar on a terminal, a line now and then elsewhere.
struct Progress<'w> {
    what: &'w str,
    bar: Option<ProgressBar>,
    told: u64,
}

impl<'w> Progress<'w> {
    fn new(what: &'w str) -> Progress<'w> {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            // The template is a constant, and good.
            let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos} of {len}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(what.to_owned());
            bar
        });
        Progress { what, bar, told: 0 }
    }

    fn tell(&mut self, came: u64, of: Option<u64>) {
        if let Some(bar) = &self.bar {
            bar.set_length(of.unwrap_or(came));
            bar.set_position(came);
        } else if came >= self.told + TOLD_EVERY {
            eprintln!("{}: {came}{}", self.what, of.map(|of| format!(" of {of}")).unwrap_or_default());
            self.told = came;
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
