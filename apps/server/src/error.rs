//! What can go wrong: with the server, and with a request.

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde_json::json;

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

/// Why a request is not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The caller may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// A page for people: the caller gave no token, or a wrong one.
    #[error("Unauthorized")]
    Unauthorized,
    /// Nothing is served under this path.
    #[error("Not Found")]
    NotFound,
    /// The path knows other methods.
    #[error("Method Not Allowed")]
    MethodNotAllowed,
    /// The body is too large.
    #[error("Request body exceeds the limit of {0} bytes; send less at a time")]
    TooLarge(usize),
    /// The caller sent too many requests.
    #[error("Slowdown: {0}")]
    Slowdown(String),
    /// The queue is full.
    #[error("The server is busy; try again in {RETRY_AFTER} second")]
    Busy,
    /// It is our fault.
    #[error("{0}")]
    Internal(String),
}

/// Seconds after which a request that met a full queue is worth another try.
const RETRY_AFTER: u64 = 1;

impl ApiError {
    /// A parameter is missing, in upstream's words.
    pub(crate) fn missing(name: &str) -> Self {
        Self::Invalid(format!("Invalid request: missing {name} parameter"))
    }

    /// A parameter is not what it must be.
    pub(crate) fn invalid(reason: impl std::fmt::Display) -> Self {
        Self::Invalid(format!("Invalid request: {reason}"))
    }

    /// A page as frameworks show it, for what no client parses.
    fn page(&self) -> HttpResponse {
        let status = self.status_code();
        let code = status.as_u16();
        HttpResponse::build(status).content_type("text/html; charset=utf-8").body(format!(
            "<!doctype html>\n<html lang=en>\n<title>{code} {self}</title>\n<h1>{self}</h1>\n"
        ))
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slowdown(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut reply = HttpResponse::build(self.status_code());
        match self {
            Self::NotFound | Self::MethodNotAllowed => return self.page(),
            Self::Unauthorized => {
                let mut page = self.page();
                let scheme = header::HeaderValue::from_static("Bearer");
                page.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
                return page;
            }
            Self::Busy => {
                reply.insert_header((header::RETRY_AFTER, RETRY_AFTER.to_string()));
            }
            Self::Internal(reason) => tracing::error!(reason, "a request failed"),
            _ => {}
        }
        reply.json(json!({ "error": self.to_string() }))
    }
}

impl From<actix_web::error::BlockingError> for ApiError {
    fn from(_: actix_web::error::BlockingError) -> Self {
        Self::Internal("the server is stopping".into())
    }
}

impl From<dragoman_store::Error> for ApiError {
    fn from(error: dragoman_store::Error) -> Self {
        match error {
            dragoman_store::Error::TooLarge { .. }
            | dragoman_store::Error::Invalid(_)
            | dragoman_store::Error::Import { .. } => Self::invalid(error),
            _ => Self::Internal(format!("Cannot write to the store: {error}")),
        }
    }
}
