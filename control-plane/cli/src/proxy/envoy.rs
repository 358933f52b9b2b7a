//! The Envoy binary: where it is, and whether it is new enough.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::failure::Failure;

/// The oldest Envoy that Weir's filters and resources are made for.
const OLDEST: (u32, u32) = (1, 40);

/// The binary that was asked for, or `envoy` in PATH; refused when it is too old or doesn't run.
pub(super) async fn find(asked: Option<&Path>) -> Result<PathBuf, Failure> {
    let binary = match asked {
        Some(binary) => binary.to_owned(),
        None => in_path(std::env::var_os("PATH").unwrap_or_default().as_os_str()).ok_or_else(missing)?,
    };
    let version = ask_version(&binary).await?;
    match parse_version(&version) {
        Some(found) if found >= OLDEST => Ok(binary),
        _ => Err(Failure::Refused(format!(
            "{} is {:?}: expected Envoy {}.{} or newer",
            binary.display(),
            version.trim(),
            OLDEST.0,
            OLDEST.1
        ))),
    }
}

fn missing() -> Failure {
    Failure::Refused(
        "no Envoy: name the binary with --envoy or WEIR_ENVOY, or put `envoy` in PATH".to_owned(),
    )
}

fn in_path(path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|folder| folder.join("envoy"))
        .find(|file| file.is_file())
}

async fn ask_version(binary: &Path) -> Result<String, Failure> {
    let output = Command::new(binary).arg("--version").output().await;
    let output = output.map_err(|error| Failure::file("run", binary, &error))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let version = text.split_once("version:")?.1.split('/').nth(1)?;
    let mut parts = version.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_version() {
        assert_eq!(
            parse_version("\nenvoy  version: 0abc/1.40.0/Clean/RELEASE/BoringSSL\n\n"),
            Some((1, 40))
        );
        assert_eq!(
            parse_version("envoy  version: 0abc/1.41.0-dev/Modified/DEBUG/BoringSSL"),
            Some((1, 41))
        );
        assert_eq!(parse_version("GNU bash, version 5.2"), None);
    }
}
