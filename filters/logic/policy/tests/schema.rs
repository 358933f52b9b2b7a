//! The committed JSON Schemas are those of the types.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::PathBuf;

use weir_policy::document::{Kind, schema};

fn file(kind: Kind) -> PathBuf {
    let name = format!("schema/{}.json", kind.as_str().to_lowercase());
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Set to write the files instead of comparing them.
const REFRESH: &str = "WEIR_REFRESH";

#[test]
fn committed_schemas_are_fresh() {
    for kind in Kind::ALL {
        let (file, text) = (
            file(kind),
            serde_json::to_string_pretty(&schema::of(kind)).unwrap() + "\n",
        );
        if std::env::var_os(REFRESH).is_some() {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            committed == text,
            "{} is stale; refresh it with: {REFRESH}=1 cargo test -p weir-policy --features schema --test schema",
            file.display()
        );
    }
}
