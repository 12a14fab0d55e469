//! The command line: what each command is called and takes, and which room it calls.

mod auth; // consent in the terminal
mod backfill; // the past, with its progress
mod doctor; // what may be wrong
mod export; // history out of the store
mod import; // tokens of other programs
mod plus; // what Fitbit Plus has

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::bridge::{self, Destinations, Parts};
use crate::clock::Clock;
use crate::config::Config;
#[cfg(feature = "embedded")]
use crate::demo;
use crate::fetch::Refusal;
use crate::manifest;
use crate::plan::Wanted;
use crate::plugindata::RunLock;
use crate::reading::Person;
use crate::simulator;
#[cfg(feature = "embedded")]
use crate::upstream::{self, Upstream};

/// Health data of Fitbit and Pixel devices on MQTT.
#[derive(Parser)]
#[command(name = "fitbit2mqtt", version, about, max_term_width = 100)]
struct Arguments {
    /// Configuration file [default: ./fitbit2mqtt.toml, else /etc/fitbit2mqtt/fitbit2mqtt.toml, if there is one]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Say more; twice: still more
    #[arg(short, long, action = clap::ArgAction::Count, global = true, conflicts_with = "quiet")]
    verbose: u8,
    /// Say only what is wrong
    #[arg(short, long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// The plugin process: HTTP entry points, interval actions, MQTT (the default)
    Run,
    /// The whole thing with nothing installed: simulated cloud, embedded broker, two people
    #[cfg(feature = "embedded")]
    Demo {
        /// How many times faster than real time the simulation runs
        #[arg(long, default_value_t = 300.0, value_parser = speed)]
        speed: f64,
        /// Another number, other people
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Where both people's data comes from [default: anna's from google-health, ben's from fitbit]
        #[arg(long, value_parser = provider)]
        provider: Option<&'static Upstream>,
    },
    /// Only the simulated cloud, for trying things and for tests
    Simulate {
        /// Where it listens
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9334")]
        listen: SocketAddr,
        /// Another number, other people
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many people it knows
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
        people: u32,
    },
    /// One fetch now; prints the result
    Fetch {
        /// Whose
        user: Person,
        /// Only these methods
        #[arg(long, value_name = "A,B", value_delimiter = ',')]
        methods: Vec<String>,
        /// Ask everything, whatever is known
        #[arg(long)]
        force: bool,
        /// Publish the values, too
        #[arg(long)]
        publish: bool,
    },
    /// History into the store; stops and resumes anywhere
    Backfill(backfill::Arguments),
    /// Consent in the terminal
    Auth {
        /// Whose
        user: Person,
    },
    /// History out of the store, to standard output
    Export(export::Export),
    /// Take over tokens and client id from another program's file
    Import {
        /// Igor's database.xml, Home Assistant's .storage/core.config_entries, or fitbit-grafana's token file
        file: PathBuf,
        /// Only this person; where the file has one account, this is who it is
        #[arg(long, value_name = "U")]
        user: Option<Person>,
    },
    /// Revoke, delete tokens and history, clear every topic of a person
    Forget {
        /// Whom
        user: Person,
    },
    /// What may be wrong with configuration, clock, broker, consents, files, and the cure; fails if something needs doing
    Doctor,
    /// What Fitbit Plus has, as NDJSON
    Plus(plus::Plus),
    /// Print the plugin manifest
    Manifest,
    /// Print shell completions
    Completions {
        /// For which shell
        shell: Shell,
    },
}

/// Parses the arguments and does what they say. 0: done; 1: failed; 2: wrong usage or configuration.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    logger(&arguments);
    match act(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Configuration(error)) => {
            complain(&error);
            ExitCode::from(2)
        }
        Err(Failed::Running(error)) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

enum Failed {
    Configuration(anyhow::Error),
    Running(anyhow::Error),
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Failed {
        Failed::Running(error)
    }
}

fn act(arguments: Arguments) -> Result<(), Failed> {
    let command = arguments.command.unwrap_or(Command::Run);
    match command {
        Command::Manifest => {
            print(manifest::TEXT)?;
            return Ok(());
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "fitbit2mqtt", &mut script);
            print(&String::from_utf8_lossy(&script))?;
            return Ok(());
        }
        _ => {}
    }
    let runtime = tokio::runtime::Runtime::new().context("starting the asynchronous runtime")?;
    let config = || Config::load(arguments.config.as_deref(), std::env::vars_os()).map_err(Failed::Configuration);
    match command {
        Command::Run => runtime.block_on(run(config()?))?,
        #[cfg(feature = "embedded")]
        Command::Demo { speed, seed, provider } => {
            runtime.block_on(async { demo::demo(speed, seed, provider, interrupted()?).await })?
        }
        Command::Simulate { listen, seed, people } => runtime.block_on(simulate(listen, seed, people))?,
        Command::Fetch { user, methods, force, publish } => {
            runtime.block_on(fetch(config()?, user, Wanted { methods, force, ..Wanted::default() }, publish))?
        }
        Command::Backfill(what) => {
            runtime.block_on(async { backfill::backfill(config()?, what, interrupted()?).await })?
        }
        Command::Auth { user } => runtime.block_on(auth::auth(config()?, user))?,
        Command::Export(wanted) => runtime.block_on(export::export(config()?, wanted))?,
        Command::Import { file, user } => import::import(&config()?, &file, user.as_ref())?,
        Command::Forget { user } => runtime.block_on(forget(config()?, user))?,
        Command::Doctor => {
            let config = Config::load(arguments.config.as_deref(), std::env::vars_os());
            runtime.block_on(doctor::doctor(config))?
        }
        Command::Plus(asked) => runtime.block_on(plus::plus(config()?, asked))?,
        Command::Manifest | Command::Completions { .. } => {}
    }
    // A thread may still wait for a line on standard input; it must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(())
}

