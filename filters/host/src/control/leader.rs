//! Who speaks for all workers of the process: a lease in one value of shared data, `<slot>/leader`.

use crate::error::HostError;
use crate::port::SharedData;

/// How long a lease lasts that is not renewed.
pub(super) const LEASE_MS: u64 = 5_000;
/// A lease is renewed when so much of it is over.
const RENEWAL_MS: u64 = 1_000;
/// How often a compare-and-set is tried before the next tick has to do.
const ATTEMPTS: usize = 8;

/// The first bytes of a lease of this layout; three integers of eight bytes follow, little-endian.
const MAGIC: [u8; 8] = *b"weirldr1";
/// No worker's id.
const NOBODY: u64 = u64::MAX;

/// The right of one worker to speak for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lease {
    worker: u64,
    /// Grows with every change of the worker.
    term: u64,
    expires_ms: u64,
}

impl Lease {
    /// Nobody's, in the place of the value with the version `replaced`, 0 if there was none: versions only grow, so no
    /// term comes again.
    fn vacant(replaced: u32) -> Self {
        Self {
            worker: NOBODY,
            term: u64::from(replaced) << 32,
            expires_ms: 0,
        }
    }

    /// Clocks may step back, so a lease that ends later than any can is not believed.
    fn is_held(&self, now_ms: u64) -> bool {
        let left = self.expires_ms.checked_sub(now_ms);
        self.worker != NOBODY && left.is_some_and(|left| 0 < left && left <= LEASE_MS)
    }

    /// The lease after `worker` asked for it: as it was while it is fresh, renewed or taken over. None while another holds it.
    fn claim(self, worker: u64, now_ms: u64) -> Option<Self> {
        let held = self.is_held(now_ms);
        if held && self.worker != worker {
            return None;
        }
        let renew_at = self.expires_ms.saturating_sub(LEASE_MS - RENEWAL_MS);
        if held && now_ms < renew_at {
            return Some(self);
        }
        Some(Self {
            worker,
            term: self.term.saturating_add(u64::from(self.worker != worker)),
            expires_ms: now_ms.saturating_add(LEASE_MS),
        })
    }

    fn to_bytes(self) -> Vec<u8> {
        let [worker, term, expires] = [self.worker, self.term, self.expires_ms].map(u64::to_le_bytes);
        [MAGIC, worker, term, expires].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (fields, rest) = bytes.strip_prefix(&MAGIC)?.as_chunks();
        let &[worker, term, expires] = fields else {
            return None;
        };
        rest.is_empty().then(|| Self {
            worker: u64::from_le_bytes(worker),
            term: u64::from_le_bytes(term),
            expires_ms: u64::from_le_bytes(expires),
        })
    }
}

/// The key of a slot's lease in shared data.
pub(super) fn key(slot: &str) -> String {
    format!("{slot}/leader")
}

/// The term in which `worker` leads, after renewing its lease or taking over one that is free; none while another leads.
pub(super) fn claim(
    host: &impl SharedData,
    slot: &str,
    worker: u64,
    now_ms: u64,
) -> Result<Option<u64>, HostError> {
    let mut term = None;
    change(host, slot, |lease| {
        let claimed = lease.claim(worker, now_ms);
        term = claimed.map(|lease| lease.term);
        claimed
    })?;
    Ok(term)
}

/// Whether `worker` still leads in `term`.
pub(super) fn leads(
    host: &impl SharedData,
    slot: &str,
    worker: u64,
    term: u64,
    now_ms: u64,
) -> Result<bool, HostError> {
    let found = host.load(key(slot).as_bytes())?;
    let lease = found.and_then(|(bytes, _)| Lease::from_bytes(&bytes));
    Ok(lease.is_some_and(|lease| lease.is_held(now_ms) && (lease.worker, lease.term) == (worker, term)))
}

/// Gives up the lease if `worker` has it, so that another need not wait for its end.
pub(super) fn leave(host: &impl SharedData, slot: &str, worker: u64) -> Result<(), HostError> {
    change(host, slot, |lease| {
        let vacant = Lease {
            worker: NOBODY,
            expires_ms: 0,
            ..lease
        };
        (lease.worker == worker).then_some(vacant)
    })
}

