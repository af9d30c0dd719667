//! Metrics of the operator, in Prometheus' text format.

use std::time::Duration;

use prometheus::{
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// The operator's metrics. Labels never hold names of objects.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    passes: IntCounterVec,
    seconds: HistogramVec,
    writes: IntCounterVec,
    depth: IntGaugeVec,
    streams: IntGaugeVec,
    ages: GaugeVec,
    leader: IntGauge,
}

impl Metrics {
    /// Registers all metrics.
    ///
    /// # Errors
    /// When two metrics have one name.
    pub(crate) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let passes = IntCounterVec::new(
            Opts::new(
                "millwright_reconciles_total",
                "Passes over an object, by outcome",
            ),
            &["controller", "outcome"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "millwright_reconcile_duration_seconds",
                "Time of a step of a pass",
            )
            .buckets(vec![0.0001, 0.001, 0.01, 0.1, 1.0, 10.0]),
            &["controller", "step"],
        )?;
        let writes = IntCounterVec::new(
            Opts::new(
                "millwright_writes_total",
                "Writes to the API server, by outcome",
            ),
            &["controller", "verb", "outcome"],
        )?;
        let depth = IntGaugeVec::new(
            Opts::new("millwright_queue_depth", "Objects that wait for a pass"),
            &["controller"],
        )?;
        let streams = IntGaugeVec::new(
            Opts::new("millwright_stream_up", "Whether a watch has its objects"),
            &["stream"],
        )?;
        let ages = GaugeVec::new(
            Opts::new(
                "millwright_stream_age_seconds",
                "Time since a watch or the election last heard of the API server",
            ),
            &["stream"],
        )?;
        let leader = IntGauge::new("millwright_leader", "Whether this replica leads")?;
        registry.register(Box::new(passes.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(writes.clone()))?;
        registry.register(Box::new(depth.clone()))?;
        registry.register(Box::new(streams.clone()))?;
        registry.register(Box::new(ages.clone()))?;
        registry.register(Box::new(leader.clone()))?;
        Ok(Self {
            registry,
            passes,
            seconds,
            writes,
            depth,
            streams,
            ages,
            leader,
        })
    }

    /// Counts a pass.
    pub(crate) fn pass(&self, controller: &str, outcome: &str) {
        self.passes.with_label_values(&[controller, outcome]).inc();
    }

    /// Times a step until the returned timer is dropped.
    pub(crate) fn step(&self, controller: &str, step: &str) -> impl Drop + use<> {
        self.seconds
            .with_label_values(&[controller, step])
            .start_timer()
    }

    /// Counts a write.
    pub(crate) fn write(&self, controller: &str, verb: &str, ok: bool) {
        let outcome = if ok { "ok" } else { "error" };
        self.writes
            .with_label_values(&[controller, verb, outcome])
            .inc();
    }

    /// The gauge of a controller's queue.
    pub(crate) fn queue(&self, controller: &str) -> IntGauge {
        self.depth.with_label_values(&[controller])
    }

    /// Says whether a watch has its objects.
    pub(crate) fn stream(&self, stream: &str, up: bool) {
        self.streams.with_label_values(&[stream]).set(up.into());
    }

    /// Says whether this replica leads.
    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// All metrics as text. `ages` says how long ago each watch last heard of the API server.
    pub(crate) fn text(&self, ages: Vec<(String, Duration)>) -> String {
        for (stream, age) in ages {
            let gauge = self.ages.with_label_values(&[&stream]);
            gauge.set(age.as_secs_f64());
        }
        let mut text = vec![];
        match TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            Ok(()) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) => format!("# metrics can't be written: {error}\n"),
        }
    }
}
