//! `weir apply`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use weir_core::refusal::{Applied, DocumentProblem};
use weir_documents::{LoadErrors, LoadedDocument};

use crate::client::{ApiError, Client};
use crate::console::Console;
use crate::failure::{EXIT_CODES, Failure};
use crate::table;

/// What `weir apply` is told.
#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct ApplyOptions {
    #[command(flatten)]
    files: FileOptions,
    /// Check everything, change nothing
    #[arg(long)]
    dry_run: bool,
}

const EXAMPLES: &str = "\
Examples:
  weir apply -f orders.yaml -f backends/
  generate-documents | weir apply -f - --dry-run";

/// The files that a command reads.
#[derive(Debug, Args)]
pub(crate) struct FileOptions {
    /// Documents: a file, a folder (its *.yaml, *.yml and *.json), or - for stdin; may be repeated
    #[arg(short, long = "file", required = true, value_name = "PATH")]
    pub(crate) files: Vec<PathBuf>,
}

/// From how many documents on progress is told.
const LONG: usize = 100;

impl FileOptions {
    /// Reads every document.
    pub(crate) fn load(&self, console: &mut Console<'_>) -> Result<Vec<LoadedDocument>, Failure> {
        let loaded =
            weir_documents::load(&self.files).map_err(|errors| report_unreadable(&errors, console))?;
        if loaded.len() > LONG {
            console.note(format!("read {}", table::count(loaded.len(), "document")));
        }
        Ok(loaded)
    }
}

pub(crate) async fn run(
    options: &ApplyOptions,
    client: &Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let loaded = options.files.load(console)?;
    let applied = send(client, &loaded, options.dry_run, console).await?;
    let table = || lines(&applied, options.dry_run);
    console.answer(&applied, table)
}

/// Sends documents; a refusal is reported with the places in their files.
pub(crate) async fn send(
    client: &Client,
    loaded: &[LoadedDocument],
    dry_run: bool,
    console: &mut Console<'_>,
) -> Result<Applied, Failure> {
    match client.apply(&weir_documents::values(loaded), dry_run).await {
        Ok(applied) => Ok(applied),
        Err(ApiError::Problem(problem)) if !problem.errors.is_empty() => {
            Err(report_problems(&problem.errors, loaded, console))
        }
        Err(error) => Err(error.into()),
    }
}

/// Says every problem where it stands: lines on stderr for people, a list on stdout for programs.
pub(crate) fn report_problems(
    problems: &[DocumentProblem],
    loaded: &[LoadedDocument],
    console: &mut Console<'_>,
) -> Failure {
    let located = weir_documents::locate(problems, loaded);
    for problem in &located {
        console.note(problem);
    }
    console.note(table::count(located.len(), "problem"));
    report(&json!({ "problems": located }), console)
}

fn report_unreadable(errors: &LoadErrors, console: &mut Console<'_>) -> Failure {
    console.note(errors);
    report(&json!({ "problems": errors.0 }), console)
}

fn report(value: &serde_json::Value, console: &mut Console<'_>) -> Failure {
    if !console.is_for_people() {
        // Problems were found, whether or not somebody reads them to their end.
        let _ = console.answer(value, String::new);
    }
    Failure::Reported
}

/// `ShardMap default/orders: changed`, one a line.
fn lines(applied: &Applied, dry_run: bool) -> String {
    let suffix = if dry_run { " (dry run)" } else { "" };
    let line = |document: &weir_core::refusal::AppliedDocument| {
        let outcome = serde_json::to_value(document.outcome).unwrap_or_default();
        format!(
            "{}: {}{suffix}\n",
            document.identity,
            outcome.as_str().unwrap_or_default()
        )
    };
    applied.documents.iter().map(line).collect()
}
