//! `GET /languages`

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use crate::{
    app::Shared,
    languages::{name, public},
};

/// Lists the languages, English first and the rest by name, with what each translates into.
pub(super) async fn languages(shared: web::Data<Shared>) -> HttpResponse {
    let model = shared.model.current();
    let known = shared.languages(&model);
    let domains = model.model.domains();
    let mut sources: Vec<&String> = known.iter().collect();
    sources.sort_by_key(|code| (*code != "en", name(code)));

    let entry = |source: &String| {
        let can = |target: &&String| *target == source || model.model.can_translate(source, target);
        let mut targets: Vec<&str> = known.iter().filter(can).map(|code| public(code)).collect();
        targets.sort_unstable();
        let mut entry = json!({ "code": public(source), "name": name(source), "targets": targets });
        if !domains.is_empty() {
            entry["domains"] = json!(domains);
        }
        entry
    };
    let entries: Vec<Value> = sources.into_iter().map(entry).collect();
    HttpResponse::Ok().json(entries)
}
