//! A proxy of a Gateway: its filters' modules in a proxy-wasm host, its routes, its upstreams, and a clock that stands
//! still until it is moved. With the files below, the only place that knows how the host is driven.

mod exchange;
mod route;

use std::collections::BTreeMap;
use std::time::Duration;

use weir_core::cluster::ClusterUse;
use weir_core::slot;
use weir_wasm_tests::{Cluster, Fleet, HttpChain, Listener, Plugin, Process, Worker};

use crate::answer::{Answers, answer_of};
use crate::error::PolicyTestError;
use crate::metric;
use crate::modules::Modules;
use crate::observed::Observed;
use crate::policies::Policies;
use crate::request::Request;

/// How a proxy is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many workers it has, at least one.
    pub workers: usize,
    /// What its random numbers follow from: jitter, and the filters' own.
    pub seed: u64,
    /// What its upstreams answer.
    pub backends: Answers,
}

impl Default for Setup {
    /// Two workers, seed 0; every upstream answers 200 without a body.
    fn default() -> Self {
        Self {
            workers: 2,
            seed: 0,
            backends: Answers::new(),
        }
    }
}

/// One proxy that runs the policies of its Gateway.
pub struct Proxy {
    process: Process,
    started: Duration,
    filters: Vec<Plugin>,
    listener: Listener,
    /// Of every shard's cluster.
    shards: BTreeMap<String, String>,
    setup: Setup,
    next_worker: usize,
}

impl Proxy {
    /// Starts a proxy with these policies in force.
    ///
    /// # Errors
    /// [`PolicyTestError::Host`] when a filter refuses its configuration or traps.
    pub fn start(policies: &Policies, modules: &Modules, setup: Setup) -> Result<Self, PolicyTestError> {
        let process = Fleet::seeded(setup.seed).process(setup.workers);
        let filters: Vec<Plugin> = modules.chain().map(|module| process.load(module)).collect();
        configure(&filters, policies)?;
        Ok(Self {
            started: process.now(),
            listener: listen(&process, &filters, policies),
            shards: serve(&process, policies, &setup.backends),
            process,
            filters,
            setup,
            next_worker: 0,
        })
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

    /// A request of a client to one worker, counted from 0. The clock moves until the client has its answer.
    ///
    /// # Errors
    /// [`PolicyTestError::Host`] when a filter traps or nothing answers the client, [`PolicyTestError::NoWorker`].
    pub fn request_on(&self, worker: usize, request: &Request) -> Result<Observed, PolicyTestError> {
        if worker >= self.setup.workers {
            let workers = self.setup.workers;
            return Err(PolicyTestError::NoWorker { worker, workers });
        }
        let (at, traps) = (self.elapsed(), self.process.traps().len());
        let exchange = self.listener.request(worker, exchange::to_host(request));
        if let Some(trap) = self.process.traps().into_iter().nth(traps) {
            return Err(trap.into());
        }
        Ok(self.observe(at, &exchange?))
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
        configure(&self.filters, policies)?;
        self.shards = serve(&self.process, policies, &self.setup.backends);
        self.listener = listen(&self.process, &self.filters, policies);
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
    /// Filters hand their counts over once in a while: [`Proxy::advance`] by two seconds before reading them.
    pub fn metric(&self, name: &str) -> Option<u64> {
        let name = metric::filters_name(name)?;
        self.process.counter(&name).or_else(|| self.process.gauge(&name))
    }

    /// The VMs of every filter: its name, the worker, the number of its VM there.
    fn vms(&self) -> Vec<(&'static str, usize, Option<u64>)> {
        let of_filter = |(filter, plugin): (&'static str, &Plugin)| -> Vec<_> {
            let vm = |worker: &Worker| (filter, worker.index(), worker.vm());
            plugin.workers().map(vm).collect()
        };
        slot::filters().zip(&self.filters).flat_map(of_filter).collect()
    }
}

fn configure(filters: &[Plugin], policies: &Policies) -> Result<(), PolicyTestError> {
    for (filter, slot) in filters.iter().zip(policies.slots()) {
        filter.configure(slot.alone.to_string().as_bytes())?;
    }
    Ok(())
}

/// The filters in their order, then the Gateway's routes.
fn listen(process: &Process, filters: &[Plugin], policies: &Policies) -> Listener {
    let clusters = policies.clusters();
    let routes = policies
        .routes()
        .iter()
        .map(|route| route::to_host(route, &clusters));
    let chain = filters.iter().fold(HttpChain::new(), HttpChain::filter);
    process.listener(routes.fold(chain, HttpChain::route))
}

/// Lets every cluster of the policies answer by script. The shards of those that belong to one.
fn serve(process: &Process, policies: &Policies, answers: &Answers) -> BTreeMap<String, String> {
    let serve = |cluster: ClusterUse| {
        let answer = exchange::answer_to_host(&answer_of(answers, &cluster));
        process.cluster(&cluster.name, Cluster::answering(answer));
        let (shard, _) = cluster.shard?;
        Some((cluster.name, shard.to_string()))
    };
    policies.clusters().into_iter().filter_map(serve).collect()
}
