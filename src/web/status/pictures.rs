//! Which pictures there are of days, as a table, and which of them the days asked for have.

use anyhow::Result;

use super::asked::Span;
use super::days::{Daily, Days, Part, part};
use super::view::{Section, SummaryRow};
use crate::household::{Household, Member};
use crate::metric;

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
    row("Heart and breathing", "fat-burn-heart-minutes", Form::Figures),
    row("Heart and breathing", "cardio-heart-minutes", Form::Figures),
    row("Heart and breathing", "peak-heart-minutes", Form::Figures),
    row("Heart and breathing", "hrv",             Form::Line(None)),
    row("Heart and breathing", "spo2",            Form::Line(Some(("spo2-min", "spo2-max")))),
    row("Heart and breathing", "breathing-rate",  Form::Line(None)),
    row("Heart and breathing", "skin-temperature-variation", Form::Line(None)),
    row("Care programme", "weight",                    Form::Line(None)),
    row("Care programme", "blood-pressure-systolic",   Form::Line(None)),
    row("Care programme", "blood-pressure-diastolic",  Form::Line(None)),
    row("Care programme", "blood-glucose",             Form::Line(None)),
    row("Care programme", "body-temperature",          Form::Line(None)),
    row("Care programme", "oxygen-saturation",         Form::Line(None)),
    row("Care programme", "peak-expiratory-flow-rate", Form::Line(None)),
    row("Care programme", "pain-level",                Form::Line(None)),
    row("Care programme", "inhaler-usage",             Form::Bars),
    row("Care programme", "adherence-complete",        Form::Bars),
    row("Care programme", "body-mass-index",           Form::Figures),
    row("Care programme", "body-fat-percentage",       Form::Figures),
    row("Care programme", "lean-body-mass",            Form::Figures),
    row("Care programme", "respiratory-rate",          Form::Figures),
    row("Care programme", "hemoglobin-a1c",            Form::Figures),
    row("Care programme", "ldl-cholesterol",           Form::Figures),
    row("Care programme", "hdl-cholesterol",           Form::Figures),
    row("Care programme", "total-cholesterol",         Form::Figures),
    row("Care programme", "triglycerides",             Form::Figures),
    row("Care programme", "creatinine",                Form::Figures),
    row("Care programme", "inr",                       Form::Figures),
];

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
