//! Shared queues, as proxy-wasm-cpp-host keeps them (`src/shared_queue.cc`).

use std::collections::{BTreeMap, VecDeque};

use crate::abi::Status;

/// The root context that a queue's messages are told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// None: a canary VM, which is gone by now.
    pub(crate) worker: Option<usize>,
    pub(crate) vm: u64,
    pub(crate) root: u32,
}

struct Queue {
    owner: Owner,
    items: VecDeque<Vec<u8>>,
}

/// All queues of a process, by id from 1.
#[derive(Default)]
pub(crate) struct Queues {
    ids: BTreeMap<(String, Vec<u8>), u32>,
    queues: BTreeMap<u32, Queue>,
}

impl Queues {
    /// The queue of this name, made when there is none; the newest registrant owns it.
    pub(crate) fn register(&mut self, vm_id: &str, name: &[u8], owner: Owner) -> u32 {
        let next = u32::try_from(self.ids.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        let id = *self.ids.entry((vm_id.to_owned(), name.to_vec())).or_insert(next);
        let items = VecDeque::new();
        self.queues.entry(id).or_insert(Queue { owner, items }).owner = owner;
        id
    }

    pub(crate) fn resolve(&self, vm_id: &str, name: &[u8]) -> Option<u32> {
        self.ids.get(&(vm_id.to_owned(), name.to_vec())).copied()
    }

    pub(crate) fn owner(&self, id: u32) -> Option<Owner> {
        self.queues.get(&id).map(|queue| queue.owner)
    }

    pub(crate) fn enqueue(&mut self, id: u32, item: Vec<u8>) -> Result<(), Status> {
        let queue = self.queues.get_mut(&id).ok_or(Status::NotFound)?;
        queue.items.push_back(item);
        Ok(())
    }

    pub(crate) fn dequeue(&mut self, id: u32) -> Result<Vec<u8>, Status> {
        let queue = self.queues.get_mut(&id).ok_or(Status::NotFound)?;
        queue.items.pop_front().ok_or(Status::Empty)
    }
}
