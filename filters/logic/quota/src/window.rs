//! Window.
use crate::state::{QuotaError, State, Verdict};
/// Window
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlidingWindow { limit: u64, window: u64 }
impl SlidingWindow {
    /// new
    pub fn try_new(limit: u64, window: u64) -> Result<Self, QuotaError> {
        if limit == 0 || limit > u64::from(u32::MAX) || window == 0 { return Err(QuotaError("expected".into())); }
        Ok(Self { limit, window })
    }
    fn read(&self, state: Option<State>, now: u64) -> (u64, u64, u64, u64) {
        let idx = now / self.window;
        let Some(s) = state else { return (idx, 0, 0, now % self.window); };
        let (prev, cur) = (s.word >> 32, s.word & 0xffff_ffff);
        let known = (s.expires / self.window).saturating_sub(2);
        if known > idx { (known, prev, cur, 0) } else if known == idx { (idx, prev, cur, now % self.window) }
        else if known + 1 == idx { (idx, cur, 0, now % self.window) } else { (idx, 0, 0, now % self.window) }
    }
    fn state(&self, idx: u64, prev: u64, cur: u64) -> State { State { expires: (idx + 2).saturating_mul(self.window), word: prev << 32 | cur.min(0xffff_ffff) } }
    fn used(&self, prev: u64, cur: u64, elapsed: u64) -> u64 {
        let p = (u128::from(prev) * u128::from(self.window - elapsed)).div_ceil(u128::from(self.window));
        u64::try_from(p).unwrap_or(u64::MAX).saturating_add(cur)
    }
    /// check
    pub fn check(&self, state: Option<State>, now: u64, cost: u64) -> (Verdict, Option<State>) {
        let (idx, prev, cur, elapsed) = self.read(state, now);
        let used = self.used(prev, cur, elapsed);
        let reset_ns = (idx + 2).saturating_mul(self.window).saturating_sub(now);
        if used.saturating_add(cost) <= self.limit || cost == 0 {
            let st = (cost > 0).then(|| self.state(idx, prev, cur + cost));
            return (Verdict::Allow { remaining: self.limit.saturating_sub(used + cost), reset_ns }, st);
        }
        (Verdict::Deny { remaining: self.limit.saturating_sub(used), retry_after_ns: (cost <= self.limit).then_some(self.window - elapsed), reset_ns }, None)
    }
    /// charge
    pub fn charge(&self, state: Option<State>, now: u64, cost: u64) -> Option<State> { let (i, p, c, _) = self.read(state, now); Some(self.state(i, p, c.saturating_add(cost))) }
    /// refund
    pub fn refund(&self, state: State, now: u64, cost: u64) -> Option<State> { let (i, p, c, _) = self.read(Some(state), now); Some(self.state(i, p, c.saturating_sub(cost))) }
}
