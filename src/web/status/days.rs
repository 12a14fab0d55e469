//! Pictures of days and the days in figures: which metrics there are to see, and each read from the store in one look.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::NaiveDate;

use super::super::chart::{self, Band, Bars, Drawing, Line, Named, Slot, Stack};
use super::asked::{Grain, Span};
use super::view::{Figure, Legend, Section, SummaryRow};
use super::words;
use crate::household::{Household, Member};
use crate::metric::{self, Metric};
use crate::trend;

/// A picture there is to see.
struct Row {
    section: &'static str,
    /// The metric, which is also in the table of figures.
    metric: &'static str,
    form: Form,
}

enum Form {
    /// A line, perhaps between two others.
    Line(Option<(&'static str, &'static str)>),
    Bars,
    /// Parts of a bar.
    Stack(&'static [Part]),
    /// In the table of figures only.
    Figures,
}

/// A part of a bar.
struct Part {
    metric: &'static str,
    class: &'static str,
    name: &'static str,
    /// Only on days that have none of the other parts of this kind.
    only_alone: bool,
}

const fn part(metric: &'static str, class: &'static str, name: &'static str) -> Part {
    Part { metric, class, name, only_alone: false }
}

const ZONES: &[Part] = &[
    part("fat-burn-zone-minutes", "zone2", "Fat burn"),
    part("cardio-zone-minutes", "zone3", "Cardio"),
    part("peak-zone-minutes", "zone4", "Peak"),
];

/// A night is told in stages, or as a whole.
const STAGES: &[Part] = &[
    part("deep-sleep-minutes", "deep", "Deep"),
    part("light-sleep-minutes", "light", "Light"),
    part("rem-sleep-minutes", "rem", "REM"),
    Part { metric: "sleep-minutes", class: "asleep", name: "Asleep, without stages", only_alone: true },
    part("sleep-awake-minutes", "wake", "Awake"),
];

const fn row(section: &'static str, metric: &'static str, form: Form) -> Row {
    Row { section, metric, form }
}

#[rustfmt::skip]
static PICTURES: &[Row] = &[
    row("Body",     "body-weight",                Form::Line(None)),
    row("Body",     "body-fat",                   Form::Line(None)),
    row("Body",     "bmi",                        Form::Figures),
    row("Activity", "steps",                      Form::Bars),
    row("Activity", "distance",                   Form::Bars),
    row("Activity", "floors",                     Form::Bars),
    row("Activity", "calories",                   Form::Bars),
    row("Activity", "active-zone-minutes",        Form::Stack(ZONES)),
    row("Activity", "vo2-max",                    Form::Line(None)),
    row("Sleep",    "sleep-minutes",              Form::Stack(STAGES)),
    row("Sleep",    "sleep-score",                Form::Line(None)),
    row("Sleep",    "sleep-efficiency",           Form::Line(None)),
    row("Sleep",    "deep-sleep-minutes",         Form::Figures),
    row("Sleep",    "light-sleep-minutes",        Form::Figures),
    row("Sleep",    "rem-sleep-minutes",          Form::Figures),
    row("Heart and breathing", "resting-heart-rate", Form::Line(None)),
    row("Heart and breathing", "hrv",             Form::Line(None)),
    row("Heart and breathing", "spo2",            Form::Line(Some(("spo2-min", "spo2-max")))),
    row("Heart and breathing", "breathing-rate",  Form::Line(None)),
    row("Heart and breathing", "skin-temperature-variation", Form::Line(None)),
];

/// A number for each day that has one, in the person's system.
type Daily = BTreeMap<NaiveDate, f64>;

/// Reads and draws what there is of these days.
pub async fn pictures(household: &Household, member: &Member, span: Span) -> Result<(Vec<SummaryRow>, Vec<Section>)> {
    let (mut summary, mut sections) = (Vec::new(), Vec::<Section>::new());
    for row in PICTURES {
        let Some(metric) = metric::find(row.metric) else { continue };
        let days = Days { household, member, span };
        let daily = days.daily(metric, span).await?;
        if daily.is_empty() {
            continue;
        }
        let before = match span.before() {
            Some(before) => days.daily(metric, before).await?,
            None => Daily::new(),
        };
        summary.push(days.summary(metric, &daily, &before));
        let figure = match &row.form {
            Form::Line(band) => days.line(metric, &daily, *band).await?,
            Form::Bars => days.bars(metric, &daily),
            Form::Stack(parts) => days.stack(metric, &daily, parts).await?,
            Form::Figures => None,
        };
        let Some(figure) = figure else { continue };
        match sections.last_mut().filter(|section| section.title == row.section) {
            Some(section) => section.figures.push(figure),
            None => sections.push(Section { title: row.section, figures: vec![figure] }),
        }
    }
    Ok((summary, sections))
}

/// Whose days, and which.
struct Days<'a> {
    household: &'a Household,
    member: &'a Member,
    span: Span,
}

