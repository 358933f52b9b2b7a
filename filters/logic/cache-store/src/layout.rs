//! How a store is divided.

use crate::arena;

/// Most records of an arena, and most values that its objects have.
pub(crate) const WAYS: usize = 128;
/// Records that an arena is meant to have.
const AVERAGE: u32 = 96;
/// Arenas take no more than this part of all bytes.
const PART: u64 = 8;

/// How many arenas a store has, and how much it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    total_bytes: u64,
    objects: u32,
    bits: u32,
}

impl Layout {
    /// A store of at most `total_bytes` (bodies, heads, keys, and what keeping them costs) in at most `objects` objects, at most 96 to an
    /// arena on average.
    pub const fn new(total_bytes: u64, objects: u32) -> Self {
        let arenas = objects.div_ceil(AVERAGE) as u64;
        let mut bits = arenas.next_power_of_two().trailing_zeros();
        while bits > 0 && arena::OVERHEAD << bits > total_bytes / PART {
            bits -= 1;
        }
        Self {
            total_bytes,
            objects,
            bits,
        }
    }

    /// The most that is kept, bytes.
    pub const fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// What remains for objects, bytes.
    pub(crate) const fn object_bytes(&self) -> u64 {
        self.total_bytes.saturating_sub(arena::OVERHEAD << self.bits)
    }

    /// The most objects that are kept.
    pub const fn objects(&self) -> u32 {
        self.objects
    }

    /// How many arenas there are: a power of two.
    pub const fn arenas(&self) -> u32 {
        1 << self.bits
    }

    /// How many keys of shared data a store ever uses.
    pub const fn shared_keys(&self) -> u64 {
        self.arenas() as u64 * (2 + WAYS as u64) + 1
    }

    /// The arena of a key: the hash's high bits.
    pub const fn arena_of(&self, hash: u64) -> u32 {
        match hash.checked_shr(u64::BITS - self.bits) {
            Some(arena) => arena as u32,
            None => 0,
        }
    }
}
