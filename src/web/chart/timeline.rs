//! A timeline: who was in which lane, and when, by the clock.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::frame::Frame;
use super::{Drawing, Named};

/// Some time in one lane.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// When it began.
    pub from: DateTime<Utc>,
    /// When it ended.
    pub to: DateTime<Utc>,
    /// Which lane, counted from above.
    pub lane: usize,
    /// What is said where it is pointed at.
    pub tip: String,
}

/// Draws stretches, in order of time, in lanes that each have a class and a name; nothing, where there are none.
pub fn timeline(
    named: Named<'_>,
    lanes: &[(&'static str, &'static str)],
    stretches: &[Stretch],
    zone: Tz,
) -> Option<Drawing> {
    let from = stretches.iter().map(|stretch| stretch.from).min()?;
    let to = stretches.iter().map(|stretch| stretch.to).max().filter(|to| *to > from)?;
    let place = |at: DateTime<Utc>| (at - from).num_seconds() as f64;
    // Lanes are counted from above.
    let mut frame = Frame::bare(named, (0.0, place(to)), (lanes.len() as f64, 0.0), 52.0);
    frame.hours(from, to, zone);
    for (lane, (_, name)) in lanes.iter().enumerate() {
        let middle = frame.y.at(lane as f64 + 0.5);
        frame.svg.words("label", (46.0, middle + 4.0), "end", name);
    }
    let (x, y) = (frame.x, frame.y);
    for (one, next) in stretches.iter().zip(stretches.iter().skip(1)) {
        if one.to == next.from && one.lane != next.lane {
            let at = x.at(place(next.from));
            frame.svg.rule("step", (at, y.at(one.lane as f64 + 0.5)), (at, y.at(next.lane as f64 + 0.5)));
        }
    }
    for stretch in stretches {
        let Some((class, _)) = lanes.get(stretch.lane) else { continue };
        let (left, right) = (x.at(place(stretch.from)), x.at(place(stretch.to)));
        let (top, bottom) = (y.at(stretch.lane as f64 + 0.14), y.at(stretch.lane as f64 + 0.86));
        frame.svg.rectangle(class, (left, top), ((right - left).max(0.8), bottom - top), Some(&stretch.tip));
    }
    Some(frame.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMED: Named<'static> = Named { id: "night", title: "The night", description: "" };
    const LANES: &[(&str, &str)] = &[("wake", "Awake"), ("deep", "Deep")];

    fn stretch(from: &str, to: &str, lane: usize) -> Stretch {
        let at = |text: &str| text.parse().expect("time");
        Stretch { from: at(from), to: at(to), lane, tip: format!("lane {lane}") }
    }

    #[test]
    fn stretches_lie_in_their_lanes_by_the_clock() {
        let night = [
            stretch("2026-11-19T22:00:00Z", "2026-11-19T23:00:00Z", 0),
            stretch("2026-11-19T23:00:00Z", "2026-11-20T02:00:00Z", 1),
        ];
        let drawn = timeline(NAMED, LANES, &night, chrono_tz::Europe::Amsterdam).expect("a drawing");
        let text = drawn.as_str();
        assert_eq!(text.matches("<rect").count(), 2);
        for said in [">23:00<", ">03:00<", ">Awake<", ">Deep<", "<title>lane 1</title>", "class=\"step\""] {
            assert!(text.contains(said), "{said}: {text}");
        }
        let width = |class: &str| -> f64 {
            let rest = text.split(&format!("class=\"{class}\"")).nth(1).expect("drawn");
            rest.split(" width=\"").nth(1).and_then(|rest| rest.split('"').next()?.parse().ok()).expect("a number")
        };
        assert!((width("deep") / width("wake") - 3.0).abs() < 0.02);
    }

    #[test]
    fn nothing_and_an_instant_are_no_timeline() {
        assert_eq!(timeline(NAMED, LANES, &[], Tz::UTC), None);
        let instant = stretch("2026-11-19T22:00:00Z", "2026-11-19T22:00:00Z", 0);
        assert_eq!(timeline(NAMED, LANES, &[instant], Tz::UTC), None);
    }
}
