//! The stores that a VM uses.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use weir_cache_store::{Failed, Layout, SharedValues, Store};

/// What the copies in all workers may take beside the bytes that a policy allows: one part of so many.
const OWN_PART: u64 = 16;
/// Arenas of a store that are emptied in one go.
const AT_ONCE: usize = 4;

/// The stores, each until no policy uses it.
#[derive(Debug, Default)]
pub(crate) struct Stores {
    kept: RefCell<Vec<Kept>>,
    /// How many workers share what copies may take; 0: not known yet.
    workers: Cell<usize>,
}

/// A store that this VM has used.
#[derive(Debug)]
pub(crate) struct Kept {
    slot: String,
    pub(crate) policy: String,
    pub(crate) store: Rc<Store>,
    /// Arenas that are not emptied yet, the first ones.
    left: u32,
}

impl Stores {
    /// The store of a slot's policy. Another layout is another store: what the former held is never found again.
    pub(crate) fn store(&self, slot: &str, policy: &str, layout: Layout, number: u32) -> Rc<Store> {
        let mut kept = self.kept.borrow_mut();
        let known = kept
            .iter_mut()
            .find(|kept| kept.slot == slot && kept.policy == policy && *kept.store.layout() == layout);
        if let Some(known) = known {
            known.left = layout.arenas();
            return Rc::clone(&known.store);
        }
        let name = format!("{slot}/{policy}/{}/{}", layout.total_bytes(), layout.objects());
        let store = Rc::new(Store::new(&name, layout, number, self.own_bytes(&layout)));
        kept.push(Kept {
            slot: slot.to_owned(),
            policy: policy.to_owned(),
            store: Rc::clone(&store),
            left: layout.arenas(),
        });
        store
    }

    /// There are so many VMs, that of the main thread among them, which serves nobody: each of the others has its part of what
    /// copies may take.
    pub(crate) fn share(&self, vms: usize) {
        self.workers.set(vms.saturating_sub(1));
        for kept in self.kept.borrow().iter() {
            kept.store.limit_own(self.own_bytes(kept.store.layout()));
        }
    }

    fn own_bytes(&self, layout: &Layout) -> usize {
        let parts = OWN_PART * self.workers.get().max(1) as u64;
        usize::try_from(layout.total_bytes() / parts).unwrap_or(usize::MAX)
    }

    /// Empties some arenas of a store of the slot that no request and no policy uses; `used` says which policies there are.
    /// Returned is a store that is empty now, and not kept any more. Each VM that knows the store does so: what one still
    /// stored while another emptied it goes as well.
    pub(crate) fn clear_unused(
        &self,
        slot: &str,
        used: impl Fn(&str, &Layout) -> bool,
        shared: &dyn SharedValues,
    ) -> Result<Option<Kept>, Failed> {
        let mut kept = self.kept.borrow_mut();
        let is_unused = |kept: &Kept| {
            kept.slot == slot
                && Rc::strong_count(&kept.store) == 1
                && !used(&kept.policy, kept.store.layout())
        };
        let Some((place, unused)) = kept.iter_mut().enumerate().find(|(_, kept)| is_unused(kept)) else {
            return Ok(None);
        };
        for _ in 0..AT_ONCE {
            let Some(arena) = unused.left.checked_sub(1) else {
                return Ok(Some(kept.swap_remove(place)));
            };
            unused.store.clear(shared, arena)?;
            unused.left = arena;
        }
        Ok(None)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kept.borrow().is_empty()
    }
}
