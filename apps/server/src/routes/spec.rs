//! `GET /spec`

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use crate::{app::Shared, error::ApiError};

/// The API in OpenAPI 3.0, but for what depends on the server.
const SPEC: &str = include_str!("openapi.json");

/// Describes the API to programs.
pub(super) async fn spec(shared: web::Data<Shared>) -> Result<HttpResponse, ApiError> {
    let mut spec: Value =
        serde_json::from_str(SPEC).map_err(|error| ApiError::Internal(error.to_string()))?;
    spec["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    let prefix = shared.config.prefix();
    spec["servers"] = json!([{ "url": if prefix.is_empty() { "/" } else { &prefix } }]);
    if let Some(paths) = spec["paths"].as_object_mut() {
        if !shared.config.metrics {
            paths.shift_remove("/metrics");
        }
        if shared.config.admin_key.is_none() {
            paths.shift_remove("/admin/store");
        }
    }
    Ok(HttpResponse::Ok().json(spec))
}
