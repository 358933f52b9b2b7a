//! What an operator gets wrong: a message that names it, an exit code, and nothing overwritten.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use serde_json::json;

use crate::support::documents::shard_map;
use crate::support::loopback::address;
use crate::support::process::{run, stderr, stdout, weir};
use crate::support::stack::{Stack, serve};

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[track_caller]
fn assert_refused(output: &Output, code: i32, words: &[&str]) {
    let said = format!("{}{}", stdout(output), stderr(output));
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

fn validate(file: &str) -> Output {
    let mut command = weir();
    command.args(["validate", "-f", file]);
    run(command)
}

#[test]
fn malformed_yaml_is_placed() {
    let home = tempfile::tempdir().unwrap();
    let file = write(
        home.path(),
        "bad.yaml",
        "apiVersion: weir.dev/v1alpha1\nkind: [Backend\nmetadata: {}\n",
    );
    assert_refused(&validate(&file), 1, &["bad.yaml:3:"]);
}

#[test]
fn a_wrong_field_is_placed() {
    let home = tempfile::tempdir().unwrap();
    let text = "apiVersion: weir.dev/v1alpha1\nkind: Backend\nmetadata:\n  name: a\nspec:\n  endpoints:\n  - address: 127.0.0.1\n    port: 0\n  colour: red\n";
    let file = write(home.path(), "backend.yaml", text);
    assert_refused(&validate(&file), 1, &["backend.yaml:9:", "/spec/colour"]);
    let file = write(home.path(), "port.yaml", &text.replace("  colour: red\n", ""));
    assert_refused(&validate(&file), 1, &["port.yaml:8:", "/spec/endpoints/0/port"]);
}

#[test]
fn a_bad_file_stops_the_start() {
    let home = tempfile::tempdir().unwrap();
    let file = write(
        home.path(),
        "bad.yaml",
        "apiVersion: weir.dev/v1alpha1\nkind: Backend\nmetadata: {name: a}\nspec: {endpoints: []}\n",
    );
    let mut command = serve(address(), &home.path().join("data"));
    command.args(["-f", &file]);
    assert_refused(&run(command), 1, &["bad.yaml:4:", "/spec/endpoints"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_and_a_taken_folder_are_named() {
    let stack = Stack::empty().await;
    let home = tempfile::tempdir().unwrap();
    let same_port = serve(stack.ip, &home.path().join("data"));
    assert_refused(&run(same_port), 1, &[":8600", "--listen"]);
    let same_folder = serve(address(), &stack.path("data"));
    assert_refused(&run(same_folder), 1, &[stack.path("data").to_str().unwrap()]);
}

#[test]
fn a_folder_that_cant_be_made_is_named() {
    let home = tempfile::tempdir().unwrap();
    let file = write(home.path(), "file", "not a folder");
    assert_refused(
        &run(serve(address(), &Path::new(&file).join("data"))),
        1,
        &["file/data"],
    );
}

#[test]
fn a_corrupt_or_foreign_database_is_named_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let garbage = vec![0x5A; 40_000];
    let mut torn = b"SQLite format 3\0".to_vec();
    torn.extend_from_slice(&garbage);
    for (name, bytes) in [("garbage", garbage), ("torn", torn)] {
        let data = home.path().join(name);
        std::fs::create_dir(&data).unwrap();
        let database = data.join("weir.db");
        std::fs::write(&database, &bytes).unwrap();
        assert_refused(&run(serve(address(), &data)), 1, &["weir.db"]);
        assert_eq!(std::fs::read(&database).unwrap(), bytes, "{name} was changed");
    }
}

#[test]
fn a_module_that_is_missing_or_damaged_is_named() {
    let home = tempfile::tempdir().unwrap();
    let modules = home.path().join("modules");
    std::fs::create_dir(&modules).unwrap();
    let start = || {
        let mut command = serve(address(), &home.path().join("data"));
        command.arg("--modules-dir").arg(&modules);
        run(command)
    };
    assert_refused(&start(), 1, &["modules.json"]);
    write(&modules, "modules.json", r#"{"modules": {}}"#);
    assert_refused(&start(), 1, &["rate-limit"]);
    let module = json!({"sha256": "00", "size": 1});
    let filters = ["rate-limit", "shard-router", "edge-cache", "request-hedge"];
    let known: BTreeMap<&str, _> = filters.map(|filter| (filter, &module)).into();
    let catalog = json!({"modules": known});
    write(&modules, "modules.json", &catalog.to_string());
    assert_refused(&start(), 1, &["00.wasm"]);
    write(&modules, "00.wasm", "x");
    assert_refused(&start(), 1, &["00.wasm", "damaged"]);
}

#[test]
fn an_absent_control_plane_is_an_exit_code_of_its_own() {
    let mut command = weir();
    command.args(["status", "--server", &format!("http://{}:8600", address())]);
    assert_refused(&run(command), 4, &["weir serve"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_waits_until_every_proxy_has_taken_everything() {
    let stack = Stack::sharded().await;
    let _proxy = stack.proxy("one", 1).await;
    for shards in [&["a"][..], &["b", "d"], &["a", "b", "c", "d"]] {
        stack.apply(vec![shard_map(shards)]).await;
        let waited = stack.weir(&["status", "--wait", "--proxies", "1", "-o", "json"]);
        assert_eq!(waited.status.code(), Some(0), "{waited:?}");
        let status: serde_json::Value = serde_json::from_slice(&waited.stdout).unwrap();
        assert_eq!(status["proxies"][0]["revision"], status["revision"]);
        let slot = &status["proxies"][0]["types"]["ECDS"];
        assert_eq!(slot["sentVersion"], slot["ackedVersion"]);
    }
}
