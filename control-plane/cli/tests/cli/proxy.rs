//! Envoy itself reads the bootstrap, and is run and ended.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::{Run, Server, json, nobody, weir};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::net::TcpStream;

fn envoy() -> PathBuf {
    let binary =
        std::env::var_os("WEIR_ENVOY").expect("WEIR_ENVOY names no Envoy binary: run ./scripts/setup");
    PathBuf::from(binary)
}

async fn validate(arguments: &[&str], extension: &str) {
    let run = weir(&[&["proxy", "bootstrap", "--gateway", "default/edge"], arguments].concat()).await;
    assert_eq!(run.code, 0, "{run:?}");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join(format!("bootstrap.{extension}"));
    std::fs::write(&file, &run.out).unwrap();
    let output = Command::new(envoy())
        .args(["--mode", "validate", "-c"])
        .arg(&file)
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}\n{}", run.out);
    assert!(!log.contains("[error]") && !log.contains("Deprecated"), "{log}");
}

#[tokio::test]
async fn envoy_takes_the_bootstrap() {
    validate(&[], "yaml").await;
    validate(&["-o", "json", "--xds", "[::1]:18000"], "json").await;
    validate(&["--xds", "control-plane.internal:18000"], "yaml").await;
}

#[tokio::test]
async fn the_bootstrap_says_who_the_proxy_is() {
    let arguments = ["--id", "edge-7", "--modules-dir", "relative", "-o", "json"];
    let bootstrap = weir(&[&["proxy", "bootstrap", "--gateway", "shop/edge"], &arguments[..]].concat())
        .await
        .json();
    let modules = std::env::current_dir().unwrap().join("relative");
    let node = json!({"id": "edge-7", "cluster": "shop/edge", "metadata": {"weir": {"modulesDir": modules}}});
    assert_eq!(bootstrap["node"], node);
    let bootstrap = weir(&["proxy", "bootstrap", "--gateway", "shop/edge", "-o", "json"])
        .await
        .json();
    let id = bootstrap["node"]["id"].as_str().unwrap();
    assert!(id.ends_with("-edge") && id.len() > "-edge".len(), "{id}");
}

#[tokio::test]
async fn an_admin_interface_for_everyone_is_refused() {
    use clap::Parser;
    let line = [
        "weir",
        "proxy",
        "bootstrap",
        "--gateway",
        "default/edge",
        "--admin",
        "0.0.0.0:9901",
    ];
    let error = weir_cli::options::Cli::try_parse_from(line).unwrap_err();
    assert!(
        error.exit_code() == 2 && error.to_string().contains("loopback"),
        "{error}"
    );
}

async fn run_proxy(server: &str, folder: &Path, envoy: &Path, more: &[&str]) -> Run {
    let (modules, envoy) = (folder.join("modules"), envoy.display().to_string());
    let arguments = [
        "proxy",
        "run",
        "--gateway",
        "default/edge",
        "--server",
        server,
        "--envoy",
        &envoy,
    ];
    weir(
        &[
            &arguments[..],
            &["--modules-dir", modules.to_str().unwrap()],
            more,
        ]
        .concat(),
    )
    .await
}

#[tokio::test]
async fn an_old_envoy_is_refused() {
    let folder = TempDir::new().unwrap();
    let old = folder.path().join("envoy");
    std::fs::write(
        &old,
        "#!/bin/sh\necho 'envoy  version: 0/1.39.2/Clean/RELEASE/BoringSSL'\n",
    )
    .unwrap();
    std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = run_proxy("http://127.0.0.1:9", folder.path(), &old, &[]).await;
    assert!(
        run.code == 1 && run.err.contains("expected Envoy 1.40 or newer"),
        "{run:?}"
    );
    let run = run_proxy(
        "http://127.0.0.1:9",
        folder.path(),
        &folder.path().join("nowhere"),
        &[],
    )
    .await;
    assert!(run.code == 1 && run.err.contains("cannot run"), "{run:?}");
}

#[tokio::test]
async fn modules_that_are_there_will_do() {
    let away = format!("http://{}", nobody().await);
    let folder = TempDir::new().unwrap();
    let validate = ["--", "--mode", "validate"];
    assert_eq!(run_proxy(&away, folder.path(), &envoy(), &validate).await.code, 4);
    std::fs::create_dir(folder.path().join("modules")).unwrap();
    std::fs::write(folder.path().join("modules/modules.json"), "{\"modules\": {}}").unwrap();
    let run = run_proxy(&away, folder.path(), &envoy(), &validate).await;
    assert!(
        run.code == 0 && run.err.contains("starting with the modules that are there"),
        "{run:?}"
    );
}

#[tokio::test]
async fn the_exit_code_is_envoys() {
    let server = Server::start(|_| json(200, &json!({"modules": {}}))).await;
    let folder = TempDir::new().unwrap();
    let run = run_proxy(&server.url, folder.path(), &envoy(), &["--", "--no-such-flag"]).await;
    assert_eq!((run.code, run.err.lines().count()), (1, 1), "{run:?}");
}

/// `GET path` from Envoy's admin interface, once it answers.
async fn admin(address: SocketAddr, path: &str) -> Value {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    loop {
        if let Ok(answer) = client
            .get(format!("http://{address}{path}").parse().unwrap())
            .await
        {
            return serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn exists(file: &Path) {
    while !file.exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One proxy's life: it gets what it was told, new modules come while it runs, SIGTERM ends it.
#[tokio::test]
async fn envoy_runs_until_it_is_told_to_end() {
    let content = b"\0asm\x01\0\0\0";
    let sha256: String = Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let upgraded = Arc::new(AtomicBool::new(false));
    let (is_upgraded, digest) = (Arc::clone(&upgraded), sha256.clone());
    let server = Server::start(move |line| match (line, is_upgraded.load(Ordering::Relaxed)) {
        ("GET /v1/modules", false) => json(200, &json!({"modules": {}})),
        ("GET /v1/modules", true) => json(
            200,
            &json!({"modules": {"m": {"sha256": digest, "size": content.len()}}}),
        ),
        _ => (200, content.to_vec()),
    })
    .await;
    let folder = TempDir::new().unwrap();
    let address = nobody().await;
    let arguments = [
        "--id",
        "edge-1",
        "--admin",
        &address.to_string(),
        "--concurrency",
        "2",
        "--drain-time",
        "5s",
    ];
    let (envoy, more) = (
        envoy(),
        [&arguments[..], &["--", "--log-level", "error"]].concat(),
    );
    let proxy = run_proxy(&server.url, folder.path(), &envoy, &more);
    let story = async {
        let info = admin(address, "/server_info").await;
        assert_eq!(
            (&info["node"]["id"], &info["node"]["cluster"]),
            (&json!("edge-1"), &json!("default/edge"))
        );
        let options = &info["command_line_options"];
        assert_eq!(
            (&options["concurrency"], &options["drain_time"]),
            (&json!(2), &json!("5s"))
        );
        upgraded.store(true, Ordering::Relaxed);
        exists(&folder.path().join(format!("modules/{sha256}.wasm"))).await;
        // To this very process: Envoy runs, so that the signal has its handler.
        kill_process(getpid(), Signal::TERM).unwrap();
    };
    let (run, ()) = tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(proxy, story) })
        .await
        .unwrap();
    assert_eq!(run.code, 0, "{run:?}");
    assert!(TcpStream::connect(address).await.is_err(), "Envoy is gone");
}
