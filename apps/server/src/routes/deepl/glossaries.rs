//! `/v2/glossaries`, `/v3/glossaries` and `/v2/glossary-language-pairs`.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
    web,
};
use dragoman_store::StoredGlossary;
use dragoman_text::entries::to_tsv;
use serde_json::json;

use super::{
    call::Call,
    entries,
    glossary::{Described, List, Monolingual, Multilingual},
    reply::{Answer, Refused, ok, with_trace},
    tags::glossary_tag,
};
use crate::telemetry::block;

/// The media type of entries.
const TSV: &str = "text/tab-separated-values";

/// Lists the pairs of languages that glossaries can have: all that are translated.
pub(super) async fn pairs(call: Call, payload: web::Payload) -> Answer {
    call.open(payload).await?;
    let model = call.service.model();
    let known = call.service.languages(&model);
    let mut pairs: Vec<(String, String)> = Vec::new();
    for source in &known {
        for target in known.iter().filter(|target| model.model.can_translate(source, target)) {
            pairs.push((glossary_tag(source), glossary_tag(target)));
        }
    }
    pairs.retain(|(source, target)| source != target);
    pairs.sort_unstable();
    pairs.dedup();
    let pair = |(source, target)| json!({ "source_lang": source, "target_lang": target });
    let pairs: Vec<serde_json::Value> = pairs.into_iter().map(pair).collect();
    ok(json!({ "supported_languages": pairs }))
}

/// Makes a glossary of one pair.
pub(super) async fn create(call: Call, payload: web::Payload) -> Answer {
    let (fields, caller) = call.open(payload).await?;
    let known = call.service.languages(&call.service.model());
    let name = fields.required("name")?.to_owned();
    let dictionary = entries::dictionary(&fields, &known)?;
    let store = call.store.clone();
    let create = move || store.create_glossary(&caller.owner, &name, &[dictionary]);
    let made = block(create).await??;
    Ok(with_trace(HttpResponse::Created()).json(Monolingual::of(&made)))
}

/// Makes a glossary of several pairs.
pub(super) async fn create_multilingual(call: Call, payload: web::Payload) -> Answer {
    let (fields, caller) = call.open(payload).await?;
    let known = call.service.languages(&call.service.model());
    let name = fields.required("name")?.to_owned();
    let dictionaries = entries::dictionaries(&fields, &known)?;
    if dictionaries.is_empty() {
        return Err(crate::error::ServiceError::missing("dictionaries").into());
    }
    let store = call.store.clone();
    let create = move || store.create_glossary(&caller.owner, &name, &dictionaries);
    let made = block(create).await??;
    Ok(with_trace(HttpResponse::Created()).json(Multilingual::from(&made)))
}

/// Lists the glossaries of the caller that have a pair.
pub(super) async fn list(call: Call, payload: web::Payload) -> Answer {
    let all = all(&call, payload).await?;
    ok(List { glossaries: all.iter().filter_map(Monolingual::of).collect() })
}

/// Lists the glossaries of the caller.
pub(super) async fn list_multilingual(call: Call, payload: web::Payload) -> Answer {
    let all = all(&call, payload).await?;
    ok(List { glossaries: all.iter().map(Multilingual::from).collect() })
}

/// Describes a glossary by its first pair.
pub(super) async fn show(call: Call, id: web::Path<String>, payload: web::Payload) -> Answer {
    let (_, glossary) = one(&call, &id, payload).await?;
    ok(Monolingual::of(&glossary).ok_or_else(not_found)?)
}

/// Describes a glossary.
pub(super) async fn show_multilingual(
    call: Call,
    id: web::Path<String>,
    payload: web::Payload,
) -> Answer {
    let (_, glossary) = one(&call, &id, payload).await?;
    ok(Multilingual::from(&glossary))
}

/// Writes the entries of a glossary's first pair as TSV.
pub(super) async fn entries(call: Call, id: web::Path<String>, payload: web::Payload) -> Answer {
    let accept = call.request.headers().get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
    if ![TSV, "*/*", "text/*"].iter().any(|kind| accept.contains(kind)) {
        return Err(Refused::Unsupported(format!("Entries are given as {TSV} alone")));
    }
    let (_, glossary) = one(&call, &id, payload).await?;
    let first = glossary.dictionaries.first().cloned().ok_or_else(not_found)?;
    let store = call.store.clone();
    let read = move || store.glossary_entries(&glossary.id, &first.source, &first.target);
    let entries = block(read).await??;
    Ok(with_trace(HttpResponse::Ok()).content_type(TSV).body(to_tsv(&entries)))
}

