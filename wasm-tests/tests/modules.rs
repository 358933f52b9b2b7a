//! The built modules as files: what they import and export, their size, their names.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cargo_metadata::MetadataCommand;
use serde_json::Value;
use sha2::{Digest, Sha256};
use wasmparser::{Parser, Payload, TypeRef};
use weir_wasm_tests::{HOST_FUNCTIONS, IMPORT_MODULE, modules_dir};

/// What a module may weigh.
const MAX_BYTES: usize = 400 * 1024;

/// What every module exports besides its callbacks; without `memory` no host could read it.
const ALWAYS_EXPORTED: [&str; 7] = [
    "_initialize",
    "malloc",
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
];

/// A filter's entry in the catalog, and its file.
struct Packed {
    filter: String,
    entry: Value,
    wasm: Vec<u8>,
}

fn read(name: &str) -> Vec<u8> {
    let path: PathBuf = modules_dir().join(name);
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}: build the modules with `cargo run -q -p weir-pack-modules -- --out target/modules`",
            path.display()
        )
    })
}

fn packed() -> Vec<Packed> {
    let catalog: Value = serde_json::from_slice(&read("modules.json")).unwrap();
    let modules = catalog["modules"].as_object().unwrap();
    assert!(!modules.is_empty(), "the catalog lists no module");
    let packed = |(filter, entry): (&String, &Value)| Packed {
        filter: filter.clone(),
        entry: entry.clone(),
        wasm: read(&format!("{filter}.wasm")),
    };
    modules.iter().map(packed).collect()
}

/// By filter: the callbacks that its crate lists under `[package.metadata.weir]`.
fn callbacks() -> BTreeMap<String, Vec<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let of_package = |package: &cargo_metadata::Package| {
        let weir = package.metadata.get("weir")?;
        let callbacks = weir["callbacks"].as_array()?.iter();
        let callbacks = callbacks.map(|name| name.as_str().unwrap().to_owned());
        Some((weir["filter"].as_str()?.to_owned(), callbacks.collect()))
    };
    metadata.packages.iter().filter_map(of_package).collect()
}

#[test]
fn a_module_imports_only_functions_of_the_abi() {
    for Packed { filter, wasm, .. } in packed() {
        for payload in Parser::new(0).parse_all(&wasm) {
            let Payload::ImportSection(imports) = payload.unwrap() else {
                continue;
            };
            for import in imports.into_imports() {
                let import = import.unwrap();
                let name = format!("{filter}: {}.{}", import.module, import.name);
                assert!(matches!(import.ty, TypeRef::Func(_)), "{name} is not a function");
                assert_eq!(import.module, IMPORT_MODULE, "{name}");
                assert!(HOST_FUNCTIONS.contains(&import.name), "{name} is not in the ABI");
            }
        }
    }
}

#[test]
fn a_module_exports_its_callbacks_and_no_more() {
    let callbacks = callbacks();
    for Packed { filter, wasm, .. } in packed() {
        let own = callbacks
            .get(&filter)
            .unwrap_or_else(|| panic!("no crate is the filter {filter:?}"));
        let expected: BTreeSet<&str> = own.iter().map(String::as_str).chain(ALWAYS_EXPORTED).collect();
        let mut exports = BTreeSet::new();
        for payload in Parser::new(0).parse_all(&wasm) {
            if let Payload::ExportSection(section) = payload.unwrap() {
                exports.extend(section.into_iter().map(|export| export.unwrap().name));
            }
        }
        assert_eq!(exports, expected, "{filter}");
    }
}

#[test]
fn a_module_stays_within_its_budget() {
    for Packed { filter, wasm, .. } in packed() {
        let size = wasm.len();
        assert!(
            size <= MAX_BYTES,
            "{filter}: {size} bytes, {MAX_BYTES} are the most"
        );
    }
}

#[test]
fn the_catalog_knows_a_module_by_its_digest_and_so_does_its_file() {
    for Packed { filter, entry, wasm } in packed() {
        let digest: String = Sha256::digest(&wasm)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(entry["sha256"], digest.as_str(), "{filter}");
        assert_eq!(entry["size"], wasm.len(), "{filter}");
        assert!(
            read(&format!("{digest}.wasm")) == wasm,
            "{filter}: {digest}.wasm differs"
        );
    }
}
