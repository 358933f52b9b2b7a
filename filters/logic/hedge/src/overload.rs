//! Whether a service has more to do than it can: then a second try would only add to it.

use crate::pane::Pane;
use crate::wire;

const MILLION: u64 = 1_000_000;
const NANOS_PER_MILLI: u64 = 1_000_000;
const MEDIAN: u32 = 500_000;
/// A median that grew by less says nothing, however short the usual one is. Nanoseconds.
const LEAST_GROWTH_NS: u64 = NANOS_PER_MILLI;

/// What is taken for overload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverloadPolicy {
    /// A larger part of the answers are errors, parts of a million.
    pub error_parts: u32,
    /// The median is more than this part of the usual one, percent (200: twice as long).
    pub latency_percent: u32,
    /// Fewer answers in a span say nothing.
    pub min_samples: u32,
    /// A service that says "later" is heeded no longer than this, milliseconds.
    pub max_pushback_ms: u32,
}

impl Default for OverloadPolicy {
    /// A fifth of errors, a median twice as long; at least 20 answers; a minute.
    fn default() -> Self {
        Self {
            error_parts: 200_000,
            latency_percent: 200,
            min_samples: 20,
            max_pushback_ms: 60_000,
        }
    }
}

/// What tells of overload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The service said so: 429 or 503 with a time after which to come back.
    Pushback,
    /// Too many answers are errors.
    Errors,
    /// Half of the answers take too long: all replicas are slow, not one.
    Latency,
}

/// The answers of a short span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// How long the answers took that were no errors.
    pub pane: Pane,
    /// All answers, resets counted.
    pub answers: u32,
    /// Those of a 5xx status, and resets.
    pub errors: u32,
}

/// Which signals are up. A signal that is up goes down at half of its threshold (latency: half of what it is above the usual), so
/// that it does not flutter; a pushback when its time is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overload {
    errors: bool,
    latency: bool,
    /// For how long the service wants to be left alone, nanoseconds.
    pushback_ns: u64,
}

impl Span {
    /// Adds the answers of another span.
    pub fn merge(&mut self, other: &Self) {
        self.pane.merge(&other.pane);
        self.answers = self.answers.saturating_add(other.answers);
        self.errors = self.errors.saturating_add(other.errors);
    }

    /// Forgets all answers.
    pub fn clear(&mut self) {
        self.pane.clear();
        (self.answers, self.errors) = (0, 0);
    }
}

impl Overload {
    /// Judges by the answers of a span, where `usual_ns` is the usual median. Where there are too few, no signal is up.
    pub fn judge(&mut self, span: &Span, usual_ns: Option<u64>, policy: &OverloadPolicy) {
        self.errors = span.answers >= policy.min_samples && self.has_errors(span, policy);
        self.latency = span.pane.samples() >= policy.min_samples
            && usual_ns.is_some_and(|usual_ns| self.is_slow(&span.pane, usual_ns, policy));
    }

    fn has_errors(self, span: &Span, policy: &OverloadPolicy) -> bool {
        let most = policy.error_parts / if self.errors { 2 } else { 1 };
        u64::from(span.errors) * MILLION > u64::from(span.answers) * u64::from(most)
    }

    fn is_slow(self, pane: &Pane, usual_ns: u64, policy: &OverloadPolicy) -> bool {
        let above = u64::from(policy.latency_percent).saturating_sub(100) / if self.latency { 2 } else { 1 };
        let growth = (usual_ns.saturating_mul(above) / 100).max(LEAST_GROWTH_NS);
        let median = pane.quantile(MEDIAN);
        median.is_some_and(|median| median.least_ns() > usual_ns.saturating_add(growth))
    }

    /// The service wants to be left alone for so long, milliseconds. 0: no word of it.
    pub const fn push_back(&mut self, for_ms: u64, policy: &OverloadPolicy) {
        let for_ns = for_ms.saturating_mul(NANOS_PER_MILLI);
        let most = policy.max_pushback_ms as u64 * NANOS_PER_MILLI;
        let longer = if for_ns > self.pushback_ns {
            for_ns
        } else {
            self.pushback_ns
        };
        self.pushback_ns = if longer < most { longer } else { most };
    }

    /// Lets time pass.
    pub const fn advance(&mut self, elapsed_ns: u64) {
        self.pushback_ns = self.pushback_ns.saturating_sub(elapsed_ns);
    }

    /// A signal that is up, so long after it was known.
    pub const fn signal(&self, elapsed_ns: u64) -> Option<Signal> {
        if self.pushback_ns > elapsed_ns {
            Some(Signal::Pushback)
        } else if self.errors {
            Some(Signal::Errors)
        } else if self.latency {
            Some(Signal::Latency)
        } else {
            None
        }
    }

    pub(crate) fn put(&self, bytes: &mut Vec<u8>) {
        wire::put(bytes, u64::from(self.errors) + 2 * u64::from(self.latency));
        wire::put(bytes, self.pushback_ns);
    }

    pub(crate) fn take(bytes: &mut &[u8]) -> Option<Self> {
        let signals = wire::take(bytes)?;
        Some(Self {
            errors: signals & 1 != 0,
            latency: signals & 2 != 0,
            pushback_ns: wire::take(bytes)?,
        })
    }
}
