//! `/admin/tenants`

use actix_web::{HttpResponse, web};
use dragoman_store::KeyLimits;
use serde::Deserialize;
use serde_json::json;

use super::Admin;
use crate::{routes::native::reply::Answer, telemetry::block};

/// A tenant to make.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
}

/// Lists the tenants.
pub(in super::super) async fn list(admin: Admin) -> Answer {
    let store = admin.tools.store.clone();
    let tenants = block(move || {
        let names = store.tenants()?.into_iter();
        let row = |name: String| json!({ "has_keys": store.has_tenant_keys(&name), "name": name });
        Ok::<_, dragoman_store::Error>(names.map(row).collect::<Vec<_>>())
    });
    Ok(HttpResponse::Ok().json(tenants.await??))
}

/// Makes a tenant, and a first key for it, which is shown this once.
pub(in super::super) async fn create(admin: Admin, payload: web::Payload) -> Answer {
    let New { name } = admin.json(payload).await?;
    let store = admin.tools.store.clone();
    let made = block(move || {
        if !store.create_tenant(&name)? {
            let reason = format!("there is a tenant `{name}` already");
            return Err(dragoman_store::Error::Invalid(reason));
        }
        let key = store.create_key(Some(&name), KeyLimits::default())?;
        Ok(json!({ "name": name, "key": key }))
    });
    Ok(HttpResponse::Ok().json(made.await??))
}

/// Removes a tenant with everything in it.
pub(in super::super) async fn remove(admin: Admin, name: web::Path<String>) -> Answer {
    let (store, name) = (admin.tools.store.clone(), name.into_inner());
    let was_there = block(move || store.remove_tenant(&name)).await??;
    if let Some(recommend) = admin.tools.recommend.clone() {
        block(move || recommend.reload()).await??;
    }
    Ok(HttpResponse::Ok().json(json!({ "removed": was_there })))
}
