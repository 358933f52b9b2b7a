//! `weir`: the control plane, the cache tier and the command line in one binary. Only this crate sees the store, xDS and REST
//! at once.

mod cache_tier;
mod catalog;
mod cdn;
mod control;
mod http;
mod leases;
mod outbound;
mod serve;
mod warm;
mod world;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;
use weir_cli::options::{Cli, Command, LogFormat, LogOptions};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Serve(options) => run("serve", &options.log.clone(), serve::serve(options)),
        Command::CacheTier(options) => run("cache-tier", &options.log.clone(), cache_tier::serve(options)),
        command => weir_cli::run(&cli.global, &command),
    }
}

/// Runs a server to its end.
fn run(name: &str, log: &LogOptions, server: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    let ended = start_log(log).and_then(|()| {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(server)
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir {name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start_log(options: &LogOptions) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&options.filter)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match options.format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
