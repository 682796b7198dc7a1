//! Errors as LibreTranslate words them.

use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use dragoman_languages as languages;
use serde_json::json;

use crate::error::ServiceError;

/// The answer of a handler.
pub(super) type Answer = Result<HttpResponse, Refused>;

/// Why a call is not answered as asked, in upstream's words.
#[derive(Debug, thiserror::Error)]
#[error("{}", message(.0))]
pub(super) struct Refused(#[from] ServiceError);

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.0.status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let mut body = json!({ "error": self.to_string() });
        if let ServiceError::UnsupportedText { language, confidence } = &self.0 {
            body["detectedLanguage"] = json!({ "confidence": confidence, "language": language });
        }
        self.0.answer().json(body)
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

fn message(error: &ServiceError) -> String {
    match error {
        ServiceError::Missing(name) => format!("Invalid request: missing {name} parameter"),
        ServiceError::Invalid(reason) => format!("Invalid request: {reason}"),
        ServiceError::Malformed(reason) => format!("Invalid JSON format: {reason}"),
        ServiceError::UnsupportedLanguage(code) => format!("{code} is not supported"),
        ServiceError::UnsupportedText { language, .. } => {
            let name = languages::name(language);
            format!(
                "{language} is not supported: the text seems to be in {name}; name its language if it is another"
            )
        }
        ServiceError::UnsupportedFormat(format) => format!("{format} format is not supported"),
        ServiceError::NoRoute { source_language, target } => {
            let (from, to) = (languages::name(source_language), languages::name(target));
            let (source, target) = (languages::public(source_language), languages::public(target));
            format!("{to} ({target}) is not available as a target language from {from} ({source})")
        }
        ServiceError::InvalidKey => "Invalid API key".into(),
        ServiceError::KeyRequired(Some(link)) => format!("Visit {link} to get an API key"),
        ServiceError::KeyRequired(None) => {
            "Please contact the server operator to get an API key".into()
        }
        ServiceError::Banned => "Too many request limits violations".into(),
        ServiceError::Slowdown(limit) => format!("Slowdown: {limit}"),
        other => capitalised(&other.to_string()),
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
