//! Messages between the workers of a process.
//!
//! Each VM has a queue; `<slot>/post` in shared data lists the queues of all, each with when its VM last said that it lives.
//! A message is 16 bytes, the id of a policy and the hash of a key that others may wait for; an empty one tells a VM's own
//! root that there is work.

use std::cell::Cell;

use weir_host::HostError;
use weir_host::port::{Mail, QueueId, RootHost, SharedData};

use crate::memory::Memory;

/// How often a VM says that it lives, milliseconds.
const ALIVE_MS: u64 = 1_000;
/// A VM that was silent for so long is gone.
const DEAD_AFTER_MS: u64 = 5_000;
/// How often a compare-and-set is tried before the next tick has to do.
const ATTEMPTS: usize = 32;
/// The id of a queue (four bytes), and a time (eight), little-endian.
const ENTRY_BYTES: usize = 12;

/// This VM's queue.
#[derive(Debug, Default)]
pub(crate) struct Post {
    queue: Cell<Option<QueueId>>,
    /// Unix milliseconds.
    told_ms: Cell<u64>,
}

/// A key that others may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) policy: u64,
    pub(crate) key: u64,
}

impl Message {
    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (policy, key) = bytes.split_at_mut(8);
        policy.copy_from_slice(&self.policy.to_le_bytes());
        key.copy_from_slice(&self.key.to_le_bytes());
        bytes
    }

    /// The message in these bytes; none: there is work.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (policy, key) = bytes.split_first_chunk()?;
        Some(Self {
            policy: u64::from_le_bytes(*policy),
            key: u64::from_le_bytes(*key.first_chunk()?),
        })
    }
}

fn key(slot: &str) -> Vec<u8> {
    format!("{slot}/post").into_bytes()
}

fn entries(bytes: &[u8]) -> impl Iterator<Item = (QueueId, u64)> {
    let (entries, _) = bytes.as_chunks::<ENTRY_BYTES>();
    entries.iter().filter_map(|entry| {
        let (queue, time) = entry.split_first_chunk()?;
        let time = u64::from_le_bytes(*time.first_chunk()?);
        Some((QueueId(u32::from_le_bytes(*queue)), time))
    })
}

fn append(bytes: &mut Vec<u8>, queue: QueueId, time: u64) {
    bytes.extend_from_slice(&queue.0.to_le_bytes());
    bytes.extend_from_slice(&time.to_le_bytes());
}

fn is_live(time: u64, now_ms: u64) -> bool {
    time.abs_diff(now_ms) <= DEAD_AFTER_MS
}

impl Post {
    /// Opens this VM's queue for the root at hand, and once a second tells the others that it lives; then, how many do.
    pub(crate) fn open(
        &self,
        memory: &Memory,
        slot: &str,
        now_ms: u64,
        host: &impl RootHost,
    ) -> Result<Option<usize>, HostError> {
        let told = self.queue.get().is_some() && now_ms.abs_diff(self.told_ms.get()) < ALIVE_MS;
        if told {
            return Ok(None);
        }
        let name = format!("{slot}/post/{}", memory.number(host)?);
        let queue = host.open_queue(&name)?;
        let alive = self.tell(queue, slot, now_ms, host)?;
        self.queue.set(Some(queue));
        self.told_ms.set(now_ms);
        Ok(Some(alive))
    }

    fn tell(
        &self,
        queue: QueueId,
        slot: &str,
        now_ms: u64,
        host: &impl SharedData,
    ) -> Result<usize, HostError> {
        for _ in 0..ATTEMPTS {
            let found = host.load(&key(slot))?;
            let version = found.as_ref().map(|(_, version)| *version);
            let known = found.map(|(bytes, _)| bytes).unwrap_or_default();
            let mut list = Vec::with_capacity(known.len() + ENTRY_BYTES);
            for (other, time) in entries(&known) {
                if other != queue && is_live(time, now_ms) {
                    append(&mut list, other, time);
                }
            }
            append(&mut list, queue, now_ms);
            match host.store(&key(slot), &list, version) {
                Err(HostError::CasMismatch) => {}
                stored => return stored.map(|()| list.len() / ENTRY_BYTES),
            }
        }
        Err(HostError::CasMismatch)
    }

    /// This VM's queue, once it is open.
    pub(crate) const fn queue(&self) -> Option<QueueId> {
        self.queue.get()
    }

    /// Tells this VM's root that there is work.
    pub(crate) fn call_root(&self, host: &impl Mail) -> Result<(), HostError> {
        let queue = self.queue.get().ok_or(HostError::NotFound)?;
        host.enqueue(queue, &[])
    }

    /// Sends a message to all other VMs.
    pub(crate) fn tell_others<H: SharedData + Mail>(
        &self,
        message: Message,
        slot: &str,
        now_ms: u64,
        host: &H,
    ) -> Result<(), HostError> {
        let Some((list, _)) = host.load(&key(slot))? else {
            return Ok(());
        };
        for (queue, time) in entries(&list) {
            if Some(queue) != self.queue.get() && is_live(time, now_ms) {
                // The queue of a VM that just went is no error.
                let _ = host.enqueue(queue, &message.to_bytes());
            }
        }
        Ok(())
    }
}
