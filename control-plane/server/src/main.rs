//! `weir`: the control plane and its command line in one binary. Only this crate sees the store, xDS and REST at once.

mod catalog;
mod control;
mod http;
mod leases;
mod serve;
mod world;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;
use weir_cli::options::{Cli, Command, LogFormat, ServeOptions};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Serve(options) => serve(options),
        command => weir_cli::run(&cli.global, &command),
    }
}

fn serve(options: ServeOptions) -> ExitCode {
    let ended = start_log(&options).and_then(|()| {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(serve::serve(options))
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir serve: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start_log(options: &ServeOptions) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&options.log)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match options.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
