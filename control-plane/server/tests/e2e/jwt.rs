//! Tokens: what Envoy verified reaches the filters, nothing else does, and nothing of it reaches a backend.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::documents::{PROXY_PORT, document, gateway, shard_map};
use crate::support::issuer::{Issuer, LONG_AGO};
use crate::support::loopback::{address, at};
use crate::support::process::stdout;
use crate::support::proxy::Proxy;
use crate::support::server;
use crate::support::stack::Stack;
use crate::support::traffic::Traffic;
use crate::support::wait::until;

/// The Gateway of the stack, verifying tokens of these issuers; each provider has its issuer's name.
fn verifying(stack: &Stack, issuers: &[&Issuer]) -> Value {
    let provider = |issuer: &&Issuer| json!({"name": issuer.name, "issuer": issuer.name, "jwks": {"inline": issuer.jwks()}});
    let providers: Vec<Value> = issuers.iter().map(provider).collect();
    let mut gateway = gateway(stack.ip);
    gateway["spec"]["jwt"] = json!({ "providers": providers });
    gateway
}

/// A request of `user-1` with this `Authorization`.
async fn authorized(proxy: &Proxy, authorization: &[u8]) -> Answer {
    let headers: [(&str, &[u8]); 2] = [("x-user-id", b"user-1"), ("authorization", authorization)];
    proxy.http.send(Method::GET, "/", &headers, "").await.unwrap()
}

async fn status(proxy: &Proxy, authorization: &str) -> StatusCode {
    authorized(proxy, authorization.as_bytes()).await.status
}

/// What a backend got in Weir's headers, but for the shard.
fn internal(answer: &Answer) -> Vec<String> {
    let seen = answer.json()["headers"].clone();
    let names = seen.as_object().unwrap().keys();
    names
        .filter(|name| name.replace('_', "-").starts_with("x-weir-") && *name != "x-weir-shard")
        .cloned()
        .collect()
}

