//! Gives a translation the final punctuation and the case of its source.
//!
//! A text in capitals is translated in normal case, which is what models have read most, and written
//! in capitals again. Where the target language has rules of its own, they win: German nouns keep
//! their capitals although the source has none.

pub use crate::capitals::in_normal_case;

use crate::{
    capitals::{capitalised, in_title_case, is_title, with_emphasis},
    letters::{Script, base, script},
    parentheses, quotes,
};

/// Final marks that a translation shares with its source, each in the writing of its language.
const FINAL: [char; 20] = [
    '!', '?', '.', ',', ';', '。', '！', '？', '；', '，', '、', '؟', '؛', '،', '۔', '।', '።', '։',
    '။', '។',
];

/// A one-word source shorter than this does not become a sentence, in characters.
const SHORT_WORD: usize = 20;

/// Repairs `translation` into the language `target` of the sentence `source`, as users of
/// LibreTranslate know it.
///
/// The final punctuation becomes that of the source; a source all in lower or upper case makes
/// the translation so, else the case of the first letter is copied; a short word that came back
/// as a stutter ("salad" as "salade salade") is cut to one word. An empty translation is the
/// source.
pub fn restore(source: &str, translation: &str, target: &str) -> String {
    let (source, translation) = (source.trim(), translation.trim());
    let once = without_stutter(source, translation);
    let quoted = quotes::paired(source, once, target);
    let once = without_weak_mark(source, parentheses::paired(source, quoted.trim()).trim());
    let text = copy_case(source, &copy_final_in_quotes(source, &once, target), target);
    let text = with_emphasis(source, text);
    if text.trim().is_empty() { source.to_owned() } else { text }
}

fn without_stutter<'a>(source: &str, translation: &'a str) -> &'a str {
    if source.contains(char::is_whitespace) || source.chars().count() >= SHORT_WORD {
        return translation;
    }
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let mut seen = std::collections::HashSet::new();
    let mut words = translation.split_whitespace().map(bare).filter(|word| !word.is_empty());
    let repeats = words.any(|word| !seen.insert(word));
    match translation.split_whitespace().next() {
        Some(first) if repeats => first,
        _ => translation,
    }
}

/// `translation` without a comma before its full stop, and without an opening `¿` or `¡` where the source
/// neither asks nor cries.
fn without_weak_mark(source: &str, translation: &str) -> String {
    let is_loud = source.contains(['?', '!', '¿', '¡', '？', '！', ';', '؟']);
    let text = match is_loud {
        true => translation.to_owned(),
        false => translation.replace(['¿', '¡'], ""),
    };
    let bare = text.trim_end_matches(['.', '!', '?']);
    let weak = bare.trim_end_matches([',', ';', ':']);
    let is_weak = weak.len() < bare.len() && bare.len() < text.len();
    match is_weak && !source.trim_end_matches(['.', '!', '?']).ends_with([',', ';', ':']) {
        true => format!("{weak}{}", &text[bare.len()..]),
        false => text,
    }
}

/// The final mark of `source` for `translation`, also where both end in a quotation.
fn copy_final_in_quotes(source: &str, translation: &str, target: &str) -> String {
    let [theirs, ours] = [source, translation].map(within_quotes);
    match theirs.len() < source.len() && ours.len() < translation.len() {
        true => copy_final(theirs, ours, target) + &translation[ours.len()..],
        false => copy_final(source, translation, target),
    }
}

/// `text` without the marks at its end that close a quotation.
fn within_quotes(text: &str) -> &str {
    let bare = text.trim_end_matches(['"', '“', '”', '»', '«']);
    if bare.len() < text.len() { bare.trim_end() } else { text }
}

fn copy_final(source: &str, translation: &str, target: &str) -> String {
    let (Some(wanted), Some(found)) = (source.chars().last(), translation.chars().last()) else {
        return translation.to_owned();
    };
    if let Some(text) = copy_run(source, translation, target) {
        return text;
    }
    // A question ends in `;` in Greek.
    let is_greek = source.chars().rev().find_map(script) == Some(Script::Greek);
    let wanted = if wanted == ';' && is_greek { '?' } else { wanted };
    let is_ellipsis = translation.ends_with("..") || found == '…' || wanted == '…';
    let is_question = found == ';' && base(target) == "el";
    let same = narrow(wanted) == if is_question { '?' } else { narrow(found) };
    let bare = translation.strip_suffix(|c| FINAL.contains(&c)).unwrap_or(translation);
    match FINAL.contains(&wanted) {
        _ if same || is_ellipsis => translation.to_owned(),
        true => {
            let mark = own(narrow(wanted), target);
            let space = mark.filter(|mark| is_spaced(*mark, bare, target)).map(|_| ' ');
            bare.chars().chain(space).chain(mark).collect()
        }
        false => bare.to_owned(),
    }
}

