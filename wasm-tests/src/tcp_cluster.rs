//! Scripted TCP upstreams.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What an upstream host has just received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpReceived {
    /// The new bytes.
    pub new: Vec<u8>,
    /// All bytes of this connection so far, the new ones included.
    pub all: Vec<u8>,
    /// The client sends no more.
    pub end: bool,
}

/// What a host sends, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpAnswer {
    pub(crate) parts: Vec<(Duration, TcpPart)>,
}

/// A part of what a host sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TcpPart {
    Data(Vec<u8>),
    End,
}

type Handler = Arc<dyn Fn(&TcpReceived) -> TcpAnswer + Send + Sync>;

/// One host of a cluster.
#[derive(Clone)]
pub(crate) struct TcpHost {
    pub(crate) name: String,
    pub(crate) handler: Handler,
}

/// A cluster for TCP connections, whose hosts answer by script. Hosts take turns. A host ends its side when its client
/// has ended and it has sent everything.
#[derive(Clone)]
pub struct TcpCluster {
    hosts: Vec<TcpHost>,
    turn: usize,
    pub(crate) greeting: TcpAnswer,
}

impl TcpAnswer {
    /// Nothing.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// These bytes, at once.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::default().then(Duration::ZERO, bytes)
    }

    /// More bytes, this long after the part before.
    #[must_use]
    pub fn then(mut self, after: Duration, bytes: impl Into<Vec<u8>>) -> Self {
        self.parts.push((after, TcpPart::Data(bytes.into())));
        self
    }

    /// The host ends its side, this long after the part before.
    #[must_use]
    pub fn then_end(mut self, after: Duration) -> Self {
        self.parts.push((after, TcpPart::End));
        self
    }
}

impl TcpCluster {
    /// A cluster without hosts: connections are closed.
    pub fn empty() -> Self {
        Self {
            hosts: Vec::new(),
            turn: 0,
            greeting: TcpAnswer::nothing(),
        }
    }

    /// A cluster with one host, named `host-1`, that answers whatever it receives by this function.
    pub fn new(handler: impl Fn(&TcpReceived) -> TcpAnswer + Send + Sync + 'static) -> Self {
        Self::empty().host("host-1", handler)
    }

    /// A cluster with one host that sends back what it receives.
    pub fn echo() -> Self {
        Self::new(|received| match received.new.as_slice() {
            [] => TcpAnswer::nothing(),
            bytes => TcpAnswer::bytes(bytes),
        })
    }

    /// One more host.
    #[must_use]
    pub fn host(
        mut self,
        name: &str,
        handler: impl Fn(&TcpReceived) -> TcpAnswer + Send + Sync + 'static,
    ) -> Self {
        self.hosts.push(TcpHost {
            name: name.to_owned(),
            handler: Arc::new(handler),
        });
        self
    }

    /// What every host sends before it has received anything.
    #[must_use]
    pub fn greeting(mut self, greeting: TcpAnswer) -> Self {
        self.greeting = greeting;
        self
    }

    pub(crate) fn next_host(&mut self) -> Option<TcpHost> {
        let host = self.hosts.get(self.turn)?.clone();
        self.turn = (self.turn + 1) % self.hosts.len();
        Some(host)
    }
}

impl fmt::Debug for TcpCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<&str> = self.hosts.iter().map(|host| host.name.as_str()).collect();
        f.debug_struct("TcpCluster")
            .field("hosts", &hosts)
            .finish_non_exhaustive()
    }
}
