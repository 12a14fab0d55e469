//! Whether the broker lets the bridge in, write and read what it needs, and keeps what is retained. What is written on the
//! way is empty or taken back.

use std::collections::BTreeSet;

use super::{Case, Finding};
use crate::config::{Broker, Discovery};
use crate::sink::mqtt::topic::{Topics, component_config, device_config};
use crate::sink::mqtt::trial::{Asked, Trial, Unaccepted, trial};
use crate::sink::mqtt::{Protocol, Settings};

const SUBJECT: &str = "broker";
/// Further people's topics are taken to be permitted as those of these.
const PEOPLE: usize = 10;

/// Everything about the broker.
pub(super) async fn examine(case: &Case) -> Vec<Finding> {
    let mqtt = &case.config.mqtt;
    let topics = match Topics::new(&mqtt.topic, &mqtt.bridge_topic) {
        Ok(topics) => topics,
        Err(error) => return vec![Finding::trouble(SUBJECT, format!("{error:#}"), "correct that key")],
    };
    let wanted = Wanted::of(case, &topics);
    let seen = match tried(&case.mqtt, &wanted.asked).await {
        Ok(seen) => seen,
        Err(Unaccepted { words, .. }) if matches!(mqtt.broker, Broker::Embedded { .. }) => {
            let what = format!("the embedded broker does not answer, as no bridge runs: {words}");
            return vec![Finding::warning(SUBJECT, what, "start the bridge, then ask again")];
        }
        Err(Unaccepted { words, cure }) => {
            let what = format!("no connection to {}: {words}", case.mqtt.url);
            return vec![Finding::trouble(SUBJECT, what, cure.unwrap_or_else(|| "look at the broker's log".into()))];
        }
    };
    let who = match &mqtt.username {
        Some(name) => format!("user {name}"),
        None => "the bridge".into(),
    };
    let mut findings = vec![Finding::ok(SUBJECT, format!("{} accepts {who}", case.mqtt.url))];
    if let Some(broken) = seen.broken.as_ref().filter(|_| !seen.broken_by_keeping) {
        let cure = "look at its log: it may limit clients, or what they send";
        findings.push(Finding::trouble(SUBJECT, format!("it ended the connection while it was tried: {broken}"), cure));
        return findings;
    }
    findings.push(wanted.writing(&seen, &who));
    findings.push(retaining(&wanted.asked.keep, &seen));
    findings.extend(wanted.commands(&seen, &who));
    findings.extend(wanted.homeassistant(&seen, &who));
    findings
}

/// In the version of the protocol that is configured; where that does not say what is refused, in the one that does.
async fn tried(settings: &Settings, asked: &Asked) -> Result<Trial, Unaccepted> {
    let mut seen = trial(settings, asked).await?;
    let silent = asked.send.iter().chain([&asked.keep]).any(|topic| !seen.returned.contains(topic));
    if settings.protocol == Protocol::V311 && silent && seen.broken.is_none() {
        let settings = Settings { protocol: Protocol::V5, ..settings.clone() };
        if let Ok(told) = trial(&settings, asked).await
            && told.broken.is_none()
        {
            seen.refused.extend(told.refused);
            seen.unreadable.extend(told.unreadable);
            seen.says_refusals = true;
        }
    }
    Ok(seen)
}

/// What the bridge needs at the broker.
struct Wanted {
    asked: Asked,
    /// What has to be writable, and the filter that permits it.
    writing: Vec<(String, String)>,
    /// Where commands come in: the filter, and a topic of it at which an empty message says nothing.
    commands: Vec<(String, String)>,
    /// Where Home Assistant says that it has started.
    status: Option<String>,
}

impl Wanted {
    fn of(case: &Case, topics: &Topics) -> Wanted {
        let (mqtt, homeassistant) = (&case.config.mqtt, &case.config.homeassistant);
        let people = case.household.plugindata.people().unwrap_or_default();
        let people = &people[..people.len().min(PEOPLE)];
        let below = |root: &str, topic: &str| {
            topic.strip_prefix(root).filter(|rest| rest.starts_with('/')).map(|_| format!("{root}/#"))
        };
        let trials = topics.trials(people);
        let keep = trials[0].clone();
        let permits = |topic: &str| below(&mqtt.topic, topic).or_else(|| below(&mqtt.bridge_topic, topic));
        let mut writing: Vec<(String, String)> =
            trials.into_iter().filter_map(|topic| Some((topic.clone(), permits(&topic)?))).collect();
        let bridge = topics.bridge_identifier();
        let announced = homeassistant.discovery.map(|form| match form {
            Discovery::Device => device_config(&homeassistant.prefix, &format!("{bridge}_trial")),
            Discovery::Component => component_config(&homeassistant.prefix, "sensor", &bridge, "trial"),
        });
        writing.extend(announced.map(|topic| (topic, format!("{}/#", homeassistant.prefix))));
        let filters = if mqtt.commands { topics.commands().to_vec() } else { Vec::new() };
        let addressed = [None].into_iter().chain(people.first().map(Some));
        let commands: Vec<_> = filters.into_iter().zip(addressed.map(|to| topics.command(to))).collect();
        let status = homeassistant.discovery.map(|_| homeassistant.status_topic.clone());
        let send = writing.iter().map(|(topic, _)| topic).filter(|topic| **topic != keep);
        let send = send.chain(commands.iter().map(|(_, topic)| topic)).cloned().collect();
        let read = commands.iter().map(|(filter, _)| filter).chain(&status).cloned().collect();
        Wanted { asked: Asked { keep, send, read }, writing, commands, status }
    }

