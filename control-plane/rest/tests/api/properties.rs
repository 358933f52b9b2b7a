//! Nothing that a client sends makes the API panic or answer anything but a document or a problem.

use std::sync::Arc;

use axum::body::Body;
use http::Request;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::world::{Answer, World, backend, rate_limit_policy, shard_map};

/// JSON with the documents' own field names, so that some of it gets far.
fn value() -> impl Strategy<Value = Value> {
    let field = prop::sample::select(vec![
        "apiVersion",
        "kind",
        "metadata",
        "spec",
        "name",
        "namespace",
        "revision",
        "labels",
        "endpoints",
        "documents",
        "shards",
        "key",
        "sources",
        "policy",
        "limit",
        "~",
        "/",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "weir.dev/v1alpha1",
            "Backend",
            "Gateway",
            "ShardMap",
            "a",
            "default"
        ])
        .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(field.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|fields| Value::Object(Map::from_iter(fields))),
        ]
    })
}

/// A valid document with one place overwritten.
fn damaged() -> impl Strategy<Value = Value> {
    let places = prop::sample::select(vec![
        "",
        "/apiVersion",
        "/kind",
        "/metadata",
        "/metadata/name",
        "/metadata/namespace",
        "/spec",
        "/spec/endpoints",
        "/spec/endpoints/0/port",
        "/spec/shards",
        "/spec/key/sources/0",
    ]);
    (prop::bool::ANY, places, value()).prop_map(|(map, place, value)| {
        let mut document = if map { shard_map("a", "a") } else { backend("a") };
        if let Some(found) = document.pointer_mut(place) {
            *found = value;
        }
        document
    })
}

/// In percent-encoding (RFC 3986).
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn check(answer: &Answer, allowed: &[u16]) {
    let status = answer.status.as_u16();
    assert!(allowed.contains(&status), "{answer:?}");
    if status >= 400 {
        answer.any_problem();
    } else {
        answer.json();
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_document(document in prop_oneof![value(), damaged()]) {
        run(async {
            let world = World::new();
            for kind in ["backends", "shardmaps"] {
                let path = format!("/v1/namespaces/default/{kind}/a");
                check(&world.put(&path, &document).await, &[200, 201, 400, 409, 422]);
                check(&world.put_if(&path, &document, &[("if-match", "\"1\"")]).await, &[200, 400, 412, 422]);
            }
            check(&world.apply("/v1/apply", &json!({"documents": [document]})).await, &[200, 409, 422]);
            check(&world.apply("/v1/apply", &document).await, &[200, 400, 422]);
        });
    }

    #[test]
    fn any_query(
        names in prop::collection::vec(prop::sample::select(vec!["slot", "cursor", "wait", "Slot", ""]), 0..4),
        values in prop::collection::vec("weir/a/[ -~]{0,8}|[0-9]{0,21}|[ -~]{0,8}", 4),
    ) {
        let pairs = names.iter().zip(&values).map(|(name, value)| format!("{name}={}", encoded(value)));
        let path = format!("/v1/proxy/events?{}", pairs.collect::<Vec<_>>().join("&"));
        run(async {
            tokio::time::pause();
            check(&World::new().get(&path).await, &[200, 400]);
        });
    }

    #[test]
    fn any_reset(body in value()) {
        run(async { check(&World::new().apply("/v1/quota/reset", &body).await, &[400, 404]) });
    }

    #[test]
    fn any_purge(body in value(), targets in value(), field in prop::sample::select(vec!["all", "tags", "urls", "prefixes"])) {
        run(async {
            let world = World::new();
            for body in [body, json!({field: targets})] {
                check(&world.apply("/v1/cache/purge", &body).await, &[200, 400, 422]);
            }
        });
    }

    #[test]
    fn any_dependencies(tag in "[ -~]{1,8}", body in value(), tags in value()) {
        let path = format!("/v1/cache/dependencies/{}", encoded(&tag));
        run(async {
            let world = World::new();
            for body in [body, json!({"dependsOn": tags})] {
                check(&world.put(&path, &body).await, &[200, 400, 422]);
            }
            check(&world.get(&path).await, &[200, 404]);
            check(&world.delete(&path, &[]).await, &[200, 404]);
        });
    }

    #[test]
    fn any_report(body in value(), limits in value()) {
        let report = json!({"slot": "weir/default/edge/rate-limit", "instance": "i", "sequence": 1, "limits": limits});
        run(async {
            let world = World::new();
            for body in [body, report] {
                check(&world.apply("/v1/proxy/leases", &body).await, &[200, 400]);
            }
        });
    }

    /// A reader that always asks with the last cursor gets each event of its namespace once, whatever happens between
    /// and during its polls.
    #[test]
    fn a_reader_gets_every_event_once(steps in prop::collection::vec(0u8..4, 0..40)) {
        run(async {
            tokio::time::pause();
            let world = Arc::new(World::new());
            for namespace in ["default", "shop"] {
                world.put_new(&rate_limit_policy(namespace)).await;
            }
            let reading = Arc::clone(&world);
            let reader = tokio::spawn(async move {
                let (mut cursor, mut revisions) = (0, Vec::new());
                loop {
                    let path = format!("/v1/proxy/events?slot=weir/default/edge/rate-limit&cursor={cursor}&wait=25");
                    let page = reading.get(&path).await.json();
                    let events = page["events"].as_array().unwrap();
                    if events.is_empty() {
                        return revisions;
                    }
                    revisions.extend(events.iter().map(|event| event["revision"].as_u64().unwrap()));
                    cursor = page["cursor"].as_u64().unwrap();
                }
            });
            let mut expected = Vec::new();
            for (index, step) in steps.into_iter().enumerate() {
                match step {
                    0 => tokio::task::yield_now().await,
                    1 => world.put_new(&backend(&format!("b-{index}"))).await,
                    _ => {
                        let namespace = if step == 2 { "default" } else { "shop" };
                        let body = json!({"namespace": namespace, "policy": "api"});
                        let answer = world.apply("/v1/quota/reset", &body).await.json();
                        expected.extend((step == 2).then(|| answer["revision"].as_u64().unwrap()));
                    }
                }
            }
            assert_eq!(reader.await.unwrap(), expected);
        });
    }

    #[test]
    fn any_bytes(body in prop::collection::vec(any::<u8>(), 0..200)) {
        run(async {
            let world = World::new();
            check(&world.json("PUT", "/v1/namespaces/default/backends/a", body.clone(), &[]).await, &[400]);
            check(&world.json("POST", "/v1/apply", body, &[]).await, &[400]);
        });
    }

    #[test]
    fn any_request_line_and_headers(
        method in prop::sample::select(vec!["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"]),
        path in "(/v1|/v1/namespaces|/v1/namespaces/a/backends|/v1/proxies|/v1/modules)?/[ -~]{0,20}",
        header in prop::sample::select(vec!["if-match", "if-none-match", "content-type", "content-length", "host"]),
        value in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header, value.as_slice())
            .body(Body::from(backend("a").to_string()));
        if let Ok(request) = request {
            let answer = run(World::new().send(request));
            if method != "HEAD" && !answer.status.is_success() {
                answer.any_problem();
            }
        }
    }
}
