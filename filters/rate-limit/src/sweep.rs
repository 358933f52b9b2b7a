//! How many keys are kept count of, and the memory of those that are not any more.
//!
//! Shared data can't be enumerated, so every worker goes round all buckets, a part of them on each tick, once in about a
//! minute. It counts the keys whose quota is in use (`weir_limit_keys.filter.rate-limit`, extrapolated in the first
//! round) and drops those that have their whole quota back.

use std::cell::Cell;

use weir_host::port::Metrics;
use weir_host::{Gauge, HostError};
use weir_limiter::{CellError, Cells};
use weir_quota::bucket::{Bucket, Layout};

/// How long a round takes, milliseconds.
const ROUND_MS: u32 = 64_000;

/// One worker's way round the buckets.
#[derive(Debug)]
pub(crate) struct Sweep {
    layout: Layout,
    /// The next bucket, and how many keys those before it had in this round.
    next: Cell<u32>,
    found: Cell<u64>,
    /// What the last whole round found.
    whole: Cell<Option<u64>>,
    keys: Gauge,
}

impl Sweep {
    pub(crate) fn new(layout: Layout) -> Self {
        Self {
            layout,
            next: Cell::new(0),
            found: Cell::new(0),
            whole: Cell::new(None),
            keys: Gauge::new("weir_limit_keys.filter.rate-limit".to_owned()),
        }
    }

    /// Goes on with the part that is due after `period_ms`, and sets the gauge.
    pub(crate) fn go_on(
        &self,
        cells: &impl Cells,
        host: &impl Metrics,
        now: u64,
        period_ms: u32,
    ) -> Result<(), HostError> {
        let buckets = self.layout.buckets();
        let part = (u64::from(buckets) * u64::from(period_ms)).div_ceil(ROUND_MS.into());
        for _ in 0..part {
            let number = self.next.get();
            let found = sweep(cells, number, now).map_err(|_| HostError::BadArgument)?;
            self.found.set(self.found.get().saturating_add(found));
            self.next.set(number.saturating_add(1));
            if self.next.get() >= buckets {
                self.next.set(0);
                self.whole.set(Some(self.found.take()));
            }
        }
        self.keys.set(self.keys_by_now(buckets), host)
    }

    fn keys_by_now(&self, buckets: u32) -> u64 {
        let swept = u64::from(self.next.get()).max(1);
        let guess = || self.found.get().saturating_mul(buckets.into()) / swept;
        self.whole.get().unwrap_or_else(guess)
    }
}

/// Drops what has expired in a bucket; how many keys are left. When another worker is faster, the next round will do.
fn sweep(cells: &impl Cells, number: u32, now: u64) -> Result<u64, CellError> {
    let Some((bytes, version)) = cells.load(number)? else {
        return Ok(0);
    };
    let mut bucket = Bucket::parse(bytes);
    let dropped = bucket.sweep(now);
    if dropped > 0 {
        match cells.store(number, bucket.as_bytes(), Some(version)) {
            Ok(()) | Err(CellError::Moved) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bucket.live(now) as u64)
}
