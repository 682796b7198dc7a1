//! `POST /translate`

use std::{mem, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, web};
use dragoman_core::translate::Leg;
use serde::Serialize;
use serde_json::Value;

use crate::{
    access::Caller,
    app::Shared,
    detect::Detected,
    error::ApiError,
    input::Fields,
    languages,
    model::Loaded,
    translate::{Domains, Done, GuessedDomain, Order, no_route, translate as translate_texts},
};

/// Alternatives at most, whatever is asked and allowed: one request must not hold all cores.
const MAX_ALTERNATIVES: usize = 20;

/// Characters of a traced request at most: a trace is a hundred times as large as its text.
const MAX_TRACE_CHARS: usize = 5000;

/// Translates a text or an array of texts.
pub(super) async fn translate(
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let fields = Fields::read(&request, payload, shared.config.body_limit).await?;
    let cost = fields.get("q").and_then(Value::as_array).map_or(1, Vec::len);
    let caller = shared.access.admit(&request, &fields, cost).await?;

    let model = shared.model.current();
    let known = shared.languages(&model);
    let mut order = parse(&fields, &shared, caller, &model, &known)?;
    if fields.get("domain").is_none() && fields.get("domains").is_none() {
        order.domains = domains_of_header(&request, &model)?;
    }
    let guesses_domain = order.domains == Domains::Auto;
    let (detector, batcher) = (&shared.detector, &shared.batcher);
    let is_array = fields.get("q").is_some_and(Value::is_array);
    let with_alternatives = order.num_alternatives > 0;
    let done = translate_texts(order, &model, Arc::new(known), detector, batcher).await?;

    let extras = Extras {
        detected: fields.get("source").is_some_and(is_auto),
        domain: guesses_domain,
        alternatives: with_alternatives,
        trace: fields.flag("trace"),
        scores: fields.flag("scores"),
    };
    Ok(HttpResponse::Ok().json(Reply::new(done, is_array, extras)))
}

/// Files are not translated yet: answers as upstream does when that is switched off.
pub(super) async fn translate_file() -> Result<HttpResponse, ApiError> {
    Err(ApiError::Forbidden("Files translation are disabled on this server.".into()))
}

/// Checks the fields, in upstream's order and words.
fn parse(
    fields: &Fields,
    shared: &Shared,
    caller: Caller,
    model: &Loaded,
    known: &[String],
) -> Result<Order, ApiError> {
    let q = fields.get("q").ok_or_else(|| ApiError::missing("q"))?;
    let source = fields.required("source")?;
    let target = fields.required("target")?;
    let num_alternatives = alternatives(fields, shared.config.alternatives_limit)?;
    let texts = texts(q)?;
    check_sizes(&texts, q.is_array(), shared.config.batch_limit, caller.char_limit)?;

    let known_code = |code: &str| {
        let unknown = || ApiError::Invalid(format!("{code} is not supported"));
        languages::resolve(known, code).map(str::to_owned).ok_or_else(unknown)
    };
    let is_auto = source.trim().eq_ignore_ascii_case("auto");
    let source = if is_auto { None } else { Some(known_code(source)?) };
    let target = known_code(target)?;
    let is_html = match fields.text("format")? {
        None | Some("text") => false,
        Some("html") => true,
        Some(other) => return Err(ApiError::Invalid(format!("{other} format is not supported"))),
    };
    if let Some(source) = &source
        && *source != target
        && !model.model.can_translate(source, &target)
    {
        return Err(no_route(source, &target));
    }
    let (domains, trace) = (domains(fields, model)?, fields.flag("trace"));
    let num_chars: usize = texts.iter().map(|text| text.chars().count()).sum();
    if trace && num_chars > MAX_TRACE_CHARS {
        return Err(ApiError::invalid(format_args!(
            "trace is limited to {MAX_TRACE_CHARS} characters, and this has {num_chars}"
        )));
    }
    Ok(Order { texts, source, target, is_html, num_alternatives, domains, trace })
}

fn is_auto(source: &Value) -> bool {
    source.as_str().is_some_and(|source| source.trim().eq_ignore_ascii_case("auto"))
}

