//! A curve of samples within some hours, over the zones it runs through.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::axis::Numbers;
use super::frame::{Frame, runs};
use super::{Drawing, Named};

/// Nobody's samples are further apart, in seconds, unless some are missing.
const COARSEST: f64 = 900.0;

/// Some samples that are drawn as one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beat {
    /// The middle of their time.
    pub at: DateTime<Utc>,
    /// Their mean.
    pub mean: f64,
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

/// A zone: from where on, and the class it is drawn in. It ends where the next begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// The class.
    pub class: &'static str,
    /// What it is called.
    pub name: String,
    /// Its lower bound.
    pub low: f64,
}

/// Draws samples that are `apart` so many seconds or more, from one instant to another; nothing, where there are none. The
/// line breaks where some are missing, and what stands alone is a point.
pub fn curve(
    named: Named<'_>,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    beats: &[Beat],
    apart: i64,
    zones: &[Zone],
    zone: Tz,
) -> Option<Drawing> {
    let numbers = Numbers::around(beats.iter().flat_map(|beat| [beat.low, beat.high]), false)?;
    let place = |at: DateTime<Utc>| (at - from).num_milliseconds() as f64 / 1000.0;
    let mut frame = Frame::new(named, (0.0, place(to)), &numbers);
    let (x, y) = (frame.x, frame.y);
    for (index, zone) in zones.iter().enumerate() {
        let high = zones.get(index + 1).map_or(numbers.high, |next| next.low).min(numbers.high);
        let low = zone.low.max(numbers.low);
        if high > low {
            frame.svg.rectangle(
                &format!("zone {}", zone.class),
                (x.from, y.at(high)),
                (x.to - x.from, y.at(low) - y.at(high)),
                None,
            );
        }
    }
    frame.hours(from, to, zone);
    let placed: Vec<_> = beats.iter().map(|beat| (place(beat.at), *beat)).collect();
    let gap = (usual(&placed).min(COARSEST).max(apart as f64) * 3.5).max(90.0);
    let runs = runs(&placed, |(at, _)| *at, gap);
    let area =
        |run: &Vec<(f64, Beat)>| run.iter().map(|(at, beat)| (x.at(*at), y.at(beat.low), y.at(beat.high))).collect();
    frame.svg.area("band", &runs.iter().map(area).collect::<Vec<Vec<_>>>());
    let line = |run: &Vec<(f64, Beat)>| run.iter().map(|(at, beat)| (x.at(*at), y.at(beat.mean))).collect();
    frame.svg.path("line", &runs.iter().map(line).collect::<Vec<Vec<_>>>());
    for (at, beat) in runs.iter().filter(|run| run.len() == 1).flatten() {
        frame.svg.dot((x.at(*at), y.at(beat.mean)), 2.4, None);
    }
    Some(frame.finish())
}

/// How far apart samples usually are, whatever they were asked for at: half of them are nearer.
fn usual(placed: &[(f64, Beat)]) -> f64 {
    let mut apart: Vec<_> = placed.windows(2).map(|two| two[1].0 - two[0].0).collect();
    apart.sort_by(f64::total_cmp);
    apart.get(apart.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const NAMED: Named<'static> = Named { id: "heart", title: "Heart", description: "" };

    fn drawn(minutes: &[i64], zones: &[Zone]) -> Option<Drawing> {
        let from: DateTime<Utc> = "2026-11-20T06:00:00Z".parse().expect("time");
        let beat = |minute: &i64| Beat { at: from + TimeDelta::minutes(*minute), mean: 100.0, low: 80.0, high: 120.0 };
        let beats: Vec<_> = minutes.iter().map(beat).collect();
        curve(NAMED, (from, from + TimeDelta::hours(1)), &beats, 60, zones, Tz::UTC)
    }

    #[test]
    fn a_curve_breaks_where_samples_are_missing() {
        let drawing = drawn(&[0, 1, 2, 30, 31], &[]).expect("a drawing");
        let path = drawing.as_str().split("class=\"line\" d=\"").nth(1).and_then(|rest| rest.split('"').next());
        assert_eq!(path.map(|path| path.matches('M').count()), Some(2));
        assert_eq!(drawn(&[], &[]), None);
    }

    #[test]
    fn samples_far_apart_are_a_curve_and_one_alone_is_a_point() {
        let runs = |minutes: &[i64]| {
            let drawing = drawn(minutes, &[]).expect("a drawing");
            let path = drawing.as_str().split("class=\"line\" d=\"").nth(1).and_then(|rest| rest.split('"').next());
            (path.map_or(0, |path| path.matches('M').count()), drawing.as_str().matches("class=\"dot\"").count())
        };
        assert_eq!(runs(&[0, 15, 30, 45]), (1, 0), "each quarter of an hour");
        assert_eq!(runs(&[7]), (1, 1));
        assert_eq!(runs(&[0, 1, 2, 30]), (2, 1));
    }

    #[test]
    fn only_the_zones_it_runs_through_are_drawn() {
        let zone = |class, low| Zone { class, name: class.to_owned(), low };
        let zones = [zone("zone1", 30.0), zone("zone2", 95.0), zone("zone3", 110.0), zone("zone4", 190.0)];
        let drawing = drawn(&[0, 1, 2], &zones).expect("a drawing");
        let seen: Vec<_> =
            zones.iter().map(|zone| drawing.as_str().contains(&format!("class=\"zone {}\"", zone.class))).collect();
        assert_eq!(seen, [true, true, true, false]);
    }
}
