//! What a process holds of the fleet's limits, and what it is asked for, as statistics.
//!
//! For each of the first [`MAX_LIMITS`] limits of the fleet: `weir_lease_share.filter.rate-limit.policy.<p>.limit.<l>`,
//! parts per million, the largest share that it holds of any key; `weir_lease_demand.…`, units asked for in the last second,
//! of all keys.

use weir_host::port::Metrics;
use weir_host::{Gauge, HostError, label};
use weir_limiter::Limiter;
use weir_policy::proxy::LimitReport;

/// Limits with gauges.
const MAX_LIMITS: usize = 64;

#[derive(Debug)]
pub(crate) struct LeaseGauges(Vec<[Gauge; 2]>);

impl LeaseGauges {
    pub(crate) fn new(limiter: &Limiter) -> Self {
        let fleet = limiter.policies().iter().flat_map(|policy| {
            let limits = policy.limits().iter().filter(|limit| limit.fleet().is_some());
            limits.map(|limit| (label(policy.name()), limit.name()))
        });
        let gauges = |(policy, limit): (String, &str)| {
            ["weir_lease_share", "weir_lease_demand"]
                .map(|name| Gauge::new(format!("{name}.filter.rate-limit.policy.{policy}.limit.{limit}")))
        };
        Self(fleet.take(MAX_LIMITS).map(gauges).collect())
    }

    /// `reports`: one for each limit of the fleet, in their order.
    pub(crate) fn set(&self, reports: &[LimitReport], host: &impl Metrics) -> Result<(), HostError> {
        for ([share, demand], report) in self.0.iter().zip(reports) {
            let held = report
                .keys
                .iter()
                .map(|key| key.held)
                .max()
                .unwrap_or(report.held);
            share.set(held.into(), host)?;
            demand.set(report.keys.iter().map(|key| key.demand).sum(), host)?;
        }
        Ok(())
    }
}
