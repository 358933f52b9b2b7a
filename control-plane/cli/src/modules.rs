//! `weir modules`: the filters' modules as files, known by digest.

pub(crate) mod folder;
pub(crate) mod pull;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use weir_core::module::ModuleCatalog;

use crate::client::Client;
use crate::console::Console;
use crate::failure::{EXIT_CODES, Failure};
use crate::table;
use folder::Folder;

/// What to do with modules.
#[derive(Debug, Subcommand)]
pub enum ModulesCommand {
    /// List the modules that the control plane hands out
    #[command(after_help = EXIT_CODES)]
    List,
    /// Fetch the control plane's modules into a folder: what is missing, checked, never half a file
    #[command(after_help = format!("{PULL_EXAMPLE}\n\n{EXIT_CODES}"))]
    Pull(FolderOptions),
    /// Check a folder of modules: every file is there, and is what its name says
    #[command(after_help = format!("{VERIFY_EXAMPLE}\n\n{EXIT_CODES}"))]
    Verify(FolderOptions),
}

const PULL_EXAMPLE: &str = "Example:\n  weir modules pull --dir /var/lib/weir/modules";
const VERIFY_EXAMPLE: &str = "Example:\n  weir modules verify --dir /var/lib/weir/modules";

/// The folder of modules.
#[derive(Clone, Debug, Args)]
pub struct FolderOptions {
    /// The folder with modules.json and the <sha256>.wasm files
    #[arg(long, env = "WEIR_MODULES_DIR", value_name = "DIR")]
    dir: PathBuf,
}

/// The folder of modules beside this program, when none is named.
const BESIDE_PROGRAM: &str = "modules";

/// The folder that is named, else the one beside this program.
///
/// # Errors
/// [`Failure::Usage`] when there is neither.
pub fn modules_folder(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let program = std::env::current_exe().map_err(|error| Failure::Refused(error.to_string()))?;
    let beside = program.with_file_name(BESIDE_PROGRAM);
    if beside.is_dir() {
        return Ok(beside);
    }
    Err(Failure::Usage(format!(
        "no folder of modules: name one with --modules-dir (there is none at {})",
        beside.display()
    )))
}

pub(crate) async fn run(
    command: &ModulesCommand,
    client: &Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    match command {
        ModulesCommand::List => {
            let catalog: ModuleCatalog = client.get(pull::CATALOG_PATH).await?;
            console.answer(&catalog, || rows(&catalog))
        }
        ModulesCommand::Pull(FolderOptions { dir }) => {
            let pulled = pull::pull(client, &Folder::new(dir), console).await?;
            let names = pulled.fetched.join(", ");
            console.answer(&pulled, || match pulled.fetched.len() {
                0 => "all modules are there\n".to_owned(),
                _ => format!("fetched: {names}\n"),
            })
        }
        ModulesCommand::Verify(FolderOptions { dir }) => verify(&Folder::new(dir), console),
    }
}

fn verify(folder: &Folder, console: &mut Console<'_>) -> Result<(), Failure> {
    let catalog = folder.catalog()?;
    let problems = folder.problems(&catalog)?;
    for problem in &problems {
        console.note(problem);
    }
    let answer = json!({"modules": catalog.modules, "problems": problems});
    let shown = console.answer(&answer, || rows(&catalog));
    if problems.is_empty() {
        shown
    } else {
        Err(Failure::Refused(table::count(problems.len(), "problem")))
    }
}

fn rows(catalog: &ModuleCatalog) -> String {
    let row = |(name, module): (&String, &weir_core::module::Module)| {
        [name.clone(), module.sha256.clone(), module.size.to_string()]
    };
    let rows: Vec<_> = catalog.modules.iter().map(row).collect();
    table::render(["MODULE", "SHA-256", "BYTES"], &rows)
}
