//! The commands that people and programs send, over MQTT and by a form alike: what each is called, takes, and answers.
//! Pure: no input, no output, no clock; `bridge` obeys.

use serde_json::{Map, Value as Json, json};

use crate::plan::{BadRequest, KEYWORDS, Past, Wanted};
use crate::reading::Person;

/// A longer message is no command.
pub const MOST_BYTES: usize = 4096;
/// Characters of an `id`.
const LONGEST_ID: usize = 128;
/// What to do about a command that is wrong.
const CORRECT: &str = "correct the command and send it again";

/// A command and the name its sender gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Text or a number; comes back with the result.
    pub id: Option<Json>,
    /// What is to be done.
    pub task: Task,
}

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// A fetch, as `GET /plugin/fitbit` makes it.
    Fetch(Wanted),
    /// Fetch the past, in the background.
    Backfill(Past),
    /// Send everything again, whether it changed or not.
    Republish,
    /// Ask nothing by itself from now on; a fetch that is asked for is still made.
    Pause,
    /// The end of a pause.
    Resume,
    /// Ask the person for a new consent; the present one is kept until then.
    Reauthorize,
    /// Look for people who came or went, and read everyone's file.
    Reload,
}

/// To whom a command is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Person,
    Bridge,
    Both,
}

/// One command: its name, whose it is, and the fields it takes beside `command` and `id`.
struct Row {
    name: &'static str,
    whose: Whose,
    takes: &'static [&'static str],
    keywords: bool,
}

#[rustfmt::skip]
static COMMANDS: &[Row] = &[
    Row { name: "fetch",       whose: Whose::Person, takes: &["methods", "force"], keywords: true },
    Row { name: "backfill",    whose: Whose::Person, takes: &["from", "to", "metrics"], keywords: false },
    Row { name: "republish",   whose: Whose::Both,   takes: &[],                   keywords: false },
    Row { name: "pause",       whose: Whose::Person, takes: &[],                   keywords: false },
    Row { name: "resume",      whose: Whose::Person, takes: &[],                   keywords: false },
    Row { name: "reauthorize", whose: Whose::Person, takes: &[],                   keywords: false },
    Row { name: "reload",      whose: Whose::Bridge, takes: &[],                   keywords: false },
];

/// A command that is not obeyed, and as much of it as its sender has to know it by.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// Its `id`, if that could be read.
    pub id: Option<Json>,
    /// Its name, if it is one.
    pub command: Option<&'static str>,
    /// What is wrong.
    pub error: String,
    /// What to do about it.
    pub cure: String,
}

impl Task {
    /// The command's name.
    pub fn name(&self) -> &'static str {
        match self {
            Task::Fetch(_) => "fetch",
            Task::Backfill(_) => "backfill",
            Task::Republish => "republish",
            Task::Pause => "pause",
            Task::Resume => "resume",
            Task::Reauthorize => "reauthorize",
            Task::Reload => "reload",
        }
    }
}

/// A message as a command to a person, or to the bridge where there is none: the bare name, or a JSON object with
/// `command`, perhaps `id`, and what the command takes.
pub fn read(to: Option<&Person>, message: &[u8]) -> Result<Command, Box<Refused>> {
    let text = std::str::from_utf8(message).map_err(|_| refused("the command is not valid UTF-8".into()))?.trim();
    if !text.starts_with('{') {
        return command(to, None, text, &[]);
    }
    let object: Map<String, Json> =
        serde_json::from_str(text).map_err(|error| refused(format!("the command is not valid JSON: {error}")))?;
    let id = match object.get("id") {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) if text.chars().count() <= LONGEST_ID => Some(text.as_str().into()),
        Some(Json::Number(number)) => Some(number.clone().into()),
        Some(_) => return Err(refused(format!("id must be text of at most {LONGEST_ID} characters, or a number"))),
    };
    let with_id = |refused: Box<Refused>| Box::new(Refused { id: id.clone(), ..*refused });
    let Some(name) = object.get("command").and_then(Json::as_str) else {
        return Err(with_id(refused(format!("command is missing; allowed: {}", names(to)))));
    };
    let others = object.iter().filter(|(field, _)| !["command", "id"].contains(&field.as_str()));
    let mut fields = Vec::new();
    for (field, value) in others {
        let Some(text) = plain(value) else {
            let what = format!("{field} must be text, a number, true or false, or a list of texts");
            return Err(with_id(refused(what)));
        };
        fields.push((field.clone(), text));
    }
    command(to, id.clone(), name, &fields)
}

