//! The keys of the configuration: one row each, with its kind, its default and what is allowed.
//! Reads nothing and decides nothing; `settings` and `mod` do.

/// One key, by its full name (`mqtt.url`).
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub name: String,
    pub kind: Kind,
    /// As it stands in the environment and, quoted where its kind is text, in the sample. Empty: not set.
    pub default: &'static str,
    pub allowed: &'static str,
    /// Belongs to another file of ours, which the environment overrides: not taken from the configuration file.
    pub environment_only: bool,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// Text that no message may show; the same name with `_file` names a file that holds it.
    Secret,
    Flag,
    Number,
    List,
}

impl Kind {
    /// What the TOML file wants to see, for the message about something else.
    pub fn form(self) -> &'static str {
        match self {
            Kind::Text | Kind::Secret => "text in quotes",
            Kind::Flag => "true or false",
            Kind::Number => "a whole number",
            Kind::List => "a list of texts in quotes",
        }
    }
}

type Row = (&'static str, Kind, &'static str, &'static str);

const TOPIC: &str = "a topic without `+`, `#`, control characters, empty levels, a leading `$` or a slash at either \
                     end, at most 256 bytes long; neither of mqtt.topic and mqtt.bridge_topic within the other";
const TOPIC_ALONE: &str = "a topic without `+`, `#`, control characters, empty levels, a leading `$` or a slash at \
                           either end, at most 256 bytes long";
const FILE: &str = "the path of a file";

/// The keys of every section but `action`, and the addresses of `upstream`, whose rows are [`UPSTREAMS`].
#[rustfmt::skip]
static KEYS: &[Row] = &[
    ("data_dir",              Kind::Text,   "./data",                "a folder (default: $STATE_DIRECTORY, else ./data)"),
    ("http.listen",           Kind::Text,   "127.0.0.1:9333",        "ADDRESS:PORT such as 127.0.0.1:9333, [::1]:9333 or 0.0.0.0:9333"),
    ("http.public_url",       Kind::Text,   "http://localhost:9333", "http://HOST:PORT or https://HOST, without path, query, user or password"),
    ("http.password",         Kind::Secret, "",                      "the password of the user `admin`"),
    ("http.allowed_hosts",    Kind::List,   "",                      "host names without scheme and port, such as pi.lan"),
    ("mqtt.url",              Kind::Text,   "mqtt://127.0.0.1:1883", "mqtt://HOST:PORT, mqtts://HOST:PORT, ws://HOST:PORT/PATH, wss://HOST:PORT/PATH, embedded or embedded://ADDRESS:PORT; user and password go into mqtt.username and mqtt.password"),
    ("mqtt.username",         Kind::Text,   "",                      "the name the broker knows the bridge by"),
    ("mqtt.password",         Kind::Secret, "",                      "the password of mqtt.username"),
    ("mqtt.ca_file",          Kind::Text,   "",                      FILE),
    ("mqtt.client_cert_file", Kind::Text,   "",                      FILE),
    ("mqtt.client_key_file",  Kind::Text,   "",                      FILE),
    ("mqtt.protocol",         Kind::Text,   "3.1.1",                 "\"3.1.1\" or \"5\""),
    ("mqtt.topic",            Kind::Text,   "sensors/fitbit",        TOPIC),
    ("mqtt.bridge_topic",     Kind::Text,   "fitbit2mqtt",           TOPIC),
    ("mqtt.client_id",        Kind::Text,   "",                      "at most 128 characters, no control characters"),
    ("mqtt.retain",           Kind::Flag,   "true",                  "true or false"),
    ("mqtt.commands",         Kind::Flag,   "true",                  "true or false"),
    ("history.backfill_days", Kind::Number, "90",                    "whole days from 0 (off) to 3650"),
    ("history.full_fetch_every", Kind::Number, "21600",              "whole seconds from 60 to 2592000 (30 days)"),
    ("history.intraday",      Kind::List,   "heart-rate, steps",     "metrics of which there are values within a day: heart-rate, steps, calories, distance, floors, elevation, active-zone-minutes, hrv, spo2, breathing-rate, sleep-level"),
    ("history.detail_level",  Kind::Text,   "1min",                  "1sec, 1min, 5min or 15min"),
    ("history.parallel",      Kind::Number, "4",                     "a whole number from 1 to 16"),
    ("homeassistant.discovery",    Kind::Text, "device",               "\"device\", \"component\" (older Home Assistant, openHAB, Domoticz) or \"off\""),
    ("homeassistant.prefix",       Kind::Text, "homeassistant",        TOPIC_ALONE),
    ("homeassistant.status_topic", Kind::Text, "homeassistant/status", TOPIC_ALONE),
    ("store.url",             Kind::Secret, "",                      "sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE (default: the file fitbit2mqtt.db in data_dir)"),
    ("influxdb.url",          Kind::Text,   "",                      "http://HOST:PORT or https://HOST of the database, without query, user or password, such as http://127.0.0.1:8086"),
    ("influxdb.database",     Kind::Text,   "",                      "the name of a database of InfluxDB 1.x, or any for VictoriaMetrics"),
    ("influxdb.username",     Kind::Text,   "",                      "a user who may write to influxdb.database"),
    ("influxdb.password",     Kind::Secret, "",                      "the password of influxdb.username"),
    ("influxdb.bucket",       Kind::Text,   "",                      "the name of a bucket of InfluxDB 2 or 3"),
    ("influxdb.org",          Kind::Text,   "",                      "the organization that influxdb.bucket belongs to"),
    ("influxdb.token",        Kind::Secret, "",                      "a token that may write to influxdb.bucket"),
    ("igor.url",              Kind::Text,   "",                      "http://HOST:PORT or https://HOST:PORT of Igor itself, without path, query, user or password"),
    ("igor.username",         Kind::Text,   "",                      "a user of Igor's, such as admin"),
    ("igor.password",         Kind::Secret, "",                      "the password of igor.username"),
    ("metrics.people",        Kind::Flag,   "false",                 "true or false"),
    ("sleep.night_starts",    Kind::Text,   "18:00",                 "HH:MM, from 00:00 to 23:59"),
    ("upstream.fitbit.sleep_score", Kind::Flag, "false",             "true or false"),
];

/// The keys of an `[[action]]`; `representing` falls back to the template of the plugin manifest.
#[rustfmt::skip]
static ACTION_KEYS: &[Row] = &[
    ("action.interval",     Kind::Number, "900",                           "whole seconds from 1 to 2592000 (30 days)"),
    ("action.url",          Kind::Text,   "/plugin/fitbit?user={user}",    "/plugin/fitbit?user=NAME or user={user}, then any other parameter of that entry point, each once"),
    ("action.representing", Kind::Text,   "sensors/fitbit/{user}",         "a path such as sensors/fitbit/{user}, without spaces and without a slash at either end"),
];

/// One upstream and its real addresses.
#[derive(Debug)]
pub(crate) struct UpstreamRow {
    pub provider: &'static str,
    pub api_url: &'static str,
    pub token_url: &'static str,
    /// `None` where people do not log in.
    pub authorize_url: Option<&'static str>,
    /// `None` where a token cannot be revoked.
    pub revoke_url: Option<&'static str>,
}

/// The upstreams; the first is the one of people who name none.
pub(crate) static UPSTREAMS: &[UpstreamRow] = &[
    UpstreamRow {
        provider: "google-health",
        api_url: "https://health.googleapis.com",
        token_url: "https://oauth2.googleapis.com/token",
        authorize_url: Some("https://accounts.google.com/o/oauth2/v2/auth"),
        revoke_url: Some("https://oauth2.googleapis.com/revoke"),
    },
    UpstreamRow {
        provider: "fitbit",
        api_url: "https://api.fitbit.com",
        token_url: "https://api.fitbit.com/oauth2/token",
        authorize_url: Some("https://www.fitbit.com/oauth2/authorize"),
        revoke_url: Some("https://api.fitbit.com/oauth2/revoke"),
    },
    UpstreamRow {
        provider: "fitbit-plus",
        api_url: "https://api.twinehealth.com/pub",
        token_url: "https://api.twinehealth.com/pub/oauth/token",
        authorize_url: None,
        revoke_url: None,
    },
];

const UPSTREAM_ADDRESS: &str = "https://HOST/PATH, or http:// on loopback, without query, user or password";

/// Every key of the configuration but those of an action, each secret followed by its `_file`.
pub(super) fn keys() -> Vec<Key> {
    let mut keys: Vec<Key> = KEYS.iter().map(|row| key(row.0.to_owned(), row)).collect();
    for upstream in UPSTREAMS {
        let addresses = [
            ("api_url", Some(upstream.api_url)),
            ("authorize_url", upstream.authorize_url),
            ("token_url", Some(upstream.token_url)),
            ("revoke_url", upstream.revoke_url),
        ];
        for (name, address) in addresses.iter().filter_map(|(name, address)| Some((name, (*address)?))) {
            let name = format!("upstream.{}.{name}", upstream.provider);
            keys.push(key(name, &("", Kind::Text, address, UPSTREAM_ADDRESS)));
        }
        for (name, kind, allowed) in [
            ("client_id", Kind::Text, "the client id of the application registered at the upstream"),
            ("client_secret", Kind::Secret, "the client secret of that application"),
        ] {
            let name = format!("{}.{name}", upstream.provider);
            keys.push(Key { environment_only: true, ..key(name, &("", kind, "", allowed)) });
        }
    }
    keys.into_iter().flat_map(with_file).collect()
}

/// The keys of an `[[action]]`.
pub(super) fn action_keys() -> Vec<Key> {
    ACTION_KEYS.iter().map(|row| key(row.0.to_owned(), row)).collect()
}

fn key(name: String, &(_, kind, default, allowed): &Row) -> Key {
    Key { name, kind, default, allowed, environment_only: false }
}

fn with_file(key: Key) -> Vec<Key> {
    if key.kind != Kind::Secret {
        return vec![key];
    }
    let file = Key { name: format!("{}_file", key.name), kind: Kind::Text, allowed: FILE, ..key.clone() };
    vec![key, file]
}

/// The name of the environment variable that sets the key of this name.
pub(super) fn variable(name: &str) -> String {
    format!("FITBIT2MQTT_{}", name.to_uppercase().replace('.', "__").replace('-', "_"))
}

/// The one of `known` that was probably meant by `name`.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|known| (distance(name, known), known)).min_by_key(|(distance, _)| *distance);
    near.filter(|(distance, known)| *distance <= 1 + known.len() / 4).map(|(_, known)| known)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_names_one_key_only() {
        let mut names: Vec<String> = keys().iter().map(|key| variable(&key.name)).collect();
        assert!(names.contains(&"FITBIT2MQTT_UPSTREAM__FITBIT__API_URL".to_owned()));
        assert!(names.contains(&"FITBIT2MQTT_FITBIT__CLIENT_SECRET_FILE".to_owned()));
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn the_nearest_name_is_offered_and_a_far_one_is_not() {
        let known = ["url", "username", "password"];
        assert_eq!(nearest("urll", known.into_iter()), Some("url"));
        assert_eq!(nearest("user_name", known.into_iter()), Some("username"));
        assert_eq!(nearest("colour", known.into_iter()), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
