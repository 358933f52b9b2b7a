//! A request that went on.

use weir_cache_store::FillToken;
use weir_http_cache::FwdReason;

use crate::capture::Capture;
use crate::find::Place;
use crate::post::Message;
use crate::visit::Visit;

/// A request that went on, and whose answer may be kept.
#[derive(Debug)]
pub(crate) struct Forwarded {
    pub(crate) reason: FwdReason,
    /// It waited for another's answer in vain.
    pub(crate) collapsed: bool,
    /// When it went on, Unix milliseconds.
    pub(crate) sent_ms: u64,
    /// The right to keep its answer.
    pub(crate) fill: Option<Fill>,
    /// What has come of its answer.
    pub(crate) capture: Option<Capture>,
}

/// The right to store what is fetched for a place.
#[derive(Debug)]
pub(crate) struct Fill {
    pub(crate) place: Place,
    pub(crate) token: FillToken,
    /// Something is stored there.
    pub(crate) replaces: bool,
}

impl Forwarded {
    /// A request whose answer is not kept.
    pub(crate) const fn unkept(reason: FwdReason, sent_ms: u64) -> Self {
        Self {
            reason,
            collapsed: false,
            sent_ms,
            fill: None,
            capture: None,
        }
    }

    pub(crate) fn filling(reason: FwdReason, sent_ms: u64, fill: Fill) -> Self {
        Self {
            fill: Some(fill),
            ..Self::unkept(reason, sent_ms)
        }
    }
}

impl Fill {
    /// What tells others that it has ended.
    pub(crate) fn message(&self, visit: &Visit) -> Message {
        Message {
            policy: visit.policy.id,
            key: self.place.key().hash,
        }
    }
}
