//! Host functions that answer otherwise than they would.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::abi::{HOST_FUNCTIONS, Status};
use crate::process::shared::locked;
use crate::random::Random;

/// A host function that answers `status` instead of doing what it is asked.
///
/// ```
/// use weir_wasm_tests::{Fault, Status};
/// let busy = Fault::of("proxy_set_shared_data", Status::CasMismatch).once();
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    function: usize,
    status: Status,
    filter: Option<String>,
    /// Calls that it lets pass first.
    spared: u64,
    times: Option<u64>,
    chance: f64,
}

impl Fault {
    /// Every call of this host function, by every filter. The function is named as the ABI does:
    /// `proxy_http_call`.
    ///
    /// # Panics
    /// When the ABI has no such function.
    #[expect(
        clippy::panic,
        reason = "a function that does not exist is a mistake in the test itself"
    )]
    pub fn of(function: &str, status: Status) -> Self {
        let Some(function) = HOST_FUNCTIONS.iter().position(|known| *known == function) else {
            panic!(
                "no host function {function:?}: the ABI has {}",
                HOST_FUNCTIONS.join(", ")
            )
        };
        Self {
            function,
            status,
            filter: None,
            spared: 0,
            times: None,
            chance: 1.0,
        }
    }

    /// Calls by this filter only.
    #[must_use]
    pub fn filter(mut self, name: &str) -> Self {
        self.filter = Some(name.to_owned());
        self
    }

    /// Not the next `calls` calls, but those after them.
    #[must_use]
    pub fn after(mut self, calls: u64) -> Self {
        self.spared = calls;
        self
    }

    /// The next call only.
    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// The next `times` calls that it strikes.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// A share of the calls, 0 to 1, drawn from the fleet's seed.
    #[must_use]
    pub fn chance(mut self, chance: f64) -> Self {
        self.chance = chance;
        self
    }

    fn concerns(&self, filter: &str, function: usize) -> bool {
        self.function == function && self.filter.as_deref().is_none_or(|named| named == filter)
    }

    /// Whether it strikes this time; counts it when it does.
    fn strikes(&mut self, random: &Random) -> bool {
        if self.times == Some(0) || (self.chance < 1.0 && !random.chance(self.chance)) {
            return false;
        }
        if let Some(spared) = self.spared.checked_sub(1) {
            self.spared = spared;
            return false;
        }
        self.times = self.times.map(|left| left - 1);
        true
    }
}

/// The faults of a process.
pub(crate) struct Faults {
    random: Random,
    any: AtomicBool,
    faults: Mutex<Vec<Fault>>,
}

impl Faults {
    pub(crate) fn new(random: Random) -> Self {
        Self {
            random,
            any: AtomicBool::new(false),
            faults: Mutex::default(),
        }
    }

    pub(crate) fn add(&self, fault: Fault) {
        locked(&self.faults).push(fault);
        self.any.store(true, Ordering::Relaxed);
    }

    pub(crate) fn clear(&self) {
        locked(&self.faults).clear();
        self.any.store(false, Ordering::Relaxed);
    }

    /// What a call answers instead, if a fault strikes it; the first one that does counts.
    pub(crate) fn strike(&self, filter: &str, function: usize) -> Option<Status> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        let mut faults = locked(&self.faults);
        let mut concerned = faults.iter_mut().filter(|fault| fault.concerns(filter, function));
        concerned.find_map(|fault| fault.strikes(&self.random).then_some(fault.status))
    }
}
