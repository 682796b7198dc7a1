//! `GET /metrics`

use actix_web::{HttpRequest, HttpResponse, web};

use super::reply::Answer;
use crate::{ModelHandle, ServerConfig, access::Access, metrics::Metrics};

/// Lists the counters for Prometheus.
pub(super) async fn metrics(
    metrics: web::Data<Metrics>,
    model: web::Data<ModelHandle>,
    (access, config): (web::Data<Access>, web::Data<ServerConfig>),
    request: HttpRequest,
) -> Answer {
    if let Some(token) = &config.monitoring.metrics_auth_token {
        access.admit_bearer(&request, token)?;
    }
    let model = model.current();
    let text = metrics.render(model.model.memory(), &model.model.added());
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}
