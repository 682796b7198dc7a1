//! What can go wrong when a checkpoint is imported or a model exported.

use std::path::{Path, PathBuf};

/// An error of an import.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are explained by the message they appear in")]
pub enum Error {
    /// A file could not be read or written; `fs_err` puts its path in the message.
    #[error(transparent)]
    Io(#[from] std::io::Error),

    /// A file of the checkpoint is missing, damaged, or not what its name says.
    #[error("`{}`: {reason}", path.display())]
    File { path: PathBuf, reason: String },

    /// The checkpoint is whole, but this suite cannot run it, or needs to be told more.
    #[error("{0}")]
    Unsupported(String),

    /// A tensor cannot be read or made.
    #[error(transparent)]
    Tensor(#[from] candle::Error),

    /// The model directory cannot be made.
    #[error(transparent)]
    Core(#[from] dragoman_core::Error),
}

impl Error {
    pub(crate) fn file(path: &Path, reason: impl Into<String>) -> Self {
        Self::File { path: path.into(), reason: reason.into() }
    }
}

/// `std::result::Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
