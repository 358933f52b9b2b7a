//! Wasm filter: sends a request to the shard that owns its key.
//!
//! For each request [`ShardRouter`] (the logic, in `weir-shard-map`) takes the decision, and the filter carries it out:
//!
//! * a shard: the headers [`CLUSTER_HEADER`] and [`SHARD_HEADER`] name its cluster and itself. Envoy's route reads the
//!   first as its `cluster_header`.
//! * no rule: both headers are removed.
//! * no key, or one that is too long: 400 with a problem+json body, gRPC INVALID_ARGUMENT.
//!
//! Either way nothing that a client sent under these names survives, in any number. Where the host fails to give
//! the headers, or to set or remove one of these two, the request is answered with 503 and goes nowhere.
//!
//! Requests are counted as `weir_requests_total` by outcome, ShardMap and shard.
//!
//! Not for: authorization. A key says where data lives, not who may see it.
//!
//! ```
//! use weir_host::{Action, Counters, Filter, fake};
//! use weir_shard_router::{CLUSTER_HEADER, ShardRouterFilter};
//!
//! let config = br#"{
//!     "format": 1, "slot": "weir/default/edge/shard-router", "generation": 1,
//!     "rules": [{"policy": "default/orders"}],
//!     "policies": {"default/orders": {
//!         "keySources": [{"header": "x-user"}], "onMissingKey": "reject", "maxKeyBytes": 256,
//!         "strategy": {"hash": {"algorithm": "ring-v1"}}, "reads": "primary",
//!         "shards": [{"name": "a", "weight": 1, "readCluster": "a-read", "writeCluster": "a-write"}]
//!     }}
//! }"#;
//! let filter = ShardRouterFilter::configure(config, &Counters::default()).unwrap();
//! let request = fake::Stream::new(&[("x-user", b"42"), (CLUSTER_HEADER, b"somewhere-else")]);
//! assert_eq!(filter.on_request_headers(&mut (), &request), Action::Continue);
//! assert_eq!(request.values(CLUSTER_HEADER), [b"a-write"]);
//! ```

mod outcome;
mod refusal;

use weir_host::port::{Level, StreamHost};
use weir_host::reply::Refusal;
use weir_host::{Action, Counters, Filter, HostError, Request};
pub use weir_shard_map::{CLUSTER_HEADER, SHARD_HEADER};
use weir_shard_map::{Decision, ShardRouter, Target};

use crate::outcome::Outcomes;

/// The filter with its configuration.
#[derive(Debug)]
pub struct ShardRouterFilter {
    router: ShardRouter,
    outcomes: Outcomes,
}

weir_host::filter!(ShardRouterFilter);

impl Filter for ShardRouterFilter {
    const NAME: &'static str = "shard-router";

    type Exchange = ();
    type Memory = ();

    fn configure(json: &[u8], counters: &Counters) -> Result<Self, String> {
        let router = ShardRouter::from_json(json).map_err(|error| error.to_string())?;
        let outcomes = Outcomes::new(&router, counters);
        Ok(Self { router, outcomes })
    }

    fn slot(&self) -> &str {
        self.router.slot()
    }

    fn generation(&self) -> u64 {
        self.router.generation()
    }

    fn on_request_headers(&self, _exchange: &mut (), host: &impl StreamHost) -> Action {
        let request = Request::new(host);
        let decision = self.router.on_request(&request);
        if let Some(error) = request.failure() {
            return self.fail(&request, error);
        }
        let done = match decision {
            Decision::Forward { target, .. } => forward(host, target),
            Decision::NoRule => leave_alone(host),
            Decision::Reject { rejection, .. } => {
                self.outcomes.count(&decision);
                return refusal::refusal(rejection).send(&request);
            }
        };
        match done {
            Ok(()) => {
                self.outcomes.count(&decision);
                Action::Continue
            }
            Err(error) => self.fail(&request, error),
        }
    }
}

impl ShardRouterFilter {
    fn fail(&self, request: &Request<'_, impl StreamHost>, error: HostError) -> Action {
        self.outcomes.count_failure();
        request.host().log(
            Level::Error,
            &format!("shard-router: a request was refused: {error}"),
        );
        Refusal::proxy_failure().send(request)
    }
}

fn forward(host: &impl StreamHost, target: Target<'_>) -> Result<(), HostError> {
    host.set(CLUSTER_HEADER, target.cluster.as_bytes())?;
    host.set(SHARD_HEADER, target.shard.as_bytes())
}

/// Removing costs no more than looking whether there is something to remove.
fn leave_alone(host: &impl StreamHost) -> Result<(), HostError> {
    host.remove(CLUSTER_HEADER)?;
    host.remove(SHARD_HEADER)
}
