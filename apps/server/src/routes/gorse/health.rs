//! `/health/live` and `/health/ready`: nobody needs a key for these.

use actix_web::HttpResponse;
use serde::Serialize;

/// What upstream says of its two databases; ours is one, and the server does not start without it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    ready: bool,
    data_store_error: Option<String>,
    cache_store_error: Option<String>,
    data_store_connected: bool,
    cache_store_connected: bool,
}

/// Whether the server lives.
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Health {
        ready: true,
        data_store_error: None,
        cache_store_error: None,
        data_store_connected: true,
        cache_store_connected: true,
    })
}

/// Whether it answers requests: as soon as it lives.
pub(super) async fn ready() -> HttpResponse {
    live().await
}
