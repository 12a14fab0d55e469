//! A workout as Garmin's Training Center Database writes it, which both clouds send.

use chrono::{SecondsFormat, TimeDelta};

use super::life::{Known, Sport, Workout};

/// The document.
pub(super) fn document(known: &Known, workout: &Workout) -> String {
    let sport = match workout.sport {
        Sport::Run => "Running",
        Sport::Walk => "Other",
        Sport::Bike => "Biking",
    };
    let start = workout.start.to_rfc3339_opts(SecondsFormat::Millis, true);
    let (metres, seconds) = (workout.distance * 1000.0, workout.minutes * 60);
    let day = known.person.day(known.person.local(workout.start).date());
    let first = known.person.minute_of(workout.start);
    let mut track = String::new();
    for minute in 0..workout.minutes {
        let at = (workout.start + TimeDelta::minutes(i64::from(minute))).to_rfc3339_opts(SecondsFormat::Millis, true);
        let gone = metres * f64::from(minute) / f64::from(workout.minutes);
        let beats = day.heart[(first + minute as usize).min(day.heart.len() - 1)];
        track += &format!(
            "<Trackpoint><Time>{at}</Time><DistanceMeters>{gone:.1}</DistanceMeters>\
             <HeartRateBpm><Value>{beats}</Value></HeartRateBpm></Trackpoint>"
        );
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
         <TrainingCenterDatabase xmlns=\"http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2\"><Activities>\
         <Activity Sport=\"{sport}\"><Id>{start}</Id><Lap StartTime=\"{start}\">\
         <TotalTimeSeconds>{seconds}</TotalTimeSeconds>\
         <DistanceMeters>{metres:.1}</DistanceMeters><Calories>{}</Calories><Intensity>Active</Intensity>\
         <TriggerMethod>Manual</TriggerMethod><Track>{track}</Track></Lap></Activity></Activities>\
         </TrainingCenterDatabase>\n",
        workout.calories.round()
    )
}
