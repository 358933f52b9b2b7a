//! Builds the filters, strips what Envoy does not call, and stores the modules by digest.
//!
//! A filter is a workspace package with `[package.metadata.weir]`: `filter`, its name; `callbacks`, the `proxy_on_…`
//! functions that it implements; `release = false` if it is packed only where it is asked for by name. The SDK exports
//! every callback of the ABI, and Envoy calls each one that it finds, several times a request; so all others are
//! removed, with the code that only they reach.
//!
//! Written are `<out>/<sha256>.wasm`, the same file as `<out>/<filter>.wasm`, and `<out>/modules.json`, which names the
//! digest and size of every filter packed. Files that are the same already are left alone.
//!
//! ```sh
//! cargo run -q -p weir-pack-modules -- --out target/modules -p weir-shard-router
//! ```

mod build;
mod filter;
mod helpers;
mod module;
mod store;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Parser;

use crate::filter::Filter;
use crate::store::Stored;

/// Builds the filters, strips what Envoy does not call, and stores the modules by digest.
#[derive(Debug, Parser)]
struct Arguments {
    /// The folder for the modules.
    #[arg(long)]
    out: PathBuf,
    /// Only these packages; all filters of a release if none is named.
    #[arg(short, long = "package")]
    packages: Vec<String>,
    /// The folder that cargo builds in; as cargo chooses it if absent.
    #[arg(long)]
    target_dir: Option<PathBuf>,
    /// The largest module allowed, KiB.
    #[arg(long, default_value_t = 400)]
    budget: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let workspace = build::workspace()?;
    let filters = filter::select(&workspace, &arguments.packages)?;
    let mut stored = Vec::with_capacity(filters.len());
    for filter in &filters {
        let file = build::build(&workspace, filter, arguments.target_dir.as_deref())?;
        let module = pack(filter, &file, arguments.budget).with_context(|| filter.package.clone())?;
        stored.push(store::store(&arguments.out, &filter.name, &module)?);
    }
    store::write_catalog(&arguments.out, &stored)?;
    print_table(&stored);
    Ok(())
}

fn pack(filter: &Filter, file: &Path, budget: usize) -> Result<Vec<u8>> {
    let built = std::fs::read(file).with_context(|| format!("can't read {}", file.display()))?;
    let module = module::strip(&built, &filter.callbacks)?;
    ensure!(
        module.len() <= budget * 1024,
        "the module has {} bytes: expected at most {budget} KiB",
        module.len()
    );
    Ok(module)
}

fn print_table(stored: &[Stored]) {
    println!("{:<16} {:>8}  SHA-256", "FILTER", "BYTES");
    for module in stored {
        println!("{:<16} {:>8}  {}", module.filter, module.size, module.sha256);
    }
}
