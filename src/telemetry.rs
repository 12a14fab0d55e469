//! What the bridge counts of itself, and the text that Prometheus reads it in. Knows no health value, and no person's name
//! unless it is handed one; it asks nobody: what stands at the moment is brought to it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use prometheus::core::Collector;
use prometheus::{GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder};

/// What the text is, to whoever reads it: Prometheus' own format.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How long a fetch takes, in seconds: from one request to a hundred that keep a distance.
const FETCH_SECONDS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0];
/// How long a destination takes to have a message, in seconds.
const PUBLISH_SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What is counted as it happens. Clones count together.
#[derive(Clone)]
pub struct Telemetry {
    requests: IntCounterVec,
    fetches: HistogramVec,
}

impl Telemetry {
    /// Nothing has happened yet.
    pub fn new() -> Telemetry {
        let requests = Opts::new(
            "fitbit2mqtt_upstream_requests_total",
            "Requests to upstreams, by endpoint and HTTP status; status \"none\": there was no answer.",
        );
        let fetches = HistogramOpts::new(
            "fitbit2mqtt_fetch_duration_seconds",
            "Time a fetch of one person took that asked the upstream anything.",
        );
        Telemetry {
            requests: instrument(IntCounterVec::new(requests, &["upstream", "endpoint", "status"])),
            fetches: instrument(HistogramVec::new(fetches.buckets(FETCH_SECONDS.to_vec()), &["upstream"])),
        }
    }

    /// A request was answered with this HTTP status, or not at all. `endpoint` is a name of the upstream's table, never a
    /// path, in which there may be identifiers.
    pub fn asked(&self, upstream: &str, endpoint: &str, status: Option<u16>) {
        let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        self.requests.with_label_values(&[upstream, endpoint, &status]).inc();
    }

    /// A fetch of one person is done.
    pub fn fetched(&self, upstream: &str, took: Duration) {
        self.fetches.with_label_values(&[upstream]).observe(took.as_secs_f64());
    }

    /// All of it, for [`exposition`].
    pub fn instruments(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.requests.clone()), Box::new(self.fetches.clone())]
    }
}

impl Default for Telemetry {
    fn default() -> Telemetry {
        Telemetry::new()
    }
}

/// How long a destination takes, from when a message is sent until the destination has it.
pub fn publishing(destination: &'static str) -> Histogram {
    let options = HistogramOpts::new(
        "fitbit2mqtt_publish_duration_seconds",
        "Time from sending a message until the destination acknowledged it.",
    );
    let options = options.const_label("destination", destination).buckets(PUBLISH_SECONDS.to_vec());
    instrument(Histogram::with_opts(options))
}

