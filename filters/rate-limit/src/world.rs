//! The host, as the logic sees it: cells in shared data, and somebody who counts.

use weir_host::HostError;
use weir_host::port::{Host, Version};
use weir_limiter::{CellError, Cells, Fingerprint, Tallied, Tally};

use crate::RateLimitFilter;

pub(crate) struct World<'w, H> {
    filter: &'w RateLimitFilter,
    host: &'w H,
}

impl<'w, H: Host> World<'w, H> {
    pub(crate) fn new(filter: &'w RateLimitFilter, host: &'w H) -> Self {
        Self { filter, host }
    }
}

impl<H: Host> Cells for World<'_, H> {
    type Version = Version;

    fn load(&self, bucket: u32) -> Result<Option<(Vec<u8>, Version)>, CellError> {
        let found = self.host.load(&self.filter.shared.bucket(bucket));
        found.map_err(|_| CellError::Failed)
    }

    fn now(&self) -> Result<u64, CellError> {
        self.host.now_ns().map_err(|_| CellError::Failed)
    }

    fn store(&self, bucket: u32, bytes: &[u8], loaded: Option<Version>) -> Result<(), CellError> {
        let stored = self.host.store(&self.filter.shared.bucket(bucket), bytes, loaded);
        stored.map_err(|error| match error {
            HostError::CasMismatch => CellError::Moved,
            _ => CellError::Failed,
        })
    }
}

impl<H> Tally for World<'_, H> {
    fn tally(&self, policy: usize, limit: usize, what: Tallied) {
        self.filter.counts.tally(policy, limit, what);
    }

    fn evicted(&self) {
        self.filter.counts.evicted();
    }

    fn demanded(&self, policy: usize, limit: usize, key: Fingerprint, units: u64) {
        let policies = self.filter.limiter.policies();
        let limit = policies.get(policy).and_then(|policy| policy.limits().get(limit));
        if let Some(limit) = limit {
            self.filter.shared.demanded(limit.id(), key, units);
        }
    }
}
