//! How much a policy keeps, as statistics: `weir_cache_bytes.filter.edge-cache.policy.<namespace>_<name>` and
//! `weir_cache_objects.…`, of the whole process.

use weir_cache_store::Store;
use weir_host::port::{Metrics, SharedData};
use weir_host::{Gauge, HostError, label};

use crate::values::Values;

#[derive(Debug)]
pub(crate) struct SizeGauges {
    bytes: Gauge,
    objects: Gauge,
}

impl SizeGauges {
    pub(crate) fn new(policy: &str) -> Self {
        let policy = label(policy);
        let gauge = |what: &str| Gauge::new(format!("weir_cache_{what}.filter.edge-cache.policy.{policy}"));
        Self {
            bytes: gauge("bytes"),
            objects: gauge("objects"),
        }
    }

    pub(crate) fn set<H: Metrics + SharedData>(&self, store: &Store, host: &H) -> Result<(), HostError> {
        let totals = store.totals(&Values(host)).map_err(|_| HostError::BadArgument)?;
        self.bytes.set(totals.bytes, host)?;
        self.objects.set(totals.objects, host)
    }
}
