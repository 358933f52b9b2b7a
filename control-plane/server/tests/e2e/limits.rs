//! Rate limits on a real Envoy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::documents::{document, gateway};
use crate::support::issuer::Issuer;
use crate::support::modules::other_release;
use crate::support::proxy::Proxy;
use crate::support::stack::Stack;
use crate::support::wait::until;

/// A policy for every Gateway.
fn policy(name: &str, spec: Value) -> Value {
    document("RateLimitPolicy", name, spec)
}

/// One limit by the header `x-user-id`.
fn by_user(quota: Value) -> Value {
    json!({"limits": [{"name": "client", "key": [{"header": "x-user-id"}], "quota": quota}]})
}

fn rate(requests: u64, window: &str, burst: u64) -> Value {
    json!({"rate": {"requests": requests, "window": window, "burst": burst}})
}

/// A stack with one proxy, in force in all of its workers with `policies`.
async fn limited(workers: u32, policies: Vec<Value>) -> (Stack, Proxy) {
    let stack = Stack::sharded().await;
    stack.apply(policies).await;
    let proxy = stack.proxy("edge-1", workers).await;
    (stack, proxy)
}

async fn ask(proxy: &Proxy, headers: &[(&str, &str)]) -> Answer {
    let mut all = vec![("x-user-id", "alice")];
    all.retain(|(name, _)| !headers.iter().any(|(given, _)| given == name));
    all.extend_from_slice(headers);
    proxy.get("/orders", &all).await
}

