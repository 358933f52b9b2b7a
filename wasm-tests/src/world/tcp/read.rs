//! From the client to the upstream (Envoy's `source/common/network/filter_manager_impl.cc`).

use crate::abi::Direction;
use crate::process::shared::locked;
use crate::vm::callback::Callback;
use crate::world::tcp::Peer;
use crate::world::{StreamRef, World};

impl World {
    /// The client sends bytes, or its end.
    pub(crate) fn client_sends(&mut self, at: StreamRef, bytes: &[u8], end: bool) {
        let Some(connection) = self.connection_mut(at) else {
            return;
        };
        if connection.unread.end || connection.request.end {
            return;
        }
        connection.unread.bytes.extend(bytes);
        connection.unread.end = end;
        self.read(at);
    }

    pub(crate) fn client_leaves(&mut self, at: StreamRef) {
        if let Some(connection) = self.connection_mut(at) {
            connection.client_left = true;
        }
        self.client_sends(at, &[], true);
    }

    pub(crate) fn client_resets(&mut self, at: StreamRef) {
        self.end_connection(at, Peer::Remote);
    }

    /// Reads what the client has sent, and shows it to the filters from the first one on.
    pub(super) fn read(&mut self, at: StreamRef) {
        let Some(connection) = self.connection_mut(at).filter(|connection| connection.reading) else {
            return;
        };
        let unread = std::mem::take(&mut connection.unread);
        if unread.bytes.is_empty() && !unread.end {
            return;
        }
        locked(&connection.flow).info.request_bytes += unread.bytes.len() as u64;
        connection.request.bytes.extend(unread.bytes);
        connection.request.end |= unread.end;
        self.pass_read(at, 0);
    }

    /// Goes on from a filter: it and those after it learn of the connection, then of the bytes.
    pub(in crate::world) fn pass_read(&mut self, at: StreamRef, from: usize) {
        let filters = self
            .connection(at)
            .map_or(0, |connection| connection.filters.len());
        for filter in from..filters {
            if !self.begin_filter(at, filter) || !self.offer_read(at, filter) {
                return;
            }
        }
        if self.is_open(at) {
            self.proxy_reads(at);
        }
    }

    /// Tells a filter of the connection, once; true when it lets the connection go on.
    fn begin_filter(&mut self, at: StreamRef, filter: usize) -> bool {
        let Some(connection) = self.connection_mut(at).filter(|connection| !connection.closing) else {
            return false;
        };
        if connection.begun > filter {
            return true;
        }
        connection.begun = filter + 1;
        if self.make_context(at, filter).is_none() {
            let outcome = self.filter_is_gone(at, filter);
            return self.goes_on_after(at, &outcome);
        }
        let outcome = self.call_filter(at, filter, Callback::NewConnection, |context| (context,));
        self.settle_filter(at, filter);
        self.goes_on_after(at, &outcome)
    }

    /// Shows a filter what has been read, if anything.
    fn offer_read(&mut self, at: StreamRef, filter: usize) -> bool {
        let (bytes, end) = self.take_pending(at, Direction::Request);
        let nothing = bytes.is_empty() && !end;
        if let Some(connection) = self.connection_mut(at) {
            connection.request.bytes = bytes;
        }
        nothing || self.offer(at, filter, Direction::Request)
    }
}
