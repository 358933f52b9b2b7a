//! What became of requests, counted.
//!
//! `weir_cache_requests_total.filter.edge-cache.policy.<namespace>_<name>.outcome.<outcome>`: every request that a policy is
//! for counts once. `hit-memory`, `hit-shared` and `hit-tier2`: what was stored was fresh; `collapsed`: it was, once another request had
//! fetched it; `stale`: it was not, and was served all the same; `validated`: the origin said that it is still the one;
//! `miss-…`: the request went on, or was answered by what the origin said; `bypass-…`: it was not looked up; `unsafe`.
//!
//! `weir_cache_fills_total…outcome.<outcome>` counts answers that were to be stored, `weir_cache_not_stored_total…reason.<reason>`
//! those that were not, `weir_cache_validations_total…outcome.<outcome>` the filter's own requests,
//! `weir_cache_tier2_total…outcome.<outcome>` what the tier that all proxies share answered and `weir_cache_tier2_milliseconds_total`
//! how long that took, `weir_cache_evictions_total`, `weir_cache_invalidations_total`, `weir_cache_purges_total` what went.

use std::cell::RefCell;
use std::rc::Rc;

use weir_host::{Counter, Counters, label};
use weir_http_cache::{NotStored, Pass, Tier};
use weir_policy::cache_tier::status;

/// Why a request went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Miss {
    /// Nothing was stored.
    Absent,
    /// What was stored was stale.
    Stale,
    /// Its answer could not be stored lately.
    Remembered,
    /// Another fetches it, and this one could not wait.
    Alone,
    /// Another fetches it, and took too long.
    Late,
    /// Its client went away while it waited.
    Left,
    /// HEAD fetches nothing that could be stored.
    Head,
    /// The client wanted nothing else than what is stored.
    Refused,
    /// There was no room to note who fetches it.
    NoRoom,
    /// The cache failed.
    Failed,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Memory,
    Shared,
    Tier2,
    Collapsed,
    Stale,
    Validated,
    Unsafe,
    Miss(Miss),
}

/// What became of an answer that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Stored,
    /// It was purged or invalidated in the meantime.
    Fenced,
    TooLarge,
    NoRoom,
    /// Its stream ended before it did.
    Cut,
    Failed,
}

/// What the origin said of what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validation {
    Confirmed,
    Replaced,
    Failed,
}

/// What the tier that all proxies share answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier2 {
    Hit,
    Miss,
    Busy,
    Remembered,
    /// It did something that has no answer.
    Done,
    Failed,
}

impl Tier2 {
    /// By the status of its answer.
    pub(crate) const fn of(found: u16) -> Self {
        match found {
            status::HIT => Self::Hit,
            status::MISS => Self::Miss,
            status::BUSY => Self::Busy,
            status::HIT_FOR_MISS => Self::Remembered,
            204 => Self::Done,
            _ => Self::Failed,
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Busy => "busy",
            Self::Remembered => "hit-for-miss",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

impl Outcome {
    pub(crate) const fn hit(tier: Tier, held: bool) -> Self {
        match (held, tier) {
            (true, _) => Self::Collapsed,
            (false, Tier::Memory) => Self::Memory,
            (false, Tier::Shared) => Self::Shared,
            (false, Tier::Tier2) => Self::Tier2,
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Memory => "hit-memory",
            Self::Shared => "hit-shared",
            Self::Tier2 => "hit-tier2",
            Self::Collapsed => "collapsed",
            Self::Stale => "stale",
            Self::Validated => "validated",
            Self::Unsafe => "unsafe",
            Self::Miss(miss) => miss.label(),
        }
    }
}

impl Miss {
    const fn label(self) -> &'static str {
        match self {
            Self::Absent => "miss-absent",
            Self::Stale => "miss-stale",
            Self::Remembered => "miss-hit-for-miss",
            Self::Alone => "miss-alone",
            Self::Late => "miss-late",
            Self::Left => "miss-left",
            Self::Head => "miss-head",
            Self::Refused => "miss-only-if-cached",
            Self::NoRoom => "miss-no-room",
            Self::Failed => "miss-failed",
        }
    }
}

impl Kept {
    const fn label(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Fenced => "fenced",
            Self::TooLarge => "too-large",
            Self::NoRoom => "no-room",
            Self::Cut => "cut",
            Self::Failed => "failed",
        }
    }
}

impl Validation {
    const fn label(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Replaced => "replaced",
            Self::Failed => "failed",
        }
    }
}

