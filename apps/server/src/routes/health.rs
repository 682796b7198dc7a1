//! `GET /health`

use actix_web::HttpResponse;
use serde_json::json;

/// Says that the server lives.
pub(super) async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}
