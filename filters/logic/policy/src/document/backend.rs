//! Backend: a service with endpoints, and how its connections are kept.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::document::bounds::check_duration;
use crate::problem::Problems;
use crate::quantity::Duration;

/// A service: endpoints, health checks, connection pool limits, outlier detection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackendSpec {
    /// Where it is reached.
    pub endpoints: Vec<Endpoint>,
    /// What it speaks.
    #[serde(default)]
    pub protocol: Protocol,
    /// How long a connection may take to come up.
    #[serde(default = "default_connect_timeout")]
    pub connect_timeout: Duration,
    /// Active health checks; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// Limits per proxy and cluster.
    #[serde(default)]
    pub connection_pool: ConnectionPool,
    /// Ejection of endpoints that answer badly; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlier_detection: Option<OutlierDetection>,
}

/// One address of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    /// An IP address.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub address: IpAddr,
    /// 1 to 65535.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: u16,
    /// What it may be asked, when the Backend is a shard's.
    #[serde(default)]
    pub role: Role,
}

/// What an endpoint of a shard may be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Writes, and reads when no replica is healthy. One per shard.
    Primary,
    /// Reads.
    #[default]
    Replica,
}

/// What a service speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 without TLS, gRPC's included.
    Http2,
}

/// Active health checks: an HTTP GET that must be answered with 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthCheck {
    /// The path asked.
    pub path: String,
    /// The time between two checks.
    #[serde(default = "default_interval")]
    pub interval: Duration,
    /// How long an answer may take.
    #[serde(default = "default_timeout")]
    pub timeout: Duration,
    /// Good answers until an endpoint counts as healthy.
    #[serde(default = "default_healthy")]
    pub healthy_threshold: u32,
    /// Bad answers until an endpoint counts as unhealthy.
    #[serde(default = "default_unhealthy")]
    pub unhealthy_threshold: u32,
}

/// Limits per proxy and cluster (Envoy's circuit breakers).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConnectionPool {
    /// Open connections.
    pub max_connections: u32,
    /// Requests waiting for a connection.
    pub max_pending_requests: u32,
    /// Requests under way.
    pub max_requests: u32,
    /// Retries under way. Of reads, where a HedgePolicy is attached, at least so many: there the bound is a fifth of the
    /// requests under way, or the part that the policy allows, if that is more.
    pub max_retries: u32,
}

/// Ejection of endpoints that answer badly. Of reads, where a HedgePolicy is attached, only answers count, not tries that
/// came to none: those that were overtaken would look the same as those that failed, which health checks see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OutlierDetection {
    /// 5xx answers in a row until an endpoint is ejected.
    pub consecutive_5xx: u32,
    /// The time between two sweeps.
    pub interval: Duration,
    /// How long an ejection lasts, times the number of ejections.
    pub base_ejection_time: Duration,
    /// The most endpoints ejected at a time, in percent.
    pub max_ejection_percent: u32,
}

impl Default for ConnectionPool {
    fn default() -> Self {
        Self {
            max_connections: 1_024,
            max_pending_requests: 1_024,
            max_requests: 4_096,
            max_retries: 16,
        }
    }
}

impl Default for OutlierDetection {
    fn default() -> Self {
        Self {
            consecutive_5xx: 5,
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_percent: 50,
        }
    }
}

const fn default_connect_timeout() -> Duration {
    Duration::from_secs(1)
}
const fn default_interval() -> Duration {
    Duration::from_secs(1)
}
const fn default_timeout() -> Duration {
    Duration::from_millis(500)
}
const fn default_healthy() -> u32 {
    1
}
const fn default_unhealthy() -> u32 {
    2
}

impl BackendSpec {
    pub(crate) fn check(&self, problems: &mut Problems) {
        problems.within("endpoints", |problems| check_endpoints(&self.endpoints, problems));
        check_span(self.connect_timeout, "connectTimeout", problems);
        if let Some(check) = &self.health_check {
            problems.within("healthCheck", |problems| check.check(problems));
        }
        if let Some(outlier) = &self.outlier_detection {
            problems.within("outlierDetection", |problems| outlier.check(problems));
        }
    }
}

fn check_endpoints(endpoints: &[Endpoint], problems: &mut Problems) {
    if endpoints.is_empty() {
        problems.note("no_endpoints", "a Backend needs at least one endpoint");
    }
    let mut seen = BTreeSet::new();
    for (index, endpoint) in endpoints.iter().enumerate() {
        problems.within(index, |problems| {
            if endpoint.port == 0 {
                problems.note_at("port", "port_out_of_range", "port 0: expected 1 to 65535");
            }
            if !seen.insert((endpoint.address, endpoint.port)) {
                problems.note(
                    "duplicate_endpoint",
                    format!("duplicate endpoint {}:{}", endpoint.address, endpoint.port),
                );
            }
        });
    }
}

impl HealthCheck {
    fn check(&self, problems: &mut Problems) {
        if !self.path.starts_with('/') {
            problems.note_at(
                "path",
                "invalid_path",
                format!("{:?} is not a path: expected a leading \"/\"", self.path),
            );
        }
        check_span(self.interval, "interval", problems);
        check_span(self.timeout, "timeout", problems);
        for (field, value) in [
            ("healthyThreshold", self.healthy_threshold),
            ("unhealthyThreshold", self.unhealthy_threshold),
        ] {
            check_positive(value, field, problems);
        }
    }
}

impl OutlierDetection {
    fn check(&self, problems: &mut Problems) {
        check_positive(self.consecutive_5xx, "consecutive5xx", problems);
        check_span(self.interval, "interval", problems);
        check_span(self.base_ejection_time, "baseEjectionTime", problems);
        if self.max_ejection_percent > 100 {
            problems.note_at(
                "maxEjectionPercent",
                "percent_out_of_range",
                format!("{}: expected 0 to 100", self.max_ejection_percent),
            );
        }
    }
}

fn check_positive(value: u32, field: &str, problems: &mut Problems) {
    if value == 0 {
        problems.note_at(field, "out_of_range", "0: expected at least 1");
    }
}

/// Envoy refuses timers of zero; a day is beyond any use.
pub(crate) fn check_span(span: Duration, field: &str, problems: &mut Problems) {
    let range = Duration::from_millis(1)..=Duration::from_secs(86_400);
    check_duration(span, range, field, problems);
}
