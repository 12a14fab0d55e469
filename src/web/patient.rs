//! The choice of a patient on the setup page, where nobody logs in: the organization's patients by name or identifier,
//! asked for at that moment. Names are shown to whoever chooses and go nowhere else.

use anyhow::{Result, anyhow};
use serde::Serialize;
use serde_json::Value as Json;

use super::form::Form;
use super::page::Choice;
use crate::plus::Reader;
use crate::upstream::fitbit_plus::request::{Request, Wanted};

/// So many patients are shown at most.
const MOST: usize = 50;

/// What is looked for.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Search {
    /// Part of a name; empty: whoever comes first.
    pub name: String,
    /// The system of an identifier, which its value goes with.
    pub system: String,
    /// The value.
    pub value: String,
}

/// What was found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Found {
    /// What was looked for.
    pub search: Search,
    /// Patients, by identifier and in words; no more than are shown.
    pub patients: Vec<Choice>,
    /// Whether there may be more.
    pub more: bool,
    /// Why there are none, if that is no answer.
    pub problem: Option<String>,
}

impl Search {
    /// The search that a form asks for; `None`: nobody is looked for. It never stands in an address, for those are kept
    /// by browsers and written into the logs of proxies.
    pub(super) fn read(form: &Form) -> Option<Search> {
        let given = |name: &str| form.get(name).map(str::to_owned);
        let (name, system, value) = (given("name"), given("system"), given("value"));
        if [&name, &system, &value].iter().all(|given| given.is_none()) {
            return None;
        }
        let text = Option::unwrap_or_default;
        Some(Search { name: text(name), system: text(system), value: text(value) })
    }

    /// Looks for it.
    pub async fn run(self, reader: &Reader) -> Found {
        let mut found = Found { search: self, ..Found::default() };
        if let Err(error) = found.fill(reader).await {
            found.problem = Some(format!("{error:#}"));
        }
        found
    }

    fn fits(&self, patient: &Json) -> bool {
        name(patient).to_lowercase().contains(&self.name.to_lowercase())
    }
}

/// Enough was found, so that reading on is of no use.
#[derive(Debug)]
struct Enough;

impl std::fmt::Display for Enough {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("enough was found")
    }
}

impl std::error::Error for Enough {}

impl Found {
    async fn fill(&mut self, reader: &Reader) -> Result<()> {
        let mut filters = vec![("archived".to_owned(), "false".to_owned())];
        for (filter, value) in [("identifier.system", &self.search.system), ("identifier.value", &self.search.value)] {
            if !value.is_empty() {
                filters.push((filter.to_owned(), value.clone()));
            }
        }
        let reach = reader.reach().await?;
        let wanted = Wanted { resource: "patient".into(), filters, ..Wanted::default() };
        let request = Request::new(&wanted, Some(&reach))?;
        let (search, patients) = (&self.search, &mut self.patients);
        let each = |patient: Json| match (patient["id"].as_str(), search.fits(&patient)) {
            (Some(_), true) if patients.len() == MOST => Err(anyhow!(Enough)),
            (Some(id), true) => {
                patients.push(Choice { value: id.to_owned(), title: title(&patient) });
                Ok(())
            }
            _ => Ok(()),
        };
        match reader.read(&request, each, |_, _| {}).await {
            Err(error) if error.is::<Enough>() => self.more = true,
            outcome => drop(outcome?),
        }
        self.patients.sort_by(|one, other| one.title.cmp(&other.title));
        Ok(())
    }
}

fn name(patient: &Json) -> String {
    let part = |key: &str| patient["attributes"][key].as_str().unwrap_or_default();
    format!("{} {}", part("first_name"), part("last_name")).trim().to_owned()
}

/// The name and what tells people of the same name apart.
fn title(patient: &Json) -> String {
    let attributes = &patient["attributes"];
    let born = attributes["birth_date"].as_str().map(|date| format!("born {date}"));
    let identifiers = attributes["identifiers"].as_array().map_or(&[][..], Vec::as_slice);
    let identifiers = identifiers
        .iter()
        .filter_map(|identifier| Some(format!("{} {}", identifier["system"].as_str()?, identifier["value"].as_str()?)));
    let parts: Vec<String> = [name(patient)].into_iter().chain(born).chain(identifiers).collect();
    parts.join(", ")
}
