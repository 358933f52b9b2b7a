//! What will happen, and when.

use std::collections::BTreeMap;

use crate::world::{StreamRef, VmRef};

/// Something that falls due. One whose object is gone by then means nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A queue has a new item.
    QueueReady { process: usize, queue: u32 },
    /// The next part of an upstream's answer arrives.
    Part { upstream: u64 },
    /// The next part of what a TCP upstream sends arrives.
    TcpPart { connection: StreamRef },
    /// A filter's call has taken too long.
    CallTimeout { upstream: u64 },
    /// One try of a request has taken too long.
    TryTimeout { stream: StreamRef, upstream: u64 },
    /// A request has taken too long.
    RouteTimeout { stream: StreamRef },
    /// The back-off before a retry is over.
    Retry { stream: StreamRef },
    /// A root context's timer, never in the timeline: its root context keeps it.
    Tick { vm: VmRef, root: u32 },
}

/// Events in the order of their time; those of one time in the order in which they were added.
#[derive(Default)]
pub(crate) struct Timeline {
    events: BTreeMap<(u64, u64), Event>,
    added: u64,
}

impl Timeline {
    pub(crate) fn add(&mut self, due: u64, event: Event) {
        self.added += 1;
        self.events.insert((due, self.added), event);
    }

    pub(crate) fn next_due(&self) -> Option<u64> {
        self.events.keys().next().map(|(due, _)| *due)
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.events.pop_first().map(|(_, event)| event)
    }
}
