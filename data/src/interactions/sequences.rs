//! Files of sequences without times, as the SASRec papers use them.

use std::path::Path;

use super::build::{Builder, Row};
use crate::Result;

/// Reads `user item item …`, or `user item` again and again, one line for each event.
pub(super) fn read_users(path: &Path, builder: &mut Builder) -> Result<()> {
    builder.each_line(path, |builder, _, line| {
        let mut words = line.split_whitespace();
        let user = words.next().unwrap_or_default();
        let mut words = words.peekable();
        if words.peek().is_none() {
            return Err("a user and an item are wanted at least".into());
        }
        words.try_for_each(|item| builder.event(row(user.to_owned(), item)))
    })
}

/// Reads `item item …`, one line for each user, who is called by the number of the line.
pub(super) fn read_lines(path: &Path, builder: &mut Builder) -> Result<()> {
    builder.each_line(path, |builder, number, line| {
        line.split_whitespace().try_for_each(|item| builder.event(row(number.to_string(), item)))
    })
}

fn row(user: String, item: &str) -> Row {
    Row { user, item: item.to_owned(), kind: String::new(), value: 1.0, time: 0 }
}
