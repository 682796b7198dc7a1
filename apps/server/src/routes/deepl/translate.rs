//! `/v2/translate`

use actix_web::web;
use dragoman_languages as languages;
use dragoman_text::{Splitting, Tags};
use serde::Serialize;
use serde_json::Value;

use super::{
    call::Call,
    formality,
    reply::{Answer, Refused, ok},
    tags,
};
use crate::{
    access::Caller,
    error::ServiceError,
    glossaries::Chosen,
    input::{Fields, names, percent},
    memory::MemoryRequest,
    service::{TranslationRequest, is_auto},
    telemetry::block,
    translate::{Done, Markup},
};

/// What a request has besides what is translated.
#[derive(Debug, Clone)]
struct Extras {
    source: Option<String>,
    shows_billed: bool,
    model_type: Option<String>,
    tag_handling_version: Option<String>,
}

#[derive(Debug, Serialize)]
struct Translation {
    detected_source_language: String,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    billed_characters: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_type_used: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag_handling_version: Option<String>,
}

#[derive(Debug, Serialize)]
struct Reply {
    translations: Vec<Translation>,
}

/// Translates one text or several, in their order.
pub(super) async fn translate(call: Call, payload: web::Payload) -> Answer {
    let fields = call.fields(payload).await?;
    let texts: Vec<String> = fields.all("text")?.into_iter().map(str::to_owned).collect();
    let caller = call.admit(&fields, texts.len()).await?;
    if texts.is_empty() {
        return Err(ServiceError::missing("text").into());
    }
    let model = call.service.model();
    let known = call.service.languages(&model);
    let (mut order, extras) = parse(&fields, &known, texts)?;
    let pair = (extras.source.as_deref(), order.target.as_str());
    order.domains = formality::domains(&fields, pair, &known, &*model.model)?;
    let memory = Some(memory(&fields, &caller)?);
    let glossaries = glossaries(&call, &caller, &fields, (&order.source, &order.target)).await?;
    let order = TranslationRequest { char_limit: caller.char_limit, glossaries, memory, ..order };
    let counts: Vec<usize> = order.texts.iter().map(|text| text.chars().count()).collect();
    let done = call.service.translate(order).await?;
    let store = call.store.clone();
    let used = counts.iter().sum::<usize>() as u64;
    block(move || store.add_usage(&caller.owner, used)).await??;
    let translations = done.into_iter().zip(counts);
    let translation = |(done, count)| translation(done, count, &extras);
    ok(Reply { translations: translations.map(translation).collect() })
}

/// What is remembered of the caller's texts: there is one memory for a key, whatever its identifier.
fn memory(fields: &Fields, caller: &Caller) -> Result<MemoryRequest, Refused> {
    let exact = MemoryRequest::exact(&caller.owner);
    let threshold = match fields.get("translation_memory_id") {
        None => None,
        Some(_) => percent(fields, "translation_memory_threshold")?,
    };
    Ok(MemoryRequest { threshold: threshold.unwrap_or(exact.threshold), ..exact })
}

/// The glossaries that a request names: a term of theirs is always used.
pub(super) async fn glossaries(
    call: &Call,
    caller: &Caller,
    fields: &Fields,
    (source, target): (&str, &str),
) -> Result<Option<Chosen>, Refused> {
    let mut named: Vec<String> = names(fields, "glossary_ids")?;
    named.extend(fields.text("glossary_id")?.map(str::to_owned));
    if named.is_empty() {
        return Ok(None);
    }
    if is_auto(source) {
        let reason = "Use of a glossary requires the 'source_lang' parameter to be specified";
        return Err(ServiceError::invalid(reason).into());
    }
    let chosen = call.service.glossaries(caller, named, true).await;
    let chosen = chosen.map_err(|error| match error {
        ServiceError::Invalid(reason) => Refused::NotFound(reason),
        other => other.into(),
    })?;
    if chosen.as_ref().is_some_and(|chosen| !chosen.covers(source, target)) {
        let reason = "The glossary has no entries for this pair of languages";
        return Err(ServiceError::invalid(reason).into());
    }
    Ok(chosen)
}

fn translation(done: Done, count: usize, extras: &Extras) -> Translation {
    let source = extras.source.as_deref();
    let detected = done.detected.as_ref().map(|detected| detected.language.as_str());
    let detected_source_language = tags::source_tag(source.or(detected).unwrap_or("en"));
    Translation {
        detected_source_language,
        text: done.text,
        billed_characters: extras.shows_billed.then_some(count),
        model_type_used: extras.model_type.clone(),
        tag_handling_version: extras.tag_handling_version.clone(),
    }
}

