//! Shares.
use weir_policy::proxy::Share;
use crate::state::State;
/// Record
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareRecord { share: Share, grant: u32, granted_at: u64, floor: u64, prev_share: Share, prev_grant: u32, prev_at: u64 }
impl ShareRecord {
    /// bytes
    pub const BYTES: usize = 40;
    /// first
    pub const fn first(share: Share, tolerance: u64, grant: u32, now: u64) -> Self {
        Self { share, grant, granted_at: now, floor: now.saturating_add(tolerance), prev_share: 0, prev_grant: grant, prev_at: now }
    }
    /// share
    pub const fn share(&self) -> Share { self.share }
    /// grant
    pub const fn grant(&self) -> u32 { self.grant }
    /// granted
    pub fn granted(self, share: Share, tolerance: u64, grant: u32, now: u64) -> Self {
        if share == self.share { return self; }
        Self { share, grant, granted_at: now, floor: rescale(self.floor, tolerance, now, self.share, share), prev_share: self.share, prev_grant: self.grant, prev_at: self.granted_at }
    }
    /// at most
    pub fn at_most(self, most: Share) -> Self { Self { share: self.share.min(most), ..self } }
    /// held
    pub fn held(&self, now: u64, stale: u64) -> Share { if now.abs_diff(self.granted_at) < stale { self.share.max(self.prev_share) } else { self.share } }
    /// settled
    pub fn is_settled(&self, tolerance: u64, now: u64) -> bool { self.granted_at.saturating_add(tolerance) <= now && self.floor <= now }
    pub(crate) fn tat(&self, state: Option<State>, tolerance: u64) -> u64 {
        let Some(state) = state else { return self.floor; };
        let written = state.word;
        let tat = if written >= u64::from(self.grant) { state.expires }
            else if written >= u64::from(self.prev_grant) { rescale(state.expires, tolerance, self.granted_at, self.prev_share, self.share) }
            else if state.expires <= self.prev_at { 0 } else { self.granted_at.saturating_add(tolerance) };
        tat.max(self.floor)
    }
    /// bytes
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut b = [0; Self::BYTES];
        let w = [self.granted_at, self.floor, self.prev_at];
        let d = [self.share, self.grant, self.prev_share, self.prev_grant];
        for (c, w) in b.chunks_exact_mut(8).zip(w) { c.copy_from_slice(&w.to_le_bytes()); }
        for (c, d) in b.chunks_exact_mut(4).skip(6).zip(d) { c.copy_from_slice(&d.to_le_bytes()); }
        b
    }
    /// bytes
    pub fn from_bytes(b: [u8; Self::BYTES]) -> Self {
        let (w, _) = b.as_chunks::<8>(); let (d, _) = b.as_chunks::<4>();
        let w = |i: usize| w.get(i).map_or(0, |w| u64::from_le_bytes(*w));
        let d = |i: usize| d.get(i).map_or(0, |d| u32::from_le_bytes(*d));
        Self { granted_at: w(0), floor: w(1), prev_at: w(2), share: d(6), grant: d(7), prev_share: d(8), prev_grant: d(9) }
    }
}
fn rescale(tat: u64, tolerance: u64, at: u64, from: Share, to: Share) -> u64 {
    let full = at.saturating_add(tolerance);
    let available = full.saturating_sub(tat).min(tolerance);
    let kept = if to > from { u64::try_from(u128::from(available) * u128::from(from) / u128::from(to)).unwrap_or(0) } else { available };
    tat.max(full - kept)
}
