//! Dates, periods and ranges in addresses, as strictly as the service takes them.

use chrono::{Days, Months, NaiveDate};

use super::Ask;
use super::refusal::{Refusal, too_many_points};

/// What a family of endpoints allows behind `/date/`.
pub(super) struct Allowed {
    /// Whether the word `today` is a date; for some the reference allows `yyyy-MM-dd` only.
    pub(super) today: bool,
    /// Whether one date alone means that day.
    pub(super) single: bool,
    /// Periods that may end on a date.
    pub(super) periods: &'static [&'static str],
    /// Longest range in days, both ends included.
    pub(super) days: Option<i64>,
    /// Whether more is answered as too many data points (422) rather than as a bad range (400).
    pub(super) points: bool,
}

/// Periods of body, activity and nutrition series.
pub(super) const LONG_PERIODS: &[&str] = &["1d", "7d", "30d", "1w", "1m", "3m", "6m", "1y", "max"];
/// Periods of logs and of heart rate.
pub(super) const SHORT_PERIODS: &[&str] = &["1d", "7d", "30d", "1w", "1m"];

/// First and last date, both included.
pub(super) type Span = (NaiveDate, NaiveDate);

impl Ask<'_> {
    /// One date.
    pub(super) fn date(&self, text: &str, today: bool) -> Result<NaiveDate, Refusal> {
        if text == "today" && today {
            return Ok(self.known.today());
        }
        let digits = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let date = digits.then(|| text.parse().ok()).flatten();
        date.ok_or_else(|| self.style.invalid("date", &format!("Invalid date: {text}")))
    }

    /// `{date}/{period}` or `{start}/{end}`; the part of it that lies in the future is left out by the callers, for
    /// nothing is known of it.
    pub(super) fn span(&self, when: &[&str], allowed: &Allowed) -> Result<Span, Refusal> {
        let (first, second) = match when {
            [date] if allowed.single => (*date, *date),
            [first, second] => (*first, *second),
            _ => return Err(super::refusal::not_found()),
        };
        let first = self.date(first, allowed.today)?;
        if allowed.periods.contains(&second) {
            return self.period(first, second);
        }
        if second != "today" && !second.contains('-') {
            return Err(self.style.invalid("period", &format!("Invalid time period: {second}")));
        }
        let last = self.date(second, allowed.today)?;
        if first > last {
            return Err(self.style.invalid("endDate", "End date needs to be after start date"));
        }
        match allowed.days {
            Some(days) if (last - first).num_days() >= days && allowed.points => Err(too_many_points()),
            Some(days) if (last - first).num_days() >= days => {
                Err(self.style.invalid("endDate", &format!("The range must not be longer than {days} days")))
            }
            _ => Ok((first, last)),
        }
    }

    fn period(&self, last: NaiveDate, period: &str) -> Result<Span, Refusal> {
        let days = |count: u64| last.checked_sub_days(Days::new(count - 1));
        let months = |count: u32| last.checked_sub_months(Months::new(count))?.succ_opt();
        let first = match period {
            "1d" => days(1),
            "7d" | "1w" => days(7),
            "30d" => days(30),
            "1m" => months(1),
            "3m" => months(3),
            "6m" => months(6),
            "1y" => months(12),
            _ => {
                let joined = self.known.person.joined.min(last);
                if (last - joined).num_days() >= 1095 {
                    return Err(too_many_points());
                }
                Some(joined)
            }
        };
        Ok((first.unwrap_or(last), last))
    }

    /// The dates of a span on which there can be something: not those to come.
    pub(super) fn dates(&self, span: Span) -> impl DoubleEndedIterator<Item = NaiveDate> + use<> {
        let last = span.1.min(self.known.today());
        let days = (last - span.0).num_days().max(-1) + 1;
        let first = span.0;
        (0..days as u64).filter_map(move |day| first.checked_add_days(Days::new(day)))
    }
}
