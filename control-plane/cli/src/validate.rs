//! `weir validate`.

use clap::Args;
use serde_json::json;
use weir_core::plan::Plan;
use weir_core::refusal::Refusal;
use weir_core::state::State;
use weir_documents::LoadedDocument;

use crate::apply::{self, FileOptions};
use crate::client::Client;
use crate::console::Console;
use crate::failure::{EXIT_CODES, Failure};
use crate::table;

/// What `weir validate` is told.
#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct ValidateOptions {
    #[command(flatten)]
    files: FileOptions,
    /// Ask the control plane, which also checks against the documents that are there; nothing is changed
    #[arg(long)]
    server_side: bool,
}

const EXAMPLES: &str = "\
Examples:
  weir validate -f documents/
  weir validate -f orders.yaml --server-side";

pub(crate) async fn run(
    options: &ValidateOptions,
    client: &Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let loaded = options.files.load(console)?;
    if options.server_side {
        apply::send(client, &loaded, true, console).await?;
    } else {
        check(&loaded, console)?;
    }
    let count = loaded.len();
    console.answer(&json!({"documents": count, "problems": []}), || {
        format!("{}: no problem found\n", table::count(count, "document"))
    })
}

/// What the control plane would do if these documents were all there is.
pub(crate) fn check(loaded: &[LoadedDocument], console: &mut Console<'_>) -> Result<Plan, Failure> {
    match weir_documents::plan(&State::default(), loaded) {
        Ok(plan) => Ok(plan),
        Err(Refusal::Invalid(problems)) => Err(apply::report_problems(&problems, loaded, console)),
        Err(refusal) => Err(Failure::Refused(refusal.to_string())),
    }
}