    fn writing(&self, seen: &Trial, who: &str) -> Finding {
        const SUBJECT: &str = "topics";
        let mut refused: Vec<_> = Vec::new();
        let mut unknown: Vec<_> = Vec::new();
        // What became of a retained message that ended the connection is said elsewhere.
        let told = self.writing.iter().filter(|(topic, _)| !(seen.broken_by_keeping && *topic == self.asked.keep));
        for (topic, permit) in told {
            if seen.refused.contains_key(topic) {
                refused.push((topic, permit));
            } else if !seen.returned.contains(topic) && !seen.says_refusals {
                unknown.push((topic, permit));
            }
        }
        let list =
            |all: &[(&String, &String)]| all.iter().map(|(topic, _)| topic.as_str()).collect::<Vec<_>>().join(", ");
        let permit = |all: &[(&String, &String)]| {
            let permits: BTreeSet<_> = all.iter().map(|(_, permit)| permit.as_str()).collect();
            let permits = permits.into_iter().collect::<Vec<_>>().join(", ");
            format!("permit {who} to write {permits} at the broker")
        };
        if !refused.is_empty() {
            return Finding::trouble(SUBJECT, format!("{who} may not write {}", list(&refused)), permit(&refused));
        }
        if !unknown.is_empty() {
            let what = format!("what {who} wrote to {} did not come back", list(&unknown));
            return Finding::warning(SUBJECT, what, format!("if values are missing, {}", permit(&unknown)));
        }
        Finding::ok(SUBJECT, format!("{who} may write everywhere it has to"))
    }

    fn commands(&self, seen: &Trial, who: &str) -> Vec<Finding> {
        const SUBJECT: &str = "commands";
        let unread = self.commands.iter().filter(|(filter, topic)| {
            // What was written and did not come back may not be read.
            let silent = seen.says_refusals && !seen.refused.contains_key(topic) && !seen.returned.contains(topic);
            seen.unreadable.contains(filter) || silent
        });
        let unread: Vec<_> = unread.map(|(filter, _)| filter.as_str()).collect();
        match (self.commands.is_empty(), unread.is_empty()) {
            (true, _) => Vec::new(),
            (false, true) => vec![Finding::ok(SUBJECT, format!("{who} may read them"))],
            (false, false) => {
                let what = format!("{who} may not read {}", unread.join(", "));
                let cure = format!("permit {who} to read them at the broker, or set mqtt.commands = false");
                vec![Finding::trouble(SUBJECT, what, cure)]
            }
        }
    }

    fn homeassistant(&self, seen: &Trial, who: &str) -> Option<Finding> {
        const SUBJECT: &str = "Home Assistant";
        let status = self.status.as_ref()?;
        if seen.unreadable.contains(status) {
            let what = format!("{who} may not read {status}, where Home Assistant says that it has started");
            return Some(Finding::trouble(SUBJECT, what, format!("permit {who} to read {status} at the broker")));
        }
        Some(match seen.found.get(status).map(String::as_str) {
            None => Finding::ok(SUBJECT, format!("its start is awaited on {status}")),
            Some(word @ ("online" | "offline")) => Finding::ok(SUBJECT, format!("{status} says {word}")),
            Some(_) => {
                let what = format!("{status} says something else than online or offline");
                let cure = "set homeassistant.status_topic to the topic of Home Assistant's birth message";
                Finding::warning(SUBJECT, what, cure)
            }
        })
    }
}

fn retaining(keep: &str, seen: &Trial) -> Finding {
    const SUBJECT: &str = "retained messages";
    if seen.kept {
        return Finding::ok(SUBJECT, "the broker keeps them for those who come later");
    }
    let cure = "let the broker keep retained messages (mosquitto: retain_available true)";
    if let Some(broken) = &seen.broken {
        let what = format!("the broker ends the connection of whoever sends one ({broken}), so no value arrives");
        return Finding::trouble(SUBJECT, what, cure);
    }
    if seen.returned.contains(keep) {
        return Finding::trouble(SUBJECT, "the broker does not keep them: whoever comes later sees no values", cure);
    }
    let what = format!("whether the broker keeps them is not known: what was written to {keep} could not be read");
    Finding::warning(SUBJECT, what, format!("permit the bridge to write and read {keep}, then ask again"))
}
