//! Interval actions as they are written down, and who runs which of them.
//! Pure; when they run and what they fetch is not decided here.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::settings::Values;
use crate::manifest::{Manifest, Verb};
use crate::reading::Person;

/// The path of the entry point an action may call.
const FETCH: &str = "/plugin/fitbit";
/// What stands for a person's name.
const PLACEHOLDER: &str = "{user}";

/// An action as written: of one person, with `{user}` of every person, or of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    interval: Duration,
    url: String,
    representing: String,
    /// `None`: every person.
    whom: Option<Whom>,
}

/// Whom something is fetched of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Whom {
    /// A person.
    Person(Person),
    /// Everyone of a group who agreed, by the group's identifier.
    Group(String),
}

impl Whom {
    /// The parameter of an address that names them.
    pub fn parameter(&self) -> (String, String) {
        match self {
            Whom::Person(person) => ("user".into(), person.to_string()),
            Whom::Group(group) => ("group".into(), group.clone()),
        }
    }

    /// The person, if it is one.
    pub fn person(&self) -> Option<&Person> {
        match self {
            Whom::Person(person) => Some(person),
            Whom::Group(_) => None,
        }
    }

    /// The group of this identifier, if it can be one.
    pub fn group(id: &str) -> Option<Whom> {
        let plain = (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        plain.then(|| Whom::Group(id.to_owned()))
    }
}

/// No person's name has a space, so that a group is never taken for one.
impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Whom::Person(person) => write!(f, "{person}"),
            Whom::Group(group) => write!(f, "group {group}"),
        }
    }
}

/// An action of one person or group, ready to run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DueAction {
    /// Whose it is.
    pub whom: Whom,
    /// From the start of one run to the start of the next.
    pub interval: Duration,
    /// The entry point it calls, as a path with its query.
    pub url: String,
    /// The decoded parameters of `url` but `user` and `group`, in order.
    pub parameters: Vec<(String, String)>,
    /// The path whose health it reports.
    pub representing: String,
}

impl Action {
    /// Checks and reads an action; `None` if `url` is not the fetch entry point with parameters it takes, or
    /// `representing` is no path.
    pub fn new(interval: Duration, url: &str, representing: &str) -> Option<Action> {
        let whom = whose(url)?;
        is_path(representing).then(|| Action { interval, url: url.into(), representing: representing.into(), whom })
    }

    /// The template of the plugin manifest: what everyone runs who is named in no action.
    pub fn template() -> Result<Action> {
        let row = Manifest::embedded().action_template();
        Action::new(Duration::from_secs(row.interval), &row.url, &row.representing)
            .context("the action in plugin-manifest.toml is none of its own entry points")
    }

    pub(super) fn read(values: &Values, template: &Action) -> Result<Action> {
        let interval = values
            .number("action.interval", 1..=2_592_000)?
            .map_or(template.interval, |seconds| Duration::from_secs(seconds.unsigned_abs()));
        if !values.is_given("action.url") {
            bail!("{}: this [[action]] has no `url`; write url = {:?}", values.place, template.url);
        }
        let (url, whom) = values.read("action.url", |url| Some((url.to_owned(), whose(url)?)))?;
        let representing = values.optional("action.representing", |path| is_path(path).then(|| path.to_owned()))?;
        let representing = representing.unwrap_or_else(|| match &whom {
            // It is about nobody in particular.
            Some(Whom::Group(_)) => template.representing.replace(&format!("/{PLACEHOLDER}"), ""),
            _ => template.representing.clone(),
        });
        Ok(Action { interval, url, representing, whom })
    }

    /// The person or group named; `None` where `{user}` means every person.
    pub fn whom(&self) -> Option<&Whom> {
        self.whom.as_ref()
    }

    /// Whether it is a group's.
    pub fn is_of_group(&self) -> bool {
        matches!(self.whom, Some(Whom::Group(_)))
    }

