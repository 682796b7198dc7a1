//! Ratings of Amazon without a header: those of 2014 begin with the user, those of 2018 with the item.

use std::{
    io::{BufRead, Read},
    path::Path,
};

use super::table::Separator;
use crate::corpus::input;

/// Lines that are looked at, and bytes at most.
const LINES: usize = 50;
const BYTES: u64 = 1 << 16;

/// Whether the first lines of a table without a header all begin with a product of Amazon and a user of it.
pub(super) fn is_item_first(path: &Path, separator: Separator) -> bool {
    // What is read once only, such as a pipe, is not opened here; what cannot be read is reported later.
    let Some(file) = path.is_file().then(|| input::open(path).ok()).flatten() else { return false };
    let lines = file.into_reader().take(BYTES).lines().map_while(Result::ok);
    let lines: Vec<String> = lines.take(LINES).collect();
    let begins = |line: &String| match separator.split(line).as_slice() {
        [item, user, ..] => is_product(item) && is_user(user),
        _ => false,
    };
    let mut filled = lines.iter().filter(|line| !line.trim().is_empty()).peekable();
    filled.peek().is_some() && filled.all(begins)
}

/// `B00005N7P0`, or the ten characters of an ISBN.
fn is_product(text: &str) -> bool {
    let is_upper = |text: &str| text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let is_isbn = || text[..9].bytes().all(|b| b.is_ascii_digit());
    text.len() == 10 && is_upper(text) && (text.starts_with('B') || is_isbn())
}

/// `A1YS9MDZP93857`.
fn is_user(text: &str) -> bool {
    let is_upper = text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    text.starts_with('A') && is_upper && (10..=14).contains(&text.len())
}
