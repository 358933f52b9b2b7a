//! A policy, compiled.

use std::cell::OnceCell;
use std::rc::Rc;

use weir_cache_store::{Layout, Store};
use weir_host::port::SharedData;
use weir_host::{Counters, HostError};
use weir_http_cache::CacheRules;
use weir_policy::compiled::edge_cache::CompiledCachePolicy;
use weir_policy::hash::hash64;

use crate::counts::PolicyCounts;
use crate::memory::Memory;
use crate::size_gauges::SizeGauges;

/// A policy.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) name: String,
    /// The name, as workers write it to one another.
    pub(crate) id: u64,
    pub(crate) rules: CacheRules,
    pub(crate) counts: PolicyCounts,
    pub(crate) sizes: SizeGauges,
    store: OnceCell<Rc<Store>>,
}

impl Policy {
    pub(crate) fn new(name: String, rules: CacheRules, counters: &Counters) -> Self {
        Self {
            id: hash64(name.as_bytes()),
            counts: PolicyCounts::new(&name, counters),
            sizes: SizeGauges::new(&name),
            store: OnceCell::new(),
            name,
            rules,
        }
    }

    pub(crate) fn spec(&self) -> &CompiledCachePolicy {
        self.rules.policy()
    }

    /// Where its objects are, if this worker has asked for one.
    pub(crate) fn known_store(&self) -> Option<Rc<Store>> {
        self.store.get().map(Rc::clone)
    }

    /// Where its objects are.
    pub(crate) fn store(
        &self,
        slot: &str,
        memory: &Memory,
        host: &impl SharedData,
    ) -> Result<Rc<Store>, HostError> {
        if let Some(store) = self.store.get() {
            return Ok(Rc::clone(store));
        }
        let number = memory.number(host)?;
        let store = || memory.stores.store(slot, &self.name, self.layout(), number);
        Ok(Rc::clone(self.store.get_or_init(store)))
    }

    /// Of its store.
    pub(crate) fn layout(&self) -> Layout {
        let limits = self.spec().limits;
        Layout::new(limits.total_bytes, limits.objects)
    }
}
