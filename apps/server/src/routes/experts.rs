//! `GET /experts`

use actix_web::{HttpRequest, HttpResponse, http::header, web};

use crate::{app::Shared, error::ApiError, routes::pages};

/// Lists the experts: a page for browsers, JSON for programs.
pub(super) async fn experts(
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if shared.config.web_ui && accept.is_some_and(|accept| accept.contains("text/html")) {
        return pages::experts(request).await;
    }
    let experts = shared.model.current().model.experts();
    Ok(HttpResponse::Ok().insert_header((header::VARY, "Accept")).json(experts))
}
