//! `GET /frontend/settings`

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use crate::{
    app::Shared,
    languages::{name, public, resolve},
};

/// Says what the page needs to know of the settings.
pub(super) async fn settings(shared: web::Data<Shared>) -> HttpResponse {
    let config = &shared.config;
    let known = shared.languages(&shared.model.current());
    let source = resolve(&known, &config.frontend_language_source);
    let source = source.map_or(json!({ "code": "auto", "name": "Auto Detect" }), language);
    let wanted = config.frontend_language_target.as_deref().and_then(|code| resolve(&known, code));
    let first = || known.iter().find(|code| *code != "en").or(known.first()).map(String::as_str);
    let target = wanted.or_else(|| resolve(&known, "es")).or_else(first).unwrap_or("en");
    let char_limit = config.char_limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    HttpResponse::Ok().json(json!({
        "charLimit": char_limit,
        "frontendTimeout": config.frontend_timeout,
        "apiKeys": config.api_keys,
        "keyRequired": config.api_keys && config.require_api_key,
        "suggestions": config.suggestions,
        "filesTranslation": false,
        "supportedFilesFormat": [],
        "language": { "source": source, "target": language(target) },
    }))
}

fn language(code: &str) -> Value {
    json!({ "code": public(code), "name": name(code) })
}
