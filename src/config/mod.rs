//! The configuration: one TOML file and the environment, read once into checked values.
//! Asks no network and opens no file but its own and those that hold its secrets.

mod action;
mod address;
mod history;
mod homeassistant;
mod igor;
mod influxdb;
pub(crate) mod key;
pub(crate) mod lines;
mod settings;
mod store;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use secrecy::SecretString;

pub use self::action::{Action, DueAction, Whom, expand};
pub use self::address::{Address, Broker};
pub use self::history::{History, Sleep};
pub use self::homeassistant::{Discovery, HomeAssistant};
pub use self::igor::Igor;
pub use self::influxdb::{InfluxDb, InfluxDbPlace};
use self::key::{UPSTREAMS, UpstreamRow};
use self::settings::{Settings, Values};

/// The annotated sample: every key at its default.
///
/// ```toml
#[doc = include_str!("../../setup/fitbit2mqtt.toml")]
/// ```
pub const SAMPLE: &str = include_str!("../../setup/fitbit2mqtt.toml");

/// Where the file is looked for, in this order, when none is named.
const PLACES: [&str; 2] = ["fitbit2mqtt.toml", "/etc/fitbit2mqtt/fitbit2mqtt.toml"];

/// Everything that can be configured, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from; `None`: there was none.
    pub file: Option<PathBuf>,
    /// The files in which its secrets stand.
    pub secret_files: Vec<PathBuf>,
    /// The folder of plugindata, identities and store.
    pub data_dir: PathBuf,
    /// The entry points.
    pub http: Http,
    /// The broker and the topics.
    pub mqtt: Mqtt,
    /// What Home Assistant is told.
    pub homeassistant: HomeAssistant,
    /// `store.url`, which may hold a password; `None`: a file in `data_dir`.
    pub store: Option<SecretString>,
    /// The Igor that is told, if any.
    pub igor: Option<Igor>,
    /// The database of time series that everything is written to, if any.
    pub influxdb: Option<InfluxDb>,
    /// The addresses of every upstream.
    pub upstreams: Vec<Upstream>,
    /// What is asked for, and how often.
    pub history: History,
    /// Sleep.
    pub sleep: Sleep,
    /// What is told of the bridge itself.
    pub metrics: Metrics,
    /// Every `[[action]]`, as written; [`expand`] says who runs which.
    pub actions: Vec<Action>,
    /// What the environment says of the applications; it wins over plugindata.
    pub clients: Vec<Client>,
}

/// `[http]`.
#[derive(Debug, Clone)]
pub struct Http {
    /// The address of the entry points. Port 0 stands for any free one: see [`Config::on_port`].
    pub listen: SocketAddr,
    /// The base of the redirect address.
    pub public_url: Address,
    /// The password of the user `admin`; always there when others than this machine can reach the entry points.
    pub password: Option<SecretString>,
    /// Further accepted `Host` names, in lower case.
    pub allowed_hosts: Vec<String>,
}

/// `[mqtt]`.
#[derive(Debug, Clone)]
pub struct Mqtt {
    /// `mqtt.url`.
    pub broker: Broker,
    /// The name the broker knows the bridge by.
    pub username: Option<String>,
    /// Only there beside a username.
    pub password: Option<SecretString>,
    /// Certificates of authorities to trust beside the system's (PEM).
    pub ca_file: Option<PathBuf>,
    /// How the bridge shows who it is.
    pub client_certificate: Option<ClientCertificate>,
    /// The version of the protocol.
    pub protocol: Protocol,
    /// The root of the values.
    pub topic: String,
    /// The root of everything about the bridge itself.
    pub bridge_topic: String,
    /// `None`: made once and kept in the store.
    pub client_id: Option<String>,
    /// Whether values are published retained.
    pub retain: bool,
    /// Whether commands are taken over MQTT.
    pub commands: bool,
}

/// A certificate and its key, both in PEM files.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// `mqtt.client_cert_file`.
    pub certificate_file: PathBuf,
    /// `mqtt.client_key_file`.
    pub key_file: PathBuf,
}

/// The version of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// 3.1.1.
    V3,
    /// 5.
    V5,
}

/// `[upstream.<provider>]`.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// The name of the upstream.
    pub provider: &'static str,
    /// Where data is asked for.
    pub api_url: Address,
    /// Where a person consents; `None` where people do not log in.
    pub authorize_url: Option<Address>,
    /// Where tokens come from.
    pub token_url: Address,
    /// Where a token is revoked; `None` where it cannot be.
    pub revoke_url: Option<Address>,
}

/// `[metrics]`.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Whether people are named there.
    pub people: bool,
}

