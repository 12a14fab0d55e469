//! A request for a resource as a person means it, checked against the table before anything is sent. Pure.

use anyhow::{Result, anyhow, bail};
use chrono::DateTime;
use url::form_urlencoded::Serializer;

use super::endpoints::{Answers, Filter, Form, Needs, OPERATIONS, Operation, TOGETHER};

/// Entries of a page where nothing else is asked for: the vendor's default of cursor-based paging.
pub const PAGE: u32 = 50;

/// What a person asks for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// A resource or a path: `patient`, `patient/ID/groups`.
    pub resource: String,
    /// The identifier of one resource.
    pub id: Option<String>,
    /// Filters by name, such as `patient`, `updated_at` or `identifier.system`.
    pub filters: Vec<(String, String)>,
    /// Related resources to send along.
    pub include: Vec<String>,
    /// The order.
    pub sort: Option<String>,
    /// The form of paging, where one is asked for.
    pub paging: Option<Paging>,
    /// Entries of a page, where a number is asked for.
    pub page_size: Option<u32>,
    /// Only the number of entries.
    pub count: bool,
}

/// The two forms of paging; one request never mixes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// `page[limit]` and a cursor: nothing comes twice when entries are added meanwhile.
    Cursor,
    /// `page[size]` and `page[number]`, the vendor's default.
    Skip,
}

/// What an organization's credentials reach, as the token answer said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// The whole organization of this identifier.
    pub organization: Option<String>,
    /// These groups.
    pub groups: Vec<String>,
}

/// A request that can be sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is asked.
    pub operation: &'static Operation,
    /// The form of paging its answer has.
    pub paging: Paging,
    path: String,
    query: Vec<(String, String)>,
}

impl Request {
    /// Checks what is wanted. Where a list needs an organization or groups and none are named, those that the
    /// credentials reach are meant; `reach` is `None` as long as that is not known.
    ///
    /// # Errors
    /// What is wrong, and what is allowed.
    pub fn new(wanted: &Wanted, reach: Option<&Reach>) -> Result<Request> {
        let (operation, path) = operation(wanted)?;
        let filters = filters(operation, wanted, reach)?;
        let mut query: Vec<(String, String)> =
            filters.into_iter().map(|(name, value)| (parameter(&name), value)).collect();
        if !wanted.include.is_empty() {
            allowed(operation, "--include", operation.includes, wanted.include.iter().map(String::as_str))?;
            query.push(("include".into(), wanted.include.join(",")));
        }
        if let Some(sort) = &wanted.sort {
            allowed(operation, "--sort", operation.sorts, [sort.as_str()])?;
            query.push(("sort".into(), sort.clone()));
        }
        let paging = page(operation, wanted, &mut query)?;
        Ok(Request { operation, paging, path, query })
    }

    /// Path and query below the base, beginning with a slash.
    pub fn address(&self) -> String {
        if self.query.is_empty() {
            return self.path.clone();
        }
        let query = Serializer::new(String::new()).extend_pairs(&self.query).finish();
        format!("{}?{query}", self.path)
    }

    /// The parameters, undecorated.
    pub fn query(&self) -> &[(String, String)] {
        &self.query
    }
}

/// The operation that is meant and its path, the identifier filled in.
fn operation(wanted: &Wanted) -> Result<(&'static Operation, String)> {
    let named = wanted.resource.trim_matches('/');
    let path = match &wanted.id {
        None => named.to_owned(),
        Some(id) => format!("{named}/{id}"),
    };
    let known = |named: &str| OPERATIONS.iter().any(|operation| operation.path.split('/').next() == Some(named));
    let Some((operation, id)) = Operation::find(&path) else {
        return Err(match OPERATIONS.iter().any(|operation| operation.path == format!("{named}/{{id}}")) {
            true if wanted.id.is_none() => anyhow!("{named} cannot be listed; name one: {named} ID"),
            _ if known(named.split('/').next().unwrap_or_default()) => {
                anyhow!("{path:?} is none of the paths there are: {}", paths())
            }
            _ => anyhow!("{named:?} is no resource of Fitbit Plus; there are: {}", paths()),
        });
    };
    if let Some(id) = id.filter(|id| !is_identifier(id)) {
        bail!("{id:?} is no identifier: those are letters and digits, such as 5b7ac3f9012e4d5f6a7b8c9d");
    }
    Ok((operation, format!("/{path}")))
}

fn paths() -> String {
    OPERATIONS.iter().map(|operation| operation.path.replace("{id}", "ID")).collect::<Vec<_>>().join(", ")
}

