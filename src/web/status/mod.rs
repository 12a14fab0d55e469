//! The status page: all that is known of a person, from files and store alone. No upstream is asked, and no more is read
//! than is shown.

mod asked; // which days, and which workout
mod days; // the days of one metric
mod freshness; // why values are as old as they are
mod heart; // the heart within a day, and workouts
mod night; // the last night
mod pictures; // which pictures there are
pub mod view; // what the template shows
mod words; // values as people read them

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::Value as Json;

use self::asked::{Asked, Grain, LENGTHS, Span};
use self::view::{GroupView, Lacking, Length, PersonLink, Progress, SpanView, Status, StatusView, ValueView};
use super::entrypoint::person;
use super::page::Link;
use super::setup::{notice, person_view};
use super::trouble::Trouble;
use crate::fetch::Refusal;
use crate::household::{Household, Member};
use crate::metric::{Group, KEPT, METRICS};
use crate::reading::Person;
use crate::sink::mqtt::topic::Topics;
use crate::snapshot::{AuthState, Shown, Snapshot};
use crate::store::Order;

/// The page a request's parameters ask for: of a person, else of the first there is.
pub(super) async fn view(
    household: &Household,
    topics: &Topics,
    parameters: &[(String, String)],
    form_token: String,
) -> Result<StatusView, Trouble> {
    let parameter = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let notice = parameter("done").and_then(notice);
    let everyone = household.plugindata.people()?;
    let chosen = match parameter("user").filter(|name| !name.is_empty()) {
        Some(name) => Some(person(Some(name))?),
        None => everyone.first().cloned(),
    };
    let Some(person) = chosen else {
        return Ok(StatusView { people: Vec::new(), person: None, form_token, notice });
    };
    let member = household.member(&person).await;
    let cure = "correct the file by hand; nothing was changed in it";
    let unreadable =
        |error| Trouble::new(500, format!("the file of {person} cannot be read: {error:#}"), cure).of(&person);
    let member = member.map_err(unreadable)?.ok_or_else(|| Refusal::UnknownPerson(person.clone()))?;
    let asked = Asked::read(parameters, member.today)?;
    let people = people(household, &everyone, &person, asked.span).await?;
    let status = status(household, topics, &member, &asked).await?;
    if asked.workout.is_some() && !status.workouts.iter().any(|workout| workout.open) {
        let error = format!("there is no such workout of {person} from {} to {}", asked.span.from, asked.span.to);
        return Err(Trouble::new(404, error, "choose one of those that the status page lists").of(&person));
    }
    Ok(StatusView { people, person: Some(status), form_token, notice })
}

async fn people(
    household: &Household,
    everyone: &[Person],
    shown: &Person,
    span: Span,
) -> Result<Vec<PersonLink>, Trouble> {
    let mut people = Vec::new();
    for person in everyone {
        // A file that cannot be read is somebody's trouble, too.
        let trouble = match household.member(person).await {
            Ok(Some(member)) => {
                let state = household.auth(&member).await?.state;
                let missing = matches!(state, AuthState::AwaitingConsent | AuthState::Reauthorize);
                missing.then_some(if member.upstream.is_organizations() { "patient" } else { "consent" })
            }
            Ok(None) => continue,
            Err(_) => Some("file"),
        };
        let (user, href) = (person.to_string(), span.href(person));
        people.push(PersonLink { user, href, selected: person == shown, trouble });
    }
    Ok(people)
}