/// The application registered at an upstream, as far as it is known.
#[derive(Debug, Clone)]
pub struct Client {
    /// The name of the upstream.
    pub provider: &'static str,
    /// The client id.
    pub id: Option<String>,
    /// The client secret.
    pub secret: Option<SecretString>,
}

/// The names of all upstreams; the first is the one of people who name none.
pub fn providers() -> impl Iterator<Item = &'static str> {
    UPSTREAMS.iter().map(|upstream| upstream.provider)
}

/// The names of the upstreams where nobody logs in: there the organization has the token.
pub fn organizations() -> impl Iterator<Item = &'static str> {
    UPSTREAMS.iter().filter(|upstream| upstream.authorize_url.is_none()).map(|upstream| upstream.provider)
}

impl Config {
    /// Reads the file `named`, else the first there is of `./fitbit2mqtt.toml` and
    /// `/etc/fitbit2mqtt/fitbit2mqtt.toml`, else none, and the environment, which wins.
    ///
    /// # Errors
    /// One sentence naming key, value (never a secret's), place, and what is allowed.
    pub fn load<N, V>(named: Option<&Path>, environment: impl IntoIterator<Item = (N, V)>) -> Result<Config>
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        let places: Vec<&Path> = named.map_or_else(|| PLACES.iter().map(Path::new).collect(), |named| vec![named]);
        for path in places {
            match std::fs::read_to_string(path) {
                Ok(text) => return Config::parse(Some((path, &text)), environment),
                Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => {}
                Err(error) => {
                    let cure = "name a readable TOML file with --config, or remove it to run on the defaults";
                    return Err(error).with_context(|| format!("reading configuration {}; {cure}", path.display()));
                }
            }
        }
        Config::parse(None, environment)
    }

    /// As [`load`](Config::load), of a text that stands (or could) in the file of this path.
    pub fn parse<N, V>(file: Option<(&Path, &str)>, environment: impl IntoIterator<Item = (N, V)>) -> Result<Config>
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        let settings = Settings::gather(file, environment)?;
        let values = &settings.values;
        let template = Action::template()?;
        let data_dir = match (values.optional("data_dir", path)?, &settings.state_directory) {
            (Some(given), _) => given,
            (None, Some(state)) => PathBuf::from(state),
            (None, None) => values.read("data_dir", path)?,
        };
        Ok(Config {
            file: file.map(|(path, _)| path.to_owned()),
            secret_files: values.secret_files(file.map(|(path, _)| path)),
            data_dir,
            http: Http::read(values)?,
            mqtt: Mqtt::read(values)?,
            homeassistant: HomeAssistant::read(values)?,
            store: store::read(values)?,
            igor: Igor::read(values)?,
            influxdb: InfluxDb::read(values)?,
            upstreams: UPSTREAMS.iter().map(|row| Upstream::read(values, row)).collect::<Result<_>>()?,
            history: History::read(values)?,
            sleep: Sleep::read(values)?,
            metrics: Metrics { people: values.flag("metrics.people")? },
            actions: settings.actions.iter().map(|values| Action::read(values, &template)).collect::<Result<_>>()?,
            clients: UPSTREAMS.iter().map(|row| Client::read(values, row)).collect::<Result<_>>()?,
        })
    }

    /// Fills in the port that was really taken where the configuration says 0.
    pub fn on_port(&mut self, port: u16) {
        if self.http.listen.port() == 0 {
            self.http.listen.set_port(port);
        }
        if self.http.public_url.port_zero() {
            self.http.public_url.set_port(port);
        }
    }

    /// The addresses of this upstream.
    pub fn upstream(&self, provider: &str) -> Option<&Upstream> {
        self.upstreams.iter().find(|upstream| upstream.provider == provider)
    }
}

impl Http {
    fn read(values: &Values) -> Result<Http> {
        let listen = values.read("http.listen", address::socket)?;
        let site = |text: &str| Address::parse(text).filter(|address| !address.has_path());
        let public_url = match values.optional("http.public_url", site)? {
            Some(given) => given,
            None => site(&format!("http://localhost:{}", listen.port())).context("the default of http.public_url")?,
        };
        let password = values.secret("http.password")?;
        if password.is_none() {
            for (open, key) in
                [(!address::is_loopback(listen.ip()), "http.listen"), (!public_url.is_loopback(), "http.public_url")]
            {
                if open {
                    bail!(
                        "{}: `{key}` lets others than this machine in, so `http.password` (or `http.password_file`) \
                         is needed; set it, or stay on loopback",
                        values.place_of(key)
                    );
                }
            }
        }
        Ok(Http { listen, public_url, password, allowed_hosts: values.list("http.allowed_hosts", address::host_name)? })
    }
}