/// `translation` with the marks that `source` ends in, if these are an ellipsis or several of `!` and `?`;
/// `None` where they are not, or the translation ends in marks of an eastern script.
fn copy_run(source: &str, translation: &str, target: &str) -> Option<String> {
    let is_mark = |c: char| matches!(c, '!' | '?' | '.' | ',' | ';' | '…');
    let run = &source[source.trim_end_matches(is_mark).len()..];
    let is_ellipsis = run.contains('…') || run.contains("...");
    let marks = &translation[translation.trim_end_matches(FINAL).len()..];
    let is_eastern = marks.contains(|c| narrow(c) != c) || translation.ends_with("……");
    if is_eastern || !is_ellipsis && run.matches(['!', '?']).count() < 2 {
        return None;
    }
    let bare = translation.trim_end_matches(is_mark);
    let first = run.chars().next().unwrap_or_default();
    let space = if is_spaced(first, bare, target) { " " } else { "" };
    Some(if bare.trim().is_empty() { String::new() } else { format!("{bare}{space}{run}") })
}

/// The western form of a mark: all its forms end a sentence alike.
fn narrow(mark: char) -> char {
    match mark {
        '。' | '۔' | '।' | '።' | '։' | '။' | '។' => '.',
        '！' => '!',
        '？' | '؟' => '?',
        '；' | '؛' => ';',
        '，' | '、' | '،' => ',',
        other => other,
    }
}

/// Whether French, but that of Canada, writes a space between `bare` and its final `mark`.
fn is_spaced(mark: char, bare: &str, target: &str) -> bool {
    let ends_in_word = bare.ends_with(|c: char| !c.is_whitespace() && !matches!(c, '!' | '?'));
    let is_european = base(target) == "fr" && !target.to_ascii_lowercase().ends_with("ca");
    is_european && matches!(mark, '!' | '?' | ';' | ':') && ends_in_word
}

/// How `target` writes a western final mark; `None` where it writes none.
fn own(mark: char, target: &str) -> Option<char> {
    Some(match (base(target), mark) {
        ("ja", ',') => '、',
        ("ja" | "zh" | "zt" | "yue", _) => match mark {
            '.' => '。',
            '!' => '！',
            '?' => '？',
            ';' => '；',
            ',' => '，',
            other => other,
        },
        ("th" | "lo", '.') => return None,
        ("hi" | "bn" | "ne" | "pa" | "or" | "as" | "sa" | "mai", '.') => '।',
        ("ur" | "ug" | "sd", '.') => '۔',
        ("ar" | "fa" | "ur" | "ug" | "ps" | "sd" | "ckb", '?') => '؟',
        ("ar" | "fa" | "ur" | "ug" | "ps" | "sd" | "ckb", ';') => '؛',
        ("ar" | "fa" | "ur" | "ug" | "ps" | "sd" | "ckb", ',') => '،',
        ("am" | "ti", '.') => '።',
        ("hy", '.') => '։',
        ("my", '.') => '။',
        ("km", '.') => '។',
        ("el", '?') => ';',
        _ => mark,
    })
}

fn copy_case(source: &str, translation: &str, target: &str) -> String {
    let lower = source.chars().filter(|c| c.is_lowercase()).count();
    let upper = source.chars().filter(|c| c.is_uppercase()).count();
    if upper == 0 && lower > 0 {
        return match target {
            "de" | "lb" => in_lower_case_but_nouns(source, translation),
            "tr" | "az" => translation.replace('I', "ı").replace('İ', "i").to_lowercase(),
            _ => translation.to_lowercase(),
        };
    }
    if lower == 0 && upper > 1 {
        return match target {
            "tr" | "az" => translation.replace('i', "İ").to_uppercase(),
            _ => translation.to_uppercase(),
        };
    }
    // Other languages write titles as they write sentences.
    if target == "en" && is_title(source) {
        return in_title_case(translation);
    }
    let (Some(wanted), Some(first)) = (source.chars().next(), translation.chars().next()) else {
        return translation.to_owned();
    };
    // A single word behind a mark was asked in small letters, as one without it.
    let has_letters = |word: &&str| word.contains(char::is_alphanumeric);
    let is_single = source.split_whitespace().filter(has_letters).count() == 1;
    if !wanted.is_alphabetic() && is_single {
        let has_capital =
            source.chars().find(|c| c.is_alphabetic()).is_some_and(char::is_uppercase);
        let Some(at) = translation.find(char::is_alphabetic).filter(|_| has_capital) else {
            return translation.to_owned();
        };
        return format!("{}{}", &translation[..at], capitalised(&translation[at..]));
    }
    let rest = &translation[first.len_utf8()..];
    if wanted.is_uppercase() {
        first.to_uppercase().chain(rest.chars()).collect()
    } else if wanted.is_lowercase() {
        first.to_lowercase().chain(rest.chars()).collect()
    } else {
        translation.to_owned()
    }
}

