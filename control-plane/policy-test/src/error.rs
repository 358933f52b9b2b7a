//! Why tests could not be run.

use std::path::PathBuf;

use weir_core::refusal::Refusal;
use weir_core::state::ReplayError;
use weir_documents::{GatewayError, LoadErrors, LocatedProblem};
use weir_policy::compiled::ConfigError;
use weir_wasm_tests::HostError;

/// Why policies could not be tested. A failed expectation is no error: see [`Failure`](crate::Failure).
#[derive(Debug, thiserror::Error)]
pub enum PolicyTestError {
    /// A file can't be read.
    #[error(transparent)]
    Unreadable(#[from] LoadErrors),
    /// A test file or a document is wrong; one problem a line, where it stands.
    #[error("{}", lines(.0))]
    Invalid(Vec<LocatedProblem>),
    /// The documents are refused as a whole.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The documents can't be followed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// No Gateway is meant.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// A filter would refuse what the documents come to.
    #[error("slot {slot}: {error}")]
    Slot {
        /// The slot's name.
        slot: String,
        /// What the filter's check says.
        error: ConfigError,
    },
    /// The folder of modules lacks a filter.
    #[error(
        "no module of {filter:?} in {}: fetch the modules with `weir modules pull --dir DIR`, or name another folder with --modules-dir or WEIR_MODULES_DIR",
        folder.display()
    )]
    MissingModule {
        /// The filter's name.
        filter: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The list of modules can't be read.
    #[error("{}: {detail}", path.display())]
    Catalog {
        /// `modules.json`.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A filter could not be loaded, refused its configuration or trapped.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A live change cost a worker its VM.
    #[error("{filter}: worker {worker} got a new VM by a change of policies")]
    NewVm {
        /// The filter's name.
        filter: &'static str,
        /// The worker's index, from 0.
        worker: usize,
    },
    /// A worker that is not there.
    #[error("worker {worker}: there are {workers}, counted from 0")]
    NoWorker {
        /// The index that was asked for.
        worker: usize,
        /// How many there are.
        workers: usize,
    },
}

fn lines(problems: &[LocatedProblem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
