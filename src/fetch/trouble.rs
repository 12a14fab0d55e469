//! What the log says of failures: one line for a fetch, and none again while the same methods go on failing alike.

use std::collections::{BTreeMap, HashMap};
use std::mem::{Discriminant, discriminant};
use std::sync::{Mutex, PoisonError};

use super::Outcome;
use crate::reading::Person;
use crate::upstream::Failure;

/// Characters of all reasons together that the log is told.
const MOST_CHARACTERS: usize = 1000;

/// The methods that failed, each with the kind of its failure; words may differ in a time or a number.
type Failing = BTreeMap<String, Discriminant<Failure>>;

/// What failed at each person's last fetch.
#[derive(Default)]
pub(super) struct Troubles(Mutex<HashMap<Person, Failing>>);

impl Troubles {
    /// Tells what is new about a fetch in which something worked; one that failed as a whole is its caller's to tell.
    pub fn tell(&self, person: &Person, outcome: &Outcome) {
        if outcome.error().is_some() {
            return;
        }
        let failing: Failing =
            outcome.failed().iter().map(|(method, failure)| (method.clone(), discriminant(failure))).collect();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.entry(person.clone()).or_default();
        // A fetch of some methods says nothing about the others.
        let others = before.iter().filter(|(method, _)| !outcome.asked(method));
        let now: Failing = others.map(|(method, kind)| (method.clone(), *kind)).chain(failing).collect();
        if now == *before {
            return;
        }
        match now.is_empty() {
            true => log::info!("{person}: everything works again"),
            false => log::warn!("{person}: not everything could be fetched: {}", words(outcome.failed())),
        }
        *before = now;
    }

    /// The person is gone.
    pub fn forget(&self, person: &Person) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(person);
    }
}

/// Each reason once, after the methods that it stopped.
fn words(failed: &[(String, Failure)]) -> String {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for (method, failure) in failed {
        let why = failure.to_string();
        match reasons.iter_mut().find(|(reason, _)| *reason == why) {
            Some((_, methods)) => methods.push(method),
            None => reasons.push((why, vec![method])),
        }
    }
    let sentences: Vec<String> =
        reasons.iter().map(|(reason, methods)| format!("{}: {reason}", methods.join(", "))).collect();
    let all = sentences.join("; ");
    // One line that can be read: an upstream can be wrong about very much.
    match all.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", &all[..end]),
        None => all,
    }
}
