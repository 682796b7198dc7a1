//! The forms that a term may take in a sentence: enough of them for a search to prefer, since what a
//! translation uses is judged by stems.

use crate::letters::base;

/// Forms of a term at most.
const MAX_FORMS: usize = 12;

/// `term` as it is given, and then as sentences of `language` may have it.
pub(super) fn forms(term: &str, language: &str) -> Vec<String> {
    let mut forms = vec![term.to_owned()];
    let mut add = |form: String| {
        if !forms.contains(&form) && forms.len() < MAX_FORMS {
            forms.push(form);
        }
    };
    let is_word = |word: &str| word.chars().count() > 3 && word.chars().all(char::is_alphabetic);
    let (head, last) = term.rsplit_once(' ').unwrap_or(("", term));
    let join = |head: &str, last: String| match head.is_empty() {
        true => last,
        false => format!("{head} {last}"),
    };
    let heads = heads(head, language);
    for head in &heads {
        add(join(head, last.to_owned()));
    }
    if is_word(last) {
        for last in inflected(last, language) {
            for head in &heads {
                add(join(head, last.clone()));
            }
        }
    }
    if !term.contains(' ') {
        add(capitalised(term));
    }
    forms
}

/// `text` with a capital first letter.
pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The words before the last as they may be: a German or Dutch adjective is inflected.
fn heads(head: &str, language: &str) -> Vec<String> {
    let is_adjective = head.starts_with(char::is_lowercase) && !head.contains(' ');
    if head.is_empty() || language != "de" || !is_adjective {
        return vec![head.to_owned()];
    }
    let ending = ["er", "es", "en", "em", "e"].into_iter().find(|end| head.ends_with(end));
    let stem = head.strip_suffix(ending.unwrap_or_default()).unwrap_or(head);
    let mut heads = vec![head.to_owned()];
    for end in ["e", "en", "er", "es"] {
        let other = format!("{stem}{end}");
        if other != head {
            heads.push(other);
        }
    }
    heads
}

/// A noun as it may be inflected, the likeliest forms first.
fn inflected(word: &str, language: &str) -> Vec<String> {
    let with = |ends: &[&str]| ends.iter().map(|end| format!("{word}{end}")).collect();
    let swapped = |stem: &str, ends: &[&str]| -> Vec<String> {
        ends.iter().map(|end| format!("{stem}{end}")).collect()
    };
    match base(language) {
        "de" if word.ends_with('e') => with(&["n"]),
        "de" if word.ends_with("ung") || word.ends_with("heit") || word.ends_with("keit") => {
            with(&["en"])
        }
        "de" => with(&["s", "e", "en", "es", "n", "er"]),
        "en" if word.ends_with('y') => swapped(&word[..word.len() - 1], &["ies"]),
        "en" if word.ends_with(['s', 'x', 'z']) || word.ends_with("ch") || word.ends_with("sh") => {
            with(&["es"])
        }
        "en" => with(&["s"]),
        "fr" if word.ends_with("al") => swapped(&word[..word.len() - 2], &["aux"]),
        "fr" if word.ends_with("eau") || word.ends_with("eu") => with(&["x"]),
        "fr" => with(&["s", "e", "es"]),
        "es" | "pt" | "pb" if word.ends_with("ión") => {
            swapped(&word[..word.len() - 4], &["iones"])
        }
        "es" | "pt" | "pb" if word.ends_with("ção") => {
            swapped(&word[..word.len() - 5], &["ções"])
        }
        "es" | "pt" | "pb" if word.ends_with(['a', 'e', 'o']) => with(&["s"]),
        "es" | "pt" | "pb" => with(&["es", "s"]),
        "it" if word.ends_with("io") => swapped(&word[..word.len() - 2], &["i"]),
        "it" if word.ends_with("a") => swapped(&word[..word.len() - 1], &["e", "i"]),
        "it" if word.ends_with(['o', 'e']) => swapped(&word[..word.len() - 1], &["i", "a"]),
        "nl" if word.ends_with('e') => with(&["n", "s"]),
        "nl" => with(&["en", "s", "e"]),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_comes_first_and_then_its_forms() {
        assert_eq!(forms("Lieferung", "de"), ["Lieferung", "Lieferungen"]);
        let forms_of = forms("allgemeine Bedingung", "de");
        assert!(forms_of.contains(&"allgemeinen Bedingungen".to_owned()), "{forms_of:?}");
        assert_eq!(forms("policy", "en"), ["policy", "policies", "Policy"]);
        assert_eq!(forms("dichiarazione", "it")[1], "dichiarazioni");
        assert_eq!(forms("acción", "es")[1], "acciones");
        assert_eq!(forms("informação", "pt")[1], "informações");
        assert_eq!(forms("IT", "de"), ["IT"]);
        for term in ["", " ", "é", "ção", "ión", "a b c d"] {
            for language in ["de", "en", "es", "fr", "it", "nl", "pt", "xx"] {
                assert_eq!(forms(term, language)[0], term);
            }
        }
    }
}
