//! How people's consent stands, what it leaves out, what may still be asked for them. Reads files and store, asks no
//! upstream, notes nothing.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Case, Finding};
use crate::household::Member;
use crate::reading::Person;
use crate::snapshot::{AuthState, utc};

/// A consent that ends is warned of this long before.
const ENDING: TimeDelta = TimeDelta::days(2);
/// Nothing that works fails for longer.
const PATIENCE: TimeDelta = TimeDelta::hours(24);

/// Who has consented, and whether it works.
pub(super) async fn consent(case: &Case) -> Vec<Finding> {
    const SUBJECT: &str = "consent";
    let household = &case.household;
    let people = household.plugindata.people().unwrap_or_default();
    if people.is_empty() {
        let cure = format!("add a person at {}", household.setup_page());
        return vec![Finding::warning(SUBJECT, "there is nobody yet", cure)];
    }
    let mut findings = Vec::new();
    for person in people {
        findings.push(match household.member(&person).await {
            Ok(Some(member)) => of_one(case, &member).await,
            Ok(None) => continue,
            Err(error) => Finding::trouble(SUBJECT, format!("{person}: {error:#}"), "correct that file by hand"),
        });
    }
    findings
}

async fn of_one(case: &Case, member: &Member) -> Finding {
    const SUBJECT: &str = "consent";
    let (household, person) = (&case.household, &member.person);
    let now = household.clock.now();
    let connect = format!("connect at {}", household.page(person));
    let Some(token) = &member.file.token else {
        if member.upstream.is_organizations() {
            let cure = format!("choose at {}", household.page(person));
            return Finding::trouble(SUBJECT, format!("which patient {person} is was not chosen yet"), cure);
        }
        return Finding::trouble(SUBJECT, format!("{person} has not consented yet"), connect);
    };
    if member.is_moving() {
        return Finding::trouble(SUBJECT, format!("{person}: {}", member.must_connect()), connect);
    }
    let known = (household.store.auth(person).await, household.store.status(person).await);
    let (auth, status) = match known {
        (Ok(auth), Ok(status)) => (auth, status),
        (Err(error), _) | (_, Err(error)) => {
            return Finding::trouble(SUBJECT, format!("{person}: {error:#}"), "see what is said of the database");
        }
    };
    let reason = auth.as_ref().and_then(|auth| auth.reason.clone()).unwrap_or_else(|| "no reason was given".into());
    match auth.map(|auth| auth.state) {
        Some(AuthState::Reauthorize) => {
            return Finding::trouble(SUBJECT, format!("{person} must consent again: {reason}"), connect);
        }
        Some(AuthState::Retrying) => {
            let what = format!("{person}'s token could not be renewed: {reason}");
            return Finding::warning(SUBJECT, what, "it is kept and tried again; see what is said of the upstream");
        }
        _ => {}
    }
    if let Some(ends) = token.refresh_expires_at.filter(|ends| *ends - now < ENDING) {
        let what = format!("{person}'s consent ends at {}", utc(ends));
        return Finding::warning(SUBJECT, what, format!("{connect} before"));
    }
    let old = |time: DateTime<Utc>| now - time > PATIENCE;
    match (status.last_success, status.error) {
        (Some(success), Some(error)) if old(success) => {
            let what = format!("{person}: nothing has worked since {}: {error}", utc(success));
            Finding::trouble(SUBJECT, what, "see the reason; the bridge goes on trying")
        }
        (None, Some(error)) => {
            let what = format!("{person}: nothing has worked yet: {error}");
            Finding::trouble(SUBJECT, what, "see the reason; the bridge goes on trying")
        }
        (Some(success), Some(error)) => {
            let what =
                format!("{person}: the last fetch failed: {error}; the last that worked was at {}", utc(success));
            Finding::warning(SUBJECT, what, "see the reason; the bridge goes on trying")
        }
        // The token is the organization's, and says nothing of this patient.
        (Some(success), None) if member.upstream.is_organizations() => {
            let asked = format!("{person} was last fetched at {}", utc(success));
            match household.store.newest(person).await {
                Ok(values) if values.is_empty() => {
                    let what = format!("{asked}, and nothing is known of this patient");
                    Finding::warning(
                        SUBJECT,
                        what,
                        format!("look whether it is the right one, at {}", household.page(person)),
                    )
                }
                _ => Finding::ok(SUBJECT, asked),
            }
        }
        (Some(success), None) => Finding::ok(SUBJECT, format!("{person}'s works; last fetched at {}", utc(success))),
        (None, None) if member.upstream.is_organizations() => {
            Finding::ok(SUBJECT, format!("which patient {person} is was chosen; nothing was fetched yet"))
        }
        (None, None) => Finding::ok(SUBJECT, format!("{person} has consented; nothing was fetched yet")),
    }
}

/// What people did not consent to.
pub(super) async fn scopes(case: &Case) -> Vec<Finding> {
    const SUBJECT: &str = "scopes";
    let household = &case.household;
    let mut findings = Vec::new();
    for member in members(case).await {
        let person = &member.person;
        if member.upstream.is_organizations() {
            let what = format!("{person} is asked what the credentials of the organization reach");
            findings.push(Finding::ok(SUBJECT, what));
            continue;
        }
        if member.scopes().is_none() {
            let what = format!("{} does not say what {person} consented to", member.upstream.title);
            findings.push(Finding::ok(SUBJECT, what));
            continue;
        }
        let missing = member.missing_scopes();
        if missing.is_empty() {
            findings.push(Finding::ok(SUBJECT, format!("{person} consented to everything")));
            continue;
        }
        let missing: Vec<_> = missing.iter().map(|(scope, gives)| format!("{scope} ({gives})")).collect();
        let what = format!("{person} did not consent to {}", missing.join(", "));
        let cure = format!("if it is wanted, ask for consent again at {} and allow it", household.page(person));
        findings.push(Finding::warning(SUBJECT, what, cure));
    }
    findings
}

/// What may still be asked.
pub(super) async fn quota(case: &Case) -> Vec<Finding> {
    const SUBJECT: &str = "quota";
    let now = case.household.clock.now();
    let mut findings = Vec::new();
    for member in members(case).await {
        let person: &Person = &member.person;
        findings.push(match case.household.store.window(person).await {
            Ok(Some(window)) if window.reset > now && window.remaining <= 0 => {
                let what = format!("{person}'s is spent until {}", utc(window.reset));
                Finding::warning(SUBJECT, what, "wait; less is asked with history.intraday = [] or a longer interval")
            }
            Ok(Some(window)) if window.reset > now => {
                let until = utc(window.reset);
                let what =
                    format!("{person}: {} of {} requests are left until {until}", window.remaining, window.allowed);
                Finding::ok(SUBJECT, what)
            }
            Ok(_) => Finding::ok(SUBJECT, format!("{person}: all {} requests", member.upstream.limits.requests)),
            Err(error) => Finding::trouble(SUBJECT, format!("{error:#}"), "see what is said of the database"),
        });
    }
    findings
}

/// Those with a token that is of their upstream.
async fn members(case: &Case) -> Vec<Member> {
    let mut members = Vec::new();
    for person in case.household.plugindata.people().unwrap_or_default() {
        if let Ok(Some(member)) = case.household.member(&person).await
            && member.file.token.is_some()
            && !member.is_moving()
        {
            members.push(member);
        }
    }
    members
}
