//! What callbacks have cost.

use std::collections::BTreeMap;

use crate::abi::HOST_FUNCTIONS;
use crate::vm::callback::Callback;

/// What the calls of one callback of one filter have cost so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// How often the callback ran.
    pub calls: u64,
    /// Units of fuel that it burnt, about one per WebAssembly instruction.
    pub fuel: u64,
    /// How often it called each host function.
    pub host_calls: BTreeMap<&'static str, u64>,
}

/// By filter and callback.
#[derive(Default)]
pub(crate) struct Costs(BTreeMap<String, BTreeMap<Callback, Tally>>);

#[derive(Clone)]
struct Tally {
    calls: u64,
    fuel: u64,
    host_calls: [u64; HOST_FUNCTIONS.len()],
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            calls: 0,
            fuel: 0,
            host_calls: [0; HOST_FUNCTIONS.len()],
        }
    }
}

impl Costs {
    pub(crate) fn add(
        &mut self,
        filter: &str,
        callback: Callback,
        fuel: u64,
        host_calls: &[u64; HOST_FUNCTIONS.len()],
    ) {
        if !self.0.contains_key(filter) {
            self.0.insert(filter.to_owned(), BTreeMap::new());
        }
        let Some(callbacks) = self.0.get_mut(filter) else {
            return;
        };
        let tally = callbacks.entry(callback).or_default();
        tally.calls += 1;
        tally.fuel += fuel;
        for (total, count) in tally.host_calls.iter_mut().zip(host_calls) {
            *total += count;
        }
    }

    /// A filter's costs by callback, as the ABI names it.
    pub(crate) fn of(&self, filter: &str) -> BTreeMap<&'static str, Cost> {
        let callbacks = self.0.get(filter).into_iter().flatten();
        callbacks
            .map(|(callback, tally)| (callback.name(), tally.cost()))
            .collect()
    }
}

impl Tally {
    fn cost(&self) -> Cost {
        let counted = HOST_FUNCTIONS.iter().copied().zip(self.host_calls);
        Cost {
            calls: self.calls,
            fuel: self.fuel,
            host_calls: counted.filter(|(_, count)| *count > 0).collect(),
        }
    }
}
