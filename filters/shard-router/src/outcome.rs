//! What became of requests, counted.
//!
//! One family of counters, `weir_requests_total.filter.shard-router.outcome.<outcome>`, with `.map.<namespace>_<name>`
//! where a ShardMap decided and `.shard.<shard>` where a shard was chosen. Outcomes: `forward`, `missing-key`,
//! `key-too-long`, `no-rule`, `host-error`. All of them together count every request once.

use std::rc::Rc;

use weir_host::{Counter, Counters, label};
use weir_shard_map::{Decision, Rejection, Router, ShardRouter};

/// Shards with a counter of their own, over all maps; the others count together as shard `_other` of their map.
const MAX_SHARD_COUNTERS: usize = 1_024;
const FAMILY: &str = "weir_requests_total.filter.shard-router.outcome";

#[derive(Debug)]
pub(crate) struct Outcomes {
    maps: Vec<MapOutcomes>,
    no_rule: Rc<Counter>,
    host_error: Rc<Counter>,
}

#[derive(Debug)]
struct MapOutcomes {
    shards: Vec<Rc<Counter>>,
    missing_key: Rc<Counter>,
    key_too_long: Rc<Counter>,
}

impl Outcomes {
    pub(crate) fn new(router: &ShardRouter, counters: &Counters) -> Self {
        let mut left = MAX_SHARD_COUNTERS;
        let maps = router.maps().map(|(name, map)| {
            let outcomes = MapOutcomes::new(name, map, left, counters);
            left = left.saturating_sub(outcomes.shards.len());
            outcomes
        });
        Self {
            maps: maps.collect(),
            no_rule: counters.counter(&format!("{FAMILY}.no-rule")),
            host_error: counters.counter(&format!("{FAMILY}.host-error")),
        }
    }

    /// Counts a request by its decision.
    pub(crate) fn count(&self, decision: &Decision<'_>) {
        let counter = match *decision {
            Decision::NoRule => Some(&self.no_rule),
            Decision::Forward { map, target } => {
                let map = self.maps.get(map);
                map.and_then(|map| map.shards.get(target.index))
            }
            Decision::Reject { map, rejection } => self.maps.get(map).map(|map| match rejection {
                Rejection::MissingKey => &map.missing_key,
                Rejection::KeyTooLong { .. } => &map.key_too_long,
            }),
        };
        if let Some(counter) = counter {
            counter.count();
        }
    }

    /// Counts a request that the host failed.
    pub(crate) fn count_failure(&self) {
        self.host_error.count();
    }
}

impl MapOutcomes {
    fn new(name: &str, map: &Router, own: usize, counters: &Counters) -> Self {
        let map_label = label(name);
        let counter = |outcome: &str| counters.counter(&format!("{FAMILY}.{outcome}.map.{map_label}"));
        let shard = |(index, shard): (usize, &str)| {
            let shard = if index < own { shard } else { "_other" };
            counters.counter(&format!("{FAMILY}.forward.map.{map_label}.shard.{shard}"))
        };
        Self {
            shards: map.shards().enumerate().map(shard).collect(),
            missing_key: counter("missing-key"),
            key_too_long: counter("key-too-long"),
        }
    }
}
