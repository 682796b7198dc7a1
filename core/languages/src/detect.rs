//! Guesses the language of a text, among all languages that are known here and not only those of the
//! model: a text in Portuguese is not Spanish because the model knows no Portuguese. Of a short text, which may
//! be of several languages, those of the model are likelier.
//!
//! Letters decide between scripts. Within the Latin script lingua's models of fourteen languages, letters
//! that few languages have and frequent words are counted together. What is not prose has no vote.

mod letters;
mod prose;
mod everyday;
mod common;
mod words;
mod guess;

use serde::Serialize;

use crate::codes;

/// Characters of a text that are looked at: more tell nothing new.
const MAX_CHARS: usize = 1000;

/// From which confidence on, in percent, a text is taken to be in a language that the model does not
/// know.
const SURE: f64 = 50.0;

/// Letters from which on a text of an array needs no neighbours to be sure.
const LONG: usize = 24;

/// A guess, and how sure it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detected {
    /// From 0 to 100.
    pub confidence: f64,
    /// Code of the language.
    pub language: String,
}

/// Guesses languages; what it needs is loaded at its first use.
#[derive(Debug, Default)]
pub struct LanguageDetector;

impl LanguageDetector {
    /// Loads nothing yet.
    pub fn new() -> Self {
        Self
    }

    /// Loads what guessing needs. Takes a moment, and blocks.
    pub fn warm(&self) {
        let started = std::time::Instant::now();
        guess::guess("This sentence loads every table that longer texts need.", |_| true);
        tracing::debug!(took = ?started.elapsed(), "language detection is ready");
    }

    /// Guesses the language of `text`, best first; at least one guess. A language of the model, which knows
    /// `known`, has the model's code.
    ///
    /// A language that the model does not know comes first only where it is likely: a doubtful text is
    /// better translated from one that it may be in than not at all. A text without prose is English with
    /// confidence 0, as upstream has it. CPU-bound.
    pub fn detect(&self, text: &str, known: &[String]) -> Vec<Detected> {
        let named = |(code, probability): (&'static str, f64)| {
            let confidence = (probability * 100.0).round();
            let language = codes::resolve(known, code).unwrap_or(code);
            (confidence > 0.0)
                .then(|| Detected { confidence, language: codes::public(language).into() })
        };
        let is_known = |code: &str| codes::resolve(known, code).is_some();
        let guesses = guess::guess(beginning(text), is_known);
        let mut guesses: Vec<_> = guesses.into_iter().filter_map(named).collect();
        let is_doubtful = guesses.first().is_some_and(|best| best.confidence < SURE);
        let first_known = guesses.iter().position(|guess| is_known(&guess.language));
        if is_doubtful {
            guesses.drain(..first_known.unwrap_or(0));
        }
        if guesses.is_empty() { vec![nothing()] } else { guesses }
    }

    /// The language to translate each of `texts` from, which came together: the best guess of each, where
    /// a short one that is unsure is taken to be in the language of the others. Of a text alone it is what
    /// [`detect`](Self::detect) says first.
    pub fn detect_all(&self, texts: &[String], known: &[String]) -> Vec<Detected> {
        let guesses: Vec<Vec<Detected>> =
            texts.iter().map(|text| self.detect(text, known)).collect();
        let letters = |text: &String| text.chars().filter(|c| c.is_alphabetic()).count();
        let common = common_language(&guesses, texts.iter().map(letters));
        let of = |(text, guesses): (&String, Vec<Detected>)| {
            let best = guesses[0].clone();
            let Some(common) = &common else { return best };
            let is_unsure =
                best.confidence > 0.0 && letters(text) < LONG && best.language != *common;
            let own = guesses.iter().find(|guess| guess.language == *common);
            match own.filter(|own| is_unsure && 5.0 * own.confidence > best.confidence) {
                Some(own) => own.clone(),
                None => best,
            }
        };
        texts.iter().zip(guesses).map(of).collect()
    }
}

/// The guess for a text without prose.
fn nothing() -> Detected {
    Detected { confidence: 0.0, language: "en".into() }
}

/// The language that most letters of texts with sure guesses are in.
fn common_language(
    guesses: &[Vec<Detected>],
    letters: impl Iterator<Item = usize>,
) -> Option<String> {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for (guesses, letters) in guesses.iter().zip(letters) {
        if guesses[0].confidence >= 80.0 {
            *counts.entry(&guesses[0].language).or_default() += letters;
        }
    }
    let all: usize = counts.values().sum();
    let (language, most) = counts.into_iter().max_by_key(|(_, letters)| *letters)?;
    (2 * most > all).then(|| language.to_owned())
}

