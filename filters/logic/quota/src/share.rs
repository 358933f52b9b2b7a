//! A process's share of a fleet-wide limit.

use crate::cell::{Rate, State};
pub use weir_policy::proxy::{Share, WHOLE};

/// The lowest bits of a shared state's `expires` name the record that it was written under.
const EPOCH_BITS: u32 = 24;
const EPOCH_MASK: u64 = (1 << EPOCH_BITS) - 1;

/// What a process knows of its share of one limit, or of one key of it.
///
/// A cell under a share is a GCRA on a *slow clock*: while the share is f, a second of real time is f seconds of this
/// clock, so that units of cost T come back at f times the rate. The bucket holds f·τ. Two numbers carry all that
/// happened to the share so far: where the slow clock stood at the last grant, and the TAT of a cell that was never used
/// (`floor`). An entry stores its TAT on the slow clock, and counts as the later of its own and the floor's. That is
/// exact for an entry of any age, since its bucket's ceilings since it was written are ceilings of the never-used bucket
/// as well; when the lowest of them is older than the entry, the floor was no later than the entry's TAT to begin with,
/// and stays so.
///
/// **No grant mints a unit**: a share that grows leaves what is available as it is, and makes the bucket larger; one that
/// shrinks cuts what is available to the smaller bucket. A process's first share starts with an empty bucket. So in any
/// window what passes is at most ∫ f·rate + burst · (f at its start), and summed over the fleet, rate · Δ + burst, as long
/// as shares in use sum to at most [`WHOLE`].
///
/// Workers of a process may read different records for a while. What they write is in the same coordinates, so a record
/// that is out of date counts with its own share only: the bound holds with the largest share that a worker used.
///
/// **Growth and forgetting**: an entry's `expires` is when its bucket is full, and τ more, since a share that grows makes
/// it fuller later. That covers one growth of the share in the meantime; an entry that is dropped (not merely read) at
/// its end although its share grew several times may give back at most what it had taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareRecord {
    share: Share,
    epoch: u32,
    /// The epoch that this record was made from: entries written under it stand on the same clock.
    parent: u32,
    granted_at: u64,
    /// The slow clock at `granted_at`.
    slow_at: u64,
    /// The TAT of a never-used cell at `granted_at`, on the slow clock.
    floor: u64,
}

/// What a cell's clock shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// The time.
    pub(crate) now: u64,
    /// The TAT of a cell that was never used.
    pub(crate) floor: u64,
    /// How fast it runs.
    pub(crate) share: Share,
}

impl Clock {
    /// The share of `time`, rounded down.
    pub(crate) const fn own(&self, time: u64) -> u64 {
        own(time, self.share)
    }

    /// The real time in which this clock advances by `time`, rounded up.
    pub(crate) const fn real(&self, time: u64) -> u64 {
        match self.share {
            WHOLE => time,
            0 => u64::MAX,
            share => {
                let (share, whole) = (share as u64, WHOLE as u64);
                let rest = (time % share * whole).div_ceil(share);
                (time / share).saturating_mul(whole).saturating_add(rest)
            }
        }
    }
}

/// `time` · `share`, rounded down.
const fn own(time: u64, share: Share) -> u64 {
    let (share, whole) = (share as u64, WHOLE as u64);
    if share >= whole {
        return time;
    }
    time / whole * share + time % whole * share / whole
}

impl ShareRecord {
    /// Bytes of a record in shared data.
    pub const BYTES: usize = 36;

    /// The first share that a process ever had, granted at `now`: the bucket starts empty.
    pub const fn first(share: Share, now: u64, rate: &Rate) -> Self {
        let epoch = epoch_of(now);
        let floor = now.saturating_add(rate.tolerance_ns());
        Self {
            share: capped(share),
            epoch,
            parent: epoch,
            granted_at: now,
            slow_at: now,
            floor,
        }
    }

