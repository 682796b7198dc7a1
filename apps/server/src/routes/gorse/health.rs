//! `/health/live` and `/health/ready`: nobody needs a key for these.

use actix_web::{HttpResponse, web};
use dragoman_store::Store;
use serde::Serialize;

/// What upstream says of its two databases; ours is one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    ready: bool,
    data_store_error: Option<String>,
    cache_store_error: Option<String>,
    data_store_connected: bool,
    cache_store_connected: bool,
}

/// Whether the server lives, and whether its store can write.
pub(super) async fn live(store: web::Data<Store>) -> HttpResponse {
    HttpResponse::Ok().json(Health::of(&store))
}

/// Whether it answers requests: 503 while the store cannot write.
pub(super) async fn ready(store: web::Data<Store>) -> HttpResponse {
    let health = Health::of(&store);
    match &health.data_store_error {
        None => HttpResponse::Ok().json(health),
        Some(_) => HttpResponse::ServiceUnavailable().json(health),
    }
}

impl Health {
    fn of(store: &Store) -> Self {
        let error = store.failure();
        Self {
            ready: error.is_none(),
            data_store_connected: error.is_none(),
            cache_store_connected: true,
            cache_store_error: None,
            data_store_error: error,
        }
    }
}
