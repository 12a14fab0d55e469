//! The days of one metric: read from the store in one look, as figures, as a picture, as rows of a table.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use chrono::NaiveDate;

use super::super::chart::{self, Band, Bars, Column, Drawing, Line, Named, Point, Slot, Stack};
use super::asked::{Grain, Span};
use super::view::{Figure, Legend, SummaryRow};
use super::words;
use crate::household::{Household, Member};
use crate::metric::{self, Metric};
use crate::trend;

/// Nights are long enough to be drawn in hours.
const IN_HOURS: &str = "sleep-minutes";

/// A number for each day that has one, in the person's system.
pub type Daily = BTreeMap<NaiveDate, f64>;

/// A part of a bar.
pub struct Part {
    /// What is read.
    pub metric: &'static str,
    /// The class it is drawn in.
    pub class: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// Only on days that have none of the other parts of this kind.
    pub only_alone: bool,
}

/// A part of any day.
pub const fn part(metric: &'static str, class: &'static str, name: &'static str) -> Part {
    Part { metric, class, name, only_alone: false }
}

/// Whose days, and which.
pub struct Days<'a> {
    /// What is known.
    pub household: &'a Household,
    /// Whose.
    pub member: &'a Member,
    /// Which.
    pub span: Span,
}

impl Days<'_> {
    /// Several values of a day count as their mean.
    pub async fn daily(&self, metric: &Metric, span: Span) -> Result<Daily> {
        let (unit, system) = (metric.unit, self.member.system);
        let numbers = self.household.store.numbers(&self.member.person, metric, span.from, span.to).await?;
        Ok(means(numbers.into_iter().map(|(day, number)| (day, unit.convert(number, system)))))
    }

    /// The days in figures, beside as many before.
    pub fn summary(&self, metric: &'static Metric, daily: &Daily, before: &Daily) -> SummaryRow {
        let unit = metric.unit.symbol(self.member.system);
        let amount = |value: f64| words::amount(value, metric, unit);
        let daily = &self.over(metric, daily);
        let mean = mean(daily);
        let change = (!before.is_empty()).then(|| words::difference(mean - self::mean(before), metric, unit));
        SummaryRow {
            name: metric.name,
            mean: amount(mean),
            low: amount(daily.values().copied().fold(f64::INFINITY, f64::min)),
            high: amount(daily.values().copied().fold(f64::NEG_INFINITY, f64::max)),
            days: daily.len(),
            change,
        }
    }

    /// A line, perhaps between two others, which are also metrics.
    pub async fn line(
        &self,
        metric: &'static Metric,
        daily: &Daily,
        band: Option<(&str, &str)>,
    ) -> Result<Option<Figure>> {
        let points = self.points(metric, daily);
        let trend = self.trend(metric, &points).await?;
        let mut edges = Vec::new();
        if let Some((low, high)) = band {
            let of = async |key: &str| match metric::find(key) {
                Some(metric) => self.daily(metric, self.span).await,
                None => Ok(Daily::new()),
            };
            let (lows, highs) = (self.slots(&of(low).await?), self.slots(&of(high).await?));
            let both = lows.iter().filter_map(|(slot, low)| Some((*slot, *low, *highs.get(slot)?)));
            edges.extend(both.map(|(slot, low, high)| Band { slot, low, high }));
        }
        let line = Line { days: self.span.from..=self.span.to, points: &points, trend: &trend, band: &edges };
        let mut legend = Vec::new();
        // A single mean is no line to be seen.
        if trend.len() > 1 {
            legend.push(Legend { class: "dot", name: if self.is_daily() { "Measured" } else { "Mean" }.into() });
            legend.push(Legend { class: "trend", name: format!("Mean of {} days", self.window().1) });
        }
        if !edges.is_empty() {
            legend.push(Legend { class: "band", name: "Lowest to highest".into() });
        }
        let head = vec![metric.name.to_owned()];
        let rows = self.rows(metric, &points);
        Ok(self.figure(metric, daily, legend, head, rows, |named| chart::line(named, &line)))
    }

    /// A bar for each.
    pub fn bars(&self, metric: &'static Metric, daily: &Daily) -> Option<Figure> {
        let points = self.points(metric, daily);
        let bars = Bars { days: self.span.from..=self.span.to, points: &points };
        let rows = self.rows(metric, &points);
        self.figure(metric, daily, Vec::new(), vec![metric.name.to_owned()], rows, |named| chart::bars(named, &bars))
    }

    /// Bars of parts.
    pub async fn stack(
        &self,
        metric: &'static Metric,
        daily: &Daily,
        parts: &'static [Part],
    ) -> Result<Option<Figure>> {
        let mut each: Vec<Daily> = Vec::new();
        for part in parts {
            let mut daily = match metric::find(part.metric) {
                Some(metric) => self.daily(metric, self.span).await?,
                None => Daily::new(),
            };
            if part.only_alone {
                daily.retain(|day, _| each.iter().all(|other| !other.contains_key(day)));
            }
            each.push(daily);
        }
        // Of days that are drawn as one, each counts once in every part: or the parts' means would not add up.
        let days: BTreeSet<NaiveDate> = each.iter().flat_map(|part| part.keys().copied()).collect();
        let mut slots: BTreeMap<Slot, f64> = BTreeMap::new();
        for day in &days {
            *slots.entry(self.span.slot(*day)).or_default() += 1.0;
        }
        let each: Vec<BTreeMap<Slot, f64>> = each
            .iter()
            .map(|part| {
                let mut sums = BTreeMap::new();
                for (day, value) in part {
                    *sums.entry(self.span.slot(*day)).or_insert(0.0) += value;
                }
                sums.into_iter().map(|(slot, sum)| (slot, sum / slots.get(&slot).copied().unwrap_or(1.0))).collect()
            })
            .collect();
        let seen: Vec<usize> = (0..parts.len()).filter(|index| !each[*index].is_empty()).collect();
        let scale = if metric.key == IN_HOURS { 60.0 } else { 1.0 };
        let mut columns = Vec::new();
        let mut rows = Vec::new();
        for slot in slots.into_keys() {
            let value = |index: &usize| each[*index].get(&slot).copied();
            let drawn = seen.iter().filter_map(|index| Some((parts[*index].class, value(index)? / scale))).collect();
            let said = |index: &usize| value(index).map(|value| self.amount(metric, value));
            let named = seen.iter().filter_map(|index| Some(format!("{} {}", parts[*index].name, said(index)?)));
            let tip = format!("{}: {}", words::slot(slot, self.span.grain()), named.collect::<Vec<_>>().join(", "));
            columns.push(Column { slot, parts: drawn, tip });
            rows.push((slot, seen.iter().map(|index| said(index).unwrap_or_default()).collect()));
        }
        let legend = seen.iter().map(|index| Legend { class: parts[*index].class, name: parts[*index].name.into() });
        let head = seen.iter().map(|index| parts[*index].name.to_owned()).collect();
        let stack = Stack { days: self.span.from..=self.span.to, columns: &columns };
        Ok(self.figure(metric, daily, legend.collect(), head, rows, |named| chart::stack(named, &stack)))
    }

    fn figure(
        &self,
        metric: &'static Metric,
        daily: &Daily,
        legend: Vec<Legend>,
        head: Vec<String>,
        rows: Vec<(Slot, Vec<String>)>,
        draw: impl FnOnce(Named<'_>) -> Option<Drawing>,
    ) -> Option<Figure> {
        let (last, value) = daily.last_key_value()?;
        let amount = |value: f64| self.amount(metric, value);
        let daily = &self.over(metric, daily);
        let least = daily.values().copied().fold(f64::INFINITY, f64::min);
        let most = daily.values().copied().fold(f64::NEG_INFINITY, f64::max);
        let description = format!(
            "{} days from {} to {}: {} to {}, on average {}; last, on {last}, {}.",
            daily.len(),
            self.span.from,
            self.span.to,
            amount(least),
            amount(most),
            amount(mean(daily)),
            amount(*value)
        );
        let title = self.title(metric);
        let drawing = draw(Named { id: metric.key, title: &title, description: &description })?;
        let head = [self.span.grain().name().to_owned()].into_iter().chain(head).collect();
        let rows = rows
            .into_iter()
            .map(|(slot, cells)| [words::slot(slot, self.span.grain())].into_iter().chain(cells).collect());
        Some(Figure { id: metric.key.into(), title, drawing, legend, note: None, head, rows: rows.collect() })
    }

    /// What was measured, and in which unit.
    fn title(&self, metric: &Metric) -> String {
        if metric.key == IN_HOURS {
            return "Sleep, h".into();
        }
        let unit = metric.unit.symbol(self.member.system).filter(|unit| *unit != metric.key);
        unit.map_or_else(|| metric.name.to_owned(), |unit| format!("{}, {unit}", metric.name))
    }

    /// The trend at each point: the mean of the days that end with it.
    async fn trend(&self, metric: &Metric, points: &[Point]) -> Result<Vec<(Slot, f64)>> {
        if !trend::METRICS.contains(&metric.key) {
            return Ok(Vec::new());
        }
        let long = Span { from: trend::first_day(self.span.from), ..self.span };
        let stored = self.household.store.numbers(&self.member.person, metric, long.from, long.to).await?;
        let (name, _) = self.window();
        let at = |Point { slot, .. }: &Point| {
            let first = stored.partition_point(|(day, _)| *day < trend::first_day(slot.last));
            let end = stored.partition_point(|(day, _)| *day <= slot.last);
            let trend = trend::trend(slot.last, &stored[first..end], metric.unit, self.member.system);
            Some((*slot, trend.get(name)?.get("mean")?.as_f64()?))
        };
        Ok(points.iter().filter_map(at).collect())
    }

    /// Which of the trend's windows is drawn: its name and its days.
    fn window(&self) -> (&'static str, u8) {
        if self.is_daily() { ("7d", 7) } else { ("28d", 28) }
    }

    fn points(&self, metric: &Metric, daily: &Daily) -> Vec<Point> {
        let grain = self.span.grain();
        let point = |(slot, value): (Slot, f64)| {
            let tip = format!("{}: {}", words::slot(slot, grain), self.amount(metric, value));
            Point { slot, value, tip }
        };
        self.slots(daily).into_iter().map(point).collect()
    }

    /// The same as rows of a table.
    fn rows(&self, metric: &Metric, points: &[Point]) -> Vec<(Slot, Vec<String>)> {
        points.iter().map(|point| (point.slot, vec![self.amount(metric, point.value)])).collect()
    }

    /// The mean of what is drawn as one.
    fn slots(&self, daily: &Daily) -> BTreeMap<Slot, f64> {
        means(daily.iter().map(|(day, value)| (self.span.slot(*day), *value)))
    }

    fn amount(&self, metric: &Metric, value: f64) -> String {
        words::amount(value, metric, metric.unit.symbol(self.member.system))
    }

    /// The days that are over, where a total still grows today; only today is better than nothing.
    fn over(&self, metric: &Metric, daily: &Daily) -> Daily {
        let still_grows = |day: &NaiveDate| metric.entity.is_total() && *day == self.member.today;
        let over: Daily =
            daily.iter().filter(|(day, _)| !still_grows(day)).map(|(day, value)| (*day, *value)).collect();
        if over.is_empty() { daily.clone() } else { over }
    }

    fn is_daily(&self) -> bool {
        self.span.grain() == Grain::Day
    }
}

/// The mean of the values of each key.
fn means<K: Ord>(values: impl Iterator<Item = (K, f64)>) -> BTreeMap<K, f64> {
    let mut sums: BTreeMap<K, (f64, f64)> = BTreeMap::new();
    for (key, value) in values {
        let (sum, count) = sums.entry(key).or_default();
        (*sum, *count) = (*sum + value, *count + 1.0);
    }
    sums.into_iter().map(|(key, (sum, count))| (key, sum / count)).collect()
}

/// The mean of the days there are.
fn mean(daily: &Daily) -> f64 {
    daily.values().sum::<f64>() / daily.len().max(1) as f64
}
