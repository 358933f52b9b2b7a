//! Fetching what is missing, by digest.

use serde::Serialize;
use weir_core::module::{Module, ModuleCatalog};

use super::folder::{Folder, digest};
use crate::client::Client;
use crate::console::Console;
use crate::failure::Failure;

/// Where the control plane's catalog stands.
pub(crate) const CATALOG_PATH: &str = "/v1/modules";

/// What a pull did.
#[derive(Debug, Serialize)]
pub(crate) struct Pulled {
    /// The names of the modules that were missing.
    pub(crate) fetched: Vec<String>,
    /// All modules of the control plane; every one is in the folder now.
    #[serde(flatten)]
    pub(crate) catalog: ModuleCatalog,
}

/// Fetches the modules that `folder` lacks. `modules.json` is written last, so that it never names a file that isn't
/// there. Files of older catalogs stay: a proxy may still run them.
pub(crate) async fn pull(
    client: &Client,
    folder: &Folder,
    console: &mut Console<'_>,
) -> Result<Pulled, Failure> {
    let catalog: ModuleCatalog = client.get(CATALOG_PATH).await?;
    folder.create()?;
    let mut fetched = Vec::new();
    for (name, module) in &catalog.modules {
        if !folder.holds(module) {
            fetch(client, folder, name, module).await?;
            console.note(format!(
                "fetched {name}: {} bytes, SHA-256 {}",
                module.size, module.sha256
            ));
            fetched.push(name.clone());
        }
    }
    folder.put_catalog(&catalog)?;
    Ok(Pulled { fetched, catalog })
}

async fn fetch(client: &Client, folder: &Folder, name: &str, module: &Module) -> Result<(), Failure> {
    if !is_digest(&module.sha256) {
        return Err(Failure::Server(format!(
            "module {name}: {:?} is no SHA-256",
            module.sha256
        )));
    }
    let content = client
        .get_bytes(&format!("{CATALOG_PATH}/{}", module.sha256))
        .await?;
    let found = digest(&content);
    if found != module.sha256 {
        let expected = &module.sha256;
        return Err(Failure::Server(format!(
            "module {name}: expected SHA-256 {expected}, got {found}; not stored"
        )));
    }
    folder.put(module, &content)
}

/// What a control plane names is used in a path, so that it has to be a digest.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
