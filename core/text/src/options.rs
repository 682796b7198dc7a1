//! What is known of a text before it is read.

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Plain text, in which pieces of other languages (Markdown, placeholders) may stand.
    #[default]
    Text,
    /// HTML, whole or a part of it.
    Html,
}

/// The languages of a translation, and what the model can do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Code of the language of the text.
    pub source: String,
    /// Code of the language to translate into.
    pub target: String,
    /// How the text is written.
    pub format: Format,
    /// How many characters from [`PLACEHOLDER`] on the model copies as one token each.
    pub placeholders: usize,
    /// Whether attributes of HTML that readers see (`alt`, `title`, …) are translated, too.
    pub attributes: bool,
}

/// The first of the private-use characters that stand for pieces in what a model with tokens for
/// placeholders is asked.
pub const PLACEHOLDER: char = '\u{e000}';
