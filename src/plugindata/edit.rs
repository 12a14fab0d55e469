//! Changes to a TOML text that leave the rest of it as someone wrote it: order, spacing, comments.
//! Knows no key.

use toml_edit::{Decor, DocumentMut, Item, Table, TableLike, Value};

/// Sets a key, in its place and with the comments around it if it is there already.
pub(super) fn put(table: &mut dyn TableLike, key: &str, value: impl Into<Value>) {
    let mut value = value.into();
    match table.get_mut(key) {
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        _ => {
            table.insert(key, Item::Value(value));
        }
    }
}

/// Sets a key at the top. In a text that was nothing but comments, they stay above it.
pub(super) fn put_at_top(document: &mut DocumentMut, key: &str, value: impl Into<Value>) {
    let only_comments = document.as_table().is_empty();
    put(document.as_table_mut(), key, value);
    if only_comments {
        let comments = document.trailing().as_str().unwrap_or_default().to_owned();
        if let Some(mut key) = document.as_table_mut().key_mut(key) {
            key.leaf_decor_mut().set_prefix(comments);
            document.set_trailing("");
        }
    }
}

/// The table of this name, made at the end of the text if there is none. `None`: something else has that name.
pub(super) fn table<'d>(document: &'d mut DocumentMut, name: &str) -> Option<&'d mut dyn TableLike> {
    if !document.contains_key(name) {
        let mut table = Table::new();
        let comments = document.trailing().as_str().unwrap_or_default().to_owned();
        if comments.contains('#') {
            table.decor_mut().set_prefix(format!("{comments}\n"));
            document.set_trailing("");
        }
        document.insert(name, Item::Table(table));
    }
    document.get_mut(name)?.as_table_like_mut()
}

/// Removes a key at the top, or a whole table; comments above it stay, with what comes next.
pub(super) fn remove(document: &mut DocumentMut, key: &str) {
    let mut orphans = above(document.as_table().key(key).map(|key| key.leaf_decor()));
    let after = document.get(key).and_then(|item| item.as_table()).and_then(Table::position);
    if let Some(Item::Table(table)) = document.get(key) {
        orphans.push_str(&above(Some(table.decor())));
        for (name, _) in table {
            orphans.push_str(&above(table.key(name).map(|key| key.leaf_decor())));
        }
    }
    let next = after.is_none().then(|| next_value(document.as_table(), key)).flatten();
    document.as_table_mut().remove(key);
    if orphans.is_empty() {
        return;
    }
    if let Some(mut next) = next.and_then(|next| document.as_table_mut().key_mut(&next)) {
        prepend(next.leaf_decor_mut(), &orphans);
        return;
    }
    let tables = document.as_table_mut().iter_mut().filter_map(|(_, item)| item.as_table_mut());
    let later = tables.filter(|table| table.position() > after).min_by_key(|table| table.position());
    match later {
        Some(table) => prepend(table.decor_mut(), &orphans),
        None => {
            let trailing = document.trailing().as_str().unwrap_or_default();
            document.set_trailing(format!("{orphans}{trailing}"));
        }
    }
}

/// Removes a key of a table; comments above it stay with the key that comes next, if one does.
pub(super) fn remove_within(table: &mut dyn TableLike, key: &str) {
    let orphans = above(table.key(key).map(|key| key.leaf_decor()));
    let next = table.iter().skip_while(|(name, _)| *name != key).nth(1).map(|(name, _)| name.to_owned());
    table.remove(key);
    if let Some(mut next) = next.and_then(|next| table.key_mut(&next)) {
        prepend(next.leaf_decor_mut(), &orphans);
    }
}

fn next_value(table: &Table, key: &str) -> Option<String> {
    let after = table.iter().skip_while(|(name, _)| *name != key).skip(1);
    after.filter(|(_, item)| item.is_value()).map(|(name, _)| name.to_owned()).next()
}

/// The comments on lines of their own above something.
fn above(decor: Option<&Decor>) -> String {
    let prefix = decor.and_then(Decor::prefix).and_then(|prefix| prefix.as_str()).unwrap_or_default();
    if prefix.contains('#') { prefix.to_owned() } else { String::new() }
}

fn prepend(decor: &mut Decor, comments: &str) {
    let own = decor.prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
    decor.set_prefix(format!("{comments}{own}"));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn edited(text: &str, edit: impl FnOnce(&mut DocumentMut)) -> String {
        let mut document = text.parse().unwrap();
        edit(&mut document);
        document.to_string()
    }

    #[test]
    fn a_value_changes_in_its_place() {
        let text = "# mine\nb = 1 # why\n\n  a   =   'x'  # how\n[token] # here\n# there\nc = 1\n";
        let changed = edited(text, |document| {
            put_at_top(document, "a", "y");
            put(table(document, "token").unwrap(), "c", 2);
        });
        assert_eq!(changed, text.replace("'x'", "\"y\"").replace("c = 1", "c = 2"));
    }

    #[test]
    fn what_is_new_comes_after_the_comments_that_were_there() {
        assert_eq!(edited("# mine\n", |document| put_at_top(document, "a", 1)), "# mine\na = 1\n");
        let with_table = edited("a = 1\n# mine\n", |document| put(table(document, "token").unwrap(), "b", 2));
        assert_eq!(with_table, "a = 1\n# mine\n\n[token]\nb = 2\n");
        let with_key = edited("a = 1\n\n[token]\nb = 2\n", |document| put_at_top(document, "c", 3));
        assert_eq!(with_key, "a = 1\nc = 3\n\n[token]\nb = 2\n");
    }

    #[test]
    fn comments_outlive_what_they_stood_above() {
        let text = "# one\na = 1\n# two\nb = 2\n# three\n[token]\n# four\nc = 3\n# five\n[later]\n# six\n";
        assert_eq!(edited(text, |document| remove(document, "a")), text.replace("a = 1\n", ""));
        assert_eq!(edited(text, |document| remove(document, "b")), text.replace("b = 2\n", ""));
        let removed = edited(text, |document| remove(document, "token"));
        assert_eq!(removed, text.replace("[token]\n", "").replace("c = 3\n", ""));
        let last = edited("a = 1\n\n# three\n[token]\n# four\nc = 3\n# five\n", |document| remove(document, "token"));
        assert_eq!(last, "a = 1\n\n# three\n# four\n# five\n");
        let within = edited("[token]\n# four\nc = 3\nd = 4\n", |document| {
            remove_within(table(document, "token").unwrap(), "c");
        });
        assert_eq!(within, "[token]\n# four\nd = 4\n");
    }
}