fn parse(
    fields: &Fields,
    known: &[String],
    texts: Vec<String>,
) -> Result<(TranslationRequest, Extras), Refused> {
    let (source, target) = languages_of(fields, known)?;
    let format = fields.text("tag_handling")?;
    if !matches!(format, None | Some("xml" | "html")) {
        return Err(Refused::value("tag_handling"));
    }
    check_what_no_model_can(fields)?;
    let (splitting, joins_lines) = splitting(fields, format)?;
    let texts = match joins_lines {
        true => texts.iter().map(|text| join_lines(text)).collect(),
        false => texts,
    };
    let extras = Extras {
        source: source.map(str::to_owned),
        shows_billed: is_on(fields, "show_billed_characters", false),
        model_type: model_type(fields)?,
        tag_handling_version: format.map(|_| "v2".to_owned()),
    };
    let order = TranslationRequest {
        texts,
        is_array: true,
        source: source.unwrap_or("auto").to_owned(),
        target: target.to_owned(),
        format: format.map(str::to_owned),
        attributes: false,
        markup: Markup { splitting, tags: wanted_tags(fields)? },
        num_alternatives: 0,
        domains: Vec::new(),
        trace: false,
        char_limit: None,
        glossaries: None,
        memory: None,
    };
    Ok((order, extras))
}

/// The language of the text, if it is given, and the language to translate into.
pub(super) fn languages_of<'a>(
    fields: &Fields,
    known: &'a [String],
) -> Result<(Option<&'a str>, &'a str), Refused> {
    let resolve =
        |name: &str, tag: &str| languages::resolve(known, tag).ok_or_else(|| Refused::value(name));
    let target = resolve("target_lang", fields.required("target_lang")?)?;
    let source = fields.text("source_lang")?.map(|tag| resolve("source_lang", tag));
    Ok((source.transpose()?, target))
}

/// Refuses what would be promised and not be done. `context` and `preserve_formatting` are wishes: they
/// are taken, and change nothing.
pub(super) fn check_what_no_model_can(fields: &Fields) -> Result<(), Refused> {
    match ["style_id", "custom_instructions"].into_iter().find(|name| fields.get(name).is_some()) {
        Some(name) => Err(Refused::value(name)),
        None => Ok(()),
    }
}

/// Where texts are cut, and whether their line ends are spaces.
fn splitting(fields: &Fields, format: Option<&str>) -> Result<(Splitting, bool), Refused> {
    let word = match fields.raw("split_sentences") {
        None => return Ok((Splitting::Sentences, false)),
        Some(Value::String(word)) => word.clone(),
        Some(Value::Bool(on)) => u8::from(*on).to_string(),
        Some(value) => value.to_string(),
    };
    match word.as_str() {
        "0" => Ok((Splitting::Lines, false)),
        "1" | "" => Ok((Splitting::Sentences, false)),
        // In markup a line end is a space anyway.
        "nonewlines" => Ok((Splitting::Sentences, format.is_none())),
        _ => Err(Refused::value("split_sentences")),
    }
}

/// `text` with its lines joined; an empty line stays.
fn join_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let paragraphs: Vec<String> =
        text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
    paragraphs.join("\n\n")
}

fn model_type(fields: &Fields) -> Result<Option<String>, Refused> {
    // One model serves all, so the one that is used is always the one that was asked for.
    match fields.text("model_type")? {
        None => Ok(None),
        Some(kind @ ("quality_optimized" | "latency_optimized")) => Ok(Some(kind.to_owned())),
        Some("prefer_quality_optimized") => Ok(Some("quality_optimized".into())),
        Some(_) => Err(Refused::value("model_type")),
    }
}

fn wanted_tags(fields: &Fields) -> Result<Tags, Refused> {
    Ok(Tags {
        ignore: names(fields, "ignore_tags")?,
        splitting: names(fields, "splitting_tags")?,
        non_splitting: names(fields, "non_splitting_tags")?,
        no_outline: !is_on(fields, "outline_detection", true),
    })
}

/// Whether `name` is switched on, in JSON or in a form; else `default`.
fn is_on(fields: &Fields, name: &str, default: bool) -> bool {
    match fields.raw(name) {
        None => default,
        Some(Value::Bool(on)) => *on,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(word)) => !matches!(word.as_str(), "0" | "false" | "False" | ""),
        Some(_) => default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_and_paragraphs_are_not() {
        assert_eq!(join_lines("one\ntwo\r\nthree\n\nfour"), "one two three\n\nfour");
    }
}
