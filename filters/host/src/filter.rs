//! A filter, its root context and its streams, apart from any ABI.

use std::rc::Rc;

use crate::counter::Counters;
use crate::error::HostError;
use crate::port::{Level, RootHost, StreamHost};
use crate::reply::Refusal;
use crate::request::Request;
use crate::vm::{Generation, InFlight, Slot, Vm};
use crate::worker::{self, Gauges, Report};

/// The first tick after a configuration: soon, so that a new generation shows within well under a second.
const FIRST_TICK_MS: u32 = 10;
/// All other ticks.
const TICK_MS: u32 = 1_000;

/// Whether a request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To the next filter.
    Continue,
    /// Not now: it was answered here.
    Pause,
}

/// A filter with its configuration.
pub trait Filter: Sized + 'static {
    /// The filter's name in metrics: `shard-router`.
    const NAME: &'static str;

    /// Reads and checks a configuration. The error goes to the log, and the configuration is refused (a NACK).
    ///
    /// Runs in a canary VM as well, so it does nothing but this.
    fn configure(json: &[u8], counters: &Counters) -> Result<Self, String>;

    /// The name of the slot that the filter fills.
    fn slot(&self) -> &str;

    /// The configuration's generation.
    fn generation(&self) -> u64;

    /// Called once for each request.
    fn on_request_headers(&self, host: &impl StreamHost) -> Action;
}

/// One configuration of a filter in one worker.
#[derive(Debug)]
pub struct Root<F> {
    vm: Rc<Vm>,
    active: Option<Active<F>>,
}

#[derive(Debug)]
struct Active<F> {
    filter: Rc<F>,
    slot: Rc<Slot>,
    generation: Rc<Generation>,
    gauges: Option<Gauges>,
}

/// One request.
#[derive(Debug)]
pub struct Stream<F> {
    running: Option<(Rc<F>, InFlight)>,
}

impl<F: Filter> Root<F> {
    /// A root without configuration, in `vm`.
    pub fn new(vm: Rc<Vm>) -> Self {
        Self { vm, active: None }
    }

    /// Takes the host's configuration; false refuses it. Nothing but this VM sees it before the first tick.
    pub fn on_configure(&mut self, host: &impl RootHost) -> bool {
        match self.configure(host) {
            Ok(()) => true,
            Err(reason) => {
                host.log(
                    Level::Error,
                    &format!("{}: configuration refused: {reason}", F::NAME),
                );
                false
            }
        }
    }

    fn configure(&mut self, host: &impl RootHost) -> Result<(), String> {
        let json = host.configuration().map_err(|error| error.to_string())?;
        let filter = F::configure(&json, self.vm.counters())?;
        host.set_tick_period(FIRST_TICK_MS)
            .map_err(|error| format!("no timer: {error}"))?;
        let slot = self.vm.slot(filter.slot());
        self.active = Some(Active {
            generation: slot.open(filter.generation()),
            filter: Rc::new(filter),
            slot,
            gauges: None,
        });
        Ok(())
    }

    /// Hands the VM's counters to the host and reports the generation in force.
    pub fn on_tick(&mut self, host: &impl RootHost) {
        if let Err(error) = self.tick(host) {
            host.log(Level::Warn, &format!("{}: tick: {error}", F::NAME));
        }
    }

    fn tick(&mut self, host: &impl RootHost) -> Result<(), HostError> {
        let Some(active) = &mut self.active else {
            return host.set_tick_period(0);
        };
        if !active.slot.is_in_force(&active.generation) {
            // Another root of the slot reports for this VM; two would fight. This one may serve again, so it goes on.
            return host.set_tick_period(TICK_MS);
        }
        let gauges = match active.gauges {
            Some(gauges) => gauges,
            None => {
                host.set_tick_period(TICK_MS)?;
                *active.gauges.insert(Gauges::define(F::NAME, host)?)
            }
        };
        let counted = self.vm.counters().flush(host);
        active.report(host)?;
        gauges.publish(host, active.filter.slot())?;
        counted
    }

    /// Called when the host drops this root: its worker no longer runs the slot, unless another root does.
    pub fn on_close(&mut self, host: &impl RootHost) {
        let Some(active) = self.active.take() else {
            return;
        };
        let closed = if active.slot.close(&active.generation) {
            self.vm.forget(active.filter.slot());
            active.leave(host)
        } else {
            Ok(())
        };
        if let Err(error) = closed.and(self.vm.counters().flush(host)) {
            host.log(Level::Warn, &format!("{}: close: {error}", F::NAME));
        }
    }

    /// A new request under this configuration, which is therefore in force. It may be an older one that came again:
    /// Envoy knows a root by its configuration, and keeps it while it has requests.
    pub fn open_stream(&self) -> Stream<F> {
        let running = self.active.as_ref().map(|active| {
            active.slot.serve(&active.generation);
            let in_flight = InFlight::new(&active.generation);
            (Rc::clone(&active.filter), in_flight)
        });
        Stream { running }
    }
}

impl<F: Filter> Active<F> {
    fn report(&self, host: &impl RootHost) -> Result<(), HostError> {
        let report = Report {
            slot: self.filter.slot(),
            worker: self.slot.worker.get(),
            generation: self.generation.number,
            draining: self.slot.draining(&self.generation),
        };
        self.slot.worker.set(Some(report.write(host)?));
        Ok(())
    }

    fn leave(&self, host: &impl RootHost) -> Result<(), HostError> {
        match self.slot.worker.take() {
            Some(worker) => worker::leave(host, self.filter.slot(), worker),
            None => Ok(()),
        }
    }
}

impl<F: Filter> Stream<F> {
    /// The request's headers are there.
    pub fn on_request_headers(&self, host: &impl StreamHost) -> Action {
        match &self.running {
            Some((filter, _)) => filter.on_request_headers(host),
            // Envoy sends no request to a root that refused its configuration; if it did, nothing passes unjudged.
            None => Refusal::proxy_failure().send(&Request::new(host)),
        }
    }
}
