//! One page of a longer list, by keyset and never by offset.

/// Rows of a page when the client does not say.
pub const DEFAULT_LIMIT: usize = 50;
/// Rows of a page at most.
pub const MAX_LIMIT: usize = 100;

/// One page, and where the next one begins, if there is one.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Opaque to clients; absent on the last page.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Cuts rows that were fetched with one more than `limit` into a page; `key` names the place after a row.
    pub fn cut(mut rows: Vec<T>, limit: usize, key: impl Fn(&T) -> String) -> Self {
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = if has_more { rows.last().map(key) } else { None };
        Self { items: rows, next_cursor }
    }

    /// The same page with each row turned into something else.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next_cursor: self.next_cursor }
    }
}
