//! Notices: what proxies learn beside their configuration.

use std::collections::VecDeque;
use std::sync::Arc;

use weir_policy::name::Name;
use weir_policy::proxy::{EventPage, Notice, ProxyEvent};

use crate::event::Revision;
use crate::state::State;

/// How many notices of all namespaces together are kept for proxies that come back.
pub const MAX_NOTICES: usize = 4_096;
/// The most bytes of what they say.
pub const MAX_NOTICE_BYTES: usize = 32 << 20;
/// The most events of one page.
pub const MAX_PAGE: usize = 256;
/// A page ends with the event that brings what its events say to so many bytes: a filter has to hold it.
pub const MAX_PAGE_BYTES: usize = 256 << 10;

#[derive(Debug, PartialEq)]
struct Kept {
    revision: Revision,
    namespace: Name,
    notice: Notice,
    bytes: usize,
}

/// How long what a notice says is; what frames it does not count.
fn bytes(notice: &Notice) -> usize {
    let length = |texts: &[String]| texts.iter().map(String::len).sum();
    match notice {
        Notice::QuotaReset(reset) => length(reset.key.as_deref().unwrap_or_default()),
        Notice::CachePurge(purge) => length(purge.what.texts()),
        Notice::CacheWarm(warm) => {
            let nodes = warm.nodes.as_deref().unwrap_or_default();
            let headers = warm.headers.iter().map(|(name, value)| name.len() + value.len());
            length(&warm.urls) + length(nodes) + headers.sum::<usize>()
        }
    }
}

impl Kept {
    fn event(&self) -> ProxyEvent {
        ProxyEvent::new(self.revision, self.notice.clone())
    }
}

/// The newest notices, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Notices {
    kept: VecDeque<Arc<Kept>>,
    bytes: usize,
    /// Every notice after this revision is kept.
    complete_after: Revision,
}

impl Notices {
    pub(crate) fn push(&mut self, revision: Revision, namespace: Name, notice: Notice) {
        let bytes = bytes(&notice);
        self.bytes += bytes;
        self.kept.push_back(Arc::new(Kept {
            revision,
            namespace,
            notice,
            bytes,
        }));
        while (self.kept.len() > MAX_NOTICES || self.bytes > MAX_NOTICE_BYTES)
            && let Some(dropped) = self.kept.pop_front()
        {
            self.bytes -= dropped.bytes;
            self.complete_after = dropped.revision;
        }
    }

    fn after(&self, cursor: Revision) -> impl Iterator<Item = &Kept> {
        let known = self.kept.partition_point(|kept| kept.revision <= cursor);
        self.kept.range(known..).map(Arc::as_ref)
    }
}

impl State {
    /// The notices of a namespace after `cursor`, the oldest of them, as many as a page may have. Without a cursor there are none: the
    /// page says where to begin.
    pub fn page(&self, namespace: &Name, cursor: Option<Revision>) -> EventPage {
        let now = self.revision();
        let after = cursor.unwrap_or(now);
        let reset = after > now || after < self.notices.complete_after;
        let known = self.notices.after(if reset { now } else { after });
        let mut known = known.filter(|kept| kept.namespace == *namespace).peekable();
        let (mut events, mut bytes) = (Vec::new(), 0);
        while events.len() < MAX_PAGE
            && bytes < MAX_PAGE_BYTES
            && let Some(kept) = known.next()
        {
            bytes += kept.bytes;
            events.push(kept.event());
        }
        let is_cut = known.peek().is_some();
        EventPage {
            cursor: events.last().filter(|_| is_cut).map_or(now, |last| last.revision),
            reset,
            events,
        }
    }
}
