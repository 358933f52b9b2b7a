//! What became of requests, counted.
//!
//! `weir_hedge_decisions_total.filter.request-hedge.decision.<decision>.policy.<namespace>_<name>` counts every request to the
//! policy's clusters: `armed`, or why no second try may leave: `cold`, `overload`, `timeout`, `budget`, `unfit` for its
//! method or body, and `failed` where the host does not tell the time or give the worker a number.
//!
//! `weir_hedge_hedges_total.filter.request-hedge.outcome.<outcome>.policy.<p>` counts second tries: `sent`; of these
//! `won-estimate` and `wasted-estimate`, by whether it came as long after the second try as answers usually take, since which one did can't
//! be read; `unreadable`: the number of tries was missing or absurd, and the token counts as spent.
//!
//! `weir_hedge_clock_steps_total.filter.request-hedge.policy.<p>` counts requests after which the clock shows a time before them, or
//! one so long after that Envoy would have given them up: how long they took is not known, and nothing is learnt from it.
//!
//! Of a policy in shadow both are what would be, beside `weir_hedge_shadow_saved_ms_total.filter.request-hedge.policy.<p>`, the
//! milliseconds that clients would have waited less, and [`Histogram`].

use std::rc::Rc;

use weir_hedge::route::Denied;
use weir_host::{Counter, Counters, label};

use crate::histogram::Histogram;

const DECISIONS: &str = "weir_hedge_decisions_total.filter.request-hedge.decision";
const HEDGES: &str = "weir_hedge_hedges_total.filter.request-hedge.outcome";
const CLOCK_STEPS: &str = "weir_hedge_clock_steps_total.filter.request-hedge";
const SAVED: &str = "weir_hedge_shadow_saved_ms_total.filter.request-hedge";

#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) armed: Rc<Counter>,
    pub(crate) unfit: Rc<Counter>,
    pub(crate) failed: Rc<Counter>,
    cold: Rc<Counter>,
    overload: Rc<Counter>,
    timeout: Rc<Counter>,
    budget: Rc<Counter>,
    pub(crate) sent: Rc<Counter>,
    pub(crate) won: Rc<Counter>,
    pub(crate) wasted: Rc<Counter>,
    pub(crate) unreadable: Rc<Counter>,
    pub(crate) clock_step: Rc<Counter>,
    pub(crate) shadow: Option<ShadowCounts>,
}

/// What hedging would have done.
#[derive(Debug)]
pub(crate) struct ShadowCounts {
    saved_ms: Rc<Counter>,
    without: Histogram,
    with: Histogram,
}

impl Counts {
    pub(crate) fn new(policy: &str, shadow: bool, counters: &Counters) -> Self {
        let policy = label(policy);
        let decision = |what: &str| counters.counter(&format!("{DECISIONS}.{what}.policy.{policy}"));
        let hedge = |what: &str| counters.counter(&format!("{HEDGES}.{what}.policy.{policy}"));
        Self {
            armed: decision("armed"),
            unfit: decision("unfit"),
            failed: decision("failed"),
            cold: decision("cold"),
            overload: decision("overload"),
            timeout: decision("timeout"),
            budget: decision("budget"),
            sent: hedge("sent"),
            won: hedge("won-estimate"),
            wasted: hedge("wasted-estimate"),
            unreadable: hedge("unreadable"),
            clock_step: counters.counter(&format!("{CLOCK_STEPS}.policy.{policy}")),
            shadow: shadow.then(|| ShadowCounts {
                saved_ms: counters.counter(&format!("{SAVED}.policy.{policy}")),
                without: Histogram::new("without", &policy, counters),
                with: Histogram::new("with", &policy, counters),
            }),
        }
    }

    pub(crate) fn denied(&self, why: Denied) {
        let counter = match why {
            Denied::Cold => &self.cold,
            Denied::Overload(_) => &self.overload,
            Denied::Timeout => &self.timeout,
            Denied::Budget => &self.budget,
        };
        counter.count();
    }
}

impl ShadowCounts {
    /// A request took so long, and would have taken so long with hedging. Milliseconds.
    pub(crate) fn took(&self, without_ms: u64, with_ms: u64) {
        self.without.count(without_ms);
        self.with.count(with_ms);
        self.saved_ms.add(without_ms.saturating_sub(with_ms));
    }
}
