//! What the status page is asked for: which days, and which workout's curve. Pure.

use chrono::{Datelike, Days, NaiveDate};

use super::super::chart::Slot;
use super::super::page::STATUS_PATH;
use crate::plan::BadRequest;
use crate::reading::Person;

/// The lengths there are links to, in days, and their names.
pub const LENGTHS: [(u16, &str); 4] = [(7, "Week"), (30, "Month"), (90, "Quarter"), (365, "Year")];
/// The length where none is asked for.
const USUAL: u16 = 30;
/// Up to so many days each stands for itself; up to so many in weeks; more in months.
const BY_DAY: i64 = 92;
const BY_WEEK: i64 = 750;
/// Nobody's tracker is older.
const FIRST_YEAR: i32 = 1900;

/// Some days, and how they were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first day.
    pub from: NaiveDate,
    /// The last day, inclusive.
    pub to: NaiveDate,
    /// So many days that end today.
    pub length: Option<u16>,
}

/// How many days are shown as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// Each day is shown.
    Day,
    /// A week as its mean.
    Week,
    /// A month as its mean.
    Month,
}

impl Grain {
    /// What is shown as one.
    pub fn name(self) -> &'static str {
        match self {
            Grain::Day => "Day",
            Grain::Week => "Week",
            Grain::Month => "Month",
        }
    }
}

/// What the page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Which days.
    pub span: Span,
    /// Which workout's curve.
    pub workout: Option<String>,
}

impl Asked {
    /// Reads `days`, or `from` and `to`, and `workout`.
    ///
    /// # Errors
    /// Which parameter is wrong, and what is allowed.
    pub fn read(parameters: &[(String, String)], today: NaiveDate) -> Result<Asked, BadRequest> {
        let parameter = |name: &str| {
            parameters.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
        };
        let date = |name: &str| parameter(name).map(|text| read_date(name, text)).transpose();
        let span = match (parameter("days"), date("from")?, date("to")?) {
            (None, None, None) => Span::ending(today, USUAL),
            (Some(days), None, None) => {
                let known = LENGTHS.iter().find(|(length, _)| length.to_string() == days);
                let allowed = || LENGTHS.map(|(length, _)| length.to_string()).join(", ");
                let known =
                    known.ok_or_else(|| BadRequest(format!("days: {days:?} is not allowed; allowed: {}", allowed())));
                Span::ending(today, known?.0)
            }
            (Some(_), ..) => return Err(BadRequest("name days, or from and to, not both".into())),
            (None, from, to) => {
                // Of days to come nothing is known.
                let to = to.unwrap_or(today).min(from.unwrap_or(today).max(today));
                let from = from.unwrap_or(Span::ending(to, USUAL).from);
                Span { from, to, length: None }
            }
        };
        if span.to < span.from {
            return Err(BadRequest(format!("from ({}) is after to ({})", span.from, span.to)));
        }
        Ok(Asked { span, workout: parameter("workout").map(str::to_owned) })
    }
}

impl Span {
    /// So many days that end with `last`.
    pub fn ending(last: NaiveDate, length: u16) -> Span {
        let from = last.checked_sub_days(Days::new(u64::from(length.max(1)) - 1)).unwrap_or(last);
        Span { from, to: last, length: Some(length) }
    }

    /// How many days there are.
    pub fn days(&self) -> i64 {
        (self.to - self.from).num_days() + 1
    }

    /// As many days right before.
    pub fn before(&self) -> Option<Span> {
        let days = Days::new(self.days().unsigned_abs());
        let (from, to) = (self.from.checked_sub_days(days)?, self.from.pred_opt()?);
        (from.year() >= FIRST_YEAR).then_some(Span { from, to, length: None })
    }

    /// As many days right after, up to today at most.
    pub fn after(&self, today: NaiveDate) -> Option<Span> {
        let from = self.to.succ_opt().filter(|from| *from <= today)?;
        let to = from.checked_add_days(Days::new(self.days().unsigned_abs() - 1))?;
        Some(Span { from, to: to.min(today), length: None })
    }

    /// How many days are drawn as one, so that a drawing has room for them.
    pub fn grain(&self) -> Grain {
        match self.days() {
            days if days <= BY_DAY => Grain::Day,
            days if days <= BY_WEEK => Grain::Week,
            _ => Grain::Month,
        }
    }