/// What stands at the moment somebody asks.
#[derive(Debug, Clone)]
pub struct Standing {
    /// When the bridge started.
    pub started: DateTime<Utc>,
    /// Whether the broker has accepted us and is there.
    pub connected: bool,
    /// How often the connection to the broker was made again.
    pub reconnects: u64,
    /// What waits, by what for.
    pub queues: Vec<(&'static str, usize)>,
    /// Everyone.
    pub people: Vec<Someone>,
}

/// One person, as far as it is no secret.
#[derive(Debug, Clone)]
pub struct Someone {
    /// The name, where it may be told.
    pub name: Option<String>,
    /// Where their data comes from.
    pub upstream: &'static str,
    /// The state of consent, as on the `auth` topic.
    pub consent: &'static str,
    /// Requests allowed and left in the window, and when it ends; `None`: nothing was ever asked.
    pub quota: Option<(i64, i64, DateTime<Utc>)>,
    /// When the upstream was last asked with success.
    pub last_success: Option<DateTime<Utc>>,
}

/// A gauge of everyone's, by upstream: name, what it says, what it is of one person.
type OfPeople = (&'static str, &'static str, fn(&Someone) -> Option<f64>);

/// Where people are not named, each says the least of anyone's, which is the one to look after.
static OF_PEOPLE: &[OfPeople] = &[
    ("fitbit2mqtt_quota_limit", "Requests allowed in a window.", |someone| Some(someone.quota?.0 as f64)),
    ("fitbit2mqtt_quota_remaining", "Requests left in the window; of several people, the fewest.", |someone| {
        Some(someone.quota?.1 as f64)
    }),
    ("fitbit2mqtt_quota_reset_timestamp_seconds", "When the window ends; of several people, the first.", |someone| {
        Some(someone.quota?.2.timestamp() as f64)
    }),
    (
        "fitbit2mqtt_last_success_timestamp_seconds",
        "When the upstream was last asked with success; of several people, the longest ago.",
        |someone| Some(someone.last_success?.timestamp() as f64),
    ),
];

/// All of it as Prometheus reads it.
pub fn exposition(counted: Vec<Box<dyn Collector>>, standing: &Standing, states: &[&str]) -> Result<String> {
    let registry = Registry::new();
    for instrument in counted.into_iter().chain(of_the_bridge(standing)?).chain(of_people(&standing.people, states)?) {
        registry.register(instrument).context("putting the instruments together")?;
    }
    TextEncoder::new().encode_to_string(&registry.gather()).context("writing the numbers down")
}

fn of_the_bridge(standing: &Standing) -> Result<Vec<Box<dyn Collector>>> {
    let version = vec![env!("CARGO_PKG_VERSION").to_owned()];
    let started = standing.started.timestamp() as f64;
    let queues = standing.queues.iter().map(|(queue, length)| (vec![(*queue).to_owned()], *length as f64));
    let reconnects = IntCounterVec::new(
        Opts::new("fitbit2mqtt_mqtt_reconnects_total", "How often the connection to the broker was made again."),
        &[],
    )?;
    reconnects.with_label_values::<&str>(&[]).inc_by(standing.reconnects);
    Ok(vec![
        gauge("fitbit2mqtt_build_info", "Which version runs.", &["version"], [(version, 1.0)])?,
        gauge("fitbit2mqtt_start_time_seconds", "When the bridge started.", &[], [(Vec::new(), started)])?,
        gauge(
            "fitbit2mqtt_mqtt_connected",
            "Whether the broker has accepted the bridge and is there.",
            &[],
            [(Vec::new(), f64::from(u8::from(standing.connected)))],
        )?,
        Box::new(reconnects),
        gauge(
            "fitbit2mqtt_queue_length",
            "What waits: messages for a destination, requests about the past.",
            &["queue"],
            queues,
        )?,
    ])
}

fn of_people(people: &[Someone], states: &[&str]) -> Result<Vec<Box<dyn Collector>>> {
    let named = people.iter().any(|someone| someone.name.is_some());
    let labels = |first: &'static str| if named { vec![first, "user"] } else { vec![first] };
    let values = |first: &str, someone: &Someone| {
        [Some(first.to_owned()), someone.name.clone()].into_iter().flatten().collect::<Vec<_>>()
    };
    let mut gauges = Vec::new();
    for (name, help, of_one) in OF_PEOPLE {
        let mut least: BTreeMap<Vec<String>, f64> = BTreeMap::new();
        for (someone, value) in people.iter().filter_map(|someone| Some((someone, of_one(someone)?))) {
            let least = least.entry(values(someone.upstream, someone)).or_insert(value);
            *least = least.min(value);
        }
        gauges.push(gauge(name, help, &labels("upstream"), least)?);
    }
    let mut consents: BTreeMap<Vec<String>, f64> = BTreeMap::new();
    for (someone, state) in people.iter().flat_map(|someone| states.iter().map(move |state| (someone, *state))) {
        let so = f64::from(u8::from(someone.consent == state));
        *consents.entry(values(state, someone)).or_default() += so;
    }
    gauges.push(gauge("fitbit2mqtt_consent", "People by the state of their consent.", &labels("state"), consents)?);
    Ok(gauges)
}

fn gauge(
    name: &str,
    help: &str,
    labels: &[&str],
    rows: impl IntoIterator<Item = (Vec<String>, f64)>,
) -> Result<Box<dyn Collector>> {
    let gauge = GaugeVec::new(Opts::new(name, help), labels)?;
    for (values, number) in rows {
        gauge.get_metric_with_label_values(&values)?.set(number);
    }
    Ok(Box::new(gauge))
}

#[expect(
    clippy::expect_used,
    reason = "names and labels are part of the program, and every test of /metrics makes them"
)]
fn instrument<T>(made: prometheus::Result<T>) -> T {
    made.expect("a name and labels that Prometheus takes")
}
