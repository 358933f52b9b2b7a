//! A filter's module: compiled once, kept on disk by wasmtime's cache.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};
use wasmtime::{Cache, CacheConfig, Config, Engine, InstancePre};

use crate::error::HostError;
use crate::vm::linker;
use crate::vm::state::HostState;

/// A compiled filter. Cheap to clone; any number of VMs run from one.
#[derive(Clone)]
pub struct Module {
    filter: String,
    linked: InstancePre<HostState>,
    digest: [u8; 32],
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module")
            .field("filter", &self.filter)
            .finish_non_exhaustive()
    }
}

impl Module {
    /// The module that the packer wrote for `filter`, say `shard-router`: `<modules_dir>/<filter>.wasm`.
    ///
    /// # Errors
    /// [`HostError::MissingModule`] names the command that builds it.
    pub fn packed(filter: &str) -> Result<Self, HostError> {
        Self::packed_in(&modules_dir(), filter)
    }

    /// Like [`Module::packed`], from another folder.
    ///
    /// # Errors
    /// As for [`Module::packed`].
    pub fn packed_in(folder: &Path, filter: &str) -> Result<Self, HostError> {
        let path = folder.join(format!("{filter}.wasm"));
        match std::fs::read(&path) {
            Ok(wasm) => Self::from_binary(filter, &wasm),
            Err(_) => Err(HostError::MissingModule {
                filter: filter.to_owned(),
                path,
            }),
        }
    }

    /// Compiles a module, or takes it from the cache when these bytes have been compiled before.
    ///
    /// # Errors
    /// [`HostError::InvalidModule`] when the bytes are no module, or one without the marker of ABI 0.2.
    pub fn from_binary(filter: &str, wasm: &[u8]) -> Result<Self, HostError> {
        let invalid = |detail: String| HostError::InvalidModule {
            filter: filter.to_owned(),
            detail,
        };
        let compiled = engine()
            .and_then(|engine| wasmtime::Module::from_binary(engine, wasm))
            .map_err(|error| invalid(format!("{error:#}")))?;
        let markers = ["proxy_abi_version_0_2_0", "proxy_abi_version_0_2_1"];
        if !markers.iter().any(|marker| compiled.get_export(marker).is_some()) {
            return Err(invalid(format!("exports none of {}", markers.join(", "))));
        }
        let linked = linker(compiled.engine())
            .and_then(|linker| linker.instantiate_pre(&compiled))
            .map_err(|error| invalid(format!("{error:#}")))?;
        Ok(Self {
            filter: filter.to_owned(),
            linked,
            digest: Sha256::digest(wasm).into(),
        })
    }

    /// The filter's name, as errors and logs say it.
    pub fn filter(&self) -> &str {
        &self.filter
    }

    /// The module, its imports resolved.
    pub(crate) fn linked(&self) -> &InstancePre<HostState> {
        &self.linked
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.linked.module().engine()
    }

    /// What tells modules apart: the SHA-256 of their bytes.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

/// One engine for all modules of this program.
fn engine() -> wasmtime::Result<&'static Engine> {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    if let Some(engine) = ENGINE.get() {
        return Ok(engine);
    }
    let mut config = Config::new();
    config.cache(cache()).consume_fuel(true);
    let engine = Engine::new(&config)?;
    Ok(ENGINE.get_or_init(|| engine))
}

/// Compiled modules are kept in the workspace's target folder; where there is no workspace (an installed program), in
/// the user's cache folder. None when neither can be written: then each run compiles.
fn cache() -> Option<Cache> {
    let mut config = CacheConfig::new();
    if workspace().is_dir() {
        config.with_directory(target_dir().join("wasmtime-cache"));
    }
    Cache::new(config).ok()
}

/// The folder of packed modules: the environment variable `WEIR_MODULES_DIR`, else `modules` in the workspace's
/// target folder.
pub fn modules_dir() -> PathBuf {
    match std::env::var_os("WEIR_MODULES_DIR") {
        Some(folder) => folder.into(),
        None => target_dir().join("modules"),
    }
}

fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => std::path::absolute(&folder).unwrap_or_else(|_| folder.into()),
        None => workspace().join("target"),
    }
}

fn workspace() -> &'static Path {
    let this_crate = Path::new(env!("CARGO_MANIFEST_DIR"));
    this_crate.parent().unwrap_or(this_crate)
}
