//! `/admin/keys`

use actix_web::{HttpResponse, web};
use dragoman_store::KeyLimits;
use serde::Deserialize;
use serde_json::json;

use super::Admin;
use crate::{routes::native::reply::Answer, telemetry::block};

/// A key to make.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct New {
    /// The tenant that it opens; without one it is a key of translation.
    tenant: Option<String>,
    /// Requests a minute.
    req_limit: Option<u32>,
    /// Characters a text.
    char_limit: Option<usize>,
}

/// Makes a key, which is shown this once.
pub(in super::super) async fn create(admin: Admin, payload: web::Payload) -> Answer {
    let New { tenant, req_limit, char_limit } = admin.json(payload).await?;
    let store = admin.tools.store.clone();
    if let Some(name) = &tenant {
        super::must_exist(&store, name)?;
    }
    let limits = KeyLimits { req_limit, char_limit };
    let key = block(move || store.create_key(tenant.as_deref(), limits)).await??;
    Ok(HttpResponse::Ok().json(json!({ "key": key })))
}

/// Forgets the key with this text or this SHA-256.
pub(in super::super) async fn remove(admin: Admin, key: web::Path<String>) -> Answer {
    let (store, key) = (admin.tools.store.clone(), key.into_inner());
    let was_there = block(move || store.remove_key(&key)).await??;
    Ok(HttpResponse::Ok().json(json!({ "removed": was_there })))
}
