//! A proxy-wasm host on [wasmtime](https://docs.rs/wasmtime), to test filters and policies with.
//!
//! **The problem.** A filter that works against a fake of its host can still trap in Envoy: it reads headers that a
//! callback can't see, keeps state that a new configuration loses, or counts per worker what must hold per process.
//! Starting Envoy for each such test is slow, and its clock can't be moved.
//!
//! **The host.** A [`Fleet`] is a number of Envoy processes on one virtual clock and one seed; [`Process::new`] is a
//! fleet of one. A [`Process`] has workers, scripted [`Cluster`]s, shared data, queues, metrics and logs. A [`Plugin`] is
//! a filter in it, with one VM per [`Worker`] (plugins of the same module, `vm_id` and VM configuration share it),
//! configured as under ECDS: a canary VM first, then a new root context in each worker's VM.
//!
//! * [`Process::listener`] sends requests through an [`HttpChain`]: filters, then [`Route`]s to clusters, with retries,
//!   hedges and timeouts as request headers ask for them. An [`Exchange`] says what the client got and what every
//!   upstream host got; its text is made for snapshots (`insta::assert_snapshot!`).
//! * [`Worker::request`] and [`Worker::open`] put one filter alone between a test that plays both sides.
//! * [`Process::tcp_listener`] sends connections through a [`TcpChain`] of network filters to a [`TcpCluster`].
//! * HTTP calls, gRPC calls and streams of filters go to the clusters of the process: see [`Answer`].
//!
//! Time stands still until [`Process::advance`] or [`Listener::request`] moves it; what is due on the way happens at its
//! own time, in one order. Tests share nothing, so they run side by side.
//!
//! **WASI.** All functions of `wasi_snapshot_preview1` that Envoy has link, and answer as there: clocks that follow the
//! fleet's, random bytes from its seed, [`PluginOptions::environment`], stdout and stderr as log lines; no files, no
//! sockets, no arguments. An exit does not end the module.
//!
//! **Faults.** [`Process::fault`] lets a host function answer any status, once, always or by a seeded chance;
//! [`PluginOptions`] limits fuel and memory; [`Worker::stall`], [`Worker::lose`] and [`Fleet::step_clock`] are what else
//! goes wrong. A trap is what the failure policy makes of it for the client, and stands in [`Process::traps`].
//!
//! **Fidelity.** `tests/conformance/` runs the same filters and scripts in Envoy 1.40 and here, and compares what they
//! log, what clients get and what upstreams see. What Envoy answers by crashing is [`HostError::Crash`].
//! What is known to differ is listed there with its reason; beyond it:
//!
//! * Messages are handed on as filters leave them: no codec checks lengths, adds `connection: close`, or refuses odd
//!   header values; the connection manager's own checks and rewrites of requests are left out, and so are
//!   `x-request-id` and `x-forwarded-for`.
//! * `expr_*`, `sign` and `verify_signature` are not among the foreign functions;
//!   [`Process::foreign_function`] can give them. A `GoogleGrpc` service is Unimplemented.
//! * A host of a cluster is a name, not an address; connections take no time, and are not pooled.
//! * TCP: an upstream is connected to, and takes bytes, in no time; buffers have no limit; an upstream can't reset its
//!   side; `upstream.port` and `destination.*` are unknown.
//!
//! **Fuzzing.** `tests/fuzz/` puts random configurations, requests and histories through the built filters;
//! `scripts/fuzz` does so for as long as it is told to.
//!
//! **Costs.** [`Process::costs`] tells what each callback has burnt and called. `costs/` has a table for each built
//! filter; `tests/costs/` fails when a filter costs otherwise, and says how to refresh the table.
//!
//! ```no_run
//! use std::time::Duration;
//! use weir_wasm_tests::{Answer, Cluster, HttpChain, Module, Process, Request, Route};
//!
//! # fn main() -> Result<(), weir_wasm_tests::HostError> {
//! # let configuration = "{}";
//! let process = Process::new(2);
//! let router = process.load(&Module::packed("shard-router")?);
//! router.configure(configuration)?;
//! process.cluster("orders-a", Cluster::answering(Answer::ok().after(Duration::from_millis(20))));
//! let routes = HttpChain::new().filter(&router).route(Route::prefix("/").cluster_header("x-weir-cluster"));
//! let exchange = process.listener(routes).request(1, Request::get("/orders").header("x-user-id", "42"))?;
//! assert_eq!(exchange.status(), 200);
//! assert_eq!(exchange.upstream_requests()[0].headers.text("x-weir-shard").as_deref(), Some("a"));
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
