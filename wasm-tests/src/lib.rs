//! A proxy-wasm host on [wasmtime](https://docs.rs/wasmtime), to test filters and policies with.
//!
//! **The problem.** A filter that works against a fake of its host can still trap in Envoy: it reads headers that a
//! callback can't see, keeps state that a new configuration loses, or counts per worker what must hold per process.
//! Starting Envoy for each such test is slow, and its clock can't be moved.
//!
//! **The host.** [`Process`] is one Envoy process: a clock that stands still until it is moved, shared data, metrics,
//! logs. [`Plugin`] is a filter in it, with one VM per [`Worker`], configured as under ECDS: a canary VM first, then a
//! new root context in each worker's VM. [`Stream`] is a request that is open. The callbacks and the answers of host
//! functions follow proxy-wasm ABI 0.2.1 as proxy-wasm-cpp-host and Envoy 1.40 implement it. Tests assert on what
//! came out (headers, answers, metrics, logs), not on which host functions were called.
//!
//! **TCP.** [`Process::tcp_listener`] sends connections through a [`TcpChain`] of network filters to a [`TcpCluster`].
//! The order of callbacks is Envoy's: per filter close, done, log, delete (for HTTP the log comes first). An upstream is
//! connected to, and takes bytes, in no time; buffers have no limit, so nothing is ever held back for want of space; an
//! upstream can't reset its side; and `upstream.port`, `destination.*` and (unless the test gives it) `source.*` are
//! unknown.
//!
//! **Not for** calls, shared queues, gRPC, foreign functions and resets, which answer
//! [`Status::Unimplemented`]; trailers; or how several filters of one chain work together. Properties
//! are those that the test gives.
//!
//! `tests/fuzz/` puts random configurations, requests and histories through the built filters; `scripts/fuzz` does so for
//! as long as it is told to.
//!
//! **Costs.** [`Process::costs`] tells what each callback has burnt and called. `costs/` has a table for each built
//! filter; `tests/costs/` fails when a filter costs otherwise, and says how to refresh the table.
//!
//! ```no_run
//! use weir_wasm_tests::{Module, Process, Request};
//!
//! # fn main() -> Result<(), weir_wasm_tests::HostError> {
//! # let configuration = "{}";
//! let process = Process::new(2);
//! let router = process.load(&Module::packed("shard-router")?);
//! router.configure(configuration)?;
//! let outcome = router.worker(1).request(Request::get("/orders").header("x-user-id", "42"))?;
//! assert_eq!(outcome.headers.text("x-weir-shard").as_deref(), Some("a"));
//! # Ok(())
//! # }
//! ```

mod abi;
mod answer;
mod chain;
mod clock;
mod cluster;
mod connection;
mod error;
mod exchange;
mod fleet;
mod flow;
mod grpc_frames;
mod header_map;
mod listener;
mod module;
mod plugin;
mod plugin_options;
mod process;
mod properties;
mod random;
mod request;
mod route;
mod stream;
mod tcp_chain;
mod tcp_cluster;
mod tcp_listener;
mod transcript;
mod vm;
mod worker;
mod world;

pub use abi::{Action, HOST_FUNCTIONS, IMPORT_MODULE, LogLevel, Status};
pub use answer::Answer;
pub use chain::HttpChain;
pub use cluster::{Cluster, UpstreamRequest};
pub use connection::{Connection, TcpUpstream};
pub use error::HostError;
pub use exchange::Exchange;
pub use fleet::Fleet;
pub use header_map::HeaderMap;
pub use listener::Listener;
pub use module::{Module, modules_dir};
pub use plugin::Plugin;
pub use plugin_options::{FailurePolicy, PluginOptions};
pub use process::Process;
pub use process::costs::Cost;
pub use process::faults::Fault;
pub use process::shared::LogLine;
pub use request::{LocalResponse, Passed, Request, RequestOutcome};
pub use route::Route;
pub use stream::Stream;
pub use tcp_chain::TcpChain;
pub use tcp_cluster::{TcpAnswer, TcpCluster, TcpReceived};
pub use tcp_listener::TcpListener;
pub use transcript::Response;
pub use worker::Worker;
