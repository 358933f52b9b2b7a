//! Wasm filter: an HTTP cache in the proxy.
//!
//! What may be stored, for how long it is fresh, and what a client is told is decided by `weir-http-cache`; where objects
//! are kept, and which worker fetches one, by `weir-cache-store`. The filter carries out what they say:
//!
//! * a request whose answer is stored and fresh is answered here;
//! * the first request for an answer that is not stored goes on, and its answer is kept as it passes; those that come in the
//!   meantime, in whichever worker, are held until it is there ([`waiting`], [`post`]);
//! * an answer that has to be validated is asked for by a request of the filter's own, from the root context, while the
//!   client's request is held ([`fetch`]); one that may be served stale is served, and fetched behind the client's back;
//! * where a policy names a tier that all proxies share, it is asked before the origin ([`tier2`]);
//! * what the control plane wants fetched before anybody asks is asked for at the proxy's own listener ([`warm`]);
//! * whatever fails, the client's request goes on as if there were no cache.
//!
//! All workers of a process have one cache: it stands in shared data, and each worker keeps copies of what it serves often. A
//! hit makes four calls to the host: the headers, the time, whether the key's arena has changed, the answer.
//!
//! Not for: answers that differ by client in a way that neither the key nor `Vary` names.

mod answer;
mod capture;
mod counts;
mod envelope;
mod fetch;
mod find;
mod forwarded;
mod keep;
mod memory;
mod policy;
mod post;
mod request;
mod response;
mod reuse;
mod size_gauges;
mod stores;
mod tier2;
mod unsafe_request;
mod values;
mod visit;
mod waiting;
mod wake;
mod warm;
mod work;

use std::cell::RefCell;
use std::rc::Rc;

use weir_cache_store::Layout;
use weir_cache_store::purge::Purges;
use weir_host::control::Report;
use weir_host::port::{CallId, Host, Level, Log, QueueId, ResponseHost, RootHost, StreamHost};
use weir_host::{Action, Counters, Filter, HostError};
use weir_http_cache::CacheSlot;
use weir_policy::compiled::ControlConfig;
use weir_policy::proxy::EventPage;
use weir_route_match::Selector;

use crate::counts::Counts;
use crate::memory::Memory;
use crate::policy::Policy;
use crate::request::failed;
use crate::size_gauges::SizeGauges;
use crate::values::Values;
pub use crate::visit::Exchange;
use crate::warm::Warming;
use crate::work::Work;

/// How often held requests are looked at, milliseconds.
const TICK_MS: u32 = 50;

/// The filter with its configuration.
#[derive(Debug)]
pub struct EdgeCacheFilter {
    slot: String,
    generation: u64,
    control: Option<ControlConfig>,
    selector: Selector,
    policies: Vec<Rc<Policy>>,
    counts: Counts,
    memory: Rc<Memory>,
    purges: Purges,
    /// Calls of this root that are under way.
    calls: RefCell<Vec<(CallId, Work)>>,
    warming: Warming,
}

weir_host::filter!(EdgeCacheFilter);

impl EdgeCacheFilter {
    fn new(slot: CacheSlot, counters: &Counters) -> Self {
        let compiled = |(name, rules)| Rc::new(Policy::new(name, rules, counters));
        Self {
            generation: slot.generation,
            control: slot.control,
            selector: slot.selector,
            policies: slot.policies.into_iter().map(compiled).collect(),
            counts: Counts::new(counters),
            memory: Rc::default(),
            purges: Purges::new(&slot.name),
            calls: RefCell::default(),
            warming: Warming::default(),
            slot: slot.name,
        }
    }

    /// Only what this worker has met.
    fn set_sizes(&self, host: &impl RootHost) {
        for policy in &self.policies {
            let set = policy.known_store().map(|store| policy.sizes.set(&store, host));
            if let Some(Err(error)) = set {
                self.log(error, "no sizes", host);
            }
        }
    }