/// Changes the lease by compare-and-set. A value that is no lease (another release wrote it) is nobody's.
fn change(
    host: &impl SharedData,
    slot: &str,
    mut change: impl FnMut(Lease) -> Option<Lease>,
) -> Result<(), HostError> {
    let key = key(slot);
    for _ in 0..ATTEMPTS {
        let found = host.load(key.as_bytes())?;
        let version = found.as_ref().map(|(_, version)| *version);
        let known = found.and_then(|(bytes, _)| Lease::from_bytes(&bytes));
        let lease = known.unwrap_or_else(|| Lease::vacant(version.map_or(0, |version| version.0)));
        let Some(next) = change(lease).filter(|next| *next != lease) else {
            return Ok(());
        };
        match host.store(key.as_bytes(), &next.to_bytes(), version) {
            Err(HostError::CasMismatch) => {}
            stored => return stored,
        }
    }
    Err(HostError::CasMismatch)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fake::{Process, Worker};

    const SLOT: &str = "s";

    fn lease(worker: u64, term: u64, expires_ms: u64) -> Lease {
        Lease {
            worker,
            term,
            expires_ms,
        }
    }

    #[test]
    fn a_lease_is_taken_when_it_is_free_and_renewed_by_its_holder() {
        let held = lease(1, 4, 15_000);
        for (now_ms, worker, expected) in [
            (10_000, 1, Some(held)),
            (10_999, 1, Some(held)),
            (11_000, 1, Some(lease(1, 4, 16_000))),
            (14_999, 2, None),
            (15_000, 2, Some(lease(2, 5, 20_000))),
            (15_000, 1, Some(lease(1, 4, 20_000))),
            // The clock stepped back.
            (9_999, 2, Some(lease(2, 5, 14_999))),
            (10_000, 2, None),
            (0, 1, Some(lease(1, 4, 5_000))),
        ] {
            assert_eq!(held.claim(worker, now_ms), expected, "{worker} at {now_ms}");
        }
        assert_eq!(Lease::vacant(0).claim(0, 7), Some(lease(0, 1, 5_007)));
    }

    #[test]
    fn who_leaves_leaves_its_term_behind() {
        let host = Worker::new(&Process::new(0));
        assert_eq!(claim(&host, SLOT, 1, 0), Ok(Some(1)));
        assert_eq!(claim(&host, SLOT, 2, 0), Ok(None));
        leave(&host, SLOT, 2).unwrap();
        assert_eq!(leads(&host, SLOT, 1, 1, 0), Ok(true));
        leave(&host, SLOT, 1).unwrap();
        assert_eq!(leads(&host, SLOT, 1, 1, 0), Ok(false));
        assert_eq!(claim(&host, SLOT, 2, 0), Ok(Some(2)));
        assert_eq!(leads(&host, SLOT, 2, 2, LEASE_MS - 1), Ok(true));
        assert_eq!(leads(&host, SLOT, 2, 2, LEASE_MS), Ok(false));
    }

    #[test]
    fn of_two_at_the_same_time_one_leads() {
        let process = Process::new(0);
        let (slow, fast) = (Worker::new(&process), Worker::new(&process));
        process.before_next_store(move || assert_eq!(claim(&fast, SLOT, 2, 0), Ok(Some(1))));
        assert_eq!(claim(&slow, SLOT, 1, 0), Ok(None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_lease_or_nobodys(bytes in prop::collection::vec(any::<u8>(), 0..40), magic: bool, now_ms: u64) {
            let bytes = if magic { [MAGIC.as_slice(), &bytes].concat() } else { bytes };
            if let Some(lease) = Lease::from_bytes(&bytes) {
                prop_assert_eq!(lease.to_bytes(), bytes.clone());
            }
            let process = Process::new(0);
            process.set_shared(key(SLOT), &bytes);
            if let Some(term) = claim(&Worker::new(&process), SLOT, 7, now_ms).unwrap() {
                prop_assert!(now_ms > u64::MAX - LEASE_MS || leads(&Worker::new(&process), SLOT, 7, term, now_ms).unwrap());
            }
        }
    }
}
