//! Whether an answer holds what it must, and nothing that it must not.

use super::{
    loops::{loses_end, repeats, squeezed, stutters},
    mask::{self, Spelled},
    numerals,
    part::Context,
};
use crate::{
    letters::{Script, has_own, is_letter, is_unspaced, may_write, script},
    pieces::{self, Carry, Kind, value},
    sentence::Role,
};

/// Marks beyond ASCII that any text may have.
const MARKS: &str =
    "’‘“”„‚«»‹›–—…¿¡\u{a0}\u{202f}\u{ad}。、，！？：；「」『』（）【】〈〉《》・〜؟،؛۔٪।॥";

/// A source of fewer words is not worth what is left of an answer with a word that loops.
const FEW_WORDS: usize = 4;

/// Why an answer was refused.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Failure {
    /// The words that did not come back once; none when something else is wrong.
    pub(super) words: Vec<usize>,
}

/// `answer` with the character of each word in place of how it was `spelled`.
///
/// # Errors
/// Fails when a word of `source` is not in the answer as often as in `source`, and when the answer
/// holds what the source does not explain.
pub(super) fn unmask(
    source: &str,
    answer: &str,
    spelled: &[Spelled],
    context: &Context<'_>,
) -> Result<String, Failure> {
    let inside: Vec<&Spelled> =
        spelled.iter().filter(|s| source.contains(mask::word(s.word))).collect();
    let (masks, plain): (Vec<&Spelled>, Vec<&Spelled>) =
        inside.into_iter().partition(|spelled| !spelled.is_plain);
    let mut text = answer.to_owned();
    let mut failure = Failure::default();
    for spelled in masks {
        match whole(&text, &spelled.text)[..] {
            [at] => put(&mut text, at, &spelled.text, spelled.word),
            _ => failure.words.push(spelled.word),
        }
    }
    for spelled in figures(source, &plain, &mut text, context) {
        failure.words.push(spelled);
    }
    if !failure.words.is_empty() {
        return Err(failure);
    }
    let is_sound = keeps_order(source, &text, context)
        && explains(source, &text, context)
        && !repeats(source, &text)
        && !loses_end(source, &text);
    if is_sound { Ok(text) } else { Err(failure) }
}

/// Puts the character of `word` in place of `spelled`.
fn put(text: &mut String, at: usize, spelled: &str, word: usize) {
    text.replace_range(at..at + spelled.len(), mask::word(word).encode_utf8(&mut [0; 4]));
}

/// Puts characters in place of the words that the model saw as they are; returns those that are not
/// there as often as in the source. A number may also be written as the target language does.
fn figures(
    source: &str,
    plain: &[&Spelled],
    text: &mut String,
    context: &Context<'_>,
) -> Vec<usize> {
    let mut lost = Vec::new();
    let mut others = Vec::new();
    // Long ones first: the 5 of 15 is not a 5.
    let mut texts: Vec<&str> = plain.iter().map(|spelled| spelled.text.as_str()).collect();
    texts.sort_by_key(|text| (usize::MAX - text.len(), *text));
    texts.dedup();
    for (i, &wanted) in texts.iter().enumerate() {
        let same: Vec<&Spelled> =
            plain.iter().filter(|spelled| spelled.text == wanted).copied().collect();
        let found = whole(text, wanted);
        // Where prose says the same, the places are those of the source.
        let open = |word: usize| {
            plain.iter().any(|spelled| spelled.word == word && texts[i..].contains(&&*spelled.text))
        };
        let places = places_among_equals(source, wanted, &same, |word| {
            open(word).then(|| context.words[word].text.as_str())
        });
        let is_alike = found.len() == places.total;
        let chosen = |i: usize| if is_alike { places.own.get(i).copied() } else { Some(i) };
        for (i, spelled) in same.iter().enumerate().rev() {
            match chosen(i).and_then(|place| found.get(place)) {
                Some(&at) => put(text, at, wanted, spelled.word),
                None => others.push(*spelled),
            }
        }
    }
    // What is left of numbers in the answer must have the values of those that were not found.
    let mut left: Vec<String> = numbers(text).into_iter().map(str::to_owned).collect();
    for spelled in others {
        let wanted = value(&spelled.text);
        let word = &context.words[spelled.word];
        let is_same = |number: &String| {
            wanted.is_some() && value(number) == wanted || word.localised.has_form(number)
        };
        let found = left.iter().position(is_same);
        match found.filter(|_| word.role == Role::Number) {
            Some(place) => {
                left.swap_remove(place);
            }
            None if word.localised.is_in(text) => {}
            None => lost.push(spelled.word),
        }
    }
    // Numbers that the source does not have: those that are not there may have become them.
    if !left.is_empty() && lost.is_empty() {
        let has_digits = !plain.is_empty();
        if has_digits {
            lost.extend(plain.iter().map(|spelled| spelled.word));
        }
    }
    lost
}

