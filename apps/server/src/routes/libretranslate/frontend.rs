//! `GET /frontend/settings`

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use dragoman_languages::{name, public, resolve};
use serde_json::{Value, json};

use crate::{config::ServerConfig, documents::DocumentService, service::TranslationService};

/// Says what the page needs to know of the settings. Where they name no target, it is the language
/// that the browser prefers.
pub(super) async fn settings(
    service: web::Data<TranslationService>,
    documents: web::Data<DocumentService>,
    config: web::Data<ServerConfig>,
    request: HttpRequest,
) -> HttpResponse {
    let ServerConfig { translation, keys, pages, .. } = &**config;
    let known = service.languages(&service.model());
    let source = resolve(&known, &pages.frontend_language_source);
    let source = source.map_or(json!({ "code": "auto", "name": "Auto Detect" }), language);
    let wanted = pages.frontend_language_target.as_deref().and_then(|code| resolve(&known, code));
    let first = || known.iter().find(|code| *code != "en").or(known.first()).map(String::as_str);
    let target = wanted
        .or_else(|| preferred(&known, &request))
        .or_else(|| resolve(&known, "es"))
        .or_else(first)
        .unwrap_or("en");
    let char_limit =
        translation.char_limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    HttpResponse::Ok().insert_header((header::VARY, "Accept-Language")).json(json!({
        "charLimit": char_limit,
        "frontendTimeout": pages.frontend_timeout,
        "apiKeys": keys.api_keys,
        "keyRequired": keys.api_keys && keys.require_api_key,
        "suggestions": translation.suggestions,
        "filesTranslation": documents.is_on(),
        "supportedFilesFormat": documents.endings(),
        "language": { "source": source, "target": language(target) },
    }))
}

/// The first language of `Accept-Language` that the model knows; browsers put the preferred first.
fn preferred<'a>(known: &'a [String], request: &HttpRequest) -> Option<&'a str> {
    let accepted = request.headers().get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
    accepted.split(',').find_map(|range| {
        let tag = range.split(';').next().unwrap_or_default().trim();
        let language = tag.split('-').next().unwrap_or_default();
        resolve(known, tag).or_else(|| resolve(known, language))
    })
}

fn language(code: &str) -> Value {
    json!({ "code": public(code), "name": name(code) })
}
