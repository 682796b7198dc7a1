//! What can go wrong while training, evaluating and reporting.

use std::path::PathBuf;

/// An error of the training library.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are explained by the message they appear in")]
pub enum Error {
    /// A file could not be read or written; `fs_err` puts its path in the message.
    #[error(transparent)]
    Io(#[from] std::io::Error),

    /// Hypotheses, references or sources do not belong together.
    #[error(
        "{hypotheses} translations beside {references} references: a score needs one translation \
         for each reference"
    )]
    UnequalLengths { hypotheses: usize, references: usize },

    /// A score of no sentences does not exist.
    #[error("nothing to score: {0} holds no sentences")]
    NothingToScore(String),

    /// A language pair is not of the form `en-de`.
    #[error("`{0}` is not a language pair; write source and target as in `en-de`")]
    LanguagePair(String),

    /// A tokenizer of BLEU that does not exist.
    #[error("unknown BLEU tokenizer `{0}`; choose one of 13a, zh, char, intl")]
    BleuTokenizer(String),

    /// A test set cannot be used as it is.
    #[error("{path}: {reason}")]
    TestSet { path: PathBuf, reason: String },

    /// A run's log says nothing of how the run began.
    #[error("{path}: no line of this log starts a run; give the `log.jsonl` of a run")]
    RunLog { path: PathBuf },
}

/// `std::result::Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