    fn of(&self, whom: &Whom) -> DueAction {
        let filled = |text: &str| match whom {
            Whom::Person(person) => text.replace(PLACEHOLDER, person.as_str()),
            Whom::Group(_) => text.to_owned(),
        };
        let (url, representing) = (filled(&self.url), filled(&self.representing));
        let parameters = query(&url).filter(|(name, _)| name != "user" && name != "group").collect();
        DueAction { whom: whom.clone(), interval: self.interval, url, parameters, representing }
    }
}

/// Who runs what. `{user}` stands for every person, as if each were named; whoever is named in an action runs only
/// those that name them, and all others `template`. Nothing runs for a name that is not among `people`. Those `in_groups`
/// are fetched with their group, and run by themselves only what names them.
pub fn expand(actions: &[Action], template: &Action, people: &[Person], in_groups: &HashSet<Person>) -> Vec<DueAction> {
    let theirs = |person: &Person| -> Vec<DueAction> {
        let whom = Whom::Person(person.clone());
        let alone = !in_groups.contains(person);
        let named = actions.iter().filter(|action| match &action.whom {
            Some(named) => *named == whom,
            None => alone,
        });
        let named: Vec<DueAction> = named.map(|action| action.of(&whom)).collect();
        if named.is_empty() && alone { vec![template.of(&whom)] } else { named }
    };
    let groups = actions.iter().filter_map(|action| match &action.whom {
        Some(whom @ Whom::Group(_)) => Some(action.of(whom)),
        _ => None,
    });
    people.iter().flat_map(theirs).chain(groups).collect()
}

/// `Some(None)`: every person's; `None`: not an address of the fetch entry point.
fn whose(url: &str) -> Option<Option<Whom>> {
    let (path, _) = url.split_once('?')?;
    let entry = Manifest::embedded().entrypoint(Verb::Get, FETCH)?;
    let names: Vec<String> = query(url).map(|(name, _)| name).collect();
    let known = |name: &String| entry.parameters.iter().any(|parameter| parameter.name == *name);
    let once = |name: &String| names.iter().filter(|other| *other == name).count() == 1;
    if path != FETCH || url.contains('#') || !names.iter().all(|name| known(name) && once(name)) {
        return None;
    }
    let value = |wanted: &str| query(url).find(|(name, _)| name == wanted).map(|(_, value)| value);
    match (value("user"), value("group")) {
        // An encoded placeholder would not be replaced.
        (Some(name), None) if name == PLACEHOLDER => url.contains(PLACEHOLDER).then_some(None),
        (Some(name), None) => name.parse().ok().map(|person| Some(Whom::Person(person))),
        (None, Some(group)) => Whom::group(&group).map(Some),
        _ => None,
    }
}

fn query(url: &str) -> impl Iterator<Item = (String, String)> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    url::form_urlencoded::parse(query.as_bytes()).into_owned()
}

