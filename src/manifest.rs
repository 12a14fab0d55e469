//! The plugin manifest, embedded and typed: what a host is told, and where `run` takes its routes and its default
//! action from. Imports no other room, so that everyone may read it.

use std::sync::LazyLock;

use serde::Deserialize;

/// `plugin-manifest.toml`, as it stands.
pub const TEXT: &str = include_str!("../plugin-manifest.toml");

#[expect(clippy::expect_used, reason = "the file is part of the program, and a test parses it")]
static EMBEDDED: LazyLock<Manifest> = LazyLock::new(|| toml::from_str(TEXT).expect("plugin-manifest.toml"));

/// The plugin described to a host.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it is.
    pub plugin: Plugin,
    #[serde(rename = "entrypoint")]
    entrypoints: Vec<Entrypoint>,
    #[serde(rename = "action")]
    actions: [ActionTemplate; 1],
    /// The topics it publishes.
    #[serde(rename = "topic")]
    pub topics: Vec<Topic>,
    /// The schema of the files it keeps for a host.
    pub plugindata: Schema,
    /// The upstreams it can ask.
    #[serde(rename = "provider")]
    pub providers: Vec<Provider>,
}

/// `[plugin]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// Its name.
    pub name: String,
    /// Its version, that of the program.
    pub version: String,
    /// One sentence for people.
    pub description: String,
    /// The program to run.
    pub executable: String,
    /// The name of its configuration file.
    pub configuration: String,
}

/// `[[entrypoint]]`: one request it answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entrypoint {
    /// The path, literally.
    pub path: String,
    /// The method.
    pub verb: Verb,
    /// What it does, for people.
    pub meaning: String,
    /// What it takes, in the query of a GET and the form of a POST.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verb {
    /// Reads; changes nothing but what the contract names.
    Get,
    /// Changes something.
    Post,
}

impl Verb {
    /// The method as it stands in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
        }
    }
}

/// A parameter of an entry point.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Whether the request is refused without it.
    #[serde(default)]
    pub required: bool,
}

/// `[[action]]`: what is done for every person, at an interval. `{user}` stands for the person's name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionTemplate {
    /// In seconds.
    pub interval: u64,
    /// The entry point it calls, as a path with its query.
    pub url: String,
    /// The path whose health it reports.
    pub representing: String,
}

/// `[[topic]]`: `{user}`, `{metric}` and `{id}` stand for themselves; a root that is configured, for its default.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// The topic.
    pub topic: String,
    /// Whether the broker keeps the last message.
    pub retained: bool,
    /// What the message is, for people.
    pub payload: String,
}

/// `[plugindata]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// `plugindata/fitbit.toml`; `{provider}` stands for each upstream.
    pub application: Vec<Field>,
    /// `identities/<user>/plugindata/fitbit.toml`.
    pub person: Vec<Field>,
}

/// A key of such a file; a dot separates it from its table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The key.
    pub key: String,
    /// How it is written.
    #[serde(rename = "type")]
    pub kind: FieldKind,
    /// Whether no page and no message may ever show it.
    #[serde(default)]
    pub secret: bool,
    /// What it is for.
    pub meaning: String,
}

/// How a key of plugindata is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldKind {
    /// Text.
    Text,
    /// A list of texts.
    List,
    /// A date and time with offset.
    Datetime,
}

/// `[[provider]]`: an upstream.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The name it has in settings.
    pub name: String,
    /// The name people know it by.
    pub title: String,
    /// Where an application is registered, if there is one place for it.
    #[serde(default)]
    pub registration: Option<String>,
}

impl Manifest {
    /// The manifest of this program.
    pub fn embedded() -> &'static Manifest {
        &EMBEDDED
    }

    /// What every person runs who is named in no configured action.
    pub fn action_template(&self) -> &ActionTemplate {
        let [template] = &self.actions;
        template
    }

    /// Every request it answers.
    pub fn entrypoints(&self) -> &[Entrypoint] {
        &self.entrypoints
    }

    /// The entry point of exactly this method and path.
    pub fn entrypoint(&self, verb: Verb, path: &str) -> Option<&Entrypoint> {
        self.entrypoints.iter().find(|entry| entry.verb == verb && entry.path == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_parses_and_is_of_this_version() {
        let manifest = Manifest::embedded();
        assert_eq!(manifest.plugin.version, env!("CARGO_PKG_VERSION"));
        assert_eq!(manifest.plugin.name, env!("CARGO_PKG_NAME"));
        assert_eq!(manifest.plugin.executable, env!("CARGO_PKG_NAME"));
    }

    #[test]
    fn nothing_is_described_twice() {
        let manifest = Manifest::embedded();
        let entries = manifest.entrypoints().iter().map(|e| format!("{} {}", e.verb.as_str(), e.path));
        let parameters = manifest.entrypoints().iter().flat_map(|entry| {
            entry.parameters.iter().map(move |p| format!("{} {} {}", entry.verb.as_str(), entry.path, p.name))
        });
        let topics = manifest.topics.iter().map(|topic| topic.topic.clone());
        let application = manifest.plugindata.application.iter().map(|field| format!("application {}", field.key));
        let person = manifest.plugindata.person.iter().map(|field| format!("person {}", field.key));
        let all: Vec<String> = entries.chain(parameters).chain(topics).chain(application).chain(person).collect();
        for (index, one) in all.iter().enumerate() {
            assert!(!all[index + 1..].contains(one), "{one}");
        }
    }

    #[test]
    fn every_entry_point_is_a_path_and_every_topic_stands_below_a_root() {
        for entry in Manifest::embedded().entrypoints() {
            assert!(entry.path.starts_with('/') && !entry.path.contains(['?', '#', '{', ' ']), "{}", entry.path);
        }
        for topic in &Manifest::embedded().topics {
            assert!(topic.topic.starts_with("sensors/fitbit/") || topic.topic.starts_with("fitbit2mqtt/"), "{topic:?}");
        }
    }
}
