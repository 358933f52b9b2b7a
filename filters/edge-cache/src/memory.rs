//! What a VM keeps over all configurations.

use std::cell::RefCell;
use std::collections::VecDeque;

use weir_host::port::SharedData;
use weir_host::{HostError, VmNumber};

use crate::post::{Message, Post};
use crate::stores::Stores;
use crate::waiting::Waiting;
use crate::warm::Warmed;
use crate::work::Work;

/// Where the last VM's number stands, whatever slots they run.
const NUMBERS: &str = "weir.edge-cache/vms";

/// What a VM keeps.
#[derive(Debug, Default)]
pub struct Memory {
    number: VmNumber,
    pub(crate) stores: Stores,
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

    /// Whether nobody waits for anything, and nothing is stored.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.work.borrow().is_empty() && self.stores.is_empty()
    }
}
