//! What the tier counts.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// The media type of [`Metrics::render`]'s text.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds; a command on loopback takes a tenth of a millisecond.
const BUCKETS: [f64; 12] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
];

type Labels = Vec<(&'static str, String)>;

/// Counters, each with few labels.
#[derive(Debug)]
pub(crate) struct Metrics {
    lookups: Family<Labels, Counter>,
    lookup_durations: Histogram,
    puts: Family<Labels, Counter>,
    leases: Counter,
    releases: Family<Labels, Counter>,
    deletes: Counter,
    /// Lookups that wait for another caller's fill.
    pub(crate) waiting: Gauge,
    redis: Family<Labels, Histogram, fn() -> Histogram>,
    redis_failures: Family<Labels, Counter>,
    purges: Family<Labels, Counter>,
    resets: Family<Labels, Counter>,
    cursors: Family<Labels, Gauge>,
    control_up: Family<Labels, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            lookups: Family::default(),
            lookup_durations: Histogram::new(BUCKETS),
            puts: Family::default(),
            leases: Counter::default(),
            releases: Family::default(),
            deletes: Counter::default(),
            waiting: Gauge::default(),
            redis: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            redis_failures: Family::default(),
            purges: Family::default(),
            resets: Family::default(),
            cursors: Family::default(),
            control_up: Family::default(),
        }
    }
}

fn label(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}

impl Metrics {
    /// A lookup was answered.
    pub(crate) fn looked_up(&self, outcome: &str, took: Duration) {
        self.lookups.get_or_create(&label("outcome", outcome)).inc();
        self.lookup_durations.observe(took.as_secs_f64());
    }

    /// A lease was given.
    pub(crate) fn leased(&self) {
        self.leases.inc();
    }

    /// An object was stored, or why not.
    pub(crate) fn put(&self, outcome: &str) {
        self.puts.get_or_create(&label("outcome", outcome)).inc();
    }

    /// A lease was given back, or was gone already.
    pub(crate) fn released(&self, held: bool) {
        let held = if held { "true" } else { "false" };
        self.releases.get_or_create(&label("held", held)).inc();
    }

    /// An object was deleted.
    pub(crate) fn deleted(&self) {
        self.deletes.inc();
    }

    /// A command was answered.
    pub(crate) fn redis_answered(&self, command: &'static str, took: Duration) {
        let labels = label("command", command);
        self.redis.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A command failed.
    pub(crate) fn redis_failed(&self, reason: &'static str) {
        self.redis_failures.get_or_create(&label("reason", reason)).inc();
    }

    /// Purges are in force up to a revision.
    pub(crate) fn purged(&self, namespace: &str, events: u64, cursor: u64) {
        let labels = label("namespace", namespace);
        self.purges.get_or_create(&labels).inc_by(events);
        self.cursors
            .get_or_create(&labels)
            .set(i64::try_from(cursor).unwrap_or(i64::MAX));
    }

    /// What was stored before can't be trusted any more.
    pub(crate) fn reset(&self, namespace: &str) {
        self.resets.get_or_create(&label("namespace", namespace)).inc();
    }

    /// Whether the control plane answers.
    pub(crate) fn control_is(&self, namespace: &str, up: bool) {
        let gauge = self
            .control_up
            .get_or_create_owned(&label("namespace", namespace));
        gauge.set(i64::from(up));
    }

    /// Everything, in the OpenMetrics text format.
    pub(crate) fn render(&self, redis_up: bool, open_breakers: usize) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("weir_cache_tier");
        self.register_callers(&mut registry);
        self.register_stores(&mut registry);
        let up = Gauge::<i64>::default();
        up.set(i64::from(redis_up));
        registry.register("redis_up", "Whether all of Redis answered last", up);
        let open = Gauge::<i64>::default();
        open.set(i64::try_from(open_breakers).unwrap_or(i64::MAX));
        registry.register("breakers_open", "Circuit breakers that are not closed", open);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    fn register_callers(&self, registry: &mut Registry) {
        registry.register("lookups", "Lookups by outcome", self.lookups.clone());
        let durations = self.lookup_durations.clone();
        registry.register_with_unit(
            "lookup_duration",
            "Until a lookup was answered, waits included",
            Unit::Seconds,
            durations,
        );
        registry.register("puts", "Objects stored, or why not", self.puts.clone());
        registry.register("leases", "Leases given", self.leases.clone());
        let releases = self.releases.clone();
        registry.register(
            "releases",
            "Leases given back; held: it was not gone already",
            releases,
        );
        registry.register("deletes", "Objects deleted", self.deletes.clone());
        let waiting = self.waiting.clone();
        registry.register("waiting", "Lookups that wait for another caller's fill", waiting);
    }

    fn register_stores(&self, registry: &mut Registry) {
        let (redis, failures) = (self.redis.clone(), self.redis_failures.clone());
        registry.register_with_unit(
            "redis_duration",
            "Commands that were answered",
            Unit::Seconds,
            redis,
        );
        registry.register("redis_failures", "Commands without an answer", failures);
        registry.register("purges", "Purges that were learned", self.purges.clone());
        let resets = self.resets.clone();
        registry.register("resets", "Times that all of a namespace was dropped", resets);
        let cursors = self.cursors.clone();
        registry.register(
            "purge_revision",
            "The revision up to which purges are in force",
            cursors,
        );
        let up = self.control_up.clone();
        registry.register("control_up", "Whether the control plane answered last", up);
    }
}
