//! What is known of a text before it is read.

use std::sync::Arc;

use crate::terms::Glossary;

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Plain text, in which pieces of other languages (Markdown, placeholders) may stand.
    #[default]
    Text,
    /// HTML, whole or a part of it.
    Html,
    /// XML, whole or a part of it.
    Xml,
}

/// Where a text is cut into sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Splitting {
    /// At the ends of sentences and of lines.
    #[default]
    Sentences,
    /// At the ends of lines alone, and where a line is too long for the model.
    Lines,
}

/// What a caller wants of the elements of markup, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tags {
    /// Elements that are kept as they are.
    pub ignore: Vec<String>,
    /// Elements that end a sentence.
    pub splitting: Vec<String>,
    /// Elements that never end a sentence.
    pub non_splitting: Vec<String>,
    /// Whether all elements of XML but the splitting ones stand within sentences. Otherwise an
    /// element ends a sentence where no text stands beside it.
    pub no_outline: bool,
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
    /// Where a text is cut.
    pub splitting: Splitting,
    /// What is wanted of the elements of HTML and XML.
    pub tags: Tags,
    /// The terms that translations use.
    pub glossary: Option<Arc<Glossary>>,
    /// Whether the model can search for a sentence that has the terms.
    pub prefers_terms: bool,
}

/// The first of the private-use characters that stand for pieces in what a model with tokens for
/// placeholders is asked.
pub const PLACEHOLDER: char = '\u{e000}';
