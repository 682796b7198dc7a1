//! Words in capitals and with a capital: how the model is asked about them, and what of it a translation
//! gets back.
//!
//! Models have read few words in capitals, and copy those that they do not know. So they are asked in
//! the usual case of a word, be it one for emphasis (`Do NOT open it`) or all of a text. A single word
//! with a capital is asked in small letters for the same reason. Acronyms stay.

mod emphasis;
mod titles;
mod words;

use std::{borrow::Cow, ops::Range};

pub(crate) use self::{
    emphasis::with_emphasis,
    titles::{in_title_case, is_title},
};
use self::{
    titles::title_in_normal_case,
    words::{is_acronym, is_kept, is_shouted, usual_form, words},
};
use crate::{
    lexicon::{Usual, is_known, usual},
    sentence::{Role, Sentence},
};

/// Letters of a single word in capitals at least, for which it is no acronym, where words are not known.
const SHOUTED_WORD: usize = 5;

/// Marks of the same kind in a row at most that the model is shown.
const MAX_MARKS: usize = 3;

/// Spans beside an acronym at most for which a sentence is looked at.
const MAX_SPANS: usize = 16;

/// Words of a label at most.
const MAX_LABEL: usize = 3;

/// English verbs that are mostly seen with a capital when they stand alone: on buttons.
const BUTTONS: &[&str] = &[
    "add", "apply", "cancel", "choose", "close", "continue", "copy", "create", "delete", "disable",
    "download", "edit", "enable", "export", "go", "import", "insert", "install", "leave", "load",
    "next", "open", "paste", "play", "read", "remove", "rename", "replace", "reset", "resume",
    "save", "search", "select", "send", "share", "show", "start", "submit", "thanks", "try",
    "undo", "update", "upload", "view", "wait", "welcome", "write",
];

/// Words before a name that belong to it, as in `New York`.
const BEFORE_NAMES: &[&str] = &[
    "den", "el", "great", "la", "las", "le", "los", "new", "north", "rio", "saint", "san", "santa",
    "south", "st", "west",
];

/// `text`, written in `language`, as a model has read most: words in capitals as within a text, titles as
/// sentences, and a single word in small letters. An acronym stays.
pub fn in_normal_case<'a>(text: &'a str, language: &str) -> Cow<'a, str> {
    let normal = match is_all_shouted(text, language) {
        true => Cow::Owned(with_usual_words(text, language, true)),
        false if is_title(text) => Cow::Owned(title_in_normal_case(text, language)),
        false if words(text).any(|at| is_shouted(&text[at])) && is_known(language) => {
            Cow::Owned(with_usual_words(text, language, false))
        }
        false => Cow::Borrowed(text),
    };
    let normal = match single_word(&normal, language) {
        Some(at) => {
            let small = normal[at.clone()].to_lowercase();
            Cow::Owned(format!("{}{small}{}", &normal[..at.start], &normal[at.end..]))
        }
        None => normal,
    };
    match has_long_run(&normal) {
        true => Cow::Owned(with_short_runs(&normal)),
        false => normal,
    }
}

/// Whether a text is in capitals, and not a single acronym.
fn is_all_shouted(text: &str, language: &str) -> bool {
    let capitals = text.chars().filter(|c| c.is_uppercase()).count();
    if capitals < 2 || text.contains(char::is_lowercase) {
        return false;
    }
    match text.trim().contains(char::is_whitespace) {
        true => true,
        false if is_known(language) => words(text)
            .any(|at| is_shouted(&text[at.clone()]) && !is_acronym(&text[at], language, false)),
        false => capitals >= SHOUTED_WORD,
    }
}

