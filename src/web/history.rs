//! `GET /plugin/fitbit/history`: what the store holds, as an answer of any length. Asks no upstream.

use std::sync::Arc;

use anyhow::Context;

use super::entrypoint::person;
use super::server::Response;
use super::trouble::Trouble;
use crate::fetch::Refusal;
use crate::history::{self, Form, Wanted};
use crate::household::Household;
use crate::plan::BadRequest;

const PARAMETERS: [&str; 6] = ["user", "from", "to", "metrics", "format", "intraday"];
/// The forms offered here.
const FORMS: [Form; 3] = [Form::Json, Form::Csv, Form::Ndjson];

/// Writes the answer to a file without a name in the data folder first: what fails there is still an error, and a long
/// history costs no memory.
pub(super) async fn answer(household: &Household, parameters: &[(String, String)]) -> Result<Response, Trouble> {
    for (index, (name, _)) in parameters.iter().enumerate() {
        if !PARAMETERS.contains(&name.as_str()) {
            let allowed = PARAMETERS.join(", ");
            return Err(BadRequest(format!("{name:?} is not a parameter; allowed: {allowed}")).into());
        }
        if parameters[..index].iter().any(|(earlier, _)| earlier == name) {
            return Err(BadRequest(format!("{name} is given twice")).into());
        }
    }
    let parameter = |name: &str| {
        parameters.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    };
    let person = person(parameter("user"))?;
    let from = parameter("from").ok_or_else(|| BadRequest("from is missing: name the first day".into()))?;
    let intraday = match parameter("intraday") {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            return Err(BadRequest(format!("intraday: {other:?} is not allowed; allowed: true, false")).into());
        }
    };
    let wanted = Wanted::read(from, parameter("to"), parameter("metrics"), intraday)?;
    let form = match parameter("format") {
        None => Form::default(),
        Some(name) => FORMS.into_iter().find(|form| form.name() == name).ok_or_else(|| {
            let allowed = FORMS.map(Form::name).join(", ");
            BadRequest(format!("format: {name:?} is not allowed; allowed: {allowed}"))
        })?,
    };
    let member = household.member(&person).await?.ok_or(Refusal::UnknownPerson(person))?;
    let mut file = household.plugindata.nameless_file()?;
    history::write(&household.store, &[member], &wanted, form, &mut std::io::BufWriter::new(&mut file)).await?;
    std::io::Seek::rewind(&mut file).context("reading the answer back")?;
    Ok(Response::file(form.content_type(), Arc::new(file)))
}