/// The number of alternatives to give; a negative one is none.
fn alternatives(fields: &Fields, limit: Option<usize>) -> Result<usize, ApiError> {
    let number = match fields.get("alternatives") {
        None => Some(0.0),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse::<i64>().ok().map(|number| number as f64),
        Some(_) => None,
    };
    let number =
        number.ok_or_else(|| ApiError::invalid("alternatives parameter is not a number"))?;
    let number = number.max(0.0) as usize;
    match limit {
        Some(limit) if number > limit => {
            Err(ApiError::invalid(format_args!("alternatives parameter must be <= {limit}")))
        }
        _ => Ok(number.min(MAX_ALTERNATIVES)),
    }
}

/// The texts of `q`, a string or an array of strings.
fn texts(q: &Value) -> Result<Vec<String>, ApiError> {
    let wrong = || ApiError::invalid("q parameter must be a string or an array of strings");
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(wrong);
    match q {
        Value::Array(texts) => texts.iter().map(text).collect(),
        text_alone => Ok(vec![text(text_alone)?]),
    }
}

fn check_sizes(
    texts: &[String],
    is_array: bool,
    batch_limit: Option<usize>,
    char_limit: Option<usize>,
) -> Result<(), ApiError> {
    let exceeds = |size: usize, limit: usize| {
        ApiError::invalid(format_args!("request ({size}) exceeds text limit ({limit})"))
    };
    if let Some(limit) = batch_limit.filter(|limit| is_array && texts.len() > *limit) {
        return Err(exceeds(texts.len(), limit));
    }
    let Some(limit) = char_limit else { return Ok(()) };
    let sizes = texts.iter().map(|text| text.chars().count());
    sizes.into_iter().find(|size| *size > limit).map_or(Ok(()), |size| Err(exceeds(size, limit)))
}

/// The domains that the request names, in `domain` or `domains`.
fn domains(fields: &Fields, model: &Loaded) -> Result<Domains, ApiError> {
    let named = match (fields.get("domains"), fields.text("domain")?) {
        (Some(Value::Array(_)), _) => texts(&fields.get("domains").cloned().unwrap_or_default())
            .map_err(|_| ApiError::invalid("domains parameter is not an array of strings"))?,
        (Some(Value::String(one)), _) => vec![one.clone()],
        (Some(_), _) => {
            return Err(ApiError::invalid("domains parameter is not an array of strings"));
        }
        (None, one) => one.into_iter().map(str::to_owned).collect(),
    };
    known_domains(named, model)
}

/// The domains that the header `X-Domain` names, for clients that cannot send fields.
fn domains_of_header(request: &HttpRequest, model: &Loaded) -> Result<Domains, ApiError> {
    let header = request.headers().get("X-Domain").and_then(|value| value.to_str().ok());
    let named = header.unwrap_or_default().split(',').map(str::trim);
    known_domains(named.filter(|name| !name.is_empty()).map(str::to_owned).collect(), model)
}

fn known_domains(named: Vec<String>, model: &Loaded) -> Result<Domains, ApiError> {
    if named == ["auto"] {
        return Ok(Domains::Auto);
    }
    let known = model.model.domains();
    match named.iter().find(|domain| !known.contains(domain)) {
        None => Ok(Domains::Named(named)),
        Some(unknown) if known.is_empty() => {
            Err(ApiError::invalid(format_args!("domain `{unknown}`: this model has no domains")))
        }
        Some(unknown) => Err(ApiError::invalid(format_args!(
            "domain `{unknown}` is not supported; this model has {}",
            known.join(", ")
        ))),
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
}

/// The reply; what was not asked for is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    translated_text: PerText<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detected_language: Option<PerText<Option<Detected>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<PerText<Option<GuessedDomain>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alternatives: Option<PerText<Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<PerText<Trace>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<PerText<Option<f32>>>,
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
            detected_language: extras
                .detected
                .then(|| per_text(&mut done, is_array, |done| done.detected.take())),
            domain: extras.domain.then(|| per_text(&mut done, is_array, |done| done.domain.take())),
            alternatives: extras
                .alternatives
                .then(|| per_text(&mut done, is_array, |done| mem::take(&mut done.alternatives))),
            trace: extras.trace.then(|| {
                per_text(&mut done, is_array, |done| Trace { legs: mem::take(&mut done.legs) })
            }),
            scores: extras.scores.then(|| per_text(&mut done, is_array, |done| done.score)),
        }
    }
}

fn per_text<T>(done: &mut [Done], is_array: bool, value: impl Fn(&mut Done) -> T) -> PerText<T> {
    match done {
        [one] if !is_array => PerText::One(value(one)),
        texts => PerText::Each(texts.iter_mut().map(value).collect()),
    }
}
