//! One record of an arena.

use crate::layout::WAYS;
use crate::store::{LONGEST_HIT_FOR_MISS_MS, LONGEST_LEASE_MS};

/// Bytes of a record.
pub(crate) const BYTES: usize = 40;
/// A record as bytes: five words, little-endian. Fingerprint; stamp; ticket; until (48 bits), way, fill way (a byte each); size
/// (32 bits), worker (24 bits), marks (a byte).
pub(crate) type Bytes = [u8; BYTES];

/// No way.
pub(crate) const NO_WAY: u8 = u8::MAX;
/// The most uses that are counted.
pub(crate) const MOST_USES: u8 = 2;

const USES: u8 = 0b11;
const VARY: u8 = 1 << 2;
const HIT_FOR_MISS: u8 = 1 << 3;
const WAITING: u8 = 1 << 4;
const ON_TRIAL: u8 = 1 << 5;

const UNTIL_BITS: u32 = 48;
const UNTIL: u64 = (1 << UNTIL_BITS) - 1;
const WORKER: u32 = (1 << 24) - 1;

/// What an arena says of one key.
///
/// It may hold something stored, and at the same time a ticket: someone fetches it, or its answer could not be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) fingerprint: u64,
    /// What is stored; 0: nothing.
    pub(crate) stamp: u64,
    /// Where it stands.
    pub(crate) way: u8,
    /// What it costs, bytes.
    pub(crate) size: u32,
    /// How often it was used lately.
    pub(crate) uses: u8,
    /// It is the names of headers.
    pub(crate) vary: bool,
    /// It has yet to show that it is worth its place.
    pub(crate) on_trial: bool,
    pub(crate) ticket: Ticket,
}

/// Who may store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// 0: nobody.
    pub(crate) number: u64,
    /// When it ends, Unix milliseconds.
    pub(crate) until_ms: u64,
    /// Where its holder may write.
    pub(crate) way: u8,
    /// Whose it is.
    pub(crate) worker: u32,
    /// Anybody's: the answer could not be stored lately.
    pub(crate) hit_for_miss: bool,
    /// Other workers wait.
    pub(crate) waiting: bool,
}

/// The fingerprint of a record.
pub(crate) fn fingerprint(bytes: &Bytes) -> u64 {
    word(bytes, 0)
}

fn word(bytes: &Bytes, number: usize) -> u64 {
    let (words, _) = bytes.as_chunks();
    words.get(number).copied().map_or(0, u64::from_le_bytes)
}

/// A way that there is.
fn valid(way: u8) -> u8 {
    if usize::from(way) < WAYS { way } else { NO_WAY }
}

/// A worker's number as records hold it.
pub(crate) const fn worker(number: u32) -> u32 {
    number & WORKER
}

impl Record {
    /// A record of a key of which nothing is known.
    pub(crate) const fn new(fingerprint: u64) -> Self {
        Self {
            fingerprint,
            stamp: 0,
            way: NO_WAY,
            size: 0,
            uses: 0,
            vary: false,
            on_trial: false,
            ticket: Ticket::NONE,
        }
    }

    pub(crate) fn read(bytes: &Bytes) -> Self {
        let (timing, place) = (word(bytes, 3), word(bytes, 4));
        let [.., way, fill_way] = timing.to_le_bytes();
        let [.., marks] = place.to_le_bytes();
        Self {
            fingerprint: word(bytes, 0),
            stamp: word(bytes, 1),
            way: valid(way),
            size: place as u32,
            uses: marks & USES,
            vary: marks & VARY != 0,
            on_trial: marks & ON_TRIAL != 0,
            ticket: Ticket {
                number: word(bytes, 2),
                until_ms: timing & UNTIL,
                way: valid(fill_way),
                worker: worker((place >> 32) as u32),
                hit_for_miss: marks & HIT_FOR_MISS != 0,
                waiting: marks & WAITING != 0,
            },
        }
    }

    pub(crate) fn bytes(&self) -> Bytes {
        let ways = u64::from(u16::from_le_bytes([self.way, self.ticket.way]));
        let timing = self.ticket.until_ms.min(UNTIL) | ways << UNTIL_BITS;
        let place =
            u64::from(self.size) | u64::from(self.ticket.worker) << 32 | u64::from(self.marks()) << 56;
        let words = [self.fingerprint, self.stamp, self.ticket.number, timing, place];
        let mut bytes = [0; BYTES];
        bytes
            .as_chunks_mut()
            .0
            .copy_from_slice(&words.map(u64::to_le_bytes));
        bytes
    }

    fn marks(&self) -> u8 {
        let mark = |is: bool, mark: u8| if is { mark } else { 0 };
        self.uses.min(MOST_USES)
            | mark(self.vary, VARY)
            | mark(self.on_trial, ON_TRIAL)
            | mark(self.ticket.hit_for_miss, HIT_FOR_MISS)
            | mark(self.ticket.waiting, WAITING)
    }

    /// What is stored, if anything.
    pub(crate) const fn stored(&self) -> Option<u64> {
        match self.stamp {
            0 => None,
            stamp => Some(stamp),
        }
    }

    /// Nothing is known of the key any more.
    pub(crate) const fn is_dead(&self, now_ms: u64) -> bool {
        self.stamp == 0 && !self.ticket.is_live(now_ms)
    }

    /// Nobody comes back to it either: one who is late may still store while the record stands.
    pub(crate) const fn is_over(&self, now_ms: u64) -> bool {
        self.stamp == 0 && now_ms.saturating_sub(self.ticket.until_ms) > LONGEST_LEASE_MS
    }

    /// Forgets what is stored.
    pub(crate) const fn clear(&mut self) {
        *self = Self {
            ticket: self.ticket,
            ..Self::new(self.fingerprint)
        };
    }
}

impl Ticket {
    /// Nobody's.
    pub(crate) const NONE: Self = Self {
        number: 0,
        until_ms: 0,
        way: NO_WAY,
        worker: 0,
        hit_for_miss: false,
        waiting: false,
    };

    /// It has not ended. A deadline further ahead than any ticket lasts was written under another clock.
    pub(crate) const fn is_live(&self, now_ms: u64) -> bool {
        let longest = if self.hit_for_miss {
            LONGEST_HIT_FOR_MISS_MS
        } else {
            LONGEST_LEASE_MS
        };
        self.number != 0 && now_ms < self.until_ms && self.until_ms - now_ms <= longest
    }
}
