//! What a share becomes when its lease is not renewed.

use crate::share::{Share, WHOLE};

pub use weir_policy::document::rate_limit_policy::limit::WhenLost;

/// The share that a process may use `age_ms` after it sent the report that was answered with `share` and `proxies`.
///
/// Until the lease ends that is `share`; until twice the lease at most an equal part; then what `when_lost` says. A worker
/// that hears of it later has to be told earlier, by [`MAX_STALE_NS`](crate::share::MAX_STALE_NS).
pub const fn lapsed(share: Share, proxies: u32, when_lost: WhenLost, age_ms: u64, lease_ms: u64) -> Share {
    let equal = match WHOLE.checked_div(proxies) {
        Some(equal) => equal,
        None => WHOLE,
    };
    if age_ms < lease_ms {
        return share;
    }
    if age_ms < lease_ms.saturating_mul(2) {
        return if share < equal { share } else { equal };
    }
    match when_lost {
        WhenLost::EqualShare => equal,
        WhenLost::Deny => 0,
    }
}
