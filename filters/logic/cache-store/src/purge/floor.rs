//! What a purge means for what came before it.

use super::Verdict;

/// Whatever is older than these revisions is gone, or stale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Floor {
    pub(super) hard: u64,
    pub(super) soft: u64,
}

impl Floor {
    /// The floor that a purge sets.
    pub(super) const fn new(revision: u64, soft: bool) -> Self {
        if soft {
            Self {
                hard: 0,
                soft: revision,
            }
        } else {
            Self {
                hard: revision,
                soft: 0,
            }
        }
    }

    /// Takes another floor in.
    pub(super) fn raise(&mut self, other: Self) {
        self.hard = self.hard.max(other.hard);
        self.soft = self.soft.max(other.soft);
    }

    /// When it was raised last.
    pub(super) fn latest(&self) -> u64 {
        self.hard.max(self.soft)
    }

    /// What it means for an object of this revision.
    pub(super) const fn verdict(&self, revision: u64) -> Verdict {
        if revision < self.hard {
            Verdict::Gone
        } else if revision < self.soft {
            Verdict::Soft
        } else {
            Verdict::Valid
        }
    }

    pub(super) fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.soft) << 64 | u128::from(self.hard)).to_le_bytes()
    }

    pub(super) const fn parse(bytes: &[u8; 16]) -> Self {
        let both = u128::from_le_bytes(*bytes);
        Self {
            hard: both as u64,
            soft: (both >> 64) as u64,
        }
    }
}
