//! Statements that write many rows at once: one round through the driver for hundreds of rows. They come in few sizes,
//! so that each is prepared once.

/// How many rows a statement writes; what is left over goes into smaller ones. More would be slower: SQLite looks for each
/// parameter's name among those before it.
const SIZES: [usize; 3] = [64, 8, 1];

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
pub(super) struct Insert([String; SIZES.len()]);

impl Insert {
    /// `begin` and `end` are the statement around its `VALUES`; each row has what is `common` to all (the first `bound`
    /// parameters), then `own` parameters.
    pub fn new(begin: &str, common: &str, bound: usize, own: usize, end: &str) -> Insert {
        Insert(SIZES.map(|rows| format!("{begin} VALUES {} {end}", values(common, bound, own, rows))))
    }

    /// The text for a portion of rows.
    pub fn of<T>(&'static self, portion: &[T]) -> &'static str {
        let place = SIZES.iter().position(|size| *size == portion.len());
        // Every portion has one of the sizes.
        &self.0[place.unwrap_or(SIZES.len() - 1)]
    }
}

fn values(common: &str, bound: usize, own: usize, rows: usize) -> String {
    let row = |row: usize| {
        let own = (0..own).map(|column| format!("${}", bound + row * own + column + 1));
        let columns: Vec<_> = [common.to_owned()].into_iter().chain(own).collect();
        format!("({})", columns.join(", "))
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
    fn parameters_are_counted_on_from_those_bound_once() {
        assert_eq!(values("$1, 7", 1, 2, 2), "($1, 7, $2, $3), ($1, 7, $4, $5)");
        assert_eq!(values("$1", 1, 1, 1), "($1, $2)");
    }
}
