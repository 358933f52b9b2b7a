//! Reports of what processes hold, and who has what.

use http::StatusCode;
use serde_json::{Value, json};
use weir_core::lease::{Holder, SharedLimit};

use crate::world::World;

const LEASES: &str = "/v1/proxy/leases";

fn report(limits: &Value) -> Value {
    json!({"slot": "weir/default/edge/rate-limit", "instance": "i", "sequence": 1, "limits": limits})
}

fn shared(limit: &str, shares: &[u32]) -> SharedLimit {
    let holder = |(index, share): (usize, &u32)| Holder {
        instance: format!("i-{index}"),
        share: *share,
        held: *share,
        demand: 7,
    };
    SharedLimit {
        limit: limit.to_owned(),
        key: None,
        outstanding: shares.iter().copied().map(u64::from).sum(),
        holders: shares.iter().enumerate().map(holder).collect(),
    }
}

#[tokio::test]
async fn a_report_is_answered_with_shares() {
    let world = World::new();
    let keys = json!([{"key": "00000000000000ff", "demand": 3, "held": 0}]);
    let limits = json!([{"limit": "default/api/per-user", "held": 1_000_000, "keys": keys}]);
    let answer = world.apply(LEASES, &report(&limits)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let granted = json!([{"limit": "default/api/per-user", "share": 0, "keys": []}]);
    assert_eq!(
        answer.json(),
        json!({"leaseMs": 5000, "proxies": 1, "limits": granted})
    );
    let text = world.get("/metrics").await.text();
    assert!(text.contains("\nweir_lease_reports_total 1\n"), "{text}");
}

#[tokio::test]
async fn reports_that_are_not_understood_are_400() {
    let world = World::new();
    let key = |number: usize| json!({"key": format!("{number:016x}"), "demand": 0, "held": 0});
    let keys: Vec<Value> = (0..257).map(key).collect();
    for (body, words) in [
        (json!({}), "missing field `slot`"),
        (report(&json!(1)), "limits: invalid type"),
        (
            report(&json!([{"limit": "default/a/b", "held": -1, "keys": []}])),
            "limits[0].held: invalid value",
        ),
        (
            report(&json!([{"limit": "shop/a/b", "held": 0, "keys": []}])),
            "limits[0].limit: \"shop/a/b\"",
        ),
        (
            report(&json!([{"limit": "default/a/b", "held": 0, "keys": keys}])),
            "limits[0].keys: 257 of them",
        ),
        (
            report(&json!([{"limit": "default/a/b", "held": 0, "keys": [], "x": 0}])),
            "unknown field `x`",
        ),
    ] {
        let problem = world.apply(LEASES, &body).await.problem(400, "malformed-body");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
    let problem = world
        .apply(&format!("{LEASES}?slot=a"), &report(&json!([])))
        .await;
    problem.problem(400, "bad-query");
    let text = world.get("/metrics").await.text();
    assert!(text.contains("\nweir_lease_reports_total 0\n"), "{text}");
}

#[tokio::test]
async fn a_report_has_at_most_a_mebibyte() {
    let world = World::new();
    let body = report(&json!([])).to_string();
    let padded = |size: usize| format!("{body}{}", " ".repeat(size - body.len()));
    let answer = world.json("POST", LEASES, padded(1 << 20), &[]).await;
    assert_eq!(answer.status, StatusCode::OK);
    let answer = world.json("POST", LEASES, padded((1 << 20) + 1), &[]).await;
    let problem = answer.problem(413, "body-too-large");
    assert!(
        problem["detail"].as_str().unwrap().contains("1048576 bytes"),
        "{problem}"
    );
}

#[tokio::test]
async fn people_see_who_has_what() {
    let world = World::new();
    assert_eq!(world.get("/v1/leases").await.json(), json!({"items": []}));
    let mut key = shared("default/api/per-user", &[200_000]);
    key.key = Some("00000000000000ff".to_owned());
    *world.plane.leases.lock().unwrap() = vec![shared("default/api/per-user", &[500_000, 0]), key];
    let holder = |instance: &str, share: u32| json!({"instance": instance, "share": share, "held": share, "demand": 7});
    let items = json!([
        {"limit": "default/api/per-user", "outstanding": 500_000, "holders": [holder("i-0", 500_000), holder("i-1", 0)]},
        {"limit": "default/api/per-user", "key": "00000000000000ff", "outstanding": 200_000, "holders": [holder("i-0", 200_000)]},
    ]);
    assert_eq!(world.get("/v1/leases").await.json(), json!({ "items": items }));
    let text = world.get("/metrics").await.text();
    assert!(
        text.contains("\nweir_leases{limit=\"default/api/per-user\"} 2\n"),
        "{text}"
    );
}

#[tokio::test]
async fn metrics_name_a_thousand_limits() {
    let world = World::new();
    let limits = (0..1_200).map(|number| shared(&format!("default/a/l-{number}"), &[1, 1, 0]));
    *world.plane.leases.lock().unwrap() = limits.collect();
    let text = world.get("/metrics").await.text();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("weir_leases{"))
        .collect();
    assert_eq!(lines.len(), 1_001);
    assert!(lines.contains(&"weir_leases{limit=\"_other\"} 400"), "{lines:?}");
}