/// `text` with its words in capitals as they are usually written.
fn with_usual_words(text: &str, language: &str, all_shouted: bool) -> String {
    let mut normal = String::with_capacity(text.len());
    let places: Vec<Range<usize>> = words(text).collect();
    let (mut end, mut begins, mut is_changed) = (0, true, false);
    for (i, at) in places.iter().enumerate() {
        let between = &text[end..at.start];
        begins |= between.contains(char::is_whitespace)
            && between.trim_end().ends_with(['.', '!', '?', ':']);
        normal.push_str(between);
        end = at.end;
        let word = &text[at.clone()];
        let is_tail = is_changed && matches!(between, "'" | "’");
        let is_pronoun = word == "I" && language == "en";
        let form = match word.chars().count() {
            _ if word.contains(char::is_lowercase) || is_pronoun => None,
            // `DON'T`, `IBM'S`
            1 | 2 if is_tail => Some(Usual::Small),
            1 if all_shouted || is_elided(&text[end..], language) => Some(Usual::Small),
            1 => None,
            _ => usual_form(word, language, all_shouted),
        };
        let form = match form {
            Some(Usual::Small)
                if begins || is_before_name(word, places.get(i + 1), text, language) =>
            {
                Some(Usual::Capital)
            }
            form => form,
        };
        match form {
            None => normal.push_str(word),
            Some(Usual::Small) => normal.push_str(&word.to_lowercase()),
            Some(Usual::Capital) => normal.push_str(&capitalised(&word.to_lowercase())),
        }
        is_changed = form.is_some() || all_shouted || is_pronoun;
        begins = false;
    }
    normal.push_str(&text[end..]);
    normal
}

/// Whether a letter before `rest` is an article or a preposition that lost its vowel, as in `L'EAU`.
fn is_elided(rest: &str, language: &str) -> bool {
    let mut chars = rest.chars();
    matches!(chars.next(), Some('\'' | '’'))
        && chars.next().is_some_and(char::is_uppercase)
        && chars.next().is_some_and(char::is_uppercase)
        && matches!(language, "fr" | "it")
}

/// Whether `word` is the first part of a name that goes on at `next`.
fn is_before_name(word: &str, next: Option<&Range<usize>>, text: &str, language: &str) -> bool {
    let is_name = |at: &Range<usize>| usual(&text[at.clone()], language) == Some(Usual::Capital);
    BEFORE_NAMES.contains(&&*word.to_lowercase()) && language != "de" && next.is_some_and(is_name)
}

/// Where the word of a text stands that is nothing but a known word with a capital, no name, and no
/// sentence.
fn single_word(text: &str, language: &str) -> Option<Range<usize>> {
    let mut words = words(text);
    let (at, None) = (words.next()?, words.next()) else { return None };
    let word = &text[at.clone()];
    let mut letters = word.chars();
    let is_capital = letters.next().is_some_and(char::is_uppercase)
        && letters.next().is_some_and(char::is_lowercase)
        && letters.all(char::is_lowercase);
    let is_sentence = text[at.end..].contains(['.', '!', '?', '…']);
    let is_button = is_button(word, language);
    let is_known = || usual(word, language) == Some(Usual::Small);
    (is_capital && !is_sentence && !is_button && is_known()).then_some(at)
}

fn is_button(word: &str, language: &str) -> bool {
    language == "en" && BUTTONS.contains(&&*word.to_lowercase())
}

/// A short text that is no sentence with a small letter in place of its capital; `None` where a name may
/// be in it, and where that is asked anyway.
pub(crate) fn in_small_letters(text: &str, language: &str) -> Option<String> {
    let places: Vec<Range<usize>> = words(text).take(MAX_LABEL + 1).collect();
    let (first, others) = places.split_first()?;
    let is_small = |at: &Range<usize>| !text[at.clone()].contains(char::is_uppercase);
    let word = &text[first.clone()];
    let is_button = is_shouted(word) && others.is_empty() && is_button(word, language);
    let mut letters = word.chars();
    let is_capital = letters.next().is_some_and(char::is_uppercase)
        && (is_button || letters.all(char::is_lowercase));
    let is_short = places.len() <= MAX_LABEL && !text.contains(['.', '!', '?', '…']);
    if first.start > 0 || !is_short || !is_capital || !others.iter().all(is_small) {
        return None;
    }
    let is_known = usual(&text[first.clone()], language) == Some(Usual::Small);
    let is_asked = single_word(text, language).is_some();
    let small = || text[first.clone()].to_lowercase() + &text[first.end..];
    (is_known && !is_asked).then(small)
}

