//! What a VM keeps over all configurations.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use weir_cache_store::purge::Purges;
use weir_cache_store::{Layout, Store};
use weir_host::HostError;
use weir_host::port::SharedData;

use crate::post::Post;
use crate::waiting::Waiting;
use crate::warm::Warmed;
use crate::work::Work;

/// How often a compare-and-set is tried.
const ATTEMPTS: usize = 32;
/// Of all bytes that a policy allows, this part is for the copies of one worker: one of so many.
const OWN_PART: u64 = 16;

/// What a VM keeps.
#[derive(Debug, Default)]
pub struct Memory {
    /// Which of the process's VMs this is.
    number: Cell<Option<u32>>,
    stores: RefCell<Vec<(String, Rc<Store>)>>,
    purges: OnceCell<Rc<Purges>>,
    pub(crate) waiting: Waiting,
    pub(crate) post: Post,
    /// What the next root callback does.
    pub(crate) work: RefCell<VecDeque<Work>>,
    pub(crate) warmed: Warmed,
}

impl Memory {
    /// This VM's number in its process: no other VM has or had it.
    pub(crate) fn number(&self, slot: &str, host: &impl SharedData) -> Result<u32, HostError> {
        if let Some(number) = self.number.get() {
            return Ok(number);
        }
        let key = format!("{slot}/vms").into_bytes();
        for _ in 0..ATTEMPTS {
            let found = host.load(&key)?;
            let version = found.as_ref().map(|(_, version)| *version);
            let last = found.and_then(|(bytes, _)| bytes.first_chunk().copied().map(u32::from_le_bytes));
            let number = last.unwrap_or_default().wrapping_add(1);
            match host.store(&key, &number.to_le_bytes(), version) {
                Err(HostError::CasMismatch) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    self.number.set(Some(number));
                    return Ok(number);
                }
            }
        }
        Err(HostError::CasMismatch)
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
        let store = Rc::new(Store::new(&name, layout, self.number(slot, host)?, own));
        self.stores.borrow_mut().push((name, Rc::clone(&store)));
        Ok(store)
    }

    fn known_store(&self, name: &str) -> Option<Rc<Store>> {
        let stores = self.stores.borrow();
        let found = stores.iter().find(|(known, _)| known == name);
        found.map(|(_, store)| Rc::clone(store))
    }

    /// The purges of the slot.
    pub(crate) fn purges(&self, slot: &str) -> Rc<Purges> {
        Rc::clone(self.purges.get_or_init(|| Rc::new(Purges::new(slot))))
    }
}
