//! `/v2/languages`

use actix_web::web;
use serde::Serialize;

use super::{
    call::Call,
    formality,
    reply::{Answer, Refused, ok},
    tags::{source_tag, target_tags},
};
use dragoman_languages::name;

/// A language of a list.
#[derive(Debug, Serialize, PartialEq)]
struct Language {
    language: String,
    name: String,
    /// Of targets alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    supports_formality: Option<bool>,
}

/// Lists the languages that texts can be in, or can be translated into.
pub(super) async fn languages(call: Call, payload: web::Payload) -> Answer {
    let (fields, _) = call.open(payload).await?;
    let is_target = match fields.text("type")? {
        None | Some("source") => false,
        Some("target") => true,
        Some(_) => return Err(Refused::value("type")),
    };
    let model = call.service.model();
    let known = call.service.languages(&model);
    let targets = |code: &String| {
        let is_supported = formality::is_supported(&known, code, &*model.model);
        target_tags(code).into_iter().map(move |tag| target(tag, is_supported))
    };
    let mut list: Vec<Language> = match is_target {
        true => known.iter().flat_map(targets).collect(),
        false => known.iter().map(|code| source(code)).collect(),
    };
    list.sort_by(|a, b| a.language.cmp(&b.language));
    list.dedup_by(|a, b| a.language == b.language);
    ok(list)
}

fn source(code: &str) -> Language {
    Language { language: source_tag(code), name: name(code).into(), supports_formality: None }
}

fn target((language, name): (String, String), has_formality: bool) -> Language {
    Language { language, name, supports_formality: Some(has_formality) }
}
