//! How many everyday words and phrases are taken for their languages, and how many sentences.

use dragoman_languages::LanguageDetector;

/// Words and phrases of `everyday.txt` that are right, of 377: fewer are a step back.
const WORDS: usize = 360;

/// Sentences of `data/samples/reading` that are right: all of them.
const SENTENCES: usize = 560;

const SERVED: [&str; 7] = ["de", "en", "es", "fr", "it", "nl", "pt"];

/// The language that a text alone is translated from.
fn language(text: &str) -> String {
    let known = SERVED.map(str::to_owned);
    LanguageDetector::new().detect_all(&[text.to_owned()], &known).swap_remove(0).language
}

#[test]
fn everyday_words_are_taken_for_their_languages() {
    let (mut right, mut wrong) = (0, Vec::new());
    for line in include_str!("everyday.txt").lines().filter(|line| !line.starts_with('#')) {
        let (codes, texts) = line.split_once(": ").expect("codes and texts");
        for text in texts.split(" | ") {
            let found = language(text);
            match codes.split(' ').any(|code| code == found) {
                true => right += 1,
                false => wrong.push(format!("{text} ({codes}) is {found}")),
            }
        }
    }

    assert!(right >= WORDS, "{right} are right, {WORDS} were; wrong: {wrong:#?}");
}

#[test]
fn sentences_are_taken_for_their_languages() {
    let (mut right, mut wrong) = (0, Vec::new());
    for code in SERVED {
        let file = format!("{}/../../data/samples/reading/{code}.txt", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(file).expect("the reading samples");
        for line in text.lines() {
            match language(line) {
                found if found == code => right += 1,
                found => wrong.push(format!("{line} ({code}) is {found}")),
            }
        }
    }
    assert!(right >= SENTENCES, "{right} are right, {SENTENCES} were; wrong: {wrong:#?}");
}
