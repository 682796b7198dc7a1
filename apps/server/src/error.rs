//! What can go wrong: with the server, and with a request.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
};
use dragoman_languages as languages;

/// An error that keeps the server from running.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are explained by the message they appear in")]
pub enum Error {
    /// A file or a socket failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),

    /// A settings file or variable cannot be parsed, or its values make no sense.
    #[error("{name}: {reason}")]
    Config { name: String, reason: String },

    /// The store failed.
    #[error(transparent)]
    Store(#[from] dragoman_store::Error),
}

/// `std::result::Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request is not answered as asked. Each API says it in its own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ServiceError {
    /// A field is missing.
    #[error("`{0}` is missing")]
    Missing(String),
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The body is no JSON object.
    #[error("invalid JSON: {0}")]
    Malformed(String),
    /// The model does not know a language.
    #[error("language `{0}` is not supported")]
    UnsupportedLanguage(String),
    /// The text is in a language that the model does not know, as far as one can tell.
    #[error(
        "language `{language}` is not supported: the text seems to be in {name}; name its language if it is another",
        name = languages::name(language)
    )]
    UnsupportedText {
        /// Code of the language.
        language: String,
        /// How sure that is, in percent.
        confidence: u8,
    },
    /// Texts of a format are not translated.
    #[error("format `{0}` is not supported")]
    UnsupportedFormat(String),
    /// The model cannot translate from one language to the other.
    #[error("`{target}` is not available as a target language from `{source_language}`")]
    NoRoute {
        /// Code of the language of the text.
        source_language: String,
        /// Code of the language asked for.
        target: String,
    },
    /// The caller's key is not known.
    #[error("invalid API key")]
    InvalidKey,
    /// The caller gave no key; where to get one, if anywhere.
    #[error("an API key is needed")]
    KeyRequired(Option<String>),
    /// The caller violated limits too often.
    #[error("too many violations of the request limits")]
    Banned,
    /// There is nothing of this name.
    #[error("{0}")]
    Unknown(String),
    /// The settings do not allow this.
    #[error("{0}")]
    Disabled(String),
    /// The request comes from a page that may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// The caller gave no token, or a wrong one.
    #[error("unauthorized")]
    Unauthorized,
    /// The body is too large.
    #[error("the request body exceeds the limit of {0} bytes; send less at a time")]
    TooLarge(usize),
    /// The body did not come in time.
    #[error("the body did not come in time; it may pause for {0} seconds at most")]
    TooSlow(u64),
    /// The caller sent too many requests: the limit, such as `20 per 1 minute`.
    #[error("too many requests: {0}")]
    Slowdown(String),
    /// The queue is full.
    #[error("the server is busy; try again in {RETRY_AFTER} second")]
    Busy,
    /// There are too many jobs: how many, and after how many seconds another try is worth it.
    #[error("{reason}; try again in about {seconds} s")]
    Crowded {
        /// Which jobs there are.
        reason: String,
        /// About how long the first of them will take.
        seconds: u64,
    },
    /// A server that this one asks does not answer as it should.
    #[error("{0}; try again later")]
    BadGateway(String),
    /// It is our fault.
    #[error("{0}")]
    Internal(String),
}

/// Seconds after which a request that met a full queue is worth another try.
pub(crate) const RETRY_AFTER: u64 = 1;

impl ServiceError {
    /// A parameter is missing.
    pub(crate) fn missing(name: &str) -> Self {
        Self::Missing(name.into())
    }

    /// A parameter is not what it must be.
    pub(crate) fn invalid(reason: impl std::fmt::Display) -> Self {
        Self::Invalid(reason.to_string())
    }

    /// The status that every API answers with.
    pub(crate) fn status_code(&self) -> StatusCode {
        match self {
            Self::Missing(_)
            | Self::Invalid(_)
            | Self::Malformed(_)
            | Self::UnsupportedLanguage(_)
            | Self::UnsupportedText { .. }
            | Self::UnsupportedFormat(_)
            | Self::NoRoute { .. }
            | Self::KeyRequired(_) => StatusCode::BAD_REQUEST,
            Self::InvalidKey | Self::Banned | Self::Disabled(_) | Self::Forbidden(_) => {
                StatusCode::FORBIDDEN
            }
            Self::Unknown(_) => StatusCode::NOT_FOUND,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Slowdown(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::Crowded { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::BadGateway(_) => StatusCode::BAD_GATEWAY,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The headers that every API answers with, besides the content's.
    pub(crate) fn answer(&self) -> HttpResponseBuilder {
        let mut answer = HttpResponse::build(self.status_code());
        match self {
            Self::Busy => {
                answer.insert_header((header::RETRY_AFTER, RETRY_AFTER.to_string()));
            }
            Self::Crowded { seconds, .. } => {
                answer.insert_header((header::RETRY_AFTER, seconds.to_string()));
            }
            Self::BadGateway(reason) => tracing::error!(reason, "another server failed"),
            Self::Internal(reason) => tracing::error!(reason, "a request failed"),
            _ => {}
        }
        answer
    }
}

impl From<actix_web::error::BlockingError> for ServiceError {
    fn from(_: actix_web::error::BlockingError) -> Self {
        Self::Internal("the server is stopping".into())
    }
}

impl From<dragoman_store::Error> for ServiceError {
    fn from(error: dragoman_store::Error) -> Self {
        match error {
            dragoman_store::Error::TooLarge { .. }
            | dragoman_store::Error::Invalid(_)
            | dragoman_store::Error::Import { .. }
            | dragoman_store::Error::Dump { .. } => Self::invalid(error),
            _ => Self::Internal(format!("Cannot write to the store: {error}")),
        }
    }
}
