//! A policy, with what this worker knows under it.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use weir_hedge::budget::{Budget, Occasion, Purse};
use weir_hedge::overload::OverloadPolicy;
use weir_hedge::route::Route;
use weir_host::port::{Host, RootHost, SharedData};
use weir_host::{Counters, HostError};
use weir_policy::compiled::request_hedge::CompiledHedgePolicy;

use crate::counts::Counts;
use crate::memory::Memory;
use crate::value::{Value, host_error};

/// Routes of a policy with a gauge.
const MAX_GAUGES: usize = 64;
/// Parts of a million in a percent.
const PPM_OF_PERCENT: u32 = 10_000;

/// A policy.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) spec: CompiledHedgePolicy,
    pub(crate) counts: Counts,
    /// The shortest timeout of the routes that its requests take, milliseconds.
    pub(crate) timeout_ms: Option<u64>,
    /// The longest of them.
    pub(crate) longest_ms: Option<u64>,
    name: String,
    /// Before the names of its records.
    prefix: String,
    routes: RefCell<Vec<Rc<PolicyRoute>>>,
    purse: OnceCell<Rc<RefCell<Purse>>>,
}

/// The policy's requests to one cluster.
#[derive(Debug)]
pub(crate) struct PolicyRoute {
    pub(crate) route: Rc<RefCell<Route>>,
    cluster: String,
    record: String,
    policy: weir_hedge::policy::Policy,
    /// Its delay is shown.
    has_gauge: bool,
}

impl Policy {
    pub(crate) fn new(slot: &str, name: String, spec: CompiledHedgePolicy, counters: &Counters) -> Self {
        Self {
            counts: Counts::new(&name, spec.shadow, counters),
            timeout_ms: spec.route_timeouts_ms.values().min().copied(),
            longest_ms: spec.route_timeouts_ms.values().max().copied(),
            prefix: format!("{slot}/{name}"),
            routes: RefCell::default(),
            purse: OnceCell::new(),
            name,
            spec,
        }
    }

    /// Whether it is the policy of this name, and for this cluster.
    pub(crate) fn is_for(&self, name: &str, cluster: &str) -> bool {
        self.name == name && self.spec.clusters.iter().any(|known| known == cluster)
    }

    /// What is known of the requests to a cluster, if the policy is for it.
    pub(crate) fn route(&self, cluster: &[u8], memory: &Memory) -> Option<Rc<PolicyRoute>> {
        let mut routes = self.routes.borrow_mut();
        let known = routes.iter().find(|known| known.cluster.as_bytes() == cluster);
        if let Some(known) = known {
            return Some(Rc::clone(known));
        }
        let mut clusters = self.spec.clusters.iter();
        let cluster = clusters.find(|known| known.as_bytes() == cluster)?;
        let route = Rc::new(self.new_route(cluster, routes.len() < MAX_GAUGES, memory));
        routes.push(Rc::clone(&route));
        Some(route)
    }

    /// Another quantile is another record: it keeps quantiles.
    fn new_route(&self, cluster: &str, has_gauge: bool, memory: &Memory) -> PolicyRoute {
        let record = format!("{}/route/{}/{cluster}", self.prefix, self.spec.quantile_ppm);
        let policy = logic(&self.spec);
        PolicyRoute {
            route: memory.route(&record, policy),
            policy,
            cluster: cluster.to_owned(),
            has_gauge,
            record,
        }
    }

    fn purse_record(&self) -> String {
        let budget = self.spec.budget;
        format!("{}/budget/{}/{}", self.prefix, budget.ppm, budget.min_per_second)
    }

    /// This worker's purse.
    pub(crate) fn purse(
        &self,
        memory: &Memory,
        host: &impl SharedData,
    ) -> Result<&Rc<RefCell<Purse>>, HostError> {
        if let Some(purse) = self.purse.get() {
            return Ok(purse);
        }
        let budget = Budget::new(self.spec.budget.ppm, self.spec.budget.min_per_second);
        let purse = memory.purse(&self.purse_record(), budget, host)?;
        Ok(self.purse.get_or_init(|| purse))
    }

    /// Settles the purse with the shared record, if it is time to.
    pub(crate) fn settle(
        &self,
        purse: &RefCell<Purse>,
        occasion: Occasion,
        now: u64,
        host: &impl Host,
    ) -> Result<(), HostError> {
        if !purse.borrow().is_due(occasion, now) {
            return Ok(());
        }
        let record = self.purse_record();
        let value = Value { host, key: &record };
        purse.borrow_mut().sync(&value, occasion, now).map_err(host_error)
    }

    /// What time brings: to all of them, whichever fails first.
    pub(crate) fn tick(&self, memory: &Memory, now: u64, host: &impl RootHost) -> Result<(), HostError> {
        let purse = self.purse.get();
        let settled = purse.map_or(Ok(()), |purse| self.settle(purse, Occasion::Tick, now, host));
        let routes = self.routes.borrow();
        routes.iter().fold(settled, |outcome, route| {
            let synced = route.sync(now, host);
            outcome.and(synced).and(self.show(route, memory, now, host))
        })
    }

    fn show(
        &self,
        route: &PolicyRoute,
        memory: &Memory,
        now: u64,
        host: &impl RootHost,
    ) -> Result<(), HostError> {
        if !route.has_gauge {
            return Ok(());
        }
        let delay_ms = route.route.borrow().delay_ms(None, now).unwrap_or(0);
        memory
            .delays
            .show((&self.name, &route.cluster), delay_ms.into(), host)
    }
}

impl PolicyRoute {
    /// Tells the other workers what this one has seen, and hears what they have.
    pub(crate) fn sync(&self, now: u64, host: &impl Host) -> Result<(), HostError> {
        let value = Value {
            host,
            key: &self.record,
        };
        let mut route = self.route.borrow_mut();
        // Another configuration may have it go by another policy meanwhile.
        route.follow(&self.policy);
        route.sync(&value, now).map_err(host_error)
    }
}

/// The policy as the logic has it.
fn logic(spec: &CompiledHedgePolicy) -> weir_hedge::policy::Policy {
    weir_hedge::policy::Policy {
        quantile_parts: spec.quantile_ppm,
        min_delay_ms: spec.min_delay_ms,
        max_delay_ms: spec.max_delay_ms,
        cold_delay_ms: spec.cold_start_delay_ms,
        overload: OverloadPolicy {
            error_parts: spec.overload.error_ppm,
            latency_percent: spec.overload.latency_factor_ppm / PPM_OF_PERCENT,
            ..OverloadPolicy::default()
        },
        ..weir_hedge::policy::Policy::default()
    }
}
