//! Whether a text is in another language than it should be. The models for it weigh more than the
//! rest of the program, so a build can leave it out: then its use is an error.

use crate::{Result, lang::Language};

/// Knows the two languages of a pair from all others.
#[cfg(feature = "detection")]
pub(super) struct ForeignDetector {
    lingua: lingua::LanguageDetector,
    /// What lingua calls the languages, if it knows them.
    expected: [Option<lingua::Language>; 2],
}

#[cfg(feature = "detection")]
impl ForeignDetector {
    pub(super) fn new(languages: [Option<&'static Language>; 2]) -> Result<Self> {
        let lingua = lingua::LanguageDetectorBuilder::from_all_languages().build();
        let expected = languages.map(|language| language.and_then(detectable));
        Ok(Self { lingua, expected })
    }

    /// Whether a text is surely in another language than its side should be.
    pub(super) fn is_foreign(&self, text: &str, side: usize) -> bool {
        let Some(expected) = self.expected[side] else { return false };
        if text.chars().filter(|c| c.is_alphabetic()).count() < 20 {
            return false;
        }
        let confidences = self.lingua.compute_language_confidence_values(text);
        let best = confidences.first().map_or(0.0, |&(_, confidence)| confidence);
        let own = confidences.iter().find(|&&(language, _)| language == expected);
        best > 0.9 && own.is_some_and(|&(_, confidence)| confidence < 0.02)
    }
}

#[cfg(feature = "detection")]
fn detectable(language: &Language) -> Option<lingua::Language> {
    lingua::Language::all().into_iter().find(|candidate| {
        candidate.iso_code_639_1().to_string().eq_ignore_ascii_case(language.code)
    })
}

/// Cannot be made in a build without `detection`.
#[cfg(not(feature = "detection"))]
pub(super) enum ForeignDetector {}

#[cfg(not(feature = "detection"))]
impl ForeignDetector {
    pub(super) fn new(_: [Option<&'static Language>; 2]) -> Result<Self> {
        let reason = "`detect_language = true` needs language detection, which this build leaves out; set it to \
                      `false`, or build with the feature `detection`";
        Err(crate::Error::Config(reason.into()))
    }

    pub(super) fn is_foreign(&self, _: &str, _: usize) -> bool {
        match *self {}
    }
}
