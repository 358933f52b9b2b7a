//! How long requests take, by powers of two.

use std::rc::Rc;

use weir_host::{Counter, Counters};

/// The largest bounds but one: 1 ms to 16 s.
const BOUNDS: u32 = 15;

/// `weir_hedge_latency_total.filter.request-hedge.hedging.<with|without>.ms.<bound>.policy.<p>`: requests that took no
/// longer than the bound and longer than the one before it, milliseconds; `inf`: longer than all.
#[derive(Debug)]
pub(crate) struct Histogram(Vec<Rc<Counter>>);

impl Histogram {
    pub(crate) fn new(hedging: &str, policy: &str, counters: &Counters) -> Self {
        let bounds = (0..BOUNDS).map(|power| (1_u32 << power).to_string());
        let bounds = bounds.chain(["inf".to_owned()]);
        let counter = |bound: String| {
            counters.counter(&format!(
                "weir_hedge_latency_total.filter.request-hedge.hedging.{hedging}.ms.{bound}.policy.{policy}"
            ))
        };
        Self(bounds.map(counter).collect())
    }

    pub(crate) fn count(&self, ms: u64) {
        let power = u64::BITS - ms.max(1).saturating_sub(1).leading_zeros();
        let place = usize::try_from(power.min(BOUNDS)).unwrap_or_default();
        if let Some(counter) = self.0.get(place) {
            counter.count();
        }
    }
}
