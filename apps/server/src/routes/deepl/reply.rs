//! Answers as DeepL gives them, each with an identifier for whoever asks about it.

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{StatusCode, header::HeaderName},
};
use serde::Serialize;
use serde_json::json;

use crate::error::ServiceError;

/// The header with the identifier of an answer.
const TRACE: &str = "X-Trace-ID";

/// The answer of a handler.
pub(super) type Answer = Result<HttpResponse, Refused>;

/// Why a call is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// As the services say.
    #[error("{}", message(.0))]
    Service(#[from] ServiceError),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// What is asked for is not there yet.
    #[error("{0}")]
    NotReady(String),
    /// The answer cannot be written as the caller wants it.
    #[error("{0}")]
    Unsupported(String),
    /// The message, and what exactly is wrong.
    #[error("{message}")]
    Detailed {
        /// What is refused.
        message: String,
        /// Where and why.
        detail: String,
    },
}

impl Refused {
    /// The value of a parameter is one that this server cannot serve.
    pub(super) fn value(name: &str) -> Self {
        ServiceError::Invalid(format!("Value for '{name}' not supported.")).into()
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        match self {
            // Clients take 403 for a wrong key, and 400 for a request that they should change.
            Self::Service(ServiceError::KeyRequired(_)) => StatusCode::FORBIDDEN,
            Self::Service(error) => error.status_code(),
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::NotReady(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Detailed { .. } => StatusCode::BAD_REQUEST,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = match self {
            Self::Service(error) => error.answer(),
            _ => HttpResponse::build(self.status_code()),
        };
        answer.status(self.status_code()).insert_header((TRACE, trace()));
        match self {
            Self::Detailed { message, detail } => {
                answer.json(json!({ "message": message, "detail": detail }))
            }
            _ => answer.json(json!({ "message": self.to_string() })),
        }
    }
}

impl From<actix_web::error::BlockingError> for Refused {
    fn from(error: actix_web::error::BlockingError) -> Self {
        ServiceError::from(error).into()
    }
}

impl From<dragoman_store::Error> for Refused {
    fn from(error: dragoman_store::Error) -> Self {
        ServiceError::from(error).into()
    }
}

/// An answer that all is well.
pub(super) fn ok(body: impl Serialize) -> Answer {
    Ok(with_trace(HttpResponse::Ok()).json(body))
}

/// An answer in progress, with its identifier.
pub(super) fn with_trace(mut answer: HttpResponseBuilder) -> HttpResponseBuilder {
    answer.insert_header((TRACE, trace()));
    answer
}

/// A whole answer with its identifier.
pub(super) fn traced(mut answer: HttpResponse) -> HttpResponse {
    if let Ok(value) = trace().parse() {
        answer.headers_mut().insert(HeaderName::from_static("x-trace-id"), value);
    }
    answer
}

/// Nothing is served under this path.
pub(super) async fn not_found() -> Answer {
    Err(Refused::NotFound("Not found".into()))
}

/// The path knows other methods.
pub(super) async fn method_not_allowed() -> HttpResponse {
    with_trace(HttpResponse::MethodNotAllowed()).json(json!({ "message": "Method not allowed" }))
}

fn trace() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn message(error: &ServiceError) -> String {
    match error {
        ServiceError::Missing(name) => format!("Parameter '{name}' not specified"),
        ServiceError::UnsupportedFormat(_) => "Value for 'tag_handling' not supported.".into(),
        ServiceError::UnsupportedLanguage(code) => {
            format!("Value for 'target_lang' not supported. The model has no language '{code}'.")
        }
        ServiceError::InvalidKey | ServiceError::KeyRequired(_) => {
            "Invalid authentication key".into()
        }
        other => other.to_string(),
    }
}
