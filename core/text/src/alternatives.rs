//! Which other ways to say a text are worth showing.

/// Words that no text ends in, but one that was cut.
const DANGLING: &[&str] = &[
    "a", "an", "and", "au", "aux", "com", "con", "d'", "da", "das", "de", "del", "della", "dem",
    "den", "der", "des", "di", "die", "do", "du", "e", "een", "ein", "eine", "el", "en", "et",
    "het", "il", "l'", "la", "las", "le", "les", "lo", "los", "of", "os", "ou", "pour", "que",
    "the", "to", "um", "una", "und", "une", "van", "von", "y", "zu",
];

/// Whether `other` says something else than `texts`, and is whole.
pub(crate) fn is_worth(other: &str, texts: &[String]) -> bool {
    let words = words(other);
    let Some(last) = words.last() else { return false };
    let Some(best) = texts.first().map(|best| self::words(best)) else { return true };
    let is_new = texts.iter().all(|text| self::words(text) != words);
    let is_cut = DANGLING.contains(&&**last) && best.last() != Some(last);
    is_new && !is_cut && !(best.len() == 1 && stutters(&words))
}

/// The words of a text, whatever their case and the marks between them.
fn words(text: &str) -> Vec<String> {
    let bare =
        |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '\'').to_lowercase();
    text.split_whitespace().map(bare).filter(|word| !word.is_empty()).collect()
}

/// Whether a word begins as the one beside it, as in `Hall hallo`.
fn stutters(words: &[String]) -> bool {
    words.windows(2).any(|pair| {
        let [one, other] = pair else { return false };
        one.len().min(other.len()) > 2 && (one.starts_with(&**other) || other.starts_with(&**one))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_and_whole_is_worth_showing() {
        for (best, other, wanted) in [
            ("Hallo.", "Hallo,.", false),
            ("Merci !", "Merci!", false),
            ("Merci !", "Merci de !", false),
            ("Merci !", "Merci beaucoup !", true),
            ("Hallo", "Hall hallo", false),
            ("Hallo", "Guten Tag", true),
            ("Das Haus ist groß.", "Das Haus ist gross.", true),
            ("Das Hotel", "Das Hotel Hotelzimmer", true),
            ("Er geht.", "…", false),
            ("Nein, das ist es.", "Nein das ist es!", false),
        ] {
            assert_eq!(is_worth(other, &[best.to_owned()]), wanted, "{best} {other}");
        }
    }
}
