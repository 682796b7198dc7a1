//! What recommendation counts, by the group that a user is in.

use prometheus::{
    HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, core::Collector,
};

/// The counters of recommendation; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct RecommendMetrics {
    lists: IntCounterVec,
    items: IntCounterVec,
    liked: IntCounterVec,
    written: IntCounter,
    /// Calls of other services, by service and by how they ended.
    pub(crate) upstream: IntCounterVec,
    /// Queries that wait for the model.
    pub(crate) queued: IntGauge,
    /// Requests that met a full queue.
    pub(crate) refused: IntCounter,
    duration: HistogramVec,
}

/// What a group's lists were worth since the start.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GroupCounts {
    pub(crate) group: String,
    pub(crate) lists: u64,
    pub(crate) items: u64,
    /// Positive feedback on what the last list showed.
    pub(crate) liked: u64,
}

impl RecommendMetrics {
    /// Makes all counters in `registry`, at zero.
    pub(super) fn new(registry: &Registry, refused: IntCounter, buckets: Vec<f64>) -> Self {
        let by_group = |name: &str, help: &str| {
            super::register(registry, IntCounterVec::new(Opts::new(name, help), &["group"]))
        };
        let duration = prometheus::HistogramOpts::new(
            "gorse_server_rest_api_request_seconds",
            "Time from a request's head to its answer, by Gorse's name for the call",
        );
        Self {
            lists: by_group("dragoman_recommend_lists_total", "Lists made for users"),
            items: by_group("dragoman_recommend_items_total", "Items in the lists made for users"),
            liked: by_group(
                "dragoman_recommend_liked_total",
                "Positive feedback on an item of the last list that the user was shown",
            ),
            written: super::counter(registry, "dragoman_feedback_total", "Feedback rows taken"),
            upstream: super::register(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "dragoman_recommend_upstream_total",
                        "Calls of external recommenders and the reranker: answered, failed, or skipped \
                         after a failure or while it is busy",
                    ),
                    &["upstream", "outcome"],
                ),
            ),
            queued: super::gauge(
                registry,
                "dragoman_recommend_queue_length",
                "Queries waiting for the model that recommends",
            ),
            refused,
            duration: super::register(
                registry,
                HistogramVec::new(duration.buckets(buckets), &["api"]),
            ),
        }
    }

    /// Notes a list of `count` items for a user of `group`.
    pub(crate) fn listed(&self, group: &str, count: usize) {
        self.lists.with_label_values(&[group]).inc();
        self.items.with_label_values(&[group]).inc_by(count as u64);
    }

    /// Notes that a user of `group` liked what the last list showed.
    pub(crate) fn liked(&self, group: &str) {
        self.liked.with_label_values(&[group]).inc();
    }

    /// The counts of each group that had a list.
    pub(crate) fn by_group(&self) -> Vec<GroupCounts> {
        let mut groups: Vec<String> = Vec::new();
        for family in self.lists.collect() {
            for metric in family.get_metric() {
                groups.extend(metric.get_label().iter().map(|label| label.value().to_owned()));
            }
        }
        groups.sort_unstable();
        let counts = |group: String| GroupCounts {
            lists: self.lists.with_label_values(&[&group]).get(),
            items: self.items.with_label_values(&[&group]).get(),
            liked: self.liked.with_label_values(&[&group]).get(),
            group,
        };
        groups.into_iter().map(counts).collect()
    }

    /// Notes `count` feedback rows.
    pub(crate) fn written(&self, count: usize) {
        self.written.inc_by(count as u64);
    }

    /// Notes one answered call, such as `GET /api/recommend/{user-id}`.
    pub(crate) fn answered(&self, api: &str, seconds: f64) {
        self.duration.with_label_values(&[api]).observe(seconds);
    }
}
