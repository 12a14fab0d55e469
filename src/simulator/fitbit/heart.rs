//! Heart rate and active zone minutes: series, and their intraday forms.

use chrono::NaiveDate;
use serde_json::{Map, Value as Json, json};

use super::date::{Allowed, LONG_PERIODS, SHORT_PERIODS};
use super::{Ask, Refusal, intraday};
use crate::simulator::life::Zone;

pub(super) const ZONE_NAMES: [&str; 4] = ["Out of Range", "Fat Burn", "Cardio", "Peak"];

pub(super) fn heart(ask: &Ask, when: &[&str]) -> Result<Json, Refusal> {
    ask.needs("heartrate")?;
    if intraday::is_asked(when) {
        return intraday::heart(ask, when);
    }
    let allowed = Allowed { today: true, single: false, periods: SHORT_PERIODS, days: Some(366), points: true };
    let rows: Vec<Json> = ask.dates(ask.span(when, &allowed)?).map(|date| day(ask, date)).collect();
    Ok(json!({"activities-heart": rows}))
}

/// One day of the heart-rate series.
pub(super) fn day(ask: &Ask, date: NaiveDate) -> Json {
    let zones = zones(ask, date, &ask.known.totals(date).zones);
    let mut value = json!({"customHeartRateZones": [], "heartRateZones": zones});
    if let Some(resting) = ask.known.resting_heart_rate(date) {
        value["restingHeartRate"] = resting.into();
    }
    json!({"dateTime": date.to_string(), "value": value})
}

/// The four zones; without any minute in one, its bounds alone.
pub(super) fn zones(ask: &Ask, date: NaiveDate, zones: &[Zone; 4]) -> Json {
    let [fat_burn, cardio, peak] = ask.known.person.day(date).bounds;
    let bounds = [30, fat_burn, cardio, peak, 220];
    let recorded = zones.iter().any(|zone| zone.minutes > 0);
    let zone = |at: usize| {
        let (name, min, max) = (ZONE_NAMES[at], bounds[at], bounds[at + 1]);
        if !recorded {
            return json!({"max": max, "min": min, "name": name});
        }
        let calories = (zones[at].calories * 10_000.0).round() / 10_000.0;
        json!({"caloriesOut": calories, "max": max, "min": min, "minutes": zones[at].minutes, "name": name})
    };
    (0..4).map(zone).collect()
}

pub(super) fn zone_minutes(ask: &Ask, when: &[&str]) -> Result<Json, Refusal> {
    ask.needs("activity")?;
    if intraday::is_asked(when) {
        return intraday::zone_minutes(ask, when);
    }
    let allowed = Allowed { today: true, single: false, periods: LONG_PERIODS, days: Some(1095), points: true };
    let rows = ask.dates(ask.span(when, &allowed)?).map(|date| {
        let minutes = ask.known.totals(date).zones.map(|zone| zone.minutes);
        match active(minutes) {
            Some(value) => json!({"value": value, "dateTime": date.to_string()}),
            None => json!({"dateTime": date.to_string()}),
        }
    });
    Ok(json!({"activities-active-zone-minutes": rows.collect::<Vec<Json>>()}))
}

/// Active zone minutes of minutes in each zone: cardio and peak count twice, zones without any are left out.
pub(super) fn active([_, fat_burn, cardio, peak]: [u32; 4]) -> Option<Json> {
    let total = fat_burn + 2 * cardio + 2 * peak;
    if total == 0 {
        return None;
    }
    let mut value = Map::new();
    value.insert("activeZoneMinutes".into(), total.into());
    let named = [
        ("fatBurnActiveZoneMinutes", fat_burn),
        ("cardioActiveZoneMinutes", 2 * cardio),
        ("peakActiveZoneMinutes", 2 * peak),
    ];
    for (name, minutes) in named.into_iter().filter(|(_, minutes)| *minutes > 0) {
        value.insert(name.into(), minutes.into());
    }
    Some(Json::Object(value))
}
