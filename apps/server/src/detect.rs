//! Guesses the language of a text, among those of the model.

use std::sync::{Arc, Mutex, PoisonError};

use dragoman_text::split::has_letters;
use lingua::{IsoCode639_1, Language, LanguageDetector, LanguageDetectorBuilder};
use serde::Serialize;

use crate::languages;

/// Characters of a text that are looked at: more tell nothing new.
const MAX_CHARS: usize = 1000;

/// A guess, and how sure it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detected {
    /// From 0 to 100.
    pub confidence: f64,
    /// Code of the language.
    pub language: String,
}

/// lingua, restricted to some languages.
#[derive(Default)]
pub struct Detector {
    /// The languages, and lingua for them: made when first needed, and when the model changes.
    current: Mutex<Option<(Vec<String>, Arc<Guesser>)>>,
}

/// What guesses among some languages.
enum Guesser {
    /// Several languages that lingua knows.
    Lingua(LanguageDetector),
    /// One language that lingua knows: every text is in it.
    Only(String),
    /// None that it knows.
    Nothing,
}

impl Detector {
    /// Loads nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Loads what guessing among `known` needs. Takes a moment, and blocks.
    pub fn warm(&self, known: &[String]) {
        let started = std::time::Instant::now();
        let sample = "This sentence loads every table that longer texts need.";
        self.detect(sample, known);
        tracing::debug!(took = ?started.elapsed(), "language detection is ready");
    }

    /// Guesses the language of `text` among `known`, best first; at least one guess.
    ///
    /// A text without letters is English with confidence 0, as upstream has it. CPU-bound.
    pub fn detect(&self, text: &str, known: &[String]) -> Vec<Detected> {
        let unknown = || vec![Detected { confidence: 0.0, language: "en".into() }];
        if !has_letters(text) {
            return unknown();
        }
        let found = match &*self.guesser(known) {
            Guesser::Nothing => return unknown(),
            Guesser::Only(language) => {
                return vec![Detected { confidence: 100.0, language: language.clone() }];
            }
            Guesser::Lingua(lingua) => lingua.compute_language_confidence_values(beginning(text)),
        };
        let guess = |(language, confidence): (Language, f64)| {
            let confidence = (confidence * 100.0).round();
            let language = languages::resolve(known, &language.iso_code_639_1().to_string())?;
            (confidence > 0.0)
                .then(|| Detected { confidence, language: languages::public(language).into() })
        };
        let guesses: Vec<_> = found.into_iter().filter_map(guess).collect();
        if guesses.is_empty() { unknown() } else { guesses }
    }

    fn guesser(&self, known: &[String]) -> Arc<Guesser> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some((languages, guesser)) if languages == known => Arc::clone(guesser),
            _ => {
                let guesser = Arc::new(Guesser::new(known));
                *current = Some((known.to_vec(), Arc::clone(&guesser)));
                guesser
            }
        }
    }
}

impl Guesser {
    fn new(known: &[String]) -> Self {
        let code = |language: &String| {
            let code: IsoCode639_1 = language.split('-').next()?.parse().ok()?;
            Some(Language::from_iso_code_639_1(&code))
        };
        let mut found: Vec<Language> = known.iter().filter_map(code).collect();
        found.sort_unstable();
        found.dedup();
        match found[..] {
            [] => Self::Nothing,
            [one] => Self::Only(one.iso_code_639_1().to_string()),
            _ => Self::Lingua(LanguageDetectorBuilder::from_languages(&found).build()),
        }
    }
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

    fn best(text: &str, known: &[&str]) -> Detected {
        let known: Vec<String> = known.iter().map(|code| code.to_string()).collect();
        Detector::new().detect(text, &known).swap_remove(0)
    }

    #[test]
    fn a_sentence_is_told_by_its_language() {
        let known = ["de", "en", "es", "fr", "nl"];
        for (text, language) in [
            ("Wie komme ich bitte zum Bahnhof?", "de"),
            ("Could you tell me the way to the station?", "en"),
            ("¿Cómo llego a la estación de tren?", "es"),
            ("Comment puis-je aller à la gare ?", "fr"),
            ("Hoe kom ik bij het station, alstublieft?", "nl"),
        ] {
            let found = best(text, &known);
            assert_eq!(found.language, language, "{text}");
            assert!(found.confidence > 50.0 && found.confidence <= 100.0, "{found:?}");
        }
    }

    #[test]
    fn only_languages_of_the_model_are_guessed() {
        let found = best("Come posso arrivare alla stazione?", &["de", "en"]);
        assert!(["de", "en"].contains(&found.language.as_str()), "{found:?}");
        assert_eq!(best("Guten Tag", &["de"]).confidence, 100.0);
        assert_eq!(best("Guten Tag", &["tlh"]).confidence, 0.0);
    }

    #[test]
    fn without_letters_it_is_english_with_no_confidence() {
        for text in ["", "  ", "🙂", "123"] {
            let expected = Detected { confidence: 0.0, language: "en".into() };
            assert_eq!(best(text, &["de", "en"]), expected);
        }
    }
}
