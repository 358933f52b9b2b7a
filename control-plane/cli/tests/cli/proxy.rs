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
use tokio::signal::unix::{SignalKind, signal};

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
    validate(&["--server", "http://control-plane.internal"], "yaml").await;
    validate(&["--server", "http://control-plane.internal/weir"], "yaml").await;
}

#[tokio::test]
async fn filters_find_the_rest_api() {
    let bootstrap = [
        "proxy",
        "bootstrap",
        "--gateway",
        "default/edge",
        "-o",
        "json",
        "--server",
    ];
    for (server, kind, host, port) in [
        ("http://127.0.0.1:8600", "STATIC", "127.0.0.1", 8600),
        ("http://[::1]:8600/", "STATIC", "::1", 8600),
        ("http://weir.internal", "STRICT_DNS", "weir.internal", 80),
    ] {
        let run = weir(&[&bootstrap[..], &[server]].concat()).await;
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{run:?}");
        let cluster = &run.json()["static_resources"]["clusters"][1];
        assert_eq!(
            (&cluster["name"], &cluster["type"]),
            (&json!("weir-control"), &json!(kind))
        );
        let endpoint = &cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"];
        let address = json!({"socket_address": {"address": host, "port_value": port}});
        assert_eq!(endpoint["address"], address);
    }
    let run = weir(&[&bootstrap[..], &["http://weir.internal/below"]].concat()).await;
    assert!(run.code == 0 && run.err.starts_with("warning: "), "{run:?}");
    let clusters = run.json()["static_resources"]["clusters"].clone();
    assert_eq!(clusters.as_array().unwrap().len(), 1, "{clusters}");
    let run = weir(&[&bootstrap[..], &["https://weir.internal"]].concat()).await;
    assert!(
        run.code == 2 && run.err.contains("expected http://HOST:PORT"),
        "{run:?}"
    );
}

/// A table of one route, whose path is a regular expression that the API takes and whose program is large.
fn with_large_expression(mut bootstrap: Value) -> Value {
    let manager = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    let router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
    let path = json!({"safe_regex": {"regex": "/orders/[a-z0-9-]{200}"}});
    bootstrap["static_resources"]["listeners"] = json!([{
        "name": "edge",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": {
            "@type": manager,
            "stat_prefix": "edge",
            "http_filters": [{"name": "router", "typed_config": {"@type": router}}],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                {"match": path, "direct_response": {"status": 200}},
            ]}]},
        }}]}],
    }]);
    bootstrap
}

fn accepts(bootstrap: &Value) -> (bool, String) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("bootstrap.json");
    std::fs::write(&file, bootstrap.to_string()).unwrap();
    let output = Command::new(envoy())
        .args(["--mode", "validate", "-c"])
        .arg(&file)
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), log)
}

#[tokio::test]
async fn envoy_takes_large_expressions_because_of_the_bootstrap() {
    let run = weir(&["proxy", "bootstrap", "--gateway", "default/edge", "-o", "json"]).await;
    let mut bootstrap = with_large_expression(run.json());
    let (taken, log) = accepts(&bootstrap);
    assert!(taken, "{log}");
    bootstrap.as_object_mut().unwrap().remove("layered_runtime");
    let (taken, log) = accepts(&bootstrap);
    assert!(!taken && log.contains("max program size"), "{log}");
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

/// A terminal that goes sends SIGHUP, which Envoy itself takes no notice of.
async fn ends_on_hangup(server: &str, folder: &Path) {
    // Where nohup has it ignored, a handler puts that right.
    let _heard = signal(SignalKind::hangup()).unwrap();
    let (envoy, address) = (envoy(), nobody().await);
    let admin_address = address.to_string();
    let more = ["--admin", &admin_address, "--", "--log-level", "error"];
    let proxy = run_proxy(server, folder, &envoy, &more);
    let story = async {
        admin(address, "/server_info").await;
        kill_process(getpid(), Signal::HUP).unwrap();
    };
    let (run, ()) = tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(proxy, story) })
        .await
        .unwrap();
    assert_eq!(run.code, 0, "{run:?}");
    assert!(TcpStream::connect(address).await.is_err(), "Envoy is gone");
}

/// One proxy's life: it gets what it was told, new modules come while it runs, SIGTERM ends it, as SIGHUP does the next.
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
    // In the same test: a signal reaches every proxy that runs in this process.
    ends_on_hangup(&server.url, folder.path()).await;
}
