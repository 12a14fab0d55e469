//! Statements that write many rows at once: one round through the driver for hundreds of rows. They come in few sizes,
//! so that each is prepared once.

use super::Connection;
use super::engine::Engine;

/// How many rows a statement writes; what is left over goes into smaller ones.
const SIZES: [usize; 3] = [256, 16, 1];

/// Rows in portions of the sizes that statements are made for.
pub(super) fn portions<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rows.len())?;
        let (portion, rest) = rows.split_at(size);
        rows = rest;
        Some(portion)
    })
}

/// A statement that writes rows, in all its sizes: the texts are made once, for there are millions of rows.
pub(super) struct Insert {
    sqlite: [String; SIZES.len()],
    postgres: [String; SIZES.len()],
}

impl Insert {
    /// `begin` and `end` are the statement around its `VALUES`. Each row has `common` parameters that all share, then `own`
    /// ones. What is bound first is each row's own, then what they share.
    pub fn new(begin: &str, common: usize, own: usize, end: &str) -> Insert {
        let text = |engine| SIZES.map(|rows| format!("{begin} VALUES {} {end}", values(engine, common, own, rows)));
        Insert { sqlite: text(Engine::Sqlite), postgres: text(Engine::Postgres) }
    }

    /// The text for a portion of rows, in the words of this connection's database.
    pub fn of<T>(&'static self, connection: &Connection, portion: &[T]) -> &'static str {
        let texts = match Engine::of(connection) {
            Engine::Sqlite => &self.sqlite,
            Engine::Postgres => &self.postgres,
        };
        let place = SIZES.iter().position(|size| *size == portion.len());
        // Every portion has one of the sizes.
        &texts[place.unwrap_or(SIZES.len() - 1)]
    }
}

/// For each parameter with a name SQLite looks through all the names there are; so only what rows share has one there.
fn values(engine: Engine, common: usize, own: usize, rows: usize) -> String {
    let row = |row: usize| {
        let common = (0..common).map(|column| format!("${}", rows * own + column + 1));
        let own = (0..own).map(|column| match engine {
            Engine::Sqlite => "?".to_owned(),
            Engine::Postgres => format!("${}", row * own + column + 1),
        });
        format!("({})", common.chain(own).collect::<Vec<_>>().join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_portion_and_portions_have_few_sizes() {
        let rows: Vec<usize> = (0..1440).collect();
        let portions: Vec<_> = portions(&rows).collect();
        assert_eq!(portions.concat(), rows);
        assert!(portions.iter().all(|portion| SIZES.contains(&portion.len())));
    }

    #[test]
    fn what_rows_share_is_bound_after_what_they_do_not() {
        assert_eq!(values(Engine::Sqlite, 1, 2, 2), "($5, ?, ?), ($5, ?, ?)");
        assert_eq!(values(Engine::Postgres, 1, 2, 2), "($5, $1, $2), ($5, $3, $4)");
    }
}