    /// What policies have kept that are gone, or keep elsewhere now, goes.
    fn clear_unused(&self, host: &impl RootHost) {
        let mut policies = self.policies.iter();
        let used = |name: &str, layout: &Layout| {
            let mut policies = self.policies.iter();
            policies.any(|policy| policy.name == name && policy.layout() == *layout)
        };
        let cleared = self.memory.stores.clear_unused(&self.slot, used, &Values(host));
        let sizes = match cleared {
            // Others of the policy's stores have the sizes that it shows.
            Ok(Some(cleared)) if policies.all(|policy| policy.name != cleared.policy) => {
                SizeGauges::new(&cleared.policy).set(&cleared.store, host)
            }
            Ok(_) => Ok(()),
            Err(error) => Err(failed(error)),
        };
        if let Err(error) = sizes {
            self.log(error, "what is not used any more stays", host);
        }
    }

    /// Whether there is nothing to do.
    fn rests(&self) -> bool {
        self.policies.is_empty() && self.memory.is_idle()
    }

    fn log(&self, error: HostError, what: &str, host: &impl Log) {
        host.log(Level::Warn, &format!("edge-cache: {what}: {error}"));
    }
}

impl Filter for EdgeCacheFilter {
    const NAME: &'static str = "edge-cache";
    type Exchange = Exchange;
    type Memory = Memory;

    fn configure(json: &[u8], counters: &Counters) -> Result<Self, String> {
        let slot = CacheSlot::from_json(json).map_err(|error| error.to_string())?;
        Ok(Self::new(slot, counters))
    }

    fn remember(&mut self, memory: &Rc<Memory>) {
        self.memory = Rc::clone(memory);
    }

    fn slot(&self) -> &str {
        &self.slot
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    fn on_request_headers(&self, exchange: &mut Exchange, host: &impl StreamHost) -> Action {
        if self.policies.is_empty() {
            return Action::Continue;
        }
        self.arrive(exchange, host)
    }

    fn on_response_headers(&self, exchange: &mut Exchange, ends: bool, host: &impl ResponseHost) {
        self.see_response(exchange, ends, host);
    }

    fn on_response_body(&self, exchange: &mut Exchange, size: usize, ends: bool, host: &impl ResponseHost) {
        self.see_body(exchange, size, ends, host);
    }

    fn on_response_trailers(&self, exchange: &mut Exchange, host: &impl ResponseHost) {
        self.see_trailers(exchange, host);
    }

    fn on_stream_end(&self, exchange: Exchange, host: &impl Host) {
        self.see_end(exchange, host);
    }

    fn tick_period_ms(&self) -> u32 {
        if self.rests() { 1_000 } else { TICK_MS }
    }

    fn on_tick(&self, host: &impl RootHost) {
        if self.rests() {
            return;
        }
        self.purges.look_again();
        let Ok(now_ms) = host.now_ms() else {
            return;
        };
        match self.memory.post.open(&self.memory, &self.slot, now_ms, host) {
            Ok(Some(vms)) => {
                self.memory.stores.share(vms);
                self.set_sizes(host);
            }
            Ok(None) => {}
            Err(error) => self.log(error, "no queue", host),
        }
        // What came while the queue was that of a root which is gone.
        match self.memory.post.queue() {
            Some(queue) => self.read_post(queue, now_ms, host),
            None => self.do_work(now_ms, host),
        }
        self.give_up_calls(now_ms, host);
        self.give_up_waiting(now_ms, host);
        self.warm(now_ms, host);
        self.clear_unused(host);
    }

    fn on_call_end(&self, call: CallId, host: &impl RootHost) {
        self.end_work(call, host);
    }

    fn on_queue(&self, queue: QueueId, host: &impl RootHost) {
        // Without a time the next tick does it.
        if let Ok(now_ms) = host.now_ms() {
            self.read_post(queue, now_ms, host);
        }
    }

    fn on_leave(&self, host: &impl RootHost) {
        self.give_up_all_calls(host);
    }

    fn control(&self) -> Option<&ControlConfig> {
        self.control.as_ref()
    }

    fn on_events(&self, page: &EventPage, host: &impl RootHost) -> Result<(), HostError> {
        let purged = self.purges.apply(&Values(host), page);
        let purged = purged.map_err(|_| HostError::BadArgument)?;
        if purged {
            self.counts.purges.count();
        }
        self.take_warming(page, host)
    }

    fn report(&self, _now: u64, host: &impl RootHost) -> Option<Report> {
        self.warm_report(host)
    }

    fn on_report_answer(&self, _made: u64, _body: &[u8], _host: &impl RootHost) {
        self.warm_reported();
    }
}
