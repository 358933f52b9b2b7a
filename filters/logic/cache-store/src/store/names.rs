//! The keys of shared data.

use weir_policy::hash::hash64;

use crate::arena::NO_WAY;

/// 2^64 by the golden ratio, odd: numbers of arenas that follow one another give names that have nothing in common.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// No way has this number.
const MARK: u8 = NO_WAY;

/// The keys of a store's values. Short: there are many, and they are kept for ever.
///
/// | key | value |
/// | --- | --- |
/// | the store's eight bytes | [`Totals`](crate::Totals) |
/// | these, and an arena's number (four bytes) | the arena |
/// | that, and [`MARK`] | no bytes, and another version after each change of the arena |
/// | these, and a way (a byte) | an object |
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    prefix: [u8; 8],
}

impl Names {
    pub(super) fn new(name: &str, arenas: u32) -> Self {
        Self {
            prefix: (hash64(name.as_bytes()) ^ u64::from(arenas).wrapping_mul(SPREAD)).to_le_bytes(),
        }
    }

    pub(super) const fn totals(&self) -> &[u8; 8] {
        &self.prefix
    }

    pub(super) const fn arena(&self, number: u32) -> [u8; 12] {
        let [a, b, c, d, e, f, g, h] = self.prefix;
        let [i, j, k, l] = number.to_le_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }

    pub(super) const fn mark(&self, arena: u32) -> [u8; 13] {
        self.object(arena, MARK)
    }

    pub(super) const fn object(&self, arena: u32, way: u8) -> [u8; 13] {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.arena(arena);
        [a, b, c, d, e, f, g, h, i, j, k, l, way]
    }
}
