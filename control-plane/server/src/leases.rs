//! Who has which share of fleet-wide limits. It is kept in memory only: proxies say what they hold, and until all of them
//! can have said so, nobody gets more.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use weir_core::lease::{Holder, MAX_KEYS, SharedLimit};
use weir_policy::proxy::{LeaseAnswer, LeaseReport};
use weir_quota::lease::{LeaseBook, LeaseSettings, LeaseView};

/// How long a share may be used after the report that it answers: longer than a proxy takes to notice that the worker that
/// speaks for it is gone, to choose another (5 s), and to be sure that no report of the first is on its way (2 s).
const LEASE_MS: u64 = 10_000;
/// The part of a limit that is split evenly among all processes, whatever their demand, parts per million.
const FLOOR_PPM: u32 = 10_000;

/// The book, and the clock that it is kept by: one that never steps.
#[derive(Debug)]
pub(crate) struct Leases {
    book: Mutex<LeaseBook>,
    started: Instant,
}

impl Leases {
    pub(crate) fn new() -> Self {
        let settings = LeaseSettings {
            lease_ms: LEASE_MS,
            max_keys: MAX_KEYS,
            floor_ppm: FLOOR_PPM,
        };
        Self {
            book: Mutex::new(LeaseBook::new(settings, 0)),
            started: Instant::now(),
        }
    }

    pub(crate) fn report(&self, report: &LeaseReport) -> LeaseAnswer {
        let mut book = self.book();
        let now = self.now_ms();
        book.report(report, now)
    }

    /// How each limit is shared out, by limit and key.
    pub(crate) fn shared(&self) -> Vec<SharedLimit> {
        let book = self.book();
        let now = self.now_ms();
        let mut shared: Vec<SharedLimit> = Vec::new();
        for lease in book.leases(now) {
            let key = lease.key.map(|key| format!("{key:016x}"));
            match shared.last_mut() {
                Some(last) if last.limit == lease.limit && last.key == key => {
                    last.holders.push(holder(&lease))
                }
                _ => shared.push(SharedLimit {
                    limit: lease.limit.to_owned(),
                    outstanding: book.outstanding(lease.limit, key.as_deref(), now),
                    key,
                    holders: vec![holder(&lease)],
                }),
            }
        }
        shared
    }

    fn book(&self) -> MutexGuard<'_, LeaseBook> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Read with the book in hand, so that it never goes back.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn holder(lease: &LeaseView<'_>) -> Holder {
    Holder {
        instance: lease.instance.to_owned(),
        share: lease.share,
        held: lease.held,
        demand: lease.demand,
    }
}
