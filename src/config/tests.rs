//! The sample against the table of keys, and every rule with the sentence it is refused by.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use secrecy::ExposeSecret;

use super::key::{Key, Kind, action_keys, keys};
use super::*;

const NOTHING: [(&str, &str); 0] = [];

fn of(text: &str) -> Result<Config> {
    Config::parse(Some((Path::new("fitbit2mqtt.toml"), text)), NOTHING)
}

fn by(environment: &[(&str, &str)]) -> Result<Config> {
    Config::parse(None, environment.iter().copied())
}

/// The sample with the `#` taken away from every line that is a key or a header.
fn uncommented() -> String {
    let is_setting = |line: &str| line.starts_with("[[") || line.starts_with(|c: char| c.is_ascii_lowercase());
    SAMPLE.lines().map(|line| line.strip_prefix('#').filter(|rest| is_setting(rest)).unwrap_or(line)).fold(
        String::new(),
        |mut text, line| {
            text.push_str(line);
            text.push('\n');
            text
        },
    )
}

#[test]
fn the_sample_is_the_defaults() {
    let defaults = of("").unwrap();
    assert!(defaults.actions.is_empty());
    assert_eq!(format!("{:?}", of(SAMPLE).unwrap()), format!("{defaults:?}"));

    let sample = of(&uncommented()).unwrap();
    assert_eq!(sample.actions, [Action::template().unwrap()]);
    let sample = Config { actions: Vec::new(), ..sample };
    assert_eq!(format!("{sample:?}"), format!("{defaults:?}"));
}

#[test]
fn the_sample_lists_exactly_the_keys_and_their_defaults() {
    fn walk(prefix: &str, table: &toml_edit::Table, found: &mut Vec<(String, String)>) {
        for (name, item) in table {
            let full = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            match item {
                toml_edit::Item::Table(inner) => walk(&full, inner, found),
                toml_edit::Item::ArrayOfTables(all) => all.iter().for_each(|inner| walk(&full, inner, found)),
                item => found.push((full, item.to_string().trim().to_owned())),
            }
        }
    }
    let document: toml_edit::DocumentMut = uncommented().parse().unwrap();
    let mut found = Vec::new();
    walk("", document.as_table(), &mut found);
    let shown = |key: Key| {
        let value = match key.kind {
            Kind::Text | Kind::Secret => format!("{:?}", key.default),
            Kind::List => {
                let names = key.default.split(", ").filter(|name| !name.is_empty());
                format!("[{}]", names.map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", "))
            }
            Kind::Flag | Kind::Number => key.default.to_owned(),
        };
        (key.name, value)
    };
    let known: BTreeSet<(String, String)> =
        keys().into_iter().chain(action_keys()).filter(|key| !key.environment_only).map(shown).collect();
    assert_eq!(found.len(), known.len());
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), known);
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let config = of("").unwrap();
    assert_eq!(config.data_dir, Path::new("./data"));
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:9333");
    assert_eq!(config.http.public_url.to_string(), "http://localhost:9333");
    assert!(config.http.password.is_none() && config.http.allowed_hosts.is_empty());
    assert_eq!(Some(config.mqtt.broker), Broker::parse("mqtt://127.0.0.1:1883"));
    assert_eq!(config.mqtt.protocol, Protocol::V3);
    assert_eq!((config.mqtt.topic.as_str(), config.mqtt.bridge_topic.as_str()), ("sensors/fitbit", "fitbit2mqtt"));
    assert!(config.mqtt.retain && config.mqtt.client_id.is_none());
    assert_eq!(config.sleep.night_starts.to_string(), "18:00:00");
    let google = &config.upstreams[0];
    assert_eq!(
        (google.provider, google.api_url.to_string().as_str()),
        ("google-health", "https://health.googleapis.com")
    );
    assert_eq!(google.token_url.to_string(), "https://oauth2.googleapis.com/token");
    let fitbit = &config.upstreams[1];
    assert_eq!(fitbit.provider, "fitbit");
    assert_eq!(fitbit.api_url.to_string(), "https://api.fitbit.com");
    let authorize = fitbit.authorize_url.as_ref().map(ToString::to_string);
    assert_eq!(authorize.as_deref(), Some("https://www.fitbit.com/oauth2/authorize"));
    assert_eq!(fitbit.token_url.to_string(), "https://api.fitbit.com/oauth2/token");
    let revoke = fitbit.revoke_url.as_ref().map(ToString::to_string);
    assert_eq!(revoke.as_deref(), Some("https://api.fitbit.com/oauth2/revoke"));
}

