//! Where values go beside the broker. Tells nobody anything.

use super::{Case, Finding};
use crate::sink::{igor, influxdb};

/// Whether Igor answers, to the user it is told by.
pub(super) async fn igor(case: &Case) -> Vec<Finding> {
    const SUBJECT: &str = "Igor";
    let Some(settings) = case.igor.clone() else { return Vec::new() };
    let what = format!("it answers at {}", settings.url);
    vec![judged(SUBJECT, what, igor::examine(settings, case.http.clone()).await)]
}

/// Whether InfluxDB takes what is written, from whom it is written by.
pub(super) async fn influxdb(case: &Case) -> Vec<Finding> {
    const SUBJECT: &str = "InfluxDB";
    let Some(settings) = case.influxdb.clone() else { return Vec::new() };
    let what = format!("it takes what is written to it at {}", settings.url);
    vec![judged(SUBJECT, what, influxdb::examine(settings, case.http.clone()).await)]
}

/// What is well, else the trouble, whose cure stands behind a semicolon.
fn judged(subject: &'static str, well: String, examined: Result<(), String>) -> Finding {
    match examined {
        Ok(()) => Finding::ok(subject, well),
        Err(why) => {
            let (what, cure) = why.rsplit_once("; ").unwrap_or((&why, "look whether it runs, and at its address"));
            Finding::trouble(subject, what, cure)
        }
    }
}
