//! What an operator wants to know, as Prometheus reads it. No label holds an address or a key.

pub(crate) mod recommend;

use std::{collections::BTreeMap, time::Duration};

use actix_web::http::Method;
use dragoman_core::memory::MemoryStats;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntGauge, Opts,
    Registry, TextEncoder, core::Collector, exponential_buckets,
};

/// The counters of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    duration: HistogramVec,
    pub(crate) in_flight: IntGauge,
    pub(crate) queued: IntGauge,
    pub(crate) remote_queued: IntGauge,
    pub(crate) refused: IntCounter,
    pub(crate) cancelled: IntCounter,
    pub(crate) batch_size: Histogram,
    pub(crate) batch_seconds: Histogram,
    pub(crate) failed_batches: IntCounter,
    pub(crate) sentences: IntCounter,
    pub(crate) characters: IntCounter,
    pub(crate) cache_hits: IntCounter,
    pub(crate) recommend: recommend::RecommendMetrics,
    resident: Gauge,
    experts: Experts,
}

/// What the current model's memory of experts says; it starts again with every model.
#[derive(Debug)]
struct Experts {
    budget: Gauge,
    resident: Gauge,
    units: Gauge,
    hits: Gauge,
    misses: Gauge,
    prefetched: Gauge,
    evictions: Gauge,
    added: GaugeVec,
}

impl Experts {
    fn new(registry: &Registry) -> Self {
        let gauge = |name: &str, help: &str| {
            register(registry, Gauge::new(format!("dragoman_expert_memory_{name}"), help))
        };
        let added = Opts::new(
            "dragoman_added_expert_rows",
            "Rows that an added expert has computed, one for each token and layer",
        );
        Self {
            budget: gauge("budget_bytes", "Bytes of packed experts that may be kept; 0: no limit"),
            resident: gauge("resident_bytes", "Bytes of packed experts that are kept"),
            units: gauge("units", "Experts that are kept, each layer counted by itself"),
            hits: gauge("hits", "Matrices of experts that were there when a pass asked"),
            misses: gauge("misses", "Matrices of experts that a pass had to read"),
            prefetched: gauge("prefetched", "Matrices of experts that were read ahead"),
            evictions: gauge("evictions", "Experts in a layer that made room for others"),
            added: register(registry, GaugeVec::new(added, &["expert"])),
        }
    }

    fn set(&self, stats: &MemoryStats) {
        self.budget.set(stats.budget_bytes as f64);
        self.resident.set(stats.resident_bytes as f64);
        self.units.set(stats.resident_units as f64);
        self.hits.set(stats.hits as f64);
        self.misses.set(stats.misses as f64);
        self.prefetched.set(stats.prefetched as f64);
        self.evictions.set(stats.evictions as f64);
    }

    fn set_added(&self, rows: &BTreeMap<String, u64>) {
        self.added.reset(); // those of another model
        for (expert, rows) in rows {
            self.added.with_label_values(&[expert]).set(*rows as f64);
        }
    }
}

impl Metrics {
    /// Makes all counters, at zero.
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let seconds = exponential_buckets(0.001, 2.0, 16).expect("a rising series");
        let sizes = exponential_buckets(1.0, 2.0, 9).expect("a rising series");
        let duration = HistogramOpts::new(
            "libretranslate_http_request_duration_seconds",
            "Time from a request's head to its answer",
        );
        let duration =
            HistogramVec::new(duration.buckets(seconds.clone()), &["endpoint", "method", "status"]);
        let refused = counter(&registry, "dragoman_queue_refused_total", "Requests answered 503");
        Self {
            recommend: recommend::RecommendMetrics::new(
                &registry,
                refused.clone(),
                seconds.clone(),
            ),
            duration: register(&registry, duration),
            in_flight: gauge(
                &registry,
                "libretranslate_http_requests_in_flight",
                "Requests being answered",
            ),
            queued: gauge(&registry, "dragoman_queue_length", "Sentences waiting for a batch"),
            remote_queued: gauge(
                &registry,
                "dragoman_remote_queue_length",
                "Sentences waiting for a translator on another machine",
            ),
            refused,
            cancelled: counter(
                &registry,
                "dragoman_queue_cancelled_total",
                "Sentences dropped from the queue because nobody waited any more",
            ),
            batch_size: histogram(
                &registry,
                "dragoman_batch_sentences",
                "Sentences a batch",
                sizes,
            ),
            batch_seconds: histogram(
                &registry,
                "dragoman_batch_duration_seconds",
                "Time the model took for a batch",
                seconds,
            ),
            failed_batches: counter(
                &registry,
                "dragoman_batches_failed_total",
                "Batches that the model failed on",
            ),
            sentences: counter(&registry, "dragoman_sentences_total", "Sentences translated"),
            characters: counter(
                &registry,
                "dragoman_characters_total",
                "Characters of the sentences translated",
            ),
            cache_hits: counter(
                &registry,
                "dragoman_cache_hits_total",
                "Sentences answered from memory",
            ),
            resident: register(
                &registry,
                Gauge::new("process_resident_memory_bytes", "Memory in use, in bytes"),
            ),
            experts: Experts::new(&registry),
            registry,
        }
    }

    /// The name of `method` as a label: one that nobody serves would make a label of its own.
    pub(crate) fn method(method: &Method) -> &str {
        match method {
            &Method::GET
            | &Method::HEAD
            | &Method::POST
            | &Method::PUT
            | &Method::PATCH
            | &Method::DELETE
            | &Method::OPTIONS => method.as_str(),
            _ => "other",
        }
    }

    /// Notes one answered request.
    pub(crate) fn answered(&self, endpoint: &str, method: &str, status: u16, took: Duration) {
        let labels = [endpoint, method, &status.to_string()];
        self.duration.with_label_values(&labels).observe(took.as_secs_f64());
    }

    /// All counters in Prometheus' text format, with those of the model's experts.
    pub(crate) fn render(
        &self,
        memory: Option<MemoryStats>,
        added: &BTreeMap<String, u64>,
    ) -> String {
        self.experts.set(&memory.unwrap_or_default());
        self.experts.set_added(added);
        if let Some(bytes) = resident_bytes() {
            self.resident.set(bytes as f64);
        }
        let mut text = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        encoded.expect("names and labels are plain words");
        String::from_utf8(text).expect("names and labels are plain words")
    }
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let collector = made.expect("names are valid");
    registry.register(Box::new(collector.clone())).expect("names differ");
    collector
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    register(registry, IntGauge::new(name, help))
}

fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    register(registry, IntCounter::new(name, help))
}

fn histogram(registry: &Registry, name: &str, help: &str, buckets: Vec<f64>) -> Histogram {
    register(registry, Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets)))
}

/// Resident memory of this process, where the system tells it as Linux does.
fn resident_bytes() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_under_its_endpoint() {
        let metrics = Metrics::new();
        metrics.answered("/translate", "POST", 200, Duration::from_millis(3));
        metrics.sentences.inc_by(2);
        let text = metrics.render(None, &[("domain.it".into(), 7)].into());
        let count = r#"duration_seconds_count{endpoint="/translate",method="POST",status="200"} 1"#;
        assert!(text.contains(count), "{text}");
        assert!(text.contains("dragoman_sentences_total 2"), "{text}");
        assert!(text.contains("dragoman_added_expert_rows{expert=\"domain.it\"} 7"), "{text}");
    }
}
