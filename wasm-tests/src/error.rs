//! What can go wrong between a filter and its host.

use std::path::PathBuf;

/// Why a filter could not be loaded, configured or called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The folder of modules lacks this filter.
    #[error(
        "no module of {filter:?} at {}: build it with `cargo run -q -p weir-pack-modules -- --out target/modules -p weir-{filter}`, or name another folder in WEIR_MODULES_DIR",
        path.display()
    )]
    MissingModule {
        /// The filter's name.
        filter: String,
        /// Where its module was looked for.
        path: PathBuf,
    },
    /// The module is not valid, imports what Envoy does not offer, or lacks what the ABI asks for.
    #[error("{filter}: not a proxy-wasm module: {detail}")]
    InvalidModule {
        /// The filter's name.
        filter: String,
        /// What is wrong.
        detail: String,
    },
    /// The filter refused a configuration; what was in force before still is.
    #[error("{filter}: configuration refused: {}", logs.join("; "))]
    Refused {
        /// The filter's name.
        filter: String,
        /// What the filter logged about it.
        logs: Vec<String>,
    },
    /// The VM trapped: a panic, an access outside its memory, an unreachable instruction.
    #[error("{filter}: trapped in {callback}: {detail}")]
    Trap {
        /// The filter's name.
        filter: String,
        /// The callback that was running.
        callback: String,
        /// The trap, the stack of calls, and what the filter logged during the call.
        detail: String,
    },
    /// The callback ran for longer than it may: a loop, in all likelihood.
    #[error("{filter}: {callback} ran out of fuel")]
    OutOfFuel {
        /// The filter's name.
        filter: String,
        /// The callback that was running.
        callback: String,
    },
    /// The worker has no VM that could serve: never configured, or the new configuration failed on this worker only.
    #[error("{filter}: worker {worker} has no configuration in force")]
    NotConfigured {
        /// The filter's name.
        filter: String,
        /// The worker's index.
        worker: usize,
    },
    /// The stream's VM has trapped since the stream was opened.
    #[error("{filter}: the stream's VM is gone")]
    VmGone {
        /// The filter's name.
        filter: String,
    },
    /// Envoy 1.40 would have crashed, the whole process.
    #[error("a filter asked for what crashes Envoy: {what}")]
    Crash {
        /// What it asked for.
        what: &'static str,
    },
    /// An exchange that had not ended after an hour of virtual time, or that nothing could end any more.
    #[error("the exchange did not end: no answer, and nothing left that could bring one")]
    NoAnswer,
}
