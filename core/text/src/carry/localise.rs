//! How a target language writes numbers, measures, ordinals and times.
//!
//! A model may say so itself; where it swaps the wrong sign, or none, this knows better. A number that
//! the source language does not write so (`3.14159` in Spanish, `15.30` in German) stays as it is.

mod ordinals;
mod english;
mod german;
mod hours;
mod times;

use super::{
    Word,
    mask::{self, number},
    part::Context,
    verify::Failure,
};
use crate::{
    letters::base,
    pieces::{AND_OR, value},
    sentence::Role,
};

/// A word on its way into the target language.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Localised {
    /// What stands in the translation in place of the word.
    pub(super) written: Option<String>,
    /// What the model sees in place of the word.
    pub(super) seen: Option<String>,
    /// Other ways to write it, which a model may choose.
    pub(super) variants: Vec<String>,
}

/// The languages of a translation, without their regions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Languages<'a> {
    pub(super) source: &'a str,
    pub(super) target: &'a str,
}

impl<'a> Languages<'a> {
    pub(super) fn new(source: &'a str, target: &'a str) -> Self {
        Self { source: base(source), target: base(target) }
    }
}

/// What becomes of a word with this `role` between `before` and `behind`.
pub(super) fn localised(
    text: &str,
    role: &Role,
    [before, behind]: [&str; 2],
    languages: Languages<'_>,
) -> Localised {
    if *role != Role::Number {
        return Localised::default();
    }
    let pair = |language: &str| AND_OR.iter().find(|(code, _)| *code == language);
    if AND_OR.contains(&(languages.source, text)) {
        let written = pair(languages.target).map(|(_, pair)| (*pair).to_owned());
        return Localised { seen: written.clone(), written, ..Localised::default() };
    }
    if languages.source == "en"
        && let Some(localised) = english::localised(text, [before, behind], languages.target)
    {
        return localised;
    }
    if languages.source == "de"
        && let Some(localised) = german::localised(text, behind, languages.target)
    {
        return localised;
    }
    if matches!(languages.source, "fr" | "es" | "it" | "pt")
        && let Some(localised) = ordinals::localised(text, languages.target)
    {
        return localised;
    }
    if let Some(localised) = hours::localised(text, languages.source, languages.target) {
        return localised;
    }
    if let Some(localised) = times::localised(text, [before, behind], languages) {
        return localised;
    }
    let has_unit = text.contains(|c: char| !is_inner(c));
    let separators = text.chars().filter(|c| is_inner(*c) && !c.is_ascii_digit()).count();
    if !has_unit && separators == 1 {
        return thousands(text, before, languages);
    }
    let written = (has_unit || separators > 1).then(|| rewritten(text, languages)).flatten();
    Localised { written, ..Localised::default() }
}

/// Words before a number whose stop does not group thousands.
const VERSIONS: &[&str] =
    &["version", "v", "versión", "versione", "versão", "versie", "release", "build"];

/// What becomes of thousands with one mark, which is that of the decimals in another language: `500,000`.
fn thousands(text: &str, before: &str, languages: Languages<'_>) -> Localised {
    let last = before.split_whitespace().next_back().map(str::to_lowercase).unwrap_or_default();
    let is_grouped = marks(languages.source).is_some_and(|(group, _)| text.contains(group));
    let own = plain(text, languages).filter(|_| is_grouped && !VERSIONS.contains(&&*last));
    let Some(written) = own else { return Localised::default() };
    let digits = text.chars().filter(char::is_ascii_digit).collect();
    Localised { written: Some(written), variants: vec![digits], ..Localised::default() }
}

/// Whether a character may stand within a number.
fn is_inner(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '.' | ',' | '\'' | '’' | '\u{a0}' | '\u{202f}')
}

/// Marks that group the thousands of a language's numbers, and the mark before their decimals.
fn marks(language: &str) -> Option<(char, char)> {
    match language {
        "en" => Some((',', '.')),
        "de" | "es" | "it" | "nl" | "pt" => Some(('.', ',')),
        "fr" => Some(('\u{202f}', ',')),
        _ => None,
    }
}

