//! Quotas, against a control plane that notes what it is sent.

use crate::harness::{Server, json, weir};
use serde_json::{Value, json};

fn sent(server: &Server) -> (String, Value) {
    let (line, body) = server.requests.lock().unwrap().pop().unwrap();
    (line, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn a_reset_says_whose() {
    let server = Server::start(|_| json(200, &json!({"revision": 7}))).await;
    for (arguments, body) in [
        (&["api"][..], json!({"namespace": "default", "policy": "api"})),
        (
            &[
                "api", "-n", "shop", "--limit", "per-user", "--key", "alice", "--key", "",
            ],
            json!({"namespace": "shop", "policy": "api", "limit": "per-user", "key": ["alice", ""]}),
        ),
    ] {
        let line = [
            &["quota", "reset", "--server", &server.url, "-o", "json"],
            arguments,
        ]
        .concat();
        let run = weir(&line).await;
        assert_eq!((run.code, run.json()), (0, json!({"revision": 7})), "{run:?}");
        assert_eq!(sent(&server), ("POST /v1/quota/reset".to_owned(), body));
    }
    let run = weir(&["quota", "reset", "api", "--server", &server.url]).await;
    assert_eq!(
        (run.code, run.out.as_str()),
        (0, "RateLimitPolicy default/api: reset\n")
    );
}

#[tokio::test]
async fn a_reset_that_is_refused_has_its_exit_code() {
    for (status, code) in [(404, 3), (400, 1), (503, 4)] {
        let problem =
            json!({"status": status, "title": "t", "detail": "RateLimitPolicy default/api is the matter"});
        let server = Server::start(move |_| json(status, &problem)).await;
        let run = weir(&["quota", "reset", "api", "--server", &server.url]).await;
        assert_eq!((run.code, run.out.as_str()), (code, ""), "{run:?}");
        assert!(run.err.contains("is the matter"), "{run:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_too_long_is_not_sent() {
    let server = Server::start(|_| json(200, &json!({"revision": 7}))).await;
    let key = "x".repeat(5_000);
    let run = weir(&["quota", "reset", "api", "--key", &key, "--server", &server.url]).await;
    assert!(run.code == 1 && run.err.starts_with("key: 5000 bytes"), "{run:?}");
    assert!(server.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn status_shows_who_has_what() {
    let holder = |instance: &str, share: u32, demand: u64| json!({"instance": instance, "share": share, "held": 500_000, "demand": demand});
    let limits = json!({"items": [
        {"limit": "default/api/all", "outstanding": 999_999,
         "holders": [holder("edge-1", 333_333, 5), holder("edge-2", 666_666, u64::MAX)]},
        {"limit": "default/api/all", "key": "00000000000000ff", "outstanding": 0, "holders": []},
    ]});
    let answer = limits.clone();
    let server = Server::start(move |line| {
        assert_eq!(line, "GET /v1/leases");
        json(200, &answer)
    })
    .await;
    let run = weir(&["quota", "status", "-o", "json", "--server", &server.url]).await;
    assert_eq!((run.code, run.json()), (0, limits));
    let run = weir(&["quota", "status", "--server", &server.url]).await;
    let table = "\
LIMIT            KEY               PROXY   SHARE     HELD     DEMAND/S
default/api/all  (others)          edge-1  33.33 %   50.00 %  5
default/api/all  (others)          edge-2  66.67 %   50.00 %  18446744073709551615
default/api/all  (others)          (all)   100.00 %  -        18446744073709551615
default/api/all  00000000000000ff  (all)   0.00 %    -        0
";
    assert_eq!(run.out, table);
}