async fn run(config: Config) -> Result<()> {
    let interrupted = interrupted()?;
    let listen = config.http.listen;
    let listener = match std::net::TcpListener::bind(listen) {
        Ok(listener) => listener,
        Err(error) => {
            // Most often this very bridge runs already: then its process is the better word.
            RunLock::acquire(&config.data_dir)?;
            let what = format!("listening on {listen}; is another program there? http.listen says where");
            return Err(anyhow!(error).context(what));
        }
    };
    bridge::run(config, Clock::system(), listener, interrupted).await
}

async fn simulate(listen: SocketAddr, seed: u64, people: u32) -> Result<()> {
    let interrupted = interrupted()?;
    let listener =
        std::net::TcpListener::bind(listen).with_context(|| format!("listening on {listen}; --listen says where"))?;
    let options = simulator::Options { seed, people: people as usize, ..simulator::Options::default() };
    let simulator = simulator::Simulator::new(options, Clock::system());
    let address = listener.local_addr().context("asking for the address of the listener")?;
    let server = crate::web::server::serve(listener, simulator.clone())?;
    print(&simulator.configuration(&format!("http://{address}")))?;
    interrupted.await;
    server.stop().await;
    Ok(())
}

async fn fetch(config: Config, user: Person, wanted: Wanted, publish: bool) -> Result<(), Failed> {
    let store = bridge::store(&config).await?;
    let destinations = if publish { Some(Destinations::brief(&config, &store).await?) } else { None };
    let sinks = destinations.iter().flat_map(Destinations::sinks).collect();
    let parts = Parts::new(&config, Clock::system(), store, sinks)?;
    let outcome = parts.fetcher.fetch(&user, &wanted).await;
    drop(parts);
    let published = match destinations {
        Some(destinations) => destinations.finish().await,
        None => Ok(()),
    };
    let outcome = outcome.map_err(|refusal| match refusal {
        Refusal::Bad(_) => Failed::Configuration(anyhow!(refusal)),
        _ => Failed::Running(anyhow!(refusal)),
    })?;
    print(&format!("{:#}\n", outcome.json()))?;
    Ok(published?)
}

async fn forget(config: Config, user: Person) -> Result<()> {
    let store = bridge::store(&config).await?;
    let destinations = Destinations::brief(&config, &store).await?;
    let parts = Parts::new(&config, Clock::system(), store.clone(), Vec::new())?;
    let mut left = Vec::new();
    match parts.household.member(&user).await {
        Ok(Some(member)) => {
            left.extend(parts.oauth.disconnect(&member).await.err().map(|failure| failure.to_string()));
            parts.household.plugindata.remove(&user)?;
        }
        Ok(None) => {
            let published = store.published_topics().await?;
            let topics = published.iter().any(|topic| destinations.topics().belongs_to(&user, topic));
            if !topics && !store.knows(&user).await? {
                bail!("there is no person {user}, nor anything left of one; mind the spelling");
            }
        }
        // A file that cannot be read goes all the same; its token could not be revoked.
        Err(error) => {
            left.push(format!("the token could not be revoked, for its file cannot be read: {error:#}"));
            parts.household.plugindata.remove(&user)?;
        }
    }
    store.forget(&user).await?;
    destinations.remove(&user).await?;
    if let Err(error) = destinations.finish().await {
        left.push(format!("what was published could not be cleared: {error:#}; the next start of the bridge does it"));
    }
    if !left.is_empty() {
        bail!("{user} is forgotten here, but {}", left.join("; "));
    }
    eprintln!("{user} is forgotten.");
    Ok(())
}

/// Ends at SIGINT or SIGTERM, also one that comes before it is awaited: what is interrupted while it still starts
/// stops as properly as later.
fn interrupted() -> Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

#[cfg(feature = "embedded")]
fn provider(name: &str) -> Result<&'static Upstream, String> {
    upstream::find(name).ok_or_else(|| format!("one of {}", upstream::names()))
}

#[cfg(feature = "embedded")]
fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.1..=100_000.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 0.1 to 100000".into()),
    }
}

/// Results go to standard output; whoever reads them may have gone.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("writing the result"),
        _ => Ok(()),
    }
}

/// The reason on one line, then its causes.
fn complain(error: &anyhow::Error) {
    eprintln!("fitbit2mqtt: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
}

fn logger(arguments: &Arguments) {
    // These print what they do themselves.
    let calm = match arguments.command {
        Some(Command::Backfill(_) | Command::Plus(_) | Command::Doctor) => true,
        #[cfg(feature = "embedded")]
        Some(Command::Demo { .. }) => true,
        _ => false,
    };
    let level = match (arguments.quiet || calm, arguments.verbose) {
        (true, 0) => "warn",
        (false, 0) => "info",
        (_, 1) => "debug",
        (_, _) => "trace",
    };
    // Libraries speak only of trouble unless RUST_LOG or -vv asks them to. The embedded broker calls everything an
    // error, and what is wrong with a connection the bridge says itself, with the cure.
    let own = if arguments.verbose > 1 {
        level.to_owned()
    } else {
        format!("warn,rumqttd=off,rumqttc=off,fitbit2mqtt={level}")
    };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(own)).format_timestamp_secs().init();
}
