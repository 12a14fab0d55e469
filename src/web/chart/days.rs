//! Values of days: lines, bars, and bars of several parts. A day without a value is a gap.

use std::ops::RangeInclusive;

use chrono::NaiveDate;

use super::axis::Numbers;
use super::frame::{Frame, runs};
use super::{Drawing, Named};

/// A line is drawn across at most so many days without a value.
const GAP: f64 = 7.0;
/// With more points than that, a line is enough.
const MOST_DOTS: usize = 60;

/// A day, or several that are shown as one: the first and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// The first day.
    pub first: NaiveDate,
    /// The last day, inclusive.
    pub last: NaiveDate,
}

impl Slot {
    /// Where it stands, in days since `from`: its beginning and its length.
    fn place(&self, from: NaiveDate) -> (f64, f64) {
        ((self.first - from).num_days() as f64, (self.last - self.first).num_days() as f64 + 1.0)
    }

    fn middle(&self, from: NaiveDate) -> f64 {
        let (begin, length) = self.place(from);
        begin + length / 2.0
    }
}

/// A value, and what is said where it is pointed at.
#[derive(Debug, Clone)]
pub struct Point {
    /// When.
    pub slot: Slot,
    /// The value.
    pub value: f64,
    /// In words.
    pub tip: String,
}

/// A bar of parts, each of a class, from below; and what is said where one of them is pointed at.
#[derive(Debug, Clone)]
pub struct Column {
    /// When.
    pub slot: Slot,
    /// The parts.
    pub parts: Vec<(&'static str, f64)>,
    /// In words.
    pub tip: String,
}

/// From how low to how high.
#[derive(Debug, Clone, Copy)]
pub struct Band {
    /// When.
    pub slot: Slot,
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

/// A line: one point for each slot that has a value.
pub struct Line<'a> {
    /// The days across.
    pub days: RangeInclusive<NaiveDate>,
    /// The points, in order.
    pub points: &'a [Point],
    /// A calmer line behind, in order.
    pub trend: &'a [(Slot, f64)],
    /// What lies behind both, in order.
    pub band: &'a [Band],
}

/// Draws a line; nothing, where there are no points.
pub fn line(named: Named<'_>, line: &Line<'_>) -> Option<Drawing> {
    let (from, to) = (*line.days.start(), *line.days.end());
    let values = line.points.iter().map(|point| point.value);
    let others = line.trend.iter().map(|(_, value)| *value);
    let bands = line.band.iter().flat_map(|band| [band.low, band.high]);
    let numbers = Numbers::around(values.chain(others).chain(bands), false).filter(|_| !line.points.is_empty())?;
    let mut frame = Frame::new(named, (0.0, (to - from).num_days() as f64 + 1.0), &numbers);
    frame.dates(from, to);
    let longest = line.points.iter().map(|point| point.slot.place(from).1).fold(0.0, f64::max);
    let gap = GAP.max(2.0 * longest);
    let (x, y) = (frame.x, frame.y);
    let band: Vec<_> = line.band.iter().map(|band| (band.slot.middle(from), y.at(band.low), y.at(band.high))).collect();
    let placed = |run: &Vec<(f64, f64, f64)>| run.iter().map(|(at, low, high)| (x.at(*at), *low, *high)).collect();
    let areas: Vec<Vec<_>> = runs(&band, |(at, ..)| *at, gap).iter().map(placed).collect();
    frame.svg.area("band", &areas);
    let mut through = |class: &str, points: Vec<(f64, f64)>| {
        let runs = runs(&points, |(at, _)| *at, gap);
        let placed = |run: &Vec<(f64, f64)>| run.iter().map(|(at, value)| (x.at(*at), y.at(*value))).collect();
        frame.svg.path(class, &runs.iter().map(placed).collect::<Vec<Vec<_>>>());
    };
    through("line", line.points.iter().map(|point| (point.slot.middle(from), point.value)).collect());
    through("trend", line.trend.iter().map(|(slot, value)| (slot.middle(from), *value)).collect());
    let radius = if line.points.len() > MOST_DOTS { 1.2 } else { 2.4 };
    for Point { slot, value, tip } in line.points {
        frame.svg.dot((x.at(slot.middle(from)), y.at(*value)), radius, Some(tip));
    }
    Some(frame.finish())
}

/// Bars: one for each slot that has a value.
pub struct Bars<'a> {
    /// The days across.
    pub days: RangeInclusive<NaiveDate>,
    /// The values.
    pub points: &'a [Point],
}

/// Draws bars from 0; nothing, where there are none.
pub fn bars(named: Named<'_>, bars: &Bars<'_>) -> Option<Drawing> {
    let column = |point: &Point| Column { slot: point.slot, parts: vec![("bar", point.value)], tip: point.tip.clone() };
    let columns: Vec<_> = bars.points.iter().map(column).collect();
    stack(named, &Stack { days: bars.days.clone(), columns: &columns })
}