/// Where words stand among all that reads the same.
struct Places {
    /// The number of each word's place.
    own: Vec<usize>,
    /// How many places there are.
    total: usize,
}

/// The places of the words `same`, which all read `wanted`, in `source` with those words in it that
/// have a text.
fn places_among_equals<'a>(
    source: &str,
    wanted: &str,
    same: &[&Spelled],
    text_of: impl Fn(usize) -> Option<&'a str>,
) -> Places {
    let mut seen = String::with_capacity(source.len());
    let mut starts = Vec::with_capacity(same.len());
    for c in source.chars() {
        let word = mask::number(c);
        if word.is_some_and(|word| same.iter().any(|spelled| spelled.word == word)) {
            starts.push(seen.len());
        }
        match word.and_then(&text_of) {
            Some(text) => seen.push_str(text),
            None => seen.push(c),
        }
    }
    let all = whole(&seen, wanted);
    let own = starts.iter().filter_map(|start| all.iter().position(|at| at == start)).collect();
    Places { own, total: all.len() }
}

/// The stretches of digits in `text`, with the marks between them.
fn numbers(text: &str) -> Vec<&str> {
    let is_number =
        |c: char| c.is_numeric() || matches!(c, '.' | ',' | '\'' | '\u{a0}' | '\u{202f}');
    let runs = text.split(|c: char| !is_number(c));
    let runs = runs.map(|run| run.trim_matches(|c: char| !c.is_numeric()));
    runs.filter(|run| !run.is_empty()).collect()
}

/// Where `word` stands in `text` and is not a part of a longer one.
fn whole(text: &str, word: &str) -> Vec<usize> {
    let goes_on = |c: char| c.is_alphanumeric() && !is_unspaced(c);
    let first = word.chars().next().is_some_and(char::is_alphanumeric);
    let last = word.chars().next_back().is_some_and(char::is_alphanumeric);
    let digits = |mut chars: [Option<char>; 2]| {
        let mark = chars[0].take();
        matches!(mark, Some('.' | ',' | '\'' | ':')) && chars[1].is_some_and(|c| c.is_ascii_digit())
    };
    let is_whole = |&at: &usize| {
        let mut before = text[..at].chars().rev();
        let before = [before.next(), before.next()];
        let mut behind = text[at + word.len()..].chars();
        let behind = [behind.next(), behind.next()];
        !(first && (before[0].is_some_and(goes_on) || digits(before)))
            && !(last && (behind[0].is_some_and(goes_on) || digits(behind)))
    };
    text.match_indices(word).map(|(at, _)| at).filter(is_whole).collect()
}

/// Whether the words whose order counts are in the order of the source.
fn keeps_order(source: &str, target: &str, context: &Context<'_>) -> bool {
    let arguments = |text: &str| -> Vec<&str> {
        let numbers = text.chars().filter_map(mask::number);
        let ordered = numbers.filter(|&word| context.words[word].role == Role::Argument);
        ordered.map(|word| context.words[word].text.as_str()).collect()
    };
    arguments(source) == arguments(target)
}

