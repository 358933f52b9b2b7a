//! From the upstream to the client.

use crate::abi::Direction;
use crate::process::shared::locked;
use crate::world::tcp::Peer;
use crate::world::{StreamRef, World};

impl World {
    /// Something has come from the upstream. When both ends have ended, the connection ends, whatever filters hold.
    pub(super) fn write(&mut self, at: StreamRef) {
        self.pass_write(at);
        let ended = self.connection(at).is_some_and(|connection| {
            let record = locked(&connection.record);
            let upstream = record.upstream.as_ref();
            connection.response.end && upstream.is_some_and(|upstream| upstream.ended)
        });
        if ended {
            self.end_connection(at, Peer::Local);
        }
    }

    /// Everything that waits is shown to the filters, from the last one on.
    fn pass_write(&mut self, at: StreamRef) {
        let begun = self
            .connection(at)
            .map_or(0, |connection| connection.begun.min(connection.filters.len()));
        for filter in (0..begun).rev() {
            if !self.offer(at, filter, Direction::Response) {
                return;
            }
        }
        let (bytes, end) = self.take_pending(at, Direction::Response);
        self.client_gets(at, &bytes, end);
    }

    fn client_gets(&mut self, at: StreamRef, bytes: &[u8], end: bool) {
        let Some(connection) = self.connection_mut(at) else {
            return;
        };
        if connection.client_left && !bytes.is_empty() {
            return self.end_connection(at, Peer::Remote);
        }
        locked(&connection.flow).info.response_bytes += bytes.len() as u64;
        let mut record = locked(&connection.record);
        record.received.extend(bytes);
        record.ended = end;
    }
}
