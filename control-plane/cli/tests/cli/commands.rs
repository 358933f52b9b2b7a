//! Commands, against files and against a server on loopback.

use std::path::Path;

use crate::harness::{Server, json, nobody, weir, weir_unread};
use clap::CommandFactory;
use serde_json::{Value, json};
use tempfile::TempDir;
use weir_cli::options::Cli;

const BACKEND: &str = "\
apiVersion: weir.dev/v1alpha1
kind: Backend
metadata: {name: NAME}
spec:
  endpoints:
    - {address: 127.0.0.1, port: 9001, role: primary}
";
const GATEWAY: &str = "\
apiVersion: weir.dev/v1alpha1
kind: Gateway
metadata: {name: NAME}
spec:
  listeners: [{port: 8080}]
  routes: [{name: all}]
";
const ORDERS: &str = "\
apiVersion: weir.dev/v1alpha1
kind: ShardMap
metadata: {name: orders}
spec:
  key: {sources: [{header: x-user}]}
  strategy: {hash: {algorithm: ring-v1}}
  shards:
    - {name: a, backend: orders-a}
    - {name: b, backend: orders-b, weight: 2}
";

fn complete() -> String {
    let backends = [
        BACKEND.replace("NAME", "orders-a"),
        BACKEND.replace("NAME", "orders-b"),
    ];
    [
        &backends[0],
        &backends[1],
        &GATEWAY.replace("NAME", "edge"),
        ORDERS,
    ]
    .join("---\n")
}

fn write(folder: &TempDir, name: &str, text: &str) -> String {
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[tokio::test]
async fn validate_takes_what_is_complete() {
    let folder = TempDir::new().unwrap();
    write(&folder, "all.yaml", &complete());
    let run = weir(&["validate", "-f", folder.path().to_str().unwrap(), "-o", "json"]).await;
    assert_eq!(
        (run.code, run.json()),
        (0, json!({"documents": 4, "problems": []}))
    );
}

#[tokio::test]
async fn validate_names_file_line_and_field() {
    let folder = TempDir::new().unwrap();
    let backends = write(&folder, "backends.yaml", &BACKEND.replace("NAME", "orders-a"));
    let orders = write(&folder, "orders.yaml", &ORDERS.replace("{name: b,", "{name: a,"));
    let run = weir(&["validate", "-f", &backends, "-f", &orders]).await;
    let expected = format!("{orders}:9:14: /spec/shards/1/name: duplicate shard \"a\"");
    assert!(
        run.code == 1 && run.out.is_empty() && run.err.contains(&expected),
        "{run:?}"
    );
}

#[tokio::test]
async fn validate_follows_references_from_file_to_file() {
    let folder = TempDir::new().unwrap();
    let backends = write(&folder, "backends.yaml", &BACKEND.replace("NAME", "orders-a"));
    let orders = write(&folder, "orders.yaml", ORDERS);
    let run = weir(&["validate", "-f", &backends, "-f", &orders, "-o", "json"]).await;
    let problem = &run.json()["problems"][0];
    assert_eq!(run.code, 1);
    assert_eq!(problem["pointer"], "/spec/shards/1/backend", "{run:?}");
    assert_eq!(
        (&problem["file"], &problem["line"]),
        (&json!(orders), &json!(9)),
        "{run:?}"
    );
}

#[tokio::test]
async fn what_is_malformed_is_reported_for_programs_too() {
    let folder = TempDir::new().unwrap();
    let file = write(&folder, "bad.yaml", "a: [1\n");
    let run = weir(&["validate", "-f", &file, "-o", "json"]).await;
    assert_eq!((run.code, &run.json()["problems"][0]["file"]), (1, &json!(file)));
    assert_eq!(
        weir_unread(&["validate", "-f", &file, "-o", "json"]).await,
        1,
        "malformed, though nobody reads it"
    );
}

#[tokio::test]
async fn compile_writes_what_the_filter_reads() {
    let folder = TempDir::new().unwrap();
    let file = write(&folder, "all.yaml", &complete());
    let out = folder.path().join("slot.json").display().to_string();
    let run = weir(&["compile", "-f", &file, "--generation", "7", "-O", &out]).await;
    assert_eq!(run.code, 0, "{run:?}");
    let text = std::fs::read(&out).unwrap();
    let router = weir_shard_map::ShardRouter::from_json(&text).unwrap();
    assert_eq!(
        (router.slot(), router.generation()),
        ("weir/default/edge/shard-router", 7)
    );
    let to_stdout = weir(&["compile", "-f", &file, "--generation", "7"]).await;
    assert_eq!(to_stdout.out.as_bytes(), text);
}

/// A document of the sample.
fn sample(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/sample");
    folder.join(name).display().to_string()
}

#[tokio::test]
async fn the_samples_policies_are_what_filters_read() {
    let policies = [
        ("cache.yaml", "edge-cache", "orders"),
        ("hedge.yaml", "request-hedge", "reads"),
        ("limits.yaml", "rate-limit", "clients"),
    ];
    let base = ["gateway.yaml", "backends.yaml", "orders.yaml"].map(sample);
    for (file, filter, name) in policies {
        let file = sample(file);
        let files = base.iter().chain([&file]).flat_map(|file| ["-f", file]);
        let files: Vec<&str> = files.collect();
        let valid = weir(&[&["validate"], &files[..]].concat()).await;
        assert_eq!(valid.code, 0, "{valid:?}");
        let run = weir(&[&["compile", "--filter", filter], &files[..]].concat()).await;
        assert_eq!(run.code, 0, "{run:?}");
        let policy = format!("default/{name}");
        assert_eq!(run.json()["rules"], json!([{ "policy": policy }]), "{filter}");
        assert!(run.json()["policies"][&policy].is_object(), "{filter}");
    }
}

#[tokio::test]
async fn a_hedge_policy_is_checked_compiled_and_described() {
    let folder = TempDir::new().unwrap();
    let policy = "\
apiVersion: weir.dev/v1alpha1
kind: HedgePolicy
metadata: {name: reads}
spec: {quantile: QUANTILE, minDelay: 10ms}
";
    let all = complete() + "---\n" + policy;
    let good = write(&folder, "good.yaml", &all.replace("QUANTILE", "0.9"));
    let run = weir(&["compile", "--filter", "request-hedge", "-f", &good]).await;
    let compiled = &run.json()["policies"]["default/reads"];
    assert_eq!(
        (&compiled["quantilePpm"], &compiled["minDelayMs"]),
        (&json!(900_000), &json!(10))
    );
    let clusters = ["a", "b"].map(|shard| format!("weir/default/orders/{shard}/read"));
    assert_eq!(compiled["clusters"], json!(clusters));
    let bad = write(&folder, "bad.yaml", &all.replace("QUANTILE", "95"));
    let run = weir(&["validate", "-f", &bad]).await;
    let line = all.lines().position(|line| line.contains("QUANTILE")).unwrap() + 1;
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains(&format!("bad.yaml:{line}:")), "{run:?}");
    assert!(
        run.err.contains("/spec/quantile: 95: expected 0.0001 to 0.9999"),
        "{run:?}"
    );
    let run = weir(&["schema", "hedgepolicies"]).await;
    assert_eq!(run.json()["properties"]["kind"]["const"], "HedgePolicy");
}

