//! `POST /suggest`

use actix_web::{HttpRequest, HttpResponse, web};
use dragoman_store::Suggestion;
use serde_json::json;

use super::reply::Answer;
use crate::{
    access::Access, config::ServerConfig, error::ServiceError, input::Reader,
    service::TranslationService,
};

/// Remembers a better translation; the answer means that it is on disk.
pub(super) async fn suggest(
    service: web::Data<TranslationService>,
    (access, config): (web::Data<Access>, web::Data<ServerConfig>),
    reader: web::Data<Reader>,
    request: HttpRequest,
    payload: web::Payload,
) -> Answer {
    if !config.translation.suggestions {
        let reason = "Suggestions are disabled on this server.";
        return Err(ServiceError::Disabled(reason.into()).into());
    }
    access.admit_suggestion(&request)?;
    let fields = reader.fields(&request, payload).await?;
    access.admit(&request, &fields, 1).await?;
    let field = |name| fields.required(name);
    let suggestion = Suggestion::new(field("q")?, field("s")?, field("source")?, field("target")?);
    service.suggest(suggestion).await?;
    Ok(HttpResponse::Ok().json(json!({ "success": true })))
}
