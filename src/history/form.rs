//! Readings as rows of a table and as objects. Pure.

use serde_json::{Map, Value as Json};

use crate::household::Member;
use crate::metric::WHOLE;
use crate::snapshot::{Shown, utc};
use crate::store::Stored;

/// In which form history is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// One object with a list for each metric.
    #[default]
    Json,
    /// A table with a header line.
    Csv,
    /// One object a line.
    Ndjson,
    /// InfluxDB's line protocol.
    Influx,
}

impl Form {
    /// All of them.
    pub const ALL: [Form; 4] = [Form::Json, Form::Csv, Form::Ndjson, Form::Influx];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Form::Json => "json",
            Form::Csv => "csv",
            Form::Ndjson => "ndjson",
            Form::Influx => "influx",
        }
    }

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Form::Json => "application/json; charset=utf-8",
            Form::Csv => "text/csv; charset=utf-8; header=present",
            Form::Ndjson => "application/x-ndjson; charset=utf-8",
            Form::Influx => "text/plain; charset=utf-8",
        }
    }
}

/// The first line of a table.
pub(super) const HEADER: &str = "user,metric,value,unit,dateTime,resolution,source,fetched,revision,beside\n";

/// A row of a table, without its end; what stands beside a value is one JSON object in the last field.
pub(super) fn row(member: &Member, stored: Stored) -> String {
    let (resolution, revision) = (stored.reading.resolution, stored.revision);
    let shown = shown(member, stored);
    let beside = if shown.beside.is_empty() { String::new() } else { Json::Object(shown.beside).to_string() };
    [
        member.person.to_string(),
        shown.metric.key.to_owned(),
        shown.value.to_string(),
        shown.unit.unwrap_or_default().to_owned(),
        shown.at.to_string(),
        resolution.map(|resolution| resolution.to_string()).unwrap_or_default(),
        shown.source.unwrap_or_default(),
        utc(shown.fetched),
        revision.to_string(),
        beside,
    ]
    .map(field)
    .join(",")
}

/// Quoted where it has to be (RFC 4180).
fn field(text: String) -> String {
    let plain = !text.contains([',', '"', '\n', '\r']);
    if plain { text } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

/// A reading as an object, as it is published; `named`: with whose it is and of what.
pub(super) fn object(member: &Member, stored: Stored, named: bool) -> String {
    let (resolution, revision) = (stored.reading.resolution, stored.revision);
    let shown = shown(member, stored);
    let mut object = Map::new();
    if named {
        object.insert("user".into(), member.person.as_str().into());
        object.insert("metric".into(), shown.metric.key.into());
    }
    if let Json::Object(published) = shown.to_json() {
        for (key, value) in published {
            object.entry(key).or_insert(value);
        }
    }
    if let Some(resolution) = resolution {
        object.insert("resolution".into(), resolution.to_string().into());
    }
    object.insert("revision".into(), revision.into());
    Json::Object(object).to_string()
}

/// As it is published, and with the upstream's whole entry, which is not.
fn shown(member: &Member, stored: Stored) -> Shown {
    let whole = stored.reading.beside.get(WHOLE).cloned();
    let mut shown = Shown::new(stored.reading, stored.fetched, member.system);
    shown.beside.extend(whole.map(|whole| (WHOLE.to_owned(), whole)));
    shown
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn a_field_is_quoted_where_it_has_to_be() {
        assert_eq!(field("Aria Air".into()), "Aria Air");
        assert_eq!(field("a,b".into()), "\"a,b\"");
        assert_eq!(field("{\"count\":4}".into()), "\"{\"\"count\"\":4}\"");
        assert_eq!(field("a\nb".into()), "\"a\nb\"");
    }
}