async fn status(household: &Household, topics: &Topics, member: &Member, asked: &Asked) -> Result<Status, Trouble> {
    let snapshot = household.snapshot(member).await?;
    let now = household.clock.now();
    let registered = household.plugindata.application()?.client(member.upstream.provider).id.is_some();
    let setup = person_view(household, member, &snapshot, registered).await?;
    let links = match member.upstream.is_organizations() {
        true => freshness::without_tracker(&snapshot, member.upstream.title, now, member.zone),
        false => {
            let newest = freshness::newest(&household.store.newest(&member.person).await?);
            freshness::links(&snapshot, newest, member.upstream.title, now, member.zone)
        }
    };
    let orders = household.store.orders(&member.person).await?;
    let (summary, sections) = pictures::pictures(household, member, asked.span).await.context("drawing the days")?;
    let night = night::last(household, member, asked.span).await.context("drawing the last night")?;
    let heart = heart::day(household, member, asked.span).await.context("drawing the heart rate")?;
    let (workouts, more_workouts) = heart::workouts(household, member, asked).await.context("listing the workouts")?;
    Ok(Status {
        here: asked.span.href(&member.person),
        now: now.with_timezone(&member.zone).format("%Y-%m-%d %H:%M").to_string(),
        links,
        backfill: progress(&orders),
        groups: groups(household, topics, member, &snapshot),
        lacking: lacking(member),
        span: span(member, asked.span),
        setup,
        summary,
        sections,
        night,
        heart,
        workouts,
        more_workouts,
    })
}

/// The order that is being worked on.
fn progress(orders: &[Order]) -> Option<Progress> {
    let order = orders.iter().find(|order| order.ended.is_none())?;
    let todo = order.todo.filter(|todo| order.done + todo > 0)?;
    Some(Progress { done: order.done, all: order.done + todo })
}

fn groups(household: &Household, topics: &Topics, member: &Member, snapshot: &Snapshot) -> Vec<GroupView> {
    let now = household.clock.now();
    let mut groups: BTreeMap<_, Vec<ValueView>> = BTreeMap::new();
    for shown in &snapshot.values {
        groups.entry(shown.metric.group).or_default().push(ValueView {
            name: shown.metric.name,
            value: words::value(shown, now, member.zone),
            goal: words::goal(shown),
            measured: words::measured(shown.at, now, member.zone),
            trend: trend(shown),
            topic: topics.value(&member.person, shown.metric),
        });
    }
    groups.into_iter().map(|(group, values)| GroupView { title: group.title(), values }).collect()
}

/// Where a value is going: the mean of a week, and how it differs from that of the week before.
fn trend(shown: &Shown) -> Option<String> {
    let week = shown.beside.get("trend")?.get("7d")?;
    let mean = words::amount(week.get("mean")?.as_f64()?, shown.metric, shown.unit);
    let change = week.get("change").and_then(Json::as_f64);
    let change = change.map(|change| format!(" ({})", words::difference(change, shown.metric, shown.unit)));
    Some(format!("7 days: {mean}{}", change.unwrap_or_default()))
}

/// What the catalogue has and no endpoint of this upstream gives. Nobody expects of a care programme what trackers measure,
/// nor the other way round.
fn lacking(member: &Member) -> Option<Lacking> {
    let upstream = member.upstream;
    if upstream.is_organizations() {
        return None;
    }
    let given: Vec<_> = upstream.endpoints.iter().flat_map(|endpoint| endpoint.gives()).collect();
    let kept = |key: &str| KEPT.iter().any(|kept| kept.key == key);
    let expected = METRICS.iter().filter(|metric| metric.group != Group::Plus && !kept(metric.key));
    let missing = expected.filter(|metric| !given.contains(&metric.key));
    let names: Vec<_> = missing.map(|metric| metric.name).collect();
    let (provider, why) = (upstream.title.to_owned(), upstream.note.map(str::to_owned));
    (!names.is_empty()).then(|| Lacking { provider, why, metrics: names.join(", ") })
}

fn span(member: &Member, span: Span) -> SpanView {
    let length = |(length, title): (u16, &'static str)| {
        let same = Span::ending(member.today, length);
        let selected = (same.from, same.to) == (span.from, span.to);
        Length { href: same.href(&member.person), title, selected }
    };
    let link = |other: Span, title: &str| Link { href: other.href(&member.person), title: title.into() };
    SpanView {
        from: span.from.to_string(),
        to: span.to.to_string(),
        today: member.today.to_string(),
        lengths: LENGTHS.map(length).to_vec(),
        earlier: span.before().map(|before| link(before, "Earlier")),
        later: span.after(member.today).map(|after| link(after, "Later")),
        grain: (span.grain() != Grain::Day).then(|| span.grain().name().to_lowercase()),
    }
}
