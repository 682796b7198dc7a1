//! A guessed language as replies carry it.

use serde::Serialize;

use dragoman_languages::Detected;

/// A language and how sure it is.
#[derive(Debug, Serialize)]
pub(super) struct DetectedLanguage {
    /// In whole percent: clients read an integer.
    confidence: u8,
    language: String,
}

impl From<Detected> for DetectedLanguage {
    fn from(detected: Detected) -> Self {
        let confidence = detected.confidence.clamp(0.0, 100.0).round() as u8;
        Self { confidence, language: detected.language }
    }
}
