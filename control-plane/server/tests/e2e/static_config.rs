//! `envoy/`: static configurations that work with no control plane.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::loopback::address;
use crate::support::process::{Process, envoy, modules_dir, run, stdout, weir};
use crate::support::proxy::Proxy;
use crate::support::shards::Shard;

const DOCUMENTS: [&str; 3] = ["gateway.yaml", "backends.yaml", "orders.yaml"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn with_samples(command: &mut Command) {
    for file in DOCUMENTS {
        command.arg("-f").arg(root().join("scripts/sample").join(file));
    }
}

fn configuration() -> String {
    std::fs::read_to_string(root().join("envoy/shard-router.yaml")).unwrap()
}

/// The filter's configuration: the text of the one block scalar, which ends where the indentation does.
fn slot_in(configuration: &str) -> String {
    let lines: Vec<&str> = configuration.lines().collect();
    let start = lines
        .iter()
        .position(|line| line.ends_with("value: |"))
        .expect("a block scalar")
        + 1;
    let indentation = lines[start].len() - lines[start].trim_start().len();
    let inside = |line: &&&str| line.starts_with(&" ".repeat(indentation));
    lines[start..]
        .iter()
        .take_while(inside)
        .map(|line| format!("{}\n", &line[indentation..]))
        .collect()
}

#[test]
fn the_static_configuration_is_what_compile_writes() {
    let mut compile = weir();
    compile.arg("compile");
    with_samples(&mut compile);
    let compiled = run(compile);
    assert!(compiled.status.success(), "{compiled:?}");
    let expected = stdout(&compiled);
    assert_eq!(
        slot_in(&configuration()),
        expected,
        "put this under `value: |` of envoy/shard-router.yaml:\n{expected}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_static_configuration_serves_without_a_control_plane() {
    let (ip, admin) = (address(), address());
    let mut shards = Vec::new();
    for (index, name) in ["a", "b", "c"].into_iter().enumerate() {
        let first = 9_101 + 3 * u16::try_from(index).unwrap();
        shards.push(Shard::start_at(ip, name, [first, first + 1, first + 2]).await);
    }
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("envoy.yaml");
    let module = modules_dir().join("shard-router.wasm");
    let configuration = configuration()
        .replace(
            "address: 127.0.0.1, port_value: 9901",
            &format!("address: {admin}, port_value: 9901"),
        )
        .replace("127.0.0.1", &ip.to_string())
        .replace("target/modules/shard-router.wasm", module.to_str().unwrap());
    std::fs::write(&file, configuration).unwrap();
    let mut command = Command::new(envoy());
    command
        .args(["--use-dynamic-base-id", "--concurrency", "2", "-c"])
        .arg(&file);
    let mut proxy = Proxy::of(
        ip,
        admin,
        "static",
        Process::start(command, &home.path().join("envoy.log")),
    );
    proxy.serving().await;

    let keys: Vec<String> = (0..40).map(|number| format!("user-{number}")).collect();
    for (key, shard) in owners(&keys) {
        let answer = proxy.get(&format!("/users/{key}/orders"), &[]).await;
        assert_eq!(answer.json()["shard"], *shard, "{key}");
    }
    assert_eq!(proxy.get("/orders", &[]).await.status, 400);
    assert_eq!(proxy.generation().await, 1);
}

fn owners(keys: &[String]) -> BTreeMap<String, String> {
    let mut command = weir();
    command.args(["ring", "owner", "-o", "json"]);
    with_samples(&mut command);
    command.arg("--").args(keys);
    let output = run(command);
    let answer: Value =
        serde_json::from_str(&stdout(&output)).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let text = |value: &Value, field: &str| value[field].as_str().unwrap().to_owned();
    answer
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (text(one, "key"), text(one, "shard")))
        .collect()
}
