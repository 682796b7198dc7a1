//! `GET /health` and `GET /health/live`

use actix_web::{HttpResponse, web};
use dragoman_store::Store;
use serde_json::json;

use crate::ModelHandle;

/// Says that the server answers, whatever its store does: what a restart would not mend is no part of it.
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// Says that the server lives, whether a newer model was refused, and whether the store can write.
pub(super) async fn health(model: web::Data<ModelHandle>, store: web::Data<Store>) -> HttpResponse {
    let mut health = json!({ "status": "ok" });
    if let Some(reason) = model.refused() {
        health["refusedModel"] = json!(reason);
    }
    if let Some(reason) = store.failure() {
        health["status"] = json!("the store cannot write");
        health["storeError"] = json!(reason);
        return HttpResponse::ServiceUnavailable().json(health);
    }
    HttpResponse::Ok().json(health)
}
