//! `GET /languages`

use actix_web::{HttpResponse, web};
use dragoman_languages::{name, public};
use serde_json::{Map, Value, json};

use crate::service::TranslationService;

/// Lists the languages, English first and the rest by name, with what each translates into.
pub(super) async fn languages(service: web::Data<TranslationService>) -> HttpResponse {
    let model = service.model();
    let known = service.languages(&model);
    let domains = model.model.domains();
    let model = &model.model;
    let mut sources: Vec<&String> = known.iter().collect();
    sources.sort_by_key(|code| (*code != "en", name(code)));

    let entry = |source: &String| {
        let can = |target: &&String| *target == source || model.can_translate(source, target);
        let mut targets: Vec<&str> = known.iter().filter(can).map(|code| public(code)).collect();
        targets.sort_unstable();
        let mut entry = json!({ "code": public(source), "name": name(source), "targets": targets });
        // Each domain with the targets that its expert has a part in.
        let mut covered = Map::new();
        for domain in &domains {
            let covers = |target: &&String| {
                *target != source
                    && model.can_translate(source, target)
                    && model.covers(domain, source, target)
            };
            let mut targets: Vec<&str> =
                known.iter().filter(covers).map(|code| public(code)).collect();
            targets.sort_unstable();
            if !targets.is_empty() {
                covered.insert(domain.clone(), json!(targets));
            }
        }
        if !covered.is_empty() {
            entry["domains"] = json!(covered.keys().collect::<Vec<_>>());
            entry["domainTargets"] = covered.into();
        }
        entry
    };
    let entries: Vec<Value> = sources.into_iter().map(entry).collect();
    HttpResponse::Ok().json(entries)
}
