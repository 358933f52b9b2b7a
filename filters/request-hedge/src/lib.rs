//! Wasm filter: sends a slow read to a second replica, and lets the first answer count.
//!
//! When a second try leaves, and whether there may be one, is decided by `weir-hedge`; Envoy sends it. For a request that may be
//! sent twice the filter sets
//!
//! | header | value |
//! | --- | --- |
//! | `x-envoy-upstream-rq-per-try-timeout-ms` | the delay |
//! | `x-envoy-hedge-on-per-try-timeout` | `true`: the first try goes on |
//! | `x-envoy-max-retries` | what the policy says |
//! | `x-envoy-retry-on` | `retriable-status-codes`, of which there are none: no other reason to try again |
//!
//! and on the way back reads from `upstream.request_attempt_count` whether the second try left. Which of two tries answered
//! can't be read. Whatever a client sent under the names by which Envoy retries and hedges is removed from every request.
//!
//! Requests that may be sent twice are those to the policy's clusters, by its methods or with one of its headers, whose body is
//! short enough; upgrades are left alone. Where anything fails, the request goes on as it is.
//!
//! ```
//! use weir_host::{Action, Counters, Filter, fake};
//! use weir_request_hedge::RequestHedgeFilter;
//!
//! let config = br#"{
//!     "format": 1, "slot": "weir/default/edge/request-hedge", "generation": 1,
//!     "rules": [{"policy": "default/reads"}],
//!     "policies": {"default/reads": {
//!         "quantilePpm": 980000, "minDelayMs": 2, "maxDelayMs": 500, "coldStartDelayMs": 20,
//!         "budget": {"ppm": 20000, "minPerSecond": 10}, "methods": ["GET"], "maxRequestBodyBytes": 65536,
//!         "overload": {"errorPpm": 200000, "latencyFactorPpm": 2000000}, "maxRetries": 1, "clusters": ["orders-read"]
//!     }}
//! }"#;
//! let filter = RequestHedgeFilter::configure(config, &Counters::default()).unwrap();
//! let process = fake::Process::new(1_800_000_000_000);
//! let delay = || {
//!     let request = fake::Stream::of(&process, &[(":method", b"GET"), ("x-weir-cluster", b"orders-read")]);
//!     assert_eq!(filter.on_request_headers(&mut Default::default(), &request), Action::Continue);
//!     request.values("x-envoy-upstream-rq-per-try-timeout-ms")
//! };
//! // The budget grows with time, from nothing.
//! assert_eq!(delay(), [] as [&[u8]; 0]);
//! process.set_now_ms(1_800_000_001_000);
//! assert_eq!(delay(), [b"20"]);
//! ```

mod armed;
mod client_headers;
mod counts;
mod delays;
mod eligible;
mod exchange;
mod histogram;
mod memory;
mod policy;
mod request;
mod response;
mod value;

use std::rc::Rc;

use weir_host::port::{Host, Level, Log, ResponseHost, RootHost, StreamHost};
use weir_host::{Action, Counters, Filter, HostError};
use weir_policy::compiled::SlotConfig;
use weir_policy::compiled::request_hedge::CompiledHedgePolicy;
use weir_route_match::Selector;

pub use crate::exchange::Exchange;
use crate::memory::Memory;
use crate::policy::Policy;

/// The filter with its configuration.
#[derive(Debug)]
pub struct RequestHedgeFilter {
    slot: String,
    generation: u64,
    selector: Selector,
    policies: Vec<Rc<Policy>>,
    memory: Rc<Memory>,
}

weir_host::filter!(RequestHedgeFilter);

impl Filter for RequestHedgeFilter {
    const NAME: &'static str = "request-hedge";
    type Exchange = Exchange;
    type Memory = Memory;

    fn configure(json: &[u8], counters: &Counters) -> Result<Self, String> {
        let config = SlotConfig::<CompiledHedgePolicy>::read(json).map_err(|error| error.to_string())?;
        let selector = Selector::try_new(&config).map_err(|error| error.to_string())?;
        let policy = |(name, spec)| Rc::new(Policy::new(&config.slot, name, spec, counters));
        Ok(Self {
            selector,
            policies: config.policies.into_iter().map(policy).collect(),
            memory: Rc::default(),
            generation: config.generation,
            slot: config.slot,
        })
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
        self.arrive(exchange, host);
        Action::Continue
    }

    fn on_response_headers(&self, exchange: &mut Exchange, _ends: bool, host: &impl ResponseHost) {
        if let Some(sent) = exchange.take() {
            self.answered(*sent, host);
        }
    }

    fn on_stream_end(&self, mut exchange: Exchange, host: &impl Host) {
        if let Some(sent) = exchange.take() {
            self.ended(*sent, host);
        }
    }

    fn on_tick(&self, host: &impl RootHost) {
        match host.now_ns() {
            Ok(now) => {
                let ticks = self
                    .policies
                    .iter()
                    .map(|policy| policy.tick(&self.memory, now, host));
                ticks.for_each(|ticked| self.log_error(ticked, "tick", host));
            }
            Err(error) => self.log_error(Err(error), "tick", host),
        }
        let is_in_force =
            |name: &str, cluster: &str| self.policies.iter().any(|policy| policy.is_for(name, cluster));
        self.memory.delays.keep(is_in_force, host);
        self.memory.forget_unused();
    }
}

impl RequestHedgeFilter {
    fn log_error(&self, outcome: Result<(), HostError>, what: &str, host: &impl Log) {
        if let Err(error) = outcome {
            host.log(Level::Warn, &format!("request-hedge: {what}: {error}"));
        }
    }
}
