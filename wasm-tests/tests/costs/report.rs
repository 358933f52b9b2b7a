//! The packed filters, measured.

use serde_json::Value;
use weir_wasm_tests::modules_dir;

use crate::cases;
use crate::comparison::differences;
use crate::table::{Row, parse, path, text};

/// Set to write the tables instead of comparing them.
const REFRESH: &str = "WEIR_REFRESH";

fn command() -> String {
    format!("{REFRESH}=1 cargo test -p weir-wasm-tests --test costs")
}

fn packed() -> Vec<String> {
    let path = modules_dir().join("modules.json");
    let text = std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}: build the modules with `cargo run -q -p weir-pack-modules -- --out target/modules`",
            path.display()
        )
    });
    let catalog: Value = serde_json::from_slice(&text).unwrap();
    let filters: Vec<String> = catalog["modules"].as_object().unwrap().keys().cloned().collect();
    assert!(!filters.is_empty(), "the catalog lists no module");
    filters
}

fn measured(filter: &str) -> Vec<Row> {
    let cases = cases::of(filter).unwrap_or_else(|| {
        panic!(
            "no costs of {filter}: add its requests to wasm-tests/tests/costs/cases.rs, then run `{}`",
            command()
        )
    });
    cases.iter().map(|case| case.measure(filter)).collect()
}

#[test]
fn every_packed_filter_costs_what_its_table_says() {
    for filter in packed() {
        let (path, rows) = (path(&filter), measured(&filter));
        if std::env::var_os(REFRESH).is_some() {
            std::fs::write(&path, text(&filter, &rows, &command())).unwrap();
        }
        let committed = parse(&std::fs::read_to_string(&path).unwrap_or_default());
        let differences = differences(&committed, &rows);
        assert!(
            differences.is_empty(),
            "{filter} costs otherwise than {} says:\n{}\nrefresh it with `{}`",
            path.display(),
            differences.join("\n"),
            command()
        );
    }
}

#[test]
fn costs_are_the_same_in_any_order() {
    for filter in packed() {
        let forwards = measured(&filter);
        let cases = cases::of(&filter).unwrap();
        let mut backwards: Vec<Row> = cases.iter().rev().map(|case| case.measure(&filter)).collect();
        backwards.reverse();
        assert_eq!(forwards, backwards, "{filter}");
    }
}