impl Mqtt {
    fn read(values: &Values) -> Result<Mqtt> {
        let mqtt = Mqtt {
            broker: values.read("mqtt.url", Broker::parse)?,
            username: values.optional("mqtt.username", name)?,
            password: values.secret("mqtt.password")?,
            ca_file: values.optional("mqtt.ca_file", path)?,
            client_certificate: client_certificate(values)?,
            protocol: values.read("mqtt.protocol", |text| match text.trim() {
                "3.1.1" => Some(Protocol::V3),
                "5" => Some(Protocol::V5),
                _ => None,
            })?,
            topic: values.read("mqtt.topic", address::topic)?,
            bridge_topic: values.read("mqtt.bridge_topic", address::topic)?,
            client_id: values.optional("mqtt.client_id", name)?,
            retain: values.flag("mqtt.retain")?,
            commands: values.flag("mqtt.commands")?,
        };
        if address::overlap(&mqtt.topic, &mqtt.bridge_topic) {
            let key = if values.is_given("mqtt.bridge_topic") { "mqtt.bridge_topic" } else { "mqtt.topic" };
            return Err(values.refused(key));
        }
        if mqtt.password.is_some() && mqtt.username.is_none() {
            let key = if values.is_given("mqtt.password") { "mqtt.password" } else { "mqtt.password_file" };
            bail!("{}: `{key}` needs `mqtt.username`; set it, too", values.place_of(key));
        }
        let place = values.place_of("mqtt.url");
        match &mqtt.broker {
            Broker::Embedded { .. } if cfg!(not(feature = "embedded")) => bail!(
                "{place}: `mqtt.url` asks for the embedded broker, which this program was built without; name a \
                 broker (mqtt://HOST:PORT), or build with the feature `embedded`"
            ),
            Broker::Embedded { .. } if mqtt.protocol == Protocol::V5 => bail!(
                "{}: `mqtt.protocol` = \"5\" cannot go with the embedded broker, which speaks 3.1.1; remove it, or name \
                 a broker in `mqtt.url` (mqtt://HOST:PORT)",
                values.place_of("mqtt.protocol")
            ),
            Broker::Embedded { listen } => {
                let bare = mqtt.username.is_none() || mqtt.password.is_none();
                if bare && (mqtt.username.is_some() || !address::is_loopback(listen.ip())) {
                    bail!(
                        "{place}: `mqtt.url` = \"embedded://{listen}\" needs both `mqtt.username` and `mqtt.password`; \
                         without them the embedded broker listens on loopback only, to anyone there"
                    );
                }
            }
            Broker::Remote { encrypted: false, .. } => {
                for key in ["mqtt.ca_file", "mqtt.client_cert_file"] {
                    if values.is_given(key) {
                        let place = values.place_of(key);
                        bail!("{place}: `{key}` has no use with an unencrypted `mqtt.url`; use mqtts:// or wss://");
                    }
                }
            }
            Broker::Remote { .. } => {}
        }
        Ok(mqtt)
    }
}

fn client_certificate(values: &Values) -> Result<Option<ClientCertificate>> {
    let (certificate, key) = ("mqtt.client_cert_file", "mqtt.client_key_file");
    match (values.optional(certificate, path)?, values.optional(key, path)?) {
        (Some(certificate_file), Some(key_file)) => Ok(Some(ClientCertificate { certificate_file, key_file })),
        (None, None) => Ok(None),
        (Some(_), None) => bail!("{}: `{certificate}` needs `{key}`; set it, too", values.place_of(certificate)),
        (None, Some(_)) => bail!("{}: `{key}` needs `{certificate}`; set it, too", values.place_of(key)),
    }
}

impl Upstream {
    fn read(values: &Values, row: &UpstreamRow) -> Result<Upstream> {
        let safe = |text: &str| Address::parse(text).filter(|address| address.is_encrypted() || address.is_loopback());
        let name = |key: &str| format!("upstream.{}.{key}", row.provider);
        let optional = |key: &str, real: Option<&str>| real.map(|_| values.read(&name(key), safe)).transpose();
        Ok(Upstream {
            provider: row.provider,
            api_url: values.read(&name("api_url"), safe)?,
            authorize_url: optional("authorize_url", row.authorize_url)?,
            token_url: values.read(&name("token_url"), safe)?,
            revoke_url: optional("revoke_url", row.revoke_url)?,
        })
    }
}

impl Client {
    fn read(values: &Values, row: &UpstreamRow) -> Result<Client> {
        Ok(Client {
            provider: row.provider,
            id: values.optional(&format!("{}.client_id", row.provider), name)?,
            secret: values.secret(&format!("{}.client_secret", row.provider))?,
        })
    }
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty() && !text.contains('\0')).then(|| PathBuf::from(text))
}

fn name(text: &str) -> Option<String> {
    let fine = text.chars().count() <= 128 && !text.chars().any(char::is_control);
    fine.then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
