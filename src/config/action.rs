//! Interval actions as they are written down, and who runs which of them.
//! Pure; when they run and what they fetch is not decided here.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::settings::Values;
use crate::manifest::{Manifest, Verb};
use crate::reading::Person;

/// The path of the entry point an action may call.
const FETCH: &str = "/plugin/fitbit";
/// What stands for a person's name.
const PLACEHOLDER: &str = "{user}";

/// An action as written: of one person, or with `{user}` of every person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    interval: Duration,
    url: String,
    representing: String,
    person: Option<Person>,
}

/// An action of one person, ready to run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PersonAction {
    /// Whose it is.
    pub person: Person,
    /// From the start of one run to the start of the next.
    pub interval: Duration,
    /// The entry point it calls, as a path with its query.
    pub url: String,
    /// The decoded parameters of `url` but `user`, in order.
    pub parameters: Vec<(String, String)>,
    /// The path whose health it reports.
    pub representing: String,
}

impl Action {
    /// Checks and reads an action; `None` if `url` is not the fetch entry point with parameters it takes, or
    /// `representing` is no path.
    pub fn new(interval: Duration, url: &str, representing: &str) -> Option<Action> {
        let person = whose(url)?;
        is_path(representing).then(|| Action { interval, url: url.into(), representing: representing.into(), person })
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
        let (url, person) = values.read("action.url", |url| Some((url.to_owned(), whose(url)?)))?;
        let representing = values.optional("action.representing", |path| is_path(path).then(|| path.to_owned()))?;
        let representing = representing.unwrap_or_else(|| template.representing.clone());
        Ok(Action { interval, url, representing, person })
    }

    /// The person named; `None` where `{user}` means every person.
    pub fn person(&self) -> Option<&Person> {
        self.person.as_ref()
    }

    fn of(&self, person: &Person) -> PersonAction {
        let url = self.url.replace(PLACEHOLDER, person.as_str());
        let parameters = query(&url).filter(|(name, _)| name != "user").collect();
        PersonAction {
            person: person.clone(),
            interval: self.interval,
            url,
            parameters,
            representing: self.representing.replace(PLACEHOLDER, person.as_str()),
        }
    }
}

/// Who runs what. `{user}` stands for every person, as if each were named; whoever is named in an action runs only
/// those that name them, and all others `template`. Nothing runs for a name that is not among `people`.
pub fn expand(actions: &[Action], template: &Action, people: &[Person]) -> Vec<PersonAction> {
    let theirs = |person: &Person| -> Vec<PersonAction> {
        let named = actions.iter().filter(|action| action.person.as_ref().is_none_or(|name| name == person));
        let named: Vec<PersonAction> = named.map(|action| action.of(person)).collect();
        if named.is_empty() { vec![template.of(person)] } else { named }
    };
    people.iter().flat_map(theirs).collect()
}

/// `Some(None)`: every person's; `None`: not an address of the fetch entry point.
fn whose(url: &str) -> Option<Option<Person>> {
    let (path, _) = url.split_once('?')?;
    let entry = Manifest::embedded().entrypoint(Verb::Get, FETCH)?;
    let names: Vec<String> = query(url).map(|(name, _)| name).collect();
    let known = |name: &String| entry.parameters.iter().any(|parameter| parameter.name == *name);
    let once = |name: &String| names.iter().filter(|other| *other == name).count() == 1;
    if path != FETCH || url.contains('#') || !names.iter().all(|name| known(name) && once(name)) {
        return None;
    }
    match query(url).find(|(name, _)| name == "user")?.1.as_str() {
        // An encoded placeholder would not be replaced.
        PLACEHOLDER => url.contains(PLACEHOLDER).then_some(None),
        name => name.parse().ok().map(Some),
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
        let all = expand(actions, &template, &people);
        assert!(all.iter().all(|run| run.representing == format!("sensors/fitbit/{}", run.person)));
        all.into_iter().map(|run| (run.person.to_string(), run.interval.as_secs(), run.url)).collect()
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
        assert_eq!(template.person(), None);
        let expected = [("methods".to_owned(), "a,b".to_owned()), ("period".to_owned(), "7d".to_owned())];
        assert_eq!(expand(&[], &template, &people)[0].parameters, expected);
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
        ] {
            assert_eq!(Action::new(Duration::from_secs(1), url, "a"), None, "{url}");
        }
        for path in ["", "/a", "a/", "a b"] {
            assert_eq!(Action::new(Duration::from_secs(1), "/plugin/fitbit?user=anna", path), None, "{path}");
        }
    }
}
