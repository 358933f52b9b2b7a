//! Modules: the compiled filters, known by digest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A filter's module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Module {
    /// SHA-256 of the file, lower-case hex; the file is `<sha256>.wasm`.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

/// The modules of a release: `modules.json` in the folder of modules, `GET /v1/modules`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModuleCatalog {
    /// By the filter's name: `shard-router`.
    pub modules: BTreeMap<String, Module>,
}

impl ModuleCatalog {
    /// The catalog's file in the folder of modules.
    pub const FILE: &'static str = "modules.json";
}

impl Module {
    /// The name of the module's file.
    pub fn file_name(&self) -> String {
        format!("{}.wasm", self.sha256)
    }
}
