//! What Igor is to know and what it knows: the difference is what has to be said.
//! Pure: no input, no output, no clock.

use std::collections::{BTreeMap, BTreeSet};

use super::statement::Place;

/// For each place, a statement, or `None` where nothing shall be.
#[derive(Debug, Default)]
pub(super) struct Board {
    wanted: BTreeMap<Place, Option<String>>,
    known: BTreeMap<Place, Option<String>>,
}

impl Board {
    /// Wants exactly these statements: other places shall be empty.
    pub fn replace(&mut self, statements: BTreeMap<Place, String>) {
        for statement in self.wanted.values_mut() {
            *statement = None;
        }
        self.wanted.extend(statements.into_iter().map(|(place, statement)| (place, Some(statement))));
    }

    /// Whether something shall be there.
    pub fn wants(&self, place: &Place) -> bool {
        self.wanted.get(place).is_some_and(Option::is_some)
    }

    /// Wants nothing to be there.
    pub fn withdraw(&mut self, place: Place) {
        self.wanted.insert(place, None);
    }

    /// How much has to be said.
    pub fn open(&self) -> usize {
        self.differing().count()
    }

    fn differing(&self) -> impl Iterator<Item = (&Place, &Option<String>)> {
        self.wanted.iter().filter(|(place, statement)| self.known.get(*place) != Some(*statement))
    }

    /// The first of what has to be said, but for `aside`.
    pub fn next(&self, aside: &BTreeSet<Place>) -> Option<(Place, Option<String>)> {
        let mut open = self.differing().filter(|(place, _)| !aside.contains(*place));
        open.next().map(|(place, statement)| (place.clone(), statement.clone()))
    }

    /// This was said. `true`: the place is empty, and shall be.
    pub fn said(&mut self, place: &Place, statement: Option<String>) -> bool {
        let gone = statement.is_none() && !self.wants(place);
        if gone {
            self.wanted.remove(place);
            self.known.remove(place);
        } else {
            self.known.insert(place.clone(), statement);
        }
        gone
    }

    /// Igor may have forgotten anything: all is said again.
    pub fn doubt(&mut self) {
        self.known.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn place(name: &str) -> Place {
        Place::Health(name.into())
    }

    fn all(names: &[&str]) -> BTreeMap<Place, String> {
        names.iter().map(|name| (place(name), format!("{name} is well"))).collect()
    }

    /// Says everything, and gives back what that was.
    fn say(board: &mut Board) -> Vec<(String, bool)> {
        let mut said = Vec::new();
        while let Some((place, statement)) = board.next(&BTreeSet::new()) {
            said.push((place.path(), statement.is_some()));
            board.said(&place, statement);
        }
        said
    }

    #[test]
    fn what_is_known_is_not_said_and_what_is_gone_is_taken_back_once() {
        let mut board = Board::default();
        board.replace(all(&["a", "b"]));
        assert_eq!(say(&mut board), [("data/status/a".into(), true), ("data/status/b".into(), true)]);
        board.replace(all(&["a", "b"]));
        assert_eq!(say(&mut board), []);
        board.replace(all(&["b"]));
        assert_eq!(say(&mut board), [("data/status/a".into(), false)]);
        board.replace(all(&["b"]));
        assert_eq!(say(&mut board), []);
        board.doubt();
        assert_eq!(say(&mut board), [("data/status/b".into(), true)]);
    }

    #[test]
    fn what_changes_while_it_is_said_is_said_again() {
        let mut board = Board::default();
        board.replace(all(&["a"]));
        let (place, statement) = board.next(&BTreeSet::new()).unwrap();
        board.replace(BTreeMap::from([(place.clone(), "a is ill".to_owned())]));
        board.said(&place, statement);
        assert_eq!(board.next(&BTreeSet::new()), Some((place.clone(), Some("a is ill".to_owned()))));
        board.replace(BTreeMap::new());
        assert!(!board.said(&place, Some("a is ill".to_owned())), "it is there now");
        assert_eq!(say(&mut board), [("data/status/a".into(), false)]);
    }

    #[test]
    fn one_that_is_refused_holds_up_no_other() {
        let mut board = Board::default();
        board.replace(all(&["a", "b"]));
        let aside = BTreeSet::from([place("a")]);
        assert_eq!(board.next(&aside).unwrap().0, place("b"));
    }
}
