//! What is asked of one patient, as rows that the planner knows, and which page follows which. Data, and one pure
//! function.

use serde_json::Value as Json;

use super::care::{archive, calendar, care, lacking};
use super::request::PAGE;
use super::unit::KNOWN;
use crate::metric::Group;
use crate::upstream::client::Question;
use crate::upstream::endpoint::{Decode, Endpoint, Span, row};

/// The one scope of an organization's credentials; what they reach, the token says in another place.
pub const SCOPE: &str = "organization";

/// So many results without a unit are each asked for the health metric that tells it; more, for all there are.
const FEW: usize = 3;

/// The rows. Brackets are encoded, as the vendor's documentation wants it.
///
/// Results are asked by the day on which they were entered or changed, with a day to spare on both sides: what is told
/// twice changes nothing. Whatever can be read of it needs the plan, too, which is asked with it.
pub static ENDPOINTS: &[Endpoint] = &[
    // Before all else: whoever is archived is asked nothing.
    row("patient", "/patient/{patient}", SCOPE, Span::OnceADay, 1, None, Decode::Own { gives: &[], decode: archive })
        .account(),
    following(
        row(
            "result",
            "/result?filter%5Bpatient%5D={patient}\
         &filter%5Bupdated_at%5D={before}T00:00:00Z..{after}T12:00:00Z&page%5Blimit%5D=50",
            SCOPE,
            Span::Range(90),
            1,
            Some(Group::Plus),
            Decode::Own { gives: RESULTS, decode: care },
        )
        .account(),
    ),
    // Values that were entered without a result, from laboratories mostly. The list takes no time and no order.
    following(row(
        "patient_health_metric",
        "/patient_health_metric?filter%5Bpatient%5D={patient}&page%5Blimit%5D=50",
        SCOPE,
        Span::OnceADay,
        1,
        Some(Group::Plus),
        Decode::Own { gives: RESULTS, decode: care },
    )),
    following(
        row(
            "calendar_event",
            "/calendar_event?filter%5Bpatient%5D={patient}&filter%5Bstart_at%5D={now}..{later}&page%5Blimit%5D=50",
            SCOPE,
            Span::Once,
            1,
            Some(Group::Plus),
            Decode::Own { gives: &["next-appointment"], decode: calendar },
        )
        .elsewhere(0),
    ),
];

const fn following(row: Endpoint) -> Endpoint {
    Endpoint { follow: Some(follow), ..row }
}

/// Every metric of the vendor's, then those of the plan.
static RESULTS: &[&str] = &{
    let mut keys = [""; KNOWN.len() + 3];
    let mut place = 0;
    while place < KNOWN.len() {
        keys[place] = KNOWN[place].key;
        place += 1;
    }
    keys[place] = "adherence-due";
    keys[place + 1] = "adherence-complete";
    keys[place + 2] = "adherence-streak";
    keys
};

/// What is asked after these pages of `asked`: the next page, as the service says it; then the plan, where values are
/// asked for; then what tells the units that are still unknown.
fn follow(asked: &[Question], pages: &[Json], patient: &str) -> Option<String> {
    let (first, last) = (asked.first()?, pages.last()?);
    let link = &last["links"]["next"];
    let next = link.as_str().or_else(|| link["href"].as_str()).filter(|next| !next.is_empty());
    // An empty page is the end, wherever it leads.
    if let Some(next) = next.filter(|_| last["data"].as_array().is_some_and(|data| !data.is_empty())) {
        return Some(next.to_owned());
    }
    if first.path.starts_with("/calendar_event") {
        return None;
    }
    let was_asked = |path: &str| asked.iter().any(|question| question.path == path);
    let plan = format!("/patient_plan_summary?filter%5Bpatient%5D={patient}&include=actions%2Ccurrent_results");
    if !was_asked(&plan) {
        return Some(plan);
    }
    let metrics = format!("/patient_health_metric?filter%5Bpatient%5D={patient}&page%5Blimit%5D={PAGE}");
    if was_asked(&metrics) {
        return None;
    }
    let single = |id: &String| format!("/patient_health_metric/{id}");
    let singles = asked.iter().filter(|question| question.path.starts_with("/patient_health_metric/")).count();
    let unknown: Vec<String> = lacking(pages).iter().map(single).filter(|path| !was_asked(path)).collect();
    match unknown.len() {
        0 => None,
        few if singles + few <= FEW => unknown.into_iter().next(),
        _ => Some(metrics),
    }
}
