//! The data types of the Google Health API, one row each: what may be asked of them, and which rooms know their points.
//! Operations are those of the official page: l list, g get, r reconcile, R rollUp, D dailyRollUp.

use chrono::NaiveDate;
use serde_json::{Map, Value as Json};

use super::point::Point;
use super::{activity, session, vital};
use crate::simulator::life::Known;

/// What a data point is about; the filter fields follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Interval,
    Sample,
    Daily,
    /// A session that is asked for by its civil start time.
    Session,
    Sleep,
    Electrocardiogram,
}

/// Points of one local date, in any order.
type Points = fn(&Known, NaiveDate) -> Vec<Point>;

/// One data type.
pub(super) struct DataType {
    /// As in addresses.
    pub(super) id: &'static str,
    pub(super) kind: Kind,
    /// What stands between the prefix of all scopes and `.readonly`.
    pub(super) scope: &'static str,
    pub(super) operations: &'static str,
    /// The points that can be listed.
    pub(super) points: Points,
    /// The points that roll-ups are made of, and how: told whether the windows are whole days.
    pub(super) counted: Points,
    pub(super) fold: fn(&[Point], bool) -> Map<String, Json>,
}

impl DataType {
    pub(super) fn allows(&self, operation: char) -> bool {
        self.operations.contains(operation)
    }

    /// As in filters.
    pub(super) fn filter_id(&self) -> String {
        self.id.replace('-', "_")
    }

    /// As in JSON.
    pub(super) fn key(&self) -> String {
        let mut words = self.id.split('-');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |key, word| key + &word[..1].to_uppercase() + &word[1..])
    }

    /// Longest range of a roll-up in days, which is the largest page of a daily one as well.
    pub(super) fn longest_rollup(&self) -> i64 {
        match self.id {
            "heart-rate" | "active-minutes" | "total-calories" | "calories-in-heart-rate-zone" => 14,
            _ => 90,
        }
    }

    /// Default and largest page of a list.
    pub(super) fn page_sizes(&self) -> (usize, usize) {
        match self.id {
            "sleep" | "exercise" => (25, 25),
            // No more than so many heart rates were ever seen in a page.
            "heart-rate" => (1440, 5000),
            _ => (1440, 10_000),
        }
    }
}

/// The type of this id.
pub(super) fn find(id: &str) -> Option<&'static DataType> {
    TYPES.iter().find(|row| row.id == id)
}

const ACTIVITY: &str = "activity_and_fitness";
const METRICS: &str = "health_metrics_and_measurements";

const fn listed(
    id: &'static str,
    kind: Kind,
    scope: &'static str,
    operations: &'static str,
    points: Points,
) -> DataType {
    DataType { id, kind, scope, operations, points, counted: nothing, fold: no_value }
}

const fn counted(row: DataType, counted: Points, fold: fn(&[Point], bool) -> Map<String, Json>) -> DataType {
    DataType { counted, fold, ..row }
}

fn nothing(_: &Known, _: NaiveDate) -> Vec<Point> {
    Vec::new()
}

fn no_value(_: &[Point], _: bool) -> Map<String, Json> {
    Map::new()
}

use Kind::{Daily, Electrocardiogram, Interval, Sample, Session, Sleep};

