//! Markdown: a plain text, but for the ways to write a link that a plain text does not know.
//!
//! `[the house][]` and `[the house]` name their target by their words, which change: they are read as
//! `[the house][the house]`, and written so where the words changed. A mark that no text has says which
//! of them it was, so that what does not change comes back byte for byte.

use std::{borrow::Cow, collections::HashSet, ops::Range, sync::LazyLock};

use regex::Regex;

use crate::{Document, Rewritten, Sentence, plain::PlainText};

/// Before the target of a reference that was `[words][]`.
const COLLAPSED: char = '\u{1}';

/// Before the target of a reference that was `[words]`.
const SHORTCUT: char = '\u{2}';

/// What stands for the characters of a target in angle brackets that end other targets.
const IN_TARGETS: [(char, char); 5] =
    [('<', '\u{3}'), ('>', '\u{4}'), (' ', '\u{5}'), ('(', '\u{6}'), (')', '\u{7}')];

/// Blanks, one of which stands for the reference `&nbsp;`.
const BLANKS: [char; 3] = ['\u{2007}', '\u{2008}', '\u{205f}'];

/// A document of Markdown.
#[derive(Debug)]
pub struct Markdown {
    inner: PlainText,
    /// Whether it was read in other words than it is written in.
    is_rewritten: bool,
    /// What stands for `&nbsp;`.
    blank: Option<char>,
}

impl Markdown {
    /// Finds the sentences of `text`, written in `language`.
    pub fn parse(text: &str, language: &str) -> Self {
        if text.contains(|c: char| ('\u{1}'..='\u{7}').contains(&c)) {
            // It has the characters that would stand for others.
            let inner = PlainText::parse(text, language);
            return Self { inner, is_rewritten: false, blank: None };
        }
        let read = in_full(text);
        let read = without_brackets(&read);
        let blank = BLANKS.into_iter().find(|&blank| !text.contains(blank));
        let read = match blank {
            Some(blank) => read.replace("&nbsp;", &blank.to_string()),
            None => read.into_owned(),
        };
        Self { inner: PlainText::parse(&read, language), is_rewritten: true, blank }
    }
}

impl Document for Markdown {
    fn sentences(&self) -> &[Sentence] {
        self.inner.sentences()
    }

    fn write(&self, sentences: &[&Rewritten]) -> String {
        let mut text = self.inner.write(sentences);
        if !self.is_rewritten {
            return text;
        }
        if let Some(blank) = self.blank {
            text = text.replace(blank, "&nbsp;");
        }
        for (real, other) in IN_TARGETS {
            text = text.replace(other, real.encode_utf8(&mut [0; 4]));
        }
        in_short(&text)
    }

    fn has_alternatives(&self) -> bool {
        true
    }
}

/// A definition: `[label]: target`.
static DEFINITION: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(?m)^(?:[ \t]{0,3}(?:>[ \t]?){0,8})[ \t]{0,3}\[([^\[\]\n^][^\[\]\n]*)\]:[ \t]*\S")
});

/// A reference that may name its target by its words, and what stands behind it.
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| regex(r"\[([^\[\]\n]+)\](\[\])?"));

/// A target in angle brackets, with its title perhaps.
static BRACKETS: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"\]\((<[^<>\n]*>)(?:[ \t]{1,4}(?:"[^"\n]*"|'[^'\n]*'))?\)"#));

/// A reference that was written in full.
static FULL: LazyLock<Regex> =
    LazyLock::new(|| regex("\\[([^\\[\\]\n]*)\\]\\[([\u{1}\u{2}])([^\\[\\]\n]+)\\]"));

fn regex(regex: &str) -> Regex {
    Regex::new(regex).expect("it is valid")
}

