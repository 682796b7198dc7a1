//! Parentheses of a translation: in pairs where those of its source are.
//!
//! Models lose one of them, or write one that nobody opened. Where the source has its parentheses in pairs,
//! one that is alone in the translation gets its other half where the source has it, by the share of letters
//! before it, at the nearest end of a word; where the source has no such pair, it goes.

/// Where the parentheses of a text are.
#[derive(Debug, Default, PartialEq)]
struct Parentheses {
    /// Those that belong together, as byte offsets, in the order of their ends.
    pairs: Vec<(usize, usize)>,
    /// Those that are alone.
    alone: Vec<usize>,
}

impl Parentheses {
    fn of(text: &str) -> Self {
        let (mut found, mut open) = (Self::default(), Vec::new());
        for (at, half) in text.match_indices(['(', ')']) {
            match half {
                "(" => open.push(at),
                _ => match open.pop() {
                    Some(start) => found.pairs.push((start, at)),
                    None => found.alone.push(at),
                },
            }
        }
        found.alone.extend(open);
        found
    }
}

/// `translation` with the parentheses of `source` in pairs.
pub(crate) fn paired(source: &str, translation: &str) -> String {
    let (theirs, ours) = (Parentheses::of(source), Parentheses::of(translation));
    // A smiley or the number of a list is alone in the source, too.
    if !theirs.alone.is_empty() || ours.alone.is_empty() {
        return translation.to_owned();
    }
    let missing = theirs.pairs.len().saturating_sub(ours.pairs.len());
    match (&ours.alone[..], &theirs.pairs[..]) {
        (&[alone], &[(start, end)]) if missing == 1 => {
            with_other_half(source, [start, end], translation, alone)
        }
        _ => without(translation, &ours.alone),
    }
}

fn without(text: &str, places: &[usize]) -> String {
    let kept = text.char_indices().filter(|(at, _)| !places.contains(at));
    kept.map(|(_, c)| c).collect()
}

/// `text` with the other half of the parenthesis at `alone`, where `source` has that of the pair `theirs`.
fn with_other_half(source: &str, theirs: [usize; 2], text: &str, alone: usize) -> String {
    let opens = text[alone..].starts_with('(');
    let wanted = share(source, theirs[usize::from(opens)]);
    let distance = |at: &usize| (share(text, *at) - wanted).abs();
    let ends = text.char_indices().filter(|&(at, c)| is_edge(text, at, c, opens));
    let places = ends.map(|(at, c)| if opens { at + c.len_utf8() } else { at });
    let places = places.filter(|at| if opens { *at > alone + 1 } else { *at < alone });
    match places.min_by(|a, b| distance(a).total_cmp(&distance(b))) {
        Some(at) => {
            let half = if opens { ')' } else { '(' };
            format!("{}{half}{}", &text[..at], &text[at..])
        }
        None => without(text, &[alone]),
    }
}

/// Whether the character `c` at `at` is the last one of a word, or the first one.
fn is_edge(text: &str, at: usize, c: char, last: bool) -> bool {
    let is_space = |c: Option<char>| c.is_none_or(char::is_whitespace);
    let is_mark = |c: char| matches!(c, '.' | ',' | ';' | ':' | '!' | '?');
    let rest = &text[at + c.len_utf8()..];
    !c.is_whitespace()
        && match last {
            true => !is_mark(c) && is_space(rest.trim_start_matches(is_mark).chars().next()),
            false => is_space(text[..at].chars().next_back()),
        }
}

/// The share of the letters of `text` that stand before `at`.
fn share(text: &str, at: usize) -> f32 {
    let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count() as f32;
    letters(&text[..at]) / letters(text).max(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_other_half_stands_where_the_source_has_it() {
        for (source, translation, wanted) in [
            ("Discuss the budget (see page 12)", "Budget S. 12)", "Budget (S. 12)"),
            ("(See the list.)", "Siehe die Liste.)", "(Siehe die Liste.)"),
            ("He left (at last).", "Er ging (endlich.", "Er ging (endlich)."),
            (
                "The bird (a robin) sings.",
                "Der Vogel (ein Spatz singt.",
                "Der Vogel (ein Spatz) singt.",
            ),
            ("The house is small.", "Das Haus (ist klein.", "Das Haus ist klein."),
            (
                "The house (1990) is small.",
                "Das Haus (1990) ist klein).",
                "Das Haus (1990) ist klein.",
            ),
        ] {
            assert_eq!(paired(source, translation), wanted);
        }
    }

    #[test]
    fn what_is_paired_or_alone_in_the_source_stays() {
        for (source, translation) in [
            ("Fine :)", "Gut :)"),
            ("a) alpha", "a) Alpha"),
            ("The bird (a robin) sings.", "Der Vogel (ein Spatz) singt."),
            ("The bird (a robin) sings.", "Der Vogel singt."),
            ("(a) and (b", "(a) und (b"),
        ] {
            assert_eq!(paired(source, translation), translation);
        }
    }

    proptest! {
        #[test]
        fn nothing_else_is_changed(source in "[()a-c ,.é]{0,20}", translation in "[()a-c ,.é]{0,20}") {
            let others = |text: &str| text.replace(['(', ')'], "");
            prop_assert_eq!(others(&paired(&source, &translation)), others(&translation));
        }
    }
}
