//! The workers of a slot, as bytes in shared data.

/// The most workers that a table holds.
pub const CAPACITY: usize = 256;
/// A worker that has not written for so long is gone.
pub const DEAD_AFTER_MS: u64 = 5_000;

/// The first bytes of a table of this layout.
const MAGIC: [u8; 8] = *b"weirwrk1";
/// Four integers of eight bytes, little-endian.
const ENTRY_BYTES: usize = 32;

/// What one worker wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The worker's id, unique in the process.
    pub worker: u64,
    /// The generation that its new requests get.
    pub generation: u64,
    /// Its requests that still run under older generations.
    pub draining: u64,
    /// When it wrote this, Unix time in milliseconds.
    pub heartbeat_ms: u64,
}

/// The workers of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    next: u64,
    entries: Vec<Entry>,
}

impl Entry {
    /// Clocks may step back, so a heartbeat far ahead is as dead as one long ago.
    fn is_live(&self, now_ms: u64) -> bool {
        self.heartbeat_ms.abs_diff(now_ms) <= DEAD_AFTER_MS
    }

    fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        let fields = [self.worker, self.generation, self.draining, self.heartbeat_ms];
        for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let (fields, _) = bytes.as_chunks::<8>();
        let mut fields = fields.iter().map(|field| u64::from_le_bytes(*field));
        let mut field = || fields.next().unwrap_or_default();
        Self {
            worker: field(),
            generation: field(),
            draining: field(),
            heartbeat_ms: field(),
        }
    }
}

impl Table {
    /// An empty table in the place of the value with the version `replaced`, 0 if there was none. Ids start behind
    /// it: versions only grow, so no id of an earlier table comes again.
    pub fn new(replaced: u32) -> Self {
        Self {
            next: u64::from(replaced) << 32,
            entries: Vec::new(),
        }
    }

    /// Reads a table; none if the bytes are something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (next, entries) = bytes.strip_prefix(&MAGIC)?.split_first_chunk::<8>()?;
        let (entries, rest) = entries.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() || entries.len() > CAPACITY {
            return None;
        }
        Some(Self {
            next: u64::from_le_bytes(*next),
            entries: entries.iter().map(Entry::from_bytes).collect(),
        })
    }

    /// The table as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAGIC.len() + 8 + self.entries.len() * ENTRY_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.next.to_le_bytes());
        bytes.extend(self.entries.iter().flat_map(|entry| entry.to_bytes()));
        bytes
    }

    /// The entries of workers that are alive.
    pub fn live(&self, now_ms: u64) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.is_live(now_ms))
    }

    /// The id for a worker: its own, or a new one if it has none or lost its entry. None when the table is full of
    /// live workers. Dead entries make room.
    pub(super) fn seat(&mut self, worker: Option<u64>, now_ms: u64) -> Option<u64> {
        let has_entry = |id: &u64| self.entries.iter().any(|entry| entry.worker == *id);
        if let Some(id) = worker.filter(has_entry) {
            return Some(id);
        }
        self.entries.retain(|entry| entry.is_live(now_ms));
        if self.entries.len() >= CAPACITY {
            return None;
        }
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        Some(id)
    }

    /// Writes the entry of its worker.
    pub(super) fn put(&mut self, entry: Entry) {
        self.remove(entry.worker);
        self.entries.push(entry);
    }

    /// Removes the entry of a worker.
    pub(super) fn remove(&mut self, worker: u64) {
        self.entries.retain(|entry| entry.worker != worker);
    }
}