/// Bars of several parts: one for each slot that has any.
pub struct Stack<'a> {
    /// The days across.
    pub days: RangeInclusive<NaiveDate>,
    /// The bars.
    pub columns: &'a [Column],
}

/// Draws bars of parts from 0; nothing, where there are none.
pub fn stack(named: Named<'_>, stack: &Stack<'_>) -> Option<Drawing> {
    let (from, to) = (*stack.days.start(), *stack.days.end());
    let sums = stack.columns.iter().map(|column| column.parts.iter().map(|(_, value)| value).sum());
    let numbers = Numbers::around(sums, true)?;
    let mut frame = Frame::new(named, (0.0, (to - from).num_days() as f64 + 1.0), &numbers);
    frame.dates(from, to);
    for Column { slot, parts, tip } in stack.columns {
        let (begin, length) = slot.place(from);
        let (left, right) = (frame.x.at(begin + length * 0.1), frame.x.at(begin + length * 0.9));
        let mut below = 0.0;
        for (class, value) in parts {
            let (low, high) = (frame.y.at(below), frame.y.at(below + value));
            frame.svg.rectangle(class, (left, high), ((right - left).max(0.6), low - high), Some(tip));
            below += value;
        }
    }
    Some(frame.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMED: Named<'static> = Named { id: "a", title: "A", description: "What it shows." };

    fn day(text: &str) -> Slot {
        let first = text.parse().expect("date");
        Slot { first, last: first }
    }

    fn days() -> RangeInclusive<NaiveDate> {
        day("2026-11-01").first..=day("2026-11-30").first
    }

    fn points(values: &[(&str, f64)]) -> Vec<Point> {
        let point = |(at, value): &(&str, f64)| Point { slot: day(at), value: *value, tip: format!("{at}: {value}") };
        values.iter().map(point).collect()
    }

    #[test]
    fn a_line_breaks_where_more_than_a_week_is_missing() {
        let points = points(&[("2026-11-01", 70.0), ("2026-11-05", 71.0), ("2026-11-20", 72.0), ("2026-11-21", 71.0)]);
        let drawn = line(NAMED, &Line { days: days(), points: &points, trend: &[], band: &[] }).expect("a drawing");
        let path = drawn.as_str().split("class=\"line\" d=\"").nth(1).and_then(|rest| rest.split('"').next());
        assert_eq!(path.map(|path| (path.matches('M').count(), path.matches('L').count())), Some((2, 2)));
        assert_eq!(drawn.as_str().matches("<circle").count(), 4);
        assert!(drawn.as_str().contains("<title>2026-11-20: 72</title>"));
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(
            line(NAMED, &Line { days: days(), points: &[], trend: &[(day("2026-11-01"), 1.0)], band: &[] }),
            None
        );
        assert_eq!(bars(NAMED, &Bars { days: days(), points: &[] }), None);
    }

    #[test]
    fn parts_stand_on_each_other_and_within_the_area() {
        let parts = vec![("deep", 2.0), ("light", 3.0)];
        let columns = [Column { slot: day("2026-11-30"), parts, tip: "so much".to_owned() }];
        let drawn = stack(NAMED, &Stack { days: days(), columns: &columns }).expect("a drawing");
        let number = |class: &str, name: &str| -> f64 {
            let element = drawn.as_str().split(&format!("class=\"{class}\"")).nth(1).expect("drawn");
            let value = element.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
            value.and_then(|value| value.parse().ok()).expect("a number")
        };
        assert!((number("light", "y") + number("light", "height") - number("deep", "y")).abs() < 0.11);
        assert!((number("deep", "y") + number("deep", "height") - 166.0).abs() < 0.11, "it stands on the edge");
        assert!((number("light", "height") / number("deep", "height") - 1.5).abs() < 0.02);
        assert!(number("deep", "x") + number("deep", "width") <= 352.0);
    }

    #[test]
    fn bars_of_weeks_are_as_wide_as_weeks() {
        let week = Slot { first: day("2026-11-02").first, last: day("2026-11-08").first };
        let points = [week, day("2026-11-10")].map(|slot| Point { slot, value: 5.0, tip: String::new() });
        let drawn = bars(NAMED, &Bars { days: days(), points: &points }).expect("a drawing");
        let widths: Vec<f64> = drawn
            .as_str()
            .split("class=\"bar\"")
            .skip(1)
            .filter_map(|bar| bar.split(" width=\"").nth(1)?.split('"').next()?.parse().ok())
            .collect();
        assert!((widths[0] / widths[1] - 7.0).abs() < 0.2, "{widths:?}");
    }
}
