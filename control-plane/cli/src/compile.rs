//! `weir compile`.

use std::path::{Path, PathBuf};

use clap::Args;
use weir_core::node::GatewayRef;
use weir_core::slot;
use weir_core::state::State;

use crate::apply::FileOptions;
use crate::console::Console;
use crate::failure::{EXIT_CODES, Failure};
use crate::validate;

/// What `weir compile` is told.
#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct CompileOptions {
    #[command(flatten)]
    files: FileOptions,
    /// The Gateway, `namespace/name`; may be left out when there is only one
    #[arg(long, value_parser = parse_gateway, value_name = "NAMESPACE/NAME")]
    gateway: Option<GatewayRef>,
    /// The filter
    #[arg(long, default_value = "shard-router", value_parser = parse_filter)]
    filter: String,
    /// The configuration's generation, which the filter's metrics show; it must grow with every change
    ///
    /// When a running Envoy gets another configuration, the generation must be higher than that of every one before:
    /// a configuration that equals an earlier one to the byte would be taken for that one, which is no longer in force.
    #[arg(long, default_value_t = 1, value_name = "N")]
    generation: u32,
    /// Write to this file, not to stdout; a regular file is replaced as a whole
    #[arg(short = 'O', long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  weir compile -f documents/
  weir compile -f documents/ --gateway default/edge --filter shard-router -O shard-router.json";

/// Reads `namespace/name`.
pub(crate) fn parse_gateway(text: &str) -> Result<GatewayRef, String> {
    GatewayRef::parse(text).ok_or_else(|| "expected NAMESPACE/NAME, like default/edge".to_owned())
}

fn parse_filter(text: &str) -> Result<String, String> {
    if slot::filters().any(|known| known == text) {
        return Ok(text.to_owned());
    }
    let known: Vec<&str> = slot::filters().collect();
    Err(format!("expected one of {}", known.join(", ")))
}

pub(crate) fn run(options: &CompileOptions, console: &mut Console<'_>) -> Result<(), Failure> {
    let loaded = options.files.load(console)?;
    let plan = validate::check(&loaded, console)?;
    let state = weir_documents::follow(State::default(), plan)
        .map_err(|error| Failure::Refused(error.to_string()))?;
    let gateway = weir_documents::choose_gateway(&state, options.gateway.as_ref())?;
    let text = compile(&state, &gateway, &options.filter, options.generation)?;
    match &options.out {
        Some(file) => replace(file, &text),
        None => console.write(&text),
    }
}

fn compile(state: &State, gateway: &GatewayRef, filter: &str, generation: u32) -> Result<String, Failure> {
    let slot = slot::compile(state, gateway)
        .into_iter()
        .find(|slot| slot.filter == filter)
        .ok_or_else(|| Failure::NotFound(format!("no filter {filter}")))?;
    slot.verify()
        .map_err(|error| Failure::Refused(format!("slot {}: {error}", slot.name)))?;
    let mut config = slot.alone;
    if let Some(field) = config.get_mut("generation") {
        *field = generation.into();
    }
    crate::console::json(&config)
}

/// Puts a file in place as a whole, so that nobody reads half of it.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    crate::atomic::write(path, |file| writeln!(file, "{}", text.trim_end()))
        .map_err(|error| Failure::file("write", path, &error))
}
