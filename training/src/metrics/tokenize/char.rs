//! Every character is a word.

use crate::metrics::text::is_space;

/// Puts a space between every two characters.
pub(super) fn tokenize(line: &str) -> String {
    let mut tokens = String::with_capacity(2 * line.len());
    for c in line.chars().filter(|&c| !is_space(c)) {
        if !tokens.is_empty() {
            tokens.push(' ');
        }
        tokens.push(c);
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_no_word() {
        assert_eq!(tokenize(" 東京 a\u{3000}b "), "東 京 a b");
    }
}
