//! Which language a text is in, where this build can tell.

/// Tells the languages of texts apart.
#[cfg(feature = "detection")]
pub(crate) struct LanguageDetector(dragoman_languages::LanguageDetector);

#[cfg(feature = "detection")]
impl LanguageDetector {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self(dragoman_languages::LanguageDetector::new()))
    }

    /// The most likely language of `text`; one of `known`, unless another is likely.
    pub(crate) fn detect(&self, text: &str, known: &[String]) -> String {
        self.0.detect_all(&[text.to_owned()], known).swap_remove(0).language
    }
}

/// Cannot be made in a build without `detection`.
#[cfg(not(feature = "detection"))]
pub(crate) enum LanguageDetector {}

#[cfg(not(feature = "detection"))]
impl LanguageDetector {
    pub(crate) fn new() -> anyhow::Result<Self> {
        anyhow::bail!(
            "this build cannot tell languages apart; name one with `--from`, or build with the feature `detection`"
        )
    }

    pub(crate) fn detect(&self, _: &str, _: &[String]) -> String {
        match *self {}
    }
}

/// Why a text in `language` is not translated by a model that knows `known`.
pub(crate) fn unknown(language: &str, known: &[String]) -> String {
    #[cfg(feature = "detection")]
    let name = dragoman_languages::name(language);
    #[cfg(not(feature = "detection"))]
    let name = language;
    format!(
        "this seems to be {name} (`{language}`), which this model does not know; it knows {}; `--from` \
         names the language if it is one of these",
        known.join(", ")
    )
}