/// A German translation of a text in lower case: its first word gets a small letter if it is one that
/// never has a capital but at the beginning; nouns keep theirs.
fn in_lower_case_but_nouns(source: &str, translation: &str) -> String {
    let end = translation.find(|c: char| !c.is_alphabetic()).unwrap_or(translation.len());
    let (first, rest) = translation.split_at(end);
    let is_alone = !source.contains(char::is_whitespace);
    let lower = first.to_lowercase();
    // A verb or an adjective cannot be distinguished from a noun here: alone it stays as the model has it.
    match !is_alone && SMALL_WORDS.contains(&lower.as_str()) {
        true => lower + rest,
        false => translation.to_owned(),
    }
}

/// German words at the beginning of sentences that are no nouns.
const SMALL_WORDS: &[&str] = &[
    "aber", "alle", "alles", "als", "am", "an", "auch", "auf", "aus", "bei", "beide", "bin", "bis",
    "bitte", "da", "damit", "dann", "das", "dass", "dein", "deine", "dem", "den", "der", "des",
    "die", "dies", "diese", "dieser", "dieses", "doch", "dort", "du", "durch", "ein", "eine",
    "einem", "einen", "einer", "eines", "einige", "er", "erst", "es", "etwas", "euer", "für",
    "gegen", "gibt", "gut", "hat", "heute", "hier", "hinter", "ich", "ihr", "ihre", "im", "immer",
    "in", "ist", "ja", "jede", "jeder", "jetzt", "kann", "kein", "keine", "können", "man", "mein",
    "meine", "mit", "morgen", "nach", "nein", "nicht", "noch", "nur", "oder", "ohne", "schon",
    "sehr", "sein", "seine", "seit", "sie", "sind", "so", "über", "um", "und", "uns", "unser",
    "unsere", "unter", "viel", "viele", "vom", "von", "vor", "wann", "war", "waren", "warum",
    "was", "weil", "wenn", "wer", "wie", "wieder", "wir", "wird", "wo", "zu", "zum", "zur", "zwei",
    "zwischen",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_punctuation_is_that_of_the_source() {
        assert_eq!(restore("How are you?", "Wie geht es dir.", "de"), "Wie geht es dir?");
        assert_eq!(restore("A Title", "Ein Titel.", "fr"), "Ein Titel");
        assert_eq!(restore("Good morning.", "Guten Morgen", "fr"), "Guten Morgen.");
        assert_eq!(restore("Wait...", "Warte...", "fr"), "Warte...");
        assert_eq!(restore("Hello.", "你好。", "fr"), "你好。");
    }

    #[test]
    fn final_punctuation_is_written_as_the_target_writes_it() {
        for (source, translation, target, wanted) in [
            ("Hello.", "こんにちは", "ja", "こんにちは。"),
            ("你好。", "Hello", "en", "Hello."),
            ("He cannot come.", "वह नहीं आ सकता।", "hi", "वह नहीं आ सकता।"),
            ("Where is it?", "أين هو", "ar", "أين هو؟"),
            ("Where is it?", "Πού είναι;", "el", "Πού είναι;"),
            ("Where is it?", "Πού είναι.", "el", "Πού είναι;"),
            ("Πού είναι;", "Where is it?", "en", "Where is it?"),
            ("She works here.", "เธอทำงานที่นี่", "th", "เธอทำงานที่นี่"),
            ("It is done.", "ہو گیا", "ur", "ہو گیا۔"),
            ("What?!", "ماذا؟!", "ar", "ماذا؟!"),
        ] {
            assert_eq!(restore(source, translation, target), wanted);
        }
    }

    #[test]
    fn the_final_punctuation_of_a_quotation_is_that_of_the_source() {
        let source = "Il m'a dit : « Venez ! »";
        assert_eq!(restore(source, "He told me: \"Come. »", "en"), "He told me: \"Come!\"");
        assert_eq!(restore("\"Why?\"", "« Pourquoi. »", "fr"), "« Pourquoi ? »");
        assert_eq!(restore("He read \"Faust\"", "Er las „Faust.“", "de"), "Er las „Faust“");
        assert_eq!(restore("He said: \"No.\"", "Er sagte: „Nein“.", "de"), "Er sagte: „Nein“");
    }

    #[test]
    fn an_ellipsis_and_several_marks_are_those_of_the_source() {
        assert_eq!(restore("Wait…", "Warte...", "de"), "Warte…");
        assert_eq!(restore("Save as…", "Speichern unter", "de"), "Speichern unter…");
        assert_eq!(restore("Wait...", "Attendez…", "fr"), "Attendez...");
        assert_eq!(restore("What?!", "Was!", "de"), "Was?!");
        assert_eq!(restore("Go!!!", "Va !", "fr"), "Va !!!");
        assert_eq!(restore("Go!!!", "Va.", "fr"), "Va !!!");
        assert_eq!(restore("Where?", "Où.", "fr"), "Où ?");
        assert_eq!(restore("Where?", "Où.", "fr-CA"), "Où?");
        assert_eq!(restore("Are you...?", "Bist du?", "de"), "Bist du...?");
        assert_eq!(restore("Wait…", "等等……", "zh"), "等等……");
        assert_eq!(restore("Go!!!", "走！", "zh"), "走！");
        assert_eq!(restore("Wait…", "...", "de"), "Wait…");
    }

    #[test]
    fn a_comma_before_a_full_stop_goes_and_so_does_what_nobody_asks() {
        assert_eq!(restore("Hello.", "Hallo,.", "de"), "Hallo.");
        assert_eq!(restore("Yes.", "Ja,", "de"), "Ja.");
        assert_eq!(restore("Door", "¿Puerta", "es"), "Puerta");
        assert_eq!(restore("Where?", "¿Dónde?", "es"), "¿Dónde?");
        assert_eq!(restore("Wait,...", "Warte,...", "de"), "Warte,...");
    }

    #[test]
    fn case_is_that_of_the_source() {
        assert_eq!(restore("THE END", "das Ende", "fr"), "DAS ENDE");
        assert_eq!(restore("the end", "Das ende", "fr"), "das ende");
        assert_eq!(restore("The end Is near", "das Ende ist nah", "fr"), "Das Ende ist nah");
        assert_eq!(restore("I", "ich", "fr"), "Ich");
        assert_eq!(restore("字", "Zeichen", "fr"), "Zeichen");
        assert_eq!(restore("(House)", "(maison)", "fr"), "(Maison)");
        assert_eq!(restore("< House<", "< maison<", "fr"), "< Maison<");
        assert_eq!(restore("(The house)", "(la maison)", "fr"), "(la maison)");
        assert_eq!(restore("5.000", "cinq", "fr"), "cinq");
    }

    #[test]
    fn rules_of_the_target_win_over_the_case_of_the_source() {
        assert_eq!(restore("the house is red", "Das Haus ist rot", "de"), "das Haus ist rot");
        assert_eq!(restore("house", "Haus", "de"), "Haus");
        assert_eq!(restore("my house", "Mein Haus", "de"), "mein Haus");
        assert_eq!(restore("island", "Ada", "tr"), "ada");
        assert_eq!(restore("OUR ISLAND", "Bizim adamız", "tr"), "BİZİM ADAMIZ");
    }

    #[test]
    fn titles_are_translated_in_normal_case() {
        let normal = |text, language| in_normal_case(text, language).into_owned();
        assert_eq!(normal("How To Feed The Birds", "en"), "How to feed the birds");
        assert_eq!(normal("Der Hund Und Die Katze", "de"), "Der Hund und die Katze");
        for name in ["New York Times", "The End", "The House of Mr. Smith", "How to feed the birds"]
        {
            assert_eq!(normal(name, "en"), name);
        }
        assert_eq!(
            restore("Le Chat Et La Souris", "the cat and the mouse", "en"),
            "The Cat And The Mouse"
        );
        assert_eq!(
            restore("The Cat And The Mouse", "le chat et la souris", "fr"),
            "Le chat et la souris"
        );
    }

    #[test]
    fn a_short_word_does_not_stutter() {
        assert_eq!(restore("salad", "salade salade salade", "fr"), "salade");
        assert_eq!(restore("Salad!", "Salat, Salat", "fr"), "Salat !");
        assert_eq!(restore("potato", "pomme de terre", "fr"), "pomme de terre");
        assert_eq!(restore("bye bye", "au au", "fr"), "au au");
    }

    #[test]
    fn an_empty_translation_is_the_source() {
        assert_eq!(restore("Word", "  ", "fr"), "Word");
        assert_eq!(restore("word", ".", "fr"), "word");
        assert_eq!(restore("", "", "fr"), "");
    }
}
