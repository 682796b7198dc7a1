//! OpenTelemetry traces: which spans a request has, and how they reach a collector.
//!
//! Code opens spans of `tracing` at the level `DEBUG`, which the log leaves out: without a collector a span costs
//! a look at whether somebody wants it. They hold names, counts and statuses, and never a text or an
//! identifier that a caller sent.

mod collector;
mod spans;

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::FilterFn, registry::LookupSpan};

use crate::{
    Error, Result,
    config::{MonitoringConfig, TracesSampler},
};

pub(crate) use spans::{answered, batch, block, linked, request};

/// What spans are called after.
const SCOPE: &str = "dragoman";

/// How long the last spans may take on their way when the server ends.
const FLUSH: Duration = Duration::from_millis(800);

/// The sending of spans, until it is dropped: then the last ones are sent.
#[derive(Debug)]
pub struct Telemetry {
    provider: SdkTracerProvider,
}

/// Starts to send spans as `config` says: what a subscriber of `tracing` needs for it; none without a
/// collector.
///
/// # Errors
/// Fails when a variable of OpenTelemetry cannot be read.
#[expect(clippy::type_complexity, reason = "a pair of what the caller keeps and what it hands on")]
pub fn start<S>(
    config: &MonitoringConfig,
) -> Result<Option<(Telemetry, Box<dyn Layer<S> + Send + Sync>)>>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let Some(endpoint) = &config.traces_endpoint else { return Ok(None) };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(collector::Client::new(endpoint))
        .with_endpoint(endpoint)
        .build();
    let refuse = |reason: String| Error::Config { name: "the collector of traces".into(), reason };
    let exporter = exporter.map_err(|error| refuse(error.to_string()))?;
    let resource = Resource::builder().with_service_name(config.traces_service.clone()).build();
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(sampler(config))
        .with_resource(resource)
        .build();
    opentelemetry::global::set_tracer_provider(provider.clone());
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(SCOPE))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(FilterFn::new(is_ours).with_max_level_hint(LevelFilter::DEBUG));
    Ok(Some((Telemetry { provider }, Box::new(layer))))
}

/// Whether something is a span of this suite. Events stay in the log.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.is_span()
        && *metadata.level() <= Level::DEBUG
        && metadata.target().starts_with("dragoman")
}

fn sampler(config: &MonitoringConfig) -> Sampler {
    let share = Sampler::TraceIdRatioBased(config.traces_sampler_arg);
    match config.traces_sampler {
        TracesSampler::AlwaysOn => Sampler::AlwaysOn,
        TracesSampler::AlwaysOff => Sampler::AlwaysOff,
        TracesSampler::TraceIdRatio => share,
        TracesSampler::ParentBasedAlwaysOn => Sampler::ParentBased(Box::new(Sampler::AlwaysOn)),
        TracesSampler::ParentBasedAlwaysOff => Sampler::ParentBased(Box::new(Sampler::AlwaysOff)),
        TracesSampler::ParentBasedTraceIdRatio => Sampler::ParentBased(Box::new(share)),
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // A collector that does not answer in time misses the last spans; the log has said so by now.
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH) {
            tracing::debug!(%error, "the last spans were not sent");
        }
    }
}
