//! Capitals for emphasis in a translation.

use std::ops::Range;

use super::words::{is_shouted, words};

/// Words that negate, in several languages: what is loud of them in a source is so in its translation.
const NEGATIONS: &[&str] = &[
    "not", "nicht", "pas", "non", "no", "não", "niet", "never", "nie", "jamais", "nunca", "mai",
    "nooit",
];

/// `translation` with capitals where those words of `source` came back that have them for emphasis,
/// as far as they can be told: names, the negation, and a label before a colon.
pub(crate) fn with_emphasis(source: &str, mut translation: String) -> String {
    if !source.contains(char::is_lowercase) {
        return translation;
    }
    let shouted: Vec<&str> =
        words(source).map(|at| &source[at]).filter(|word| is_shouted(word)).collect();
    if shouted.is_empty() {
        return translation;
    }
    if let (Some((label, _)), Some((ours, rest))) =
        (source.split_once(':'), translation.split_once(':'))
        && label.chars().any(char::is_alphabetic)
        && !label.contains(char::is_lowercase)
        && ours.split_whitespace().count() <= label.split_whitespace().count() + 2
        && shouted.iter().any(|word| label.contains(word))
    {
        translation = format!("{}:{rest}", ours.to_uppercase());
    }
    for word in &shouted {
        let same =
            |at: &Range<usize>| translation[at.clone()].to_lowercase() == word.to_lowercase();
        let own: Vec<Range<usize>> = words(&translation).filter(same).collect();
        if let [at] = &own[..] {
            translation.replace_range(at.clone(), word);
        }
    }
    let negates = |word: &str| NEGATIONS.contains(&&*word.to_lowercase());
    if shouted.iter().filter(|word| negates(word)).count() == 1 {
        let found: Vec<Range<usize>> =
            words(&translation).filter(|at| negates(&translation[at.clone()])).collect();
        if let [at] = &found[..] {
            let loud = translation[at.clone()].to_uppercase();
            translation.replace_range(at.clone(), &loud);
        }
    }
    translation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emphasis_comes_back_where_it_can_be_told() {
        for (source, translation, wanted) in [
            ("Do NOT open it.", "Öffnen Sie es nicht.", "Öffnen Sie es NICHT."),
            ("IMPORTANT: Read this.", "Wichtig: Lies das.", "WICHTIG: Lies das."),
            ("I met ANNA.", "Ich traf Anna.", "Ich traf ANNA."),
            ("You MUST read it.", "Du musst es lesen.", "Du musst es lesen."),
            ("The time is 10:30 NOW.", "Es ist jetzt 10:30.", "Es ist jetzt 10:30."),
            ("Do not open it.", "Öffnen Sie es nicht.", "Öffnen Sie es nicht."),
        ] {
            assert_eq!(with_emphasis(source, translation.to_owned()), wanted);
        }
    }
}
