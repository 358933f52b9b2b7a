//! Quotas: how many requests there may be.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::descriptor::Descriptor;
use crate::document::bounds::check_duration;
use crate::problem::Problems;
use crate::quantity::Duration;

/// The most plans of one limit.
pub const MAX_PLANS: usize = 1_000;
/// The most requests of a quota.
pub const MAX_REQUESTS: u64 = 1_000_000_000_000;
/// The most requests per second of a quota.
pub const MAX_PER_SECOND: u64 = 1_000_000;
/// The longest window, and the longest time that a quota may take to come back.
pub const MAX_WINDOW: Duration = Duration::from_secs(366 * 86_400);
const WINDOWS: RangeInclusive<Duration> = Duration::from_millis(1)..=MAX_WINDOW;
/// The most requests at once.
pub const MAX_CONCURRENCY: u64 = 1_000_000;

/// How many requests there may be, and by which algorithm that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum QuotaSpec {
    /// An even rate with a burst, by the generic cell rate algorithm (ITU-T I.371): never more than rate × time + burst,
    /// in any span of time. `{rate: {requests: 100, window: 1s, burst: 200}}`
    Rate(RateQuota),
    /// So many in any window, estimated from two fixed windows. `{slidingWindow: {requests: 100, window: 1m}}`
    SlidingWindow(WindowQuota),
    /// So many under way at once. `{concurrency: {requests: 10}}`
    Concurrency(ConcurrencyQuota),
}

/// An even rate with a burst.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateQuota {
    /// How many in one window; at most a million a second.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub requests: u64,
    /// The window.
    pub window: Duration,
    /// How many at once after a pause; absent: as many as `requests`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub burst: Option<u64>,
}

/// So many in a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WindowQuota {
    /// How many.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub requests: u64,
    /// The window.
    pub window: Duration,
}

/// So many under way at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConcurrencyQuota {
    /// How many: 1 to 1000000.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000)))]
    pub requests: u64,
    /// A request that is under way for longer is not counted any more, at the latest after twice this time; so are requests
    /// whose end nobody saw.
    #[serde(default = "default_max_duration")]
    pub max_duration: Duration,
}

/// Other quotas for some clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plans {
    /// Where a client's plan stands. A client can write any header: a claim of a token is a better place.
    pub from: Descriptor,
    /// By plan, each of the same kind as the limit's own quota, which is for requests of other plans and of none.
    pub quotas: BTreeMap<String, QuotaSpec>,
}

const fn default_max_duration() -> Duration {
    Duration::from_secs(60)
}

impl QuotaSpec {
    pub(super) fn check(&self, problems: &mut Problems) {
        match self {
            Self::Rate(rate) => problems.within("rate", |problems| rate.check(problems)),
            Self::SlidingWindow(window) => {
                problems.within("slidingWindow", |problems| window.check(problems))
            }
            Self::Concurrency(quota) => problems.within("concurrency", |problems| quota.check(problems)),
        }
    }

    /// Whether both are kept by the same algorithm.
    fn same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl RateQuota {
    fn check(&self, problems: &mut Problems) {
        if check_window(self.requests, self.window, problems) {
            return;
        }
        let burst = self.burst.unwrap_or(self.requests);
        let millis = u128::from(burst) * u128::from(self.window.as_millis()) / u128::from(self.requests);
        if burst == 0 || millis > u128::from(MAX_WINDOW.as_millis()) {
            let detail =
                format!("{burst}: expected at least 1, and no more than come back within {MAX_WINDOW}");
            problems.note_at("burst", "burst_out_of_range", detail);
        }
    }
}

impl WindowQuota {
    fn check(&self, problems: &mut Problems) {
        let bad = check_window(self.requests, self.window, problems);
        if !bad && self.requests > u64::from(u32::MAX) {
            let detail = format!("{}: expected 1 to {}", self.requests, u32::MAX);
            problems.note_at("requests", "rate_out_of_range", detail);
        }
    }
}

impl ConcurrencyQuota {
    fn check(&self, problems: &mut Problems) {
        if !(1..=MAX_CONCURRENCY).contains(&self.requests) {
            let detail = format!("{}: expected 1 to {MAX_CONCURRENCY}", self.requests);
            problems.note_at("requests", "rate_out_of_range", detail);
        }
        check_duration(self.max_duration, WINDOWS, "maxDuration", problems);
    }
}

/// Whether something was wrong.
fn check_window(requests: u64, window: Duration, problems: &mut Problems) -> bool {
    if !check_duration(window, WINDOWS, "window", problems) {
        return true;
    }
    let per_second = u128::from(requests) * 1_000;
    let most = u128::from(MAX_PER_SECOND) * u128::from(window.as_millis());
    let bad = !(1..=MAX_REQUESTS).contains(&requests) || per_second > most;
    if bad {
        let detail = format!(
            "{requests} in {window}: expected 1 to {MAX_REQUESTS}, and at most {MAX_PER_SECOND} in a second"
        );
        problems.note_at("requests", "rate_out_of_range", detail);
    }
    bad
}

impl Plans {
    pub(super) fn check(&self, own: &QuotaSpec, problems: &mut Problems) {
        problems.within("from", |problems| self.from.check(problems));
        if self.quotas.is_empty() || self.quotas.len() > MAX_PLANS {
            let detail = format!("{} plans: expected 1 to {MAX_PLANS}", self.quotas.len());
            problems.note_at("quotas", "plan_count", detail);
        }
        problems.within("quotas", |problems| {
            for (plan, quota) in &self.quotas {
                problems.within(plan, |problems| {
                    quota.check(problems);
                    if !quota.same_kind(own) {
                        problems.note("other_kind", "expected the same kind of quota as the limit's own");
                    }
                });
            }
        });
    }
}
