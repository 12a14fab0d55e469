//! The heart within a day: the curve of the last day, and each workout with its own, over the zones it ran through.

use anyhow::Result;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde_json::Value as Json;

use super::super::chart::{self, Beat, Named, Zone};
use super::asked::{Asked, Span};
use super::view::{Fact, Figure, Legend, Workout};
use super::words;
use crate::household::{Household, Member};
use crate::metric::{self, Metric, Unit, WHOLE};
use crate::reading::{Moment, Reading};
use crate::snapshot::Shown;
use crate::store::Stored;
use crate::upstream::decode;

/// A day is drawn in points of five minutes.
const OF_A_DAY: u32 = 300;
/// A workout in at most so many points.
const MOST_POINTS: i64 = 240;
/// As many workouts are listed.
const MOST_WORKOUTS: u16 = 100;
/// Nobody goes on for longer.
const LONGEST: TimeDelta = TimeDelta::days(2);

/// The zones: what a person has minutes in, the class, and the upstream's name.
const ZONES: [(&str, &str, &str); 4] = [
    ("out-of-range-heart-minutes", "zone1", "Out of Range"),
    ("fat-burn-heart-minutes", "zone2", "Fat Burn"),
    ("cardio-heart-minutes", "zone3", "Cardio"),
    ("peak-heart-minutes", "zone4", "Peak"),
];

/// The heart rate of the last of these days that has samples.
pub async fn day(household: &Household, member: &Member, span: Span) -> Result<Option<Figure>> {
    let Some(heart) = metric::find("heart-rate") else { return Ok(None) };
    let Some(end) = midnight(span.to.checked_add_days(Days::new(1)), member) else { return Ok(None) };
    let Some(last) = household.store.last_sample(&member.person, heart, end).await? else { return Ok(None) };
    let date = last.with_timezone(&member.zone).date_naive();
    let tomorrow = midnight(date.checked_add_days(Days::new(1)), member);
    let (Some(from), Some(to)) = (midnight(Some(date), member), tomorrow) else { return Ok(None) };
    if date < span.from {
        return Ok(None);
    }
    let title = format!("Heart rate on {date}, bpm");
    let zones = bounds_of_day(household, member, date).await?;
    curve(household, member, heart, Wanted { id: "heart", title, from, to, seconds: OF_A_DAY, zones }).await
}

/// The workouts of these days, the newest first; whether there are more; and the curve of the one asked for.
pub async fn workouts(household: &Household, member: &Member, asked: &Asked) -> Result<(Vec<Workout>, bool)> {
    let (Some(last), Some(heart)) = (metric::find("last-workout"), metric::find("heart-rate")) else {
        return Ok((Vec::new(), false));
    };
    let Span { from, to, .. } = asked.span;
    let mut found = household.store.newest_within(&member.person, last, from, to, MOST_WORKOUTS + 1).await?;
    let more = found.len() > usize::from(MOST_WORKOUTS);
    found.truncate(usize::from(MOST_WORKOUTS));
    let mut workouts = Vec::new();
    for stored in found {
        let id = id(&stored.reading);
        let open = asked.workout.as_ref() == Some(&id);
        let mut workout = listed(household, member, &stored, &id, asked.span);
        if open {
            workout.open = true;
            if let Some(wanted) = wanted(household, member, &stored.reading, &workout.name).await? {
                workout.figure = curve(household, member, heart, wanted).await?;
            }
        }
        workouts.push(workout);
    }
    Ok((workouts, more))
}

/// Which one it is: what the upstream calls it, else when it began.
fn id(reading: &Reading) -> String {
    match reading.beside.get("logId") {
        Some(Json::String(id)) => id.clone(),
        Some(id) => id.to_string(),
        None => reading.at.instant().to_string(),
    }
}

fn listed(household: &Household, member: &Member, stored: &Stored, id: &str, span: Span) -> Workout {
    let shown = Shown::new(stored.reading.clone(), stored.fetched, member.system);
    let number = |key: &str| shown.beside.get(key).and_then(Json::as_f64);
    let unit = |key: &str| shown.beside.get(&format!("{key}Unit")).and_then(Json::as_str).unwrap_or_default();
    let with = |key: &str, decimals: usize, unit: &str| {
        number(key)
            .filter(|number| *number > 0.0)
            .map(|number| format!("{}\u{a0}{unit}", words::number(number, decimals)))
    };
    let length = number("activeDuration").or(number("duration")).map(|length| words::minutes(length / 60_000.0));
    // Seconds for a stretch of way are told as minutes and seconds.
    let pace = number("pace").filter(|pace| *pace > 0.0).map(|pace| {
        format!(
            "{}:{:02}\u{a0}min{}",
            (pace / 60.0).trunc(),
            (pace % 60.0).trunc(),
            unit("pace").trim_start_matches('s')
        )
    });
    let facts = [
        length,
        with("distance", 2, unit("distance")),
        with("calories", 0, "kcal"),
        with("steps", 0, "steps"),
        with("averageHeartRate", 0, "bpm on average"),
        pace,
    ];
    let zones = shown.beside.get("heartRateZoneMinutes").and_then(Json::as_object);
    let zones = zones
        .into_iter()
        .flatten()
        .filter_map(|(name, minutes)| Some(Fact { name: name.clone(), value: words::minutes(minutes.as_f64()?) }));
    let encoded: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    Workout {
        name: shown.beside.get("name").and_then(Json::as_str).unwrap_or("Workout").to_owned(),
        began: words::measured(shown.at, household.clock.now(), member.zone),
        facts: facts.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        href: format!("{}&workout={encoded}#workout", span.href(&member.person)),
        open: false,
        figure: None,
        zones: zones.collect(),
    }
}