/// Gives the entries of one pair, or of all.
pub(super) async fn entries_multilingual(
    call: Call,
    id: web::Path<String>,
    payload: web::Payload,
) -> Answer {
    let (fields, glossary) = one(&call, &id, payload).await?;
    let wanted = match fields.get("source_lang").or(fields.get("target_lang")) {
        None => None,
        Some(_) => {
            let known = call.service.languages(&call.service.model());
            Some(entries::pair(&fields, &known)?)
        }
    };
    let mut pairs = glossary.dictionaries.clone();
    if let Some((source, target)) = &wanted {
        pairs.retain(|one| one.source == *source && one.target == *target);
        if pairs.is_empty() {
            return Err(not_found());
        }
    }
    let store = call.store.clone();
    let read = move || {
        let entries = |pair: &dragoman_store::Dictionary| {
            let entries = store.glossary_entries(&glossary.id, &pair.source, &pair.target)?;
            Ok(json!({
                "source_lang": glossary_tag(&pair.source),
                "target_lang": glossary_tag(&pair.target),
                "entries": to_tsv(&entries),
                "entries_format": "tsv",
            }))
        };
        pairs.iter().map(entries).collect::<dragoman_store::Result<Vec<_>>>()
    };
    ok(json!({ "dictionaries": block(read).await?? }))
}

/// Renames a glossary, and adds entries to it.
pub(super) async fn change(call: Call, id: web::Path<String>, payload: web::Payload) -> Answer {
    let (fields, caller) = call.open(payload).await?;
    let known = call.service.languages(&call.service.model());
    let name = fields.text("name")?.map(str::to_owned);
    let dictionaries = entries::dictionaries(&fields, &known)?;
    let store = call.store.clone();
    let change = move || {
        if let Some(name) = name {
            store.rename_glossary(&caller.owner, &id, &name)?;
        }
        for dictionary in &dictionaries {
            store.put_dictionary(&caller.owner, &id, dictionary, false)?;
        }
        store.glossary(&caller.owner, &id)
    };
    let changed = block(change).await??.ok_or_else(not_found)?;
    ok(Multilingual::from(&changed))
}

/// Puts entries in place of those that a pair has.
pub(super) async fn replace(call: Call, id: web::Path<String>, payload: web::Payload) -> Answer {
    let (fields, caller) = call.open(payload).await?;
    let known = call.service.languages(&call.service.model());
    let dictionary = entries::dictionary(&fields, &known)?;
    let (source, target) = (dictionary.source.clone(), dictionary.target.clone());
    let store = call.store.clone();
    let replace = move || store.put_dictionary(&caller.owner, &id, &dictionary, true);
    let changed = block(replace).await??.ok_or_else(not_found)?;
    let described = changed.dictionary(&source, &target).map(Described::from);
    ok(described.ok_or_else(not_found)?)
}

/// Removes the entries of a pair.
pub(super) async fn remove_dictionary(
    call: Call,
    id: web::Path<String>,
    payload: web::Payload,
) -> Answer {
    let (fields, caller) = call.open(payload).await?;
    let known = call.service.languages(&call.service.model());
    let (source, target) = entries::pair(&fields, &known)?;
    let store = call.store.clone();
    let remove = move || store.remove_dictionary(&caller.owner, &id, &source, &target);
    removed(block(remove).await??)
}

/// Removes a glossary.
pub(super) async fn remove(call: Call, id: web::Path<String>, payload: web::Payload) -> Answer {
    let (_, caller) = call.open(payload).await?;
    let store = call.store.clone();
    removed(block(move || store.remove_glossary(&caller.owner, &id)).await??)
}

fn removed(was_there: bool) -> Answer {
    match was_there {
        true => Ok(with_trace(HttpResponse::build(StatusCode::NO_CONTENT)).finish()),
        false => Err(not_found()),
    }
}

async fn all(call: &Call, payload: web::Payload) -> Result<Vec<StoredGlossary>, Refused> {
    let (_, caller) = call.open(payload).await?;
    let store = call.store.clone();
    Ok(block(move || store.glossaries(&caller.owner)).await??)
}

async fn one(
    call: &Call,
    id: &str,
    payload: web::Payload,
) -> Result<(crate::input::Fields, StoredGlossary), Refused> {
    let (fields, caller) = call.open(payload).await?;
    let (store, id) = (call.store.clone(), id.to_owned());
    let found = block(move || store.glossary(&caller.owner, &id)).await??;
    Ok((fields, found.ok_or_else(not_found)?))
}

fn not_found() -> Refused {
    Refused::NotFound("Glossary not found".into())
}
