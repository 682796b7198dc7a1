//! `POST /detect`

use actix_web::{HttpResponse, web};
use serde_json::Value;

use super::{
    call::Call,
    detected::DetectedLanguage,
    reply::{Answer, Refused},
};
use crate::error::ServiceError;

/// Guesses the language of a text, or of all texts of an array together.
pub(super) async fn detect(call: Call, payload: web::Payload) -> Answer {
    let fields = call.fields(payload).await?;
    call.admit(&fields, 1).await?;
    let text = match fields.get("q").ok_or_else(|| ServiceError::missing("q"))? {
        Value::String(text) => text.clone(),
        Value::Array(texts) => {
            let texts: Option<Vec<&str>> = texts.iter().map(Value::as_str).collect();
            texts.map(|texts| texts.join("\n")).ok_or_else(not_text)?
        }
        _ => return Err(not_text()),
    };
    let guesses = call.service.detect(text).await?;
    let guesses: Vec<DetectedLanguage> = guesses.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(guesses))
}

fn not_text() -> Refused {
    ServiceError::invalid("q parameter must be a string or an array of strings").into()
}
