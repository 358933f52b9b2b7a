//! Several limits, plans, keys that are missing, exemptions, gRPC.

use serde_json::{Value, json};
use weir_wasm_tests::Request;

use crate::fixture::{Limited, Verdict, by_user, limit, policy, rate, slot, slot_of, user, with};

const NEVER_MS: u64 = 3_600_000;

fn for_all(burst: u64) -> Value {
    limit("all", json!([]), rate(1, NEVER_MS, burst))
}

#[test]
fn where_one_limit_denies_none_is_charged() {
    // In one bucket, a limit's write moves what the next one has read: both have to be looked at again.
    for max_keys in [1, 1_000] {
        for reversed in [false, true] {
            let mut limits = [by_user(rate(1, NEVER_MS, 2)), for_all(5)];
            if reversed {
                limits.reverse();
            }
            let configuration = with(policy(&limits), "maxKeys", max_keys.into());
            let limited = Limited::on(2, &slot_of(&json!({"default/api": configuration})));
            assert_eq!(limited.drain(&user("alice")), 2);
            for worker in [0, 1, 0, 1] {
                assert_eq!(limited.ask(worker, &user("alice")), Verdict::Limited);
            }
            assert_eq!(
                limited.drain(&user("bob")),
                2,
                "alice's refusals cost nobody anything"
            );
            assert_eq!(limited.drain(&user("carol")), 1);
            assert_eq!(limited.counted("limited", "api", "user"), 2 + 4);
            assert_eq!(limited.counted("limited", "api", "all"), 1);
        }
    }
}

#[test]
fn all_policies_apply() {
    let policies =
        json!({"default/a": policy(&[by_user(rate(1, NEVER_MS, 4))]), "default/b": policy(&[for_all(6)])});
    let limited = Limited::on(2, &slot_of(&policies));
    assert_eq!(
        [limited.drain(&user("alice")), limited.drain(&user("bob"))],
        [4, 2]
    );
}

#[test]
fn a_client_is_counted_within_its_tenant() {
    let tenant = limit("tenant", json!([{"header": "x-tenant"}]), rate(1, NEVER_MS, 5));
    let member = with(by_user(rate(1, NEVER_MS, 3)), "parent", "tenant".into());
    let limited = Limited::on(2, &slot(&[tenant, member]));
    let of = |tenant: &str, name: &str| user(name).header("x-tenant", tenant);
    let passed = [
        of("a", "alice"),
        of("a", "bob"),
        of("b", "alice"),
        of("b", "carol"),
    ]
    .map(|request| limited.drain(&request));
    assert_eq!(passed, [3, 2, 3, 2], "alice of a is not alice of b");
}

#[test]
fn a_plan_has_its_own_quota() {
    let plans = json!({"from": {"header": "x-plan"}, "quotas": {"gold": rate(1, NEVER_MS, 9), "silver": rate(1, NEVER_MS, 6)}});
    let limited = Limited::on(2, &slot(&[with(by_user(rate(1, NEVER_MS, 3)), "plans", plans)]));
    let of = |plan: &str| user(plan).header("x-plan", plan);
    let passed = ["gold", "silver", "lead", "", "GOLD"].map(|plan| limited.drain(&of(plan)));
    assert_eq!(passed, [9, 6, 3, 3, 3]);
    assert_eq!(limited.drain(&user("nobody")), 3);
}

#[test]
fn a_missing_value_is_shared_skipped_or_rejected() {
    let expected = [
        ("shared", vec![Verdict::Passed, Verdict::Passed, Verdict::Limited]),
        ("skip", vec![Verdict::Passed; 3]),
        ("reject", vec![Verdict::KeyMissing; 3]),
    ];
    for (what, verdicts) in expected {
        let by_user = with(by_user(rate(1, NEVER_MS, 2)), "onMissingKey", what.into());
        let limited = Limited::on(1, &slot(&[by_user]));
        let missing = [
            Request::get("/"),
            user(""),
            Request::get("/").header("x-other", "alice"),
        ];
        assert_eq!(
            missing.map(|request| limited.ask(0, &request)).to_vec(),
            verdicts,
            "{what}"
        );
        assert_eq!(limited.counted("key-missing", "api", "user"), 3, "{what}");
        assert_eq!(limited.drain(&user("alice")), 2, "{what}");
    }
}

