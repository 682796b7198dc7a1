//! Errors of our own endpoints: JSON, or a page where a browser asks.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, ContentType, HeaderValue},
    },
};
use serde_json::json;

use crate::error::ServiceError;

/// The answer of a handler.
pub(super) type Answer = Result<HttpResponse, Refused>;

/// Why a call is not answered as asked.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct Refused(#[from] ServiceError);

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.0.status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = self.0.answer();
        if self.0 == ServiceError::Unauthorized {
            answer.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        answer.json(json!({ "error": self.to_string() }))
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

/// A query that cannot be read.
pub(super) fn unclear(error: &actix_web::error::QueryPayloadError) -> actix_web::Error {
    Refused::from(ServiceError::invalid(error)).into()
}

/// Nothing is served under this path.
pub(crate) async fn not_found(request: HttpRequest) -> HttpResponse {
    failure(&request, StatusCode::NOT_FOUND)
}

/// The path knows other methods.
pub(crate) async fn method_not_allowed(request: HttpRequest) -> HttpResponse {
    failure(&request, StatusCode::METHOD_NOT_ALLOWED)
}

/// Says that a request came to nothing: as JSON, or as a page where a browser asks.
pub(super) fn failure(request: &HttpRequest, status: StatusCode) -> HttpResponse {
    let reason = status.canonical_reason().unwrap_or("Error");
    if !accepts_pages(request) {
        return HttpResponse::build(status).json(json!({ "error": reason }));
    }
    let code = status.as_u16();
    HttpResponse::build(status).insert_header(ContentType::html()).body(format!(
        "<!doctype html>\n<html lang=en>\n<title>{code} {reason}</title>\n<h1>{reason}</h1>\n"
    ))
}

/// Whether a browser asks for a page.
pub(super) fn accepts_pages(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}