impl Days<'_> {
    /// Several values of a day count as their mean.
    async fn daily(&self, metric: &Metric, span: Span) -> Result<Daily> {
        let (unit, system) = (metric.unit, self.member.system);
        let numbers = self.household.store.numbers(&self.member.person, metric, span.from, span.to).await?;
        Ok(means(numbers.into_iter().map(|(day, number)| (day, unit.convert(number, system)))))
    }

    fn summary(&self, metric: &'static Metric, daily: &Daily, before: &Daily) -> SummaryRow {
        let unit = metric.unit.symbol(self.member.system);
        let amount = |value: f64| words::amount(value, metric, unit);
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

    async fn line(&self, metric: &'static Metric, daily: &Daily, band: Option<(&str, &str)>) -> Result<Option<Figure>> {
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
        if !trend.is_empty() {
            legend.push(Legend { class: "dot", name: self.grain("Measured", "Mean") });
            legend.push(Legend { class: "trend", name: format!("Mean of {} days", self.window().1) });
        }
        if !edges.is_empty() {
            legend.push(Legend { class: "band", name: "Lowest to highest".into() });
        }
        let head = vec![metric.name.to_owned()];
        let rows = points.iter().map(|(slot, value, _)| (*slot, vec![self.amount(metric, *value)])).collect();
        Ok(self.figure(metric, daily, legend, head, rows, |named| chart::line(named, &line)))
    }

    fn bars(&self, metric: &'static Metric, daily: &Daily) -> Option<Figure> {
        let points = self.points(metric, daily);
        let bars = Bars { days: self.span.from..=self.span.to, points: &points };
        let rows = points.iter().map(|(slot, value, _)| (*slot, vec![self.amount(metric, *value)])).collect();
        self.figure(metric, daily, Vec::new(), vec![metric.name.to_owned()], rows, |named| chart::bars(named, &bars))
    }

    async fn stack(&self, metric: &'static Metric, daily: &Daily, parts: &'static [Part]) -> Result<Option<Figure>> {
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
        let each: Vec<_> = each.iter().map(|daily| self.slots(daily)).collect();
        let slots: std::collections::BTreeSet<Slot> = each.iter().flat_map(|part| part.keys().copied()).collect();
        let seen: Vec<usize> = (0..parts.len()).filter(|index| !each[*index].is_empty()).collect();
        // Nights are long enough to be drawn in hours.
        let hours = metric.key == "sleep-minutes";
        let scale = if hours { 60.0 } else { 1.0 };
        let mut points = Vec::new();
        let mut rows = Vec::new();
        for slot in slots {
            let value = |index: &usize| each[*index].get(&slot).copied();
            let drawn = seen.iter().filter_map(|index| Some((parts[*index].class, value(index)? / scale))).collect();
            let said = |index: &usize| value(index).map(|value| self.amount(metric, value));
            let named = seen.iter().filter_map(|index| Some(format!("{} {}", parts[*index].name, said(index)?)));
            let tip = format!("{}: {}", words::slot(slot, self.span.grain()), named.collect::<Vec<_>>().join(", "));
            points.push((slot, drawn, tip));
            rows.push((slot, seen.iter().map(|index| said(index).unwrap_or_default()).collect()));
        }
        let legend = seen.iter().map(|index| Legend { class: parts[*index].class, name: parts[*index].name.into() });
        let head = seen.iter().map(|index| parts[*index].name.to_owned()).collect();
        let stack = Stack { days: self.span.from..=self.span.to, points: &points };
        let mut figure = self.figure(metric, daily, legend.collect(), head, rows, |named| chart::stack(named, &stack));
        if let Some(figure) = figure.as_mut().filter(|_| hours) {
            figure.title = format!("{}, h", metric.name);
        }
        Ok(figure)
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
        let unit = metric.unit.symbol(self.member.system).filter(|unit| *unit != metric.key);
        let title = match unit {
            Some(unit) => format!("{}, {unit}", metric.name),
            None => metric.name.to_owned(),
        };
        let (last, value) = daily.last_key_value()?;
        let amount = |value: f64| self.amount(metric, value);
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
        let drawing = draw(Named { id: metric.key, title: &title, description: &description })?;
        let first = self.grain("Day", "Days").replace(
            "Days",
            match self.span.grain() {
                Grain::Week => "Week",
                _ => "Month",
            },
        );
        let head = [first].into_iter().chain(head).collect();
        let rows = rows
            .into_iter()
            .map(|(slot, cells)| [words::slot(slot, self.span.grain())].into_iter().chain(cells).collect());
        Some(Figure { id: metric.key.into(), title, drawing, legend, note: None, head, rows: rows.collect() })
    }

    /// The trend at each point: the mean of the days that end with it.
    async fn trend(&self, metric: &Metric, points: &[(Slot, f64, String)]) -> Result<Vec<(Slot, f64)>> {
        if !trend::METRICS.contains(&metric.key) {
            return Ok(Vec::new());
        }
        let long = Span { from: trend::first_day(self.span.from), ..self.span };
        let stored = self.household.store.numbers(&self.member.person, metric, long.from, long.to).await?;
        let (name, _) = self.window();
        let at = |(slot, ..): &(Slot, f64, String)| {
            let first = stored.partition_point(|(day, _)| *day < trend::first_day(slot.last));
            let end = stored.partition_point(|(day, _)| *day <= slot.last);
            let trend = trend::trend(slot.last, &stored[first..end], metric.unit, self.member.system);
            Some((*slot, trend.get(name)?.get("mean")?.as_f64()?))
        };
        Ok(points.iter().filter_map(at).collect())
    }

    /// Which of the trend's windows is drawn: its name and its days.
    fn window(&self) -> (&'static str, u8) {
        if self.span.grain() == Grain::Day { ("7d", 7) } else { ("28d", 28) }
    }

    fn points(&self, metric: &Metric, daily: &Daily) -> Vec<(Slot, f64, String)> {
        let grain = self.span.grain();
        let point = |(slot, value): (Slot, f64)| {
            (slot, value, format!("{}: {}", words::slot(slot, grain), self.amount(metric, value)))
        };
        self.slots(daily).into_iter().map(point).collect()
    }

    /// The mean of what is drawn as one.
    fn slots(&self, daily: &Daily) -> BTreeMap<Slot, f64> {
        means(daily.iter().map(|(day, value)| (self.span.slot(*day), *value)))
    }

    fn amount(&self, metric: &Metric, value: f64) -> String {
        words::amount(value, metric, metric.unit.symbol(self.member.system))
    }

    fn grain(&self, one: &str, several: &str) -> String {
        if self.span.grain() == Grain::Day { one } else { several }.to_owned()
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
