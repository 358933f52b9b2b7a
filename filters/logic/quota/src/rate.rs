//! GCRA.
use crate::share::ShareRecord;
use crate::state::{QuotaError, State, Verdict};
/// Rate
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate { interval: u64, tolerance: u64, debt: u64 }
impl Rate {
    /// new
    pub fn try_new(requests: u64, window_ns: u64, burst: u64) -> Result<Self, QuotaError> {
        if requests == 0 || window_ns == 0 || burst == 0 { return Err(QuotaError("expected at least 1".into())); }
        let interval = window_ns.div_ceil(requests);
        let tolerance = interval.checked_mul(burst).filter(|t| *t < 1 << 58).ok_or_else(|| QuotaError("too long".into()))?;
        Ok(Self { interval, tolerance, debt: 0 })
    }
    /// debt
    pub const fn with_debt(self) -> Self { Self { debt: self.tolerance, ..self } }
    /// tol
    pub const fn tolerance_ns(&self) -> u64 { self.tolerance }
    fn increment(&self, share: Option<&ShareRecord>, cost: u64) -> Option<u64> {
        let whole = u128::from(self.interval) * u128::from(cost);
        let ns = match share { None => whole, Some(s) if s.share() == 0 => return None, Some(s) => (whole * 1_000_000).div_ceil(u128::from(s.share())) };
        Some(u64::try_from(ns).unwrap_or(u64::MAX))
    }
    fn tat(&self, share: Option<&ShareRecord>, state: Option<State>, now: u64) -> u64 {
        let tat = match share { None => state.map_or(0, |s| s.expires), Some(r) => r.tat(state, self.tolerance) };
        tat.min(now.saturating_add(self.tolerance).saturating_add(self.debt)).max(now)
    }
    /// check
    pub fn check(&self, share: Option<&ShareRecord>, state: Option<State>, now: u64, cost: u64) -> (Verdict, Option<State>) {
        let start = self.tat(share, state, now);
        let end = now.saturating_add(self.tolerance);
        let (Some(unit), Some(inc)) = (self.increment(share, 1), self.increment(share, cost)) else {
            return (Verdict::Deny { remaining: 0, retry_after_ns: None, reset_ns: start - now }, None);
        };
        let unit = unit.max(1);
        let next = start.saturating_add(inc);
        if next <= end || cost == 0 {
            let state = (cost > 0).then_some(State { expires: next, word: share.map_or(0, |s| s.grant().into()) });
            return (Verdict::Allow { remaining: end.saturating_sub(next) / unit, reset_ns: next - now }, state);
        }
        let retry = (inc <= self.tolerance).then(|| next - end);
        (Verdict::Deny { remaining: end.saturating_sub(start) / unit, retry_after_ns: retry, reset_ns: start - now }, None)
    }
    /// refund
    pub fn refund(&self, share: Option<&ShareRecord>, state: State, cost: u64) -> Option<State> {
        Some(State { expires: state.expires.saturating_sub(self.increment(share, cost)?), ..state })
    }
    /// charge
    pub fn charge(&self, share: Option<&ShareRecord>, state: Option<State>, now: u64, cost: u64) -> Option<State> {
        let start = self.tat(share, state, now);
        let most = now.saturating_add(self.tolerance).saturating_add(self.debt);
        Some(State { expires: start.saturating_add(self.increment(share, cost)?).min(most), word: share.map_or(0, |s| s.grant().into()) })
    }
}
