//! OpenTelemetry traces, as a collector receives them.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use dragoman_e2e::{
    Collector, Options, TestApp,
    collector::{number, text},
    http::Reply,
};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use serde_json::json;

/// A trace and a span of it, as a caller names them, and the trace's bytes.
const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// A server whose spans go to `address` soon after they end.
fn traced(address: &str) -> Options {
    Options::default()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        .env("OTEL_SERVICE_NAME", "interpreter")
        .env("OTEL_BSP_SCHEDULE_DELAY", "50")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The only span called `name`.
fn only<'a>(spans: &'a [Span], name: &str) -> Result<&'a Span> {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    ensure!(found.len() == 1, "{} spans `{name}` of {}", found.len(), spans.len());
    Ok(found[0])
}

fn is_child(child: &Span, parent: &Span) -> bool {
    child.trace_id == parent.trace_id && child.parent_span_id == parent.span_id
}

fn links_to(span: &Span, other: &Span) -> bool {
    span.links
        .iter()
        .any(|link| (&link.trace_id, &link.span_id) == (&other.trace_id, &other.span_id))
}

/// Everything in the attributes of `spans`, for looking what is not there.
fn attributes(spans: &[Span]) -> String {
    spans.iter().map(|span| format!("{} {:?}\n", span.name, span.attributes)).collect()
}

#[tokio::test]
async fn a_request_is_a_part_of_its_callers_trace_from_its_queue_to_the_model() -> Result<()> {
    let collector = Collector::start()?;
    let app = TestApp::start(traced(&collector.url)).await?;
    let order = json!({ "q": "The cat sleeps.", "source": "en", "target": "de" });
    let reply = app.post("/translate").header("traceparent", CALLER).json(&order).send().await?;
    assert_eq!(reply.status(), 200);
    let spans = collector.spans_with("POST /translate", 1).await?;
    let spans: Vec<Span> =
        spans.into_iter().filter(|span| CALLER.contains(&hex(&span.trace_id))).collect();

    let request = only(&spans, "POST /translate")?;
    assert!(CALLER.contains(&format!(
        "{}-{}",
        hex(&request.trace_id),
        hex(&request.parent_span_id)
    )));
    assert_eq!(request.kind(), SpanKind::Server);
    assert_eq!(text(&request.attributes, "http.request.method"), Some("POST"));
    assert_eq!(text(&request.attributes, "http.route"), Some("/translate"));
    assert_eq!(number(&request.attributes, "http.response.status_code"), Some(200));

    let (queue, batch) = (only(&spans, "queue")?, only(&spans, "batch")?);
    assert!(is_child(queue, request) && is_child(batch, request));
    assert!(links_to(batch, request));
    assert_eq!(number(&batch.attributes, "dragoman.requests"), Some(1));
    assert!(queue.start_time_unix_nano <= queue.end_time_unix_nano);
    assert!(queue.end_time_unix_nano <= batch.end_time_unix_nano);
    for name in ["encode", "decode"] {
        let span = only(&spans, name)?;
        assert!(is_child(span, batch), "{name}");
        assert!(
            number(&span.attributes, "dragoman.tokens").is_some_and(|count| count > 1),
            "{name}"
        );
        assert!(batch.start_time_unix_nano <= span.start_time_unix_nano);
        assert!(span.end_time_unix_nano <= batch.end_time_unix_nano);
    }
    assert!(batch.end_time_unix_nano <= request.end_time_unix_nano);
    assert_eq!(collector.services().first().map(String::as_str), Some("interpreter"));
    assert!(!attributes(&spans).contains("cat"), "{}", attributes(&spans));
    assert!(!app.log().contains("OpenTelemetry"), "{}", app.log());
    Ok(())
}

