//! `POST /suggest`

use actix_web::{HttpResponse, web};
use dragoman_store::Suggestion;
use serde_json::json;

use super::{call::Call, reply::Answer};
use crate::error::ServiceError;

/// Remembers a better translation; the answer means that it is on disk.
pub(super) async fn suggest(call: Call, payload: web::Payload) -> Answer {
    if !call.service.takes_suggestions() {
        let reason = "Suggestions are disabled on this server.";
        return Err(ServiceError::Disabled(reason.into()).into());
    }
    call.access.admit_suggestion(&call.request)?;
    let fields = call.fields(payload).await?;
    let caller = call.admit(&fields, 1).await?;
    let field = |name| fields.required(name);
    let suggestion = Suggestion::new(field("q")?, field("s")?, field("source")?, field("target")?);
    let domain = fields.text("domain")?.filter(|domain| !domain.is_empty()).map(str::to_owned);
    call.service.suggest(caller.owner, Suggestion { domain, ..suggestion }).await?;
    Ok(HttpResponse::Ok().json(json!({ "success": true })))
}
