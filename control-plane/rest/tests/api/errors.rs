//! Every error is a problem+json with the right status.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode, header};
use serde_json::json;
use tokio_stream::StreamExt;
use weir_rest::Settings;

use crate::world::{World, backend};

const A: &str = "/v1/namespaces/default/backends/a";

#[tokio::test]
async fn unknown_paths_are_404() {
    let world = World::new();
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v2/backends",
        "/v1/namespaces",
        "/v1/widgets",
        "/v1/namespaces/default",
        "/v1/namespaces/default/widgets",
        "/v1/namespaces/default/widgets/a",
        "/v1/namespaces/default/backends/a/b",
        "/v1/backends/",
    ] {
        let problem = world.get(path).await.problem(404, "not-found");
        if path.ends_with("widgets") {
            assert!(
                problem["detail"].as_str().unwrap().contains("ShardMap"),
                "{problem}"
            );
        }
    }
}

#[tokio::test]
async fn wrong_methods_are_405_and_name_the_right_ones() {
    let world = World::new();
    for (method, path, allow) in [
        ("PATCH", A, "GET,HEAD,PUT,DELETE"),
        ("POST", A, "GET,HEAD,PUT,DELETE"),
        ("OPTIONS", A, "GET,HEAD,PUT,DELETE"),
        ("GET", "/v1/apply", "POST"),
        ("DELETE", "/v1/backends", "GET,HEAD"),
        ("PUT", "/v1/modules", "GET,HEAD"),
        ("POST", "/healthz", "GET,HEAD"),
        ("BREW", "/metrics", "GET,HEAD"),
        ("POST", "/v1/proxy/events", "GET,HEAD"),
        ("GET", "/v1/quota/reset", "POST"),
    ] {
        let answer = world.json(method, path, "{}", &[]).await;
        answer.problem(405, "method-not-allowed");
        let mut allowed: Vec<_> = answer.header("allow").unwrap().split(',').collect();
        let mut expected: Vec<_> = allow.split(',').collect();
        allowed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(allowed, expected, "{method} {path}");
        assert!(
            answer
                .headers
                .keys()
                .all(|name| !name.as_str().starts_with("access-control-"))
        );
    }
}

#[tokio::test]
async fn invalid_names_in_paths_are_400() {
    let world = World::new();
    for (path, part) in [
        ("/v1/namespaces/Default/backends/a", "namespace"),
        ("/v1/namespaces/default/backends/a_b", "name"),
        ("/v1/namespaces/default/backends/a%2Fb", "name"),
        ("/v1/namespaces/-/backends", "namespace"),
        ("/v1/namespaces/default/backends/%FF", ""),
    ] {
        let problem = world.get(path).await.problem(400, "bad-path");
        assert!(problem["detail"].as_str().unwrap().contains(part), "{problem}");
    }
}

#[tokio::test]
async fn unknown_query_parameters_are_400() {
    let world = World::new();
    for query in [
        "dryRun=yes",
        "dryRun=",
        "dryRun",
        "dryrun=true",
        "dryRun=true&dryRun=true",
        "dryRun=true&x=1",
    ] {
        world
            .put(&format!("{A}?{query}"), &backend("a"))
            .await
            .problem(400, "bad-query");
        world
            .delete(&format!("{A}?{query}"), &[])
            .await
            .problem(400, "bad-query");
        let body = json!({"documents": [backend("a")]});
        world
            .apply(&format!("/v1/apply?{query}"), &body)
            .await
            .problem(400, "bad-query");
    }
    for path in [
        "/v1/backends",
        "/v1/documents",
        A,
        "/v1/proxies",
        "/v1/proxies/a",
        "/v1/modules",
        "/v1/modules/a",
    ] {
        world
            .get(&format!("{path}?namespace=shop"))
            .await
            .problem(400, "bad-query");
    }
    assert_eq!(world.plane.state().revision(), 0);
}

#[tokio::test]
async fn bodies_that_are_no_json_are_400_with_the_place() {
    let world = World::new();
    for (body, place) in [
        ("", "line 1 column 0"),
        ("{", "line 1 column 1"),
        ("{\"kind\":\n  Backend}", "line 2 column 3"),
        ("{} {}", "line 1 column 4"),
        ("{\"metadata\": {\"name\": \"a\\", "line 1 column 25"),
        ("[]", "no JSON object"),
        ("null", "no JSON object"),
    ] {
        let problem = world
            .json("PUT", A, body, &[])
            .await
            .problem(400, "malformed-body");
        assert!(problem["detail"].as_str().unwrap().contains(place), "{problem}");
    }
    world
        .json("PUT", A, vec![b'"', 0xFF, b'"'], &[])
        .await
        .problem(400, "malformed-body");
    world
        .json("PUT", A, "[".repeat(100_000), &[])
        .await
        .problem(400, "malformed-body");
}

