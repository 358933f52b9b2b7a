//! Wasm filter: holds each client to its quota.
//!
//! For each request [`Limiter`] (the logic, in `weir-limiter`) takes the decision, and the filter carries it out:
//!
//! * it passes: on the way back the answer is told `RateLimit-Policy` and `RateLimit`, as the policies say;
//! * it is limited: 429 with a problem+json body and `Retry-After`, gRPC RESOURCE_EXHAUSTED with the same fields;
//! * a value of a key is missing and the policy says to reject: 400, gRPC INVALID_ARGUMENT;
//! * the quota can't be looked up or written: as the policy says, it passes uncounted or gets 503.
//!
//! Quotas stand in shared data, so that all workers of a process count together and a VM that is lost loses none. A
//! request makes one read and one write of it for each limit; where another worker was faster, one more of each.
//!
//! Not for: authorization.
//!
//! ```
//! use weir_host::{Action, Counters, Filter, fake};
//! use weir_rate_limit::RateLimitFilter;
//!
//! let config = br#"{
//!     "format": 1, "slot": "weir/default/edge/rate-limit", "generation": 1,
//!     "rules": [{"policy": "default/api"}],
//!     "policies": {"default/api": {
//!         "onError": "allow", "headers": {}, "maxKeys": 1000,
//!         "limits": [{"name": "client", "key": [{"header": "x-user"}], "onMissingKey": "shared", "cost": {},
//!                     "quota": {"rate": {"requests": 1, "windowMs": 60000, "burst": 1}}}]
//!     }}
//! }"#;
//! let filter = RateLimitFilter::configure(config, &Counters::default()).unwrap();
//! let process = fake::Process::new(1_800_000_000_000);
//! let ask = || {
//!     let request = fake::Stream::of(&process, &[("x-user", b"42")]);
//!     filter.on_request_headers(&mut Default::default(), &request)
//! };
//! assert_eq!(ask(), Action::Continue);
//! assert_eq!(ask(), Action::Pause);
//! ```

mod answer;
mod counts;
mod exchange;
mod lease_gauges;
mod request;
mod shared;
mod sweep;
mod way_back;
mod world;

use weir_host::control::Report;
use weir_host::port::{Host, Level, Log, ResponseHost, RootHost, StreamHost};
use weir_host::reply::Refusal;
use weir_host::{Action, Counters, Filter, HostError};
use weir_limiter::{CellError, Decision, Limiter, Pending};
use weir_policy::compiled::ControlConfig;
use weir_policy::proxy::EventPage;

use crate::counts::Counts;
pub use crate::exchange::Exchange;
use crate::lease_gauges::LeaseGauges;
use crate::request::PeerRequest;
use crate::shared::Shared;
use crate::sweep::Sweep;
use crate::way_back::Lately;
use crate::world::World;

/// The filter with its configuration.
#[derive(Debug)]
pub struct RateLimitFilter {
    limiter: Limiter,
    counts: Counts,
    shared: Shared,
    lately: Lately,
    leases: LeaseGauges,
    sweep: Sweep,
}

weir_host::filter!(RateLimitFilter);

impl Filter for RateLimitFilter {
    const NAME: &'static str = "rate-limit";
    type Exchange = Exchange;
    type Memory = ();

    fn configure(json: &[u8], counters: &Counters) -> Result<Self, String> {
        let limiter = Limiter::from_json(json).map_err(|error| error.to_string())?;
        Ok(Self {
            counts: Counts::new(&limiter, counters),
            shared: Shared::new(&limiter),
            lately: Lately::default(),
            leases: LeaseGauges::new(&limiter),
            sweep: Sweep::new(limiter.layout()),
            limiter,
        })
    }

    fn slot(&self) -> &str {
        self.limiter.slot()
    }

    fn generation(&self) -> u64 {
        self.limiter.generation()
    }

    fn on_request_headers(&self, exchange: &mut Exchange, host: &impl StreamHost) -> Action {
        if self.limiter.policies().is_empty() {
            return Action::Continue;
        }
        let request = PeerRequest::new(host);
        match self.decide(&request, host) {
            Decision::Pass(passed) => {
                exchange.passed(passed);
                Action::Continue
            }
            Decision::Limited(limited) => answer::limited(&limited, request.headers()),
            Decision::KeyMissing { policy, limit } => {
                let name = self
                    .limiter
                    .policies()
                    .get(policy)
                    .and_then(|policy| policy.limits().get(limit));
                answer::key_missing(name.map_or("", |limit| limit.name()), request.headers())
            }
            Decision::Failed => Refusal::proxy_failure().send(request.headers()),
        }
    }

