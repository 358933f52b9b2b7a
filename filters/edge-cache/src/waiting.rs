//! Requests that are held until another has fetched their answer.

use std::cell::RefCell;
use std::rc::Rc;

use crate::visit::Visit;

/// The held requests of a VM.
#[derive(Debug, Default)]
pub(crate) struct Waiting(RefCell<Vec<Held>>);

#[derive(Debug)]
struct Held {
    policy: u64,
    key: u64,
    /// Unix milliseconds.
    since_ms: u64,
    until_ms: u64,
    visit: Rc<Visit>,
}

impl Waiting {
    /// How many wait for this key.
    pub(crate) fn count(&self, policy: u64, key: u64) -> usize {
        let waiting = self.0.borrow();
        let same = waiting.iter().filter(|held| held.is_for(policy, key));
        same.count()
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Lets a request wait for `key`, from now on or since it came.
    pub(crate) fn add(&self, visit: &Rc<Visit>, key: u64, until_ms: u64) {
        self.0.borrow_mut().push(Held {
            policy: visit.policy.id,
            key,
            since_ms: visit.arrived_ms,
            until_ms,
            visit: Rc::clone(visit),
        });
    }

    /// Takes all that wait for this key, in the order in which they came.
    pub(crate) fn take(&self, policy: u64, key: u64) -> Vec<Rc<Visit>> {
        self.take_if(|held| held.is_for(policy, key))
    }

    /// Takes all that have waited too long, or that came after now: since the clock stepped, nobody knows how long.
    pub(crate) fn take_late(&self, now_ms: u64) -> Vec<Rc<Visit>> {
        self.take_if(|held| now_ms >= held.until_ms || now_ms < held.since_ms)
    }

    /// Forgets a request.
    pub(crate) fn forget(&self, visit: &Rc<Visit>) {
        self.0.borrow_mut().retain(|held| !Rc::ptr_eq(&held.visit, visit));
    }

    fn take_if(&self, wanted: impl Fn(&Held) -> bool) -> Vec<Rc<Visit>> {
        let mut waiting = self.0.borrow_mut();
        let taken = waiting.extract_if(.., |held| wanted(held));
        taken.map(|held| held.visit).collect()
    }
}

impl Held {
    const fn is_for(&self, policy: u64, key: u64) -> bool {
        self.policy == policy && self.key == key
    }
}