    /// The days that are drawn as one with this one; those of the span only.
    pub fn slot(&self, day: NaiveDate) -> Slot {
        let (first, last) = match self.grain() {
            Grain::Day => (day, day),
            Grain::Week => {
                let week = day.week(chrono::Weekday::Mon);
                (week.first_day(), week.last_day())
            }
            Grain::Month => {
                let first = day.with_day(1).unwrap_or(day);
                let next = first.checked_add_months(chrono::Months::new(1)).and_then(|next| next.pred_opt());
                (first, next.unwrap_or(day))
            }
        };
        Slot { first: first.max(self.from), last: last.min(self.to) }
    }

    /// The page of a person and these days.
    pub fn href(&self, person: &Person) -> String {
        match self.length {
            Some(length) => format!("{STATUS_PATH}?user={person}&days={length}"),
            None => format!("{STATUS_PATH}?user={person}&from={}&to={}", self.from, self.to),
        }
    }
}

fn read_date(name: &str, text: &str) -> Result<NaiveDate, BadRequest> {
    let date = text.parse::<NaiveDate>().ok().filter(|date| date.to_string() == text && date.year() >= FIRST_YEAR);
    date.ok_or_else(|| BadRequest(format!("{name}: {text:?} is no date; write it as 2026-11-20")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("date")
    }

    fn asked(query: &str) -> Result<Span, String> {
        let parameters: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Asked::read(&parameters, day("2026-11-20")).map(|asked| asked.span).map_err(|bad| bad.0)
    }

    #[test]
    fn days_are_asked_for_by_length_or_by_date() {
        for (query, from, to) in [
            ("", "2026-10-22", "2026-11-20"),
            ("days=7", "2026-11-14", "2026-11-20"),
            ("days=365", "2025-11-21", "2026-11-20"),
            ("from=2026-11-01", "2026-11-01", "2026-11-20"),
            ("from=2026-11-01&to=2026-11-03", "2026-11-01", "2026-11-03"),
            ("to=2026-03-01", "2026-01-31", "2026-03-01"),
            ("from=2026-11-19&to=2030-01-01", "2026-11-19", "2026-11-20"),
            ("from=&to=&days=", "2026-10-22", "2026-11-20"),
            ("from=2027-01-01", "2027-01-01", "2026-11-20"),
        ] {
            match asked(query) {
                Ok(span) => assert_eq!((span.from, span.to), (day(from), day(to)), "{query}"),
                Err(error) => assert!(error.contains("is after"), "{query}: {error}"),
            }
        }
        for (query, said) in [
            ("days=8", "7, 30, 90, 365"),
            ("days=07", "7, 30, 90, 365"),
            ("days=7&from=2026-11-01", "not both"),
            ("from=yesterday", "2026-11-20"),
            ("from=0001-01-01", "no date"),
            ("from=2026-11-05&to=2026-11-04", "is after"),
        ] {
            assert!(asked(query).is_err_and(|error| error.contains(said)), "{query}");
        }
    }

    #[test]
    fn a_long_time_is_drawn_in_weeks_and_months_that_do_not_overlap() {
        for (query, grain, most) in [
            ("days=90", Grain::Day, 90),
            ("days=365", Grain::Week, 54),
            ("from=2024-12-01&to=2026-11-20", Grain::Week, 106),
            ("from=1990-01-01", Grain::Month, 443),
        ] {
            let span = asked(query).expect("a span");
            assert_eq!(span.grain(), grain, "{query}");
            let mut slots: Vec<_> =
                span.from.iter_days().take_while(|day| *day <= span.to).map(|day| span.slot(day)).collect();
            slots.dedup();
            assert!(slots.len() <= most, "{query}: {}", slots.len());
            assert_eq!((slots[0].first, slots[slots.len() - 1].last), (span.from, span.to));
            assert!(slots.windows(2).all(|two| two[0].last.succ_opt() == Some(two[1].first)), "{query}");
        }
    }

    #[test]
    fn the_days_before_and_after_are_as_many() {
        let span = asked("from=2026-11-01&to=2026-11-07").expect("a span");
        let before = span.before().expect("days before");
        assert_eq!((before.from, before.to), (day("2026-10-25"), day("2026-10-31")));
        let after = span.after(day("2026-11-20")).expect("days after");
        assert_eq!((after.from, after.to), (day("2026-11-08"), day("2026-11-14")));
        assert_eq!(asked("days=7").expect("a span").after(day("2026-11-20")), None);
    }
}
