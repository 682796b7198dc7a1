//! `POST /suggest`

use actix_web::{HttpRequest, HttpResponse, web};
use dragoman_store::Suggestion;
use serde_json::json;

use crate::{app::Shared, error::ApiError, input::Fields};

/// Remembers a better translation; the answer means that it is on disk.
pub(super) async fn suggest(
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    if !shared.config.suggestions {
        return Err(ApiError::Forbidden("Suggestions are disabled on this server.".into()));
    }
    let fields = Fields::read(&request, payload, shared.config.body_limit).await?;
    shared.access.admit(&request, &fields, 1).await?;
    let field = |name| fields.required(name);
    let suggestion = Suggestion::new(field("q")?, field("s")?, field("source")?, field("target")?);
    let store = shared.store.clone();
    web::block(move || store.suggest(&suggestion)).await??;
    Ok(HttpResponse::Ok().json(json!({ "success": true })))
}
