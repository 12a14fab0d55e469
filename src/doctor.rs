//! The doctor: everything that can be wrong around the bridge, looked at once, each finding with its cure. It spends no
//! quota, shows no secret and leaves nothing behind; it mends nothing.

mod broker; // whether the broker lets us in, and what it lets us do
mod configuration; // what is configured, and what is missing
mod destinations; // where else values go
mod files; // modes, room, the database
mod network; // our own address, the upstreams, the clock
mod people; // consent, scopes, quota

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};

use crate::config::Config;
use crate::household::Household;
use crate::sink::mqtt::Settings;
use crate::sink::{igor, influxdb};
use crate::store::Store;

/// What is examined.
pub struct Case {
    /// The configuration.
    pub config: Config,
    /// The people; on a store in memory, where there is none to be had.
    pub household: Arc<Household>,
    /// The store; `None`: it is not there yet, or not all its tables. In words, what is wrong with it.
    pub store: Result<Option<Store>, String>,
    /// The file that the store is in, or will be, if it is in one.
    pub database: Option<PathBuf>,
    /// How the broker is reached: with a client id of the doctor's own.
    pub mqtt: Settings,
    /// The Igor that is told, if any.
    pub igor: Option<igor::Settings>,
    /// The InfluxDB that is written to, if any.
    pub influxdb: Option<influxdb::Settings>,
    /// For everything over HTTP.
    pub http: reqwest::Client,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, but is worth a look.
    Warning,
    /// Something needs doing.
    Trouble,
}

impl State {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Trouble => "trouble",
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub subject: &'static str,
    /// How it is.
    pub state: State,
    /// What is so, in a sentence without its full stop.
    pub what: String,
    /// What helps.
    pub cure: Option<String>,
}

impl Finding {
    fn ok(subject: &'static str, what: impl Into<String>) -> Finding {
        Finding { subject, state: State::Ok, what: what.into(), cure: None }
    }

    fn warning(subject: &'static str, what: impl Into<String>, cure: impl Into<String>) -> Finding {
        Finding { subject, state: State::Warning, what: what.into(), cure: Some(cure.into()) }
    }

    fn trouble(subject: &'static str, what: impl Into<String>, cure: impl Into<String>) -> Finding {
        Finding { subject, state: State::Trouble, what: what.into(), cure: Some(cure.into()) }
    }

    /// A configuration that could not be read: nothing else can be examined.
    pub fn of_configuration(error: &anyhow::Error) -> Finding {
        Finding::trouble(
            configuration::SUBJECT,
            format!("{error:#}"),
            "correct it; nothing else can be examined before",
        )
    }
}

/// One thing to look at: its subject, how long that may take, how it is done.
struct Check {
    subject: &'static str,
    patience: Duration,
    examine: for<'c> fn(&'c Case) -> BoxFuture<'c, Vec<Finding>>,
}

/// How long something here may take, and something elsewhere.
const HERE: Duration = Duration::from_secs(15);
const ELSEWHERE: Duration = Duration::from_secs(12);
/// The broker is asked in several steps, perhaps in both versions of the protocol.
const BROKER: Duration = Duration::from_secs(60);

/// Everything, in the order in which it is told: what others rest on comes first.
#[rustfmt::skip]
static CHECKS: &[Check] = &[
    Check { subject: configuration::SUBJECT, patience: HERE,      examine: |case| Box::pin(configuration::examine(case)) },
    Check { subject: "registration",         patience: HERE,      examine: |case| Box::pin(configuration::registration(case)) },
    Check { subject: "passwords",            patience: HERE,      examine: |case| Box::pin(configuration::passwords(case)) },
    Check { subject: "file modes",           patience: HERE,      examine: |case| Box::pin(files::modes(case)) },
    Check { subject: "disk space",           patience: HERE,      examine: |case| Box::pin(files::room(case)) },
    Check { subject: "database",             patience: HERE,      examine: |case| Box::pin(files::database(case)) },
    Check { subject: "entry points",         patience: ELSEWHERE, examine: |case| Box::pin(network::entry_points(case)) },
    Check { subject: "redirect address",     patience: ELSEWHERE, examine: |case| Box::pin(network::redirect_address(case)) },
    Check { subject: "upstream",             patience: ELSEWHERE, examine: |case| Box::pin(network::upstreams(case)) },
    Check { subject: "consent",              patience: HERE,      examine: |case| Box::pin(people::consent(case)) },
    Check { subject: "scopes",               patience: HERE,      examine: |case| Box::pin(people::scopes(case)) },
    Check { subject: "quota",                patience: HERE,      examine: |case| Box::pin(people::quota(case)) },
    Check { subject: "broker",               patience: BROKER,    examine: |case| Box::pin(broker::examine(case)) },
    Check { subject: "Igor",                 patience: ELSEWHERE, examine: |case| Box::pin(destinations::igor(case)) },
    Check { subject: "InfluxDB",             patience: ELSEWHERE, examine: |case| Box::pin(destinations::influxdb(case)) },
];

/// Looks at everything, side by side: usually in a few seconds, never in more than a minute.
pub async fn examine(case: &Case) -> Vec<Finding> {
    let findings = CHECKS.iter().map(|check| async move {
        tokio::time::timeout(check.patience, (check.examine)(case)).await.unwrap_or_else(|_| {
            let what = format!("this took longer than {} s and was given up", check.patience.as_secs());
            vec![Finding::warning(check.subject, what, "try again when the machine and its network are less busy")]
        })
    });
    join_all(findings).await.concat()
}

/// In one line, what it comes to.
pub fn summary(findings: &[Finding]) -> String {
    let count = |state: State| findings.iter().filter(|finding| finding.state == state).count();
    let (trouble, warnings, well) = (count(State::Trouble), count(State::Warning), count(State::Ok));
    let needs = match trouble {
        0 => "Nothing needs doing".to_owned(),
        1 => "1 thing needs doing".to_owned(),
        _ => format!("{trouble} things need doing"),
    };
    match warnings {
        0 => format!("{needs}; {well} are well."),
        1 => format!("{needs}; 1 is worth a look, {well} are well."),
        _ => format!("{needs}; {warnings} are worth a look, {well} are well."),
    }
}