/// The fields of a form as a command; `command` and `id` are among them.
pub fn read_form(to: &Person, fields: &[(String, String)]) -> Result<Command, Box<Refused>> {
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let id = field("id").filter(|id| !id.is_empty());
    if id.is_some_and(|id| id.chars().count() > LONGEST_ID) {
        return Err(refused(format!("id must be text of at most {LONGEST_ID} characters")));
    }
    // A form sends every field it has; an empty one is not set.
    let filled = |(name, value): &&(String, String)| !["command", "id"].contains(&name.as_str()) && !value.is_empty();
    let others: Vec<_> = fields.iter().filter(filled).cloned().collect();
    command(Some(to), id.map(Json::from), field("command").unwrap_or_default(), &others)
}

/// The parameters of a fetch: `methods`, `force` and keywords.
pub fn read_fetch(parameters: &[(String, String)]) -> Result<Wanted, BadRequest> {
    let mut wanted = Wanted::default();
    let mut seen = Vec::new();
    for (name, value) in parameters {
        if seen.contains(&name) {
            return Err(BadRequest(format!("{name} is given twice")));
        }
        seen.push(name);
        match name.as_str() {
            "methods" => wanted.methods = list(value),
            "force" if value == "true" || value == "false" => wanted.force = value == "true",
            "force" => return Err(BadRequest(format!("force: {value:?} is not allowed; allowed: true, false"))),
            keyword if KEYWORDS.contains(&keyword) => {
                wanted.keywords.insert(name.clone(), value.clone());
            }
            other => {
                let allowed = KEYWORDS.join(", ");
                return Err(BadRequest(format!(
                    "{other:?} is not a parameter; allowed: user, group, methods, force, {allowed}"
                )));
            }
        }
    }
    Ok(wanted)
}

/// What is answered: `id`, `command`, `ok`, and what came of it, or `error` and `cure`.
pub fn result(id: Option<&Json>, command: Option<&str>, came: Result<Map<String, Json>, (String, String)>) -> Json {
    let mut result = Map::new();
    result.extend(id.map(|id| ("id".to_owned(), id.clone())));
    result.extend(command.map(|name| ("command".to_owned(), name.into())));
    result.insert("ok".into(), came.is_ok().into());
    match came {
        Ok(more) => result.extend(more),
        Err((error, cure)) => result.extend([("error".into(), json!(error)), ("cure".into(), json!(cure))]),
    }
    Json::Object(result)
}

fn command(
    to: Option<&Person>,
    id: Option<Json>,
    name: &str,
    fields: &[(String, String)],
) -> Result<Command, Box<Refused>> {
    let Some(row) = rows(to).find(|row| row.name == name) else {
        let said = match name {
            "" => "command is missing".to_owned(),
            name => format!("{:?} is not a command", name.chars().take(40).collect::<String>()),
        };
        let (error, cure) = (format!("{said}; allowed: {}", names(to)), CORRECT.to_owned());
        return Err(Box::new(Refused { id, command: None, error, cure }));
    };
    let refuse =
        |error: String| Box::new(Refused { id: id.clone(), command: Some(row.name), error, cure: CORRECT.into() });
    let takes = |name: &str| row.takes.contains(&name) || (row.keywords && KEYWORDS.contains(&name));
    if let Some((field, _)) = fields.iter().find(|(field, _)| !takes(field)) {
        let keywords = KEYWORDS.iter().filter(|_| row.keywords);
        let allowed: Vec<_> = ["command", "id"].iter().chain(row.takes).chain(keywords).copied().collect();
        let field: String = field.chars().take(40).collect();
        return Err(refuse(format!("{field:?} is not a field of {}; allowed: {}", row.name, allowed.join(", "))));
    }
    let task = match row.name {
        "fetch" => Task::Fetch(read_fetch(fields).map_err(|bad| refuse(bad.to_string()))?),
        "backfill" => {
            let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
            let metrics = field("metrics").map(|keys| list(&keys)).unwrap_or_default();
            Task::Backfill(Past { from: field("from"), to: field("to"), metrics })
        }
        "republish" => Task::Republish,
        "pause" => Task::Pause,
        "resume" => Task::Resume,
        "reauthorize" => Task::Reauthorize,
        _ => Task::Reload,
    };
    Ok(Command { id, task })
}

fn rows(to: Option<&Person>) -> impl Iterator<Item = &'static Row> {
    let whose = if to.is_some() { Whose::Person } else { Whose::Bridge };
    COMMANDS.iter().filter(move |row| row.whose == whose || row.whose == Whose::Both)
}

fn names(to: Option<&Person>) -> String {
    rows(to).map(|row| row.name).collect::<Vec<_>>().join(", ")
}

fn refused(error: String) -> Box<Refused> {
    Box::new(Refused { id: None, command: None, error, cure: CORRECT.into() })
}

/// A field as it would stand in an address.
fn plain(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Number(number) => Some(number.to_string()),
        Json::Array(entries) => {
            let texts: Option<Vec<&str>> = entries.iter().map(Json::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        Json::Null | Json::Object(_) => None,
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
#[path = "command/tests.rs"]
mod tests;
