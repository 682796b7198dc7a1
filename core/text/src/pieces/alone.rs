//! Letters that stand alone and are no words: grades, plans, vitamins, columns.

use std::ops::Range;

use super::{Carry, Kind, Piece, Recogniser, Text};
use crate::{letters::base, sentence::Role};

/// Finds them.
pub(super) struct Letters;

impl Recogniser for Letters {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        for at in lone(text.text) {
            if is_name(text, &at) {
                let carry = Carry::Inline(Role::Figure);
                pieces.push(Piece { at, kind: Kind::Identifier, carry });
            }
        }
    }
}

/// The capitals of `text`, and the letter that is all of it, that no letter, digit or joining mark touches.
fn lone(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let touches = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '\'' | '’' | '-' | '‑' | '&' | '/' | '_' | '@' | '#' | '+' | '\\' | '$')
            || matches!(c, '%' | '{' | '}' | '<' | '>' | '=' | '*' | '~' | '^' | '`' | '|' | '°')
    };
    let mut before = None;
    let mut letters = text.char_indices().peekable();
    let whole = text.trim();
    std::iter::from_fn(move || {
        loop {
            let (at, c) = letters.next()?;
            let next = letters.peek().map(|(_, c)| *c);
            let last = before.replace(c);
            let is_all = whole.len() == c.len_utf8();
            let is_latin = c.is_ascii_alphabetic() || super::scripts::is_western(c);
            let is_letter = c.is_alphabetic() && is_latin && (c.is_uppercase() || is_all);
            if is_letter && !last.is_some_and(touches) && !next.is_some_and(touches) {
                return Some(at..at + c.len_utf8());
            }
        }
    })
}

/// Whether the letter at `at` names something.
fn is_name(text: &Text<'_>, at: &Range<usize>) -> bool {
    let (before, rest) = (&text.text[..at.start], &text.text[at.end..]);
    let letter = text.text[at.clone()].chars().next().unwrap_or(' ');
    let language = base(text.language);
    let is_word = words(language).contains(letter.to_lowercase().next().unwrap_or(letter));
    if before.trim().is_empty() && rest.trim().is_empty() {
        // The pronoun is looked up as a word; a lower-case letter may be one, too.
        let is_pronoun = language == "en" && letter == 'I';
        return !(is_pronoun || letter.is_lowercase() && is_word);
    }
    let ends = rest.trim().is_empty();
    // Initials and abbreviations
    if rest.starts_with('.') && !rest[1..].trim().is_empty() || before.ends_with('.') {
        return false;
    }
    // `a. C.`
    let last_word = before.trim_end().rsplit(|c: char| c.is_whitespace()).next().unwrap_or("");
    if last_word.ends_with('.') && last_word.chars().count() == 2 {
        return false;
    }
    // `M Dupont`, `O Lord`, `O, that`, `A priori`
    let next_word = rest.trim_start().chars().next();
    let is_address = matches!((language, letter), ("fr", 'M') | (_, 'O'));
    if is_address && next_word.is_some_and(char::is_uppercase) {
        return false;
    }
    let begins = !before.trim_end().ends_with(|c: char| c.is_alphanumeric() || c == ',');
    let is_listed = rest.starts_with([':', ',', ')']) && letter == 'A';
    if begins && !is_listed && !ends && matches!(letter, 'O' | 'A') {
        return false;
    }
    // The tenth century, and rays that Germans name after their discoverer
    let is_named = |words: &[&str], word: &str| words.contains(&word.to_lowercase().as_str());
    let next = rest.trim_start().split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    if matches!(letter, 'I' | 'V' | 'X')
        && (is_named(CENTURIES, last_word) || is_named(CENTURIES, next))
        || letter == 'X' && is_named(RAYS, last_word)
    {
        return false;
    }
    if !is_word {
        return true;
    }
    // No article or preposition ends a sentence, or stands before a mark.
    let is_marked =
        ends || rest.starts_with(['.', ',', ';', ':', '!', '?', ')', ']', '"', '”', '»']);
    if letter == 'A' && is_marked {
        return !rest.starts_with(['"', '”', '»', '!']) || !before.trim().is_empty();
    }
    // Within a sentence a word has a small letter; these two have not.
    if matches!((language, letter), ("en", 'I') | ("nl", 'U')) {
        return false;
    }
    let label = before.strip_suffix([' ', '\u{a0}']).unwrap_or("");
    let word = label.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    let is_normal = word.chars().count() > 1 && word.chars().skip(1).all(char::is_lowercase);
    let is_followed =
        is_marked || rest.starts_with(' ') && next_word.is_some_and(char::is_lowercase);
    is_normal && is_followed
}

/// Words beside a Roman number.
const CENTURIES: &[&str] = &["siglo", "siècle", "secolo", "século", "eeuw"];

/// Words before an X that is not kept.
const RAYS: &[&str] = &["rayons", "rayos", "raggi", "raios"];

/// Letters that are words of a language.
fn words(language: &str) -> &'static str {
    match language {
        "en" => "ai",
        "es" => "yoaeu",
        "it" => "eoaièàòé",
        "pt" => "aoeàéó",
        "fr" => "aàyô",
        "nl" => "u",
        "de" => "",
        // Of other languages that is not known.
        _ => "aàeèéiíoóuúyåöæøwzskv",
    }
}

#[cfg(test)]
mod tests {
    use super::super::find;

    fn pieces<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
        find(text, language).into_iter().map(|piece| &text[piece.at]).collect()
    }

    #[test]
    fn letters_that_name_something_stay() {
        for (language, text, letter) in [
            ("en", "A", "A"),
            ("en", "B", "B"),
            ("en", "d", "d"),
            ("es", "Y", "Y"),
            ("en", "Plan B", "B"),
            ("en", "We need a plan B for this.", "B"),
            ("en", "Vitamin C is good.", "C"),
            ("en", "Vitamin A is good.", "A"),
            ("en", "Class A", "A"),
            ("en", "It was plan A.", "A"),
            ("de", "Hepatitis B ist heilbar.", "B"),
            ("es", "El plan A es bueno.", "A"),
            ("it", "La vitamina E fa bene.", "E"),
            ("fr", "Le groupe A gagne.", "A"),
            ("en", "Press X to jump.", "X"),
            ("en", "D: all of them", "D"),
        ] {
            assert_eq!(pieces(text, language), [letter], "{text}");
        }
    }

    #[test]
    fn words_of_one_letter_are_prose() {
        for (language, text) in [
            ("en", "I"),
            ("es", "y"),
            ("it", "è"),
            ("en", "A man came. A dog too."),
            ("en", "So do I."),
            ("en", "What I say, I do."),
            ("en", "Take A Break"),
            ("es", "Y luego se fue. A veces no."),
            ("es", "O vienes o te vas."),
            ("it", "E poi? A me piace."),
            ("pt", "O rapaz viu. A casa caiu. E depois?"),
            ("fr", "A table ! Y es-tu ?"),
            ("nl", "Kan ik U helpen?"),
            ("en", "There J. R. Smith and George W. Bush met."),
            ("de", "Die U-Bahn und das T-Shirt."),
            ("fr", "M Dupont vient."),
            ("en", "O Lord, help us."),
            ("de", "O nein, das ist es."),
            ("de", "A priori ist das so."),
            ("nl", "Waar is mijn bril? O, die ligt hier."),
            ("es", "Llegó con los rayos X."),
            ("es", "Fue en el siglo segundo a. C. y antes."),
            ("fr", "D'abord l'homme."),
        ] {
            assert!(pieces(text, language).is_empty(), "{text} {:?}", pieces(text, language));
        }
    }
}
