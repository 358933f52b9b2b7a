//! Fetching an object: who does, and what became of it.

/// The right to store one object, and the fence: worth nothing once the key was invalidated, or another took over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "others wait until it is stored, abandoned or remembered as not storable"]
pub struct FillToken {
    pub(crate) hash: u64,
    pub(crate) ticket: u64,
    pub(crate) revision: u64,
}

impl FillToken {
    /// Which purges were known when the fill began. It has to be kept with the object.
    pub const fn revision(&self) -> u64 {
        self.revision
    }
}

/// How a fill begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Unix milliseconds.
    pub now_ms: u64,
    /// When others need not wait for it any longer, Unix milliseconds; [`LONGEST_LEASE_MS`](crate::LONGEST_LEASE_MS) ahead at most.
    pub until_ms: u64,
    /// The revision of the purges that this worker knows: [`Purges::revision`](crate::purge::Purges::revision).
    pub revision: u64,
    /// The stamp of what was found and is to be fetched anew; none if nothing was.
    pub seen: Option<u64>,
}

/// Whether a worker may fetch an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It should, for all.
    Leader(FillToken),
    /// Someone else does.
    Follow {
        /// This worker does.
        here: bool,
        /// Unix milliseconds; from then on another may.
        until_ms: u64,
    },
    /// It may, as all others may: the first answer that can be stored is stored.
    HitForMiss(FillToken),
    /// What is stored is not what was seen: look again.
    Changed,
    /// There is no room to remember who does: it may, and can't store.
    NoRoom,
}

/// What bytes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An object.
    Object,
    /// Names of request headers.
    Vary,
}

/// What became of something to be stored. In each case the fill has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// All workers have it.
    Stored {
        /// Its number: never another object's.
        stamp: u64,
        /// How many objects had to go.
        evicted: u32,
        /// Other workers wait for it.
        wake_others: bool,
    },
    /// The key was invalidated after the fill began, or another took the fill over.
    Fenced,
    /// It is larger than the whole store, or no room could be made.
    TooLarge {
        /// Other workers wait for it.
        wake_others: bool,
    },
}

/// What ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// There was something.
    pub was: bool,
    /// Workers wait for what ended: others than this one's may have to be woken.
    pub wake_others: bool,
}
