//! What can go wrong while training, evaluating and reporting.

use std::path::PathBuf;

use dragoman_core::collective::Failure;

/// An error of the training library.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are explained by the message they appear in")]
pub enum Error {
    /// A file could not be read or written; `fs_err` puts its path in the message.
    #[error(transparent)]
    Io(#[from] std::io::Error),

    /// A configuration cannot be parsed, or its fields contradict each other.
    #[error("{}: {reason}", path.display())]
    Config { path: PathBuf, reason: String },

    /// A checkpoint is damaged, incomplete, or belongs to another run.
    #[error("{}: {reason}", path.display())]
    Checkpoint { path: PathBuf, reason: String },

    /// A checkpoint could not be written; the run before it is intact.
    #[error(
        "could not write the checkpoint {}: {source}; those before it are intact: free some space \
         and start the same command again to go on from {last}",
        path.display()
    )]
    Save { path: PathBuf, last: String, source: Box<Error> },

    /// Another process trains in this folder.
    #[error(
        "{}: another process is training here: wait for it, stop it, or choose another folder",
        path.display()
    )]
    Busy { path: PathBuf },

    /// Not every rank could begin. All of them return this.
    #[error(transparent)]
    Start(#[from] Failure),

    /// A rank failed, and with it the run. The others do not know of it.
    #[error(
        "rank {rank} of {size} failed: {source}; start the same command again, on any number of \
         ranks, to go on from {last}"
    )]
    Rank { rank: usize, size: usize, last: String, source: Box<Error> },

    /// Too many steps in a row gave gradients that are not numbers.
    #[error(
        "the gradient was not finite in {count} steps in a row, the last of them step {step}: \
         lower `run.optimizer.learning_rate` or lengthen the warm-up, and go on from a checkpoint"
    )]
    Diverged { step: u64, count: u64 },

    /// The device cannot be used.
    #[error("device `{name}`: {reason}")]
    Device { name: String, reason: String },

    /// The engine failed.
    #[error(transparent)]
    Core(#[from] dragoman_core::Error),

    /// A log of interactions cannot be learned from.
    #[error("{0}")]
    Recommendation(String),

    /// Sentences to measure on or to learn from could not be translated.
    #[error("sentences could not be translated: {0}")]
    Translate(String),

    /// A model has nothing to inspect, or not for these languages.
    #[error("{0}")]
    Inspect(String),

    /// A corpus could not be read.
    #[error(transparent)]
    Data(#[from] dragoman_data::Error),

    /// A tensor operation failed; candle's message carries the shapes.
    #[error(transparent)]
    Tensor(#[from] candle::Error),

    /// A state or a log could not be written as JSON, or read back.
    #[error(transparent)]
    Json(#[from] serde_json::Error),

    /// Hypotheses, references or sources do not belong together.
    #[error(
        "{hypotheses} translations beside {references} references: a score needs one translation \
         for each reference"
    )]
    UnequalLengths { hypotheses: usize, references: usize },

    /// A score of no sentences does not exist.
    #[error("nothing to score: {0} holds no sentences")]
    NothingToScore(String),

    /// No user is left to evaluate.
    #[error(
        "no user is left to evaluate: no user did anything new after the cut; choose a smaller `--quantile`, or \
         another protocol"
    )]
    NothingToRecommend,

    /// A language pair is not of the form `en-de`.
    #[error("`{0}` is not a language pair; write source and target as in `en-de`")]
    LanguagePair(String),

    /// A tokenizer of BLEU that does not exist.
    #[error("unknown BLEU tokenizer `{0}`; choose one of 13a, zh, char, intl")]
    BleuTokenizer(String),

    /// A test set cannot be used as it is.
    #[error("{}: {reason}", path.display())]
    TestSet { path: PathBuf, reason: String },

    /// An expert cannot be added or changed as asked; the model is as it was.
    #[error("{0}")]
    Expert(String),

    /// A run's log says nothing of how the run began.
    #[error("{path}: no line of this log starts a run; give the `log.jsonl` of a run")]
    RunLog { path: PathBuf },
}

/// `std::result::Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