/// Whether `target` holds nothing that is not prose but what the source has.
fn explains(source: &str, target: &str, context: &Context<'_>) -> bool {
    let is_explained = |c: char| {
        c.is_ascii_alphanumeric()
            || c == ' '
            || mask::number(c).is_some()
            || source.contains(c)
            || is_letter(c) && may_write(c, &context.options.target)
            || is_mark(c)
    };
    if !target.chars().all(is_explained) {
        return false;
    }
    // Signs that prose has, too, are as many as before.
    let count = |text: &str, sign: char| text.chars().filter(|c| *c == sign).count();
    let signs = "%&/@#*+=<>{}$_|\\~^`";
    if signs.chars().any(|sign| count(target, sign) > count(source, sign)) {
        return false;
    }
    if count(source, '%') > count(target, '%')
        || count(source, '&') > 0
            && count(target, '&') > 0
            && count(source, '&') != count(target, '&')
    {
        return false;
    }
    let has_digits = |text: &str| text.chars().any(char::is_numeric);
    let is_counted = !has_digits(target)
        || has_digits(source)
        || mask::has_word(source)
        || numerals::may_appear(source, &context.options.source, &context.options.target);
    is_counted && invented(source, target, context).is_empty()
}

/// Marks that any text may have.
fn is_mark(c: char) -> bool {
    c.is_ascii_punctuation() || MARKS.contains(c)
}

/// Pieces in `target` that `source` does not hold, as ranges of `target`.
fn invented(source: &str, target: &str, context: &Context<'_>) -> Vec<std::ops::Range<usize>> {
    let found = pieces::find(target, &context.options.target);
    let is_new = |piece: &pieces::Piece| {
        let is_word = matches!(&piece.carry, Carry::Inline(role) if role.is_word());
        let text = &target[piece.at.clone()];
        // Words for numbers become digits, and a sentence of a part may look like a list.
        let is_prose = match piece.kind {
            Kind::Number | Kind::Date | Kind::Markdown | Kind::Column => {
                !is_word || piece.kind != Kind::Markdown
            }
            Kind::Identifier => !text.contains(['_', ':', '(', '/']),
            Kind::Invisible => text.chars().all(|c| mask::number(c).is_some()),
            // Acronyms and names, as in `AI很好`.
            Kind::Script => {
                let is_latin = |c| matches!(script(c), None | Some(Script::Latin));
                has_own(&context.options.target) && text.chars().all(is_latin)
            }
            _ => false,
        };
        !is_prose && !source.contains(text)
    };
    found.into_iter().filter(is_new).map(|piece| piece.at).collect()
}

/// The best that can be made of an answer to a `source` without words that are not prose; `None`
/// when nothing of it can be used.
pub(super) fn cleaned(source: &str, answer: &str, context: &Context<'_>) -> Option<String> {
    let is_letter = |c: char| {
        c != char::REPLACEMENT_CHARACTER
            && mask::number(c).is_none()
            && (source.contains(c)
                || is_mark(c)
                || c == ' '
                || c.is_ascii_alphanumeric()
                || is_letter(c) && may_write(c, &context.options.target))
    };
    let mut text: String = answer.chars().filter(|c| is_letter(*c)).collect();
    for at in invented(source, &text, context).into_iter().rev() {
        text.replace_range(at, "");
    }
    if !numerals::may_appear(source, &context.options.source, &context.options.target) {
        text.retain(|c| !c.is_numeric());
    }
    // Of a few words of which one loops nothing is right.
    if source.split_whitespace().count() < FEW_WORDS && stutters(source, &text) {
        return None;
    }
    let text = squeezed(source, &text);
    let is_good = explains(source, &text, context) && text.chars().any(char::is_alphabetic);
    is_good.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_within_a_longer_word_is_none() {
        assert_eq!(whole("2041 x2041 20415 2041.5 2041.", "2041"), [0, 24]);
        assert_eq!(whole("今日2041に 2041에", "2041"), [6, 14]);
    }
}