#[tokio::test]
async fn compile_replaces_regular_files_only() {
    let folder = TempDir::new().unwrap();
    let file = write(&folder, "all.yaml", &complete());
    let path = |name| folder.path().join(name);
    let compile = async |out: &Path| {
        let run = weir(&["compile", "-f", &file, "-O", out.to_str().unwrap()]).await;
        assert_eq!(run.code, 0, "{run:?}");
    };
    std::os::unix::fs::symlink("/dev/null", path("null")).unwrap();
    compile(&path("null")).await;
    assert!(path("null").is_symlink() && !Path::new("/dev/null").is_file());
    std::fs::write(path("slot.json"), "old").unwrap();
    std::os::unix::fs::symlink("slot.json", path("link")).unwrap();
    compile(&path("link")).await;
    assert!(path("link").is_symlink() && path("slot.json").metadata().unwrap().len() > 3);
    // A socket can't be written to as a file, and no file may take its place.
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    let socket = path("socket").display().to_string();
    let run = weir(&["compile", "-f", &file, "-O", &socket]).await;
    assert!(
        run.code == 1 && run.err.contains("cannot write") && !path("socket").is_file(),
        "{run:?}"
    );
}

#[tokio::test]
async fn compile_asks_which_gateway() {
    let folder = TempDir::new().unwrap();
    let second = GATEWAY.replace("NAME", "inner").replace("8080", "8081");
    let file = write(&folder, "all.yaml", &format!("{}---\n{second}", complete()));
    let run = weir(&["compile", "-f", &file]).await;
    assert!(
        run.code == 2 && run.err.contains("default/edge, default/inner"),
        "{run:?}"
    );
    let run = weir(&["compile", "-f", &file, "--gateway", "default/inner"]).await;
    assert!(
        run.code == 0 && run.json()["slot"] == "weir/default/inner/shard-router",
        "{run:?}"
    );
    let run = weir(&["compile", "-f", &file, "--gateway", "default/nope"]).await;
    assert_eq!(run.code, 3, "{run:?}");
}

