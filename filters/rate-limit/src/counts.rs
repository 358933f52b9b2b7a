//! What became of requests, counted.
//!
//! `weir_limit_decisions_total.filter.rate-limit.outcome.<outcome>.policy.<namespace>_<name>.limit.<limit>` counts, for
//! each limit that had something to say to a request: `allowed`, `limited`, `key-missing`, `failed`, and for a policy in
//! shadow `shadow-allowed`, `shadow-limited` (as what it is compared with), `shadow-only-limited`, `shadow-only-allowed`
//! (unlike it). `weir_limit_evictions_total.filter.rate-limit` counts keys that had to be forgotten.

use std::rc::Rc;

use weir_host::{Counter, Counters, label};
use weir_limiter::{Limit, Limiter, Policy, Tallied};

/// Limits with counters of their own; the others count together as limit `_other` of policy `_other`.
const MAX_LIMITS: usize = 512;
const FAMILY: &str = "weir_limit_decisions_total.filter.rate-limit.outcome";
const EVICTIONS: &str = "weir_limit_evictions_total.filter.rate-limit";

/// Every [`Tallied`], by its number in the array of a limit's counters.
const OUTCOMES: [(Tallied, &str); 8] = [
    (Tallied::Allowed, "allowed"),
    (Tallied::Limited, "limited"),
    (Tallied::KeyMissing, "key-missing"),
    (Tallied::Failed, "failed"),
    (Tallied::ShadowAllowed, "shadow-allowed"),
    (Tallied::ShadowLimited, "shadow-limited"),
    (Tallied::ShadowOnlyLimited, "shadow-only-limited"),
    (Tallied::ShadowOnlyAllowed, "shadow-only-allowed"),
];

#[derive(Debug)]
pub(crate) struct Counts {
    policies: Vec<Vec<LimitCounts>>,
    evictions: Rc<Counter>,
}

/// One counter for each of [`OUTCOMES`].
#[derive(Debug)]
struct LimitCounts([Rc<Counter>; OUTCOMES.len()]);

impl Counts {
    pub(crate) fn new(limiter: &Limiter, counters: &Counters) -> Self {
        let mut left = MAX_LIMITS;
        let policies = limiter.policies().iter().map(|policy| {
            let limits = policy.limits().iter().map(|limit| {
                let own = left > 0;
                left = left.saturating_sub(1);
                LimitCounts::new(own.then_some((policy, limit)), counters)
            });
            limits.collect()
        });
        Self {
            policies: policies.collect(),
            evictions: counters.counter(EVICTIONS),
        }
    }

    pub(crate) fn tally(&self, policy: usize, limit: usize, what: Tallied) {
        let counts = self.policies.get(policy).and_then(|limits| limits.get(limit));
        let place = OUTCOMES.iter().position(|(known, _)| *known == what);
        if let (Some(LimitCounts(counters)), Some(place)) = (counts, place)
            && let Some(counter) = counters.get(place)
        {
            counter.count();
        }
    }

    pub(crate) fn failed(&self, policy: usize, limit: usize) {
        self.tally(policy, limit, Tallied::Failed);
    }

    pub(crate) fn evicted(&self) {
        self.evictions.count();
    }
}

impl LimitCounts {
    fn new(of: Option<(&Policy, &Limit)>, counters: &Counters) -> Self {
        let (policy, limit) = match of {
            Some((policy, limit)) => (label(policy.name()), label(limit.name())),
            None => ("_other".to_owned(), "_other".to_owned()),
        };
        let counter =
            |(_, outcome)| counters.counter(&format!("{FAMILY}.{outcome}.policy.{policy}.limit.{limit}"));
        Self(OUTCOMES.map(counter))
    }
}
