//! Rows of a range, fetched page by page from both ends.

use std::collections::VecDeque;

use super::Postgres;
use crate::{Result, engine::Row};

/// Rows that are fetched at once: first, because many readers want but one, and then.
const PAGE: (i64, i64) = (16, 1024);

/// The rows of a tree from a key on, up to and without another.
pub(super) struct Pages {
    postgres: Postgres,
    tree: String,
    /// The first key, and whether it is one of them.
    from: (Vec<u8>, bool),
    to: Option<Vec<u8>>,
    page: i64,
    front: VecDeque<Row>,
    back: VecDeque<Row>,
    /// Whether no rows are between the two.
    is_read: bool,
}

impl Pages {
    pub(super) fn new(postgres: Postgres, tree: &str, from: Vec<u8>, to: Option<Vec<u8>>) -> Self {
        Self {
            postgres,
            tree: tree.into(),
            from: (from, true),
            to,
            page: PAGE.0,
            front: VecDeque::new(),
            back: VecDeque::new(),
            is_read: false,
        }
    }

    /// Fetches the next page from the beginning, or from the end.
    fn fetch(&mut self, is_back: bool) -> Result<()> {
        let select = statement(self.from.1, self.to.is_some(), is_back);
        let (tree, from, to, page) =
            (self.tree.clone(), self.from.0.clone(), self.to.clone(), self.page);
        self.postgres.send(&self.tree).inspect_err(|_| self.is_read = true)?;
        let found = self.postgres.pool.read(move |client| {
            let (tree, from, to) = (tree.clone(), from.clone(), to.clone());
            async move {
                let prepared = client.prepare_cached(select).await?;
                match &to {
                    Some(to) => client.query(&prepared, &[&tree, &from, &page, to]).await,
                    None => client.query(&prepared, &[&tree, &from, &page]).await,
                }
            }
        });
        let found = found.inspect_err(|_| self.is_read = true)?;
        self.is_read = (found.len() as i64) < self.page;
        self.page = PAGE.1;
        let rows = found.iter().map(|row| (row.get(0), row.get(1)));
        match is_back {
            true => {
                self.back = rows.rev().collect();
                self.to = self.back.front().map(|(key, _)| key.clone()).or(self.to.take());
            }
            false => {
                self.front = rows.collect();
                if let Some((last, _)) = self.front.back() {
                    self.from = (last.clone(), false);
                }
            }
        }
        Ok(())
    }
}

/// One of a few statements, so that each is prepared once for a connection.
fn statement(is_inclusive: bool, is_bounded: bool, is_back: bool) -> &'static str {
    macro_rules! select {
        ($compare:literal, $until:literal, $order:literal) => {
            concat!(
                "SELECT key, value FROM dragoman_rows WHERE tree = $1 AND key ",
                $compare,
                " $2 ",
                $until,
                " ORDER BY key ",
                $order,
                " LIMIT $3"
            )
        };
    }
    match (is_inclusive, is_bounded, is_back) {
        (true, true, true) => select!(">=", "AND key < $4", "DESC"),
        (true, true, false) => select!(">=", "AND key < $4", "ASC"),
        (true, false, true) => select!(">=", "", "DESC"),
        (true, false, false) => select!(">=", "", "ASC"),
        (false, true, true) => select!(">", "AND key < $4", "DESC"),
        (false, true, false) => select!(">", "AND key < $4", "ASC"),
        (false, false, true) => select!(">", "", "DESC"),
        (false, false, false) => select!(">", "", "ASC"),
    }
}

impl Iterator for Pages {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.front.is_empty()
            && !self.is_read
            && let Err(error) = self.fetch(false)
        {
            return Some(Err(error));
        }
        // Where the beginning has met the end, what the end has fetched is left.
        self.front.pop_front().or_else(|| self.back.pop_front()).map(Ok)
    }
}

impl DoubleEndedIterator for Pages {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.back.is_empty()
            && !self.is_read
            && let Err(error) = self.fetch(true)
        {
            return Some(Err(error));
        }
        self.back.pop_back().or_else(|| self.front.pop_back()).map(Ok)
    }
}
