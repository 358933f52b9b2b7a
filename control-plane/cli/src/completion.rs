//! `weir completion`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::console::Console;
use crate::failure::{EXIT_CODES, Failure};
use crate::options::Cli;

/// What `weir completion` is told.
#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct CompletionOptions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  weir completion bash > ~/.local/share/bash-completion/completions/weir
  weir completion fish > ~/.config/fish/completions/weir.fish";

pub(crate) fn run(options: &CompletionOptions, console: &mut Console<'_>) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "weir", &mut script);
    console.write(&String::from_utf8_lossy(&script))
}
