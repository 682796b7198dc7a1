//! `POST /detect`

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::Value;

use crate::{app::Shared, error::ApiError, input::Fields};

/// Guesses given at most.
const MAX_GUESSES: usize = 3;

/// Guesses the language of a text, or of all texts of an array together.
pub(super) async fn detect(
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let fields = Fields::read(&request, payload, shared.config.body_limit).await?;
    shared.access.admit(&request, &fields, 1).await?;
    let text = match fields.get("q").ok_or_else(|| ApiError::missing("q"))? {
        Value::String(text) => text.clone(),
        Value::Array(texts) => {
            let texts: Option<Vec<&str>> = texts.iter().map(Value::as_str).collect();
            texts.map(|texts| texts.join("\n")).ok_or_else(not_text)?
        }
        _ => return Err(not_text()),
    };
    let known = shared.languages(&shared.model.current());
    let detector = Arc::clone(&shared.detector);
    let mut guesses = web::block(move || detector.detect(&text, &known)).await?;
    guesses.truncate(MAX_GUESSES);
    Ok(HttpResponse::Ok().json(guesses))
}

fn not_text() -> ApiError {
    ApiError::invalid("q parameter must be a string or an array of strings")
}
