//! What can go wrong in the engine.

use std::path::PathBuf;

/// An error of the model library.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are explained by the message they appear in")]
pub enum Error {
    /// A file could not be read or written; `fs_err` puts its path in the message.
    #[error(transparent)]
    Io(#[from] std::io::Error),

    /// A `config.json` cannot be parsed, or its fields contradict each other.
    #[error("{}: {reason}", path.display())]
    Config { path: PathBuf, reason: String },

    /// A file of a model directory is missing, truncated, altered, or of another model.
    #[error("{}: {reason}", path.display())]
    Model { path: PathBuf, reason: String },

    /// A weight is missing, or has another shape than the configuration says.
    #[error("weight `{name}`: {reason}")]
    Weight { name: String, reason: String },

    /// The model was trained on other languages.
    #[error("unknown language `{language}`; this model knows {known}")]
    UnknownLanguage { language: String, known: String },

    /// Neither a route nor a chain of two leads from one language to the other.
    #[error("no route from `{from}` to `{to}`; `dragoman expert list` shows the routes of a model")]
    NoRoute { from: String, to: String },

    /// No expert of that domain exists.
    #[error("unknown domain `{domain}`; this model has {known}")]
    UnknownDomain { domain: String, known: String },

    /// The domain is known, but not in this direction.
    #[error("the domain `{domain}` does not cover {route}; it covers {routes}")]
    DomainOfOtherRoutes { domain: String, route: String, routes: String },

    /// An argument contradicts what an operation can do.
    #[error("{0}")]
    Invalid(String),

    /// A tokenizer cannot be read or does not fit the model.
    #[error(transparent)]
    Tokenizer(#[from] crate::tokenizer::TokenizerError),

    /// A translator on another machine does not answer as it should.
    #[error("{0}")]
    Remote(String),

    /// A process that trains together with others failed, or another is gone.
    #[error("rank {rank}: {reason}")]
    Rank { rank: usize, reason: String },

    /// A tensor operation failed; candle's message carries the shapes.
    #[error(transparent)]
    Tensor(#[from] candle::Error),
}

/// `std::result::Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The error for a domain that is none of `known`.
    pub fn unknown_domain(domain: &str, known: &[String]) -> Self {
        let list = || known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let known = match known {
            [] => "no domains".into(),
            [_] => format!("the domain {}", list()),
            _ => format!("the domains {}", list()),
        };
        Self::UnknownDomain { domain: domain.into(), known }
    }
}
