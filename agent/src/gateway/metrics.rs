//! Prometheus metrics of the gateway.

use std::{collections::HashMap, time::Duration};

use millwright_crds::wire::serving::GatewayTask;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts,
    Registry, TextEncoder,
    core::{AtomicU64, GenericCounter},
};

use super::pending::Forgotten;

/// Upper bounds of the latency histogram, in seconds: from a lookup table to a large model.
const LATENCY_BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Why a request's rows are not in the profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// A body was larger than the gateway reads.
    Size,
    /// Bodies under way and waiting took too much memory.
    Memory,
    /// The profiler was too far behind.
    Queue,
    /// A body was compressed in a way that the gateway doesn't read.
    Encoding,
    /// A body was no message of the protocol.
    Malformed,
    /// A body had tensors outside its JSON.
    Binary,
    /// The client or the server left before the response was complete.
    Incomplete,
    /// The window was older than all that are kept.
    Window,
}

impl Dropped {
    fn label(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Memory => "memory",
            Self::Queue => "queue",
            Self::Encoding => "encoding",
            Self::Malformed => "malformed",
            Self::Binary => "binary",
            Self::Incomplete => "incomplete",
            Self::Window => "window",
        }
    }
}

/// What came of feedback, for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FeedbackOutcome {
    /// Labels were joined, here or at a peer.
    Joined,
    /// No gateway knew the id.
    Unknown,
    /// The labels had come before.
    Duplicate,
    /// The labels did not fit.
    Invalid,
    /// A peer that may know the id could not be asked.
    Unavailable,
}

