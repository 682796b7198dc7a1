//! What can go wrong between a corpus and a batch.

use std::path::PathBuf;

/// An error of the data library. A malformed line is not among them: it is skipped and counted.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are explained by the message they appear in")]
pub enum Error {
    /// A file could not be read or written; `fs_err` puts its path in the message.
    #[error(transparent)]
    Io(#[from] std::io::Error),

    /// A `tokenizer.json` could not be read or made.
    #[error(transparent)]
    Tokenizer(#[from] dragoman_core::tokenizer::TokenizerError),

    /// A corpus cannot be read at all, or not to its end.
    #[error("cannot read the corpus `{path}`: {reason}")]
    Corpus { path: PathBuf, reason: String },

    /// A log of interactions cannot be read at all, or not to its end.
    #[error("cannot read the interactions `{}`: {reason}", path.display())]
    Interactions { path: PathBuf, reason: String },

    /// A packed corpus is damaged, or belongs to something else.
    #[error("cannot use the packed corpus `{path}`: {reason}")]
    Packed { path: PathBuf, reason: String },

    /// A source is not registered, not reachable, or not what it was.
    #[error("cannot fetch `{what}`: {reason}")]
    Fetch { what: String, reason: String },

    /// Settings contradict each other or the data.
    #[error("{0}")]
    Config(String),
}

/// `std::result::Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
