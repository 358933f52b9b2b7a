//! Modules of another release.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::process::{modules_dir, run, stdout};
use super::stack::Stack;

/// A folder of modules in which that of `filter` is another file: the same code and one more custom section.
pub(crate) fn other_release(stack: &Stack, filter: &str) -> PathBuf {
    let folder = stack.path("other-release");
    std::fs::create_dir(&folder).unwrap();
    let catalog = std::fs::read(modules_dir().join("modules.json")).unwrap();
    let mut catalog: Value = serde_json::from_slice(&catalog).unwrap();
    for (name, module) in catalog["modules"].as_object_mut().unwrap() {
        if name == filter {
            *module = with_a_note(name, &folder);
        } else {
            let file = format!("{}.wasm", module["sha256"].as_str().unwrap());
            std::fs::copy(modules_dir().join(&file), folder.join(&file)).unwrap();
        }
    }
    std::fs::write(folder.join("modules.json"), catalog.to_string()).unwrap();
    folder
}

/// What the catalog says of the new file.
fn with_a_note(filter: &str, folder: &Path) -> Value {
    let mut bytes = std::fs::read(modules_dir().join(format!("{filter}.wasm"))).unwrap();
    bytes.extend_from_slice(&[0, 5, 4, b'n', b'o', b't', b'e']);
    let file = folder.join("module");
    std::fs::write(&file, &bytes).unwrap();
    let mut sum = Command::new("sha256sum");
    sum.arg(&file);
    let digest = stdout(&run(sum)).split_whitespace().next().unwrap().to_owned();
    std::fs::rename(&file, folder.join(format!("{digest}.wasm"))).unwrap();
    json!({"sha256": digest, "size": bytes.len()})
}
