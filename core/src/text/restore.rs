//! Gives a translation the final punctuation and the case of its source.

/// Final marks that a translation shares with its source.
const FINAL: [char; 9] = ['!', '?', '.', ',', ';', '。', '！', '？', '；'];

/// A one-word source shorter than this does not become a sentence, in characters.
const SHORT_WORD: usize = 20;

/// Repairs `translation` of the sentence `source`, as users of LibreTranslate know it.
///
/// The final punctuation becomes that of the source; a source all in lower or upper case makes
/// the translation so, else the case of the first letter is copied; a short word that came back
/// as a stutter ("salad" as "salade salade") is cut to one word. An empty translation is the
/// source.
pub fn restore(source: &str, translation: &str) -> String {
    let (source, translation) = (source.trim(), translation.trim());
    let once = without_stutter(source, translation);
    let text = copy_case(source, &copy_final(source, once));
    if text.trim().is_empty() { source.to_owned() } else { text }
}

fn without_stutter<'a>(source: &str, translation: &'a str) -> &'a str {
    if source.contains(char::is_whitespace) || source.chars().count() >= SHORT_WORD {
        return translation;
    }
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let mut seen = std::collections::HashSet::new();
    let repeats = translation.split_whitespace().map(bare).any(|word| !seen.insert(word));
    match translation.split_whitespace().next() {
        Some(first) if repeats => first,
        _ => translation,
    }
}

fn copy_final(source: &str, translation: &str) -> String {
    let (Some(wanted), Some(found)) = (source.chars().last(), translation.chars().last()) else {
        return translation.to_owned();
    };
    let is_ellipsis = translation.ends_with("..") || found == '…' || wanted == '…';
    let same = narrow(wanted) == narrow(found);
    let bare = translation.strip_suffix(|c| FINAL.contains(&c)).unwrap_or(translation);
    match FINAL.contains(&wanted) {
        _ if same || is_ellipsis => translation.to_owned(),
        true => format!("{bare}{wanted}"),
        false => bare.to_owned(),
    }
}

/// The western form of an eastern mark: both end a sentence alike.
fn narrow(mark: char) -> char {
    match mark {
        '。' => '.',
        '！' => '!',
        '？' => '?',
        '；' => ';',
        other => other,
    }
}

fn copy_case(source: &str, translation: &str) -> String {
    let lower = source.chars().filter(|c| c.is_lowercase()).count();
    let upper = source.chars().filter(|c| c.is_uppercase()).count();
    if upper == 0 && lower > 0 {
        return translation.to_lowercase();
    }
    if lower == 0 && upper > 1 {
        return translation.to_uppercase();
    }
    let (Some(wanted), Some(first)) = (source.chars().next(), translation.chars().next()) else {
        return translation.to_owned();
    };
    let rest = &translation[first.len_utf8()..];
    if wanted.is_uppercase() {
        first.to_uppercase().chain(rest.chars()).collect()
    } else if wanted.is_lowercase() {
        first.to_lowercase().chain(rest.chars()).collect()
    } else {
        translation.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_punctuation_is_that_of_the_source() {
        assert_eq!(restore("How are You?", "Wie geht es dir."), "Wie geht es dir?");
        assert_eq!(restore("A Title", "Ein Titel."), "Ein Titel");
        assert_eq!(restore("Good morning.", "Guten Morgen"), "Guten Morgen.");
        assert_eq!(restore("Wait...", "Warte..."), "Warte...");
        assert_eq!(restore("Wait…", "Warte..."), "Warte...");
        assert_eq!(restore("Hello.", "你好。"), "你好。");
    }

    #[test]
    fn case_is_that_of_the_source() {
        assert_eq!(restore("THE END", "das Ende"), "DAS ENDE");
        assert_eq!(restore("the end", "Das ende"), "das ende");
        assert_eq!(restore("The end Is near", "das Ende ist nah"), "Das Ende ist nah");
        assert_eq!(restore("I", "ich"), "Ich");
        assert_eq!(restore("字", "Zeichen"), "Zeichen");
    }

    #[test]
    fn a_short_word_does_not_stutter() {
        assert_eq!(restore("salad", "salade salade salade"), "salade");
        assert_eq!(restore("Salad!", "Salat, Salat"), "Salat!");
        assert_eq!(restore("potato", "pomme de terre"), "pomme de terre");
        assert_eq!(restore("bye bye", "au au"), "au au");
    }

    #[test]
    fn an_empty_translation_is_the_source() {
        assert_eq!(restore("Word", "  "), "Word");
        assert_eq!(restore("word", "."), "word");
        assert_eq!(restore("", ""), "");
    }
}