/// `text` with its numbers as the target writes them; `None` when none of them changes.
fn rewritten(text: &str, languages: Languages<'_>) -> Option<String> {
    let (mut out, mut changed) = (String::with_capacity(text.len() + 4), false);
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(|c| !is_inner(c)).unwrap_or(rest.len());
        let run = rest[..end].trim_end_matches(|c: char| !c.is_ascii_digit());
        let other = plain(run, languages);
        changed |= other.is_some();
        out.push_str(other.as_deref().unwrap_or(run));
        rest = &rest[run.len()..];
    }
    out.push_str(rest);
    changed.then_some(out)
}

/// A number as the target writes it; `None` when it is written so already, or not as the source
/// writes numbers.
fn plain(run: &str, languages: Languages<'_>) -> Option<String> {
    let ((_, decimal), (group, point)) = (marks(languages.source)?, marks(languages.target)?);
    let (whole, decimals) = match run.split_once(decimal) {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (run, None),
    };
    if decimals.is_some_and(|digits| !digits.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let source_group = marks(languages.source)?.0;
    let is_group = |c: char| c == source_group || matches!(c, '\u{a0}' | '\u{202f}');
    let groups: Vec<&str> = whole.split(is_group).collect();
    let is_digits = |group: &&str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
    let is_grouped = groups.len() == 1
        || groups[0].len() <= 3 && groups[1..].iter().all(|group| group.len() == 3);
    let is_fraction = groups.len() > 1 && groups[0].starts_with('0'); // `0.125` in Mexico
    if !is_grouped || is_fraction || !groups.iter().all(is_digits) {
        return None;
    }
    let mut out = groups.join(group.encode_utf8(&mut [0; 4]) as &str);
    if let Some(decimals) = decimals {
        out.push(point);
        out.push_str(decimals);
    }
    (out != run).then_some(out)
}

/// `target`, whose numbers have the values of those in `source`, with them written as they should be.
///
/// # Errors
/// Fails when the unit of a measure, or what else belongs to a number, is not there.
pub(super) fn settled(
    source: &str,
    target: String,
    context: &Context<'_>,
) -> Result<String, Failure> {
    let mut text = target;
    let mut failure = Failure::default();
    for word in source.chars().filter_map(number) {
        let is_done = text.contains(mask::word(word));
        let Some(found) = context.words.get(word) else { continue };
        if is_done || found.role != Role::Number {
            continue;
        }
        if found.localised.is_special() || found.text.contains(|c: char| !is_inner(c)) {
            if !settle_special(&mut text, word, found) {
                failure.words.push(word);
            }
        } else {
            settle_plain(&mut text, found, context);
        }
    }
    if failure.words.is_empty() {
        Ok(german::without_stops(source, text, context))
    } else {
        Err(failure)
    }
}

impl Localised {
    fn is_special(&self) -> bool {
        *self != Self::default()
    }

    /// Whether the word may be written so.
    pub(super) fn has_form(&self, text: &str) -> bool {
        self.written.iter().chain(&self.variants).any(|form| form == text)
    }

    /// Whether one of the ways to write the word without digits of ours stands in `text`.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let mut forms = self.written.iter().chain(&self.variants);
        forms.any(|form| !form.contains(|c: char| c.is_numeric()) && whole(text, form).is_some())
    }
}

/// Finds a number with what belongs to it in any form, and puts its character there; `false` when it
/// is not there.
fn settle_special(text: &mut String, word: usize, found: &Word) -> bool {
    let spaced = |form: &str| form.replace(['\u{a0}', '\u{202f}'], " ");
    let forms = found.localised.written.iter().chain([&found.text]);
    for form in forms {
        for form in [form.clone(), spaced(form)] {
            if let Some(at) = whole(text, &form) {
                text.replace_range(at..at + form.len(), mask::word(word).encode_utf8(&mut [0; 4]));
                return true;
            }
        }
    }
    found.localised.variants.iter().any(|variant| whole(text, variant).is_some())
        || settle_grouped(text, word, found)
}

/// A large number without a unit, in whichever fashion the model grouped it.
fn settle_grouped(text: &mut String, word: usize, found: &Word) -> bool {
    let is_bare = found.text.chars().all(is_inner);
    let wanted = value(&found.text).filter(|_| is_bare);
    let run =
        runs(text).into_iter().find(|at| wanted.is_some() && value(&text[at.clone()]) == wanted);
    let Some(at) = run else { return false };
    text.replace_range(at, mask::word(word).encode_utf8(&mut [0; 4]));
    true
}

