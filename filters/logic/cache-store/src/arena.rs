//! An arena: the records of some of the keys, in one value of shared data.

mod eviction;
mod record;
mod sketch;

pub(crate) use eviction::Dropped;
pub(crate) use record::{MOST_USES, NO_WAY, Record, Ticket, worker};

use crate::layout::WAYS;

/// The first bytes of an arena of this layout.
const MAGIC: [u8; 8] = *b"weirare1";
/// Bytes before the records: magic, counter (each a u64), hand (a byte), the sketch.
const HEADER: usize = 17 + sketch::BYTES;
const COUNTER: usize = 8;
const HAND: usize = 16;
const SKETCH: usize = 17;
/// What a new arena's tickets begin with is the time, moved by so many bits: so no arena that came before had them.
const CLOCK_BITS: u32 = 20;

/// What keeping an arena costs beside its records, bytes: the header, its key, and what the host needs.
pub(crate) const OVERHEAD: u64 = HEADER as u64 + 300;

/// The records of some of the keys, and in which order those have to go that are used least.
///
/// They are searched where they stand. Bytes that are no arena are an empty one, whoever wrote them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arena {
    /// A header and whole records, or nothing.
    bytes: Vec<u8>,
}

impl Arena {
    /// The arena of bytes from shared data.
    pub(crate) fn parse(bytes: Vec<u8>) -> Self {
        let records = bytes.get(HEADER..).map(<[u8]>::as_chunks::<{ record::BYTES }>);
        match records {
            Some((records, [])) if records.len() <= WAYS && bytes.starts_with(&MAGIC) => Self { bytes },
            _ => Self::default(),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn raw(&self) -> &[record::Bytes] {
        self.bytes.get(HEADER..).unwrap_or_default().as_chunks().0
    }

    fn raw_mut(&mut self) -> &mut [record::Bytes] {
        self.bytes.get_mut(HEADER..).unwrap_or_default().as_chunks_mut().0
    }

    /// All records.
    pub(crate) fn records(&self) -> impl DoubleEndedIterator<Item = Record> + ExactSizeIterator {
        self.raw().iter().map(Record::read)
    }

    fn len(&self) -> usize {
        self.raw().len()
    }

    fn get(&self, at: usize) -> Option<Record> {
        self.raw().get(at).map(Record::read)
    }

    /// The record of a key.
    pub(crate) fn find(&self, fingerprint: u64) -> Option<Record> {
        self.position(fingerprint).and_then(|at| self.get(at))
    }

    fn position(&self, fingerprint: u64) -> Option<usize> {
        let is = |bytes: &record::Bytes| record::fingerprint(bytes) == fingerprint;
        self.raw().iter().position(is)
    }

    fn set(&mut self, at: usize, record: &Record) {
        if let Some(bytes) = self.raw_mut().get_mut(at) {
            *bytes = record.bytes();
        }
    }

    /// Writes the record of a key that has one. False: it has none.
    pub(crate) fn replace(&mut self, record: &Record) -> bool {
        let at = self.position(record.fingerprint);
        at.map(|at| self.set(at, record)).is_some()
    }

    /// Writes the record of a key that has none. With all places taken, something has to go: first what is over or late. False: everything
    /// is being fetched.
    pub(crate) fn insert(&mut self, record: &Record, now_ms: u64, dropped: &mut Vec<Dropped>) -> bool {
        let over = self.records().position(|record| record.is_over(now_ms));
        if let Some(at) = over {
            self.set(at, record);
            return true;
        }
        let keep = record.fingerprint;
        while self.len() >= WAYS {
            let gone =
                self.drop_dead(keep, now_ms) || self.drop_hit_for_miss() || self.evict(Some(keep), dropped);
            if !gone {
                return false;
            }
        }
        self.bytes.extend_from_slice(&record.bytes());
        true
    }

    /// Writes the record of a key that has one; one that says nothing is forgotten.
    pub(crate) fn replace_or_remove(&mut self, record: &Record) {
        if record.stored().is_none() && record.ticket == Ticket::NONE {
            self.remove(record.fingerprint);
        } else {
            self.replace(record);
        }
    }

    /// Forgets a key.
    pub(crate) fn remove(&mut self, fingerprint: u64) {
        if let Some(at) = self.position(fingerprint) {
            self.remove_at(at);
        }
    }

    fn remove_at(&mut self, at: usize) {
        let start = HEADER + at * record::BYTES;
        self.bytes.drain(start..start + record::BYTES);
        if at < self.hand() {
            self.set_hand(self.hand() - 1);
        }
    }

    /// Of the answers that could not be stored the one is forgotten that would be soonest.
    fn drop_hit_for_miss(&mut self) -> bool {
        let records = self.records().enumerate();
        let such = records.filter(|(_, record)| record.stamp == 0 && record.ticket.hit_for_miss);
        let soonest = such.min_by_key(|(_, record)| record.ticket.until_ms);
        soonest.map(|(at, _)| self.remove_at(at)).is_some()
    }

    fn free_way(&self) -> Option<u8> {
        let taken = self.records().fold(0_u128, |taken, record| {
            taken | bit(record.way) | bit(record.ticket.way)
        });
        let free = (!taken).trailing_zeros();
        u8::try_from(free).ok().filter(|way| usize::from(*way) < WAYS)
    }

    /// A place for a value. With all taken, something has to go: first what is late; not what is stored for the key `keep`. None:
    /// everything is being fetched.
    pub(crate) fn way(&mut self, keep: u64, now_ms: u64, dropped: &mut Vec<Dropped>) -> Option<u8> {
        while self.free_way().is_none() && (self.drop_dead(keep, now_ms) || self.evict(Some(keep), dropped)) {
        }
        self.free_way()
    }

    fn drop_dead(&mut self, keep: u64, now_ms: u64) -> bool {
        let is = |record: Record| record.is_dead(now_ms) && record.fingerprint != keep;
        let dead = self.records().position(is);
        dead.map(|at| self.remove_at(at)).is_some()
    }

    /// A number that was never given before.
    pub(crate) fn next_number(&mut self, now_ms: u64) -> u64 {
        if self.bytes.is_empty() {
            self.bytes.resize(HEADER, 0);
            self.write(0, MAGIC);
            self.write(COUNTER, (now_ms << CLOCK_BITS).to_le_bytes());
        }
        let next = self.word(COUNTER).wrapping_add(1).max(1);
        self.write(COUNTER, next.to_le_bytes());
        next
    }

    /// Counts that a key was asked for.
    pub(crate) fn count(&mut self, fingerprint: u64) {
        let sketch = self.bytes.get_mut(SKETCH..).and_then(<[u8]>::first_chunk_mut);
        if let Some(sketch) = sketch {
            sketch::count(sketch, fingerprint);
        }
    }

    fn estimate(&self, fingerprint: u64) -> u8 {
        let sketch = self.bytes.get(SKETCH..).and_then(<[u8]>::first_chunk);
        sketch.map_or(0, |sketch| sketch::estimate(sketch, fingerprint))
    }

    fn word(&self, at: usize) -> u64 {
        let bytes = self.bytes.get(at..).and_then(<[u8]>::first_chunk);
        bytes.copied().map_or(0, u64::from_le_bytes)
    }

    fn write(&mut self, at: usize, word: [u8; 8]) {
        let place = self.bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut);
        if let Some(place) = place {
            *place = word;
        }
    }

    fn hand(&self) -> usize {
        self.bytes.get(HAND).copied().map_or(0, usize::from)
    }

    fn set_hand(&mut self, hand: usize) {
        if let Some(byte) = self.bytes.get_mut(HAND) {
            *byte = u8::try_from(hand).unwrap_or_default();
        }
    }
}

const fn bit(way: u8) -> u128 {
    match 1_u128.checked_shl(way as u32) {
        Some(bit) => bit,
        None => 0,
    }
}