#[tokio::test]
async fn apply_requests_of_another_shape_are_400_with_the_field() {
    let world = World::new();
    for (body, place) in [
        (json!({"documents": 3}), "documents: invalid type"),
        (json!({"docs": []}), "unknown field `docs`, expected `documents`"),
        (json!({}), "missing field `documents`"),
        (json!([]), "no JSON object"),
        (json!([[]]), "no JSON object"),
    ] {
        let problem = world
            .apply("/v1/apply", &body)
            .await
            .problem(400, "malformed-body");
        assert!(problem["detail"].as_str().unwrap().contains(place), "{problem}");
    }
}

#[tokio::test]
async fn only_json_is_taken() {
    let world = World::new();
    for (content_type, hint) in [
        (Some("application/yaml"), "weir apply"),
        (Some("text/yaml; charset=utf-8"), "weir apply"),
        (Some("application/x-yaml"), "weir apply"),
        (Some("text/plain"), "expected application/json"),
        (
            Some("application/x-www-form-urlencoded"),
            "expected application/json",
        ),
        (Some("application/json-patch+json"), "expected application/json"),
        (None, "expected application/json"),
    ] {
        for (method, path) in [
            ("PUT", A),
            ("POST", "/v1/apply"),
            ("POST", "/v1/quota/reset"),
            ("POST", "/v1/cache/purge"),
        ] {
            let mut request = Request::builder().method(method).uri(path);
            if let Some(content_type) = content_type {
                request = request.header(header::CONTENT_TYPE, content_type);
            }
            let body = Body::from(backend("a").to_string());
            let problem = world
                .send(request.body(body).unwrap())
                .await
                .problem(415, "unsupported-media-type");
            assert!(problem["detail"].as_str().unwrap().contains(hint), "{problem}");
        }
    }
    let request = Request::put(A).header(header::CONTENT_TYPE, "Application/JSON ; charset=utf-8");
    let answer = world
        .send(request.body(Body::from(backend("a").to_string())).unwrap())
        .await;
    assert_eq!(answer.status, StatusCode::CREATED);
}

#[tokio::test]
async fn larger_bodies_than_the_limit_are_413() {
    let body = backend("a").to_string();
    let world = World::with(Settings {
        max_body: body.len(),
        ..Settings::default()
    });
    assert_eq!(
        world.json("PUT", A, body.clone(), &[]).await.status,
        StatusCode::CREATED
    );
    world
        .json("PUT", A, format!("{body} "), &[])
        .await
        .problem(413, "body-too-large");
    // Announced only.
    world
        .json("PUT", A, body.clone(), &[("content-length", "99999999999")])
        .await
        .problem(413, "body-too-large");
    // Not announced.
    let chunks = (0..64).map(|_| Ok::<_, std::io::Error>(" ".repeat(64)));
    let stream = Body::from_stream(tokio_stream::iter(chunks));
    world
        .json("PUT", A, stream, &[])
        .await
        .problem(413, "body-too-large");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_408() {
    let world = World::with(Settings {
        body_timeout: Duration::from_secs(30),
        ..Settings::default()
    });
    let begun = tokio_stream::iter([Ok::<_, std::io::Error>("{")]).chain(tokio_stream::pending());
    let started = tokio::time::Instant::now();
    world
        .json("PUT", A, Body::from_stream(begun), &[])
        .await
        .problem(408, "body-timeout");
    assert_eq!(started.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_400() {
    let world = World::new();
    let broken = tokio_stream::iter([Ok("{"), Err(std::io::Error::other("reset"))]);
    world
        .json("PUT", A, Body::from_stream(broken), &[])
        .await
        .problem(400, "malformed-body");
}

#[tokio::test]
async fn a_store_that_cannot_write_is_503() {
    let world = World::new();
    world.plane.broken.store(true, Ordering::Relaxed);
    let problem = world
        .put(A, &backend("a"))
        .await
        .problem(503, "store-unavailable");
    assert!(
        problem["detail"].as_str().unwrap().contains("the disk is full"),
        "{problem}"
    );
    world
        .apply("/v1/apply", &json!({"documents": [backend("a")]}))
        .await
        .problem(503, "store-unavailable");
    world.plane.broken.store(false, Ordering::Relaxed);
    world.put_new(&backend("a")).await;
    world.plane.broken.store(true, Ordering::Relaxed);
    world.delete(A, &[]).await.problem(503, "store-unavailable");
    assert_eq!(world.get(A).await.status, StatusCode::OK);
}

#[tokio::test]
async fn requests_for_other_hosts_are_421() {
    let world = World::with(Settings {
        hosts: vec!["weir.internal".to_owned()],
        ..Settings::default()
    });
    let get = |host: &'static str| {
        Request::get("/v1/documents")
            .header(header::HOST, host)
            .body(Body::empty())
    };
    for host in ["127.0.0.1:8080", "[::1]", "localhost:1", "weir.internal"] {
        assert_eq!(
            world.send(get(host).unwrap()).await.status,
            StatusCode::OK,
            "{host}"
        );
    }
    for host in ["rebound.example", "rebound.example:8080", ""] {
        world.send(get(host).unwrap()).await.problem(421, "unknown-host");
    }
    let absolute = Request::get("http://rebound.example/v1/documents").header(header::HOST, "127.0.0.1");
    world
        .send(absolute.body(Body::empty()).unwrap())
        .await
        .problem(421, "unknown-host");
}
