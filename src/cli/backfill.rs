//! `backfill`: the past of a person, with its progress as a bar on a terminal and as plain lines elsewhere. It works
//! itself, or watches another process that does.

use std::future::Future;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};

use super::Failed;
use crate::backfill::{Backfill, Rest};
use crate::bridge::{self, Parts};
use crate::clock::Clock;
use crate::config::Config;
use crate::fetch::Refusal;
use crate::plan::Past;
use crate::reading::Person;
use crate::snapshot::utc;
use crate::store::{Order, Stretch};

/// How often the progress is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How often a plain line says how far it has come, where nothing else is to be said.
const LINE: Duration = Duration::from_secs(30);
/// How often it is tried to take over from another process.
const TAKE_OVER: Duration = Duration::from_secs(5);

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Whose
    user: Person,
    /// The first day, as 2025-11-20
    #[arg(long, value_name = "DATE")]
    from: String,
    /// The last day [default: today]
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// Only what tells of these metrics
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    metrics: Vec<String>,
}

/// Fetches the past into the store, and returns when it is there.
pub(super) async fn backfill(
    config: Config,
    arguments: Arguments,
    interrupted: impl Future<Output = ()>,
) -> Result<(), Failed> {
    let store = bridge::store(&config).await?;
    let parts = Parts::new(&config, Clock::system(), store, Vec::new())?;
    let backfill = parts.backfill(&config);
    let Arguments { user, from, to, metrics } = arguments;
    let past = Past { from: Some(from), to, metrics };
    let stretch = backfill.order(&user, &past).await.map_err(|refusal| match refusal {
        Refusal::Bad(_) => Failed::Configuration(anyhow!(refusal)),
        _ => Failed::Running(anyhow!(refusal)),
    })?;
    let mut progress = Progress::new(format!("{user}, {} to {}", stretch.first, stretch.last));
    let ended = tokio::select! {
        ended = worked(&backfill, &user, &stretch) => ended,
        () = interrupted => Err(anyhow!("interrupted; the same command goes on where it ended, and so does a running bridge")),
        never = progress.follow(&backfill, &user, &stretch) => never,
    };
    // What is under way is recorded, and a token that is being renewed is kept.
    backfill.stop();
    parts.fetcher.stop().await;
    let order = ended.inspect_err(|_| progress.clear())?;
    progress.end(&order);
    Ok(())
}

/// Works until the stretch is complete, here or elsewhere.
async fn worked(backfill: &Backfill, user: &Person, stretch: &Stretch) -> Result<Order> {
    loop {
        let rest = tokio::select! {
            rest = backfill.work(user) => rest?,
            order = backfill.completed(user, stretch) => {
                return order?.ok_or_else(|| anyhow!("{user} was forgotten meanwhile"));
            }
        };
        match (rest, backfill.progress(user, stretch).await?) {
            (_, None) => return Err(anyhow!("{user} was forgotten meanwhile")),
            (_, Some(order)) if order.ended.is_some() => return Ok(order),
            (Rest::Paused, _) => return Err(anyhow!("{user} is paused; send the command resume first")),
            (Rest::Elsewhere | Rest::Complete, _) => tokio::time::sleep(TAKE_OVER).await,
        }
    }
}

/// How far it has come, on standard error.
struct Progress {
    what: String,
    bar: Option<ProgressBar>,
    said: String,
    at: Instant,
}

impl Progress {
    fn new(what: String) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            // Of nothing known everything would be done: a bar comes with the first plan.
            bar.set_style(style("{prefix}{msg}"));
            bar.set_prefix(what.clone());
            bar
        });
        Progress { what, bar, said: String::new(), at: Instant::now() }
    }

    async fn follow(&mut self, backfill: &Backfill, user: &Person, stretch: &Stretch) -> Result<Order> {
        loop {
            if let Some(order) = backfill.progress(user, stretch).await? {
                self.show(&order);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn show(&mut self, order: &Order) {
        let Some(todo) = order.todo else { return self.show_turn() };
        let waits = match (order.until, &order.problem) {
            (Some(until), Some(problem)) => format!("; it goes on at {}: {problem}", utc(until)),
            (Some(until), None) => {
                let minutes = (until - Clock::system().now()).num_minutes().max(0) + 1;
                format!("; the next quota window begins in {minutes} min")
            }
            (None, _) => String::new(),
        };
        if let Some(bar) = &self.bar {
            bar.set_style(style("{prefix} {wide_bar} {pos} of {len} requests{msg}"));
            bar.set_length(u64::try_from(order.done + todo).unwrap_or_default());
            bar.set_position(u64::try_from(order.done).unwrap_or_default());
            bar.set_message(waits);
            return;
        }
        let waiting = order.until.is_some();
        let now = format!("{waiting} {}", if waiting { order.done } else { 0 });
        if now != self.said || self.at.elapsed() >= LINE {
            eprintln!("{}: {} requests done, {todo} to do{waits}", self.what, order.done);
            (self.said, self.at) = (now, Instant::now());
        }
    }

    /// Nothing was planned yet: somebody's order from before is at work, and may wait for quota.
    fn show_turn(&mut self) {
        let waits = ": waits until what was ordered before is complete";
        match &self.bar {
            Some(bar) => bar.set_message(waits),
            None if self.said != waits && self.at.elapsed() >= TAKE_OVER => {
                eprintln!("{}{waits}", self.what);
                self.said = waits.into();
            }
            None => {}
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }

    fn end(&self, order: &Order) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        eprintln!("{}: complete, with {} requests.", self.what, order.done);
        if let Some(problem) = &order.problem {
            eprintln!("A part could not be fetched: {problem}.");
        }
    }
}

/// The templates are constants, and good.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
