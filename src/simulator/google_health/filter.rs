//! The `filter` parameter: the subset of AIP-160 that the service takes, one time range per request. What is not a
//! range is refused with the documented reason, `OR` of sleep's end times included, which nobody was seen to use.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::datatype::{DataType, Kind};
use super::refusal::{Refusal, invalid_filter};

/// Closed-open, by the clock of the world or by that on the person's wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    Physical(Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    Civil(Option<NaiveDateTime>, Option<NaiveDateTime>),
}

/// Everything.
pub(super) const ALL: Span = Span::Civil(None, None);

/// What a filter on points of this type means.
pub(super) fn parse(row: &DataType, text: &str) -> Result<Span, Refusal> {
    let words = words(text)?;
    let mut bounds: Vec<(Which, Comparison, &str)> = Vec::new();
    for (number, part) in words.chunks(4).enumerate() {
        let [field, comparison, literal, rest @ ..] = part else { return Err(structure(text)) };
        match rest {
            [Word::Bare("AND")] if number < 2 => {}
            [] => {}
            _ => return Err(structure(text)),
        }
        let (Word::Bare(field), Word::Comparison(comparison), Word::Quoted(literal)) = (field, comparison, literal)
        else {
            return Err(structure(text));
        };
        let comparison = match *comparison {
            ">=" => Comparison::From,
            "<" => Comparison::Before,
            other => return Err(comparator(other)),
        };
        bounds.push((which(row, field)?, comparison, literal));
    }
    // A dangling AND leaves nothing behind it.
    if words.len() % 4 != 3 {
        return Err(structure(text));
    }
    if row.kind == Kind::Electrocardiogram && bounds.iter().any(|(_, comparison, _)| *comparison == Comparison::Before)
    {
        return Err(comparator("<"));
    }
    let bound = |wanted: Comparison| -> Result<Option<(Which, &str)>, Refusal> {
        let mut found = bounds.iter().filter(|(_, comparison, _)| *comparison == wanted);
        let first = found.next().map(|(which, _, literal)| (*which, *literal));
        if found.next().is_some() { Err(structure("the same bound twice")) } else { Ok(first) }
    };
    let (from, before) = (bound(Comparison::From)?, bound(Comparison::Before)?);
    if let (Some((from, _)), Some((before, _))) = (from, before)
        && from != before
    {
        return Err(invalid_filter("MIXED_TIME_RESTRICTIONS", "Physical and civil times cannot be mixed in a filter."));
    }
    let Some((which, _)) = from.or(before) else { return Err(structure(text)) };
    let (from, before) = (from.map(|(_, text)| text), before.map(|(_, text)| text));
    let span = match which {
        Which::Physical => Span::Physical(from.map(physical).transpose()?, before.map(physical).transpose()?),
        Which::Civil => Span::Civil(from.map(civil).transpose()?, before.map(civil).transpose()?),
        Which::Date => Span::Civil(from.map(date).transpose()?, before.map(date).transpose()?),
    };
    let empty = match span {
        Span::Physical(Some(from), Some(before)) => from >= before,
        Span::Civil(Some(from), Some(before)) => from >= before,
        _ => false,
    };
    if empty {
        return Err(invalid_filter("INVALID_TIME_RANGE", "The start of the time range must be before its end."));
    }
    Ok(span)
}

impl Span {
    /// Whether a point at this instant, that at this time on the wall, belongs to it.
    pub(super) fn holds(&self, instant: DateTime<Utc>, wall: NaiveDateTime) -> bool {
        match self {
            Span::Physical(from, before) => {
                from.is_none_or(|from| instant >= from) && before.is_none_or(|before| instant < before)
            }
            Span::Civil(from, before) => {
                from.is_none_or(|from| wall >= from) && before.is_none_or(|before| wall < before)
            }
        }
    }

