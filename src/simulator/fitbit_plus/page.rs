//! The two forms of paging of Fitbit Plus, and the links they give. Knows no resource.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};

use super::refusal::Refusal;

/// Which page is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Page {
    Skip {
        size: usize,
        number: usize,
    },
    /// After the record with this place in the order.
    Cursor {
        limit: usize,
        after: Option<String>,
    },
}

/// The page parameters among `parameters`; `size` is what a page has where nothing is said.
pub(super) fn read(parameters: &[(String, String)], size: usize) -> Result<Page, Refusal> {
    let given = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let number = |name: &str, least: usize| match given(name).map(str::parse::<usize>) {
        None => Ok(None),
        Some(Ok(number)) if number >= least => Ok(Some(number)),
        Some(_) => Err(Refusal::parameter(name, format!("{name} must be a whole number, at least {least}"))),
    };
    let cursor = given("page[cursor]").or(given("page[after]"));
    let skip = (number("page[size]", 0)?, number("page[number]", 1)?);
    let limit = number("page[limit]", 0)?;
    match (limit, cursor, skip) {
        (Some(_), _, (Some(_), _) | (_, Some(_))) | (None, Some(_), (Some(_), _) | (_, Some(_))) => {
            Err(Refusal::parameter("page[limit]", "Skip-based and cursor-based paging cannot be mixed"))
        }
        (None, Some(_), _) => Err(Refusal::parameter("page[limit]", "A cursor needs page[limit]")),
        (Some(limit), cursor, _) => Ok(Page::Cursor { limit, after: cursor.map(place).transpose()? }),
        (None, None, (given, number)) => Ok(Page::Skip { size: given.unwrap_or(size), number: number.unwrap_or(1) }),
    }
}

/// The records of a page out of all `places` (in order, each with its record's identifier), and the links to others.
pub(super) fn cut(
    page: &Page,
    places: &[(String, String)],
    path: &str,
    parameters: &[(String, String)],
    cursor: &str,
) -> (Vec<String>, Json) {
    let link = |changes: &[(&str, String)]| {
        let kept = parameters.iter().filter(|(key, _)| !key.starts_with("page["));
        let changes = changes.iter().map(|(key, value)| (*key, value.as_str()));
        let pairs = kept.map(|(key, value)| (key.as_str(), value.as_str())).chain(changes);
        // Brackets arrive as they are.
        let pair = |(key, value): (&str, &str)| {
            let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            format!("{key}={value}")
        };
        format!("/pub{path}?{}", pairs.map(pair).collect::<Vec<_>>().join("&"))
    };
    match page {
        Page::Cursor { limit, after } => {
            let start = after.as_ref().map_or(0, |after| places.partition_point(|(place, _)| place <= after));
            let end = places.len().min(start + limit);
            let mut links = json!({});
            if let Some((last, _)) = places[start..end].last().filter(|_| end < places.len()) {
                let next = URL_SAFE_NO_PAD.encode(last);
                links["next"] = link(&[("page[limit]", limit.to_string()), (cursor, next)]).into();
            }
            (places[start..end].iter().map(|(_, id)| id.clone()).collect(), links)
        }
        Page::Skip { size: 0, .. } => (Vec::new(), json!({})),
        Page::Skip { size, number } => {
            let last = places.len().div_ceil(*size).max(1);
            let start = places.len().min((number - 1) * size);
            let end = places.len().min(start + size);
            let to = |number: usize| link(&[("page[number]", number.to_string()), ("page[size]", size.to_string())]);
            let mut links = json!({"self": to(*number)});
            if *number > 1 {
                links["prev"] = to(number - 1).into();
            }
            if *number < last {
                links["next"] = to(number + 1).into();
            }
            links["last"] = to(last).into();
            (places[start..end].iter().map(|(_, id)| id.clone()).collect(), links)
        }
    }
}

fn place(cursor: &str) -> Result<String, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| Refusal::parameter("page[cursor]", "The cursor is none that was given"))
}
