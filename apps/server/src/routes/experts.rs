//! `GET /experts`

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde_json::Value;

use crate::{app::Shared, error::ApiError, routes::pages};

/// Lists the experts of all models: a page for browsers, JSON for programs.
pub(super) async fn experts(
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if shared.config.web_ui && accept.is_some_and(|accept| accept.contains("text/html")) {
        return pages::experts(request).await;
    }
    let mut experts = listed(shared.model.current().model.experts());
    let recommender = shared.recommend.as_ref().and_then(|recommend| recommend.model.current());
    if let Some(loaded) = recommender {
        let of_model = |mut expert: Value| {
            if let Some(fields) = expert.as_object_mut() {
                fields.insert("model".into(), "recommendation".into());
            }
            expert
        };
        // Of a catalogue that came later its expert; the others are those of the first.
        let is_own = |expert: &Value| expert["kind"] == "catalogue";
        let catalogues = loaded.catalogues.values();
        let others = catalogues.flat_map(|model| listed(model.experts())).filter(is_own);
        experts.extend(listed(loaded.model.experts()).into_iter().chain(others).map(of_model));
    }
    Ok(HttpResponse::Ok().insert_header((header::VARY, "Accept")).json(experts))
}

/// The entries of a register.
fn listed(experts: Value) -> Vec<Value> {
    match experts {
        Value::Array(experts) => experts,
        _ => Vec::new(),
    }
}
