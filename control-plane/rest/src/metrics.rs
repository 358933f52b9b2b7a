//! What Prometheus is told.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use weir_core::cache::WarmOutcome;
use weir_core::proxy::Assignment;
use weir_policy::document::Kind;

use crate::control::Control;

/// The media type of [`Metrics::render`]'s text.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds; a change is one synced write, a module is read from disk.
const BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// The most limits with a label of their own.
const MAX_LIMITS: usize = 1_000;
/// The label of all others; no limit has this name.
const OTHER_LIMITS: &str = "_other";

type Labels = Vec<(&'static str, String)>;

/// What the API counts itself; the rest is read from [`Control`] when it is asked for.
#[derive(Debug)]
pub struct Metrics {
    version: String,
    started_s: f64,
    requests: Family<Labels, Counter>,
    durations: Family<Labels, Histogram, fn() -> Histogram>,
    refused: Family<Labels, Counter>,
    lease_reports: Counter,
}

impl Metrics {
    /// `version`: of the release, for `weir_build_info`; `started`: when the process started.
    pub fn new(version: impl Into<String>, started: SystemTime) -> Self {
        let since_epoch = started.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            version: version.into(),
            started_s: since_epoch.as_secs_f64(),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            refused: Family::default(),
            lease_reports: Counter::default(),
        }
    }

    /// A request was answered. `method` and `route` are from small sets, never a client's own words.
    pub(crate) fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        let mut labels = vec![("method", method.to_owned()), ("route", route.to_owned())];
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
        labels.push(("status", status.to_string()));
        self.requests.get_or_create(&labels).inc();
    }

    /// A change was refused.
    pub(crate) fn refused(&self, reason: &str) {
        self.refused
            .get_or_create(&vec![("reason", reason.to_owned())])
            .inc();
    }

    /// A process has reported what it holds of its limits.
    pub(crate) fn lease_reported(&self) {
        self.lease_reports.inc();
    }

    /// Everything, in the OpenMetrics text format. `polls`: how many are open.
    pub(crate) fn render(&self, control: &impl Control, polls: usize) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        self.register(&mut registry);
        register_polls(&mut registry, polls);
        register_state(&mut registry, control);
        register_proxies(&mut registry, control);
        register_leases(&mut registry, control);
        register_cdns(&mut registry, control);
        register_warming(&mut registry, control);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    fn register(&self, registry: &mut Registry) {
        let build = Info::new(vec![("version", self.version.clone())]);
        registry.register("weir_build", "The release", build);
        let started = Gauge::<f64, AtomicU64>::default();
        started.set(self.started_s);
        registry.register_with_unit(
            "process_start_time",
            "When the process started",
            Unit::Seconds,
            started,
        );
        registry.register("weir_http_requests", "Requests answered", self.requests.clone());
        registry.register_with_unit(
            "weir_http_request_duration",
            "Until the answer's head was ready",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "weir_changes_refused",
            "Changes of documents refused",
            self.refused.clone(),
        );
        registry.register(
            "weir_lease_reports",
            "Reports of what processes hold of fleet-wide limits",
            self.lease_reports.clone(),
        );
    }
}

fn register_polls(registry: &mut Registry, polls: usize) {
    let open = Gauge::<i64>::default();
    open.set(i64::try_from(polls).unwrap_or(i64::MAX));
    registry.register("weir_proxy_polls", "Proxies that wait for events", open);
}

fn register_state(registry: &mut Registry, control: &impl Control) {
    let revision = Gauge::<i64>::default();
    revision.set(control.revision().cast_signed());
    registry.register("weir_revision", "The store's revision", revision);
    let documents = Family::<Labels, Gauge>::default();
    for kind in Kind::ALL {
        let count = i64::try_from(control.count(kind)).unwrap_or(i64::MAX);
        documents
            .get_or_create(&vec![("kind", kind.to_string())])
            .set(count);
    }
    registry.register("weir_documents", "Documents stored", documents);
}

