//! `GET /metrics`

use actix_web::{HttpRequest, HttpResponse, web};

use super::reply::Answer;
use crate::{ModelHandle, access::Access, metrics::Metrics};

/// Lists the counters for Prometheus.
pub(super) async fn metrics(
    metrics: web::Data<Metrics>,
    model: web::Data<ModelHandle>,
    access: web::Data<Access>,
    request: HttpRequest,
) -> Answer {
    access.admit_to_metrics(&request)?;
    let model = model.current();
    let text = metrics.render(model.model.memory(), &model.model.added());
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}
