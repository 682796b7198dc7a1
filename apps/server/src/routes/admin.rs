//! `/admin`: what the store holds, tenants and keys, while the server holds the store's lock.

pub(super) mod keys;
pub(super) mod tenants;

use std::io::BufReader;

use actix_web::{HttpRequest, HttpResponse, web};
use dragoman_store::{DEFAULT_TENANT, Store};
use serde::Deserialize;

use crate::{access::has_bearer, app::Shared, error::ApiError, stream};

/// Which part of the store.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    /// One tenant alone; into it, where rows name none.
    tenant: Option<String>,
}

/// Writes the store out as JSON Lines, or one tenant of it.
pub(super) async fn export(
    shared: web::Data<Shared>,
    request: HttpRequest,
    which: web::Query<Which>,
) -> Result<HttpResponse, ApiError> {
    check(&shared, &request)?;
    let store = shared.store.clone();
    let tenant = which.into_inner().tenant;
    if let Some(name) = &tenant {
        must_exist(&store, name)?;
    }
    let body = stream::body(move |writer| match tenant {
        None => store.export(writer).map(drop),
        Some(name) => store.export_one(&name, writer).map(drop),
    });
    Ok(HttpResponse::Ok().content_type("application/jsonl; charset=utf-8").body(body))
}

/// Reads rows in, and says how many of each kind; lines that are no rows are left out and named.
pub(super) async fn import(
    shared: web::Data<Shared>,
    request: HttpRequest,
    which: web::Query<Which>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    check(&shared, &request)?;
    let store = shared.store.clone();
    let tenant = which.into_inner().tenant.unwrap_or_else(|| DEFAULT_TENANT.into());
    must_exist(&store, &tenant)?;
    let read = move |reader| store.import_into(&tenant, BufReader::new(reader));
    let counts = stream::read(payload, read).await?;
    if let Some(recommend) = &shared.recommend {
        recommend.reload(); // what is in memory does not know of the new rows
    }
    Ok(HttpResponse::Ok().json(counts?))
}

/// Lets the keeper of the admin key in.
fn check(shared: &Shared, request: &HttpRequest) -> Result<(), ApiError> {
    let key = shared.config.admin_key.as_deref().unwrap_or_default();
    if key.is_empty() || !has_bearer(request, key) {
        return Err(ApiError::Unauthorized);
    }
    Ok(())
}

fn must_exist(store: &Store, tenant: &str) -> Result<(), ApiError> {
    store.tenant(tenant).map(drop).map_err(ApiError::invalid)
}