fn register_proxies(registry: &mut Registry, control: &impl Control) {
    let proxies = Family::<Labels, Gauge>::default();
    let gauge = |assignment, connected: bool| {
        let labels = vec![
            ("assignment", label(assignment).to_owned()),
            ("connected", connected.to_string()),
        ];
        proxies.get_or_create_owned(&labels)
    };
    for assignment in [
        Assignment::Assigned,
        Assignment::Unassigned,
        Assignment::GatewayGone,
    ] {
        gauge(assignment, true).set(0);
        gauge(assignment, false).set(0);
    }
    for proxy in control.proxies() {
        gauge(proxy.assignment, proxy.connected).inc();
    }
    registry.register("weir_proxies", "Proxies seen since the start", proxies.clone());

    let responses = Family::<Labels, Counter>::default();
    for ((service, taken), count) in control.answers() {
        let result = if taken { "ack" } else { "nack" };
        let labels = vec![("type", service.to_owned()), ("result", result.to_owned())];
        responses.get_or_create(&labels).inc_by(count);
    }
    registry.register(
        "weir_xds_responses",
        "Responses that proxies took or refused",
        responses,
    );
}

fn register_leases(registry: &mut Registry, control: &impl Control) {
    let leases = Family::<Labels, Gauge>::default();
    let mut known = BTreeSet::new();
    for shared in control.leases() {
        if known.len() < MAX_LIMITS {
            known.insert(shared.limit.clone());
        }
        let limit = if known.contains(&shared.limit) {
            shared.limit
        } else {
            OTHER_LIMITS.to_owned()
        };
        let held = shared.holders.iter().filter(|holder| holder.share > 0);
        let count = i64::try_from(held.count()).unwrap_or(i64::MAX);
        leases.get_or_create(&vec![("limit", limit)]).inc_by(count);
    }
    registry.register("weir_leases", "Shares of fleet-wide limits outstanding", leases);
}

fn register_cdns(registry: &mut Registry, control: &impl Control) {
    let (failed, ended) = control.cdn_outcomes();
    let ended = ended
        .into_iter()
        .map(|(outcome, count)| (outcome.as_str(), count));
    registry.register(
        "weir_cdn_purges",
        "Purges told to CDNs: tries that failed, and how each ended",
        by_outcome(ended.chain([("failed", failed)])),
    );
}

fn register_warming(registry: &mut Registry, control: &impl Control) {
    let totals = control.warm_totals();
    let ended = WarmOutcome::ALL.map(|outcome| {
        let count = totals.runs.get(&outcome).copied().unwrap_or_default();
        (outcome.as_str(), count)
    });
    registry.register(
        "weir_warm_runs",
        "Runs that fetch answers before anybody asks for them: how each ended",
        by_outcome(ended),
    );
    let under_way = Gauge::<i64>::default();
    under_way.set(i64::try_from(totals.under_way).unwrap_or(i64::MAX));
    registry.register(
        "weir_warm_runs_under_way",
        "Runs of which proxies have not made every request",
        under_way,
    );
    let urls = [
        ("fetched", totals.fetched),
        ("hit", totals.hit),
        ("failed", totals.failed),
        ("left_out", totals.left_out),
    ];
    registry.register(
        "weir_warm_urls",
        "URLs of runs, for each proxy that was to fetch them: fetched, hits already, failed for good, or left out",
        by_outcome(urls),
    );
}

fn by_outcome(counts: impl IntoIterator<Item = (&'static str, u64)>) -> Family<Labels, Counter> {
    let family = Family::<Labels, Counter>::default();
    for (outcome, count) in counts {
        let labels = vec![("outcome", outcome.to_owned())];
        family.get_or_create(&labels).inc_by(count);
    }
    family
}

const fn label(assignment: Assignment) -> &'static str {
    match assignment {
        Assignment::Assigned => "assigned",
        Assignment::Unassigned => "unassigned",
        Assignment::GatewayGone => "gateway_gone",
    }
}