/// The filters given, and those the credentials fill in.
fn filters(operation: &Operation, wanted: &Wanted, reach: Option<&Reach>) -> Result<Vec<(String, String)>> {
    let mut filters: Vec<(String, String)> = Vec::new();
    for (name, value) in &wanted.filters {
        let Some(filter) = operation.filters.iter().find(|filter| filter.name == name) else {
            let known: Vec<&str> = operation.filters.iter().map(|filter| filter.name).collect();
            bail!("{} takes no filter {name:?}; it takes {}", operation.path, listed(&known));
        };
        if filters.iter().any(|(given, _)| given == name) {
            bail!("filter {name} is given twice; lists are separated by commas");
        }
        check(filter, value)?;
        filters.push((name.clone(), value.clone()));
    }
    let given = |name: &&&str| filters.iter().any(|(given, _)| given == **name);
    for pair in TOGETHER {
        if pair.iter().filter(given).count() == 1 {
            bail!("the filters {} and {} go together", pair[0], pair[1]);
        }
    }
    let missing: Vec<&str> = match operation.needs {
        Needs::Nothing => Vec::new(),
        Needs::All(names) => names.iter().filter(|name| !given(name)).copied().collect(),
        Needs::AnyOf(names) if names.iter().any(|name| given(&name)) => Vec::new(),
        Needs::OneOf(names) => match names.iter().filter(given).count() {
            0 => vec!["organization"],
            1 => Vec::new(),
            _ => bail!("{} takes only one of the filters {}", operation.path, listed(names)),
        },
        Needs::AnyOf(names) => bail!("{} needs one of the filters {}", operation.path, listed(names)),
    };
    for name in missing {
        let Some(reach) = reach else {
            if ["organization", "groups"].contains(&name) {
                continue;
            }
            bail!("{} needs the filter {name}: --filter {name}=…", operation.path);
        };
        filters.push(filled(operation, name, reach)?);
    }
    Ok(filters)
}

/// What the credentials reach, as a filter for a list that names nobody.
fn filled(operation: &Operation, name: &str, reach: &Reach) -> Result<(String, String)> {
    let one_of = matches!(operation.needs, Needs::OneOf(_));
    match (&reach.organization, reach.groups.as_slice()) {
        (Some(organization), _) if name == "organization" => Ok((name.into(), organization.clone())),
        (_, [_, ..]) if name == "groups" || one_of => Ok(("groups".into(), reach.groups.join(","))),
        _ => bail!(
            "{} needs the filter {name}, and the token does not say which that could be: --filter {name}=…",
            operation.path
        ),
    }
}

fn check(filter: &Filter, value: &str) -> Result<()> {
    let Filter { name, form } = filter;
    let instant = |text: &str| DateTime::parse_from_rfc3339(text).ok();
    let time = "2017-11-01T00:00:00-04:00";
    let wrong = |wanted: String| Err(anyhow!("filter {name}={value:?}: it must be {wanted}"));
    match form {
        Form::Id if !is_identifier(value) => wrong("one identifier".into()),
        Form::Ids if !value.split(',').all(is_identifier) => wrong("identifiers, separated by commas".into()),
        Form::Text if value.is_empty() || value.chars().any(char::is_control) => wrong("a text".into()),
        Form::Flag if !["true", "false"].contains(&value) => wrong("true or false".into()),
        Form::Word(words) if !words.contains(&value) => wrong(format!("one of {}", words.join(", "))),
        Form::Instant if instant(value).is_none() => wrong(format!("a date and time with offset, such as {time}")),
        Form::Range => match value.split_once("..").map(|(start, end)| (instant(start), instant(end))) {
            Some((Some(start), Some(end))) if start < end => Ok(()),
            Some((Some(_), Some(_))) => wrong("a range that ends after it starts".into()),
            _ => wrong(format!(
                "START..END, both a date and time with offset, such as {time}..2017-12-01T00:00:00-05:00"
            )),
        },
        _ => Ok(()),
    }
}

/// The parameters that ask for pages, and the form of paging the answer then has.
fn page(operation: &Operation, wanted: &Wanted, query: &mut Vec<(String, String)>) -> Result<Paging> {
    let asked = wanted.paging.is_some() || wanted.page_size.is_some();
    if !operation.is_list() {
        if asked || wanted.count {
            bail!("{} is one resource: there is nothing to page through or to count", operation.path);
        }
        return Ok(Paging::Skip);
    }
    if wanted.page_size == Some(0) {
        bail!("a page has at least one entry; --count asks for the number alone");
    }
    // Where the vendor's file declares no page parameters, none are sent that nobody asked for.
    if operation.answers == Answers::Linked && !asked {
        return Ok(Paging::Skip);
    }
    let paging = wanted.paging.unwrap_or(Paging::Cursor);
    let name = match paging {
        Paging::Cursor => "page[limit]",
        Paging::Skip => "page[size]",
    };
    let size = if wanted.count { 0 } else { wanted.page_size.unwrap_or(PAGE) };
    query.push((name.into(), size.to_string()));
    Ok(paging)
}

/// `identifier.system` as `filter[identifier][system]`.
fn parameter(filter: &str) -> String {
    format!("filter[{}]", filter.replace('.', "]["))
}

fn allowed<'w>(
    operation: &Operation,
    option: &str,
    known: &[&str],
    given: impl IntoIterator<Item = &'w str>,
) -> Result<()> {
    match given.into_iter().find(|word| !known.contains(word)) {
        Some(word) if known.is_empty() => bail!("{} takes no {option}, so {word:?} cannot be given", operation.path),
        Some(word) => bail!("{option} {word}: {} takes {}", operation.path, listed(known)),
        None => Ok(()),
    }
}

/// Identifiers stand in paths and comma lists, so nothing may be in them that means something there.
fn is_identifier(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
