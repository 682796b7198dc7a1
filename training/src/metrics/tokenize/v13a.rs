//! The tokenizer of `mteval-v13a.pl`, in which WMT's BLEU scores are given.

use std::{borrow::Cow, sync::LazyLock};

use regex::Regex;

use crate::metrics::text::words;

/// The rules, applied one after the other; each match is found left of the next, without overlap.
static RULES: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
    let rule = |pattern| Regex::new(pattern).expect("the pattern is a constant");
    [
        // ASCII punctuation and the space, without the apostrophe, comma, hyphen and full stop.
        (rule(r"([\{-~\[-` -&\(-\+:-@/])"), " $1 "),
        // A full stop or comma, unless digits stand on both sides.
        (rule(r"([^0-9])([\.,])"), "$1 $2 "),
        (rule(r"([\.,])([^0-9])"), " $1 $2"),
        // A hyphen after a digit.
        (rule(r"([0-9])(-)"), "$1 $2 "),
    ]
});

/// Cuts `line` into words.
pub(super) fn tokenize(line: &str) -> String {
    let line = line.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    // In this order, as in the original: `&amp;lt;` becomes `<`.
    let line = match line.contains('&') {
        true => line
            .replace("&quot;", "\"")
            .replace("&amp;", "&")
            .replace("&lt;", "<")
            .replace("&gt;", ">"),
        false => line,
    };
    apply_rules(&format!(" {line} "))
}

/// The second half, which the Chinese tokenizer shares.
pub(super) fn apply_rules(line: &str) -> String {
    let line = RULES.iter().fold(Cow::Borrowed(line), |line, (rule, replacement)| {
        match rule.replace_all(&line, *replacement) {
            Cow::Borrowed(_) => line,
            Cow::Owned(changed) => Cow::Owned(changed),
        }
    });
    words(&line).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_whole_and_punctuation_is_cut_off() {
        assert_eq!(tokenize("It's 3.14, not 1,000!"), "It's 3.14 , not 1,000 !");
        assert_eq!(tokenize("The year 2018."), "The year 2018 .");
        assert_eq!(tokenize("a 5-year-old (boy)"), "a 5 - year-old ( boy )");
        assert_eq!(tokenize("wait..."), "wait . . .");
    }

    #[test]
    fn entities_are_undone_and_lines_joined() {
        assert_eq!(tokenize("&quot;AT&amp;T&quot; &lt;b&gt;"), "\" AT & T \" < b >");
        assert_eq!(tokenize("foot-\nball\nnow<skipped>"), "football now");
    }
}