#[test]
fn the_state_directory_is_the_data_directory_unless_one_is_named() {
    assert_eq!(by(&[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")]).unwrap().data_dir, Path::new("/var/lib/a"));
    assert_eq!(by(&[("STATE_DIRECTORY", "")]).unwrap().data_dir, Path::new("./data"));
    let both = [("STATE_DIRECTORY", "/var/lib/a"), ("FITBIT2MQTT_DATA_DIR", "/data")];
    assert_eq!(by(&both).unwrap().data_dir, Path::new("/data"));
}

#[test]
fn the_public_address_follows_the_port() {
    let mut config = of("http.listen = '127.0.0.1:8080'").unwrap();
    assert_eq!(config.http.public_url.to_string(), "http://localhost:8080");
    config.on_port(1);
    assert_eq!(config.http.public_url.to_string(), "http://localhost:8080");

    let mut config = of("http.listen = '127.0.0.1:0'").unwrap();
    config.on_port(4711);
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:4711");
    assert_eq!(config.http.public_url.to_string(), "http://localhost:4711");
}

#[test]
fn the_environment_wins_over_the_file() {
    let text = "[mqtt]\nurl = 'mqtt://file'\nretain = true\npassword_file = '/nowhere'\n[http]\nallowed_hosts = ['a']";
    let environment = [
        ("FITBIT2MQTT_MQTT__URL", "mqtt://environment:7"),
        ("FITBIT2MQTT_MQTT__RETAIN", "no"),
        ("FITBIT2MQTT_MQTT__USERNAME", "u"),
        ("FITBIT2MQTT_MQTT__PASSWORD", "p"),
        ("FITBIT2MQTT_HTTP__ALLOWED_HOSTS", "pi.lan, Fitbit.Example.org"),
        ("FITBIT2MQTT_UPSTREAM__FITBIT__API_URL", "http://127.0.0.1:9334/fitbit/"),
        ("FITBIT2MQTT_FITBIT__CLIENT_ID", "22E123"),
        ("FITBIT2MQTT_FITBIT__CLIENT_SECRET", "hush"),
        ("FITBIT2MQTT_ACTION__10__URL", "/plugin/fitbit?user=bob"),
        ("FITBIT2MQTT_ACTION__2__URL", "/plugin/fitbit?user=anna"),
        ("FITBIT2MQTT_ACTION__2__INTERVAL", "60"),
        ("HOME", "/root"),
    ];
    let config = Config::parse(Some((Path::new("f"), text)), environment).unwrap();
    assert_eq!(Some(config.mqtt.broker), Broker::parse("mqtt://environment:7"));
    assert!(!config.mqtt.retain);
    assert_eq!(config.mqtt.password.unwrap().expose_secret(), "p");
    assert_eq!(config.http.allowed_hosts, ["pi.lan", "fitbit.example.org"]);
    assert_eq!(config.upstreams[1].api_url.to_string(), "http://127.0.0.1:9334/fitbit");
    assert_eq!(config.clients[1].id.as_deref(), Some("22E123"));
    assert_eq!(config.clients[1].secret.as_ref().unwrap().expose_secret(), "hush");
    let names: Vec<_> = config.actions.iter().map(|action| action.whom().unwrap().person().unwrap().as_str()).collect();
    assert_eq!(names, ["anna", "bob"]);
}

#[test]
fn a_secret_may_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, "a b \r\n").unwrap();
    let text = format!("[http]\npassword_file = {path:?}");
    assert_eq!(of(&text).unwrap().http.password.unwrap().expose_secret(), "a b ");

    let refused = of(&format!("{text}\npassword = 'hunter2'")).unwrap_err().to_string();
    assert!(refused.contains("line 2") && refused.contains("`http.password`"), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");

    std::fs::write(&path, "\n").unwrap();
    assert!(of(&text).unwrap_err().to_string().contains("is empty"));
    std::fs::remove_file(&path).unwrap();
    let refused = of(&text).unwrap_err().to_string();
    assert!(refused.contains("line 2") && refused.contains(path.to_str().unwrap()), "{refused}");
}

#[test]
fn no_secret_is_ever_printed() {
    let config = of("http.password = 'hunter2'\nmqtt.username = 'u'\nmqtt.password = 'hunter2'").unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    for text in [
        "[http]\npassword = hunter2",
        "[http]\npassword = ['hunter2']",
        "[http]\npassword = \"hunter2",
        "[http]\npassword = 'hunter2'\npassword = 'hunter2'",
        "[http]\npassword = 'hunter2' x",
        "[http]\npassword = { hunter2 = 'hunter2' }",
        "[mqtt]\npassword = 'hunter2'",
        "[mqtt]\nurl = 'mqtt://u:hunter2@home.lan'",
        "[mqtt]\nurl = 'u:hunter2@home.lan'",
    ] {
        let refused = format!("{:#}", of(text).unwrap_err());
        assert!(!refused.contains("hunter2"), "{refused}");
        assert!(refused.contains("fitbit2mqtt.toml line "), "{refused}");
    }
}

/// Each wrong text, and what the sentence about it must hold.
#[test]
fn what_is_not_allowed_is_named_with_its_place_and_what_is() {
    for (text, parts) in [
        ("\n[mqtt]\nurll = 'a'", &["line 3", "`mqtt.urll`", "did you mean `url`", "bridge_topic"][..]),
        ("[mqttt]\nurl = 'a'", &["line 1", "`mqttt`", "did you mean `mqtt`", "upstream", "action"]),
        ("[fitbit]\nclient_id = 'a'", &["line 1", "`fitbit`"]),
        ("[homeassistent]\nprefix = 'a'", &["line 1", "`homeassistent`", "did you mean `homeassistant`"]),
        ("[homeassistant]\ndiscovery = 'on'", &["line 2", "`homeassistant.discovery` = \"on\"", "\"component\""]),
        ("[homeassistant]\nprefix = 'a/#'", &["line 2", "`homeassistant.prefix` = \"a/#\""]),
        ("[homeassistant]\nstatus_topic = ''", &["line 2", "`homeassistant.status_topic`"]),
        ("[upstream.fitbit-minus]\napi_url = 'a'", &["line 1", "`upstream.fitbit-minus`", "fitbit"]),
        ("mqtt = 3", &["line 1", "`mqtt` is a section"]),
        ("[data_dir]", &["line 1", "`data_dir`", "text in quotes"]),
        ("data_dir = 5", &["line 1", "`data_dir` = 5", "text in quotes", "a folder"]),
        ("[mqtt]\nretain = 'yes'", &["line 2", "`mqtt.retain` = 'yes'", "true or false"]),
        ("[mqtt]\nprotocol = 5", &["line 2", "`mqtt.protocol` = 5", "text in quotes"]),
        ("[mqtt]\nprotocol = '4'", &["`mqtt.protocol` = \"4\"", "\"3.1.1\" or \"5\""]),
        ("[mqtt]\nurl = 'tcp://a'", &["line 2", "`mqtt.url` = \"tcp://a\"", "mqtts://HOST:PORT"]),
        ("[mqtt]\nurl = ''", &["`mqtt.url` = \"\""]),
        ("[mqtt]\ntopic = 'a/#'", &["line 2", "`mqtt.topic` = \"a/#\""]),
        ("[mqtt]\ntopic = 'fitbit2mqtt/values'", &["line 2", "`mqtt.topic`", "within the other"]),
        ("[mqtt]\nbridge_topic = 'sensors/fitbit'", &["line 2", "`mqtt.bridge_topic`", "within the other"]),
        ("[mqtt]\nclient_id = \"a\\nb\"", &["`mqtt.client_id`", "control"]),
        ("[mqtt]\npassword = 'a'", &["line 2", "`mqtt.password` needs `mqtt.username`"]),
        ("[mqtt]\nurl = 'mqtts://a'\nclient_cert_file = 'a'", &["line 3", "needs `mqtt.client_key_file`"]),
        ("[mqtt]\nurl = 'mqtts://a'\nclient_key_file = 'a'", &["line 3", "needs `mqtt.client_cert_file`"]),
        ("[mqtt]\nca_file = 'a'", &["line 2", "`mqtt.ca_file`", "mqtts://"]),
        ("[http]\nlisten = 'here'", &["line 2", "`http.listen` = \"here\"", "ADDRESS:PORT"]),
        ("[http]\nlisten = '0.0.0.0:9333'", &["line 2", "`http.listen`", "`http.password`"]),
        ("[http]\npublic_url = 'http://pi.lan:9333'", &["line 2", "`http.public_url`", "`http.password`"]),
        ("[http]\npublic_url = 'https://pi.lan/a'\npassword = 'a'", &["line 2", "without path"]),
        ("[http]\nallowed_hosts = 'a'", &["line 2", "`http.allowed_hosts` = 'a'", "a list"]),
        ("[http]\nallowed_hosts = ['a', 'b:1']", &["line 2", "\"b:1\"", "without scheme and port"]),
        ("[upstream.fitbit]\napi_url = 'http://pi.lan'", &["line 2", "`upstream.fitbit.api_url`", "loopback"]),
        ("[sleep]\nnight_starts = '25:00'", &["line 2", "`sleep.night_starts` = \"25:00\"", "HH:MM"]),
        ("[action]\nurl = 'a'", &["line 1", "[[action]]"]),
        ("[[action]]\ninterval = 60", &["line 2", "no `url`", "/plugin/fitbit?user={user}"]),
        ("[[action]]\nurl = '/nowhere'", &["line 2", "`action.url` = \"/nowhere\"", "/plugin/fitbit?user=NAME"]),
        ("[[action]]\nurl = '/plugin/fitbit?user=a'\ninterval = 'x'", &["line 3", "`action.interval` = 'x'", "from 1"]),
        ("[[action]]\nurl = '/plugin/fitbit?user=a'\ninterval = 0", &["line 3", "`action.interval` = 0", "from 1"]),
        ("[[action]]\nurl = '/plugin/fitbit?user=a'\nrepresenting = '/'", &["line 3", "`action.representing`"]),
        ("[[action]]\nevery = 1", &["line 2", "`action.every`", "interval, url, representing"]),
        ("[mqtt]\nurl = mqtt://a", &["line 2", "not valid TOML"]),
    ] {
        let refused = of(text).expect_err(text).to_string();
        assert!(refused.starts_with("fitbit2mqtt.toml line "), "{refused}");
        assert!(!refused.contains('\n'), "{refused}");
        for part in parts {
            assert!(refused.contains(part), "{part} in: {refused}");
        }
    }
}

#[test]
fn a_variable_that_sets_nothing_is_named() {
    for (name, value, part) in [
        ("FITBIT2MQTT_MQTT__URLL", "a", "did you mean FITBIT2MQTT_MQTT__URL?"),
        ("FITBIT2MQTT_MQTT_URL", "a", "FITBIT2MQTT_MQTT__URL"),
        ("FITBIT2MQTT_MQTT__RETAIN", "maybe", "`mqtt.retain` = \"maybe\" is not true or false"),
        ("FITBIT2MQTT_MQTT__URL", "tcp://a", "`mqtt.url` = \"tcp://a\""),
        ("FITBIT2MQTT_ACTION__1__INTERVAL", "soon", "`action.interval` = \"soon\""),
        ("FITBIT2MQTT_ACTION__1__INTERVAL", "60", "no `url`"),
        ("FITBIT2MQTT_ACTION__1__EVERY", "60", "sets no key"),
        ("FITBIT2MQTT_ACTION__A__URL", "60", "sets no key"),
        ("FITBIT2MQTT_HTTP__LISTEN", "[::]:9333", "`http.password`"),
        ("FITBIT2MQTT_FITBIT_MINUS__CLIENT_ID", "a", "sets no key"),
        ("FITBIT2MQTT_FITBIT__CLIENT_SECRET_FILE", "/nowhere/secret", "/nowhere/secret"),
    ] {
        let refused = by(&[(name, value)]).expect_err(name).to_string();
        assert!(refused.contains(&format!("environment variable {name}")), "{refused}");
        assert!(refused.contains(part), "{part} in: {refused}");
    }
    let both = [("FITBIT2MQTT_HTTP__PASSWORD", "hunter2"), ("FITBIT2MQTT_HTTP__PASSWORD_FILE", "/a")];
    let refused = by(&both).unwrap_err().to_string();
    assert!(refused.contains("keep one") && !refused.contains("hunter2"), "{refused}");
}

#[test]
fn an_open_door_is_accepted_with_a_password() {
    let config = of("[http]\nlisten = '0.0.0.0:9333'\npublic_url = 'https://pi.lan/'\npassword = 'a'").unwrap();
    assert_eq!(config.http.public_url.to_string(), "https://pi.lan");
    assert!(of("[http]\nlisten = 'localhost:9333'\npublic_url = 'http://127.0.0.1:9333'").is_ok());
}

#[test]
#[cfg(feature = "embedded")]
fn the_embedded_broker_lets_others_in_only_with_a_name_and_a_password() {
    let embedded = |more: &str| of(&format!("[mqtt]\nurl = 'embedded://0.0.0.0:1883'\n{more}"));
    assert!(embedded("").unwrap_err().to_string().contains("both `mqtt.username` and `mqtt.password`"));
    assert!(embedded("username = 'a'").is_err());
    assert!(embedded("username = 'a'\npassword = 'b'").is_ok());
    assert!(of("[mqtt]\nurl = 'embedded'").is_ok());
    assert!(of("[mqtt]\nurl = 'embedded'\nusername = 'a'").is_err());
}

#[test]
#[cfg(feature = "embedded")]
fn the_embedded_broker_speaks_one_version_only() {
    let error = of("[mqtt]\nurl = 'embedded'\nprotocol = '5'").unwrap_err().to_string();
    for words in ["line 3", "`mqtt.protocol` = \"5\"", "3.1.1", "mqtt://HOST:PORT"] {
        assert!(error.contains(words), "{words} in {error}");
    }
    assert!(of("[mqtt]\nurl = 'embedded'\nprotocol = '3.1.1'").is_ok());
}

#[test]
#[cfg(not(feature = "embedded"))]
fn the_embedded_broker_is_missed_by_name() {
    assert!(of("[mqtt]\nurl = 'embedded'").unwrap_err().to_string().contains("feature `embedded`"));
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    let refused = format!("{:#}", Config::load(Some(&path), NOTHING).unwrap_err());
    assert!(refused.contains(path.to_str().unwrap()) && refused.contains("--config"), "{refused}");
    std::fs::write(&path, "[mqtt]\ntopic = 'mine'\n").unwrap();
    let config = Config::load(Some(&path), NOTHING).unwrap();
    assert_eq!(config.mqtt.topic, "mine");
    assert_eq!(config.file.as_deref(), Some(path.as_path()));
}
