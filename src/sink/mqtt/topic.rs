//! Every topic name, written here and nowhere else. Pure: no input, no output, no clock.

use std::fmt::Write;

use anyhow::{Result, bail, ensure};

use crate::metric::Metric;
use crate::reading::Person;

/// The default of `mqtt.topic`.
pub const VALUES: &str = "sensors/fitbit";
/// The default of `mqtt.bridge_topic`.
pub const BRIDGE: &str = "fitbit2mqtt";

/// The level of topics at which the broker is tried.
const TRIAL: &str = "trial";

/// The two roots, checked, and every topic below them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    values: String,
    bridge: String,
}

impl Topics {
    /// Takes the root of the values (`mqtt.topic`) and the root of the bridge (`mqtt.bridge_topic`).
    ///
    /// Fails, naming the key, where a root is no plain topic or where the two would name the same topic.
    pub fn new(topic: &str, bridge_topic: &str) -> Result<Topics> {
        check_root("mqtt.topic", topic)?;
        check_root("mqtt.bridge_topic", bridge_topic)?;
        let inside = |part: &str| {
            let taken = format!("{bridge_topic}/{part}");
            topic == taken || topic.starts_with(&format!("{taken}/"))
        };
        if topic == bridge_topic || inside("bridge") || inside("user") {
            bail!(
                "mqtt.topic `{topic}` lies where the bridge's own topics are: it must differ from mqtt.bridge_topic \
                 `{bridge_topic}` and not lie below its `bridge` or `user`"
            );
        }
        Ok(Topics { values: topic.to_owned(), bridge: bridge_topic.to_owned() })
    }

    /// All values of a person, one JSON object.
    pub fn values(&self, person: &Person) -> String {
        format!("{}/{person}", self.values)
    }

    /// One bare value.
    pub fn value(&self, person: &Person, metric: &Metric) -> String {
        format!("{}/{person}/{}", self.values, metric.key)
    }

    /// `online` or `offline`: whether the bridge runs; also the topic of its last will.
    pub fn bridge_status(&self) -> String {
        format!("{}/bridge/status", self.bridge)
    }

    /// What the bridge says about itself.
    pub fn bridge_info(&self) -> String {
        format!("{}/bridge/info", self.bridge)
    }

    /// Whether a person's values are alive.
    pub fn availability(&self, person: &Person) -> String {
        self.of_person(person, "availability")
    }

    /// The state of a person's consent.
    pub fn auth(&self, person: &Person) -> String {
        self.of_person(person, "auth")
    }

    /// How a person's actions fare.
    pub fn status(&self, person: &Person) -> String {
        self.of_person(person, "status")
    }

    /// What may still be asked for a person.
    pub fn quota(&self, person: &Person) -> String {
        self.of_person(person, "quota")
    }

    /// One tracker or scale; whatever its identifier contains, it becomes one topic level.
    pub fn device(&self, person: &Person, id: &str) -> String {
        self.of_person(person, &format!("device/{}", level(id)))
    }

    /// What happened to a person.
    pub fn event(&self, person: &Person) -> String {
        self.of_person(person, "event")
    }

    /// What the bridge is called among others on the same broker: one level of a topic, of letters, digits, `_` and `-`.
    pub fn bridge_identifier(&self) -> String {
        identifier(&self.bridge)
    }

    /// Where commands come in: to the bridge, and to everyone.
    pub fn commands(&self) -> [String; 2] {
        [format!("{}/bridge/command", self.bridge), format!("{}/user/+/command", self.bridge)]
    }

    /// Where commands to a person, or to the bridge, are said.
    pub fn command(&self, to: Option<&Person>) -> String {
        match to {
            Some(person) => self.of_person(person, "command"),
            None => format!("{}/bridge/command", self.bridge),
        }
    }

    /// To whom a command under this topic is said: a person, or the bridge (`Some(None)`). `None`: to nobody who could
    /// exist.
    pub fn addressee(&self, topic: &str) -> Option<Option<Person>> {
        let place = topic.strip_prefix(&self.bridge)?.strip_prefix('/')?.strip_suffix("/command")?;
        match place.strip_prefix("user/") {
            Some(name) => Some(Some(name.parse().ok()?)),
            None => (place == "bridge").then_some(None),
        }
    }

    /// What came of a command to a person, or to the bridge.
    pub fn result(&self, of: Option<&Person>) -> String {
        match of {
            Some(person) => self.of_person(person, "result"),
            None => format!("{}/bridge/result", self.bridge),
        }
    }

    /// Values of the past that were corrected or learned late; never retained.
    pub fn history(&self, person: &Person) -> String {
        self.of_person(person, "history")
    }

    /// What is written to when the broker is tried: nobody's value and no state of anything, but below the same roots, so
    /// that the same permissions apply. The first is of the bridge itself.
    pub fn trials(&self, people: &[Person]) -> Vec<String> {
        let mut trials = vec![format!("{}/bridge/{TRIAL}", self.bridge)];
        for person in people {
            trials.extend([format!("{}/{TRIAL}", self.values(person)), self.of_person(person, TRIAL)]);
        }
        if people.is_empty() {
            trials.push(format!("{}/{TRIAL}", self.values));
        }
        trials
    }

    /// Whether `topic` is about this person.
    pub fn belongs_to(&self, person: &Person, topic: &str) -> bool {
        let values = self.values(person);
        topic == values
            || topic.strip_prefix(&values).is_some_and(|rest| rest.starts_with('/'))
            || topic.starts_with(&self.of_person(person, ""))
    }

    fn of_person(&self, person: &Person, rest: &str) -> String {
        format!("{}/user/{person}/{rest}", self.bridge)
    }
}

