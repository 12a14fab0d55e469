//! What the status page shows, as plain values for its template. It reads and decides nothing.

use serde::Serialize;

use super::super::chart::Drawing;
use super::super::page::{Link, Notice, PersonView};
use super::freshness;

/// The status page of one person.
#[derive(Debug, Clone, Serialize)]
pub struct StatusView {
    /// Everyone there is, to choose from.
    pub people: Vec<PersonLink>,
    /// The one shown; none where there is nobody.
    pub person: Option<Status>,
    /// The hidden field of every form.
    pub form_token: String,
    /// What came of the form sent before.
    pub notice: Option<Notice>,
}

/// A person to choose.
#[derive(Debug, Clone, Serialize)]
pub struct PersonLink {
    /// The name in addresses.
    pub user: String,
    /// The page with the same days.
    pub href: String,
    /// Whether this is the one shown.
    pub selected: bool,
    /// Where somebody has to do something for this person, in a word.
    pub trouble: Option<&'static str>,
}

/// All that is known of a person, and some days of it.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// As on the setup page.
    pub setup: PersonView,
    /// This page, with the same days.
    pub here: String,
    /// When this was so, in the person's zone.
    pub now: String,
    /// How each link of the chain is.
    pub links: Vec<freshness::Link>,
    /// How far the past was fetched: done, and all there is to do.
    pub backfill: Option<Progress>,
    /// The newest values, in groups.
    pub groups: Vec<GroupView>,
    /// What this upstream cannot deliver.
    pub lacking: Option<Lacking>,
    /// The days shown.
    pub span: SpanView,
    /// The days in figures.
    pub summary: Vec<SummaryRow>,
    /// The days as pictures.
    pub sections: Vec<Section>,
    /// The last night of these days.
    pub night: Option<Night>,
    /// The heart rate of their last day that has any.
    pub heart: Option<Figure>,
    /// The workouts of these days, the newest first.
    pub workouts: Vec<Workout>,
    /// Whether there are more of them.
    pub more_workouts: bool,
}

/// How far something is.
#[derive(Debug, Clone, Serialize)]
pub struct Progress {
    /// So much is done.
    pub done: i64,
    /// Of so much.
    pub all: i64,
}

/// What an upstream cannot deliver.
#[derive(Debug, Clone, Serialize)]
pub struct Lacking {
    /// The upstream.
    pub provider: String,
    /// Why, if it is known.
    pub why: Option<String>,
    /// The metrics.
    pub metrics: String,
}

/// Values of one group.
#[derive(Debug, Clone, Serialize)]
pub struct GroupView {
    /// Its name.
    pub title: &'static str,
    /// Its values.
    pub values: Vec<ValueView>,
}

/// One value.
#[derive(Debug, Clone, Serialize)]
pub struct ValueView {
    /// What was measured.
    pub name: &'static str,
    /// With its unit.
    pub value: String,
    /// What it is to be, where somebody set a goal.
    pub goal: Option<String>,
    /// When it was measured.
    pub measured: String,
    /// Where it is going, where that is known.
    pub trend: Option<String>,
    /// Where it is published.
    pub topic: String,
}

/// The days shown, and other days to go to.
#[derive(Debug, Clone, Serialize)]
pub struct SpanView {
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
    /// The last day that can be asked for.
    pub today: String,
    /// Lengths to choose.
    pub lengths: Vec<Length>,
    /// As many days before.
    pub earlier: Option<Link>,
    /// As many days after.
    pub later: Option<Link>,
    /// What one point of a picture is.
    pub grain: Option<String>,
}

/// A number of days to choose.
#[derive(Debug, Clone, Serialize)]
pub struct Length {
    /// The page.
    pub href: String,
    /// The name.
    pub title: &'static str,
    /// Whether it is what is shown.
    pub selected: bool,
}

/// One metric over the days.
#[derive(Debug, Clone, Serialize)]
pub struct SummaryRow {
    /// What was measured.
    pub name: &'static str,
    /// The mean of the days.
    pub mean: String,
    /// The day with the least.
    pub low: String,
    /// The day with the most.
    pub high: String,
    /// On how many days.
    pub days: usize,
    /// How the mean differs from that of as many days before.
    pub change: Option<String>,
}

/// Pictures of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct Section {
    /// Of which kind.
    pub title: &'static str,
    /// The pictures.
    pub figures: Vec<Figure>,
}

/// A picture, and the same as a table.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// Tells it apart.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// The picture.
    pub drawing: Drawing,
    /// What the parts of it are called.
    pub legend: Vec<Legend>,
    /// What should be known beside.
    pub note: Option<String>,
    /// The heads of the columns.
    pub head: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

/// A part of a picture.
#[derive(Debug, Clone, Serialize)]
pub struct Legend {
    /// The class it is drawn in.
    pub class: &'static str,
    /// What it is called.
    pub name: String,
}

/// A night.
#[derive(Debug, Clone, Serialize)]
pub struct Night {
    /// The day it ended on.
    pub date: String,
    /// The levels by the clock, where there are any.
    pub figure: Option<Figure>,
    /// What was measured.
    pub facts: Vec<Fact>,
}

/// A name and a value.
#[derive(Debug, Clone, Serialize)]
pub struct Fact {
    /// What was measured.
    pub name: String,
    /// With its unit.
    pub value: String,
}

/// A workout.
#[derive(Debug, Clone, Serialize)]
pub struct Workout {
    /// What was done.
    pub name: String,
    /// When it began.
    pub began: String,
    /// What was measured, in a line.
    pub facts: String,
    /// The page with its curve.
    pub href: String,
    /// Whether its curve is shown.
    pub open: bool,
    /// The heart rate while it went on.
    pub figure: Option<Figure>,
    /// The minutes in each zone.
    pub zones: Vec<Fact>,
}
