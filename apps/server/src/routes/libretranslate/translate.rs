//! `POST /translate`

use std::mem;

use actix_web::{HttpRequest, HttpResponse, web};
use dragoman_core::translate::Leg;
use dragoman_store::MemoryMatch;
use serde::Serialize;
use serde_json::Value;

use super::{call::Call, detected::DetectedLanguage, reply::Answer};
use crate::{
    access::Caller,
    error::ServiceError,
    input::Fields,
    memory::MemoryRequest,
    service::{TranslationRequest, is_auto},
    translate::{Done, GuessedDomain, Markup},
};

/// Translates a text or an array of texts.
pub(super) async fn translate(call: Call, payload: web::Payload) -> Answer {
    let fields = call.fields(payload).await?;
    let cost = fields.get("q").and_then(Value::as_array).map_or(1, Vec::len);
    let caller = call.admit(&fields, cost).await?;

    let order = order(&call, &caller, &fields).await?;
    let is_array = order.is_array;
    let extras = Extras {
        detected: is_auto(&order.source),
        domain: order.domains == ["auto"],
        alternatives: order.num_alternatives > 0,
        trace: order.trace,
        scores: fields.flag("scores"),
        quality: fields.flag("quality"),
        memory: order.memory.as_ref().is_some_and(|memory| memory.shows),
    };
    let done = call.service.translate(order).await?;
    Ok(HttpResponse::Ok().json(Reply::new(done, is_array, extras)))
}

/// What a request asks for, with the glossaries and the memory of its caller.
pub(super) async fn order(
    call: &Call,
    caller: &Caller,
    fields: &Fields,
) -> Result<TranslationRequest, ServiceError> {
    let names = fields.all("glossaries")?.into_iter().map(str::to_owned).collect();
    let glossaries = call.service.glossaries(caller, names, fields.flag("strict")).await?;
    Ok(TranslationRequest {
        char_limit: caller.char_limit,
        glossaries,
        memory: MemoryRequest::read(fields, &caller.owner)?,
        ..parse(fields, &call.request)?
    })
}

/// Reads the fields, in upstream's order.
fn parse(fields: &Fields, request: &HttpRequest) -> Result<TranslationRequest, ServiceError> {
    let q = fields.get("q").ok_or_else(|| ServiceError::missing("q"))?;
    let source = fields.required("source")?.to_owned();
    let target = fields.required("target")?.to_owned();
    let num_alternatives = alternatives(fields)?;
    Ok(TranslationRequest {
        texts: texts(q)?,
        is_array: q.is_array(),
        source,
        target,
        format: fields.text("format")?.map(str::to_owned),
        markup: Markup::default(),
        num_alternatives,
        domains: domains(fields, request)?,
        trace: fields.flag("trace"),
        attributes: fields.flag("attributes"),
        char_limit: None,
        glossaries: None,
        memory: None,
    })
}

/// The number of alternatives to give; a negative one is none.
fn alternatives(fields: &Fields) -> Result<usize, ServiceError> {
    let number = match fields.get("alternatives") {
        None => Some(0.0),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse::<i64>().ok().map(|number| number as f64),
        Some(_) => None,
    };
    let not_a_number = || ServiceError::invalid("alternatives parameter is not a number");
    number.map(|number| number.max(0.0) as usize).ok_or_else(not_a_number)
}

/// The texts of `q`, a string or an array of strings.
fn texts(q: &Value) -> Result<Vec<String>, ServiceError> {
    let wrong = || ServiceError::invalid("q parameter must be a string or an array of strings");
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(wrong);
    match q {
        Value::Array(texts) => texts.iter().map(text).collect(),
        text_alone => Ok(vec![text(text_alone)?]),
    }
}

/// The domains that the request names, in `domain`, in `domains`, or in the header `X-Domain` for clients
/// that cannot send fields.
pub(super) fn domains(fields: &Fields, request: &HttpRequest) -> Result<Vec<String>, ServiceError> {
    let not_texts = || ServiceError::invalid("domains parameter is not an array of strings");
    let one = fields.text("domain")?;
    match fields.get("domains") {
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(list @ Value::Array(_)) => texts(list).map_err(|_| not_texts()),
        Some(_) => Err(not_texts()),
        None if one.is_some() => Ok(one.into_iter().map(str::to_owned).collect()),
        None => {
            let header = request.headers().get("X-Domain").and_then(|value| value.to_str().ok());
            let named = header.unwrap_or_default().split(',').map(str::trim);
            Ok(named.filter(|name| !name.is_empty()).map(str::to_owned).collect())
        }
    }
}

/// Which fields the reply has besides the translation.
#[derive(Clone, Copy)]
struct Extras {
    detected: bool,
    domain: bool,
    alternatives: bool,
    trace: bool,
    scores: bool,
    quality: bool,
    memory: bool,
}

/// The reply; what was not asked for is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    translated_text: PerText<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detected_language: Option<PerText<Option<DetectedLanguage>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<PerText<Option<GuessedDomain>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alternatives: Option<PerText<Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<PerText<Trace>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<PerText<Option<f32>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<PerText<Option<Vec<f32>>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<PerText<Vec<MemoryMatch>>>,
}

/// A value for a text, or an array of them for an array of texts.
#[derive(Serialize)]
#[serde(untagged)]
enum PerText<T> {
    One(T),
    Each(Vec<T>),
}

/// The ways of a text's sentences.
#[derive(Serialize)]
struct Trace {
    legs: Vec<Leg>,
}

impl Reply {
    fn new(mut done: Vec<Done>, is_array: bool, extras: Extras) -> Self {
        Self {
            translated_text: per_text(&mut done, is_array, |done| mem::take(&mut done.text)),
            detected_language: extras.detected.then(|| {
                per_text(&mut done, is_array, |done| done.detected.take().map(Into::into))
            }),
            domain: extras.domain.then(|| per_text(&mut done, is_array, |done| done.domain.take())),
            alternatives: extras
                .alternatives
                .then(|| per_text(&mut done, is_array, |done| mem::take(&mut done.alternatives))),
            trace: extras.trace.then(|| {
                per_text(&mut done, is_array, |done| Trace { legs: mem::take(&mut done.legs) })
            }),
            scores: extras.scores.then(|| per_text(&mut done, is_array, |done| done.score)),
            quality: extras
                .quality
                .then(|| per_text(&mut done, is_array, |done| done.quality.take())),
            memory: extras
                .memory
                .then(|| per_text(&mut done, is_array, |done| mem::take(&mut done.memory))),
        }
    }
}

fn per_text<T>(done: &mut [Done], is_array: bool, value: impl Fn(&mut Done) -> T) -> PerText<T> {
    match done {
        [one] if !is_array => PerText::One(value(one)),
        texts => PerText::Each(texts.iter_mut().map(value).collect()),
    }
}
