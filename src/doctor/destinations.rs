//! Where values go beside the broker. Tells nobody anything.

use super::{Case, Finding};
use crate::sink::igor;

/// Whether Igor answers, to the user it is told by.
pub(super) async fn igor(case: &Case) -> Vec<Finding> {
    const SUBJECT: &str = "Igor";
    let Some(config) = &case.config.igor else { return Vec::new() };
    let (username, password) = (config.username.clone(), config.password.clone());
    let settings = igor::Settings { url: config.url.url().clone(), username, password };
    vec![match igor::examine(settings, case.http.clone()).await {
        Ok(()) => Finding::ok(SUBJECT, format!("it answers at {}", config.url)),
        Err(why) => {
            let (what, cure) = why.split_once("; ").unwrap_or((&why, "look whether Igor runs, and at igor.url"));
            Finding::trouble(SUBJECT, what, cure)
        }
    }]
}
