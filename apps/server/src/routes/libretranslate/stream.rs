//! `/translate/stream`: a text sentence by sentence, as server-sent events.
//!
//! Each event has a piece of the translation, what stands between sentences included: joined they
//! are the whole. The last is called `done`, and one called `error` ends the stream before.

use actix_web::{HttpResponse, http::header, web};
use bytes::Bytes;
use dragoman_text::split::{Segment, split};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{
    call::Call,
    detected::DetectedLanguage,
    reply::{Answer, Refused},
    translate::order,
};
use crate::{
    error::ServiceError,
    service::{TranslationRequest, TranslationService, is_auto},
    translate::check_guesses,
};

/// Sentences of a stream that are translated at the same time.
const TOGETHER: usize = 8;

/// Translates a text, and sends each sentence as soon as those before it are there.
pub(super) async fn stream(call: Call, payload: web::Payload) -> Answer {
    let fields = call.fields(payload).await?;
    let caller = call.admit(&fields, 1).await?;
    let mut order = order(&call, &caller, &fields).await?;
    if order.texts.len() != 1 || !matches!(order.format.as_deref(), None | Some("text")) {
        return Err(ServiceError::invalid("a stream translates one plain text").into());
    }
    let text = order.texts.remove(0);
    let mut first = json!({});
    if is_auto(&order.source)
        && let Some(best) = call.service.detect(text.clone()).await?.into_iter().next()
    {
        let known = call.service.languages(&call.service.model());
        check_guesses(std::slice::from_ref(&best), &known)?;
        // A text without prose stays as it is, whatever the model knows.
        order.source = match best.confidence > 0.0 {
            true => best.language.clone(),
            false => order.target.clone(),
        };
        first = json!({ "detectedLanguage": DetectedLanguage::from(best) });
    }
    // What is wrong with the request is answered as such, and not in the stream.
    call.service.check(&TranslationRequest { texts: vec![text.clone()], ..order.clone() })?;

    let segments: Vec<(bool, String)> = split(&text, &order.source)
        .into_iter()
        .map(|segment| (matches!(segment, Segment::Sentence(_)), segment.as_str().to_owned()))
        .collect();
    let service = call.service.clone();
    let pieces = stream::iter(segments)
        .map(move |segment| piece(service.clone(), order.clone(), segment))
        .buffered(TOGETHER)
        .map(|piece| match piece {
            Ok(text) => (true, event(None, &json!({ "text": text }))),
            Err(error) => {
                (false, event(Some("error"), &json!({ "error": Refused::from(error).to_string() })))
            }
        });
    // The first error is the last event.
    let body = stream::iter([(true, event(None, &first))])
        .chain(pieces)
        .chain(stream::iter([(true, event(Some("done"), &json!({})))]))
        .scan(true, |goes_on, (is_fine, event)| {
            let now = *goes_on;
            *goes_on &= is_fine;
            std::future::ready(now.then_some(Ok::<Bytes, actix_web::Error>(event)))
        });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header(header::ContentEncoding::Identity) // a packed stream would come in lumps
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(body))
}

/// A piece of the translation.
async fn piece(
    service: web::Data<TranslationService>,
    order: TranslationRequest,
    (is_sentence, text): (bool, String),
) -> Result<String, ServiceError> {
    if !is_sentence {
        return Ok(text);
    }
    let mut done = service.translate(TranslationRequest { texts: vec![text], ..order }).await?;
    Ok(done.remove(0).text)
}

/// One event.
fn event(name: Option<&str>, data: &Value) -> Bytes {
    let name = name.map(|name| format!("event: {name}\n")).unwrap_or_default();
    Bytes::from(format!("{name}data: {data}\n\n"))
}
