//! `GET /spec`

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::reply::Answer;
use crate::{ServerConfig, error::ServiceError};

/// The API in OpenAPI 3.0, but for what depends on the server.
const SPEC: &str = include_str!("openapi.json");

/// What recommendation adds: tags, paths and schemas.
const OF_GORSE: &str = include_str!("gorse.json");

/// What DeepL's API and the translation memory add.
const OF_DEEPL: &str = include_str!("deepl.json");

/// Describes the API to programs.
pub(super) async fn spec(config: web::Data<ServerConfig>) -> Answer {
    let mut spec: Value =
        serde_json::from_str(SPEC).map_err(|error| ServiceError::Internal(error.to_string()))?;
    add(&mut spec, OF_DEEPL)?;
    if config.recommendation.recommend {
        add(&mut spec, OF_GORSE)?;
    }
    spec["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    let prefix = config.prefix();
    spec["servers"] = json!([{ "url": if prefix.is_empty() { "/" } else { &prefix } }]);
    if let Some(paths) = spec["paths"].as_object_mut() {
        if !config.monitoring.metrics {
            paths.shift_remove("/metrics");
        }
        if config.keys.admin_key.is_none() {
            paths.retain(|path, _| !path.starts_with("/admin/"));
        }
    }
    Ok(HttpResponse::Ok().json(spec))
}

/// Adds tags, paths and components.
fn add(spec: &mut Value, part: &str) -> Result<(), ServiceError> {
    let parsed = serde_json::from_str(part);
    let mut added: Value = parsed.map_err(|error| ServiceError::Internal(error.to_string()))?;
    let merge = |into: &mut Value, from: Value| {
        if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
            into.extend(from);
        }
    };
    merge(&mut spec["paths"], added["paths"].take());
    for part in ["parameters", "schemas", "responses", "securitySchemes"] {
        let more = added["components"][part].take();
        if more.is_null() {
            continue;
        }
        match spec["components"].get(part) {
            Some(_) => merge(&mut spec["components"][part], more),
            None => spec["components"][part] = more,
        }
    }
    if let (Some(tags), Value::Array(more)) = (spec["tags"].as_array_mut(), added["tags"].take()) {
        tags.extend(more);
    }
    Ok(())
}
