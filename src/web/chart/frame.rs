//! The area that is drawn in: where it lies in an image, the lines across it and the words along its edges.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use super::Named;
use super::axis::{self, Numbers, Scale};
use super::svg::{Drawing, Svg};

/// The size of every image. It is about as wide as a phone shows it, so that words keep their size there.
const SIZE: (f64, f64) = (360.0, 190.0);
const TOP: f64 = 10.0;
const RIGHT: f64 = 352.0;
const BOTTOM: f64 = 166.0;
/// Where the words below stand.
const WORDS: f64 = 183.0;

/// An image with an area to draw in, from left to right in seconds or days, from below in numbers.
pub(super) struct Frame {
    pub svg: Svg,
    pub x: Scale,
    pub y: Scale,
}

impl Frame {
    /// An area `across` so much, with numbers along its left edge.
    pub fn new(named: Named<'_>, across: (f64, f64), numbers: &Numbers) -> Frame {
        let mut frame = Frame::bare(named, across, (numbers.low, numbers.high), 38.0);
        for tick in numbers.ticks() {
            let y = frame.y.at(tick);
            frame.svg.rule(if tick == 0.0 { "zero" } else { "grid" }, (frame.x.from, y), (RIGHT, y));
            frame.svg.words("label", (frame.x.from - 6.0, y + 4.0), "end", &numbers.label(tick));
        }
        frame
    }

    /// An area without numbers, that begins at `left`.
    pub fn bare(named: Named<'_>, across: (f64, f64), upwards: (f64, f64), left: f64) -> Frame {
        let x = Scale { low: across.0, high: across.1, from: left, to: RIGHT };
        let y = Scale { low: upwards.0, high: upwards.1, from: BOTTOM, to: TOP };
        Frame { svg: Svg::new(SIZE.0, SIZE.1, named), x, y }
    }

    /// Days along the lower edge; across the area is counted in days from `from`.
    pub fn dates(&mut self, from: NaiveDate, to: NaiveDate) {
        for (day, label) in axis::dates(from, to) {
            self.below((day - from).num_days() as f64 + 0.5, &label);
        }
    }

    /// Hours along the lower edge; across the area is counted in seconds from `from`.
    pub fn hours(&mut self, from: DateTime<Utc>, to: DateTime<Utc>, zone: Tz) {
        for (tick, label) in axis::hours(from, to, zone) {
            let place = (tick - from).num_seconds() as f64;
            let x = self.x.at(place);
            self.svg.rule("grid", (x, TOP), (x, BOTTOM));
            self.below(place, &label);
        }
    }

    pub fn finish(self) -> Drawing {
        self.svg.finish()
    }

    /// Words below a place, kept within the image.
    fn below(&mut self, place: f64, label: &str) {
        let x = self.x.at(place);
        let half = label.chars().count() as f64 * 3.4;
        self.svg.words("label", (x.clamp(half, SIZE.0 - half), WORDS), "middle", label);
    }
}

/// Points in runs: a new one begins where the next point is further away than `most`.
pub(super) fn runs<P: Copy>(points: &[P], place: impl Fn(&P) -> f64, most: f64) -> Vec<Vec<P>> {
    points.chunk_by(|one, other| place(other) - place(one) <= most).map(<[P]>::to_vec).collect()
}
