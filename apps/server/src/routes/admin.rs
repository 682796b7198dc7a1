//! `/admin/store`: the store as JSON Lines, while the server holds its lock.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::{access::has_bearer, app::Shared, error::ApiError};

/// Bytes that an import may have.
const MAX_IMPORT: usize = 256 << 20;

/// Writes the whole store out.
pub(super) async fn export(
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    check(&shared, &request)?;
    let store = shared.store.clone();
    let export = move || {
        let mut lines = Vec::new();
        store.export(&mut lines).map(|_| lines)
    };
    let lines = web::block(export).await??;
    Ok(HttpResponse::Ok().content_type("application/jsonl; charset=utf-8").body(lines))
}

/// Reads rows in, and says how many of each kind.
pub(super) async fn import(
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    check(&shared, &request)?;
    let too_large = |_| ApiError::TooLarge(MAX_IMPORT);
    let lines = payload.to_bytes_limited(MAX_IMPORT).await.map_err(too_large)?;
    let lines = lines.map_err(ApiError::invalid)?;
    let store = shared.store.clone();
    match web::block(move || store.import(&lines[..])).await? {
        Err(error @ dragoman_store::Error::Import { .. }) => Err(ApiError::invalid(error)),
        result => Ok(HttpResponse::Ok().json(result?)),
    }
}

fn check(shared: &Shared, request: &HttpRequest) -> Result<(), ApiError> {
    let key = shared.config.admin_key.as_deref().unwrap_or_default();
    if key.is_empty() || !has_bearer(request, key) {
        return Err(ApiError::Unauthorized);
    }
    Ok(())
}
