//! Documents come back as they went in, and change only under the conditions named.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::world::{World, backend, backend_at, path_of, shard_map};

const A: &str = "/v1/namespaces/default/backends/a";

fn names(list: &Value) -> Vec<&str> {
    list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_document_is_created_changed_and_deleted() {
    let world = World::new();
    let created = world.put(A, &backend("a")).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(created.header("etag"), Some("\"1\""));
    assert_eq!(created.json()["metadata"]["revision"], 1);

    let got = world.get(A).await;
    assert_eq!((got.status, got.header("etag")), (StatusCode::OK, Some("\"1\"")));
    assert_eq!(got.json(), created.json());

    let again = world.put(A, &got.json()).await;
    assert_eq!(
        (again.status, again.header("etag")),
        (StatusCode::OK, Some("\"1\""))
    );

    let changed = world.put(A, &backend_at("a", 9090)).await;
    assert_eq!(
        (changed.status, changed.header("etag")),
        (StatusCode::OK, Some("\"2\""))
    );
    assert_eq!(changed.json()["spec"]["endpoints"][0]["port"], 9090);

    let deleted = world.delete(A, &[]).await;
    assert_eq!(deleted.status, StatusCode::OK);
    assert_eq!(deleted.json(), json!({"revision": 3}));
    world.get(A).await.problem(404, "not-found");
    world.delete(A, &[]).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_document_without_a_namespace_is_in_the_paths() {
    let world = World::new();
    let mut document = backend("a");
    document["metadata"].as_object_mut().unwrap().remove("namespace");
    let created = world.put("/v1/namespaces/shop/backends/a", &document).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(created.json()["metadata"]["namespace"], "shop");
    world.get(A).await.problem(404, "not-found");
}

#[tokio::test]
async fn the_body_must_be_the_document_of_the_path() {
    let world = World::new();
    for (path, pointer) in [
        ("/v1/namespaces/default/backends/b", "/metadata/name"),
        ("/v1/namespaces/shop/backends/a", "/metadata/namespace"),
        ("/v1/namespaces/default/gateways/a", "/kind"),
    ] {
        let problem = world
            .put(path, &backend("a"))
            .await
            .problem(422, "invalid-documents");
        assert_eq!(problem["errors"].as_array().unwrap().len(), 1, "{problem}");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
        assert_eq!(problem["errors"][0]["reason"], "path_mismatch");
    }
    assert_eq!(world.plane.state().revision(), 0);
}

#[tokio::test]
async fn an_invalid_document_is_refused_with_pointers() {
    let world = World::new();
    let mut document = backend_at("a", 0);
    document["spec"]["endpoint"] = json!([]);
    let problem = world.put(A, &document).await.problem(422, "invalid-documents");
    assert_eq!(problem["errors"][0]["pointer"], "/spec/endpoint");
    assert_eq!(problem["errors"][0]["reason"], "unknown_field");
    assert_eq!(problem["errors"][0]["identity"], "Backend default/a");
    for body in [
        json!({}),
        json!({"metadata": 3}),
        json!({"metadata": {"name": 3}}),
    ] {
        world.put(A, &body).await.problem(422, "invalid-documents");
    }
    assert_eq!(world.plane.state().revision(), 0);
}

#[tokio::test]
async fn a_hedge_policy_is_taken_or_refused_field_by_field() {
    const READS: &str = "/v1/namespaces/default/hedgepolicies/reads";
    let world = World::new();
    let policy = |spec: Value| json!({"apiVersion": "weir.dev/v1alpha1", "kind": "HedgePolicy", "metadata": {"name": "reads"}, "spec": spec});
    let bad = json!({"quantile": 1, "minDelay": "20ms", "maxDelay": "10ms",
        "budget": {"percent": 101, "minPerSecond": 20_000}, "methods": ["GET", "GET"]});
    let problem = world
        .put(READS, &policy(bad))
        .await
        .problem(422, "invalid-documents");
    let errors = problem["errors"].as_array().unwrap();
    let pointers: Vec<&str> = errors
        .iter()
        .map(|one| one["pointer"].as_str().unwrap())
        .collect();
    let fields = [
        "quantile",
        "maxDelay",
        "budget/percent",
        "budget/minPerSecond",
        "methods/1",
    ];
    assert_eq!(pointers, fields.map(|field| format!("/spec/{field}")));
    assert_eq!(errors[0]["detail"], "1: expected 0.0001 to 0.9999");
    world.get(READS).await.problem(404, "not-found");

    let created = world.put(READS, &policy(json!({"quantile": 0.9}))).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let again = world.put(READS, &created.json()).await;
    assert_eq!(
        again.header("etag"),
        Some("\"1\""),
        "what was answered is what is there"
    );
    let list = world.get("/v1/hedgepolicies").await.json();
    assert_eq!(names(&list), ["reads"]);
    assert_eq!(list["items"][0]["spec"]["quantile"], 0.9);
}

#[tokio::test]
async fn if_match_holds_for_one_revision_only() {
    let world = World::new();
    world.put_new(&backend("a")).await;
    world
        .put_if(A, &backend_at("a", 2), &[("if-match", "\"7\"")])
        .await
        .problem(412, "precondition-failed");
    world
        .delete(A, &[("if-match", "\"7\"")])
        .await
        .problem(412, "precondition-failed");
    assert_eq!(world.plane.state().revision(), 1);

    let changed = world
        .put_if(A, &backend_at("a", 2), &[("if-match", "\"1\"")])
        .await;
    assert_eq!(changed.header("etag"), Some("\"2\""));
    world
        .delete(A, &[("if-match", "\"1\"")])
        .await
        .problem(412, "precondition-failed");
    assert_eq!(
        world.delete(A, &[("if-match", "\"2\"")]).await.status,
        StatusCode::OK
    );
    world
        .put_if(A, &backend("a"), &[("if-match", "\"2\"")])
        .await
        .problem(412, "precondition-failed");
}

#[tokio::test]
async fn if_none_match_star_creates_only() {
    let world = World::new();
    let condition = [("if-none-match", "*")];
    assert_eq!(
        world.put_if(A, &backend("a"), &condition).await.status,
        StatusCode::CREATED
    );
    world
        .put_if(A, &backend("a"), &condition)
        .await
        .problem(412, "precondition-failed");
    assert_eq!(world.plane.state().revision(), 1);
}

#[tokio::test]
async fn a_revision_in_the_body_is_a_condition_too() {
    let world = World::new();
    world.put_new(&backend("a")).await;
    let mut document = backend_at("a", 2);
    document["metadata"]["revision"] = json!(9);
    world.put(A, &document).await.problem(409, "stale");
    world
        .apply("/v1/apply", &json!({"documents": [document]}))
        .await
        .problem(409, "stale");
    world
        .put_if(A, &document, &[("if-match", "\"1\"")])
        .await
        .problem(400, "bad-precondition");
    document["metadata"]["revision"] = json!(1);
    assert_eq!(
        world.put_if(A, &document, &[("if-match", "\"1\"")]).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn preconditions_that_are_not_understood_are_refused() {
    let world = World::new();
    world.put_new(&backend("a")).await;
    for headers in [
        &[("if-match", "1")][..],
        &[("if-match", "*")],
        &[("if-match", "\"0\"")],
        &[("if-match", "\"-1\"")],
        &[("if-match", "W/\"1\"")],
        &[("if-match", "\"1\", \"2\"")],
        &[("if-match", "\"1\""), ("if-match", "\"2\"")],
        &[("if-match", "\"1\""), ("if-none-match", "*")],
        &[("if-none-match", "\"1\"")],
        &[("if-match", "\u{e4}")],
    ] {
        world
            .put_if(A, &backend_at("a", 2), headers)
            .await
            .problem(400, "bad-precondition");
        world.delete(A, headers).await.problem(400, "bad-precondition");
    }
    assert_eq!(world.plane.state().revision(), 1);
}

#[tokio::test]
async fn a_dry_run_answers_and_changes_nothing() {
    let world = World::new();
    let tried = world.put(&format!("{A}?dryRun=true"), &backend("a")).await;
    assert_eq!((tried.status, tried.header("etag")), (StatusCode::CREATED, None));
    assert_eq!(tried.json()["spec"]["connectTimeout"], "1s");
    assert_eq!(tried.json()["metadata"].get("revision"), None);
    world
        .put(&format!("{A}?dryRun=true"), &backend_at("a", 0))
        .await
        .problem(422, "invalid-documents");
    let documents = json!({"documents": [backend("a"), backend("b")]});
    let tried = world.apply("/v1/apply?dryRun=true", &documents).await.json();
    assert_eq!(
        (&tried["revision"], &tried["documents"][1]["outcome"]),
        (&json!(0), &json!("created"))
    );
    assert_eq!(world.plane.state().revision(), 0);

    world.put_new(&backend("a")).await;
    let tried = world.delete(&format!("{A}?dryRun=true"), &[]).await;
    assert_eq!(tried.json(), json!({"revision": 1}));
    assert_eq!(world.get(A).await.status, StatusCode::OK);
    assert_eq!(
        world
            .put(&format!("{A}?dryRun=false"), &backend_at("a", 2))
            .await
            .header("etag"),
        Some("\"2\"")
    );
}

#[tokio::test]
async fn apply_takes_all_or_none() {
    let world = World::new();
    let documents = json!({"documents": [backend("a"), shard_map("m", "a")]});
    let applied = world.apply("/v1/apply", &documents).await;
    assert_eq!(applied.status, StatusCode::OK);
    assert_eq!(
        applied.json(),
        json!({"revision": 2, "documents": [
            {"kind": "Backend", "namespace": "default", "name": "a", "outcome": "created"},
            {"kind": "ShardMap", "namespace": "default", "name": "m", "outcome": "created"},
        ]})
    );
    let again = world.apply("/v1/apply", &documents).await.json();
    assert_eq!(
        (&again["revision"], &again["documents"][0]["outcome"]),
        (&json!(2), &json!("unchanged"))
    );

    let half = json!({"documents": [backend("c"), backend_at("d", 0)]});
    let problem = world
        .apply("/v1/apply", &half)
        .await
        .problem(422, "invalid-documents");
    assert_eq!(problem["errors"][0]["document"], 1);
    assert_eq!(world.plane.state().revision(), 2);
}

#[tokio::test]
async fn a_document_in_use_stays() {
    let world = World::new();
    world.put_new(&backend("a")).await;
    world.put_new(&shard_map("m", "a")).await;
    let problem = world.delete(A, &[]).await.problem(409, "in-use");
    assert!(
        problem["detail"].as_str().unwrap().contains("ShardMap default/m"),
        "{problem}"
    );
    assert_eq!(world.get(A).await.status, StatusCode::OK);
}

#[tokio::test]
async fn lists_are_by_namespace_and_kind() {
    let world = World::new();
    let mut other = backend("c");
    other["metadata"]["namespace"] = json!("shop");
    for document in [backend("a"), other, shard_map("m", "a")] {
        world.put_new(&document).await;
    }
    for (path, expected) in [
        ("/v1/documents", &["a", "c", "m"][..]),
        ("/v1/backends", &["a", "c"]),
        ("/v1/namespaces/shop/backends", &["c"]),
        ("/v1/namespaces/default/shardmaps", &["m"]),
        ("/v1/gateways", &[]),
    ] {
        let list = world.get(path).await.json();
        assert_eq!(
            (&list["revision"], names(&list)),
            (&json!(3), expected.to_vec()),
            "{path}"
        );
    }
    assert_eq!(
        world.get("/v1/backends").await.json()["items"][0],
        world.get(A).await.json()
    );
}

/// The clock stands still, so that the deadline passes only when nothing else can happen any more.
#[tokio::test(start_paused = true)]
async fn a_change_is_made_though_the_client_has_gone() {
    let world = World::new();
    world.plane.gate.forget_permits(usize::MAX);
    let document = backend("a");
    let request = http::Request::put(path_of(&document))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(document.to_string()))
        .unwrap();
    let answer = world.router.clone().oneshot(request);
    tokio::select! {
        _ = answer => panic!("the change waits at the gate"),
        () = world.plane.waiting.notified() => {}
    }
    world.plane.gate.add_permits(1);
    let changed = tokio::time::timeout(Duration::from_secs(1), world.plane.changed.notified());
    changed.await.expect("the change ended with the request");
    assert_eq!(world.plane.state().revision(), 1);
}
