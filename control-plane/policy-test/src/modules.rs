//! The filters' modules, compiled.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use weir_core::module::ModuleCatalog;
use weir_core::slot;
use weir_wasm_tests::Module;

use crate::error::PolicyTestError;

/// The modules of every filter of a chain. Compiled once; any number of tests run on them.
#[derive(Clone, Debug)]
pub struct Modules {
    by_filter: BTreeMap<&'static str, Module>,
}

impl Modules {
    /// The modules in a folder: those that its `modules.json` names, else `<filter>.wasm`.
    ///
    /// # Errors
    /// [`PolicyTestError::MissingModule`], [`PolicyTestError::Catalog`], and [`PolicyTestError::Host`] for a file that is
    /// no module.
    pub fn load(folder: &Path) -> Result<Self, PolicyTestError> {
        let catalog = catalog(folder)?;
        let compile = |filter| Ok((filter, module(folder, &catalog, filter)?));
        Ok(Self {
            by_filter: slot::filters()
                .map(compile)
                .collect::<Result<_, PolicyTestError>>()?,
        })
    }

    /// The modules in the folder that `WEIR_MODULES_DIR` names, else in `modules` of the workspace's target folder.
    ///
    /// # Errors
    /// As for [`Modules::load`].
    pub fn packed() -> Result<Self, PolicyTestError> {
        Self::load(&weir_wasm_tests::modules_dir())
    }

    /// Every filter's module, in the order of the chain.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &Module> {
        slot::filters().filter_map(|filter| self.by_filter.get(filter))
    }
}

fn module(folder: &Path, catalog: &ModuleCatalog, filter: &'static str) -> Result<Module, PolicyTestError> {
    let file = match catalog.modules.get(filter) {
        Some(module) => module.file_name(),
        None => format!("{filter}.wasm"),
    };
    let wasm = std::fs::read(folder.join(file)).map_err(|_| PolicyTestError::MissingModule {
        filter: filter.to_owned(),
        folder: folder.to_owned(),
    })?;
    Ok(Module::from_binary(filter, &wasm)?)
}

/// The folder's list; an empty one when the folder has none.
fn catalog(folder: &Path) -> Result<ModuleCatalog, PolicyTestError> {
    let path = folder.join(ModuleCatalog::FILE);
    let fail = |path: PathBuf, detail: String| PolicyTestError::Catalog { path, detail };
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| fail(path, error.to_string())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(ModuleCatalog::default()),
        Err(error) => Err(fail(path, error.to_string())),
    }
}