/// A curve to be drawn.
struct Wanted {
    id: &'static str,
    title: String,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    seconds: u32,
    zones: Vec<Zone>,
}

async fn wanted(household: &Household, member: &Member, reading: &Reading, name: &str) -> Result<Option<Wanted>> {
    let Moment::Time(start) = reading.at else { return Ok(None) };
    let from = start.to_utc();
    let milliseconds = reading.beside.get("duration").and_then(Json::as_f64).unwrap_or_default();
    let length = TimeDelta::milliseconds(milliseconds as i64).min(LONGEST);
    if length < TimeDelta::minutes(1) {
        return Ok(None);
    }
    let mut zones = bounds(reading.beside.get(WHOLE).and_then(|whole| whole.get("heartRateZones")));
    if zones.is_empty() {
        zones = bounds_of_day(household, member, reading.at.date()).await?;
    }
    let seconds = u32::try_from(length.num_seconds().div_euclid(MOST_POINTS) + 1).unwrap_or(OF_A_DAY);
    let title = format!("Heart rate: {name}, bpm");
    Ok(Some(Wanted { id: "curve", title, from, to: from + length, seconds, zones }))
}

async fn curve(
    household: &Household,
    member: &Member,
    heart: &'static Metric,
    wanted: Wanted,
) -> Result<Option<Figure>> {
    let Wanted { id, title, from, to, seconds, zones } = wanted;
    let points = household.store.curve(&member.person, heart, (from, to), seconds).await?;
    let half = TimeDelta::milliseconds(i64::from(seconds) * 500);
    let beats: Vec<_> = points
        .iter()
        .map(|point| Beat { at: (point.at + half).min(to), mean: point.mean, low: point.low, high: point.high })
        .collect();
    let (low, high) = extremes(&beats);
    let clock = |time: DateTime<Utc>| time.with_timezone(&member.zone).format("%H:%M").to_string();
    let bpm = |value: f64| words::amount(value, heart, Unit::BeatsPerMinute.symbol(member.system));
    let description = format!("From {} to {}: between {} and {}.", clock(from), clock(to), bpm(low), bpm(high));
    let named = Named { id, title: &title, description: &description };
    let Some(drawing) = chart::curve(named, (from, to), &beats, i64::from(seconds.max(60)), &zones, member.zone) else {
        return Ok(None);
    };
    // A table of at most two dozen rows or so: what a picture shows at a glance.
    let step = ((to - from).num_seconds() / 24).max(60);
    let mut rows: Vec<Vec<String>> = Vec::new();
    for part in
        beats.chunk_by(|one, other| (one.at - from).num_seconds() / step == (other.at - from).num_seconds() / step)
    {
        let (low, high) = extremes(part);
        let mean = part.iter().map(|beat| beat.mean).sum::<f64>() / part.len() as f64;
        let began =
            from + TimeDelta::seconds(part.first().map_or(0, |beat| (beat.at - from).num_seconds()) / step * step);
        rows.push(vec![clock(began), bpm(mean), bpm(low), bpm(high)]);
    }
    let note = zones.is_empty().then(|| format!("{} does not tell where the zones begin.", member.upstream.title));
    let legend = zones.iter().map(|zone| {
        let from = if zone.low > 0.0 { format!(" from {:.0}", zone.low) } else { String::new() };
        Legend { class: zone.class, name: format!("{}{from}", zone.name) }
    });
    let legend = legend.collect();
    let head = ["From", "Mean", "Lowest", "Highest"].map(str::to_owned).to_vec();
    Ok(Some(Figure { id: id.into(), title, drawing, legend, note, head, rows }))
}

fn extremes(beats: &[Beat]) -> (f64, f64) {
    let low = beats.iter().map(|beat| beat.low).fold(f64::INFINITY, f64::min);
    (low, beats.iter().map(|beat| beat.high).fold(f64::NEG_INFINITY, f64::max))
}

/// The bounds that the upstream sent with a workout.
fn bounds(zones: Option<&Json>) -> Vec<Zone> {
    let zones = zones.and_then(Json::as_array).into_iter().flatten();
    let bound = |zone: &Json| {
        let (name, low) = (zone.get("name")?.as_str()?, zone.get("min")?.as_f64()?);
        let (_, class, name) = ZONES.iter().find(|(.., known)| *known == name)?;
        Some(Zone { class, name: (*name).to_owned(), low })
    };
    let mut found: Vec<_> = zones.filter_map(bound).collect();
    found.sort_by(|one, other| one.low.total_cmp(&other.low));
    found
}

/// The bounds that stand beside a day's minutes in the zones.
async fn bounds_of_day(household: &Household, member: &Member, date: NaiveDate) -> Result<Vec<Zone>> {
    let mut found = Vec::new();
    for (key, class, name) in ZONES {
        let Some(metric) = metric::find(key) else { continue };
        let told = household.store.newest_within(&member.person, metric, date, date, 1).await?;
        let low = told.first().and_then(|stored| stored.reading.beside.get("min")?.as_f64());
        found.extend(low.map(|low| Zone { class, name: name.to_owned(), low }));
    }
    Ok(found)
}

/// When a day begins where the person lives; where the clock leaves midnight out, at the first moment there is.
fn midnight(date: Option<NaiveDate>, member: &Member) -> Option<DateTime<Utc>> {
    Some(decode::local(date?.and_time(NaiveTime::MIN), member.zone).to_utc())
}
