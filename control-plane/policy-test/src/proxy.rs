//! A proxy of a Gateway: its filters' modules in a proxy-wasm host, its routes, its upstreams, and a clock that stands
//! still until it is moved. The only place that drives the host.

mod exchange;

use std::time::Duration;

use weir_core::slot;
use weir_wasm_tests::{Plugin, Process, Worker};

use crate::answer::Answers;
use crate::error::PolicyTestError;
use crate::metric;
use crate::modules::Modules;
use crate::observed::Observed;
use crate::policies::Policies;
use crate::request::Request;
use crate::routes::Routes;
use exchange::Exchange;

/// How a proxy is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many workers it has, at least one.
    pub workers: usize,
    /// What its upstreams answer.
    pub backends: Answers,
}

impl Default for Setup {
    /// Two workers; every upstream answers 200 without a body.
    fn default() -> Self {
        Self {
            workers: 2,
            backends: Answers::new(),
        }
    }
}

/// One proxy that runs the policies of its Gateway.
pub struct Proxy {
    process: Process,
    started: Duration,
    chain: Vec<Plugin>,
    routes: Routes,
    setup: Setup,
    next_worker: usize,
}

impl Proxy {
    /// Starts a proxy with these policies in force.
    ///
    /// # Errors
    /// [`PolicyTestError::Host`] when a filter refuses its configuration or traps.
    pub fn start(policies: &Policies, modules: &Modules, setup: Setup) -> Result<Self, PolicyTestError> {
        let process = Process::new(setup.workers);
        let chain: Vec<Plugin> = modules.chain().map(|module| process.load(module)).collect();
        let proxy = Self {
            started: process.now(),
            process,
            chain,
            routes: Routes::new(policies.routes(), policies.clusters()),
            setup,
            next_worker: 0,
        };
        proxy.configure(policies)?;
        Ok(proxy)
    }

    /// A request of a client, and all that follows from it. The workers take turns, the first comes first.
    ///
    /// # Errors
    /// As for [`Proxy::request_on`].
    pub fn request(&mut self, request: &Request) -> Result<Observed, PolicyTestError> {
        let worker = self.turn();
        self.request_on(worker, request)
    }

    /// The worker whose turn it is.
    pub(crate) fn turn(&mut self) -> usize {
        let worker = self.next_worker;
        self.next_worker = (worker + 1) % self.setup.workers.max(1);
        worker
    }

    /// A request of a client to one worker, counted from 0.
    ///
    /// # Errors
    /// [`PolicyTestError::Host`] when a filter traps, [`PolicyTestError::NoWorker`].
    pub fn request_on(&self, worker: usize, request: &Request) -> Result<Observed, PolicyTestError> {
        if worker >= self.setup.workers {
            let workers = self.setup.workers;
            return Err(PolicyTestError::NoWorker { worker, workers });
        }
        Ok(Exchange::new(self, worker, request).run()?)
    }

    /// Moves the clock, and runs what falls due on the way.
    ///
    /// # Errors
    /// [`PolicyTestError::Host`] when a filter traps.
    pub fn advance(&self, by: Duration) -> Result<(), PolicyTestError> {
        Ok(self.process.advance(by)?)
    }

    /// Puts other policies in force on every worker, live: each keeps its VM.
    ///
    /// # Errors
    /// [`PolicyTestError::Host`] when a filter refuses its configuration or traps, [`PolicyTestError::NewVm`].
    pub fn apply(&mut self, policies: &Policies) -> Result<(), PolicyTestError> {
        let before = self.vms();
        self.configure(policies)?;
        self.routes = Routes::new(policies.routes(), policies.clusters());
        let changed = before
            .into_iter()
            .zip(self.vms())
            .find(|(before, after)| before != after);
        match changed {
            Some(((filter, worker, _), _)) => Err(PolicyTestError::NewVm { filter, worker }),
            None => Ok(()),
        }
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.process.now().saturating_sub(self.started)
    }

    /// A counter or a gauge by the name that the filter, Envoy or Prometheus writes; none when no filter has defined it.
    /// Filters hand their counts over once in a while: [`Proxy::advance`] by a second before reading them.
    pub fn metric(&self, name: &str) -> Option<u64> {
        let name = metric::filters_name(name)?;
        self.process.counter(&name).or_else(|| self.process.gauge(&name))
    }

    fn configure(&self, policies: &Policies) -> Result<(), PolicyTestError> {
        for (plugin, slot) in self.chain.iter().zip(policies.slots()) {
            plugin.configure(slot.json.as_bytes())?;
        }
        Ok(())
    }

    /// The VMs of every filter: its name, the worker, the number of its VM there.
    fn vms(&self) -> Vec<(&'static str, usize, Option<u64>)> {
        let of_filter = |(filter, plugin): (&'static str, &Plugin)| -> Vec<_> {
            let vm = |worker: &Worker| (filter, worker.index(), worker.vm());
            plugin.workers().map(vm).collect()
        };
        slot::filters().zip(&self.chain).flat_map(of_filter).collect()
    }
}
