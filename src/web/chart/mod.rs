//! Drawings: numbers, dates and instants in, inline SVG out, in the classes of the stylesheet and so in its colours, light
//! or dark. Pure; it knows no metric and no person, and escapes every word it is given.

mod axis; // round numbers, days and hours along the edges
mod curve; // samples within hours, over zones
mod days; // one value, or several on top of each other, for each day
mod frame; // the area that is drawn in, and its edges
mod svg; // elements, escaped
mod timeline; // who was in which lane, and when

pub use self::curve::{Beat, Zone, curve};
pub use self::days::{Band, Bars, Column, Line, Point, Slot, Stack, bars, line, stack};
pub use self::svg::Drawing;
pub use self::timeline::{Stretch, timeline};

/// What a drawing is called, to eyes and to screen readers.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// Tells it apart from the others of a page.
    pub id: &'a str,
    /// What it shows.
    pub title: &'a str,
    /// What is to be seen in it, in a sentence.
    pub description: &'a str,
}
