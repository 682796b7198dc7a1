//! What can go wrong in training.

use std::path::PathBuf;

/// An error of the training library.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are explained by the message they appear in")]
pub enum Error {
    /// A file could not be read or written; `fs_err` puts its path in the message.
    #[error(transparent)]
    Io(#[from] std::io::Error),

    /// A configuration cannot be parsed, or its fields contradict each other.
    #[error("{path}: {reason}")]
    Config { path: PathBuf, reason: String },

    /// A checkpoint is damaged, incomplete, or belongs to another run.
    #[error("{path}: {reason}")]
    Checkpoint { path: PathBuf, reason: String },

    /// A checkpoint could not be written; the run before it is intact.
    #[error(
        "could not write the checkpoint {path}: {source}; the checkpoints before it are intact: free some space and start the same command again to go on from {last}"
    )]
    Save { path: PathBuf, last: String, source: Box<Error> },

    /// The run folder already holds a run.
    #[error("{path} already holds a run at step {step}: resume it, or choose another folder")]
    RunExists { path: PathBuf, step: u64 },

    /// Too many steps in a row gave gradients that are not numbers.
    #[error(
        "the loss or its gradient was not finite in {count} steps in a row, the last of them step {step}: lower `optimizer.learning_rate` or lengthen the warm-up, and start again from a checkpoint"
    )]
    Diverged { step: u64, count: u64 },

    /// The device cannot be used.
    #[error("device `{name}`: {reason}")]
    Device { name: String, reason: String },

    /// The engine failed.
    #[error(transparent)]
    Core(#[from] dragoman_core::Error),

    /// A corpus could not be read.
    #[error(transparent)]
    Data(#[from] dragoman_data::Error),

    /// A tensor operation failed; candle's message carries the shapes.
    #[error(transparent)]
    Tensor(#[from] candle::Error),

    /// A state or a log could not be written as JSON, or read back.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// `std::result::Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
