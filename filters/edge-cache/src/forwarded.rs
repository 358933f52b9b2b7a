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
    /// The right to store in the tier that all proxies share.
    pub(crate) lease: Option<String>,
    /// Something is stored there.
    pub(crate) replaces: bool,
}

impl Forwarded {
    /// A request whose answer is not kept.
    pub(crate) fn unkept(reason: FwdReason, sent_ms: u64) -> Box<Self> {
        Box::new(Self {
            reason,
            collapsed: false,
            sent_ms,
            fill: None,
            capture: None,
        })
    }

    /// A request whose answer may be kept.
    pub(crate) fn filling(reason: FwdReason, sent_ms: u64, fill: Fill) -> Box<Self> {
        let mut forwarded = Self::unkept(reason, sent_ms);
        forwarded.fill = Some(fill);
        forwarded
    }
}

impl Fill {
    /// `replaces`: something is stored there.
    pub(crate) const fn new(place: Place, token: FillToken, replaces: bool) -> Self {
        Self {
            place,
            token,
            lease: None,
            replaces,
        }
    }

    /// What tells others that it has ended.
    pub(crate) fn message(&self, visit: &Visit) -> Message {
        Message {
            policy: visit.policy.id,
            key: self.place.key().hash,
        }
    }
}
