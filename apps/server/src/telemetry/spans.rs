//! The spans of requests, of their waiting, and of the batches that they share.

use std::{
    collections::HashMap,
    future::Future,
    time::{Instant, SystemTime},
};

use actix_web::{
    dev::ServiceRequest,
    error::BlockingError,
    http::{StatusCode, header::HeaderMap},
    web,
};
use opentelemetry::{
    KeyValue, global,
    propagation::{Extractor, TextMapPropagator},
    trace::{Span as _, SpanContext, TraceContextExt, Tracer},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Span, debug_span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::SCOPE;

/// The headers of a request, as the propagator reads them.
struct Headers<'a>(&'a HeaderMap);

/// What a request has in a batch.
struct Share<'a> {
    span: &'a Span,
    /// When the sentence that waited longest came.
    since: Instant,
    members: i64,
}

/// The span of a request, a part of the trace that its `traceparent` names.
pub(crate) fn request(request: &ServiceRequest, method: &str) -> Span {
    let method = if method == "other" { "_OTHER" } else { method };
    let span = debug_span!(
        "request",
        otel.kind = "server",
        otel.status_code = Empty,
        "error.type" = Empty,
        http.request.method = method,
        http.route = Empty,
        http.response.status_code = Empty,
        url.scheme = "http",
    );
    if !span.is_disabled() {
        let parent = TraceContextPropagator::new().extract(&Headers(request.headers()));
        if parent.span().span_context().is_valid() {
            let _ = span.set_parent(parent); // or only the log has the span
        }
    }
    span
}

/// Notes in the span of a request how it was answered, and by which route.
pub(crate) fn answered(span: &Span, method: &str, route: Option<&str>, status: StatusCode) {
    if span.is_disabled() {
        return;
    }
    let method = if method == "other" { "HTTP" } else { method };
    let name = match route {
        Some(route) => {
            span.record("http.route", route);
            format!("{method} {route}")
        }
        None => method.to_owned(),
    };
    span.context().span().update_name(name); // `otel.name` would come too late
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", status.as_str());
    }
}

/// Runs `work` on a thread where it may block, within the span of its caller.
pub(crate) fn block<T, F>(work: F) -> impl Future<Output = Result<T, BlockingError>>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let span = Span::current();
    web::block(move || span.in_scope(work))
}

/// A span outside of the caller's, which a link leads to: for work that goes on after the answer.
pub(crate) fn linked(span: Span) -> Span {
    if !span.is_disabled() {
        span.add_link(context(&Span::current()));
    }
    span
}

/// The span of a batch of sentences or queries, given with the span of each one's request and the moment it
/// came. What waited gets a span of its own in the trace of its request. The batch is part of the first
/// trace that is kept, and has a link to every request in it.
pub(crate) fn batch<'a>(members: impl Iterator<Item = (&'a Span, Instant)>) -> Span {
    let mut shares: Vec<Share<'_>> = Vec::new();
    let mut places = HashMap::new();
    for (span, since) in members {
        let Some(id) = span.id() else { continue };
        let place = *places.entry(id).or_insert(shares.len());
        match shares.get_mut(place) {
            Some(share) => {
                share.since = share.since.min(since);
                share.members += 1;
            }
            None => shares.push(Share { span, since, members: 1 }),
        }
    }
    let Some(first) = shares.first() else { return Span::none() };
    let contexts: Vec<SpanContext> = shares.iter().map(|share| context(share.span)).collect();
    let kept = contexts.iter().position(SpanContext::is_sampled);
    let parent = kept.map_or(first.span, |kept| shares[kept].span);
    let members: i64 = shares.iter().map(|share| share.members).sum();
    let span = debug_span!(
        parent: parent,
        "batch",
        dragoman.requests = shares.len() as i64,
        dragoman.members = members,
    );
    for (share, context) in shares.iter().zip(contexts) {
        waited(share);
        span.add_link(context);
    }
    span
}

/// The time that a request waited for its turn, as a span that ends now.
fn waited(share: &Share<'_>) {
    let tracer = global::tracer(SCOPE);
    let began = SystemTime::now() - share.since.elapsed();
    let builder = tracer.span_builder("queue").with_start_time(began);
    let builder = builder.with_attributes([KeyValue::new("dragoman.members", share.members)]);
    builder.start_with_context(&tracer, &share.span.context()).end();
}

fn context(span: &Span) -> SpanContext {
    span.context().span().span_context().clone()
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}