#[tokio::test]
async fn apply_sends_everything_and_tells_outcomes() {
    let applied = json!({"revision": 4, "documents": [
        {"kind": "Backend", "namespace": "default", "name": "orders-a", "outcome": "created"},
        {"kind": "ShardMap", "namespace": "default", "name": "orders", "outcome": "unchanged"},
    ]});
    let server = Server::start(move |_| json(200, &applied)).await;
    let folder = TempDir::new().unwrap();
    let text = format!("{}---\n{ORDERS}", BACKEND.replace("NAME", "orders-a"));
    let file = write(&folder, "orders.yaml", &text);
    let run = weir(&["apply", "-f", &file, "--server", &server.url]).await;
    assert_eq!(
        run.out,
        "Backend default/orders-a: created\nShardMap default/orders: unchanged\n"
    );
    weir(&["apply", "-f", &file, "--dry-run", "--server", &server.url]).await;
    let requests = server.requests.lock().unwrap();
    assert_eq!(requests[0].0, "POST /v1/apply");
    assert_eq!(requests[1].0, "POST /v1/apply?dryRun=true");
    let body: Value = serde_json::from_str(&requests[0].1).unwrap();
    assert_eq!(body["documents"][1]["metadata"]["name"], "orders");
}

#[tokio::test]
async fn a_refusal_is_shown_where_it_stands() {
    let problem = json!({
        "type": "about:blank", "title": "Invalid documents", "status": 422, "detail": "1 problem in the documents",
        "errors": [{"document": 1, "identity": "ShardMap default/orders", "pointer": "/spec/shards/0/backend",
            "reason": "unknown_backend", "detail": "no Backend \"orders-a\""}],
    });
    let server = Server::start(move |_| json(422, &problem)).await;
    let folder = TempDir::new().unwrap();
    let file = write(
        &folder,
        "orders.yaml",
        &format!("{}---\n{ORDERS}", BACKEND.replace("NAME", "other")),
    );
    let run = weir(&["apply", "-f", &file, "--server", &server.url]).await;
    let expected = format!("{file}:15:26: /spec/shards/0/backend: no Backend \"orders-a\"\n");
    assert!(run.code == 1 && run.err.starts_with(&expected), "{run:?}");
    let run = weir(&["apply", "-f", &file, "--server", &server.url, "-o", "json"]).await;
    let expected = json!({"file": file, "line": 15, "column": 26, "document": 1, "reason": "unknown_backend",
        "identity": "ShardMap default/orders", "pointer": "/spec/shards/0/backend", "detail": "no Backend \"orders-a\""});
    assert_eq!(run.json()["problems"], json!([expected]));
}

#[tokio::test]
async fn exit_codes_tell_what_went_wrong() {
    let server = Server::start(|line| match line {
        "GET /v1/namespaces/default/backends/gone" => json(
            404,
            &json!({"title": "Not found", "status": 404, "detail": "Backend default/gone does not exist"}),
        ),
        "DELETE /v1/namespaces/default/backends/used" => json(
            409,
            &json!({"title": "In use", "status": 409, "detail": "in use by ShardMap default/orders"}),
        ),
        _ => (500, b"<html>".to_vec()),
    })
    .await;
    let codes = [
        (
            weir(&["get", "backend", "gone", "--server", &server.url]).await,
            3,
            "does not exist",
        ),
        (
            weir(&["delete", "backend", "used", "--server", &server.url]).await,
            1,
            "in use by",
        ),
        (weir(&["get", "all", "--server", &server.url]).await, 4, "500"),
        (
            weir(&["get", "all", "--server", "https://localhost"]).await,
            2,
            "expected http://HOST:PORT",
        ),
    ];
    for (run, code, word) in codes {
        assert!(run.code == code && run.err.contains(word), "{run:?}");
    }
}

#[tokio::test]
async fn a_control_plane_that_is_away_is_named() {
    let url = format!("http://{}", nobody().await);
    let run = weir(&["get", "all", "--server", &url]).await;
    let expected = format!("cannot reach the control plane at {url}: ");
    assert!(
        run.code == 4 && run.err.starts_with(&expected) && run.err.contains("Is `weir serve` running?"),
        "{run:?}"
    );
}

#[tokio::test]
async fn a_control_plane_that_hangs_is_left() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let run = weir(&["get", "all", "--server", &url, "--timeout", "50ms"]).await;
    assert!(
        run.code == 4 && run.err.contains("no answer within 50ms"),
        "{run:?}"
    );
}

