//! TCP connections through chains of network filters.

mod read;
mod upstream;
mod write;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::abi::Direction;
use crate::connection::ConnectionRecord;
use crate::flow::{Flow, SharedFlow, StreamInfo};
use crate::process::shared::locked;
use crate::tcp_chain::TcpChainSpec;
use crate::vm::callback::Callback;
use crate::vm::length;
use crate::world::iterate::Outcome;
use crate::world::stream::FilterSlot;
use crate::world::tcp::upstream::UpstreamSide;
use crate::world::{StreamRef, WorkerRef, World};

/// What a worker knows of a connection.
pub(crate) struct TcpConnection {
    chain: Arc<TcpChainSpec>,
    pub(super) filters: Vec<FilterSlot>,
    pub(super) flow: SharedFlow,
    record: SharedRecord,
    /// How many filters know of the connection; one more than there are when the proxy does, too.
    begun: usize,
    /// Whether the client's bytes are read at all.
    reading: bool,
    unread: Pending,
    /// What has come from the client, and from the upstream, and has not gone on.
    request: Pending,
    response: Pending,
    upstream: Option<UpstreamSide>,
    /// The client takes nothing more.
    client_left: bool,
    /// Its filters are being told that it has ended.
    closing: bool,
}

/// Bytes on their way in one direction: one buffer for the whole chain, as in Envoy.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    end: bool,
    /// The filter that has the bytes in its context.
    holder: Option<usize>,
}

pub(crate) type SharedRecord = Arc<Mutex<ConnectionRecord>>;

/// The handles of a connection that was opened.
pub(crate) struct OpenedConnection {
    pub(crate) at: StreamRef,
    pub(crate) record: SharedRecord,
}

/// Who closed a connection, by the ABI's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Envoy does not tell for upstreams.
    Unknown = 0,
    /// The proxy itself.
    Local = 1,
    /// The client.
    Remote = 2,
}

impl TcpConnection {
    fn pending(&mut self, direction: Direction) -> &mut Pending {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }
}

