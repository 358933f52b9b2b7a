//! Where clients' requests come in.

use std::sync::Arc;
use std::time::Duration;

use crate::chain::{ChainSpec, HttpChain};
use crate::error::HostError;
use crate::exchange::Exchange;
use crate::fleet::WorldHandle;
use crate::process::shared::{locked, nanoseconds};
use crate::request::Request;
use crate::world::WorkerRef;

/// How long [`Listener::request`] waits, in virtual time.
const LONGEST: Duration = Duration::from_secs(3600);

/// A listener of a process, with a chain of filters and routes.
#[derive(Clone)]
pub struct Listener {
    world: WorldHandle,
    process: usize,
    chain: Arc<ChainSpec>,
}

impl Listener {
    pub(crate) fn new(world: &WorldHandle, process: usize, chain: HttpChain) -> Self {
        require_own(process, &chain.filters);
        Self {
            world: Arc::clone(world),
            process,
            chain: Arc::new(chain.spec()),
        }
    }

    /// Sends a request to a worker, and runs what happens at once; what takes time happens when time is moved.
    pub fn send(&self, worker: usize, request: Request) -> Exchange {
        let at = WorkerRef {
            process: self.process,
            worker,
        };
        let opened = locked(&self.world).open(at, Arc::clone(&self.chain), request);
        Exchange::new(Arc::clone(&self.world), opened)
    }

    /// Sends a request to a worker, and moves time until the exchange has ended.
    ///
    /// # Errors
    /// [`HostError::NoAnswer`] when it has not after an hour of virtual time.
    pub fn request(&self, worker: usize, request: Request) -> Result<Exchange, HostError> {
        let exchange = self.send(worker, request);
        let mut world = locked(&self.world);
        let limit = world.clock.steady().saturating_add(nanoseconds(LONGEST));
        while !exchange.has_ended() {
            if !world.step_until(limit) {
                return Err(HostError::NoAnswer);
            }
        }
        Ok(exchange)
    }
}

/// The filters of a chain must belong to its process.
#[expect(
    clippy::panic,
    reason = "a filter of another process is a mistake in the test itself"
)]
pub(crate) fn require_own(process: usize, filters: &[(usize, usize)]) {
    if filters.iter().any(|(other, _)| *other != process) {
        panic!("a filter of the chain belongs to another process");
    }
}
