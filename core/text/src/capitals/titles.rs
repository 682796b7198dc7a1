//! Titles: every word begins with a capital, as in English headings.

/// Words that have a capital within a text only where all words have one: a name of several words has
/// none of them.
const SMALL_IN_TITLES: &[&str] = &[
    "a", "an", "and", "are", "at", "by", "for", "from", "how", "in", "is", "it", "my", "of", "on",
    "or", "our", "the", "their", "this", "to", "was", "what", "with", "you", "your", "au", "dans",
    "de", "des", "du", "en", "est", "et", "la", "le", "les", "pour", "sur", "un", "une", "con",
    "del", "el", "las", "los", "para", "por", "una", "y", "das", "dem", "den", "der", "die", "ein",
    "eine", "für", "im", "ist", "mit", "und", "von", "zu", "zur", "een", "het", "met", "op", "van",
    "voor",
];

/// Whether every word of `text` begins with a capital, small words too.
pub(crate) fn is_title(text: &str) -> bool {
    let mut words = text.split_whitespace().filter(|word| word.contains(char::is_alphabetic));
    let is_capital = |word: &str| {
        let mut letters = word.chars().filter(|c| c.is_alphabetic());
        letters.next().is_some_and(char::is_uppercase) && letters.all(|c| !c.is_uppercase())
    };
    if !words.next().is_some_and(is_capital) {
        return false;
    }
    let (mut count, mut small) = (1, 0);
    for word in words {
        if !is_capital(word) {
            return false;
        }
        count += 1;
        small += usize::from(is_small(word));
    }
    count > 2 && small > 0
}

fn is_small(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_alphabetic()).to_lowercase();
    SMALL_IN_TITLES.contains(&bare.as_str())
}

/// A title with small letters behind its first word; in German nouns cannot be distinguished from other
/// words, so only small words change.
pub(super) fn title_in_normal_case(text: &str, language: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut begins = true;
    for word in text.split_inclusive(char::is_whitespace) {
        match begins || language == "de" && !is_small(word) {
            true => normal.push_str(word),
            false => normal.push_str(&word.to_lowercase()),
        }
        begins &= !word.contains(char::is_alphabetic);
        begins |= word.trim_end().ends_with(['.', '!', '?', ':']);
    }
    normal
}

/// `text` with a capital at each word, as English titles have.
pub(crate) fn in_title_case(text: &str) -> String {
    let mut title = String::with_capacity(text.len());
    for word in text.split_inclusive(char::is_whitespace) {
        let at = word.find(char::is_alphabetic).unwrap_or(0);
        let (before, rest) = word.split_at(at);
        let mut letters = rest.chars();
        title.push_str(before);
        title.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        title.push_str(letters.as_str());
    }
    title
}