fn is_path(text: &str) -> bool {
    text.len() <= 256
        && text.split('/').all(|level| !level.is_empty())
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn action(seconds: u64, url: &str) -> Action {
        Action::new(Duration::from_secs(seconds), url, "sensors/fitbit/{user}").unwrap()
    }

    fn runs(actions: &[Action]) -> Vec<(String, u64, String)> {
        let people: Vec<Person> = ["anna", "bob"].iter().map(|name| name.parse().unwrap()).collect();
        let template = action(900, "/plugin/fitbit?user={user}");
        let all = expand(actions, &template, &people, &HashSet::new());
        assert!(all.iter().all(|run| run.representing == format!("sensors/fitbit/{}", run.whom)));
        all.into_iter().map(|run| (run.whom.to_string(), run.interval.as_secs(), run.url)).collect()
    }

    fn run(person: &str, seconds: u64, query: &str) -> (String, u64, String) {
        (person.into(), seconds, format!("/plugin/fitbit?{query}"))
    }

    #[test]
    fn without_actions_everyone_runs_the_template() {
        assert_eq!(runs(&[]), [run("anna", 900, "user=anna"), run("bob", 900, "user=bob")]);
    }

    #[test]
    fn a_person_named_runs_only_theirs_and_the_others_keep_the_template() {
        let actions =
            [action(60, "/plugin/fitbit?user=anna"), action(70, "/plugin/fitbit?methods=get_sleep&user=anna")];
        assert_eq!(
            runs(&actions),
            [run("anna", 60, "user=anna"), run("anna", 70, "methods=get_sleep&user=anna"), run("bob", 900, "user=bob")]
        );
    }

    #[test]
    fn the_placeholder_names_everyone() {
        let actions = [action(60, "/plugin/fitbit?user={user}&force=true"), action(70, "/plugin/fitbit?user=bob")];
        assert_eq!(
            runs(&actions),
            [
                run("anna", 60, "user=anna&force=true"),
                run("bob", 60, "user=bob&force=true"),
                run("bob", 70, "user=bob")
            ]
        );
    }

    #[test]
    fn nothing_runs_for_a_name_without_a_person() {
        let names: Vec<_> = runs(&[action(60, "/plugin/fitbit?user=carl")]).into_iter().map(|run| run.0).collect();
        assert_eq!(names, ["anna", "bob"]);
    }

    #[test]
    fn parameters_are_decoded_and_the_user_is_not_among_them() {
        let people = ["anna".parse().unwrap()];
        let template = action(60, "/plugin/fitbit?methods=a%2Cb&user={user}&period=7d");
        assert_eq!(template.whom(), None);
        let expected = [("methods".to_owned(), "a,b".to_owned()), ("period".to_owned(), "7d".to_owned())];
        assert_eq!(expand(&[], &template, &people, &HashSet::new())[0].parameters, expected);
    }

    #[test]
    fn who_is_fetched_with_a_group_runs_only_what_names_them() {
        let people: Vec<Person> = ["anna", "bob", "carl"].iter().map(|name| name.parse().unwrap()).collect();
        let in_groups: HashSet<Person> = people[..2].iter().cloned().collect();
        let group =
            Action::new(Duration::from_secs(60), "/plugin/fitbit?group=5b7a&force=true", "sensors/fitbit").unwrap();
        let actions = [group, action(70, "/plugin/fitbit?user={user}"), action(80, "/plugin/fitbit?user=bob")];
        let all = expand(&actions, &action(900, "/plugin/fitbit?user={user}"), &people, &in_groups);
        let runs: Vec<_> = all.iter().map(|run| (run.whom.to_string(), run.interval.as_secs())).collect();
        assert_eq!(runs, [("bob".into(), 80), ("carl".into(), 70), ("group 5b7a".to_owned(), 60)]);
        assert_eq!(all[2].parameters, [("force".to_owned(), "true".to_owned())]);
        assert_eq!(all[2].whom.parameter(), ("group".to_owned(), "5b7a".to_owned()));
    }

    #[test]
    fn what_is_no_fetch_is_refused() {
        for url in [
            "/plugin/fitbit",
            "/plugin/fitbit?",
            "/plugin/fitbit?methods=get_sleep",
            "/plugin/fitbit?user=a/b",
            "/plugin/fitbit?user=",
            "/plugin/fitbit?user=%7Buser%7D",
            "/plugin/fitbit?user=anna&user=bob",
            "/plugin/fitbit?user=anna&colour=red",
            "/plugin/fitbit/auth1?user=anna",
            "/healthz?user=anna",
            "http://localhost:9333/plugin/fitbit?user=anna",
            "/plugin/fitbit?user=anna#top",
            "/plugin/fitbit?group=",
            "/plugin/fitbit?group=5b/7a",
            "/plugin/fitbit?group=5b7a&user=anna",
        ] {
            assert_eq!(Action::new(Duration::from_secs(1), url, "a"), None, "{url}");
        }
        for path in ["", "/a", "a/", "a b"] {
            assert_eq!(Action::new(Duration::from_secs(1), "/plugin/fitbit?user=anna", path), None, "{path}");
        }
    }
}
