//! The `weir` command line, but for what runs under `weir serve` and `weir cache-tier`.
//!
//! **The problem.** People and scripts write documents, check them, apply them, and want to know what every proxy
//! made of them. So each command says what is wrong where it stands (`orders.yaml:14:13: /spec/shards/1/name: duplicate
//! shard "b"`), has the exit codes of [`failure::EXIT_CODES`], and answers programs in JSON.
//!
//! **How.** [`options::Cli`] is the whole command line as types; [`run`] does everything but `serve`
//! and `cache-tier`, which need the servers' parts and so belong to the server. Documents are read by `weir-documents`, offline
//! checks and compilation are `weir-core`'s, ring questions `weir-shard-map`'s: the same code that decides in the
//! control plane and in the filters.
//!
//! **When not to use it.** A program that talks to a control plane speaks REST itself.
//!
//! ```
//! use clap::Parser;
//! use weir_cli::options::{Cli, Command};
//! let cli = Cli::parse_from(["weir", "schema", "ShardMap"]);
//! match cli.command {
//!     Command::Serve(_) | Command::CacheTier(_) => unreachable!("the server's own"),
//!     command => drop(weir_cli::run(&cli.global, &command)),
//! }
//! ```

mod apply;
mod atomic;
mod cache;
mod cache_tier;
mod client;
mod compile;
mod completion;
pub mod console;
mod documents;
pub mod failure;
mod hedge;
mod modules;
pub mod options;
mod proxy;
mod purge;
mod quota;
mod ring;
mod schema;
mod status;
mod table;
mod test;
mod validate;

use std::io::IsTerminal;
use std::process::ExitCode;

pub use cache_tier::CacheTierOptions;
use client::Client;
use console::Console;
use failure::Failure;
pub use modules::modules_folder;
use options::{Command, GlobalOptions};

/// Runs any command but those that serve, on this process's stdout and stderr, in a runtime of its own (so: not from within
/// one). The exit code is one of [`failure::EXIT_CODES`].
pub fn run(global: &GlobalOptions, command: &Command) -> ExitCode {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let live = err.is_terminal();
    let mut console = Console::new(global.output, &mut out, &mut err).with_progress(live);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run_in(global, command, &mut console)),
        Err(error) => Err(Failure::Refused(format!("cannot start a runtime: {error}"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure, &mut console),
    }
}

/// Runs any command but those that serve, in the caller's runtime.
///
/// # Errors
/// Why the command failed; what it found is on the console already.
pub async fn run_in(
    global: &GlobalOptions,
    command: &Command,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let client = Client::try_new(&global.server, global.timeout())?;
    match command {
        Command::Serve(_) | Command::CacheTier(_) => {
            Err(Failure::Usage("this program does not serve".to_owned()))
        }
        Command::Apply(options) => apply::run(options, &client, console).await,
        Command::Validate(options) => validate::run(options, &client, console).await,
        Command::Compile(options) => compile::run(options, console),
        Command::Test(options) => test::run(options, console),
        Command::Get(options) => documents::get(options, &client, console).await,
        Command::Delete(options) => documents::delete(options, &client, console).await,
        Command::Status(options) => status::run(options, global.timeout(), &client, console).await,
        Command::Ring(command) => ring::run(command, &client, console).await,
        Command::Hedge(command) => hedge::run(command, console),
        Command::Quota(command) => quota::run(command, &client, console).await,
        Command::Purge(command) => purge::run(command, global.timeout(), &client, console).await,
        Command::Cache(command) => cache::run(command, &client, console).await,
        Command::Modules(command) => modules::run(command, &client, console).await,
        Command::Proxy(command) => proxy::run(command, &client, console).await,
        Command::Schema(options) => schema::run(options, console),
        Command::Completion(options) => completion::run(options, console),
    }
}

fn report(failure: &Failure, console: &mut Console<'_>) -> ExitCode {
    let message = failure.to_string();
    if !message.is_empty() && failure.code() != 0 {
        console.note(format!("error: {message}"));
    }
    ExitCode::from(failure.code())
}