    /// The local dates outside of which no point belongs to it; `local` turns an instant into a time on the wall.
    pub(super) fn dates(
        &self,
        local: impl Fn(DateTime<Utc>) -> NaiveDateTime,
    ) -> (Option<NaiveDate>, Option<NaiveDate>) {
        match *self {
            Span::Physical(from, before) => (from.map(|at| local(at).date()), before.map(|at| local(at).date())),
            Span::Civil(from, before) => (from.map(|at| at.date()), before.map(|at| at.date())),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Physical,
    Civil,
    Date,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    From,
    Before,
}

/// Which clock a field is by, if points of the type can be asked for by it.
fn which(row: &DataType, field: &str) -> Result<Which, Refusal> {
    let (collection, member) = field.split_once('.').ok_or_else(|| structure(field))?;
    if collection != row.filter_id() {
        let message = format!("Filter field {field} does not belong to the data type {}.", row.id);
        return Err(invalid_filter("DATA_TYPE_COLLECTION_MISMATCH", &message));
    }
    let all = [
        "interval.start_time",
        "interval.end_time",
        "interval.civil_start_time",
        "interval.civil_end_time",
        "sample_time.physical_time",
        "sample_time.civil_time",
        "date",
    ];
    match (row.kind, member) {
        (Kind::Interval | Kind::Electrocardiogram, "interval.start_time") => Ok(Which::Physical),
        (Kind::Interval | Kind::Session, "interval.civil_start_time") => Ok(Which::Civil),
        (Kind::Sample, "sample_time.physical_time") => Ok(Which::Physical),
        (Kind::Sample, "sample_time.civil_time") => Ok(Which::Civil),
        (Kind::Daily, "date") => Ok(Which::Date),
        (Kind::Sleep, "interval.end_time") => Ok(Which::Physical),
        (Kind::Sleep, "interval.civil_end_time") => Ok(Which::Civil),
        (_, member) if all.contains(&member) => {
            let message = format!("Filtering by {field} is not supported for the data type {}.", row.id);
            Err(invalid_filter("DATA_TYPE_RESTRICTION", &message))
        }
        _ => Err(invalid_filter("DATA_TYPE_MEMBER", &format!("The data type {} has no {member}.", row.id))),
    }
}

fn physical(text: &str) -> Result<DateTime<Utc>, Refusal> {
    let parsed = DateTime::parse_from_rfc3339(text).ok().filter(|_| text.contains('T'));
    parsed.map(|at| at.to_utc()).ok_or_else(|| structure(&format!("{text} is not an RFC 3339 timestamp")))
}

/// `YYYY-MM-DD[THH:mm:ss]`.
fn civil(text: &str) -> Result<NaiveDateTime, Refusal> {
    match NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S") {
        Ok(at) if text.len() == 19 => Ok(at),
        _ => date(text),
    }
}

fn date(text: &str) -> Result<NaiveDateTime, Refusal> {
    let parsed = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
    parsed.map(|date| date.and_time(NaiveTime::MIN)).ok_or_else(|| {
        invalid_filter("CIVIL_DATE_TIME_FORMAT", &format!("{text} is not a date (or time) as it is expected here."))
    })
}

fn structure(what: &str) -> Refusal {
    invalid_filter("EXPRESSION_STRUCTURE", &format!("The structure of the filter is not supported: {what}"))
}

fn comparator(what: &str) -> Refusal {
    invalid_filter("RESTRICTION_COMPARATOR", &format!("The comparator {what} is not supported here."))
}

#[derive(Debug, PartialEq)]
enum Word<'a> {
    Bare(&'a str),
    Comparison(&'a str),
    Quoted(&'a str),
}

fn words(text: &str) -> Result<Vec<Word<'_>>, Refusal> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let of = |wanted: fn(char) -> bool| rest.find(|letter| !wanted(letter)).unwrap_or(rest.len());
        let end = match first {
            '"' => {
                let end = rest[1..].find('"').ok_or_else(|| structure(text))? + 1;
                words.push(Word::Quoted(&rest[1..end]));
                end + 1
            }
            '<' | '>' | '=' | '!' | ':' => {
                let end = of(|letter| "<>=!:".contains(letter));
                words.push(Word::Comparison(&rest[..end]));
                end
            }
            letter if letter.is_ascii_alphanumeric() => {
                let end = of(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter));
                words.push(Word::Bare(&rest[..end]));
                end
            }
            _ => return Err(structure(text)),
        };
        rest = rest[end..].trim_start();
    }
    Ok(words)
}
