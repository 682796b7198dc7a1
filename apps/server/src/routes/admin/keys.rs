//! `/admin/keys`

use actix_web::{HttpRequest, HttpResponse, web};
use dragoman_store::KeyLimits;
use serde::Deserialize;
use serde_json::json;

use super::check;
use crate::{app::Shared, error::ApiError};

/// A key to make.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct New {
    /// The tenant that it opens; without one it is a key of translation.
    tenant: Option<String>,
    /// Requests a minute.
    req_limit: Option<u32>,
    /// Characters a text.
    char_limit: Option<usize>,
}

/// Makes a key, which is shown this once.
pub(in super::super) async fn create(
    shared: web::Data<Shared>,
    request: HttpRequest,
    new: web::Json<New>,
) -> Result<HttpResponse, ApiError> {
    check(&shared, &request)?;
    let New { tenant, req_limit, char_limit } = new.into_inner();
    if let Some(name) = &tenant {
        super::must_exist(&shared.store, name)?;
    }
    let store = shared.store.clone();
    let limits = KeyLimits { req_limit, char_limit };
    let key = web::block(move || store.create_key_for(tenant.as_deref(), limits)).await??;
    Ok(HttpResponse::Ok().json(json!({ "key": key })))
}

/// Forgets the key with this text or this SHA-256.
pub(in super::super) async fn remove(
    shared: web::Data<Shared>,
    request: HttpRequest,
    key: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    check(&shared, &request)?;
    let (store, key) = (shared.store.clone(), key.into_inner());
    let was_there = web::block(move || store.remove_key(&key)).await??;
    Ok(HttpResponse::Ok().json(json!({ "removed": was_there })))
}
