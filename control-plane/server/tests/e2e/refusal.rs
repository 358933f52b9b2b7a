//! What is refused, by the control plane or by Envoy, changes nothing.

use http::StatusCode;
use serde_json::json;

use crate::support::documents::{raw_cluster, shard_map};
use crate::support::loopback::{address, at};
use crate::support::modules::other_release;
use crate::support::process::{Process, envoy, run, stdout, weir};
use crate::support::proxy::Proxy;
use crate::support::stack::Stack;
use crate::support::traffic::Traffic;
use crate::support::wait::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_document_changes_nothing() {
    let stack = Stack::sharded().await;
    let proxy = stack.proxy("one", 1).await;
    let (documents, shard) = (stack.documents().await, proxy.shard_of("user-1").await);
    let mut doubled = shard_map(&["a", "a"]);
    doubled["spec"]["shards"][1]["weight"] = json!(0);
    let answer = stack.try_apply(vec![shard_map(&["d"]), doubled]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        answer.header("content-type"),
        Some(&b"application/problem+json"[..])
    );
    let problem = answer.json();
    let pointers: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(
        pointers,
        ["/spec/shards/1/name", "/spec/shards/1/weight"],
        "{problem}"
    );
    assert_eq!(problem["errors"][0]["document"], 1);
    assert_eq!(stack.documents().await, documents);
    assert_eq!(proxy.shard_of("user-1").await, shard);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_envoy_refuses_is_shown_and_holds_nothing_up() {
    let stack = Stack::sharded().await;
    let proxy = stack.proxy("one", 1).await;
    let traffic = Traffic::start(&proxy.http);
    // Right by the schema; Envoy wants endpoints of a static cluster to be addresses, so it refuses this one.
    let mut bad = raw_cluster("bad-cluster", "STATIC");
    bad["spec"]["resource"]["loadAssignment"] = json!({"clusterName": "bad-cluster", "endpoints": [{"lbEndpoints": [
        {"endpoint": {"address": {"socketAddress": {"address": "not-an-address", "portValue": 1}}}}]}]});
    stack.apply(vec![bad]).await;
    let nack = until("the refusal is shown", async || {
        let status = stack.proxy_status(&proxy.id).await?;
        Some(status["types"]["CDS"]["nack"].clone()).filter(|nack| !nack.is_null())
    })
    .await;
    assert_eq!(nack["resources"], json!(["bad-cluster"]), "{nack}");
    assert!(
        nack["message"].as_str().unwrap().contains("bad-cluster"),
        "{nack}"
    );
    // The command line says so as well, and that not all is well.
    let status = stack.weir(&["status"]);
    assert_eq!(status.status.code(), Some(1));
    assert!(stdout(&status).contains("bad-cluster"), "{}", stdout(&status));
    // Other changes go on.
    stack.apply(vec![shard_map(&["d"])]).await;
    until("a later change is in force", async || {
        (proxy.shard_of("user-1").await == "d").then_some(())
    })
    .await;
    traffic.stop().await;
}

/// An Envoy with a shipped bootstrap whose folder of modules nobody keeps up to date.
async fn envoy_alone(stack: &Stack, id: &str, modules: &std::path::Path) -> Proxy {
    let admin = address();
    let mut command = weir();
    command
        .args([
            "proxy",
            "bootstrap",
            "--gateway",
            "default/edge",
            "--id",
            id,
            "--xds",
            &stack.xds(),
        ])
        .args(["--admin", &at(admin, 9_901).to_string(), "--modules-dir"])
        .arg(modules);
    let output = run(command);
    assert!(output.status.success(), "{output:?}");
    let bootstrap = stack.path(&format!("{id}.yaml"));
    std::fs::write(&bootstrap, &output.stdout).unwrap();
    let mut command = std::process::Command::new(envoy());
    command
        .args(["--use-dynamic-base-id", "--concurrency", "1", "-c"])
        .arg(&bootstrap);
    let process = Process::start(command, &stack.path(&format!("{id}.log")));
    let mut proxy = Proxy::of(stack.ip, admin, id, process);
    proxy.serving().await;
    proxy
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_module_is_refused_and_the_old_one_serves_until_it_arrives() {
    let mut stack = Stack::sharded().await;
    let modules = stack.path("modules-alone");
    let pull = stack.weir(&["modules", "pull", "--dir", modules.to_str().unwrap()]);
    assert!(pull.status.success(), "{pull:?}");
    let proxy = envoy_alone(&stack, "alone", &modules).await;
    let vms = proxy.vms_created().await;
    let traffic = Traffic::start(&proxy.http);
    traffic.more(50).await;

    let release = other_release(&stack, "shard-router");
    stack.server.terminate();
    stack.restart(&["--modules-dir", release.to_str().unwrap()]).await;
    let nack = until("the missing file is shown", async || {
        let status = stack.proxy_status("alone").await?;
        Some(status["types"]["ECDS"]["nack"].clone()).filter(|nack| !nack.is_null())
    })
    .await;
    assert!(
        nack["message"].as_str().unwrap().contains("Invalid path"),
        "{nack}"
    );
    traffic.more(100).await;

    let pull = stack.weir(&["modules", "pull", "--dir", modules.to_str().unwrap()]);
    assert!(pull.status.success(), "{pull:?}");
    until("the new module is taken", async || {
        let status = stack.proxy_status("alone").await?;
        (status["types"]["ECDS"]["nack"].is_null() && proxy.vms_created().await > vms).then_some(())
    })
    .await;
    traffic.more(100).await;
    traffic.stop().await;
}
