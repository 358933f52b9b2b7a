//! Whether a stored response answers a request (RFC 9111 section 4).

use crate::head::Head;
use crate::request::{CacheRequest, RequestDirectives};
use crate::rules::CacheRules;

/// What a stored response is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// It is the answer: fresh, or stale and the client takes it so.
    Fresh,
    /// It is the answer, and a fresh one is to be fetched meanwhile.
    StaleWhileRevalidate,
    /// The origin is to be asked first; with the stored validator if there is one.
    Validate {
        /// Where the origin fails, it is the answer all the same.
        stale_if_error: bool,
    },
    /// Nothing: as if it were not there.
    Unusable(Unusable),
}

/// Why a stored response is good for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is not for requests with `Authorization`.
    Authorization,
    /// It is a part, and more of the representation is asked for.
    Part,
    /// It may not be served as it is, and can't be validated.
    Expired,
}

impl Unusable {
    /// The reason as a metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::Part => "part",
            Self::Expired => "expired",
        }
    }
}

impl CacheRules {
    /// What a stored response is good for at `now_ms`. `soft_purged`: it counts as stale from now on.
    pub fn reuse(&self, request: &CacheRequest, head: &Head, now_ms: u64, soft_purged: bool) -> Reuse {
        if request.has_authorization() && !head.shared_authorized {
            return Reuse::Unusable(Unusable::Authorization);
        }
        if !holds_what_is_asked(request, head) {
            return Reuse::Unusable(Unusable::Part);
        }
        let left = head
            .fresh_left_ms(now_ms)
            .min(if soft_purged { 0 } else { i64::MAX });
        let stale_ms = u64::try_from(left.saturating_neg()).unwrap_or(0);
        let is_fresh = left > 0;
        if head.always_validate || request.directives.no_cache {
            return ask(head, false);
        }
        let on_error = stale_ms < head.if_error_ms;
        if !is_acceptable(&request.directives, head, now_ms, left) {
            return ask(head, on_error);
        }
        if is_fresh || takes_stale(&request.directives, head, stale_ms, soft_purged) {
            return Reuse::Fresh;
        }
        if stale_ms < head.while_revalidate_ms {
            return Reuse::StaleWhileRevalidate;
        }
        ask(head, on_error)
    }
}

/// A part answers for ranges within it alone, and a range is taken only where `If-Range` holds.
fn holds_what_is_asked(request: &CacheRequest, head: &Head) -> bool {
    let Some(part) = head.part else {
        return true;
    };
    let range = request.range().and_then(|range| part.within(range));
    range.is_some() && request.range_holds(head)
}

/// `max-age` and `min-fresh` (RFC 9111 sections 5.2.1.1 and 5.2.1.3). A reload (`max-age=0`) of what does not change while it
/// is fresh (RFC 8246) has its answer in store.
fn is_acceptable(asked: &RequestDirectives, head: &Head, now_ms: u64, left: i64) -> bool {
    let reloads = asked.max_age_s == Some(0) && head.immutable && left > 0;
    let young = |seconds: u64| head.age_ms(now_ms) <= seconds.saturating_mul(1000);
    let lasting = |seconds: u64| u64::try_from(left).is_ok_and(|left| left >= seconds.saturating_mul(1000));
    (reloads || asked.max_age_s.is_none_or(young)) && asked.min_fresh_s.is_none_or(lasting)
}

/// `max-stale` (RFC 9111 section 5.2.1.2), where the response does not forbid it. What was purged is not meant by it.
fn takes_stale(asked: &RequestDirectives, head: &Head, stale_ms: u64, soft_purged: bool) -> bool {
    let within = |seconds: u64| stale_ms <= seconds.saturating_mul(1000);
    !head.forbids_stale && !soft_purged && asked.max_stale_s.is_some_and(within)
}

fn ask(head: &Head, stale_if_error: bool) -> Reuse {
    if head.has_validator() || stale_if_error {
        Reuse::Validate { stale_if_error }
    } else {
        Reuse::Unusable(Unusable::Expired)
    }
}
