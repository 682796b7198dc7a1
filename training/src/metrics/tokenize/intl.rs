//! The international tokenizer of `mteval-v14.pl`.

use std::sync::LazyLock;

use regex::Regex;

use crate::metrics::text::words;

static RULES: LazyLock<[(Regex, &str); 3]> = LazyLock::new(|| {
    let rule = |pattern| Regex::new(pattern).expect("the pattern is a constant");
    [
        // Punctuation, unless numbers stand on both sides.
        (rule(r"(\P{N})(\p{P})"), "$1 $2 "),
        (rule(r"(\p{P})(\P{N})"), " $1 $2"),
        (rule(r"(\p{S})"), " $1 "),
    ]
});

/// Cuts `line` into words; a full stop right after a number at the end of a line stays with it.
pub(super) fn tokenize(line: &str) -> String {
    let cut = RULES.iter().fold(line.to_owned(), |line, (rule, replacement)| {
        rule.replace_all(&line, *replacement).into_owned()
    });
    words(&cut).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_of_every_script_is_cut_off() {
        assert_eq!(tokenize("«Да», сказал он…"), "« Да » , сказал он …");
        assert_eq!(tokenize("it's 5€ or 3.14"), "it ' s 5 € or 3.14");
        assert_eq!(tokenize("the year 2018."), "the year 2018.");
    }
}
