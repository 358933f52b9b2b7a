//! The workspace's directions: who may depend on whom, and that what the README names is there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{CrateType, DependencyKind, MetadataCommand, Package};

const PLANES: [&str; 3] = ["weir-store", "weir-xds", "weir-rest"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

fn packages() -> Vec<Package> {
    let manifest = root().join("Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .exec()
        .unwrap();
    assert!(metadata.packages.len() > 10, "the workspace's packages");
    metadata.packages
}

/// The packages whose folder is below `folder`.
fn below(packages: &[Package], folder: &str) -> BTreeSet<String> {
    let folder = root().join(folder);
    packages
        .iter()
        .filter(|package| package.manifest_path.starts_with(&folder))
        .map(|package| package.name.to_string())
        .collect()
}

/// Wasm modules: what Envoy loads.
fn filters(packages: &[Package]) -> BTreeSet<String> {
    let is_module = |package: &&Package| {
        let mut types = package.targets.iter().flat_map(|target| &target.crate_types);
        types.any(|crate_type| *crate_type == CrateType::CDyLib)
    };
    packages
        .iter()
        .filter(is_module)
        .map(|package| package.name.to_string())
        .collect()
}

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// What a package names in its manifest; tests may use more than the code itself.
fn dependencies(package: &Package, tests_too: bool) -> BTreeSet<String> {
    package
        .dependencies
        .iter()
        .filter(|dependency| tests_too || dependency.kind != DependencyKind::Development)
        .map(|dependency| dependency.name.clone())
        .collect()
}

fn is_ours(name: &str) -> bool {
    name.starts_with("weir-")
}

/// What `subjects` name of this workspace beyond `allowed`, as `subject -> dependency`.
fn strays(packages: &[Package], subjects: &BTreeSet<String>, allowed: &BTreeSet<String>) -> Vec<String> {
    assert!(!subjects.is_empty(), "a rule without subjects");
    packages
        .iter()
        .filter(|package| subjects.contains(package.name.as_str()))
        .flat_map(|package| {
            let named = dependencies(package, false).into_iter();
            named
                .filter(|name| is_ours(name) && !allowed.contains(name))
                .map(|name| format!("{} -> {name}", package.name))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Who names `dependency`.
fn users(packages: &[Package], dependency: &str) -> BTreeSet<String> {
    packages
        .iter()
        .filter(|package| dependencies(package, true).contains(dependency))
        .map(|package| package.name.to_string())
        .collect()
}

fn assert_none(strays: Vec<String>) {
    assert!(strays.is_empty(), "against the directions: {}", strays.join(", "));
}

#[test]
fn logic_depends_on_logic_only() {
    let packages = packages();
    let logic = below(&packages, "filters/logic");
    assert_none(strays(&packages, &logic, &logic));
}

#[test]
fn only_the_host_crate_names_proxy_wasm() {
    assert_eq!(users(&packages(), "proxy-wasm"), names(&["weir-host"]));
}

#[test]
fn filters_depend_on_host_and_logic() {
    let packages = packages();
    let mut allowed = below(&packages, "filters/logic");
    assert_none(strays(&packages, &names(&["weir-host"]), &allowed));
    allowed.insert("weir-host".to_owned());
    assert_none(strays(&packages, &filters(&packages), &allowed));
}

#[test]
fn core_depends_on_logic_and_knows_no_runtime() {
    let packages = packages();
    let core = names(&["weir-core"]);
    assert_none(strays(&packages, &core, &below(&packages, "filters/logic")));
    for runtime in ["tokio", "tonic", "kube", "axum", "sqlx"] {
        assert!(
            users(&packages, runtime).is_disjoint(&core),
            "weir-core -> {runtime}"
        );
    }
}

#[test]
fn documents_and_policy_tests_know_no_server() {
    let packages = packages();
    let mut allowed = below(&packages, "filters/logic");
    allowed.insert("weir-core".to_owned());
    assert_none(strays(&packages, &names(&["weir-documents"]), &allowed));
    allowed.extend(names(&["weir-documents", "weir-wasm-tests"]));
    assert_none(strays(&packages, &names(&["weir-policy-test"]), &allowed));
}

#[test]
fn the_cache_tier_depends_on_logic_only() {
    let packages = packages();
    let tier = names(&["weir-cache-tier"]);
    assert_none(strays(&packages, &tier, &below(&packages, "filters/logic")));
    assert_eq!(users(&packages, "weir-cache-tier"), names(&["weir-server"]));
}

#[test]
fn store_xds_and_rest_meet_in_the_server_only() {
    let packages = packages();
    let mut allowed = below(&packages, "filters/logic");
    allowed.insert("weir-core".to_owned());
    assert_none(strays(&packages, &names(&PLANES), &allowed));
    let sees_two = |package: &&Package| {
        let named = dependencies(package, true);
        PLANES.iter().filter(|plane| named.contains(**plane)).count() > 1
    };
    let wiring: BTreeSet<_> = packages
        .iter()
        .filter(sees_two)
        .map(|package| package.name.to_string())
        .collect();
    assert_eq!(wiring, names(&["weir-server"]));
}

#[test]
fn wasm_tests_link_no_filter() {
    let packages = packages();
    for filter in filters(&packages) {
        let users = users(&packages, &filter);
        assert!(!users.contains("weir-wasm-tests"), "weir-wasm-tests -> {filter}");
    }
}

/// Envoy refuses modules whose imports it does not have: those of wasm-bindgen and what builds on it.
#[test]
fn filters_pull_nothing_that_envoy_cannot_run() {
    for filter in filters(&packages()) {
        let options = [
            "--target",
            "wasm32-unknown-unknown",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ];
        let tree = Command::new(env!("CARGO"))
            .current_dir(root())
            .args(["tree", "--package", &filter])
            .args(options)
            .output()
            .unwrap();
        let text = String::from_utf8(tree.stdout).unwrap();
        assert!(
            tree.status.success() && text.starts_with(&filter),
            "cargo tree -p {filter}"
        );
        for banned in ["wasm-bindgen", "js-sys", "getrandom"] {
            let found = text.lines().any(|line| line.split(' ').next() == Some(banned));
            assert!(!found, "{filter} pulls {banned}");
        }
    }
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    for package in packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{}",
            package.manifest_path
        );
    }
}

/// Every word of the README that starts like a folder of this checkout.
#[test]
fn the_readme_names_what_is_there() {
    let Ok(readme) = std::fs::read_to_string(root().join("README.md")) else {
        return;
    };
    let folders = [
        ".ci/",
        "control-plane/",
        "envoy/",
        "filters/",
        "istio/",
        "k8s/",
        "scripts/",
        "wasm-tests/",
    ];
    let separators = |letter: char| letter.is_whitespace() || "`()[]{}<>\"',;|*".contains(letter);
    let missing: Vec<_> = readme
        .split(separators)
        .map(|word| word.trim_start_matches("./").trim_end_matches(['.', ':']))
        .filter(|word| folders.iter().any(|folder| word.starts_with(folder)))
        .map(|word| word.split('#').next().unwrap_or(word))
        .filter(|path| !root().join(path).exists())
        .collect();
    assert!(
        missing.is_empty(),
        "README.md names what is not there: {}",
        missing.join(", ")
    );
}
