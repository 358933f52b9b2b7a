//! A filter's root context, apart from any ABI: one configuration in one worker.

use std::rc::Rc;

use crate::control::{self, Control, Outcomes, Seat};
use crate::counter::Counters;
use crate::error::HostError;
use crate::filter::Filter;
use crate::port::{CallId, Level, QueueId, RootHost};
use crate::stream::Stream;
use crate::vm::{Generation, InFlight, Slot, Vm};
use crate::worker::{self, Gauges, Report};

/// The first tick after a configuration: soon, so that a new generation shows within well under a second.
const FIRST_TICK_MS: u32 = 10;
/// How often a worker reports, and hands over its counters. A filter's ticks may be more frequent.
const REPORT_MS: u32 = 1_000;

/// One configuration of a filter in one worker.
#[derive(Debug)]
pub struct Root<F: Filter> {
    vm: Rc<Vm<F::Memory>>,
    active: Option<Active<F>>,
}

#[derive(Debug)]
struct Active<F> {
    filter: Rc<F>,
    slot: Rc<Slot>,
    generation: Rc<Generation>,
    gauges: Option<Gauges>,
    /// What became of the calls, if the filter has a way back.
    outcomes: Option<Outcomes>,
    /// Of the timer, milliseconds.
    tick_period: u32,
    /// Ticks that pass before the next report.
    ticks_to_report: u32,
}

impl<F: Filter> Root<F> {
    /// A root without configuration, in `vm`.
    pub fn new(vm: Rc<Vm<F::Memory>>) -> Self {
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
        let mut filter = F::configure(&json, self.vm.counters())?;
        filter.remember(self.vm.memory());
        host.set_tick_period(FIRST_TICK_MS)
            .map_err(|error| format!("no timer: {error}"))?;
        let slot = self.vm.slot(filter.slot());
        let outcomes = filter
            .control()
            .map(|_| Outcomes::new(F::NAME, self.vm.counters()));
        self.active = Some(Active {
            generation: slot.open(filter.generation()),
            filter: Rc::new(filter),
            slot,
            gauges: None,
            outcomes,
            tick_period: FIRST_TICK_MS,
            ticks_to_report: 0,
        });
        Ok(())
    }

    /// Ticks the filter; once a second hands the VM's counters to the host and reports the generation in force.
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
            (active.tick_period, active.ticks_to_report) = (REPORT_MS, 0);
            return host.set_tick_period(REPORT_MS);
        }
        let reported = active.keep_reporting(self.vm.counters(), host);
        active.filter.on_tick(host);
        let controlled = active.with_control(|control, seat| control.on_tick(seat, host));
        reported.and(controlled.map(|_| ()))
    }

    /// A call of this root ended: one of the way back, if this root is in force, or one of the filter's own.
    pub fn on_call_end(&mut self, call: CallId, host: &impl RootHost) {
        let Some(active) = &self.active else {
            return;
        };
        match active.with_control(|control, seat| control.on_call_end(call, seat, host)) {
            Ok(Some(true)) => {}
            Ok(_) => active.filter.on_call_end(call, host),
            Err(error) => host.log(Level::Warn, &format!("{}: the end of a call: {error}", F::NAME)),
        }
    }

    /// There is a message in a queue of this root.
    pub fn on_queue(&mut self, queue: QueueId, host: &impl RootHost) {
        if let Some(active) = &self.active {
            active.filter.on_queue(queue, host);
        }
    }

    /// Called when the host drops this root: its worker no longer runs the slot, unless another root does.
    pub fn on_close(&mut self, host: &impl RootHost) {
        let Some(active) = self.active.take() else {
            return;
        };
        active.filter.on_leave(host);
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
        Stream::new(self.active.as_ref().map(|active| {
            active.slot.serve(&active.generation);
            let in_flight = InFlight::new(&active.generation);
            (Rc::clone(&active.filter), in_flight)
        }))
    }
}

impl<F: Filter> Active<F> {
    /// Reports when it is time. Ticks are counted, since the clock may step.
    fn keep_reporting(&mut self, counters: &Counters, host: &impl RootHost) -> Result<(), HostError> {
        let period = self.filter.tick_period_ms().clamp(1, REPORT_MS);
        if self.tick_period != period {
            host.set_tick_period(period)?;
            self.tick_period = period;
        }
        if let Some(left) = self.ticks_to_report.checked_sub(1) {
            self.ticks_to_report = left;
            return Ok(());
        }
        let gauges = match self.gauges {
            Some(gauges) => gauges,
            None => *self.gauges.insert(Gauges::define(F::NAME, host)?),
        };
        let counted = counters.flush(host);
        self.report(host)?;
        gauges.publish(host, self.filter.slot())?;
        self.ticks_to_report = (REPORT_MS / period).saturating_sub(1);
        counted
    }

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

    /// Works on the way back, if the filter has one and the worker an id.
    fn with_control<T>(
        &self,
        work: impl FnOnce(&mut Control, &Seat<'_, F>) -> Result<T, HostError>,
    ) -> Result<Option<T>, HostError> {
        let Some(config) = self.filter.control() else {
            return Ok(None);
        };
        let (Some(worker), Some(outcomes)) = (self.slot.worker.get(), &self.outcomes) else {
            return Ok(None);
        };
        let seat = Seat {
            filter: &*self.filter,
            cluster: &config.cluster,
            worker,
            outcomes,
        };
        work(&mut self.slot.control.borrow_mut(), &seat).map(Some)
    }

    fn leave(&self, host: &impl RootHost) -> Result<(), HostError> {
        let Some(worker) = self.slot.worker.take() else {
            return Ok(());
        };
        let slot = self.filter.slot();
        let led = match self.filter.control() {
            Some(_) => control::leave(host, slot, worker),
            None => Ok(()),
        };
        led.and(worker::leave(host, slot, worker))
    }
}