    fn on_response_headers(&self, exchange: &mut Exchange, _ends: bool, host: &impl ResponseHost) {
        if let Err(error) = self.tell(exchange, host) {
            host.log(
                Level::Warn,
                &format!("rate-limit: an answer lacks its fields: {error}"),
            );
        }
        self.settle(exchange, host);
    }

    fn on_stream_end(&self, exchange: Exchange, host: &impl Host) {
        if exchange.is_settled() {
            return;
        }
        // A count that can't be lowered comes right by itself; one that is lowered at a wrong time doesn't.
        let Ok(now) = host.now_ns() else {
            return;
        };
        let world = World::new(self, host);
        for pending in exchange.pending() {
            let _ = self.limiter.on_end(pending, &world, now);
        }
    }

    fn tick_period_ms(&self) -> u32 {
        self.shared.tick_period_ms()
    }

    fn on_tick(&self, host: &impl RootHost) {
        if !self.limiter.policies().is_empty() {
            log_error(self.tick(host), "tick", host);
        }
    }

    fn control(&self) -> Option<&ControlConfig> {
        self.limiter.control()
    }

    fn on_events(&self, page: &EventPage, host: &impl RootHost) -> Result<(), HostError> {
        self.take_events(page, host)
    }

    fn report(&self, now: u64, host: &impl RootHost) -> Option<Report> {
        match self.lease_report(now, host) {
            Ok(report) => report,
            Err(error) => {
                log_error(Err(error), "no report", host);
                None
            }
        }
    }

    fn on_report_answer(&self, made: u64, body: &[u8], host: &impl RootHost) {
        log_error(self.take_leases(made, body, host), "leases", host);
    }
}

fn log_error(outcome: Result<(), HostError>, what: &str, host: &impl Log) {
    if let Err(error) = outcome {
        host.log(Level::Warn, &format!("rate-limit: {what}: {error}"));
    }
}

impl RateLimitFilter {
    fn tick(&self, host: &impl RootHost) -> Result<(), HostError> {
        let now = host.now_ns()?;
        self.shared.read_board(host, now)?;
        self.shared.tell_demand(host)?;
        self.sweep
            .go_on(&World::new(self, host), host, now, self.shared.tick_period_ms())
    }

    fn decide<H: StreamHost>(&self, request: &PeerRequest<'_, H>, host: &H) -> Decision {
        let world = World::new(self, host);
        let looked = host.now_ns().and_then(|now| {
            let board = self.shared.board(host, now)?;
            Ok(self.limiter.on_request(request, &board, &world, now))
        });
        let failure = request.headers().failure();
        let error = match (looked, failure) {
            (Ok(decision), None) => return decision,
            (Err(error), _) | (Ok(_), Some(error)) => error,
        };
        host.log(
            Level::Error,
            &format!("rate-limit: a request could not be judged: {error}"),
        );
        let readable = failure.is_none().then_some(request);
        self.limiter.on_failure(readable, &world)
    }

    fn tell(&self, exchange: &mut Exchange, host: &impl ResponseHost) -> Result<(), HostError> {
        match exchange.take_fields() {
            Some(fields) => answer::headers(&fields)
                .iter()
                .try_for_each(|(name, value)| host.add(name, value.as_bytes())),
            None => Ok(()),
        }
    }

    /// Charges what the response says that its request has cost.
    fn settle(&self, exchange: &Exchange, host: &impl ResponseHost) {
        for (header, pending) in self.limiter.awaited(exchange.pending()) {
            if self.charge(header, pending, host).is_err() {
                self.counts.failed(pending.policy, pending.limit);
            }
        }
    }

    fn charge(&self, header: &str, pending: &Pending, host: &impl ResponseHost) -> Result<(), CellError> {
        let failed = |_| CellError::Failed;
        let Some(value) = host.get(header).map_err(failed)? else {
            return Ok(());
        };
        let now = host.now_ns().map_err(failed)?;
        let board = self.shared.board(host, now).map_err(failed)?;
        let world = World::new(self, host);
        self.limiter.on_response(pending, &value, &board, &world, now)
    }
}
