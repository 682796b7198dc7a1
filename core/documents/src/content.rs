//! The texts of a document, and what they stand in.

use dragoman_text::html;

use crate::{encoding::Charset, package::Package, part::Part};

/// What the texts stand in.
#[derive(Debug)]
pub(crate) enum Container {
    /// A file with these characters.
    File(Charset),
    /// A package.
    Package(Package),
}

/// A text of a document.
#[derive(Debug)]
pub(crate) enum Text {
    /// Of blocks.
    Blocks(Part),
    /// Without markup.
    Plain(String),
    /// Markdown.
    Markdown(String),
    /// HTML.
    Html(String),
}

impl Text {
    /// Characters of it.
    pub(crate) fn chars(&self) -> usize {
        match self {
            Self::Blocks(part) => part.blocks.iter().map(|b| b.text.chars().count()).sum(),
            Self::Plain(text) | Self::Markdown(text) => text.chars().count(),
            Self::Html(text) => html::visible_text(text).chars().count(),
        }
    }
}
