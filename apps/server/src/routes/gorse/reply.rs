//! Answers as Gorse gives them: JSON when all is well, the bare reason when it is not.

use std::time::SystemTime;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{
            ALLOW, ContentType, HeaderName, HeaderValue, HttpDate, LAST_MODIFIED, RETRY_AFTER,
        },
    },
};
use dragoman_store::Error as StoreError;
use serde::Serialize;

use crate::{error::ServiceError, recommend::Scored};

/// The answer of a handler.
pub(super) type Answer = Result<HttpResponse, Refused>;

/// Why a call is not answered as asked: the status and the text itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(super) struct Refused {
    status: StatusCode,
    reason: String,
}

/// How many rows a call was about.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Success {
    row_affected: usize,
}

/// A place in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Score {
    pub(super) id: String,
    pub(super) score: f64,
}

impl From<Scored> for Score {
    fn from(scored: Scored) -> Self {
        Self { id: scored.id, score: scored.score }
    }
}

/// `{"RowAffected":…}`
pub(super) fn success(rows: usize) -> Answer {
    Ok(HttpResponse::Ok().json(Success { row_affected: rows }))
}

/// `[{"Id":…,"Score":…},…]`
pub(super) fn scores(list: Vec<Scored>) -> Answer {
    let list: Vec<Score> = list.into_iter().map(Score::from).collect();
    let mut reply = HttpResponse::Ok();
    reply.insert_header(modified_now());
    Ok(reply.json(list))
}

/// When a list was made, which is now.
pub(super) fn modified_now() -> (HeaderName, HeaderValue) {
    let now = HttpDate::from(SystemTime::now().max(SystemTime::UNIX_EPOCH)).to_string();
    let now = HeaderValue::from_str(&now).expect("a date is plain text");
    (LAST_MODIFIED, now)
}

impl Refused {
    /// 400: the call makes no sense.
    pub(super) fn invalid(reason: impl std::fmt::Display) -> Self {
        Self { status: StatusCode::BAD_REQUEST, reason: reason.to_string() }
    }

    /// 404: what the call is about is not there.
    pub(super) fn not_found(reason: impl std::fmt::Display) -> Self {
        Self { status: StatusCode::NOT_FOUND, reason: reason.to_string() }
    }

    /// 405: it is read here and not changed.
    pub(super) fn only_read(reason: impl std::fmt::Display) -> Self {
        Self { status: StatusCode::METHOD_NOT_ALLOWED, reason: reason.to_string() }
    }

    /// 503: it may work a little later.
    pub(super) fn unavailable(reason: impl std::fmt::Display) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, reason: reason.to_string() }
    }

    /// 500, where upstream answers so and clients may rely on it.
    pub(super) fn failed(reason: impl std::fmt::Display) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, reason: reason.to_string() }
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut reply = HttpResponse::build(self.status);
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => reply.insert_header((RETRY_AFTER, "1")),
            StatusCode::METHOD_NOT_ALLOWED => reply.insert_header((ALLOW, "GET")),
            _ => &mut reply,
        };
        reply.content_type(ContentType::plaintext()).body(self.reason.clone())
    }
}

impl From<ServiceError> for Refused {
    fn from(error: ServiceError) -> Self {
        if let ServiceError::Internal(reason) = &error {
            tracing::error!(reason, "a request failed");
        }
        let reason = match &error {
            ServiceError::Unauthorized => "unauthorized".into(),
            error => error.to_string(),
        };
        Self { status: error.status_code(), reason }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Invalid(_) | StoreError::TooLarge { .. } => Self::invalid(error),
            StoreError::UnknownTenant(name) => Self::not_found(format!("no tenant `{name}`")),
            _ => ServiceError::from(error).into(),
        }
    }
}
