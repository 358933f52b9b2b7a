//! What Envoy's `tcp_proxy` does at the end of a chain, and what its upstream sends.

use std::collections::VecDeque;
use std::time::Duration;

use crate::abi::Direction;
use crate::connection::TcpUpstream;
use crate::process::shared::{locked, nanoseconds};
use crate::tcp_cluster::{TcpAnswer, TcpHost, TcpPart, TcpReceived};
use crate::world::tcp::{Peer, TcpConnection};
use crate::world::timeline::Event;
use crate::world::{StreamRef, World};

/// The connection to a host.
pub(super) struct UpstreamSide {
    host: TcpHost,
    /// What it has yet to send; an event stands in the timeline for each.
    parts: VecDeque<TcpPart>,
    /// When the last of them arrives.
    last_due: u64,
    ending: bool,
}

impl World {
    /// The connection, or bytes of it, have passed all filters.
    pub(super) fn proxy_reads(&mut self, at: StreamRef) {
        let (bytes, end) = self.take_pending(at, Direction::Request);
        let Some(connection) = self.connection_mut(at) else {
            return;
        };
        connection.begun = connection.filters.len() + 1;
        let wanted = !connection.chain.connects_on_data || !bytes.is_empty() || end;
        if connection.upstream.is_none() && wanted && !self.connect_upstream(at) {
            return self.end_connection(at, Peer::Local);
        }
        if !bytes.is_empty() || end {
            self.upstream_gets(at, bytes, end);
        }
        self.start_reading(at);
    }

    fn start_reading(&mut self, at: StreamRef) {
        let starts = self
            .connection_mut(at)
            .is_some_and(|connection| !std::mem::replace(&mut connection.reading, true));
        if starts {
            self.read(at);
        }
    }

    /// Connects to the next host of the cluster that a filter has chosen, or else the chain's; false when there is none.
    fn connect_upstream(&mut self, at: StreamRef) -> bool {
        let now = self.now();
        let Some(connection) = self.connection(at) else {
            return false;
        };
        let chosen = locked(&connection.flow).tcp_cluster.clone();
        let cluster = chosen.unwrap_or_else(|| connection.chain.cluster.clone());
        let found = self.shared(at.worker.process).and_then(|shared| {
            let mut clusters = locked(&shared.tcp_clusters);
            let known = clusters.get_mut(&cluster)?;
            Some((known.next_host()?, known.greeting.clone()))
        });
        let (Some((host, greeting)), Some(connection)) = (found, self.connection_mut(at)) else {
            return false;
        };
        connection.note_upstream(&cluster, &host.name);
        connection.upstream = Some(UpstreamSide {
            host,
            parts: VecDeque::new(),
            last_due: now,
            ending: false,
        });
        self.upstream_answers(at, greeting);
        true
    }

    fn upstream_gets(&mut self, at: StreamRef, bytes: Vec<u8>, end: bool) {
        let Some(connection) = self.connection_mut(at) else {
            return;
        };
        let (upstream_ended, client_knows) = (connection.response.end, locked(&connection.record).ended);
        let Some(received) = connection.note_received(bytes, end) else {
            return;
        };
        let answer = connection
            .upstream
            .as_ref()
            .map(|upstream| (upstream.host.handler)(&received));
        if end && upstream_ended {
            let peer = if client_knows { Peer::Remote } else { Peer::Local };
            return self.end_connection(at, peer);
        }
        self.upstream_answers(at, answer.unwrap_or_default());
        if end {
            self.upstream_answers(at, TcpAnswer::nothing().then_end(Duration::ZERO));
        }
    }

    fn upstream_answers(&mut self, at: StreamRef, answer: TcpAnswer) {
        let now = self.now();
        let Some(upstream) = self.connection_mut(at).and_then(|found| found.upstream.as_mut()) else {
            return;
        };
        let mut due = upstream.last_due.max(now);
        let mut dues = Vec::new();
        for (after, part) in answer.parts {
            if upstream.ending {
                break;
            }
            due = due.saturating_add(nanoseconds(after));
            upstream.ending = part == TcpPart::End;
            upstream.parts.push_back(part);
            dues.push(due);
        }
        upstream.last_due = due;
        for due in dues {
            self.timeline.add(due, Event::TcpPart { connection: at });
        }
    }

    /// The next part of what the upstream sends arrives.
    pub(in crate::world) fn tcp_part(&mut self, at: StreamRef) {
        let Some(connection) = self.connection_mut(at) else {
            return;
        };
        match connection
            .upstream
            .as_mut()
            .and_then(|upstream| upstream.parts.pop_front())
        {
            Some(TcpPart::Data(bytes)) => connection.response.bytes.extend(bytes),
            Some(TcpPart::End) => connection.response.end = true,
            None => return,
        }
        self.write(at);
    }
}

impl TcpConnection {
    fn note_upstream(&self, cluster: &str, host: &str) {
        let info = &mut locked(&self.flow).info;
        info.cluster_name = Some(cluster.to_owned());
        info.upstream_host = Some(host.to_owned());
        info.attempt_count = 1;
        locked(&self.record).upstream = Some(TcpUpstream {
            cluster: cluster.to_owned(),
            host: host.to_owned(),
            ..TcpUpstream::default()
        });
    }

    /// Writes down what the upstream gets; none when it had been told the end before.
    fn note_received(&self, bytes: Vec<u8>, end: bool) -> Option<TcpReceived> {
        let mut record = locked(&self.record);
        let upstream = record.upstream.as_mut().filter(|upstream| !upstream.ended)?;
        upstream.received.extend(&bytes);
        upstream.ended = end;
        Some(TcpReceived {
            all: upstream.received.clone(),
            new: bytes,
            end,
        })
    }
}
