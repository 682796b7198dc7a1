//! `GET /health`

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::ModelHandle;

/// Says that the server lives, and whether a newer model was refused.
pub(super) async fn health(model: web::Data<ModelHandle>) -> HttpResponse {
    let mut health = json!({ "status": "ok" });
    if let Some(reason) = model.refused() {
        health["refusedModel"] = json!(reason);
    }
    HttpResponse::Ok().json(health)
}
