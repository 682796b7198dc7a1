//! Tells languages apart.

use std::{str::FromStr, sync::LazyLock};

use lingua::{IsoCode639_1, Language, LanguageDetector, LanguageDetectorBuilder};

/// Knows the languages that the workspace compiles lingua for.
static DETECTOR: LazyLock<LanguageDetector> =
    LazyLock::new(|| LanguageDetectorBuilder::from_all_languages().build());

/// The detector's confidence above which another language counts as the wrong one.
///
/// Short sentences of sister languages are hard to tell apart, and a guess is no evidence. At 0.6,
/// of human translations in de, en, es, fr and nl, at most 0.3 % are called wrong, while 75 % to 89 %
/// of everyday sentences (seven words) and 99 % of newspaper sentences are recognised.
const CERTAIN: f64 = 0.6;

/// The language of an ISO 639-1 code, if the detector knows it.
pub(super) fn detectable(language: &str) -> Option<Language> {
    let code = IsoCode639_1::from_str(language).ok()?;
    Language::all().into_iter().find(|language| language.iso_code_639_1() == code)
}

/// Whether `text` is certainly in another language than `wanted`.
pub(super) fn is_other(text: &str, wanted: Language) -> bool {
    let ranking = DETECTOR.compute_language_confidence_values(text);
    ranking.first().is_some_and(|&(best, confidence)| best != wanted && confidence > CERTAIN)
}