/// Whether a text is a label in capitals of a few words, not all of them acronyms.
pub(crate) fn is_label(text: &str, language: &str) -> bool {
    let places: Vec<Range<usize>> = words(text).take(MAX_LABEL + 1).collect();
    let is_word = |at: &Range<usize>| {
        let word = &text[at.clone()];
        is_shouted(word) && usual_form(word, language, false).is_some()
    };
    places.len() <= MAX_LABEL && !text.contains(char::is_lowercase) && places.iter().any(is_word)
}

/// Whether `text` ends in more than [`MAX_MARKS`] of the same mark. What is left out there, the translation gets
/// from the source ([`crate::restore`]).
fn has_long_run(text: &str) -> bool {
    with_runs(final_marks(text)).any(|(_, run)| run > MAX_MARKS)
}

fn with_short_runs(text: &str) -> String {
    let marks = final_marks(text);
    let short = with_runs(marks).filter(|(_, run)| *run <= MAX_MARKS).map(|(c, _)| c);
    text[..text.len() - marks.len()].chars().chain(short).collect()
}

/// The marks that `text` ends in.
fn final_marks(text: &str) -> &str {
    &text[text.trim_end_matches(['!', '?']).len()..]
}

/// The characters of `marks`, and which one in a run of the same each is.
fn with_runs(marks: &str) -> impl Iterator<Item = (char, usize)> {
    marks.chars().scan((' ', 0), |(last, run), c| {
        *run = if c == *last { *run + 1 } else { 1 };
        *last = c;
        Some((c, *run))
    })
}

/// The acronyms in `text` that a translation has to have.
pub(crate) fn acronyms(text: &str, language: &str) -> Vec<Range<usize>> {
    if !words(text).any(|at| is_shouted(&text[at])) {
        return Vec::new();
    }
    let all_shouted = !text.contains(char::is_lowercase);
    let is_kept = |at: &Range<usize>| {
        let word = &text[at.clone()];
        let is_joined = |c: char| matches!(c, '-' | '_' | '/' | '.' | '&' | '@' | '#');
        is_shouted(word)
            && !text[..at.start].ends_with(is_joined)
            && !(text[at.end..].starts_with(is_joined)
                && !text[at.end + 1..].starts_with(' ')
                && at.end + 1 < text.len())
            && is_kept(word, language, all_shouted)
    };
    words(text).filter(is_kept).collect()
}

/// Whether `sentence` is an acronym, with marks around it at most: there is nothing to translate.
pub(crate) fn is_acronym_alone(sentence: &Sentence, language: &str) -> bool {
    let text = &sentence.text;
    if sentence.spans.len() > MAX_SPANS {
        return false;
    }
    let in_span = |at: &Range<usize>| {
        let holds = |role: &Role| role.is_word();
        sentence
            .spans
            .iter()
            .any(|span| holds(&span.role) && span.at.start <= at.start && at.end <= span.at.end)
    };
    let mut prose = words(text).filter(|at| !in_span(at));
    let (Some(at), None) = (prose.next(), prose.next()) else { return false };
    let word = &text[at];
    is_shouted(word)
        && is_known(language)
        && is_acronym(word, language, false)
        && !usual(word, language).is_some_and(|usual| usual == Usual::Small)
}

/// How often `acronym` stands in `text`, with an ending in small letters perhaps.
pub(crate) fn count(text: &str, acronym: &str) -> usize {
    let is_whole = |at: usize| {
        let goes_on = |c: char| c.is_uppercase() || c.is_numeric();
        !text[..at].ends_with(char::is_alphanumeric)
            && !text[at + acronym.len()..].starts_with(goes_on)
    };
    text.match_indices(acronym).filter(|(at, _)| is_whole(*at)).count()
}