#[rustfmt::skip]
static TYPES: &[DataType] = &[
    counted(listed("steps", Interval, ACTIVITY, "lrRD", activity::steps), activity::all_steps, activity::sum_steps),
    counted(listed("distance", Interval, ACTIVITY, "lrRD", activity::distance), activity::all_distance, activity::sum_distance),
    counted(listed("floors", Interval, ACTIVITY, "rRD", activity::floors), activity::all_floors, activity::sum_floors),
    counted(listed("altitude", Interval, ACTIVITY, "lrRD", activity::altitude), activity::all_altitude, activity::sum_altitude),
    counted(listed("total-calories", Interval, ACTIVITY, "RD", nothing), activity::all_calories, activity::sum_calories),
    counted(listed("active-energy-burned", Interval, ACTIVITY, "lrRD", activity::energy), activity::all_energy, activity::sum_energy),
    // In the schema, but there was never anything in it for Fitbit accounts.
    listed("basal-energy-burned", Interval, ACTIVITY, "lrRD", nothing),
    counted(listed("active-minutes", Interval, ACTIVITY, "lrRD", activity::minutes), activity::all_minutes, activity::sum_minutes),
    counted(listed("active-zone-minutes", Interval, ACTIVITY, "lrRD", activity::zone_minutes), activity::zone_minutes, activity::sum_zone_minutes),
    listed("activity-level", Interval, ACTIVITY, "lr", activity::levels),
    counted(listed("sedentary-period", Interval, ACTIVITY, "lrRD", activity::sedentary), activity::all_sedentary, activity::sum_sedentary),
    counted(listed("time-in-heart-rate-zone", Interval, ACTIVITY, "lrRD", vital::zone_times), vital::zone_minutes, vital::sum_zone_times),
    counted(listed("calories-in-heart-rate-zone", Interval, ACTIVITY, "RD", nothing), vital::zone_minutes, vital::sum_zone_calories),
    listed("exercise", Session, ACTIVITY, "lgr", session::exercises),
    listed("swim-lengths-data", Interval, ACTIVITY, "lrRD", nothing),
    counted(listed("run-vo2-max", Sample, ACTIVITY, "lrRD", vital::run_fitness), vital::run_fitness, vital::mean_fitness),
    listed("vo2-max", Sample, ACTIVITY, "lr", vital::measured_fitness),
    listed("daily-vo2-max", Daily, ACTIVITY, "lr", vital::daily_fitness),

    counted(listed("heart-rate", Sample, METRICS, "lrRD", vital::heart_rate), vital::heart_rate, vital::mean_heart_rate),
    listed("daily-resting-heart-rate", Daily, METRICS, "lr", vital::resting_heart_rate),
    listed("daily-heart-rate-zones", Daily, METRICS, "lr", vital::zone_bounds),
    listed("heart-rate-variability", Sample, METRICS, "lr", vital::variability),
    listed("daily-heart-rate-variability", Daily, METRICS, "lr", vital::daily_variability),
    listed("oxygen-saturation", Sample, METRICS, "lr", vital::oxygen),
    listed("daily-oxygen-saturation", Daily, METRICS, "lr", vital::daily_oxygen),
    listed("respiratory-rate-sleep-summary", Sample, METRICS, "lr", vital::respiration),
    listed("daily-respiratory-rate", Daily, METRICS, "lr", vital::daily_respiration),
    listed("daily-sleep-temperature-derivations", Daily, METRICS, "lr", vital::skin_temperature),
    counted(listed("core-body-temperature", Sample, METRICS, "lgrRD", vital::core_temperature), vital::core_temperature, vital::mean_core_temperature),
    listed("blood-glucose", Sample, METRICS, "lgrRD", nothing),
    counted(listed("weight", Sample, METRICS, "lgrRD", vital::weight), vital::weight, vital::mean_weight),
    counted(listed("body-fat", Sample, METRICS, "lgrRD", vital::fat), vital::fat, vital::mean_fat),
    listed("height", Sample, METRICS, "lgr", vital::height),

    listed("sleep", Sleep, "sleep", "lgr", session::sleeps),
    counted(listed("hydration-log", Session, "nutrition", "lgrRD", session::drinks), session::drinks, session::sum_drinks),
    counted(listed("nutrition-log", Session, "nutrition", "lgrRD", session::foods), session::foods, session::sum_foods),
    listed("food", Session, "nutrition", "lg", nothing),
    listed("food-measurement-unit", Session, "nutrition", "lg", nothing),
    listed("electrocardiogram", Electrocardiogram, "ecg", "l", session::electrocardiograms),
    listed("irregular-rhythm-notification", Session, "irn", "l", session::irregular_rhythms),
    // These are for writing only.
    listed("menstrual-period", Interval, "reproductive_health", "", nothing),
    listed("ovulation-test", Sample, "reproductive_health", "", nothing),
    listed("symptoms", Sample, "logged_symptoms", "", nothing),
    listed("moods", Sample, "mindfulness", "", nothing),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_filter_names_follow_from_the_id() {
        let row = find("daily-vo2-max").map(|row| (row.key(), row.filter_id()));
        assert_eq!(row, Some(("dailyVo2Max".to_owned(), "daily_vo2_max".to_owned())));
    }
}
