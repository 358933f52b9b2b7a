//! A host in memory, for tests: a process with shared data, statistics and a clock, its workers and their calls, and
//! requests.
//!
//! It holds state and shows it; it scripts no calls. What a real host does and a test depends on is as in Envoy: shared
//! data with versions, one value per statistic and process, `set` in the place of every value of a header, a local reply
//! that becomes the response at hand.

mod headers;
mod of_process;
mod process;
mod stream;
mod worker;

pub use process::{Process, Released};
pub use stream::{Call, Reply, Stream};
pub use worker::{UnderWay, Worker};