impl World {
    /// A client connects.
    pub(crate) fn connect(
        &mut self,
        worker: WorkerRef,
        chain: Arc<TcpChainSpec>,
        properties: BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> OpenedConnection {
        let info = StreamInfo {
            time: self.clock.wall(),
            started: self.now(),
            ..StreamInfo::default()
        };
        let flow = Flow {
            properties,
            info,
            ..Flow::default()
        };
        let plugins = chain.plugins.iter();
        let connection = TcpConnection {
            filters: plugins.map(|plugin| self.slot(worker, *plugin)).collect(),
            flow: Arc::new(Mutex::new(flow)),
            record: SharedRecord::default(),
            begun: 0,
            reading: chain.connects_on_data,
            chain,
            unread: Pending::default(),
            request: Pending::default(),
            response: Pending::default(),
            upstream: None,
            client_left: false,
            closing: false,
        };
        let record = Arc::clone(&connection.record);
        let at = self.keep_connection(worker, connection);
        self.pass_read(at, 0);
        self.run_due();
        OpenedConnection { at, record }
    }

    fn keep_connection(&mut self, at: WorkerRef, connection: TcpConnection) -> StreamRef {
        let stream = self.worker_mut(at).map_or(0, |worker| {
            worker.last_stream += 1;
            worker.connections.insert(worker.last_stream, connection);
            worker.last_stream
        });
        StreamRef { worker: at, stream }
    }

    fn is_open(&self, at: StreamRef) -> bool {
        self.connection(at).is_some_and(|connection| !connection.closing)
    }

    /// Shows a filter what is on its way; true when it lets that go on.
    fn offer(&mut self, at: StreamRef, filter: usize, direction: Direction) -> bool {
        let (bytes, end) = self.take_pending(at, direction);
        let size = length(&bytes);
        let mut bytes = Some(bytes);
        self.with_view(at, filter, |stream| {
            stream.view_mut(direction).body = bytes.take()
        });
        let shown = bytes.is_none();
        if let Some(connection) = self.connection_mut(at) {
            let pending = connection.pending(direction);
            pending.bytes = bytes.unwrap_or_default();
            pending.holder = shown.then_some(filter);
        }
        let callback = match direction {
            Direction::Request => Callback::DownstreamData,
            Direction::Response => Callback::UpstreamData,
        };
        let outcome = self.call_filter(at, filter, callback, |context| (context, size, u32::from(end)));
        self.settle_filter(at, filter);
        if end && direction == Direction::Response && self.is_open(at) {
            self.tell_closed(at, filter, Callback::UpstreamClose, Peer::Unknown);
        }
        self.goes_on_after(at, &outcome)
    }

    /// Whether a connection goes on past a filter that has answered so. Only 0 is Continue.
    fn goes_on_after(&self, at: StreamRef, outcome: &Outcome) -> bool {
        self.is_open(at) && matches!(outcome, Outcome::Passed | Outcome::Returned(0))
    }

    /// What is on its way, wherever it is, and whether it is the last.
    fn take_pending(&mut self, at: StreamRef, direction: Direction) -> (Vec<u8>, bool) {
        let Some(connection) = self.connection_mut(at) else {
            return (Vec::new(), false);
        };
        let pending = connection.pending(direction);
        let (mut bytes, end, holder) = (
            std::mem::take(&mut pending.bytes),
            pending.end,
            pending.holder.take(),
        );
        let held = holder
            .and_then(|filter| self.with_view(at, filter, |stream| stream.view_mut(direction).body.take()));
        if let Some(mut held) = held.flatten() {
            held.append(&mut bytes);
            bytes = held;
        }
        (bytes, end)
    }

    fn tell_closed(&mut self, at: StreamRef, filter: usize, callback: Callback, peer: Peer) {
        let slot = self.slot_mut(at, filter);
        if let Some((vm, context)) = slot.and_then(|slot| Some((slot.vm, slot.context?))) {
            // A failure is kept as a trap.
            let _ = self.call::<_, ()>(vm, callback, context, (context, peer as u32));
            self.settle(vm);
        }
    }

    /// The end of a connection: one filter after the other is told.
    pub(super) fn end_connection(&mut self, at: StreamRef, peer: Peer) {
        let now = self.now();
        let Some(connection) = self.connection_mut(at).filter(|connection| !connection.closing) else {
            return;
        };
        connection.closing = true;
        connection.end_record();
        locked(&connection.flow).info.ended = Some(now);
        for filter in 0..connection.filters.len() {
            self.tell_closed(at, filter, Callback::DownstreamClose, peer);
            self.end_network_filter(at, filter);
        }
        if let Some(worker) = self.worker_mut(at.worker) {
            worker.connections.remove(&at.stream);
        }
    }

    /// Done, log, delete: other than for HTTP, the log comes second.
    fn end_network_filter(&mut self, at: StreamRef, filter: usize) {
        let slot = self.slot_mut(at, filter);
        if let Some((vm, context)) = slot.and_then(|slot| Some((slot.vm, slot.context?))) {
            let _ = self.call::<_, u32>(vm, Callback::Done, context, (context,));
            let _ = self.call::<_, ()>(vm, Callback::Log, context, (context,));
            self.delete_context(vm, context);
        }
    }

    /// The connections of a worker that is gone.
    pub(super) fn drop_connections(&mut self, at: WorkerRef) {
        let connections = self
            .worker_mut(at)
            .map(|worker| std::mem::take(&mut worker.connections));
        for connection in connections
            .into_iter()
            .flatten()
            .map(|(_, connection)| connection)
        {
            connection.end_record();
        }
    }
}

impl TcpConnection {
    fn end_record(&self) {
        let mut record = locked(&self.record);
        record.closed = true;
        if let Some(upstream) = &mut record.upstream {
            upstream.closed = true;
        }
    }
}
