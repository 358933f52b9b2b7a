//! A process's share of a fleet-wide limit.

use crate::cell::{Rate, State};
pub use weir_policy::proxy::{Share, WHOLE};

/// The lowest bits of a shared state's `expires` name the record that it was written under.
const EPOCH_BITS: u32 = 24;
const EPOCH_MASK: u64 = (1 << EPOCH_BITS) - 1;

/// How long a worker may go on with a record after another one was stored, ns. Grants of one record come no closer.
pub const MAX_STALE_NS: u64 = 100_000_000;

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
/// Workers of a process may read different records for a while ([`MAX_STALE_NS`]). As long, the slow clock goes on as it
/// went before the grant, so that all of them read the same time and differ in the size of the bucket only; the bound
/// holds with the largest share that any of them uses.
///
/// **Records that follow one another**: a key of the limit may get a record of its own ([`ShareRecord::listed`]) and lose
/// it again ([`ShareRecord::retired`]). Its slow clock then differs from the limit's, so an entry's `expires` names in its
/// lowest 24 bits the record that it was written under. A record that does not know the name takes an entry that has not
/// expired for an empty bucket.
///
/// **Growth and forgetting**: an entry's `expires` is when its bucket is full, and τ more, since a share that grows makes
/// it full later. That covers one growth of the share in the meantime; an entry that is dropped (not merely read) at
/// its end although its share grew several times may give back at most what it had taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareRecord {
    share: Share,
    /// How fast the slow clock runs for [`MAX_STALE_NS`] after `granted_at`; then as the share says.
    speed: Share,
    /// The epoch of the record that this one was made from: entries written under it stand on the same clock.
    parent: u32,
    /// When the epoch of this record began.
    born_at: u64,
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
    /// The share, and how fast the clock runs.
    pub(crate) share: Share,
    /// How fast it still runs at first.
    pub(crate) speed: Share,
    /// And how long.
    pub(crate) settling: u64,
    /// How much later another worker's may be.
    pub(crate) skew: u64,
}

impl Clock {
    /// The clock of a whole limit.
    pub(crate) const fn real_time(now: u64) -> Self {
        Self {
            now,
            floor: now,
            share: WHOLE,
            speed: WHOLE,
            settling: 0,
            skew: 0,
        }
    }

    /// The share of `time`, rounded down.
    pub(crate) const fn own(&self, time: u64) -> u64 {
        own(time, self.share)
    }

    /// The real time in which this clock advances by `time`, rounded up.
    pub(crate) const fn real(&self, time: u64) -> u64 {
        let soon = own(self.settling, self.speed);
        match time.checked_sub(soon) {
            Some(later) if later > 0 => self.settling.saturating_add(real(later, self.share)),
            _ => real(time, self.speed),
        }
    }
}

