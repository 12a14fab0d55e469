//! Profile, devices and badges.

use chrono::{Offset, TimeZone};
use serde_json::{Value as Json, json};

use super::{Ask, Refusal, number};
use crate::simulator::life::Gender;

pub(super) fn profile(ask: &Ask) -> Result<Json, Refusal> {
    ask.needs("profile")?;
    let (known, person) = (&ask.known, &ask.known.person);
    let today = known.today();
    let offset = person.zone.offset_from_utc_datetime(&known.now.naive_utc()).fix().local_minus_utc();
    let weight = known.last_weigh_in(today).map_or(0.0, |weigh_in| weigh_in.kilograms);
    let month: Vec<u32> = today.iter_days().rev().skip(1).take(30).map(|date| known.totals(date).steps).collect();
    let full_name = format!("{} {}", person.name, person.family_name);
    let american = person.locale == "en_US";
    let units = if american { "en_US" } else { "METRIC" };
    let picture = |size: u32| format!("https://static0.fitbit.com/images/profile/defaultProfile_{size}.png");
    let mut user = json!({
        "age": person.age(today),
        "ambassador": false,
        "avatar": picture(100),
        "avatar150": picture(150),
        "avatar640": picture(640),
        "averageDailySteps": month.iter().sum::<u32>() / 30,
        "challengesBeta": true,
        "clockTimeDisplayFormat": if american { "12hour" } else { "24hour" },
        "corporate": false,
        "corporateAdmin": false,
        "dateOfBirth": person.born.to_string(),
        "displayName": format!("{} {}.", person.name, &person.family_name[..1]),
        "displayNameSetting": "name",
        "distanceUnit": units,
        "encodedId": person.user_id,
        "features": {"exerciseGoal": true},
        "firstName": person.name,
        "fullName": full_name,
        "gender": match person.gender { Gender::Female => "FEMALE", Gender::Male => "MALE" },
        "glucoseUnit": units,
        "height": number(person.height),
        "heightUnit": units,
    });
    // In two halves, for the macro goes no deeper.
    let more = json!({
        "isBugReportEnabled": false,
        "isChild": false,
        "isCoach": false,
        "languageLocale": person.locale,
        "lastName": person.family_name,
        "legalTermsAcceptRequired": false,
        "locale": person.locale,
        "memberSince": person.joined.to_string(),
        "mfaEnabled": false,
        "offsetFromUTCMillis": i64::from(offset) * 1000,
        "sdkDeveloper": false,
        "sleepTracking": "Normal",
        "startDayOfWeek": if american { "SUNDAY" } else { "MONDAY" },
        "strideLengthRunning": number((person.height * 6.2).round() / 10.0),
        "strideLengthRunningType": "default",
        "strideLengthWalking": number((person.height * 4.13).round() / 10.0),
        "strideLengthWalkingType": "default",
        "swimUnit": units,
        "temperatureUnit": units,
        "timezone": person.zone.name(),
        "topBadges": [],
        "waterUnit": units,
        "waterUnitName": if american { "fl oz" } else { "ml" },
        "weight": number(weight),
        "weightUnit": units,
    });
    if let (Json::Object(user), Json::Object(more)) = (&mut user, more) {
        user.extend(more);
    }
    if ask.needs("location").is_ok() {
        user["country"] = person.locale.rsplit('_').next().into();
    }
    Ok(json!({"user": user}))
}

pub(super) fn devices(ask: &Ask) -> Result<Json, Refusal> {
    ask.needs("settings")?;
    let (known, person) = (&ask.known, &ask.known.person);
    let mut devices = Vec::new();
    let time = |moment| person.local(moment).format("%Y-%m-%dT%H:%M:%S%.3f").to_string();
    if let Some(tracker) = known.tracker() {
        devices.push(json!({
            "battery": match tracker.battery { 60.. => "High", 25..60 => "Medium", 5..25 => "Low", _ => "Empty" },
            "batteryLevel": tracker.battery,
            "deviceVersion": tracker.model,
            "features": [],
            "id": format!("8167{:05}", person.index + 13_257),
            "lastSyncTime": time(tracker.synced),
            "mac": format!("16ADD56D54{:02X}", person.index),
            "type": "TRACKER",
        }));
    }
    if let Some(sent) = known.scale() {
        devices.push(json!({
            "battery": "High",
            "deviceVersion": "Aria",
            "features": [],
            "id": format!("2402{:05}", person.index + 40_018),
            "lastSyncTime": time(sent),
            "mac": format!("20F85E1A11{:02X}", person.index),
            "type": "SCALE",
        }));
    }
    Ok(Json::Array(devices))
}

pub(super) fn badges(ask: &Ask) -> Result<Json, Refusal> {
    ask.needs("profile")?;
    let known = &ask.known;
    let mut badges = Vec::new();
    let days: Vec<_> = known
        .person
        .joined
        .iter_days()
        .take_while(|date| *date <= known.today())
        .map(|d| (d, known.totals(d)))
        .collect();
    for (value, name) in [(5_000, "Boat Shoe"), (10_000, "Sneakers"), (15_000, "Urban Boot"), (20_000, "High Tops")] {
        let achieved = || days.iter().filter(|(_, totals)| totals.steps >= value);
        let Some((last, _)) = achieved().next_back() else { continue };
        badges.push(json!({
            "badgeGradientEndColor": "38D7FF",
            "badgeGradientStartColor": "2DB4D7",
            "badgeType": "DAILY_STEPS",
            "category": "Daily Steps",
            "cheers": [],
            "dateTime": last.to_string(),
            "description": format!("{value} steps in a day"),
            "earnedMessage": format!("Congrats on earning your first {name} badge!"),
            "encodedId": format!("22B8{value:05}"),
            "image50px": format!("https://static0.fitbit.com/images/badges_new/50px/badge_daily_steps{}k.png", value / 1000),
            "marketingDescription": format!("You've walked {value} steps and earned the {name} badge!"),
            "mobileDescription": "With a shoe like this, there is no stopping.",
            "name": format!("{name} ({value} steps in a day)"),
            "shareText": format!("I took {value} steps and earned the {name} badge!"),
            "shortDescription": format!("{value} steps"),
            "shortName": name,
            "timesAchieved": achieved().count(),
            "value": value,
        }));
    }
    Ok(json!({"badges": badges}))
}
