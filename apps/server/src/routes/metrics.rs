//! `GET /metrics`

use actix_web::{HttpRequest, HttpResponse, web};

use crate::{access::has_bearer, app::Shared, error::ApiError};

/// Lists the counters for Prometheus.
pub(super) async fn metrics(
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let token = shared.config.metrics_auth_token.as_deref();
    if token.is_some_and(|token| !has_bearer(&request, token)) {
        return Err(ApiError::Unauthorized);
    }
    let model = shared.model.current();
    let text = shared.metrics.render(model.model.memory(), &model.model.added());
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}