impl FeedbackOutcome {
    fn label(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Unknown => "unknown",
            Self::Duplicate => "duplicate",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Quality in a window.
#[derive(Default)]
pub(super) struct WindowQuality {
    /// Start of the window, in seconds since the Unix epoch.
    pub start: u64,
    /// Rows with a label.
    pub labels: u64,
    /// Values by the metric's name.
    pub values: Vec<(&'static str, f64)>,
}

/// The metrics. Every label has few values: deployment, stage and version are the same on all,
/// the others are fixed in this file.
pub(super) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    duration: Histogram,
    in_flight: IntGauge,
    upstream_errors: IntCounterVec,
    rows: IntCounter,
    dropped: IntCounterVec,
    skipped: IntCounterVec,
    pending: IntGauge,
    forgotten: IntCounterVec,
    feedback: IntCounterVec,
    labels: IntCounter,
    quality: GaugeVec,
    quality_labels: IntGauge,
    quality_window: Gauge,
}

impl Metrics {
    /// # Errors
    /// Only when two metrics had one name.
    pub fn new(task: &GatewayTask) -> prometheus::Result<Self> {
        let labels = HashMap::from([
            ("deployment".to_owned(), task.deployment.clone()),
            ("stage".to_owned(), task.stage.clone()),
            ("version".to_owned(), task.version.to_string()),
        ]);
        let registry = Registry::new_custom(Some("millwright_gateway".into()), Some(labels))?;
        let counters = |name: &str, help: &str, label: &str| {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counters.clone()))?;
            prometheus::Result::Ok(counters)
        };
        let counter = |name: &str, help: &str| {
            let counter = GenericCounter::<AtomicU64>::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            prometheus::Result::Ok(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            prometheus::Result::Ok(gauge)
        };
        let duration = Histogram::with_opts(
            HistogramOpts::new(
                "request_duration_seconds",
                "Time from a request's head to the end of its response.",
            )
            .buckets(LATENCY_BUCKETS.to_vec()),
        )?;
        registry.register(Box::new(duration.clone()))?;
        let quality = GaugeVec::new(
            Opts::new(
                "window_quality",
                "Quality in the last closed window that has labels, by metric.",
            ),
            &["metric"],
        )?;
        registry.register(Box::new(quality.clone()))?;
        let quality_window = Gauge::new(
            "window_quality_start_seconds",
            "Start of the window that window_quality speaks of, in seconds since the Unix epoch.",
        )?;
        registry.register(Box::new(quality_window.clone()))?;
        Ok(Self {
            requests: counters(
                "requests_total",
                "Requests answered, by class of the status code.",
                "code",
            )?,
            in_flight: gauge("requests_in_flight", "Requests being answered.")?,
            upstream_errors: counters(
                "upstream_errors_total",
                "Requests that the model server did not answer, by reason.",
                "reason",
            )?,
            rows: counter("rows_total", "Rows predicted and profiled.")?,
            dropped: counters(
                "dropped_requests_total",
                "Inference requests whose rows are not in the profiles, by reason.",
                "reason",
            )?,
            skipped: counters(
                "skipped_tensors_total",
                "Tensors that are not in the profiles, by reason.",
                "reason",
            )?,
            pending: gauge("pending_rows", "Predictions that wait for a label.")?,
            forgotten: counters(
                "pending_dropped_rows_total",
                "Predictions that no longer wait though no label came, by reason.",
                "reason",
            )?,
            feedback: counters(
                "feedback_total",
                "Feedback from clients, by outcome.",
                "outcome",
            )?,
            labels: counter("labels_total", "Labels joined with predictions made here.")?,
            quality_labels: gauge(
                "window_quality_labels",
                "Labels in the window that window_quality speaks of.",
            )?,
            duration,
            quality,
            quality_window,
            registry,
        })
    }

    /// Counts a request that begins.
    pub fn begin(&self) {
        self.in_flight.inc();
    }

    /// Counts a request that ended, with its status if it got one.
    pub fn end(&self, status: Option<u16>, took: Duration) {
        self.in_flight.dec();
        self.duration.observe(took.as_secs_f64());
        let class = match status {
            Some(100..=199) => "1xx",
            Some(200..=299) => "2xx",
            Some(300..=399) => "3xx",
            Some(400..=499) => "4xx",
            Some(_) => "5xx",
            None => "none",
        };
        self.requests.with_label_values(&[class]).inc();
    }

    /// Counts a request that the server did not answer.
    pub fn upstream_error(&self, reason: &'static str) {
        self.upstream_errors.with_label_values(&[reason]).inc();
    }

    /// Counts profiled rows.
    pub fn rows(&self, rows: u64) {
        self.rows.inc_by(rows);
    }

    /// Counts a request whose rows are not in the profiles.
    pub fn dropped(&self, reason: Dropped) {
        self.dropped.with_label_values(&[reason.label()]).inc();
    }

    /// Counts a tensor that is not in the profiles.
    pub fn skipped(&self, reason: &'static str) {
        self.skipped.with_label_values(&[reason]).inc();
    }

    /// Sets the rows that wait for labels.
    pub fn pending(&self, rows: usize) {
        self.pending.set(i64::try_from(rows).unwrap_or(i64::MAX));
    }

    /// Counts rows that no longer wait.
    pub fn forgotten(&self, reason: Forgotten, rows: usize) {
        self.forgotten
            .with_label_values(&[reason.label()])
            .inc_by(rows as u64);
    }

    /// Counts feedback of a client.
    pub fn feedback(&self, outcome: FeedbackOutcome) {
        self.feedback.with_label_values(&[outcome.label()]).inc();
    }

    /// Counts labels joined here.
    pub fn labels(&self, labels: u64) {
        self.labels.inc_by(labels);
    }

    /// Sets the quality of the last window that has labels; without one there is no value.
    pub fn quality(&self, window: &WindowQuality) {
        self.quality.reset();
        self.quality_window.set(window.start as f64);
        self.quality_labels
            .set(i64::try_from(window.labels).unwrap_or(i64::MAX));
        for (name, value) in &window.values {
            self.quality.with_label_values(&[name]).set(*value);
        }
    }

    /// The metrics in Prometheus' text format.
    ///
    /// # Errors
    /// Only when the encoder fails.
    pub fn render(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// Content type of [`render`](Self::render).
    pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;
}
