//! What `weir status` makes of a fleet.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{Reply, Run, Server, json, weir, weir_unread};
use serde_json::{Value, json};

/// The fleet's newest revision.
const NEWEST: u64 = 9;

/// A proxy that has taken everything, but for what `types` says.
fn proxy(id: &str, connected: bool, types: &Value) -> Value {
    proxy_at(NEWEST, id, connected, types)
}

/// As `weir_core::proxy::ProxyStatus` writes it.
fn proxy_at(revision: u64, id: &str, connected: bool, types: &Value) -> Value {
    json!({"id": id, "cluster": "default/edge", "version": "1.40.0", "assignment": "assigned",
        "connected": connected, "sinceMs": 1, "revision": revision, "types": types})
}

fn service(sent: &str, acked: Option<&str>) -> Value {
    json!({"sentVersion": sent, "sentAtMs": 1, "ackedVersion": acked, "ackedAtMs": acked.map(|_| 2), "nack": null})
}

fn refusal() -> Value {
    let mut service = service("v2", Some("v1"));
    service["nack"] = json!({"version": "v2", "message": "Invalid path: /m/1.wasm", "atMs": 3,
        "resources": ["weir/default/edge/shard-router"]});
    service
}

fn fleet(line: &str, proxies: &[Value]) -> Reply {
    match line {
        "GET /v1/proxies" => json(200, &json!({ "revision": NEWEST, "items": proxies })),
        _ => json(
            200,
            &json!({"revision": 9, "items": [{"kind": "Gateway"}, {"kind": "Backend"}, {"kind": "Backend"}]}),
        ),
    }
}

async fn status(proxies: Vec<Value>, more: &[&str]) -> Run {
    let server = Server::start(move |line| fleet(line, &proxies)).await;
    weir(&[&["status", "--server", &server.url], more].concat()).await
}

#[tokio::test]
async fn a_fleet_in_sync_is_fine() {
    let types = json!({"CDS": service("v1", Some("v1")), "LDS": service("v1", Some("v1"))});
    let run = status(vec![proxy("edge-1", true, &types)], &[]).await;
    let expected = "\
revision:  9
documents: Backend 2, Gateway 1

PROXY   GATEWAY       ASSIGNMENT  CONNECTED  CDS  EDS  LDS  RDS  ECDS
edge-1  default/edge  assigned    yes        ok   -    ok   -    -
";
    assert_eq!((run.code, run.out.as_str()), (0, expected), "{run:?}");
}

#[tokio::test]
async fn a_refusal_is_told_with_its_resources() {
    let types = json!({"CDS": service("v2", Some("v1")), "ECDS": refusal()});
    let run = status(vec![proxy("edge-1", true, &types)], &[]).await;
    assert_eq!(run.code, 1);
    assert!(
        run.out.contains("yes        pending  -    -    -    NACK\n"),
        "{}",
        run.out
    );
    let refused = "edge-1 refused ECDS weir/default/edge/shard-router\n  Invalid path: /m/1.wasm\n";
    assert!(run.out.ends_with(refused), "{}", run.out);
}

#[tokio::test]
async fn a_refusal_counts_though_nobody_reads_it() {
    for (types, code) in [
        (json!({"ECDS": refusal()}), 1),
        (json!({"ECDS": service("v1", Some("v1"))}), 0),
    ] {
        let proxies = vec![proxy("edge-1", true, &types)];
        let server = Server::start(move |line| fleet(line, &proxies)).await;
        assert_eq!(
            weir_unread(&["status", "--server", &server.url]).await,
            code,
            "{types}"
        );
    }
}

#[tokio::test]
async fn programs_get_all_that_the_server_says() {
    let proxies = vec![proxy("edge-1", false, &json!({"ECDS": refusal()}))];
    let run = status(proxies.clone(), &["-o", "json"]).await;
    let expected = json!({"revision": 9, "documents": {"Backend": 2, "Gateway": 1}, "proxies": proxies});
    assert_eq!((run.code, run.json()), (1, expected));
}

#[tokio::test]
async fn wait_ends_when_every_proxy_has_answered() {
    let looks = AtomicUsize::new(0);
    let server = Server::start(move |line| {
        let look = if line == "GET /v1/proxies" {
            looks.fetch_add(1, Ordering::Relaxed)
        } else {
            0
        };
        let types = |acked| json!({"CDS": service("v2", Some(acked))});
        match look {
            0 => fleet(line, &[]),
            1 => fleet(line, &[proxy_at(8, "edge-1", true, &types("v1"))]),
            // Nothing is unanswered, but what is newest has not been sent yet.
            2 => fleet(line, &[proxy_at(8, "edge-1", true, &types("v2"))]),
            _ => fleet(line, &[proxy("edge-1", true, &types("v2"))]),
        }
    })
    .await;
    let run = weir(&["status", "--wait", "--proxies", "1", "--server", &server.url]).await;
    assert_eq!(run.code, 0, "{run:?}");
    let requests = server.requests.lock().unwrap();
    assert_eq!(
        requests
            .iter()
            .filter(|(line, _)| line == "GET /v1/proxies")
            .count(),
        4
    );
}

#[tokio::test]
async fn wait_gives_up_in_time() {
    let pending = || {
        vec![proxy_at(
            8,
            "edge-1",
            true,
            &json!({"CDS": service("v2", Some("v1"))}),
        )]
    };
    let run = status(pending(), &["--wait", "--timeout", "150ms"]).await;
    assert!(
        run.code == 1 && run.err.contains("not every proxy has answered in time"),
        "{run:?}"
    );
    assert_eq!(
        status(pending(), &[]).await.code,
        0,
        "pending alone is no failure"
    );
    let run = status(Vec::new(), &["--wait", "--proxies", "2", "--timeout", "150ms"]).await;
    assert!(run.code == 1 && run.err.contains("0 connected of 2"), "{run:?}");
}
