//! `envoy/`: static configurations that work with no control plane.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::client::Client;
use crate::support::documents::PROXY_PORT;
use crate::support::hedges::Hedges;
use crate::support::loopback::{address, at};
use crate::support::origin::{Origin, is_fill, is_hit};
use crate::support::process::{Process, envoy, modules_dir, run, stdout, weir};
use crate::support::proxy::Proxy;
use crate::support::shards::Shard;
use crate::support::wait::until;

const DOCUMENTS: [&str; 4] = ["gateway.yaml", "backends.yaml", "orders.yaml", "limits.yaml"];
/// The cache's configuration has no shards, so that clients share answers.
const CACHED: [&str; 2] = ["gateway.yaml", "products.yaml"];
const HEDGED: [&str; 4] = ["gateway.yaml", "backends.yaml", "orders.yaml", "hedge.yaml"];
const FILTERS: [&str; 4] = ["shard-router", "rate-limit", "edge-cache", "request-hedge"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn with_samples(command: &mut Command, files: &[&str]) {
    for file in files {
        command.arg("-f").arg(root().join("scripts/sample").join(file));
    }
}

fn configuration(filter: &str) -> String {
    std::fs::read_to_string(root().join(format!("envoy/{filter}.yaml"))).unwrap()
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
fn static_configurations_are_what_compile_writes() {
    for filter in FILTERS {
        let mut compile = weir();
        compile.args(["compile", "--filter", filter]);
        let files: &[&str] = match filter {
            "edge-cache" => &CACHED,
            "request-hedge" => &HEDGED,
            _ => &DOCUMENTS,
        };
        with_samples(&mut compile, files);
        let compiled = run(compile);
        assert!(compiled.status.success(), "{compiled:?}");
        let expected = stdout(&compiled);
        assert_eq!(
            slot_in(&configuration(filter)),
            expected,
            "put this under `value: |` of envoy/{filter}.yaml:\n{expected}"
        );
    }
}

#[test]
fn every_static_configuration_is_tested() {
    let mut found: Vec<String> = std::fs::read_dir(root().join("envoy"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut expected = FILTERS.map(|filter| format!("{filter}.yaml"));
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

/// Envoy with a static configuration, at addresses of its own.
fn start(filter: &str, ip: IpAddr, home: &TempDir) -> Proxy {
    let admin = address();
    let file = home.path().join("envoy.yaml");
    let module = modules_dir().join(format!("{filter}.wasm"));
    let configuration = configuration(filter)
        .replace(
            "address: 127.0.0.1, port_value: 9901",
            &format!("address: {admin}, port_value: 9901"),
        )
        .replace("127.0.0.1", &ip.to_string())
        .replace(&format!("target/modules/{filter}.wasm"), module.to_str().unwrap());
    std::fs::write(&file, configuration).unwrap();
    let mut command = Command::new(envoy());
    command
        .args(["--use-dynamic-base-id", "--concurrency", "2", "-c"])
        .arg(&file);
    let process = Process::start(command, &home.path().join("envoy.log"));
    Proxy::of(ip, admin, "static", process)
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_need_no_control_plane() {
    let ip = address();
    let mut shards = Vec::new();
    for (index, name) in ["a", "b", "c"].into_iter().enumerate() {
        let first = 9_101 + 3 * u16::try_from(index).unwrap();
        shards.push(Shard::start_at(ip, name, [first, first + 1, first + 2]).await);
    }
    let home = tempfile::tempdir().unwrap();
    let mut proxy = start("shard-router", ip, &home);
    proxy.serving().await;

    let keys: Vec<String> = (0..40).map(|number| format!("user-{number}")).collect();
    for (key, shard) in owners(&keys) {
        let answer = proxy.get(&format!("/users/{key}/orders"), &[]).await;
        assert_eq!(answer.json()["shard"], *shard, "{key}");
    }
    assert_eq!(proxy.get("/orders", &[]).await.status, 400);
    assert_eq!(proxy.generation().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_need_no_control_plane() {
    let ip = address();
    let _backend = Shard::start_at(ip, "a", [9_101, 9_102, 9_103]).await;
    let home = tempfile::tempdir().unwrap();
    let mut proxy = start("rate-limit", ip, &home);
    proxy.serving().await;
    for (plan, quota) in [("none", 100), ("gold", 1_000)] {
        let answer = proxy
            .get("/orders", &[("x-user-id", plan), ("x-plan", plan)])
            .await;
        assert_eq!(answer.status, 200);
        let policy = String::from_utf8_lossy(answer.header("ratelimit-policy").unwrap()).into_owned();
        assert!(
            policy.starts_with(&format!("\"client\";q={quota};w=1;pk=:")),
            "{policy}"
        );
    }
    let exempt = proxy.get("/healthz", &[]).await;
    assert_eq!((exempt.status.as_u16(), exempt.header("ratelimit")), (200, None));
    assert_eq!(proxy.generation().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_needs_no_control_plane() {
    let ip = address();
    let origin = Origin::start_at(ip, 9_101).await;
    let home = tempfile::tempdir().unwrap();
    let mut proxy = start("edge-cache", ip, &home);
    proxy.serving().await;
    let first = proxy.get("/products/1", &[]).await;
    assert!(is_fill(&first), "{first:?}");
    for _ in 0..10 {
        let fresh = Client::new(at(ip, PROXY_PORT));
        let again = fresh.get("/products/1", &[]).await;
        assert!(is_hit(&again), "{again:?}");
        assert_eq!(again.body, first.body);
    }
    assert_eq!(origin.asked("/products/1"), 1);
    assert_eq!(proxy.generation().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn hedges_need_no_control_plane() {
    let ip = address();
    let _shard = Shard::start_at(ip, "a", [0, 9_102, 9_103]).await;
    let home = tempfile::tempdir().unwrap();
    let mut proxy = start("request-hedge", ip, &home);
    proxy.serving().await;
    until("it is known what is usual", async || {
        for _ in 0..50 {
            assert_eq!(proxy.get("/users/alice", &[]).await.status, 200);
        }
        let delays = proxy.stats("weir_hedge_delay_ms").await;
        delays.values().any(|delay| *delay > 0).then_some(())
    })
    .await;
    let hedged = Hedges::of(&proxy);
    until("slow reads are sent twice", async || {
        let answer = hedged.slow_read("alice").await;
        assert_eq!(answer.status, 200);
        (hedged.sent_by_envoy().await >= 5).then_some(())
    })
    .await;
    hedged.count_what_envoy_sends().await;
    assert_eq!(proxy.generation().await, 1);
    assert_eq!(proxy.vm_reloads().await, 0);
}

fn owners(keys: &[String]) -> BTreeMap<String, String> {
    let mut command = weir();
    command.args(["ring", "owner", "-o", "json"]);
    with_samples(&mut command, &DOCUMENTS);
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
