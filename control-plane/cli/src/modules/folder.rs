//! A folder of modules: `modules.json`, and one `<sha256>.wasm` per module.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use weir_core::module::{Module, ModuleCatalog};

use crate::atomic;
use crate::failure::Failure;

/// A folder of modules.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Makes the folder if it isn't there.
    pub(crate) fn create(&self) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.path).map_err(|error| Failure::file("create", &self.path, &error))
    }

    /// Reads `modules.json`.
    pub(crate) fn catalog(&self) -> Result<ModuleCatalog, Failure> {
        let path = self.path.join(ModuleCatalog::FILE);
        let text = std::fs::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::NotFound(format!("{} does not exist", path.display())),
            _ => Failure::file("read", &path, &error),
        })?;
        serde_json::from_slice(&text).map_err(|error| {
            Failure::Refused(format!(
                "{}:{}:{}: {error}",
                path.display(),
                error.line(),
                error.column()
            ))
        })
    }

    /// Whether a module's file is there and is what its name says.
    pub(crate) fn holds(&self, module: &Module) -> bool {
        self.problem(module).is_none()
    }

    /// Puts a module's file in place.
    pub(crate) fn put(&self, module: &Module, content: &[u8]) -> Result<(), Failure> {
        Self::write(&self.path.join(module.file_name()), content)
    }

    /// Puts `modules.json` in place, unless it is there already, the same.
    pub(crate) fn put_catalog(&self, catalog: &ModuleCatalog) -> Result<(), Failure> {
        if self.catalog().is_ok_and(|known| &known == catalog) {
            return Ok(());
        }
        let text = crate::console::json(catalog)?;
        Self::write(
            &self.path.join(ModuleCatalog::FILE),
            format!("{text}\n").as_bytes(),
        )
    }

    /// Everything wrong in the folder: modules that are missing or damaged, and other files that lie about themselves.
    pub(crate) fn problems(&self, catalog: &ModuleCatalog) -> Result<Vec<String>, Failure> {
        let mut problems: Vec<String> = Vec::new();
        for (name, module) in &catalog.modules {
            problems.extend(self.problem(module).map(|problem| format!("{name}: {problem}")));
        }
        for path in self.modules()? {
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            let is_listed = catalog.modules.values().any(|module| module.sha256 == stem);
            if !is_listed && read_digest(&path).is_none_or(|(digest, _)| digest != stem) {
                problems.push(format!("{} is not what its name says", path.display()));
            }
        }
        Ok(problems)
    }

    fn problem(&self, module: &Module) -> Option<String> {
        let path = self.path.join(module.file_name());
        match read_digest(&path) {
            None => Some(format!("{} can't be read", path.display())),
            Some((digest, size)) if digest != module.sha256 || size != module.size => Some(format!(
                "{} is damaged: {size} bytes with SHA-256 {digest}",
                path.display()
            )),
            Some(_) => None,
        }
    }

    fn modules(&self) -> Result<Vec<PathBuf>, Failure> {
        let fail = |error: io::Error| Failure::file("read", &self.path, &error);
        let mut modules = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            if path.extension().is_some_and(|extension| extension == "wasm") {
                modules.push(path);
            }
        }
        modules.sort();
        Ok(modules)
    }

    fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
        atomic::write(path, |file| file.write_all(content))
            .map_err(|error| Failure::file("write", path, &error))
    }
}

/// SHA-256 in lower-case hex.
pub(crate) fn digest(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn read_digest(path: &Path) -> Option<(String, u64)> {
    let content = std::fs::read(path).ok()?;
    let size = u64::try_from(content.len()).ok()?;
    Some((digest(&content), size))
}
