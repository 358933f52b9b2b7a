//! A replica: what it works on, and what waits.

use std::collections::VecDeque;

/// One try of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Try {
    pub(super) request: usize,
    /// 0, or 1 for the hedge.
    pub(super) attempt: usize,
}

/// A server of some slots, first come, first served.
#[derive(Debug)]
pub(super) struct Replica {
    /// None: as many as there are tries.
    slots: Option<usize>,
    busy: usize,
    queue: VecDeque<Try>,
}

impl Replica {
    pub(super) const fn new(slots: Option<usize>) -> Self {
        Self {
            slots,
            busy: 0,
            queue: VecDeque::new(),
        }
    }

    /// Takes a try. True: work on it begins.
    pub(super) fn take(&mut self, new: Try) -> bool {
        let begins = self.slots.is_none_or(|slots| self.busy < slots);
        if begins {
            self.busy += 1;
        } else {
            self.queue.push_back(new);
        }
        begins
    }

    /// Work on a try is over. The next one that somebody waits for, if any.
    pub(super) fn done(&mut self, waits: impl Fn(Try) -> bool) -> Option<Try> {
        while let Some(next) = self.queue.pop_front() {
            if waits(next) {
                return Some(next);
            }
        }
        self.busy -= 1;
        None
    }
}