fn text<'a>(answer: &'a Answer, name: &str) -> &'a str {
    std::str::from_utf8(
        answer
            .header(name)
            .unwrap_or_else(|| panic!("no {name}: {answer:?}")),
    )
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_of_their_quota_and_of_its_end() {
    let (_stack, proxy) = limited(1, vec![policy("api", by_user(rate(2, "1h", 2)))]).await;
    let first = ask(&proxy, &[]).await;
    assert_eq!(first.status, StatusCode::OK);
    assert!(
        text(&first, "ratelimit-policy").starts_with(r#""client";q=2;w=3600;pk=:"#),
        "{first:?}"
    );
    assert_eq!(text(&first, "ratelimit"), r#""client";r=1;t=1800"#);
    assert_eq!(ask(&proxy, &[]).await.status, StatusCode::OK);

    let refused = ask(&proxy, &[]).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(text(&refused, "content-type"), "application/problem+json");
    assert!(text(&refused, "ratelimit").starts_with(r#""client";r=0;t=3"#));
    let wait: u64 = text(&refused, "retry-after").parse().unwrap();
    assert!((1_700..=1_800).contains(&wait), "{wait}");
    let problem = refused.json();
    assert_eq!(
        problem["type"],
        "https://iana.org/assignments/http-problem-types#quota-exceeded"
    );
    assert_eq!(problem["violated-policies"], json!(["client"]));
    assert_eq!(refused.headers.get_all("ratelimit").iter().count(), 1);

    let other = ask(&proxy, &[("x-user-id", "bob")]).await;
    assert_eq!(other.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_gets_a_status_with_the_same_fields() {
    let (_stack, proxy) = limited(1, vec![policy("api", by_user(rate(1, "1h", 1)))]).await;
    ask(&proxy, &[]).await;
    let headers: [(&str, &[u8]); 2] = [("x-user-id", b"alice"), ("content-type", b"application/grpc")];
    let refused = proxy
        .http
        .send(Method::POST, "/orders.Service/Get", &headers, "")
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::OK);
    assert_eq!(text(&refused, "grpc-status"), "8");
    assert!(text(&refused, "ratelimit").starts_with(r#""client";r=0"#));
    assert!(refused.header("retry-after").is_some());
}

/// Sends `clients` requests at a time for `span`; how many passed and how many were held back.
async fn pour(http: &Client, clients: usize, span: Duration) -> (u64, u64) {
    let passed = Arc::new(AtomicU64::new(0));
    let limited = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + span;
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (http, passed, limited) = (http.clone(), Arc::clone(&passed), Arc::clone(&limited));
            tokio::spawn(async move {
                while Instant::now() < end {
                    let answer = http.get("/orders", &[("x-user-id", "alice")]).await;
                    match answer.status {
                        StatusCode::OK => passed.fetch_add(1, Ordering::Relaxed),
                        StatusCode::TOO_MANY_REQUESTS => limited.fetch_add(1, Ordering::Relaxed),
                        other => panic!("{other}: {}", answer.text()),
                    };
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    (passed.load(Ordering::Relaxed), limited.load(Ordering::Relaxed))
}

/// What was let through is counted against the time from before the first request to after the last answer, which can
/// only be longer than the time between the decisions.
#[tokio::test(flavor = "multi_thread")]
async fn four_workers_count_as_one() {
    const RATE: f64 = 200.0;
    const BURST: f64 = 100.0;
    let (_stack, proxy) = limited(4, vec![policy("api", by_user(rate(200, "1s", 100)))]).await;
    // The clock that the filter goes by.
    let began = SystemTime::now();
    let (passed, held_back) = pour(&proxy.http, 16, Duration::from_secs(10)).await;
    let exact = RATE * began.elapsed().unwrap().as_secs_f64() + BURST;
    let passed = passed as f64;
    assert!(
        held_back as f64 > passed,
        "too little load: {passed} passed, {held_back} held back"
    );
    assert!(passed <= exact, "{passed} passed, at most {exact} may");
    assert!(passed >= exact * 0.99, "{passed} passed of {exact}");
    assert_eq!(proxy.vm_reloads().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_x_forwarded_for_gains_nothing() {
    let address = |hops: u32| {
        json!({"match": [{"path": {"type": "Exact", "value": "/orders"}}], "headers": {"standard": "never"}, "limits": [{
            "name": "address", "key": [{"clientAddress": {"trustedHops": hops}}],
            "quota": {"rate": {"requests": 1, "window": "1h"}}
        }]})
    };
    for (hops, same, other) in [
        (0, ["203.0.113.1", "203.0.113.2", "198.51.100.1, 10.0.0.1"], None),
        // The peer is a trusted proxy, which has noted 203.0.113.1; what stands before that the client has written.
        (
            1,
            [
                "203.0.113.1",
                "198.51.100.7, 203.0.113.1",
                "not an address, 203.0.113.1",
            ],
            Some("203.0.113.2"),
        ),
    ] {
        let (_stack, proxy) = limited(1, vec![policy("api", address(hops))]).await;
        let first = ask(&proxy, &[("x-forwarded-for", same[0])]).await;
        assert_eq!(first.status, StatusCode::OK, "{hops}");
        assert!(first.header("ratelimit").is_none());
        for spoofed in same {
            let answer = ask(&proxy, &[("x-forwarded-for", spoofed)]).await;
            assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{hops}: {spoofed}");
        }
        if let Some(other) = other {
            let answer = ask(&proxy, &[("x-forwarded-for", other)]).await;
            assert_eq!(answer.status, StatusCode::OK, "{hops}: {other}");
        }
    }
}

/// Every place that a limit reads, with bytes that are no text, and a key of 60 KiB.
#[tokio::test(flavor = "multi_thread")]
async fn odd_bytes_reach_no_trap() {
    let limits = json!({"exempt": [{"clientAddress": {"networks": ["192.0.2.0/24"], "trustedHops": 1}}], "limits": [{
        "name": "all",
        "key": [
            {"clientAddress": {"trustedHops": 1}}, {"header": "x-api-key"}, {"cookie": "session"},
            {"jwtClaim": {"claim": "sub", "unverified": true}}, {"path": {"template": "/users/{id}/**"}}, "method",
            {"shardKey": {"shardMap": "orders"}}
        ],
        "plans": {"from": {"header": "x-plan"}, "quotas": {"gold": rate(1000, "1s", 1000)}},
        "cost": {"requestHeader": {"name": "x-cost", "max": 10}, "responseHeader": {"name": "x-took", "max": 10}},
        "quota": rate(100_000, "1s", 100_000)
    }]});
    let (_stack, proxy) = limited(1, vec![policy("api", limits)]).await;
    let places = [
        "x-forwarded-for",
        "x-api-key",
        "cookie",
        "authorization",
        "x-plan",
        "x-cost",
        "x-user-id",
    ];
    for byte in 0x80..=0xFF_u8 {
        for place in places {
            let value = match place {
                "cookie" => [b"session=".as_slice(), &[byte, byte]].concat(),
                "authorization" => [b"Bearer a.".as_slice(), &[byte], b".c"].concat(),
                _ => vec![byte, b',', byte],
            };
            let headers: [(&str, &[u8]); 2] = [(place, &value), ("accept", b"*/*")];
            let answer = proxy
                .http
                .send(Method::GET, "/users/1/", &headers, "")
                .await
                .unwrap();
            assert!(
                answer.status == StatusCode::OK || answer.status == StatusCode::BAD_REQUEST,
                "{answer:?}"
            );
        }
    }
    let long = "k".repeat(50 << 10);
    let answer = ask(&proxy, &[("x-api-key", &long)]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(proxy.vm_reloads().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_and_a_switched_off_policy_change_nothing() {
    let mut shadow = by_user(rate(1, "1h", 1));
    shadow["mode"] = json!("shadow");
    let mut off = by_user(rate(1, "1h", 1));
    off["mode"] = json!("off");
    let (stack, proxy) = limited(1, vec![policy("trial", shadow), policy("off", off)]).await;
    for _ in 0..3 {
        let answer = ask(&proxy, &[]).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.header("ratelimit").is_none());
    }
    let counted = until("the shadow has counted", async || {
        let stats = proxy.stats("shadow-only-limited").await;
        stats.values().copied().find(|count| *count == 2)
    });
    counted.await;

    stack
        .apply(vec![policy("trial", by_user(rate(1, "1h", 1)))])
        .await;
    until("the policy is enforced", async || {
        (ask(&proxy, &[]).await.status == StatusCode::TOO_MANY_REQUESTS).then_some(())
    })
    .await;
}

/// The quota stands in shared data: it outlives a new configuration.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_configuration_forgets_nothing() {
    let (stack, proxy) = limited(2, vec![policy("api", by_user(rate(5, "1h", 5)))]).await;
    for _ in 0..5 {
        assert_eq!(ask(&proxy, &[]).await.status, StatusCode::OK);
    }
    let before = proxy.generation().await;
    stack.apply(vec![policy("api", by_user(rate(6, "1h", 6)))]).await;
    until("in force in every worker", async || {
        (proxy.generation().await > before).then_some(())
    })
    .await;
    let mut passed = 0;
    for _ in 0..6 {
        passed += u32::from(ask(&proxy, &[]).await.status == StatusCode::OK);
    }
    assert!(passed <= 1, "{passed} of a quota of 6 of which 5 were used");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_under_way_are_counted_until_they_end() {
    let under_way = json!({"limits": [{"name": "under-way", "quota": {"concurrency": {"requests": 2}}}]});
    let (_stack, proxy) = limited(2, vec![policy("api", under_way)]).await;
    let slow = |http: Client| {
        tokio::spawn(async move {
            http.get("/orders", &[("x-user-id", "alice"), ("x-delay-ms", "1500")])
                .await
        })
    };
    let held = [slow(proxy.http.clone()), slow(proxy.http.clone())];
    until("both are under way", async || {
        let active = proxy.stats("orders.*upstream_rq_active").await;
        (active.values().sum::<u64>() == 2).then_some(())
    })
    .await;
    let third = ask(&proxy, &[]).await;
    assert_eq!(third.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(text(&third, "retry-after"), "1");
    for one in held {
        assert_eq!(one.await.unwrap().status, StatusCode::OK);
    }
    until("there is room again", async || {
        (ask(&proxy, &[]).await.status == StatusCode::OK).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_apart_by_a_verified_claim() {
    let stack = Stack::sharded().await;
    let (staff, stranger) = (Issuer::new("staff", 1), Issuer::new("staff", 2));
    let by_claim = json!({"limits": [{"name": "subject", "key": [{"jwtClaim": {"claim": "sub", "provider": "staff"}}],
                                      "onMissingKey": "reject", "quota": rate(1, "1h", 1)}]});
    let refused = stack.try_apply(vec![policy("api", by_claim.clone())]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
    assert!(
        refused.text().contains("/spec/limits/0/key/0/jwtClaim"),
        "{}",
        refused.text()
    );

    let mut verifying = gateway(stack.ip);
    verifying["spec"]["jwt"] =
        json!({"providers": [{"name": "staff", "issuer": "staff", "jwks": {"inline": staff.jwks()}}]});
    stack
        .apply(vec![verifying.clone(), policy("api", by_claim)])
        .await;
    verifying["spec"]["jwt"] = Value::Null;
    let refused = stack.try_apply(vec![verifying]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");

    let proxy = stack.proxy("edge-1", 2).await;
    for subject in ["alice", "bob"] {
        let bearer = staff.token(subject).bearer();
        let with = [("authorization", bearer.as_str())];
        assert_eq!(ask(&proxy, &with).await.status, StatusCode::OK, "{subject}");
        assert_eq!(
            ask(&proxy, &with).await.status,
            StatusCode::TOO_MANY_REQUESTS,
            "{subject}"
        );
    }
    let forged = stranger.token("carol").bearer();
    let unauthorized = ask(&proxy, &[("authorization", &forged)]).await;
    assert_eq!(unauthorized.status, StatusCode::UNAUTHORIZED);
    let payload = stranger.token("carol").payload;
    let smuggled = ask(&proxy, &[("x-weir-jwt-staff", &payload)]).await;
    assert_eq!(smuggled.status, StatusCode::BAD_REQUEST, "{smuggled:?}");
}

async fn refused(proxy: &Proxy, user: &str) -> bool {
    ask(proxy, &[("x-user-id", user)]).await.status == StatusCode::TOO_MANY_REQUESTS
}

/// The way back, from an operator's command to every worker.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_lets_one_client_start_anew_and_then_all() {
    let (stack, proxy) = limited(2, vec![policy("api", by_user(rate(1, "1h", 1)))]).await;
    for user in ["alice", "bob"] {
        ask(&proxy, &[("x-user-id", user)]).await;
        assert!(refused(&proxy, user).await, "{user}");
    }
    let reset = |arguments: &[&str]| {
        let done = stack.weir(&[&["quota", "reset", "api"], arguments].concat());
        assert!(done.status.success(), "{done:?}");
    };
    reset(&["--limit", "client", "--key", "alice"]);
    until("alice starts anew", async || {
        (ask(&proxy, &[]).await.status == StatusCode::OK).then_some(())
    })
    .await;
    assert!(refused(&proxy, "alice").await, "once");
    assert!(refused(&proxy, "bob").await, "bob was not reset");
    reset(&[]);
    for user in ["alice", "bob"] {
        until("everyone starts anew", async || {
            (ask(&proxy, &[("x-user-id", user)]).await.status == StatusCode::OK).then_some(())
        })
        .await;
    }
    let unknown = stack.weir(&["quota", "reset", "nobody"]);
    assert!(!unknown.status.success());
}

/// Limits need no control plane; when it is back, so is the way.
#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_goes_takes_nothing_along() {
    let (mut stack, proxy) = limited(2, vec![policy("api", by_user(rate(1, "1h", 1)))]).await;
    ask(&proxy, &[]).await;
    stack.server.kill();
    assert!(refused(&proxy, "alice").await);
    assert_eq!(ask(&proxy, &[("x-user-id", "bob")]).await.status, StatusCode::OK);
    stack.restart(&[]).await;
    let done = stack.weir(&["quota", "reset", "api", "--limit", "client", "--key", "alice"]);
    assert!(done.status.success(), "{done:?}");
    until("the proxy heard of it", async || {
        (ask(&proxy, &[]).await.status == StatusCode::OK).then_some(())
    })
    .await;
}

/// Another release's module runs in new VMs: nothing that the old ones held in their memory is left.
#[tokio::test(flavor = "multi_thread")]
async fn new_vms_go_on_with_the_counts() {
    let (mut stack, proxy) = limited(2, vec![policy("api", by_user(rate(3, "1h", 3)))]).await;
    for _ in 0..3 {
        assert_eq!(ask(&proxy, &[]).await.status, StatusCode::OK);
    }
    assert!(refused(&proxy, "alice").await);
    let release = other_release(&stack, "rate-limit");
    let vms = proxy.vms_created().await;
    stack.server.terminate();
    stack.restart(&["--modules-dir", release.to_str().unwrap()]).await;
    // A trial VM, one of the process and one of each worker.
    until("all workers run the new module", async || {
        (proxy.vms_created().await >= vms + 4).then_some(())
    })
    .await;
    for _ in 0..8 {
        assert!(refused(&proxy, "alice").await);
    }
    assert_eq!(ask(&proxy, &[("x-user-id", "bob")]).await.status, StatusCode::OK);
}