fn documents() -> Value {
    let document = |kind: &str, namespace: &str, name: &str| {
        json!({"apiVersion": "weir.dev/v1alpha1", "kind": kind,
            "metadata": {"namespace": namespace, "name": name, "revision": 3},
            "spec": {"shards": [{}, {}], "endpoints": [{}]}})
    };
    json!({"revision": 3, "items": [
        document("Backend", "default", "orders-a"), document("ShardMap", "shop", "orders"),
    ]})
}

#[tokio::test]
async fn get_lists_by_namespace_and_in_every_format() {
    let server = Server::start(|_| json(200, &documents())).await;
    let run = weir(&["get", "all", "-A", "--server", &server.url]).await;
    let expected = "\
KIND      NAMESPACE  NAME      REVISION  DETAIL
Backend   default    orders-a  3         1 endpoint
ShardMap  shop       orders    3         2 shards
";
    assert_eq!(run.out, expected);
    let run = weir(&["get", "all", "-n", "shop", "-o", "json", "--server", &server.url]).await;
    assert_eq!(run.json()["items"], json!([documents()["items"][1]]));
    let run = weir(&["get", "all", "-A", "-o", "yaml", "--server", &server.url]).await;
    let folder = TempDir::new().unwrap();
    let file = write(&folder, "all.yaml", &run.out);
    let loaded = weir_documents::load(&[Path::new(&file).to_owned()]).unwrap();
    assert_eq!(Value::from(weir_documents::values(&loaded)), documents()["items"]);
    weir(&["get", "shardmaps", "-A", "--server", &server.url]).await;
    assert_eq!(
        server.requests.lock().unwrap().last().unwrap().0,
        "GET /v1/shardmaps"
    );
}

#[tokio::test]
async fn ring_answers_as_the_filter_does() {
    let folder = TempDir::new().unwrap();
    let old = write(&folder, "old.yaml", ORDERS);
    let grown = format!("{ORDERS}    - {{name: c, backend: orders-c}}\n");
    let new = write(&folder, "new.yaml", &grown);
    let run = weir(&["ring", "owner", "-f", &old, "user-1", "user-2", "-o", "json"]).await;
    let ring = weir_shard_map::Ring::try_new(&[("a", 1), ("b", 2)]).unwrap();
    for owned in run.json().as_array().unwrap() {
        let shard = ["a", "b"][ring.owner(owned["key"].as_str().unwrap().as_bytes())];
        assert_eq!(owned["shard"], shard);
    }
    let shares = weir(&["ring", "show", "-f", &old, "-o", "json"]).await.json();
    let total: f64 = shares
        .as_array()
        .unwrap()
        .iter()
        .map(|share| share["share"].as_f64().unwrap())
        .sum();
    assert!(
        (total - 1.0).abs() < 1e-9 && shares[1]["share"].as_f64() > Some(0.55),
        "{shares}"
    );
    let diff = weir(&[
        "ring", "diff", "-f", &old, "-f", &new, "--keys", "10000", "-o", "json",
    ])
    .await
    .json();
    let moves = diff["moves"].as_array().unwrap();
    assert!(
        !moves.is_empty() && moves.iter().all(|a_move| a_move["to"] == "c"),
        "{diff}"
    );
    let share = diff["moved"].as_f64().unwrap() / 10_000.0;
    let owned = weir(&["ring", "show", "-f", &new, "-o", "json"]).await.json()[2]["share"]
        .as_f64()
        .unwrap();
    assert!(
        (share - owned).abs() < 0.02,
        "moved {share}, the new shard owns {owned}"
    );
}

#[tokio::test]
async fn ring_asks_the_control_plane_for_its_map() {
    let folder = TempDir::new().unwrap();
    let file = write(&folder, "orders.yaml", ORDERS);
    let document = weir_documents::load(&[file.clone().into()])
        .unwrap()
        .remove(0)
        .value;
    let server = Server::start(move |_| json(200, &document)).await;
    let local = weir(&["ring", "owner", "-f", &file, "user-1"]).await;
    let remote = weir(&[
        "ring",
        "owner",
        "--map",
        "orders",
        "-n",
        "default",
        "user-1",
        "--server",
        &server.url,
    ])
    .await;
    assert_eq!(local.out, remote.out);
    assert_eq!(
        server.requests.lock().unwrap()[0].0,
        "GET /v1/namespaces/default/shardmaps/orders"
    );
}

#[tokio::test]
async fn schemas_are_printed() {
    let run = weir(&["schema", "gateways"]).await;
    assert_eq!((run.code, &run.json()["title"]), (0, &json!("Gateway")));
}

#[tokio::test]
async fn completions_are_printed() {
    let run = weir(&["completion", "bash"]).await;
    assert!(run.code == 0 && run.out.contains("validate"), "{run:?}");
}