    /// The record after another share was granted at `now`. Also to be called, with the same share, when the clock has
    /// stepped back behind [`Self::granted_at`]: until then no time passes for the cells.
    #[must_use]
    pub const fn grant(&self, share: Share, now: u64, rate: &Rate) -> Self {
        let clock = self.clock(rate, now);
        Self {
            share: capped(share),
            granted_at: now,
            slow_at: clock.now,
            floor: clock.floor,
            ..*self
        }
    }

    /// The first record of a key that had the limit's share until now, and gets one of its own: its entry goes on as it
    /// is. Back at the limit's record, an entry that has not expired starts empty there (its clock is another).
    #[must_use]
    pub const fn listed(&self, share: Share, now: u64, rate: &Rate) -> Self {
        let mut epoch = epoch_of(now);
        if epoch == self.epoch {
            epoch ^= 1;
        }
        Self {
            epoch,
            parent: self.epoch,
            ..self.grant(share, now, rate)
        }
    }

    /// The share, parts per million.
    pub const fn share(&self) -> Share {
        self.share
    }

    /// When it was granted, Unix nanoseconds.
    pub const fn granted_at(&self) -> u64 {
        self.granted_at
    }

    /// The slow clock at `now`.
    pub(crate) const fn clock(&self, rate: &Rate, now: u64) -> Clock {
        let passed = own(now.saturating_sub(self.granted_at), self.share);
        let slow = self.slow_at.saturating_add(passed);
        let tolerance = rate.tolerance_ns();
        let full = slow.saturating_add(tolerance - own(tolerance, self.share));
        let floor = if self.floor > full { self.floor } else { full };
        Clock {
            now: slow,
            floor,
            share: self.share,
        }
    }

    /// The TAT that `state` stands for under this record; absent: that of a never-used cell.
    pub(crate) const fn tat_of(&self, state: State, now: u64) -> Option<u64> {
        let epoch = (state.expires & EPOCH_MASK) as u32;
        if epoch == self.epoch || epoch == self.parent {
            Some(state.word)
        } else if state.expires <= now {
            None
        } else {
            // Written on another clock, and not full yet: no TAT is late enough, so the bucket counts as empty.
            Some(u64::MAX)
        }
    }

    /// The state of a cell whose TAT on the slow clock is `tat`, and that is full again at `full`.
    pub(crate) const fn state(&self, rate: &Rate, tat: u64, full: u64) -> State {
        let later = if self.share < WHOLE {
            rate.tolerance_ns()
        } else {
            0
        };
        let expires = full.saturating_add(later).saturating_add(EPOCH_MASK) & !EPOCH_MASK;
        State {
            expires: expires | self.epoch as u64,
            word: tat,
        }
    }

    /// The record's bytes, all numbers little-endian.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let words = [self.share, self.epoch, self.parent].map(u32::to_le_bytes);
        let longs = [self.granted_at, self.slow_at, self.floor].map(u64::to_le_bytes);
        let all = words.as_flattened().iter().chain(longs.as_flattened());
        bytes.iter_mut().zip(all).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// The record of bytes from shared data, unless they are none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (words, longs) = bytes.split_at_checked(12)?;
        let (words, []) = words.as_chunks::<4>() else {
            return None;
        };
        let (longs, []) = longs.as_chunks::<8>() else {
            return None;
        };
        let ([share, epoch, parent], [granted_at, slow_at, floor]) = (words, longs) else {
            return None;
        };
        let record = Self {
            share: u32::from_le_bytes(*share),
            epoch: u32::from_le_bytes(*epoch),
            parent: u32::from_le_bytes(*parent),
            granted_at: u64::from_le_bytes(*granted_at),
            slow_at: u64::from_le_bytes(*slow_at),
            floor: u64::from_le_bytes(*floor),
        };
        (record.share <= WHOLE).then_some(record)
    }
}

const fn capped(share: Share) -> Share {
    if share > WHOLE { WHOLE } else { share }
}

/// An epoch is named by when it began, in units of about a millisecond; names come again after five hours.
const fn epoch_of(now: u64) -> u32 {
    ((now >> 20) & EPOCH_MASK) as u32
}