/// Where Home Assistant is told of a device with all its components.
pub fn device_config(prefix: &str, device: &str) -> String {
    format!("{prefix}/device/{device}/config")
}

/// Where it is told of one component of a device.
pub fn component_config(prefix: &str, platform: &str, device: &str, component: &str) -> String {
    format!("{prefix}/{platform}/{device}/{component}/config")
}

/// Any text as letters, digits, `_` and `-`, which is all that Home Assistant takes in these topics; two texts never
/// become the same identifier.
pub fn identifier(text: &str) -> String {
    let mut identifier = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            identifier.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(identifier, "_{byte:02x}");
        }
    }
    identifier
}

/// Whether a message can be published under this name (MQTT 3.1.1, section 4.7).
pub fn is_publishable(topic: &str) -> bool {
    !topic.is_empty() && topic.len() <= usize::from(u16::MAX) && !topic.contains(['+', '#', '\0'])
}

fn check_root(key: &str, root: &str) -> Result<()> {
    let plain = !root.is_empty()
        && root.len() <= 200
        && !root.starts_with('$')
        && root.split('/').all(|level| !level.is_empty())
        && !root.contains(|c: char| c == '+' || c == '#' || c.is_control());
    ensure!(
        plain,
        "{key} {root:?} cannot be the root of topics: give names separated by single `/`, none at the beginning or end, \
         without `+`, `#` or a `$` in front, at most 200 bytes"
    );
    Ok(())
}

/// Percent-encodes, so that two identifiers never become the same level.
fn level(id: &str) -> String {
    let mut level = String::new();
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"_.-".contains(&byte) {
            level.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(level, "%{byte:02X}");
        }
    }
    if level.is_empty() { "%".to_owned() } else { level }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::metric::find;

    fn topics() -> Topics {
        Topics::new(VALUES, BRIDGE).unwrap()
    }

    #[test]
    fn names_are_those_of_the_contract() {
        let (topics, anna) = (topics(), "anna".parse().unwrap());
        assert_eq!(topics.values(&anna), "sensors/fitbit/anna");
        assert_eq!(topics.value(&anna, find("body-weight").unwrap()), "sensors/fitbit/anna/body-weight");
        assert_eq!(topics.bridge_status(), "fitbit2mqtt/bridge/status");
        assert_eq!(topics.bridge_info(), "fitbit2mqtt/bridge/info");
        assert_eq!(topics.availability(&anna), "fitbit2mqtt/user/anna/availability");
        assert_eq!(topics.auth(&anna), "fitbit2mqtt/user/anna/auth");
        assert_eq!(topics.status(&anna), "fitbit2mqtt/user/anna/status");
        assert_eq!(topics.quota(&anna), "fitbit2mqtt/user/anna/quota");
        assert_eq!(topics.history(&anna), "fitbit2mqtt/user/anna/history");
        assert_eq!(topics.device(&anna, "2071"), "fitbit2mqtt/user/anna/device/2071");
        assert_eq!(topics.commands(), ["fitbit2mqtt/bridge/command", "fitbit2mqtt/user/+/command"]);
        assert_eq!(topics.result(Some(&anna)), "fitbit2mqtt/user/anna/result");
        assert_eq!(topics.result(None), "fitbit2mqtt/bridge/result");
    }

    #[test]
    fn a_command_is_said_to_a_person_or_to_the_bridge() {
        let topics = topics();
        assert_eq!(topics.addressee("fitbit2mqtt/user/anna/command"), Some(Some("anna".parse().unwrap())));
        assert_eq!(topics.addressee("fitbit2mqtt/bridge/command"), Some(None));
        for nobody in ["fitbit2mqtt/user/../command", "fitbit2mqtt/user/a b/command", "fitbit2mqtt/user//command"] {
            assert_eq!(topics.addressee(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn any_identifier_is_one_level_and_none_is_mistaken_for_another() {
        let (topics, anna) = (topics(), "anna".parse().unwrap());
        let ids = ["a/b", "a_b", "a%2Fb", "", "%", "+", "#", "ä", "a b"];
        let names: std::collections::BTreeSet<_> = ids.iter().map(|id| topics.device(&anna, id)).collect();
        assert_eq!(names.len(), ids.len());
        assert!(names.iter().all(|name| name.split('/').count() == 5 && is_publishable(name)), "{names:?}");
    }

    #[test]
    fn a_person_owns_only_their_own_topics() {
        let (topics, ann) = (topics(), "ann".parse().unwrap());
        for own in ["sensors/fitbit/ann", "sensors/fitbit/ann/steps", "fitbit2mqtt/user/ann/device/1"] {
            assert!(topics.belongs_to(&ann, own), "{own}");
        }
        for foreign in
            ["sensors/fitbit/anna", "sensors/fitbit", "fitbit2mqtt/user/anna/auth", "fitbit2mqtt/bridge/info"]
        {
            assert!(!topics.belongs_to(&ann, foreign), "{foreign}");
        }
    }

    #[test]
    fn bad_roots_are_refused() {
        for bad in ["", "/a", "a/", "a//b", "a/+", "#", "$SYS/a", "a\0", "a\nb", &"x".repeat(201)] {
            assert!(Topics::new(bad, "fitbit2mqtt").is_err(), "{bad}");
            assert!(Topics::new("sensors/fitbit", bad).is_err(), "{bad}");
        }
        assert!(Topics::new("a", "a").is_err());
        assert!(Topics::new("a/user", "a").is_err());
        assert!(Topics::new("a/bridge/x", "a").is_err());
        assert!(Topics::new("a/users", "a").is_ok());
        assert!(Topics::new("a", "a/b").is_ok());
    }
}
