//! Finds Envoy's protobuf descriptors in the envoy-types package, which ships them without exposing them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let descriptors = envoy_types_folder()?.join("src/generated/types.bin");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", descriptors.display());
    fs::copy(
        &descriptors,
        Path::new(&env::var("OUT_DIR")?).join("envoy-types.bin"),
    )
    .map_err(|error| format!("{}: {error}", descriptors.display()))?;
    Ok(())
}

fn envoy_types_folder() -> Result<PathBuf, Box<dyn std::error::Error>> {
    // Without the network where that is enough: metadata wants every package of the lock file, used or not.
    let metadata = metadata(&["--offline"]).or_else(|_| metadata(&[]))?;
    let manifest = metadata
        .get("packages")
        .and_then(serde_json::Value::as_array)
        .into_iter()
        .flatten()
        .find(|package| package.get("name").is_some_and(|name| name == "envoy-types"))
        .and_then(|package| package.get("manifest_path")?.as_str())
        .ok_or("cargo metadata names no envoy-types")?;
    Ok(Path::new(manifest)
        .parent()
        .ok_or("a manifest stands in a folder")?
        .to_owned())
}

fn metadata(options: &[&str]) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let output = Command::new(env::var("CARGO")?)
        .args(["metadata", "--format-version=1"])
        .args(options)
        .current_dir(env::var("CARGO_MANIFEST_DIR")?)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
