#![doc = include_str!("../README.md")]

mod answer;
mod error;
mod expectation;
mod failure;
mod file;
mod metric;
mod mismatch;
mod modules;
mod observed;
mod policies;
mod proxy;
mod report;
mod request;
mod run;
mod suite;

pub use answer::{Answer, Answers, Fail};
pub use error::PolicyTestError;
pub use expectation::{Expectation, NumberMatch, TextMatch, UpstreamExpectation};
pub use failure::Failure;
pub use mismatch::Mismatch;
pub use modules::Modules;
pub use observed::{Observed, UpstreamCall};
pub use policies::Policies;
pub use proxy::{Proxy, Setup};
pub use report::{Outcome, Report};
pub use request::Request;
pub use run::Progress;
pub use suite::{Suite, Test};