/// A label as labels are compared: in one case, with one space for any blanks.
fn key(label: &str) -> String {
    label.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `text` with each reference that names its target by its words written in full.
fn in_full(text: &str) -> Cow<'_, str> {
    let defined: HashSet<String> =
        DEFINITION.captures_iter(text).map(|found| key(&found[1])).collect();
    if defined.is_empty() {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for found in REFERENCE.captures_iter(text) {
        let (whole, label) = (found.get_match().range(), &found[1]);
        if !defined.contains(&key(label)) || !is_reference(text, &whole) {
            continue;
        }
        let (mark, words) = match found.get(2) {
            Some(empty) => (COLLAPSED, whole.start..empty.start()),
            None => (SHORTCUT, whole.clone()),
        };
        out.push_str(&text[at..words.end]);
        out.extend(['[', mark]);
        out.push_str(label);
        out.push(']');
        at = whole.end;
    }
    out.push_str(&text[at..]);
    out.into()
}

/// Whether the brackets at `at` are no definition, no target, and no words of another link.
fn is_reference(text: &str, at: &Range<usize>) -> bool {
    let before = text[..at.start].chars().next_back();
    let is_short = text[at.clone()].ends_with(']') && !text[at.clone()].ends_with("[]");
    let goes_on = text[at.end..].starts_with(['(', '[', ':']);
    !(matches!(before, Some(']' | '\\' | '[')) || is_short && goes_on)
}

/// References in their short forms, where their words still are their target.
fn in_short(text: &str) -> String {
    let short = |found: &regex::Captures<'_>| {
        let (words, mark, label) = (&found[1], &found[2], &found[3]);
        match (words == label, mark.starts_with(COLLAPSED)) {
            (true, true) => format!("[{words}][]"),
            (true, false) => format!("[{words}]"),
            (false, _) => format!("[{words}][{label}]"),
        }
    };
    let text = FULL.replace_all(text, short);
    // Where a translation has brackets of its own.
    text.replace([COLLAPSED, SHORTCUT], "")
}

/// `text` with other characters in place of what would end a target outside of angle brackets.
fn without_brackets(text: &str) -> Cow<'_, str> {
    BRACKETS.replace_all(text, |found: &regex::Captures<'_>| {
        let target = &found[1];
        let hidden: String = target
            .chars()
            .map(|c| IN_TARGETS.iter().find(|(real, _)| *real == c).map_or(c, |(_, other)| *other))
            .collect();
        found[0].replacen(target, &hidden, 1)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Options, Session};

    fn translate(text: &str, model: impl Fn(&str) -> String) -> String {
        let options = Options { source: "en".into(), target: "de".into(), ..Options::default() };
        let mut session = Session::of(Box::new(Markdown::parse(text, "en")), &options);
        for _ in 0..10 {
            let answers: Vec<[String; 1]> =
                session.segments().iter().map(|text| [model(text)]).collect();
            session.accept(&answers);
        }
        session.finish(0).texts.swap_remove(0)
    }

    #[test]
    fn references_keep_their_targets() {
        let end = "\n\n[the house]: https://a.org/x\n[Garden]: /b\n";
        for (source, expected) in [
            ("See [the house][] now.", "SEE [THE HOUSE][the house] NOW."),
            ("See [the house] now.", "SEE [THE HOUSE][the house] NOW."),
            ("See [garden], now.", "SEE [GARDEN][garden], NOW."),
            ("See [it][the house] now.", "SEE [IT][the house] NOW."),
            ("See [it](a.html) now.", "SEE [IT](a.html) NOW."),
            ("See [some words] now.", "SEE [SOME WORDS] NOW."),
            ("See `[garden]` now.", "SEE `[garden]` NOW."),
            ("See ![garden] and [x] now.", "SEE ![garden] AND [X] NOW."),
            ("```\n[garden][]\n```", "```\n[garden][]\n```"),
        ] {
            let source = format!("{source}{end}");
            assert_eq!(translate(&source, str::to_uppercase), format!("{expected}{end}"));
            assert_eq!(translate(&source, str::to_owned), source);
        }
        // Without a definition they are words in brackets.
        assert_eq!(translate("See [garden] now.", str::to_uppercase), "SEE [GARDEN] NOW.");
    }

    #[test]
    fn targets_in_angle_brackets_stay() {
        let source = "[the *big* house](<a b (1).html>)\n\nSee [it](<x y> \"A title\") now.\n";
        let expected = "[THE *BIG* HOUSE](<a b (1).html>)\n\nSEE [IT](<x y> \"A title\") NOW.\n";
        assert_eq!(translate(source, str::to_uppercase), expected);
        assert_eq!(translate(source, str::to_owned), source);
    }

    #[test]
    fn words_around_a_hard_space_are_translated() {
        let source = "Ten&nbsp;dogs sleep.\n\n&nbsp;\n\n`a&nbsp;b`\n";
        let out = translate(source, str::to_uppercase);
        assert_eq!(out, "TEN DOGS SLEEP.\n\n&nbsp;\n\n`a&nbsp;b`\n");
        assert_eq!(translate(source, str::to_owned), source);
    }

    proptest! {
        #[test]
        fn what_is_translated_into_itself_stays_the_same(
            text in "(\\[a\\]: b\n|\\[|\\]|\\(|\\)|<|>|a|b|word|dogs |\\[\\]|!|`|\n|\u{1}|\u{5}|&nbsp;| |\\\\|\\PC){0,40}"
        ) {
            prop_assert_eq!(translate(&text, str::to_owned), text);
        }
    }
}
