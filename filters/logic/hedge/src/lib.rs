//! When a second try of a request may leave: after which delay, for how many, and when none should.
//!
//! A request that is slow is often slow for its replica's reasons, and another replica would have answered by now. So a second try, a
//! *hedge*, goes to another one after a delay, and the first answer wins ("The Tail at Scale", Dean and Barroso, 2013). Envoy sends it;
//! this crate decides, before the request leaves, whether it is *armed*.
//!
//! - **The delay** is a quantile of what first tries usually take. Response times are counted in panes of ten seconds ([`pane`]), those of
//!   hedged requests as censored, so that hedges do not shorten the delay that made them leave; the median over the last panes
//!   is usual ([`usual`]), so that a replica which is slow for a minute does not lengthen it.
//! - **Overload** is when hedges would make it worse: the service says so, too many answers are errors, or *all* replicas are slow
//!   ([`overload`]).
//! - **The budget** is exact: over any time of L ≥ 10 s, hedges ≤ P · requests + m · L, whatever happens ([`budget`]).
//!
//! A [`route::Route`] is one worker's view of one rule's requests to one cluster. What workers of a process know together is two values
//! of shared data ([`shared::SharedValue`]), one of a route and one of a budget; a budget may serve many routes. Both are asked twice
//! a second, not for each request. Time is Unix nanoseconds and an argument; a clock that steps back counts as no time passed.
//! No floats are used but in the simulator (feature `simulate`), which runs this code, and chose the defaults ([`policy`]).
//!
//! Not for: what must not happen twice, nor for replicas that are slow because of the request.
//!
//! ```
//! use weir_hedge::budget::{Budget, Occasion, Purse};
//! use weir_hedge::policy::Policy;
//! use weir_hedge::route::{Decision, Denied, Response, Route};
//! use weir_hedge::shared::{SharedError, SharedValue};
//!
//! fn request(
//!     route: &mut Route,
//!     purse: &mut Purse,
//!     shared: (&impl SharedValue, &impl SharedValue),
//!     now: u64,
//! ) -> Result<Decision, SharedError> {
//!     route.sync(shared.0, now)?;
//!     purse.sync(shared.1, Occasion::Request, now)?;
//!     Ok(route.on_request(purse, Some(15_000), now))
//! }
//!
//! // Worker 3, with hedges for 2 % of the requests and ten a second.
//! let mut purse = Purse::new(Budget::new(20_000, 10), 3);
//! let mut route = Route::new(Policy { cold_delay_ms: Some(50), ..Policy::default() });
//! let now = 1_800_000_000_000_000_000;
//! // Nothing was ever settled, so there is no token.
//! assert_eq!(route.on_request(&mut purse, None, now), Decision::Deny(Denied::Budget));
//! route.on_response(&Response { took_ns: 3_000_000, ..Response::default() }, now);
//! ```

pub mod budget;
mod clock;
pub mod overload;
pub mod pane;
pub mod policy;
mod record;
pub mod route;
pub mod shared;
#[cfg(feature = "simulate")]
pub mod simulate;
pub mod usual;
mod wire;
