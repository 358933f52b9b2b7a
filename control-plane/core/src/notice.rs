//! Notices: what proxies learn beside their configuration.

use std::collections::VecDeque;
use std::sync::Arc;

use weir_policy::name::Name;
use weir_policy::proxy::{EventPage, Notice, ProxyEvent};

use crate::event::Revision;
use crate::state::State;

/// How many notices of all namespaces together are kept for proxies that come back.
pub const MAX_NOTICES: usize = 4_096;
/// The most events of one page.
pub const MAX_PAGE: usize = 256;

#[derive(Debug, PartialEq)]
struct Kept {
    revision: Revision,
    namespace: Name,
    notice: Notice,
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
    /// Every notice after this revision is kept.
    complete_after: Revision,
}

impl Notices {
    pub(crate) fn push(&mut self, revision: Revision, namespace: Name, notice: Notice) {
        self.kept.push_back(Arc::new(Kept {
            revision,
            namespace,
            notice,
        }));
        while self.kept.len() > MAX_NOTICES {
            self.complete_after = self
                .kept
                .pop_front()
                .map_or(self.complete_after, |dropped| dropped.revision);
        }
    }

    fn after(&self, cursor: Revision) -> impl Iterator<Item = &Kept> {
        let known = self.kept.partition_point(|kept| kept.revision <= cursor);
        self.kept.range(known..).map(Arc::as_ref)
    }
}

impl State {
    /// The notices of a namespace after `cursor`, the oldest [`MAX_PAGE`] of them. Without a cursor there are none: the
    /// page says where to begin.
    pub fn page(&self, namespace: &Name, cursor: Option<Revision>) -> EventPage {
        let now = self.revision();
        let after = cursor.unwrap_or(now);
        let reset = after > now || after < self.notices.complete_after;
        let known = self.notices.after(if reset { now } else { after });
        let mut events: Vec<ProxyEvent> = known
            .filter(|kept| kept.namespace == *namespace)
            .map(Kept::event)
            .take(MAX_PAGE + 1)
            .collect();
        let is_cut = events.len() > MAX_PAGE;
        events.truncate(MAX_PAGE);
        EventPage {
            cursor: events.last().filter(|_| is_cut).map_or(now, |last| last.revision),
            reset,
            events,
        }
    }
}