#[test]
fn exempt_requests_are_not_counted() {
    let exempt = json!([
        {"match": {"path": {"type": "Exact", "value": "/health"}}},
        {"clientAddress": {"networks": ["10.0.0.0/8", "2001:db8::/32"]}},
    ]);
    let limited = Limited::on(
        2,
        &slot_of(&json!({"default/api": with(policy(&[for_all(2)]), "exempt", exempt)})),
    );
    let from = |address: &str| Request::get("/").property(&["source", "address"], address);
    let passes = |request: Request| (0..5).all(|worker| limited.passes(worker % 2, &request));
    assert!(passes(Request::get("/health")));
    assert!(passes(from("10.1.2.3:40000")) && passes(from("[2001:db8::7]:40000")));
    assert_eq!(limited.drain(&from("11.1.2.3:40000")), 2);
    assert_eq!(limited.drain(&from("not an address")), 0);
}

#[test]
fn grpc_gets_a_status_and_the_same_fields() {
    let limits = [with(
        by_user(rate(1, NEVER_MS, 1)),
        "onMissingKey",
        "reject".into(),
    )];
    let limited = Limited::on(1, &slot(&limits));
    let grpc = |request: Request| request.header("content-type", "application/grpc+proto");
    limited.drain(&user("alice"));
    let refused = limited.outcome(0, &grpc(user("alice"))).local_response.unwrap();
    assert_eq!((refused.status, refused.grpc_status), (429, Some(8)));
    for field in ["ratelimit", "ratelimit-policy", "retry-after"] {
        assert!(refused.headers.get(field).is_some(), "{field}: {refused:?}");
    }
    let missing = limited
        .outcome(0, &grpc(Request::get("/")))
        .local_response
        .unwrap();
    assert_eq!((missing.status, missing.grpc_status), (400, Some(3)));
}

#[test]
fn answers_are_told_what_the_policies_say() {
    let told = |headers: Value| {
        let policy = with(policy(&[by_user(rate(1, NEVER_MS, 2))]), "headers", headers);
        let limited = Limited::on(1, &slot_of(&json!({"default/api": policy})));
        let names = ["ratelimit", "ratelimit-policy", "x-ratelimit-limit"];
        let exchange = || {
            let stream = limited.plugin.worker(0).open(user("alice")).unwrap();
            let answer = match stream.outcome().local_response {
                Some(refused) => refused.headers,
                None => {
                    let ok = [(":status", "200")].into_iter().collect();
                    stream.response_headers(ok, true).unwrap().content
                }
            };
            stream.finish().unwrap();
            names.map(|name| answer.values(name).count())
        };
        [exchange(), exchange(), exchange()]
    };
    assert_eq!(told(json!({})), [[1, 1, 0]; 3]);
    assert_eq!(told(json!({"legacy": true})), [[1, 1, 1]; 3]);
    assert_eq!(told(json!({"standard": "limited"})), [[0; 3], [0; 3], [1, 1, 0]]);
    assert_eq!(told(json!({"standard": "never"})), [[0; 3]; 3]);
}

#[test]
fn many_more_keys_than_are_kept_use_no_more_shared_data() {
    let configuration = with(policy(&[by_user(rate(1, NEVER_MS, 2))]), "maxKeys", 64.into());
    let limited = Limited::on(2, &slot_of(&json!({"default/api": configuration})));
    for name in 0..2_000_usize {
        limited.ask(name % 2, &user(name.to_string()));
    }
    limited.advance(1_100);
    let keys = limited.process.shared_keys(crate::fixture::VM).len();
    assert!(keys <= 64 / 4 + 1, "{keys} values");
    let evicted = limited
        .process
        .counter("weir_limit_evictions_total.filter.rate-limit");
    assert!(
        evicted.is_some_and(|count| count >= 2_000 - 16 * 16),
        "{evicted:?}"
    );
}
