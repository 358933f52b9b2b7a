//! A request reaches the shard that owns its key, and nothing that a client sends changes that.

use std::net::SocketAddr;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::documents::{document, gateway, shard_map};
use crate::support::loopback::address;
use crate::support::process::stdout;
use crate::support::proxy::Proxy;
use crate::support::shards::Shard;
use crate::support::stack::Stack;
use crate::support::wait::until;

/// What `weir ring owner` says of keys, in their order.
fn owners(stack: &Stack, keys: &[String]) -> Vec<String> {
    let mut arguments = vec!["ring", "owner", "--map", "orders", "-o", "json"];
    arguments.extend(keys.iter().map(String::as_str));
    let output = stack.weir(&arguments);
    let answer: Value =
        serde_json::from_str(&stdout(&output)).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    answer
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["shard"].as_str().unwrap().to_owned())
        .collect()
}

async fn every_key_reaches_its_owner(workers: u32) {
    let stack = Stack::sharded().await;
    let proxy = stack.proxy("one", workers).await;
    let keys: Vec<String> = (0..60).map(|number| format!("user-{number}")).collect();
    let expected = owners(&stack, &keys);
    for (key, shard) in keys.iter().zip(&expected) {
        assert_eq!(&proxy.shard_of(key).await, shard, "{key} by header");
        let by_query = proxy.get(&format!("/?user={key}"), &[]).await.json();
        assert_eq!(by_query["shard"], **shard, "{key} by query");
        let by_path = proxy.get(&format!("/users/{key}/orders/7"), &[]).await.json();
        assert_eq!(by_path["shard"], **shard, "{key} by path");
    }
    assert!(
        expected.iter().collect::<std::collections::BTreeSet<_>>().len() == 3,
        "all shards are asked"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_reaches_its_owner_with_one_worker() {
    every_key_reaches_its_owner(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_reaches_its_owner_with_four_workers() {
    every_key_reaches_its_owner(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_to_replicas_and_writes_to_the_primary() {
    let stack = Stack::sharded().await;
    let proxy = stack.proxy("one", 1).await;
    for number in 0..20 {
        let key = format!("user-{number}");
        let headers: [(&str, &[u8]); 1] = [("x-user-id", key.as_bytes())];
        for (method, role) in [
            (Method::GET, "replica"),
            (Method::OPTIONS, "replica"),
            (Method::POST, "primary"),
            (Method::PUT, "primary"),
            (Method::DELETE, "primary"),
        ] {
            let answer = proxy
                .http
                .send(method.clone(), "/", &headers, "body")
                .await
                .unwrap()
                .json();
            let replica = answer["replica"].as_str().unwrap();
            assert!(replica.starts_with(role), "{method} went to {replica}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_may_send_reads_to_the_primary() {
    let stack = Stack::sharded().await;
    let mut map = shard_map(&["a", "b", "c"]);
    map["spec"]["reads"] = json!("primary");
    stack.apply(vec![map]).await;
    let proxy = stack.proxy("one", 1).await;
    for number in 0..10 {
        let key = format!("user-{number}");
        assert_eq!(
            proxy.get("/", &[("x-user-id", &key)]).await.json()["replica"],
            "primary"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_key_is_refused_or_takes_the_default_shard() {
    let stack = Stack::sharded().await;
    let proxy = stack.proxy("one", 1).await;
    let answer = proxy.get("/", &[]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        answer.header("content-type"),
        Some(&b"application/problem+json"[..])
    );
    assert_eq!(answer.json()["status"], 400);
    let grpc = proxy.get("/", &[("content-type", "application/grpc")]).await;
    assert_eq!(
        (grpc.status, grpc.header("grpc-status")),
        (StatusCode::OK, Some(&b"3"[..]))
    );
    let too_long = "k".repeat(300);
    assert_eq!(
        proxy.get("/", &[("x-user-id", &too_long)]).await.status,
        StatusCode::BAD_REQUEST
    );

    let mut map = shard_map(&["a", "b", "c"]);
    map["spec"]["key"]["onMissingKey"] = json!({"defaultShard": "b"});
    stack.apply(vec![map]).await;
    until("the default shard answers", async || {
        let answer = proxy.get("/", &[]).await;
        answer
            .status
            .is_success()
            .then(|| assert_eq!(answer.json()["shard"], "b"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_sends_in_weirs_headers_means_nothing() {
    let stack = Stack::sharded().await;
    let proxy = stack.proxy("one", 1).await;
    let expected = proxy.shard_of("user-1").await;
    let other = ["a", "b", "c"]
        .into_iter()
        .find(|shard| *shard != expected)
        .unwrap();
    let cluster = format!("weir/default/orders/{other}/write");
    let headers: [(&str, &[u8]); 6] = [
        ("x-user-id", b"user-1"),
        ("x-weir-cluster", cluster.as_bytes()),
        ("x-weir-cluster", b"weir-xds"),
        ("x-weir-shard", other.as_bytes()),
        ("x-weir-shard", other.as_bytes()),
        ("x-weir-anything", b"1"),
    ];
    let answer = proxy
        .http
        .send(Method::GET, "/", &headers, "")
        .await
        .unwrap()
        .json();
    assert_eq!(answer["shard"], *expected);
    let seen = answer["headers"].as_object().unwrap();
    let internal: Vec<_> = seen
        .iter()
        .filter(|(name, _)| name.starts_with("x-weir-"))
        .collect();
    assert_eq!(internal, [(&"x-weir-shard".to_owned(), &json!(expected))]);
    // Without a key there is no shard, whatever the client names.
    let answer = proxy
        .http
        .send(Method::GET, "/", &headers[1..], "")
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn header_bytes_of_every_kind_trap_nothing() {
    let stack = Stack::sharded().await;
    let proxy = stack.proxy("one", 2).await;
    let (vms, reloads) = (proxy.vms_created().await, proxy.vm_reloads().await);
    for byte in 0x80..=0xFF_u8 {
        let value = [b'k', byte, byte ^ 0x40 | 0x80, b'z'];
        for name in [
            "x-user-id",
            "x-other",
            "cookie",
            "content-type",
            "user-agent",
            "x-weir-cluster",
        ] {
            let mut headers: Vec<(&str, &[u8])> = vec![(name, &value)];
            if name != "x-user-id" {
                headers.push(("x-user-id", b"user-1"));
            }
            let answer = proxy.http.send(Method::GET, "/", &headers, "").await.unwrap();
            assert!(answer.status.is_success(), "{name} {byte:#x}: {answer:?}");
        }
        let path = format!("/users/%{byte:02X}?user=%{byte:02X}");
        let by_path = proxy.http.send(Method::GET, &path, &[], "").await.unwrap();
        assert!(by_path.status.is_success(), "{path}: {by_path:?}");
    }
    assert_eq!(
        (proxy.vms_created().await, proxy.vm_reloads().await),
        (vms, reloads)
    );
}

/// Envoy chooses the route, the filter chooses the map; both read the same Gateway and must agree. One Gateway's
/// routes each name a Backend, so its answers tell Envoy's choice; the other's routes each have a map with one shard.
#[tokio::test(flavor = "multi_thread")]
async fn the_filter_and_envoy_agree_on_the_route() {
    let stack = Stack::empty().await;
    let names = ["exact", "host", "template", "regex", "method", "prefix", "rest"];
    let (mut by_backend, mut by_map) = (gateway(address()), gateway(stack.ip));
    by_backend["metadata"]["name"] = json!("by-backend");
    by_backend["spec"]["routes"] = route_table();
    by_map["spec"]["routes"] = route_table();
    let mut documents = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        by_backend["spec"]["routes"][index]["backend"] = json!(format!("backend-{name}"));
        documents.push(Shard::start(stack.ip, name).await.backend());
        let mut map = shard_map(&[name]);
        map["metadata"]["name"] = json!(name);
        map["spec"]["targetRefs"][0]["sectionName"] = json!(name);
        documents.push(map);
    }
    let envoys_choice = Client::new(listener_of(&by_backend));
    documents.extend([by_backend, by_map]);
    stack.apply(documents).await;
    let filters_choice = stack.proxy("by-map", 1).await;
    let _other = Proxy::launch(&stack, "by-backend", "default/by-backend", 1);
    until("the other proxy serves", async || {
        envoys_choice.send(Method::GET, "/", &[], "").await.ok()
    })
    .await;

    let paths = [
        "/exact",
        "/exact/",
        "/exactly",
        "/h",
        "/h/",
        "/h/x",
        "/hx",
        "/t/1/2",
        "/t/1/2/",
        "/t/1/2/3/4",
        "/t/1",
        "/t//2/3",
        "/r/12",
        "/r/12/",
        "/r/x",
        "/p",
        "/p/",
        "/p/q",
        "/pq",
        "/",
        "/p?x=/exact",
        "/r/1?y",
        "/exact?z",
        "/a/../p",
        "/%70/q",
        "/p;x",
        "/p%2Fq",
        "/twice",
    ];
    for path in paths {
        for host in [
            "api.example.com",
            "API.EXAMPLE.COM:8080",
            "api.example.com:",
            "api.example.com:x",
            "example.com",
            "other.de",
        ] {
            for (method, twice) in [(Method::GET, false), (Method::POST, false), (Method::POST, true)] {
                let mut headers: Vec<(&str, &[u8])> = vec![
                    ("host", host.as_bytes()),
                    ("x-user-id", b"k"),
                    ("x-a", b"1"),
                    ("x-b", b""),
                ];
                if twice {
                    headers.insert(0, ("x-a", b"2"));
                }
                let choice = async |client: &Client| {
                    client
                        .send(method.clone(), path, &headers, "")
                        .await
                        .unwrap()
                        .json()["shard"]
                        .clone()
                };
                let (filter, envoy) = (choice(&filters_choice.http).await, choice(&envoys_choice).await);
                assert_eq!(filter, envoy, "{method} {host} {path}, x-a twice: {twice}");
            }
        }
    }
}

fn route_table() -> Value {
    let path = |kind: &str, value: &str| json!({"path": {"type": kind, "value": value}});
    let mut on_host = path("Prefix", "/h/");
    on_host["host"] = json!("*.Example.com");
    json!([
        {"name": "exact", "match": [path("Exact", "/exact")]},
        {"name": "host", "match": [on_host]},
        {"name": "template", "match": [path("Template", "/t/{id}/*/**")]},
        {"name": "regex", "match": [path("RegularExpression", "/r/[0-9]+")]},
        {"name": "method", "match": [{"methods": ["POST"], "headers": [{"name": "x-a", "value": "1"}, {"name": "x-b"}],
                                      "path": {"type": "Prefix", "value": "/p"}},
                                     {"headers": [{"name": "x-a", "value": "2,1"}],
                                      "path": {"type": "Exact", "value": "/twice"}}]},
        {"name": "prefix", "match": [path("Prefix", "/p")]},
        {"name": "rest"}
    ])
}

fn listener_of(gateway: &Value) -> SocketAddr {
    let listener = &gateway["spec"]["listeners"][0];
    format!("{}:{}", listener["address"].as_str().unwrap(), listener["port"])
        .parse()
        .unwrap()
}

/// A Backend that a route names itself needs no shard.
#[tokio::test(flavor = "multi_thread")]
async fn a_route_may_name_its_backend() {
    let stack = Stack::sharded().await;
    let mut edge = gateway(stack.ip);
    let static_route = json!({"name": "static", "match": [{"path": {"type": "Prefix", "value": "/static"}}],
                              "backend": "backend-d"});
    edge["spec"]["routes"] = json!([static_route, {"name": "all"}]);
    stack.apply(vec![edge]).await;
    let proxy = stack.proxy("one", 1).await;
    // No shard, so no key.
    assert_eq!(proxy.get("/static/x", &[]).await.json()["shard"], "d");
    assert_eq!(proxy.get("/x", &[]).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        proxy.get("/static/x", &[("x-user-id", "user-1")]).await.json()["shard"],
        "d"
    );
    assert_ne!(
        proxy.get("/x", &[("x-user-id", "user-1")]).await.json()["shard"],
        "d"
    );
    // No map is attached to this one.
    let unsharded = document(
        "Gateway",
        "edge",
        json!({"listeners": [{"address": stack.ip.to_string(), "port": 10000}],
        "routes": [{"name": "none", "match": [{"path": {"type": "Exact", "value": "/none"}}]}]}),
    );
    stack.apply(vec![unsharded]).await;
    until("other paths have no route", async || {
        (proxy.get("/x", &[("x-user-id", "user-1")]).await.status == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
}

/// Envoy's own limit would refuse these, and with them the whole route table.
#[tokio::test(flavor = "multi_thread")]
async fn envoy_takes_every_pattern_that_the_api_takes() {
    let stack = Stack::sharded().await;
    let alternatives: Vec<String> = (0..80).map(|number| format!("segment{number}")).collect();
    let patterns = [
        format!("/({})/.*", alternatives.join("|")),
        "/([a-z]{1,62}/){1,16}end".to_owned(),
        "/a{1000}".to_owned(),
    ];
    let route = |(number, pattern): (usize, &String)| {
        let path = json!({"type": "RegularExpression", "value": pattern});
        json!({"name": format!("route-{number}"), "match": [{"path": path}]})
    };
    let mut routes: Vec<Value> = patterns.iter().enumerate().map(route).collect();
    routes.push(json!({"name": "all"}));
    let mut edge = gateway(stack.ip);
    edge["spec"]["routes"] = json!(routes);
    stack.apply(vec![edge]).await;
    let proxy = stack.proxy("one", 1).await;
    let waited = stack.weir(&["status", "--wait", "--proxies", "1"]);
    assert_eq!(waited.status.code(), Some(0), "{waited:?}");
    assert!(
        proxy
            .get("/segment7/x", &[("x-user-id", "user-1")])
            .await
            .status
            .is_success()
    );
}
