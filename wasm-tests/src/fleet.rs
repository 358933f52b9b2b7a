//! Several Envoy processes on one clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::error::HostError;
use crate::process::Process;
use crate::process::shared::{locked, nanoseconds};
use crate::world::World;

/// What all handles of a fleet share. Nothing happens in it but while one of its functions is called.
pub(crate) type WorldHandle = Arc<Mutex<World>>;

/// Envoy processes that share a clock and a source of random numbers, and nothing else.
#[derive(Clone)]
pub struct Fleet {
    world: WorldHandle,
}

impl Default for Fleet {
    fn default() -> Self {
        Self::new()
    }
}

impl Fleet {
    /// A fleet without processes, at 2026-01-01T00:00:00Z, with seed 0.
    pub fn new() -> Self {
        Self::seeded(0)
    }

    /// A fleet whose random numbers (back-off jitter, faults by chance, the filters' own) follow from this seed.
    pub fn seeded(seed: u64) -> Self {
        Self {
            world: Arc::new(Mutex::new(World::new(seed))),
        }
    }

    /// One more process, with this many workers.
    pub fn process(&self, workers: usize) -> Process {
        Process::in_fleet(&self.world, workers)
    }

    /// The wall clock, since the Unix epoch: what filters read.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(locked(&self.world).clock.wall())
    }

    /// Moves time forward, and runs everything that falls due on the way, each at its own time: ticks, answers of
    /// upstreams and calls, timeouts.
    ///
    /// # Errors
    /// The first trap on the way; everything else has run nevertheless.
    pub fn advance(&self, by: Duration) -> Result<(), HostError> {
        locked(&self.world).advance(nanoseconds(by))
    }

    /// Sets the wall clock, which filters read, forward or (negative) back by so many nanoseconds; timers don't
    /// notice.
    pub fn step_clock(&self, nanoseconds: i64) {
        locked(&self.world).clock.step(nanoseconds);
    }
}
