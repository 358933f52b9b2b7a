//! The folder of modules.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A module in the folder.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) filter: String,
    pub(crate) sha256: String,
    pub(crate) size: usize,
}

/// Stores `module` by digest and by the filter's name.
pub(crate) fn store(out: &Path, filter: &str, module: &[u8]) -> Result<Stored> {
    let digest = Sha256::digest(module);
    let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    write(&out.join(format!("{sha256}.wasm")), module)?;
    write(&out.join(format!("{filter}.wasm")), module)?;
    Ok(Stored {
        filter: filter.to_owned(),
        sha256,
        size: module.len(),
    })
}

/// Writes `modules.json`, the catalog of a release.
pub(crate) fn write_catalog(out: &Path, stored: &[Stored]) -> Result<()> {
    let entry = |module: &Stored| {
        let value = json!({"sha256": module.sha256, "size": module.size});
        (module.filter.clone(), value)
    };
    let modules: serde_json::Map<String, Value> = stored.iter().map(entry).collect();
    let mut text = serde_json::to_string_pretty(&json!({"modules": modules}))?;
    text.push('\n');
    write(&out.join("modules.json"), text.as_bytes())
}

/// Puts a whole file in place at once; a file that is the same already stays untouched.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let put = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        allow_reading(file.as_file())?;
        file.persist(path)?;
        Ok(())
    };
    put().with_context(|| format!("can't write {}", path.display()))
}

/// A temporary file is its owner's only; Envoy may run as someone else.
fn allow_reading(file: &fs::File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(path: &Path) -> std::time::SystemTime {
        fs::metadata(path).unwrap().modified().unwrap()
    }

    #[test]
    fn files_are_named_by_digest_and_by_filter_and_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("new/modules");
        let stored = store(&out, "echo", b"abc").unwrap();
        // FIPS 180-4, the digest of "abc".
        assert_eq!(
            stored.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        write_catalog(&out, std::slice::from_ref(&stored)).unwrap();
        let files = [
            format!("{}.wasm", stored.sha256),
            "echo.wasm".to_owned(),
            "modules.json".to_owned(),
        ];
        let times: Vec<_> = files.iter().map(|file| changed(&out.join(file))).collect();
        let catalog: Value = serde_json::from_slice(&fs::read(out.join("modules.json")).unwrap()).unwrap();
        assert_eq!(
            catalog,
            json!({"modules": {"echo": {"sha256": stored.sha256, "size": 3}}})
        );
        store(&out, "echo", b"abc").unwrap();
        write_catalog(&out, &[stored]).unwrap();
        let again: Vec<_> = files.iter().map(|file| changed(&out.join(file))).collect();
        assert_eq!(times, again);
        assert_eq!(fs::read_dir(&out).unwrap().count(), 3);
    }
}
