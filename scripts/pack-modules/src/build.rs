//! Runs cargo.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::{Message, Metadata, MetadataCommand};

use crate::filter::Filter;

const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "wasm";

/// The workspace that this program belongs to.
pub(crate) fn workspace() -> Result<Metadata> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let mut command = MetadataCommand::new();
    command.manifest_path(manifest).no_deps();
    command.exec().context("cargo metadata")
}

/// Builds the module of `filter`, and returns its file. One package at a time: cargo unites the features of what it
/// builds together, and a module must not depend on what else was asked for.
pub(crate) fn build(workspace: &Metadata, filter: &Filter, target_dir: Option<&Path>) -> Result<PathBuf> {
    let root = workspace.workspace_root.as_std_path();
    check_target(root)?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(root)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    cargo.args(["rustc", "--quiet", "--locked", "--lib", "-p", &filter.package]);
    // Cargo optimises over crates only where nothing but the cdylib is made, not the rlib for the tests beside it.
    cargo.args(["--crate-type", "cdylib"]);
    cargo.args(["--target", TARGET, "--profile", PROFILE]);
    cargo.arg("--message-format=json-render-diagnostics");
    if let Some(target_dir) = target_dir {
        cargo.arg("--target-dir").arg(std::path::absolute(target_dir)?);
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", rust_flags(root)?);
    let output = cargo.output().context("cargo build")?;
    ensure!(output.status.success(), "cargo build failed: {}", output.status);
    artifact(&output.stdout)
}

/// Names of folders appear in panic messages; they are replaced, so that the same sources give the same module wherever
/// they lie.
fn rust_flags(root: &Path) -> Result<String> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    let mut flags = vec![format!("--remap-path-prefix={}=weir", utf8(root)?)];
    if let Some(home) = home {
        flags.push(format!("--remap-path-prefix={}=cargo", utf8(&home)?));
        for crates in registries(&home) {
            flags.push(format!("--remap-path-prefix={}=crate", utf8(&crates)?));
        }
    }
    let given = env::var("RUSTFLAGS").unwrap_or_default();
    flags.extend(given.split_whitespace().map(str::to_owned));
    Ok(flags.join("\u{1f}"))
}

/// Where crates lie, in folders named after the place that they were fetched from.
fn registries(home: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(home.join("registry/src")).into_iter().flatten();
    folders.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))
}

/// Says what to do where the target is missing, since rustc only says that it can't find `core`. Where cargo builds the
/// standard library itself, there is no target to install.
fn check_target(root: &Path) -> Result<()> {
    if env::var_os("CARGO_UNSTABLE_BUILD_STD").is_some() {
        return Ok(());
    }
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc
        .current_dir(root)
        .args(["--print", "target-libdir", "--target", TARGET]);
    let output = rustc.output().context("rustc")?;
    let folder = String::from_utf8(output.stdout).context("rustc --print target-libdir")?;
    ensure!(
        Path::new(folder.trim()).is_dir(),
        "the target {TARGET} is not installed: run `rustup target add {TARGET}` in the workspace"
    );
    Ok(())
}

/// The module among what cargo says that it built.
fn artifact(messages: &[u8]) -> Result<PathBuf> {
    for message in Message::parse_stream(messages) {
        if let Message::CompilerArtifact(artifact) = message? {
            let mut files = artifact.filenames.into_iter();
            if let Some(module) = files.find(|file| file.extension() == Some("wasm")) {
                return Ok(module.into_std_path_buf());
            }
        }
    }
    bail!("cargo built no .wasm: expected crate-type \"cdylib\"")
}