#[tokio::test]
async fn requests_that_share_a_batch_are_linked_from_it() -> Result<()> {
    let collector = Collector::start()?;
    let app = TestApp::start(traced(&collector.url).env("DRAGOMAN_BATCH_WAIT_MS", "600")).await?;
    let both = ["The cat sleeps.", "Good morning."].map(|text| app.translate(text, "en", "de"));
    let [one, two] = both;
    let (one, two) = tokio::join!(one, two);
    one?;
    two?;
    let spans = collector.spans_with("POST /translate", 2).await?;
    let requests: Vec<&Span> = spans.iter().filter(|s| s.name == "POST /translate").collect();
    assert_ne!(requests[0].trace_id, requests[1].trace_id);
    let batch = only(&spans, "batch")?;
    assert_eq!(number(&batch.attributes, "dragoman.requests"), Some(2));
    assert_eq!(batch.links.len(), 2);
    assert!(requests.iter().all(|request| links_to(batch, request)));
    assert!(requests.iter().any(|request| is_child(batch, request)));
    for request in requests {
        let waited = spans.iter().filter(|s| s.name == "queue" && is_child(s, request));
        let waited: Vec<&Span> = waited.collect();
        assert_eq!(waited.len(), 1);
        let took = waited[0].end_time_unix_nano - waited[0].start_time_unix_nano;
        assert!(took > 100_000_000, "{took} ns in the queue");
    }
    Ok(())
}

#[tokio::test]
async fn a_document_is_a_trace_of_its_own_linked_to_its_request() -> Result<()> {
    let collector = Collector::start()?;
    let app = TestApp::start(traced(&collector.url)).await?;
    let file = reqwest::multipart::Part::bytes(b"The cat sleeps.".to_vec()).file_name("a.txt");
    let form = reqwest::multipart::Form::new()
        .part("file", file)
        .text("source", "en")
        .text("target", "de");
    let reply = app.post("/translate_file").multipart(form).send().await?;
    assert_eq!(reply.status(), 200, "{}", reply.text().await?);
    let spans = collector.spans_with("POST /translate_file", 1).await?;
    let (document, request) = (only(&spans, "document")?, only(&spans, "POST /translate_file")?);
    assert!(document.parent_span_id.is_empty() && links_to(document, request));
    assert!(is_child(only(&spans, "batch")?, document));
    Ok(())
}

