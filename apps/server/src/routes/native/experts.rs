//! `GET /experts`

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde_json::Value;

use super::{
    pages,
    reply::{Answer, accepts_pages},
};
use crate::{ModelHandle, RecommenderHandle, ServerConfig};

/// Lists the experts of all models: a page for browsers, JSON for programs.
pub(super) async fn experts(
    model: web::Data<ModelHandle>,
    recommender: web::Data<RecommenderHandle>,
    config: web::Data<ServerConfig>,
    request: HttpRequest,
) -> Answer {
    if config.pages.web_ui && accepts_pages(&request) {
        return Ok(pages::experts(request).await);
    }
    let mut experts = listed(model.current().model.experts());
    let recommender = recommender.current().filter(|_| config.recommendation.recommend);
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
