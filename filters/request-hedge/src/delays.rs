//! The delays in force, as statistics: `weir_hedge_delay_ms.filter.request-hedge.policy.<p>.cluster.<c>`; 0: no second try leaves.

use std::cell::RefCell;

use weir_host::port::Metrics;
use weir_host::{Gauge, HostError, label};

/// The gauges that this VM has set, and not to 0 for good.
#[derive(Debug, Default)]
pub(crate) struct Delays(RefCell<Vec<Shown>>);

#[derive(Debug)]
struct Shown {
    policy: String,
    cluster: String,
    gauge: Gauge,
}

impl Delays {
    /// Sets the gauge of a policy's requests to a cluster.
    pub(crate) fn show(
        &self,
        (policy, cluster): (&str, &str),
        delay_ms: u64,
        host: &impl Metrics,
    ) -> Result<(), HostError> {
        let mut shown = self.0.borrow_mut();
        let known = shown
            .iter()
            .find(|known| known.policy == policy && known.cluster == cluster);
        if let Some(known) = known {
            return known.gauge.set(delay_ms, host);
        }
        let new = Shown::new(policy, cluster);
        let set = new.gauge.set(delay_ms, host);
        shown.push(new);
        set
    }

    /// Of the others than these no second try leaves any more. One that can't be told so is tried again.
    pub(crate) fn keep(&self, is_in_force: impl Fn(&str, &str) -> bool, host: &impl Metrics) {
        self.0
            .borrow_mut()
            .retain(|shown| is_in_force(&shown.policy, &shown.cluster) || shown.gauge.set(0, host).is_err());
    }
}

impl Shown {
    fn new(policy: &str, cluster: &str) -> Self {
        let gauge = Gauge::new(format!(
            "weir_hedge_delay_ms.filter.request-hedge.policy.{}.cluster.{}",
            label(policy),
            label(cluster)
        ));
        Self {
            policy: policy.to_owned(),
            cluster: cluster.to_owned(),
            gauge,
        }
    }
}