/// The first words of `text`.
fn beginning(text: &str) -> &str {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => text[..end].rsplit_once(' ').map_or(&text[..end], |(head, _)| head),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["de", "en", "es", "fr", "nl"];

    fn known(codes: &[&str]) -> Vec<String> {
        codes.iter().map(|code| code.to_string()).collect()
    }

    fn best(text: &str, codes: &[&str]) -> Detected {
        LanguageDetector::new().detect(text, &known(codes)).swap_remove(0)
    }

    fn language(text: &str) -> String {
        best(text, KNOWN).language
    }

    #[test]
    fn a_sentence_is_told_by_its_language() {
        for (text, language) in [
            ("Wie komme ich bitte zum Bahnhof?", "de"),
            ("Could you tell me the way to the station?", "en"),
            ("¿Cómo llego a la estación de tren?", "es"),
            ("Comment puis-je aller à la gare ?", "fr"),
            ("Hoe kom ik bij het station, alstublieft?", "nl"),
            ("Para chegar ao mercado, vire à esquerda depois da ponte.", "pt"),
            ("Il mercato è dietro la chiesa, vicino al ponte.", "it"),
            ("Torget ligger bakom kyrkan, och det är öppet på lördagar.", "sv"),
            ("Rynek jest za kościołem, blisko mostu na rzece.", "pl"),
            ("Рынок находится за церковью, недалеко от моста.", "ru"),
            ("Ринок знаходиться за церквою, біля річки.", "uk"),
            ("Η αγορά είναι πίσω από την εκκλησία.", "el"),
            ("市場は教会の後ろにあります。", "ja"),
            ("市场在教堂后面。", "zh-Hans"),
            ("Pazar, kilisenin arkasında ve köprüye yakın.", "tr"),
        ] {
            let found = best(text, KNOWN);
            assert_eq!(found.language, language, "{text}");
            assert!(found.confidence > 50.0 && found.confidence <= 100.0, "{found:?}");
        }
    }

    #[test]
    fn what_is_typed_first_is_known_in_every_form() {
        for (word, expected) in [
            ("Hello", "en"),
            ("Thank you", "en"),
            ("OK", "en"),
            ("Danke", "de"),
            ("Guten Abend", "de"),
            ("Merci", "fr"),
            ("Bonsoir", "fr"),
            ("Gracias", "es"),
            ("Hola", "es"),
            ("Bedankt", "nl"),
        ] {
            let lower = word.to_lowercase();
            for form in
                [word, &lower, &format!("{word}."), &format!("{word}!"), &format!("{word}\n")]
            {
                assert_eq!(language(form), expected, "{form:?}");
            }
        }
    }

    #[test]
    fn names_quotations_and_what_is_no_prose_have_no_vote() {
        for (text, expected) in [
            ("The name Müller is written with ü in Zürich and in Köln.", "en"),
            ("Our word for the sign “größer als” is not in this list.", "en"),
            ("@jiri@skola.example @novak Bedankt, dat helpt mij echt!", "nl"),
            (
                "Der Dienst startet nicht:\n```\nerror: cannot open the file, run it again\n```\nWer weiß Rat?",
                "de",
            ),
            ("DAS IST MEIN HUND", "de"),
        ] {
            assert_eq!(language(text), expected, "{text}");
        }
    }

    #[test]
    fn a_language_that_is_added_changes_no_guess() {
        let more = ["de", "en", "es", "fr", "it", "nl", "pt", "tlh"];
        for text in ["Hello", "Danke", "Merci", "hond", "Come posso arrivare alla stazione?"] {
            let (few, more) = (best(text, &["de", "en"]), best(text, &more));
            assert_eq!(few.language, more.language, "{text}");
        }
    }

    #[test]
    fn a_short_text_is_likelier_in_a_language_of_the_model() {
        let of_model = best("kan", &["nl"]);
        assert!(of_model.confidence > best("kan", &["de"]).confidence, "{of_model:?}");
        for (text, expected) in
            [("ja", "de"), ("bon", "fr"), ("Configurações", "pt"), ("Tot morgen", "nl")]
        {
            assert_eq!(best(text, &["de", "en", "es", "fr", "it", "nl", "pt"]).language, expected);
        }
    }

    #[test]
    fn a_text_alone_is_translated_from_what_is_detected() {
        let known = known(KNOWN);
        let detector = LanguageDetector::new();
        for text in ["ja", "bon", "Taxi", "Hei", "non lo so", "Configurações", "12", "日本"] {
            let first = detector.detect(text, &known).swap_remove(0);
            assert_eq!(detector.detect_all(&[text.to_owned()], &known), [first], "{text}");
        }
    }

    #[test]
    fn a_text_without_prose_is_english_with_no_confidence() {
        for text in
            ["", "  ", "🙂", "123", "https://a.example/b?c=d", "@ada #spring", "v1.20.0-rc.3"]
        {
            let expected = Detected { confidence: 0.0, language: "en".into() };
            assert_eq!(best(text, KNOWN), expected, "{text}");
        }
    }

    #[test]
    fn short_texts_are_informed_by_their_neighbours() {
        let texts =
            ["Der Garten ist heute leider geschlossen.", "Hallo", "Museum", "Bonjour à tous"];
        let texts: Vec<String> = texts.map(str::to_owned).into();
        let found = LanguageDetector::new().detect_all(&texts, &known(KNOWN));
        let found: Vec<&str> = found.iter().map(|found| found.language.as_str()).collect();
        assert_eq!(found, ["de", "de", "de", "fr"]);
    }

    #[test]
    fn a_language_of_no_model_is_named_where_it_is_likely() {
        let one = |text: &str| {
            LanguageDetector::new()
                .detect_all(&[text.to_owned()], &known(&["en", "es"]))
                .swap_remove(0)
        };
        assert_eq!(one("Onde fica a estação de comboios mais próxima?").language, "pt");
        assert!(["en", "es"].contains(&one("Taxi").language.as_str()));
    }
}
