//! The folder of modules that the control plane serves.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use weir_core::module::{Module, ModuleCatalog};
use weir_core::slot::filters;

/// Reads and checks the catalog: every filter has a module, every module's file has its digest.
pub(crate) fn read(folder: &Path) -> anyhow::Result<ModuleCatalog> {
    let file = folder.join(ModuleCatalog::FILE);
    let advice = || {
        format!(
            "{}: expected the catalog of a folder of modules (--modules-dir)",
            file.display()
        )
    };
    let json = std::fs::read(&file).with_context(advice)?;
    let catalog: ModuleCatalog = serde_json::from_slice(&json).with_context(advice)?;
    let named: BTreeSet<&str> = catalog.modules.keys().map(String::as_str).collect();
    if let Some(missing) = filters().find(|filter| !named.contains(filter)) {
        bail!("{}: no module for the filter {missing:?}", file.display());
    }
    for module in catalog.modules.values() {
        check(folder, module)?;
    }
    Ok(catalog)
}

fn check(folder: &Path, module: &Module) -> anyhow::Result<()> {
    let file = folder.join(module.file_name());
    let bytes = std::fs::read(&file).with_context(|| format!("{}: can't be read", file.display()))?;
    let digest: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if digest != module.sha256 {
        bail!("{}: its SHA-256 is {digest}: the file is damaged", file.display());
    }
    Ok(())
}