/// Writes a number with one separator that the model wrote in another fashion as it should be.
fn settle_plain(text: &mut String, found: &Word, context: &Context<'_>) {
    let wanted = value(&found.text);
    let languages = Languages::new(&context.options.source, &context.options.target);
    let own = plain(&found.text, languages);
    let best = own.as_ref().unwrap_or(&found.text);
    let same = runs(text).into_iter().find(|at| value(&text[at.clone()]) == wanted);
    let Some(at) = same.filter(|_| wanted.is_some()) else { return };
    let is_fine = text[at.clone()] == *best || text[at.clone()] == found.text;
    if !is_fine && marks(languages.source).is_some() && marks(languages.target).is_some() {
        text.replace_range(at, best);
    }
}

/// The stretches of digits, with the marks between them.
fn runs(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut runs = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(|c: char| c.is_ascii_digit()).map(|start| at + start) {
        let end = text[start..].find(|c| !is_inner(c)).map_or(text.len(), |end| start + end);
        let run = text[start..end].trim_end_matches(|c: char| !c.is_ascii_digit());
        runs.push(start..start + run.len());
        at = end;
    }
    runs
}

/// Where `form` stands first and is not a part of a longer word or number.
fn whole(text: &str, form: &str) -> Option<usize> {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let is_whole = |&at: &usize| {
        let mut before = text[..at].chars().rev();
        let mut behind = text[at + form.len()..].chars();
        let (last, next) = (before.next(), behind.next());
        let goes_on = matches!(next, Some('.' | ',' | '\''))
            && behind.next().is_some_and(|c| c.is_ascii_digit());
        let comes_on = matches!(last, Some('.' | ',' | '\'' | '-'))
            && (last == Some('-') || before.next().is_some_and(|c| c.is_ascii_digit()));
        !is_word(last) && !is_word(next) && !goes_on && !comes_on
    };
    text.match_indices(form).map(|(at, _)| at).find(is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, source: &str, target: &str) -> Option<String> {
        let languages = Languages::new(source, target);
        localised(text, &Role::Number, ["", ""], languages).written
    }

    #[test]
    fn measures_and_large_numbers_are_written_as_the_target_does() {
        for (text, source, target, wanted) in [
            ("2.5 GB", "en", "de", Some("2,5 GB")),
            ("1,000,000", "en", "es", Some("1.000.000")),
            ("1,234.50", "en", "it", Some("1.234,50")),
            ("1.234,5 kg", "de", "en", Some("1,234.5 kg")),
            ("1,75 m", "pt", "en", Some("1.75 m")),
            ("36,6 °C", "de-AT", "en-GB", Some("36.6 °C")),
            ("1,000 km", "en", "fr", Some("1\u{202f}000 km")),
            // As the target writes it already, or as nobody does
            ("36.6 °C", "de", "en", None),
            ("1'234.50", "de", "en", None),
            ("2,5 kg", "de", "fr", None),
            ("1.2 kg", "en", "ja", None),
            ("5 g", "en", "de", None),
            // What the model writes is as good: a version, a time
            ("3.5", "en", "de", None),
        ] {
            assert_eq!(written(text, source, target).as_deref(), wanted, "{text}");
        }
        assert_eq!(written("500,000", "en", "de").as_deref(), Some("500.000"));
        assert_eq!(written("500.000", "it", "en").as_deref(), Some("500,000"));
        assert_eq!(written("500.000", "it", "de"), None);
        assert_eq!(written("0.125 mg", "es", "en"), None);
        let languages = Languages::new("de", "en");
        assert_eq!(thousands("1.234", "ab Version ", languages), Localised::default());
        assert_eq!(written("und/oder", "de", "en").as_deref(), Some("and/or"));
    }

    #[test]
    fn a_number_is_read_as_its_language_writes_it() {
        let plain = |run, source, target| plain(run, Languages::new(source, target));
        assert_eq!(plain("3.14159", "es", "en"), None);
        assert_eq!(plain("36.6", "de", "en"), None);
        assert_eq!(plain("15.30", "it", "en"), None);
        assert_eq!(plain("1.234", "de", "en").as_deref(), Some("1,234"));
        assert_eq!(plain("3,5", "de", "en").as_deref(), Some("3.5"));
        assert_eq!(plain("3,5", "en", "de"), None);
    }
}