#[tokio::test]
async fn a_list_shows_its_stages_and_what_the_store_read_and_wrote() -> Result<()> {
    let collector = Collector::start()?;
    let app = TestApp::start(traced(&collector.url)).await?;
    let items = json!([{ "ItemId": "lamp-of-secrets" }, { "ItemId": "rug" }]);
    assert_eq!(app.json("/api/items", &items).await?.0, 200);
    let feedback = json!([{ "FeedbackType": "star", "UserId": "scheherazade", "ItemId": "rug",
        "Timestamp": "2024-01-01T00:00:00Z" }]);
    assert_eq!(app.json("/api/feedback", &feedback).await?.0, 200);
    let list = app.get("/api/recommend/scheherazade?n=2").send().await?;
    assert_eq!(list.status(), 200);
    let list = "GET /api/recommend/{user}";
    let spans = collector.spans_with(list, 1).await?;
    let request = only(&spans, list)?;
    for name in ["recommend.user", "recommend.score", "recommend.rank"] {
        assert!(is_child(only(&spans, name)?, request), "{name}");
    }
    let of_trace = |request: &Span, name: &str| {
        spans.iter().filter(|s| s.trace_id == request.trace_id && s.name == name).count()
    };
    assert!(of_trace(request, "store.read") > 0);
    let written = only(&spans, "POST /api/feedback")?;
    assert!(of_trace(written, "store.write") > 0 && of_trace(written, "store.commit") > 0);
    let shown = attributes(&spans);
    for hidden in ["scheherazade", "lamp-of-secrets"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    Ok(())
}

#[tokio::test]
async fn errors_and_unknown_paths_are_named_without_what_the_caller_wrote() -> Result<()> {
    let collector = Collector::start()?;
    let app = TestApp::start(traced(&collector.url)).await?;
    app.get("/nowhere/my-secret").send().await?;
    let order = json!({ "q": "Yes.", "source": "en", "target": "xx" });
    assert_eq!(app.json("/translate", &order).await?.0, 400);
    let spans = collector.spans_with("POST /translate", 1).await?;
    let request = only(&spans, "POST /translate")?;
    assert_eq!(number(&request.attributes, "http.response.status_code"), Some(400));
    let status = request.status.as_ref().map(|status| status.code());
    assert_ne!(status, Some(StatusCode::Error), "the fault is the caller's");
    let unknown = spans
        .iter()
        .find(|span| number(&span.attributes, "http.response.status_code") == Some(404));
    let unknown = unknown.context("a span of what is not there")?;
    assert_eq!(unknown.name, "GET");
    assert_eq!(text(&unknown.attributes, "http.route"), None);
    assert!(!attributes(&spans).contains("my-secret"));
    Ok(())
}

#[tokio::test]
async fn the_sampler_decides_unless_the_caller_has() -> Result<()> {
    let collector = Collector::start()?;
    let off = traced(&collector.url).env("OTEL_TRACES_SAMPLER", "parentbased_always_off");
    let app = TestApp::start(off).await?;
    app.get("/languages").header("traceparent", UNSAMPLED).send().await?;
    app.get("/languages").send().await?;
    app.get("/languages").header("traceparent", CALLER).send().await?;
    let spans = collector.spans_with("GET /languages", 1).await?;
    assert_eq!(spans.len(), 1, "{}", attributes(&spans));
    assert!(CALLER.contains(&hex(&spans[0].trace_id)));

    let share = traced(&collector.url)
        .env("OTEL_TRACES_SAMPLER", "traceidratio")
        .env("OTEL_TRACES_SAMPLER_ARG", "0");
    let app = TestApp::start(share).await?;
    app.get("/languages").header("traceparent", UNSAMPLED).send().await?;
    let disabled = traced(&collector.url).env("OTEL_SDK_DISABLED", "true");
    let other = TestApp::start(disabled).await?;
    other.get("/languages").header("traceparent", CALLER).send().await?;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(collector.spans()?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn the_last_spans_are_sent_when_the_server_ends() -> Result<()> {
    let collector = Collector::start()?;
    let slow = traced(&collector.url).env("OTEL_BSP_SCHEDULE_DELAY", "3600000");
    let mut app = TestApp::start(slow).await?;
    app.translate("The cat sleeps.", "en", "de").await?;
    assert_eq!(collector.calls(), 0);
    app.signal("TERM")?;
    assert!(app.wait()?.success());
    only(&collector.spans()?, "POST /translate")?;
    Ok(())
}

/// Asks for many translations, and returns how long they took, and how long the server took to end.
async fn strain(address: &str) -> Result<(Duration, Duration, String)> {
    let small = traced(address).env("OTEL_BSP_MAX_QUEUE_SIZE", "16");
    let mut app = TestApp::start(small.env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8")).await?;
    app.translate("The cat sleeps.", "en", "de").await?;
    let started = Instant::now();
    for _ in 0..50 {
        assert_eq!(app.translate("The cat sleeps.", "en", "de").await?, "Die Katze schläft.");
    }
    let took = started.elapsed();
    app.signal("TERM")?;
    let started = Instant::now();
    assert!(app.wait()?.success());
    Ok((took, started.elapsed(), app.log()))
}

#[tokio::test]
async fn a_collector_that_is_dead_or_hangs_slows_nothing_and_is_named_once() -> Result<()> {
    let dead = TcpListener::bind("127.0.0.1:0")?.local_addr()?; // and closed again
    let (took, ending, log) = strain(&format!("http://{dead}")).await?;
    assert!(
        took < Duration::from_secs(5) && ending < Duration::from_secs(5),
        "{took:?} {ending:?}"
    );
    let warnings = log.matches("traces cannot be sent").count();
    assert_eq!(warnings, 1, "{log}");
    assert!(log.contains(&dead.to_string()), "{log}");

    let hour = Reply { delay: Duration::from_secs(3600), ..Reply::new(200, Vec::new()) };
    let hanging = Collector::answering(hour)?;
    let (took, ending, _) = strain(&hanging.url).await?;
    assert!(
        took < Duration::from_secs(5) && ending < Duration::from_secs(5),
        "{took:?} {ending:?}"
    );
    assert!(hanging.calls() > 0);

    let broken = Collector::answering(Reply::new(400, Vec::new()))?;
    let (_, _, log) = strain(&broken.url).await?;
    assert_eq!(log.matches("traces cannot be sent").count(), 1, "{log}");
    assert!(log.contains("400"), "{log}");
    Ok(())
}
