//! What a VM keeps over all configurations.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use weir_cache_store::{Layout, Store};
use weir_host::port::SharedData;
use weir_host::{HostError, VmNumber};

use crate::post::{Message, Post};
use crate::waiting::Waiting;
use crate::warm::Warmed;
use crate::work::Work;

/// Where the last VM's number stands, whatever slots they run.
const NUMBERS: &str = "weir.edge-cache/vms";
/// Of all bytes that a policy allows, this part is for the copies of one worker: one of so many.
const OWN_PART: u64 = 16;

/// What a VM keeps.
#[derive(Debug, Default)]
pub struct Memory {
    number: VmNumber,
    stores: RefCell<Vec<(String, Rc<Store>)>>,
    pub(crate) waiting: Waiting,
    pub(crate) post: Post,
    /// What has changed, for those who wait in this VM: the next root callback tells them.
    pub(crate) news: RefCell<Vec<Message>>,
    /// What the next root callback does.
    pub(crate) work: RefCell<VecDeque<Work>>,
    pub(crate) warmed: Warmed,
}

impl Memory {
    /// This VM's number in its process.
    pub(crate) fn number(&self, host: &impl SharedData) -> Result<u32, HostError> {
        self.number.get(NUMBERS, host)
    }

    /// The store of the policy with this name in the slot. Another layout is another store: what the former held is never
    /// found again.
    pub(crate) fn store(
        &self,
        slot: &str,
        policy: &str,
        layout: Layout,
        host: &impl SharedData,
    ) -> Result<Rc<Store>, HostError> {
        let name = format!("{slot}/{policy}/{}/{}", layout.total_bytes(), layout.objects());
        let known = self.known_store(&name);
        if let Some(store) = known {
            return Ok(store);
        }
        let own = usize::try_from(layout.total_bytes() / OWN_PART).unwrap_or(usize::MAX);
        let store = Rc::new(Store::new(&name, layout, self.number(host)?, own));
        self.stores.borrow_mut().push((name, Rc::clone(&store)));
        Ok(store)
    }

    fn known_store(&self, name: &str) -> Option<Rc<Store>> {
        let stores = self.stores.borrow();
        let found = stores.iter().find(|(known, _)| known == name);
        found.map(|(_, store)| Rc::clone(store))
    }

    /// Whether nobody waits for anything.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.work.borrow().is_empty()
    }
}
