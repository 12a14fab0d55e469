//! Statements that write many rows at once: one round through the driver for hundreds of rows. They come in few sizes,
//! so that each is prepared once.

/// How many rows a statement writes; what is left over goes into smaller ones.
const SIZES: [usize; 3] = [512, 32, 1];

/// Rows in portions of the sizes that statements are made for.
pub(super) fn portions<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rows.len())?;
        let (portion, rest) = rows.split_at(size);
        rows = rest;
        Some(portion)
    })
}

/// The `VALUES` of `rows` rows: in each what is `common` to all (the first `bound` parameters), then `own` parameters.
pub(super) fn values(common: &str, bound: usize, own: usize, rows: usize) -> String {
    let mut sql = String::with_capacity(rows * (common.len() + own * 8));
    let mut next = bound + 1;
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        sql.push_str(common);
        for column in 0..own {
            let comma = if column == 0 && common.is_empty() { "" } else { ", " };
            sql.push_str(&format!("{comma}${next}"));
            next += 1;
        }
        sql.push(')');
    }
    sql
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
        assert_eq!(values("", 0, 1, 2), "($1), ($2)");
    }
}