/// `text` with a capital first letter.
pub(crate) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str, language: &str) -> String {
        in_normal_case(text, language).into_owned()
    }

    #[test]
    fn capitals_are_translated_in_normal_case() {
        for (text, wanted) in [
            ("THE HOUSE IS RED. I LIKE IT!", "The house is red. I like it!"),
            ("I'M HERE AND I WAIT", "I'm here and I wait"),
            ("DON'T GO!", "Don't go!"),
            ("ANNA WORKS FOR IBM.", "Anna works for IBM."),
            ("WE LIVE IN NEW YORK.", "We live in New York."),
            ("NEW YORK", "New York"),
            ("WARNING", "warning"),
            ("NOTE:", "note:"),
            ("STOP!", "Stop!"),
            ("NO", "no"),
        ] {
            assert_eq!(normal(text, "en"), wanted);
        }
        for text in ["NATO", "A", "The USA", "usa", "字", "USB", "WHATSAPP", "IT", "US"] {
            assert_eq!(normal(text, "en"), text);
        }
        assert_eq!(normal("WICHTIGER HINWEIS", "de"), "Wichtiger Hinweis");
        assert_eq!(normal("L'EAU EST FROIDE", "fr"), "L'eau est froide");
        assert_eq!(normal("WARNING", "sv"), "Warning");
    }

    #[test]
    fn a_word_for_emphasis_is_asked_as_any_other() {
        for (text, language, wanted) in [
            ("Do NOT open the window.", "en", "Do not open the window."),
            ("You MUST read ALL pages TODAY.", "en", "You must read all pages today."),
            ("IMPORTANT: Read this.", "en", "Important: Read this."),
            ("It CAN'T be.", "en", "It can't be."),
            ("Das will ich NICHT.", "de", "Das will ich nicht."),
            ("Mach das FENSTER zu.", "de", "Mach das Fenster zu."),
            ("NO abra la ventana.", "es", "No abra la ventana."),
            ("NON aprire la finestra.", "it", "Non aprire la finestra."),
        ] {
            assert_eq!(normal(text, language), wanted);
        }
        for text in [
            "Anna works for IBM in the UK.",
            "Save it as PDF.",
            "The WHO and the EU agree.",
            "Press ENTER.",
            "Plan B and Vitamin C.",
            "Louis XIV was king.",
            "Our IT is slow.",
            "I was here.",
        ] {
            assert_eq!(normal(text, "en"), text);
        }
    }

    #[test]
    fn a_single_word_is_asked_in_small_letters() {
        for (text, language, wanted) in [
            ("Password", "en", "password"),
            ("House:", "en", "house:"),
            ("Porte", "fr", "porte"),
            ("Wichtig", "de", "wichtig"),
        ] {
            assert_eq!(normal(text, language), wanted);
        }
        for (text, language) in [
            ("Anna", "en"),
            ("London", "en"),
            ("Monday", "en"),
            ("Save", "en"),
            ("Hello.", "en"),
            ("Stop!", "en"),
            ("Red car", "en"),
            ("Fenster", "de"),
            ("iPhone", "en"),
            ("Password", "ja"),
        ] {
            assert_eq!(normal(text, language), text);
        }
    }

    #[test]
    fn many_marks_are_few_for_the_model() {
        assert_eq!(normal(&format!("Help{}", "!".repeat(20)), "en"), "Help!!!");
        assert_eq!(normal("What?! Why?? 1,000", "en"), "What?! Why?? 1,000");
    }

    #[test]
    fn acronyms_are_found() {
        let found = |text: &str| -> Vec<String> {
            acronyms(text, "en").into_iter().map(|at| text[at].to_owned()).collect()
        };
        assert_eq!(found("Anna works for IBM in the UK."), ["IBM", "UK"]);
        assert_eq!(found("ANNA WORKS FOR IBM."), ["IBM"]);
        assert!(found("The EU, the WHO and NATO do NOT wait.").is_empty());
        assert!(found("Plain words, and I.").is_empty());
        assert_eq!(
            [count("IBMs Chef", "IBM"), count("IBMX", "IBM"), count("HIBM", "IBM")],
            [1, 0, 0]
        );
    }
}