/// The map's key is the payload header itself, so that the shard tells what the filter read.
#[tokio::test(flavor = "multi_thread")]
async fn claims_of_a_verified_token_reach_the_filters_and_no_backend() {
    let stack = Stack::sharded().await;
    let (staff, partners) = (Issuer::new("staff", 1), Issuer::new("partners", 2));
    let mut map = shard_map(&["a", "b", "c"]);
    map["spec"]["key"]["sources"] = json!([{"header": "x-weir-jwt-staff"}]);
    stack
        .apply(vec![verifying(&stack, &[&staff, &partners]), map])
        .await;
    let proxy = stack.proxy("one", 2).await;

    let smuggled = staff.token("smuggled").payload;
    let smuggled: [(&str, &[u8]); 4] = [
        ("x-weir-jwt-staff", smuggled.as_bytes()),
        ("x-weir-jwt-staff", smuggled.as_bytes()),
        ("X-Weir-Jwt-Staff", smuggled.as_bytes()),
        ("x_weir_jwt_staff", smuggled.as_bytes()),
    ];
    let send = async |authorization: Option<&str>, smuggled: &[(&str, &[u8])]| {
        let token = authorization.map(|token| ("authorization", token.as_bytes()));
        let headers: Vec<_> = token.into_iter().chain(smuggled.iter().copied()).collect();
        proxy.http.send(Method::GET, "/", &headers, "").await.unwrap()
    };
    for number in 0..8 {
        let token = staff.token(&format!("user-{number}"));
        let owner = stack.weir(&["ring", "owner", "--map", "orders", "-o", "json", &token.payload]);
        let owner: Value = serde_json::from_str(&stdout(&owner)).unwrap();
        for smuggled in [&smuggled[..0], &smuggled[..]] {
            let answer = send(Some(&token.bearer()), smuggled).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            assert_eq!(answer.json()["shard"], owner[0]["shard"], "{number}");
            assert_eq!(internal(&answer), Vec::<String>::new());
            assert_eq!(answer.json()["headers"]["authorization"], token.bearer());
        }
    }
    // Without a token of this provider the filter finds no key.
    let other = partners.token("user-1").bearer();
    for authorization in [None, Some(other.as_str()), Some("Basic dXNlcjpwYXNz")] {
        for smuggled in [&smuggled[..0], &smuggled[..]] {
            let answer = send(authorization, smuggled).await;
            assert_eq!(
                answer.status,
                StatusCode::BAD_REQUEST,
                "{authorization:?}: {answer:?}"
            );
            assert_eq!(answer.json()["status"], 400, "the filter's own answer");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_claims_reaches_no_backend() {
    let stack = Stack::sharded().await;
    let staff = Issuer::new("staff", 1);
    stack.apply(vec![verifying(&stack, &[&staff])]).await;
    let proxy = stack.proxy("one", 1).await;
    let claims = staff.token("smuggled").payload;
    for authorization in ["", &staff.token("user-1").bearer()] {
        let headers: [(&str, &[u8]); 5] = [
            ("x-user-id", b"user-1"),
            ("authorization", authorization.as_bytes()),
            ("x-weir-jwt-staff", claims.as_bytes()),
            ("x-weir-jwt-other", claims.as_bytes()),
            ("x_weir_jwt_staff", claims.as_bytes()),
        ];
        let answer = proxy.http.send(Method::GET, "/", &headers, "").await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(internal(&answer), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tokens_are_refused_and_missing_ones_only_where_they_are_required() {
    let stack = Stack::sharded().await;
    let (staff, partners) = (Issuer::new("staff", 1), Issuer::new("partners", 2));
    let mut edge = verifying(&stack, &[&staff, &partners]);
    edge["spec"]["jwt"]["providers"][1]["audiences"] = json!(["shop", "orders"]);
    stack.apply(vec![edge.clone()]).await;
    let proxy = stack.proxy("one", 2).await;

    let good = staff.token("user-1").bearer();
    let for_shop = partners.token_with(&json!({"aud": ["mail", "shop"]})).bearer();
    let bad = [
        Issuer::new("staff", 3).token("user-1").bearer(),
        partners.token_with(&json!({"iss": "staff"})).bearer(),
        staff.token_with(&json!({"exp": LONG_AGO})).bearer(),
        Issuer::new("nobody", 1).token("user-1").bearer(),
        format!("Bearer {}", staff.unsigned("user-1")),
        "Bearer a.b.c".to_owned(),
        "Bearer x".to_owned(),
    ];
    let judge = async || {
        for good in [&good, &for_shop] {
            assert_eq!(status(&proxy, good).await, StatusCode::OK, "{good}");
        }
        for bad in &bad {
            assert_eq!(status(&proxy, bad).await, StatusCode::UNAUTHORIZED, "{bad}");
        }
        for audience in [json!({"aud": "mail"}), json!({})] {
            let token = partners.token_with(&audience).bearer();
            assert_eq!(status(&proxy, &token).await, StatusCode::FORBIDDEN, "{audience}");
        }
        // A good token doesn't make up for a bad one.
        let second = format!("/?access_token={}", staff.unsigned("user-1"));
        let both = proxy
            .get(&second, &[("x-user-id", "user-1"), ("authorization", &good)])
            .await;
        assert_eq!(both.status, StatusCode::UNAUTHORIZED);
    };
    judge().await;
    assert_eq!(status(&proxy, "").await, StatusCode::OK);

    edge["spec"]["jwt"]["required"] = json!(true);
    stack.apply(vec![edge]).await;
    until("tokens are required", async || {
        (status(&proxy, "").await == StatusCode::UNAUTHORIZED).then_some(())
    })
    .await;
    judge().await;
    for method in [Method::HEAD, Method::OPTIONS, Method::POST] {
        let headers: [(&str, &[u8]); 1] = [("x-user-id", b"user-1")];
        let answer = proxy.http.send(method, "/", &headers, "").await.unwrap();
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
}

/// Connections of former listeners live on while Envoy drains them.
#[tokio::test(flavor = "multi_thread")]
async fn providers_come_and_go_while_requests_flow() {
    let stack = Stack::sharded().await;
    let staff = Issuer::new("staff", 1);
    let edge = |name: &str, required: bool| {
        let mut edge = verifying(&stack, &[&staff]);
        edge["spec"]["jwt"]["providers"][0]["name"] = json!(name);
        edge["spec"]["jwt"]["required"] = json!(required);
        edge
    };
    stack.apply(vec![edge("first", false)]).await;
    let proxy = stack.proxy("one", 2).await;
    let good = staff.token("user-1").bearer();
    let traffic = Traffic::judged(&proxy.http, Some(&good), |answer| {
        let found = internal(answer);
        found
            .is_empty()
            .then_some(())
            .ok_or_else(|| format!("a backend saw {found:?}"))
    });
    traffic.more(100).await;
    for (edge, without, bad) in [
        (edge("second", false), StatusCode::OK, StatusCode::UNAUTHORIZED),
        (
            edge("second", true),
            StatusCode::UNAUTHORIZED,
            StatusCode::UNAUTHORIZED,
        ),
        (gateway(stack.ip), StatusCode::OK, StatusCode::OK),
        (edge("third", false), StatusCode::OK, StatusCode::UNAUTHORIZED),
    ] {
        stack.apply(vec![edge]).await;
        until("the change is in force for new connections", async || {
            let client = Client::new(at(stack.ip, PROXY_PORT));
            let of = async |authorization: &[u8]| {
                let headers: [(&str, &[u8]); 2] =
                    [("x-user-id", b"user-1"), ("authorization", authorization)];
                let answer = client.send(Method::GET, "/", &headers, "").await.unwrap();
                answer.status
            };
            let found = (of(b"").await, of(b"Bearer x").await);
            (found == (without, bad)).then_some(())
        })
        .await;
        traffic.more(100).await;
    }
    traffic.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_from_a_backend() {
    let stack = Stack::sharded().await;
    let staff = Issuer::new("staff", 1);
    let keys = at(address(), 9_000);
    let backend = |primary: std::net::SocketAddr| {
        let endpoint = json!({"address": primary.ip().to_string(), "port": primary.port()});
        document("Backend", "identity", json!({ "endpoints": [endpoint] }))
    };
    let mut edge = verifying(&stack, &[&staff]);
    let remote = json!({"backend": "identity", "path": "/keys?v=1", "host": "id.example.com:81"});
    edge["spec"]["jwt"]["providers"][0]["jwks"] = json!({ "remote": remote });
    let missing = stack.try_apply(vec![edge.clone()]).await;
    assert_eq!(missing.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        missing.json()["errors"][0]["pointer"],
        "/spec/jwt/providers/0/jwks/remote/backend"
    );
    stack.apply(vec![backend(keys), edge]).await;

    // Nobody answers for the keys yet: the proxy serves, and takes no token for good.
    let proxy = stack.proxy("one", 2).await;
    let good = staff.token("user-1").bearer();
    assert_eq!(status(&proxy, &good).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&proxy, "").await, StatusCode::OK);

    let (asked, jwks) = (Arc::new(Mutex::new(Vec::new())), staff.jwks());
    let note = Arc::clone(&asked);
    server::start(keys.ip(), keys.port(), move |request| {
        let host = request.headers()["host"].to_str().unwrap().to_owned();
        note.lock().unwrap().push((host, request.uri().to_string()));
        let body = Full::new(Bytes::from(jwks.clone()));
        async { Response::new(body) }
    })
    .await;
    until("the keys are there", async || {
        (status(&proxy, &good).await == StatusCode::OK).then_some(())
    })
    .await;
    let expected = ("id.example.com:81".to_owned(), "/keys?v=1".to_owned());
    assert_eq!(asked.lock().unwrap().first(), Some(&expected));
    let forged = Issuer::new("staff", 2).token("user-1").bearer();
    assert_eq!(status(&proxy, &forged).await, StatusCode::UNAUTHORIZED);

    // One that starts now has the keys before it serves.
    let mut other = gateway(address());
    other["metadata"]["name"] = json!("other");
    let listener = other["spec"]["listeners"][0]["address"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let jwt = stack.api.get("/v1/namespaces/default/gateways/edge", &[]).await;
    other["spec"]["jwt"] = jwt.json()["spec"]["jwt"].clone();
    stack.apply(vec![other]).await;
    let second = Proxy::launch(&stack, "two", "default/other", 2);
    let second = Proxy::of(listener, listener, "two", second.process);
    let first_answer = until("the other proxy serves", async || {
        let headers: [(&str, &[u8]); 1] = [("authorization", good.as_bytes())];
        second.http.send(Method::GET, "/", &headers, "").await.ok()
    })
    .await;
    assert_ne!(first_answer.status, StatusCode::UNAUTHORIZED);

    let deletion = stack
        .api
        .send(
            Method::DELETE,
            "/v1/namespaces/default/backends/identity",
            &[],
            "",
        )
        .await
        .unwrap();
    assert_eq!(deletion.status, StatusCode::CONFLICT, "{}", deletion.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_any_bytes_crash_nothing() {
    let stack = Stack::sharded().await;
    let staff = Issuer::new("staff", 1);
    stack.apply(vec![verifying(&stack, &[&staff])]).await;
    let mut proxy = stack.proxy("one", 2).await;
    let (vms, reloads) = (proxy.vms_created().await, proxy.vm_reloads().await);
    let good = staff.token("user-1").bearer();
    for byte in 0x80..=0xFF_u8 {
        // Envoy passes over what no token starts with.
        for (place, expected) in [
            (7, StatusCode::OK),
            (good.len() / 2, StatusCode::UNAUTHORIZED),
            (good.len(), StatusCode::UNAUTHORIZED),
        ] {
            let mut odd = good.clone().into_bytes();
            odd.insert(place, byte);
            let answer = authorized(&proxy, &odd).await;
            assert_eq!(answer.status, expected, "{byte:#x} at {place}: {answer:?}");
        }
        // Not what a token stands behind.
        assert_eq!(authorized(&proxy, &[byte; 20]).await.status, StatusCode::OK);
    }
    assert_eq!(status(&proxy, &good).await, StatusCode::OK);
    proxy.process.assert_alive();
    assert_eq!(
        (proxy.vms_created().await, proxy.vm_reloads().await),
        (vms, reloads)
    );
}