/// `time` / `share`, rounded up.
const fn real(time: u64, share: Share) -> u64 {
    let (share, whole) = (share as u64, WHOLE as u64);
    if share >= whole || time == 0 {
        return time;
    }
    let (Some(full), Some(rest)) = (time.checked_div(share), time.checked_rem(share)) else {
        return u64::MAX;
    };
    full.saturating_mul(whole)
        .saturating_add((rest * whole).div_ceil(share))
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
    pub const BYTES: usize = 44;

    /// The first share that a process ever had, granted at `now`: the bucket starts empty.
    pub const fn first(share: Share, now: u64, rate: &Rate) -> Self {
        let (share, parent) = (capped(share), epoch_of(now));
        let floor = now.saturating_add(rate.tolerance_ns());
        Self {
            share,
            speed: share,
            parent,
            born_at: now,
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
        let speed = match clock.settling {
            0 => self.share,
            // Not this record's time: the slower of both is safe.
            _ if now < self.granted_at && self.share < self.speed => self.share,
            _ => self.speed,
        };
        Self {
            share: capped(share),
            speed,
            granted_at: now,
            slow_at: clock.now,
            floor: clock.floor,
            ..*self
        }
    }

    /// The first record of a key that had this one until now, the limit's: its entry goes on as it is.
    #[must_use]
    pub const fn listed(&self, share: Share, now: u64, rate: &Rate) -> Self {
        Self {
            parent: self.epoch(),
            born_at: now,
            ..self.grant(share, now, rate)
        }
    }

    /// The last record of a key that goes back to this one, the limit's: it replaces the key's record for
    /// [`MAX_STALE_NS`] at least, and can be removed then. An entry that has not expired starts empty.
    #[must_use]
    pub const fn retired(&self, now: u64, rate: &Rate) -> Self {
        Self {
            parent: epoch_of(now),
            born_at: now,
            ..self.grant(self.share, now, rate)
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
        let passed = now.saturating_sub(self.granted_at);
        let settling = MAX_STALE_NS.saturating_sub(passed);
        let (at_first, since) = (MAX_STALE_NS - settling, passed.saturating_sub(MAX_STALE_NS));
        let slow = self
            .slow_at
            .saturating_add(own(at_first, self.speed))
            .saturating_add(own(since, self.share));
        let tolerance = rate.tolerance_ns();
        let full = slow.saturating_add(tolerance - own(tolerance, self.share));
        let floor = if self.floor > full { self.floor } else { full };
        let (share, speed) = (self.share, self.speed);
        Clock {
            now: slow,
            floor,
            share,
            speed,
            settling,
            skew: MAX_STALE_NS,
        }
    }

    /// The TAT that `state` stands for under this record; absent: that of a never-used cell.
    pub(crate) const fn tat_of(&self, state: State, now: u64) -> Option<u64> {
        let epoch = (state.expires & EPOCH_MASK) as u32;
        if epoch == self.epoch() || epoch == self.parent {
            Some(state.word)
        } else if state.expires <= now {
            None
        } else {
            // Written on another clock, and not full yet: no TAT is late enough, so the bucket counts as empty.
            Some(u64::MAX)
        }
    }

    /// The state at `now` of a cell whose TAT on the slow clock is `tat`, and that is full again at `full`.
    pub(crate) const fn state(&self, rate: &Rate, tat: u64, now: u64, full: u64) -> State {
        let tolerance = rate.tolerance_ns();
        let later = if self.share < WHOLE { tolerance } else { 0 };
        // Nothing fills under share 0; an entry lives no longer for it.
        let latest = now.saturating_add(2 * tolerance);
        let full = if full < latest { full } else { latest };
        let expires = full.saturating_add(later).saturating_add(EPOCH_MASK) & !EPOCH_MASK;
        State {
            expires: expires | self.writes(now) as u64,
            word: tat,
        }
    }

    const fn epoch(&self) -> u32 {
        epoch_of(self.born_at)
    }

    /// The epoch that entries are written under. Workers that have not seen this record yet must know it too, so a young
    /// record writes its parent's.
    const fn writes(&self, now: u64) -> u32 {
        let young = now < self.born_at.saturating_add(2 * MAX_STALE_NS);
        if young { self.parent } else { self.epoch() }
    }

    /// The record's bytes, all numbers little-endian.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let words = [self.share, self.speed, self.parent].map(u32::to_le_bytes);
        let longs = [self.born_at, self.granted_at, self.slow_at, self.floor].map(u64::to_le_bytes);
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
        let ([share, speed, parent], [born_at, granted_at, slow_at, floor]) = (words, longs) else {
            return None;
        };
        let record = Self {
            share: u32::from_le_bytes(*share),
            speed: u32::from_le_bytes(*speed),
            parent: u32::from_le_bytes(*parent),
            born_at: u64::from_le_bytes(*born_at),
            granted_at: u64::from_le_bytes(*granted_at),
            slow_at: u64::from_le_bytes(*slow_at),
            floor: u64::from_le_bytes(*floor),
        };
        (record.share <= WHOLE && record.speed <= WHOLE).then_some(record)
    }
}

const fn capped(share: Share) -> Share {
    if share > WHOLE { WHOLE } else { share }
}

/// An epoch is named by when it began, in units of about a millisecond; names come again after five hours.
const fn epoch_of(now: u64) -> u32 {
    ((now >> 20) & EPOCH_MASK) as u32
}
