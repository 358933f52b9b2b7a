//! A simulator: what hedges would do to a service, by the code that decides about them.
//!
//! Requests arrive whatever becomes of those before them (open loop, Poisson), at workers that share their records as those of a
//! process do, and go to one of some replicas at random; a hedge goes to another one. Times, replicas and workers are drawn by
//! the number of the request and of its try: with and without hedges a run sees the same. A loser's work goes on where it
//! has begun, for a reset seldom stops it.
//!
//! Not for: forecasts of a real service, whose replicas are slow for reasons, often for the same ones at a time.
//!
//! ```
//! use weir_hedge::budget::Budget;
//! use weir_hedge::policy::Policy;
//! use weir_hedge::simulate::{Hedging, Scenario, run};
//!
//! let scenario = Scenario { seconds: 5, ..Scenario::stragglers() };
//! let hedging = Hedging { policy: Policy::default(), budget: Budget::default() };
//! let (without, with) = (run(&scenario, None), run(&scenario, Some(hedging)));
//! assert!(with.percentile_ms(99.9) < without.percentile_ms(99.9));
//! ```

mod draw;
mod latency;
mod replica;
mod report;
mod run;
mod scenario;
mod value;
mod world;

pub use latency::Latency;
pub use report::{Row, markdown, rows};
pub use run::{Run, Second};
pub use scenario::{Scenario, Trouble};
pub use world::{Hedging, run};