/// The counters of a slot.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) purges: Rc<Counter>,
}

impl Counts {
    pub(crate) fn new(counters: &Counters) -> Self {
        Self {
            purges: counters.counter("weir_cache_purges_total.filter.edge-cache"),
        }
    }
}

/// The counters of a policy, each made when it is first needed.
#[derive(Debug)]
pub(crate) struct PolicyCounts {
    policy: String,
    counters: Counters,
    known: RefCell<Vec<Known>>,
}

#[derive(Debug)]
struct Known {
    family: &'static str,
    value: &'static str,
    counter: Rc<Counter>,
}

const REQUESTS: &str = "requests";
const FILLS: &str = "fills";
const NOT_STORED: &str = "not_stored";
const VALIDATIONS: &str = "validations";
const EVICTIONS: &str = "evictions";
const INVALIDATIONS: &str = "invalidations";
const TIER2: &str = "tier2";
const TIER2_MS: &str = "tier2_milliseconds";

impl PolicyCounts {
    pub(crate) fn new(policy: &str, counters: &Counters) -> Self {
        Self {
            policy: label(policy),
            counters: counters.clone(),
            known: RefCell::default(),
        }
    }

    pub(crate) fn request(&self, outcome: Outcome) {
        self.add(REQUESTS, outcome.label(), 1);
    }

    pub(crate) fn passed(&self, why: Pass) {
        self.add(REQUESTS, bypass(why), 1);
    }

    pub(crate) fn kept(&self, kept: Kept) {
        self.add(FILLS, kept.label(), 1);
    }

    pub(crate) fn not_stored(&self, why: NotStored) {
        self.add(NOT_STORED, why.label(), 1);
    }

    pub(crate) fn validation(&self, validation: Validation) {
        self.add(VALIDATIONS, validation.label(), 1);
    }

    /// Nothing was stored in any tier.
    pub(crate) fn absent(&self) {
        self.request(Outcome::Miss(Miss::Absent));
    }

    pub(crate) fn tier2(&self, what: Tier2, took_ms: u64) {
        self.add(TIER2, what.label(), 1);
        self.add(TIER2_MS, what.label(), took_ms);
    }

    pub(crate) fn evicted(&self, objects: u32) {
        if objects > 0 {
            self.add(EVICTIONS, "", objects.into());
        }
    }

    pub(crate) fn invalidated(&self) {
        self.add(INVALIDATIONS, "", 1);
    }

    fn add(&self, family: &'static str, value: &'static str, number: u64) {
        let mut known = self.known.borrow_mut();
        let found = known
            .iter()
            .find(|known| known.family == family && known.value == value);
        if let Some(found) = found {
            return found.counter.add(number);
        }
        let counter = self.counters.counter(&self.name(family, value));
        counter.add(number);
        known.push(Known {
            family,
            value,
            counter,
        });
    }

    fn name(&self, family: &str, value: &str) -> String {
        let key = if family == NOT_STORED { "reason" } else { "outcome" };
        let policy = &self.policy;
        let name = format!("weir_cache_{family}_total.filter.edge-cache.policy.{policy}");
        if value.is_empty() {
            name
        } else {
            format!("{name}.{key}.{}", label(value))
        }
    }
}

/// Labels of requests that are not looked up.
const fn bypass(why: Pass) -> &'static str {
    match why {
        Pass::Method => "bypass-method",
        Pass::Upgrade => "bypass-upgrade",
        Pass::Grpc => "bypass-grpc",
        Pass::EventStream => "bypass-event-stream",
        Pass::BypassHeader => "bypass-header",
        Pass::BypassCookie => "bypass-cookie",
        Pass::NoStore => "bypass-no-store",
        Pass::NotPersisted => "bypass-not-persisted",
        Pass::Body => "bypass-body",
        Pass::NoTarget => "bypass-no-target",
    }
}
