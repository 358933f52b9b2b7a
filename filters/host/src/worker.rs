//! Which generation every worker of the process runs.
//!
//! A gauge is one value per process, and an ACK says only that the main thread took a configuration, so neither
//! proves what a worker serves. Each worker (VM) therefore keeps an entry in one value of shared data,
//! `<slot>/workers`: the generation that it runs, how many requests it still runs under older ones, and when it wrote
//! this. It writes on every tick by compare-and-set; an entry that was not written for [`DEAD_AFTER_MS`] belongs to a
//! worker that is gone, and its place is taken again. After writing, a worker sets the process's gauges from all live
//! entries: `weir_generation_in_force.filter.<filter>` is the minimum, `weir_generation_draining.filter.<filter>`
//! the sum. So the gauge reaches a generation when the last worker does.

mod table;

use crate::error::HostError;
use crate::port::{MetricId, MetricKind, Metrics, RootHost, SharedData, Version};
pub use table::{CAPACITY, DEAD_AFTER_MS, Entry, Table};

/// How often a compare-and-set is tried before the next tick has to do.
const ATTEMPTS: usize = 32;

/// What one worker has to say.
#[derive(Clone, Copy, Debug)]
pub struct Report<'r> {
    /// The slot's name.
    pub slot: &'r str,
    /// The worker's id in the table, once it has one.
    pub worker: Option<u64>,
    /// The generation that new requests get.
    pub generation: u64,
    /// Requests that still run under older generations.
    pub draining: u64,
}

/// The gauges of a filter.
#[derive(Clone, Copy, Debug)]
pub struct Gauges {
    in_force: MetricId,
    draining: MetricId,
}

/// The key of a slot's table in shared data.
pub fn key(slot: &str) -> String {
    format!("{slot}/workers")
}

impl Report<'_> {
    /// Writes the worker's entry, and returns the worker's id.
    ///
    /// # Errors
    /// [`HostError::CasMismatch`] when others were faster every time; what the host answers otherwise.
    pub fn write(&self, host: &impl RootHost) -> Result<u64, HostError> {
        let now_ms = host.now_ms()?;
        update(host, key(self.slot).as_bytes(), |table| {
            let worker = table.seat(self.worker, now_ms).ok_or(HostError::BadArgument)?;
            table.put(Entry {
                worker,
                generation: self.generation,
                draining: self.draining,
                heartbeat_ms: now_ms,
            });
            Ok(worker)
        })
    }
}

/// Removes the entry of a worker that no longer runs the slot.
pub fn leave(host: &impl SharedData, slot: &str, worker: u64) -> Result<(), HostError> {
    update(host, key(slot).as_bytes(), |table| {
        table.remove(worker);
        Ok(())
    })
}

/// Changes the table by compare-and-set. A value that is no table (another release wrote it) is replaced.
fn update<T>(
    host: &impl SharedData,
    key: &[u8],
    mut change: impl FnMut(&mut Table) -> Result<T, HostError>,
) -> Result<T, HostError> {
    for _ in 0..ATTEMPTS {
        let found = host.load(key)?;
        let version = found.as_ref().map(|(_, version)| *version);
        let known = found.and_then(|(bytes, _)| Table::from_bytes(&bytes));
        let mut table = known.unwrap_or_else(|| Table::new(version.map_or(0, |version| version.0)));
        let outcome = change(&mut table)?;
        match host.store(key, &table.to_bytes(), version) {
            Err(HostError::CasMismatch) => {}
            stored => return stored.map(|()| outcome),
        }
    }
    Err(HostError::CasMismatch)
}

impl Gauges {
    /// Finds or makes the gauges of `filter`.
    pub fn define(filter: &str, host: &impl Metrics) -> Result<Self, HostError> {
        let define = |name: &str| host.define_metric(MetricKind::Gauge, &format!("{name}.filter.{filter}"));
        Ok(Self {
            in_force: define("weir_generation_in_force")?,
            draining: define("weir_generation_draining")?,
        })
    }

    /// Sets the gauges from the table of `slot`.
    ///
    /// Another worker may write and publish between this worker's look at the table and its call to the host; what
    /// it published would be overwritten with older figures. So the table is looked at again until it stood still.
    pub fn publish(self, host: &impl RootHost, slot: &str) -> Result<(), HostError> {
        let mut published: Option<Version> = None;
        for _ in 0..ATTEMPTS {
            let Some((bytes, version)) = host.load(key(slot).as_bytes())? else {
                return Ok(());
            };
            if published == Some(version) {
                return Ok(());
            }
            if let Some(table) = Table::from_bytes(&bytes) {
                self.record(host, &table)?;
            }
            published = Some(version);
        }
        Ok(())
    }

    fn record(self, host: &impl RootHost, table: &Table) -> Result<(), HostError> {
        let now_ms = host.now_ms()?;
        let (mut in_force, mut draining) = (None, 0_u64);
        for entry in table.live(now_ms) {
            in_force = Some(in_force.map_or(entry.generation, |least: u64| least.min(entry.generation)));
            draining = draining.saturating_add(entry.draining);
        }
        if let Some(in_force) = in_force {
            host.record_metric(self.in_force, in_force)?;
        }
        host.record_metric(self.draining, draining)
    }
}
