//! Rate limits: random policies and requests over several workers, against cells that are written down as their
//! definition reads.

mod cells;
mod deeds;
mod policies;

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use weir_wasm_tests::{Fault, Fleet, Module, Plugin, Process, Status, Stream};

use crate::limits::cells::{Cells, Trust, Verdict};
use crate::limits::deeds::{Ask, Deed, calm, stormy};
use crate::limits::policies::{Slot, slot};
use crate::run::Violation;

/// Two configurations, of which the first is in force at first, and what happens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Limits {
    workers: usize,
    slots: [Slot; 2],
    deeds: Vec<Deed>,
}

/// Nothing goes wrong that changes what has to pass: other workers are faster, workers are lost, clocks jump ahead.
pub(crate) fn calm_limits() -> impl Strategy<Value = Limits> {
    limits(calm().boxed())
}

/// The host fails and the clock steps back.
pub(crate) fn stormy_limits() -> impl Strategy<Value = Limits> {
    limits(prop_oneof![2 => calm(), 1 => stormy()].boxed())
}

fn limits(deed: BoxedStrategy<Deed>) -> impl Strategy<Value = Limits> {
    let deeds = prop_oneof![
        8 => prop::collection::vec(deed.clone(), 1..40),
        1 => prop::collection::vec(deed, 100..200),
    ];
    (1..4_usize, [slot(), slot()], deeds).prop_map(|(workers, slots, deeds)| Limits {
        workers,
        slots,
        deeds,
    })
}

impl Limits {
    /// These without some of the deeds, half of them first.
    pub(crate) fn smaller(&self) -> impl Iterator<Item = Self> {
        let count = self.deeds.len();
        let sizes =
            std::iter::successors(Some(count / 2), |size| Some(size / 2)).take_while(|size| *size > 0);
        let starts = sizes.flat_map(move |size| (0..count).step_by(size).map(move |from| (from, size)));
        starts.map(move |(from, size)| {
            let mut fewer = self.clone();
            fewer.deeds.drain(from..count.min(from + size));
            fewer
        })
    }
}

/// No trap; no request passes that must not; where only rates count, exactly those pass that may.
pub(crate) fn check(limits: &Limits) -> Result<u64, Violation> {
    let mut run = Run::start(limits)?;
    for deed in &limits.deeds {
        run.take(deed)?;
        if let Some(trap) = run.process.traps().first() {
            return Err(trap.to_string());
        }
    }
    Ok(run.requests)
}

struct Run<'l> {
    limits: &'l Limits,
    fleet: Fleet,
    process: Process,
    plugin: Plugin,
    cells: Cells,
    /// Which of the two configurations is in force.
    chosen: usize,
    generation: u64,
    open: BTreeMap<usize, Stream>,
    requests: u64,
}

fn said(error: impl std::fmt::Display) -> Violation {
    error.to_string()
}

impl<'l> Run<'l> {
    fn start(limits: &'l Limits) -> Result<Self, Violation> {
        let fleet = Fleet::new();
        let process = fleet.process(limits.workers);
        let module = Module::packed("rate-limit").unwrap_or_else(|error| panic!("{error}"));
        let plugin = process.load(&module);
        let mut run = Self {
            limits,
            fleet,
            process,
            plugin,
            cells: Cells::default(),
            chosen: 0,
            generation: 0,
            open: BTreeMap::new(),
            requests: 0,
        };
        run.configure(0)?;
        Ok(run)
    }

    fn configure(&mut self, chosen: usize) -> Result<(), Violation> {
        (self.chosen, self.generation) = (chosen, self.generation + 1);
        let json = self.limits.slots[chosen].to_json(chosen, self.generation);
        self.plugin
            .configure(json.to_string())
            .map_err(|error| format!("{error}: {json}"))
    }

    fn take(&mut self, deed: &Deed) -> Result<(), Violation> {
        match deed {
            Deed::Ask { worker, ask, times } => return (0..*times).try_for_each(|_| self.ask(*worker, ask)),
            Deed::Open { worker, ask } => {
                let stream = self.worker(*worker).open(ask.to_request()).map_err(said)?;
                self.judge(ask, &stream.outcome())?;
                self.open.insert(self.open.len(), stream);
            }
            Deed::End => {
                for (_, stream) in std::mem::take(&mut self.open) {
                    stream.finish().map_err(said)?;
                }
            }
            Deed::Advance(milliseconds) => {
                self.process
                    .advance(Duration::from_millis(*milliseconds))
                    .map_err(said)?;
            }
            Deed::Step(nanoseconds) => {
                self.fleet.step_clock(*nanoseconds);
                self.cells.doubt_if(*nanoseconds < 0);
            }
            Deed::Configure => self.configure(1 - self.chosen)?,
            Deed::Lose(worker) => {
                // Streams of a lost worker are gone: nothing more can be done with them.
                self.open.clear();
                self.worker(*worker).lose().map_err(said)?;
            }
            Deed::Busy(times) => {
                // Never so many on end that the filter would give up.
                self.process.clear_faults();
                let busy = Fault::of("proxy_set_shared_data", Status::CasMismatch);
                self.process.fault(busy.times(*times));
            }
            Deed::Fail { function, chance } => {
                let chance = f64::from(*chance) / 100.0;
                self.process
                    .fault(Fault::of(deeds::function(*function), Status::InternalFailure).chance(chance));
                self.cells.doubt_if(true);
            }
            Deed::Recover => self.process.clear_faults(),
        }
        Ok(())
    }

    fn worker(&self, index: usize) -> &weir_wasm_tests::Worker {
        self.plugin.worker(index % self.limits.workers)
    }

    fn ask(&mut self, worker: usize, ask: &Ask) -> Result<(), Violation> {
        let outcome = self.worker(worker).request(ask.to_request()).map_err(said)?;
        self.judge(ask, &outcome)
    }

    fn judge(&mut self, ask: &Ask, outcome: &weir_wasm_tests::RequestOutcome) -> Result<(), Violation> {
        self.requests += 1;
        let answer = outcome.local_response.as_ref();
        let got = match answer.map(|answer| answer.status) {
            None => Verdict::Passes,
            Some(429) => Verdict::Limited,
            Some(400) => Verdict::KeyMissing,
            Some(503) => Verdict::Unavailable,
            Some(other) => return Err(format!("status {other}")),
        };
        let slot = &self.limits.slots[self.chosen];
        let now = u64::try_from(self.fleet.now().as_nanos()).unwrap();
        let charges = slot.charges(self.chosen, ask);
        match self.cells.judge(charges, now, got) {
            Trust::Holds => Ok(()),
            Trust::Broken(why) => Err(format!("{ask:?} at {now}: {why}")),
        }
    }
}
